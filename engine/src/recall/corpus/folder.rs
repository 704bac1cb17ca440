//! Which documents lie in a folder, and which of them changed?
#![expect(
    clippy::disallowed_methods,
    reason = "one of the modules that may use the file system: it reads the folders that people name"
)]

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;
use rayon::prelude::*;
use rusqlite::params;

use super::{
    Corpus, CorpusError, Source,
    put::{self, New},
    step::{Changes, How, Progress},
};
use crate::{
    notice::Notice,
    recall::document::{self, DocumentError, Format, PdfReader},
    secret,
};

/// Goes into the hash of a file's bytes, so that files are read again once they would be read otherwise.
const READER: &[u8] = b"1";
/// How many files are read before the first of them is stored.
const BATCH: usize = 32;
/// The most files of a folder.
const FILES: usize = 100_000;
/// How many files that could not be read are named one by one.
const NAMED: usize = 20;

/// The path with all links resolved, if something is there.
pub(super) fn canonical(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// What reading one file gave.
enum Read {
    Same,
    New(Box<New>),
    Empty,
    Failed(String, Option<DocumentError>),
}

pub(super) fn read(
    corpus: &mut Corpus,
    source: &Source,
    root: &Path,
    how: &mut How<'_>,
) -> Result<Changes, CorpusError> {
    let (files, mut notices) = files(root);
    let known = known(corpus, source)?;
    if files.is_empty() {
        // A folder that is not mounted looks so; whoever wants its documents to be forgotten says so.
        let why = "looked for .md, .rst, .html, .pdf, .ipynb and .txt".to_owned();
        return Err(CorpusError::Nothing { place: root.display().to_string(), why });
    }
    let mut changes = Changes::default();
    let mut left_out = Vec::new();
    for (at, batch) in files.chunks(BATCH).enumerate() {
        let read: Vec<Read> = batch.par_iter().map(|file| one(file, known.get(&file.path), how.pdf)).collect();
        for (within, (file, read)) in batch.iter().zip(read).enumerate() {
            match read {
                Read::Same => changes.same += 1,
                Read::Empty => {}
                Read::New(new) => {
                    let stored = put::put(&mut corpus.db, source.id, &new);
                    changes.count(corpus.told(stored)?);
                }
                Read::Failed(_, Some(source)) if file.full == root => {
                    return Err(CorpusError::Document { address: file.path.clone(), source });
                }
                Read::Failed(why, _) => left_out.push((file.path.clone(), why)),
            }
            let done = at * BATCH + within + 1;
            (how.tell)(Progress { done, waiting: files.len() - done, address: &file.path });
        }
    }
    let there: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for gone in known.keys().filter(|address| !there.contains(address.as_str())) {
        let removed = put::remove(&mut corpus.db, source.id, gone);
        changes.removed += usize::from(corpus.told(removed)?);
    }
    notices.extend(summary(left_out));
    changes.notices = notices;
    Ok(changes)
}

/// A file that is a document by its name.
struct File {
    full: PathBuf,
    /// As it is stored and shown.
    path: String,
    format: Format,
}

/// The documents below a folder in order of their paths. What a `.gitignore` or `.ai_coder_ignore` in it names is left
/// out, hidden files too; those above it say nothing about a folder that a person named.
fn files(root: &Path) -> (Vec<File>, Vec<Notice>) {
    let mut walk = WalkBuilder::new(root);
    walk.parents(false).require_git(false).git_global(false).git_exclude(false).follow_links(false);
    walk.add_custom_ignore_filename(".ai_coder_ignore").sort_by_file_path(Path::cmp);
    let mut files = Vec::new();
    let mut notices = Vec::new();
    for entry in walk.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                notices.push(Notice::skipped(root.display(), format!("not read: {error}")));
                continue;
            }
        };
        let format = entry.path().extension().and_then(|extension| Format::of_extension(extension.to_str()?));
        // The root itself may be a file of any name.
        let format = format.or_else(|| (entry.depth() == 0).then_some(Format::Text));
        if entry.file_type().is_some_and(|kind| kind.is_file())
            && let Some(format) = format
        {
            files.push(File { path: entry.path().display().to_string(), full: entry.into_path(), format });
        }
        if files.len() >= FILES {
            notices.push(Notice::skipped(root.display(), format!("only the first {FILES} documents were read")));
            break;
        }
    }
    (files, notices)
}

/// The hashes by which documents were known at the last reading, by address; empty where it must be read again.
fn known(corpus: &Corpus, source: &Source) -> Result<HashMap<String, Vec<u8>>, CorpusError> {
    let sql = "SELECT address, raw FROM documents WHERE source = ?1";
    let rows = corpus.all(sql, params![source.id], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default()))
    })?;
    Ok(rows.into_iter().collect())
}

fn one(file: &File, known: Option<&Vec<u8>>, pdf: Option<&dyn PdfReader>) -> Read {
    let bytes = match bounded(&file.full, file.format.most_bytes()) {
        Ok(bytes) => bytes,
        Err(error) => return Read::Failed(error.to_string(), None),
    };
    let raw = *blake3::Hasher::new()
        .update(READER)
        .update(file.format.name().as_bytes())
        .update(&bytes)
        .finalize()
        .as_bytes();
    if known.is_some_and(|known| *known == raw) {
        return Read::Same;
    }
    let document = match document::read(file.format, &bytes, None, pdf) {
        Ok(document) => document,
        Err(error) => return Read::Failed(error.to_string(), Some(error)),
    };
    let text = document.text();
    if text.trim().is_empty() {
        return Read::Empty;
    }
    Read::New(Box::new(New {
        address: file.path.clone(),
        title: secret::redact(&document.title).into_owned(),
        format: file.format.name(),
        text: secret::redact(&text).into_owned(),
        raw,
        etag: None,
        last_modified: None,
    }))
}

/// A file's bytes, one more than `most` at the most: what is too long is then refused by its size.
fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn summary(left_out: Vec<(String, String)>) -> Vec<Notice> {
    let more = left_out.len().saturating_sub(NAMED);
    let mut notices: Vec<Notice> =
        left_out.into_iter().take(NAMED).map(|(path, why)| Notice::skipped(path, format!("not read: {why}"))).collect();
    if more > 0 {
        notices.push(Notice::skipped("more files", format!("{more} others could not be read either")));
    }
    notices
}
