//! Turns answers into lessons, lessons into weights, and weights into models that are served.
//!
//! The order of the modules is the architecture: each may use only those above it.

pub mod files;
pub mod base;
pub mod card;
pub mod exam;
pub mod promotion;
pub mod publish;
pub mod sleep;
