//! What is on disk? Reading and writing outside git, with errors that name the file.
#![expect(clippy::disallowed_methods, reason = "one of the modules that may use the file system")]

use std::{
    fs,
    io::Write as _,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A file's text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A file's bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Everything on standard input.
pub(crate) fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(bytes)
}

/// A file's text, or `None` where there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// Writes a file whole or not at all: to a neighbor first, then renamed into place. A link is followed, and what is no
/// regular file (`/dev/null`, a pipe) is written to, never replaced.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("cannot write `{}`", path.display());
    let there = fs::canonicalize(path).ok();
    if there.as_deref().is_some_and(|there| !there.is_file()) {
        let written = fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes));
        return written.with_context(failed);
    }
    let path = there.as_deref().unwrap_or(path);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    let mut neighbor = path.as_os_str().to_owned();
    neighbor.push(format!(".{}.tmp", std::process::id()));
    fs::write(&neighbor, bytes).and_then(|()| fs::rename(&neighbor, path)).with_context(failed)
}

/// The path itself if it is a file, else every file below it with one of these extensions, in order.
pub(crate) fn below(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let meta = fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if meta.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
        let entry = entry.with_context(|| format!("cannot read `{}`", path.display()))?.path();
        let matches = entry.extension().is_some_and(|found| extensions.iter().any(|&wanted| found == wanted));
        if entry.is_dir() {
            found.extend(below(&entry, extensions)?);
        } else if matches {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

/// The names in a folder that are UTF-8; none where it cannot be read.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Makes the folder that a file is to lie in.
pub(crate) fn make_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// Whether there is anything at this path.
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// The path with all links resolved.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("cannot find `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_is_no_regular_file_is_written_to_and_never_replaced() {
        use std::os::unix::{fs::FileTypeExt as _, fs::symlink};
        let folder = std::env::temp_dir().join(format!("apprentice-write-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, link, null) = (folder.join("file"), folder.join("link"), folder.join("null"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        symlink("/dev/null", &null).unwrap();
        write(&link, b"new").unwrap();
        write(&null, b"gone").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        fs::remove_dir_all(&folder).unwrap();
    }
}
