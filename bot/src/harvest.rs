//! How did people answer? Emoji, words, closed threads and what became of the suggested lines, each written once.

mod outcome;

use std::{collections::HashMap, sync::Arc};

use engine::{
    feedback::{Entry, Instead, Kind, Permission},
    git::{CommitId, Repository},
    source::{Content, RepoPath},
};
use outcome::{Outcome, outcome};

use crate::{
    bot::{Bot, Trouble},
    clock,
    forge::{Conversation, Forge, Place, Pull, PullCommit, Said, Thread},
    ledger::Open,
    order,
    queue::Queue,
    say::{Marker, markers},
};

/// The longest reply that is kept.
const LONGEST: usize = 4000;

/// An offer whose outcome is known: its fingerprint and its file.
type Ended = (String, RepoPath);

fn ended_by(open: &Open) -> Ended {
    (open.offered.marker.fingerprint.to_string(), open.offered.path.clone())
}

/// Answers as they are gathered, before it is known who may do what.
struct Harvest<'a> {
    place: &'a Place,
    known: Vec<Entry>,
    new: Vec<Entry>,
}

impl<F: Forge, Q: Queue> Bot<F, Q> {
    /// Notices how people answered at a place, and writes what is new into the journal.
    ///
    /// # Errors
    /// [`Trouble`]; doing it again writes nothing twice.
    pub(crate) async fn harvest(self: &Arc<Self>, place: &Place) -> Result<(), Trouble> {
        let pull = self.forge.pull(place).await?;
        let conversation = self.conversation(place).await?;
        let known = self.journal.entries(Some(&format!("github:{place}")))?;
        let mut harvest = Harvest { place, known, new: Vec::new() };
        harvest.threads(&conversation, &self.settings.github.name, &|login| self.is_us(login));
        let ended = self.offers(&pull, &mut harvest).await?;
        let mut entries = harvest.new;
        self.rights(place, &mut entries).await?;
        let new = self.journal.append(&entries)?;
        for (fingerprint, path) in ended {
            self.ledger.end_offer(place, &fingerprint, path.as_str())?;
        }
        // Marked as seen last, so that a close is not forgotten by whoever dies on the way.
        self.ledger.saw(place, pull.head.as_str(), pull.is_open)?;
        tracing::info!(%place, new, "answers");
        Ok(())
    }

    /// Who may do what, asked once for each person.
    async fn rights(&self, place: &Place, entries: &mut [Entry]) -> Result<(), Trouble> {
        let mut known: HashMap<String, Permission> = HashMap::new();
        for entry in entries.iter_mut().filter(|entry| !entry.who.is_empty()) {
            let permission = match known.get(&entry.who) {
                Some(permission) => *permission,
                None => self.forge.permission(place, &entry.who).await?,
            };
            known.insert(entry.who.clone(), permission);
            entry.permission = permission;
        }
        Ok(())
    }

    /// What became of the lines we spoke about. Returns the offers whose outcome is known now.
    async fn offers(&self, pull: &Pull, harvest: &mut Harvest<'_>) -> Result<Vec<Ended>, Trouble> {
        let place = harvest.place;
        let open = self.ledger.open_offers(place)?;
        let newest = pull.merge_commit.clone().filter(|_| pull.is_merged).unwrap_or_else(|| pull.head.clone());
        let moved: Vec<Open> =
            open.into_iter().filter(|open| !pull.is_open || open.commit != newest.as_str()).collect();
        if moved.is_empty() {
            return Ok(Vec::new());
        }
        if !pull.is_open && !pull.is_merged {
            return Ok(harvest.closed(&moved, pull));
        }
        let mut commits: Vec<CommitId> = moved.iter().filter_map(|open| CommitId::parse(&open.commit)).collect();
        commits.push(newest.clone());
        let held = self.commits(place, &commits).await?;
        let made = self.forge.commits(place).await?;
        let repository = Arc::clone(&held.repository);
        let ids = newest.clone();
        let found = tokio::task::spawn_blocking(move || {
            let judge = |open: Open| {
                let outcome = judge(&repository, &open, &ids);
                (open, outcome)
            };
            moved.into_iter().map(judge).collect::<Vec<_>>()
        });
        let mut ended = Vec::new();
        for (open, outcome) in found.await.map_err(|_| Trouble::Broken)? {
            if harvest.offer(&open, outcome, pull, &made, &self.login) {
                ended.push(ended_by(&open));
            }
        }
        Ok(ended)
    }
}

