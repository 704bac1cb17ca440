//! Is a folder of the hub the same model as a GGUF file, and does none that is damaged or hostile get through?

use std::{fs, path::Path};

use candle_core::quantized::gguf_file::Value;
use engine::model::local::tokenizer::Tokenizer;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    super::{
        adapter::{Thin, write_adapter},
        mix::FileType,
        model::{Written, write_model},
    },
    apart,
    folder::{self, Kind, NARROW, WIDE, numbers},
    our_logits,
};
use crate::base::Base;

fn folder_of(kind: Kind, more: Json) -> (TempDir, Base) {
    let folder = TempDir::new().unwrap();
    folder::write(folder.path(), kind, more);
    let base = Base::open(folder.path()).unwrap();
    (folder, base)
}

fn convert(base: &Base, to: FileType, out: &Path) -> Written {
    write_model(base, to, out, &|_| Ok(None), &[]).unwrap()
}

const TOKENS: [u32; 12] = [5, 300, 17, 599, 2, 41, 88, 300, 9, 123, 456, 7];

#[test]
fn llama_turns_as_qwen_does_when_its_rows_have_changed_places() {
    // The same weights, with other names for how they are turned: only the right permutation gives the same logits.
    for kind in [WIDE, Kind { size: 24, ..NARROW }] {
        let folder = TempDir::new().unwrap();
        let logits = ["llama", "qwen2"].map(|architecture| {
            let own = folder.path().join(architecture);
            let values = |name: &str, sizes: &[usize]| match name.ends_with("bias") {
                true => vec![0.0; sizes.iter().product()],
                false => folder::values(name, sizes),
            };
            folder::write_with(&own, Kind { architecture, ..kind }, json!({}), values);
            let out = folder.path().join(format!("{architecture}.gguf"));
            convert(&Base::open(&own).unwrap(), FileType::F32, &out);
            our_logits(&out, &[], &TOKENS)
        });
        let apart = apart(&logits[0], &logits[1]);
        assert!(apart < 0.01, "{apart}");
    }
}

#[test]
fn a_folder_and_its_file_are_the_same_model() {
    for architecture in ["llama", "qwen2", "qwen3"] {
        let size = if architecture == "qwen2" { 24 } else { 32 };
        let (folder, base) = folder_of(Kind { architecture, size, ..NARROW }, json!({}));
        let out = folder.path().join("one.gguf");
        let written = convert(&base, FileType::F32, &out);
        assert_eq!((written.copied, written.twice), (0, 0));
        let file = Base::open(&out).unwrap();
        let mut names: Vec<&str> = base.names().collect();
        names.sort_unstable();
        let mut others: Vec<&str> = file.names().collect();
        others.sort_unstable();
        assert_eq!(names, others);
        for name in names {
            assert_eq!(base.sizes(name), file.sizes(name), "{name}");
            assert_eq!(base.floats(name).unwrap(), file.floats(name).unwrap(), "{name}");
            let (rows, columns) = base.size(name).unwrap();
            let some = rows / 3..rows / 2 + 1;
            let part = base.floats(name).unwrap()[some.start * columns..some.end * columns].to_vec();
            assert_eq!(base.rows(name, some).unwrap(), part, "{name}");
        }
        for (key, value) in base.metadata() {
            assert_eq!(format!("{value:?}"), format!("{:?}", file.metadata()[key]), "{key}");
        }
        assert_eq!(format!("{:?}", base.shape().unwrap()), format!("{:?}", file.shape().unwrap()));
        // Written again, all is copied and the same.
        let again = folder.path().join("again.gguf");
        let written = convert(&file, FileType::F32, &again);
        assert_eq!(written.copied, written.tensors);
        assert_eq!(fs::read(&out).unwrap(), fs::read(&again).unwrap());
    }
}

