//! What does reading a source take, and what comes of it?

use super::put::Stored;
use crate::{config::DocsConfig, notice::Notice, recall::document::PdfReader};

/// How far a step has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Documents that were read.
    pub done: usize,
    /// Documents that are known to come.
    pub waiting: usize,
    /// The one that was read last.
    pub address: &'a str,
}

/// What a source is read with.
pub struct How<'a> {
    /// Limits and permissions.
    pub docs: &'a DocsConfig,
    /// Reads PDF; without one they are left out.
    pub pdf: Option<&'a dyn PdfReader>,
    /// Who is told how far it has come.
    pub tell: &'a mut dyn FnMut(Progress<'_>),
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Documents that were not there before.
    pub new: usize,
    /// Documents that say something else than before.
    pub changed: usize,
    /// Documents that say what they said.
    pub same: usize,
    /// Documents that repeat another and are not kept a second time.
    pub duplicates: usize,
    /// Documents that are gone.
    pub removed: usize,
    /// What was left out.
    pub notices: Vec<Notice>,
}

impl Changes {
    pub(super) fn count(&mut self, stored: Stored) {
        *match stored {
            Stored::New => &mut self.new,
            Stored::Changed => &mut self.changed,
            Stored::Same => &mut self.same,
            Stored::Duplicate => &mut self.duplicates,
        } += 1;
    }

    /// How many documents the source has.
    pub fn documents(&self) -> usize {
        self.new + self.changed + self.same + self.duplicates
    }
}
