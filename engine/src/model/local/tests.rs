//! Does a model of a file say what its formulas say, whatever the file is? With small files made up here, and, where
//! APPRENTICE_TEST_GGUF names SmolLM2-135M-Instruct's file, with a real one.
#![expect(clippy::disallowed_methods, reason = "tests write the files that they read, and are told where the model is")]

use std::{
    env, fs,
    sync::atomic::{AtomicBool, Ordering},
};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use serde_json::json;
use tempfile::TempDir;

use super::{
    super::chat::{Role, Turn},
    gguf::Metadata,
    *,
};

const WIDTH: usize = 64;
const SIZE: usize = 32;
const INNER: usize = 96;

/// Numbers that look random, the same each time, in -1..1.
pub(super) fn numbers(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

pub(super) type Tensors = Vec<(String, QTensor)>;

/// A file of metadata and tensors.
pub(super) fn file(metadata: &Metadata, tensors: &Tensors) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    metadata.sort_by_key(|(key, _)| *key);
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    gguf_file::write(&mut bytes, &metadata, &tensors).unwrap();
    bytes.into_inner()
}

pub(super) fn tensor(values: Vec<f32>, shape: &[usize], kind: GgmlDType) -> QTensor {
    QTensor::quantize(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap(), kind).unwrap()
}

/// Of gemma3, the sixth is the first layer that sees everything.
fn layers(architecture: &str) -> usize {
    if architecture == "gemma3" { 6 } else { 2 }
}

fn metadata(architecture: &str) -> Metadata {
    let mut metadata = tokenizer::tests::small();
    let mut add = |key: &str, value: Value| metadata.insert(format!("{architecture}.{key}"), value);
    add("context_length", Value::U32(256));
    add("embedding_length", Value::U32(WIDTH as u32));
    add("block_count", Value::U32(layers(architecture) as u32));
    add("feed_forward_length", Value::U32(INNER as u32));
    add("attention.head_count", Value::U32(4));
    add("attention.head_count_kv", Value::U32(2));
    add("attention.key_length", Value::U32(SIZE as u32));
    add("attention.value_length", Value::U32(SIZE as u32));
    add("attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    add("rope.freq_base", Value::F32(1000.0));
    if architecture == "gemma3" {
        add("attention.sliding_window", Value::U32(8));
        add("rope.freq_base_swa", Value::F32(100.0));
    }
    metadata.insert("general.architecture".into(), Value::String(architecture.into()));
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                    <|im_start|>assistant\n";
    metadata.insert("tokenizer.chat_template".into(), Value::String(template.into()));
    metadata
}

fn words(metadata: &Metadata) -> usize {
    metadata["tokenizer.ggml.tokens"].to_vec().unwrap().len()
}

fn tensors(architecture: &str, words: usize, kind: GgmlDType) -> Tensors {
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize], around: f32, by: f32, kind| {
        let mut number = numbers(tensors.len() as u32);
        let values = (0..shape.iter().product()).map(|_| around + by * number()).collect();
        tensors.push((name, tensor(values, shape, kind)));
    };
    add("token_embd.weight".into(), &[words, WIDTH], 0.0, 1.0, kind);
    add("output_norm.weight".into(), &[WIDTH], 1.0, 0.2, GgmlDType::F32);
    for layer in 0..layers(architecture) {
        let mut row = |name: &str, columns: usize, around: f32| {
            add(format!("blk.{layer}.{name}"), &[columns], around, 0.2, GgmlDType::F32);
        };
        let mut norms = vec!["attn_norm", "ffn_norm"];
        if architecture == "gemma3" {
            norms.extend(["post_attention_norm", "post_ffw_norm"]);
        }
        norms.iter().for_each(|name| row(&format!("{name}.weight"), WIDTH, 1.0));
        if matches!(architecture, "qwen3" | "gemma3") {
            ["attn_q_norm.weight", "attn_k_norm.weight"].iter().for_each(|name| row(name, SIZE, 1.0));
        }
        if architecture == "qwen2" {
            row("attn_q.bias", 4 * SIZE, 0.0);
            row("attn_k.bias", 2 * SIZE, 0.0);
            row("attn_v.bias", 2 * SIZE, 0.0);
        }
        for (name, rows, columns) in [
            ("attn_q", 4 * SIZE, WIDTH),
            ("attn_k", 2 * SIZE, WIDTH),
            ("attn_v", 2 * SIZE, WIDTH),
            ("attn_output", WIDTH, 4 * SIZE),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ] {
            add(format!("blk.{layer}.{name}.weight"), &[rows, columns], 0.0, 0.3, kind);
        }
    }
    tensors
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tiny.gguf");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn tiny(architecture: &str) -> Local {
    let metadata = metadata(architecture);
    let tensors = tensors(architecture, words(&metadata), GgmlDType::Q8_0);
    let (_folder, path) = written(&file(&metadata, &tensors));
    Local::open(&path, &[], 0).unwrap()
}

