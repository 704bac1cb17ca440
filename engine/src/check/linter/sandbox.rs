//! How is a tool kept from doing harm?
//!
//! Invariants of a sandboxed tool: it sees no variable that was not given to it, reads nothing of the user's home
//! directory that its file does not name, writes nowhere but in its private folders, reaches no network, and does not
//! outlive the review. [`detect`] believes none of the ways until it has seen it hold.
#![expect(clippy::disallowed_methods, reason = "one of the modules that may start processes")]

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

#[cfg(target_os = "linux")]
mod kernel;

/// A way to keep a tool from doing harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandbox {
    /// bubblewrap: namespaces of its own for files, processes, network and users.
    Bubblewrap(PathBuf),
    /// The kernel's Landlock for files and a seccomp filter for the network.
    Landlock,
    /// None: only a clean environment, limits and a private home directory.
    None,
}

/// What this machine can do.
#[derive(Debug, Clone)]
pub struct Found {
    /// Every way that holds, the best one first.
    pub works: Vec<Sandbox>,
    /// Why the others do not, by name.
    pub refused: Vec<(&'static str, String)>,
}

/// Limits that hold with and without a sandbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Writable memory, in bytes.
    pub(super) memory: u64,
    /// Processor time of one process, in seconds.
    pub(super) cpu_seconds: u64,
    /// The longest file it may write, in bytes.
    pub(super) file: u64,
}

/// A program and what it may touch.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Files and folders it may read and run.
    pub(super) read: Vec<PathBuf>,
    /// Folders it may write.
    pub(super) write: Vec<PathBuf>,
    pub(super) limits: Limits,
}

/// Why a program could not be put into a sandbox.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    /// A file or pipe could not be made.
    #[error("cannot prepare the sandbox")]
    Io(#[from] io::Error),
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Kernel(String),
}

/// What every program needs of the system: no home directories, no secrets of services.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/lib32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/os-release",
    "/etc/mime.types",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/certs",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/openssl.cnf",
    "/etc/php",
    "/etc/ruby",
];

impl Sandbox {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bubblewrap(_) => "bubblewrap",
            Self::Landlock => "landlock",
            Self::None => "none",
        }
    }

    /// The program as a command that starts inside, in a process group of its own.
    pub(super) fn command(&self, program: &Program) -> Result<Command, SandboxError> {
        let mut command = match self {
            Self::Bubblewrap(bwrap) => bubblewrap(bwrap, program),
            Self::Landlock | Self::None => {
                let mut command = Command::new(&program.path);
                command.args(&program.args).current_dir(&program.folder);
                command
            }
        };
        command.env_clear().envs(program.environment.iter().map(|(name, value)| (name, value)));
        self.confine(&mut command, program)?;
        Ok(command)
    }

    #[cfg(target_os = "linux")]
    fn confine(&self, command: &mut Command, program: &Program) -> Result<(), SandboxError> {
        let guard = match self {
            Self::Landlock => Some(kernel::guard(&readable(program), &program.write)?),
            Self::Bubblewrap(_) | Self::None => None,
        };
        kernel::before_start(command, program.limits, guard);
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn confine(&self, command: &mut Command, _: &Program) -> Result<(), SandboxError> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let _ = command;
        Ok(())
    }
}

fn readable(program: &Program) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).chain(program.read.iter().cloned()).collect();
    paths.retain(|path| path.exists());
    // Parents first, so that a mount below another one is not hidden by it.
    paths.sort();
    paths.dedup();
    paths
}

fn bubblewrap(bwrap: &Path, program: &Program) -> Command {
    let mut command = Command::new(bwrap);
    command.args(["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    command.args(["--hostname", "sandbox", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    for path in readable(program) {
        command.arg("--ro-bind").args([&path, &path]);
    }
    for path in &program.write {
        command.arg("--bind").args([path, path]);
    }
    command.arg("--remount-ro").arg("/").arg("--chdir").arg(&program.folder);
    command.arg("--").arg(&program.path).args(&program.args);
    command
}

/// What this machine can do, tried once for the whole process: inside each sandbox a shell must be able to read what
/// it may, and must fail to read, write and reach what it may not.
pub fn detect() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Found { works: Vec::new(), refused: Vec::new() };
        for sandbox in candidates() {
            match probe(&sandbox) {
                Ok(()) => found.works.push(sandbox),
                Err(why) => found.refused.push((sandbox.name(), why)),
            }
        }
        if !found.works.iter().chain(&candidates()).any(|sandbox| sandbox.name() == "bubblewrap") {
            found.refused.push(("bubblewrap", "`bwrap` is not installed".to_owned()));
        }
        found
    })
}

fn candidates() -> Vec<Sandbox> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let folders = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];
    let bwrap = folders.iter().map(|folder| Path::new(folder).join("bwrap")).find(|path| path.is_file());
    bwrap.map(Sandbox::Bubblewrap).into_iter().chain([Sandbox::Landlock]).collect()
}

const PROBE: &str = "cat open/file >/dev/null && ! cat hidden/file 2>/dev/null && ! echo x 2>/dev/null >open/new \
    && ! echo x 2>/dev/null >hidden/new && echo held";

fn probe(sandbox: &Sandbox) -> Result<(), String> {
    let attempt = || -> Result<(), SandboxError> {
        let dir = tempfile::tempdir()?;
        let (open, hidden) = (dir.path().join("open"), dir.path().join("hidden"));
        for folder in [&open, &hidden] {
            fs::create_dir(folder)?;
            fs::write(folder.join("file"), "x")?;
        }
        let program = Program {
            path: "/bin/sh".into(),
            args: ["-c".into(), format!("cd .. 2>/dev/null; {}", PROBE).into()].into(),
            folder: open.clone(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            read: vec![open],
            write: Vec::new(),
            limits: Limits { memory: 1 << 30, cpu_seconds: 5, file: 1 << 20 },
        };
        let output = sandbox.command(&program)?.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.stdout.trim_ascii() == b"held" {
            true => Ok(()),
            false => {
                Err(SandboxError::Kernel(if said.is_empty() { "the probe was not held".to_owned() } else { said }))
            }
        }
    };
    attempt().map_err(|error| crate::notice::chain(&error))
}
