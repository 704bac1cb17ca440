//! What is in the index? Files, their chunks and their vectors, in SQLite; everything else is derived from it.
//!
//! A *unit* is one content at one place, cut once and never changed. A *view* names the units that one work tree has
//! now, and is switched in one transaction when everything its units need is on disk; so whatever kills a writer, the
//! last view still answers. Chunk ids are `unit << 16 | ordinal`.

use std::{collections::HashMap, path::Path};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::{
    chunk::{Chunk, Kind},
    error::IndexError,
    folder::Generation,
};
use crate::source::RepoPath;

/// Raised whenever what is stored changes its meaning; an index of another version is built anew.
pub(super) const FORMAT: &str = "2";

const SCHEMA: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE unit(
    id INTEGER PRIMARY KEY AUTOINCREMENT, origin INTEGER NOT NULL, place TEXT NOT NULL, content BLOB NOT NULL, title TEXT NOT NULL,
    imports TEXT NOT NULL, chunks INTEGER NOT NULL, settled INTEGER NOT NULL, left_at INTEGER NOT NULL,
    UNIQUE(origin, place, content));
CREATE TABLE chunk(
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, symbol TEXT NOT NULL, name TEXT NOT NULL, signature TEXT NOT NULL,
    doc TEXT NOT NULL, calls TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, part INTEGER NOT NULL,
    text TEXT NOT NULL);
CREATE INDEX chunk_name ON chunk(name) WHERE name <> '';
CREATE TABLE code(unit INTEGER PRIMARY KEY, codes BLOB NOT NULL);
CREATE TABLE exact(unit INTEGER PRIMARY KEY, vectors BLOB NOT NULL);
CREATE TABLE view(tree TEXT NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY(tree, unit)) WITHOUT ROWID;
CREATE INDEX view_unit ON view(unit);
CREATE TABLE made(hash BLOB PRIMARY KEY, chunk INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE recent(path TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
";

/// Where a unit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A file of the repository.
    File,
    /// A document that was added.
    Document,
}

/// Where a chunk is to be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A file of the repository.
    File(RepoPath),
    /// A document, by the address it was added from.
    Document(String),
}

impl Place {
    /// The path or the address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::File(path) => path.as_str(),
            Self::Document(address) => address,
        }
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        match self {
            Self::File(_) => Origin::File,
            Self::Document(_) => Origin::Document,
        }
    }

    fn read(origin: i64, place: String) -> Option<Self> {
        match origin {
            0 => RepoPath::new(place).ok().map(Self::File),
            _ => Some(Self::Document(place)),
        }
    }
}

/// A unit's number.
pub(super) type UnitId = i64;

/// The chunk of a unit at this ordinal.
pub(super) fn chunk_id(unit: UnitId, ordinal: usize) -> u64 {
    (unit as u64) << 16 | ordinal as u64
}

/// The unit a chunk belongs to.
pub(super) fn unit_of(chunk: u64) -> UnitId {
    (chunk >> 16) as UnitId
}

/// The most chunks of one unit; what is beyond is not indexed.
pub(super) const MOST_CHUNKS: usize = 1 << 16;

/// One content at one place, cut into chunks with their vectors.
pub(super) struct Unit {
    pub(super) place: Place,
    pub(super) content: Vec<u8>,
    pub(super) title: String,
    pub(super) imports: Vec<String>,
    pub(super) chunks: Vec<Chunk>,
    /// `[chunks, dimensions]`; empty when they are to be made later.
    pub(super) vectors: Vec<Vec<f32>>,
}

/// A chunk as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) place: Place,
    pub(super) title: String,
    pub(super) chunk: Chunk,
}

/// The SQLite side of an index.
pub(super) struct Store {
    pub(super) connection: Connection,
}

impl Store {
    /// Makes an empty one.
    pub(super) fn create(path: &Path) -> Result<Self, IndexError> {
        let store = Self::writable(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        let schema = format!("BEGIN IMMEDIATE; {SCHEMA} INSERT INTO meta VALUES('format', '{FORMAT}'); COMMIT;");
        store.connection.execute_batch(&schema).map_err(IndexError::store)?;
        Ok(store)
    }

    /// Opens for reading and writing.
    ///
    /// # Errors
    /// [`IndexError::Foreign`] when another version made it.
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        Self::writable(path, OpenFlags::empty())?.known()
    }

