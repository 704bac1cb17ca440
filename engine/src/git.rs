//! What does git hold? The only module that knows git2.

mod command;
mod diff;
mod error;
mod listing;
mod mirror;
mod objects;
mod write;

pub use error::{GitError, IndexKind, RepositoryError};
pub use listing::Listed;
pub use mirror::{Author, CommitId, FetchError, Remote, mirror, push};
pub use write::{Landing, StagedFile};

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use git2::{Oid, Repository as Git, Tree};

use crate::{
    change::{
        Change, Origin, Versions,
        diff::parse,
        resolve::{self, Places},
    },
    notice::{self, Notice},
    source::{BlobId, Directory, Memory, RepoPath, SourceError, Sources},
};

/// Whose hooks a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksAre {
    /// This repository's alone.
    Own,
    /// Those of every repository of this user or machine.
    Shared,
}

/// A repository, with its index and work tree where it has them.
pub struct Repository {
    git: Mutex<Git>,
    work_dir: Option<PathBuf>,
    common_dir: PathBuf,
    git_dir: PathBuf,
    merging: Vec<Oid>,
}

impl Repository {
    /// The repository that `start` lies in. `GIT_DIR`, `GIT_INDEX_FILE`, `GIT_WORK_TREE` and the other variables git
    /// sets for its hooks are honored, so that `commit -a` and `commit PATH` are seen as they will be committed.
    ///
    /// # Errors
    /// [`RepositoryError::Open`] when there is none, it is damaged, or another user owns it.
    pub fn discover(start: &Path) -> Result<Self, RepositoryError> {
        // What git wrote, git checked; checking every object's hash again on every read is not a reviewer's work.
        git2::opts::strict_hash_verification(false);
        let flags = git2::RepositoryOpenFlags::FROM_ENV;
        // Given a path to start from, libgit2 does not look at `GIT_DIR`.
        let opened = match start == Path::new(".") {
            true => Git::open_from_env(),
            false => Git::open_ext(start, flags, &[] as &[&std::ffi::OsStr]),
        };
        Ok(Self::of(opened.map_err(|error| RepositoryError::open(start, error))?))
    }

    /// The bare repository at this very place, whatever the environment says.
    ///
    /// # Errors
    /// [`RepositoryError::Open`] when there is none, or it is damaged.
    pub fn bare(folder: &Path) -> Result<Self, RepositoryError> {
        git2::opts::strict_hash_verification(false);
        Git::open_bare(folder).map(Self::of).map_err(|error| RepositoryError::open(folder, error))
    }

    /// A new bare repository.
    fn make_bare(folder: &Path) -> Result<Self, RepositoryError> {
        Git::init_bare(folder).map(Self::of).map_err(|error| RepositoryError::open(folder, error))
    }

    fn of(git: Git) -> Self {
        Self {
            work_dir: git.workdir().map(Path::to_owned),
            common_dir: git.commondir().to_owned(),
            git_dir: git.path().to_owned(),
            git: Mutex::new(git),
            merging: Vec::new(),
        }
    }

    /// Whether a commit is here with its tree. Blobs come with the tree: they are fetched together or not at all.
    fn holds(&self, id: &CommitId) -> bool {
        let git = self.git();
        Oid::from_str(id.as_str()).and_then(|id| git.find_commit(id)).and_then(|commit| commit.tree()).is_ok()
    }

    /// The tree of a commit, to read from.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] when it is not here.
    pub fn tree(self: &Arc<Self>, id: &CommitId) -> Result<Arc<dyn Sources>, RepositoryError> {
        let git = self.git();
        let commit = find_commit(&git, id.as_str())?;
        Ok(Arc::new(objects::TreeSource { repository: Arc::clone(self), tree: commit.tree_id() }))
    }

