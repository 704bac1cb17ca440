//! Is an adapter read back as it was written, and is a merged model the adapted one?

use std::collections::BTreeMap;

use super::*;
use crate::net::{Batch, Pass, Trained, small};

fn filled(decoder: &mut Decoder) -> Adapter {
    let adapter = Adapter::new(decoder, 3, 6.0, 1).unwrap();
    for (name, _, b) in &adapter.parts {
        let values: Vec<f32> = uniform(name, 7, b.elem_count()).collect();
        b.set(&Tensor::from_vec(values, b.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    adapter
}

fn logits(decoder: &Decoder) -> Vec<f32> {
    let (batch, _) = Batch::shared(&[(&[3, 1, 4, 1, 5, 9, 2, 6], 1)]);
    decoder.logits(&batch, Pass::Hear).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn what_was_written_is_read() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let folder = tempfile::tempdir().unwrap();
        let mut decoder = small(architecture, Trained::Nothing, DType::F32);
        let plain = logits(&decoder);
        let adapter = filled(&mut decoder);
        assert_ne!(logits(&decoder), plain);
        adapter.save(folder.path(), decoder.shape(), "somewhere/base").unwrap();
        let mut other = small(architecture, Trained::Nothing, DType::F32);
        Adapter::open(folder.path(), decoder.shape()).unwrap().lay(&mut other).unwrap();
        assert_eq!(logits(&other), logits(&decoder), "{architecture}");
    }
}

/// The published order has the rows of a pair half a head apart.
#[test]
fn rows_of_llamas_queries_are_put_back_as_published() {
    let shape = small("llama", Trained::Nothing, DType::F32).shape().clone();
    let rows = rows_as_published(&shape, "blk.0.attn_q").unwrap();
    assert_eq!(rows[..12], [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    let all: std::collections::BTreeSet<usize> =
        rows_as_published(&shape, "blk.1.attn_k").unwrap().into_iter().collect();
    assert_eq!(all.len(), 12);
    assert_eq!(rows_as_published(&shape, "blk.0.attn_v"), None);
}

#[test]
fn the_same_seed_makes_the_same_adapter() {
    let mut decoder = small("llama", Trained::Nothing, DType::F32);
    let of = |adapter: Adapter| -> BTreeMap<String, Vec<f32>> {
        let values = |var: &Var| var.flatten_all().unwrap().to_vec1().unwrap();
        adapter.variables().iter().map(|(name, var)| (name.clone(), values(var))).collect()
    };
    let [a, b, c] = [1, 1, 2].map(|seed| of(Adapter::new(&mut decoder, 4, 8.0, seed).unwrap()));
    assert!(a == b && a != c);
    assert!(
        a["blk.0.attn_q.lora_a"].iter().all(|x| x.abs() <= 0.25) && a["blk.0.attn_q.lora_b"].iter().all(|x| *x == 0.0)
    );
}

#[test]
fn an_adapter_that_is_not_known_or_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut decoder = small("qwen2", Trained::Nothing, DType::F32);
    filled(&mut decoder).save(folder.path(), decoder.shape(), "base").unwrap();
    let open = || Adapter::open(folder.path(), decoder.shape()).map(|_| ()).unwrap_err().to_string();
    let weights = folder.path().join("adapter_model.safetensors");
    let bytes = crate::files::read(&weights).unwrap();
    let put = |path: &std::path::Path, bytes: &[u8]| {
        crate::files::replace(path, |out| std::io::Write::write_all(out, bytes)).unwrap();
    };
    put(&weights, &bytes[..bytes.len() / 2]);
    assert!(open().contains("cannot be used"), "{}", open());
    put(&weights, &bytes);
    let config = folder.path().join("adapter_config.json");
    let text = String::from_utf8(crate::files::read(&config).unwrap()).unwrap();
    put(&config, text.replace("\"use_dora\": false", "\"use_dora\": true").as_bytes());
    assert!(open().contains("DoRA"), "{}", open());
    put(&config, text.replace("\"r\": 3", "\"r\": 4").as_bytes());
    assert!(open().contains("rank 4"), "{}", open());
}

#[test]
fn two_adapters_together_are_one_after_the_other() {
    let mut decoder = small("llama", Trained::Nothing, DType::F32);
    let first = filled(&mut decoder);
    first.merge_into(&mut decoder).unwrap();
    let second = Adapter::new(&mut decoder, 2, 3.0, 5).unwrap();
    for (name, _, b) in &second.parts {
        let values: Vec<f32> = uniform(name, 8, b.elem_count()).collect();
        b.set(&Tensor::from_vec(values, b.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    let stacked = logits(&decoder);
    let mut other = small("llama", Trained::Nothing, DType::F32);
    let joined = first.joined(&second).unwrap();
    assert_eq!((joined.rank, joined.parts.len()), (5, 14));
    joined.lay(&mut other).unwrap();
    logits(&other)
        .iter()
        .zip(&stacked)
        .for_each(|(a, b)| assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{a} and {b}"));
}
