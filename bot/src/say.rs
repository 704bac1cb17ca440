//! What is there to say that was not said? A review against the conversation so far, as a plan; nothing is sent here.

mod before;
mod marker;
mod offer;
mod words;

use std::collections::{HashMap, HashSet};

use before::{Before, Known};
use engine::{
    change::FileChange,
    config::FailOn,
    finding::{Finding, Fingerprint, Severity},
    notice::Gravity,
    patch::VerifiedPatch,
    review::{Review, Reviewed},
    source::RepoPath,
};
pub(crate) use marker::{Marker, markers};
pub(crate) use offer::{Offer, apply_block};
pub(crate) use words::plain;

use crate::forge::{Annotation, Conclusion, Conversation, Lines, NewComment, NewReview, Pull, Side, Thread, Verdict};

/// The most annotations of a check run; findings beyond are in the review.
const ANNOTATIONS: usize = 200;

/// The most comments on files as a whole in one review.
const FILE_COMMENTS: usize = 5;

/// What is to be done, in this order. Doing it and planning again yields nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// A review with what is new.
    pub(crate) review: Option<NewReview>,
    /// New remarks that no line of the diff can carry.
    pub(crate) on_files: Vec<NewComment>,
    /// Threads whose finding is back, by node and first comment.
    pub(crate) reopen: Vec<(String, u64, String)>,
    /// Threads whose findings are gone, with what they were about and where.
    pub(crate) resolve: Vec<(String, Vec<Marker>, String)>,
    /// Comments that nobody answered and that are about lines that are gone.
    pub(crate) minimize: Vec<String>,
    /// What is offered in the review, for noticing later that it was taken.
    pub(crate) offers: Vec<Offered>,
    /// Findings that stand on lines of the pull request once this is done. GitHub shows annotations at the same place, so
    /// these need none.
    pub(crate) on_lines: OnLines,
}

/// Findings by what they are and their file: the same defect may stand in several.
pub(crate) type OnLines = HashSet<(Fingerprint, RepoPath)>;

/// A suggestion as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) marker: Marker,
    pub(crate) path: RepoPath,
    /// The lines it is about, 1-based and inclusive.
    pub(crate) lines: (u32, u32),
    /// What those lines said.
    pub(crate) before: String,
    /// What they would say; none where only words were offered.
    pub(crate) after: Option<String>,
}

/// What else a plan depends on.
pub(crate) struct Terms<'a> {
    /// The most comments on lines in one review.
    pub(crate) most_comments: usize,
    /// Whether we closed a thread ourselves: someone else's word is final.
    pub(crate) closed_by_us: &'a dyn Fn(&Thread) -> bool,
}

/// Plans what to say about a review.
pub(crate) fn plan(review: &Review, pull: &Pull, conversation: &Conversation, terms: &Terms<'_>) -> Plan {
    let closed_by_us = terms.closed_by_us;
    let before = Before::read(conversation);
    let known = before.known(review);
    let mut plan = Plan::default();
    let mut told: Vec<&Reviewed> = review.told().collect();
    told.sort_by_key(|reviewed| std::cmp::Reverse(reviewed.finding.severity));
    for reviewed in &told {
        let Some(thread) = known.thread(&reviewed.finding) else { continue };
        plan.on_lines.insert(key(&reviewed.finding));
        if thread.is_resolved
            && closed_by_us(thread)
            && let Some(first) = thread.comments.first()
        {
            plan.reopen.push((thread.node.clone(), first.id, words::is_back(&pull.head)));
        }
    }
    plan.reopen.sort();
    plan.reopen.dedup();
    close_gone(review, (&before, &known), closed_by_us, &mut plan);
    let new: Vec<&Reviewed> = told.into_iter().filter(|reviewed| !known.is_said(&reviewed.finding)).collect();
    let (folded, open): (Vec<&Reviewed>, Vec<&Reviewed>) = new.into_iter().partition(|reviewed| reviewed.is_folded());
    if !open.is_empty() || !folded.is_empty() {
        write(review, pull, (&open, &folded), terms.most_comments, &mut plan);
    }
    plan
}

