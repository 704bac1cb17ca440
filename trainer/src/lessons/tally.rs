//! How many rows were written, by side, kind, language and project?

use std::collections::BTreeMap;

use super::{
    row::{Kind, Row, Says},
    split::Side,
};

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: BTreeMap<String, BTreeMap<String, usize>>,
    pub(super) languages: BTreeMap<String, BTreeMap<String, usize>>,
    pub(super) projects: BTreeMap<String, BTreeMap<String, usize>>,
    /// KTO rows to learn from, good and bad.
    pub(super) labels: (usize, usize),
}

impl Tally {
    pub(super) fn count(&mut self, side: Side, row: &Row) {
        let add = |counts: &mut BTreeMap<String, BTreeMap<String, usize>>, name: &str| {
            *counts.entry(side.name().to_owned()).or_default().entry(name.to_owned()).or_default() += 1;
        };
        add(&mut self.rows, row.kind().name());
        add(&mut self.languages, &row.language);
        add(&mut self.projects, &row.project);
        match (side, &row.says) {
            (Side::Train, Says::Kto(_, true)) => self.labels.0 += 1,
            (Side::Train, Says::Kto(_, false)) => self.labels.1 += 1,
            _ => {}
        }
    }

    /// How many rows of a kind are on a side.
    pub(super) fn many(&self, side: Side, kind: Kind) -> usize {
        self.rows.get(side.name()).and_then(|kinds| kinds.get(kind.name())).copied().unwrap_or_default()
    }
}
