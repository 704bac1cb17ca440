//! What is in a place that texts come from, file by file?

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::{
    config::{Config, Layers},
    feedback::{Answered, Kind as Answer},
    git::{CommitId, Listed, Repository},
    source::{Content, Directory, Ignored, RepoPath, Sources},
};
use globset::{GlobSet, GlobSetBuilder};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{CorpusError, licence::Licences};

/// What sort of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A git repository, with a work tree or without one: what its newest commit holds.
    Repository,
    /// A folder, without what its `.gitignore` names.
    Folder,
    /// Documents that were added with `apprentice docs add`.
    Documents,
    /// A journal of answers.
    Answers,
}

/// A place that texts come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Whether everything in it may be learned from, whatever its licence: one's own, or one that was looked at.
    pub any_licence: bool,
}

/// What SQLite's files begin with.
const SQLITE: &[u8] = b"SQLite format 3\0";

impl Source {
    /// What there is at a path.
    ///
    /// # Errors
    /// [`CorpusError::NoSource`] when it is nothing to learn from.
    pub fn at(path: &Path, any_licence: bool) -> Result<Self, CorpusError> {
        let bad = |why: &str| CorpusError::NoSource { path: path.display().to_string(), why: why.to_owned() };
        let shown = path.to_string_lossy();
        if shown.contains("://") || shown.starts_with("git@") {
            return Err(bad("it is an address: clone it, and add the folder"));
        }
        let path = crate::files::canonical(path).map_err(|error| bad(&error.to_string()))?;
        let kind = match () {
            () if crate::files::exists(&path.join(".git")) => Kind::Repository,
            () if is_bare(&path) => Kind::Repository,
            () if crate::files::is_folder(&path) => Kind::Folder,
            () => database(&path).ok_or_else(|| bad("it is no folder, no repository, no corpus.db and no journal"))?,
        };
        Ok(Self { path, kind, any_licence })
    }
}

fn is_bare(path: &Path) -> bool {
    crate::files::exists(&path.join("HEAD")) && crate::files::is_folder(&path.join("objects"))
}

/// Which of our databases a file is.
fn database(path: &Path) -> Option<Kind> {
    let mut head = [0; SQLITE.len()];
    std::io::Read::read_exact(&mut crate::files::reader(path).ok()?, &mut head).ok()?;
    if head != SQLITE {
        return None;
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let has =
        |table: &str| connection.query_row("SELECT 1 FROM sqlite_master WHERE name = ?1", [table], |_| Ok(())).is_ok();
    match () {
        () if has("documents") => Some(Kind::Documents),
        () if has("feedback") => Some(Kind::Answers),
        () => None,
    }
}

/// Something to be read.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A file that is read when its turn comes.
    File(RepoPath, u64),
    /// A text that is here.
    Text(String, String),
}