fn key(finding: &Finding) -> (Fingerprint, RepoPath) {
    (finding.fingerprint, finding.path.clone())
}

/// Threads of ours whose finding is nowhere any more. After an incomplete review nobody knows that.
fn close_gone(
    review: &Review,
    (before, known): (&Before<'_>, &Known<'_>),
    closed_by_us: &dyn Fn(&Thread) -> bool,
    plan: &mut Plan,
) {
    if review.is_incomplete() {
        return;
    }
    for thread in before.threads().filter(|thread| !known.is_alive(thread)) {
        let first = &thread.comments[0];
        if !thread.is_resolved {
            plan.resolve.push((thread.node.clone(), markers(&first.body).collect(), thread.path.clone()));
        }
        let nobody_answered = thread.comments.iter().all(|said| said.is_ours) && first.reactions.is_empty();
        let is_over = !thread.is_resolved || closed_by_us(thread);
        if thread.is_outdated && is_over && nobody_answered && !first.is_minimized {
            plan.minimize.push(first.node.clone());
        }
    }
}

/// Findings that one comment carries: the same patch on the same lines mends all of them.
struct Group<'a> {
    all: Vec<&'a Reviewed>,
    offer: Option<Offer>,
}

fn write(review: &Review, pull: &Pull, (new, folded): (&[&Reviewed], &[&Reviewed]), most: usize, plan: &mut Plan) {
    let changes: HashMap<&RepoPath, &FileChange> = review.change.files.iter().map(|file| (&file.path, file)).collect();
    let mut inline = Vec::new();
    let mut listed: Vec<&Reviewed> = Vec::new();
    for group in groups(review, new, &changes) {
        let first = group.all[0];
        let change = changes.get(&first.finding.path).copied();
        let lines = match (&group.offer, change) {
            (Some(offer), _) => Some(Lines { from: offer.from, to: offer.to, side: Side::Right }),
            (None, Some(change)) => {
                in_diff(change, *first.finding.span.lines().start(), *first.finding.span.lines().end())
            }
            (None, None) => None,
        };
        let comment = NewComment {
            path: first.finding.path.to_string(),
            body: words::comment(review, &group.all, group.offer.as_ref(), lines.is_none()),
            lines,
        };
        match &comment.lines {
            Some(_) if inline.len() < most => {
                plan.on_lines.extend(group.all.iter().map(|one| key(&one.finding)));
                plan.offers.extend(group.all.iter().filter_map(|one| offered(review, one, &comment, &group.offer)));
                inline.push(comment);
            }
            None if plan.on_files.len() < FILE_COMMENTS && change.is_some() => plan.on_files.push(comment),
            _ => listed.extend(&group.all),
        }
    }
    let mut body = words::review(review, new, &listed, plan.resolve.len());
    body += &words::folded(folded, body.len());
    if inline.is_empty() && listed.is_empty() && folded.is_empty() {
        return;
    }
    plan.review = Some(NewReview { commit: pull.head.clone(), body, comments: inline });
}

/// Findings with one and the same patch become one comment; of patches that meet, the worst finding's is offered.
fn groups<'a>(review: &Review, new: &[&'a Reviewed], changes: &HashMap<&RepoPath, &FileChange>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for reviewed in new {
        let change = changes.get(&reviewed.finding.path);
        let offer = reviewed.patch.as_ref().zip(change).and_then(|(patch, change)| offer_of(review, patch, change));
        let meets = |group: &Group<'_>, offer: &Offer| {
            group.all[0].finding.path == reviewed.finding.path
                && group.offer.as_ref().is_some_and(|other| other.from <= offer.to && offer.from <= other.to)
        };
        let met = offer.as_ref().and_then(|offer| groups.iter_mut().find(|group| meets(group, offer)));
        match met {
            Some(group) if group.offer == offer => group.all.push(reviewed),
            Some(_) => groups.push(Group { all: vec![reviewed], offer: None }),
            None => groups.push(Group { all: vec![reviewed], offer }),
        }
    }
    groups
}

