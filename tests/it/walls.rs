//! Do the walls stand? What docs/architecture.md promises about the code, held by tests rather than by memory.
#![expect(clippy::disallowed_methods, reason = "a test reads the sources it judges")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::{
    change::{Change, FileChange, Origin, Versions},
    check::rule::RuleSet,
    config::{self, Config, Layers},
    examples,
    pipeline::Engine,
    review::Baseline,
    source::{Directory, Ignored, Memory, Sources},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The modules of a crate in the order of lib.rs, which is the architecture.
fn modules(of: &str) -> Vec<String> {
    let declared = |line: &str| {
        line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")).map(|rest| rest.trim_end_matches(';').to_owned())
    };
    read(format!("{of}/src/lib.rs")).lines().filter_map(declared).collect()
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let mut wrong = Vec::new();
    for of in ["engine", "trainer"] {
        let order: BTreeMap<String, usize> = modules(of).into_iter().zip(0..).collect();
        let source = root().join(of).join("src");
        for file in rust_files(&source) {
            let relative = file.strip_prefix(&source).expect("below its sources");
            let module = relative.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
            let Some(&own) = order.get(&module) else { continue };
            for used in crate_paths(&fs::read_to_string(&file).expect("a source file")) {
                if order.get(&used).is_some_and(|&other| other > own) {
                    wrong.push(format!("{of}: {} uses `{used}`, which stands below `{module}`", relative.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// First segments after `crate::`, in paths and in grouped imports, outside tests.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or(text);
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn the_wall_test_sees_grouped_imports() {
    let text = "use crate::{\n    change::{Change, Hunk},\n    source,\n};\nfn f() { crate::patch::prove() }";
    assert_eq!(crate_paths(text).into_iter().collect::<Vec<_>>(), ["change", "patch", "source"]);
}

#[test]
fn crates_depend_on_engine_and_never_on_each_other() {
    for member in ["engine", "hook", "bot", "trainer"] {
        let manifest: toml::Table = read(format!("{member}/Cargo.toml")).parse().expect("a manifest");
        let dependencies = manifest["dependencies"].as_table().expect("dependencies");
        let own: Vec<&str> = ["engine", "apprentice", "apprentice-bot", "apprentice-trainer"]
            .into_iter()
            .filter(|name| dependencies.contains_key(*name))
            .collect();
        let allowed: &[&str] = if member == "engine" { &[] } else { &["engine"] };
        assert_eq!(own, allowed, "{member}");
        if member == "engine" {
            for outside in ["clap", "anyhow", "axum", "anstream"] {
                assert!(!dependencies.contains_key(outside), "engine must not know {outside}");
            }
        }
    }
}

#[test]
fn git2_is_named_in_one_module() {
    let files = ["engine/src", "hook/src", "bot/src", "trainer/src"]
        .into_iter()
        .flat_map(|folder| rust_files(&root().join(folder)));
    for file in files {
        let shown = file.display().to_string();
        let inside = shown.ends_with("engine/src/git.rs") || shown.contains("engine/src/git/");
        assert!(inside || !fs::read_to_string(&file).expect("a source file").contains("git2::"), "{shown} names git2");
    }
}

#[test]
fn tokio_is_named_in_one_module() {
    for file in
        ["engine/src", "hook/src", "trainer/src"].into_iter().flat_map(|folder| rust_files(&root().join(folder)))
    {
        let shown = file.display().to_string();
        let inside = shown.ends_with("engine/src/model/ollama.rs") || shown.contains("engine/src/model/ollama/");
        assert!(
            inside || !fs::read_to_string(&file).expect("a source file").contains("tokio::"),
            "{shown} names tokio"
        );
    }
}

#[test]
fn every_file_opens_with_its_question() {
    for folder in ["engine/src", "hook/src", "bot/src", "trainer/src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("a source file");
            assert!(text.starts_with("//!"), "{} has no `//!` sentence", file.display());
        }
    }
}

#[test]
fn every_rule_keeps_its_word() {
    let tally = examples::test(&RuleSet::builtin(), &Config::default().checks, |_| true);
    let broken: Vec<String> = tally.broken.iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} of {} rules:\n{}", broken.len(), tally.rules, broken.join("\n"));
    assert!(tally.rules >= 120 && tally.fixes >= 40, "{} rules, {} fixes", tally.rules, tally.fixes);
}

#[test]
fn schemas_are_fresh() {
    assert_eq!(read("config/schema.json"), config::schema(), "run `apprentice config schema > config/schema.json`");
    assert_eq!(
        read("config/review.schema.json"),
        engine::report::schema(),
        "run `apprentice config schema --review > config/review.schema.json`"
    );
}

#[test]
fn our_own_engine_has_nothing_to_say_about_this_repository() {
    let root = root();
    let mut layers = Layers::default();
    layers.file("apprentice.toml".into(), &read("apprentice.toml")).expect("our own configuration");
    layers.set("review.untouched_lines", "true", &config::Origin::Default).expect("a setting");
    let ignored = fs::read_to_string(root.join(".ai_coder_ignore")).unwrap_or_default();
    let engine = Engine::new(layers.resolve().expect("our own configuration"), RuleSet::builtin(), Baseline::default())
        .expect("an engine")
        .ignoring(Ignored::parse(&ignored).expect("patterns"));
    let directory = Directory::new(&root);
    let files =
        directory.list().expect("our own files").into_iter().map(|path| FileChange::whole(path, None)).collect();
    let review = engine.review(Versions {
        change: Change { origin: Origin::All, files },
        old: Arc::new(Memory::default()),
        new: Arc::new(directory),
        notices: Vec::new(),
    });
    let text = engine::report::render(&review, engine::report::Format::Text, engine::report::Color::Off);
    assert!(review.told().next().is_none() && !review.is_incomplete(), "{text}");
}
