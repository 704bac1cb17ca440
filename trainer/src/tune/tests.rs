//! Is what rows say learned, and only that?

use super::*;
use crate::{
    learn::{Flow, Settings, learn},
    net::small,
};

fn text(question: &[u32], answer: &[u32]) -> Text {
    Text { tokens: [question, answer].concat(), answer: question.len() }
}

fn row(id: usize, lesson: Lesson) -> Row {
    Row { id: id.to_string(), weight: 1.0, lesson }
}

/// Questions of three tokens, each answered with one that follows from them.
fn questions() -> impl Iterator<Item = ([u32; 3], u32)> {
    (0..12).map(|n| ([n, n * 7 % 23, 3], (n * 5 + 1) % 23))
}

fn tuning(goal: Goal, rows: Vec<Row>, held_out: Vec<Row>) -> Tuning {
    let mut decoder = small("llama", Trained::Nothing, DType::F32);
    let adapter = Adapter::new(&mut decoder, 4, 8.0, 1).unwrap();
    Tuning::of(decoder, adapter, (rows, held_out), goal, (64, "a test".into())).unwrap()
}

fn settings() -> Settings {
    Settings {
        rate: 2e-2,
        warmup: 0.1,
        epochs: 60,
        batch: 4,
        tokens: 16,
        clip: 1.0,
        decay: 0.0,
        check_every: 5,
        patience: 100,
        keep_every: 50,
        seed: 1,
    }
}

fn taught(tuning: &Tuning) -> crate::learn::Learned {
    let folder = tempfile::tempdir().unwrap();
    learn(tuning, &settings(), folder.path(), &mut |_| Flow::On).unwrap()
}

#[test]
fn answers_are_learned() {
    let rows: Vec<Row> = questions()
        .enumerate()
        .map(|(n, (question, answer))| row(n, Lesson::Say(text(&question, &[answer, 22]))))
        .collect();
    let tuning = tuning(Goal::Say, rows.clone(), rows);
    let learned = taught(&tuning);
    assert!(learned.after.unwrap() < 0.5 * learned.before.unwrap(), "{learned:?}");
    let better = tuning.compared().unwrap();
    assert!(better.len() == 12 && better.iter().all(|(base, now)| now < base), "{better:?}");
}

#[test]
fn preferences_are_learned_from_pairs_and_from_verdicts() {
    let pairs: Vec<Row> = questions()
        .enumerate()
        .map(|(n, (question, answer))| {
            row(n, Lesson::Prefer(text(&question, &[answer]), text(&question, &[(answer + 9) % 23])))
        })
        .collect();
    let verdicts: Vec<Row> = questions()
        .enumerate()
        .map(|(n, (question, answer))| {
            row(n, Lesson::Judge(text(&question, &[if n % 2 == 0 { 20 } else { answer }]), n % 2 == 0))
        })
        .collect();
    let beta = 0.5;
    for (preference, rows) in [
        (Preference::Dpo { beta, noise: 0.0 }, &pairs),
        (Preference::Kto { beta, good: 1.0, bad: 1.0 }, &verdicts),
        (Preference::ApoZero { beta }, &verdicts),
    ] {
        let tuning = tuning(Goal::Prefer(preference), rows.clone(), rows.clone());
        let learned = taught(&tuning);
        assert!(learned.after.unwrap() < 0.6 * learned.before.unwrap(), "{preference:?}: {learned:?}");
        for row in rows {
            let texts: Vec<&Text> = row.texts().collect();
            let (now, before) = (tuning.said(&texts, Pass::Hear).unwrap(), tuning.said(&texts, Pass::Base).unwrap());
            match row.lesson {
                Lesson::Prefer(..) => assert!(now[0] - before[0] > now[1] - before[1], "{preference:?}"),
                Lesson::Judge(_, good) => assert_eq!(now[0] > before[0], good, "{preference:?}: {}", row.id),
                Lesson::Say(_) => unreachable!(),
            }
        }
    }
}

#[test]
fn a_row_of_another_kind_is_refused_by_its_name() {
    let goal = Goal::Prefer(Preference::Dpo { beta: 0.1, noise: 0.0 });
    let error = goal.check(&row(7, Lesson::Say(text(&[1], &[2])))).unwrap_err().to_string();
    assert!(error.contains("`7`") && error.contains("rejected"), "{error}");
}

#[test]
fn what_questions_begin_with_is_read_once_and_teaches_the_same() {
    let question: Vec<u32> = (0..40).map(|n| n * 7 % 23).collect();
    let asked = |end: &[u32], answer: &[u32]| text(&[&question[..], end].concat(), answer);
    let rows: Vec<Row> = [asked(&[1], &[4, 5]), asked(&[2, 3], &[6]), asked(&[], &[9, 8, 7]), text(&[1, 2], &[3])]
        .into_iter()
        .enumerate()
        .map(|(n, text)| row(n, Lesson::Say(text)))
        .collect();
    let tuning = tuning(Goal::Say, rows, Vec::new());
    let all = [0, 1, 2, 3];
    assert_eq!(tuning.room(&all), 39 + (2 + 2) + (3 + 1) + (1 + 3) + 3);
    let learn = |parts: &[&[usize]]| -> (f64, Vec<Vec<f32>>) {
        let (mut loss, mut sums) = (0.0, Vec::new());
        for part in parts {
            let (one, grads) = tuning.learn(part, 1.0).unwrap();
            loss += f64::from(one.to_scalar::<f32>().unwrap());
            let found = tuning.variables().into_iter().map(|(_, variable)| {
                let grad = grads.get(&variable).unwrap().flatten_all().unwrap();
                grad.to_vec1::<f32>().unwrap()
            });
            let found: Vec<Vec<f32>> = found.collect();
            sums = match sums.is_empty() {
                true => found,
                false => sums.iter().zip(&found).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect(),
            };
        }
        (loss, sums)
    };
    let (together, apart) = (learn(&[&all]), learn(&[&[0], &[1], &[2], &[3]]));
    assert!((together.0 - apart.0).abs() < 1e-4, "{} and {}", together.0, apart.0);
    assert!(apart.1.iter().flatten().any(|grad| grad.abs() > 1e-3), "there is something to compare");
    for (a, b) in together.1.iter().flatten().zip(apart.1.iter().flatten()) {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} and {b}");
    }
}

#[test]
fn layers_that_are_computed_again_teach_the_same_to_the_bit() {
    let judged = questions()
        .enumerate()
        .map(|(n, (question, answer))| row(n, Lesson::Judge(text(&question, &[answer]), n % 2 == 0)));
    let said = questions().enumerate().map(|(n, (question, answer))| row(n, Lesson::Say(text(&question, &[answer]))));
    let preference = Preference::Kto { beta: 0.1, good: 1.0, bad: 1.0 };
    for (goal, rows) in [(Goal::Say, said.collect()), (Goal::Prefer(preference), judged.collect::<Vec<_>>())] {
        let tuning = tuning(goal, rows, Vec::new());
        let learned = |tuning: &Tuning| -> (Vec<f32>, f32) {
            let (loss, grads) = tuning.learn(&[0, 1, 2, 3, 4], 0.25).unwrap();
            let all = tuning.variables().into_iter().flat_map(|(_, variable)| {
                grads.get(&variable).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
            });
            (all.collect(), loss.to_scalar().unwrap())
        };
        let whole = learned(&tuning);
        assert!(whole.0.iter().any(|grad| grad.abs() > 1e-4));
        assert!(learned(&tuning.recomputing(true)) == whole);
    }
}
