//! `apprentice ask`, `explain` and `summarize`, and the draft of a commit's message

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use engine::{
    config::ModelSpec,
    notice::{Gravity, Notice},
    recall::{
        Searcher,
        search::{Query, Weights},
    },
    review::{Review, Reviewed},
    suggest::Message,
};

use crate::{
    args::{self, Args},
    files, index, review,
    setup::{self, Setup, Topic},
};

/// Pieces of the repository that a question is answered from; the window decides how many of them fit.
const MOST_HITS: usize = 20;

/// Earlier subjects that a message is written in the manner of.
const EARLIER: usize = 10;

pub(crate) fn ask(args: &Args, given: &args::Ask) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let question = given.question.join(" ");
    let engine = engine(&setup, Topic::Project)?;
    let views = setup.index_views()?;
    let searcher = Searcher::open(&setup.index_folder()?, &views.each_ref().map(String::as_str))?;
    let query = Query { text: &question, most: MOST_HITS, from: None, weights: Weights::default() };
    let hits = searcher.search(&query, &*index::embedder(&setup)?)?;
    say(engine.ask(&question, &hits)?)
}

pub(crate) fn summarize(args: &Args, given: &args::Summarize) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let versions = review::versions_of(&setup, &given.what)?;
    say(engine(&setup, Topic::Change(&versions.change))?.summarize(&versions, "")?)
}

pub(crate) fn explain(args: &Args, given: &args::Explain) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let versions = review::versions_of(&setup, &given.what)?;
    let engine = engine(&setup, Topic::Change(&versions.change))?;
    // What rules found needs no model to be found.
    let mut found = engine.review_without_model(versions);
    if find(&found, &given.place).is_err() {
        found = engine.review(review::versions_of(&setup, &given.what)?);
    }
    let reviewed = find(&found, &given.place)?;
    let finding = &reviewed.finding;
    let place = format!("{}:{}: {} [{}]\n\n", finding.path, finding.span.from.line, finding.what, finding.check);
    review::print(&place)?;
    say(engine.explain(&found, reviewed)?)
}

/// The finding at a place, or with such a fingerprint.
fn find<'r>(review: &'r Review, place: &str) -> Result<&'r Reviewed> {
    let at = place.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse::<u32>().ok()?)));
    let is_meant = |reviewed: &&Reviewed| match at {
        Some((path, line)) => {
            let finding = &reviewed.finding;
            finding.path.as_str() == path.trim_start_matches("./") && finding.span.lines().contains(&line)
        }
        None => place.len() >= 6 && reviewed.finding.fingerprint.to_string().starts_with(&place.to_ascii_lowercase()),
    };
    review.told().find(is_meant).or_else(|| review.findings.iter().find(is_meant)).ok_or_else(|| {
        anyhow!("nothing was found at `{place}` in this change; `apprentice review --format json` tells places and fingerprints")
    })
}

/// Writes a draft into the file of a commit's message, where git is about to open it and nobody wrote anything yet.
/// Git passes the file, and where the message comes from when there is one already.
pub(crate) fn draft(args: &Args, given: &[String]) -> Result<ExitCode> {
    let given: Vec<&String> = given.iter().filter(|word| *word != "--").collect();
    let Some((file, source)) = given.split_first() else { bail!("git names no file for the message") };
    let setup = setup::read(args)?;
    let is_fresh = source.first().is_none_or(|source| *source == "template");
    if !is_fresh || setup.config.model.name == ModelSpec::None {
        return Ok(ExitCode::SUCCESS);
    }
    let text = files::read_text(Path::new(file))?;
    let comment = setup.repository()?.config("core.commentChar").filter(|mark| mark != "auto").unwrap_or("#".into());
    if text.lines().any(|line| !line.trim().is_empty() && !line.starts_with(&comment)) {
        return Ok(ExitCode::SUCCESS);
    }
    let repository = setup.repository()?;
    let versions = repository.staged()?;
    if versions.change.files.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (message, notices) =
        engine(&setup, Topic::Change(&versions.change))?.message(&versions, &repository.subjects(EARLIER)?)?;
    tell(&notices);
    let Message { subject, body } = message;
    let draft = if body.is_empty() { format!("{subject}\n") } else { format!("{subject}\n\n{body}\n") };
    files::write(Path::new(file), format!("{draft}{text}").as_bytes())
        .context("cannot write the draft of the message")?;
    Ok(ExitCode::SUCCESS)
}

/// The engine with the model that is configured; here there is nothing to do without one.
fn engine(setup: &Setup, topic: Topic<'_>) -> Result<engine::pipeline::Engine> {
    let (engine, notices) = setup.engine(topic)?;
    if let Some(notice) = notices.iter().find(|notice| notice.about.starts_with("model ")) {
        bail!("{}: {}", notice.about, notice.what);
    }
    // An adapter that was passed over is never passed over in silence.
    let skipped = notices.into_iter().filter(|notice| notice.gravity == Gravity::Skipped);
    tell(&skipped.filter(|notice| notice.about.starts_with("adapter")).collect::<Vec<_>>());
    Ok(engine)
}

fn say((text, notices): (String, Vec<Notice>)) -> Result<ExitCode> {
    tell(&notices);
    review::print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn tell(notices: &[Notice]) {
    for notice in notices {
        anstream::eprintln!("apprentice: {}: {}", notice.about, notice.what);
    }
}
