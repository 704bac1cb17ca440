//! What was learned on top of a model? Two thin matrices beside each of its own (LoRA, arXiv 2106.09685), kept as PEFT
//! keeps them.

mod peft;

pub(crate) use peft::published;

use candle_core::{DType, Device, Tensor, Var};
use engine::model::local::shape::Shape;

use crate::{
    base::Base,
    net::{Decoder, NetError},
};

/// An adapter: what is added to each product with a matrix is `alpha / rank · B (A x)`.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// Columns of `B` and rows of `A`.
    pub rank: usize,
    /// What the product is multiplied with, times the rank.
    pub alpha: f64,
    /// Name as in GGUF without `.weight`, `A` as `[rank, columns]` and `B` as `[rows, rank]`, in GGUF's order of rows.
    pub parts: Vec<(String, Var, Var)>,
}

/// A part of an adapter as numbers: name as in GGUF, `A` as `[rank, columns]`, `B` as `[rows, rank]`.
pub type Numbers = (String, Vec<f32>, Vec<f32>);

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file of it cannot be read or written.
    #[error("the adapter's file `{0}` cannot be read or written")]
    File(String, #[source] std::io::Error),
    /// It is not what it should be.
    #[error("the adapter `{0}` cannot be used: {1}")]
    Wrong(String, String),
    /// A computation failed.
    #[error(transparent)]
    Net(#[from] NetError),
}

impl From<candle_core::Error> for AdapterError {
    fn from(error: candle_core::Error) -> Self {
        Self::Net(error.into())
    }
}

impl Adapter {
    /// Lays a new adapter over all matrices of a model's layers. `A` is uniform within 1/√columns and `B` nothing, as in
    /// PEFT, so that it changes nothing yet; the same seed makes the same numbers.
    ///
    /// # Errors
    /// [`AdapterError::Net`].
    pub fn new(decoder: &mut Decoder, rank: usize, alpha: f64, seed: u64) -> Result<Self, AdapterError> {
        let mut parts = Vec::new();
        for (name, linear) in decoder.matrices() {
            let (rows, columns) = linear.size();
            let bound = 1.0 / (columns as f32).sqrt();
            let values = uniform(&name, seed, rank * columns).map(|x| bound * x).collect();
            let a = variable(values, (rank, columns), (linear.kind(), linear.device()))?;
            let b = variable(vec![0.0; rows * rank], (rows, rank), (linear.kind(), linear.device()))?;
            linear.adapt(a.clone(), b.clone(), alpha / rank as f64);
            parts.push((name, a, b));
        }
        Ok(Self { rank, alpha, parts })
    }

    /// Lays it over a model.
    ///
    /// # Errors
    /// [`AdapterError::Wrong`] when it fits another model.
    pub fn lay(&self, decoder: &mut Decoder) -> Result<(), AdapterError> {
        let mut left: Vec<&str> = self.parts.iter().map(|(name, ..)| &**name).collect();
        for (name, linear) in decoder.matrices() {
            let Some((_, a, b)) = self.parts.iter().find(|(part, ..)| *part == name) else { continue };
            let (rows, columns) = linear.size();
            if a.dims() != [self.rank, columns] || b.dims() != [rows, self.rank] {
                return Err(AdapterError::Wrong(name, "it fits a model of other sizes".into()));
            }
            linear.adapt(a.clone(), b.clone(), self.alpha / self.rank as f64);
            left.retain(|part| *part != name);
        }
        match left.first() {
            None => Ok(()),
            Some(part) => Err(AdapterError::Wrong((*part).to_owned(), "the model has no such matrix".into())),
        }
    }

    /// Makes it part of a model for good, so that another can be laid over both.
    ///
    /// # Errors
    /// [`AdapterError::Wrong`] when it fits another model.
    pub fn merge_into(&self, decoder: &mut Decoder) -> Result<(), AdapterError> {
        let mut left = self.parts.len();
        for (name, linear) in decoder.matrices() {
            let Some((_, a, b)) = self.parts.iter().find(|(part, ..)| *part == name) else { continue };
            let added = (b.matmul(a)? * (self.alpha / self.rank as f64))?;
            if added.dims2()? != linear.size() {
                return Err(AdapterError::Wrong(name, "it fits a model of other sizes".into()));
            }
            linear.add(&added.to_dtype(linear.kind())?.to_device(linear.device())?)?;
            left -= 1;
        }
        match left {
            0 => Ok(()),
            left => Err(AdapterError::Wrong(format!("{left} matrices"), "the model has none of these names".into())),
        }
    }

    /// Both together: one adapter whose rank is the sum of theirs. Parts that one of them lacks are nothing there.
    ///
    /// # Errors
    /// [`AdapterError`] when they fit different models.
    pub fn joined(&self, other: &Self) -> Result<Self, AdapterError> {
        let rank = self.rank + other.rank;
        let names: std::collections::BTreeSet<&str> =
            self.parts.iter().chain(&other.parts).map(|(name, ..)| &**name).collect();
        let part = |name: &str| -> Result<(String, Var, Var), AdapterError> {
            let find =
                |of: &Self| of.parts.iter().find(|(part, ..)| part == name).map(|(_, a, b)| (a.clone(), b.clone()));
            let (one, two) = (find(self), find(other));
            let (columns, rows) = match one.as_ref().or(two.as_ref()) {
                Some((a, b)) => (a.dim(1)?, b.dim(0)?),
                None => (0, 0),
            };
            let halves = |of: Option<(Var, Var)>, by: &Self| -> Result<(Tensor, Tensor), AdapterError> {
                let kind = (DType::F32, &Device::Cpu);
                Ok(match of {
                    Some((a, b)) => {
                        let cpu = |var: &Var| var.to_dtype(DType::F32)?.to_device(&Device::Cpu);
                        (cpu(&a)?, (cpu(&b)? * (by.alpha / by.rank as f64))?)
                    }
                    None => (
                        Tensor::zeros((by.rank, columns), kind.0, kind.1)?,
                        Tensor::zeros((rows, by.rank), kind.0, kind.1)?,
                    ),
                })
            };
            let ((a, b), (c, d)) = (halves(one, self)?, halves(two, other)?);
            Ok((
                name.to_owned(),
                Var::from_tensor(&Tensor::cat(&[a, c], 0)?)?,
                Var::from_tensor(&Tensor::cat(&[b, d], 1)?)?,
            ))
        };
        let parts = names.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Self { rank, alpha: rank as f64, parts })
    }

    /// Its variables with their names.
    pub fn variables(&self) -> Vec<(String, Var)> {
        let both = |(name, a, b): &(String, Var, Var)| {
            [(format!("{name}.lora_a"), a.clone()), (format!("{name}.lora_b"), b.clone())]
        };
        self.parts.iter().flat_map(both).collect()
    }

    /// A tensor of the base with what was learned added, `[rows, columns]`; none where it learned nothing about it.
    ///
    /// # Errors
    /// [`AdapterError`] when the base has no such tensor.
    pub fn merged(&self, base: &Base, tensor: &str) -> Result<Option<Vec<f32>>, AdapterError> {
        let name = tensor.strip_suffix(".weight").unwrap_or(tensor);
        let Some((_, a, b)) = self.parts.iter().find(|(part, ..)| part == name) else { return Ok(None) };
        let wrong = |why: String| AdapterError::Wrong(name.to_owned(), why);
        let values = base.floats(tensor).map_err(wrong)?;
        let size = (b.dim(0)?, a.dim(1)?);
        if base.size(tensor) != Some(size) {
            return Err(wrong("it fits a model of other sizes".into()));
        }
        let cpu = |var: &Var| var.to_dtype(DType::F32)?.to_device(&Device::Cpu);
        let added = (cpu(b)?.matmul(&cpu(a)?)? * (self.alpha / self.rank as f64))?;
        let merged = (Tensor::from_vec(values, size, &Device::Cpu)? + added)?;
        Ok(Some(merged.flatten_all()?.to_vec1()?))
    }
}

