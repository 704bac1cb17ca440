//! What can a pattern not say? Checks written in Rust, each documented and tested by a rule file that names it.

pub(super) mod complexity;
mod conflict_marker;
mod doc_params;
mod dockerfile;
mod duplicated_block;
mod forgotten_twin;
mod format;
mod hidden_characters;
mod large_file;
mod local;
mod overwritten;
mod regex;
mod secret;
mod sql;
#[cfg(test)]
mod torn;
mod unclosed;
mod unportable_path;
mod workflow;
pub(super) mod yaml;

use super::{Meta, Target};
use crate::finding::Finding;

/// A native check. `run` pushes what it finds on the target, as findings of the given rule.
#[derive(Clone, Copy)]
pub(crate) struct Native {
    name: &'static str,
    check: fn(&Target<'_>, &Meta, &mut Vec<Finding>),
}

/// Every native check by the name rule files use.
const ALL: &[Native] = &[
    Native { name: "conflict-marker", check: conflict_marker::check },
    Native { name: "complexity", check: complexity::check },
    Native { name: "doc-params", check: doc_params::check },
    Native { name: "duplicated-block", check: duplicated_block::check },
    Native { name: "forgotten-twin", check: forgotten_twin::check },
    Native { name: "format", check: format::check },
    Native { name: "hidden-characters", check: hidden_characters::check },
    Native { name: "large-file", check: large_file::check },
    Native { name: "overwritten", check: overwritten::check },
    Native { name: "regex", check: regex::check },
    Native { name: "secret", check: secret::check },
    Native { name: "unclosed", check: unclosed::check },
    Native { name: "unportable-path", check: unportable_path::check },
];

/// The check with this name.
pub(crate) fn find(name: &str) -> Option<Native> {
    ALL.iter().chain(workflow::ALL).chain(dockerfile::ALL).chain(sql::ALL).copied().find(|native| native.name == name)
}

impl Native {
    pub(crate) fn run(&self, target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
        (self.check)(target, meta, findings);
    }
}
