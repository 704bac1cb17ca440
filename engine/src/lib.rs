//! Reads a change, says what is wrong with it, and proves its patches.
//!
//! The order of the modules is the architecture: each may use only those above it.

pub mod config;
pub mod notice;
pub mod secret;
pub mod reach;
pub mod source;
pub mod change;
pub mod git;
pub mod edit;
pub mod finding;
pub mod check;
pub mod model;
pub mod recall;
pub mod patch;
pub mod suggest;
pub mod taste;
pub mod examples;
pub mod review;
pub mod report;
pub mod feedback;
pub mod pipeline;
pub mod eval;