/// The forward pass as the papers have it, in f64 and one number at a time.
struct Reference<'a> {
    architecture: &'a str,
    tensors: &'a Tensors,
}

type Rows = Vec<Vec<f64>>;

impl Reference<'_> {
    fn values(&self, name: &str) -> Option<Vec<f64>> {
        let tensor = &self.tensors.iter().find(|(other, _)| other == name)?.1;
        let values = tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        Some(values.into_iter().map(f64::from).collect())
    }

    fn linear(&self, rows: &Rows, name: &str) -> Rows {
        let weights = self.values(&format!("{name}.weight")).unwrap();
        let bias = self.values(&format!("{name}.bias"));
        let product = |row: &Vec<f64>| {
            let of = |(n, weights): (usize, &[f64])| dot(weights, row) + bias.as_ref().map_or(0.0, |bias| bias[n]);
            weights.chunks(row.len()).enumerate().map(of).collect()
        };
        rows.iter().map(product).collect()
    }

    fn norm(&self, rows: &Rows, name: &str) -> Rows {
        let Some(scale) = self.values(name) else { return rows.clone() };
        rows.iter().map(|row| row.chunks(scale.len()).flat_map(|part| normalized(part, &scale)).collect()).collect()
    }

    fn rotate(&self, rows: Rows, base: f64) -> Rows {
        let turn = |(position, row): (usize, Vec<f64>)| {
            let mut turned = row.clone();
            for head in (0..row.len()).step_by(SIZE) {
                for n in 0..SIZE / 2 {
                    let near = self.architecture == "llama";
                    let (a, b) = if near { (2 * n, 2 * n + 1) } else { (n, n + SIZE / 2) };
                    let (x, y) = (row[head + a], row[head + b]);
                    let (sine, cosine) = (position as f64 * base.powf(-2.0 * n as f64 / SIZE as f64)).sin_cos();
                    (turned[head + a], turned[head + b]) = (x * cosine - y * sine, x * sine + y * cosine);
                }
            }
            turned
        };
        rows.into_iter().enumerate().map(turn).collect()
    }

    fn attention(&self, rows: &Rows, layer: usize) -> Rows {
        let part = |part: &str| self.linear(rows, &format!("blk.{layer}.attn_{part}"));
        let narrow = self.architecture == "gemma3" && layer != 5;
        let base = if narrow { 100.0 } else { 1000.0 };
        let turned =
            |name: &str| self.rotate(self.norm(&part(name), &format!("blk.{layer}.attn_{name}_norm.weight")), base);
        let (queries, keys, values) = (turned("q"), turned("k"), part("v"));
        let see = |token: usize, head: usize| {
            let first = if narrow { (token + 1).saturating_sub(8) } else { 0 };
            let part = |row: &Vec<f64>, head: usize| row[head * SIZE..][..SIZE].to_vec();
            let score = |other: usize| dot(&part(&queries[token], head), &part(&keys[other], head / 2));
            let powers: Vec<f64> = (first..=token).map(|other| (score(other) / (SIZE as f64).sqrt()).exp()).collect();
            let all: f64 = powers.iter().sum();
            let seen = |n| (first..=token).map(|t| powers[t - first] / all * values[t][head / 2 * SIZE + n]).sum();
            (0..SIZE).map(seen).collect::<Vec<f64>>()
        };
        let context = (0..rows.len()).map(|token| (0..4).flat_map(|head| see(token, head)).collect()).collect();
        self.linear(&context, &format!("blk.{layer}.attn_output"))
    }

    fn inner(&self, rows: &Rows, layer: usize) -> Rows {
        let part = |part: &str| self.linear(rows, &format!("blk.{layer}.ffn_{part}"));
        let gate = |x: f64| match self.architecture {
            "gemma3" => 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044_715 * x.powi(3))).tanh()),
            _ => x / (1.0 + (-x).exp()),
        };
        let gated = |(a, b): (Vec<f64>, Vec<f64>)| a.iter().zip(b).map(|(&a, b)| gate(a) * b).collect();
        let rows = part("gate").into_iter().zip(part("up")).map(gated).collect();
        self.linear(&rows, &format!("blk.{layer}.ffn_down"))
    }

    fn logits(&self, tokens: &[u32]) -> Rows {
        let table = self.values("token_embd.weight").unwrap();
        let scale = if self.architecture == "gemma3" { (WIDTH as f64).sqrt() } else { 1.0 };
        let row = |&token: &u32| table[token as usize * WIDTH..][..WIDTH].iter().map(|value| value * scale).collect();
        let mut rows: Rows = tokens.iter().map(row).collect();
        for layer in 0..layers(self.architecture) {
            let name = |name: &str| format!("blk.{layer}.{name}.weight");
            let said = self.attention(&self.norm(&rows, &name("attn_norm")), layer);
            rows = sum(&rows, &self.norm(&said, &name("post_attention_norm")));
            let said = self.inner(&self.norm(&rows, &name("ffn_norm")), layer);
            rows = sum(&rows, &self.norm(&said, &name("post_ffw_norm")));
        }
        self.linear(&self.norm(&rows, "output_norm.weight"), "token_embd")
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
}

