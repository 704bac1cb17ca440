//! What does each command do? It reads what it is given, lets the library work, and says what came of it.

pub(crate) mod corpus;
pub(crate) mod exam;
pub(crate) mod gguf;
pub(crate) mod gpt;
pub(crate) mod lessons;
pub(crate) mod lora;
pub(crate) mod merge;
pub(crate) mod night;
mod place;
mod progress;
pub(crate) mod publish;
mod steps;
