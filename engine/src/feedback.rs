//! What did they answer? An append-only journal: who, with which right, when, to what, and how we know.

pub mod emotion;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::{finding::Severity, secret, source::RepoPath};

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
    /// What was answered to this suggestion before is not to be learned from.
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
    /// What shows it: a commit, a comment's address.
    pub evidence: String,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refused.
    #[error("the journal of answers cannot be used")]
    Database(#[from] rusqlite::Error),
    /// A line of it is not what was written.
    #[error("entry {0} of the journal of answers cannot be read")]
    Entry(i64, #[source] serde_json::Error),
}

/// Answers in the order they were noticed. Entries are added and read; SQLite itself refuses to change or remove one.
#[derive(Debug)]
pub struct Journal(Mutex<Connection>);

impl Journal {
    /// Opens the journal in this file, or makes it. The file may hold other tables.
    ///
    /// # Errors
    /// [`JournalError::Database`].
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS feedback(
                 id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, place TEXT NOT NULL, at INTEGER NOT NULL,
                 entry TEXT NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS feedback_place ON feedback(place);
             CREATE TRIGGER IF NOT EXISTS feedback_stays BEFORE UPDATE ON feedback
                 BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
             CREATE TRIGGER IF NOT EXISTS feedback_remains BEFORE DELETE ON feedback
                 BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Adds answers, all or none, with secrets masked. Returns how many were new.
    ///
    /// # Errors
    /// [`JournalError::Database`].
    pub fn append(&self, entries: &[Entry]) -> Result<usize, JournalError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        let mut new = 0;
        for entry in entries {
            let scrubbed = scrub(entry);
            let text = serde_json::to_string(&scrubbed).unwrap_or_default();
            let sql = "INSERT OR IGNORE INTO feedback(key, place, at, entry) VALUES (?1, ?2, ?3, ?4)";
            new += transaction.execute(sql, params![scrubbed.key, scrubbed.place, scrubbed.at, text])?;
        }
        transaction.commit()?;
        Ok(new)
    }

    /// Every answer in order, or those of one place.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn entries(&self, place: Option<&str>) -> Result<Vec<Entry>, JournalError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query =
            connection.prepare("SELECT id, entry FROM feedback WHERE ?1 IS NULL OR place = ?1 ORDER BY id")?;
        let rows = query.query_map([place], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))
        })
        .collect()
    }
}

/// The same answer without secrets in the words people wrote.
fn scrub(entry: &Entry) -> Entry {
    let what = entry.what.as_ref().map(|what| secret::mask(what).into_owned());
    Entry { what, ..entry.clone() }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test looks what is on disk")]
mod tests {
    use super::*;

    fn entry(key: &str, what: Option<&str>) -> Entry {
        Entry {
            key: key.into(),
            at: 1,
            kind: Kind::Reply,
            place: "github:acme/demo#1".into(),
            fingerprint: "0".repeat(32),
            check: "any/secret".into(),
            severity: None,
            path: None,
            who: "alice".into(),
            permission: Permission::Write,
            what: what.map(Into::into),
            similarity: None,
            evidence: "comment 7".into(),
        }
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(&folder.path().join("state.db")).expect("a journal");
        (folder, journal)
    }

    #[test]
    fn an_answer_is_written_once() {
        let (_folder, journal) = journal();
        assert_eq!(journal.append(&[entry("a", None), entry("b", None), entry("a", None)]).expect("written"), 2);
        assert_eq!(journal.append(&[entry("b", None)]).expect("written"), 0);
        let keys: Vec<_> = journal.entries(None).expect("read").into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(journal.entries(Some("elsewhere")).expect("read"), []);
    }

    #[test]
    fn secrets_in_words_are_masked_before_they_are_kept() {
        let (folder, journal) = journal();
        let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH").to_owned();
        journal.append(&[entry("a", Some(&format!("use {token} then")))]).expect("written");
        let text = journal.entries(None).expect("read")[0].what.clone().unwrap_or_default();
        assert!(text.starts_with("use ") && !text.contains(&token), "{text}");
        drop(journal);
        let bytes = std::fs::read(folder.path().join("state.db")).expect("the file");
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }

    #[test]
    fn nothing_in_it_can_be_changed_or_removed() {
        let (folder, journal) = journal();
        journal.append(&[entry("a", None)]).expect("written");
        let other = Connection::open(folder.path().join("state.db")).expect("opened");
        assert!(other.execute("DELETE FROM feedback", []).is_err());
        assert!(other.execute("UPDATE feedback SET entry = '{}'", []).is_err());
    }
}
