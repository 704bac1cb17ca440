//! Who does it? Workers that take tasks from the queue, keep their lease alive, and say how it ended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time,
};

use crate::{
    bot::{Bot, Trouble},
    clock,
    event::Task,
    forge::{Forge, ForgeError},
    queue::{Ended, Leased, Queue, QueueError},
};

/// The longest a worker sleeps without looking at the queue.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Works until `closing` says so, and then finishes what it began. Each task is done under the settings of its time.
pub(crate) async fn work<F: Forge, Q: Queue>(
    bots: watch::Receiver<Arc<Bot<F, Q>>>,
    arrived: Arc<Notify>,
    mut closing: watch::Receiver<bool>,
) {
    while !*closing.borrow() {
        // Listened for before looking: what arrives between the look and the sleep is not slept through.
        let news = arrived.notified();
        let bot = Arc::clone(&bots.borrow());
        let next = take(&bot).await;
        let sleep = match next {
            Ok(Some(leased)) => {
                do_one(&bot, leased).await;
                continue;
            }
            Ok(None) => until_due(&bot).await,
            Err(error) => {
                tracing::error!(error = %engine::notice::chain(&error), "the queue cannot be read");
                LONGEST_SLEEP
            }
        };
        tokio::select! {
            () = news => {}
            () = time::sleep(sleep) => {}
            _ = closing.changed() => {}
        }
    }
}

async fn take<F: Forge, Q: Queue>(bot: &Arc<Bot<F, Q>>) -> Result<Option<Leased>, QueueError> {
    let lease = bot.settings.queue.lease();
    bot.on_queue(move |queue| queue.lease(clock::now(), lease)).await
}

async fn until_due<F: Forge, Q: Queue>(bot: &Arc<Bot<F, Q>>) -> Duration {
    match bot.on_queue(Queue::next_due).await {
        Ok(Some(due)) => Duration::from_millis((due - clock::now()).max(20) as u64).min(LONGEST_SLEEP),
        _ => LONGEST_SLEEP,
    }
}

async fn do_one<F: Forge, Q: Queue>(bot: &Arc<Bot<F, Q>>, leased: Leased) {
    let started = Instant::now();
    let (kind, place) = (leased.task.kind(), leased.task.place().to_string());
    let outcome = alive(bot, &leased, run(bot, &leased)).await;
    let ended = match outcome {
        Some(outcome) => judge(bot, &leased, outcome),
        None => {
            tracing::warn!(place, kind, "the lease was lost; another worker has the task");
            return;
        }
    };
    if let (Task::Command { place, comment }, Ended::Dead { .. }) = (&leased.task, &ended)
        && let Err(error) = bot.give_up(place, comment).await
    {
        tracing::warn!(%place, kind, error = %engine::notice::chain(&error), "nobody could be told that an order was given up");
    }
    let (result, why) = match &ended {
        Ended::Done => ("done", None),
        Ended::Later { why, .. } => ("later", Some(why.as_str())),
        Ended::Dead { why } => ("dead", Some(why.as_str())),
    };
    let took = started.elapsed();
    match &ended {
        Ended::Done => tracing::info!(place, kind, ms = took.as_millis() as u64, "done"),
        _ => tracing::warn!(place, kind, attempts = leased.attempts + 1, result, why, "not done"),
    }
    bot.metrics.task(kind, result, took);
    if matches!((&leased.task, &ended), (Task::Review { .. }, Ended::Done)) {
        bot.metrics.reviewed(Duration::from_millis((clock::now() - leased.created).max(0) as u64));
    }
    let end = bot.on_queue(move |queue| queue.end(&leased, &ended, clock::now())).await;
    if let Err(error) = end {
        // The lease runs out, and the task is done again; doing it twice is doing it once.
        tracing::error!(place, kind, error = %engine::notice::chain(&error), "the end of a task was not kept");
    }
}

/// Runs while the lease is kept alive; `None` when it was lost.
async fn alive<F: Forge, Q: Queue, T>(
    bot: &Arc<Bot<F, Q>>,
    leased: &Leased,
    run: impl Future<Output = T>,
) -> Option<T> {
    let lease = bot.settings.queue.lease();
    let lost = async {
        loop {
            time::sleep(lease / 3).await;
            let mine = leased.clone();
            if let Ok(false) = bot.on_queue(move |queue| queue.renew(&mine, clock::now(), lease)).await {
                return;
            }
        }
    };
    tokio::select! {
        done = run => Some(done),
        () = lost => None,
    }
}

async fn run<F: Forge, Q: Queue>(bot: &Arc<Bot<F, Q>>, leased: &Leased) -> Result<(), Trouble> {
    match &leased.task {
        Task::Review { place, asked } => bot.review(place, *asked, leased).await.map(drop),
        Task::Command { place, comment } => bot.obey(place, comment).await,
        Task::Harvest { place } => bot.harvest(place).await,
    }
}

/// What an outcome means for the task.
fn judge<F: Forge, Q: Queue>(bot: &Bot<F, Q>, leased: &Leased, outcome: Result<(), Trouble>) -> Ended {
    let attempts = leased.attempts + 1;
    let pause = bot.settings.queue.pause(attempts);
    let Err(trouble) = outcome else { return Ended::Done };
    let why = engine::notice::chain(&trouble);
    match &trouble {
        // Coming back when told to is no failure.
        Trouble::Forge(ForgeError::Limited { wait, .. }) => Ended::Later { pause: *wait, why },
        Trouble::Forge(ForgeError::Refused { status: 404 | 410 | 451, .. }) => Ended::Dead { why },
        _ if attempts >= bot.settings.queue.attempts => Ended::Dead { why },
        _ => Ended::Later { pause, why },
    }
}
