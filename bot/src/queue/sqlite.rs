//! A queue in one SQLite file, for one process at a time.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Arrival, DeadLetter, Depth, Ended, Leased, Put, Queue, QueueError};
use crate::event::Task;

/// How long a delivery's id is remembered, in milliseconds: far beyond the days in which GitHub sends one again.
const MEMORY: i64 = 45 * 24 * 3600 * 1000;

/// How many ended tasks are kept for whoever looks what happened.
const KEPT: i64 = 1_000;

/// Two connections: arrivals never wait for a worker's question.
pub(crate) struct Sqlite {
    door: Mutex<Connection>,
    workers: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the queue, or makes it. Whatever was leased belongs to a process that is gone, and waits again.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub(crate) fn open(file: &Path) -> Result<Self, QueueError> {
        let door = connect(file)?;
        door.execute_batch(
            "CREATE TABLE IF NOT EXISTS delivery(guid TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
             CREATE INDEX IF NOT EXISTS delivery_at ON delivery(at);
             CREATE TABLE IF NOT EXISTS task(
                 id INTEGER PRIMARY KEY, place TEXT NOT NULL, kind TEXT NOT NULL, task TEXT NOT NULL,
                 state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'ended', 'dead')),
                 due INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0,
                 lease_until INTEGER, why TEXT, created INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS task_due ON task(due) WHERE state = 'waiting';
             -- SQLite uses a partial index only for a question with the very same condition, hence one for each state.
             DROP INDEX IF EXISTS task_place;
             CREATE INDEX IF NOT EXISTS task_waiting ON task(place, kind) WHERE state = 'waiting';
             CREATE INDEX IF NOT EXISTS task_leased ON task(place) WHERE state = 'leased';
             CREATE INDEX IF NOT EXISTS task_ended ON task(id) WHERE state = 'ended';
             CREATE INDEX IF NOT EXISTS task_dead ON task(id) WHERE state = 'dead';
             UPDATE task SET state = 'waiting', lease = lease + 1 WHERE state = 'leased';",
        )?;
        Ok(Self { door: Mutex::new(door), workers: Mutex::new(connect(file)?) })
    }

    /// Opens the queue of a process that may be running, for looking and for reviving.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub(crate) fn attach(file: &Path) -> Result<Self, QueueError> {
        Ok(Self { door: Mutex::new(connect(file)?), workers: Mutex::new(connect(file)?) })
    }

    fn workers(&self) -> MutexGuard<'_, Connection> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // FULL: what was answered with 202 survives a power cut.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

impl Queue for Sqlite {
    fn put(&self, arrivals: &[Arrival], now: i64) -> Result<Vec<Put>, QueueError> {
        let mut connection = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = begin(&mut connection)?;
        let put = arrivals.iter().map(|arrival| put_one(&transaction, arrival, now)).collect::<Result<_, _>>()?;
        transaction.prepare_cached("DELETE FROM delivery WHERE at < ?1")?.execute([now - MEMORY])?;
        transaction.commit()?;
        Ok(put)
    }

