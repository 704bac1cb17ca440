//! How does the index keep up? What is new is cut and put in; then the view is switched, in one step.
//!
//! Three steps, each whole on disk before the next: new units go into the store, in no view; their words are committed
//! in tantivy; the view is switched in one transaction. Whatever kills the writer, the old view or the new one answers.
//! A build begins a new index beside the old one, which answers until then.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rayon::prelude::*;
use rusqlite::{OptionalExtension as _, params};

pub use super::folder::Wait;
use super::{
    chunk::Chunked,
    error::IndexError,
    folder::{Folder, Lock},
    lexical::{Words, WordsWriter},
    passage::Parts,
    store::{self, MOST_CHUNKS, Place, Store, Unit, UnitId},
};
use crate::{
    model::Embedder,
    notice::{Gravity, Notice},
};

/// A content that is to be found under a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub place: Place,
    /// Names the content: equal contents have equal names.
    pub content: Vec<u8>,
    /// What it calls itself, where it does.
    pub title: String,
}

/// What is indexed: the files of a work tree, or the documents that were added.
pub trait Library: Sync {
    /// Names the view; each library of one index has its own.
    fn name(&self) -> &str;

    /// Everything there is now.
    ///
    /// # Errors
    /// [`IndexError`] when it cannot be listed.
    fn items(&self) -> Result<Vec<Item>, IndexError>;

    /// One of its items, cut; none where there is nothing to find in it.
    ///
    /// # Errors
    /// A [`Notice`] when it cannot be read.
    fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice>;

    /// Whether another view is that of a library that is no more.
    fn is_gone(&self, _view: &str) -> bool {
        false
    }

    /// When paths were last changed, in seconds since 1970, as far as that was not known at `since`; and a name for now.
    fn recent(&self, since: Option<&str>) -> Option<(String, Vec<(String, i64)>)>;
}

/// What an update is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Cutting and indexing, in files.
    Files,
    /// Making vectors, in chunks.
    Vectors,
}

/// Hears how far an update is: step, done, of how many.
pub type Progress<'a> = &'a (dyn Fn(Step, u64, u64) + Sync);

/// How an update is done.
pub struct Options<'a> {
    /// Makes the vectors.
    pub embedder: &'a dyn Embedder,
    /// Whether to wait for another writer.
    pub wait: Wait,
    /// Forget what is there and begin anew.
    pub anew: bool,
    /// Hears how far it is.
    pub progress: Progress<'a>,
    /// Stops it when set: what is finished stays.
    pub stop: &'a AtomicBool,
}

/// What an update did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Updated {
    /// Contents that were cut and put in.
    pub added: usize,
    /// Contents that left the view.
    pub left: usize,
    /// Contents in the view now.
    pub units: usize,
    /// Chunks that were put in.
    pub chunks: usize,
    /// Vectors that were made after the words were in.
    pub vectors: usize,
    /// What the reader should know.
    pub notices: Vec<Notice>,
}

/// Brings the index in `folder` to what the libraries hold now.
///
/// # Errors
/// [`IndexError`] when the folder cannot be written, another process writes it, or it was stopped. What an index that
/// cannot be read held is built anew, and a notice says so.
pub fn update(folder: &Path, libraries: &[&dyn Library], options: &Options<'_>) -> Result<Updated, IndexError> {
    let folder = Folder::new(folder);
    let lock = folder.lock(options.wait)?;
    let mut updated = Updated::default();
    if !options.anew {
        match keep_up(&folder, libraries, options, &mut updated) {
            Err(IndexError::None { .. }) => {}
            Err(error) if error.is_mended_by_rebuilding() => {
                updated = Updated::default();
                updated.notices.push(Notice::note("index", format!("built anew: {error}")));
            }
            done => return done.map(|()| updated),
        }
    }
    build(&folder, &lock, libraries, options, &mut updated)?;
    Ok(updated)
}

/// Whether an index answers in this folder, by whichever version.
pub fn is_there(folder: &Path) -> bool {
    !matches!(Folder::new(folder).current(), Ok(None))
}

