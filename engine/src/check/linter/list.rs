//! Which linters are there, which of them are found, and which would run?

use std::path::PathBuf;

use serde::Serialize;

use super::{Linter, Sandbox, Workshop, detect, find, job::Job, scratch::Scratch};
use crate::{
    config::LintersConfig,
    source::{SourceError, SourceFile, Sources},
};

/// One linter as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Its home page.
    pub url: String,
    /// Its program, where it was found.
    pub found: Option<PathBuf>,
    /// What it says its version is.
    pub version: Option<String>,
    /// Whether it runs code of the project.
    pub runs_code: bool,
    /// Whether it would run on this repository.
    pub eligible: bool,
    /// Why it would, or why not.
    pub because: String,
}

/// Every linter with what is to be said of it for this version of a repository. Starts each that is found once, to
/// ask its version, in the sandbox.
///
/// # Errors
/// [`SourceError`] when the version's files cannot be listed.
pub fn list(
    linters: &[Linter],
    config: &LintersConfig,
    workshop: &Workshop,
    new: &dyn Sources,
) -> Result<Vec<Listed>, SourceError> {
    let files: Vec<SourceFile> = new.list()?.into_iter().filter_map(named).collect();
    let scratch = Scratch::new(&workshop.scratch_parent, new, None).ok();
    Ok(linters.iter().map(|linter| listed(linter, config, workshop, &files, scratch.as_ref())).collect())
}

/// A file known by its name alone, which is enough to tell who would read it.
fn named(path: crate::source::RepoPath) -> Option<SourceFile> {
    SourceFile::new(path, Vec::new().into(), 0).ok()
}

fn listed(
    linter: &Linter,
    config: &LintersConfig,
    workshop: &Workshop,
    files: &[SourceFile],
    scratch: Option<&Scratch<'_>>,
) -> Listed {
    let tool = find::find(linter, workshop);
    let version = tool.as_ref().zip(scratch).and_then(|(tool, scratch)| {
        let sandbox = detect().works.first().unwrap_or(&Sandbox::None);
        Job { linter, tool, sandbox, config, workshop, scratch, root: String::new(), files: Vec::new() }.version()
    });
    let (eligible, because) = match (&tool, eligible(linter, config, files, scratch)) {
        (Some(_), Ok(because)) => (true, because),
        (None, Ok(because)) => (false, format!("`{}` is not installed; {because}", linter.spec.command)),
        (_, Err(because)) => (false, because),
    };
    Listed {
        name: linter.name.clone(),
        about: linter.spec.about.clone(),
        url: linter.spec.url.clone(),
        found: tool.map(|tool| tool.program),
        version,
        runs_code: linter.spec.runs_code,
        eligible,
        because,
    }
}

fn eligible(
    linter: &Linter,
    config: &LintersConfig,
    files: &[SourceFile],
    scratch: Option<&Scratch<'_>>,
) -> Result<String, String> {
    let asked = config.only.contains(&linter.name);
    let read: Vec<&SourceFile> = files.iter().filter(|file| linter.reads(file)).collect();
    if !config.enable {
        return Err("`linters.enable` is false".to_owned());
    }
    if config.disable.contains(&linter.name) {
        return Err("it is in `linters.disable`".to_owned());
    }
    if !config.only.is_empty() && !asked {
        return Err("it is not in `linters.only`".to_owned());
    }
    if read.is_empty() {
        return Err("there is no file it reads".to_owned());
    }
    match scratch.and_then(|scratch| super::job::configured(linter, &read, scratch)) {
        Some(file) => Ok(format!("`{file}` asks for it")),
        None if asked => Ok("`linters.only` asks for it".to_owned()),
        None if linter.spec.useful_unconfigured => Ok("it needs no configuration to be useful".to_owned()),
        None => Err("no configuration asks for it".to_owned()),
    }
}
