//! What was answered to what? A journal to learn from, read and never written.

use std::{collections::BTreeSet, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{
    Entry, JournalError, Material,
    learned::{self, About},
    reward,
};
use crate::{config::FeedbackConfig, taste::Answer};

/// A journal that is only read. It may be in use meanwhile.
#[derive(Debug)]
pub struct Answered {
    connection: Connection,
    has_material: bool,
}

/// A suggestion with the answers to it that are learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Where, as in [`Entry::place`].
    pub place: String,
    /// The suggestion's fingerprint.
    pub fingerprint: String,
    /// Its file; empty where that is not known.
    pub path: String,
    /// What each person's answers came to, with the numbers of the entries behind it; never empty.
    pub answers: Vec<(Answer, Vec<i64>)>,
    /// Those entries.
    pub entries: Vec<(i64, Entry)>,
}

impl Answered {
    /// Opens the journal in this file.
    ///
    /// # Errors
    /// [`JournalError::Database`] when there is none.
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // One state of it, whatever is written meanwhile.
        connection.execute_batch("BEGIN; SELECT count(*) FROM feedback; SELECT count(*) FROM told;")?;
        let table = "SELECT 1 FROM sqlite_master WHERE name = 'material'";
        let has_material = connection.query_row(table, [], |_| Ok(())).optional()?.is_some();
        Ok(Self { connection, has_material })
    }

    /// When the newest answer was given, in milliseconds since 1970; 0 where there is none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn newest(&self) -> Result<i64, JournalError> {
        Ok(self.connection.query_row("SELECT coalesce(max(at), 0) FROM feedback", [], |row| row.get(0))?)
    }

    /// Everybody who answered.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn people(&self) -> Result<BTreeSet<String>, JournalError> {
        let mut query = self.connection.prepare("SELECT DISTINCT entry ->> 'who' FROM feedback")?;
        let rows = query.query_map([], |row| row.get::<_, Option<String>>(0))?;
        rows.filter_map(|row| row.map(|who| who.filter(|who| !who.is_empty())).transpose())
            .map(|who| Ok(who?))
            .collect()
    }

    /// The BLAKE3 hash of everything that is read here, as hex: the same for the same journal in another file.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn digest(&self) -> Result<String, JournalError> {
        let mut hasher = blake3::Hasher::new();
        for (table, column) in [("feedback", "entry"), ("told", "told"), ("material", "material")] {
            if table == "material" && !self.has_material {
                continue;
            }
            hasher.update(table.as_bytes());
            let mut query = self.connection.prepare(&format!("SELECT id, {column} FROM {table} ORDER BY id"))?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let text: String = row.get(1)?;
                hasher.update(&row.get::<_, i64>(0)?.to_le_bytes());
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Hands over every suggestion that is learned from as of a time, in the order of the first answers to each.
    ///
    /// # Errors
    /// [`JournalError`], or what `hear` returns.
    pub fn each<E: From<JournalError>>(
        &self,
        rewards: &FeedbackConfig,
        now: i64,
        hear: &mut dyn FnMut(Heard) -> Result<(), E>,
    ) -> Result<(), E> {
        for about in self.abouts()? {
            if let Some(heard) = self.heard(&about, rewards, now)? {
                hear(heard)?;
            }
        }
        Ok(())
    }

    fn abouts(&self) -> Result<Vec<About>, JournalError> {
        let mut query = self.connection.prepare(
            "SELECT place, entry ->> 'fingerprint', coalesce(entry ->> 'path', '') FROM feedback
             GROUP BY 1, 2, 3 ORDER BY min(id)",
        )?;
        let about =
            |row: &rusqlite::Row<'_>| Ok(About { place: row.get(0)?, fingerprint: row.get(1)?, path: row.get(2)? });
        Ok(query.query_map([], about)?.collect::<Result<_, _>>()?)
    }

    fn heard(&self, about: &About, rewards: &FeedbackConfig, now: i64) -> Result<Option<Heard>, JournalError> {
        let Some(subject) = learned::subject(&self.connection, about)? else { return Ok(None) };
        let mut entries = learned::entries(&self.connection, about)?;
        let (answers, _) = reward::answers(&entries, &subject, rewards, now);
        entries.retain(|(id, _)| answers.iter().any(|(_, because)| because.contains(id)));
        let About { place, fingerprint, path } = about.clone();
        Ok((!answers.is_empty()).then_some(Heard { place, fingerprint, path, answers, entries }))
    }

    /// What a suggestion looked like when it was last told before this time, or else when it was told first, with a number
    /// by which it is found again; none where that was not kept.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn material(&self, heard: &Heard, at: i64) -> Result<Option<(i64, Material)>, JournalError> {
        if !self.has_material {
            return Ok(None);
        }
        let mut query = self.connection.prepare_cached(
            "SELECT id, material FROM material WHERE place = ?1 AND fingerprint = ?2 AND (path = ?3 OR ?3 = '')
             ORDER BY at > ?4, CASE WHEN at > ?4 THEN id ELSE -id END LIMIT 1",
        )?;
        let key = params![heard.place, heard.fingerprint, heard.path, at];
        let row = query.query_row(key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()?;
        row.map(|(id, text)| Ok((id, read(id, &text)?))).transpose()
    }

    /// The same by its number.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn material_of(&self, id: i64) -> Result<Material, JournalError> {
        let mut query = self.connection.prepare_cached("SELECT material FROM material WHERE id = ?1")?;
        let text: String = query.query_row([id], |row| row.get(0))?;
        read(id, &text)
    }
}

fn read(id: i64, text: &str) -> Result<Material, JournalError> {
    serde_json::from_str(text).map_err(|error| JournalError::Material(id, error))
}
