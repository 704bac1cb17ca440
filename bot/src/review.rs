//! How is a pull request reviewed? Read as it is now, planned against what was said, and said.

use std::{collections::HashSet, sync::Arc};

use engine::{
    config::FailOn,
    feedback::{self, Entry},
    finding::Fingerprint,
    git::CommitId,
    notice::{self, Notice},
    pipeline::Engine,
    review::{Review, Standing},
    source::RepoPath,
};

use crate::{
    bot::{Bot, Indexed, Ready, Trouble},
    checkout::Held,
    clock,
    forge::{CheckRun, Conclusion, Forge, ForgeError, Place, Pull, Thread, Verdict, Where},
    harvest, inforce,
    queue::{Leased, Queue},
    say::{self, Marker, OnLines, Plan, Terms},
};

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
    async fn review_head(&self, place: &Place, pull: &Pull) -> Result<Option<(Review, FailOn, OnLines)>, Trouble> {
        let ready = self.ready(place, pull).await?;
        let (mut review, fail_on) = self.look(ready, &pull.base).await?;
        let conversation = self.forge.conversation(place).await?;
        if self.is_overtaken(place, pull).await? {
            return Ok(None);
        }
        mute(&mut review, &self.ledger.hushed(place)?);
        // Noted before it is said, so that an answer always finds what it is about.
        self.journal.tell(&feedback::told(&review, &format!("github:{place}"), clock::now()))?;
        let most_comments = self.settings.review.max_comments;
        // An App is no user, and may have no name as who closed a thread; then our own note says so.
        let closed = self.ledger.closed(place)?;
        let closed_by_us = |thread: &Thread| match &thread.resolved_by {
            Some(by) => self.is_us(by),
            None => closed.contains(&thread.node),
        };
        let plan = say::plan(&review, pull, &conversation, &Terms { most_comments, closed_by_us: &closed_by_us });
        let said = self.carry_out(place, pull, &review, &plan).await?;
        Ok(match said {
            Said::Everything => Some((review, fail_on, plan.on_lines)),
            Said::InWords => Some((review, fail_on, OnLines::new())),
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

    /// Says what is planned.
    async fn carry_out(&self, place: &Place, pull: &Pull, review: &Review, plan: &Plan) -> Result<Said, Trouble> {
        let mut said = Said::Everything;
        for (node, about, path) in &plan.resolve {
            self.forge.resolve(place, node).await?;
            self.ledger.close(place, node)?;
            self.note_mended(place, pull, about, path)?;
        }
        for (node, first, words) in &plan.reopen {
            self.forge.reopen(place, node).await?;
            self.forge.reply(place, Where::Thread(*first), words).await?;
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
        let is_open = |marker: &&Marker| {
            let is_it = |open: &crate::ledger::Open| {
                open.offered.marker.fingerprint == marker.fingerprint && open.offered.path.as_str() == path
            };
            open.iter().any(is_it)
        };
        let entries: Vec<Entry> =
            about.iter().filter(is_open).map(|marker| harvest::mended(place, marker, path, &pull.head)).collect();
        self.journal.append(&entries)?;
        for entry in &entries {
            self.ledger.end_offer(place, &entry.fingerprint, path)?;
        }
        Ok(())
    }
}

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

/// What someone told us to leave does not count, either.
fn mute(review: &mut Review, hushed: &HashSet<(Fingerprint, RepoPath)>) {
    for reviewed in &mut review.findings {
        let key = (reviewed.finding.fingerprint, reviewed.finding.path.clone());
        if reviewed.standing == Standing::Told && hushed.contains(&key) {
            reviewed.standing = Standing::Muted { because: "someone asked to leave it alone here".into() };
        }
    }
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
        summary: format!("This was **not reviewed**: {}\n", say::plain(&notice.what)),
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
