//! How is a parser of ours kept from doing harm? In a process of its own, in the sandbox that linters run in.

use std::{fs::File, path::Path, process::Stdio, time::Duration};

use super::{
    process::{Ended, run_reading},
    sandbox::{Limits, Program, Sandbox, detect},
};
use crate::notice::chain;

/// What a program answers to what it reads from its standard input. It sees no file but itself, no network and no
/// variable; `limits` are bytes of memory and seconds of processor time.
///
/// # Errors
/// A sentence that says how it ended, or why it did not start.
pub(crate) fn confined(
    program: &Path,
    args: &[String],
    input: File,
    (memory, cpu_seconds): (u64, u64),
    time: Duration,
) -> Result<Vec<u8>, String> {
    let program = Program {
        path: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        folder: "/".into(),
        environment: Vec::new(),
        read: vec![program.to_owned()],
        write: Vec::new(),
        limits: Limits { memory, cpu_seconds, file: 0 },
    };
    let sandbox = detect().works.first().unwrap_or(&Sandbox::None);
    let ran = run_reading(&program, sandbox, time, Stdio::from(input)).map_err(|error| chain(&error))?;
    match ran.ended {
        Ended::Exit(0) => Ok(ran.stdout),
        Ended::Exit(_) => Err(last_line(&ran.stderr).unwrap_or_else(|| "its reader failed".to_owned())),
        Ended::Signal(signal) => Err(format!("its reader was ended by signal {signal}: it broke, or passed a limit")),
        Ended::TimedOut => Err(format!("its reader took longer than {} s", time.as_secs())),
        Ended::TooMuch => Err("its text is too long".to_owned()),
    }
}

fn last_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(4_000)..]).into_owned();
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("note:"))?;
    Some(line.trim_start_matches("error: ").chars().take(200).collect())
}