    /// One commit's tree against another's, whatever lies between: for histories that are not here. With the merge base
    /// as `base` this is [`Repository::range`].
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] and [`RepositoryError::Compare`].
    pub fn between(self: &Arc<Self>, base: &CommitId, head: &CommitId) -> Result<Versions, RepositoryError> {
        let git = self.git();
        self.compare(&git, &find_commit(&git, base.as_str())?, &find_commit(&git, head.as_str())?)
    }

    fn compare(
        self: &Arc<Self>,
        git: &Git,
        base: &git2::Commit<'_>,
        head: &git2::Commit<'_>,
    ) -> Result<Versions, RepositoryError> {
        let failed = |source: git2::Error| RepositoryError::Compare {
            what: format!("`{}` with `{}`", base.id(), head.id()),
            source: source.into(),
        };
        let (old, new) = (base.tree().map_err(failed)?, head.tree().map_err(failed)?);
        let diff = git.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut diff::options())).map_err(failed)?;
        let (files, notices) = diff::read(diff, |_| false).map_err(failed)?;
        let origin = Origin::Range { base: base.id().to_string(), head: head.id().to_string() };
        let tree = |tree: &Tree<'_>| objects::TreeSource { repository: Arc::clone(self), tree: tree.id() };
        Ok(Versions { change: Change { origin, files }, old: Arc::new(tree(&old)), new: Arc::new(tree(&new)), notices })
    }

    /// The same in a merge that git has not written down yet: it runs pre-merge-commit before `MERGE_HEAD` is there,
    /// and names the merged commits to the hook instead. What is not the id of a commit here is left out.
    #[must_use]
    pub fn merging(mut self, heads: &[String]) -> Self {
        let known = |id: &Oid| self.git().find_commit(*id).is_ok();
        self.merging = heads.iter().filter_map(|id| Oid::from_str(id).ok()).filter(known).collect();
        self
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

    /// The project's name: `owner/name` of where it came from, or else its folder's.
    pub fn project(&self) -> String {
        let git = self.git();
        let remote = git.find_remote("origin").ok();
        let named = remote.as_ref().and_then(|remote| remote.url().ok()).and_then(project_of);
        let folder = || {
            let folder = self.work_dir.as_deref().unwrap_or(&self.common_dir);
            folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        named.unwrap_or_else(folder)
    }

    /// Who works here, as their commits will say: the address, or else the name; empty where git knows neither.
    pub fn person(&self) -> String {
        let config = self.git().config();
        let known = |name: &str| config.as_ref().ok().and_then(|config| config.get_string(name).ok());
        known("user.email").or_else(|| known("user.name")).unwrap_or_default()
    }

    /// This work tree's own git directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Whether objects may be missing here that a remote promised to give when they are asked for.
    fn is_partial(&self) -> bool {
        let Ok(config) = self.git().config() else { return false };
        config.get_string("extensions.partialClone").is_ok()
            || config.entries(Some("remote\\..*\\.promisor")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Reads, after git has fetched what a partial clone lacks for it. What could not be fetched is a Notice, or the
    /// error where nothing can be read without it.
    fn fetched(
        &self,
        reading: &[&str],
        read: impl FnOnce() -> Result<Versions, RepositoryError>,
    ) -> Result<Versions, RepositoryError> {
        match (self.fetch_for(reading), read()) {
            (Ok(()), read) => read,
            (Err(source), Err(RepositoryError::Compare { .. })) => Err(RepositoryError::Fetch { source }),
            (Err(_), Err(error)) => Err(error),
            (Err(source), Ok(mut versions)) => {
                let error = RepositoryError::Fetch { source };
                let advice = error.advice().unwrap_or_default();
                versions.notices.push(Notice::failure("git", notice::chain(&error)).advise(advice));
                Ok(versions)
            }
        }
    }

    fn git(&self) -> MutexGuard<'_, Git> {
        self.git.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A string of git's configuration, from all its files.
    pub fn config(&self, key: &str) -> Option<String> {
        self.git().config().ok()?.get_string(key).ok()
    }

    /// The directory git takes hooks from, and whether it is the repository's own (`false`: a user-wide or system-wide
    /// `core.hooksPath`, shared with other repositories).
    pub fn hooks_dir(&self) -> (PathBuf, HooksAre) {
        let git = self.git();
        let set = git.config().ok().and_then(|config| {
            let entry = config.get_entry("core.hooksPath").ok()?;
            let own = matches!(
                entry.level(),
                git2::ConfigLevel::Local | git2::ConfigLevel::Worktree | git2::ConfigLevel::App
            );
            Some((config.get_path("core.hooksPath").ok()?, own))
        });
        match set {
            None => (self.common_dir.join("hooks"), HooksAre::Own),
            Some((path, own)) => {
                let root = self.work_dir.as_deref().unwrap_or(&self.git_dir);
                (root.join(path), if own { HooksAre::Own } else { HooksAre::Shared })
            }
        }
    }

    /// The value of a git attribute at a path, as `.gitattributes` and its kin say; none where it is not set.
    pub fn attribute(&self, path: &RepoPath, name: &str) -> Option<String> {
        let git = self.git();
        let value = git.get_attr(path.as_ref(), name, git2::AttrCheckFlags::FILE_THEN_INDEX).ok().flatten()?;
        Some(value.to_owned())
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
        self.work_dir()?;
        self.fetched(&[&READING[..], &["--cached"]].concat(), || match self.staged_by_libgit2() {
            Err(RepositoryError::IndexKind { .. }) => self.staged_by_command(),
            done => done,
        })
    }

    /// The same where only the git command understands the index.
    fn staged_by_command(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let compare = |source: GitError| RepositoryError::Compare { what: "the index with HEAD".into(), source };
        let sides = ["--cached", "--ita-invisible-in-index"];
        let (mut files, notices) = self.command_diff(&sides).map_err(compare)?;
        let (head, parents) = {
            let git = self.git();
            (head_tree(&git).map_err(|error| compare(error.into()))?.map(|tree| tree.id()), self.merge_heads(&git))
        };
        for parent in parents {
            let other = self.command_diff(&[&sides[..], &[&parent.to_string()]].concat()).map_err(compare)?.0;
            diff::narrow(&mut files, other);
        }
        let entries = self.command_entries().map_err(compare)?;
        let new = Arc::new(objects::IndexSource { repository: Arc::clone(self), entries });
        let old: Arc<dyn Sources> = match head {
            Some(tree) => Arc::new(objects::TreeSource { repository: Arc::clone(self), tree }),
            None => Arc::new(Memory::default()),
        };
        Ok(Versions { change: Change { origin: Origin::Staged, files }, old, new, notices })
    }

    fn staged_by_libgit2(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let git = self.git();
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: "the index with HEAD".into(),
            source: source.into(),
        };
        let index = self.index(&git)?;
        let head = head_tree(&git).map_err(compare)?;
        let diff = git.diff_tree_to_index(head.as_ref(), Some(&index), Some(&mut diff::options())).map_err(compare)?;
        let intent_to_add = |path: &[u8]| {
            index
                .get_path(&path_from_bytes(path), 0)
                .is_some_and(|entry| entry.flags_extended & git2::IndexEntryExtendedFlag::INTENT_TO_ADD.bits() != 0)
        };
        let (mut files, mut notices) = diff::read(diff, intent_to_add).map_err(compare)?;
        if index.has_conflicts() {
            notices.push(Notice::skipped("index", "paths with unresolved conflicts are not reviewed"));
        }
        for parent in self.merge_heads(&git) {
            let tree = git.find_commit(parent).and_then(|commit| commit.tree()).map_err(compare)?;
            let diff =
                git.diff_tree_to_index(Some(&tree), Some(&index), Some(&mut diff::options())).map_err(compare)?;
            diff::narrow(&mut files, diff::read(diff, |_| false).map_err(compare)?.0);
        }
        let new = Arc::new(objects::IndexSource { repository: Arc::clone(self), entries: objects::entries(&index) });
        let old: Arc<dyn Sources> = match head {
            Some(tree) => Arc::new(objects::TreeSource { repository: Arc::clone(self), tree: tree.id() }),
            None => Arc::new(Memory::default()),
        };
        Ok(Versions { change: Change { origin: Origin::Staged, files }, old, new, notices })
    }

    /// What is edited and not staged: the work tree against the index, untracked files included, ignored ones not.
    ///
    /// # Errors
    /// [`RepositoryError::Bare`], [`RepositoryError::Index`] and [`RepositoryError::Compare`].
    pub fn worktree(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        self.work_dir()?;
        self.fetched(&READING, || match self.worktree_by_libgit2() {
            Err(RepositoryError::IndexKind { .. }) => self.worktree_by_command(),
            done => done,
        })
    }

    /// The same where only the git command understands the index.
    fn worktree_by_command(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let compare =
            |source: GitError| RepositoryError::Compare { what: "the work tree with the index".into(), source };
        let (mut files, notices) = self.command_diff(&[]).map_err(compare)?;
        files.extend(self.command_untracked().map_err(compare)?);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let entries = self.command_entries().map_err(compare)?;
        let old = Arc::new(objects::IndexSource { repository: Arc::clone(self), entries });
        let new = Arc::new(Directory::new(self.work_dir()?));
        Ok(Versions { change: Change { origin: Origin::Worktree, files }, old, new, notices })
    }

    fn worktree_by_libgit2(self: &Arc<Self>) -> Result<Versions, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        let git = self.git();
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: "the work tree with the index".into(),
            source: source.into(),
        };
        let index = self.index(&git)?;
        let mut options = diff::options();
        options.include_untracked(true).recurse_untracked_dirs(true).show_untracked_content(true);
        let diff = git.diff_index_to_workdir(Some(&index), Some(&mut options)).map_err(compare)?;
        let (files, notices) = diff::read(diff, |_| false).map_err(compare)?;
        let old = Arc::new(objects::IndexSource { repository: Arc::clone(self), entries: objects::entries(&index) });
        let new = Arc::new(Directory::new(work_dir));
        Ok(Versions { change: Change { origin: Origin::Worktree, files }, old, new, notices })
    }

    /// One commit against its parent; of a merge, only lines that differ from every parent count as touched.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] and [`RepositoryError::Compare`].
    pub fn commit(self: &Arc<Self>, revision: &str) -> Result<Versions, RepositoryError> {
        let id = find_commit(&self.git(), revision)?.id().to_string();
        let reading =
            ["diff-tree", "--numstat", "-m", "--root", "--find-renames", "--no-ext-diff", "--no-textconv", &id];
        self.fetched(&reading, || self.commit_as_it_is(revision))
    }

    fn commit_as_it_is(self: &Arc<Self>, revision: &str) -> Result<Versions, RepositoryError> {
        let git = self.git();
        let commit = find_commit(&git, revision)?;
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: format!("`{revision}` with its parent"),
            source: source.into(),
        };
        let tree = commit.tree().map_err(compare)?;
        let parents: Vec<Tree<'_>> =
            commit.parents().map(|parent| parent.tree()).collect::<Result<_, _>>().map_err(compare)?;
        let diff = git.diff_tree_to_tree(parents.first(), Some(&tree), Some(&mut diff::options())).map_err(compare)?;
        let (mut files, notices) = diff::read(diff, |_| false).map_err(compare)?;
        for parent in parents.iter().skip(1) {
            let diff = git.diff_tree_to_tree(Some(parent), Some(&tree), Some(&mut diff::options())).map_err(compare)?;
            diff::narrow(&mut files, diff::read(diff, |_| false).map_err(compare)?.0);
        }
        let old: Arc<dyn Sources> = match parents.first() {
            Some(parent) => Arc::new(objects::TreeSource { repository: Arc::clone(self), tree: parent.id() }),
            None => Arc::new(Memory::default()),
        };
        let new = Arc::new(objects::TreeSource { repository: Arc::clone(self), tree: tree.id() });
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
        let sides = {
            let git = self.git();
            format!("{}...{}", find_commit(&git, &or_head(base))?.id(), find_commit(&git, &or_head(head))?.id())
        };
        self.fetched(&[&READING[..], &[&sides]].concat(), || self.range_as_it_is(range))
    }

    fn range_as_it_is(self: &Arc<Self>, range: &str) -> Result<Versions, RepositoryError> {
        let (base, head) = range.split_once("...").or_else(|| range.split_once("..")).unwrap_or((range, "HEAD"));
        let or_head = |side: &str| if side.is_empty() { "HEAD".to_owned() } else { side.to_owned() };
        let git = self.git();
        let (base, head) = (find_commit(&git, &or_head(base))?, find_commit(&git, &or_head(head))?);
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: format!("the two sides of `{range}`"),
            source: source.into(),
        };
        let base = git.merge_base(base.id(), head.id()).and_then(|id| git.find_commit(id)).map_err(compare)?;
        self.compare(&git, &base, &head)
    }

    /// What a push brings: `local` against `remote_id`, or, for a branch that is new there, against the merge base
    /// with what the remote is known to have. `None` when nothing is pushed (a deleted ref) or nothing is new.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] and [`RepositoryError::Compare`].
    pub fn pushed(
        self: &Arc<Self>,
        local: &str,
        remote_id: &str,
        remote: &str,
    ) -> Result<Option<Versions>, RepositoryError> {
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        if is_zero(local) || local == remote_id {
            return Ok(None);
        }
        let base = {
            let git = self.git();
            let known = !is_zero(remote_id) && Oid::from_str(remote_id).is_ok_and(|id| git.find_commit(id).is_ok());
            if known { Some(remote_id.to_owned()) } else { nearest_known(&git, local, remote)? }
        };
        match base {
            Some(base) if base == local => Ok(None),
            Some(base) => self.range(&format!("{base}..{local}")).map(Some),
            None => self.commit_from_nothing(local).map(Some),
        }
    }

    /// A commit's whole tree as added.
    fn commit_from_nothing(self: &Arc<Self>, revision: &str) -> Result<Versions, RepositoryError> {
        let git = self.git();
        let commit = find_commit(&git, revision)?;
        let compare = |source: git2::Error| RepositoryError::Compare {
            what: format!("`{revision}` with nothing"),
            source: source.into(),
        };
        let tree = commit.tree().map_err(compare)?;
        let diff = git.diff_tree_to_tree(None, Some(&tree), Some(&mut diff::options())).map_err(compare)?;
        let (files, notices) = diff::read(diff, |_| false).map_err(compare)?;
        let new = Arc::new(objects::TreeSource { repository: Arc::clone(self), tree: tree.id() });
        let origin = Origin::Commit { id: commit.id().to_string() };
        Ok(Versions { change: Change { origin, files }, old: Arc::new(Memory::default()), new, notices })
    }

    /// The versions that a diff from outside stands between: the work tree, the index, HEAD and the blobs its headers
    /// name are searched for both sides. Total; what is not found has a Notice.
    pub fn diff(self: &Arc<Self>, name: &str, text: &[u8]) -> Versions {
        let (files, notices) = parse(text);
        let work_tree: Box<dyn Sources> = match &self.work_dir {
            Some(root) => Box::new(Directory::new(root)),
            None => Box::new(Memory::default()),
        };
        let (index, head) = {
            let git = self.git();
            let index = self.index(&git).map(|index| objects::entries(&index)).unwrap_or_default();
            (index, head_tree(&git).ok().flatten().map(|tree| tree.id()))
        };
        let index = objects::IndexSource { repository: Arc::clone(self), entries: index };
        let head = head.map(|tree| objects::TreeSource { repository: Arc::clone(self), tree });
        let mut others: Vec<&dyn Sources> = vec![&index];
        others.extend(head.as_ref().map(|head| head as &dyn Sources));
        let blob = |id: &BlobId| self.blob_named(id);
        resolve::versions(name, files, notices, &Places { work_tree: &*work_tree, others: &others, blob: &blob })
    }

    fn blob_named(&self, id: &BlobId) -> Option<Arc<[u8]>> {
        let git = self.git();
        let object = git.find_object_by_prefix(&id.0, Some(git2::ObjectType::Blob)).ok()?;
        Some(object.as_blob()?.content().into())
    }

    fn index(&self, git: &Git) -> Result<git2::Index, RepositoryError> {
        git.index().map_err(|error| RepositoryError::index(self.git_dir.join("index"), error))
    }

    /// The commits being merged into HEAD, besides HEAD.
    #[expect(clippy::disallowed_methods, reason = "libgit2 lists merge heads only through a mutable repository")]
    fn merge_heads(&self, git: &Git) -> Vec<Oid> {
        let text = std::fs::read_to_string(git.path().join("MERGE_HEAD")).unwrap_or_default();
        let written = text.lines().filter_map(|line| Oid::from_str(line.trim()).ok());
        written.chain(self.merging.iter().copied()).collect()
    }

    /// The bytes of an object, for whoever holds its id.
    fn blob(&self, id: Oid, path: &RepoPath) -> Result<Arc<[u8]>, SourceError> {
        let failed = |source: git2::Error| objects::object_error(path.as_str(), &source);
        let read = || self.git().find_blob(id).map(|blob| blob.content().into());
        match read() {
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                self.fetch_object(&id.to_string()).map_err(|source| objects::not_fetched(path, source))?;
                read().map_err(failed)
            }
            done => done.map_err(failed),
        }
    }
}