/// A source that is open.
pub(super) struct Open {
    /// What documents call it.
    pub(super) name: String,
    /// What names this state of it; none where only reading it all tells.
    pub(super) state: Option<String>,
    /// In the order of their paths.
    pub(super) items: Vec<Item>,
    /// Paths that are left out before they are read, and why.
    pub(super) left_out: Vec<(&'static str, u64)>,
    pub(super) licences: Licences,
    files: Files,
}

enum Files {
    Commit(Arc<Repository>, Vec<Listed>),
    Directory(Directory),
    None,
}

impl Open {
    /// The bytes of a file.
    pub(super) fn read(&self, path: &RepoPath) -> Option<Arc<[u8]>> {
        match &self.files {
            Files::Commit(repository, listed) => {
                let at = listed.binary_search_by(|one| one.path.cmp(path)).ok()?;
                repository.content(listed.get(at)?).ok()?
            }
            Files::Directory(directory) => match directory.read(path).ok()?? {
                Content::Bytes(bytes) => Some(bytes),
                _ => None,
            },
            Files::None => None,
        }
    }
}

/// Opens a source.
///
/// # Errors
/// [`CorpusError`] when it is not what it was, or cannot be read.
pub(super) fn open(source: &Source) -> Result<Open, CorpusError> {
    match source.kind {
        Kind::Repository => repository(&source.path),
        Kind::Folder => folder(&source.path),
        Kind::Documents => documents(&source.path),
        Kind::Answers => answers(&source.path),
    }
}

fn failed(path: &Path, why: impl ToString) -> CorpusError {
    CorpusError::Source { path: path.display().to_string(), why: why.to_string() }
}

fn repository(path: &Path) -> Result<Open, CorpusError> {
    let opened = if is_bare(path) { Repository::bare(path) } else { Repository::discover(path) };
    let repository = Arc::new(opened.map_err(|error| failed(path, engine::notice::chain(&error)))?);
    let head = repository.head().and_then(|head| CommitId::parse(&head));
    let head = head.ok_or_else(|| failed(path, "it has no commit"))?;
    let listed = repository.listing_of(&head, u64::MAX).map_err(|error| failed(path, engine::notice::chain(&error)))?;
    let found = listed.iter().map(|one| (one.path.clone(), one.bytes)).collect();
    let files = Files::Commit(Arc::clone(&repository), listed);
    sifted(path, repository.project(), Some(head.as_str().to_owned()), found, files)
}

fn folder(path: &Path) -> Result<Open, CorpusError> {
    let directory = Directory::new(path);
    let paths = directory.list().map_err(|error| failed(path, engine::notice::chain(&error)))?;
    let size = |path_in: &RepoPath| crate::files::length(&path.join(path_in)).unwrap_or_default();
    let found = paths.into_iter().map(|path| (path.clone(), size(&path))).collect();
    sifted(path, file_name(path), None, found, Files::Directory(directory))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files without those that the project itself, or a look at their names, leaves out.
fn sifted(
    path: &Path,
    name: String,
    state: Option<String>,
    found: Vec<(RepoPath, u64)>,
    files: Files,
) -> Result<Open, CorpusError> {
    let mut open = Open { name, state, items: Vec::new(), left_out: Vec::new(), licences: Licences::default(), files };
    let text = |path: &RepoPath| open.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let named = |name: &str| found.iter().find(|(path, _)| path.as_str() == name).and_then(|(path, _)| text(path));
    let mut layers = Layers::default();
    if let Some(own) = named("apprentice.toml") {
        layers.repository_file("apprentice.toml".into(), &own).map_err(|error| failed(path, error))?;
    }
    let config = layers.resolve().map_err(|error| failed(path, error))?;
    let ignored = named(".ai_coder_ignore").unwrap_or_default();
    let ignored = Ignored::parse(&ignored).map_err(|why| failed(path, format!(".ai_coder_ignore, {why}")))?;
    let sets = Sets::of(&config).map_err(|error| failed(path, error))?;
    let paths: Vec<RepoPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let licences = Licences::of(&paths, &text);
    let mut left_out = Vec::new();
    let mut items = Vec::new();
    for (path, bytes) in found {
        match sets.why_not(&path).or_else(|| ignored.pattern(&path).map(|_| "kept from models by .ai_coder_ignore")) {
            Some(why) => left_out.push((why, bytes)),
            None => items.push(Item::File(path, bytes)),
        }
    }
    (open.items, open.left_out, open.licences) = (items, left_out, licences);
    Ok(open)
}

/// The globs of a project's settings.
struct Sets {
    excluded: GlobSet,
    generated: GlobSet,
    vendored: GlobSet,
}

impl Sets {
    fn of(config: &Config) -> Result<Self, globset::Error> {
        let set = |globs: &mut dyn Iterator<Item = &String>| {
            let mut builder = GlobSetBuilder::new();
            for glob in globs {
                builder.add(globset::Glob::new(glob)?);
            }
            builder.build()
        };
        Ok(Self {
            excluded: set(&mut config.files.exclude.iter().chain(&config.recall.exclude))?,
            generated: set(&mut config.files.generated.iter())?,
            vendored: set(&mut config.files.vendored.iter())?,
        })
    }

    fn why_not(&self, path: &RepoPath) -> Option<&'static str> {
        match () {
            () if self.generated.is_match(path) => Some("written by a program"),
            () if self.vendored.is_match(path) => Some("came from elsewhere (vendored)"),
            () if self.excluded.is_match(path) => Some("left out by the project's settings"),
            () => None,
        }
    }
}

fn documents(path: &Path) -> Result<Open, CorpusError> {
    let read = || -> rusqlite::Result<Vec<Item>> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut query =
            connection.prepare("SELECT address, text FROM documents WHERE text IS NOT NULL ORDER BY address, id")?;
        query.query_map([], |row| Ok(Item::Text(row.get(0)?, row.get(1)?)))?.collect()
    };
    let items = read().map_err(|error| failed(path, error))?;
    Ok(texts("documents", items))
}

/// What was found and what people said to it, where that is learned from.
fn answers(path: &Path) -> Result<Open, CorpusError> {
    let bad = |error| failed(path, engine::notice::chain(&error));
    let journal = Answered::open(path).map_err(bad)?;
    let now = journal.newest().map_err(bad)?;
    let mut items = Vec::new();
    let heard = journal.each::<engine::feedback::JournalError>(&Config::default().feedback, now, &mut |heard| {
        let Some((_, material)) = journal.material(&heard, now)? else { return Ok(()) };
        let said = heard.entries.iter().filter(|(_, entry)| matches!(entry.kind, Answer::Reply | Answer::Rejected));
        let said: String =
            said.filter_map(|(_, entry)| entry.what.as_ref()).map(|what| format!("\n{what}\n")).collect();
        if !said.is_empty() {
            let text = format!("{}\n{}\n{said}", material.remark.problem, material.remark.why);
            items.push(Item::Text(heard.fingerprint.clone(), text));
        }
        Ok(())
    });
    heard.map_err(bad)?;
    Ok(texts("answers", items))
}

fn texts(name: &str, items: Vec<Item>) -> Open {
    Open {
        name: name.to_owned(),
        state: None,
        items,
        left_out: Vec::new(),
        licences: Licences::default(),
        files: Files::None,
    }
}