#[test]
fn several_files_are_one_model() {
    let (folder, whole) = folder_of(WIDE, json!({}));
    let parts = TempDir::new().unwrap();
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(folder.path().join(name), parts.path().join(name)).unwrap();
    }
    let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for part in 0..2 {
        let name = format!("model-0000{}-of-00002.safetensors", part + 1);
        let own: Vec<_> = tensors.tensors().into_iter().enumerate().filter(|(n, _)| n % 2 == part).collect();
        map.extend(own.iter().map(|(_, (tensor, _))| (tensor.clone(), json!(name))));
        let own = own.into_iter().map(|(_, tensor)| tensor);
        fs::write(parts.path().join(name), safetensors::serialize(own, None).unwrap()).unwrap();
    }
    let index = parts.path().join("model.safetensors.index.json");
    fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    let split = Base::open(parts.path()).unwrap();
    for name in whole.names() {
        assert_eq!(whole.floats(name).unwrap(), split.floats(name).unwrap(), "{name}");
    }
    let refused = |change: &dyn Fn(&mut serde_json::Map<String, Json>)| {
        let mut map = map.clone();
        change(&mut map);
        fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
        refused(parts.path())
    };
    insta::assert_snapshot!(refused(&|map| drop(map.insert("model.norm.weight".into(), json!("../out.safetensors")))), @"the model `DIR` cannot be used: its index names `../out.safetensors`, which is no file of weights beside it");
    insta::assert_snapshot!(refused(&|map| drop(map.insert("more".into(), json!("model-00001-of-00002.safetensors")))), @"the model `DIR` cannot be used: its index has the tensor `more`, and no file does: download it again");
    insta::assert_snapshot!(refused(&|map| drop(map.insert("more".into(), json!("model-3.safetensors")))), @"the model `DIR` cannot be used: model-3.safetensors: No such file or directory (os error 2)");
}

/// Why a folder is refused, without its name.
fn refused(folder: &Path) -> String {
    let error = Base::open(folder).unwrap_err().to_string();
    error.replace(&folder.display().to_string(), "DIR")
}

#[test]
fn a_folder_that_is_not_whole_is_refused() {
    let (folder, _) = folder_of(WIDE, json!({}));
    let path = |name: &str| folder.path().join(name);
    let without = |name: &str| {
        let bytes = fs::read(path(name)).unwrap();
        fs::remove_file(path(name)).unwrap();
        let why = refused(folder.path());
        fs::write(path(name), bytes).unwrap();
        why
    };
    insta::assert_snapshot!(without("config.json"), @"the model `DIR` cannot be used: it has no config.json");
    insta::assert_snapshot!(without("tokenizer.json"), @"the model `DIR` cannot be used: it has no tokenizer.json: tokenizers of SentencePiece are not read from a folder; take it as GGUF");
    insta::assert_snapshot!(without("model.safetensors"), @"the model `DIR` cannot be used: model.safetensors: No such file or directory (os error 2)");
    let weights = fs::read(path("model.safetensors")).unwrap();
    for length in (0..weights.len()).step_by(weights.len() / 37) {
        fs::write(path("model.safetensors"), &weights[..length]).unwrap();
        let why = refused(folder.path());
        assert!(why.contains("cut off") || why.contains("damaged"), "{length}: {why}");
    }
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend([0; 64]);
    fs::write(path("model.safetensors"), long).unwrap();
    insta::assert_snapshot!(refused(folder.path()), @"the model `DIR` cannot be used: model.safetensors: its header is said to have 18446744073709551615 bytes: it is cut off, or no file of safetensors");
}

/// Tensors with their names.
type Views<'a> = Vec<(String, TensorView<'a>)>;