/// A command that reads every object a review of the same sides reads.
const READING: [&str; 5] = ["diff", "--numstat", "--find-renames", "--no-ext-diff", "--no-textconv"];

fn find_commit<'git>(git: &'git Git, revision: &str) -> Result<git2::Commit<'git>, RepositoryError> {
    git.revparse_single(revision).and_then(|object| object.peel_to_commit()).map_err(|error| {
        let (revision, source) = (revision.to_owned(), error.into());
        match git.is_shallow() {
            true => RepositoryError::Shallow { revision, source },
            false => RepositoryError::Revision { revision, source },
        }
    })
}

/// `owner/name` in lower case of an address: the last two parts of its path.
fn project_of(url: &str) -> Option<String> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut parts = path.trim_end_matches('/').rsplit(['/', ':']);
    let name = parts.next().map(|name| name.strip_suffix(".git").unwrap_or(name)).filter(|name| !name.is_empty())?;
    let owner = parts.next().filter(|owner| !owner.is_empty())?;
    Some(format!("{owner}/{name}").to_lowercase())
}

/// The newest ancestor of `local` that the remote is known to have, by its remote-tracking branches.
fn nearest_known(git: &Git, local: &str, remote: &str) -> Result<Option<String>, RepositoryError> {
    let commit = find_commit(git, local)?;
    let failed = |source: git2::Error| RepositoryError::Compare {
        what: format!("`{local}` with `{remote}`"),
        source: source.into(),
    };
    let mut walk = git.revwalk().map_err(failed)?;
    walk.push(commit.id()).map_err(failed)?;
    let mut tips = std::collections::HashSet::new();
    for reference in git.references_glob(&format!("refs/remotes/{remote}/*")).map_err(failed)?.flatten() {
        if let Ok(tip) = reference.peel_to_commit() {
            tips.insert(tip.id());
            let base = git.merge_base(commit.id(), tip.id()).ok();
            tips.extend(base);
        }
    }
    Ok(walk.flatten().find(|id| tips.contains(id)).map(|id| id.to_string()))
}

fn head_tree(git: &Git) -> Result<Option<Tree<'_>>, git2::Error> {
    match git.head() {
        Ok(head) => head.peel_to_tree().map(Some),
        Err(error) if matches!(error.code(), git2::ErrorCode::UnbornBranch | git2::ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
