//! `apprentice lessons`

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use engine::{
    feedback::{Adopted, Entry, Journal, Kind, LESSONS, Lesson, Permission, lessons},
    taste::Learning,
};

use crate::{
    args::{self, LessonsCommand},
    files,
    journal::{self, PLACE},
    review::print,
    setup::{self, Setup},
};

pub(crate) fn run(args: &args::Args, given: &args::Lessons) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let journal = open(&setup, given.journal.as_deref())?;
    let found = lessons(&journal.learned(journal::now())?);
    match &given.command {
        LessonsCommand::List { json } => list(&setup, &found, *json)?,
        LessonsCommand::Explain { which } => explain(&journal, &found, which)?,
        LessonsCommand::Forget { which } => forget(&setup, &journal, &found, which)?,
        LessonsCommand::Export { write } => export(&setup, &found, *write)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The repository's journal, or another one.
pub(crate) fn open(setup: &Setup, file: Option<&Path>) -> Result<Arc<Journal>> {
    let Some(file) = file else { return setup.journal() };
    if !files::exists(file) {
        return Err(anyhow!("there is no journal `{}`", file.display()));
    }
    let learning = Learning::of(&setup.config.taste);
    let journal = Journal::open_with(file, setup.config.feedback.clone(), learning);
    Ok(Arc::new(journal.with_context(|| format!("cannot use `{}`", file.display()))?))
}

fn list(setup: &Setup, found: &[Lesson], json: bool) -> Result<()> {
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(found)?));
    }
    let adopted = setup.lessons()?;
    let is_adopted = |id: &str| adopted.iter().any(|one| one.id == id);
    let mut out = String::new();
    for lesson in found {
        let mark = if is_adopted(&lesson.id) { "  agreed" } else { "" };
        out += &format!(
            "{}  {}: {} answers by {} people, {:.2}{mark}\n",
            lesson.id, lesson.words, lesson.answers, lesson.people, lesson.sure
        );
    }
    for one in adopted.iter().filter(|one| found.iter().all(|lesson| lesson.id != one.id)) {
        out += &format!("{}  {}: agreed in {LESSONS}\n", one.id, one.says);
    }
    if out.is_empty() {
        anstream::eprintln!(
            "no lessons yet: they take a few clear answers by two people (`apprentice report` shows what there is)"
        );
    }
    print(&out)
}

/// The numbers of the entries that are meant: `#12`, or those behind a lesson.
fn meant(found: &[Lesson], which: &str) -> Result<Vec<i64>> {
    if let Some(number) = which.strip_prefix('#').and_then(|number| number.parse().ok()) {
        return Ok(vec![number]);
    }
    let mut like = found.iter().filter(|lesson| lesson.id.starts_with(which));
    match (like.next(), like.next()) {
        (Some(lesson), None) => Ok(lesson.because.clone()),
        (Some(_), Some(_)) => Err(anyhow!("`{which}` could be several lessons; give more of its id")),
        (None, _) => {
            Err(anyhow!("there is no lesson `{which}`; `apprentice lessons list` shows them, and `#12` is answer 12"))
        }
    }
}

fn explain(journal: &Journal, found: &[Lesson], which: &str) -> Result<()> {
    let mut out = String::new();
    if let Some(lesson) = found.iter().find(|lesson| lesson.id.starts_with(which)) {
        out += &format!("{}: {} answers by {} people\n", lesson.words, lesson.answers, lesson.people);
    }
    for id in meant(found, which)? {
        let entry = journal.entry(id)?.ok_or_else(|| anyhow!("there is no answer #{id}"))?;
        out += &format!("{}\n", line(id, &entry));
    }
    print(&out)
}

/// One answer on one line; what people wrote holds no control characters.
pub(crate) fn line(id: i64, entry: &Entry) -> String {
    let kind = serde_json::to_value(entry.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let path = entry.path.as_ref().map(|path| path.as_str()).unwrap_or_default();
    let who = if entry.who.is_empty() { "nobody named" } else { &entry.who };
    let what = entry.what.as_ref().map(|what| format!(": {}", what.lines().next().unwrap_or_default()));
    let text = format!(
        "#{id}  {}  {} by {who}{}  {} {path}  ({})",
        entry.place,
        kind.unwrap_or_default(),
        what.unwrap_or_default(),
        entry.check,
        entry.evidence
    );
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn forget(setup: &Setup, journal: &Journal, found: &[Lesson], which: &str) -> Result<()> {
    let who = setup.repository()?.person();
    let mut entries = Vec::new();
    for id in meant(found, which)? {
        let entry = journal.entry(id)?.ok_or_else(|| anyhow!("there is no answer #{id}"))?;
        if entry.kind == Kind::Forgotten {
            return Err(anyhow!("#{id} is itself a forgetting, and stays"));
        }
        entries.push(Entry {
            key: format!("{PLACE}:forget:{}", entry.key),
            at: journal::now(),
            kind: Kind::Forgotten,
            who: who.clone(),
            permission: Permission::Write,
            what: Some(entry.key.clone()),
            similarity: None,
            instead: None,
            evidence: format!("lessons forget {which}"),
            ..entry
        });
    }
    let new = journal.append(&entries)?;
    anstream::eprintln!("forgotten: {new} answer{}", if new == 1 { "" } else { "s" });
    Ok(())
}

fn export(setup: &Setup, found: &[Lesson], write: bool) -> Result<()> {
    let mut all = setup.lessons()?;
    let new: Vec<Adopted> =
        found.iter().filter(|lesson| all.iter().all(|one| one.id != lesson.id)).map(Adopted::from).collect();
    let added = new.len();
    all.extend(new);
    let text = Adopted::write(&all).map_err(|why| anyhow!("{why}"))?;
    if !write {
        return print(&text);
    }
    let file = setup.root.join(LESSONS);
    files::make_parent(&file)?;
    files::write(&file, text.as_bytes())?;
    anstream::eprintln!(
        "wrote {added} new lesson{} to {LESSONS}; commit it to agree",
        if added == 1 { "" } else { "s" }
    );
    Ok(())
}
