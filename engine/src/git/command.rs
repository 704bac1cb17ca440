//! What does the git command say, where libgit2 cannot? Indexes it does not know, objects that must be fetched.
//!
//! The one module that starts git. It never writes the index: optional locks are off, and only reading commands run,
//! besides fetching into a bare mirror of our own.
#![expect(clippy::disallowed_methods, reason = "the one module that starts git")]

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{FetchError, Remote, Repository, error::GitError, objects::Entry};
use crate::{
    change::{FileChange, Status, diff::parse},
    notice::Notice,
    source::RepoPath,
};

/// So that the output depends on no one's configuration, and no program is run that it names.
const DIFF: [&str; 13] = [
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--full-index",
    "--find-renames",
    "--find-copies",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "--no-relative",
    "--unified=3",
    "--inter-hunk-context=0",
];

impl Repository {
    fn command(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = Command::new("git");
        command.args(["--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false"]).args(arguments);
        command.env("GIT_DIR", &self.git_dir).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(work_dir) = &self.work_dir {
            command.env("GIT_WORK_TREE", work_dir).current_dir(work_dir);
        }
        let output = command.output().map_err(|error| GitError(format!("the git command does not start: {error}")))?;
        if output.status.success() { Ok(output.stdout) } else { Err(complaint(&output.stderr)) }
    }

    /// The files that differ between two sides, as `git diff` is told them.
    pub(super) fn command_diff(&self, sides: &[&str]) -> Result<(Vec<FileChange>, Vec<Notice>), GitError> {
        Ok(parse(&self.command(&[&DIFF, sides, &["--"]].concat())?))
    }

    /// Every entry of the index; folders of a sparse index as the files below them.
    pub(super) fn command_entries(&self) -> Result<Vec<Entry>, GitError> {
        let listed = self.command(&["ls-files", "--stage", "-z"])?;
        let mut entries: Vec<Entry> = listed.split(|&byte| byte == 0).filter_map(entry).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    /// Files of the work tree that the index does not have and that are not ignored, as added.
    pub(super) fn command_untracked(&self) -> Result<Vec<FileChange>, GitError> {
        let listed = self.command(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let paths = listed.split(|&byte| byte == 0).filter_map(|path| RepoPath::new(path).ok());
        Ok(paths.map(|path| FileChange { status: Status::Added, ..FileChange::whole(path, None) }).collect())
    }

    /// Has git fetch what a partial clone lacks for reading this. In other repositories nothing is done.
    pub(super) fn fetch_for(&self, reading: &[&str]) -> Result<(), GitError> {
        if !self.is_partial() {
            return Ok(());
        }
        self.command(reading).map(drop)
    }

    /// Has git fetch one object that a partial clone lacks.
    pub(super) fn fetch_object(&self, id: &str) -> Result<(), GitError> {
        self.fetch_for(&["cat-file", "-e", id])
    }
}

/// What git said, as one line.
fn complaint(said: &[u8]) -> GitError {
    let said = String::from_utf8_lossy(said);
    let lines = said.lines().map(|line| line.trim_start_matches("fatal: ").trim_start_matches("error: "));
    GitError(lines.filter(|line| !line.is_empty()).take(3).collect::<Vec<_>>().join("; "))
}

/// No one's configuration, no program but git, no address but the one given.
#[rustfmt::skip]
const ALONE: [&str; 19] = [
    "--no-pager",
    "-c", "credential.helper=",
    "-c", "core.hooksPath=/dev/null",
    "-c", "http.followRedirects=false",
    "-c", "protocol.allow=never",
    "-c", "protocol.https.allow=always",
    "-c", "protocol.http.allow=always",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "fetch.unpackLimit=1",
];

/// Fetches commits with their trees and no history into the bare repository at `folder`.
pub(super) fn fetch(folder: &Path, remote: &Remote, commits: &[&str]) -> Result<(), FetchError> {
    let options =
        ["fetch", "--depth=1", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--quiet", "--"];
    speak(folder, remote, &[&options[..], &[&remote.url], commits].concat())
}

/// Sends what a refspec names.
pub(super) fn push(folder: &Path, remote: &Remote, refspec: &str) -> Result<(), FetchError> {
    speak(folder, remote, &["push", "--quiet", "--recurse-submodules=no", "--", &remote.url, refspec])
}

/// Runs one command of git that speaks to a remote, with nothing around it that could change what it does.
fn speak(folder: &Path, remote: &Remote, arguments: &[&str]) -> Result<(), FetchError> {
    let mut command = Command::new("git");
    command.args(ALONE).args(arguments).env_clear();
    for name in ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs([
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ASKPASS", ""),
    ]);
    command.env("GIT_DIR", folder);
    if let Some(authorization) = &remote.authorization {
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "http.extraHeader");
        command.env("GIT_CONFIG_VALUE_0", format!("Authorization: {authorization}"));
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let starts = |error| FetchError::Git(GitError(format!("the git command does not start: {error}")));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(starts)?;
    let before = packed(folder);
    let done = watch(child, remote, || packed(folder).saturating_sub(before));
    if done.is_err() {
        drop_partial_packs(folder);
    }
    done
}

/// Waits for git, and kills it with everything it started when it takes too long or brings too much.
fn watch(mut child: Child, remote: &Remote, brought: impl Fn() -> u64) -> Result<(), FetchError> {
    let mut stderr = child.stderr.take();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stderr) = &mut stderr {
            let _ = stderr.take(64 * 1024).read_to_end(&mut said);
        }
        said
    });
    let (started, mut pause) = (Instant::now(), Duration::from_millis(2));
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if brought() > remote.most_bytes => break Err(FetchError::TooLarge(remote.most_bytes)),
            Ok(None) if started.elapsed() > remote.patience => break Err(FetchError::TooSlow(remote.patience)),
            Ok(None) => std::thread::sleep(pause),
            Err(error) => break Err(FetchError::Git(GitError(error.to_string()))),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    if ended.is_err() {
        kill(&mut child);
    }
    let said = said.join().unwrap_or_default();
    if ended?.success() { Ok(()) } else { Err(FetchError::Git(complaint(&said))) }
}

fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Bytes of the packs of a repository, half-fetched ones included.
fn packed(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder.join("objects/pack")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn drop_partial_packs(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("objects/pack")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("tmp_") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let _ = std::fs::remove_file(folder.join("shallow.lock"));
}

/// `MODE ID STAGE<tab>PATH`; none for an unmerged path and for one that is not UTF-8.
fn entry(line: &[u8]) -> Option<Entry> {
    let tab = memchr::memchr(b'\t', line)?;
    let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
    let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
    let mode = u32::from_str_radix(mode, 8).ok()?;
    (stage == "0").then_some(())?;
    Some((RepoPath::new(&line[tab + 1..]).ok()?, git2::Oid::from_str(id).ok()?, mode))
}
