//! Which model is served, which was before, and how does one become it? A file of state that is replaced whole, and a
//! history that only grows.
//!
//! Invariant: a model comes into [`Models::incumbent`] through [`promote`], which takes an [`Exam`] that was passed on
//! its very bytes, or through [`rollback`], which brings back one that came there so.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    card::{Card, CardError},
    exam::Exam,
    files,
};

/// Bytes that the state may have.
const MOST: u64 = 16 << 20;

/// Candidates that are remembered.
const CANDIDATES: usize = 16;

/// What is served, and what could be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// What is served.
    pub incumbent: Option<Entry>,
    /// What was served before.
    pub previous: Option<Entry>,
    /// What sat an exam and is not served, the newest last.
    #[serde(default)]
    pub candidates: Vec<Entry>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its file.
    pub file: PathBuf,
    /// BLAKE3 of it, 64 hex digits.
    pub blake3: String,
    /// Whether it passed its exam.
    pub is_passed: bool,
    /// Seconds since 1970.
    pub at: u64,
}

/// Something that happened, as the history has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since 1970.
    pub at: u64,
    /// `examined`, `promoted`, `refused`, `rolled back`.
    pub what: String,
    /// BLAKE3 of the model.
    pub blake3: String,
    /// Why, in words.
    pub why: String,
}

/// Why a model does not become the one that is served. What is served stays.
#[derive(Debug, thiserror::Error)]
pub enum PromotionError {
    /// A file cannot be read or written.
    #[error("cannot use `{file}`")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The state cannot be read.
    #[error("`{file}` is no list of models: {why}; put it aside to begin anew")]
    State {
        /// Which file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The exam was not passed.
    #[error("it is not promoted: {0}")]
    NotPassed(String),
    /// The file is not the one that sat the exam.
    #[error("`{0}` is not the file that sat the exam: examine it")]
    Other(String),
    /// What it was held against is no longer what is served.
    #[error("it was held against `{0}`, and another model is served by now: examine it again")]
    Outdated(String),
    /// There is nothing to go back to.
    #[error("no model was served before this one")]
    NoPrevious,
    /// The card cannot be written.
    #[error(transparent)]
    Card(#[from] CardError),
}

/// Where the state lies.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// A folder for models, their exams and their history.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn state(&self) -> PathBuf {
        self.folder.join("models.json")
    }

    /// The models as they are now.
    ///
    /// # Errors
    /// [`PromotionError::State`] where the file is none of ours: it is never written over.
    pub fn models(&self) -> Result<Models, PromotionError> {
        let path = self.state();
        match files::text(&path, MOST).map_err(|source| failed(&path, source))? {
            None => Ok(Models::default()),
            Some(text) => serde_json::from_str(&text)
                .map_err(|why| PromotionError::State { file: path.display().to_string(), why: why.to_string() }),
        }
    }

    fn put(&self, models: &Models) -> Result<(), PromotionError> {
        let (path, text) = (self.state(), serde_json::to_string_pretty(models).unwrap_or_default() + "\n");
        files::replace(&path, |out| std::io::Write::write_all(out, text.as_bytes()))
            .map_err(|source| failed(&path, source))
    }

    pub(crate) fn tell(&self, at: u64, what: &str, blake3: &str, why: String) -> Result<(), PromotionError> {
        let event = Event { at, what: what.to_owned(), blake3: blake3.to_owned(), why };
        let path = self.folder.join("models.log.jsonl");
        let line = serde_json::to_string(&event).unwrap_or_default();
        files::append(&path, &line).map_err(|source| failed(&path, source))
    }

    /// Everything that happened, in order. What cannot be read is left out.
    ///
    /// # Errors
    /// [`PromotionError::File`].
    pub fn history(&self) -> Result<Vec<Event>, PromotionError> {
        let path = self.folder.join("models.log.jsonl");
        if files::modified(&path).is_none() {
            return Ok(Vec::new());
        }
        let mut events = Vec::new();
        let read = files::lines::<std::io::Error>(&path, 1 << 20, &mut |_, line| {
            events.extend(serde_json::from_str::<Event>(line));
            Ok(())
        });
        read.map(|()| events).map_err(|source| failed(&path, source))
    }
}

