//! How does a model read a batch of texts? One forward pass for llama, qwen2 and qwen3; what is trained of it is a matter
//! of which weights are variables.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use engine::model::local::{Gate, shape::Shape};

use super::{
    batch::{Batch, Places},
    op::{
        attention::{Heads, attend},
        linear, loss, norm,
        rope::Turns,
        swiglu::swiglu,
    },
};
use crate::base::Base;

/// Why a model cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Its file is not what it should be.
    #[error("the model cannot be trained: {0}")]
    Base(String),
    /// A computation failed.
    #[error("the model cannot be computed")]
    Candle(#[from] candle_core::Error),
}

/// Gives the numbers of a tensor, by its name and its rows and columns; none where the model has no such tensor.
pub type Source<'a> = dyn Fn(&str, (usize, usize)) -> Result<Option<Vec<f32>>, NetError> + 'a;

/// A matrix of weights, and what is laid over it.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    adapter: Option<(Var, Var, f64)>,
}

/// The weights of a layer.
#[derive(Debug)]
struct Layer {
    before_attention: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<Tensor>,
    key_norm: Option<Tensor>,
    attended: Linear,
    before_inner: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// A model that can be trained.
#[derive(Debug)]
pub struct Decoder {
    shape: Shape,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// None where the embedding serves as the head, too.
    head: Option<Tensor>,
}

/// Which weights are variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trained {
    /// None of the model's own: adapters are laid over it.
    Nothing,
    /// All of them.
    All,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// To hear the model alone, without what is laid over it. No gradients.
    Base,
    /// To hear it as it is. No gradients.
    Hear,
    /// To learn: gradients flow to every variable.
    Learn,
}

/// The names of a layer's matrices, as in GGUF, in the order in which adapters are kept.
pub const MATRICES: [&str; 7] = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

impl Decoder {
    /// Loads a model, with numbers of this type, on this device.
    ///
    /// # Errors
    /// [`NetError`] when a tensor is missing, of another shape than the metadata say, or the architecture is not one
    /// that can be trained.
    pub fn load(base: &Base, trained: Trained, kind: DType, device: &Device) -> Result<Self, NetError> {
        let shape = base.shape().map_err(NetError::Base)?;
        if shape.gate != Gate::Silu {
            let known = "llama, qwen2 and qwen3 can";
            return Err(NetError::Base(format!("`{}` cannot be trained, {known}", shape.architecture)));
        }
        let source = |name: &str, size: (usize, usize)| -> Result<Option<Vec<f32>>, NetError> {
            match base.size(name) {
                None => Ok(None),
                Some(found) if found == size => base.floats(name).map(Some).map_err(NetError::Base),
                Some((rows, columns)) => Err(NetError::Base(format!(
                    "its tensor `{name}` is {rows} by {columns}, and {} by {} is needed",
                    size.0, size.1
                ))),
            }
        };
        Self::build(shape, &source, trained, (kind, device))
    }

