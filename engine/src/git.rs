//! What does git hold? The only module that knows git2.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use git2::{Delta, DiffFindOptions, DiffOptions, ObjectType, Oid, Repository as Git, Tree};

use crate::{
    change::{self, Change, FileChange, Hunk, Kind, Line, LineRange, LineSet, Origin, Status, Tag, Versions},
    notice::Notice,
    source::{BlobId, Content, Directory, InvalidPath, Memory, RepoPath, SourceError, Sources},
};

/// What libgit2 said, without its type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GitError(String);

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        Self(error.message().trim_end_matches('.').to_owned())
    }
}

/// Why a repository or a revision cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no repository here, or it cannot be opened.
    #[error("cannot open a git repository at `{path}`")]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// A revision does not name a commit.
    #[error("`{revision}` does not name a commit")]
    Revision {
        /// As it was given.
        revision: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The command needs a work tree.
    #[error("`{path}` is a bare repository and has no work tree")]
    Bare {
        /// Its git directory.
        path: PathBuf,
    },
    /// Two versions could not be compared.
    #[error("cannot compare {what}")]
    Compare {
        /// The two versions, in words.
        what: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The index could not be read.
    #[error("cannot read the index `{path}`")]
    Index {
        /// The index file.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
}

/// A repository, with its index and work tree where it has them.
pub struct Repository {
    git: Mutex<Git>,
    work_dir: Option<PathBuf>,
    common_dir: PathBuf,
    git_dir: PathBuf,
}

impl Repository {
    /// The repository that `start` lies in. `GIT_DIR`, `GIT_INDEX_FILE`, `GIT_WORK_TREE` and the other variables git
    /// sets for its hooks are honored, so that `commit -a` and `commit PATH` are seen as they will be committed.
    ///
    /// # Errors
    /// [`RepositoryError::Open`] when there is none, it is damaged, or another user owns it.
    pub fn discover(start: &Path) -> Result<Self, RepositoryError> {
        let open = || -> Result<Git, git2::Error> {
            let from_env = git2::RepositoryOpenFlags::FROM_ENV;
            match Git::open_from_env() {
                Ok(git) if start == Path::new(".") => Ok(git),
                _ => Git::open_ext(start, from_env, &[] as &[&std::ffi::OsStr]).or_else(|_| Git::discover(start)),
            }
        };
        let git = open().map_err(|error| RepositoryError::Open { path: start.to_owned(), source: error.into() })?;
        Ok(Self {
            work_dir: git.workdir().map(Path::to_owned),
            common_dir: git.commondir().to_owned(),
            git_dir: git.path().to_owned(),
            git: Mutex::new(git),
        })
    }

    /// The root of the work tree.
    ///
    /// # Errors
    /// [`RepositoryError::Bare`] where there is none.
    pub fn work_dir(&self) -> Result<&Path, RepositoryError> {
        self.work_dir.as_deref().ok_or_else(|| RepositoryError::Bare { path: self.git_dir.clone() })
    }

    /// The directory that all work trees of the repository share; private state lives in `apprentice/` under it.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// This work tree's own git directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    fn git(&self) -> MutexGuard<'_, Git> {
        self.git.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A string of git's configuration, from all its files.
    pub fn config(&self, key: &str) -> Option<String> {
        self.git().config().ok()?.get_string(key).ok()
    }

    /// Whether a merge, rebase, cherry-pick or another operation of several steps is under way.
    pub fn is_mid_operation(&self) -> bool {
        self.git().state() != git2::RepositoryState::Clean
    }

    /// What is staged: the index against HEAD, or against nothing before the first commit. During a merge, only lines
    /// that differ from every parent count as touched: what the other side brings was reviewed there.
    ///
    /// # Errors
    /// [`RepositoryError::Index`] and [`RepositoryError::Compare`].
    pub fn staged(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let git = self.git();
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: "the index with HEAD".into(),
            source: source.into(),
        };
        let mut index = self.index(&git)?;
        let head = head_tree(&git).map_err(compare)?;
        let diff = git.diff_tree_to_index(head.as_ref(), Some(&index), Some(&mut options())).map_err(compare)?;
        let intent_to_add = |path: &[u8]| {
            index
                .get_path(&path_from_bytes(path), 0)
                .is_some_and(|entry| entry.flags_extended & git2::IndexEntryExtendedFlag::INTENT_TO_ADD.bits() != 0)
        };
        let (mut files, mut notices) = read_diff(diff, intent_to_add).map_err(compare)?;
        if index.has_conflicts() {
            notices.push(Notice::skipped("index", "paths with unresolved conflicts are not reviewed"));
        }
        for parent in merge_heads(&git) {
            let tree = git.find_commit(parent).and_then(|commit| commit.tree()).map_err(compare)?;
            let diff = git.diff_tree_to_index(Some(&tree), Some(&index), Some(&mut options())).map_err(compare)?;
            narrow(&mut files, read_diff(diff, |_| false).map_err(compare)?.0);
        }
        index.read(false).map_err(compare)?;
        let new = Arc::new(IndexSource { repository: Arc::clone(self), entries: entries(&index) });
        let old: Arc<dyn Sources> = match head {
            Some(tree) => Arc::new(TreeSource { repository: Arc::clone(self), tree: tree.id() }),
            None => Arc::new(Memory::default()),
        };
        Ok(Versions { change: Change { origin: Origin::Staged, files }, old, new, notices })
    }

    /// What is edited and not staged: the work tree against the index, untracked files included, ignored ones not.
    ///
    /// # Errors
    /// [`RepositoryError::Bare`], [`RepositoryError::Index`] and [`RepositoryError::Compare`].
    pub fn worktree(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        let git = self.git();
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: "the work tree with the index".into(),
            source: source.into(),
        };
        let index = self.index(&git)?;
        let mut options = options();
        options.include_untracked(true).recurse_untracked_dirs(true).show_untracked_content(true);
        let diff = git.diff_index_to_workdir(Some(&index), Some(&mut options)).map_err(compare)?;
        let (files, notices) = read_diff(diff, |_| false).map_err(compare)?;
        let old = Arc::new(IndexSource { repository: Arc::clone(self), entries: entries(&index) });
        let new = Arc::new(Directory::new(work_dir));
        Ok(Versions { change: Change { origin: Origin::Worktree, files }, old, new, notices })
    }

    /// One commit against its parent; of a merge, only lines that differ from every parent count as touched.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] and [`RepositoryError::Compare`].
    pub fn commit(self: &Arc<Self>, revision: &str) -> Result<Versions, RepositoryError> {
        let git = self.git();
        let commit = find_commit(&git, revision)?;
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: format!("`{revision}` with its parent"),
            source: source.into(),
        };
        let tree = commit.tree().map_err(compare)?;
        let parents: Vec<Tree<'_>> =
            commit.parents().map(|parent| parent.tree()).collect::<Result<_, _>>().map_err(compare)?;
        let diff = git.diff_tree_to_tree(parents.first(), Some(&tree), Some(&mut options())).map_err(compare)?;
        let (mut files, notices) = read_diff(diff, |_| false).map_err(compare)?;
        for parent in parents.iter().skip(1) {
            let diff = git.diff_tree_to_tree(Some(parent), Some(&tree), Some(&mut options())).map_err(compare)?;
            narrow(&mut files, read_diff(diff, |_| false).map_err(compare)?.0);
        }
        let old: Arc<dyn Sources> = match parents.first() {
            Some(parent) => Arc::new(TreeSource { repository: Arc::clone(self), tree: parent.id() }),
            None => Arc::new(Memory::default()),
        };
        let new = Arc::new(TreeSource { repository: Arc::clone(self), tree: tree.id() });
        let origin = Origin::Commit { id: commit.id().to_string() };
        Ok(Versions { change: Change { origin, files }, old, new, notices })
    }

    /// What `head` has that its merge base with `base` has not, as a pull request shows it. `range` is `BASE..HEAD`
    /// (or `BASE...HEAD`, the same); an empty side is HEAD.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] for a side that names no commit, [`RepositoryError::Compare`] where the two have
    /// no common ancestor.
    pub fn range(self: &Arc<Self>, range: &str) -> Result<Versions, RepositoryError> {
        let (base, head) = range.split_once("...").or_else(|| range.split_once("..")).unwrap_or((range, "HEAD"));
        let or_head = |side: &str| if side.is_empty() { "HEAD".to_owned() } else { side.to_owned() };
        let git = self.git();
        let (base, head) = (find_commit(&git, &or_head(base))?, find_commit(&git, &or_head(head))?);
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: format!("the two sides of `{range}`"),
            source: source.into(),
        };
        let base = git.merge_base(base.id(), head.id()).and_then(|id| git.find_commit(id)).map_err(compare)?;
        let (old_tree, new_tree) = (base.tree().map_err(compare)?, head.tree().map_err(compare)?);
        let diff = git.diff_tree_to_tree(Some(&old_tree), Some(&new_tree), Some(&mut options())).map_err(compare)?;
        let (files, notices) = read_diff(diff, |_| false).map_err(compare)?;
        let origin = Origin::Range { base: base.id().to_string(), head: head.id().to_string() };
        Ok(Versions {
            change: Change { origin, files },
            old: Arc::new(TreeSource { repository: Arc::clone(self), tree: old_tree.id() }),
            new: Arc::new(TreeSource { repository: Arc::clone(self), tree: new_tree.id() }),
            notices,
        })
    }

    fn index(&self, git: &Git) -> Result<git2::Index, RepositoryError> {
        git.index().map_err(|error| RepositoryError::Index { path: self.git_dir.join("index"), source: error.into() })
    }

    /// The bytes of an object, for whoever holds its id.
    fn blob(&self, id: Oid, path: &RepoPath) -> Result<Arc<[u8]>, SourceError> {
        let git = self.git();
        let failed = |source: git2::Error| object_error(path.as_str(), &source);
        Ok(git.find_blob(id).map_err(failed)?.content().into())
    }
}

