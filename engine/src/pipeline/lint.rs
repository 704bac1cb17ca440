//! What do external linters add to a review?

use std::sync::Arc;

use crate::{
    check::linter::{self, Request, Session, Workshop},
    config::LintersConfig,
    finding::{self, Finding},
    notice::Notice,
    source::{SourceFile, Sources},
};

/// The linters of one review, with what they found in the files as they are.
#[derive(Default)]
pub(super) struct Linted<'a> {
    session: Option<Session<'a>>,
    files: &'a [SourceFile],
    findings: Vec<Finding>,
    pub(super) notices: Vec<Notice>,
}

impl<'a> Linted<'a> {
    /// Runs them.
    pub(super) fn run(
        workshop: &'a Workshop,
        config: &'a LintersConfig,
        files: &'a [SourceFile],
        new: &'a dyn Sources,
        base: &'a dyn Sources,
    ) -> Self {
        let linters = match linter::builtin() {
            Ok(linters) => linters,
            Err(error) => {
                return Self { notices: vec![Notice::failure("linters", error.to_string())], ..Self::default() };
            }
        };
        let session = Session::open(Request { linters, config, workshop, sandbox: None, files, new, base });
        let (findings, notices) = session.run();
        Self { session: Some(session), files, findings, notices }
    }

    /// What they say of a text. One that is not the reviewed one is given again to those that spoke of it before.
    pub(super) fn findings(&self, file: &SourceFile) -> Vec<Finding> {
        let known = self.findings.iter().filter(|finding| finding.path == file.path);
        let reviewed = |other: &SourceFile| other.path == file.path && Arc::ptr_eq(&other.bytes, &file.bytes);
        if self.files.iter().any(reviewed)
            || self.files.iter().any(|other| other.path == file.path && other.bytes == file.bytes)
        {
            return known.cloned().collect();
        }
        let mut names: Vec<&str> = known.filter_map(tool).collect();
        names.sort_unstable();
        names.dedup();
        // A tool that does not run again offers nothing more: its word on the text before was told.
        let mut findings: Vec<Finding> =
            names.into_iter().filter_map(|name| self.session.as_ref()?.recheck(name, file).ok()).flatten().collect();
        findings.sort_by(|a, b| (a.span, &a.check).cmp(&(b.span, &b.check)));
        finding::number(file, &mut findings);
        findings
    }

    /// Whether a linter made this finding.
    pub(super) fn made(&self, finding: &Finding) -> bool {
        self.session.as_ref().is_some_and(|session| session.linter_of(finding).is_some())
    }

    /// What the linter that made a finding says of a patched text.
    pub(super) fn again(&self, finding: &Finding, patched: &SourceFile) -> Result<Vec<Finding>, String> {
        let session = self.session.as_ref().ok_or("no linter ran")?;
        session.recheck(tool(finding).unwrap_or_default(), patched)
    }

    /// What they all said of a file as it is.
    pub(super) fn said(&self, file: &SourceFile) -> Vec<Finding> {
        self.findings.iter().filter(|finding| finding.path == file.path).cloned().collect()
    }

    /// What they all say of a patched version of a file: each runs once.
    pub(super) fn everything(&self, patched: &SourceFile) -> Result<Vec<Finding>, String> {
        let Some(session) = &self.session else { return Ok(Vec::new()) };
        let mut after = Vec::new();
        for linter in session.readers(&patched.path) {
            after.extend(session.recheck(linter, patched).map_err(|why| format!("{linter}: {why}"))?);
        }
        Ok(after)
    }

    /// The built-in finding that says the same as this one, if a linter made this one.
    pub(super) fn same<'f>(&self, finding: &Finding, builtin: &'f [Finding]) -> Option<&'f Finding> {
        let session = self.session.as_ref()?;
        builtin.iter().find(|other| session.repeats(finding, other))
    }
}

/// The first part of a check's id: the linter's name for those of linters.
pub(super) fn tool(finding: &Finding) -> Option<&str> {
    finding.check.0.split_once('/').map(|(tool, _)| tool)
}
