//! Does anything break? Runs a target on mutated seeds for a given time: `cargo run -- TARGET [SECONDS] [SEED]`.
//!
//! Each input follows from the seed and its number alone, so that a failure is made again with
//! `cargo run -- TARGET @NUMBER SEED`.

mod mutate;
mod subject;

use std::{
    fs::{self, File},
    io::{Seek as _, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mutate::Mutator;
use subject::{TARGETS, Target};

/// An input that takes longer than this has found something too.
const SLOWEST: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let named = words.first().and_then(|name| TARGETS.iter().find(|target| target.name == name.as_str()));
    let Some(target) = named else {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: apprentice-fuzz {} [SECONDS | @NUMBER] [SEED]", names.join("|"));
        return ExitCode::from(2);
    };
    let seed = words.get(2).and_then(|word| word.parse().ok()).unwrap_or(1);
    let amount = words.get(1).map_or("60", String::as_str);
    let mutator = Mutator::new((target.seeds)(), seed);
    match amount.strip_prefix('@').map(str::parse) {
        Some(Ok(number)) => {
            let input = mutator.input(number);
            println!("{}", input.escape_ascii());
            (target.run)(&input);
            ExitCode::SUCCESS
        }
        _ => fuzz(target, &mutator, seed, Duration::from_secs(amount.parse().unwrap_or(60))),
    }
}

fn fuzz(target: &Target, mutator: &Mutator, seed: u64, time: Duration) -> ExitCode {
    let said = Arc::new(Mutex::new(String::new()));
    keep_last_panic(&said);
    let (number, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    watch(target.name, Arc::clone(&number), seed);
    let mut executions = 0;
    while begun.elapsed() < time {
        let input = mutator.input(executions);
        number.store(executions, Ordering::Relaxed);
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let file = keep(target.name, &input);
            eprintln!(
                "{}: input {executions} of seed {seed} fails; it is kept in {}\n{said}",
                target.name,
                file.display()
            );
            return ExitCode::FAILURE;
        }
        executions += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{}: {executions} executions in {seconds:.0} s from seed {seed}, no failure", target.name);
    ExitCode::SUCCESS
}

fn keep_last_panic(said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    std::panic::set_hook(Box::new(move |panic| {
        *said.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

fn keep(target: &str, input: &[u8]) -> PathBuf {
    let file = PathBuf::from(format!("failures/{target}.bin"));
    if let Err(error) = fs::create_dir_all("failures").and_then(|()| fs::write(&file, input)) {
        eprintln!("cannot keep the input: {error}\n{}", input.escape_ascii());
    }
    file
}

/// Ends the program when one input takes too long, and leaves its number in a file for the case that the program is
/// ended from outside, as by an overflow of the stack.
fn watch(target: &'static str, number: Arc<AtomicU64>, seed: u64) {
    let mark = File::create(std::env::temp_dir().join(format!("apprentice-fuzz-{target}"))).ok();
    thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_millis(20));
            let now = number.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
                if let Some(mut mark) = mark.as_ref() {
                    // Without it, an abort is only harder to trace.
                    let _ = mark.rewind().and_then(|()| writeln!(mark, "@{now} {seed}"));
                }
            } else if since.elapsed() > SLOWEST {
                eprintln!("{target}: input {now} of seed {seed} takes more than {} s", SLOWEST.as_secs());
                std::process::exit(1);
            }
        }
    });
}