fn normalized(row: &[f64], scale: &[f64]) -> Vec<f64> {
    let factor = 1.0 / (dot(row, row) / row.len() as f64 + 1e-5).sqrt();
    row.iter().zip(scale).map(|(value, scale)| value * factor * scale).collect()
}

fn some_tokens(count: usize) -> Vec<u32> {
    (0..count).map(|n| (n * n * 31 + n * 7) as u32 % 256).collect()
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let a: Vec<f64> = a.iter().map(|&value| f64::from(value)).collect();
    dot(&a, b) / (dot(&a, &a) * dot(b, b)).sqrt()
}

#[test]
fn logits_are_those_of_the_formulas_for_each_architecture() {
    for architecture in ["llama", "qwen2", "qwen3", "gemma3"] {
        let metadata = metadata(architecture);
        let tensors = tensors(architecture, words(&metadata), GgmlDType::Q8_0);
        let tokens = some_tokens(40);
        let exact = Reference { architecture, tensors: &tensors }.logits(&tokens);
        let ours = tiny(architecture).logits(&tokens).unwrap();
        // What rounding to 8 bits leaves; the pairs of another architecture, or no window, are far off.
        assert!(alike(&ours, &exact) > 0.99, "{architecture}: {}", alike(&ours, &exact));
        if architecture == "llama" {
            let other = Reference { architecture: "qwen2", tensors: &tensors }.logits(&tokens);
            assert!(alike(&ours, &other) < 0.95, "{}", alike(&ours, &other));
        }
    }
}

