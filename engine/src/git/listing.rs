//! What does the work tree hold right now, file by file, with the id of each content?

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use git2::{IndexEntry, ObjectType, Oid};
use ignore::{WalkBuilder, WalkState};

use super::{CommitId, Repository, RepositoryError};
use crate::source::{Content, Directory, RepoPath, SourceError, Sources};

/// A regular file of the work tree, tracked or not, that git does not ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: RepoPath,
    /// The id git gives its bytes.
    pub content: [u8; 20],
    /// How many bytes it has on disk.
    pub bytes: u64,
    held: Held,
}

/// Where the bytes of a [`Listed`] file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// In git's object store, as the index says, and unchanged since.
    Object,
    /// On disk alone.
    Disk,
}

struct Found {
    path: RepoPath,
    bytes: u64,
    seconds: i64,
    nanoseconds: u32,
}

impl Repository {
    /// The files of the work tree by path. A file that git's index knows with the same size and time is not read.
    ///
    /// # Errors
    /// [`RepositoryError`] without a work tree or a readable index.
    pub fn listing(&self, most_bytes: u64) -> Result<Vec<Listed>, RepositoryError> {
        let root = self.work_dir()?;
        let git = self.git();
        let index = self.index(&git)?;
        let written = index_time(index.path());
        let tracked: HashMap<Vec<u8>, IndexEntry> =
            index.iter().filter(is_file).map(|entry| (entry.path.clone(), entry)).collect();
        let mut found = walk(root);
        found.extend(ignored_but_tracked(root, &tracked, &found));
        let mut listed: Vec<Listed> = found
            .into_iter()
            .filter(|found| found.bytes <= most_bytes)
            .filter_map(|found| {
                let entry = tracked.get(found.path.as_str().as_bytes());
                match entry.filter(|entry| is_clean(entry, &found, written)) {
                    Some(entry) => Some(listed(found, entry.id, Held::Object)),
                    None => hash(root, &found).map(|id| listed(found, id, Held::Disk)),
                }
            })
            .collect();
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// The regular files of a commit by path.
    ///
    /// # Errors
    /// [`RepositoryError`] when the commit or one of its trees is not here.
    pub fn listing_of(&self, commit: &CommitId, most_bytes: u64) -> Result<Vec<Listed>, RepositoryError> {
        let git = self.git();
        let tree = super::find_commit(&git, commit.as_str())?.tree().map_err(no_history)?;
        let objects = git.odb().map_err(no_history)?;
        let mut listed = Vec::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |parent, entry| {
            let is_file = matches!(entry.filemode(), 0o100_644 | 0o100_755);
            let path = RepoPath::new([parent.as_bytes(), entry.name_bytes()].concat());
            if let (true, Ok(path), Ok((bytes, _))) = (is_file, path, objects.read_header(entry.id())) {
                let content = entry.id().as_bytes().try_into().unwrap_or_default();
                listed.push(Listed { path, content, bytes: bytes as u64, held: Held::Object });
            }
            git2::TreeWalkResult::Ok
        })
        .map_err(no_history)?;
        listed.retain(|listed| listed.bytes <= most_bytes);
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// The bytes of a listed file; none when it has changed or gone since.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be read.
    pub fn content(&self, listed: &Listed) -> Result<Option<std::sync::Arc<[u8]>>, SourceError> {
        let id = Oid::from_bytes(&listed.content).map_err(|error| super::objects::object_error("", &error))?;
        match (listed.held, &self.work_dir) {
            (Held::Disk, Some(root)) => {
                let Some(Content::Bytes(bytes)) = Directory::new(root).read(&listed.path)? else { return Ok(None) };
                let same = Oid::hash_object(ObjectType::Blob, &bytes).is_ok_and(|now| now == id);
                Ok(same.then_some(bytes))
            }
            _ => self.blob(id, &listed.path).map(Some),
        }
    }

    /// When each path was last changed by one of the newest `most` commits on the first-parent line of HEAD, newest
    /// first, as (path, seconds since 1970). Stops at `known`, a commit whose history was asked for before.
    ///
    /// # Errors
    /// [`RepositoryError`] when history cannot be read; a shallow end is none.
    pub fn recent(&self, most: usize, known: Option<&str>) -> Result<Vec<(RepoPath, i64)>, RepositoryError> {
        let git = self.git();
        let Some(mut walk) = first_parents(&git).map_err(no_history)? else { return Ok(Vec::new()) };
        if let Some(id) = known.and_then(|known| Oid::from_str(known).ok()).filter(|id| git.find_commit(*id).is_ok()) {
            walk.hide(id).map_err(no_history)?;
        }
        let mut seen = HashMap::new();
        let mut changed = Vec::new();
        for id in walk.flatten().take(most) {
            let Ok(commit) = git.find_commit(id) else { break };
            let parent = commit.parent(0).and_then(|parent| parent.tree()).ok();
            if parent.is_none() && commit.parent_count() > 0 {
                break;
            }
            let tree = commit.tree().map_err(no_history)?;
            let diff = git.diff_tree_to_tree(parent.as_ref(), Some(&tree), None).map_err(no_history)?;
            let time = commit.time().seconds();
            for path in diff.deltas().filter_map(|delta| RepoPath::new(delta.new_file().path_bytes()?).ok()) {
                if seen.insert(path.clone(), ()).is_none() {
                    changed.push((path, time));
                }
            }
        }
        Ok(changed)
    }

    /// The first lines of the newest commits' messages on the first-parent line of HEAD, newest first; none before the
    /// first commit.
    ///
    /// # Errors
    /// [`RepositoryError`] when history cannot be read.
    pub fn subjects(&self, most: usize) -> Result<Vec<String>, RepositoryError> {
        let git = self.git();
        let Some(walk) = first_parents(&git).map_err(no_history)? else { return Ok(Vec::new()) };
        let commits = walk.flatten().take(most).map_while(|id| git.find_commit(id).ok());
        Ok(commits
            .map(|commit| String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned())
            .collect())
    }

    /// The commit HEAD stands at, in hex; none before the first commit.
    pub fn head(&self) -> Option<String> {
        Some(self.git().head().ok()?.peel_to_commit().ok()?.id().to_string())
    }
}

/// The commits on the first-parent line of HEAD, newest first; `None` before the first commit.
fn first_parents(git: &git2::Repository) -> Result<Option<git2::Revwalk<'_>>, git2::Error> {
    let mut walk = git.revwalk()?;
    if walk.push_head().is_err() {
        return Ok(None);
    }
    walk.simplify_first_parent()?;
    Ok(Some(walk))
}

