//! What did the program print, and how did it end?

use std::{
    io::Read,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::sandbox::{Program, Sandbox, SandboxError};

/// The most one stream of a program may say, in bytes.
const MOST: u64 = 64 << 20;

/// How long a stream may stay open once its program is over.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a program printed and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself.
    Exit(i32),
    /// By a signal that was not ours: a crash, or a limit.
    Signal(i32),
    /// By us, because its time was over.
    TimedOut,
    /// By us, because it said more than can be read.
    TooMuch,
}

/// Runs a program to its end, or to the end of its time; then everything it started is gone.
///
/// # Errors
/// [`SandboxError`] when it could not be started.
pub(super) fn run(program: &Program, sandbox: &Sandbox, time: Duration) -> Result<Ran, SandboxError> {
    run_reading(program, sandbox, time, Stdio::null())
}

/// The same with something on its standard input.
///
/// # Errors
/// [`SandboxError`] when it could not be started.
pub(super) fn run_reading(
    program: &Program,
    sandbox: &Sandbox,
    time: Duration,
    input: Stdio,
) -> Result<Ran, SandboxError> {
    let mut command = sandbox.command(program)?;
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let overflow = Arc::new(AtomicBool::new(false));
    let streams = (listen(child.stdout.take(), &overflow), listen(child.stderr.take(), &overflow));
    let ended = wait(&mut child, time, &overflow)?;
    match (streams.0.recv_timeout(PATIENCE), streams.1.recv_timeout(PATIENCE)) {
        (Ok(stdout), Ok(stderr)) => Ok(Ran { ended, stdout, stderr }),
        _ => Ok(Ran { ended: Ended::TimedOut, stdout: Vec::new(), stderr: Vec::new() }),
    }
}

/// Reads a stream to its end, aside. Without a sandbox a tool can leave a process behind that keeps the stream open;
/// whoever listens then goes on without it.
fn listen(stream: Option<impl Read + Send + 'static>, overflow: &Arc<AtomicBool>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    let overflow = Arc::clone(overflow);
    thread::spawn(move || sender.send(read(stream, &overflow)));
    receiver
}

fn read(stream: Option<impl Read>, overflow: &AtomicBool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // A stream that breaks off leaves what it gave; how the process ended tells the rest.
        let _ = stream.take(MOST + 1).read_to_end(&mut bytes);
    }
    if bytes.len() as u64 > MOST {
        overflow.store(true, Ordering::Relaxed);
    }
    bytes
}

fn wait(child: &mut Child, time: Duration, overflow: &AtomicBool) -> Result<Ended, SandboxError> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        // Asked before the group is ended: once the child is reaped its number may belong to another process.
        let cut = match (overflow.load(Ordering::Relaxed), start.elapsed() > time) {
            (true, _) => Some(Ended::TooMuch),
            (_, true) => Some(Ended::TimedOut),
            _ => None,
        };
        if let Some(cut) = cut {
            end_group(child);
            child.wait()?;
            return Ok(cut);
        }
        if let Some(status) = exited(child)? {
            return Ok(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

#[cfg(unix)]
fn exited(child: &mut Child) -> Result<Option<Ended>, SandboxError> {
    use std::os::unix::process::ExitStatusExt as _;
    if !is_over(child) {
        return Ok(None);
    }
    // The leader is over but not reaped, so the group's number is still ours: end whatever it left behind.
    end_group(child);
    let status = child.wait()?;
    Ok(Some(status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or_default()), Ended::Exit)))
}

#[cfg(unix)]
fn is_over(child: &Child) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid(child).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}

#[cfg(unix)]
fn pid(child: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(child.id()).ok()?)
}

#[cfg(unix)]
fn end_group(child: &mut Child) {
    if let Some(pid) = pid(child) {
        // The only failure is that nobody is left.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn exited(child: &mut Child) -> Result<Option<Ended>, SandboxError> {
    Ok(child.try_wait()?.map(|status| Ended::Exit(status.code().unwrap_or(-1))))
}

#[cfg(not(unix))]
fn end_group(child: &mut Child) {
    // The only failure is that it is over already.
    let _ = child.kill();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::check::linter::sandbox::{Limits, detect};

    fn shell(script: &str, folder: &std::path::Path) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            folder: folder.to_owned(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            read: vec![folder.to_owned()],
            write: Vec::new(),
            limits: Limits { memory: 1 << 30, cpu_seconds: 5, file: 1 << 20 },
        }
    }

    fn everywhere() -> impl Iterator<Item = Sandbox> {
        detect().works.iter().cloned().chain([Sandbox::None])
    }

    #[test]
    fn both_streams_and_the_exit_code_come_back() {
        let dir = tempfile::tempdir().unwrap();
        for sandbox in everywhere() {
            let ran = run(&shell("echo a; echo b >&2; exit 3", dir.path()), &sandbox, Duration::from_secs(9)).unwrap();
            assert_eq!(
                (ran.ended, &*ran.stdout, &*ran.stderr),
                (Ended::Exit(3), &b"a\n"[..], &b"b\n"[..]),
                "{sandbox:?}"
            );
        }
    }

    #[test]
    fn time_that_is_over_ends_the_children_too() {
        let dir = tempfile::tempdir().unwrap();
        for sandbox in everywhere() {
            let start = Instant::now();
            let ran = run(&shell("sleep 60 & sleep 60", dir.path()), &sandbox, Duration::from_millis(300)).unwrap();
            assert_eq!(ran.ended, Ended::TimedOut, "{sandbox:?}");
            assert!(start.elapsed() < Duration::from_secs(9), "{sandbox:?}: a child kept the pipe open");
        }
    }

    #[test]
    fn what_a_tool_leaves_behind_is_ended_with_it() {
        let dir = tempfile::tempdir().unwrap();
        for sandbox in everywhere() {
            let start = Instant::now();
            let ran = run(&shell("sleep 60 & exit 0", dir.path()), &sandbox, Duration::from_secs(30)).unwrap();
            assert_eq!(ran.ended, Ended::Exit(0), "{sandbox:?}");
            assert!(start.elapsed() < Duration::from_secs(9), "{sandbox:?}");
        }
    }

    #[test]
    fn the_environment_is_empty_but_for_what_is_given() {
        let dir = tempfile::tempdir().unwrap();
        for sandbox in everywhere() {
            let ran = run(&shell("env", dir.path()), &sandbox, Duration::from_secs(9)).unwrap();
            let text = String::from_utf8(ran.stdout).unwrap();
            let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
            assert!(names.iter().all(|name| ["PATH", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)), "{names:?}");
        }
    }
}
