//! Which functions are nearly the same, and how do their tokens lie beside each other?

mod align;
mod body;

pub(crate) use align::{Alignment, Hunk, align, hunks};
pub(crate) use body::{Body, Class, Token, bodies};

use crate::source::{RepoPath, SourceFile};

/// A file outside the one under review, before and after the change.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// As it was.
    pub before: SourceFile,
    /// As it is.
    pub after: SourceFile,
}

/// Knows which other files may hold code that is nearly the same. What it names is looked at, never believed.
pub trait Twins: Sync {
    /// Files that may hold a twin of this function's text, most alike first.
    fn files(&self, path: &RepoPath, function: &str) -> Vec<Elsewhere>;
}

/// From which share of common tokens two functions are twins.
pub(crate) const TWIN: f64 = 0.85;

/// Which share of the names of two twins must be the same names: below, they share a form and not a purpose.
pub(crate) const OWN_NAMES: f64 = 0.6;

/// How the tokens of two bodies lie beside each other, if they are twins.
pub(crate) fn twins(a: &Body, b: &Body) -> Option<Alignment> {
    if !may_be_alike(a, b, TWIN) {
        return None;
    }
    let alignment = align(&a.tokens, &b.tokens);
    (alignment.similarity() >= TWIN && alignment.own_names() >= OWN_NAMES).then_some(alignment)
}

/// Whether two bodies can reach a similarity at all, told from their lengths and their bags of shapes.
pub(crate) fn may_be_alike(a: &Body, b: &Body, least: f64) -> bool {
    let (short, long) = (a.tokens.len().min(b.tokens.len()), a.tokens.len().max(b.tokens.len()));
    if (short as f64) < least * long as f64 {
        return false;
    }
    let common: u32 = a.bag.iter().zip(&b.bag).map(|(a, b)| a.min(b)).sum();
    f64::from(common) >= least * (short + long - common as usize) as f64
}
