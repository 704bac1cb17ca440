//! Turns answers into lessons, lessons into weights, and weights into models that are served.
//!
//! The order of the modules is the architecture: each may use only those above it.

pub mod files;
pub mod personal;
pub mod canary;
pub mod lessons;
pub mod corpus;
pub mod base;
pub mod gguf;
pub mod net;
pub mod adapter;
pub mod objective;
pub mod rows;
pub mod learn;
pub mod tune;
pub mod gpt;
pub mod card;
pub mod exam;
pub mod promotion;
pub mod shelf;
pub mod publish;
pub mod sleep;
