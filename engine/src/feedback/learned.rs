//! What was learned from the journal, kept beside it? Derived: it can be thrown away and made anew from the entries.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::{Entry, JournalError, Told, reward::answers};
use crate::{
    config::FeedbackConfig,
    taste::{Answer, Learning, Part, State, Subject, Sums},
};

/// Changed when the same journal would be learned from in another way.
const METHOD: u32 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS learned_by(rules TEXT NOT NULL, machine TEXT NOT NULL, version INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS learned(
        place TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL, who TEXT NOT NULL, subject INTEGER NOT NULL,
        reward REAL NOT NULL, weight REAL NOT NULL, at INTEGER NOT NULL, because TEXT NOT NULL,
        PRIMARY KEY (place, fingerprint, path, who)) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS learned_subject ON learned(subject);
    CREATE TABLE IF NOT EXISTS learned_subject_of(id INTEGER PRIMARY KEY, rule TEXT NOT NULL, subject TEXT NOT NULL UNIQUE) STRICT;
    CREATE INDEX IF NOT EXISTS learned_rule ON learned_subject_of(rule);
    CREATE TABLE IF NOT EXISTS learned_sum(
        subject INTEGER NOT NULL, who TEXT NOT NULL, answers INTEGER NOT NULL, weight REAL NOT NULL, reward REAL NOT NULL,
        PRIMARY KEY (subject, who)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS learned_later(
        place TEXT NOT NULL, fingerprint TEXT NOT NULL, path TEXT NOT NULL, due INTEGER NOT NULL,
        PRIMARY KEY (place, fingerprint, path)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS learned_elsewhere(machine TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL) STRICT;";

/// Which suggestion answers are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct About {
    pub(super) place: String,
    pub(super) fingerprint: String,
    pub(super) path: String,
}

impl About {
    pub(super) fn of(entry: &Entry) -> Self {
        let path = entry.path.as_ref().map(|path| path.as_str().to_owned()).unwrap_or_default();
        Self { place: entry.place.clone(), fingerprint: entry.fingerprint.clone(), path }
    }
}

/// What one person's answers to one suggestion came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Where, as in [`Entry::place`].
    pub place: String,
    /// The suggestion's fingerprint.
    pub fingerprint: String,
    /// Its file.
    pub path: String,
    /// What is learned from it.
    pub answer: Answer,
    /// The numbers of the entries behind it.
    pub because: Vec<i64>,
}

/// Makes the tables; what was learned by other rules is learned anew.
pub(super) fn prepare(
    connection: &mut Connection,
    rewards: &FeedbackConfig,
    learning: Learning,
) -> Result<(), JournalError> {
    connection.execute_batch(TABLES)?;
    let rules = format!("{METHOD} {} {learning:?}", serde_json::to_string(rewards).map_err(JournalError::Unwritable)?);
    let by = "SELECT rules, machine, version FROM learned_by";
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
    let known = connection.query_row(by, [], read).optional()?;
    if known.as_ref().is_some_and(|(known, ..)| *known == rules) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = transaction.query_row(by, [], read).optional()?;
    let (machine, version) = match known {
        Some((_, machine, version)) => (machine, version + 1),
        None => (transaction.query_row("SELECT lower(hex(randomblob(8)))", [], |row| row.get(0))?, 0),
    };
    transaction.execute_batch(
        "DELETE FROM learned_by; DELETE FROM learned; DELETE FROM learned_sum; DELETE FROM learned_later;",
    )?;
    transaction.execute("INSERT INTO learned_by VALUES (?1, ?2, ?3)", params![rules, machine, version])?;
    let everything: Vec<(About, i64)> = {
        let mut query = transaction.prepare(
            "SELECT place, entry ->> 'fingerprint', coalesce(entry ->> 'path', ''), max(at) FROM feedback
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )?;
        let about = |row: &rusqlite::Row<'_>| {
            Ok((About { place: row.get(0)?, fingerprint: row.get(1)?, path: row.get(2)? }, row.get(3)?))
        };
        query.query_map([], about)?.collect::<Result<_, _>>()?
    };
    for (about, at) in everything {
        renew(&transaction, &about, (rewards, learning), at)?;
    }
    Ok(transaction.commit()?)
}

