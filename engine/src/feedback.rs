//! What did they answer? An append-only journal: who, with which right, when, to what, and how we know.

mod answered;
pub mod emotion;
mod error;
mod journal;
mod learned;
mod lessons;
mod material;
mod reward;
mod summary;
mod weigh;

pub use answered::{Answered, Heard};
pub use error::JournalError;
pub use journal::Journal;
pub use learned::Learned;
pub use lessons::{Adopted, Lesson, Pattern, lessons};
pub use material::Material;
pub use reward::{Verdict, verdict};
use serde::{Deserialize, Serialize};
pub use summary::{Bin, Group, Muted, Rate, Summary, summary};
pub use weigh::{Because, LESSONS, MOST_NAMED, Weigher};

use crate::{
    finding::Severity,
    review::Review,
    source::RepoPath,
    taste::{Say, Subject},
};

/// How someone answered a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An emoji was put on it.
    Reaction,
    /// That emoji was taken away again.
    ReactionGone,
    /// Words were written under it.
    Reply,
    /// Someone closed its thread.
    Resolved,
    /// Someone opened its thread again.
    Reopened,
    /// The suggested text is in the branch as it was suggested.
    Applied,
    /// The suggested text is in the branch with changes.
    Edited,
    /// The lines were changed in another way, and the finding is gone.
    Mended,
    /// Its review was dismissed, or someone told us to leave it.
    Rejected,
    /// The change was merged with the finding in it.
    MergedWith,
    /// The change was merged and the finding was gone.
    MergedWithout,
    /// The change was closed and never merged.
    Closed,
    /// What was answered to this suggestion before is not to be learned from: all of it, or the answer whose key is in
    /// `what`.
    Forgotten,
}

/// What a person may do in a repository, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Not a member; a stranger's word.
    None,
    /// May read.
    Read,
    /// May sort issues.
    Triage,
    /// May push. From here on an answer teaches.
    Write,
    /// May manage.
    Maintain,
    /// May do everything.
    Admin,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Names this answer and no other, so that noticing it twice writes it once.
    pub key: String,
    /// When it was given, or noticed where nobody says when; milliseconds since 1970.
    pub at: i64,
    /// How they answered.
    pub kind: Kind,
    /// Where: `github:OWNER/NAME#NUMBER`, `local`.
    pub place: String,
    /// The suggestion's fingerprint.
    pub fingerprint: String,
    /// The check that found it.
    pub check: String,
    /// How bad it was said to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The file it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
    /// Who answered; empty where nobody can be named.
    pub who: String,
    /// What they may do there.
    pub permission: Permission,
    /// The emoji's name, the reply's words, how a suggestion got in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// How like the suggested text the text is that got in, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// What got in, where it was edited; none where that is long or holds a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Instead>,
    /// What shows it: a commit, a comment's address.
    pub evidence: String,
}

/// What someone made of the lines that a suggestion was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instead {
    /// The whole lines as they stood.
    pub before: String,
    /// What stands there now.
    pub after: String,
}

/// What was decided about one finding: the other half of an answer, and all there is of what was kept back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Where, as in [`Entry::place`].
    pub place: String,
    /// The finding's fingerprint.
    pub fingerprint: String,
    /// Its file.
    pub path: RepoPath,
    /// What taste sees of it.
    pub subject: Subject,
    /// Its words.
    pub what: String,
    /// What was decided.
    pub say: Say,
    /// How likely it was held to be taken up.
    pub probability: f64,
    /// How likely it was to be posted.
    pub propensity: f64,
    /// Why, in words.
    pub reason: String,
    /// What it looked like; written beside the rest, and not read with it: see [`Answered::material`].
    #[serde(skip)]
    pub material: Option<Material>,
}

/// What a review decided about its findings, at a place and a time.
pub fn told(review: &Review, place: &str, at: i64) -> Vec<Told> {
    let mut materials = material::Materials::of(review);
    let each = review.findings.iter().filter_map(|reviewed| {
        let (subject, decision) = reviewed.weighed.as_ref()?;
        Some(Told {
            at,
            place: place.to_owned(),
            fingerprint: reviewed.finding.fingerprint.to_string(),
            path: reviewed.finding.path.clone(),
            subject: subject.clone(),
            what: reviewed.finding.what.clone(),
            say: decision.say,
            probability: decision.probability,
            propensity: decision.propensity,
            reason: decision.reason.clone(),
            material: materials.get(reviewed, decision.say),
        })
    });
    each.collect()
}

#[cfg(test)]
#[path = "feedback/tests.rs"]
mod tests;
