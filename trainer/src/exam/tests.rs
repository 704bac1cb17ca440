//! Does an exam tell a better model from a worse one, and can nothing else promote a model?
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where the model is")]

use super::{
    compare::{compare, gates},
    sit::{Marks, Sat, found},
    *,
};

/// A sitting of questions about one finding each: reported right, reported beside it, or not reported.
fn sat(answers: &[(usize, usize)], nats: f64, generic: f64) -> Sat {
    let marks = answers.iter().map(|&(said, right)| {
        Some(Marks {
            is_well_formed: Some(true),
            found: Some((said, 1, right)),
            nats: nats * 10.0,
            tokens: 10,
            ..Marks::default()
        })
    });
    let marks: Vec<Option<Marks>> = marks.collect();
    let scores = Scores { well_formed: Some(1.0), generic_loss: generic, ..Scores::default() };
    Sat { scores, marks }
}

fn failed_gates(own: &Sat, theirs: &Sat, terms: &Terms, canaries: usize) -> Vec<String> {
    let compared = compare(own, theirs);
    let gates = gates(&own.scores, &theirs.scores, &compared, terms, canaries);
    gates.into_iter().filter(|gate| !gate.is_passed).map(|gate| gate.name).collect()
}

#[test]
fn a_model_is_promoted_for_being_better_and_for_nothing_else() {
    let terms = Terms::default();
    let good = sat(&[(1, 1); 40], 0.5, 1.0);
    let bad = sat(&[(1, 0); 40], 2.0, 1.0);
    let silent = sat(&[(0, 0); 40], 2.0, 1.0);
    let none: [String; 0] = [];
    assert_eq!(failed_gates(&good, &bad, &terms, 0), none);
    assert_eq!(failed_gates(&good, &silent, &terms, 0), none);
    assert_eq!(failed_gates(&good, &good, &terms, 0), ["better: F1"], "no better than itself");
    assert_eq!(failed_gates(&bad, &good, &terms, 0), ["better: F1", "precision", "recall", "loss"]);
    assert_eq!(failed_gates(&good, &good, &Terms { target: Target::Loss, ..terms.clone() }, 0), ["better: loss"]);
    let few = |sat: &Sat| Sat { scores: sat.scores.clone(), marks: sat.marks[..10].to_vec() };
    assert_eq!(failed_gates(&few(&good), &few(&bad), &terms, 0), ["enough questions"]);
    let forgetful = sat(&[(1, 1); 40], 0.5, 1.03);
    assert_eq!(failed_gates(&forgetful, &bad, &terms, 0), ["forgetting"]);
    let mut told = sat(&[(1, 1); 40], 0.5, 1.0);
    told.scores.canaries_told = Some(1);
    assert_eq!(failed_gates(&told, &bad, &terms, 3), ["memory"]);
    let mut broken = sat(&[(1, 1); 40], 0.5, 1.0);
    (broken.scores.well_formed, broken.scores.leaks) = (Some(0.9), 1);
    assert_eq!(failed_gates(&broken, &bad, &terms, 0), ["form", "secrets"]);
}

#[test]
fn a_chance_hit_is_no_progress() {
    let mut lucky = vec![(1, 0); 40];
    lucky[0] = (1, 1);
    let compared = compare(&sat(&lucky, 1.0, 1.0), &sat(&[(1, 0); 40], 1.0, 1.0));
    assert!(compared.f1.value > 0.0 && compared.f1.low <= 0.0, "{:?}", compared.f1);
    // What only one of the two could read is not compared.
    let mut short = sat(&[(1, 1); 40], 1.0, 1.0);
    short.marks[3] = None;
    assert_eq!(compare(&short, &sat(&[(1, 0); 40], 1.0, 1.0)).rows, 39);
}

#[test]
fn a_finding_counts_once_where_half_of_its_lines_are_quoted() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(found(&texts(&["  let a = 1;"]), &texts(&["let a = 1;"])), (1, 1, 1));
    assert_eq!(found(&texts(&["a\nb"]), &texts(&["b\nc"])), (1, 1, 1));
    assert_eq!(found(&texts(&["a\nb\nc"]), &texts(&["c\nd\ne"])), (1, 1, 0));
    assert_eq!(found(&texts(&["a", "a"]), &texts(&["a"])), (2, 1, 1), "said twice, right once");
    assert_eq!(found(&texts(&["\n", ""]), &texts(&["", "a"])), (2, 2, 0), "nothing is quoted");
    assert_eq!(found(&[], &[]), (0, 0, 0));
}

fn write(path: &Path, text: &str) {
    files::replace(path, |out| std::io::Write::write_all(out, text.as_bytes())).unwrap();
}

const FINDING: &str = "{\\\"findings\\\": [{\\\"quote\\\": \\\"x = 1\\\", \\\"problem\\\": \\\"p\\\", \\\"why\\\": \\\"w\\\", \
                       \\\"category\\\": \\\"bug\\\", \\\"severity\\\": \\\"warning\\\", \\\"confidence\\\": \\\"high\\\", \
                       \\\"replacement\\\": null}]}";

fn row(answer: &str) -> String {
    format!(
        "{{\"messages\":[{{\"role\":\"system\",\"content\":\"Review.\"}},{{\"role\":\"user\",\"content\":\"x = 1\"}},\
         {{\"role\":\"assistant\",\"content\":\"{answer}\"}}],\"id\":\"1\",\"weight\":1}}"
    )
}

