//! How long does a step take, with SmolLM2-135M's shapes?
//!   cargo run --release -p apprentice-trainer --example step_speed -- lora|gpt TOKENS [STEPS [recompute]]
//!
//! One text of so many tokens, of which the second half is asked for; forward, backward, AdamW. benches/step_speed.py does
//! the same with PyTorch.
#![expect(clippy::disallowed_methods, reason = "a measurement reads what the system says of its memory")]

use std::{collections::HashMap, time::Instant};

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore, quantized::gguf_file::Value};
use engine::model::local::shape::Shape;
use trainer::{
    adapter::Adapter,
    learn::{Flow, Settings, Task, learn},
    net::{Batch, Decoder, NetError, Pass, Piece, Trained},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Steps {
    decoder: Decoder,
    variables: Vec<(String, Var)>,
    names: Vec<String>,
    batch: Batch,
    recomputes: bool,
}

impl Task for Steps {
    fn variables(&self) -> Vec<(String, Var)> {
        self.variables.clone()
    }
    fn rows(&self) -> &[String] {
        &self.names
    }
    fn tokens(&self, _: usize) -> usize {
        self.batch.tokens.len()
    }
    fn weight(&self, _: usize) -> f64 {
        self.batch.targets.len() as f64
    }
    fn learn(&self, _: &[usize], scale: f64) -> Result<(Tensor, GradStore), NetError> {
        let sum = |surprise: Tensor| -> Result<Tensor, NetError> { Ok((surprise.sum_all()? * scale)?) };
        if self.recomputes {
            return self.decoder.learn(&self.batch, &sum);
        }
        let loss = sum(self.decoder.surprise(&self.batch, Pass::Learn)?)?;
        let grads = loss.backward()?;
        Ok((loss, grads))
    }
    fn held_out(&self) -> Result<Option<f64>, NetError> {
        Ok(None)
    }
    fn digest(&self) -> String {
        String::new()
    }
}

fn smollm2() -> Shape {
    let key = |name: &str, value: u32| (format!("llama.{name}"), Value::U32(value));
    let metadata = HashMap::from([
        ("general.architecture".to_owned(), Value::String("llama".into())),
        key("embedding_length", 576),
        key("block_count", 30),
        key("feed_forward_length", 1536),
        key("context_length", 8192),
        key("attention.head_count", 9),
        key("attention.head_count_kv", 3),
        key("rope.dimension_count", 64),
        ("llama.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(1e-5)),
    ]);
    Shape::of(&metadata, 49_152, &|_| Ok(None)).expect("a shape")
}

fn main() {
    let argument = |at: usize| std::env::args().nth(at);
    let (is_lora, tokens) =
        (argument(1).as_deref() != Some("gpt"), argument(2).map_or(1024, |n| n.parse().expect("tokens")));
    let steps: usize = argument(3).map_or(5, |n| n.parse().expect("steps"));
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let numbers = std::cell::RefCell::new(&mut random);
    let source = |name: &str, (rows, columns): (usize, usize)| {
        let has =
            name != "output.weight" && !name.ends_with("bias") && !name.contains("q_norm") && !name.contains("k_norm");
        let mut random = numbers.borrow_mut();
        let norm = name.contains("norm");
        Ok(has.then(|| (0..rows * columns).map(|_| if norm { 1.0 } else { 0.07 * random() }).collect()))
    };
    let trained = if is_lora { Trained::Nothing } else { Trained::All };
    let mut decoder = Decoder::build(smollm2(), &source, trained, (DType::F32, &Device::Cpu)).expect("a model");
    let variables = match is_lora {
        true => Adapter::new(&mut decoder, 16, 32.0, 0).expect("an adapter").variables(),
        false => decoder
            .variables()
            .into_iter()
            .map(|(name, tensor)| (name, Var::from_tensor(&tensor).expect("a variable")))
            .collect(),
    };
    let ids: Vec<u32> = (0..tokens as u32).map(|n| n.wrapping_mul(2_654_435_761) % 49_152).collect();
    let targets = (tokens / 2..tokens).map(|at| (at - 1, ids[at])).collect();
    let batch = Batch { tokens: ids, pieces: vec![Piece { length: tokens, after: None }], targets };
    let recomputes = argument(4).as_deref() == Some("recompute");
    let task = Steps { decoder, variables, names: (0..steps).map(|n| n.to_string()).collect(), batch, recomputes };
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        rate: 2e-4,
        warmup: 0.0,
        epochs: 1,
        batch: 1,
        tokens,
        clip: 1.0,
        decay: 0.0,
        check_every: usize::MAX,
        patience: 9,
        keep_every: usize::MAX,
        seed: 0,
    };
    let mut started = Instant::now();
    let mut times = Vec::new();
    learn(&task, &settings, folder.path(), &mut |step| {
        times.push(started.elapsed().as_secs_f64());
        started = Instant::now();
        eprintln!("{} {:.3} s, loss {:.3}", step.step, times[times.len() - 1], step.loss);
        Flow::On
    })
    .expect("steps");
    let mut after = times[1..].to_vec();
    after.sort_by(f64::total_cmp);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim();
    println!(
        "median {:.3} s a step, {:.0} tokens/s, peak {peak}",
        after[after.len() / 2],
        tokens as f64 / after[after.len() / 2]
    );
}
