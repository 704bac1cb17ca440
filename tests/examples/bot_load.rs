//! How many deliveries a second does a receiver take? An open-loop sender, for the bot's door and for others.
//!
//! `bot_load --url http://127.0.0.1:8420/webhook --rate 1000 --seconds 60 --pulls 1000 --repos 20
//!   [--secret TEXT] [--installation ID] [--connections 64] [--db state.db | --log FILE]`
//!
//! Every delivery has a GUID, a body and a signature of its own and a time at which it is due, whatever became of those
//! before it; its latency counts from then. Afterwards every accepted GUID is looked for in the bot's own table, or in a
//! file that another receiver wrote. Prints one JSON object.
#![expect(clippy::disallowed_methods, reason = "a measurement reads what a receiver wrote")]

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use forge::{Forge, Options};
use ring::hmac;
use serde_json::{Value, json};

/// The number that stands for a pull request's in the pattern of a body.
const NUMBER: u64 = 987_654_321;
/// The commit that stands for the pushed one.
const AFTER: &str = "0123456789abcdef0123456789abcdef01234567";
/// About the size of what GitHub sends for a push to a pull request.
const BYTES: usize = 23 * 1024;

/// What is sent, and where.
struct Load {
    address: String,
    path: String,
    key: hmac::Key,
    pattern: String,
    run: u64,
    rate: f64,
    many: usize,
    pulls: usize,
    repos: usize,
}

/// What became of one delivery: GUID, status (0 for none), seconds since it was due.
type Sent = (String, u16, f64);

fn given<T: std::str::FromStr>(name: &str) -> Option<T> {
    let flag = format!("--{name}");
    std::env::args().skip_while(|argument| *argument != flag).nth(1)?.parse().ok()
}

fn main() {
    let url: String = given("url").expect("--url");
    let rest = url.strip_prefix("http://").expect("an http address");
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let secret = given::<String>("secret").unwrap_or_else(|| "It's a Secret to Everybody".into());
    let (rate, seconds) = (given("rate").unwrap_or(1000.0), given("seconds").unwrap_or(10.0));
    let load = Load {
        address: address.into(),
        path: format!("/{path}"),
        key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        pattern: pattern(given("installation")),
        run: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
        rate,
        many: (rate * seconds) as usize,
        pulls: given("pulls").unwrap_or(1000),
        repos: given("repos").unwrap_or(20),
    };
    let (sent, took) = send(&load, given("connections").unwrap_or(64));
    let mut report = told(&load, &sent, took);
    let accepted = sent.iter().filter(|sent| (200..300).contains(&sent.1)).map(|sent| sent.0.as_str());
    if let Some(kept) = kept() {
        let lost: Vec<&str> = accepted.filter(|guid| !kept.contains(*guid)).collect();
        report["lost"] = lost.len().into();
    }
    println!("{report}");
}

/// A `pull_request.synchronize` as the forge sends it, with places for what differs.
fn pattern(installation: Option<u64>) -> String {
    let forge = Forge::start(Options::default()).expect("a forge");
    let repo = forge.create("acme/demo", &[("a.txt", "one\n")]).expect("a repository");
    forge.install("acme");
    repo.push("acme", "topic", "two", &[("a.txt", "two\n")]).expect("a push");
    repo.open_pr("acme", "topic", "two").expect("a pull request");
    repo.push("acme", "topic", "three", &[("a.txt", "three\n")]).expect("a push");
    let all = forge.deliveries();
    let is_push = |delivery: &&forge::Delivery| delivery.action.as_deref() == Some("synchronize");
    let mut payload = all.iter().rev().find(is_push).expect("its webhook").payload.clone();
    payload["number"] = NUMBER.into();
    payload["pull_request"]["number"] = NUMBER.into();
    payload["after"] = AFTER.into();
    if let Some(id) = installation {
        payload["installation"]["id"] = id.into();
    }
    let missing = BYTES.saturating_sub(payload.to_string().len());
    payload["pull_request"]["body"] = Value::from("A word or two on why. ".repeat(missing / 22));
    payload.to_string()
}

impl Load {
    /// The request for the delivery with this number.
    fn request(&self, at: usize) -> (String, Vec<u8>) {
        // Neighbours in time are about different pull requests, as on GitHub.
        let pull = at % self.pulls;
        let body = self
            .pattern
            .replace("acme/demo", &format!("acme/r{}", pull % self.repos))
            .replace(&NUMBER.to_string(), &(pull / self.repos + 1).to_string())
            .replace(AFTER, &format!("{:016x}{at:024x}", self.run));
        let guid = format!("{:08x}-{:04x}-4000-8000-{at:012x}", self.run & 0xffff_ffff, self.run >> 32 & 0xffff);
        let tag = hmac::sign(&self.key, body.as_bytes());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: GitHub-Hookshot/f0e6e00\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nx-github-event: pull_request\r\n\
             x-github-delivery: {guid}\r\nx-hub-signature-256: sha256={tag}\r\n\r\n",
            self.path,
            self.address,
            body.len(),
        );
        (guid, [head.into_bytes(), body.into_bytes()].concat())
    }
}

