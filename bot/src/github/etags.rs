//! What did GitHub answer last time? Asking again with its tag costs nothing of the rate limit when nothing changed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, header};
use serde_json::Value;

/// The most answers that are remembered.
const MOST: usize = 256;

/// The longest answer that is remembered, in bytes: all of them together stay below 16 MiB.
const LONGEST: usize = 64 * 1024;

/// Answers by their path.
#[derive(Default)]
pub(super) struct Etags(Mutex<HashMap<String, Known>>);

/// An answer and its tag.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) tag: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Etags {
    pub(super) fn get(&self, path: &str) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Remembers an answer of so many bytes that has a tag. When the memory is full it starts anew: what is asked often is soon back.
    pub(super) fn put(&self, path: &str, headers: &HeaderMap, body: &Value, bytes: usize) {
        if bytes > LONGEST {
            return;
        }
        let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return };
        let known = Known { tag: tag.to_owned(), headers: headers.clone(), body: body.clone() };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(path.to_owned(), known);
    }
}
