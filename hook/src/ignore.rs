//! `apprentice ignore`

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    args::{Args, Ignore, IgnoreCommand},
    files, review,
    setup::{self, Setup},
};

pub(crate) fn run(args: &Args, ignore: &Ignore) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    match &ignore.command {
        IgnoreCommand::List => review::print(&files::read_if_there(&setup.ignore_path())?.unwrap_or_default())?,
        IgnoreCommand::Add { patterns } => add(&setup, patterns)?,
        IgnoreCommand::Check { paths } => return check(&setup, paths),
    }
    Ok(ExitCode::SUCCESS)
}

fn add(setup: &Setup, patterns: &[String]) -> Result<()> {
    let path = setup.ignore_path();
    let mut text = files::read_if_there(&path)?.unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for pattern in patterns {
        if !text.lines().any(|line| line == pattern) {
            text.push_str(pattern);
            text.push('\n');
        }
    }
    engine::source::Ignored::parse(&text).map_err(|why| anyhow::anyhow!("{why}"))?;
    files::write(&path, text.as_bytes())
}

/// Exit code 1 when a path is not read, as `git check-ignore` turned round.
fn check(setup: &Setup, paths: &[std::path::PathBuf]) -> Result<ExitCode> {
    let (engine, _) = setup.engine_without_model()?;
    let mut all_read = true;
    for path in paths {
        let verdict = match setup.repo_path(path)? {
            None => None,
            Some(path) => engine.why_not_read(&path),
        };
        match verdict {
            None => anstream::println!("{}: read", path.display()),
            Some(why) => {
                all_read = false;
                anstream::println!("{}: {why}", path.display());
            }
        }
    }
    Ok(ExitCode::from(u8::from(!all_read)))
}
