//! Are packed numbers as near as ggml's, and the same everywhere?

use std::{env, fs, path::Path};

use candle_core::quantized::GgmlDType;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    super::{
        encode::{EncodeError, encode},
        file::{self, Entry},
    },
    folder::numbers,
    libraries, llama, named,
};
use crate::base::Base;

const ALL: [(GgmlDType, u32); 10] = [
    (GgmlDType::F32, 0),
    (GgmlDType::F16, 1),
    (GgmlDType::BF16, 30),
    (GgmlDType::Q8_0, 8),
    (GgmlDType::Q6K, 14),
    (GgmlDType::Q5K, 13),
    (GgmlDType::Q5_1, 7),
    (GgmlDType::Q5_0, 6),
    (GgmlDType::Q4K, 12),
    (GgmlDType::Q4_0, 2),
];

/// Packed numbers as the engine reads them.
fn decoded(kind: GgmlDType, bytes: &[u8], count: usize) -> Vec<f32> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("one.gguf");
    let entry = Entry { name: "one".into(), sizes: vec![count], kind };
    file::write(&path, &[], &[entry], &mut |_, out| {
        out.write_all(bytes).unwrap();
        Ok(())
    })
    .unwrap();
    Base::open(&path).unwrap().floats("one").unwrap()
}

fn error(a: &[f32], b: &[f32]) -> f64 {
    (a.iter().zip(b).map(|(&a, &b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Like weights: mostly small.
fn weights(count: usize) -> Vec<f32> {
    let mut next = numbers(3);
    (0..count).map(|_| 0.1 * next().powi(3) + 0.01 * next()).collect()
}

#[test]
fn every_type_keeps_what_its_bits_can_keep() {
    let weights = weights(16 * 256);
    let own = error(&weights, &vec![0.0; weights.len()]);
    for (kind, _) in ALL {
        let packed = encode(kind, &weights).unwrap();
        assert_eq!(packed.len(), weights.len() / kind.block_size() * kind.type_size());
        let lost = error(&decoded(kind, &packed, weights.len()), &weights) / own;
        let most = match kind {
            GgmlDType::F32 => 0.0,
            GgmlDType::F16 => 0.0003,
            GgmlDType::BF16 => 0.002,
            GgmlDType::Q8_0 => 0.007,
            GgmlDType::Q6K => 0.02,
            GgmlDType::Q5K | GgmlDType::Q5_0 | GgmlDType::Q5_1 => 0.045,
            _ => 0.09,
        };
        assert!(lost <= most, "{kind:?} loses {lost}");
    }
}

#[test]
fn what_is_all_alike_comes_back() {
    for (kind, _) in ALL {
        for value in [0.0, 0.75, -0.75, 60_000.0, -60_000.0, 1e-30] {
            let numbers = vec![value; 256];
            let back = decoded(kind, &encode(kind, &numbers).unwrap(), 256);
            let most = 0.02 * value.abs() + 1e-6;
            assert!(back.iter().all(|&x| (x - value).abs() <= most), "{kind:?} of {value}: {}", back[0]);
        }
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let with = |value: f32| {
        let mut numbers = vec![0.5; 256];
        numbers[200] = value;
        numbers
    };
    for (kind, _) in ALL {
        assert_eq!(encode(kind, &with(f32::NAN)), Err(EncodeError::NoNumber), "{kind:?}");
        assert_eq!(encode(kind, &with(f32::NEG_INFINITY)), Err(EncodeError::NoNumber), "{kind:?}");
        let keeps = matches!(kind, GgmlDType::F32 | GgmlDType::BF16);
        assert_eq!(encode(kind, &with(1e6)).is_ok(), keeps, "{kind:?}");
    }
    let short = EncodeError::Count { numbers: 255, block: 256 };
    assert_eq!(encode(GgmlDType::Q4K, &[0.0; 255]), Err(short));
    assert_eq!(encode(GgmlDType::Q2K, &[0.0; 256]), Err(EncodeError::Kind(GgmlDType::Q2K)));
}

proptest! {
    #[test]
    fn no_numbers_make_it_panic(bits in prop::collection::vec(any::<u32>(), 256)) {
        let numbers: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        for (kind, _) in ALL {
            let _ = encode(kind, &numbers);
        }
    }

    #[test]
    fn nothing_is_further_off_than_its_block_is_wide(
        scale in -30_i32..15,
        shift in -2.0_f32..2.0,
        values in prop::collection::vec(-1.0_f32..1.0, 256),
    ) {
        let scale = 2_f32.powi(scale);
        let numbers: Vec<f32> = values.iter().map(|value| (value + shift) * scale).collect();
        for (kind, _) in ALL {
            let back = decoded(kind, &encode(kind, &numbers).unwrap(), 256);
            let most = numbers.iter().fold(0_f32, |most, x| most.max(x.abs()));
            // Scales below half precision's smallest become 0.
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.25 * most + 1e-4;
            prop_assert!(back.iter().zip(&numbers).all(near), "{kind:?}");
        }
    }
}

/// The error of our packing in parts of ggml's.
fn ratio(libraries: &Path, kind: GgmlDType, number: u32, weights: &[f32], folder: &Path) -> f64 {
    let (from, to) = (folder.join("in.f32"), folder.join("out"));
    fs::write(&from, weights.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let (number, from, to_name) = (number.to_string(), from.display().to_string(), to.display().to_string());
    llama(libraries, "encode", &[&number, "256", &from, &to_name]);
    let theirs = decoded(kind, &fs::read(&to).unwrap(), weights.len());
    let ours = decoded(kind, &encode(kind, weights).unwrap(), weights.len());
    error(&ours, weights) / error(&theirs, weights)
}

#[test]
fn no_type_loses_more_than_ggmls_own_encoder() {
    let (Some(libraries), Some(minilm)) = (libraries(), named("APPRENTICE_TEST_MINILM")) else { return };
    let bytes = fs::read(minilm.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let folder = TempDir::new().unwrap();
    // A matrix of each kind, from the first and from the last layer.
    let mut weights = Vec::new();
    for layer in [0, 5] {
        for part in ["attention.self.query", "attention.self.value", "intermediate.dense", "output.dense"] {
            let tensor = tensors.tensor(&format!("encoder.layer.{layer}.{part}.weight")).unwrap();
            weights.extend(tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        }
    }
    for (kind, number) in ALL.into_iter().skip(3) {
        let ratio = ratio(&libraries, kind, number, &weights, folder.path());
        if env::var_os("APPRENTICE_SHOW_FIGURES").is_some() {
            eprintln!("{kind:?}: {ratio:.4} of ggml's error over {} weights", weights.len());
        }
        assert!(ratio <= 1.0, "{kind:?} has {ratio} of ggml's error");
    }
}