    /// Makes a model of numbers that `source` gives.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn build(
        shape: Shape,
        source: &Source<'_>,
        trained: Trained,
        (kind, device): (DType, &Device),
    ) -> Result<Self, NetError> {
        let perhaps = |name: &str, size: (usize, usize)| -> Result<Option<Tensor>, NetError> {
            let Some(values) = source(name, size)? else { return Ok(None) };
            let values = match size.0 {
                1 => Tensor::from_vec(values, size.1, &Device::Cpu)?,
                _ => Tensor::from_vec(values, size, &Device::Cpu)?,
            };
            let values = values.to_dtype(kind)?.to_device(device)?;
            Ok(Some(match trained {
                Trained::Nothing => values,
                Trained::All => Var::from_tensor(&values)?.as_tensor().clone(),
            }))
        };
        let must =
            |name: &str, size| perhaps(name, size)?.ok_or_else(|| NetError::Base(format!("it has no tensor `{name}`")));
        let Shape { width, size, heads, key_heads, inner, words, .. } = shape;
        let layer = |n: usize| -> Result<Layer, NetError> {
            let name = |part: &str| format!("blk.{n}.{part}.weight");
            let linear = |part: &str, rows, columns| -> Result<Linear, NetError> {
                let bias = perhaps(&format!("blk.{n}.{part}.bias"), (1, rows))?;
                Ok(Linear { weight: must(&name(part), (rows, columns))?, bias, adapter: None })
            };
            Ok(Layer {
                before_attention: must(&name("attn_norm"), (1, width))?,
                query: linear("attn_q", heads * size, width)?,
                key: linear("attn_k", key_heads * size, width)?,
                value: linear("attn_v", key_heads * size, width)?,
                query_norm: perhaps(&name("attn_q_norm"), (1, size))?,
                key_norm: perhaps(&name("attn_k_norm"), (1, size))?,
                attended: linear("attn_output", width, heads * size)?,
                before_inner: must(&name("ffn_norm"), (1, width))?,
                gate: linear("ffn_gate", inner, width)?,
                up: linear("ffn_up", inner, width)?,
                down: linear("ffn_down", width, inner)?,
            })
        };
        Ok(Self {
            embedding: must("token_embd.weight", (words, width))?,
            layers: (0..shape.layers).map(layer).collect::<Result<_, _>>()?,
            norm: must("output_norm.weight", (1, width))?,
            head: perhaps("output.weight", (words, width))?,
            shape,
        })
    }

    /// Its sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its matrices with their names, as `blk.0.attn_q`; the layers one after the other, in each the order of
    /// [`MATRICES`].
    pub fn matrices(&mut self) -> impl Iterator<Item = (String, &mut Linear)> {
        self.layers.iter_mut().enumerate().flat_map(|(n, layer)| {
            let Layer { query, key, value, attended, gate, up, down, .. } = layer;
            let all = [query, key, value, attended, gate, up, down];
            MATRICES.into_iter().zip(all).map(move |(part, linear)| (format!("blk.{n}.{part}"), linear))
        })
    }

    /// The weights that are variables, by their names in GGUF.
    pub fn variables(&self) -> Vec<(String, Tensor)> {
        let mut all = vec![("token_embd.weight".to_owned(), self.embedding.clone())];
        for (n, layer) in self.layers.iter().enumerate() {
            let name = |part: &str, kind: &str| format!("blk.{n}.{part}.{kind}");
            let Layer { query, key, value, attended, gate, up, down, .. } = layer;
            for (part, linear) in MATRICES.into_iter().zip([query, key, value, attended, gate, up, down]) {
                all.push((name(part, "weight"), linear.weight.clone()));
                all.extend(linear.bias.clone().map(|bias| (name(part, "bias"), bias)));
            }
            let norms = [
                ("attn_norm", Some(&layer.before_attention)),
                ("ffn_norm", Some(&layer.before_inner)),
                ("attn_q_norm", layer.query_norm.as_ref()),
                ("attn_k_norm", layer.key_norm.as_ref()),
            ];
            all.extend(norms.into_iter().filter_map(|(part, norm)| Some((name(part, "weight"), norm?.clone()))));
        }
        all.push(("output_norm.weight".to_owned(), self.norm.clone()));
        all.extend(self.head.clone().map(|head| ("output.weight".to_owned(), head)));
        all.retain(|(_, tensor)| tensor.is_variable());
        all
    }

    /// What the model makes of a batch, after the last norm: `[tokens, width]`.
    ///
    /// # Errors
    /// [`NetError::Candle`].
    pub fn hidden(&self, batch: &Batch, pass: Pass) -> Result<Tensor, NetError> {
        let sight = self.sight(batch);
        let mut x = self.embedded(batch, pass)?;
        for layer in &self.layers {
            x = layer.forward(&x, &sight, self.shape.epsilon, pass)?;
        }
        Ok(norm::rms(&x, &pass.of(&self.norm), self.shape.epsilon)?)
    }

    /// The surprise of each target, in nats: `[targets]`.
    ///
    /// # Errors
    /// [`NetError::Candle`].
    pub fn surprise(&self, batch: &Batch, pass: Pass) -> Result<Tensor, NetError> {
        self.surprised(&self.hidden(batch, pass)?, batch, pass)
    }

    /// A loss that is made of the surprise of each target, `[targets]`, and its gradients by every variable. Only what goes
    /// into each layer is kept, and the layer is computed again on the way back (Chen et al., arXiv 1604.06174): the
    /// memory of one layer instead of all, for a third more work.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn learn(
        &self,
        batch: &Batch,
        loss: &dyn Fn(Tensor) -> Result<Tensor, NetError>,
    ) -> Result<(Tensor, GradStore), NetError> {
        let sight = self.sight(batch);
        let (mut x, mut inputs) = (self.embedded(batch, Pass::Hear)?, Vec::with_capacity(self.layers.len()));
        for layer in &self.layers {
            inputs.push(x.clone());
            x = layer.forward(&x, &sight, self.shape.epsilon, Pass::Hear)?;
        }
        let last = Var::from_tensor(&x)?;
        let hidden = norm::rms(last.as_tensor(), &self.norm, self.shape.epsilon)?;
        let loss = loss(self.surprised(&hidden, batch, Pass::Learn)?)?;
        let mut grads = loss.backward()?;
        let mut flows = grads.remove(last.as_tensor());
        for (layer, input) in self.layers.iter().zip(inputs).rev() {
            let Some(grad) = flows.as_ref().map(Tensor::detach) else { break };
            let input = Var::from_tensor(&input)?;
            let made = layer.forward(input.as_tensor(), &sight, self.shape.epsilon, Pass::Learn)?;
            let mut below = (made * &grad)?.sum_all()?.backward()?;
            flows = below.remove(input.as_tensor());
            // Its own gradient hangs on all that the layer made.
            below.remove(&grad);
            grads.extend(below)?;
        }
        if let (Some(grad), true) = (flows, self.embedding.is_variable()) {
            grads.extend((self.embedded(batch, Pass::Learn)? * grad.detach())?.sum_all()?.backward()?)?;
        }
        Ok((loss.detach(), grads))
    }

    /// Where the tokens of a batch stand, and what each sees.
    fn sight(&self, batch: &Batch) -> (Turns, Heads) {
        let Shape { size, heads, key_heads, scale, .. } = self.shape;
        let places = Arc::new(Places::new(&batch.pieces));
        let turns = Turns::new(&self.shape.ropes[0], &places);
        (turns, Heads { queries: heads, keys: key_heads, size, scale, places })
    }

    fn embedded(&self, batch: &Batch, pass: Pass) -> Result<Tensor, NetError> {
        let tokens = Tensor::from_slice(&batch.tokens, batch.tokens.len(), self.embedding.device())?;
        Ok(pass.of(&self.embedding).index_select(&tokens, 0)?)
    }

    fn surprised(&self, hidden: &Tensor, batch: &Batch, pass: Pass) -> Result<Tensor, NetError> {
        let rows: Vec<u32> = batch.targets.iter().map(|(row, _)| *row as u32).collect();
        let targets: Vec<u32> = batch.targets.iter().map(|(_, token)| *token).collect();
        let rows = Tensor::from_vec(rows, targets.len(), hidden.device())?;
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        Ok(loss::surprise(&hidden.index_select(&rows, 0)?, &pass.of(head), &targets)?)
    }

    /// The logits after each token of a batch: `[tokens, words]`; for comparisons.
    ///
    /// # Errors
    /// [`NetError::Candle`].
    pub fn logits(&self, batch: &Batch, pass: Pass) -> Result<Tensor, NetError> {
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        Ok(self.hidden(batch, pass)?.matmul(&head.t()?)?)
    }
}

