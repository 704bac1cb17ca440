//! `apprentice docs`

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use engine::{
    notice::{Gravity, Notice},
    recall::{
        corpus::{self, Changes, Corpus, How, Progress, Source, Spec, Wanted},
        document::pdf::{self, Confined},
    },
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    args::{Args, Docs, DocsCommand},
    env, files, review,
    setup::{self, Setup},
};

/// How long the process that reads a PDF may take by the clock.
const PDF_TIME: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &Args, docs: &Docs) -> Result<ExitCode> {
    if let DocsCommand::ExtractPdf = docs.command {
        return extract_pdf();
    }
    let setup = setup::read(args)?;
    let path = setup.repository()?.common_dir().join("apprentice/corpus.db");
    let (mut corpus, notice) = Corpus::open(&path)?;
    let damaged = tell(notice.as_slice());
    let done = match &docs.command {
        DocsCommand::Add { source, max_pages, max_depth } => {
            add(&setup, &mut corpus, source, Wanted { max_pages: *max_pages, max_depth: *max_depth })
        }
        DocsCommand::List => list(&corpus),
        DocsCommand::Refresh { source } => refresh(&setup, &mut corpus, source.as_deref()),
        DocsCommand::Remove { source } => remove(&mut corpus, source),
        DocsCommand::ExtractPdf => Ok(ExitCode::SUCCESS),
    }?;
    Ok(if damaged { ExitCode::from(2) } else { done })
}

fn add(setup: &Setup, corpus: &mut Corpus, source: &str, wanted: Wanted) -> Result<ExitCode> {
    let spec = Spec::parse(source)?;
    let changes =
        reading(setup, |how| corpus::add(corpus, &spec, wanted, how)).map_err(|error| advised(error, setup))?;
    review::print(&format!("{}: {}\n", spec.shown(), in_words(&changes)))?;
    anstream::eprintln!("run `apprentice index update` so that searches find them");
    Ok(ended(tell(&changes.notices)))
}

/// Reads with everything that reading needs, showing how far it has come.
fn reading<T>(setup: &Setup, read: impl FnOnce(&mut How<'_>) -> Result<T, corpus::CorpusError>) -> Result<T> {
    let bar = bar();
    let confined = env::program().map(|program| Confined {
        program,
        args: ["docs", "extract-pdf"].map(str::to_owned).into(),
        time: PDF_TIME,
    });
    let mut show = |progress: Progress<'_>| {
        bar.set_length((progress.done + progress.waiting) as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.address.to_owned());
    };
    let pdf = confined.as_ref().map(|reader| reader as _);
    let done = read(&mut How { docs: &setup.config.docs, pdf, tell: &mut show });
    bar.finish_and_clear();
    Ok(done?)
}

fn bar() -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    // A template that cannot be read leaves the bar as it is by default.
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} documents, {per_sec}, {eta} left  {wide_msg:.dim}") {
        bar.set_style(style);
    }
    bar
}

/// An address that may not be fetched says how it may.
fn advised(error: anyhow::Error, setup: &Setup) -> anyhow::Error {
    let private = error.chain().any(|cause| cause.to_string().contains("or of a private network"));
    match private && !setup.config.docs.allow_private {
        true => error.context("private addresses are not fetched unless you say `--set docs.allow_private=true`"),
        false => error,
    }
}

fn in_words(changes: &Changes) -> String {
    let Changes { new, changed, same, duplicates, removed, .. } = changes;
    let mut text = format!("{} documents: {new} new, {changed} changed, {same} as they were", changes.documents());
    if *duplicates > 0 {
        text += &format!(", {duplicates} that repeat others");
    }
    if *removed > 0 {
        text += &format!("; {removed} removed");
    }
    text
}

fn list(corpus: &Corpus) -> Result<ExitCode> {
    let sources = corpus.sources()?;
    let mut text = String::new();
    if sources.is_empty() {
        anstream::eprintln!("no documents yet; `apprentice docs add PATH|URL` adds some");
    } else {
        text += &format!("{:>9}  {:>9}  {:<16}  SOURCE\n", "DOCUMENTS", "WORDS", "REFRESHED (UTC)");
    }
    for Source { spec, documents, words, refreshed, .. } in &sources {
        let refreshed = refreshed.map_or_else(|| "never to its end".to_owned(), date);
        text += &format!("{documents:>9}  {words:>9}  {refreshed:<16}  {spec}\n");
    }
    review::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn refresh(setup: &Setup, corpus: &mut Corpus, source: Option<&str>) -> Result<ExitCode> {
    let mut sources = corpus.sources()?;
    if let Some(wanted) = source {
        let spec = meant(corpus, wanted)?;
        sources.retain(|source| source.spec == spec);
    }
    let mut failed = false;
    for source in &sources {
        // One that cannot be read must not keep the others from being read.
        match reading(setup, |how| corpus::refresh(corpus, source, how)) {
            Ok(changes) => {
                review::print(&format!("{}: {}\n", source.spec, in_words(&changes)))?;
                failed |= tell(&changes.notices);
            }
            Err(error) => {
                failed = true;
                anstream::eprintln!("error: {}: {:#}", source.spec, advised(error, setup));
            }
        }
    }
    Ok(ended(failed))
}

fn remove(corpus: &mut Corpus, source: &str) -> Result<ExitCode> {
    let spec = meant(corpus, source)?;
    corpus.remove(&spec)?;
    review::print(&format!("{spec}: removed\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The source that is called so, or that a path or an address as it is given means.
fn meant(corpus: &Corpus, text: &str) -> Result<String> {
    let sources = corpus.sources()?;
    let parsed = Spec::parse(text).map(|spec| spec.shown()).ok();
    let is_meant = |source: &&Source| source.spec == text || Some(&source.spec) == parsed.as_ref();
    let found = sources.iter().find(is_meant);
    found
        .map(|source| source.spec.clone())
        .ok_or_else(|| anyhow!("`{text}` is not among the sources; `apprentice docs list` names them"))
}

fn extract_pdf() -> Result<ExitCode> {
    match pdf::extract(&files::read_stdin()?) {
        // Not through `print`: the marks between pages are control characters, which it takes away.
        Ok(text) => Ok(std::io::stdout().write_all(text.as_bytes()).map(|()| ExitCode::SUCCESS)?),
        Err(why) => bail!("{why}"),
    }
}

/// Prints notices to standard error; whether one of them is a failure.
fn tell(notices: &[Notice]) -> bool {
    for Notice { gravity, about, what, advice } in notices {
        let label = match gravity {
            Gravity::Note => "note",
            Gravity::Skipped => "left out",
            Gravity::Failure => "failed",
        };
        let advice = advice.as_ref().map(|advice| format!("\n  try: {advice}")).unwrap_or_default();
        anstream::eprintln!("{label}: {about}: {what}{advice}");
    }
    notices.iter().any(|notice| notice.gravity == Gravity::Failure)
}

fn ended(failed: bool) -> ExitCode {
    ExitCode::from(if failed { 2 } else { 0 })
}

/// `2024-05-06 07:08` of seconds since 1970. Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3_600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(1_709_164_800 + 3_660), "2024-02-29 01:01");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59");
    }
}
