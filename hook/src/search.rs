//! `apprentice search`

use std::process::ExitCode;

use anyhow::{Error, Result, bail};
use engine::{
    recall::{
        Hit, IndexError, Searcher,
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
    if !given.query.iter().any(|word| word.contains(char::is_alphanumeric)) {
        bail!("there is no word in the question; ask for words, an identifier, or a whole question");
    }
    let setup = setup::read(args)?;
    let hits = match ask(&setup, given) {
        Err(error) => {
            mend(&setup, error)?;
            ask(&setup, given)?
        }
        Ok(hits) => hits,
    };
    let written = if given.json { report::hits_json(&hits) } else { report::hits_text(&hits, Color::On) };
    review::print(&written)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(setup: &Setup, given: &args::Search) -> Result<Vec<Hit>> {
    let views = setup.index_views()?;
    let searcher = Searcher::open(&setup.index_folder()?, &views.each_ref().map(String::as_str))?;
    let text = given.query.join(" ");
    let query = Query { text: &text, most: given.most, from: None, weights: Weights::default() };
    Ok(searcher.search(&query, &*index::embedder(setup)?)?)
}

/// Builds the index where there is none or it cannot be used; any other error is handed back.
fn mend(setup: &Setup, error: Error) -> Result<()> {
    let anew = match error.downcast_ref::<IndexError>() {
        Some(IndexError::None { .. }) => false,
        Some(error) if error.is_mended_by_rebuilding() => true,
        _ => return Err(error),
    };
    anstream::eprintln!("{error}; building it{}", if anew { " anew" } else { "" });
    let updated = index::bring_up(setup, Wait::UntilFree, anew)?;
    index::say_notices(&updated.notices);
    Ok(())
}
