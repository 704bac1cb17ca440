//! What else matters? The repository and its documents, cut into chunks and found again by words and by meaning.

pub mod chunk;
pub mod document;

pub use chunk::{Chunk, Chunked};
