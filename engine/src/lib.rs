//! Reads a change, says what is wrong with it, and proves its patches.
//!
//! The order of the modules is the architecture: each may use only those above it.

pub mod change;
pub mod check;
pub mod config;
pub mod edit;
pub mod eval;
pub mod examples;
pub mod finding;
pub mod git;
pub mod notice;
pub mod patch;
pub mod pipeline;
pub mod report;
pub mod review;
pub mod source;