/// Remembers that a file sat an exam, and writes the exam into its card.
///
/// # Errors
/// [`PromotionError`].
pub fn examined(home: &Home, file: &Path, exam: &Exam, at: u64) -> Result<PathBuf, PromotionError> {
    let mut card = Card::of(file, &|_, _| {})?;
    if card.blake3 != exam.artefact() {
        return Err(PromotionError::Other(file.display().to_string()));
    }
    card.exam = Some(exam.to_value());
    let card = card.write_beside(file)?;
    let mut models = home.models()?;
    let file = files::resolved(file);
    models.candidates.retain(|entry| entry.blake3 != exam.artefact());
    models.candidates.push(Entry { file, blake3: exam.artefact().to_owned(), is_passed: exam.is_passed(), at });
    let surplus = models.candidates.len().saturating_sub(CANDIDATES);
    models.candidates.drain(..surplus);
    home.put(&models)?;
    home.tell(at, "examined", exam.artefact(), reasons(exam, true))?;
    Ok(card)
}

/// Makes the file that sat this exam the one that is served; what was served is kept as the one before.
///
/// # Errors
/// [`PromotionError`]; then nothing has changed.
pub fn promote(home: &Home, file: &Path, exam: Exam, at: u64) -> Result<Models, PromotionError> {
    let mut models = home.models()?;
    if !exam.is_passed() {
        home.tell(at, "refused", exam.artefact(), reasons(&exam, false))?;
        return Err(PromotionError::NotPassed(reasons(&exam, false)));
    }
    let digests = files::digests(file, &|_, _| {}).map_err(|source| failed(file, source))?;
    if digests.blake3 != exam.artefact() {
        return Err(PromotionError::Other(file.display().to_string()));
    }
    let kept = home.keep(file, exam.artefact())?;
    let entry = Entry { file: kept, blake3: digests.blake3, is_passed: true, at };
    match models.incumbent.take() {
        Some(incumbent) if incumbent.blake3 == entry.blake3 => models.incumbent = Some(incumbent),
        Some(incumbent) if incumbent.blake3 != exam.against() => {
            return Err(PromotionError::Outdated(exam.against().into()));
        }
        incumbent => {
            models.previous = incumbent;
            models.incumbent = Some(entry);
        }
    }
    models.candidates.retain(|candidate| candidate.blake3 != exam.artefact());
    home.put(&models)?;
    home.tell(at, "promoted", exam.artefact(), reasons(&exam, true))?;
    home.clear(&models);
    Ok(models)
}

/// Serves again what was served before; what is served now becomes the one before.
///
/// # Errors
/// [`PromotionError::NoPrevious`], and [`PromotionError::Other`] where its file is no longer what it was.
pub fn rollback(home: &Home, why: &str, at: u64) -> Result<Models, PromotionError> {
    let mut models = home.models()?;
    let previous = models.previous.take().ok_or(PromotionError::NoPrevious)?;
    let digests = files::digests(&previous.file, &|_, _| {}).map_err(|source| failed(&previous.file, source))?;
    if digests.blake3 != previous.blake3 {
        return Err(PromotionError::Other(previous.file.display().to_string()));
    }
    let blake3 = previous.blake3.clone();
    models.previous = models.incumbent.replace(previous);
    home.put(&models)?;
    home.tell(at, "rolled back", &blake3, why.to_owned())?;
    Ok(models)
}

impl Home {
    /// The file under a name of its own, with its card, so that what is served stays when its maker writes the next one.
    fn keep(&self, file: &Path, blake3: &str) -> Result<PathBuf, PromotionError> {
        let to = self.folder.join("models").join(format!("{blake3}.gguf"));
        for kind in ["gguf", "card.json", "card.md"] {
            let (from, to) = (file.with_extension(kind), to.with_extension(kind));
            let from = if kind == "gguf" { file } else { &from };
            if kind == "gguf" || files::exists(from) {
                files::link(from, &to).map_err(|source| failed(&to, source))?;
            }
        }
        Ok(to)
    }

    /// Removes models that are neither served nor were just before, with their cards. What cannot be removed costs room,
    /// and no more.
    fn clear(&self, models: &Models) {
        let kept: Vec<&str> =
            [&models.incumbent, &models.previous].into_iter().flatten().map(|one| &*one.blake3).collect();
        for file in files::below(&self.folder.join("models"), 0).unwrap_or_default() {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !kept.iter().any(|digest| name.starts_with(digest)) {
                let _ = files::remove(&file);
            }
        }
    }
}

/// What an exam says in one line: of everything, or of what was not good enough.
pub fn reasons(exam: &Exam, all: bool) -> String {
    let gates = exam.gates().iter().filter(|gate| all || !gate.is_passed);
    gates.map(|gate| format!("{}: {}", gate.name, gate.why)).collect::<Vec<_>>().join("; ")
}