/// Learns about one suggestion anew: what its answers came to before is taken away, what they come to now is added.
pub(super) fn renew(
    transaction: &Transaction<'_>,
    about: &About,
    (rewards, learning): (&FeedbackConfig, Learning),
    now: i64,
) -> Result<(), JournalError> {
    let key = params![about.place, about.fingerprint, about.path];
    for (subject, answer) in learned(transaction, about)? {
        add(transaction, subject, &answer, learning, -1)?;
    }
    transaction
        .prepare_cached("DELETE FROM learned WHERE place = ?1 AND fingerprint = ?2 AND path = ?3")?
        .execute(key)?;
    transaction
        .prepare_cached("DELETE FROM learned_later WHERE place = ?1 AND fingerprint = ?2 AND path = ?3")?
        .execute(key)?;
    transaction.prepare_cached("UPDATE learned_by SET version = version + 1")?.execute([])?;
    let Some(subject) = subject(transaction, about)? else { return Ok(()) };
    let entries = entries(transaction, about)?;
    let (answers, due) = answers(&entries, &subject, rewards, now);
    if let Some(due) = due {
        transaction.prepare_cached("INSERT INTO learned_later VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            about.place,
            about.fingerprint,
            about.path,
            due
        ])?;
    }
    for (answer, because) in answers {
        let id = number(transaction, &answer.subject)?;
        let because: Vec<String> = because.iter().map(i64::to_string).collect();
        transaction.prepare_cached("INSERT INTO learned VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?.execute(
            params![
                about.place,
                about.fingerprint,
                about.path,
                answer.who,
                id,
                answer.reward,
                answer.weight,
                answer.at,
                because.join(","),
            ],
        )?;
        add(transaction, id, &answer, learning, 1)?;
    }
    Ok(())
}

/// Learns from what was waited for and has come.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    rules: (&FeedbackConfig, Learning),
    now: i64,
) -> Result<(), JournalError> {
    let due: Vec<About> = {
        let mut query =
            transaction.prepare_cached("SELECT place, fingerprint, path FROM learned_later WHERE due <= ?1")?;
        let about =
            |row: &rusqlite::Row<'_>| Ok(About { place: row.get(0)?, fingerprint: row.get(1)?, path: row.get(2)? });
        query.query_map([now], about)?.collect::<Result<_, _>>()?
    };
    due.iter().try_for_each(|about| renew(transaction, about, rules, now))
}

/// A person in what is learned, which teams share: the same everywhere, and not the name.
pub(super) fn pseudonym(who: &str) -> String {
    if who.is_empty() { String::new() } else { blake3::hash(who.as_bytes()).to_hex().chars().take(16).collect() }
}

fn add(
    transaction: &Transaction<'_>,
    subject: i64,
    answer: &Answer,
    learning: Learning,
    times: i64,
) -> Result<(), JournalError> {
    let (sums, who) = (Sums::of(answer, learning), pseudonym(&answer.who));
    let (answers, weight, reward) = (times * sums.answers, times as f64 * sums.weight, times as f64 * sums.reward);
    transaction
        .prepare_cached(
            "INSERT INTO learned_sum VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(subject, who) DO UPDATE
             SET answers = answers + ?3, weight = weight + ?4, reward = reward + ?5",
        )?
        .execute(params![subject, who, answers, weight, reward])?;
    // Nothing is left of the last answer, not even what rounding would leave.
    transaction
        .prepare_cached("DELETE FROM learned_sum WHERE subject = ?1 AND who = ?2 AND answers <= 0")?
        .execute(params![subject, who])?;
    Ok(())
}

/// Everything that is learned from.
pub(super) fn all(transaction: &Transaction<'_>) -> Result<Vec<Learned>, JournalError> {
    let mut query = transaction.prepare(
        "SELECT place, fingerprint, path, learned_subject_of.subject, reward, weight, who, at, because
         FROM learned JOIN learned_subject_of ON id = learned.subject ORDER BY place, fingerprint, path, who",
    )?;
    let rows = query.query_map([], |row| {
        let answer = (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
        let text = (row.get::<_, String>(3)?, row.get::<_, String>(8)?);
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, text, answer))
    })?;
    rows.map(|row| {
        let (place, fingerprint, path, (subject, because), (reward, weight, who, at)) = row?;
        let subject = serde_json::from_str(&subject).map_err(JournalError::Learned)?;
        let because = because.split(',').filter_map(|id| id.parse().ok()).collect();
        let answer = Answer { subject, reward, weight, who, at };
        Ok(Learned { place, fingerprint, path, answer, because })
    })
    .collect()
}

fn learned(transaction: &Transaction<'_>, about: &About) -> Result<Vec<(i64, Answer)>, JournalError> {
    let mut query = transaction.prepare_cached(
        "SELECT learned.subject, learned_subject_of.subject, reward, weight, who, at
         FROM learned JOIN learned_subject_of ON id = learned.subject
         WHERE place = ?1 AND fingerprint = ?2 AND path = ?3",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    };
    let rows = query.query_map(params![about.place, about.fingerprint, about.path], read)?;
    rows.map(|row| {
        let (id, subject, reward, weight, who, at) = row?;
        let subject: Subject = serde_json::from_str(&subject).map_err(JournalError::Learned)?;
        Ok((id, Answer { subject, reward, weight, who, at }))
    })
    .collect()
}

/// What taste saw of the finding when it was told first.
pub(super) fn subject(connection: &Connection, about: &About) -> Result<Option<Subject>, JournalError> {
    let mut query = connection.prepare_cached(
        "SELECT id, told FROM told WHERE place = ?1 AND fingerprint = ?2 AND (path = ?3 OR ?3 = '') ORDER BY id LIMIT 1",
    )?;
    let key = params![about.place, about.fingerprint, about.path];
    let row = query.query_row(key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()?;
    row.map(|(id, text)| {
        let told: Told = serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))?;
        Ok(told.subject)
    })
    .transpose()
}

