//! The file system: the one module that touches it, besides the databases.
#![expect(clippy::disallowed_methods, reason = "the one module that touches the file system")]

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result};

/// A file's text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The text of a file that may be no longer than this.
pub(crate) fn read_at_most(path: &Path, most: usize) -> Result<String> {
    use std::io::Read as _;
    let failed = || format!("cannot read `{}`", path.display());
    let mut text = String::new();
    File::open(path).with_context(failed)?.take(most as u64 + 1).read_to_string(&mut text).with_context(failed)?;
    anyhow::ensure!(text.len() <= most, "`{}` is longer than {most} bytes", path.display());
    Ok(text)
}

/// Makes a folder that only its owner may look into.
pub(crate) fn make_private(folder: &Path) -> Result<()> {
    let failed = || format!("cannot make the folder `{}`", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(failed)?;
    }
    Ok(())
}

/// A lock that is held as long as the value lives, and gone when the process is.
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its lifetime")] File);

/// Takes the lock in a folder; `None` when another process holds it.
pub(crate) fn lock(folder: &Path) -> Result<Option<Lock>> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock `{}`", path.display()))
        }
    }
}

/// Adds text to a file, as the runner wants its outputs and summaries.
pub(crate) fn append(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}

/// The folders two levels below this one (`OWNER/NAME.git`), with their size in bytes and when they were last used.
pub(crate) fn mirrors(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let used = |path: &Path| fs::metadata(path.join("used")).and_then(|data| data.modified());
    let all = below(folder).flat_map(|owner| below(&owner).collect::<Vec<_>>());
    all.map(|path| (size(&path), used(&path).unwrap_or(SystemTime::UNIX_EPOCH), path))
        .map(|(size, used, path)| (path, size, used))
        .collect()
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().map_or(0, |data| data.len()),
    };
    entries.map(of).sum()
}

/// Notes that a mirror was used now.
pub(crate) fn touch(folder: &Path) {
    let _ = fs::write(folder.join("used"), "");
}

/// Removes a folder with everything in it.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))
}