#[test]
fn weights_of_another_model_are_refused() {
    let folder = TempDir::new().unwrap();
    folder::write(folder.path(), WIDE, json!({}));
    let weights = folder.path().join("model.safetensors");
    let whole = fs::read(&weights).unwrap();
    let with = |change: &dyn Fn(&mut Views<'_>)| {
        let tensors = safetensors::SafeTensors::deserialize(&whole).unwrap();
        let mut tensors = tensors.tensors();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        change(&mut tensors);
        fs::write(&weights, safetensors::serialize(tensors, None).unwrap()).unwrap();
        refused(folder.path())
    };
    let view = |dtype, sizes: &[usize], bytes: &'static [u8]| TensorView::new(dtype, sizes.to_vec(), bytes).unwrap();
    static ZEROS: [u8; 4096] = [0; 4096];
    let replace = |tensors: &mut Views<'_>, name: &str, with| {
        tensors.retain(|(other, _)| other != name);
        tensors.push((name.to_owned(), with));
    };
    insta::assert_snapshot!(with(&|all| all.retain(|(name, _)| name != "model.layers.1.mlp.up_proj.weight")), @"the model `DIR` cannot be used: it has no tensor that would be `blk.1.ffn_up.weight`: files are missing, download it again");
    insta::assert_snapshot!(with(&|all| replace(all, "model.norm.weight", view(Dtype::F32, &[255], &ZEROS[..1020]))), @"the model `DIR` cannot be used: its tensor `model.norm.weight` has the dimensions [255], and [256] are needed");
    insta::assert_snapshot!(with(&|all| replace(all, "model.norm.weight", view(Dtype::I64, &[256], &ZEROS[..2048]))), @"the model `DIR` cannot be used: model.safetensors: its tensor `model.norm.weight` is of the type I64, and only F32, F16 and BF16 are known");
    insta::assert_snapshot!(with(&|all| replace(all, "model.layers.9.mlp.up_proj.weight", view(Dtype::F32, &[1], &ZEROS[..4]))), @"the model `DIR` cannot be used: its tensor `model.layers.9.mlp.up_proj.weight` is none that is known");
    insta::assert_snapshot!(with(&|all| replace(all, "visual.patch", view(Dtype::F32, &[1], &ZEROS[..4]))), @"the model `DIR` cannot be used: its tensor `visual.patch` is none that is known");
}

#[test]
fn a_config_of_what_is_not_known_is_refused() {
    let folder = TempDir::new().unwrap();
    let refused = |more: Json| {
        folder::write(folder.path(), NARROW, more);
        refused(folder.path())
    };
    insta::assert_snapshot!(refused(json!({"model_type": "mixtral"})), @"the model `DIR` cannot be used: config.json: it is of the architecture `mixtral`, and only llama, qwen2 and qwen3 are read from a folder; take it as GGUF");
    insta::assert_snapshot!(refused(json!({"hidden_size": 0})), @"the model `DIR` cannot be used: config.json: it has sizes that fit no model");
    insta::assert_snapshot!(refused(json!({"hidden_size": 1_u64 << 40})), @"the model `DIR` cannot be used: config.json: it has sizes that fit no model");
    insta::assert_snapshot!(refused(json!({"hidden_size": "many"})), @r#"the model `DIR` cannot be used: config.json: invalid type: string "many", expected usize at line 1 column 42"#);
    insta::assert_snapshot!(refused(json!({"hidden_act": "gelu"})), @"the model `DIR` cannot be used: config.json: its gate is `gelu`, and only `silu` is known");
    insta::assert_snapshot!(refused(json!({"use_sliding_window": true})), @"the model `DIR` cannot be used: config.json: its layers see only some tokens (`use_sliding_window`), which is not known");
    insta::assert_snapshot!(refused(json!({"quantization_config": {"bits": 4}})), @"the model `DIR` cannot be used: config.json: its weights are quantized (`quantization_config`): take those that are not");
    insta::assert_snapshot!(refused(json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}})), @"the model `DIR` cannot be used: config.json: it scales positions by `dynamic`, which is not known");
    insta::assert_snapshot!(refused(json!({"rope_scaling": {"type": "linear"}})), @"the model `DIR` cannot be used: config.json: `rope_scaling` has no `factor` that it can be");
    insta::assert_snapshot!(refused(json!({"rope_scaling": {"type": "yarn", "factor": 4.0, "beta_fast": 16.0}})), @"the model `DIR` cannot be used: config.json: `rope_scaling` has `beta_fast` = 16.0, which is not known");
    let turned = json!({"model_type": "qwen2"});
    insta::assert_snapshot!(refused(turned), @"the model `DIR` cannot be used: config.json: its heads are not as wide together as the model, which no qwen2 is");
}

