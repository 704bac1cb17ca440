//! How many reviews a second does the bot do, how long is it from a push to a comment, and does its memory grow?
//!
//! `bot_reviews [--pulls 100] [--rate 2] [--pushes 200]`: opens all pull requests at once, pushes at a steady rate, and
//! then to all of them at the same moment. `bot_reviews --minutes 30 --rate 0.5`: only pushes, with the memory each 30 s.
//! The real bot against the forge; no linters, no model. The forge does one thing at a time, on the same machine.

use std::{
    collections::HashMap,
    process, thread,
    time::{Duration, Instant},
};

use forge::{Forge, Repo};

mod shared;
use shared::{Serving, cpu, given, percentile};

/// How many repositories the pull requests are spread over.
const REPOS: usize = 5;
/// How many files a pull request changes.
const FILES: usize = 5;

/// The repositories, and where each pull request is.
struct World {
    forge: Forge,
    pulls: Vec<(Repo, u64)>,
}

/// A file of one version of a pull request; the first three have a finding each, two of them with a patch.
fn file(pull: usize, version: usize, at: usize) -> (String, String) {
    let name = format!("load_{pull}_{version}_{at}");
    let finding = match at {
        0 => format!("    if rows == None:\n        return {version}\n"),
        1 => format!("    try:\n        rows.{name}()\n    except:\n        return {version}\n"),
        2 => format!("    assert (rows, \"no rows of {name}\")\n"),
        _ => "    total = sum(rows)\n".to_owned(),
    };
    let rest: String = (0..40).map(|line| format!("    rows.append({line} + {version})\n")).collect();
    (format!("src/part_{pull}_{at}.py"), format!("def {name}(rows):\n{finding}{rest}    return rows\n"))
}

