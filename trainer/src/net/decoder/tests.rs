//! Does every weight that can be trained have the gradient that is its slope, in each architecture? And is the whole model
//! the one that the engine runs?

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use engine::model::local::gguf::Metadata;

use super::{super::Piece, *};

/// What a small model of an architecture says of itself.
pub(crate) fn metadata(architecture: &str, layers: u32) -> Metadata {
    let key = |name: &str| format!("{architecture}.{name}");
    HashMap::from([
        ("general.architecture".to_owned(), Value::String(architecture.to_owned())),
        (key("embedding_length"), Value::U32(16)),
        (key("block_count"), Value::U32(layers)),
        (key("feed_forward_length"), Value::U32(24)),
        (key("context_length"), Value::U32(64)),
        (key("attention.head_count"), Value::U32(4)),
        (key("attention.head_count_kv"), Value::U32(2)),
        (key("attention.key_length"), Value::U32(6)),
        (key("attention.value_length"), Value::U32(6)),
        (key("rope.dimension_count"), Value::U32(6)),
        (key("attention.layer_norm_rms_epsilon"), Value::F32(1e-5)),
    ])
}

/// A small model with weights that look random.
pub(crate) fn small(architecture: &str, trained: Trained, kind: DType) -> Decoder {
    let shape = Shape::of(&metadata(architecture, 2), 23, &|_| Ok(None)).unwrap();
    let source = |name: &str, (rows, columns): (usize, usize)| {
        let has = match name {
            "output.weight" => architecture == "qwen3",
            _ if name.ends_with(".bias") => {
                architecture == "qwen2" && !name.contains("ffn") && !name.contains("output")
            }
            _ if name.contains("q_norm") || name.contains("k_norm") => architecture == "qwen3",
            _ => true,
        };
        let middle = if name.contains("norm") { 1.0 } else { 0.0 };
        Ok(has.then(|| numbers(name, rows * columns).into_iter().map(|x| middle + 0.3 * x).collect()))
    };
    Decoder::build(shape, &source, trained, (kind, &Device::Cpu)).unwrap()
}

pub(crate) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let mut stream = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    let mut bytes = vec![0; 4 * count];
    stream.fill(&mut bytes);
    let number = |bytes: &[u8]| f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    bytes.chunks_exact(4).map(|bytes| (number(bytes) / f64::from(u32::MAX) * 2.0 - 1.0) as f32).collect()
}

pub(crate) fn batch() -> Batch {
    let tokens: Vec<u32> = (0..17).map(|n| n * 5 % 23).collect();
    let targets = [2, 3, 4, 6, 9, 15].map(|row| (row, (row * 11 % 23) as u32)).to_vec();
    // A text, one of a single token, and two that begin with the same five.
    let piece = |length, after| Piece { length, after };
    let pieces = vec![piece(3, None), piece(1, None), piece(5, None), piece(4, Some(2)), piece(4, Some(2))];
    Batch { tokens, pieces, targets }
}

pub(crate) fn adapters(decoder: &mut Decoder, kind: DType) -> Vec<(String, Var)> {
    let mut all = Vec::new();
    for (name, linear) in decoder.matrices() {
        let (rows, columns) = linear.size();
        let make = |part: &str, size: (usize, usize)| {
            let values = numbers(&format!("{name}.{part}"), size.0 * size.1);
            let values = (Tensor::from_vec(values, size, &Device::Cpu).unwrap().to_dtype(kind).unwrap() * 0.3).unwrap();
            Var::from_tensor(&values).unwrap()
        };
        let (a, b) = (make("a", (2, columns)), make("b", (rows, 2)));
        linear.adapt(a.clone(), b.clone(), 1.5);
        all.extend([(format!("{name}.a"), a), (format!("{name}.b"), b)]);
    }
    all
}

fn loss(decoder: &Decoder) -> Tensor {
    decoder.surprise(&batch(), Pass::Learn).unwrap().sum_all().unwrap()
}