fn find_commit<'git>(git: &'git Git, revision: &str) -> Result<git2::Commit<'git>, RepositoryError> {
    git.revparse_single(revision)
        .and_then(|object| object.peel_to_commit())
        .map_err(|error| RepositoryError::Revision { revision: revision.to_owned(), source: error.into() })
}

fn head_tree(git: &Git) -> Result<Option<Tree<'_>>, git2::Error> {
    match git.head() {
        Ok(head) => head.peel_to_tree().map(Some),
        Err(error) if matches!(error.code(), git2::ErrorCode::UnbornBranch | git2::ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The commits being merged into HEAD, besides HEAD.
#[expect(clippy::disallowed_methods, reason = "libgit2 lists merge heads only through a mutable repository")]
fn merge_heads(git: &Git) -> Vec<Oid> {
    let text = std::fs::read_to_string(git.path().join("MERGE_HEAD")).unwrap_or_default();
    text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect()
}

fn options() -> DiffOptions {
    let mut options = DiffOptions::new();
    options.context_lines(3).indent_heuristic(true).ignore_submodules(false).include_typechange(true);
    options
}

/// Keeps, of each file, the lines that the diff against another parent touches too.
fn narrow(files: &mut Vec<FileChange>, other: Vec<FileChange>) {
    let other: std::collections::HashMap<RepoPath, LineSet> =
        other.into_iter().map(|file| (file.path, file.touched)).collect();
    files.retain_mut(|file| match other.get(&file.path) {
        Some(touched) => {
            file.touched = file.touched.intersection(touched);
            true
        }
        None => false,
    });
}

/// The files of a libgit2 diff. Paths that are not UTF-8 become notices.
fn read_diff(
    mut diff: git2::Diff<'_>,
    leave_out: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<FileChange>, Vec<Notice>), git2::Error> {
    if diff.deltas().any(|delta| delta.status() == Delta::Added) {
        diff.find_similar(Some(DiffFindOptions::new().renames(true).copies(true).rename_limit(400)))?;
    }
    let (mut files, mut notices) = (Vec::new(), Vec::new());
    for at in 0..diff.deltas().len() {
        let Some(delta) = diff.get_delta(at) else { continue };
        if matches!(delta.status(), Delta::Unmodified | Delta::Ignored | Delta::Unreadable | Delta::Conflicted) {
            continue;
        }
        let bytes = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes()).unwrap_or_default();
        if leave_out(bytes) {
            continue;
        }
        match read_delta(&diff, at, &delta) {
            Ok(file) => files.push(file?),
            Err(invalid) => notices.push(odd_path(bytes, &invalid)),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, notices))
}

fn odd_path(bytes: &[u8], invalid: &InvalidPath) -> Notice {
    Notice::skipped(bytes.escape_ascii(), format!("not reviewed: {invalid}"))
}

type Delta2<'a> = git2::DiffDelta<'a>;

fn read_delta(
    diff: &git2::Diff<'_>,
    at: usize,
    delta: &Delta2<'_>,
) -> Result<Result<FileChange, git2::Error>, InvalidPath> {
    let (old, new) = (delta.old_file(), delta.new_file());
    let path = RepoPath::new(new.path_bytes().or_else(|| old.path_bytes()).unwrap_or_default())?;
    let old_path = RepoPath::new(old.path_bytes().unwrap_or_default()).ok().filter(|old| *old != path);
    let side = if delta.status() == Delta::Deleted { &old } else { &new };
    let blob = |file: &git2::DiffFile<'_>| (!file.id().is_zero()).then(|| BlobId(file.id().to_string()));
    let mode = |file: &git2::DiffFile<'_>| if file.exists() { u32::from(file.mode()) } else { 0 };
    let mut file = FileChange {
        status: status(delta, &old, &new),
        kind: kind(side.mode()),
        old_path: if matches!(delta.status(), Delta::Renamed | Delta::Copied) { old_path } else { None },
        path,
        old_mode: mode(&old),
        new_mode: mode(&new),
        old_blob: blob(&old),
        new_blob: blob(&new),
        hunks: Vec::new(),
        touched: LineSet::default(),
    };
    if file.kind != Kind::Text || !file.has_content() {
        return Ok(Ok(file));
    }
    let patch = match git2::Patch::from_diff(diff, at) {
        Ok(patch) => patch,
        Err(error) => return Ok(Err(error)),
    };
    // The flags are set only once libgit2 has loaded the content, which making the patch does.
    match patch {
        Some(patch) if patch.delta().flags().is_binary() => file.kind = Kind::Binary,
        Some(patch) => match read_hunks(&patch) {
            Ok(hunks) => file.hunks = hunks,
            Err(error) => return Ok(Err(error)),
        },
        None if diff.get_delta(at).is_some_and(|delta| delta.flags().is_binary()) => file.kind = Kind::Binary,
        None => {}
    }
    file.touched = change::added_lines(&file.hunks);
    Ok(Ok(file))
}

fn status(delta: &Delta2<'_>, old: &git2::DiffFile<'_>, new: &git2::DiffFile<'_>) -> Status {
    match delta.status() {
        Delta::Added | Delta::Untracked => Status::Added,
        Delta::Deleted => Status::Deleted,
        Delta::Renamed => Status::Renamed,
        Delta::Copied => Status::Copied,
        Delta::Typechange => Status::Kind,
        _ if old.id() == new.id() && old.mode() != new.mode() && !new.id().is_zero() => Status::Mode,
        _ => Status::Modified,
    }
}

fn kind(mode: git2::FileMode) -> Kind {
    match mode {
        git2::FileMode::Link => Kind::Symlink,
        git2::FileMode::Commit => Kind::Submodule,
        _ => Kind::Text,
    }
}

fn read_hunks(patch: &git2::Patch<'_>) -> Result<Vec<Hunk>, git2::Error> {
    let mut hunks = Vec::with_capacity(patch.num_hunks());
    for at in 0..patch.num_hunks() {
        let (header, count) = patch.hunk(at)?;
        let mut lines = Vec::with_capacity(count);
        for line in 0..count {
            let line = patch.line_in_hunk(at, line)?;
            let tag = match line.origin() {
                ' ' => Tag::Context,
                '+' => Tag::Added,
                '-' => Tag::Removed,
                // "\ No newline at end of file": libgit2 gives the line itself without one already.
                _ => continue,
            };
            lines.push(Line { tag, bytes: line.content().to_vec() });
        }
        hunks.push(Hunk {
            old: LineRange { start: header.old_start(), count: header.old_lines() },
            new: LineRange { start: header.new_start(), count: header.new_lines() },
            lines,
        });
    }
    Ok(hunks)
}

/// A commit's tree.
struct TreeSource {
    repository: Arc<Repository>,
    tree: Oid,
}

impl Sources for TreeSource {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        let (id, mode) = {
            let git = self.repository.git();
            let failed = |source: git2::Error| object_error(path.as_str(), &source);
            let tree = git.find_tree(self.tree).map_err(failed)?;
            match tree.get_path(path.as_ref()) {
                Ok(entry) => (entry.id(), entry.filemode() as u32),
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        };
        content(&self.repository, id, mode, path)
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        let git = self.repository.git();
        let failed = |source: git2::Error| object_error("", &source);
        let tree = git.find_tree(self.tree).map_err(failed)?;
        let mut paths = Vec::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |parent, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                let full = [parent.as_bytes(), entry.name_bytes()].concat();
                paths.extend(RepoPath::new(full));
            }
            git2::TreeWalkResult::Ok
        })
        .map_err(failed)?;
        paths.sort();
        Ok(paths)
    }
}