fn push(repo: &Repo, pull: usize, version: usize) {
    let files: Vec<(String, String)> = (0..FILES).map(|at| file(pull, version, at)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repo.push("acme", &format!("topic-{pull}"), &format!("version {version}"), &files).expect("a push");
}

impl World {
    /// The repositories with a branch for each pull request, none of them opened.
    fn make(pulls: usize) -> (Forge, Vec<Repo>) {
        let forge = shared::forge();
        let base: Vec<(String, String)> =
            (0..60).map(|at| (format!("lib/base_{at}.py"), format!("def base_{at}():\n    return {at}\n"))).collect();
        let base: Vec<(&str, &str)> = base.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let make = |at| forge.create(&format!("acme/r{at}"), &base).expect("a repository");
        let repos: Vec<Repo> = (0..REPOS).map(make).collect();
        forge.install("acme");
        (0..pulls).for_each(|pull| push(&repos[pull % REPOS], pull, 0));
        (forge, repos)
    }

    /// Opens them all.
    fn open(forge: Forge, repos: &[Repo], pulls: usize) -> Self {
        let open = |pull: usize| {
            let repo = repos[pull % REPOS].clone();
            let number = repo.open_pr("acme", &format!("topic-{pull}"), "load").expect("a pull request");
            (repo, number)
        };
        let pulls = (0..pulls).map(open).collect();
        Self { forge, pulls }
    }

    /// When each review was answered, by pull request.
    fn posted(&self) -> HashMap<(String, u64), Vec<Instant>> {
        let mut posted: HashMap<(String, u64), Vec<Instant>> = HashMap::new();
        for exchange in self.forge.requests() {
            if exchange.operation != "pulls/create-review" || exchange.status != 200 {
                continue;
            }
            let mut parts = exchange.path.trim_start_matches("/repos/").split("/pulls/");
            let (Some(repo), Some(rest)) = (parts.next(), parts.next()) else { continue };
            let number = rest.split('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            posted.entry((repo.to_owned(), number)).or_default().push(exchange.at);
        }
        posted
    }

    /// Waits until so many reviews were posted in all.
    fn wait(&self, reviews: usize, limit: Duration) -> bool {
        let started = Instant::now();
        while self.forge.count("pulls/create-review") < reviews {
            if started.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// Seconds from each push to the first review after it, sorted, and how many pushes have none.
    fn latencies(&self, pushed: &[(usize, Instant)]) -> (Vec<f64>, usize) {
        let posted = self.posted();
        let after = |&(pull, at): &(usize, Instant)| {
            let (repo, number) = &self.pulls[pull];
            let all = posted.get(&(repo.name().to_owned(), *number))?;
            all.iter().filter(|time| **time >= at).min().map(|time| (*time - at).as_secs_f64())
        };
        let mut seconds: Vec<f64> = pushed.iter().filter_map(after).collect();
        seconds.sort_by(f64::total_cmp);
        let missing = pushed.len() - seconds.len();
        (seconds, missing)
    }
}

/// A stretch of work, and what it cost on both sides.
struct Stretch<'a> {
    bot: &'a Serving,
    from: Instant,
    cpu: ((f64, f64), (f64, f64)),
    reviews: usize,
}

impl<'a> Stretch<'a> {
    fn begin(bot: &'a Serving, world: &Forge) -> Self {
        let cpu = (bot.cpu(), cpu(process::id()));
        Self { bot, from: Instant::now(), cpu, reviews: world.count("pulls/create-review") }
    }

    fn told(&self, name: &str, world: &World, pushed: &[(usize, Instant)]) {
        let took = self.from.elapsed().as_secs_f64();
        let reviews = world.forge.count("pulls/create-review") - self.reviews;
        let (bot, forge) = (self.bot.cpu(), cpu(process::id()));
        let (own, git) = (bot.0 - self.cpu.0.0, bot.1 - self.cpu.0.1);
        let theirs = forge.0 + forge.1 - self.cpu.1.0 - self.cpu.1.1;
        let (seconds, missing) = world.latencies(pushed);
        println!(
            "{name}: {reviews} reviews in {took:.1} s = {:.2}/s; push to comment p50 {:.2} s p95 {:.2} s max {:.2} s \
             ({missing} without); CPU a review: bot {:.0} ms, its git {:.0} ms, the forge {:.0} ms",
            reviews as f64 / took,
            percentile(&seconds, 0.5),
            percentile(&seconds, 0.95),
            percentile(&seconds, 1.0),
            1000.0 * own / reviews as f64,
            1000.0 * git / reviews as f64,
            1000.0 * theirs / reviews as f64,
        );
    }
}

/// Pushes at a steady rate, to one pull request after another.
fn steadily(
    world: &World,
    rate: f64,
    many: usize,
    version: &mut usize,
    each: &mut dyn FnMut(),
) -> Vec<(usize, Instant)> {
    let start = Instant::now();
    let mut pushed = Vec::new();
    for at in 0..many {
        let due = start + Duration::from_secs_f64(at as f64 / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let pull = at % world.pulls.len();
        *version += 1;
        push(&world.pulls[pull].0, pull, *version);
        pushed.push((pull, Instant::now()));
        each();
    }
    pushed
}

fn main() {
    let (pulls, rate) = (given("pulls", 100), given("rate", 2.0));
    let (forge, repos) = World::make(pulls);
    let bot = Serving::start(&forge);
    let stretch = Stretch::begin(&bot, &forge);
    let opened = Instant::now();
    let world = World::open(forge, &repos, pulls);
    let all = world.wait(pulls, Duration::from_secs(600));
    assert!(all, "not everything was reviewed:\n{}", bot.log());
    stretch.told("open all", &world, &(0..pulls).map(|pull| (pull, opened)).collect::<Vec<_>>());
    let mut version = 0;
    match given("minutes", 0.0) {
        0.0 => speed(&world, &bot, rate, &mut version),
        minutes => memory(&world, &bot, rate, (minutes * 60.0 * rate) as usize, &mut version),
    }
    let violations = world.forge.violations();
    println!("violations of the forge: {}", violations.len());
    violations.iter().take(5).for_each(|violation| println!("  {violation:?}"));
    let later = bot.log().lines().filter(|line| line.contains("not done")).count();
    println!("tasks that had to be tried again or were given up: {later}");
}

fn speed(world: &World, bot: &Serving, rate: f64, version: &mut usize) {
    let before = world.forge.count("pulls/create-review");
    let stretch = Stretch::begin(bot, &world.forge);
    let many = given("pushes", 200);
    let pushed = steadily(world, rate, many, version, &mut || {});
    world.wait(before + many, Duration::from_secs(60));
    stretch.told(&format!("steady, {rate} pushes a second"), world, &pushed);

    // A burst: everything is pushed while webhooks go nowhere, and then all deliveries are sent at once.
    thread::sleep(Duration::from_secs(2));
    world.forge.webhooks_to("http://127.0.0.1:9/");
    let known = world.forge.deliveries().len();
    steadily(world, 1e9, world.pulls.len(), version, &mut || {});
    assert!(world.forge.settle(Duration::from_secs(60)), "webhooks into nowhere");
    world.forge.webhooks_to(&bot.webhook());
    let deliveries = world.forge.deliveries();
    let is_push = |delivery: &&forge::Delivery| delivery.action.as_deref() == Some("synchronize");
    let lost: Vec<u64> = deliveries[known..].iter().filter(is_push).map(|delivery| delivery.id).collect();
    let before = world.forge.count("pulls/create-review");
    let stretch = Stretch::begin(bot, &world.forge);
    let at = Instant::now();
    assert!(lost.iter().all(|id| world.forge.redeliver(*id)), "a delivery to be sent again");
    world.wait(before + world.pulls.len(), Duration::from_secs(300));
    stretch.told("burst", world, &(0..world.pulls.len()).map(|pull| (pull, at)).collect::<Vec<_>>());
    println!("memory of the bot, KiB, now and at most: {:?}", bot.memory());
}

fn memory(world: &World, bot: &Serving, rate: f64, many: usize, version: &mut usize) {
    let (start, mut points) = (Instant::now(), Vec::new());
    let mut look = |force: bool| {
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        if force || minutes >= points.len() as f64 * 0.5 {
            points.push((minutes, bot.memory().0 as f64 / 1024.0));
            let reviews = world.forge.count("pulls/create-review");
            println!("{minutes:.1} min, {:.1} MiB, {reviews} reviews", bot.memory().0 as f64 / 1024.0);
        }
    };
    steadily(world, rate, many, version, &mut || look(false));
    look(true);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    // The first two minutes fill caches.
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().filter(|point| point.0 >= 2.0).copied().unzip();
    let (mx, my) = (mean(&x), mean(&y));
    let up: f64 = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let slope = up / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>();
    println!("slope after two minutes: {slope:.3} MiB a minute; at most {:.1} MiB", bot.memory().1 as f64 / 1024.0);
}
