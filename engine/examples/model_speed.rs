//! How fast is a model of a file? `cargo run --release --example model_speed -- FILE PROMPT_TOKENS NEW_TOKENS [RUNS]`
//!
//! Prints one JSON object a run: `load_ms`, `first_token_ms`, tokens a second when reading (`prefill`) and when
//! answering (`decode`), `peak_mb` of memory, and the same for a second question that begins like the first (`again`).
#![expect(clippy::disallowed_methods, reason = "a measurement asks what this process has used")]

use std::{fs, path::Path, process::ExitCode, time::Instant};

use engine::model::local::{Local, Timing};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens at the end of the second question that are not those of the first.
const OTHERS: usize = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| arguments.get(n).and_then(|argument| argument.parse::<usize>().ok());
    let (Some(file), Some(prompt), Some(new)) = (arguments.first(), number(1), number(2)) else {
        eprintln!("model_speed FILE PROMPT_TOKENS NEW_TOKENS [RUNS]");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let model = Local::open(Path::new(file), &[], prompt + new).expect("a model");
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    for run in 0..number(3).unwrap_or(1) {
        // Numbers that look random, others in each run.
        let token = |n: usize| 1000 + ((n + 1 + run * 7919) * 7_368_787 % 40_009) as u32;
        let mut tokens: Vec<u32> = (0..prompt).map(token).collect();
        let first = model.time(&tokens, new).expect("an answer");
        let from = prompt.saturating_sub(OTHERS);
        tokens[from..].iter_mut().for_each(|token| *token += 1);
        let again = model.time(&tokens, 1).expect("an answer");
        println!("{}", report(load_ms, prompt, &first, &again));
    }
    ExitCode::SUCCESS
}

fn report(load_ms: f64, prompt: usize, first: &Timing, again: &Timing) -> serde_json::Value {
    let first_token = first.first_token.as_secs_f64();
    serde_json::json!({
        "load_ms": load_ms,
        "first_token_ms": first_token * 1e3,
        "prefill": prompt as f64 / first_token,
        "decode": (first.answer.len() - 1) as f64 / first.others.as_secs_f64(),
        "peak_mb": peak_mb(),
        "again": { "reused": again.reused, "first_token_ms": again.first_token.as_secs_f64() * 1e3 },
    })
}

/// The most memory that this process has had, by /proc; 0 where there is none.
fn peak_mb() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
