//! How does a document come into the corpus, and how does it leave, so that near-duplicates are kept once?

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::open::now;
use crate::recall::minhash::{Signature, jaccard, shingles};

/// Words of a run.
const WIDTH: usize = 5;
/// Rows of a band.
const ROWS: usize = 8;
/// Two documents are near-duplicates from here on.
const ALIKE: f64 = 0.9;
/// The estimate is this much off at most, for all that matters.
const MARGIN: f64 = 0.12;
/// The most documents that one is laid beside.
const CANDIDATES: usize = 50;

/// A document to be kept.
#[derive(Debug)]
pub(super) struct New {
    pub(super) address: String,
    pub(super) title: String,
    pub(super) format: &'static str,
    pub(super) text: String,
    pub(super) raw: [u8; 32],
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    New,
    Changed,
    Same,
    /// It repeats another and is not kept a second time.
    Duplicate,
}

/// Adds or replaces a document, whole or not at all.
pub(super) fn put(db: &mut Connection, source: i64, new: &New) -> rusqlite::Result<Stored> {
    let hash = *blake3::hash(format!("{}\0{}", new.title, new.text).as_bytes()).as_bytes();
    let runs = runs(&new.text);
    let signature = Signature::of(runs.iter().copied());
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let there: Option<(i64, [u8; 32], bool)> = transaction
        .prepare_cached("SELECT id, hash, text IS NULL FROM documents WHERE source = ?1 AND address = ?2")?
        .query_row(params![source, new.address], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let stored = match there {
        Some((id, known, is_duplicate)) if known == hash => {
            touch(&transaction, id, new)?;
            if is_duplicate { Stored::Duplicate } else { Stored::Same }
        }
        _ => {
            if let Some((id, ..)) = there {
                leave(&transaction, id)?;
            }
            let original = original(&transaction, &runs, &signature)?;
            insert(&transaction, source, new, &hash, &signature, original)?;
            match (original, there) {
                (Some(_), _) => Stored::Duplicate,
                (None, Some(_)) => Stored::Changed,
                (None, None) => Stored::New,
            }
        }
    };
    transaction.commit()?;
    Ok(stored)
}

fn runs(text: &str) -> Vec<u64> {
    shingles(text.split_whitespace(), WIDTH)
}

fn touch(transaction: &Transaction<'_>, id: i64, new: &New) -> rusqlite::Result<()> {
    let sql = "UPDATE documents SET raw = ?2, etag = ?3, last_modified = ?4, fetched_at = ?5 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, new.raw, new.etag, new.last_modified, now()])?;
    Ok(())
}

/// The document that says nearly the same, if there is one.
fn original(transaction: &Transaction<'_>, runs: &[u64], signature: &Signature) -> rusqlite::Result<Option<i64>> {
    let mut with_key = transaction.prepare_cached("SELECT document FROM bands WHERE key = ?1")?;
    let mut seen = std::collections::BTreeSet::new();
    for key in signature.bands(ROWS) {
        let found = with_key.query_map([key.cast_signed()], |row| row.get::<_, i64>(0))?;
        seen.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    let mut text_of =
        transaction.prepare_cached("SELECT minhash, text FROM documents WHERE id = ?1 AND text IS NOT NULL")?;
    for id in seen.into_iter().take(CANDIDATES) {
        let alike = text_of
            .query_row([id], |row| {
                let near = Signature::from_bytes(row.get_ref(0)?.as_blob()?)
                    .is_some_and(|other| signature.similarity(&other) >= ALIKE - MARGIN);
                Ok(near && jaccard(runs, &self::runs(row.get_ref(1)?.as_str()?)) >= ALIKE)
            })
            .optional()?;
        if alike == Some(true) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn insert(
    transaction: &Transaction<'_>,
    source: i64,
    new: &New,
    hash: &[u8; 32],
    signature: &Signature,
    original: Option<i64>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO documents (source, address, title, format, text, words, hash, raw, etag, last_modified,
                   fetched_at, minhash, duplicate_of)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let text = original.is_none().then_some(&new.text);
    let words = i64::try_from(new.text.split_whitespace().count()).unwrap_or(i64::MAX);
    transaction.prepare_cached(sql)?.execute(params![
        source,
        new.address,
        new.title,
        new.format,
        text,
        words,
        hash,
        new.raw,
        new.etag,
        new.last_modified,
        now(),
        signature.to_bytes(),
        original
    ])?;
    let id = transaction.last_insert_rowid();
    if original.is_none() {
        let mut add = transaction.prepare_cached("INSERT OR IGNORE INTO bands (key, document) VALUES (?1, ?2)")?;
        for key in signature.bands(ROWS) {
            add.execute(params![key.cast_signed(), id])?;
        }
    }
    Ok(())
}

/// Takes a document out. If others repeat it, the first of them takes over its text, and is read anew at the next
/// refresh, since its own words may differ a little.
fn leave(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    let heir: Option<i64> = transaction
        .query_row("SELECT min(id) FROM documents WHERE duplicate_of = ?1", [id], |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(heir) = heir {
        let inherit = "UPDATE documents SET (text, words, hash, minhash, duplicate_of, raw, etag, last_modified) =
            (SELECT text, words, hash, minhash, NULL, NULL, NULL, NULL FROM documents WHERE id = ?2) WHERE id = ?1";
        transaction.execute(inherit, [heir, id])?;
        transaction.execute("UPDATE documents SET duplicate_of = ?1 WHERE duplicate_of = ?2", [heir, id])?;
        transaction.execute("UPDATE bands SET document = ?1 WHERE document = ?2", [heir, id])?;
    }
    transaction.execute("DELETE FROM documents WHERE id = ?1", [id])?;
    Ok(())
}

/// Removes a document by its address; whether there was one.
pub(super) fn remove(db: &mut Connection, source: i64, address: &str) -> rusqlite::Result<bool> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id: Option<i64> = transaction
        .query_row("SELECT id FROM documents WHERE source = ?1 AND address = ?2", params![source, address], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(id) = id {
        leave(&transaction, id)?;
    }
    transaction.commit()?;
    Ok(id.is_some())
}

/// Removes a source and its documents; whether there was one.
pub(super) fn remove_source(db: &mut Connection, spec: &str) -> rusqlite::Result<bool> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let source: Option<i64> =
        transaction.query_row("SELECT id FROM sources WHERE spec = ?1", [spec], |row| row.get(0)).optional()?;
    if let Some(source) = source {
        // Duplicates first, so that none of them becomes an heir only to leave in its turn.
        transaction.execute("DELETE FROM documents WHERE source = ?1 AND duplicate_of IS NOT NULL", [source])?;
        let ids: Vec<i64> = transaction
            .prepare("SELECT id FROM documents WHERE source = ?1")?
            .query_map([source], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for id in ids {
            leave(&transaction, id)?;
        }
        transaction.execute("DELETE FROM sources WHERE id = ?1", [source])?;
    }
    transaction.commit()?;
    Ok(source.is_some())
}