#[test]
fn positions_are_scaled_as_the_config_says() {
    let key = |base: &Base, key: &str| format!("{:?}", base.metadata().get(&format!("llama.rope.scaling.{key}")));
    let scaled = |scaling: Json| folder_of(NARROW, json!({ "rope_scaling": scaling }));
    let (_folder, base) = scaled(json!({"type": "linear", "factor": 2.0}));
    assert_eq!(
        (key(&base, "type"), key(&base, "factor")),
        (r#"Some(String("linear"))"#.into(), "Some(F32(2.0))".into())
    );
    let (_folder, base) =
        scaled(json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "beta_slow": 1.0}));
    assert_eq!(key(&base, "original_context_length"), "Some(U32(128))");
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128});
    let (folder, base) = scaled(llama3);
    assert_eq!(key(&base, "type"), "None");
    let factors = base.floats("rope_freqs.weight").unwrap();
    // Of 16 pairs, those that turn more than four times in 128 tokens stay, those that turn less than once are slowed.
    insta::assert_snapshot!(format!("{factors:.3?}"), @"[1.000, 1.000, 1.000, 1.124, 2.339, 5.971, 8.000, 8.000, 8.000, 8.000, 8.000, 8.000, 8.000, 8.000, 8.000, 8.000]");
    // Both are read, and in both a position is another than without.
    for (folder, base) in [(folder, base), scaled(json!({"type": "linear", "factor": 2.0}))] {
        let out = folder.path().join("one.gguf");
        convert(&base, FileType::F32, &out);
        let (_plain, other) = folder_of(NARROW, json!({}));
        let plain = folder.path().join("plain.gguf");
        convert(&other, FileType::F32, &plain);
        assert!(apart(&our_logits(&out, &[], &TOKENS), &our_logits(&plain, &[], &TOKENS)) > 0.01);
    }
}

/// Text in which rules differ.
pub(super) const TEXT: &str = "fn main() { let x1234567 = 42; }  // It's  Zoë's \"naïve\" test,\n\n\n\tdon't YOU'LL\r\n  \
    5,000 items: 漢字かな 한국어 русский עברית 🙂👍🏽 a\u{301} <|im_start|> ½ ² x\u{a0}y   end   ";

#[test]
fn a_text_has_the_tokens_that_it_had_before() {
    for pre in ["gpt-2", "smollm", "llama-bpe", "smaug-bpe", "qwen2"] {
        let folder = TempDir::new().unwrap();
        folder::write(folder.path(), WIDE, json!({}));
        let reference = folder::write_tokenizer(folder.path(), pre);
        let base = Base::open(folder.path()).unwrap();
        assert_eq!(format!("{:?}", base.metadata()["tokenizer.ggml.pre"]), format!("String({pre:?})"));
        let ours = Tokenizer::new(base.metadata()).unwrap();
        for text in TEXT.split_inclusive('\n').chain([TEXT, include_str!("../tests.rs")]) {
            let theirs = reference.encode(text, false).unwrap();
            assert_eq!(ours.encode(text, true), theirs.get_ids(), "{pre}: {text:?}");
        }
        assert_eq!((ours.bos(), ours.eos(), ours.adds_bos()), (Some(1), Some(2), false));
    }
}

