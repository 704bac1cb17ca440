//! `apprentice-trainer evaluate`, `promote`, `rollback`, `status`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use engine::model::adapters::{self, Key, Place, Shelf};
use serde_json::json;
use trainer::{
    exam::{self, Exam, Paper, Sitter, Terms},
    files,
    promotion::{self, Entry, Home},
    shelf::{self, Candidate},
};

use crate::{
    args::{self, Evaluate, Kept, Promote, Rollback, Status},
    front::place,
    front::progress::Progress,
};

fn home(kept: &Kept) -> Result<Home> {
    Ok(Home::new(place::state(kept.state.as_deref())?))
}

pub(crate) fn evaluate(given: &Evaluate) -> Result<ExitCode> {
    let home = home(&given.kept)?;
    let paper = Paper {
        own: Sitter { file: given.file.clone(), adapter: given.taught.adapter.clone() },
        against: against(given, &home)?,
        data: given.data.clone(),
        generic: given.generic.clone(),
    };
    let args::Judged { target, rows, answer, forgetting, fewest } = given.judged;
    let terms = Terms {
        rows,
        most: answer,
        window: given.window,
        target: match target {
            args::Target::F1 => exam::Target::F1,
            args::Target::Loss => exam::Target::Loss,
        },
        forgetting,
        fewest,
        ..Terms::default()
    };
    let progress = Progress::new();
    let exam = exam::evaluate(&paper, &terms, &|| true, &|who, done, all| {
        progress.count(&format!("examining {who}"), done, all);
    })?;
    drop(progress);
    exam.keep(home.folder())?;
    if given.taught.adapter.is_none() {
        promotion::examined(&home, &given.file, &exam, place::now())?;
    }
    if given.json {
        anstream::println!("{}", serde_json::to_string_pretty(&exam.to_value())?);
    } else {
        say(&exam);
    }
    Ok(ExitCode::from(u8::from(!exam.is_passed())))
}

/// What it has to be better than: of an adapter the one that is taken for the same, else the model alone.
fn against(given: &Evaluate, home: &Home) -> Result<Sitter> {
    if given.taught.adapter.is_some() {
        let key = given.taught.key();
        let adapter = shelf::incumbent(&shelf_of(&given.kept, given.taught.project)?, key, &digest(&given.file)?)?;
        return Ok(Sitter { file: given.file.clone(), adapter });
    }
    let served = || -> Result<PathBuf> {
        let incumbent = home.models()?.incumbent.map(|entry| entry.file);
        incumbent.context("no model is served yet: name what training began from with `--against FILE`")
    };
    Ok(given.against.clone().map_or_else(served, Ok)?.into())
}

/// Where adapters of one kind are kept.
fn shelf_of(kept: &Kept, project: bool) -> Result<Home> {
    Ok(Home::new(place::shelf(kept.state.as_deref(), project)?))
}

fn digest(file: &Path) -> Result<String> {
    let digests = files::digests(file, &|_, _| {}).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(digests.blake3)
}

fn say(exam: &Exam) {
    let (own, theirs) = (exam.scores(), exam.incumbent());
    let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    let row = |name: &str, own: String, theirs: String| anstream::println!("{name:<20} {own:>10} {theirs:>10}");
    row("", "this".into(), "before".into());
    row("questions", own.asked.to_string(), theirs.asked.to_string());
    row("too long", own.too_long.to_string(), theirs.too_long.to_string());
    for (name, own, theirs) in [
        ("well-formed", own.well_formed, theirs.well_formed),
        ("precision", own.precision, theirs.precision),
        ("recall", own.recall, theirs.recall),
        ("f1", own.f1, theirs.f1),
        ("fixed", own.fixed, theirs.fixed),
        ("loss", Some(own.loss), Some(theirs.loss)),
        ("preferred", own.preferred, theirs.preferred),
        ("generic loss", Some(own.generic_loss), Some(theirs.generic_loss)),
        ("first token, s", own.first_token, theirs.first_token),
        ("tokens a second", own.tokens_per_second, theirs.tokens_per_second),
    ] {
        row(name, number(own), number(theirs));
    }
    anstream::println!();
    for gate in exam.gates() {
        anstream::println!("{} {}: {}", if gate.is_passed { "passed" } else { "FAILED" }, gate.name, gate.why);
    }
    anstream::println!("\n{}", if exam.is_passed() { "It may be promoted." } else { "It is not promoted." });
}