impl Pass {
    /// A weight as this pass sees it.
    fn of(self, weight: &Tensor) -> Tensor {
        if self == Self::Learn { weight.clone() } else { weight.detach() }
    }
}

impl Layer {
    fn forward(
        &self,
        x: &Tensor,
        (turns, heads): &(Turns, Heads),
        epsilon: f32,
        pass: Pass,
    ) -> candle_core::Result<Tensor> {
        let size = heads.size;
        let normed = norm::rms(x, &pass.of(&self.before_attention), epsilon)?;
        let by_head = |rows: Tensor, scale: &Option<Tensor>| -> candle_core::Result<Tensor> {
            let Some(scale) = scale else { return Ok(rows) };
            let (tokens, width) = rows.dims2()?;
            norm::rms(&rows.reshape((tokens * width / size, size))?, &pass.of(scale), epsilon)?.reshape((tokens, width))
        };
        let query = by_head(self.query.forward(&normed, pass)?, &self.query_norm)?;
        let key = by_head(self.key.forward(&normed, pass)?, &self.key_norm)?;
        let value = self.value.forward(&normed, pass)?;
        let seen = attend(&turns.rotate(&query, size)?, &turns.rotate(&key, size)?, &value, heads)?;
        let x = (x + self.attended.forward(&seen, pass)?)?;
        let normed = norm::rms(&x, &pass.of(&self.before_inner), epsilon)?;
        let inner = swiglu(&self.gate.forward(&normed, pass)?, &self.up.forward(&normed, pass)?)?;
        x + self.down.forward(&inner, pass)?
    }
}

impl Linear {
    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        self.weight.dims2().unwrap_or_default()
    }

    /// Where its numbers are.
    pub fn device(&self) -> &Device {
        self.weight.device()
    }

    /// The type of its numbers.
    pub fn kind(&self) -> DType {
        self.weight.dtype()
    }

    /// Adds to its weights for good, `[rows, columns]`.
    ///
    /// # Errors
    /// [`NetError::Candle`] when the sizes differ.
    pub fn add(&mut self, more: &Tensor) -> Result<(), NetError> {
        self.weight = (self.weight.detach() + more.detach())?;
        Ok(())
    }

    /// Lays an adapter over it: `a` is `[rank, columns]`, `b` is `[rows, rank]`, and `scale · b a` is added.
    pub fn adapt(&mut self, a: Var, b: Var, scale: f64) {
        self.adapter = Some((a, b, scale));
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> candle_core::Result<Tensor> {
        let out = match &self.adapter {
            Some((a, b, scale)) if pass != Pass::Base => {
                linear::adapted(x, &self.weight, (&pass.of(a), &pass.of(b)), *scale)?
            }
            _ if self.weight.is_variable() && pass == Pass::Learn => linear::trained(x, &self.weight)?,
            _ => linear::frozen(x, &self.weight)?,
        };
        match &self.bias {
            Some(bias) => out.broadcast_add(&pass.of(bias)),
            None => Ok(out),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
