//! Where are answers kept? One SQLite file to which is only added, and what was learned from it, which can be made anew.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{
    Adopted, Entry, JournalError, MOST_NAMED, Material, Told, Weigher,
    learned::{self, About, Learned},
};
use crate::{
    config::{Config, FeedbackConfig, TasteConfig},
    secret,
    taste::{Learning, Policy, State, Taste},
};

/// Answers in the order they were noticed. Entries are added and read; SQLite itself refuses to change or remove one.
#[derive(Debug)]
pub struct Journal {
    connection: Mutex<Connection>,
    rewards: FeedbackConfig,
    learning: Learning,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS feedback(
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, place TEXT NOT NULL, at INTEGER NOT NULL,
        entry TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS feedback_place ON feedback(place);
    CREATE INDEX IF NOT EXISTS feedback_about ON feedback(place, entry ->> 'fingerprint');
    CREATE TRIGGER IF NOT EXISTS feedback_stays BEFORE UPDATE ON feedback
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS feedback_remains BEFORE DELETE ON feedback
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TABLE IF NOT EXISTS told(
        id INTEGER PRIMARY KEY, place TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL, say TEXT NOT NULL,
        at INTEGER NOT NULL, told TEXT NOT NULL, UNIQUE(place, fingerprint, path, say)) STRICT;
    CREATE INDEX IF NOT EXISTS told_fingerprint ON told(fingerprint);
    CREATE INDEX IF NOT EXISTS told_path ON told(place, path);
    CREATE TRIGGER IF NOT EXISTS told_stays BEFORE UPDATE ON told
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS told_remains BEFORE DELETE ON told
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TABLE IF NOT EXISTS material(
        id INTEGER PRIMARY KEY, place TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL, hash TEXT NOT NULL,
        at INTEGER NOT NULL, material TEXT NOT NULL, UNIQUE(place, fingerprint, path, hash)) STRICT;
    CREATE TRIGGER IF NOT EXISTS material_stays BEFORE UPDATE ON material
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS material_remains BEFORE DELETE ON material
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;";

/// The longest lines of a person's own that are kept, in bytes.
const LONGEST: usize = 4_000;

impl Journal {
    /// Opens the journal in this file, or makes it. The file may hold other tables.
    ///
    /// # Errors
    /// [`JournalError::Database`].
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        Self::open_with(file, Config::default().feedback, Learning::default())
    }

    /// The same, learning by these rules. What was learned by others is learned anew.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open_with(file: &Path, rewards: FeedbackConfig, learning: Learning) -> Result<Self, JournalError> {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        connection.execute_batch(TABLES)?;
        connection.set_prepared_statement_cache_capacity(32);
        learned::prepare(&mut connection, &rewards, learning)?;
        Ok(Self { connection: Mutex::new(connection), rewards, learning })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds answers, all or none, with secrets masked, and learns from them. Returns how many were new. Once it returns,
    /// answers and what was learned from them are on disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn append(&self, entries: &[Entry]) -> Result<usize, JournalError> {
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        let mut new = 0;
        let mut about = BTreeSet::new();
        for entry in entries {
            let scrubbed = scrub(entry);
            let text = serde_json::to_string(&scrubbed).map_err(JournalError::Unwritable)?;
            let added = transaction
                .prepare_cached("INSERT OR IGNORE INTO feedback(key, place, at, entry) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![scrubbed.key, scrubbed.place, scrubbed.at, text])?;
            new += added;
            if added > 0 {
                about.insert(About::of(&scrubbed));
            }
        }
        let now = entries.iter().map(|entry| entry.at).max().unwrap_or_default();
        for about in &about {
            learned::renew(&transaction, about, (&self.rewards, self.learning), now)?;
        }
        transaction.commit()?;
        Ok(new)
    }

    /// Notes what was decided about findings, all or none; what was decided the same way about the same finding before is
    /// not noted again. Returns how many were new.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn tell(&self, told: &[Told]) -> Result<usize, JournalError> {
        let mut connection = self.connection();
        // A power cut may lose the last ones: what they were about is told again.
        connection.execute_batch("PRAGMA synchronous = NORMAL;")?;
        let new = Self::note(&mut connection, told);
        connection.execute_batch("PRAGMA synchronous = FULL;")?;
        new
    }

