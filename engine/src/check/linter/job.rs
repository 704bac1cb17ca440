//! How is one linter run on some files, and what did it say of them?
#![expect(clippy::disallowed_methods, reason = "prepares the folders a linter runs in")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use super::{
    Trust, Workshop,
    cache::{Cache, Key},
    diagnostic::Diagnostic,
    find::Tool,
    parse::parse,
    process::{self, Ended, Ran},
    sandbox::{Limits, Program, Sandbox},
    scratch::{self, Scratch},
    spec::{Granularity, Linter, Needs, Root, Stream},
};
use crate::{
    config::LintersConfig,
    source::{Content, RepoPath, SourceFile},
};

/// One linter, some files, and the folder of the repository it is started in.
pub(super) struct Job<'s> {
    pub(super) linter: &'s Linter,
    pub(super) tool: &'s Tool,
    pub(super) sandbox: &'s Sandbox,
    pub(super) config: &'s LintersConfig,
    pub(super) workshop: &'s Workshop,
    pub(super) scratch: &'s Scratch<'s>,
    /// Empty for the repository's own root.
    pub(super) root: String,
    pub(super) files: Vec<&'s SourceFile>,
}

/// The folders above a file, the nearest first, the repository's root (empty) last.
fn above(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(file), |path| (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(up, _)| up)))
        .skip(1)
}

fn inside(folder: &str, name: &str) -> Option<RepoPath> {
    RepoPath::new(if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }).ok()
}

fn bytes(scratch: &Scratch<'_>, path: &RepoPath) -> Option<std::sync::Arc<[u8]>> {
    match scratch.read(path) {
        Ok(Some(Content::Bytes(bytes))) => Some(bytes),
        _ => None,
    }
}

/// The first file that configures the linter for one of these files.
pub(super) fn configured(linter: &Linter, files: &[&SourceFile], scratch: &Scratch<'_>) -> Option<RepoPath> {
    let folders: BTreeSet<&str> = files.iter().flat_map(|file| above(file.path.as_str())).collect();
    let by_config = |folder: &str| {
        linter.spec.config_files.iter().find_map(|config| {
            let path = inside(folder, config.path())?;
            config.accepts(&bytes(scratch, &path)?).then_some(path)
        })
    };
    let by_root = |folder: &str| {
        let mut paths = linter.spec.root_files.iter().filter_map(|name| inside(folder, name));
        paths.find(|path| bytes(scratch, path).is_some())
    };
    folders.into_iter().find_map(|folder| by_config(folder).or_else(|| by_root(folder)))
}

/// The files by the folder the linter is to be started in. Files of a project tool without such a folder are left out.
pub(super) fn roots<'s>(
    linter: &Linter,
    files: &[&'s SourceFile],
    scratch: &Scratch<'_>,
) -> BTreeMap<String, Vec<&'s SourceFile>> {
    let spec = &linter.spec;
    let is_root = |folder: &&str| {
        spec.root_files.iter().filter_map(|name| inside(folder, name)).any(|path| bytes(scratch, &path).is_some())
    };
    let mut groups = BTreeMap::<String, Vec<&SourceFile>>::new();
    for &file in files {
        let mut folders = above(file.path.as_str()).filter(is_root);
        let root = match spec.root {
            Root::Nearest => folders.next(),
            Root::Outermost => folders.last(),
        };
        let anywhere = spec.root_files.is_empty() || spec.granularity == Granularity::Files;
        if let Some(root) = root.or(anywhere.then_some("")) {
            groups.entry(root.to_owned()).or_default().push(file);
        }
    }
    groups
}

/// The folders a linter runs in.
struct Place {
    /// Where the repository's root is.
    base: PathBuf,
    home: PathBuf,
    state: PathBuf,
    /// Held while a state that stays is in use.
    #[expect(dead_code, reason = "it is held, never looked at")]
    lock: Option<fs::File>,
}