/// The index as it was when the review began.
struct IndexSource {
    repository: Arc<Repository>,
    entries: Vec<(RepoPath, Oid, u32)>,
}

impl Sources for IndexSource {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        match self.entries.binary_search_by(|(entry, ..)| entry.cmp(path)) {
            Ok(at) => content(&self.repository, self.entries[at].1, self.entries[at].2, path),
            Err(_) => Ok(None),
        }
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        Ok(self.entries.iter().map(|(path, ..)| path.clone()).collect())
    }
}

fn entries(index: &git2::Index) -> Vec<(RepoPath, Oid, u32)> {
    let stage = |flags: u16| (flags >> 12) & 3;
    let mut entries: Vec<_> = index
        .iter()
        .filter(|entry| stage(entry.flags) == 0)
        .filter_map(|entry| Some((RepoPath::new(&entry.path).ok()?, entry.id, entry.mode)))
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

fn content(repository: &Repository, id: Oid, mode: u32, path: &RepoPath) -> Result<Option<Content>, SourceError> {
    Ok(Some(match mode {
        0o160_000 => Content::Submodule(id.to_string()),
        0o120_000 => Content::Symlink(repository.blob(id, path)?),
        0o040_000 => return Ok(None),
        _ => Content::Bytes(repository.blob(id, path)?),
    }))
}

fn object_error(path: &str, error: &git2::Error) -> SourceError {
    let missing = error.code() == git2::ErrorCode::NotFound;
    SourceError::Object { path: path.to_owned(), why: error.message().trim_end_matches('.').to_owned(), missing }
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