    /// Every step is on disk before the next begins, even when the power fails: a number that the words know is never
    /// given to another content.
    fn writable(path: &Path, more: OpenFlags) -> Result<Self, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = Connection::open_with_flags(path, flags).map_err(IndexError::store)?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(IndexError::store)?;
        let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA mmap_size = 1073741824;
                   PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;";
        connection.execute_batch(set).map_err(IndexError::store)?;
        Ok(Self { connection })
    }

    /// Opens for reading, also where nothing can be written: without a log there is no writer, and SQLite is told so.
    pub(super) fn open_read_only(generation: &Generation) -> Result<Self, IndexError> {
        let (path, has_log) = (generation.store(), generation.has_log());
        match Self::readable(&path, None).and_then(Self::known) {
            Err(IndexError::Store(_)) if !has_log => Self::readable(&path, Some("immutable=1")).and_then(Self::known),
            done => done,
        }
    }

    fn readable(path: &Path, how: Option<&str>) -> Result<Self, IndexError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let mut uri = url::Url::from_file_path(path)
            .map_err(|()| IndexError::Damaged { why: format!("`{}` is not an absolute path", path.display()) })?;
        uri.set_query(how);
        let connection = Connection::open_with_flags(uri.as_str(), flags).map_err(IndexError::store)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(IndexError::store)?;
        connection.execute_batch("PRAGMA mmap_size = 1073741824; PRAGMA query_only = 1;").map_err(IndexError::store)?;
        Ok(Self { connection })
    }

    fn known(self) -> Result<Self, IndexError> {
        match self.meta("format")?.as_deref() {
            Some(FORMAT) => Ok(self),
            Some(other) => Err(IndexError::Foreign { why: format!("format {other}, this is format {FORMAT}") }),
            None => Err(IndexError::Damaged { why: "it does not say its format".to_owned() }),
        }
    }

    /// Reads every page and compares the tables with their indexes.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] says what SQLite found.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        let found: String =
            self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(IndexError::store)?;
        if found == "ok" { Ok(()) } else { Err(IndexError::Damaged { why: found }) }
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<String>, IndexError> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(IndexError::store)
    }

    pub(super) fn set_meta(&self, key: &str, value: &str) -> Result<(), IndexError> {
        let sql = "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2";
        self.connection.execute(sql, [key, value]).map(|_| ()).map_err(IndexError::store)
    }

    /// The units of a work tree's view, of documents or of files, by place and content.
    pub(super) fn view(&self, tree: &str) -> Result<HashMap<(Place, Vec<u8>), UnitId>, IndexError> {
        let sql =
            "SELECT u.origin, u.place, u.content, u.id FROM view v JOIN unit u ON u.id = v.unit WHERE v.tree = ?1";
        self.units(sql, [tree])
    }

    /// The names of all views.
    pub(super) fn views(&self) -> Result<Vec<String>, IndexError> {
        let mut statement = self.connection.prepare("SELECT DISTINCT tree FROM view").map_err(IndexError::store)?;
        let names = statement.query_map([], |row| row.get(0)).map_err(IndexError::store)?;
        names.map(|name| name.map_err(IndexError::store)).collect()
    }

    /// Every unit that is whole, in any view or none.
    pub(super) fn settled(&self) -> Result<HashMap<(Place, Vec<u8>), UnitId>, IndexError> {
        self.units("SELECT origin, place, content, id FROM unit WHERE settled = 1", [])
    }

    fn units(&self, sql: &str, given: impl rusqlite::Params) -> Result<HashMap<(Place, Vec<u8>), UnitId>, IndexError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let rows = statement.query_map(given, read).map_err(IndexError::store)?;
        let mut units = HashMap::new();
        for row in rows {
            let (origin, place, content, id) = row.map_err(IndexError::store)?;
            if let Some(place) = Place::read(origin, place) {
                units.insert((place, content), id);
            }
        }
        Ok(units)
    }

    /// The unit numbers of some views.
    pub(super) fn members(&self, trees: &[&str]) -> Result<Vec<UnitId>, IndexError> {
        let mut members = Vec::new();
        for tree in trees {
            let mut statement =
                self.connection.prepare_cached("SELECT unit FROM view WHERE tree = ?1").map_err(IndexError::store)?;
            let rows = statement.query_map([tree], |row| row.get(0)).map_err(IndexError::store)?;
            for row in rows {
                members.push(row.map_err(IndexError::store)?);
            }
        }
        members.sort_unstable();
        members.dedup();
        Ok(members)
    }

    /// Runs something in one transaction that takes the write lock at once.
    pub(super) fn transaction<T>(
        &mut self,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(IndexError::store)?;
        let done = run(&transaction)?;
        transaction.commit().map_err(IndexError::store)?;
        Ok(done)
    }

    /// The chunks with these ids, in no order; those that are gone are left out.
    pub(super) fn rows(&self, ids: &[u64]) -> Result<Vec<Row>, IndexError> {
        let sql = "SELECT c.kind, c.symbol, c.signature, c.doc, c.calls, c.first, c.last, c.part, c.text, u.origin,
                          u.place, u.title FROM chunk c JOIN unit u ON u.id = c.id >> 16 WHERE c.id = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let mut rows = Vec::with_capacity(ids.len());
        for &id in ids {
            let read = statement.query_row([id as i64], |row| row_of(id, row)).optional().map_err(IndexError::store)?;
            rows.extend(read.flatten());
        }
        Ok(rows)
    }

    /// The ids of chunks whose own name is this.
    pub(super) fn named(&self, name: &str) -> Result<Vec<u64>, IndexError> {
        let sql = "SELECT id FROM chunk WHERE name = ?1 AND name <> '' ORDER BY id LIMIT 1000";
        let mut statement = self.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let rows = statement.query_map([name], |row| row.get::<_, i64>(0)).map_err(IndexError::store)?;
        rows.map(|row| row.map(|id| id as u64).map_err(IndexError::store)).collect()
    }

    /// The ids of the chunks of a unit in order.
    pub(super) fn chunks_of(&self, unit: UnitId) -> Result<Vec<u64>, IndexError> {
        let sql = "SELECT id FROM chunk WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let range = [chunk_id(unit, 0) as i64, chunk_id(unit, MOST_CHUNKS - 1) as i64];
        let rows = statement.query_map(range, |row| row.get::<_, i64>(0)).map_err(IndexError::store)?;
        rows.map(|row| row.map(|id| id as u64).map_err(IndexError::store)).collect()
    }

    /// The vectors of some chunks, exact.
    pub(super) fn exact(&self, chunk: u64, dimensions: usize) -> Result<Option<Vec<f32>>, IndexError> {
        let sql = "SELECT substr(vectors, ?2, ?3) FROM exact WHERE unit = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let bytes = (dimensions * 4) as i64;
        let from = (chunk & 0xFFFF) as i64 * bytes + 1;
        let read = statement
            .query_row(params![unit_of(chunk), from, bytes], |row| row.get::<_, Vec<u8>>(0))
            .optional()
            .map_err(IndexError::store)?;
        Ok(read.filter(|read| read.len() == dimensions * 4).map(|read| floats(&read)))
    }

    /// The vectors of a unit in the order of its chunks, exact.
    pub(super) fn all_exact(&self, unit: UnitId, dimensions: usize) -> Result<Vec<Vec<f32>>, IndexError> {
        let mut statement =
            self.connection.prepare_cached("SELECT vectors FROM exact WHERE unit = ?1").map_err(IndexError::store)?;
        let read = statement.query_row([unit], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(IndexError::store)?;
        Ok(floats(&read.unwrap_or_default()).chunks_exact(dimensions.max(1)).map(<[f32]>::to_vec).collect())
    }

    /// When paths were last changed, in seconds since 1970.
    pub(super) fn recent(&self, path: &str) -> Result<Option<i64>, IndexError> {
        let mut statement =
            self.connection.prepare_cached("SELECT time FROM recent WHERE path = ?1").map_err(IndexError::store)?;
        statement.query_row([path], |row| row.get(0)).optional().map_err(IndexError::store)
    }
}

