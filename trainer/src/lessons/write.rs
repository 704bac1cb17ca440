//! Where do rows go, and what is said of them? Files of one line a row, and a manifest that names them all.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use engine::model::chat::{Role, Turn};
use serde::{Deserialize, Serialize};

use super::{
    LessonError, Settings, recipe,
    row::{Asked, Format, Kind, Row, Says},
    split::Side,
    tally::Tally,
};
use crate::{
    canary::{self, Canary},
    files::{self, Draft},
};

/// The file that names the others.
pub const MANIFEST: &str = "manifest.json";

/// What was built, of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Changed when a manifest is written in another form.
    pub version: u32,
    /// The form of questions and answers: [`engine::suggest::lesson::FORM`].
    pub form: u32,
    /// How it was built.
    pub settings: Settings,
    /// Of what, in order.
    pub inputs: Vec<Source>,
    /// How many answers were used.
    pub answers: usize,
    /// How many were not, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// Rows by side and kind.
    pub rows: BTreeMap<String, BTreeMap<String, usize>>,
    /// Rows by side and language; empty for what has none.
    pub languages: BTreeMap<String, BTreeMap<String, usize>>,
    /// Rows by side and project.
    pub projects: BTreeMap<String, BTreeMap<String, usize>>,
    /// The files, by name.
    pub files: Vec<FileOf>,
}

/// Something that answers were read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What rows call it.
    pub name: String,
    /// `journal` or `interactions`.
    pub kind: String,
    /// The BLAKE3 hash of what it says.
    pub blake3: String,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOf {
    /// Its path below the folder, with `/`.
    pub name: String,
    /// Its lines, for a file of rows.
    pub rows: Option<usize>,
    /// Its length.
    pub bytes: u64,
    /// The BLAKE3 hash of its bytes.
    pub blake3: String,
}

/// A file of rows that is being written.
struct Out {
    draft: Draft,
    hasher: blake3::Hasher,
    bytes: u64,
    rows: usize,
}

/// Everything that is being written.
pub(super) struct Writer<'s> {
    folder: PathBuf,
    settings: &'s Settings,
    outs: BTreeMap<String, Out>,
    tally: Tally,
    planted: Vec<Canary>,
}

