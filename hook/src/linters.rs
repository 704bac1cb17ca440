//! `apprentice linters`

use std::process::ExitCode;

use anyhow::Result;
use engine::{
    check::linter::{self, Listed},
    source::{Directory, Sources},
};

use crate::{
    args::{Args, Linters, LintersCommand},
    review, setup,
};

pub(crate) fn run(args: &Args, linters: &Linters) -> Result<ExitCode> {
    let listed = look(args)?;
    match linters.command {
        LintersCommand::List => list(&listed),
        LintersCommand::Check => check(&listed),
    }
}

/// Every linter as it stands on the work tree.
pub(crate) fn look(args: &Args) -> Result<Vec<Listed>> {
    let setup = setup::read(args)?;
    let files: &dyn Sources = &Directory::new(&setup.root);
    Ok(linter::list(linter::builtin()?, &setup.config.linters, &setup.workshop(), files)?)
}

fn list(listed: &[Listed]) -> Result<ExitCode> {
    let mut text = String::new();
    for linter in listed {
        let state = match (linter.eligible, &linter.found) {
            (true, Some(_)) => "runs",
            (true, None) => "missing",
            (false, _) => "-",
        };
        let version = linter.version.as_deref().unwrap_or("");
        text += &format!("{:<8} {:<14} {:<22} {}\n", state, linter.name, version, linter.because);
    }
    review::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(listed: &[Listed]) -> Result<ExitCode> {
    let missing: Vec<&Listed> = listed.iter().filter(|linter| linter.eligible && linter.found.is_none()).collect();
    for linter in &missing {
        anstream::println!("{} is not found: {}; see {}", linter.name, linter.because, linter.url);
    }
    Ok(ExitCode::from(u8::from(!missing.is_empty())))
}