impl Adapter {
    /// Whether every part of it fits a matrix of the base.
    ///
    /// # Errors
    /// [`AdapterError::Wrong`] when one does not.
    pub fn check(&self, base: &Base) -> Result<(), AdapterError> {
        for (name, a, b) in &self.parts {
            if base.size(&format!("{name}.weight")) != Some((b.dim(0)?, a.dim(1)?)) {
                return Err(AdapterError::Wrong(name.clone(), "the base has no such matrix of these sizes".into()));
            }
        }
        Ok(())
    }

    /// Its matrices as numbers.
    ///
    /// # Errors
    /// [`AdapterError::Net`].
    pub fn numbers(&self) -> Result<Vec<Numbers>, AdapterError> {
        let of = |var: &Var| var.flatten_all()?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec1();
        let part = |(name, a, b): &(String, Var, Var)| Ok((format!("{name}.weight"), of(a)?, of(b)?));
        self.parts.iter().map(part).collect()
    }
}

/// Which row of a head stands where: llama's GGUF files keep the rows of queries and keys in another order than the
/// model's authors do, with neighbors rotated together.
pub(crate) fn rows_as_published(shape: &Shape, name: &str) -> Option<Vec<usize>> {
    let heads = match name.rsplit('.').next() {
        Some("attn_q") => shape.heads,
        Some("attn_k") => shape.key_heads,
        _ => return None,
    };
    let size = shape.size;
    (shape.architecture == "llama").then(|| {
        let row = |at: usize| at / size * size + 2 * (at % (size / 2)) + at % size / (size / 2);
        (0..heads * size).map(row).collect()
    })
}

fn variable(values: Vec<f32>, size: (usize, usize), (kind, device): (DType, &Device)) -> candle_core::Result<Var> {
    Var::from_tensor(&Tensor::from_vec(values, size, &Device::Cpu)?.to_dtype(kind)?.to_device(device)?)
}

/// Numbers from -1 to 1 that depend on a name and a seed alone, whatever the machine.
pub(crate) fn uniform(name: &str, seed: u64, count: usize) -> impl Iterator<Item = f32> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    let mut bytes = vec![0; 4 * count];
    hasher.finalize_xof().fill(&mut bytes);
    let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let all: Vec<f32> =
        bytes.chunks_exact(4).map(|bytes| (f64::from(number(bytes)) / f64::from(1u32 << 31) - 1.0) as f32).collect();
    all.into_iter()
}

#[cfg(test)]
mod tests;