fn no_history(source: git2::Error) -> RepositoryError {
    RepositoryError::Compare { what: "history".into(), source: source.into() }
}

fn listed(found: Found, id: Oid, held: Held) -> Listed {
    let mut content = [0; 20];
    content.copy_from_slice(&id.as_bytes()[..20]);
    Listed { path: found.path, content, bytes: found.bytes, held }
}

fn is_file(entry: &IndexEntry) -> bool {
    let stage = (entry.flags >> 12) & 3;
    stage == 0 && entry.mode & 0o170_000 == 0o100_000
}

/// Whether the file is what the index says, by size and time. As git has it: a file as young as the index itself may
/// have changed within the same tick, and is read.
fn is_clean(entry: &IndexEntry, found: &Found, index_written: (i64, u32)) -> bool {
    let time = (i64::from(entry.mtime.seconds()), entry.mtime.nanoseconds());
    let same_time = time.0 == found.seconds && (time.1 == 0 || time.1 == found.nanoseconds);
    u64::from(entry.file_size) == found.bytes & 0xFFFF_FFFF && same_time && (time.0, time.1) < index_written
}

#[expect(clippy::disallowed_methods, reason = "the index's own time tells which of its entries can be trusted")]
fn index_time(path: Option<&Path>) -> (i64, u32) {
    let modified = path.and_then(|path| std::fs::metadata(path).ok()).and_then(|meta| meta.modified().ok());
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or((0, 0), |since| (since.as_secs() as i64, since.subsec_nanos()))
}

