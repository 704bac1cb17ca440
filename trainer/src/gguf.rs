//! How is a model written as a file that llama.cpp, Ollama and the engine read?

pub mod encode;
pub mod file;
pub mod mix;
pub mod model;
pub mod adapter;

#[cfg(test)]
mod tests;
