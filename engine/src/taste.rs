//! Is it worth saying? How likely a team takes a finding up, learned from its answers.
//!
//! A Bayesian logistic model with a hierarchy of effects: a rule adds to its category, a rule in a project adds to the rule.
//! What was never answered says nothing, so that a new rule begins where its category stands, and a new project where all
//! projects stand. The answers are kept as sums ([`State`]); the belief is the mode of the posterior and the Gaussian around
//! it (Laplace; Bishop, Pattern Recognition and Machine Learning, 4.5), with all its correlations. Rules meet only in the
//! effects they share, so the curvature is a block for each rule and one for what is shared, and is solved block by block:
//! reading a belief costs the square of the number of effects of one rule, learning one answer the same for its rule and a
//! little for every other one.

mod decide;
mod model;
mod solve;
mod state;
mod subject;

pub use decide::{Decision, Policy, Say, Support};
pub use model::{Belief, Taste};
pub use state::{Answer, Learning, Part, State, StateError, Sums};
pub use subject::{Place, Size, Subject};

#[cfg(test)]
mod tests;
