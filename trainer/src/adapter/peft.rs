//! How does PEFT keep an adapter? `adapter_config.json` and `adapter_model.safetensors`, with the names and the order of
//! rows of the model as its authors published it.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use candle_core::{DType, Device};
use engine::model::local::shape::Shape;
use safetensors::{Dtype, SafeTensors, View};
use serde::Deserialize;
use serde_json::json;

use super::{Adapter, AdapterError, rows_as_published, variable};
use crate::files;

/// Names of the parts of a layer: GGUF's and the published ones.
const PARTS: [(&str, &str); 7] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The longest file of weights that is read.
const MOST: u64 = 4 << 30;

/// What has to be known of `adapter_config.json`; what changes the mathematics and is not known here is refused.
#[derive(Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
}

struct Floats {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Floats {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Adapter {
    /// Writes the adapter of a model of this shape into a folder. `base` is what PEFT is told to load first.
    ///
    /// # Errors
    /// [`AdapterError`]; each file is whole or not there.
    pub fn save(&self, folder: &Path, shape: &Shape, base: &str) -> Result<(), AdapterError> {
        let config = json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "inference_mode": true,
            "r": self.rank, "lora_alpha": self.alpha, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false,
            "use_rslora": false, "use_dora": false, "modules_to_save": null,
            "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        });
        let config = format!("{config:#}\n");
        write(&folder.join("adapter_config.json"), config.as_bytes())?;
        let mut tensors = Vec::new();
        for (name, a, b) in &self.parts {
            let published = published(name).ok_or_else(|| wrong(folder, format!("`{name}` has no name in PEFT")))?;
            let rows = rows_as_published(shape, name);
            for (part, var, rows) in [("A", a, None), ("B", b, rows)] {
                let values = var.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
                let rows: Vec<&Vec<f32>> = match &rows {
                    Some(order) => order.iter().map(|&row| &values[row]).collect(),
                    None => values.iter().collect(),
                };
                let bytes = rows.into_iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
                let name = format!("base_model.model.model.{published}.lora_{part}.weight");
                tensors.push((name, Floats { shape: var.dims().to_vec(), bytes }));
            }
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let about = Some([("format".to_owned(), "pt".to_owned())].into());
        let bytes = safetensors::serialize(tensors.iter().map(|(name, floats)| (name, floats)), about);
        let bytes = bytes.map_err(|error| wrong(folder, error.to_string()))?;
        write(&folder.join("adapter_model.safetensors"), &bytes)
    }

    /// Opens the adapter in a folder, for a model of this shape.
    ///
    /// # Errors
    /// [`AdapterError`] when a file is missing or damaged, or says what is not known here.
    pub fn open(folder: &Path, shape: &Shape) -> Result<Self, AdapterError> {
        let config = read(&folder.join("adapter_config.json"))?;
        let config: Config = serde_json::from_slice(&config).map_err(|error| wrong(folder, error.to_string()))?;
        config.check().map_err(|why| wrong(folder, why))?;
        let bytes = read(&folder.join("adapter_model.safetensors"))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(folder, error.to_string()))?;
        let mut parts = Vec::new();
        for layer in 0..shape.layers {
            for (name, _) in PARTS {
                let name = format!("blk.{layer}.{name}");
                let published = published(&name).unwrap_or_default();
                let key = |part: &str| format!("base_model.model.model.{published}.lora_{part}.weight");
                let get = |part: &str| file.tensor(&key(part)).ok();
                let (a, b) = match (get("A"), get("B")) {
                    (None, None) => continue,
                    (Some(a), Some(b)) => (a, b),
                    _ => return Err(wrong(folder, format!("it has half of `{published}`"))),
                };
                let (&[rank, columns], &[rows, other]) = (a.shape(), b.shape()) else {
                    return Err(wrong(folder, format!("`{published}` is no matrix")));
                };
                if rank != config.r || other != config.r {
                    return Err(wrong(folder, format!("`{published}` has not the rank {}", config.r)));
                }
                let a = floats(a.dtype(), a.data()).map_err(|why| wrong(folder, why))?;
                let mut b = floats(b.dtype(), b.data()).map_err(|why| wrong(folder, why))?;
                if let Some(order) = rows_as_published(shape, &name) {
                    if order.len() != rows {
                        return Err(wrong(folder, "it fits a model of other sizes".into()));
                    }
                    let published = b.clone();
                    for (from, to) in order.into_iter().enumerate() {
                        b[to * rank..(to + 1) * rank].copy_from_slice(&published[from * rank..(from + 1) * rank]);
                    }
                }
                let on = (DType::F32, &Device::Cpu);
                parts.push((name, variable(a, (rank, columns), on)?, variable(b, (rows, rank), on)?));
            }
        }
        if 2 * parts.len() != file.len() {
            let known = parts.len();
            let all = file.len();
            return Err(wrong(
                folder,
                format!("of its {all} tensors only {} are of matrices of this model's layers", 2 * known),
            ));
        }
        Ok(Self { rank: config.r, alpha: config.alpha(), parts })
    }
}

impl Config {
    fn check(&self) -> Result<(), String> {
        let unknown = [
            (self.peft_type != "LORA", "it is no LoRA adapter"),
            (self.r == 0, "its rank is 0"),
            (!self.lora_alpha.is_finite(), "its alpha is no number"),
            (self.use_dora, "it was trained with DoRA, which cannot be merged here"),
            (self.fan_in_fan_out, "it is of a model that keeps its matrices turned"),
            (!self.rank_pattern.is_empty() || !self.alpha_pattern.is_empty(), "its ranks differ from matrix to matrix"),
            (
                self.modules_to_save.as_ref().is_some_and(|all| !all.is_empty()),
                "it replaces whole matrices of the model",
            ),
        ];
        unknown.into_iter().find(|(is, _)| *is).map_or(Ok(()), |(_, why)| Err(why.to_owned()))
    }

    /// rsLoRA divides by the rank's root instead of the rank (arXiv 2312.03732).
    fn alpha(&self) -> f64 {
        if self.use_rslora { self.lora_alpha * (self.r as f64).sqrt() } else { self.lora_alpha }
    }
}

/// `layers.0.self_attn.q_proj` of `blk.0.attn_q`.
pub(crate) fn published(name: &str) -> Option<String> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    let (_, published) = PARTS.iter().find(|(own, _)| *own == part)?;
    Some(format!("layers.{layer}.{published}"))
}

fn floats(kind: Dtype, bytes: &[u8]) -> Result<Vec<f32>, String> {
    let halves = || bytes.chunks_exact(2).map(|two| [two[0], two[1]]);
    let values: Vec<f32> = match kind {
        Dtype::F32 => {
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
        }
        Dtype::F16 => halves().map(|two| half::f16::from_le_bytes(two).to_f32()).collect(),
        Dtype::BF16 => halves().map(|two| half::bf16::from_le_bytes(two).to_f32()).collect(),
        other => return Err(format!("its numbers are of the type {other:?}")),
    };
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err("it holds what is no number".into()),
    }
}

fn wrong(folder: &Path, why: String) -> AdapterError {
    AdapterError::Wrong(folder.display().to_string(), why)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), AdapterError> {
    use std::io::Write as _;
    files::replace(path, |out| out.write_all(bytes))
        .map_err(|error| AdapterError::File(path.display().to_string(), error))
}

fn read(path: &Path) -> Result<Vec<u8>, AdapterError> {
    let bytes =
        files::read_small(path, MOST).and_then(|bytes| bytes.ok_or_else(|| std::io::ErrorKind::NotFound.into()));
    bytes.map_err(|error| AdapterError::File(path.display().to_string(), error))
}