fn number(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn all(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Some numbers of a variable are moved, and the loss is seen to move as its gradient says.
fn hold(decoder: &Decoder, of: &[(String, Var)]) -> Vec<(String, Vec<f64>)> {
    let grads = loss(decoder).backward().unwrap();
    let mut found = Vec::new();
    for (name, variable) in of {
        let grad = all(grads.get(variable.as_tensor()).unwrap_or_else(|| panic!("`{name}` has no gradient")));
        let most = grad.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
        assert!(most > 1e-9, "`{name}` has a gradient of nothing");
        let original = variable.as_tensor().copy().unwrap();
        let steepest = (0..grad.len()).max_by(|a, b| grad[*a].abs().total_cmp(&grad[*b].abs())).unwrap();
        for at in [steepest, grad.len() / 3] {
            let mut values = all(&original);
            let mut moved = |by: f64| {
                values[at] += by;
                variable.set(&Tensor::from_slice(&values, original.shape(), &Device::Cpu).unwrap()).unwrap();
                number(&loss(decoder))
            };
            let slope = (moved(1e-5) - moved(-2e-5)) / 2e-5;
            variable.set(&original).unwrap();
            assert!((slope - grad[at]).abs() < 1e-5 * (most + 1e-3), "`{name}` {at}: {slope} and {}", grad[at]);
        }
        found.push((name.clone(), grad));
    }
    found
}

/// In 32 bits, with our own operations, the gradients are the same, and they are where layers are computed again.
fn hold_ours(decoder: &Decoder, of: &[(String, Var)], slopes: &[(String, Vec<f64>)]) {
    let kept = loss(decoder).backward().unwrap();
    let (again, grads) = decoder.learn(&batch(), &|surprise| Ok(surprise.sum_all()?)).unwrap();
    assert_eq!(number(&again), number(&loss(decoder)));
    for ((name, variable), (_, slopes)) in of.iter().zip(slopes) {
        let most = slopes.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
        for grads in [&kept, &grads] {
            for (one, slope) in all(grads.get(variable.as_tensor()).unwrap()).iter().zip(slopes) {
                assert!((one - slope).abs() < 1e-3 * most + 1e-6, "`{name}`: {one} and {slope}");
            }
        }
    }
}

#[test]
fn adapters_of_every_layer_have_their_slopes() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let mut decoder = small(architecture, Trained::Nothing, DType::F64);
        let variables = adapters(&mut decoder, DType::F64);
        let slopes = hold(&decoder, &variables);
        assert_eq!(slopes.len(), 2 * 7 * 2, "{architecture}");
        let mut ours = small(architecture, Trained::Nothing, DType::F32);
        let variables = adapters(&mut ours, DType::F32);
        hold_ours(&ours, &variables, &slopes);
    }
}

#[test]
fn every_weight_of_a_model_that_is_trained_whole_has_its_slope() {
    let variables = |decoder: &Decoder| -> Vec<(String, Var)> {
        let all = decoder.variables().into_iter();
        all.map(|(name, tensor)| (name, Var::from_tensor(&tensor).unwrap())).collect()
    };
    for (architecture, count) in [("llama", 1 + 2 * 9 + 1), ("qwen2", 1 + 2 * 12 + 1), ("qwen3", 1 + 2 * 11 + 2)] {
        let decoder = small(architecture, Trained::All, DType::F64);
        let all = variables(&decoder);
        assert_eq!(all.len(), count, "{architecture}");
        let slopes = hold(&decoder, &all);
        let ours = small(architecture, Trained::All, DType::F32);
        hold_ours(&ours, &variables(&ours), &slopes);
    }
}

#[test]
fn an_adapter_of_nothing_changes_nothing() {
    let mut decoder = small("llama", Trained::Nothing, DType::F32);
    let plain = all(&decoder.logits(&batch(), Pass::Hear).unwrap());
    adapters(&mut decoder, DType::F32);
    assert_eq!(all(&decoder.logits(&batch(), Pass::Base).unwrap()), plain);
    assert_ne!(all(&decoder.logits(&batch(), Pass::Hear).unwrap()), plain);
}

#[test]
fn texts_of_a_batch_do_not_see_each_other() {
    let decoder = small("qwen2", Trained::Nothing, DType::F32);
    let batch = batch();
    let together = all(&decoder.logits(&batch, Pass::Base).unwrap());
    for own in [9..13, 13..17] {
        let text = [&batch.tokens[4..9], &batch.tokens[own.clone()]].concat();
        let (alone, _) = Batch::shared(&[(&text, 1)]);
        let alone = all(&decoder.logits(&alone, Pass::Base).unwrap());
        let together = together[4 * 23..9 * 23].iter().chain(&together[own.start * 23..own.end * 23]);
        together.zip(&alone).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} and {b}"));
    }
}