    fn note(connection: &mut Connection, told: &[Told]) -> Result<usize, JournalError> {
        let transaction = begin(connection)?;
        let mut new = 0;
        for one in told {
            let scrubbed = Told { what: secret::mask(&one.what).into_owned(), ..one.clone() };
            let text = serde_json::to_string(&scrubbed).map_err(JournalError::Unwritable)?;
            let say = serde_json::to_string(&one.say).map_err(JournalError::Unwritable)?;
            let about = params![one.place, one.fingerprint, one.path.as_str(), say.trim_matches('"'), one.at, text];
            new += transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO told(place, fingerprint, path, say, at, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(about)?;
            if let Some(material) = &one.material {
                keep(&transaction, one, material)?;
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    /// Every answer in order, or those of one place.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn entries(&self, place: Option<&str>) -> Result<Vec<Entry>, JournalError> {
        Ok(self.numbered(place)?.into_iter().map(|(_, entry)| entry).collect())
    }

    /// The same, each with its number.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn numbered(&self, place: Option<&str>) -> Result<Vec<(i64, Entry)>, JournalError> {
        let connection = self.connection();
        let mut query =
            connection.prepare("SELECT id, entry FROM feedback WHERE ?1 IS NULL OR place = ?1 ORDER BY id")?;
        let rows = query.query_map([place], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            Ok((id, serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))?))
        })
        .collect()
    }

    /// Every decision in order.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn told(&self) -> Result<Vec<Told>, JournalError> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT id, told FROM told ORDER BY id")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))
        })
        .collect()
    }

    /// The latest decisions about findings whose fingerprint begins so, newest first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn told_about(&self, fingerprint: &str) -> Result<Vec<Told>, JournalError> {
        let connection = self.connection();
        let mut query = connection.prepare(
            "SELECT id, told FROM told WHERE substr(fingerprint, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT 100",
        )?;
        let rows = query.query_map([fingerprint], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))
        })
        .collect()
    }

    /// What to weigh findings by: this journal, a state that lies elsewhere, and what was agreed on.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn weigher(
        self: Arc<Self>,
        (elsewhere, lessons, now): (Option<&State>, Vec<Adopted>, i64),
        config: &TasteConfig,
        project: String,
    ) -> Result<Weigher, JournalError> {
        let mut state = self.state(now)?;
        if let Some(other) = elsewhere {
            state.merge(other);
        }
        Ok(Weigher {
            taste: Taste::of(&state, now, self.learning),
            policy: Policy::of(config),
            project,
            lessons,
            because: Box::new(move |rule| self.because(rule, MOST_NAMED).unwrap_or_default()),
        })
    }

    /// What was told of a file at a place and is neither taken nor mended nor rejected so far.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open_at(&self, place: &str, path: &str) -> Result<Vec<Told>, JournalError> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT id, told FROM told WHERE place = ?1 AND path = ?2 AND say <> 'mute' AND NOT EXISTS (
                 SELECT 1 FROM feedback WHERE feedback.place = told.place
                     AND entry ->> 'fingerprint' = told.fingerprint AND entry ->> 'path' = told.path
                     AND entry ->> 'kind' IN ('applied', 'edited', 'mended', 'rejected')) ORDER BY id",
        )?;
        let rows = query.query_map([place, path], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, text) = row?;
            serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))
        })
        .collect()
    }

    /// What was learned as of a time, by this machine and by those whose states were taken in.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn state(&self, now: i64) -> Result<State, JournalError> {
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        learned::settle(&transaction, (&self.rewards, self.learning), now)?;
        let state = learned::state(&transaction)?;
        transaction.commit()?;
        Ok(state)
    }

    /// Takes in what other machines learned. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn merge(&self, other: &State) -> Result<(), JournalError> {
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        learned::merge(&transaction, other)?;
        Ok(transaction.commit()?)
    }

    /// The numbers of the newest answers about a rule that are learned from, at most so many.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn because(&self, rule: &str, most: usize) -> Result<Vec<i64>, JournalError> {
        Ok(learned::because(&self.connection(), rule, most)?)
    }

    /// Everything that is learned from as of a time, by place, suggestion and person.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn learned(&self, now: i64) -> Result<Vec<Learned>, JournalError> {
        let mut connection = self.connection();
        let transaction = begin(&mut connection)?;
        learned::settle(&transaction, (&self.rewards, self.learning), now)?;
        let all = learned::all(&transaction)?;
        transaction.commit()?;
        Ok(all)
    }

    /// The answer of this number.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn entry(&self, id: i64) -> Result<Option<Entry>, JournalError> {
        let connection = self.connection();
        let text = connection
            .query_row("SELECT entry FROM feedback WHERE id = ?1", [id], |row| row.get::<_, String>(0))
            .optional()?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))).transpose()
    }
}

/// Waits for other writers at the beginning, not in the middle.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Keeps what a finding looked like, once for each patch that was offered for it.
fn keep(transaction: &Transaction<'_>, told: &Told, material: &Material) -> Result<(), JournalError> {
    let offered = (&material.remark.quote, &material.edits);
    let offered = serde_json::to_vec(&offered).map_err(JournalError::Unwritable)?;
    let hash = blake3::hash(&offered).to_hex();
    let text = serde_json::to_string(material).map_err(JournalError::Unwritable)?;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO material(place, fingerprint, path, hash, at, material) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![told.place, told.fingerprint, told.path.as_str(), hash.as_str(), told.at, text])?;
    Ok(())
}

/// The same answer without secrets in the words people wrote. Lines of code with a secret in them are left out: with stars
/// in them they are no code.
fn scrub(entry: &Entry) -> Entry {
    let what = entry.what.as_ref().map(|what| secret::mask(what).into_owned());
    let is_plain = |text: &str| text.len() <= LONGEST && secret::find(text).is_empty();
    let instead = entry.instead.clone().filter(|instead| is_plain(&instead.before) && is_plain(&instead.after));
    Entry { what, instead, ..entry.clone() }
}