/// The least cosine of any row.
fn alike(ours: &[f32], exact: &Rows) -> f64 {
    let rows = ours.chunks(exact[0].len()).zip(exact);
    rows.map(|(ours, exact)| cosine(ours, exact)).fold(1.0, f64::min)
}

#[test]
fn what_was_read_in_pieces_is_what_was_read_at_once() {
    let model = tiny("qwen3");
    let tokens = some_tokens(90);
    let whole = model.logits(&tokens).unwrap();
    let words = model.model.shape.words;
    let mut state = model.state();
    for from in [0, 37, 64] {
        state.keep(&model, from);
        for (n, token) in tokens.iter().enumerate().skip(from) {
            let logits = state.read(&model, &[*token], Want::Last).unwrap().to_vec();
            let off = logits.iter().zip(&whole[n * words..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 2e-2, "token {n} from {from}: off by {off}");
        }
    }
}

fn asked<'a>(turns: &'a [Turn], stop: &'a AtomicBool) -> Request<'a> {
    let until = Instant::now() + Duration::from_secs(600);
    Request { turns, schema: None, most: 12, temperature: 0.0, seed: 0, until, stop }
}

#[test]
fn a_question_that_begins_like_the_one_before_is_not_read_again() {
    let (model, stop) = (tiny("llama"), AtomicBool::new(false));
    let turns = [Turn::new(Role::User, "hello hello"), Turn::new(Role::User, "aaaa")];
    let other = [Turn::new(Role::User, "hello hello"), Turn::new(Role::User, "hell")];
    let mut told = String::new();
    let first = model.answer(&asked(&turns, &stop), &mut |piece| told.push_str(piece)).unwrap();
    assert_eq!((first.usage.reused, &told), (0, &first.text));
    let again = model.answer(&asked(&turns, &stop), &mut |_| {}).unwrap();
    assert_eq!(again.usage.reused, again.usage.prompt - 1);
    assert_eq!((again.text, again.is_whole), (first.text, first.is_whole));
    let next = model.answer(&asked(&other, &stop), &mut |_| {}).unwrap();
    assert!(next.usage.reused > 10 && next.usage.reused < next.usage.prompt - 1, "{:?}", next.usage);
    let fresh = tiny("llama").answer(&asked(&other, &stop), &mut |_| {}).unwrap();
    assert_eq!(next.text, fresh.text);
}

#[test]
fn limits_are_kept() {
    let (model, stop) = (tiny("qwen2"), AtomicBool::new(false));
    let turns = [Turn::new(Role::User, "hello")];
    let request = asked(&turns, &stop);
    assert_eq!(model.window(), 256);
    let error = model.answer(&Request { most: 250, ..request }, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ModelError::TooLong { window: 256, tokens: 251.. }), "{error:?}");
    let late = Request { until: Instant::now(), ..request };
    assert_eq!(model.answer(&late, &mut |_| {}).unwrap_err(), ModelError::Late);
    let stopped = model.answer(&request, &mut |_| stop.store(true, Ordering::Relaxed));
    assert_eq!(stopped.unwrap_err(), ModelError::Stopped);
    stop.store(false, Ordering::Relaxed);
    let none = model.answer(&Request { most: 0, ..request }, &mut |_| {}).unwrap();
    assert_eq!((none.text.as_str(), none.is_whole, none.usage.answer), ("", false, 0));
    let short = model.answer(&Request { most: 3, ..request }, &mut |_| {}).unwrap();
    assert!(short.usage.answer <= 3);
}

