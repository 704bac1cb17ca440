//! Was this asked before? Whole answers by the content of question and model, so that what did not change costs nothing.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::model::chat::Request;

/// Kept answers; the longest unused go first beyond this.
const MOST: i64 = 20_000;

/// Answers that were given before, in a file of the repository's private folder.
#[derive(Debug)]
pub struct Answers(Mutex<Connection>);

/// Names a question: the model, what was said, and the form of the answer.
pub(super) type Key = [u8; 32];

pub(super) fn key(model: &str, request: &Request<'_>, hide: &dyn Fn(&str) -> String) -> Key {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    };
    part("1");
    part(model);
    for turn in request.turns {
        part(&format!("{:?}", turn.role));
        part(&hide(&turn.text));
    }
    part(&request.schema.map(ToString::to_string).unwrap_or_default());
    part(&format!("{} {} {}", request.most, request.temperature, request.seed));
    *hasher.finalize().as_bytes()
}

impl Answers {
    /// Opens the file, or makes it. One that is damaged or of another version is emptied: everything in it can be asked
    /// again.
    ///
    /// # Errors
    /// Why nothing can be kept there, in words.
    pub fn open(file: &Path) -> Result<Self, String> {
        let first = Self::connect(file).and_then(|connection| Self::prepare(&connection).map(|()| connection));
        let connection = match first {
            Err(error) if is_damaged(&error) => {
                let file = Connection::open(file).and_then(|old| {
                    old.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
                    old.execute_batch("VACUUM")?;
                    old.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
                    Self::prepare(&old)?;
                    Ok(old)
                });
                file.map_err(|error| error.to_string())?
            }
            other => other.map_err(|error| error.to_string())?,
        };
        Ok(Self(Mutex::new(connection)))
    }

    fn connect(file: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(connection)
    }

    fn prepare(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS answer(key BLOB PRIMARY KEY, text TEXT NOT NULL, used INTEGER NOT NULL) STRICT;",
        )
    }

    /// The answer to a question, if it is kept. One that cannot be read is asked again.
    pub(super) fn get(&self, key: &Key) -> Option<String> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |row: &rusqlite::Row<'_>| row.get(0);
        let found = connection.query_row("SELECT text FROM answer WHERE key = ?1", [key], read).optional().ok()??;
        let _ = connection.execute("UPDATE answer SET used = ?2 WHERE key = ?1", params![key, now()]);
        Some(found)
    }

    /// Keeps an answer. That it cannot is no reason to fail: it is asked again next time.
    pub(super) fn put(&self, key: &Key, text: &str) {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3)";
        let _ = connection.execute(sql, params![key, text, now()]);
        let sql = "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY used DESC LIMIT -1 OFFSET ?1)";
        let _ = connection.execute(sql, [MOST]);
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_and_a_damaged_file_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.db");
        let answers = Answers::open(&file).unwrap();
        assert_eq!(answers.get(&[1; 32]), None);
        answers.put(&[1; 32], "yes");
        drop(answers);
        assert_eq!(Answers::open(&file).unwrap().get(&[1; 32]).as_deref(), Some("yes"));
        let noise: Vec<u8> = (0..8192_u32).map(|at| (at * 31 % 251) as u8).collect();
        #[expect(clippy::disallowed_methods, reason = "a test spoils a file")]
        std::fs::write(&file, noise).unwrap();
        let again = Answers::open(&file).unwrap();
        assert_eq!(again.get(&[1; 32]), None);
        again.put(&[1; 32], "again");
        assert_eq!(again.get(&[1; 32]).as_deref(), Some("again"));
    }
}