#[test]
fn a_tokenizer_that_splits_by_another_rule_is_refused() {
    let folder = TempDir::new().unwrap();
    folder::write(folder.path(), WIDE, json!({}));
    let path = folder.path().join("tokenizer.json");
    let whole: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Json)| {
        let mut tokenizer = whole.clone();
        change(&mut tokenizer);
        fs::write(&path, tokenizer.to_string()).unwrap();
        refused(folder.path())
    };
    insta::assert_snapshot!(with(&|file| file["pre_tokenizer"] = json!({"type": "Metaspace"})), @"the model `DIR` cannot be used: tokenizer.json: it splits text by `Metaspace`, which is not known here so");
    insta::assert_snapshot!(with(&|file| file["pre_tokenizer"]["add_prefix_space"] = json!(true)), @"the model `DIR` cannot be used: tokenizer.json: it splits text by `ByteLevel`, which is not known here so");
    insta::assert_snapshot!(with(&|file| file["pre_tokenizer"] = Json::Null), @"the model `DIR` cannot be used: tokenizer.json: it splits text by `nothing`, which is not known here so");
    let split = json!({"type": "Split", "pattern": {"Regex": r"\w+"}, "behavior": "Isolated", "invert": false});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false});
    let rule = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
    insta::assert_snapshot!(with(&|file| file["pre_tokenizer"] = rule.clone()), @r#"the model `DIR` cannot be used: tokenizer.json: it splits text by ["\\w+"], for which llama.cpp has no name that is known here"#);
    insta::assert_snapshot!(with(&|file| file["normalizer"] = json!({"type": "Lowercase"})), @"the model `DIR` cannot be used: tokenizer.json: it changes text before it is split (`Lowercase`), which is not known");
    insta::assert_snapshot!(with(&|file| file["model"]["ignore_merges"] = json!(true)), @r#"the model `DIR` cannot be used: tokenizer.json: it splits text by ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"], for which llama.cpp has no name that is known here"#);
    insta::assert_snapshot!(with(&|file| file["model"]["type"] = json!("Unigram")), @"the model `DIR` cannot be used: tokenizer.json: it is no byte-level BPE: take this model as GGUF");
    insta::assert_snapshot!(with(&|file| file["model"]["merges"] = json!([])), @"the model `DIR` cannot be used: tokenizer.json: it has no merges");
    insta::assert_snapshot!(with(&|file| file["model"]["vocab"]["more"] = json!(5000)), @"the model `DIR` cannot be used: tokenizer.json: its token `more` has the id 5000, and weights know 640");
    insta::assert_snapshot!(with(&|file| file["model"]["vocab"]["more"] = json!(5)), @"the model `DIR` cannot be used: tokenizer.json: its token `more` is not the only one of its id 5, or of its text");
    insta::assert_snapshot!(with(&|file| file["added_tokens"][3]["content"] = json!("!")), @"the model `DIR` cannot be used: tokenizer.json: its token `!` is not the only one of its id 600, or of its text");
    fs::write(&path, whole.to_string()).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"eos_token": "<end>"}"#).unwrap();
    insta::assert_snapshot!(refused(folder.path()), @"the model `DIR` cannot be used: tokenizer_config.json: its eos token `<end>` is no token");
    fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    assert_eq!(format!("{:?}", Base::open(folder.path()).unwrap().metadata()["tokenizer.ggml.eos_token_id"]), "U32(2)");
    fs::write(folder.path().join("tokenizer_config.json"), "[").unwrap();
    insta::assert_snapshot!(refused(folder.path()), @"the model `DIR` cannot be used: tokenizer_config.json: EOF while parsing a list at line 1 column 1");
}