/// Sends everything when it is due, over so many connections that are kept.
fn send(load: &Load, connections: usize) -> (Vec<Sent>, f64) {
    let next = AtomicUsize::new(0);
    let start = Instant::now() + Duration::from_millis(300);
    let one = || {
        let mut sent = Vec::with_capacity(load.many / connections + 16);
        let mut stream = None;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= load.many {
                return sent;
            }
            let (guid, request) = load.request(at);
            let due = start + Duration::from_secs_f64(at as f64 / load.rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let status = exchange(&mut stream, &load.address, &request).unwrap_or(0);
            sent.push((guid, status, due.elapsed().as_secs_f64()));
        }
    };
    let all = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a sender")).collect()
    });
    (all, start.elapsed().as_secs_f64())
}

/// One request and the status of its answer; a connection that broke is opened anew for the next.
fn exchange(stream: &mut Option<BufReader<TcpStream>>, address: &str, request: &[u8]) -> Option<u16> {
    let mut open = match stream.take() {
        Some(open) => open,
        None => {
            let open = TcpStream::connect(address).ok()?;
            open.set_nodelay(true).ok()?;
            open.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            BufReader::new(open)
        }
    };
    open.get_mut().write_all(request).ok()?;
    let (status, stays) = answer(&mut open)?;
    *stream = stays.then_some(open);
    Some(status)
}

/// The status, once the whole answer is read, and whether the connection stays.
fn answer(open: &mut BufReader<TcpStream>) -> Option<(u16, bool)> {
    let mut line = String::new();
    open.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let (mut length, mut stays) = (None, true);
    loop {
        line.clear();
        open.read_line(&mut line).ok()?;
        let text = line.trim().to_ascii_lowercase();
        match text.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse::<u64>().ok(),
            Some(("connection", value)) => stays = value.trim() != "close",
            _ if text.is_empty() => break,
            _ => {}
        }
    }
    match length {
        Some(length) => std::io::copy(&mut open.by_ref().take(length), &mut std::io::sink()).ok()?,
        None => chunks(open)?,
    };
    Some((status, stays))
}

fn chunks(open: &mut BufReader<TcpStream>) -> Option<u64> {
    let mut line = String::new();
    loop {
        line.clear();
        open.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim(), 16).ok()?;
        std::io::copy(&mut open.by_ref().take(size + 2), &mut std::io::sink()).ok()?;
        if size == 0 {
            return Some(0);
        }
    }
}

fn told(load: &Load, sent: &[Sent], took: f64) -> Value {
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for one in sent {
        *statuses.entry(one.1.to_string()).or_default() += 1;
    }
    let mut ms: Vec<f64> = sent.iter().filter(|one| one.1 != 0).map(|one| one.2 * 1000.0).collect();
    ms.sort_by(f64::total_cmp);
    let of = |part: f64| {
        let at = ((ms.len() as f64 - 1.0) * part).ceil().max(0.0) as usize;
        ms.get(at).map_or(f64::NAN, |ms| (ms * 100.0).round() / 100.0)
    };
    json!({
        "rate": load.rate, "sent": sent.len(), "achieved": (sent.len() as f64 / took).round(),
        "body_bytes": load.request(0).1.len(), "statuses": statuses,
        "p50_ms": of(0.5), "p90_ms": of(0.9), "p99_ms": of(0.99), "p999_ms": of(0.999), "max_ms": of(1.0),
    })
}

/// The GUIDs that a receiver kept, if it was said where.
fn kept() -> Option<HashSet<String>> {
    if let Some(file) = given::<String>("db") {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = rusqlite::Connection::open_with_flags(file, flags).expect("the bot's state.db");
        let mut query = database.prepare("SELECT guid FROM delivery").expect("its table");
        let rows = query.query_map([], |row| row.get(0)).expect("its rows");
        return Some(rows.map(|row| row.expect("a GUID")).collect());
    }
    let file = given::<String>("log")?;
    // A receiver that writes now and then is given the time to.
    thread::sleep(Duration::from_secs(2));
    Some(fs::read_to_string(file).expect("the receiver's log").lines().map(str::to_owned).collect())
}