fn offer_of(review: &Review, patch: &VerifiedPatch, change: &FileChange) -> Option<Offer> {
    let offer = Offer::of(patch, review.file(patch.path())?)?;
    let lines = in_diff(change, offer.from, offer.to)?;
    // GitHub takes a comment only where all its lines are in one hunk.
    (lines.from == offer.from && lines.to == offer.to).then_some(offer)
}

/// The part of these lines that one hunk of the diff shows; none where the diff does not show the first one.
fn in_diff(change: &FileChange, from: u32, to: u32) -> Option<Lines> {
    let hunk = change.hunks.iter().find(|hunk| {
        let last = hunk.new.start + hunk.new.count.saturating_sub(1);
        hunk.new.count > 0 && (hunk.new.start..=last).contains(&from)
    })?;
    let last = hunk.new.start + hunk.new.count - 1;
    Some(Lines { from, to: to.min(last).max(from), side: Side::Right })
}

fn offered(review: &Review, reviewed: &Reviewed, comment: &NewComment, offer: &Option<Offer>) -> Option<Offered> {
    let file = review.file(&reviewed.finding.path)?;
    let lines = comment.lines.as_ref()?;
    let before = (lines.from..=lines.to).map(|line| file.text.get(file.lines.range(line)).unwrap_or(""));
    Some(Offered {
        marker: Marker::of(&reviewed.finding),
        path: reviewed.finding.path.clone(),
        lines: (lines.from, lines.to),
        before: before.collect(),
        after: offer.as_ref().map(|offer| offer.text.clone()),
    })
}

/// The same review in words alone, for a forge that takes none of its comments.
pub(crate) fn without_lines(review: &Review, new: &NewReview) -> NewReview {
    let about = |comment: &NewComment| {
        markers(&comment.body).map(|marker| (comment.path.clone(), marker.fingerprint)).collect::<Vec<_>>()
    };
    let wanted: HashSet<(String, Fingerprint)> = new.comments.iter().flat_map(about).collect();
    let is_wanted = |finding: &Finding| wanted.contains(&(finding.path.to_string(), finding.fingerprint));
    let moved: Vec<&Reviewed> = review.told().filter(|reviewed| is_wanted(&reviewed.finding)).collect();
    let body = format!("{}{}", new.body, words::list(&moved, new.body.len()));
    NewReview { commit: new.commit.clone(), body, comments: Vec::new() }
}

/// How the check run ends. Never green when something could not be reviewed. What stands on lines is not annotated again.
pub(crate) fn verdict(review: &Review, fail_on: FailOn, on_lines: &OnLines) -> Verdict {
    let is_bare = |reviewed: &&Reviewed| !on_lines.contains(&key(&reviewed.finding)) && !reviewed.is_folded();
    let fails = least(fail_on).is_some_and(|least| review.worst().is_some_and(|worst| worst >= least));
    let conclusion = match (fails, review.is_incomplete()) {
        (true, _) => Conclusion::Failure,
        (false, true) => Conclusion::Neutral,
        (false, false) => Conclusion::Success,
    };
    Verdict {
        conclusion,
        title: words::title(review),
        summary: words::summary(review),
        annotations: review.told().filter(is_bare).take(ANNOTATIONS).map(annotation).collect(),
    }
}

/// The least severity that fails.
pub(crate) fn least(fail_on: FailOn) -> Option<Severity> {
    match fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Info => Some(Severity::Info),
        FailOn::Never => None,
    }
}

fn annotation(reviewed: &Reviewed) -> Annotation {
    let finding = &reviewed.finding;
    let lines = finding.span.lines();
    Annotation {
        path: finding.path.to_string(),
        start_line: *lines.start(),
        end_line: *lines.end(),
        annotation_level: match finding.severity {
            Severity::Error => "failure",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        },
        title: words::short(&finding.check.0, 250),
        message: words::short(&words::message(finding), 4000),
    }
}

/// Whether a review has a failure to tell.
pub(crate) fn failures(review: &Review) -> impl Iterator<Item = &engine::notice::Notice> {
    review.notices.iter().filter(|notice| notice.gravity == Gravity::Failure)
}

#[cfg(test)]
#[path = "say/tests.rs"]
mod tests;
