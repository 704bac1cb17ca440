//! `apprentice bot …` and `apprentice train …`: another of our programs, found beside this one or on PATH.
#![expect(clippy::disallowed_methods, reason = "starts the programs that belong to this one")]

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Result, anyhow};

use crate::env;

/// Runs it with these arguments, in its own words and with its own exit code. `folder` is where it is built.
pub(crate) fn run(name: &str, folder: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let beside =
        env::program().map(|program| program.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name));
    let status = Command::new(&program).args(arguments).status().map_err(|error| {
        anyhow!("cannot run `{name}`: {error}; `cargo install --path {folder}` puts it beside this program")
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::from(130), ExitCode::from))
}
