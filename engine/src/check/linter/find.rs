//! Where is the tool, what does it need to be readable to start, and which build of it is this?
#![expect(clippy::disallowed_methods, reason = "looks for programs on disk and reads the environment on request")]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{Trust, Workshop, spec::Linter};

/// A program that was found.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    /// How to start it. Not resolved: a Python environment is known by the path it is called by.
    pub(super) program: PathBuf,
    /// Everything that must be readable for it to start, besides the system's own folders.
    pub(super) roots: BTreeSet<PathBuf>,
    /// Folders for its PATH.
    pub(super) path: Vec<PathBuf>,
    /// Changes whenever the tool does: a hash over the paths, sizes and times of its files.
    pub(super) identity: [u8; 32],
}

/// Folders below the home directory and elsewhere where tools are usually put: programs with windows start without
/// the user's PATH.
const USUAL: &[&str] = &[
    "~/.local/bin",
    "~/.cargo/bin",
    "~/go/bin",
    "~/.bun/bin",
    "~/.local/share/pnpm",
    "~/.composer/vendor/bin",
    "~/.config/composer/vendor/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/usr/local/go/bin",
    "/usr/bin",
    "/bin",
];

/// Folders of a project's own tools.
const OWN: &[&str] = &["node_modules/.bin", ".venv/bin", "venv/bin", "vendor/bin"];

impl Workshop {
    /// A workshop with PATH, HOME and every other variable as this process has them.
    pub fn here(project_root: Option<PathBuf>, cache_dir: PathBuf, scratch_parent: PathBuf, trust: Trust) -> Self {
        Self { project_root, cache_dir, scratch_parent, trust, environment: std::env::vars_os().collect() }
    }

    /// A variable of the caller's environment.
    pub(super) fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(&OsString::from(name)).filter(|value| !value.is_empty())
    }

    /// The user's home directory.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }

    /// Where programs are looked for, in order. The project's own folders come first, but only for one's own change:
    /// what an untrusted project ships is not run as a tool.
    fn folders(&self) -> Vec<PathBuf> {
        let own = self.project_root.iter().filter(|_| self.trust == Trust::Own);
        let own = own.flat_map(|root| OWN.iter().map(|folder| root.join(folder)));
        let listed = self.variable("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>());
        let home = self.home();
        let usual = USUAL.iter().filter_map(|folder| match folder.strip_prefix("~/") {
            Some(below) => Some(home.as_ref()?.join(below)),
            None => Some(PathBuf::from(folder)),
        });
        let mut seen = BTreeSet::new();
        own.chain(listed.into_iter().flatten())
            .chain(usual)
            .filter(|folder| folder.is_absolute() && seen.insert(folder.clone()))
            .collect()
    }
}

/// The linter's program and the others it needs; none when one of them is missing.
pub(super) fn find(linter: &Linter, workshop: &Workshop) -> Option<Tool> {
    let folders = workshop.folders();
    let program = program(&linter.spec.command, &folders)?;
    let also = linter.spec.also.iter().map(|name| self::program(name, &folders)).collect::<Option<Vec<_>>>()?;
    let mut survey =
        Survey { folders: &folders, roots: BTreeSet::new(), path: Vec::new(), hash: blake3::Hasher::new() };
    survey.visit(&program);
    also.iter().for_each(|program| survey.visit(program));
    let Survey { roots, mut path, hash, .. } = survey;
    path.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    let mut seen = BTreeSet::new();
    path.retain(|folder| seen.insert(folder.clone()));
    Some(Tool { program, roots, path, identity: *hash.finalize().as_bytes() })
}

fn program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|path| is_program(path))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

/// Follows a program through its links and interpreters.
struct Survey<'a> {
    folders: &'a [PathBuf],
    roots: BTreeSet<PathBuf>,
    path: Vec<PathBuf>,
    hash: blake3::Hasher,
}

impl Survey<'_> {
    fn visit(&mut self, program: &Path) {
        // Eight steps: a launcher's link, the launcher, its interpreter's links. More is a loop.
        let mut next = Some(program.to_owned());
        for _ in 0..8 {
            let Some(path) = next.take() else { return };
            self.roots.extend(areas(&path));
            self.path.extend(path.parent().map(Path::to_owned));
            self.identify(&path);
            if let Some(home) = base_of_environment(&path) {
                self.roots.extend(areas(&home.join("python3")));
            }
            next = match fs::read_link(&path) {
                Ok(target) => Some(path.parent().unwrap_or(Path::new("/")).join(target)),
                Err(_) => self.interpreter(&path),
            };
        }
    }

    fn identify(&mut self, path: &Path) {
        self.hash.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
        let packages = path.parent().and_then(Path::parent).map(|prefix| prefix.join("lib"));
        let packages = packages.into_iter().flat_map(|lib| children(&lib)).map(|child| child.join("site-packages"));
        let manifest = path.ancestors().skip(1).take(4).map(|folder| folder.join("package.json"));
        for file in [path.to_owned()].into_iter().chain(packages).chain(manifest) {
            let Ok(meta) = fs::metadata(&file) else { continue };
            let time = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            self.hash.update(&meta.len().to_le_bytes()).update(&time.as_nanos().to_le_bytes());
        }
    }

    /// The program named by a script's first line.
    fn interpreter(&self, script: &Path) -> Option<PathBuf> {
        let mut head = Vec::new();
        fs::File::open(script).ok()?.take(512).read_to_end(&mut head).ok()?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.strip_prefix("#!")?.lines();
        let first = lines.next()?.trim();
        let mut words = first.split_whitespace();
        let program = words.next()?;
        // Where the path is too long for the kernel, installers of Python packages start it from a shell.
        if let Some(quoted) = lines.next().and_then(|line| line.strip_prefix("'''exec' ")) {
            return Some(PathBuf::from(quoted.trim_start_matches('"').split(['"', ' ']).next()?));
        }
        if !program.ends_with("/env") {
            return Some(PathBuf::from(program));
        }
        self::program(words.find(|word| !word.starts_with('-') && !word.contains('='))?, self.folders)
    }
}

