//! What does it do with a task? Review, and see how people answered; `talk` does what they ask for.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use engine::{
    change::Versions,
    config::{ConfigError, FailOn},
    feedback::{Entry, Journal, JournalError},
    finding::Fingerprint,
    git::{CommitId, FetchError, RepositoryError},
    notice::{self, Notice},
    pipeline::Engine,
    review::Review,
};

use crate::{
    checkout::{Held, Mirrors},
    forge::{CheckRun, Conclusion, Conversation, Forge, ForgeError, Place, Pull, Verdict},
    harvest,
    inforce::{self, House},
    ledger::Ledger,
    metrics::Metrics,
    queue::{Leased, Queue, QueueError},
    say::{self, Marker, Plan, Terms},
    settings,
};

/// Everything a task may need.
pub(crate) struct Bot<F, Q> {
    pub(crate) forge: F,
    pub(crate) queue: Arc<Q>,
    pub(crate) settings: settings::File,
    pub(crate) house: Arc<House>,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: Arc<Metrics>,
    /// Our own login, as comments show it.
    pub(crate) login: String,
    pub(crate) indexed: Arc<Indexed>,
}

/// Why a task could not be done now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("cannot get the commits")]
    Fetch(#[from] FetchError),
    #[error("cannot read the commits")]
    Repository(#[from] RepositoryError),
    #[error("the operator's configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the ledger cannot be used")]
    Ledger(#[from] rusqlite::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the work was broken off")]
    Broken,
}

/// A pull request's change, with what judges it.
pub(crate) struct Ready {
    pub(crate) engine: Engine,
    pub(crate) versions: Versions,
    pub(crate) held: Held,
}

/// Why a pull request is not reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    Closed,
    Draft,
    Author,
    Label,
    Paused,
}

/// How a plan was carried out.
enum Said {
    /// As planned.
    Everything,
    /// Without comments on lines, which the forge did not take.
    InWords,
    /// Not at all: the head it speaks about is gone.
    TooLate,
}

/// How the review of a pull request ended.
pub(crate) enum Outcome {
    /// It is not to be reviewed.
    Skipped(Skip),
    /// A newer push took its place, and is reviewed instead.
    Overtaken,
    /// Everything there was to say is said.
    Said(Box<(Review, FailOn)>),
}

impl<F: Forge, Q: Queue> Bot<F, Q> {
    /// Does something with the queue where blocking is allowed.
    pub(crate) async fn on_queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Q) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let queue = Arc::clone(&self.queue);
        match tokio::task::spawn_blocking(move || work(&queue)).await {
            Ok(done) => done,
            Err(_) => Err(QueueError::Database(rusqlite::Error::InvalidQuery)),
        }
    }

    /// Whether a login is ours.
    pub(crate) fn is_us(&self, login: &str) -> bool {
        let bare = |login: &str| login.trim_end_matches("[bot]").to_ascii_lowercase();
        bare(login) == bare(&self.login)
    }

    /// Reviews a pull request as it is now.
    ///
    /// # Errors
    /// [`Trouble`]; doing it again goes on where this stopped, and says nothing twice.
    pub(crate) async fn review(&self, place: &Place, asked: bool, leased: &Leased) -> Result<Outcome, Trouble> {
        let pull = self.forge.pull(place).await?;
        self.ledger.saw(place, pull.head.as_str(), pull.is_open)?;
        if let Some(skip) = self.skip(place, &pull, asked)? {
            tracing::info!(%place, ?skip, "not reviewed");
            return Ok(Outcome::Skipped(skip));
        }
        let check = self.forge.begin_check(place, &pull, &self.settings.review.check_name, asked).await?;
        match self.review_head(place, &pull).await {
            Ok(Some((review, fail_on, on_lines))) => {
                self.end_check(place, check, &say::verdict(&review, fail_on, &on_lines)).await?;
                Ok(Outcome::Said(Box::new((review, fail_on))))
            }
            Ok(None) => {
                self.end_check(place, check, &overtaken()).await?;
                Ok(Outcome::Overtaken)
            }
            Err(trouble) => {
                if leased.attempts + 1 >= self.settings.queue.attempts {
                    // Nobody waits for a check that never ends, and nobody takes silence for green.
                    let _ = self.end_check(place, check, &gave_up(&trouble)).await;
                }
                Err(trouble)
            }
        }
    }

    async fn end_check(&self, place: &Place, check: Option<CheckRun>, verdict: &Verdict) -> Result<(), Trouble> {
        match check {
            Some(run) => Ok(self.forge.end_check(place, run, verdict).await?),
            None => Ok(()),
        }
    }

    fn skip(&self, place: &Place, pull: &Pull, asked: bool) -> Result<Option<Skip>, Trouble> {
        let settings = &self.settings.review;
        if !pull.is_open {
            return Ok(Some(Skip::Closed));
        }
        if asked {
            return Ok(None);
        }
        let author = settings.ignore_authors.iter().any(|pattern| is_like(pattern, &pull.author));
        let label = settings.ignore_labels.iter().any(|label| pull.labels.contains(label));
        Ok(match () {
            () if pull.is_draft && !settings.drafts => Some(Skip::Draft),
            () if author => Some(Skip::Author),
            () if label => Some(Skip::Label),
            () if self.ledger.is_paused(place)? => Some(Skip::Paused),
            () => None,
        })
    }

    /// The review of one head: read, planned against what was said, and said. `None` when a newer push overtook it.
    async fn review_head(
        &self,
        place: &Place,
        pull: &Pull,
    ) -> Result<Option<(Review, FailOn, HashSet<Fingerprint>)>, Trouble> {
        let ready = self.ready(place, pull).await?;
        let (review, fail_on) = self.look(ready, &pull.base).await?;
        let conversation = self.forge.conversation(place).await?;
        if self.is_overtaken(place, pull).await? {
            return Ok(None);
        }
        let hushed = self.ledger.hushed(place)?;
        let most_comments = self.settings.review.max_comments;
        let us = |login: &str| self.is_us(login);
        let plan = say::plan(&review, pull, &conversation, &Terms { most_comments, us: &us, hushed: &hushed });
        let said = self.carry_out(place, pull, &review, &plan).await?;
        Ok(match said {
            Said::Everything => Some((review, fail_on, plan.on_lines)),
            Said::InWords => Some((review, fail_on, HashSet::new())),
            Said::TooLate => None,
        })
    }

    /// Whether what was read is not the newest any more.
    ///
    /// A newer task for the same head is no reason to stop: it finds everything said.
    async fn is_overtaken(&self, place: &Place, pull: &Pull) -> Result<bool, Trouble> {
        let now = self.forge.pull(place).await?;
        Ok(now.head != pull.head || now.base_branch != pull.base_branch || !now.is_open)
    }

    /// The change of a pull request and an engine under the base branch's rules.
    pub(crate) async fn ready(&self, place: &Place, pull: &Pull) -> Result<Ready, Trouble> {
        let merge_base = self.forge.merge_base(place, &pull.base, &pull.head).await?;
        self.ready_between(place, &pull.base, merge_base, &pull.head).await
    }

    /// What lies between two commits, and an engine under the rules of a third.
    pub(crate) async fn ready_between(
        &self,
        place: &Place,
        rules_of: &CommitId,
        merge_base: CommitId,
        head: &CommitId,
    ) -> Result<Ready, Trouble> {
        let held = self.commits(place, &[rules_of.clone(), merge_base.clone(), head.clone()]).await?;
        let (house, base, head) = (Arc::clone(&self.house), rules_of.clone(), head.clone());
        let made = tokio::task::spawn_blocking(move || -> Result<Ready, Trouble> {
            let tree = held.repository.tree(&base)?;
            let (engine, notices) = house.engine(&*tree, held.index())?;
            let mut versions = held.repository.between(&merge_base, &head)?;
            versions.notices.extend(notices);
            Ok(Ready { engine, versions, held })
        });
        made.await.map_err(|_| Trouble::Broken)?
    }

    /// Reviews what is ready, and brings the index to the base branch for the next one, where blocking is allowed.
    async fn look(&self, ready: Ready, base: &CommitId) -> Result<(Review, FailOn), Trouble> {
        let (base, indexed) = (base.clone(), Arc::clone(&self.indexed));
        let reviewed = tokio::task::spawn_blocking(move || {
            let Ready { engine, versions, held } = ready;
            let review = engine.review(versions);
            let fail_on = engine.config().review.fail_on;
            // Later, and not by this review: a first index of a large repository takes longer than people wait.
            std::thread::spawn(move || index(&indexed, &engine, &held, &base));
            (review, fail_on)
        });
        reviewed.await.map_err(|_| Trouble::Broken)
    }

    /// A mirror with these commits.
    pub(crate) async fn commits(&self, place: &Place, commits: &[CommitId]) -> Result<Held, Trouble> {
        let access = self.forge.git_access(place).await?;
        let (mirrors, repo, commits) = (Arc::clone(&self.mirrors), place.repo.clone(), commits.to_vec());
        let held = tokio::task::spawn_blocking(move || mirrors.with(&repo, access, &commits));
        Ok(held.await.map_err(|_| Trouble::Broken)??)
    }

    /// Says what is planned.
    async fn carry_out(&self, place: &Place, pull: &Pull, review: &Review, plan: &Plan) -> Result<Said, Trouble> {
        let mut said = Said::Everything;
        for (node, about, path) in &plan.resolve {
            self.forge.resolve(place, node).await?;
            self.note_mended(place, pull, about, path)?;
        }
        for (node, first, words) in &plan.reopen {
            self.forge.reopen(place, node).await?;
            self.forge.reply(place, crate::forge::Where::Thread(*first), words).await?;
        }
        // Offers are known before they are made, so that an answer to one is never missed.
        self.ledger.offer(place, pull.head.as_str(), &plan.offers)?;
        if let Some(new) = &plan.review {
            match self.forge.post_review(place, new).await {
                Ok(()) => self.metrics.commented(new.comments.len()),
                Err(ForgeError::Refused { status: 422, message, .. }) => {
                    if self.forge.pull(place).await?.head != pull.head {
                        return Ok(Said::TooLate);
                    }
                    tracing::warn!(%place, message, "a review was not taken with its comments on lines");
                    self.forge.post_review(place, &say::without_lines(review, new)).await?;
                    said = Said::InWords;
                }
                Err(error) => return Err(error.into()),
            }
        }
        for comment in &plan.on_files {
            self.forge.post_file_comment(place, &pull.head, comment).await?;
        }
        for node in &plan.minimize {
            self.forge.minimize(place, node).await?;
        }
        Ok(said)
    }

    /// Findings that are gone though nobody took our patch were mended in another way: an answer, too.
    fn note_mended(&self, place: &Place, pull: &Pull, about: &[Marker], path: &str) -> Result<(), Trouble> {
        let open = self.ledger.open_offers(place)?;
        let is_open = |marker: &&Marker| open.iter().any(|open| open.offered.marker.fingerprint == marker.fingerprint);
        let entries: Vec<Entry> =
            about.iter().filter(is_open).map(|marker| harvest::mended(place, marker, path, &pull.head)).collect();
        self.journal.append(&entries)?;
        for entry in &entries {
            self.ledger.end_offer(place, &entry.fingerprint)?;
        }
        Ok(())
    }

    /// The conversation of a pull request.
    pub(crate) async fn conversation(&self, place: &Place) -> Result<Conversation, Trouble> {
        Ok(self.forge.conversation(place).await?)
    }
}