fn row_of(id: u64, row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Row>> {
    let (origin, place): (i64, String) = (row.get(9)?, row.get(10)?);
    let list = |text: String| text.split('\n').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let chunk = Chunk {
        kind: kind_of(row.get(0)?),
        symbol: list(row.get(1)?),
        signature: row.get(2)?,
        doc: row.get(3)?,
        calls: list(row.get(4)?),
        lines: (row.get(5)?, row.get(6)?),
        part: row.get(7)?,
        text: row.get(8)?,
    };
    let title = row.get(11)?;
    Ok(Place::read(origin, place).map(|place| Row { id, place, title, chunk }))
}

const KINDS: [Kind; 6] = [Kind::Function, Kind::Method, Kind::Type, Kind::Module, Kind::Section, Kind::Window];

fn kind_of(number: i64) -> Kind {
    usize::try_from(number).ok().and_then(|at| KINDS.get(at)).copied().unwrap_or(Kind::Window)
}

fn kind_number(kind: Kind) -> i64 {
    KINDS.iter().position(|&other| other == kind).unwrap_or_default() as i64
}

/// Puts a unit into the store, not settled and in no view. One of the same content that was left unsettled goes first.
pub(super) fn insert(transaction: &Transaction<'_>, unit: &Unit) -> Result<UnitId, IndexError> {
    let run = || -> rusqlite::Result<UnitId> {
        let origin = unit.place.origin() as i64;
        let old: Option<UnitId> = transaction
            .prepare_cached("SELECT id FROM unit WHERE origin = ?1 AND place = ?2 AND content = ?3")?
            .query_row(params![origin, unit.place.as_str(), unit.content], |row| row.get(0))
            .optional()?;
        if let Some(old) = old {
            remove(transaction, old)?;
        }
        transaction
            .prepare_cached(
                "INSERT INTO unit(origin, place, content, title, imports, chunks, settled, left_at)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
            )?
            .execute(params![
                origin,
                unit.place.as_str(),
                unit.content,
                unit.title,
                unit.imports.join("\n"),
                unit.chunks.len() as i64
            ])?;
        let id = transaction.last_insert_rowid();
        for (ordinal, chunk) in unit.chunks.iter().take(MOST_CHUNKS).enumerate() {
            insert_chunk(transaction, chunk_id(id, ordinal), chunk)?;
        }
        Ok(id)
    };
    let id = run().map_err(IndexError::store)?;
    if !unit.vectors.is_empty() {
        insert_vectors(transaction, id, &unit.vectors)?;
    }
    Ok(id)
}

fn insert_chunk(transaction: &Transaction<'_>, id: u64, chunk: &Chunk) -> rusqlite::Result<()> {
    let sql = "INSERT INTO chunk(id, kind, symbol, name, signature, doc, calls, first, last, part, text)
               VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let name = if chunk.kind == Kind::Section { "" } else { chunk.name() };
    transaction.prepare_cached(sql)?.execute(params![
        id as i64,
        kind_number(chunk.kind),
        chunk.symbol.join("\n"),
        name,
        chunk.signature,
        chunk.doc,
        chunk.calls.join("\n"),
        chunk.lines.0,
        chunk.lines.1,
        chunk.part,
        chunk.text
    ])?;
    Ok(())
}

/// Keeps the vectors of a unit, exact and as codes.
pub(super) fn insert_vectors(
    transaction: &Transaction<'_>,
    unit: UnitId,
    vectors: &[Vec<f32>],
) -> Result<(), IndexError> {
    let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let codes: Vec<u8> = vectors.iter().flat_map(|vector| super::code::encode(vector)).collect();
    let run = || -> rusqlite::Result<()> {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO exact(unit, vectors) VALUES(?1, ?2)")?
            .execute(params![unit, bytes])?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO code(unit, codes) VALUES(?1, ?2)")?
            .execute(params![unit, codes])?;
        Ok(())
    };
    run().map_err(IndexError::store)
}

/// Takes a unit out of the store. It must be in no view.
pub(super) fn remove(transaction: &Transaction<'_>, unit: UnitId) -> rusqlite::Result<()> {
    let range = [chunk_id(unit, 0) as i64, chunk_id(unit, MOST_CHUNKS - 1) as i64];
    transaction.prepare_cached("DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2")?.execute(range)?;
    for sql in
        ["DELETE FROM code WHERE unit = ?1", "DELETE FROM exact WHERE unit = ?1", "DELETE FROM unit WHERE id = ?1"]
    {
        transaction.prepare_cached(sql)?.execute([unit])?;
    }
    Ok(())
}

/// Floats from their little-endian bytes.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}