impl Job<'_> {
    /// Everything the linter says, paths relative to the repository, from the cache where it was asked the same before.
    pub(super) fn run(&self) -> Result<Vec<Diagnostic>, String> {
        let cache = Cache::new(&self.workshop.cache_dir);
        let world = self.world()?;
        match self.linter.spec.granularity {
            Granularity::Files => self.run_files(&cache, &world),
            Granularity::Project => {
                let key = self.key(&world, &self.files);
                if let Some(known) = cache.get(key) {
                    return Ok(known);
                }
                let said = self.execute(&self.files, None)?;
                self.keep(&cache, key, &said);
                Ok(said)
            }
        }
    }

    fn run_files(&self, cache: &Cache, world: &World) -> Result<Vec<Diagnostic>, String> {
        let (mut said, mut unknown) = (Vec::new(), Vec::new());
        for &file in &self.files {
            let key = self.key(world, &[file]);
            match cache.get(key) {
                Some(known) => said.extend(known),
                None => unknown.push((file, key)),
            }
        }
        // Far below what any system takes as a command line.
        for some in unknown.chunks(400) {
            let files: Vec<&SourceFile> = some.iter().map(|(file, _)| *file).collect();
            let fresh = self.execute(&files, None)?;
            for (file, key) in some {
                let own: Vec<_> = fresh.iter().filter(|one| one.path == file.path.as_str()).cloned().collect();
                self.keep(cache, *key, &own);
            }
            said.extend(fresh);
        }
        Ok(said)
    }

    /// Results of code that a stranger wrote are not kept: they could stand for another change tomorrow.
    fn keep(&self, cache: &Cache, key: Key, said: &[Diagnostic]) {
        if self.workshop.trust == Trust::Own || !self.linter.spec.runs_code {
            cache.put(key, said);
        }
    }

    /// What the linter says when one file has other content. Not cached.
    pub(super) fn run_patched(&self, patched: &SourceFile) -> Result<Vec<Diagnostic>, String> {
        match self.linter.spec.granularity {
            Granularity::Files => self.execute(&[patched], Some(patched)),
            Granularity::Project => self.execute(&self.files, Some(patched)),
        }
    }

    /// A hash over everything besides the files that a result depends on.
    fn world(&self) -> Result<World, String> {
        let mut hasher = blake3::Hasher::new();
        if self.linter.spec.needs == Needs::Tree {
            hasher.update(&self.scratch.tree()?.hash);
        } else {
            for (path, bytes) in self.configuration(&self.files) {
                hasher.update(path.as_str().as_bytes()).update(b"\0").update(blake3::hash(&bytes).as_bytes());
            }
        }
        for (name, value) in self.passed() {
            hasher.update(name.as_encoded_bytes()).update(b"=").update(value.as_encoded_bytes()).update(b"\0");
        }
        // Package managers write such a file whenever the installed packages change.
        for (_, target) in self.links() {
            let bytes = fs::read(target.join(".package-lock.json")).or_else(|_| fs::read(target.join(".modules.yaml")));
            hasher.update(blake3::hash(&bytes.unwrap_or_default()).as_bytes());
        }
        Ok(World(*hasher.finalize().as_bytes()))
    }

    fn key(&self, world: &World, files: &[&SourceFile]) -> Key {
        let head = [
            self.linter.name.as_bytes(),
            self.linter.text.as_bytes(),
            &self.tool.identity,
            &world.0,
            self.root.as_bytes(),
        ];
        let files = files.iter().flat_map(|file| [file.path.as_str().as_bytes(), &*file.bytes]);
        Key::of(head.into_iter().chain(files))
    }

    /// The configuration and root files above some files.
    fn configuration(&self, files: &[&SourceFile]) -> Vec<(RepoPath, std::sync::Arc<[u8]>)> {
        let spec = &self.linter.spec;
        let folders: BTreeSet<&str> = files.iter().flat_map(|file| above(file.path.as_str())).collect();
        let names = || {
            spec.config_files
                .iter()
                .map(super::spec::ConfigFile::path)
                .chain(spec.root_files.iter().map(String::as_str))
        };
        let paths: BTreeSet<RepoPath> =
            folders.into_iter().flat_map(|folder| names().filter_map(move |name| inside(folder, name))).collect();
        paths.into_iter().filter_map(|path| Some((path.clone(), bytes(self.scratch, &path)?))).collect()
    }

    fn execute(&self, files: &[&SourceFile], patched: Option<&SourceFile>) -> Result<Vec<Diagnostic>, String> {
        let place = self.place(files, patched)?;
        let program = self.program(&place, files);
        let time = Duration::from_secs(self.seconds());
        let ran = process::run(&program, self.sandbox, time)
            .map_err(|error| format!("not run: {}", crate::notice::chain(&error)))?;
        let mut said = self.read(&ran)?;
        said.retain(|one| !self.linter.spec.drop.iter().any(|start| one.message.starts_with(start.as_str())));
        said.retain_mut(|one| match relative(&one.path, &place.base, &self.root) {
            Some(path) => {
                one.path = path;
                true
            }
            None => false,
        });
        Ok(said)
    }

    /// What the tool says its version is.
    pub(super) fn version(&self) -> Option<String> {
        let asked = &self.linter.spec.version;
        let (base, home) = (self.scratch.folder("version-").ok()?, self.home().ok()?);
        let place = Place { state: home.clone(), base, home, lock: None };
        let mut program = self.program(&place, &[]);
        program.args = asked.iter().map(OsString::from).collect();
        let ran = process::run(&program, self.sandbox, Duration::from_secs(20)).ok();
        let ran = ran.filter(|ran| ran.ended == Ended::Exit(0) && !asked.is_empty())?;
        let text = [ran.stdout, ran.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| line.bytes().any(|byte| byte.is_ascii_digit()))?;
        Some(line.chars().filter(|c| !c.is_control()).take(80).collect::<String>().trim().to_owned())
    }

    /// A home directory of its own, with links to what the linter may read of the user's.
    fn home(&self) -> std::io::Result<PathBuf> {
        let home = self.scratch.folder("home-")?;
        fs::create_dir(home.join("tmp"))?;
        for (name, target) in self.home_reads() {
            link(&target, &home.join(name))?;
        }
        Ok(home)
    }

    fn seconds(&self) -> u64 {
        self.config.timeout_seconds.saturating_mul(self.linter.spec.patience)
    }

    fn place(&self, files: &[&SourceFile], patched: Option<&SourceFile>) -> Result<Place, String> {
        let failed = |error: std::io::Error| format!("not run: cannot prepare its folders: {error}");
        let (state, lock) = self.state().map_err(failed)?;
        let home = self.home().map_err(failed)?;
        let replaced = patched.map(|file| (&file.path, &*file.bytes));
        let base = match (self.linter.spec.needs, self.linter.spec.writes_tree, replaced) {
            (Needs::Files, ..) => self.files_only(files).map_err(failed)?,
            (Needs::Tree, true, replaced) => {
                let own = state.join("tree");
                self.scratch.synchronize(&own, "target", replaced)?;
                own
            }
            (Needs::Tree, false, Some((path, bytes))) => self.scratch.replaced(path, bytes)?,
            (Needs::Tree, false, None) => self.scratch.tree()?.root.clone(),
        };
        for (name, target) in self.links().into_iter().map(|(name, target)| (base.join(name), target)) {
            link(&target, &name).map_err(failed)?;
        }
        Ok(Place { base, home, state, lock })
    }

    /// A folder that stays from run to run, and the right to use it. For a change by others it is a new one each time:
    /// what their code leaves there must not meet anybody else's.
    fn state(&self) -> std::io::Result<(PathBuf, Option<fs::File>)> {
        if self.workshop.trust == Trust::Untrusted {
            return Ok((self.scratch.folder("state-")?, None));
        }
        let project = self.workshop.project_root.as_deref().unwrap_or(Path::new(""));
        let hash = Key::of([project.as_os_str().as_encoded_bytes(), self.root.as_bytes()]);
        let folder = self.workshop.cache_dir.join("state").join(&self.linter.name).join(hash.short());
        fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let lock = fs::File::create(folder.with_extension("lock"))?;
        lock.lock()?;
        Ok((folder, Some(lock)))
    }

    fn files_only(&self, files: &[&SourceFile]) -> std::io::Result<PathBuf> {
        let base = self.scratch.folder("files-")?;
        for (path, bytes) in self.configuration(files) {
            scratch::write(&base, &path, &bytes)?;
        }
        for file in files {
            scratch::write(&base, &file.path, &file.bytes)?;
        }
        Ok(base)
    }

    /// Folders of the project that git does not know and the linter needs: their place in the tree, and where they are.
    fn links(&self) -> Vec<(PathBuf, PathBuf)> {
        let Some(project) = self.workshop.project_root.as_ref().filter(|_| self.workshop.trust == Trust::Own) else {
            return Vec::new();
        };
        let folders: BTreeSet<&str> = self.files.iter().flat_map(|file| above(file.path.as_str())).collect();
        let names = folders
            .into_iter()
            .flat_map(|folder| self.linter.spec.links.iter().map(move |name| Path::new(folder).join(name)));
        names.map(|name| (name.clone(), project.join(name))).filter(|(_, target)| target.is_dir()).collect()
    }

    /// What the linter may read below the home directory: where it expects it, and where it is.
    fn home_reads(&self) -> Vec<(&str, PathBuf)> {
        let home = self.workshop.home();
        let place = |read: &super::spec::HomeRead| {
            let moved = read.env.as_ref().and_then(|name| self.workshop.variable(name)).map(PathBuf::from);
            let moved = moved.map(|folder| read.below.as_ref().map_or(folder.clone(), |below| folder.join(below)));
            moved.or_else(|| Some(home.as_ref()?.join(&read.path))).filter(|path| path.exists())
        };
        self.linter.spec.home.iter().filter_map(|read| Some((read.path.as_str(), place(read)?))).collect()
    }

    fn passed(&self) -> Vec<(OsString, OsString)> {
        let names = self.linter.spec.env_pass.iter();
        names.filter_map(|name| Some((OsString::from(name), self.workshop.variable(name)?.clone()))).collect()
    }

    fn program(&self, place: &Place, files: &[&SourceFile]) -> Program {
        let spec = &self.linter.spec;
        let mut read: Vec<PathBuf> = self.tool.roots.iter().cloned().collect();
        read.push(place.base.clone());
        read.extend(
            self.links()
                .into_iter()
                .chain(self.home_reads().into_iter().map(|(name, path)| (name.into(), path)))
                .map(|(_, path)| path),
        );
        let mut write = vec![place.home.clone(), place.state.clone()];
        write.extend(spec.writes_tree.then(|| place.base.clone()));
        let seconds = self.seconds().saturating_mul(4);
        Program {
            path: self.tool.program.clone(),
            args: self.arguments(place, files),
            folder: place.base.join(&self.root),
            environment: self.environment(place),
            read,
            write,
            limits: Limits { memory: spec.memory_mib << 20, cpu_seconds: seconds.max(1), file: 1 << 30 },
        }
    }

    fn environment(&self, place: &Place) -> Vec<(OsString, OsString)> {
        let path = std::env::join_paths(&self.tool.path).unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
        let mut variables: BTreeMap<OsString, OsString> = [
            ("PATH", path),
            ("HOME", place.home.clone().into()),
            ("TMPDIR", place.home.join("tmp").into()),
            ("LANG", "C.UTF-8".into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("NO_COLOR", "1".into()),
            ("CI", "true".into()),
        ]
        .map(|(name, value)| (name.into(), value))
        .into();
        variables.extend(self.passed());
        let set = self.linter.spec.env.iter();
        variables.extend(set.map(|(name, value)| (name.into(), self.filled(value, place).into())));
        variables.into_iter().collect()
    }

    fn arguments(&self, place: &Place, files: &[&SourceFile]) -> Vec<OsString> {
        let config = self.config_path(place);
        let mut arguments: Vec<OsString> = Vec::new();
        for argument in &self.linter.spec.args {
            if argument == "{files}" {
                arguments.extend(files.iter().map(|file| self.below_root(&file.path)));
            } else if argument.contains("{config}") && config.is_none() {
                if arguments.last().is_some_and(|last| last.as_encoded_bytes().starts_with(b"-"))
                    && argument == "{config}"
                {
                    arguments.pop();
                }
            } else {
                arguments.push(self.filled(argument, place).into());
            }
        }
        arguments
    }

    /// A path as seen from the folder the linter is started in; never taken for a flag.
    fn below_root(&self, path: &RepoPath) -> OsString {
        let path = path.as_str();
        let below = path.strip_prefix(&self.root).map_or(path, |rest| rest.trim_start_matches('/'));
        format!("./{below}").into()
    }

    fn filled(&self, text: &str, place: &Place) -> String {
        let show = |path: &Path| path.display().to_string();
        let mut text = text
            .replace("{state}", &show(&place.state))
            .replace("{home}", &show(&place.home))
            .replace("{root}", &show(&place.base.join(&self.root)));
        if let Some(config) = self.config_path(place).filter(|_| text.contains("{config}")) {
            text = text.replace("{config}", &show(&config));
        }
        text
    }

    fn config_path(&self, place: &Place) -> Option<PathBuf> {
        let probe = if self.root.is_empty() { "x".to_owned() } else { format!("{}/x", self.root) };
        let found = above(&probe).find_map(|folder| {
            self.linter.spec.config_files.iter().find_map(|config| {
                let path = inside(folder, config.path())?;
                config.accepts(&bytes(self.scratch, &path)?).then_some(path)
            })
        });
        found.map(|path| place.base.join(path))
    }

    /// What the output says, if the tool ended as it does when it ran.
    fn read(&self, ran: &Ran) -> Result<Vec<Diagnostic>, String> {
        let exit = &self.linter.spec.exit;
        let why = || last_words(ran);
        match ran.ended {
            Ended::TimedOut => Err(format!("took longer than {} seconds; see linters.timeout_seconds", self.seconds())),
            Ended::TooMuch => Err("said more than 64 MiB and was ended".to_owned()),
            Ended::Signal(signal) => {
                Err(format!("was ended by signal {signal}: a crash, or more than it may use{}", why()))
            }
            Ended::Exit(code) if exit.clean.contains(&code) || exit.found.contains(&code) => {
                let output = if self.linter.spec.output.stream == Stream::Stderr { &ran.stderr } else { &ran.stdout };
                let said = parse(self.linter, output).map_err(|error| format!("{error}{}", why()))?;
                match said.is_empty() && !exit.clean.contains(&code) {
                    true => Err(format!("ended with code {code}, but nothing it said can be read{}", why())),
                    false => Ok(said),
                }
            }
            Ended::Exit(code) => Err(format!("failed with code {code}{}", why())),
        }
    }
}

