//! What did people answer here? The journal of this repository, and what is told to it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, anyhow};
use engine::{
    feedback::{self, Adopted, Entry, Journal, Kind, LESSONS, Permission, Weigher},
    finding::Finding,
    notice::{self, Notice},
    review::{Review, Reviewed, Standing},
    taste::{Learning, Policy, State, Taste},
};

use crate::{files, setup::Setup};

/// Where answers given on this machine are said to come from.
pub(crate) const PLACE: &str = "local";

/// What a team agreed to share of what it learned, in the repository.
pub(crate) const SHARED: &str = ".apprentice/taste.json";

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An answer to a finding, given here and now by someone who may commit.
pub(crate) fn answer(finding: &Finding, kind: Kind, who: &str, evidence: &str) -> Entry {
    let at = now();
    let fingerprint = finding.fingerprint.to_string();
    Entry {
        key: key(&fingerprint, finding.path.as_str(), at, kind),
        at,
        kind,
        place: PLACE.into(),
        fingerprint,
        check: finding.check.to_string(),
        severity: Some(finding.severity),
        path: Some(finding.path.clone()),
        who: who.to_owned(),
        permission: Permission::Write,
        what: None,
        similarity: None,
        instead: None,
        evidence: evidence.to_owned(),
    }
}

/// Names an answer and no other.
pub(crate) fn key(fingerprint: &str, path: &str, at: i64, kind: Kind) -> String {
    let parts = format!("{PLACE}\0{fingerprint}\0{path}\0{at}\0{kind:?}");
    blake3::hash(parts.as_bytes()).to_hex().to_string()
}

impl Setup {
    fn journal_file(&self) -> Result<PathBuf> {
        Ok(self.repository()?.common_dir().join("apprentice/state.db"))
    }

    /// The journal of this repository; made where there is none.
    pub(crate) fn journal(&self) -> Result<Arc<Journal>> {
        if let Some(opened) = self.opened.get() {
            return Ok(Arc::clone(opened));
        }
        let file = self.journal_file()?;
        files::make_parent(&file)?;
        let learning = Learning::of(&self.config.taste);
        let journal = Journal::open_with(&file, self.config.feedback.clone(), learning)
            .with_context(|| format!("cannot use `{}`", file.display()))?;
        Ok(Arc::clone(self.opened.get_or_init(|| Arc::new(journal))))
    }

    /// The journal, where there is one.
    pub(crate) fn journal_if_there(&self) -> Result<Option<Arc<Journal>>> {
        if files::exists(&self.journal_file()?) { self.journal().map(Some) } else { Ok(None) }
    }

    /// What findings are weighed by; none outside a repository. A journal that cannot be read keeps nobody from reviewing.
    pub(crate) fn weigher(&self) -> (Option<Weigher>, Vec<Notice>) {
        let Some(repository) = self.repository.as_ref().filter(|_| self.config.taste.enable) else {
            return (None, Vec::new());
        };
        let mut notices = Vec::new();
        let project = repository.project();
        let shared = match files::read_if_there(&self.root.join(SHARED)) {
            Ok(text) => text.and_then(|text| {
                let read = State::read(&text);
                read.map_err(|error| notices.push(Notice::note(SHARED, notice::chain(&error)))).ok()
            }),
            Err(error) => {
                notices.push(Notice::note(SHARED, format!("{error:#}")));
                None
            }
        };
        let lessons = self.lessons().unwrap_or_else(|error| {
            notices.push(Notice::failure(LESSONS, format!("{error:#}")));
            Vec::new()
        });
        let own = self.journal_if_there().and_then(|journal| {
            let Some(journal) = journal else { return Ok(None) };
            let given = (shared.as_ref(), lessons.clone(), now());
            let weigher = journal.weigher(given, &self.config.taste, project.clone());
            Ok(Some(weigher?))
        });
        let weigher = own.unwrap_or_else(|error| {
            notices.push(Notice::note("taste", format!("people's answers are not heeded: {error:#}")));
            None
        });
        let weigher = weigher.unwrap_or_else(|| {
            let state = shared.unwrap_or_default();
            Weigher {
                taste: Taste::of(&state, now(), Learning::of(&self.config.taste)),
                policy: Policy::of(&self.config.taste),
                project: project.clone(),
                lessons: lessons.clone(),
                because: Box::new(|_| Vec::new()),
            }
        });
        (Some(weigher), notices)
    }

    /// What the team agreed on about findings.
    pub(crate) fn lessons(&self) -> Result<Vec<Adopted>> {
        let text = files::read_if_there(&self.root.join(LESSONS))?;
        text.map_or(Ok(Vec::new()), |text| Adopted::read(&text).map_err(|why| anyhow!("{why}")))
    }

    /// Notes what a review decided, so that answers find what they are about. Returns what kept it from being noted.
    pub(crate) fn tell(&self, review: &Review) -> Option<Notice> {
        let told = feedback::told(review, PLACE, now());
        if told.is_empty() {
            return None;
        }
        let noted = self.journal().and_then(|journal| Ok(journal.tell(&told)?));
        noted.err().map(|error| Notice::note("feedback", format!("what was said is not kept: {error:#}")))
    }

    /// Notes what became of what was told before, where a commit is made of what was just reviewed: what is gone was
    /// mended, and what is still there goes in with it. Returns what kept it from being noted.
    pub(crate) fn settle(&self, review: &Review) -> Option<Notice> {
        let settled = self.settled(review);
        settled.err().map(|error| Notice::note("feedback", format!("what became of findings is not kept: {error:#}")))
    }

    fn settled(&self, review: &Review) -> Result<()> {
        // What did not run may have found it again.
        let Some(journal) = self.journal_if_there()?.filter(|_| !review.is_incomplete()) else { return Ok(()) };
        let (at, who) = (now(), self.repository()?.person());
        let mut entries = Vec::new();
        for file in review.change.files.iter().filter(|file| review.file(&file.path).is_some()) {
            for told in journal.open_at(PLACE, file.path.as_str())? {
                let is_it = |one: &&Reviewed| {
                    one.finding.path == told.path && one.finding.fingerprint.to_string() == told.fingerprint
                };
                let kind = match review.findings.iter().find(is_it) {
                    None => Kind::Mended,
                    Some(found) if found.standing == Standing::Told => Kind::MergedWith,
                    Some(_) => continue,
                };
                entries.push(Entry {
                    key: format!("{PLACE}:{}:{}:{kind:?}", told.fingerprint, told.path),
                    at,
                    kind,
                    place: PLACE.into(),
                    fingerprint: told.fingerprint,
                    check: told.subject.rule,
                    severity: Some(told.subject.severity),
                    path: Some(told.path),
                    who: who.clone(),
                    permission: Permission::Write,
                    what: None,
                    similarity: None,
                    instead: None,
                    evidence: "a commit".into(),
                });
            }
        }
        if !entries.is_empty() {
            journal.append(&entries)?;
        }
        Ok(())
    }
}
