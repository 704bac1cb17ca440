//! What does a model of an Ollama server make of a text?
//!
//! With `ollama/` the one module that knows tokio: the server is asked through a runtime of its own, on the thread of
//! whoever calls.

mod chat;
mod prefix;
mod server;
mod store;

pub use chat::Chat;
pub use store::{Listed, list, pull, remove};

use std::time::Duration;

use ollama_rs::generation::{
    embeddings::{GenerateEmbeddingsResponse, request::GenerateEmbeddingsRequest},
    parameters::{KeepAlive, TimeUnit},
};
use reqwest::{StatusCode, blocking, header::HeaderMap};
use url::Url;

use super::{
    Access, EmbedError, Embedder, Passage,
    address::{Place, Refusal, ServerError},
    beginning,
    chat::ModelError,
    table,
};
use prefix::Prefixes;
use server::{OLLAMA, Server};

/// Texts of one request. A model of 500 M parameters takes about a second for each on two cores.
const BATCH: usize = 16;

/// How long a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// How long the first text may take, for which the server reads the model.
const FIRST_LIMIT: Duration = Duration::from_secs(120);

/// Bytes of a text that are sent; the server cuts it to what the model takes in.
const MOST_BYTES: usize = 32 << 10;

/// Most components a vector may have.
const MOST_DIMENSIONS: usize = 1 << 16;

/// An embedding model of an Ollama server. Can be asked by several threads at once: each sends its own requests, of
/// 16 texts at most, so that passages may come in any number.
#[derive(Debug)]
pub struct Ollama {
    name: String,
    model: String,
    prefixes: Prefixes,
    dimensions: usize,
    server: Server,
}

impl Ollama {
    /// Asks the server for the model, and the model for one vector.
    ///
    /// # Errors
    /// [`EmbedError::Remote`] where the server is not this machine and none else may be asked; [`EmbedError::Server`]
    /// when it cannot be reached, does not have the model, or the model gives no vectors.
    pub fn connect(model: &str, access: &Access) -> Result<Self, EmbedError> {
        let server = Server::find(&access.ollama, access.allow_remote)?;
        let name = match server.digest(model)? {
            Some(digest) => format!("ollama:{model}@{digest}"),
            None => format!("ollama:{model}"),
        };
        let prefixes = prefix::prefixes(model);
        let mut this = Self { name, model: model.to_owned(), prefixes, dimensions: 0, server };
        let first = this.ask(vec!["dimensions".into()], FIRST_LIMIT)?;
        this.dimensions = first.first().map_or(0, Vec::len);
        Ok(this)
    }

    /// One vector of length one a text.
    fn ask(&self, texts: Vec<String>, limit: Duration) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let request = GenerateEmbeddingsRequest::new(self.model.clone(), texts.into())
            .truncate(true)
            .keep_alive(KeepAlive::Until { time: 10, unit: TimeUnit::Minutes });
        let place = &self.server.place;
        let request = self.server.client.post(place.at("api/embed")?).json(&request);
        let refused = |refusal: Refusal| -> ServerError {
            match refusal {
                Refusal::Status(StatusCode::NOT_FOUND, _) => self.server.lacks(&self.model),
                other => place.refused(&other),
            }
        };
        let answer: GenerateEmbeddingsResponse = self.server.ask(request, limit).map_err(refused)?;
        let mut vectors = answer.embeddings;
        self.check(&vectors, count).map_err(|why| place.failed(why))?;
        vectors.iter_mut().for_each(|vector| table::normalize(vector));
        Ok(vectors)
    }

    fn check(&self, vectors: &[Vec<f32>], count: usize) -> Result<(), String> {
        if vectors.len() != count {
            return Err(format!("texts that were sent: {count}, vectors that came back: {}", vectors.len()));
        }
        let expected = if self.dimensions > 0 { self.dimensions } else { vectors.first().map_or(0, Vec::len) };
        if !(1..=MOST_DIMENSIONS).contains(&expected) {
            return Err(format!("`{}` gives vectors of {expected} components: it is no embedding model", self.model));
        }
        match vectors.iter().find(|vector| vector.len() != expected) {
            Some(other) => Err(format!("a vector of {} components came back, not of {expected}", other.len())),
            None if vectors.iter().flatten().any(|value| !value.is_finite()) => {
                Err("a vector came back that holds no number".into())
            }
            None => Ok(()),
        }
    }

    /// A text as it is sent: with what the model wants before it, and without secrets where it leaves this machine.
    fn prepare(&self, prefix: &str, text: &str) -> String {
        let text = beginning(text, MOST_BYTES);
        format!("{prefix}{}", self.server.place.prepare(text))
    }
}

/// A client that asks an Ollama server and nobody else, the server's address to join paths to, and the address as it may
/// be shown: for what a server is given rather than asked.
///
/// # Errors
/// [`ModelError::Remote`] where it is not this machine and none else may be asked, [`ModelError::Server`] when the address
/// leads nowhere.
pub fn reach(address: &str, allow_remote: bool) -> Result<(blocking::Client, Url, String), ModelError> {
    let place = Place::find(address, &OLLAMA, allow_remote)?;
    Ok((place.client(HeaderMap::new())?, place.at("")?, place.shown))
}

impl Embedder for Ollama {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(passages.len());
        for batch in passages.chunks(BATCH) {
            let texts = batch.iter().map(|passage| self.prepare(self.prefixes.passage, &passage.text())).collect();
            vectors.extend(self.ask(texts, BATCH_LIMIT)?);
        }
        Ok(vectors)
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let vectors = self.ask(vec![self.prepare(self.prefixes.query, text)], BATCH_LIMIT)?;
        Ok(vectors.into_iter().next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
