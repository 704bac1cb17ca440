//! Does nothing come onto a shelf that did not pass, and does what was there come back?

use engine::model::adapters::Shelves;
use tempfile::TempDir;

use super::*;
use crate::exam::tests::exam;

const KEY: Key = Key::General;

struct Case {
    folder: TempDir,
    home: Home,
    base: PathBuf,
}

fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("state"));
    let base = model(&folder, "base");
    Case { folder, home, base }
}

/// The smallest file that is one of the format.
fn model(folder: &TempDir, name: &str) -> PathBuf {
    let bytes = [b"GGUF", &3_u32.to_le_bytes()[..], &[0; 16], name.as_bytes()].concat();
    write(&folder.path().join(name), &bytes)
}

fn write(path: &Path, bytes: &[u8]) -> PathBuf {
    files::replace(path, |out| std::io::Write::write_all(out, bytes)).unwrap();
    path.to_owned()
}

fn digest(path: &Path) -> String {
    files::digests(path, &|_, _| {}).unwrap().blake3
}

impl Case {
    fn adapter(&self, name: &str) -> PathBuf {
        write(&self.folder.path().join(name), name.as_bytes())
    }

    /// The exam of an adapter, held against another one, or against the model alone.
    fn exam(&self, adapter: &Path, against: Option<&Path>, is_passed: bool) -> Exam {
        let base = digest(&self.base);
        let against = against.map_or(base.clone(), |other| together(&base, &digest(other)));
        exam(&together(&base, &digest(adapter)), is_passed).held_against(&against)
    }

    fn promote(&self, adapter: &Path, exam: &Exam) -> Result<Place, PromotionError> {
        promote(&self.home, Candidate { key: KEY, base: &self.base, adapter }, exam, 7)
    }

    /// What the engine takes.
    fn taken(&self) -> Option<String> {
        let shelves = Shelves { project: Some(self.home.folder().to_owned()), user: None, language: None };
        let path = shelves.choose(&self.base).adapter?;
        Some(String::from_utf8(files::read(&path).unwrap()).unwrap())
    }

    fn files(&self) -> usize {
        let all = files::below(&Shelf::folder(self.home.folder()), 0).unwrap_or_default();
        all.iter().filter(|file| file.extension().is_some_and(|end| end == "gguf")).count()
    }
}

#[test]
fn what_passed_is_what_the_engine_takes_and_can_be_taken_back() {
    let case = case();
    let (one, two, three) = (case.adapter("one"), case.adapter("two"), case.adapter("three"));
    case.promote(&one, &case.exam(&one, None, true)).unwrap();
    case.promote(&two, &case.exam(&two, Some(&one), true)).unwrap();
    assert_eq!((case.taken().as_deref(), case.files()), (Some("two"), 2));
    case.promote(&three, &case.exam(&three, Some(&two), true)).unwrap();
    assert_eq!((case.taken().as_deref(), case.files()), (Some("three"), 2), "the oldest is gone");
    // Promoted twice, it is not what was taken before itself.
    case.promote(&three, &case.exam(&three, Some(&two), true)).unwrap();
    rollback(&case.home, KEY, "people said so", 8).unwrap();
    assert_eq!(case.taken().as_deref(), Some("two"));
    rollback(&case.home, KEY, "a mistake", 8).unwrap();
    assert_eq!(case.taken().as_deref(), Some("three"));
    let what: Vec<String> = case.home.history().unwrap().into_iter().map(|event| event.what).collect();
    assert_eq!(what, ["promoted", "promoted", "promoted", "promoted", "rolled back", "rolled back"]);
}

#[test]
fn the_first_one_can_be_taken_back_too() {
    let case = case();
    assert!(matches!(rollback(&case.home, KEY, "", 1), Err(PromotionError::NoPrevious)));
    let one = case.adapter("one");
    case.promote(&one, &case.exam(&one, None, true)).unwrap();
    assert_eq!(rollback(&case.home, KEY, "", 1).unwrap().served, None);
    assert_eq!(case.taken(), None);
    assert!(matches!(
        rollback(&case.home, Key::of(engine::source::Language::Go), "", 1),
        Err(PromotionError::NoPrevious)
    ));
    rollback(&case.home, KEY, "", 1).unwrap();
    assert_eq!(case.taken().as_deref(), Some("one"));
}

#[test]
fn nothing_comes_there_that_did_not_pass_on_these_very_files() {
    let mut case = case();
    let (one, two) = (case.adapter("one"), case.adapter("two"));
    assert!(matches!(case.promote(&one, &case.exam(&one, None, false)), Err(PromotionError::NotPassed(_))));
    assert!(matches!(case.promote(&two, &case.exam(&one, None, true)), Err(PromotionError::Other(_))));
    let passed = case.exam(&one, None, true);
    let base = std::mem::replace(&mut case.base, model(&case.folder, "other"));
    assert!(matches!(case.promote(&one, &passed), Err(PromotionError::Other(_))), "over another model");
    case.base = base;
    // An exam of the merged file, or of the model alone, is none of the two together.
    for artefact in [digest(&one), digest(&case.base)] {
        let exam = exam(&artefact, true).held_against(&digest(&case.base));
        assert!(matches!(case.promote(&one, &exam), Err(PromotionError::Other(_))));
    }
    assert_eq!((case.taken(), case.files()), (None, 0));
    case.promote(&one, &passed).unwrap();
    let stale = case.exam(&two, None, true);
    assert!(matches!(case.promote(&two, &stale), Err(PromotionError::Outdated(_))));
    assert_eq!((case.taken().as_deref(), case.files()), (Some("one"), 1));
    assert_eq!(incumbent(&case.home, KEY, &digest(&case.base)).unwrap().map(|path| digest(&path)), Some(digest(&one)));
    assert_eq!(incumbent(&case.home, KEY, "another model").unwrap(), None);
}

#[test]
fn one_over_another_model_is_held_against_that_model_alone() {
    let mut case = case();
    let (one, two) = (case.adapter("one"), case.adapter("two"));
    case.promote(&one, &case.exam(&one, None, true)).unwrap();
    case.base = model(&case.folder, "other");
    assert_eq!(case.taken(), None);
    case.promote(&two, &case.exam(&two, None, true)).unwrap();
    assert_eq!(case.taken().as_deref(), Some("two"));
    let place = rollback(&case.home, KEY, "", 8).unwrap();
    assert_eq!((place.served.unwrap().blake3, case.taken()), (digest(&one), None));
}

#[test]
fn what_was_changed_is_not_brought_back_and_a_strange_list_is_not_written_over() {
    let case = case();
    let (one, two) = (case.adapter("one"), case.adapter("two"));
    case.promote(&one, &case.exam(&one, None, true)).unwrap();
    let place = case.promote(&two, &case.exam(&two, Some(&one), true)).unwrap();
    write(&place.previous.unwrap().file(case.home.folder(), KEY), b"x");
    assert!(matches!(rollback(&case.home, KEY, "", 8), Err(PromotionError::Other(_))));
    assert_eq!(case.taken().as_deref(), Some("two"));
    let list = Shelf::list(case.home.folder());
    for text in ["", "[", "{\"version\": 2, \"adapters\": {}}"] {
        write(&list, text.as_bytes());
        let again = case.promote(&one, &case.exam(&one, Some(&two), true));
        assert!(matches!(again, Err(PromotionError::State { .. })), "{text}");
        assert!(matches!(rollback(&case.home, KEY, "", 8), Err(PromotionError::State { .. })), "{text}");
        assert_eq!(files::text(&list, 99).unwrap().as_deref(), Some(text));
    }
}
