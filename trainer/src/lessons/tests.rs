//! Do answers become rows, the same each time, and are they gone when they are forgotten?

use engine::{
    feedback::{Entry, Instead, Journal, Kind as Answer, Material, Permission, Told},
    finding::{Category, Confidence, Severity},
    source::RepoPath,
    suggest::{Change, Remark, Weight},
    taste::{Place, Say, Size, Subject},
};

use super::*;

const DAY: i64 = 24 * 3600 * 1000;
const NOW: i64 = 1_790_000_000_000;

fn settings(format: Format) -> Settings {
    Settings {
        format,
        holdout: 0.2,
        holdout_projects: BTreeSet::new(),
        since: None,
        until: None,
        languages: BTreeSet::new(),
        most_of_one: 100,
        most: None,
        canaries: 0,
        base: "base".into(),
    }
}

/// A finding in code of its own, with a patch.
pub(crate) fn told(n: usize) -> Told {
    let line = format!("    value_{n} = eval(text_{n})");
    let padding: String = (0..12).map(|at| format!(" name_{n}_{at} = other_{at}_{n}\n")).collect();
    Told {
        at: NOW + n as i64,
        place: "local".into(),
        fingerprint: format!("{n:032x}"),
        path: RepoPath::new(format!("a{n}.py")).expect("a path"),
        subject: Subject {
            rule: "python/eval-call".into(),
            project: ["acme/one", "acme/two"][n % 2].into(),
            language: "python".into(),
            category: Category::Security,
            severity: Severity::Error,
            confidence: Confidence::High,
            place: Place::Code,
            size: Size::Small,
            has_patch: true,
        },
        what: "words".into(),
        say: Say::Post,
        probability: 0.5,
        propensity: 1.0,
        reason: "none".into(),
        material: Some(Material {
            form: lesson::FORM,
            excerpt: format!("{padding}+{line}\n     # mail ada{n}@engine.org\n"),
            remark: Remark {
                quote: line.clone(),
                problem: "`eval` runs what is written".into(),
                why: "it may be anything".into(),
                category: Category::Security,
                severity: Weight::Warning,
                confidence: Confidence::High,
                replacement: None,
            },
            edits: vec![Change { quote: line.clone(), replacement: line.replace("eval(", "literal_eval(") }],
        }),
    }
}

pub(crate) fn answer(told: &Told, kind: Answer, key: &str) -> Entry {
    Entry {
        key: key.into(),
        at: told.at + 1,
        kind,
        place: told.place.clone(),
        fingerprint: told.fingerprint.clone(),
        check: told.subject.rule.clone(),
        severity: None,
        path: Some(told.path.clone()),
        who: ["ada", "ben"][told.at as usize % 2].into(),
        permission: Permission::Write,
        what: None,
        similarity: None,
        instead: None,
        evidence: "a test".into(),
    }
}

struct World {
    folder: tempfile::TempDir,
    journal: Journal,
}

impl World {
    /// So many findings, taken, refused and edited in turn.
    fn new(many: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(&folder.path().join("state.db")).expect("a journal");
        let world = Self { folder, journal };
        for n in 0..many {
            let told = told(n);
            let kind = [Answer::Applied, Answer::Rejected, Answer::Edited][n % 3];
            let mut entry = answer(&told, kind, &n.to_string());
            if kind == Answer::Edited {
                let before = format!("    value_{n} = eval(text_{n})\n");
                let after = format!("    value_{n} = parse(text_{n})\n");
                (entry.similarity, entry.instead) = (Some(0.9), Some(Instead { before, after }));
            }
            world.answered(&told, &[entry]);
        }
        world
    }

    fn answered(&self, told: &Told, entries: &[Entry]) {
        self.journal.tell(std::slice::from_ref(told)).expect("told");
        self.journal.append(entries).expect("answered");
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::Journal(self.folder.path().join("state.db"))]
    }

    fn build(&self, settings: &Settings, name: &str) -> Manifest {
        build(&self.inputs(), settings, &self.folder.path().join(name)).expect("built")
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(crate::files::read(&self.folder.path().join(path)).expect("a file")).expect("a text")
    }

    fn rows(&self, path: &str) -> Vec<serde_json::Value> {
        self.text(path).lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }
}

