//! What do people's answers teach a model? Rows of training data from journals, in the very words in which it is asked.
//!
//! Invariants: the same input makes the same bytes. What was forgotten is in no file of the next build. No secret and no
//! person is in a row. What is alike is never both learned from and examined by. However many answers there are, only a
//! thousand bytes of each are held at once: texts are read twice.

mod candidate;
mod example;
mod interactions;
mod journal;
mod recipe;
mod replay;
mod row;
mod split;
mod tally;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use engine::{
    config::{Config, FeedbackConfig},
    feedback::{Answered, JournalError},
    model::adapters::Key,
    suggest::{Prompts, lesson},
};
use serde::{Deserialize, Serialize};

use crate::{canary::Canary, personal::Scrubber};
use candidate::{Candidate, From};
pub use row::{Asked, Format, Kind};
use split::{Side, Terms};
pub use write::{FileOf, MANIFEST, Manifest, Source, read_manifest};

/// Something to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A journal of answers: `state.db` of a repository or of a bot.
    Journal(PathBuf),
    /// Another program's questions and answers: `agent_interactions.jsonl`, see docs/training-data.md.
    Interactions(PathBuf),
}

/// How rows are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// For which trainer.
    pub format: Format,
    /// The share of each project's answers that is held out, 0 to 1, the newest.
    pub holdout: f64,
    /// Projects of which everything is held out.
    pub holdout_projects: BTreeSet<String>,
    /// No older answers, milliseconds since 1970.
    pub since: Option<i64>,
    /// Only answers before then, milliseconds since 1970.
    pub until: Option<i64>,
    /// Only answers about these languages, as [`Key`] has them; about all where none is named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub languages: BTreeSet<String>,
    /// The most answers of one person about one rule.
    pub most_of_one: usize,
    /// The most answers that are learned from: the newest, and of older ones some of every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// Strings that are planted, for an exam to see whether a model gives away what it was taught.
    #[serde(default)]
    pub canaries: usize,
    /// The model that configurations for other trainers name.
    pub base: String,
}

