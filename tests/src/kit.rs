//! What the tests share: real repositories, the real git, and the built command.
#![expect(clippy::disallowed_methods, reason = "tests make files, run programs and say what their environment is")]

pub mod site;
pub mod speaker;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The built `apprentice`: next to the running test, where cargo puts it.
///
/// # Panics
/// When it is not there; `cargo test -p apprentice-tests` alone does not build it.
pub fn binary() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/");
    let path = profile.join(format!("apprentice{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "`{}` is missing: run `cargo build` with the same profile first", path.display());
    path
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    /// Both streams, for looking something up in what was said.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The same, if it said this.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn expect_said(self, words: &str) -> Self {
        assert!(self.said().contains(words), "`{words}` is not in\nstdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// A folder of its own with a home of its own, gone when dropped. Nothing of the machine's git configuration or
/// environment is seen inside.
pub struct TempRepo {
    home: tempfile::TempDir,
    root: PathBuf,
    variables: Vec<(String, std::ffi::OsString)>,
}

impl TempRepo {
    /// An empty folder that is no repository.
    pub fn bare_folder() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let root = home.path().canonicalize().expect("its real path").join("repo");
        fs::create_dir(&root).expect("a folder");
        Self { home, root, variables: Vec::new() }
    }

    /// An initialized repository on branch `main` without a commit.
    pub fn empty() -> Self {
        Self::init(&[])
    }

    /// The same with further arguments for `git init`.
    pub fn init(arguments: &[&str]) -> Self {
        let repo = Self::bare_folder();
        repo.git(&[&["init", "--quiet", "--initial-branch=main"], arguments].concat());
        repo
    }

    /// A repository with one commit of these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::empty();
        for (path, text) in files {
            repo.write(path, text);
        }
        repo.commit_all("start");
        repo
    }

    /// The root of the work tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds the work tree and serves as the user's home; room for clones beside the repository.
    pub fn home(&self) -> PathBuf {
        self.home.path().canonicalize().expect("the temporary folder")
    }

    /// The same home seen from another folder, such as a clone or a linked work tree.
    ///
    /// # Panics
    /// When the temporary folder cannot be looked at.
    pub fn at(&self, folder: impl AsRef<Path>) -> Elsewhere<'_> {
        Elsewhere { repo: self, folder: self.home().join(folder) }
    }

    /// Every later program of this repository sees this variable.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
    }

    /// Writes a file of the work tree and the folders it lies in.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let full = self.root.join(path);
        fs::create_dir_all(full.parent().expect("a folder")).expect("folders");
        fs::write(&full, bytes).unwrap_or_else(|error| panic!("{}: {error}", full.display()));
    }

    /// The bytes of a file of the work tree.
    pub fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let full = self.root.join(path);
        fs::read(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()))
    }

    /// The text of a file of the work tree.
    #[track_caller]
    pub fn text(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(path)).expect("a text")
    }

    /// A path in the work tree.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file that may be run.
    #[cfg(unix)]
    pub fn write_program(&self, path: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).expect("permissions of our own file");
    }

    /// A command in the root of the work tree, in an environment that tells it nothing of this machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.command_in(Path::new(program.as_ref()), &self.root)
    }

    /// Runs git in the work tree, however it ends.
    pub fn try_git(&self, arguments: &[&str]) -> Ran {
        self.at("repo").try_git(arguments)
    }

    /// Exactly what `git show` prints for an object: `:a.txt` is a file of the index, `HEAD:a.txt` of the last commit.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn show(&self, object: &str) -> String {
        self.try_git(&["show", object]).expect_code(0).out
    }

    /// Writes and stages a file.
    pub fn stage(&self, path: &str, bytes: impl AsRef<[u8]>) {
        self.write(path, bytes);
        self.git(&["add", "--force", "--", path]);
    }

    /// Stages everything and commits it.
    pub fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    /// What git printed, without the newline at its end.
    ///
    /// # Panics
    /// When git failed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.at("repo").git(arguments)
    }

    /// Runs the built `apprentice` in the work tree.
    pub fn apprentice(&self, arguments: &[&str]) -> Ran {
        self.at("repo").apprentice(arguments)
    }

    /// The same with something on its standard input.
    pub fn apprentice_reading(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.at("repo").run(&binary(), arguments, input)
    }

    /// Every byte that a review must leave alone: the work tree, the index, the refs.
    pub fn state(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut state = BTreeMap::new();
        collect(&self.root, &mut state);
        state.retain(|path, _| {
            let inside = |name: &str| path.starts_with(self.root.join(".git").join(name));
            !(inside("objects") || inside("apprentice"))
        });
        state
    }

    fn command_in(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear();
        for name in ["PATH", "TMPDIR", "SYSTEMROOT"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        let home = self.home();
        command.envs([("HOME", home.as_os_str()), ("XDG_CONFIG_HOME", home.join(".config").as_os_str())]).envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_EDITOR", "true"),
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.com"),
            ("GIT_AUTHOR_DATE", "2024-01-02T03:04:05Z"),
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.com"),
            ("GIT_COMMITTER_DATE", "2024-01-02T03:04:05Z"),
            ("LC_ALL", "C"),
        ]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A [`TempRepo`]'s home seen from one of its folders.
pub struct Elsewhere<'a> {
    repo: &'a TempRepo,
    folder: PathBuf,
}

impl Elsewhere<'_> {
    /// Where this is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What git printed, without the newline at its end.
    ///
    /// # Panics
    /// When git failed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let ran = self.try_git(arguments).expect_code(0);
        ran.out.trim_end_matches('\n').to_owned()
    }

    /// Runs git, however it ends.
    pub fn try_git(&self, arguments: &[&str]) -> Ran {
        let mut command = self.repo.command_in(Path::new("git"), &self.folder);
        command.args(["-c", "protocol.file.allow=always"]).args(arguments);
        run(command, b"")
    }

    /// The same with something on its standard input.
    pub fn try_git_reading(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.run(Path::new("git"), arguments, input)
    }

    /// Runs the built `apprentice` here.
    pub fn apprentice(&self, arguments: &[&str]) -> Ran {
        let mut command = self.repo.command_in(&binary(), &self.folder);
        command.args(arguments);
        run(command, b"")
    }

    fn run(&self, program: &Path, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.repo.command_in(program, &self.folder);
        command.args(arguments);
        run(command, input)
    }
}

/// Runs a command to its end, with this on its standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run(mut command: Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // A program may end without reading all of its input.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the program's end").into()
    })
}

/// A program of the test machine, or `None` after saying loudly that a test is left out for want of it.
///
/// # Panics
/// When it is missing although `APPRENTICE_REQUIRE_TOOLS=1` says that it must not be.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    if found.is_none() {
        let required = env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "`{name}` is not on PATH; scripts/test-tools.sh installs it");
        eprintln!("LEFT OUT: `{name}` is not on PATH; scripts/test-tools.sh installs it");
    }
    found
}

fn collect(folder: &Path, state: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind of file"));
        if kind.is_dir() {
            collect(&path, state);
        } else if kind.is_symlink() {
            state.insert(path.clone(), fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes());
        } else {
            state.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}
