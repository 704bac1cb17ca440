//! Where is everything made ready before it takes its place? A folder of the git directory that belongs to one process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::RepositoryError;

/// A folder that goes when it is dropped. Should the process be killed, the next one sweeps it away.
pub(super) struct Workbench {
    pub(super) folder: PathBuf,
    /// Locked as long as the process lives; the system unlocks it whatever ends the process.
    _alive: File,
    _folder: tempfile::TempDir,
}

/// The new index waits under this name; while it is being put in place, `index.lock` is another name of it.
pub(super) const NEW_INDEX: &str = "index";

const ALIVE: &str = "alive";
const PREFIX: &str = "landing-";

impl Workbench {
    /// A new folder, after removing those of processes that died. Where one of them died holding git's lock on the
    /// index, `lock` is removed too.
    pub(super) fn open(git_dir: &Path, lock: &Path) -> Result<Self, RepositoryError> {
        let parent = git_dir.join("apprentice/tmp");
        let failed = |source| RepositoryError::Write { path: parent.clone(), source };
        fs::create_dir_all(&parent).map_err(failed)?;
        // One process at a time sweeps and settles in, so that a folder without its file is nobody's. A file system
        // without locks is not swept.
        let gate = File::create(parent.with_extension("lock")).map_err(failed)?;
        if gate.lock().is_ok() {
            sweep(&parent, lock);
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(failed)?;
        let alive = File::create(folder.path().join(ALIVE)).map_err(failed)?;
        let _ = alive.try_lock();
        Ok(Self { folder: folder.path().to_owned(), _alive: alive, _folder: folder })
    }
}

/// Removes what dead processes left. Failing to is no failure: the next run tries again.
fn sweep(parent: &Path, lock: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let folder = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&folder) {
            if is_same_file(&folder.join(NEW_INDEX), lock) {
                let _ = fs::remove_file(lock);
            }
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Locked by nobody, or left before there was anything to lock.
fn is_abandoned(folder: &Path) -> bool {
    match File::open(folder.join(ALIVE)) {
        Ok(alive) => alive.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |path: &Path| fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    id(a).is_some() && id(a) == id(b)
}

/// Without a cheap file identity a lock that was left is git's to report.
#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> bool {
    false
}
