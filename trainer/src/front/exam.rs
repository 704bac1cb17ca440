//! `apprentice-trainer evaluate`, `promote`, `rollback`, `status`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use serde_json::json;
use trainer::{
    exam::{self, Exam, Paper, Terms},
    files,
    promotion::{self, Entry, Home},
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
    let served = || -> Result<PathBuf> {
        let incumbent = home.models()?.incumbent.map(|entry| entry.file);
        incumbent.context("no model is served yet: name what training began from with `--against FILE`")
    };
    let paper = Paper {
        file: given.file.clone(),
        against: given.against.clone().map_or_else(served, Ok)?,
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
    promotion::examined(&home, &given.file, &exam, place::now())?;
    if given.json {
        anstream::println!("{}", serde_json::to_string_pretty(&exam.to_value())?);
    } else {
        say(&exam);
    }
    Ok(ExitCode::from(u8::from(!exam.is_passed())))
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
    let digests =
        files::digests(&given.file, &|_, _| {}).with_context(|| format!("cannot read `{}`", given.file.display()))?;
    let exam = Exam::kept(home.folder(), &digests.blake3)?;
    let models = promotion::promote(&home, &given.file, exam, place::now())?;
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn rollback(given: &Rollback) -> Result<ExitCode> {
    let models = promotion::rollback(&home(&given.kept)?, &given.why, place::now())?;
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn status(given: &Status) -> Result<ExitCode> {
    let home = home(&given.kept)?;
    let (models, history) = (home.models()?, home.history()?);
    if given.json {
        let value = json!({ "version": 1, "models": models, "history": history });
        anstream::println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("served      {}", shown(models.incumbent.as_ref()));
    anstream::println!("before      {}", shown(models.previous.as_ref()));
    for candidate in &models.candidates {
        let passed = if candidate.is_passed { "passed its exam" } else { "did not pass" };
        anstream::println!("candidate   {}, {passed}", shown(Some(candidate)));
    }
    for event in history.iter().rev().take(10).rev() {
        let name: String = event.blake3.chars().take(12).collect();
        anstream::println!("{:<11} {name}: {}", event.what, event.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(entry: Option<&Entry>) -> String {
    entry.map_or("nothing".into(), |entry| entry.file.display().to_string())
}