/// What belongs to a program: for one in a `bin` folder the libraries beside it, for one in `node_modules` all of
/// that, for a version manager's shim the manager, otherwise the file alone.
fn areas(program: &Path) -> Vec<PathBuf> {
    let program = tidy(program);
    if let Some(modules) = program.ancestors().filter(|path| path.ends_with("node_modules")).last() {
        return vec![modules.to_owned()];
    }
    let folder = program.parent().unwrap_or(Path::new("/"));
    let prefix = folder.parent().unwrap_or(Path::new("/"));
    let named = |name: &str| folder.file_name().is_some_and(|found| found == name);
    if named("shims") || (named("bin") && program.file_name().is_some_and(|name| name == "go")) {
        return vec![prefix.to_owned()];
    }
    if !named("bin") && !named("sbin") {
        return vec![program];
    }
    let beside = ["lib", "lib64", "libexec", "pyvenv.cfg"].map(|name| prefix.join(name));
    [folder.to_owned()].into_iter().chain(beside).filter(|path| path.exists()).collect()
}

/// The path without `.` and `..`, by its text alone.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(tidy.pop()),
            Component::CurDir => {}
            part => tidy.push(part),
        }
    }
    tidy
}

/// The folder of the Python that a virtual environment was made from.
fn base_of_environment(program: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(program.parent()?.parent()?.join("pyvenv.cfg")).ok()?;
    let home = text.lines().find_map(|line| line.strip_prefix("home")?.trim_start().strip_prefix('='))?;
    Some(PathBuf::from(home.trim()))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn script(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn linter(command: &str) -> Linter {
        let text = format!(
            "about = ''\nurl = ''\ncommand = '{command}'\nargs = ['.']\nfiles = ['*']\ngranularity = 'project'\n\
             needs = 'tree'\nruns_code = false\nruns_code_because = ''\n[category]\ndefault = 'bug'\n\
             [output]\nformat = 'sarif'"
        );
        Linter::read("x", &text).unwrap()
    }

    #[test]
    fn the_projects_own_tool_wins_but_not_for_a_strangers_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        script(&root.join("project/node_modules/x/cli.js"), "#!/usr/bin/env node\n");
        fs::create_dir_all(root.join("project/node_modules/.bin")).unwrap();
        symlink("../x/cli.js", root.join("project/node_modules/.bin/xlint")).unwrap();
        script(&root.join("path/bin/xlint"), "#!/bin/sh\n");
        let mut workshop = Workshop {
            project_root: Some(root.join("project")),
            cache_dir: root.join("cache"),
            scratch_parent: root.clone(),
            trust: Trust::Own,
            environment: [("PATH".into(), root.join("path/bin").into_os_string())].into(),
        };
        let own = find(&linter("xlint"), &workshop).unwrap();
        assert_eq!(own.program, root.join("project/node_modules/.bin/xlint"));
        assert!(own.roots.contains(&root.join("project/node_modules")), "{:?}", own.roots);
        workshop.trust = Trust::Untrusted;
        assert_eq!(find(&linter("xlint"), &workshop).unwrap().program, root.join("path/bin/xlint"));
        assert!(find(&linter("no-such-tool"), &workshop).is_none());
    }

    #[test]
    fn usual_folders_serve_where_path_is_bare() {
        let dir = tempfile::tempdir().unwrap();
        script(&dir.path().join(".local/bin/xlint"), "#!/bin/sh\n");
        let workshop = Workshop {
            project_root: None,
            cache_dir: dir.path().join("cache"),
            scratch_parent: dir.path().to_owned(),
            trust: Trust::Own,
            environment: [("HOME".into(), dir.path().into())].into(),
        };
        let tool = find(&linter("xlint"), &workshop).unwrap();
        assert_eq!(tool.program, dir.path().join(".local/bin/xlint"));
        assert!(!tool.roots.iter().any(|root| dir.path().starts_with(root)), "the home directory stays hidden");
    }

    #[test]
    fn another_build_has_another_identity() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bin/xlint");
        let workshop = Workshop {
            project_root: None,
            cache_dir: dir.path().join("cache"),
            scratch_parent: dir.path().to_owned(),
            trust: Trust::Own,
            environment: [("PATH".into(), dir.path().join("bin").into_os_string())].into(),
        };
        script(&program, "#!/bin/sh\n");
        let first = find(&linter("xlint"), &workshop).unwrap().identity;
        assert_eq!(first, find(&linter("xlint"), &workshop).unwrap().identity);
        script(&program, "#!/bin/sh\necho 2\n");
        assert_ne!(first, find(&linter("xlint"), &workshop).unwrap().identity);
    }
}
