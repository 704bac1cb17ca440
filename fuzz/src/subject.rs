//! What can be fed, and what must hold of it?

mod diff;
mod rules;
mod text;

/// One thing to feed.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// What inputs are made of.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Panics where something does not hold.
    pub(crate) run: fn(&[u8]),
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "diff", seeds: diff::seeds, run: diff::run },
    Target { name: "source", seeds: rules::seeds, run: text::source },
    Target { name: "rules", seeds: rules::seeds, run: rules::run },
    Target { name: "allow", seeds: text::allow_seeds, run: text::allow },
    Target { name: "config", seeds: text::config_seeds, run: text::config },
    Target { name: "baseline", seeds: text::baseline_seeds, run: text::baseline },
];