#[test]
fn an_answer_keeps_its_form_and_comes_to_its_end_in_time() {
    let (model, stop) = (tiny("llama"), AtomicBool::new(false));
    let turns = [Turn::new(Role::User, "hello")];
    let schema = json!({
        "type": "object", "required": ["say", "is"], "additionalProperties": false,
        "properties": { "say": { "type": "string" }, "is": { "type": "boolean" } },
    });
    for (most, seed) in [(60, 1), (90, 2), (40, 3)] {
        let request = Request { schema: Some(&schema), most, temperature: 1.0, seed, ..asked(&turns, &stop) };
        let answer = model.answer(&request, &mut |_| {}).unwrap();
        assert!(answer.is_whole && answer.usage.answer <= most, "{answer:?}");
        let value: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert!(value["say"].is_string() && value["is"].is_boolean(), "{value}");
    }
}

fn adapter(architecture: &str, name: &str, columns: usize, rows: usize) -> (TempDir, PathBuf) {
    let text = |text: &str| Value::String(text.into());
    let metadata = Metadata::from([
        ("general.type".into(), text("adapter")),
        ("general.architecture".into(), text(architecture)),
        ("adapter.type".into(), text("lora")),
        ("adapter.lora.alpha".into(), Value::F32(6.0)),
    ]);
    let mut number = numbers(9);
    let mut matrix = |part: &str, shape: [usize; 2]| {
        let values = (0..shape[0] * shape[1]).map(|_| number()).collect();
        (format!("{name}.{part}"), tensor(values, &shape, GgmlDType::F32))
    };
    let tensors = vec![matrix("lora_a", [3, columns]), matrix("lora_b", [rows, 3])];
    written(&file(&metadata, &tensors))
}

#[test]
fn an_adapter_adds_what_its_formula_says_and_only_where_it_fits() {
    let (_folder, path) = adapter("llama", "blk.1.ffn_down.weight", INNER, WIDTH);
    let adapters = lora::Adapters::open(&path, "llama").unwrap();
    let added = adapters.of("blk.1.ffn_down.weight", WIDTH, INNER).unwrap().unwrap();
    assert!(adapters.of("blk.0.ffn_down.weight", WIDTH, INNER).unwrap().is_none());
    let mut number = numbers(9);
    let a: Vec<f64> = (0..3 * INNER).map(|_| f64::from(number())).collect();
    let b: Vec<f64> = (0..3 * WIDTH).map(|_| f64::from(number())).collect();
    let row: Vec<f32> = (0..INNER).map(|n| n as f32 / 50.0 - 1.0).collect();
    let wide: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
    let thin: Vec<f64> = a.chunks(INNER).map(|a| 2.0 * dot(a, &wide)).collect();
    let mut products = vec![1.0; WIDTH];
    added.add(&row, &mut products);
    for (product, b) in products.iter().zip(b.chunks(3)) {
        assert!((f64::from(*product) - 1.0 - dot(b, &thin)).abs() < 1e-3);
    }
    let metadata = metadata("llama");
    let (_model, model) = written(&file(&metadata, &tensors("llama", words(&metadata), GgmlDType::Q8_0)));
    let open = |adapters: &[PathBuf]| Local::open(&model, adapters, 0);
    let (plain, adapted) = (open(&[]).unwrap(), open(std::slice::from_ref(&path)).unwrap());
    assert_ne!(plain.name(), adapted.name());
    let logits = |model: &Local| model.logits(&[1, 2, 3]).unwrap();
    assert_ne!(logits(&plain), logits(&adapted));
    for (architecture, name, columns) in [
        ("qwen2", "blk.1.ffn_down.weight", INNER),
        ("llama", "output.weight", INNER),
        ("llama", "blk.1.ffn_down.weight", 5),
    ] {
        let (_folder, path) = adapter(architecture, name, columns, WIDTH);
        let told = open(&[path]).unwrap_err().to_string();
        assert!(told.contains("adapt"), "{told}");
    }
}

fn refusal(bytes: &[u8]) -> String {
    let (folder, path) = written(bytes);
    let told = Local::open(&path, &[], 0).unwrap_err().to_string();
    told.replace(&*folder.path().to_string_lossy(), "FOLDER")
}

