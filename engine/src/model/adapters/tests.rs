//! Is the right adapter taken, and none that did not pass its exam on this model?
#![expect(clippy::disallowed_methods, reason = "tests write the shelves that they read")]

use candle_core::quantized::gguf_file::{self, Value};
use tempfile::TempDir;

use super::*;
use crate::{change::diff, notice::Gravity};

/// A model, and two folders of private state.
struct Case {
    folder: TempDir,
    model: PathBuf,
    shelves: Shelves,
}

fn case(language: Option<Language>) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let model = model(&folder, "base");
    let spoken = |language| Spoken { language, because: format!("most lines that changed are {language}") };
    let (project, user) = (Some(folder.path().join("project")), Some(folder.path().join("user")));
    Case { shelves: Shelves { project, user, language: language.map(spoken) }, model, folder }
}

/// A file that is like a model's as far as its digest goes.
fn model(folder: &TempDir, name: &str) -> PathBuf {
    let mut bytes = io::Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &[("general.name", &Value::String(name.into()))], &[]).unwrap();
    let path = folder.path().join(format!("{name}.gguf"));
    fs::write(&path, bytes.into_inner()).unwrap();
    path
}

impl Case {
    /// Puts an adapter on a shelf, as one that passed its exam on a model.
    fn put(&self, whose: &str, key: &str, model: &Path) -> PathBuf {
        let (state, key): (PathBuf, Key) = (self.folder.path().join(whose), key.parse().unwrap());
        let text = format!("{whose} {key}");
        let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
        let model = local::digest(model).unwrap();
        let entry = Entry { blake3, base: "b".into(), model, exam: "e".into(), at: 7 };
        let file = entry.file(&state, key);
        let mut shelf = Shelf::read(&state).unwrap();
        shelf.adapters.insert(key.to_string(), Place { served: Some(entry), previous: None });
        fs::create_dir_all(Shelf::folder(&state)).unwrap();
        fs::write(Shelf::list(&state), serde_json::to_string(&shelf).unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// What was taken, by its name up to its digest, and what was told.
    fn chosen(&self) -> (String, Vec<(Gravity, String)>) {
        let Chosen { adapter, notices } = self.shelves.choose(&self.model);
        let shown = |path: PathBuf| {
            let whose = path.strip_prefix(self.folder.path()).unwrap().iter().next().unwrap().to_str().unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
            format!("{whose} {name}")
        };
        let told = notices.into_iter().map(|notice| (notice.gravity, format!("{}: {}", notice.about, notice.what)));
        (adapter.map_or("none".into(), shown), told.collect())
    }
}

#[test]
fn of_this_project_and_this_language_else_of_less() {
    let all = ["project python", "project general", "user python", "user general"];
    for first in 0..=all.len() {
        let case = case(Some(Language::Python));
        for one in all.iter().skip(first).chain(&["project rust", "user rust"]) {
            let (whose, key) = one.split_once(' ').unwrap();
            case.put(whose, key, &case.model);
        }
        assert_eq!(case.chosen().0, *all.get(first).unwrap_or(&"none"), "{first}");
    }
    let case = case(None);
    case.put("user", "python", &case.model);
    assert_eq!(case.chosen(), ("none".into(), Vec::new()));
    case.put("user", "general", &case.model);
    let told = "adapter general: the user's was laid over the model: it is for every language";
    assert_eq!(case.chosen(), ("user general".into(), vec![(Gravity::Note, told.into())]));
}

#[test]
fn what_did_not_pass_on_this_model_is_passed_over_and_told() {
    let case = case(Some(Language::Python));
    let file = case.put("project", "python", &case.model);
    case.put("project", "general", &model(&case.folder, "other"));
    case.put("user", "python", &case.model);
    assert_eq!(case.chosen().0, "project python");
    fs::write(&file, "project pythoN").unwrap();
    let (taken, told) = case.chosen();
    assert_eq!(taken, "user python");
    let told: Vec<(Gravity, &str)> = told.iter().map(|(gravity, what)| (*gravity, what.as_str())).collect();
    let because = "adapter python: the user's was laid over the model: most lines that changed are python";
    assert_eq!(
        told,
        [
            (
                Gravity::Skipped,
                "adapter python: this project's was passed over: its file is not the one that passed the exam"
            ),
            (Gravity::Note, "adapter general: this project's was passed over: its exam was on another model"),
            (Gravity::Note, because),
        ]
    );
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let (taken, told) = case.chosen();
    assert!(taken == "user python" && told[0].0 == Gravity::Skipped && told[0].1.contains("it is no file"), "{told:?}");
    // A model that cannot be opened is told of by whoever opens it.
    fs::write(&case.model, "x").unwrap();
    assert_eq!(case.chosen(), ("none".into(), Vec::new()));
}

#[test]
fn a_list_that_cannot_be_read_is_told_and_the_other_one_holds() {
    let case = case(Some(Language::Rust));
    case.put("project", "rust", &case.model);
    case.put("user", "rust", &case.model);
    let list = Shelf::list(&case.folder.path().join("project"));
    let text = fs::read_to_string(&list).unwrap();
    for bad in ["", "[]", "{}", &text.replace("\"version\":1", "\"version\":2"), &" ".repeat(MOST as usize + 1)] {
        fs::write(&list, bad).unwrap();
        let (taken, told) = case.chosen();
        assert!(taken == "user rust" && told[0].0 == Gravity::Skipped && told[0].1.contains("no list"), "{told:?}");
    }
    fs::write(&list, &text).unwrap();
    assert_eq!(case.chosen().0, "project rust");
}

#[test]
fn what_may_be_chosen_alike_has_one_mark() {
    let mut case = case(Some(Language::Rust));
    let mark = |case: &Case| case.shelves.mark();
    assert_eq!(mark(&case), "");
    case.put("user", "general", &case.model);
    let rust = mark(&case);
    assert_ne!(rust, "");
    case.shelves.language = Some(Spoken { language: Language::Go, because: String::new() });
    assert_eq!(mark(&case), rust, "nothing is for one of them alone");
    case.put("user", "go", &case.model);
    assert_ne!(mark(&case), rust);
}

#[test]
fn a_key_is_a_language_or_general() {
    for (text, key) in [("python", "python"), ("py", "python"), ("tsx", "typescript"), ("general", "general")] {
        assert_eq!(text.parse::<Key>().unwrap().to_string(), key);
    }
    for bad in ["", "../x", "klingon"] {
        assert!(bad.parse::<Key>().is_err(), "{bad}");
    }
}

/// A diff of files with so many new lines each.
fn change(files: &[(&str, usize)]) -> crate::change::Change {
    let file = |(path, lines): &(&str, usize)| {
        let added = "+x\n".repeat(*lines);
        format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n{added}")
    };
    let (files, notices) = diff::parse(files.iter().map(file).collect::<String>().as_bytes());
    assert!(notices.is_empty(), "{notices:?}");
    crate::change::Change { origin: crate::change::Origin::Staged, files }
}

#[test]
fn a_change_speaks_the_language_of_most_of_its_lines() {
    for (files, language) in [
        (&[("a.py", 3), ("b.rs", 2), ("c.rs", 2)][..], Some(Language::Rust)),
        (&[("a.py", 3), ("b.rs", 2)], Some(Language::Python)),
        (&[("a.py", 2), ("b.go", 2)], Some(Language::Go)),
        (&[("a.json", 90), ("b.go", 1), ("README.md", 50)], Some(Language::Go)),
        (&[("a.json", 90), ("b.yml", 1)], Some(Language::Json)),
        (&[("a.tsx", 2), ("b.ts", 2), ("c.js", 3)], Some(Language::TypeScript)),
        (&[("README.md", 5)], None),
        (&[], None),
    ] {
        let change = change(files);
        assert_eq!(of_change(&change).map(|spoken| spoken.language), language, "{files:?}");
    }
    let whole = |path: &str| crate::change::FileChange::whole(crate::source::RepoPath::new(path).unwrap(), None);
    let files = vec![whole("a.rs"), whole("b.py"), whole("c.py")];
    let spoken = of_change(&crate::change::Change { origin: crate::change::Origin::All, files }).unwrap();
    assert_eq!((spoken.language, &*spoken.because), (Language::Python, "most files are python"));
}

#[test]
fn a_project_speaks_the_language_that_it_is_laid_out_for() {
    for (names, language) in [
        (&["Cargo.toml", "package.json", "src"][..], Some(Language::Rust)),
        (&["package.json"], Some(Language::JavaScript)),
        (&["package.json", "tsconfig.json"], Some(Language::TypeScript)),
        (&["package.json", "pyproject.toml"], Some(Language::Python)),
        (&["go.mod"], Some(Language::Go)),
        (&["pom.xml"], Some(Language::Java)),
        (&["build.gradle"], Some(Language::Java)),
        (&["Our.sln"], Some(Language::CSharp)),
        (&[".sln", "README.md"], None),
        (&[], None),
    ] {
        assert_eq!(of_project(names).map(|spoken| spoken.language), language, "{names:?}");
    }
}
