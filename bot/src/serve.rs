//! The server: everything opened, the door, the workers, and what happens by the clock.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use engine::feedback::Journal;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, watch},
    time,
};

use crate::{
    bot::{Bot, Indexed},
    checkout::Mirrors,
    clock,
    door::{self, Batcher, Door},
    env,
    event::Task,
    files,
    forge::Forge,
    github::GitHub,
    inforce::House,
    ledger::Ledger,
    metrics::Metrics,
    queue::{Arrival, Queue, Sqlite},
    settings::File,
    token,
};

type Ours = Bot<GitHub, Sqlite>;

/// Deliveries older than this are not asked for: GitHub keeps them about that long.
const MISSED: i64 = 3 * 24 * 3600 * 1000;

/// What lasts as long as the process.
struct Kept {
    queue: Arc<Sqlite>,
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    metrics: Arc<Metrics>,
    login: String,
    indexed: Arc<Indexed>,
}

/// Serves until it is told to end.
pub(crate) async fn run(settings: File, config: Option<&Path>) -> Result<ExitCode> {
    start_log();
    let secret = settings.webhook_secret()?;
    let github = token::github(&settings)?;
    let state = settings.server.state.clone();
    files::make_private(&state)?;
    let Some(_lock) = files::lock(&state)? else {
        return Err(anyhow!(
            "another apprentice-bot runs on `{}`; stop it, or use another server.state",
            state.display()
        ));
    };
    let file = state.join("state.db");
    let queue = Arc::new(Sqlite::open(&file).with_context(|| format!("cannot open `{}`", file.display()))?);
    let (arrived, metrics) = (Arc::new(Notify::new()), Arc::new(Metrics::default()));
    let (close, closing) = watch::channel(false);
    // From here on a HUP that comes early waits, and does not end us.
    let hangup = signal(SignalKind::hangup())?;
    let door = Door {
        secret,
        us: settings.github.name.clone(),
        max_body_bytes: settings.server.max_body_bytes,
        queue: Arc::clone(&queue),
        batcher: Batcher::start(Arc::clone(&queue), {
            let arrived = Arc::clone(&arrived);
            move || arrived.notify_waiters()
        }),
        metrics: Arc::clone(&metrics),
    };
    let listener = TcpListener::bind(settings.server.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", settings.server.listen))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let patience = Duration::from_secs(settings.server.request_seconds.max(1));
    let routes = door::routes(Arc::new(door));
    // Deliveries are kept from now on; who we are may be asked later.
    let serving = tokio::spawn(door::serve(listener, routes, patience, ended(closing.clone())));
    tokio::spawn(until_signal(close));
    let kept = Kept {
        queue,
        ledger: Arc::new(Ledger::open(&file)?),
        journal: Arc::new(Journal::open(&file)?),
        metrics,
        indexed: Arc::default(),
        login: tokio::select! {
            login = who_we_are(&github) => login,
            () = ended(closing.clone()) => return Ok(ExitCode::SUCCESS),
        },
    };
    let first = Arc::new(kept.bot(settings, github)?);
    work(kept, first, config, arrived, (hangup, closing)).await?;
    let _ = serving.await;
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

impl Kept {
    /// A bot under these settings.
    fn bot(&self, settings: File, forge: GitHub) -> Result<Ours> {
        let state = settings.server.state.clone();
        let own = match &settings.review.config {
            Some(path) => Some((path.clone(), files::read_text(path)?)),
            None => None,
        };
        let house = House::new(own, state.clone());
        // A mistake in the operator's file is told now and not by every review.
        house.layers()?.resolve()?;
        Ok(Bot {
            forge,
            queue: Arc::clone(&self.queue),
            mirrors: Arc::new(Mirrors::new(state.join("mirrors"), settings.checkout.clone())),
            house: Arc::new(house),
            ledger: Arc::clone(&self.ledger),
            journal: Arc::clone(&self.journal),
            metrics: Arc::clone(&self.metrics),
            login: self.login.clone(),
            indexed: Arc::clone(&self.indexed),
            settings,
        })
    }
}

/// Runs the workers and the clock until the end, under settings that a HUP signal reads anew.
async fn work(
    kept: Kept,
    first: Arc<Ours>,
    config: Option<&Path>,
    arrived: Arc<Notify>,
    (mut hangup, closing): (Signal, watch::Receiver<bool>),
) -> Result<()> {
    let (change, bots) = watch::channel(Arc::clone(&first));
    let worker = |_| tokio::spawn(crate::worker::work(bots.clone(), Arc::clone(&arrived), closing.clone()));
    let workers: Vec<_> = (0..first.settings.queue.workers).map(worker).collect();
    let clock = tokio::spawn(by_the_clock(bots.clone(), Arc::clone(&arrived)));
    loop {
        tokio::select! {
            () = ended(closing.clone()) => break,
            _ = hangup.recv() => match reload(&kept, config) {
                Ok(bot) => {
                    tracing::info!("settings read anew");
                    change.send_replace(Arc::new(bot));
                }
                Err(error) => tracing::error!(error = %format!("{error:#}"), "the old settings stay in force"),
            },
        }
    }
    clock.abort();
    for worker in workers {
        let _ = worker.await;
    }
    Ok(())
}

/// The settings as they are written now. Where it listens and keeps its state stays as it was.
fn reload(kept: &Kept, config: Option<&Path>) -> Result<Ours> {
    let settings = File::read(config)?;
    let github = token::github(&settings)?;
    kept.bot(settings, github)
}

/// Asks until GitHub answers.
async fn who_we_are(github: &GitHub) -> String {
    let mut pause = Duration::from_secs(1);
    loop {
        match github.whoami().await {
            Ok((login, _)) => {
                tracing::info!(login, "this is us");
                return login;
            }
            Err(error) => tracing::error!(%error, "GitHub does not say who we are; deliveries are kept meanwhile"),
        }
        time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
}

/// Missed deliveries on start and each hour, reactions now and then, old mirrors each hour.
async fn by_the_clock(bots: watch::Receiver<Arc<Ours>>, arrived: Arc<Notify>) {
    let mut since_hour = Duration::MAX;
    loop {
        let bot = Arc::clone(&bots.borrow());
        if since_hour >= Duration::from_secs(3600) {
            since_hour = Duration::ZERO;
            ask_for_missed(&bot).await;
            let mirrors = Arc::clone(&bot.mirrors);
            let _ = tokio::task::spawn_blocking(move || mirrors.evict()).await;
        }
        let every = bot.settings.queue.harvest_seconds;
        if every > 0 {
            look_at_reactions(&bot, every, &arrived).await;
        }
        let pause = Duration::from_secs(every.clamp(1, 60));
        time::sleep(pause).await;
        since_hour += pause;
    }
}

/// GitHub never sends a failed delivery again by itself.
async fn ask_for_missed(bot: &Ours) {
    if !bot.forge.is_app() {
        return;
    }
    let last = bot.on_queue(Queue::last_arrival).await.ok().flatten();
    let since = last.map_or(0, |at| at - 3_600_000).max(clock::now() - MISSED);
    let missed = match bot.forge.missed(since).await {
        Ok(missed) => missed,
        Err(error) => return tracing::warn!(%error, "missed deliveries cannot be listed"),
    };
    for delivery in missed {
        let guid = delivery.guid.clone();
        if bot.on_queue(move |queue| queue.knows(&guid)).await.unwrap_or(false) {
            continue;
        }
        match bot.forge.redeliver(delivery.id).await {
            Ok(()) => tracing::info!(guid = delivery.guid, "asked for a missed delivery"),
            Err(error) => tracing::warn!(guid = delivery.guid, %error, "a missed delivery cannot be had"),
        }
    }
}

/// There is no webhook for a reaction, so they are looked for.
async fn look_at_reactions(bot: &Ours, every: u64, arrived: &Notify) {
    let now = clock::now();
    let due = match bot.ledger.due(now - (every * 1000) as i64) {
        Ok(due) => due,
        Err(error) => return tracing::error!(%error, "the ledger cannot be read"),
    };
    let arrival = |place: crate::forge::Place| Arrival {
        guid: format!("look-{}-{now}", place.to_string().replace(['/', '#', '.'], "-")),
        tasks: vec![Task::Harvest { place }],
    };
    let arrivals: Vec<Arrival> = due.into_iter().map(arrival).collect();
    if !arrivals.is_empty() && bot.on_queue(move |queue| queue.put(&arrivals, now)).await.is_ok() {
        arrived.notify_waiters();
    }
}

async fn ended(mut closing: watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn until_signal(close: watch::Sender<bool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending: what was begun is finished first");
    close.send_replace(true);
}

/// One JSON object a line, on standard error.
fn start_log() {
    let filter = env::log().unwrap_or_else(|| "info,octocrab=warn,hyper=warn".into());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).unwrap_or_else(|_| "info".into());
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