#[test]
fn questions_are_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sft/valid.jsonl");
    let read = |text: &str| {
        write(&file, text);
        rows::read(folder.path(), &Terms::default())
    };
    let pair = "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"b\"}],\
                \"rejected\":[{\"role\":\"assistant\",\"content\":\"c\"}]}";
    let label = "{\"prompt\":[],\"completion\":[{\"role\":\"assistant\",\"content\":\"b\"}],\"label\":true}";
    let text = [&row(FINDING), &row("{\\\"findings\\\": []}"), "", &row("words"), pair, label].join("\n");
    let questions = read(&text).unwrap();
    assert_eq!((questions.asked.len(), questions.pairs.len()), (3, 1));
    let quoted = |at: usize| match &questions.asked[at].right {
        rows::Right::Review(quotes) => Some(quotes.len()),
        _ => None,
    };
    assert_eq!((quoted(0), quoted(1), quoted(2)), (Some(1), Some(0), None));
    assert_ne!(questions.digest, read(&row(FINDING)).unwrap().digest);
    for (bad, line) in [("{", 1), ("\n3", 2), ("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", 1)] {
        let error = read(bad).unwrap_err();
        assert!(matches!(&error, ExamError::Row { line: found, .. } if *found == line), "{bad}: {error}");
    }
    assert!(matches!(read(label), Err(ExamError::NoRows(_))));
    assert!(matches!(rows::read(&folder.path().join("nowhere"), &Terms::default()), Err(ExamError::File { .. })));
}

#[test]
fn the_same_few_of_many_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let text: Vec<String> = (0..50).map(|n| row(&format!("words {n}"))).collect();
    write(&folder.path().join("valid.jsonl"), &text.join("\n"));
    let terms = Terms { rows: 10, ..Terms::default() };
    let asked = || -> Vec<String> {
        rows::read(folder.path(), &terms).unwrap().asked.into_iter().map(|question| question.answer).collect()
    };
    assert_eq!((asked().len(), asked()), (10, asked()));
    assert!(asked() != (0..10).map(|n| format!("words {n}")).collect::<Vec<_>>(), "not the first ones");
}

pub(crate) fn exam(artefact: &str, passed: bool) -> Exam {
    let interval = Interval { value: 0.0, low: 0.0, high: 0.0 };
    Exam {
        record: Record {
            version: 1,
            artefact: artefact.into(),
            against: "a".into(),
            data: "d".into(),
            terms: Terms::default(),
            scores: Scores::default(),
            incumbent: Scores::default(),
            compared: Compared {
                rows: 1,
                labelled: 1,
                f1: interval,
                precision: interval,
                recall: interval,
                loss: interval,
                forgetting: 0.0,
            },
            gates: vec![Gate { name: "better: F1".into(), is_passed: passed, why: "because".into() }],
        },
    }
}

impl Exam {
    pub(crate) fn held_against(mut self, against: &str) -> Self {
        self.record.against = against.to_owned();
        self
    }
}

#[test]
fn an_exam_that_is_kept_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let artefact = "ab".repeat(32);
    assert!(matches!(Exam::kept(folder.path(), &artefact), Err(ExamError::None(_))));
    exam(&artefact, false).keep(folder.path()).unwrap();
    let kept = Exam::kept(folder.path(), &artefact).unwrap();
    assert_eq!((kept.artefact(), kept.is_passed()), (&*artefact, false));
    let file = place(folder.path(), &artefact);
    let text = files::text(&file, 99_999).unwrap().unwrap();
    let forged = text.replace("\\\"is_passed\\\":false", "\\\"is_passed\\\":true");
    assert_ne!(forged, text);
    write(&file, &forged);
    assert!(matches!(Exam::kept(folder.path(), &artefact), Err(ExamError::Seal(_))));
    // Another file's exam under this file's name.
    let other = "cd".repeat(32);
    write(&place(folder.path(), &other), &text);
    assert!(matches!(Exam::kept(folder.path(), &other), Err(ExamError::Seal(_))));
    // The same exam on another machine.
    write(&file, &text);
    assert!(Exam::kept(folder.path(), &artefact).is_ok());
    write(&folder.path().join("exam.key"), &"k".repeat(32));
    assert!(matches!(Exam::kept(folder.path(), &artefact), Err(ExamError::Seal(_))));
    write(&folder.path().join("exam.key"), "short");
    assert!(matches!(Exam::kept(folder.path(), &artefact), Err(ExamError::File { .. })));
}

/// A real model against itself: nothing differs, and so it is not promoted.
#[test]
fn a_model_is_no_better_than_itself() {
    let Some(model) = std::env::var_os("APPRENTICE_TEST_GGUF").filter(|path| !path.is_empty()) else {
        assert!(std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_none(), "APPRENTICE_TEST_GGUF names no model");
        return eprintln!("LEFT OUT: APPRENTICE_TEST_GGUF names no model");
    };
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("sft/valid.jsonl"), &[row(FINDING), row("{\\\"findings\\\": []}")].join("\n"));
    let generic = folder.path().join("generic.jsonl");
    write(&generic, "{\"text\":\"def add(a, b):\\n    return a + b\\n\"}");
    let paper = Paper {
        own: PathBuf::from(&model).into(),
        against: PathBuf::from(&model).into(),
        data: folder.path().to_owned(),
        generic: Some(generic),
    };
    let terms = Terms { most: 8, ..Terms::default() };
    let exam = evaluate(&paper, &terms, &|| true, &|_, _, _| {}).unwrap();
    let scores = exam.scores();
    assert!(!exam.is_passed());
    assert_eq!((exam.compared().loss.value, exam.compared().forgetting, scores.asked), (0.0, 0.0, 2));
    assert!(
        scores.loss > 0.1 && scores.loss < 10.0 && scores.generic_loss > 0.5 && scores.generic_loss < 6.0,
        "{scores:?}"
    );
    assert!(matches!(evaluate(&paper, &terms, &|| false, &|_, _, _| {}), Err(ExamError::Stopped)));
}
