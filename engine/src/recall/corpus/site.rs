//! What becomes of the pages of a site that are fetched?

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension as _, params};
use url::Url;

use super::{
    Corpus, CorpusError, Source,
    put::{self, New},
    step::{Changes, How, Progress},
};
use crate::{
    recall::crawl::{self, Known, Limits, Page, Visit, Visitor},
    secret,
};

pub(super) fn read(
    corpus: &mut Corpus,
    source: &Source,
    start: &Url,
    limits: &Limits,
    how: &mut How<'_>,
) -> Result<Changes, CorpusError> {
    let addresses =
        corpus.all("SELECT address FROM documents WHERE source = ?1 ORDER BY id", params![source.id], |row| {
            row.get::<_, String>(0)
        })?;
    let again: Vec<Url> = addresses.iter().filter_map(|address| Url::parse(address).ok()).collect();
    let pdf = how.pdf;
    let mut keeper =
        Keeper { corpus, source: source.id, changes: Changes::default(), done: 0, tell: how.tell, failed: None };
    let notices = crawl::crawl(start, &again, limits, pdf, &mut keeper)?;
    match keeper.failed {
        Some(error) => Err(error),
        None => Ok(Changes { notices, ..keeper.changes }),
    }
}

/// Keeps each page as it comes, so that whatever ends the crawl leaves what was fetched.
struct Keeper<'a> {
    corpus: &'a mut Corpus,
    source: i64,
    changes: Changes,
    done: usize,
    tell: &'a mut dyn FnMut(Progress<'_>),
    failed: Option<CorpusError>,
}

impl Visitor for Keeper<'_> {
    fn known(&mut self, address: &str) -> Option<Known> {
        let sql = "SELECT etag, last_modified FROM documents WHERE source = ?1 AND address = ?2 AND raw IS NOT NULL";
        let known = self.corpus.db.query_row(sql, params![self.source, address], |row| {
            Ok(Known { etag: row.get(0)?, last_modified: row.get(1)? })
        });
        // If the database fails the page is fetched anew, and keeping it tells the error.
        known.optional().ok().flatten().filter(|known| *known != Known::default())
    }

    fn visit(&mut self, visit: Visit, waiting: usize) -> ControlFlow<()> {
        self.done += 1;
        let (address, kept) = match visit {
            Visit::Page(page) => (page.address.clone(), self.keep(*page)),
            Visit::Unchanged { address } => {
                self.changes.same += 1;
                (address, Ok(()))
            }
            Visit::Gone { address } => {
                let removed = put::remove(&mut self.corpus.db, self.source, &address);
                let removed = removed.map(|removed| self.changes.removed += usize::from(removed));
                (address, self.corpus.told(removed))
            }
        };
        (self.tell)(Progress { done: self.done, waiting, address: &address });
        match kept {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Keeper<'_> {
    fn keep(&mut self, page: Page) -> Result<(), CorpusError> {
        let text = page.document.text();
        if text.trim().is_empty() {
            return Ok(());
        }
        let new = New {
            address: page.address,
            title: secret::redact(&page.document.title).into_owned(),
            format: page.format.name(),
            text: secret::redact(&text).into_owned(),
            raw: page.raw,
            etag: page.known.etag,
            last_modified: page.known.last_modified,
        };
        let stored = put::put(&mut self.corpus.db, self.source, &new);
        self.changes.count(self.corpus.told(stored)?);
        Ok(())
    }
}