/// [`Job::world`]'s hash.
struct World([u8; 32]);

/// The end of what a program said about its failure, fit for one line of a terminal.
fn last_words(ran: &Ran) -> String {
    let stream = if ran.stderr.trim_ascii().is_empty() { &ran.stdout } else { &ran.stderr };
    let text = String::from_utf8_lossy(stream);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines[lines.len().saturating_sub(4)..].join(" | ");
    let words: String = words.chars().filter(|c| !c.is_control()).take(400).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}

/// A link that may be there already.
fn link(target: &Path, name: &Path) -> std::io::Result<()> {
    if let Some(folder) = name.parent() {
        fs::create_dir_all(folder)?;
    }
    match scratch::symlink(target, name) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// The path a tool names, seen from the repository's root; none when it is not inside.
fn relative(path: &str, base: &Path, root: &str) -> Option<String> {
    let path = Path::new(path.strip_prefix("file://").unwrap_or(path));
    let below = if path.is_absolute() { path.strip_prefix(base).ok()?.to_owned() } else { Path::new(root).join(path) };
    let mut parts = Vec::new();
    for part in below.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    RepoPath::new(parts.join("/")).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_repository() {
        let of = |path: &str, root: &str| relative(path, Path::new("/s/tree"), root);
        assert_eq!(of("/s/tree/a/b.py", ""), Some("a/b.py".into()));
        assert_eq!(of("./src/lib.rs", "crates/x"), Some("crates/x/src/lib.rs".into()));
        assert_eq!(of("../y.rs", "crates/x"), Some("crates/y.rs".into()));
        assert_eq!(of("/etc/passwd", ""), None);
        assert_eq!(of("../../etc/passwd", "a"), None);
    }

    #[test]
    fn folders_above_a_file_end_at_the_root() {
        assert_eq!(above("a/b/c.py").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(above("c.py").collect::<Vec<_>>(), [""]);
    }
}