fn keep_up(
    folder: &Folder,
    libraries: &[&dyn Library],
    options: &Options<'_>,
    updated: &mut Updated,
) -> Result<(), IndexError> {
    let generation = folder.current()?.ok_or_else(|| IndexError::None { folder: folder.path().to_owned() })?;
    generation.check()?;
    let mut store = Store::open(&generation.store())?;
    let words = Words::open(&generation.words())?;
    words.check()?;
    let mut writing = Writing { store: &mut store, words: &words, options };
    writing.bring_up_all(libraries, updated)?;
    writing.make_vectors(updated)
}

/// Makes an index beside the one that answers. It takes its place once its words are whole; what a slow embedder makes
/// comes later, so that hours of its work are not lost with the process.
fn build(
    folder: &Folder,
    lock: &Lock,
    libraries: &[&dyn Library],
    options: &Options<'_>,
    updated: &mut Updated,
) -> Result<(), IndexError> {
    let generation = folder.begin(lock)?;
    let mut fill = || -> Result<_, IndexError> {
        let mut store = Store::create(&generation.store())?;
        let words = Words::create(&generation.words())?;
        Writing { store: &mut store, words: &words, options }.bring_up_all(libraries, updated)?;
        Ok((store, words))
    };
    let (mut store, words) = fill().inspect_err(|_| folder.discard(lock, &generation))?;
    folder.publish(lock, &generation)?;
    Writing { store: &mut store, words: &words, options }.make_vectors(updated)
}

/// Whether this index has these vectors; a new one has from here on.
fn check_embedder(store: &Store, embedder: &dyn Embedder) -> Result<(), IndexError> {
    match store.meta("embedder")? {
        None => {
            store.set_meta("dimensions", &embedder.dimensions().to_string())?;
            store.set_meta("instant", if embedder.is_instant() { "1" } else { "0" })?;
            store.set_meta("embedder", embedder.name())
        }
        Some(name) if name == embedder.name() => Ok(()),
        Some(name) => {
            Err(IndexError::Foreign { why: format!("its vectors are of `{name}`, not of `{}`", embedder.name()) })
        }
    }
}

struct Writing<'a> {
    store: &'a mut Store,
    words: &'a Words,
    options: &'a Options<'a>,
}

/// Units that go into the store in one transaction.
const BATCH: usize = 400;

/// Memory of tantivy's writer, in bytes: small for a few files, as it is set aside at once.
const MEMORY: (usize, usize) = (20_000_000, 200_000_000);