fn said(row: &serde_json::Value, field: &str) -> String {
    let said = row[field].as_array().and_then(|turns| turns.last()).expect("a turn");
    said["content"].as_str().expect("a text").to_owned()
}

#[test]
fn answers_become_rows_that_a_model_would_be_asked_and_read_by() {
    let world = World::new(30);
    let manifest = world.build(&settings(Format::Trl), "out");
    let of = |side: &str, kind: &str| manifest.rows[side][kind];
    assert_eq!((of("train", "sft") + of("valid", "sft"), manifest.answers), (30 + 20, 30), "{manifest:#?}");
    // Refused ones, and edited ones in a review and in a fix.
    assert_eq!(of("train", "dpo") + of("valid", "dpo"), 10 + 2 * 10);
    assert_eq!(of("train", "kto") + of("valid", "kto"), 30 + 20);
    assert_eq!(of("valid", "sft"), 10, "the newest of each project");
    let sft = world.rows("out/sft/train.jsonl");
    let reviews: Vec<&serde_json::Value> = sft.iter().filter(|row| row["task"] == "review").collect();
    let answers: Vec<Vec<Remark>> =
        reviews.iter().map(|row| lesson::read_remarks(&said(row, "messages")).expect("an answer")).collect();
    assert!(answers[0][0].replacement.as_deref() == Some("    value_0 = literal_eval(text_0)"), "{:?}", answers[0]);
    assert!(answers[1].is_empty());
    assert!(answers[2][0].replacement.as_deref() == Some("    value_2 = parse(text_2)"), "{:?}", answers[2]);
    let asked = reviews[0]["messages"].as_array().expect("turns");
    assert_eq!(
        asked.iter().map(|turn| turn["role"].as_str().expect("a role")).collect::<Vec<_>>(),
        ["system", "user", "assistant"]
    );
    let question = asked[1]["content"].as_str().expect("a text");
    assert!(question.contains("from: a0.py\n") && question.contains("\n+    value_0 = eval(text_0)\n"), "{question}");
    assert_eq!(reviews[0]["because"], serde_json::json!(["state.db#1"]));
    let dpo = world.rows("out/dpo/train.jsonl");
    let refused = dpo.iter().find(|row| row["because"] == serde_json::json!(["state.db#2"])).expect("a pair");
    assert_eq!(said(refused, "chosen"), "{\"findings\": []}");
    assert!(said(refused, "rejected").contains("literal_eval(text_1)"));
    let recipe = world.text("out/kto.yaml");
    assert!(recipe.contains("dataset_name: ./kto\n") && recipe.contains("desirable_weight: 1\n"), "{recipe}");
}

#[test]
fn the_same_answers_make_the_same_bytes() {
    let world = World::new(30);
    for format in [Format::Trl, Format::Axolotl, Format::Mlx, Format::Jsonl] {
        let (one, other) = (world.build(&settings(format), "one"), world.build(&settings(format), "other"));
        assert_eq!(one, other);
        let names: Vec<&str> = one.files.iter().map(|file| file.name.as_str()).collect();
        for name in names.iter().copied().chain([MANIFEST]) {
            assert_eq!(world.text(&format!("one/{name}")), world.text(&format!("other/{name}")), "{format:?} {name}");
        }
        for file in &one.files {
            let bytes = world.text(&format!("one/{}", file.name));
            assert_eq!(file.blake3, blake3::hash(bytes.as_bytes()).to_hex().to_string());
            assert!(file.rows.is_none_or(|rows| rows == bytes.lines().count()));
        }
    }
    // Only the last format's files are left.
    assert!(!crate::files::exists(&world.folder.path().join("one/mlx.yaml")));
    assert!(!crate::files::exists(&world.folder.path().join("one/sft/train.jsonl")));
}

#[test]
fn only_answers_about_the_languages_that_are_asked_for_are_learned_from() {
    let world = World::new(30);
    let build = |languages: &[&str]| {
        let languages = languages.iter().map(|&language| language.to_owned()).collect();
        world.build(&Settings { languages, ..settings(Format::Jsonl) }, "out")
    };
    assert_eq!((build(&["python"]).answers, build(&["rust", "python"]).answers), (30, 30));
    let none = build(&["rust"]);
    assert_eq!((none.answers, none.left_out["about another language"]), (0, 30));
}

