//! What does a model make of tokens? One forward pass for all architectures; what tells them apart is in the shape.

use rayon::prelude::*;

use super::{
    attention::{Queries, attend},
    cache::{Cache, Head},
    gguf::Gguf,
    kernel::{Norm, add, each_row},
    linear::{Input, Linear},
    shape::Shape,
};

/// A model in memory.
#[derive(Debug)]
pub(super) struct Transformer {
    pub(super) shape: Shape,
    pub(super) file: Gguf,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Norm,
    pub(super) head: Linear,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) before_attention: Norm,
    /// Queries, keys and values.
    pub(super) looks: Linear,
    pub(super) query_norm: Option<Norm>,
    pub(super) key_norm: Option<Norm>,
    pub(super) attended: Linear,
    pub(super) after_attention: Option<Norm>,
    pub(super) before_inner: Norm,
    /// Gate and what is gated.
    pub(super) inner: Linear,
    pub(super) outer: Linear,
    pub(super) after_inner: Option<Norm>,
    pub(super) rope: usize,
    pub(super) sight: usize,
}

/// Room for what is computed between; kept from one pass to the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    rows: Vec<f32>,
    input: Input,
    products: Vec<f32>,
    context: Vec<f32>,
    turns: Vec<Vec<[f32; 2]>>,
    logits: Vec<f32>,
}

/// Whose logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Nobody's: more tokens follow.
    None,
    /// Those after the last token: `[words]`.
    Last,
    /// Those after each: `[tokens, words]`.
    All,
}

impl Room {
    /// The logits that were wanted last.
    pub(super) fn logits(&self, want: Want) -> &[f32] {
        if want == Want::None { &[] } else { &self.logits }
    }
}

impl Transformer {
    /// Reads tokens, which follow those in the cache and are added to it.
    pub(super) fn read(&self, tokens: &[u32], cache: &mut Cache, room: &mut Room, want: Want) -> Result<(), String> {
        let (shape, past) = (&self.shape, cache.tokens.len());
        self.embed(tokens, &mut room.rows)?;
        room.turns.clear();
        for rope in &shape.ropes {
            room.turns.push((past..past + tokens.len()).flat_map(|position| rope.turns(position)).collect());
        }
        for (layer, cache) in self.layers.iter().zip(&mut cache.layers) {
            layer.read(shape, past, cache, room)?;
        }
        cache.tokens.extend_from_slice(tokens);
        let first = match want {
            Want::None => return Ok(()),
            Want::Last => tokens.len().saturating_sub(1),
            Want::All => 0,
        };
        let Room { rows, input, logits, .. } = room;
        let rows = &rows[first * shape.width..];
        input.fill(tokens.len() - first, shape.width, |n, out| {
            self.norm.apply(&rows[n * shape.width..][..shape.width], out)
        });
        self.head.forward(input, logits)
    }

    /// A cache for it, empty.
    pub(super) fn cache(&self) -> Cache {
        Cache::new(self.shape.layers, self.shape.key_heads)
    }

    fn embed(&self, tokens: &[u32], rows: &mut Vec<f32>) -> Result<(), String> {
        let (shape, table) = (&self.shape, self.file.tensor("token_embd.weight", self.shape.words, self.shape.width)?);
        rows.clear();
        for &token in tokens {
            let token = token as usize;
            if token >= shape.words {
                return Err(format!("it has no token {token}"));
            }
            let row = self.file.floats(table, token..token + 1)?;
            rows.extend(row.iter().map(|value| value * shape.embedding_scale));
        }
        Ok(())
    }
}

impl Layer {
    fn read(&self, shape: &Shape, past: usize, cache: &mut [Head], room: &mut Room) -> Result<(), String> {
        let Room { rows, input, products, context, turns, .. } = room;
        let (width, turns) = (shape.width, &turns[self.rope]);
        let tokens = rows.len() / width;
        let row = |n: usize| n * width..(n + 1) * width;
        input.fill(tokens, width, |n, out| self.before_attention.apply(&rows[row(n)], out));
        self.looks.forward(input, products)?;
        self.turn(shape, turns, products);
        store(shape, products, cache);
        context.resize(tokens * shape.heads * shape.size, 0.0);
        let queries = Queries {
            rows: products,
            stride: self.looks.rows,
            size: shape.size,
            group: shape.heads / shape.key_heads,
            past,
            sight: self.sight,
            scale: shape.scale,
        };
        attend(cache, queries, context);
        let width_seen = shape.heads * shape.size;
        input.fill(tokens, width_seen, |n, out| out.copy_from_slice(&context[n * width_seen..][..width_seen]));
        self.attended.forward(input, products)?;
        join(rows, products, width, self.after_attention.as_ref());
        input.fill(tokens, width, |n, out| self.before_inner.apply(&rows[row(n)], out));
        self.inner.forward(input, products)?;
        input.fill(tokens, shape.inner, |n, out| {
            let (gate, up) = products[n * 2 * shape.inner..][..2 * shape.inner].split_at(shape.inner);
            shape.gate.apply(gate, up, out);
        });
        self.outer.forward(input, products)?;
        join(rows, products, width, self.after_inner.as_ref());
        Ok(())
    }

    /// Normalizes and rotates queries and keys.
    fn turn(&self, shape: &Shape, turns: &[[f32; 2]], products: &mut [f32]) {
        let rope = &shape.ropes[self.rope];
        let pairs = rope.angles.len();
        each_row(products, self.looks.rows, |n, row| {
            let heads = row.chunks_exact_mut(shape.size).take(shape.heads + shape.key_heads);
            for (head, values) in heads.enumerate() {
                let norm = if head < shape.heads { &self.query_norm } else { &self.key_norm };
                norm.iter().for_each(|norm| norm.apply_here(values));
                rope.rotate(values, &turns[n * pairs..][..pairs]);
            }
        });
    }
}

/// Adds keys and values to the cache.
fn store(shape: &Shape, products: &[f32], cache: &mut [Head]) {
    let (size, stride) = (shape.size, (shape.heads + 2 * shape.key_heads) * shape.size);
    let many = products.len() / stride >= 16;
    let push = |(n, head): (usize, &mut Head)| {
        for row in products.chunks_exact(stride) {
            let (keys, values) = row[shape.heads * size..].split_at(shape.key_heads * size);
            head.push(&keys[n * size..][..size], &values[n * size..][..size]);
        }
    };
    match many {
        true => cache.par_iter_mut().enumerate().for_each(push),
        false => cache.iter_mut().enumerate().for_each(push),
    }
}

/// Adds what a part of a layer says, normalized where the architecture does so.
fn join(rows: &mut [f32], products: &mut [f32], width: usize, norm: Option<&Norm>) {
    if let Some(norm) = norm {
        each_row(products, width, |_, row| norm.apply_here(row));
    }
    each_row(rows, width, |n, row| add(row, &products[n * width..][..width]));
}
