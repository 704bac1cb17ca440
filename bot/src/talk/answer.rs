//! What do we answer? Explanations, patches and answers to questions, from rules where that is enough.

use std::sync::Arc;

use engine::{
    change::Origin,
    git::{Author, CommitId},
    notice::Gravity,
    patch::Proof,
    pipeline::Untold,
    report::markdown::{code, fence},
    review::{Review, Reviewed},
};

use super::Given;
use crate::{
    bot::{Bot, Ready, Trouble},
    forge::Forge,
    queue::Queue,
    say::{Marker, Offer, apply_block, plain},
};

/// What can be asked for.
pub(super) fn help(us: &str) -> String {
    format!(
        "Begin a line with `@{us}` and one of these:\n\n\
         - `review`: review this pull request now\n\
         - `pause`, `resume`: leave new pushes alone, or not any more\n\
         - `ask …`: a question about this change (needs a model)\n\n\
         In a thread of mine:\n\n\
         - `explain`: what this means here\n\
         - `why`: what found this, and what was proven about its patch\n\
         - `fix`: a patch\n\
         - `ignore`: leave this\n\
         - `forget`: learn nothing from what was answered here\n"
    )
}

/// What is said to an order that nobody knows.
pub(super) fn unknown(us: &str, word: &str) -> String {
    format!("I do not know {}. {}", code(word), help(us))
}

const ELSEWHERE: &str = "This belongs in a thread of mine; here I do not know which finding is meant.";
const GONE: &str = "This finding is not there any more in the newest commit.";

impl<F: Forge, Q: Queue> Bot<F, Q> {
    pub(super) async fn why(self: &Arc<Self>, given: &Given<'_>) -> Result<String, Trouble> {
        self.about_finding(given, false, |_, _, reviewed| why(reviewed)).await
    }

    pub(super) async fn explain(self: &Arc<Self>, given: &Given<'_>) -> Result<String, Trouble> {
        self.about_finding(given, false, |ready, review, reviewed| match ready.engine.explain(review, reviewed) {
            Ok((words, _)) => said(&words),
            Err(Untold::NoModel) => why(reviewed),
            Err(error) => format!("{}\n\n{}", why(reviewed), no_answer(&error)),
        })
        .await
    }

    pub(super) async fn fix(self: &Arc<Self>, given: &Given<'_>) -> Result<String, Trouble> {
        let Some((thread, marker)) = given.about() else { return Ok(ELSEWHERE.into()) };
        let offers = self.ledger.open_offers(given.place)?;
        let is_of_thread = |open: &crate::ledger::Open| {
            open.offered.marker.fingerprint == marker.fingerprint && open.offered.path.as_str() == thread.path
        };
        let of_thread = offers.into_iter().find(is_of_thread);
        // A block in a reply replaces the thread's lines, as they were when it began.
        let lines = of_thread
            .filter(|open| open.commit == given.pull.head.as_str() && !thread.is_outdated)
            .map(|open| open.offered.lines);
        let pushes = self.settings.review.push_fixes && !given.pull.is_fork;
        let (branch, author) = (branch_of(given, &marker), self.author());
        let (sender, fixed) = std::sync::mpsc::channel();
        let words = self
            .about_finding(given, true, move |ready, review, reviewed| {
                let fix = fix(review, reviewed, lines);
                match (&fix, pushes) {
                    (Fix::Diff(_), true) => {
                        let commit = commit(ready, review, reviewed, &author);
                        commit.map_or_else(|| fix.words(), |commit| sent(&sender, commit))
                    }
                    _ => fix.words(),
                }
            })
            .await?;
        match fixed.try_recv() {
            Ok(commit) => self.push_fix(given, &commit, &branch).await,
            Err(_) => Ok(words),
        }
    }

    fn author(&self) -> Author {
        let name = self.login.clone();
        Author { email: format!("{}@users.noreply.github.com", name.replace(['[', ']'], "-")), name }
    }

    /// Puts a commit with the patch on a branch of its own, next to the pull request's.
    async fn push_fix(self: &Arc<Self>, given: &Given<'_>, commit: &CommitId, branch: &str) -> Result<String, Trouble> {
        let held = self.commits(given.place, std::slice::from_ref(&given.pull.head)).await?;
        let access = self.forge.git_access(given.place).await?;
        let (mirrors, id, name) = (Arc::clone(&self.mirrors), commit.clone(), branch.to_owned());
        let pushed = tokio::task::spawn_blocking(move || mirrors.push(&held, access, &id, &name));
        pushed.await.map_err(|_| Trouble::Broken)??;
        let branch = code(branch);
        Ok(format!("It is on the branch {branch}, one commit on top of this one: {}.", code(commit.as_str())))
    }

    pub(super) async fn ask(self: &Arc<Self>, given: &Given<'_>, question: &str) -> Result<String, Trouble> {
        if question.is_empty() {
            return Ok("Ask what? The question comes after `ask`.".into());
        }
        let ready = self.ready(given.place, &given.pull).await?;
        let question = question.to_owned();
        let told = tokio::task::spawn_blocking(move || match ready.engine.ask_about(&ready.versions, &question) {
            Ok((words, _)) => said(&words),
            Err(error) => no_answer(&error),
        });
        told.await.map_err(|_| Trouble::Broken)
    }

