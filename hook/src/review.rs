//! `apprentice review`

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Result;
use engine::{
    change::{Change, FileChange, Origin, Versions},
    check::rule::RuleSet,
    config::Config,
    git::Repository,
    pipeline::Engine,
    report,
    review::Baseline,
    source::{Directory, Memory, Sources},
};

use crate::args;

pub(crate) fn run(args: &args::Review) -> Result<ExitCode> {
    let versions = versions(args)?;
    let engine = Engine::new(Config::default(), RuleSet::builtin(), Baseline::default())?;
    let review = engine.review(versions);
    let format = match args.format {
        args::Format::Text => report::Format::Text,
        args::Format::Json => report::Format::Json,
    };
    anstream::print!("{}", report::render(&review, format, report::Color::Off));
    Ok(ExitCode::from(u8::from(review.worst() >= Some(engine::finding::Severity::Error))))
}

fn versions(args: &args::Review) -> Result<Versions> {
    if args.all {
        let root = Path::new(".");
        let directory = Directory::new(root);
        let files = directory.list()?.into_iter().map(|path| FileChange::whole(path, None)).collect();
        return Ok(Versions {
            change: Change { origin: Origin::All, files },
            old: Arc::new(Memory::default()),
            new: Arc::new(directory),
            notices: Vec::new(),
        });
    }
    let repository = Arc::new(Repository::discover(Path::new("."))?);
    Ok(match (&args.commit, &args.range) {
        (Some(revision), _) => repository.commit(revision)?,
        (_, Some(range)) => repository.range(range)?,
        _ if args.worktree => repository.worktree()?,
        _ => repository.staged()?,
    })
}
