//! What else matters? The repository and its documents, cut into chunks and found again by words and by meaning.

pub mod minhash;
pub mod chunk;
pub mod document;
pub mod crawl;
pub mod corpus;
mod error;
pub mod evidence;
mod folder;
mod tokens;
mod twin;
mod code;
mod store;
mod vector;
mod passage;
mod lexical;
mod read_only;
mod fuse;
pub mod search;
pub mod update;
pub mod tree;
pub mod documents;

pub use chunk::{Chunk, Chunked};
pub use error::IndexError;
pub use search::{Hit, Searcher};
pub use store::{Origin, Place};