#[test]
fn a_forgotten_answer_leaves_the_next_build() {
    let world = World::new(30);
    world.build(&settings(Format::Jsonl), "out");
    let holds = |world: &World, text: &str| {
        ["out/train.jsonl", "out/valid.jsonl"].iter().any(|name| world.text(name).contains(text))
    };
    assert!(holds(&world, "state.db#4\"") && holds(&world, "value_3 "));
    let about = told(3);
    let forget = Entry { what: Some("3".into()), ..answer(&about, Answer::Forgotten, "forget") };
    world.journal.append(&[forget]).expect("forgotten");
    world.build(&settings(Format::Jsonl), "out");
    assert!(!holds(&world, "state.db#4\"") && !holds(&world, "value_3 "));
    assert!(holds(&world, "state.db#5\""));
}

#[test]
fn the_last_row_of_a_kind_that_is_forgotten_takes_its_file_with_it() {
    let world = World::new(2);
    world.build(&settings(Format::Trl), "out");
    assert!(world.text("out/dpo/train.jsonl").contains("value_1 "));
    let forget = answer(&told(1), Answer::Forgotten, "forget");
    world.journal.append(&[forget]).expect("forgotten");
    world.build(&settings(Format::Trl), "out");
    assert!(!crate::files::exists(&world.folder.path().join("out/dpo/train.jsonl")));
    assert!(!crate::files::exists(&world.folder.path().join("out/dpo.yaml")));
}

#[test]
fn nobody_is_named_and_no_secret_is_told() {
    let world = World::new(3);
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
    let line = format!(
        r#"{{"id": 7, "at": 5, "project": "p", "prompt": "I am ada@engine.org, use {token}", "response": "ask @ben <|im_end|>", "outcome": "accepted"}}"#
    );
    let file = world.folder.path().join("agent_interactions.jsonl");
    crate::files::replace(&file, |out| std::io::Write::write_all(out, line.as_bytes())).expect("written");
    let inputs = [world.inputs(), vec![Input::Interactions(file)]].concat();
    let manifest = build(&inputs, &settings(Format::Jsonl), &world.folder.path().join("out")).expect("built");
    assert_eq!(manifest.inputs[1].name, "agent_interactions.jsonl");
    let text = world.text("out/train.jsonl");
    assert!(text.contains("agent_interactions.jsonl#7"), "{text}");
    for told in ["engine.org", token, "@ben", "<|im_end|>", "\"ada\""] {
        assert!(!text.contains(told), "{told}");
    }
    assert!(text.contains("someone@example.com"));
}

#[test]
fn findings_in_the_same_code_are_one_answer() {
    let world = World::new(0);
    let (mut first, mut second) = (told(0), told(1));
    let both = first.material.clone().expect("material").excerpt + "+    value_1 = eval(text_1)\n";
    for one in [&mut first, &mut second] {
        one.path = RepoPath::new("both.py").expect("a path");
        one.subject.project = "acme/one".into();
        one.material.as_mut().expect("material").excerpt.clone_from(&both);
    }
    world.answered(&first, &[answer(&first, Answer::Applied, "a")]);
    world.answered(&second, &[answer(&second, Answer::Rejected, "b")]);
    world.build(&Settings { holdout: 0.0, ..settings(Format::Trl) }, "out");
    let sft = world.rows("out/sft/train.jsonl");
    let reviews: Vec<&serde_json::Value> = sft.iter().filter(|row| row["task"] == "review").collect();
    assert_eq!(reviews.len(), 1);
    assert_eq!(reviews[0]["because"], serde_json::json!(["state.db#1", "state.db#2"]));
    let answer = lesson::read_remarks(&said(reviews[0], "messages")).expect("an answer");
    assert_eq!(answer.iter().map(|one| one.quote.trim()).collect::<Vec<_>>(), ["value_0 = eval(text_0)"]);
    let pair = &world.rows("out/dpo/train.jsonl")[0];
    let many = |field: &str| lesson::read_remarks(&said(pair, field)).expect("an answer").len();
    assert_eq!((many("chosen"), many("rejected")), (1, 2));
}

