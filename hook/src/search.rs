//! `apprentice search`

use std::process::ExitCode;

use anyhow::Result;
use engine::{
    recall::{
        IndexError, Searcher,
        search::{Query, Weights},
        update::Wait,
    },
    report::{self, Color},
};

use crate::{
    args::{self, Args},
    index, review,
    setup::{self, Setup},
};

pub(crate) fn run(args: &Args, given: &args::Search) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let searcher = open(&setup)?;
    let embedder = index::embedder(&setup)?;
    let text = given.query.join(" ");
    let query = Query { text: &text, most: given.most, from: None, weights: Weights::default() };
    let hits = searcher.search(&query, &*embedder)?;
    let written = if given.json { report::hits_json(&hits) } else { report::hits_text(&hits, Color::On) };
    review::print(&written)?;
    Ok(ExitCode::SUCCESS)
}

/// The index, built first where there is none or it cannot be used.
fn open(setup: &Setup) -> Result<Searcher> {
    let folder = index::folder(setup)?;
    let views = index::views(setup)?;
    let views = views.each_ref().map(String::as_str);
    match Searcher::open(&folder, &views) {
        Err(error @ IndexError::None { .. }) => anstream::eprintln!("{error}; building it"),
        Err(error) if error.is_mended_by_rebuilding() => anstream::eprintln!("{error}; building it anew"),
        done => return Ok(done?),
    }
    let updated = index::bring_up(setup, Wait::UntilFree, false)?;
    index::say_notices(&updated.notices);
    Ok(Searcher::open(&folder, &views)?)
}