    fn lease(&self, now: i64, patience: Duration) -> Result<Option<Leased>, QueueError> {
        let mut connection = self.workers();
        let transaction = begin(&mut connection)?;
        // A lease that ran out belongs to a worker that hangs; the task is anyone's again.
        transaction
            .prepare_cached("UPDATE task SET state = 'waiting' WHERE state = 'leased' AND lease_until < ?1")?
            .execute([now])?;
        let next = transaction
            .prepare_cached(
                "SELECT id, task, attempts, created, lease FROM task AS mine
                 WHERE state = 'waiting' AND due <= ?1 AND NOT EXISTS (
                     SELECT 1 FROM task WHERE place = mine.place AND state = 'leased')
                 ORDER BY due, id LIMIT 1",
            )?
            .query_row([now], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get::<_, i64>(4)?))
            })
            .optional()?;
        let Some((id, task, attempts, created, lease)) = next else { return Ok(None) };
        let task: Task = match serde_json::from_str(&task) {
            Ok(task) => task,
            Err(error) => {
                // Of another version, or damaged: it must not stop those behind it.
                transaction
                    .prepare_cached("UPDATE task SET state = 'dead', why = ?2, changed = ?3 WHERE id = ?1")?
                    .execute(params![id, format!("it cannot be read: {error}"), now])?;
                transaction.commit()?;
                return Err(error.into());
            }
        };
        transaction
            .prepare_cached(
                "UPDATE task SET state = 'leased', lease = ?2, lease_until = ?3, attempts = attempts + 1, changed = ?4
                 WHERE id = ?1",
            )?
            .execute(params![id, lease + 1, now + millis(patience), now])?;
        transaction.commit()?;
        Ok(Some(Leased { id, task, attempts, created, lease: lease + 1 }))
    }

    fn renew(&self, leased: &Leased, now: i64, patience: Duration) -> Result<bool, QueueError> {
        let sql = "UPDATE task SET lease_until = ?3 WHERE id = ?1 AND lease = ?2 AND state = 'leased'";
        let connection = self.workers();
        let mut renew = connection.prepare_cached(sql)?;
        Ok(renew.execute(params![leased.id, leased.lease, now + millis(patience)])? == 1)
    }

    fn end(&self, leased: &Leased, ended: &Ended, now: i64) -> Result<bool, QueueError> {
        let (state, due, why) = match ended {
            Ended::Done => ("ended", now, None),
            Ended::Later { pause, why } => ("waiting", now + millis(*pause), Some(why)),
            Ended::Dead { why } => ("dead", now, Some(why)),
        };
        let mut connection = self.workers();
        let transaction = begin(&mut connection)?;
        let is_held = transaction
            .prepare_cached(
                "UPDATE task SET state = ?3, due = ?4, why = ?5, changed = ?6
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![leased.id, leased.lease, state, due, why, now])?
            == 1;
        if state == "waiting" {
            forget_replaced(&transaction, leased)?;
        }
        transaction
            .prepare_cached("DELETE FROM task WHERE state = 'ended' AND id < ?1 - ?2")?
            .execute(params![leased.id, KEPT])?;
        transaction.commit()?;
        Ok(is_held)
    }

    fn next_due(&self) -> Result<Option<i64>, QueueError> {
        let sql = "SELECT min(due) FROM task WHERE state = 'waiting'";
        Ok(self.workers().prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    fn depth(&self) -> Result<Depth, QueueError> {
        let connection = self.workers();
        let of = |state: &str| {
            // The state stands in the text, for otherwise its index is not used.
            let sql = format!("SELECT count(*) FROM task WHERE state = '{state}'");
            connection.prepare_cached(&sql)?.query_row([], |row| row.get::<_, i64>(0)).map(|many| many.max(0) as u64)
        };
        Ok(Depth { waiting: of("waiting")?, leased: of("leased")?, dead: of("dead")? })
    }

    fn dead(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let connection = self.workers();
        let sql = "SELECT id, kind, place, attempts, why, changed FROM task WHERE state = 'dead' ORDER BY id DESC";
        let mut dead = connection.prepare_cached(sql)?;
        let rows = dead.query_map([], |row| {
            let why: Option<String> = row.get(4)?;
            Ok(DeadLetter {
                id: row.get(0)?,
                kind: row.get(1)?,
                place: row.get(2)?,
                attempts: row.get(3)?,
                why: why.unwrap_or_default(),
                at: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn revive(&self, id: Option<i64>, now: i64) -> Result<usize, QueueError> {
        let sql = "UPDATE task SET state = 'waiting', due = ?2, attempts = 0, changed = ?2
                   WHERE state = 'dead' AND (?1 IS NULL OR id = ?1)";
        Ok(self.workers().execute(sql, params![id, now])?)
    }

    fn last_arrival(&self) -> Result<Option<i64>, QueueError> {
        Ok(self.workers().query_row("SELECT max(at) FROM delivery", [], |row| row.get(0))?)
    }

    fn knows(&self, guid: &str) -> Result<bool, QueueError> {
        Ok(self.workers().prepare_cached("SELECT 1 FROM delivery WHERE guid = ?1")?.exists([guid])?)
    }
}

fn put_one(transaction: &Transaction<'_>, arrival: &Arrival, now: i64) -> Result<Put, QueueError> {
    let new = transaction
        .prepare_cached("INSERT OR IGNORE INTO delivery VALUES (?1, ?2)")?
        .execute(params![arrival.guid, now])?;
    if new == 0 {
        return Ok(Put::Known);
    }
    arrival.tasks.iter().try_for_each(|task| put_task(transaction, task, now))?;
    Ok(Put::Queued)
}

/// A newer task takes the place of an older one that still waits, and its turn with it.
fn put_task(transaction: &Transaction<'_>, task: &Task, now: i64) -> Result<(), QueueError> {
    let place = task.place().to_string();
    let mut due = now;
    let mut task = task.clone();
    if task.is_replaced_by_newer() {
        let older = transaction
            .prepare_cached(
                "SELECT id, due, task, attempts FROM task WHERE place = ?1 AND kind = ?2 AND state = 'waiting'",
            )?
            .query_row(params![place, task.kind()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, u32>(3)?))
            })
            .optional()?;
        if let Some((id, was_due, older, attempts)) = older {
            // Someone's wish is not lost by a push that comes after it; a pause after a failure is kept.
            inherit(&mut task, &serde_json::from_str(&older)?);
            due = if attempts == 0 { was_due.min(now) } else { was_due };
            transaction.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute([id])?;
        }
    }
    transaction
        .prepare_cached(
            "INSERT INTO task(place, kind, task, state, due, created, changed) VALUES (?1, ?2, ?3, 'waiting', ?4, ?5, ?5)",
        )?
        .execute(params![place, task.kind(), serde_json::to_string(&task)?, due, now])?;
    Ok(())
}

fn inherit(task: &mut Task, older: &Task) {
    if let (Task::Review { asked, .. }, Task::Review { asked: before, .. }) = (task, older) {
        *asked |= before;
    }
}

/// A task that waits for another try gives way to a newer one.
fn forget_replaced(transaction: &Transaction<'_>, leased: &Leased) -> Result<(), QueueError> {
    if leased.task.is_replaced_by_newer() {
        transaction
            .prepare_cached(
                "DELETE FROM task WHERE id = ?1 AND EXISTS (
                     SELECT 1 FROM task WHERE place = ?2 AND kind = ?3 AND id > ?1 AND state = 'waiting')",
            )?
            .execute(params![leased.id, leased.task.place().to_string(), leased.task.kind()])?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
