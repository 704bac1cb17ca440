//! `apprentice eval`

use std::process::ExitCode;

use anyhow::{Context, Result};
use engine::{
    check::rule::RuleSet,
    eval::{self, EvalError, Score},
    pipeline::Engine,
    review::Baseline,
};

use crate::{args, env, files, index, setup};

pub(crate) fn run(all: &args::Args, args: &args::Eval) -> Result<ExitCode> {
    let text = files::read_text(&args.data)?;
    let scored = match &args.corpus {
        Some(corpus) => retrieval(all, &text, &files::read_text(corpus)?)?,
        None => findings(all, args, &text)?,
    };
    let score = scored.with_context(|| format!("cannot score `{}`", args.data.display()))?;
    match args.format {
        args::ScoreFormat::Json => anstream::println!("{}", serde_json::to_string_pretty(&score)?),
        args::ScoreFormat::Text => print(&score),
    }
    Ok(ExitCode::SUCCESS)
}

fn retrieval(all: &args::Args, questions: &str, corpus: &str) -> Result<Result<Score, EvalError>> {
    let embedder = index::embedder(&setup::read(all)?)?;
    Ok(eval::retrieval::score(questions, corpus, &env::temporary(), &*embedder))
}

fn findings(all: &args::Args, args: &args::Eval, text: &str) -> Result<Result<Score, EvalError>> {
    let mut rules = RuleSet::builtin();
    for path in &args.rules {
        rules = rules.with(crate::rules::read(path)?);
    }
    let setup = setup::read(all)?;
    let engine = setup.advised(Engine::new(setup.config.clone(), rules, Baseline::default())?)?;
    Ok(eval::score(&engine, text))
}

fn print(score: &eval::Score) {
    let columns: Vec<&str> = score.mean.keys().copied().collect();
    anstream::println!("{} rows of {}", score.rows, score.kind);
    anstream::println!("{:<26} {:>8} {:>8}  {}", "source", "labelled", "hit", columns.join("  "));
    let row = |name: &str, figures: &std::collections::BTreeMap<&str, f64>| {
        let count = |key: &str| figures.get(key).map_or(String::new(), |count| format!("{count:.0}"));
        let values: Vec<String> = columns
            .iter()
            .map(|key| format!("{:>width$.3}", figures.get(key).unwrap_or(&0.0), width = key.len()))
            .collect();
        anstream::println!("{name:<26} {:>8} {:>8}  {}", count("labelled"), count("hit"), values.join("  "));
    };
    for (name, figures) in &score.by_source {
        row(name, figures);
    }
    row("macro", &score.mean);
}