/// Which base commit each mirror's index was last brought to, and one index being made at a time.
pub(crate) type Indexed = Mutex<HashMap<PathBuf, CommitId>>;

fn index(indexed: &Indexed, engine: &Engine, held: &Held, base: &CommitId) {
    // One at a time; whoever comes meanwhile leaves it to the next review.
    let Ok(mut indexed) = indexed.try_lock() else { return };
    if !engine.config().recall.enable || indexed.get(&held.folder) == Some(base) {
        return;
    }
    let Ok(tree) = held.repository.tree(base) else { return };
    let folder = held.folder.display();
    match inforce::index(engine, held, base, inforce::ignored(&*tree)) {
        Ok(updated) => {
            tracing::info!(%folder, added = updated.added, units = updated.units, "indexed");
            indexed.insert(held.folder.clone(), base.clone());
        }
        Err(error) => tracing::warn!(%folder, error, "not indexed"),
    }
}

/// Reviews what is ready, where blocking is allowed.
pub(crate) async fn look(ready: Ready) -> Result<(Review, FailOn), Trouble> {
    let reviewed = tokio::task::spawn_blocking(move || {
        let Ready { engine, versions, held } = ready;
        let review = engine.review(versions);
        drop(held);
        (review, engine.config().review.fail_on)
    });
    reviewed.await.map_err(|_| Trouble::Broken)
}

/// A check run whose commit is no longer the newest.
fn overtaken() -> Verdict {
    Verdict {
        conclusion: Conclusion::Cancelled,
        title: "A newer push took its place".into(),
        summary: "The newest commit is reviewed instead.".into(),
        annotations: Vec::new(),
    }
}

fn gave_up(trouble: &Trouble) -> Verdict {
    let what = match trouble {
        Trouble::Fetch(error) => notice::chain(error),
        Trouble::Config(_) => "the bot's own configuration cannot be used".into(),
        _ => "an error that its log tells".into(),
    };
    let notice = Notice::failure("apprentice", what);
    Verdict {
        conclusion: Conclusion::Neutral,
        title: "Not reviewed".into(),
        summary: format!("This was **not reviewed**: {}\n", engine::report::markdown::plain(&notice.what)),
        annotations: Vec::new(),
    }
}

/// Whether a name is like a pattern in which `*` stands for anything.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn stars_stand_for_anything() {
        assert!(is_like("*[bot]", "dependabot[bot]") && is_like("a*c*e", "abcde") && is_like("x", "x"));
        assert!(!is_like("*[bot]", "bob") && !is_like("x", "xy") && !is_like("a*c", "abcd"));
    }
}