#[test]
fn new_weights_take_the_place_of_old_ones() {
    let (folder, base) = folder_of(WIDE, json!({}));
    let before = folder.path().join("before.gguf");
    convert(&base, FileType::Q8, &before);
    let file = Base::open(&before).unwrap();
    let name = "blk.1.attn_v.weight";
    let new: Vec<f32> = base.floats(name).unwrap().iter().map(|x| 2.0 * x).collect();
    let after = folder.path().join("after.gguf");
    let extra = [("general.name".to_owned(), Value::String("other".into()))];
    let changed = |wanted: &str| Ok((wanted == name).then(|| new.clone()));
    let written = write_model(&file, FileType::Q8, &after, &changed, &extra).unwrap();
    assert_eq!((written.changed, written.copied), (1, written.tensors - 1));
    let other = Base::open(&after).unwrap();
    for tensor in file.names() {
        let same = file.packed(tensor) == other.packed(tensor);
        assert_eq!(same, tensor != name, "{tensor}");
    }
    assert!(apart(&other.floats(name).unwrap(), &new) < 0.01);
    assert_eq!(format!("{:?}", other.metadata()["general.name"]), r#"String("other")"#);
    let short = write_model(&file, FileType::Q8, &after, &|_| Ok(Some(vec![0.0])), &[]).unwrap_err();
    assert!(short.to_string().contains("1 numbers came for it"), "{short}");
    let before = fs::read(&after).unwrap();
    let lost = write_model(&file, FileType::Q8, &after, &|_| Err("it is gone".into()), &[]).unwrap_err();
    assert!(lost.to_string().contains("it is gone"), "{lost}");
    assert!(fs::read(&after).unwrap() == before, "what was there before is still there");
}

#[test]
fn an_adapter_says_what_merged_weights_say() {
    let (folder, base) = folder_of(WIDE, json!({}));
    let path = |name: &str| folder.path().join(name);
    convert(&base, FileType::F32, &path("base.gguf"));
    let (adapter, merged) = adapted(&base, &path("adapter.gguf"));
    write_model(&base, FileType::F32, &path("merged.gguf"), &|name| Ok(merged(name)), &[]).unwrap();
    let plain = our_logits(&path("base.gguf"), &[], &TOKENS);
    let with = our_logits(&path("base.gguf"), &[adapter], &TOKENS);
    let merged = our_logits(&path("merged.gguf"), &[], &TOKENS);
    assert!(apart(&plain, &merged) > 0.1, "it changes something");
    let apart = apart(&with, &merged);
    assert!(apart < 0.04, "{apart}");
}

/// An adapter of all matrices of layer 1 and 2, and the weights with it.
pub(super) fn adapted<'a>(
    base: &'a Base,
    out: &Path,
) -> (std::path::PathBuf, impl Fn(&str) -> Option<Vec<f32>> + Sync + use<'a>) {
    const RANK: usize = 4;
    const ALPHA: f32 = 6.0;
    let parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
    let names: Vec<String> = [1, 2].iter().flat_map(|n| parts.map(|part| format!("blk.{n}.{part}.weight"))).collect();
    let halves = move |base: &Base, name: &str| {
        let (rows, columns) = base.size(name).unwrap();
        let mut next = numbers(name.len() as u64);
        let mut some = |count: usize| (0..count).map(|_| 0.1 * next()).collect::<Vec<f32>>();
        (some(RANK * columns), some(rows * RANK))
    };
    let own: Vec<_> = names.iter().map(|name| halves(base, name)).collect();
    let thin: Vec<Thin<'_>> = names.iter().zip(&own).map(|(name, (a, b))| Thin { name, rank: RANK, a, b }).collect();
    write_adapter(out, &base.shape().unwrap().architecture, ALPHA, &thin, &[]).unwrap();
    let merged = move |name: &str| {
        let is_adapted = names.iter().any(|own| own == name);
        is_adapted.then(|| {
            let (_, columns) = base.size(name).unwrap();
            let (a, b) = halves(base, name);
            let mut weights = base.floats(name).unwrap();
            for (at, weight) in weights.iter_mut().enumerate() {
                let (row, column) = (at / columns, at % columns);
                let sum: f32 = (0..RANK).map(|k| b[row * RANK + k] * a[k * columns + column]).sum();
                *weight += ALPHA / RANK as f32 * sum;
            }
            weights
        })
    };
    (out.to_owned(), merged)
}
