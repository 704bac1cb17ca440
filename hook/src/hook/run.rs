//! What does an installed hook do?

use std::{io::Read as _, process::ExitCode};

use anyhow::{Context, Result};
use engine::{
    change::Versions,
    config::OnFailure,
    report::{self, Color, Format},
    review::Review,
};

use crate::{
    advice,
    args::{Args, HookType},
    background, env, review,
    setup::{self, Setup, Topic},
};

pub(super) fn run(args: &Args, hook: HookType, given: &[String]) -> Result<ExitCode> {
    if env::is_skipped() {
        return Ok(ExitCode::SUCCESS);
    }
    let done = match hook {
        HookType::PreCommit | HookType::PreMergeCommit => before_commit(args),
        HookType::PrePush => before_push(args, given),
        HookType::PrepareCommitMsg => advice::draft(args, given),
        HookType::PostMerge | HookType::PostRewrite => after_merge(args),
    };
    done.or_else(|error| {
        // A hook that cannot run must not stand between people and their work, unless they asked for that.
        let block = setup::read(args).is_ok_and(|setup| setup.config.hook.on_failure == OnFailure::Block);
        if block {
            return Err(error);
        }
        anstream::eprintln!("{}\nThe review is left out (hook.on_failure = \"warn\").", crate::explain(&error));
        Ok(ExitCode::SUCCESS)
    })
}

fn before_commit(args: &Args) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let repository = setup.repository()?;
    let versions = match env::managed_range() {
        Some((from, to)) => repository.range(&format!("{from}..{to}"))?,
        None => repository.staged()?,
    };
    if versions.change.files.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let review = review_of(&setup, versions)?;
    let code = conclude(&setup, &review, "git commit --no-verify")?;
    if code == ExitCode::SUCCESS {
        if let Some(notice) = setup.settle(&review) {
            anstream::eprintln!("apprentice: {}: {}", notice.about, notice.what);
        }
        background::keep_up(args, &setup);
    }
    Ok(code)
}

/// Git gives one line a ref on standard input: `LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID`.
fn before_push(args: &Args, given: &[String]) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).context("cannot read what git says is pushed")?;
    let remote = given.iter().find(|word| *word != "--").map_or("origin", String::as_str);
    let mut worst = ExitCode::SUCCESS;
    for line in input.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, remote_id] = words.as_slice() else { continue };
        let Some(versions) = setup.repository()?.pushed(local, remote_id, remote)? else { continue };
        let review = review_of(&setup, versions)?;
        let code = conclude(&setup, &review, "git push --no-verify")?;
        if code != ExitCode::SUCCESS {
            worst = code;
        }
    }
    Ok(worst)
}

/// A merge may bring another configuration or other rules; say at once if they cannot be used.
fn after_merge(args: &Args) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let (_, notices) = setup.engine(Topic::Other)?;
    for notice in notices {
        anstream::eprintln!("apprentice: {}: {}", notice.about, notice.what);
    }
    background::keep_up(args, &setup);
    Ok(ExitCode::SUCCESS)
}

fn review_of(setup: &Setup, mut versions: Versions) -> Result<Review> {
    let (engine, notices) = setup.engine(Topic::Change(&versions.change))?;
    versions.notices.extend(notices);
    let mut review = engine.review(versions);
    review.notices.extend(setup.tell(&review));
    Ok(review)
}

fn conclude(setup: &Setup, done: &Review, way_out: &str) -> Result<ExitCode> {
    if done.told().next().is_some() || done.is_incomplete() {
        review::print(&report::render(done, Format::Text, Color::On))?;
    }
    let code = review::exit_code(done, setup.config.review.fail_on);
    if code == ExitCode::from(1) {
        anstream::eprintln!("Stopped by apprentice. To go on all the same: `{way_out}`, or SKIP=apprentice.");
    }
    let only_incomplete = code == ExitCode::from(2);
    Ok(if only_incomplete && setup.config.hook.on_failure == OnFailure::Warn { ExitCode::SUCCESS } else { code })
}
