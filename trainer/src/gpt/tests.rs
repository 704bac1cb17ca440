//! Does a model learn to read, is it kept as it is, and is it read back?

use std::path::Path;

use super::*;
use crate::{
    base::Base,
    learn::{Flow, Settings, learn},
};

fn sentences() -> Vec<String> {
    let (who, what) = (["the model", "a reviewer", "the hook"], ["reads", "mends", "says"]);
    let whose = ["a line", "the patch", "nothing", "a word"];
    let mut all = Vec::new();
    for n in 0..60 {
        let each: Vec<String> = (0..6)
            .map(|m| format!("{} {} {}.", who[(n + m) % 3], what[(n * 2 + m) % 3], whose[(n + 2 * m) % 4]))
            .collect();
        all.push(each.join("\n"));
    }
    all
}

fn plan() -> Plan {
    Plan { width: 32, layers: 2, heads: 4, key_heads: 2, inner: 64, window: 24, seed: 1 }
}

fn reading(words: &Words) -> Reading {
    let documents = sentences().into_iter().enumerate().map(|(n, text)| (n.to_string(), words.encode(&text).unwrap()));
    Reading::new(plan(), words, documents, (20, 200)).unwrap()
}

fn settings() -> Settings {
    Settings {
        rate: 1e-2,
        warmup: 0.1,
        epochs: 6,
        batch: 8,
        tokens: 200,
        clip: 1.0,
        decay: 0.1,
        check_every: 20,
        patience: 9,
        keep_every: 50,
        seed: 1,
    }
}

fn kept(folder: &Path) -> (Words, Reading) {
    let words = Words::learn(sentences().into_iter(), 320).unwrap();
    let reading = reading(&words);
    let state = tempfile::tempdir().unwrap();
    let learned = learn(&reading, &settings(), state.path(), &mut |_| Flow::On).unwrap();
    assert!(learned.before.unwrap() > 5.0 && learned.after.unwrap() < 1.5, "{learned:?}");
    words.save(&folder.join("tokenizer.json")).unwrap();
    save(reading.decoder(), &words, folder).unwrap();
    (words, reading)
}

#[test]
fn a_model_learns_to_read_and_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (words, reading) = kept(folder.path());
    let base = Base::open(folder.path()).unwrap();
    let again = Decoder::load(&base, Trained::Nothing, net::KIND, &net::device().unwrap()).unwrap();
    let tokens = words.encode("the model reads a line.\nthe hook says").unwrap();
    let (batch, _) = Batch::shared(&[(&tokens, 1)]);
    let logits = |decoder: &Decoder| -> Vec<f32> {
        decoder.logits(&batch, Pass::Hear).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let (ours, read) = (logits(reading.decoder()), logits(&again));
    ours.iter().zip(&read).for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} and {b}"));
    let tokenizer = engine::model::local::tokenizer::Tokenizer::new(base.metadata()).unwrap();
    let text = sentences().join("\n");
    assert_eq!(
        tokenizer.encode(&text, false),
        words.encode(&text).unwrap(),
        "the engine takes texts apart in the same way"
    );
    let strange = "the model reads a line.\nthe hook says nothing.\nqq}} zxv;;k\na reviewer mends the patch.\n";
    let found = lines(&again, &tokenizer, strange).unwrap();
    assert_eq!(found.len(), 4);
    assert!(found[2] > 2.0 * found[0].max(found[1]).max(found[3]), "{found:?}");
}

#[test]
fn pieces_ask_for_every_token_once() {
    let words = Words::learn(sentences().into_iter(), 320).unwrap();
    let reading = reading(&words);
    let all: usize = sentences().iter().map(|text| words.encode(text).unwrap().len()).sum();
    let (learned, held) = reading.amount();
    assert_eq!(learned + held, all, "each but the first, and the end");
    assert!(held > 0 && reading.texts.iter().all(|text| (2..=24).contains(&text.len())));
}

#[test]
fn words_are_the_same_each_time_and_nothing_is_without_them() {
    let json = |words: &Words| words.tokenizer.to_string(false).unwrap();
    let [a, b] = [0, 1].map(|_| Words::learn(sentences().into_iter(), 320).unwrap());
    assert_eq!(json(&a), json(&b));
    let text = "the model <|endoftext|> écrit\u{0}\r\n\t🦀";
    let ids = a.encode(text).unwrap();
    assert!(!ids.contains(&a.end()), "what a text says does not end it");
    assert!(a.tokenizer.decode(&ids, false).unwrap().contains("écrit\u{0}\r\n\t🦀"));
}
