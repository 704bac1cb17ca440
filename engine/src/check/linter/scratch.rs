//! Where does a tool find the version under review, if not in the work tree?
#![expect(clippy::disallowed_methods, reason = "writes the scratch directory, outside every work tree")]

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::source::{Content, RepoPath, Sources};

/// A private directory that is gone when the review is over. The whole version is written at most once, and only if a
/// tool needs it: one read and one write of every file. A tree with one file replaced is made of hard links to it,
/// which costs one link a file.
pub(super) struct Scratch<'a> {
    dir: TempDir,
    new: &'a dyn Sources,
    /// Paths whose content comes from the base version, and that version.
    policy: Option<Policy<'a>>,
    tree: OnceLock<Result<Tree, String>>,
}

/// For an untrusted change: files that configure tools are those of the base version.
pub(super) struct Policy<'a> {
    pub(super) base: &'a dyn Sources,
    /// File names.
    pub(super) names: BTreeSet<String>,
}

/// A written version.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// A hash over every path and content.
    pub(super) hash: [u8; 32],
}

impl<'a> Scratch<'a> {
    pub(super) fn new(parent: &Path, new: &'a dyn Sources, policy: Option<Policy<'a>>) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Resolved, so that the paths tools print begin as ours do.
        let dir = tempfile::Builder::new().prefix("apprentice-lint-").tempdir_in(parent.canonicalize()?)?;
        Ok(Self { dir, new, policy, tree: OnceLock::new() })
    }

    /// A new empty folder in it.
    pub(super) fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(self.dir.path())?;
        Ok(folder.keep())
    }

    /// What a tool may know of a path: the version's content, or for its configuration the base's.
    pub(super) fn read(&self, path: &RepoPath) -> Result<Option<Content>, String> {
        let base = self.policy.as_ref().filter(|policy| policy.names.contains(path.file_name()));
        base.map_or(self.new, |policy| policy.base).read(path).map_err(|error| crate::notice::chain(&error))
    }

    /// The whole version.
    pub(super) fn tree(&self) -> Result<&Tree, String> {
        self.tree.get_or_init(|| self.write_tree()).as_ref().map_err(String::clone)
    }

    fn write_tree(&self) -> Result<Tree, String> {
        let root = self.folder("tree-").map_err(|error| error.to_string())?;
        let mut paths = self.new.list().map_err(|error| crate::notice::chain(&error))?;
        if let Some(policy) = &self.policy {
            let base = policy.base.list().map_err(|error| crate::notice::chain(&error))?;
            paths.extend(base.into_iter().filter(|path| policy.names.contains(path.file_name())));
            paths.sort();
            paths.dedup();
        }
        let mut hasher = blake3::Hasher::new();
        let mut links = Vec::new();
        for path in paths {
            match self.read(&path)? {
                Some(Content::Bytes(bytes)) => {
                    hasher.update(path.as_str().as_bytes()).update(b"\0").update(blake3::hash(&bytes).as_bytes());
                    write(&root, &path, &bytes).map_err(|error| format!("cannot write `{path}`: {error}"))?;
                }
                Some(Content::Symlink(target)) => links.push((path, target)),
                Some(Content::Submodule(_)) | None => {}
            }
        }
        for (path, target) in links {
            hasher.update(path.as_str().as_bytes()).update(b"\0->").update(&target).update(b"\0");
            link_inside(&root, &path, &target).map_err(|error| format!("cannot link `{path}`: {error}"))?;
        }
        Ok(Tree { root, hash: *hasher.finalize().as_bytes() })
    }

    /// The whole version with one file's content replaced: hard links to the tree but for that file.
    pub(super) fn replaced(&self, path: &RepoPath, bytes: &[u8]) -> Result<PathBuf, String> {
        let tree = self.tree()?;
        let root = self.folder("copy-").map_err(|error| error.to_string())?;
        link_all(&tree.root, &root).map_err(|error| format!("cannot copy the scratch tree: {error}"))?;
        replace(&root, path, bytes).map_err(|error| format!("cannot write `{path}`: {error}"))?;
        Ok(root)
    }

    /// Makes `to` a copy of the whole version, with one file's content replaced where that is given. Files that are
    /// the same already are not touched and keep their times; the folder `keep` is left alone.
    pub(super) fn synchronize(&self, to: &Path, keep: &str, file: Option<(&RepoPath, &[u8])>) -> Result<(), String> {
        let tree = self.tree()?;
        let copy = || -> io::Result<()> {
            fs::create_dir_all(to)?;
            synchronize(&tree.root, to, keep, &|from| match file {
                Some((path, bytes)) if from == tree.root.join(path) => Ok(bytes.to_owned()),
                _ => fs::read(from),
            })
        };
        copy().map_err(|error| format!("cannot copy the scratch tree: {error}"))
    }
}

/// Writes a file below `root`, making its folders. Nothing below `root` is a link yet, so nothing leads out of it.
pub(super) fn write(root: &Path, path: &RepoPath, bytes: &[u8]) -> io::Result<()> {
    let full = root.join(path);
    if let Some(folder) = full.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(full, bytes)
}

fn replace(root: &Path, path: &RepoPath, bytes: &[u8]) -> io::Result<()> {
    let full = root.join(path);
    match fs::remove_file(&full) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => write(root, path, bytes),
    }
}

fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&target)?;
            link_all(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(&fs::read_link(entry.path())?, &target)?;
        } else {
            fs::hard_link(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn synchronize(from: &Path, to: &Path, keep: &str, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let same_kind = fs::symlink_metadata(from.join(entry.file_name()))
            .is_ok_and(|meta| entry.file_type().is_ok_and(|kind| kind == meta.file_type() && !kind.is_symlink()));
        if !same_kind && entry.file_name() != keep {
            remove(&entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            synchronize(&entry.path(), &target, keep, read)?;
        } else if kind.is_symlink() {
            symlink(&fs::read_link(entry.path())?, &target)?;
        } else {
            let bytes = read(&entry.path())?;
            if fs::read(&target).ok().as_deref() != Some(&bytes) {
                fs::write(&target, bytes)?;
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Makes a link of the version where it can be seen to stay inside; any other is left out.
fn link_inside(root: &Path, path: &RepoPath, target: &[u8]) -> io::Result<()> {
    let Some(target) = std::str::from_utf8(target).ok().filter(|target| stays_inside(path, target)) else {
        return Ok(());
    };
    let full = root.join(path);
    if let Some(folder) = full.parent() {
        fs::create_dir_all(folder)?;
    }
    symlink(Path::new(target), &full)
}

/// Whether a link's target is below the root: relative, upwards only at its start and no farther than it is deep.
/// An upward step behind a name is refused even where the text seems to stay inside: the name may be a link itself.
fn stays_inside(path: &RepoPath, target: &str) -> bool {
    let depth = path.as_str().matches('/').count();
    let up = target.split('/').take_while(|part| matches!(*part, ".." | ".")).filter(|part| *part == "..").count();
    let mut rest = target.split('/').skip_while(|part| matches!(*part, ".." | "."));
    !target.is_empty() && !target.starts_with('/') && up <= depth && rest.all(|part| part != "..")
}

#[cfg(unix)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
pub(super) fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::SourceError;

    struct Fake(Vec<(&'static str, Content)>);

    impl Sources for Fake {
        fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
            Ok(self.0.iter().find(|(name, _)| *name == path.as_str()).map(|(_, content)| content.clone()))
        }

        fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
            Ok(self.0.iter().map(|(name, _)| RepoPath::new(name).unwrap()).collect())
        }
    }

    fn bytes(text: &str) -> Content {
        Content::Bytes(text.as_bytes().into())
    }

    fn link(target: &str) -> Content {
        Content::Symlink(Arc::from(target.as_bytes()))
    }

    #[test]
    fn links_that_could_lead_out_are_not_made() {
        let new = Fake(vec![
            ("a/b.txt", bytes("b")),
            ("a/in", link("../c.txt")),
            ("c.txt", bytes("c")),
            ("out", link("../x")),
            ("abs", link("/etc/passwd")),
            ("sly", link("a/up/../../etc")),
            ("a/up", link("..")),
        ]);
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path(), &new, None).unwrap();
        let root = &scratch.tree().unwrap().root;
        assert_eq!(fs::read_to_string(root.join("a/in")).unwrap(), "c");
        for gone in ["out", "abs", "sly"] {
            assert!(fs::symlink_metadata(root.join(gone)).is_err(), "{gone}");
        }
        assert!(fs::symlink_metadata(root.join("a/up")).is_ok());
    }

    #[test]
    fn a_strangers_configuration_is_the_bases() {
        let new = Fake(vec![("ruff.toml", bytes("head")), ("x/.eslintrc", bytes("new file")), ("a.py", bytes("x"))]);
        let base = Fake(vec![("ruff.toml", bytes("base")), ("y/ruff.toml", bytes("deleted in head"))]);
        let names = [".eslintrc", "ruff.toml"].map(str::to_owned).into();
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path(), &new, Some(Policy { base: &base, names })).unwrap();
        let root = &scratch.tree().unwrap().root;
        assert_eq!(fs::read_to_string(root.join("ruff.toml")).unwrap(), "base");
        assert_eq!(fs::read_to_string(root.join("y/ruff.toml")).unwrap(), "deleted in head");
        assert!(!root.join("x/.eslintrc").exists());
        assert!(root.join("a.py").exists());
    }

    #[test]
    fn a_replaced_file_leaves_the_tree_as_it_was() {
        let new = Fake(vec![("a/b.txt", bytes("b")), ("c.txt", bytes("c"))]);
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(dir.path(), &new, None).unwrap();
        let copy = scratch.replaced(&RepoPath::new("a/b.txt").unwrap(), b"new").unwrap();
        assert_eq!(fs::read_to_string(copy.join("a/b.txt")).unwrap(), "new");
        assert_eq!(fs::read_to_string(copy.join("c.txt")).unwrap(), "c");
        assert_eq!(fs::read_to_string(scratch.tree().unwrap().root.join("a/b.txt")).unwrap(), "b");
        drop(scratch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_synchronized_tree_is_the_version_and_keeps_what_is_the_same() {
        let new = Fake(vec![("a/b.txt", bytes("b")), ("c.txt", bytes("c")), ("l", link("c.txt"))]);
        let (dir, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let scratch = Scratch::new(dir.path(), &new, None).unwrap();
        for (path, text) in [("gone.txt", "x"), ("target/made", "x"), ("c.txt", "c"), ("a/old/x", "x")] {
            write(own.path(), &RepoPath::new(path).unwrap(), text.as_bytes()).unwrap();
        }
        let time = |path: &str| fs::metadata(own.path().join(path)).unwrap().modified().unwrap();
        let before = time("c.txt");
        let path = RepoPath::new("a/b.txt").unwrap();
        scratch.synchronize(own.path(), "target", Some((&path, b"new"))).unwrap();
        assert_eq!(fs::read_to_string(own.path().join("a/b.txt")).unwrap(), "new");
        scratch.synchronize(own.path(), "target", None).unwrap();
        assert_eq!(fs::read_to_string(own.path().join("a/b.txt")).unwrap(), "b");
        assert_eq!((time("c.txt"), own.path().join("target/made").exists()), (before, true));
        assert!(!own.path().join("gone.txt").exists() && !own.path().join("a/old").exists());
    }
}