/// The answers to one suggestion in order, each with its number.
pub(super) fn entries(connection: &Connection, about: &About) -> Result<Vec<(i64, Entry)>, JournalError> {
    let mut query = connection.prepare_cached(
        "SELECT id, entry FROM feedback WHERE place = ?1 AND entry ->> 'fingerprint' = ?2
             AND coalesce(entry ->> 'path', '') = ?3 ORDER BY id",
    )?;
    let key = params![about.place, about.fingerprint, about.path];
    let rows = query.query_map(key, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, text) = row?;
        Ok((id, serde_json::from_str(&text).map_err(|error| JournalError::Entry(id, error))?))
    })
    .collect()
}

fn number(transaction: &Transaction<'_>, subject: &Subject) -> Result<i64, JournalError> {
    let text = serde_json::to_string(subject).map_err(JournalError::Unwritable)?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO learned_subject_of(rule, subject) VALUES (?1, ?2)")?
        .execute([&subject.rule, &text])?;
    let mut query = transaction.prepare_cached("SELECT id FROM learned_subject_of WHERE subject = ?1")?;
    Ok(query.query_row([text], |row| row.get(0))?)
}

/// What this machine learned, and what others did.
pub(super) fn state(transaction: &Transaction<'_>) -> Result<State, JournalError> {
    let (machine, version): (String, i64) =
        transaction.query_row("SELECT machine, version FROM learned_by", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut sums: BTreeMap<Subject, BTreeMap<String, Sums>> = BTreeMap::new();
    let mut query = transaction.prepare(
        "SELECT learned_subject_of.subject, who, answers, weight, reward
         FROM learned_sum JOIN learned_subject_of ON id = learned_sum.subject ORDER BY learned_sum.subject",
    )?;
    let rows = query.query_map([], |row| {
        let sums = Sums { answers: row.get(2)?, weight: row.get(3)?, reward: row.get(4)? };
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, sums))
    })?;
    for row in rows {
        let (subject, who, one) = row?;
        let subject = serde_json::from_str(&subject).map_err(JournalError::Learned)?;
        sums.entry(subject).or_default().insert(who, one);
    }
    let mut state = State::of([(machine, Part { version: version.max(0) as u64, sums })]);
    let mut query = transaction.prepare("SELECT machine, state FROM learned_elsewhere ORDER BY machine")?;
    for row in query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        let (machine, text) = row?;
        state.merge(&State::read(&text).map_err(|error| JournalError::Elsewhere(machine, error))?);
    }
    Ok(state)
}

/// Keeps what other machines learned, where it is newer than what is known of them.
pub(super) fn merge(transaction: &Transaction<'_>, other: &State) -> Result<(), JournalError> {
    let ours: String = transaction.query_row("SELECT machine FROM learned_by", [], |row| row.get(0))?;
    for (machine, part) in other.parts().iter().filter(|(machine, _)| **machine != ours) {
        let text = State::of([(machine.clone(), part.clone())])
            .write()
            .map_err(|error| JournalError::Elsewhere(machine.clone(), error))?;
        transaction.execute(
            "INSERT INTO learned_elsewhere VALUES (?1, ?2, ?3) ON CONFLICT(machine) DO UPDATE
             SET version = ?2, state = ?3 WHERE version < ?2",
            params![machine, i64::try_from(part.version).unwrap_or(i64::MAX), text],
        )?;
    }
    Ok(())
}

/// The numbers of the newest entries about a rule that are learned from.
pub(super) fn because(connection: &Connection, rule: &str, most: usize) -> Result<Vec<i64>, rusqlite::Error> {
    let mut query = connection.prepare_cached(
        "SELECT because FROM learned JOIN learned_subject_of ON id = learned.subject
         WHERE rule = ?1 ORDER BY at DESC, because DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![rule, most as i64], |row| row.get::<_, String>(0))?;
    let mut all = Vec::new();
    for row in rows {
        all.extend(row?.split(',').filter_map(|id| id.parse::<i64>().ok()));
    }
    all.sort_unstable();
    all.dedup();
    let skipped = all.len().saturating_sub(most);
    Ok(all.split_off(skipped))
}