/// The finding of an offer is gone in a commit, by other means than the offer.
pub(crate) fn mended(place: &Place, marker: &Marker, path: &str, head: &CommitId) -> Entry {
    let harvest = Harvest { place, known: Vec::new(), new: Vec::new() };
    let key = format!("mended:{}:{head}:{path}", marker.fingerprint);
    harvest.entry(key, Kind::Mended, marker, path, "", format!("head {head}"))
}

/// What the newest commit has where the offer was made.
fn judge(repository: &Arc<Repository>, open: &Open, newest: &CommitId) -> Outcome {
    let text = |commit: &CommitId, path: &RepoPath| {
        let content = repository.tree(commit).ok()?.read(path).ok()??;
        match content {
            Content::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            _ => None,
        }
    };
    let offer = &open.offered;
    let Some(before) = CommitId::parse(&open.commit).and_then(|commit| text(&commit, &offer.path)) else {
        return Outcome::Unknown;
    };
    match text(newest, &offer.path) {
        Some(now) => outcome(&before, &now, offer.lines, offer.after.as_deref()),
        None => Outcome::Changed,
    }
}

impl Harvest<'_> {
    fn entry(&self, key: String, kind: Kind, marker: &Marker, path: &str, who: &str, evidence: String) -> Entry {
        Entry {
            key: format!("github:{}:{key}", self.place),
            at: clock::now(),
            kind,
            place: format!("github:{}", self.place),
            fingerprint: marker.fingerprint.to_string(),
            check: marker.check.clone(),
            severity: Some(marker.severity),
            path: RepoPath::new(path).ok(),
            who: who.to_owned(),
            permission: Permission::None,
            what: None,
            similarity: None,
            instead: None,
            evidence,
        }
    }

    fn threads(&mut self, conversation: &Conversation, us: &str, is_us: &dyn Fn(&str) -> bool) {
        for thread in &conversation.threads {
            let Some(first) = thread.comments.first().filter(|first| first.is_ours) else { continue };
            for marker in markers(&first.body) {
                self.reactions(thread, first, &marker);
                self.replies(thread, &marker, us);
                self.resolution(thread, &marker, is_us);
            }
        }
    }

    /// Something that is on or off by turns: written each time it changes, and numbered.
    fn turn(&mut self, key: &str, is_on: bool, on: &Entry, off: Kind) {
        let prefix = format!("github:{}:{key}:", self.place);
        let turns: Vec<Kind> =
            self.known.iter().filter(|entry| entry.key.starts_with(&prefix)).map(|entry| entry.kind).collect();
        let was_on = turns.last().is_some_and(|kind| *kind == on.kind);
        if is_on != was_on {
            let kind = if is_on { on.kind } else { off };
            self.new.push(Entry { key: format!("{prefix}{}", turns.len()), kind, ..on.clone() });
        }
    }

    fn reactions(&mut self, thread: &Thread, first: &Said, marker: &Marker) {
        let of = |content: &str, who: &str| format!("reaction:{}:{}:{content}:{who}", first.id, marker.fingerprint);
        let evidence = format!("comment {}", first.id);
        let mut now = Vec::new();
        for reaction in &first.reactions {
            for who in &reaction.by {
                let key = of(&reaction.content, who);
                let on = self.entry(String::new(), Kind::Reaction, marker, &thread.path, who, evidence.clone());
                let on = Entry { what: Some(reaction.content.clone()), ..on };
                self.turn(&key, true, &on, Kind::ReactionGone);
                now.push(format!("github:{}:{key}:", self.place));
            }
        }
        let is_ours = format!("github:{}:reaction:{}:{}:", self.place, first.id, marker.fingerprint);
        let gone: Vec<Entry> = self
            .known
            .iter()
            .filter(|entry| entry.key.starts_with(&is_ours) && entry.kind == Kind::Reaction)
            .filter(|entry| !now.iter().any(|key| entry.key.starts_with(key)))
            .cloned()
            .collect();
        for entry in gone {
            let key = of(entry.what.as_deref().unwrap_or_default(), &entry.who);
            self.turn(&key, false, &entry, Kind::ReactionGone);
        }
    }

    fn replies(&mut self, thread: &Thread, marker: &Marker, us: &str) {
        let by_others =
            thread.comments.iter().skip(1).filter(|said| !said.is_ours && !order::speaks_to(us, &said.body));
        for said in by_others {
            let key = format!("reply:{}:{}", said.id, marker.fingerprint);
            let entry =
                self.entry(key, Kind::Reply, marker, &thread.path, &said.author, format!("comment {}", said.id));
            let what = said.body.chars().take(LONGEST).collect();
            self.new.push(Entry { at: said.at, what: Some(what), ..entry });
        }
    }

    fn resolution(&mut self, thread: &Thread, marker: &Marker, is_us: &dyn Fn(&str) -> bool) {
        let by = thread.resolved_by.as_deref().filter(|by| !is_us(by));
        let is_closed = thread.is_resolved && by.is_some();
        let key = format!("resolved:{}:{}", thread.node, marker.fingerprint);
        let evidence = format!("thread {}", thread.node);
        let on = self.entry(String::new(), Kind::Resolved, marker, &thread.path, by.unwrap_or_default(), evidence);
        self.turn(&key, is_closed, &on, Kind::Reopened);
    }

    /// Closed without merging: nothing of it got in.
    fn closed(&mut self, offers: &[Open], pull: &Pull) -> Vec<Ended> {
        for open in offers {
            let marker = &open.offered.marker;
            let key = format!("closed:{}:{}", marker.fingerprint, open.offered.path);
            let entry =
                self.entry(key, Kind::Closed, marker, open.offered.path.as_str(), "", format!("head {}", pull.head));
            self.new.push(entry);
        }
        offers.iter().map(ended_by).collect()
    }

    /// Writes the outcome of an offer. False when there is none yet.
    fn offer(&mut self, open: &Open, outcome: Outcome, pull: &Pull, made: &[PullCommit], login: &str) -> bool {
        let before = open.offered.before.clone();
        let (kind, similarity, instead) = match outcome {
            Outcome::Applied => (Kind::Applied, Some(1.0), None),
            Outcome::Edited { like, text } => (Kind::Edited, Some(like), Some(Instead { before, after: text })),
            Outcome::Same if pull.is_merged => (Kind::MergedWith, None, None),
            Outcome::Changed if pull.is_merged => (Kind::MergedWithout, None, None),
            Outcome::Same | Outcome::Changed | Outcome::Unknown => return false,
        };
        let (who, how, commit) = by_whom(open, kind, made, login);
        let marker = &open.offered.marker;
        let key = format!("offer:{}:{}:{}:{kind:?}", marker.fingerprint, open.offered.path, open.commit);
        let entry = self.entry(key, kind, marker, open.offered.path.as_str(), &who, commit);
        self.new.push(Entry { what: how, similarity, instead, ..entry });
        true
    }
}

/// Who took an offer, how, and in which commit. A commit made with the button names us as a co-author.
fn by_whom(open: &Open, kind: Kind, made: &[PullCommit], login: &str) -> (String, Option<String>, String) {
    if !matches!(kind, Kind::Applied | Kind::Edited) {
        return (String::new(), None, format!("offered on {}", open.commit));
    }
    let after = made.iter().rposition(|commit| commit.id == open.commit).map_or(0, |at| at + 1);
    let later = made.get(after..).unwrap_or_default();
    let trailer = format!("+{}", login.to_ascii_lowercase());
    let names_us = |commit: &&PullCommit| {
        commit.message.lines().any(|line| {
            let line = line.to_ascii_lowercase();
            line.starts_with("co-authored-by:") && line.contains(&trailer)
        })
    };
    match later.iter().find(names_us).map(|commit| (commit, "button")).or(later.last().map(|commit| (commit, "hand"))) {
        Some((commit, how)) => (commit.author.clone(), Some(how.to_owned()), format!("commit {}", commit.id)),
        None => (String::new(), None, format!("offered on {}", open.commit)),
    }
}