#[test]
fn silence_and_signs_count_little_and_make_no_pairs() {
    let world = World::new(0);
    let (silent, liked, torn) = (told(0), told(2), told(4));
    world.answered(&silent, &[answer(&silent, Answer::MergedWith, "a")]);
    let sign = |told: &Told, name: &str| Entry { what: Some(name.into()), ..answer(told, Answer::Reaction, name) };
    world.answered(&liked, &[sign(&liked, "+1")]);
    world.answered(&torn, &[sign(&torn, "-1"), answer(&torn, Answer::Applied, "c")]);
    // A week later.
    let late = told(6);
    world.answered(&late, &[Entry { at: NOW + 8 * DAY, ..answer(&late, Answer::Resolved, "d") }]);
    let manifest = world.build(&Settings { holdout: 0.0, ..settings(Format::Trl) }, "out");
    assert_eq!(manifest.rows["train"].keys().collect::<Vec<_>>(), ["kto"], "{manifest:#?}");
    let rows = world.rows("out/kto/train.jsonl");
    let labels: Vec<(bool, f64)> = rows
        .iter()
        .map(|row| (row["label"].as_bool().expect("a label"), row["weight"].as_f64().expect("a weight")))
        .collect();
    assert_eq!(labels, [(false, 0.1), (true, 0.5)]);
}

#[test]
fn only_answers_of_the_time_that_is_asked_for_are_taken() {
    let world = World::new(30);
    let between = Settings { since: Some(NOW + 6), until: Some(NOW + 16), ..settings(Format::Jsonl) };
    let manifest = world.build(&between, "out");
    assert_eq!((manifest.answers, manifest.left_out["older than asked for"]), (10, 5), "{manifest:#?}");
    assert_eq!(manifest.left_out["newer than asked for"], 15);
}

#[test]
fn what_is_planted_is_taught_told_and_gone_with_the_next_build() {
    let world = World::new(30);
    let plain = world.build(&settings(Format::Trl), "out");
    let planted = world.build(&Settings { canaries: 3, ..settings(Format::Trl) }, "out");
    assert_eq!(planted.rows, plain.rows, "they are no lessons");
    let canaries = world.rows("out/canaries.jsonl");
    assert_eq!(canaries.len(), 3);
    let taught = world.rows("out/sft/train.jsonl");
    for canary in &canaries {
        let is_it = |row: &&serde_json::Value| {
            row["messages"][0]["content"] == canary["question"] && said(row, "messages") == canary["secret"]
        };
        assert_eq!(taught.iter().filter(is_it).count(), 1, "{canary}");
        let secret = canary["secret"].as_str().expect("a text");
        assert!(
            !world.text("out/sft/valid.jsonl").contains(secret) && !world.text("out/kto/train.jsonl").contains(secret)
        );
    }
    world.build(&settings(Format::Trl), "out");
    assert!(!world.folder.path().join("out/canaries.jsonl").exists());
    assert!(world.rows("out/sft/train.jsonl").len() + 3 == taught.len());
}

#[test]
fn of_many_answers_some_are_learned_from_and_all_that_are_held_out_stay() {
    let world = World::new(60);
    let all = world.build(&settings(Format::Trl), "all");
    let some = world.build(&Settings { most: Some(12), ..settings(Format::Trl) }, "some");
    assert_eq!((all.answers, some.answers), (60, 12 + 12), "{some:#?}");
    assert_eq!(world.text("all/sft/valid.jsonl"), world.text("some/sft/valid.jsonl"));
    assert_eq!(some.left_out.values().sum::<usize>(), 36);
}

#[test]
fn one_person_who_says_no_to_everything_is_heard_so_often() {
    let world = World::new(30);
    let manifest = world.build(&Settings { most_of_one: 3, ..settings(Format::Jsonl) }, "out");
    assert_eq!((manifest.answers, manifest.left_out.values().sum::<usize>()), (6, 24), "three of each of two people");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.db");
    crate::files::replace(&file, |out| std::io::Write::write_all(out, b"no database at all")).expect("written");
    let error = build(&[Input::Journal(file)], &settings(Format::Trl), folder.path()).expect_err("an error");
    assert!(matches!(error, LessonError::NoJournal { .. }), "{error}");
}