    /// Reviews anew and says something about the finding of the thread.
    async fn about_finding(
        self: &Arc<Self>,
        given: &Given<'_>,
        with_model: bool,
        tell: impl FnOnce(&Ready, &Review, &Reviewed) -> String + Send + 'static,
    ) -> Result<String, Trouble> {
        let Some((_, marker)) = given.about() else { return Ok(ELSEWHERE.into()) };
        let mut ready = self.ready(given.place, &given.pull).await?;
        let told = tokio::task::spawn_blocking(move || {
            let empty = engine::change::Versions {
                change: ready.versions.change.clone(),
                old: Arc::clone(&ready.versions.old),
                new: Arc::clone(&ready.versions.new),
                notices: Vec::new(),
            };
            let versions = std::mem::replace(&mut ready.versions, empty);
            let review =
                if with_model { ready.engine.review(versions) } else { ready.engine.review_without_model(versions) };
            match find(&review, &marker) {
                Some(reviewed) => tell(&ready, &review, reviewed),
                None if review.notices.iter().any(|notice| notice.gravity == Gravity::Failure) => {
                    "I cannot look at this again now; the check run says why.".to_owned()
                }
                None => GONE.to_owned(),
            }
        });
        told.await.map_err(|_| Trouble::Broken)
    }
}

fn find<'r>(review: &'r Review, marker: &Marker) -> Option<&'r Reviewed> {
    review.findings.iter().find(|reviewed| reviewed.finding.fingerprint == marker.fingerprint)
}

fn why(reviewed: &Reviewed) -> String {
    let finding = &reviewed.finding;
    let mut out = format!(
        "{} found this: {} ({}, {} confidence).\n\n{}\n",
        code(&finding.check.0),
        plain(&finding.what),
        finding.severity,
        finding.confidence,
        said(&finding.why),
    );
    for place in &finding.because {
        out += &format!("\n- {} {}", code(&format!("{}:{}", place.path, place.span.from.line)), plain(&place.note));
    }
    if let Some(patch) = &reviewed.patch {
        let proofs: Vec<&str> = patch.proofs().iter().map(|proof| shown(*proof)).collect();
        out += &format!("\n\nShown about its patch: {}.", proofs.join(", "));
    } else if let Some(unproven) = &reviewed.unproven {
        out += &format!("\n\nIts fix is not offered: {}.", plain(&unproven.to_string()));
    }
    out
}

/// What there is to offer.
enum Fix {
    None(String),
    Block(Offer),
    Diff(String),
}

impl Fix {
    fn words(&self) -> String {
        match self {
            Self::None(why) => why.clone(),
            Self::Block(offer) => offer.block(),
            Self::Diff(diff) => {
                let fence = fence(diff);
                format!("This mends it:\n\n{fence}diff\n{}\n{fence}\n", diff.trim_end())
            }
        }
    }
}

fn fix(review: &Review, reviewed: &Reviewed, lines: Option<(u32, u32)>) -> Fix {
    let Some(patch) = &reviewed.patch else {
        let why = reviewed.unproven.as_ref().map(|why| format!(": {}", plain(&why.to_string())));
        return Fix::None(format!("I have no patch that I can prove{}.", why.unwrap_or_default()));
    };
    let Some(file) = review.file(patch.path()) else { return Fix::None(GONE.into()) };
    let block = Offer::of(patch, file).zip(lines).and_then(|(offer, lines)| widened(&file.text, &offer, lines));
    block.map_or_else(|| Fix::Diff(patch.diff(file)), Fix::Block)
}

/// Our branch for a finding of a pull request; nothing in it comes from a person.
fn branch_of(given: &Given<'_>, marker: &Marker) -> String {
    let short: String = marker.fingerprint.to_string().chars().take(12).collect();
    format!("apprentice/fix-{}-{short}", given.place.number)
}

/// A commit in the mirror with the proven patch, on top of the head that it was proven on.
fn commit(ready: &Ready, review: &Review, reviewed: &Reviewed, author: &Author) -> Option<CommitId> {
    let patch = reviewed.patch.as_ref()?;
    let bytes = patch.apply(&review.file(patch.path())?.bytes).ok()?;
    let Origin::Range { head, .. } = &review.change.origin else { return None };
    let head = CommitId::parse(head)?;
    let message = format!("{}\n\nFound by {}.\n", reviewed.finding.what, reviewed.finding.check);
    let made = ready.held.repository.commit_file(&head, (patch.path(), &bytes), &message, author);
    made.map_err(|error| tracing::warn!(error = %engine::notice::chain(&error), "a fix cannot be committed")).ok()
}

fn sent(sender: &std::sync::mpsc::Sender<CommitId>, commit: CommitId) -> String {
    let _ = sender.send(commit);
    String::new()
}

/// The same replacement over exactly these lines; none where it reaches beyond them.
fn widened(text: &str, offer: &Offer, (from, to): (u32, u32)) -> Option<Offer> {
    if offer.from < from || offer.to > to {
        return None;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let above = lines.get(from as usize - 1..offer.from as usize - 1)?.concat();
    let below = lines.get(offer.to as usize..to as usize)?.concat();
    let wide = Offer { from, to, text: format!("{above}{}{below}", offer.text) };
    let same = apply_block(text, from, to, &wide.text) == apply_block(text, offer.from, offer.to, &offer.text);
    same.then_some(wide)
}

fn shown(proof: Proof) -> &'static str {
    match proof {
        Proof::Applies => "it applies exactly",
        Proof::Parses => "the result has no new syntax error",
        Proof::ClearsFinding => "the finding is gone afterwards",
        Proof::AddsNoFinding => "nothing new is found afterwards",
        Proof::StaysInside => "it stays inside the lines of this change",
        Proof::Converges => "making it twice is making it once",
    }
}

/// Words of a model or a rule, line by line.
fn said(words: &str) -> String {
    words.trim().lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn no_answer(error: &Untold) -> String {
    match error {
        Untold::NoModel => "No model is set up here, so I can answer from rules alone.".into(),
        other => format!("The model gave no answer: {}.", plain(&other.to_string())),
    }
}