impl Writing<'_> {
    fn bring_up_all(&mut self, libraries: &[&dyn Library], updated: &mut Updated) -> Result<(), IndexError> {
        check_embedder(self.store, self.options.embedder)?;
        self.forget(|transaction| {
            transaction.prepare("SELECT id FROM unit WHERE settled = 0")?.query_map([], |row| row.get(0))?.collect()
        })?;
        for library in libraries {
            self.bring_up(*library, updated)?;
        }
        self.drop_views(libraries)?;
        // Branches that were left are cheap to come back to for two weeks.
        const KEPT_SECONDS: i64 = 14 * 24 * 3600;
        let sql = "SELECT id FROM unit WHERE settled = 1 AND left_at > 0 AND left_at < ?1
                   AND NOT EXISTS(SELECT 1 FROM view WHERE view.unit = unit.id)";
        self.forget(|connection| {
            connection.prepare(sql)?.query_map([now() - KEPT_SECONDS], |row| row.get(0))?.collect()
        })
    }

    /// Takes out units that are in no view: what a writer left half done, or what was left long ago. They are marked
    /// first, so that no view takes them in again when this ends between the words and the store.
    fn forget(
        &mut self,
        find: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<Vec<UnitId>>,
    ) -> Result<(), IndexError> {
        let old = find(&self.store.connection).map_err(IndexError::store)?;
        if old.is_empty() {
            return Ok(());
        }
        self.store.transaction(|transaction| {
            let mut mark =
                transaction.prepare("UPDATE unit SET settled = 0 WHERE id = ?1").map_err(IndexError::store)?;
            old.iter().try_for_each(|unit| mark.execute([unit]).map(drop)).map_err(IndexError::store)
        })?;
        let mut words = self.words.writer(MEMORY.0)?;
        old.iter().for_each(|&unit| words.remove(unit));
        words.commit()?;
        words.finish()?;
        self.store.transaction(|transaction| {
            old.iter().try_for_each(|&unit| store::remove(transaction, unit)).map_err(IndexError::store)
        })
    }

    /// Drops the views of work trees that are no more.
    fn drop_views(&mut self, libraries: &[&dyn Library]) -> Result<(), IndexError> {
        let gone: Vec<String> = {
            let views = self.store.views()?.into_iter();
            views.filter(|view| libraries.iter().any(|library| library.is_gone(view))).collect()
        };
        if gone.is_empty() {
            return Ok(());
        }
        self.store.transaction(|transaction| {
            let run = |view: &String| -> rusqlite::Result<()> {
                let left = "UPDATE unit SET left_at = ?2 WHERE id IN (SELECT unit FROM view WHERE tree = ?1)";
                transaction.execute(left, params![view, now()])?;
                transaction.execute("DELETE FROM view WHERE tree = ?1", [view])?;
                transaction.execute("DELETE FROM meta WHERE key = ?1", [recent_key(view)])?;
                Ok(())
            };
            gone.iter().try_for_each(run).map_err(IndexError::store)
        })
    }

    fn bring_up(&mut self, library: &dyn Library, updated: &mut Updated) -> Result<(), IndexError> {
        let items = library.items()?;
        let view = self.store.view(library.name())?;
        let key = |item: &Item| (item.place.clone(), item.content.clone());
        let settled = match items.iter().all(|item| view.contains_key(&key(item))) {
            true => HashMap::new(),
            false => self.store.settled()?,
        };
        let known = |item: &Item| view.get(&key(item)).or_else(|| settled.get(&key(item))).copied();
        let mut fresh: Vec<&Item> = items.iter().filter(|item| known(item).is_none()).collect();
        let mut seen = HashSet::new();
        fresh.retain(|item| seen.insert((&item.place, &item.content)));
        let mut units: HashSet<UnitId> = items.iter().filter_map(known).collect();
        if !fresh.is_empty() {
            units.extend(self.add(library, &fresh, updated)?);
        }
        let old: HashSet<UnitId> = view.into_values().collect();
        updated.units += units.len();
        updated.left += old.difference(&units).count();
        self.switch(library.name(), &old, &units)?;
        self.note_recent(library)
    }

    /// Cuts and puts in, in no view yet. Files that cannot be read become notices; they are tried again next time.
    fn add(
        &mut self,
        library: &dyn Library,
        items: &[&Item],
        updated: &mut Updated,
    ) -> Result<Vec<UnitId>, IndexError> {
        let memory = if items.len() < 100 { MEMORY.0 } else { MEMORY.1 };
        let mut words = self.words.writer(memory)?;
        let (sender, receiver) = sync_channel(64);
        let (embedder, stop) = (self.options.embedder, self.options.stop);
        let added = std::thread::scope(|scope| {
            scope.spawn(move || {
                let send = |sender: &mut SyncSender<_>, item: &&Item| {
                    if stop.load(Ordering::Relaxed) {
                        return Err(());
                    }
                    sender.send(prepare(library, item, embedder)).map_err(drop)
                };
                // An error means that nobody listens any more, or that it was stopped; the listener knows why.
                let _ = items.par_iter().try_for_each_with(sender, send);
            });
            self.receive(receiver, &mut words, items.len(), updated)
        })?;
        if stop.load(Ordering::Relaxed) {
            return Err(IndexError::Stopped);
        }
        words.commit()?;
        words.finish()?;
        Ok(added)
    }

    fn receive(
        &mut self,
        receiver: Receiver<Result<Prepared, PrepareError>>,
        words: &mut WordsWriter<'_>,
        all: usize,
        updated: &mut Updated,
    ) -> Result<Vec<UnitId>, IndexError> {
        let mut ids = Vec::new();
        let mut done = 0;
        loop {
            let batch: Vec<_> = receiver.iter().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(ids);
            }
            let progress = self.options.progress;
            self.store.transaction(|transaction| {
                for prepared in batch {
                    done += 1;
                    progress(Step::Files, done, all as u64);
                    let unit = match prepared {
                        Ok(Prepared(unit, notice)) => {
                            updated.notices.extend(notice);
                            unit
                        }
                        Err(PrepareError::Notice(notice)) => {
                            updated.notices.push(notice);
                            continue;
                        }
                        Err(PrepareError::Index(error)) => return Err(error),
                    };
                    let id = store::insert(transaction, &unit)?;
                    words.add(id, &unit.place, &unit.chunks)?;
                    updated.added += 1;
                    updated.chunks += unit.chunks.len();
                    ids.push(id);
                }
                Ok(())
            })?;
        }
    }

    /// Makes the view these units, all at once.
    fn switch(&mut self, tree: &str, old: &HashSet<UnitId>, new: &HashSet<UnitId>) -> Result<(), IndexError> {
        if old == new {
            return Ok(());
        }
        self.store.transaction(|transaction| {
            let run = || -> rusqlite::Result<()> {
                let mut settle = transaction.prepare("UPDATE unit SET settled = 1 WHERE id = ?1 AND settled = 0")?;
                let mut enter = transaction.prepare("INSERT INTO view(tree, unit) VALUES(?1, ?2)")?;
                for unit in new.difference(old) {
                    settle.execute([unit])?;
                    enter.execute(params![tree, unit])?;
                }
                let mut leave = transaction.prepare("DELETE FROM view WHERE tree = ?1 AND unit = ?2")?;
                let mut mark = transaction.prepare("UPDATE unit SET left_at = ?2 WHERE id = ?1")?;
                for unit in old.difference(new) {
                    leave.execute(params![tree, unit])?;
                    mark.execute(params![unit, now()])?;
                }
                Ok(())
            };
            run().map_err(IndexError::store)
        })
    }

    fn note_recent(&mut self, library: &dyn Library) -> Result<(), IndexError> {
        let key = recent_key(library.name());
        let since = self.store.meta(&key)?;
        let Some((now, paths)) = library.recent(since.as_deref()) else { return Ok(()) };
        if since.as_deref() == Some(&now) {
            return Ok(());
        }
        self.store.transaction(|transaction| {
            let run = || -> rusqlite::Result<()> {
                let sql = "INSERT INTO recent(path, time) VALUES(?1, ?2)
                           ON CONFLICT(path) DO UPDATE SET time = max(time, ?2)";
                let mut statement = transaction.prepare(sql)?;
                paths.iter().try_for_each(|(path, time)| statement.execute(params![path, time]).map(drop))
            };
            run().map_err(IndexError::store)
        })?;
        self.store.set_meta(&key, &now)
    }

    /// Makes the vectors that a slow embedder has not made yet, a few chunks at a time; each batch stays once made.
    fn make_vectors(&mut self, updated: &mut Updated) -> Result<(), IndexError> {
        let sql = "SELECT DISTINCT u.id, u.chunks FROM view v JOIN unit u ON u.id = v.unit
                   WHERE u.chunks > 0 AND NOT EXISTS(SELECT 1 FROM code WHERE code.unit = u.id)";
        let read = |connection: &rusqlite::Connection| -> rusqlite::Result<Vec<(UnitId, i64)>> {
            connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let missing = read(&self.store.connection).map_err(IndexError::store)?;
        let all: i64 = missing.iter().map(|(_, chunks)| chunks).sum();
        let mut done = 0;
        for (unit, chunks) in missing {
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(IndexError::Stopped);
            }
            let rows = self.store.rows(&self.store.chunks_of(unit)?)?;
            let texts: Vec<Parts> = rows.iter().map(|row| Parts::of(&row.chunk, row.place.as_str())).collect();
            let vectors = self.vectors(&texts)?;
            let embedder = self.options.embedder;
            self.store.transaction(|transaction| {
                store::insert_vectors(transaction, unit, &vectors)?;
                remember(transaction, unit, &texts, embedder).map_err(IndexError::store)
            })?;
            done += chunks;
            updated.vectors += vectors.len();
            (self.options.progress)(Step::Vectors, done as u64, all as u64);
        }
        Ok(())
    }

    /// A vector for each text, taken from an equal text where there is one.
    fn vectors(&self, texts: &[Parts]) -> Result<Vec<Vec<f32>>, IndexError> {
        let dimensions = self.options.embedder.dimensions();
        let mut vectors: Vec<Option<Vec<f32>>> = Vec::with_capacity(texts.len());
        for text in texts {
            let sql = "SELECT chunk FROM made WHERE hash = ?1";
            let mut statement = self.store.connection.prepare_cached(sql).map_err(IndexError::store)?;
            let chunk: Option<i64> =
                statement.query_row([text.hash()], |row| row.get(0)).optional().map_err(IndexError::store)?;
            let vector = chunk.map(|chunk| self.store.exact(chunk as u64, dimensions)).transpose()?.flatten();
            vectors.push(vector);
        }
        let wanted: Vec<usize> = (0..texts.len()).filter(|&at| vectors[at].is_none()).collect();
        let passages: Vec<_> = wanted.iter().map(|&at| texts[at].passage()).collect();
        let made = self.options.embedder.passages(&passages)?;
        for (at, vector) in wanted.into_iter().zip(made) {
            vectors[at] = Some(vector);
        }
        Ok(vectors.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Notes which texts have vectors, so that an equal text in another file or version needs none.
fn remember(
    transaction: &rusqlite::Transaction<'_>,
    unit: UnitId,
    texts: &[Parts],
    embedder: &dyn Embedder,
) -> rusqlite::Result<()> {
    if embedder.is_instant() {
        return Ok(());
    }
    let mut statement = transaction.prepare_cached("INSERT OR REPLACE INTO made(hash, chunk) VALUES(?1, ?2)")?;
    for (ordinal, text) in texts.iter().enumerate() {
        statement.execute(params![text.hash(), store::chunk_id(unit, ordinal) as i64])?;
    }
    Ok(())
}

/// A unit, with what is to be said of it once: what cannot be read by its nature is not tried again.
struct Prepared(Unit, Option<Notice>);

enum PrepareError {
    Notice(Notice),
    Index(IndexError),
}

/// Cuts one item and makes its vectors where that takes no time.
fn prepare(library: &dyn Library, item: &Item, embedder: &dyn Embedder) -> Result<Prepared, PrepareError> {
    let (cut, notice) = match library.chunks(item) {
        Ok(cut) => (cut.unwrap_or_default(), None),
        Err(notice) if notice.gravity == Gravity::Skipped => (Chunked::default(), Some(notice)),
        Err(notice) => return Err(PrepareError::Notice(notice)),
    };
    let Chunked { imports, mut chunks } = cut;
    chunks.truncate(MOST_CHUNKS);
    let mut vectors = Vec::new();
    if embedder.is_instant() {
        let parts: Vec<Parts> = chunks.iter().map(|chunk| Parts::of(chunk, item.place.as_str())).collect();
        let passages: Vec<_> = parts.iter().map(Parts::passage).collect();
        vectors = embedder.passages(&passages).map_err(|error| PrepareError::Index(error.into()))?;
    }
    let Item { place, content, title } = item.clone();
    Ok(Prepared(Unit { place, content, title, imports, chunks, vectors }, notice))
}

/// Where the commit is kept up to which the dates of a view's files are known.
fn recent_key(view: &str) -> String {
    format!("recent {view}")
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Contents in the view.
    pub units: usize,
    /// Their chunks.
    pub chunks: usize,
    /// Those that have vectors.
    pub vectors: usize,
    /// What made the vectors.
    pub embedder: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// The process that writes it now.
    pub writer: Option<u32>,
}

/// What the index in `folder` holds of one library.
///
/// # Errors
/// [`IndexError`] when there is none or it cannot be read.
pub fn status(folder: &Path, library: &str) -> Result<Status, IndexError> {
    let folder = Folder::new(folder);
    let store = readable(&folder)?;
    let count = |sql: &str| -> Result<usize, IndexError> {
        let count: i64 = store.connection.query_row(sql, [library], |row| row.get(0)).map_err(IndexError::store)?;
        Ok(count as usize)
    };
    let chunks = "SELECT coalesce(sum(u.chunks), 0) FROM view v JOIN unit u ON u.id = v.unit WHERE v.tree = ?1";
    Ok(Status {
        units: count("SELECT count(*) FROM view WHERE tree = ?1")?,
        chunks: count(chunks)?,
        vectors: count(&format!("{chunks} AND EXISTS(SELECT 1 FROM code WHERE code.unit = u.id)"))?,
        embedder: store.meta("embedder")?.unwrap_or_default(),
        bytes: folder.bytes(),
        writer: folder.writer(),
    })
}

/// How many contents of a library differ from what the index holds of it.
///
/// # Errors
/// [`IndexError`] when either cannot be read.
pub fn behind(folder: &Path, library: &dyn Library) -> Result<usize, IndexError> {
    let view = readable(&Folder::new(folder))?.view(library.name())?;
    let items = library.items()?;
    let fresh = items.iter().filter(|item| !view.contains_key(&(item.place.clone(), item.content.clone()))).count();
    let places: HashSet<&Place> = items.iter().map(|item| &item.place).collect();
    Ok(fresh + view.keys().filter(|(place, _)| !places.contains(place)).count())
}

fn readable(folder: &Folder) -> Result<Store, IndexError> {
    let generation = folder.current()?.ok_or_else(|| IndexError::None { folder: folder.path().to_owned() })?;
    generation.check()?;
    Store::open_read_only(&generation)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{EmbedError, Passage},
        recall::{
            Searcher,
            chunk::{Chunk, Kind},
            search::Query,
        },
    };

    /// Documents in memory: some are gone when they are read.
    #[derive(Default)]
    struct Shelf {
        name: &'static str,
        texts: Mutex<BTreeMap<String, String>>,
        unreadable: Mutex<HashSet<String>>,
        gone: Vec<&'static str>,
    }

    impl Shelf {
        fn of(texts: &[(&str, &str)]) -> Self {
            let texts = texts.iter().map(|&(place, text)| (place.to_owned(), text.to_owned())).collect();
            Self { name: "shelf", texts: Mutex::new(texts), ..Self::default() }
        }

        fn put(&self, place: &str, text: &str) {
            self.texts.lock().unwrap().insert(place.to_owned(), text.to_owned());
        }

        fn take(&self, place: &str) {
            self.texts.lock().unwrap().remove(place);
        }
    }

    impl Library for Shelf {
        fn name(&self) -> &str {
            self.name
        }

        fn items(&self) -> Result<Vec<Item>, IndexError> {
            let texts = self.texts.lock().unwrap();
            let item = |(place, text): (&String, &String)| Item {
                place: Place::Document(place.clone()),
                content: blake3::hash(text.as_bytes()).as_bytes().to_vec(),
                title: String::new(),
            };
            Ok(texts.iter().map(item).collect())
        }

        fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice> {
            let place = item.place.as_str();
            if self.unreadable.lock().unwrap().contains(place) {
                return Err(Notice::note(place, "changed while it was read"));
            }
            let Some(text) = self.texts.lock().unwrap().get(place).cloned() else { return Ok(None) };
            let chunk = |(at, line): (usize, &str)| Chunk {
                kind: Kind::Window,
                symbol: Vec::new(),
                signature: String::new(),
                doc: String::new(),
                calls: Vec::new(),
                lines: (at as u32 + 1, at as u32 + 1),
                part: 0,
                text: line.to_owned(),
            };
            Ok(Some(Chunked { imports: Vec::new(), chunks: text.lines().enumerate().map(chunk).collect() }))
        }

        fn is_gone(&self, view: &str) -> bool {
            self.gone.contains(&view)
        }

        fn recent(&self, _: Option<&str>) -> Option<(String, Vec<(String, i64)>)> {
            None
        }
    }

    /// Counts letters.
    struct Letters {
        name: &'static str,
        is_instant: bool,
    }

    const LETTERS: Letters = Letters { name: "letters", is_instant: true };
    const SLOW: Letters = Letters { name: "slow", is_instant: false };

    impl Letters {
        fn vector(text: &str) -> Vec<f32> {
            let mut vector = vec![0.1_f32; 26];
            let letters = text.bytes().filter(u8::is_ascii_lowercase);
            letters.for_each(|letter| vector[usize::from(letter - b'a')] += 1.0);
            crate::model::table::normalize(&mut vector);
            vector
        }
    }

    impl Embedder for Letters {
        fn name(&self) -> &str {
            self.name
        }

        fn dimensions(&self) -> usize {
            26
        }

        fn is_instant(&self) -> bool {
            self.is_instant
        }

        fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
            Ok(passages.iter().map(|passage| Self::vector(passage.body)).collect())
        }

        fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
            Ok(Self::vector(text))
        }
    }

    struct Scene {
        folder: tempfile::TempDir,
        stop: AtomicBool,
    }

    impl Scene {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), stop: AtomicBool::new(false) }
        }

        fn try_update(&self, shelf: &Shelf, embedder: &Letters) -> Result<Updated, IndexError> {
            let (stop, progress) = (&self.stop, &|_: Step, _: u64, _: u64| {});
            let options = Options { embedder, wait: Wait::UntilFree, anew: false, progress, stop };
            update(self.folder.path(), &[shelf], &options)
        }

        fn update(&self, shelf: &Shelf) -> Updated {
            self.try_update(shelf, &LETTERS).unwrap()
        }

        fn searcher(&self) -> Searcher {
            Searcher::open(self.folder.path(), &["shelf"]).unwrap()
        }

        /// Every text that is found by a word that all have, with its place.
        fn found(&self, word: &str) -> Vec<(String, String)> {
            let query = Query { text: word, most: 1000, ..Query::default() };
            let hits = self.searcher().search(&query, &LETTERS).unwrap();
            let mut found: Vec<_> =
                hits.into_iter().map(|hit| (hit.place.as_str().to_owned(), hit.chunk.text)).collect();
            found.sort();
            found
        }

        fn change(&self, sql: &str) -> usize {
            let generation = Folder::new(self.folder.path()).current().unwrap().unwrap();
            Store::open(&generation.store()).unwrap().connection.execute(sql, []).unwrap()
        }
    }

    fn pair(place: &str, text: &str) -> (String, String) {
        (place.to_owned(), text.to_owned())
    }

    #[test]
    fn what_is_held_is_found_and_what_is_gone_is_not() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one\nword two"), ("b", "word three")]));
        let updated = scene.update(&shelf);
        assert_eq!((updated.added, updated.left, updated.units, updated.chunks), (2, 0, 2, 3));
        shelf.put("a", "word four");
        shelf.take("b");
        let updated = scene.update(&shelf);
        assert_eq!((updated.added, updated.left, updated.units, updated.chunks), (1, 2, 1, 1));
        assert_eq!(scene.found("word"), [pair("a", "word four")]);
        assert_eq!(scene.searcher().verify().unwrap(), (1, 1, 1));
    }

    #[test]
    fn another_format_or_embedder_is_built_anew_with_a_note() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one")]));
        scene.update(&shelf);
        assert_eq!(scene.change("UPDATE meta SET value = '0' WHERE key = 'format'"), 1);
        let error = Searcher::open(scene.folder.path(), &["shelf"]).map(drop).unwrap_err();
        assert!(matches!(error, IndexError::Foreign { .. }), "{error}");
        let updated = scene.update(&shelf);
        assert!(updated.notices[0].what.contains("built anew") && updated.notices[0].what.contains("format 0"));
        assert_eq!(scene.found("word").len(), 1);

        let updated = scene.try_update(&shelf, &SLOW).unwrap();
        assert!(updated.notices[0].what.contains("of `letters`, not of `slow`"), "{:?}", updated.notices);
        let error = scene.searcher().search(&Query { text: "word", most: 1, ..Query::default() }, &LETTERS);
        assert!(error.unwrap_err().is_mended_by_rebuilding());
    }

    #[test]
    fn a_stopped_update_leaves_the_old_view() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one")]));
        scene.update(&shelf);
        shelf.put("a", "word two");
        scene.stop.store(true, Ordering::Relaxed);
        assert!(matches!(scene.try_update(&shelf, &LETTERS), Err(IndexError::Stopped)));
        assert_eq!(scene.found("word"), [pair("a", "word one")]);
        scene.stop.store(false, Ordering::Relaxed);
        scene.update(&shelf);
        assert_eq!(scene.found("word"), [pair("a", "word two")]);
        scene.searcher().verify().unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_told_and_tried_again() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one"), ("b", "word two")]));
        shelf.unreadable.lock().unwrap().insert("a".into());
        let updated = scene.update(&shelf);
        assert_eq!((updated.units, updated.notices.len()), (1, 1));
        assert_eq!(scene.found("word"), [pair("b", "word two")]);
        shelf.unreadable.lock().unwrap().clear();
        assert_eq!((scene.update(&shelf).added, scene.found("word").len()), (1, 2));
    }

    #[test]
    fn what_was_left_long_ago_is_forgotten_and_what_was_half_forgotten_comes_back_whole() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one"), ("b", "word two")]));
        scene.update(&shelf);
        shelf.take("b");
        scene.update(&shelf);
        assert_eq!(scene.change("UPDATE unit SET left_at = 1 WHERE left_at > 0"), 1);
        scene.update(&shelf);
        assert_eq!(scene.change("DELETE FROM unit WHERE place = 'b'"), 0, "it is gone already");
        shelf.put("b", "word two");
        assert_eq!(scene.update(&shelf).added, 1);

        // Ended between the mark and the words, or the words and the store.
        shelf.take("b");
        scene.update(&shelf);
        assert_eq!(scene.change("UPDATE unit SET settled = 0 WHERE place = 'b'"), 1);
        shelf.put("b", "word two");
        assert_eq!(scene.update(&shelf).added, 1);
        assert_eq!(scene.searcher().verify().unwrap(), (2, 2, 2));
        assert_eq!(scene.found("word").len(), 2);
    }

    #[test]
    fn a_view_of_a_library_that_is_no_more_is_dropped() {
        let (scene, mut shelf) = (Scene::new(), Shelf::of(&[("a", "word one")]));
        let other = Shelf { name: "other", ..Shelf::of(&[("b", "word two")]) };
        scene.update(&other);
        scene.update(&shelf);
        assert_eq!(status(scene.folder.path(), "other").unwrap().units, 1);
        shelf.gone.push("other");
        scene.update(&shelf);
        assert_eq!(status(scene.folder.path(), "other").unwrap().units, 0);
        assert_eq!(scene.change("UPDATE unit SET left_at = 1 WHERE left_at > 0"), 1, "it can be forgotten");
    }

    #[test]
    fn a_slow_embedders_vectors_come_after_the_words_and_are_made_once() {
        let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one\nword two"), ("b", "word one")]));
        let updated = scene.try_update(&shelf, &SLOW).unwrap();
        assert_eq!((updated.added, updated.vectors), (2, 3));
        assert_eq!(scene.searcher().verify().unwrap(), (3, 3, 3));
        scene.change("DELETE FROM code WHERE unit = 1");
        scene.change("DELETE FROM exact WHERE unit = 1");
        let (chunks, words, vectors) = scene.searcher().verify().unwrap();
        assert!((chunks, words) == (3, 3) && vectors < 3, "what a slow embedder owes is no damage");
        scene.try_update(&shelf, &SLOW).unwrap();
        assert_eq!(scene.searcher().verify().unwrap(), (3, 3, 3));
    }

    #[test]
    fn verify_sees_what_is_missing() {
        for damage in [
            "DELETE FROM chunk WHERE id & 65535 = 1",
            "DELETE FROM code WHERE unit = 1",
            "UPDATE exact SET vectors = substr(vectors, 5) WHERE unit = 1",
            "UPDATE unit SET settled = 0 WHERE id = 1",
            "DELETE FROM unit WHERE id = 1",
        ] {
            let (scene, shelf) = (Scene::new(), Shelf::of(&[("a", "word one\nword two")]));
            scene.update(&shelf);
            assert_eq!(scene.change(damage), 1, "{damage}");
            assert!(matches!(scene.searcher().verify(), Err(IndexError::Damaged { .. })), "{damage}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn after_any_edits_exactly_what_is_held_is_found(
            rounds in prop::collection::vec(prop::collection::vec((0..6_u8, prop::option::of("[a-z]{3,6}")), 0..5), 1..6)
        ) {
            let (scene, shelf) = (Scene::new(), Shelf::of(&[]));
            for edits in rounds {
                for (place, text) in edits {
                    match text {
                        Some(text) => shelf.put(&place.to_string(), &format!("word {text}")),
                        None => shelf.take(&place.to_string()),
                    }
                }
                scene.update(&shelf);
                let held: Vec<_> = shelf.texts.lock().unwrap().clone().into_iter().collect();
                prop_assert_eq!(scene.found("word"), held.clone());
                prop_assert_eq!(scene.searcher().verify().unwrap(), (held.len(), held.len(), held.len()));
            }
        }
    }
}