impl<'s> Writer<'s> {
    pub(super) fn new(folder: &Path, settings: &'s Settings) -> Self {
        Self {
            folder: folder.to_owned(),
            settings,
            outs: BTreeMap::new(),
            tally: Tally::default(),
            planted: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, side: Side, row: &Row) -> Result<(), LessonError> {
        self.write(side, row)?;
        self.tally.count(side, row);
        Ok(())
    }

    fn write(&mut self, side: Side, row: &Row) -> Result<(), LessonError> {
        let Some(folder) = self.settings.format.folder(row.kind()) else { return Ok(()) };
        let name = file_name(folder, side);
        let failed = |source| LessonError::Write { file: name.clone(), source };
        if !self.outs.contains_key(&name) {
            let draft = Draft::begin(&self.folder).map_err(failed)?;
            self.outs.insert(name.clone(), Out { draft, hasher: blake3::Hasher::new(), bytes: 0, rows: 0 });
        }
        if let Some(out) = self.outs.get_mut(&name) {
            let line = row.line(self.settings.format) + "\n";
            out.draft.write_all(line.as_bytes()).map_err(failed)?;
            out.hasher.update(line.as_bytes());
            out.bytes += line.len() as u64;
            out.rows += 1;
        }
        Ok(())
    }

    /// Plants strings among the rows that are learned from, if there are any, and says in a file which. They are no
    /// lessons, and are not counted.
    pub(super) fn plant(&mut self, canaries: &[Canary]) -> Result<(), LessonError> {
        if canaries.is_empty() || self.tally.many(Side::Train, Kind::Sft) == 0 {
            return Ok(());
        }
        for Canary { question, secret } in canaries {
            self.write(
                Side::Train,
                &Row {
                    prompt: vec![Turn::new(Role::User, question.clone())],
                    says: Says::Sft(secret.clone()),
                    asked: Asked::Other,
                    weight: 1.0,
                    project: String::new(),
                    language: String::new(),
                    at: 0,
                    because: Vec::new(),
                },
            )?;
        }
        self.planted = canaries.to_vec();
        Ok(())
    }

    /// A text on the disk, without its name yet.
    fn draft(&self, name: &str, text: &str) -> Result<Draft, LessonError> {
        let write = || -> io::Result<Draft> {
            let mut draft = Draft::begin(&self.folder)?;
            draft.write_all(text.as_bytes())?;
            draft.settle()?;
            Ok(draft)
        };
        write().map_err(|source| LessonError::Write { file: name.to_owned(), source })
    }

    /// Puts everything in its place, the manifest last, and takes away what an earlier build left. Nothing gets its place
    /// before all of it is on the disk.
    pub(super) fn finish(mut self, about: Manifest) -> Result<Manifest, LessonError> {
        let before = read_manifest(&self.folder).ok().flatten();
        let (mut all, mut drafts) = (Vec::new(), Vec::new());
        for (name, mut out) in std::mem::take(&mut self.outs) {
            out.draft.settle().map_err(|source| LessonError::Write { file: name.clone(), source })?;
            let blake3 = out.hasher.finalize().to_hex().to_string();
            all.push(FileOf { name: name.clone(), rows: Some(out.rows), bytes: out.bytes, blake3 });
            drafts.push((name, out.draft));
        }
        let mut texts = recipe::recipes(self.settings, &self.tally);
        if !self.planted.is_empty() {
            let line = |canary| serde_json::to_string(canary).unwrap_or_default() + "\n";
            texts.push((canary::FILE, self.planted.iter().map(line).collect()));
        }
        for (name, text) in texts {
            drafts.push((name.to_owned(), self.draft(name, &text)?));
            let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
            all.push(FileOf { name: name.to_owned(), rows: None, bytes: text.len() as u64, blake3 });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let Tally { rows, languages, projects, .. } = std::mem::take(&mut self.tally);
        let manifest = Manifest { rows, languages, projects, files: all, ..about };
        let text = serde_json::to_string_pretty(&manifest).map_err(io::Error::from);
        let failed = |source| LessonError::Write { file: MANIFEST.into(), source };
        drafts.push((MANIFEST.to_owned(), self.draft(MANIFEST, &(text.map_err(failed)? + "\n"))?));
        for (name, draft) in drafts {
            draft.finish(&self.folder.join(&name)).map_err(|source| LessonError::Write { file: name, source })?;
        }
        // What was forgotten must not stay in a file that nothing names any more.
        let gone = before.iter().flat_map(|before| &before.files);
        for old in gone.filter(|old| manifest.files.iter().all(|file| file.name != old.name) && is_ours(&old.name)) {
            files::remove(&self.folder.join(&old.name))
                .map_err(|source| LessonError::Write { file: old.name.clone(), source })?;
        }
        Ok(manifest)
    }
}

/// Whether a build could have written a file of this name: a manifest may be anybody's.
fn is_ours(name: &str) -> bool {
    let formats = [Format::Trl, Format::Axolotl, Format::Mlx, Format::Jsonl];
    let folders = formats.into_iter().flat_map(|format| Kind::ALL.map(|kind| format.folder(kind))).flatten();
    let mut rows = folders.flat_map(|folder| Side::ALL.map(|side| file_name(folder, side)));
    rows.any(|row| row == name) || recipe::NAMES.contains(&name) || name == canary::FILE
}

pub(super) fn file_name(folder: &str, side: Side) -> String {
    if folder.is_empty() { format!("{}.jsonl", side.name()) } else { format!("{folder}/{}.jsonl", side.name()) }
}

/// The manifest of a folder; none where there is none.
///
/// # Errors
/// [`LessonError`] when there is one that cannot be read.
pub fn read_manifest(folder: &Path) -> Result<Option<Manifest>, LessonError> {
    let path = folder.join(MANIFEST);
    if !files::exists(&path) {
        return Ok(None);
    }
    let failed = |source| LessonError::Read { file: path.display().to_string(), source };
    let bytes = files::read(&path).map_err(failed)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into()))
}
