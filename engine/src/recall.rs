//! What else matters? The repository and its documents, cut into chunks and found again by words and by meaning.

pub mod chunk;
pub mod document;
mod error;
mod folder;
mod fuse;
mod lexical;
mod passage;
mod read_only;
pub mod search;
mod store;
mod tokens;
pub mod tree;
mod twin;
pub mod update;
mod vector;

pub use chunk::{Chunk, Chunked};
pub use error::IndexError;
pub use search::{Hit, Searcher};
pub use store::{Origin, Place};