pub(crate) fn promote(given: &Promote) -> Result<ExitCode> {
    let home = home(&given.kept)?;
    let sitter = Sitter { file: given.file.clone(), adapter: given.taught.adapter.clone() };
    let exam = Exam::kept(home.folder(), &sitter.artefact()?)?;
    if let Some(adapter) = &given.taught.adapter {
        let (key, shelf) = (given.taught.key(), shelf_of(&given.kept, given.taught.project)?);
        let place = shelf::promote(&shelf, Candidate { key, base: &given.file, adapter }, &exam, place::now())?;
        say_place(&shelf, key, &place);
        return Ok(ExitCode::SUCCESS);
    }
    let models = promotion::promote(&home, &given.file, exam, place::now())?;
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn rollback(given: &Rollback) -> Result<ExitCode> {
    if let Some(key) = given.adapter {
        let shelf = shelf_of(&given.kept, given.project)?;
        let place = shelf::rollback(&shelf, key, &given.why, place::now())?;
        say_place(&shelf, key, &place);
        return Ok(ExitCode::SUCCESS);
    }
    let models = promotion::rollback(&home(&given.kept)?, &given.why, place::now())?;
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn status(given: &Status) -> Result<ExitCode> {
    let home = home(&given.kept)?;
    let (models, history, shelves) = (home.models()?, home.history()?, shelves(&given.kept)?);
    if given.json {
        let adapters =
            shelves.iter().map(|(home, shelf)| json!({ "folder": home.folder(), "adapters": shelf.adapters }));
        let adapters: Vec<_> = adapters.collect();
        let value = json!({ "version": 1, "models": models, "adapters": adapters, "history": history });
        anstream::println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    for candidate in &models.candidates {
        let passed = if candidate.is_passed { "passed its exam" } else { "did not pass" };
        anstream::println!("candidate   {}, {passed}", shown(Some(candidate)));
    }
    for (home, key, place) in shelves.iter().flat_map(|(home, shelf)| places(home, shelf)) {
        say_place(home, key, place);
    }
    for event in history.iter().rev().take(10).rev() {
        let name: String = event.blake3.chars().take(12).collect();
        anstream::println!("{:<11} {name}: {}", event.what, event.why);
    }
    Ok(ExitCode::SUCCESS)
}

/// The shelves that a review here would look at: this project's and the user's.
fn shelves(kept: &Kept) -> Result<Vec<(Home, Shelf)>> {
    let mut homes = Vec::new();
    for is_project in [true, false] {
        // Outside a repository there is no project, and where there is no home there is no user's.
        let Ok(home) = shelf_of(kept, is_project) else { continue };
        if homes.iter().all(|(other, _): &(Home, Shelf)| other.folder() != home.folder()) {
            let shelf = shelf::read(&home)?;
            homes.push((home, shelf));
        }
    }
    Ok(homes)
}

fn places<'s>(home: &'s Home, shelf: &'s Shelf) -> impl Iterator<Item = (&'s Home, Key, &'s Place)> {
    shelf.adapters.iter().filter_map(move |(key, place)| Some((home, key.parse().ok()?, place)))
}

fn say_place(home: &Home, key: Key, place: &Place) {
    let shown = |entry: Option<&adapters::Entry>| {
        entry.map_or("nothing".into(), |entry| entry.file(home.folder(), key).display().to_string())
    };
    anstream::println!("adapter     {key}: {}", shown(place.served.as_ref()));
    anstream::println!("before      {key}: {}", shown(place.previous.as_ref()));
}

fn shown(entry: Option<&Entry>) -> String {
    entry.map_or("nothing".into(), |entry| entry.file.display().to_string())
}
