//! `apprentice feedback list|record|export|merge`: what was answered to findings, and what was learned from it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, anyhow};
use engine::{
    feedback::{Entry, Journal, Kind, Permission, Told},
    taste::State,
};

use crate::{
    args::{Args, Feedback, FeedbackAnswer, FeedbackCommand},
    files,
    interactive::clean,
    journal::{self, PLACE},
    lessons,
    review::print,
    setup::{self, Setup},
};

pub(crate) fn run(args: &Args, feedback: &Feedback) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let journal = lessons::open(&setup, feedback.journal.as_deref())?;
    match &feedback.command {
        FeedbackCommand::List { json } => list(&journal, *json)?,
        FeedbackCommand::Record { fingerprint, answer, why, path } => {
            let told = find(&setup, &journal, fingerprint, path.as_ref())?;
            let new = journal.append(&entries(&setup, &told, *answer, why.as_deref())?)?;
            anstream::eprintln!("kept {new} answer{}", if new == 1 { "" } else { "s" });
        }
        FeedbackCommand::Export { state, output } => export(&journal, *state, output.as_deref())?,
        FeedbackCommand::Merge { file } => merge(&journal, file)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(journal: &Journal, json: bool) -> Result<()> {
    let entries = journal.numbered(None)?;
    if json {
        let entries: Vec<&Entry> = entries.iter().map(|(_, entry)| entry).collect();
        return print(&(serde_json::to_string_pretty(&entries)? + "\n"));
    }
    if entries.is_empty() {
        anstream::eprintln!("no answers yet: `apprentice review --interactive` asks for them");
    }
    print(&entries.iter().map(|(id, entry)| clean(&lessons::line(*id, entry)) + "\n").collect::<String>())
}

/// The finding that is meant, as it was last told.
fn find(setup: &Setup, journal: &Journal, fingerprint: &str, path: Option<&PathBuf>) -> Result<Told> {
    let path = path.map(|path| setup.repo_path(path)).transpose()?.flatten();
    let mut found = journal.told_about(&fingerprint.to_ascii_lowercase())?;
    found.retain(|told| told.place == PLACE && path.as_ref().is_none_or(|path| told.path == *path));
    let Some(told) = found.first().cloned() else {
        return Err(anyhow!(
            "no review here told a finding `{fingerprint}`; `apprentice review --format json` tells fingerprints"
        ));
    };
    match found.iter().find(|other| other.fingerprint != told.fingerprint || other.path != told.path) {
        None => Ok(told),
        Some(other) if other.fingerprint == told.fingerprint => Err(anyhow!(
            "`{fingerprint}` was told of `{}` and of `{}`; say which with --path",
            clean(told.path.as_str()),
            clean(other.path.as_str())
        )),
        Some(_) => Err(anyhow!("`{fingerprint}` could be several findings; give more of the fingerprint")),
    }
}

/// The answer, and the words given with it where it has no room for them itself.
fn entries(setup: &Setup, told: &Told, answer: FeedbackAnswer, why: Option<&str>) -> Result<Vec<Entry>> {
    let (at, who) = (journal::now(), setup.repository()?.person());
    let entry = |kind: Kind, what: Option<&str>| Entry {
        key: journal::key(&told.fingerprint, told.path.as_str(), at, kind),
        at,
        kind,
        place: PLACE.into(),
        fingerprint: told.fingerprint.clone(),
        check: told.subject.rule.clone(),
        severity: Some(told.subject.severity),
        path: Some(told.path.clone()),
        who: who.clone(),
        permission: Permission::Write,
        what: what.map(str::to_owned),
        similarity: (kind == Kind::Applied).then_some(1.0),
        instead: None,
        evidence: "recorded by hand".into(),
    };
    let words = why.map(|why| entry(Kind::Reply, Some(why)));
    let (first, words) = match answer {
        FeedbackAnswer::Applied => (entry(Kind::Applied, None), words),
        FeedbackAnswer::Useful => (entry(Kind::Reaction, Some("+1")), words),
        FeedbackAnswer::NotUseful => (entry(Kind::Reaction, Some("-1")), words),
        FeedbackAnswer::Rejected => (entry(Kind::Rejected, why), None),
    };
    Ok(std::iter::once(first).chain(words).collect())
}

fn merge(journal: &Journal, file: &Path) -> Result<()> {
    let state =
        State::read(&files::read_text(file)?).with_context(|| format!("cannot take in `{}`", file.display()))?;
    journal.merge(&state)?;
    let (machines, answers) = (state.parts().len(), state.answers());
    anstream::eprintln!("taken in: {answers} answers of {machines} machine{}", if machines == 1 { "" } else { "s" });
    Ok(())
}

fn export(journal: &Journal, state: bool, output: Option<&Path>) -> Result<()> {
    let mut text = String::new();
    if state {
        text = journal.state(journal::now())?.write()? + "\n";
    } else {
        for entry in journal.entries(None)? {
            text.push_str(&serde_json::to_string(&entry).context("cannot write an answer")?);
            text.push('\n');
        }
    }
    match output {
        Some(path) => files::write(path, text.as_bytes()),
        None => print(&text),
    }
}
