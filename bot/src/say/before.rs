//! Which finding was said before, and where? What we wrote in a pull request, held against what is found now.

use std::collections::{BTreeMap, HashMap, HashSet};

use engine::{
    change::Status,
    finding::{Finding, Fingerprint},
    review::Review,
    source::RepoPath,
};

use super::{key, markers};
use crate::forge::{Conversation, Thread};

/// What we said before, by fingerprint. One fingerprint may stand in several files: it is the defect's text.
pub(super) struct Before<'a> {
    threads: HashMap<Fingerprint, Vec<&'a Thread>>,
    /// How often a review's text or a comment names it.
    listed: HashMap<Fingerprint, usize>,
}

/// What is found now, with where it was said.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// The thread about a finding of a file; none where it was said in words.
    said: HashMap<(Fingerprint, RepoPath), Option<&'a Thread>>,
    /// The nodes of threads whose finding is still there.
    alive: HashSet<&'a str>,
}

impl<'a> Before<'a> {
    /// Only what the forge says is ours counts: anybody can write a marker.
    pub(super) fn read(conversation: &'a Conversation) -> Self {
        let mut before = Self { threads: HashMap::new(), listed: HashMap::new() };
        for thread in &conversation.threads {
            let Some(first) = thread.comments.first().filter(|first| first.is_ours) else { continue };
            for marker in markers(&first.body) {
                before.threads.entry(marker.fingerprint).or_default().push(thread);
            }
        }
        let texts = conversation.reviews.iter().chain(&conversation.comments).filter(|said| said.is_ours);
        for marker in texts.flat_map(|said| markers(&said.body)) {
            *before.listed.entry(marker.fingerprint).or_default() += 1;
        }
        before
    }

    /// Every thread of ours once, by its node.
    pub(super) fn threads(&self) -> impl Iterator<Item = &'a Thread> {
        let all = self.threads.values().flatten().map(|thread| (thread.node.as_str(), *thread));
        all.collect::<BTreeMap<_, _>>().into_values()
    }

    fn about(&self, finding: &Finding) -> &[&'a Thread] {
        self.threads.get(&finding.fingerprint).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where each finding was said. One thread speaks for a finding of its own file, or of the file that took its place.
    pub(super) fn known(&self, review: &Review) -> Known<'a> {
        let (mut known, mut left) = (Known::default(), Vec::new());
        for finding in review.findings.iter().map(|reviewed| &reviewed.finding) {
            let there = self.about(finding).iter().copied().filter(|thread| thread.path == finding.path.as_str());
            // Of several threads about one finding, the open one speaks.
            match there.clone().min_by_key(|thread| thread.is_resolved) {
                Some(thread) => known.note(finding, Some(thread)),
                None => left.push(finding),
            }
            known.alive.extend(there.map(|thread| thread.node.as_str()));
        }
        let is_there = |path: &str| {
            review.change.files.iter().any(|file| file.path.as_str() == path && file.status != Status::Deleted)
        };
        let mut listed = self.listed.clone();
        for finding in left {
            let free = |thread: &&&Thread| !known.alive.contains(thread.node.as_str()) && !is_there(&thread.path);
            let moved = self.about(finding).iter().filter(free).min_by_key(|thread| thread.is_resolved).copied();
            if let Some(thread) = moved {
                known.alive.insert(&thread.node);
                known.note(finding, Some(thread));
            } else if let Some(many) = listed.get_mut(&finding.fingerprint).filter(|many| **many > 0) {
                *many -= 1;
                known.note(finding, None);
            }
        }
        known
    }
}

impl<'a> Known<'a> {
    fn note(&mut self, finding: &Finding, thread: Option<&'a Thread>) {
        self.said.insert(key(finding), thread);
    }

    pub(super) fn is_said(&self, finding: &Finding) -> bool {
        self.said.contains_key(&key(finding))
    }

    pub(super) fn thread(&self, finding: &Finding) -> Option<&'a Thread> {
        self.said.get(&key(finding)).copied().flatten()
    }

    pub(super) fn is_alive(&self, thread: &Thread) -> bool {
        self.alive.contains(thread.node.as_str())
    }
}