impl Settings {
    /// Whether answers about this language are asked for.
    fn speaks(&self, language: &str) -> bool {
        let key = || language.parse::<Key>().map_or_else(|_| language.to_lowercase(), |key| key.to_string());
        self.languages.is_empty() || self.languages.contains(&key())
    }
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// A journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be opened as a journal.
    #[error("`{file}` is no journal of answers")]
    NoJournal {
        /// The file.
        file: String,
        /// What SQLite says.
        #[source]
        source: JournalError,
    },
    /// A line is no interaction.
    #[error("line {line} of `{file}` is no interaction: {why}")]
    Line {
        /// The file's name.
        file: String,
        /// 1-based.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes there.
    #[error("another process is writing to `{0}`: wait until it is done")]
    Busy(String),
    /// A file cannot be written.
    #[error("cannot write `{file}`")]
    Write {
        /// The file.
        file: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// An input that is open.
enum Opened {
    Journal(Box<Answered>),
    Interactions(PathBuf),
}

/// Makes rows of inputs into a folder, and says what they are.
///
/// # Errors
/// [`LessonError`]; what was in the folder before is then still there.
pub fn build(inputs: &[Input], settings: &Settings, output: &Path) -> Result<Manifest, LessonError> {
    let file = || output.display().to_string();
    let lock = crate::files::Claim::take(output).map_err(|source| LessonError::Write { file: file(), source })?;
    let _lock = lock.ok_or_else(|| LessonError::Busy(file()))?;
    let mut build = Build::open(inputs)?;
    build.gather(settings)?;
    let terms = Terms {
        share: settings.holdout,
        projects: settings.holdout_projects.clone(),
        most_of_one: settings.most_of_one,
    };
    let mut sides = split::split(&build.candidates, &terms);
    if let Some(most) = settings.most {
        replay::choose(&build.candidates, most, &mut sides);
    }
    for why in sides.iter().filter_map(|side| side.as_ref().err()) {
        build.leave_out(why);
    }
    let mut writer = write::Writer::new(output, settings);
    build.write(&sides, &mut writer)?;
    let digests: String = build.sources.iter().map(|source| source.blake3.as_str()).collect();
    writer.plant(&Canary::planted(settings.canaries, &digests))?;
    let used = sides.iter().filter(|side| side.is_ok()).count();
    writer.finish(Manifest {
        version: 1,
        form: lesson::FORM,
        settings: settings.clone(),
        inputs: build.sources,
        answers: used,
        left_out: build.left_out,
        rows: BTreeMap::new(),
        languages: BTreeMap::new(),
        projects: BTreeMap::new(),
        files: Vec::new(),
    })
}

/// A build on its way.
struct Build {
    opened: Vec<Opened>,
    sources: Vec<Source>,
    scrubber: Scrubber,
    rewards: FeedbackConfig,
    candidates: Vec<Candidate>,
    left_out: BTreeMap<String, usize>,
}

impl Build {
    fn open(inputs: &[Input]) -> Result<Self, LessonError> {
        let (mut opened, mut sources, mut people) = (Vec::new(), Vec::new(), BTreeSet::new());
        for input in inputs {
            let name = name(input, &sources);
            let (one, kind, blake3) = match input {
                Input::Journal(path) => {
                    let none = |source| LessonError::NoJournal { file: path.display().to_string(), source };
                    let journal = Answered::open(path).map_err(none)?;
                    people.extend(journal.people()?);
                    let digest = journal.digest()?;
                    (Opened::Journal(Box::new(journal)), "journal", digest)
                }
                Input::Interactions(path) => (Opened::Interactions(path.clone()), "interactions", hash(path)?),
            };
            opened.push(one);
            sources.push(Source { name, kind: kind.to_owned(), blake3 });
        }
        let (candidates, left_out) = (Vec::new(), BTreeMap::new());
        let (scrubber, rewards) = (Scrubber::new(&people), Config::default().feedback);
        Ok(Self { opened, sources, scrubber, rewards, candidates, left_out })
    }

    fn leave_out(&mut self, why: &str) {
        *self.left_out.entry(why.to_owned()).or_default() += 1;
    }

    /// Reads everything once, and remembers little.
    fn gather(&mut self, settings: &Settings) -> Result<(), LessonError> {
        // Silence counts after some days. As of now would be something else with every day; the newest answer's time is not.
        let mut now = settings.until.unwrap_or(i64::MIN);
        for journal in self.opened.iter().filter_map(Opened::journal).filter(|_| settings.until.is_none()) {
            now = now.max(journal.newest()?);
        }
        let mut heard = Vec::new();
        for (at, input) in self.opened.iter().enumerate() {
            match input {
                Opened::Journal(journal) => {
                    journal::read(journal, at, (&self.rewards, now), &mut |one| heard.push(one))?;
                }
                Opened::Interactions(path) => {
                    let name = self.sources.get(at).map_or("", |source| &source.name);
                    interactions::each(name, &mut interactions::open(path)?, &mut |line, one| {
                        heard.push(one.candidate(at, line, &self.rewards));
                    })?;
                }
            }
        }
        for one in heard {
            match one {
                Err(why) => self.leave_out(why),
                Ok(one) if settings.since.is_some_and(|since| one.at < since) => self.leave_out("older than asked for"),
                Ok(one) if settings.until.is_some_and(|until| one.at >= until) => {
                    self.leave_out("newer than asked for")
                }
                Ok(one) if !settings.speaks(&one.language) => self.leave_out("about another language"),
                Ok(one) => self.candidates.push(one),
            }
        }
        Ok(())
    }

    /// Reads again what is used, and writes its rows.
    fn write(
        &mut self,
        sides: &[Result<Side, &'static str>],
        writer: &mut write::Writer<'_>,
    ) -> Result<(), LessonError> {
        let prompts = Prompts::default();
        let mut untaken = 0;
        for (at, input) in self.opened.iter().enumerate() {
            let name = self.sources.get(at).map_or("", |source| &source.name);
            let used = self.candidates.iter().zip(sides);
            let used = used.filter_map(|(one, side)| Some((one, *side.as_ref().ok()?)));
            let used: Vec<(&Candidate, Side)> = used.filter(|(one, _)| one.input == at).collect();
            match input {
                Opened::Journal(journal) => {
                    for (group, side) in groups(&used) {
                        let Some(group) = journal::group(journal, name, &group, &self.scrubber)? else { continue };
                        let made = example::rows(&group, &prompts);
                        untaken += made.untaken;
                        made.rows.iter().try_for_each(|row| writer.put(side, row))?;
                    }
                }
                Opened::Interactions(path) => self.write_lines((name, path), &used, writer)?,
            }
        }
        if untaken > 0 {
            self.left_out
                .insert("rows whose answer would not be taken: too long, or it cannot be found".into(), untaken);
        }
        Ok(())
    }

    fn write_lines(
        &self,
        (name, path): (&str, &Path),
        used: &[(&Candidate, Side)],
        writer: &mut write::Writer<'_>,
    ) -> Result<(), LessonError> {
        let line = |(one, side): &(&Candidate, Side)| match one.from {
            From::Line(line) => Some((line, *side)),
            From::Journal(_) => None,
        };
        let used: HashMap<u64, Side> = used.iter().filter_map(line).collect();
        let mut written = Ok(());
        interactions::each(name, &mut interactions::open(path)?, &mut |line, one| {
            if let (Some(side), Ok(())) = (used.get(&line), &written) {
                let rows = one.rows(name, &self.scrubber, &self.rewards);
                written = rows.iter().try_for_each(|row| writer.put(*side, row));
            }
        })?;
        written
    }
}

impl Opened {
    fn journal(&self) -> Option<&Answered> {
        match self {
            Self::Journal(journal) => Some(journal),
            Self::Interactions(_) => None,
        }
    }
}

/// What is about the same code, together, in the order in which it comes first.
fn groups<'c>(used: &[(&'c Candidate, Side)]) -> Vec<(Vec<&'c Candidate>, Side)> {
    let mut groups: Vec<(Vec<&Candidate>, Side)> = Vec::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    for (one, side) in used {
        let at = *known.entry(one.code).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((group, _)) => group.push(one),
            None => groups.push((vec![one], *side)),
        }
    }
    groups
}

/// What rows call an input: its file's name, and a number where two have the same.
fn name(input: &Input, before: &[Source]) -> String {
    let (Input::Journal(path) | Input::Interactions(path)) = input;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_free = |name: &String| before.iter().all(|source| source.name != *name);
    let numbered = (2..).map(|number| format!("{name}:{number}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}

fn hash(path: &Path) -> Result<String, LessonError> {
    let failed = |source| LessonError::Read { file: path.display().to_string(), source };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(crate::files::reader(path).map_err(failed)?).map_err(failed)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
pub(crate) mod tests;
