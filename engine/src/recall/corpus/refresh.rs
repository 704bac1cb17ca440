//! How does a source become documents, the first time and again?

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::params;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Corpus, CorpusError, Source, folder,
    open::now,
    site,
    step::{Changes, How},
};
use crate::{
    config::DocsConfig,
    recall::crawl::{Limits, Reach},
};

/// A place to read documents from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// A folder, or one file.
    Folder(PathBuf),
    /// A site, or a part of one.
    Site(Url),
}

/// Why something names no place to read documents from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not built yet.
    #[error("`{0}` sources are not built yet: give a folder, a file or an http(s) address")]
    Unbuilt(String),
    /// No address that can be fetched.
    #[error("`{0}` is no address that can be fetched: only http and https are")]
    Address(String),
    /// Nothing is there.
    #[error("there is no `{0}`: give a folder, a file or an http(s) address")]
    Missing(String),
}

impl Spec {
    /// What a person meant. Paths are made absolute, addresses lose names, passwords and fragments.
    ///
    /// # Errors
    /// [`SpecError`] for what names no place.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if let Some((scheme @ ("youtube" | "github"), _)) = text.split_once(':') {
            return Err(SpecError::Unbuilt(format!("{scheme}:")));
        }
        if text.contains("://") {
            let mut url = Url::parse(text).map_err(|_| SpecError::Address(text.to_owned()))?;
            if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                return Err(SpecError::Address(text.to_owned()));
            }
            url.set_fragment(None);
            // Both fail only where there is no host.
            let _ = (url.set_username(""), url.set_password(None));
            return Ok(Self::Site(url));
        }
        let path = folder::canonical(Path::new(text)).ok_or_else(|| SpecError::Missing(text.to_owned()))?;
        Ok(Self::Folder(path))
    }

    /// As it is stored and shown; [`Spec::parse`] reads it again.
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Site(url) => url.to_string(),
        }
    }
}

/// What was wanted of a source when it was added; it holds for every refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// The most pages, in place of `docs.max_pages`.
    pub max_pages: Option<u32>,
    /// How many links away, in place of `docs.max_depth`.
    pub max_depth: Option<u32>,
}

/// Adds a source and reads it, or reads it again with these wishes where it is there already.
///
/// # Errors
/// [`CorpusError`] when nothing of it can be read; a source that was not there before is then not there after.
pub fn add(corpus: &mut Corpus, spec: &Spec, wanted: Wanted, how: &mut How<'_>) -> Result<Changes, CorpusError> {
    let shown = spec.shown();
    let settings = serde_json::to_string(&wanted).unwrap_or_default();
    let sql = "INSERT INTO sources (spec, settings, added) VALUES (?1, ?2, ?3)
               ON CONFLICT (spec) DO UPDATE SET settings = excluded.settings";
    let was_there = corpus.sources()?.iter().any(|source| source.spec == shown);
    let done = corpus.db.execute(sql, params![shown, settings, now()]);
    corpus.told(done)?;
    let source = corpus.sources()?.into_iter().find(|source| source.spec == shown);
    let Some(source) = source else {
        return Err(CorpusError::Nothing { place: shown, why: "another process removed it just now".to_owned() });
    };
    let read = refresh(corpus, &source, how);
    if !was_there && read.is_err() && source.documents == 0 {
        corpus.remove(&shown)?;
    }
    read
}

/// Reads a source again: what changed is replaced, what is gone is removed.
///
/// # Errors
/// [`CorpusError`] when nothing of it can be read; its documents then stay as they are.
pub fn refresh(corpus: &mut Corpus, source: &Source, how: &mut How<'_>) -> Result<Changes, CorpusError> {
    let missing = |_| CorpusError::Nothing { place: source.spec.clone(), why: "it is not there any more".to_owned() };
    let changes = match Spec::parse(&source.spec).map_err(missing)? {
        Spec::Folder(path) => folder::read(corpus, source, &path, how)?,
        Spec::Site(url) => site::read(corpus, source, &url, &limits(how.docs, source.settings), how)?,
    };
    let done = corpus.db.execute("UPDATE sources SET refreshed = ?2 WHERE id = ?1", params![source.id, now()]);
    corpus.told(done)?;
    Ok(changes)
}

fn limits(docs: &DocsConfig, wanted: Wanted) -> Limits {
    Limits {
        max_pages: wanted.max_pages.unwrap_or(docs.max_pages),
        max_depth: wanted.max_depth.unwrap_or(docs.max_depth),
        max_page_bytes: docs.max_page_bytes,
        delay: Duration::from_millis(docs.delay_ms),
        reach: if docs.allow_private { Reach::Any } else { Reach::Public },
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address() {
        assert_eq!(Spec::parse("https://me:pw@x.org/docs#a").unwrap().shown(), "https://x.org/docs");
        for (text, says) in [
            ("youtube:https://x", "not built yet"),
            ("github:rust", "not built yet"),
            ("ftp://x.org/", "only http"),
            ("file:///etc", "only http"),
            ("no/such/folder", "there is no"),
        ] {
            assert!(Spec::parse(text).unwrap_err().to_string().contains(says), "{text}");
        }
    }
}