/// Every file below the root that git would not ignore, in no order.
fn walk(root: &Path) -> Vec<Found> {
    let found = Mutex::new(Vec::new());
    let mut walk = WalkBuilder::new(root);
    // A folder with a `.git` of its own is another repository: a submodule, or a clone that lies here.
    // Ignore files above the root are another repository's, and `.ignore` is no word of git's.
    walk.hidden(false).require_git(false).parents(false).ignore(false).filter_entry(|entry| {
        let is_other = || entry.depth() > 0 && entry.path().join(".git").exists();
        entry.file_name() != ".git" && !(entry.file_type().is_some_and(|kind| kind.is_dir()) && is_other())
    });
    walk.build_parallel().run(|| {
        let mut batch = Batch { found: Vec::new(), all: &found };
        Box::new(move |entry| {
            let Ok(entry) = entry else { return WalkState::Continue };
            if entry.file_type().is_some_and(|kind| kind.is_file())
                && let Ok(meta) = entry.metadata()
                && let Ok(relative) = entry.path().strip_prefix(root)
                && let Some(file) = file(relative, &meta)
            {
                batch.found.push(file);
            }
            WalkState::Continue
        })
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What one walking thread found; handed over when the thread is done.
struct Batch<'a> {
    found: Vec<Found>,
    all: &'a Mutex<Vec<Found>>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.found);
    }
}

/// Tracked files that the ignore files name all the same: git keeps them, and so do we.
#[expect(clippy::disallowed_methods, reason = "asks for the size and time of files that the index names")]
fn ignored_but_tracked(root: &Path, tracked: &HashMap<Vec<u8>, IndexEntry>, found: &[Found]) -> Vec<Found> {
    let seen: std::collections::HashSet<&[u8]> = found.iter().map(|found| found.path.as_str().as_bytes()).collect();
    let missing = tracked.keys().filter(|path| !seen.contains(path.as_slice()));
    let stat = |path: &Vec<u8>| {
        let relative = RepoPath::new(path).ok()?;
        let meta = std::fs::symlink_metadata(root.join(&relative)).ok().filter(std::fs::Metadata::is_file)?;
        // A folder that became a link leads elsewhere, and git sees no files behind it.
        let above = Path::new(relative.as_str()).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        if above.map(|above| root.join(above)).any(|above| above.is_symlink() || above.join(".git").exists()) {
            return None;
        }
        file(relative.as_ref(), &meta)
    };
    missing.filter_map(stat).collect()
}

fn file(relative: &Path, meta: &std::fs::Metadata) -> Option<Found> {
    let path = RepoPath::new(relative.as_os_str().as_encoded_bytes()).ok()?;
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Some(Found { path, bytes: meta.len(), seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() })
}

fn hash(root: &Path, found: &Found) -> Option<Oid> {
    match Directory::new(root).read(&found.path) {
        Ok(Some(Content::Bytes(bytes))) => Oid::hash_object(ObjectType::Blob, &bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files they look at")]
mod tests {
    use std::fs;

    use super::*;

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        git2::Repository::init(folder.path()).unwrap();
        let repository = Repository::discover(folder.path()).unwrap();
        (folder, repository)
    }

    #[test]
    fn a_file_that_changes_or_goes_before_it_is_read_has_no_content() {
        let (folder, repository) = repository();
        let path = folder.path().join("a.py");
        fs::write(&path, "one").unwrap();
        let listed = repository.listing(100).unwrap();
        assert_eq!(repository.content(&listed[0]).unwrap().as_deref(), Some(&b"one"[..]));
        fs::write(&path, "two").unwrap();
        assert_eq!(repository.content(&listed[0]).unwrap(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(repository.content(&listed[0]).unwrap(), None);
        fs::create_dir(&path).unwrap();
        assert_eq!(repository.content(&listed[0]).unwrap(), None);
    }

    #[test]
    fn long_files_are_left_out_and_equal_contents_have_equal_ids() {
        let (folder, repository) = repository();
        for (name, text) in [("a", "same"), ("b", "same"), ("long", "longer than that")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let listed = repository.listing(4).unwrap();
        assert_eq!(listed.iter().map(|listed| listed.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(listed[0].content, listed[1].content);
    }
}
