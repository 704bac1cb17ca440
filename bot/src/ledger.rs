//! What did we offer, and where do we stand with a pull request? Kept beside the queue.
//!
//! It helps to notice answers; it decides nothing about what is said. Losing it repeats no comment.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use engine::{
    finding::{Fingerprint, Severity},
    source::RepoPath,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    clock,
    forge::Place,
    say::{Marker, Offered},
};

/// Offers and pauses, by pull request.
pub(crate) struct Ledger(Mutex<Connection>);

/// An offer that nobody took or refused yet, as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) offered: Offered,
    /// The commit it was made on.
    pub(crate) commit: String,
}

impl Ledger {
    /// Opens the ledger in this file, or makes it.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn open(file: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS offer(
                 place TEXT NOT NULL, fingerprint TEXT NOT NULL, check_id TEXT NOT NULL, severity TEXT NOT NULL,
                 path TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, before TEXT NOT NULL, after TEXT,
                 commit_id TEXT NOT NULL, at INTEGER NOT NULL, ended INTEGER,
                 PRIMARY KEY (place, fingerprint, path)) STRICT;
             CREATE TABLE IF NOT EXISTS pull(
                 place TEXT PRIMARY KEY, installation INTEGER, paused INTEGER NOT NULL DEFAULT 0, head TEXT,
                 is_open INTEGER NOT NULL DEFAULT 1, looked INTEGER NOT NULL DEFAULT 0) STRICT;
             CREATE TABLE IF NOT EXISTS closed(
                 place TEXT NOT NULL, thread TEXT NOT NULL, PRIMARY KEY (place, thread)) STRICT;
             CREATE TABLE IF NOT EXISTS hushed(
                 place TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL,
                 PRIMARY KEY (place, fingerprint, path)) STRICT;",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what was offered at a commit.
    pub(crate) fn offer(&self, place: &Place, commit: &str, offers: &[Offered]) -> rusqlite::Result<()> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for offer in offers {
                transaction.execute(
                    "INSERT OR REPLACE INTO offer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, NULL)",
                    params![
                        place.to_string(),
                        offer.marker.fingerprint.to_string(),
                        offer.marker.check,
                        offer.marker.severity.word(),
                        offer.path.as_str(),
                        offer.lines.0,
                        offer.lines.1,
                        offer.before,
                        offer.after,
                        commit,
                        clock::now()
                    ],
                )?;
            }
            transaction.commit()
        })
    }

    /// The offers at a place whose outcome is not known yet.
    pub(crate) fn open_offers(&self, place: &Place) -> rusqlite::Result<Vec<Open>> {
        self.with(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT fingerprint, check_id, severity, path, first, last, before, after, commit_id
                 FROM offer WHERE place = ?1 AND ended IS NULL ORDER BY at, fingerprint",
            )?;
            let rows = query.query_map([place.to_string()], |row| {
                let severity: String = row.get(2)?;
                let path: String = row.get(3)?;
                let fingerprint: String = row.get(0)?;
                let (Ok(fingerprint), Ok(path)) = (fingerprint.parse(), RepoPath::new(&path)) else { return Ok(None) };
                let severity = Severity::ALL.iter().copied().find(|known| known.word() == severity);
                let marker = Marker { fingerprint, check: row.get(1)?, severity: severity.unwrap_or(Severity::Info) };
                let lines = (row.get(4)?, row.get(5)?);
                let offered = Offered { marker, path, lines, before: row.get(6)?, after: row.get(7)? };
                Ok(Some(Open { offered, commit: row.get(8)? }))
            })?;
            rows.filter_map(Result::transpose).collect()
        })
    }

    /// The outcome of an offer is known.
    pub(crate) fn end_offer(&self, place: &Place, fingerprint: &str, path: &str) -> rusqlite::Result<()> {
        let sql = "UPDATE offer SET ended = ?4 WHERE place = ?1 AND fingerprint = ?2 AND path = ?3";
        self.with(|connection| connection.execute(sql, params![place.to_string(), fingerprint, path, clock::now()]))
            .map(drop)
    }

    /// We closed this thread.
    pub(crate) fn close(&self, place: &Place, thread: &str) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO closed VALUES (?1, ?2)";
        self.with(|connection| connection.execute(sql, params![place.to_string(), thread])).map(drop)
    }

    /// The threads that we closed.
    pub(crate) fn closed(&self, place: &Place) -> rusqlite::Result<HashSet<String>> {
        self.with(|connection| {
            let mut query = connection.prepare_cached("SELECT thread FROM closed WHERE place = ?1")?;
            query.query_map([place.to_string()], |row| row.get(0))?.collect()
        })
    }

    /// Someone told us to leave this finding; the thread that we closed for them stays closed.
    pub(crate) fn hush(&self, place: &Place, fingerprint: &str, path: &str) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO hushed VALUES (?1, ?2, ?3)";
        self.with(|connection| connection.execute(sql, params![place.to_string(), fingerprint, path])).map(drop)
    }

    /// The findings that we were told to leave, with their files.
    pub(crate) fn hushed(&self, place: &Place) -> rusqlite::Result<HashSet<(Fingerprint, RepoPath)>> {
        self.with(|connection| {
            let mut query = connection.prepare_cached("SELECT fingerprint, path FROM hushed WHERE place = ?1")?;
            let rows =
                query.query_map([place.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let read =
                |(fingerprint, path): (String, String)| Some((fingerprint.parse().ok()?, RepoPath::new(path).ok()?));
            rows.filter_map(|row| row.map(read).transpose()).collect()
        })
    }

    /// Notes a pull request as it was seen.
    pub(crate) fn saw(&self, place: &Place, head: &str, is_open: bool) -> rusqlite::Result<()> {
        let sql = "INSERT INTO pull(place, installation, head, is_open, looked) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT(place) DO UPDATE SET installation = ?2, head = ?3, is_open = ?4, looked = ?5";
        let installation = place.installation.map(|id| id as i64);
        self.with(|connection| {
            connection.execute(sql, params![place.to_string(), installation, head, is_open, clock::now()])
        })
        .map(drop)
    }

    /// Pull requests that are open, have offers, and were not looked at since then.
    pub(crate) fn due(&self, before: i64) -> rusqlite::Result<Vec<Place>> {
        self.with(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT place, installation FROM pull WHERE is_open AND looked < ?1 AND EXISTS (
                     SELECT 1 FROM offer WHERE offer.place = pull.place) LIMIT 1000",
            )?;
            let rows =
                query.query_map([before], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?)))?;
            let place = |(text, installation): (String, Option<i64>)| {
                let (repo, number) = text.rsplit_once('#')?;
                let repo = crate::forge::RepoName::parse(repo)?;
                Some(Place { repo, number: number.parse().ok()?, installation: installation.map(|id| id as u64) })
            };
            rows.filter_map(|row| row.map(place).transpose()).collect()
        })
    }

    /// Stops or starts reviewing pushes of a pull request.
    pub(crate) fn pause(&self, place: &Place, paused: bool) -> rusqlite::Result<()> {
        let sql = "INSERT INTO pull(place, installation, paused) VALUES (?1, ?2, ?3)
                   ON CONFLICT(place) DO UPDATE SET paused = ?3";
        let installation = place.installation.map(|id| id as i64);
        self.with(|connection| connection.execute(sql, params![place.to_string(), installation, paused])).map(drop)
    }

    /// Whether someone told us to leave it.
    pub(crate) fn is_paused(&self, place: &Place) -> rusqlite::Result<bool> {
        let sql = "SELECT paused FROM pull WHERE place = ?1";
        let paused = self.with(|connection| {
            connection.query_row(sql, [place.to_string()], |row| row.get::<_, bool>(0)).optional()
        })?;
        Ok(paused.unwrap_or(false))
    }
}