#[test]
fn what_does_not_fit_is_named() {
    let with = |key: &str, value: Value| {
        let mut metadata = metadata("llama");
        metadata.insert(key.into(), value);
        refusal(&file(&metadata, &tensors("llama", words(&metadata), GgmlDType::F16)))
    };
    let told = with("general.architecture", Value::String("mamba".into()));
    assert!(told.contains("architecture `mamba`, and only llama, qwen2, qwen3 and gemma3 are known"), "{told}");
    let told = with("llama.embedding_length", Value::U32(32));
    assert!(told.contains("tensor `blk.0.attn_norm.weight` is 1 by 64, and 1 by 32 is needed"), "{told}");
    let told = with("llama.block_count", Value::U32(3));
    assert!(told.contains("no tensor `blk.2."), "{told}");
    for heads in [0, 3] {
        let told = with("llama.attention.head_count_kv", Value::U32(heads));
        assert!(told.contains("sizes that fit no such model"), "{told}");
    }
    let told = with("llama.rope.scaling.type", Value::String("longrope".into()));
    assert!(told.contains("scales positions by `longrope`"), "{told}");
    assert!(refusal(b"GGML").contains("it is no GGUF file"));
    assert!(refusal(b"").contains("cannot use the model `FOLDER/tiny.gguf`"));
    let missing = Local::open(Path::new("nowhere.gguf"), &[], 0).unwrap_err();
    assert!(matches!(missing, ModelError::File { .. }), "{missing}");
}

#[test]
fn no_file_makes_it_panic() {
    let metadata = metadata("llama");
    let whole = file(&metadata, &tensors("llama", words(&metadata), GgmlDType::Q8_0));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hostile.gguf");
    // Every length of the header, which ends after the entry of the last tensor, and some of the data.
    let last = b"blk.1.ffn_down.weight";
    let at = whole.windows(last.len()).rposition(|window| window == last).unwrap();
    let header = at + last.len() + 4 + 2 * 8 + 4 + 8;
    let lengths = (0..header + 64).chain((header + 64..whole.len()).step_by(997));
    for length in lengths {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(Local::open(&path, &[], 0).is_err(), "{length} of {} bytes", whole.len());
    }
    let mut number = numbers(5);
    let mut below = |most: usize| ((number() + 1.0) / 2.0 * most as f32) as usize % most;
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..1 + below(3) {
            let at = below(bytes.len().min(8192));
            bytes[at] ^= 1 << below(8);
        }
        fs::write(&path, &bytes).unwrap();
        if let Ok(model) = Local::open(&path, &[], 0) {
            let tokens: Vec<u32> = (0..3).map(|n| n % model.model.shape.words as u32).collect();
            let _ = model.logits(&tokens);
        }
    }
}

#[test]
fn a_real_model_says_what_llama_cpp_says() {
    let file = env::var_os("APPRENTICE_TEST_GGUF");
    let required = env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(file.is_some() || !required, "APPRENTICE_TEST_GGUF names no file");
    let Some(file) = file else {
        eprintln!("skipped: APPRENTICE_TEST_GGUF names no file");
        return;
    };
    let model = Local::open(Path::new(&file), &[], 0).unwrap();
    let text = "The capital of France is Paris, and the capital of Italy is";
    let tokens = model.tokenizer.encode(text, false);
    let logits = model.logits(&tokens).unwrap();
    let said = sampler::Sampler::new(0.0, 0).pick(&logits[logits.len() - model.model.shape.words..]);
    assert_eq!(model.tokenizer.bytes(said), b" Rome");
    let turns = [Turn::new(Role::User, "What is the capital of France? Answer with one sentence.")];
    let stop = AtomicBool::new(false);
    let answer = model.answer(&Request { most: 30, ..asked(&turns, &stop) }, &mut |_| {}).unwrap();
    assert_eq!((answer.text.as_str(), answer.is_whole), ("The capital of France is Paris.", true));
}
