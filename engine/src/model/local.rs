//! What does a model in a GGUF file answer? Computed on this machine, by nobody else.

mod grammar;
mod sampler;
mod template;
pub mod tokenizer;