pub(crate) fn failed(file: &Path, source: std::io::Error) -> PromotionError {
    PromotionError::File { file: file.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exam::tests::exam;

    struct Case {
        folder: tempfile::TempDir,
        home: Home,
    }

    fn case() -> Case {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("state"));
        Case { folder, home }
    }

    impl Case {
        /// A file, and an exam that it passed against another.
        fn model(&self, text: &str, against: &str) -> (PathBuf, Exam) {
            let file = self.folder.path().join(format!("{text}.gguf"));
            files::replace(&file, |out| std::io::Write::write_all(out, text.as_bytes())).unwrap();
            let exam = exam(&blake3::hash(text.as_bytes()).to_hex(), true).held_against(&digest(against));
            (file, exam)
        }
    }

    fn digest(text: &str) -> String {
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    fn names(models: &Models) -> (Option<String>, Option<String>) {
        let text = |entry: &Option<Entry>| entry.as_ref().map(|entry| files::text(&entry.file, 99).unwrap().unwrap());
        (text(&models.incumbent), text(&models.previous))
    }

    #[test]
    fn what_is_served_can_be_taken_back_at_once() {
        let case = case();
        for (name, against) in [("one", "base"), ("two", "one"), ("three", "two")] {
            let (file, exam) = case.model(name, against);
            files::replace(&file.with_extension("card.json"), |out| std::io::Write::write_all(out, b"{}")).unwrap();
            promote(&case.home, &file, exam, 7).unwrap();
            // Its maker writes the next one over it.
            files::replace(&file, |out| std::io::Write::write_all(out, b"other")).unwrap();
        }
        let models = case.home.models().unwrap();
        assert_eq!(names(&models), (Some("three".into()), Some("two".into())));
        let kept = files::below(&case.home.folder().join("models"), 0).unwrap();
        let of = |end: &str| kept.iter().filter(|file| file.to_string_lossy().ends_with(end)).count();
        assert_eq!((of(".gguf"), of(".card.json"), kept.len()), (2, 2, 4), "the oldest is gone, with its card");
        let back = rollback(&case.home, "people said so", 8).unwrap();
        assert_eq!(names(&back), (Some("two".into()), Some("three".into())));
        assert_eq!(names(&rollback(&case.home, "a mistake", 9).unwrap()), (Some("three".into()), Some("two".into())));
        let what: Vec<String> = case.home.history().unwrap().into_iter().map(|event| event.what).collect();
        assert_eq!(what, ["promoted", "promoted", "promoted", "rolled back", "rolled back"]);
    }

    #[test]
    fn only_what_passed_on_these_very_bytes_against_what_is_served_is_promoted() {
        let case = case();
        let (file, passed) = case.model("one", "base");
        let (other, _) = case.model("other", "base");
        let not_passed = exam(passed.artefact(), false);
        assert!(matches!(promote(&case.home, &file, not_passed, 1), Err(PromotionError::NotPassed(_))));
        assert!(matches!(promote(&case.home, &other, passed.clone(), 1), Err(PromotionError::Other(_))));
        assert!(matches!(rollback(&case.home, "", 1), Err(PromotionError::NoPrevious)));
        assert_eq!(case.home.models().unwrap(), Models::default());
        promote(&case.home, &file, passed.clone(), 1).unwrap();
        let (two, stale) = case.model("two", "base");
        assert!(matches!(promote(&case.home, &two, stale, 2), Err(PromotionError::Outdated(_))));
        // Promoted twice, it is not what was served before itself.
        let again = promote(&case.home, &file, passed, 3).unwrap();
        assert_eq!(names(&again), (Some("one".into()), None));
        let what: Vec<String> = case.home.history().unwrap().into_iter().map(|event| event.what).collect();
        assert_eq!(what, ["refused", "promoted", "promoted"]);
    }

    #[test]
    fn a_previous_model_that_was_changed_is_not_brought_back() {
        let case = case();
        for (name, against) in [("one", "base"), ("two", "one")] {
            let (file, exam) = case.model(name, against);
            promote(&case.home, &file, exam, 7).unwrap();
        }
        let models = case.home.models().unwrap();
        files::replace(&models.previous.clone().unwrap().file, |out| std::io::Write::write_all(out, b"x")).unwrap();
        assert!(matches!(rollback(&case.home, "", 8), Err(PromotionError::Other(_))));
        assert_eq!(case.home.models().unwrap(), models);
    }

    #[test]
    fn a_state_that_cannot_be_read_is_not_written_over() {
        let case = case();
        let (file, exam) = case.model("one", "base");
        for text in ["", "[", "{\"incumbent\": 1}"] {
            files::replace(&case.home.state(), |out| std::io::Write::write_all(out, text.as_bytes())).unwrap();
            assert!(matches!(promote(&case.home, &file, exam.clone(), 1), Err(PromotionError::State { .. })), "{text}");
            assert_eq!(files::text(&case.home.state(), 99).unwrap().as_deref(), Some(text));
        }
    }
}
