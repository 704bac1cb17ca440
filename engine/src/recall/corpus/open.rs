//! Is the file ours, whole, and of a format that we read?
#![expect(
    clippy::disallowed_methods,
    reason = "one of the modules that may use the file system: it makes and moves the file of the corpus"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{Corpus, CorpusError};
use crate::notice::Notice;

/// The number that says whose a SQLite file is: `APRC`.
const APPLICATION: i64 = 0x4150_5243;
/// The format this program reads and writes.
const FORMAT: i64 = 1;
/// How long one process waits for another.
const PATIENCE: Duration = Duration::from_secs(20);

const SCHEMA: &str = "
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    spec TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    added INTEGER NOT NULL,
    refreshed INTEGER
) STRICT;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources ON DELETE CASCADE,
    address TEXT NOT NULL,
    title TEXT NOT NULL,
    format TEXT NOT NULL,
    text TEXT,
    words INTEGER NOT NULL,
    hash BLOB NOT NULL,
    raw BLOB,
    etag TEXT,
    last_modified TEXT,
    fetched_at INTEGER NOT NULL,
    minhash BLOB NOT NULL,
    duplicate_of INTEGER REFERENCES documents ON DELETE SET NULL,
    UNIQUE (source, address),
    CHECK ((text IS NULL) = (duplicate_of IS NOT NULL))
) STRICT;
CREATE INDEX documents_by_original ON documents (duplicate_of) WHERE duplicate_of IS NOT NULL;
-- Which documents may be near-duplicates: those that share a key.
CREATE TABLE bands (
    key INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (key, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX bands_by_document ON bands (document);
";

pub(super) fn open(path: &Path) -> Result<(Corpus, Option<Notice>), CorpusError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| CorpusError::Io { path: folder.to_owned(), source })?;
    }
    match connect(path) {
        Err(CorpusError::Damaged { .. }) => {
            let aside = move_aside(path)?;
            let what = format!("the file was damaged; it is kept as `{}`, and an empty one was begun", aside.display());
            let notice =
                Notice::failure(path.display(), what).advise("add the sources again with `apprentice docs add`");
            Ok((connect(path)?, Some(notice)))
        }
        opened => Ok((opened?, None)),
    }
}

fn connect(path: &Path) -> Result<Corpus, CorpusError> {
    let prepare = || -> rusqlite::Result<(Connection, i64)> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(PATIENCE)?;
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode != "wal" {
            db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        }
        db.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")?;
        let format = format(&mut db)?;
        Ok((db, format))
    };
    match again_while_busy(prepare).map_err(|source| error(path, source))? {
        (db, FORMAT) => Ok(Corpus { db, path: path.to_owned() }),
        (_, found) => Err(CorpusError::Format { path: path.to_owned(), found, wanted: FORMAT }),
    }
}

/// To switch a new file to write-ahead logging takes a lock for which SQLite does not wait.
fn again_while_busy<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    for _ in 0..200 {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(Duration::from_millis(25));
            }
            done => return done,
        }
    }
    attempt()
}

/// The format of the file, which is made if there is nothing in it yet; 0 for one that is not ours.
fn format(db: &mut Connection) -> rusqlite::Result<i64> {
    let about = |db: &Connection| -> rusqlite::Result<(i64, i64, i64)> {
        let number = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    if about(db)? == (0, 0, 0) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        if about(&transaction)? == (0, 0, 0) {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        transaction.commit()?;
    }
    let (application, format, _) = about(db)?;
    Ok(if application == APPLICATION { format } else { 0 })
}

fn move_aside(path: &Path) -> Result<PathBuf, CorpusError> {
    let with = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let mark = format!(".damaged-{}", now());
    let aside = with(&mark);
    fs::rename(path, &aside).map_err(|source| CorpusError::Io { path: path.to_owned(), source })?;
    for more in ["-wal", "-shm"] {
        // There is none unless a process died.
        let _ = fs::rename(with(more), with(&format!("{mark}{more}")));
    }
    Ok(aside)
}

pub(super) fn error(path: &Path, source: rusqlite::Error) -> CorpusError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => CorpusError::Damaged { path, source },
        _ => CorpusError::Database { path, source },
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_kept_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/corpus.db");
        assert!(open(&path).unwrap().1.is_none());
        assert!(open(&path).unwrap().1.is_none());
        fs::write(&path, "SQLite format 3 is not what this is".repeat(300)).unwrap();
        let notice = open(&path).unwrap().1.unwrap();
        assert!(notice.what.contains(".damaged-"), "{}", notice.what);
        let kept = fs::read_dir(folder.path().join("a")).unwrap().flatten().any(|entry| {
            entry.file_name().to_string_lossy().contains("damaged") && entry.metadata().unwrap().len() > 9_000
        });
        assert!(kept);
    }

    #[test]
    fn a_file_of_another_format_or_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, sql, found) in [
            ("newer", format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 9; CREATE TABLE x (y)"), 9),
            ("other", "CREATE TABLE x (y)".to_owned(), 0),
        ] {
            let path = folder.path().join(name);
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            assert!(matches!(open(&path), Err(CorpusError::Format { found: is, .. }) if is == found));
            assert!(path.exists());
        }
    }

    #[test]
    fn several_may_begin_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.db");
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
            all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        });
    }
}
