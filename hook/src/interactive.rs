//! `apprentice review --interactive`: accept, edit or reject each patch, and say which findings help.

mod draw;
mod editor;
mod keys;
mod outcome;
mod proposal;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use engine::{
    change::{Origin, Versions},
    feedback::{Entry, Instead, Kind},
    git::Landing,
    pipeline::Engine,
    review::Review,
};
use similar::TextDiff;

use crate::{args, env, journal, review, setup::Setup};
use outcome::Outcome;
use screen::End;
pub(crate) use screen::check;
use state::{Answer, Changes, Item, State, Target};
pub(crate) use text::clean;

/// What shows that an answer was given here.
const EVIDENCE: &str = "interactive";

/// Reviews, lets a person answer, makes what was accepted, and keeps the answers.
pub(crate) fn run(setup: &Setup, args: &args::Review, engine: &Engine, versions: Versions) -> Result<ExitCode> {
    let kept = setup.journal()?;
    let mut done = engine.review(versions);
    done.notices.extend(setup.tell(&done));
    if done.told().next().is_none() {
        review::write(args, &done)?;
        return Ok(review::exit_code(&done, setup.config.review.fail_on));
    }
    let mut state = State::new(&done, target(&done));
    let command = env::editor(setup.repository()?.config("core.editor"));
    let changes = match screen::show(&mut state, &command)? {
        End::Left(code) => {
            anstream::eprintln!("left: nothing was applied, and no answer was kept");
            return Ok(ExitCode::from(code));
        }
        End::Finished(changes) => changes,
    };
    let items = state.items;
    let outcomes = if changes == Changes::Make { outcome::combine(&items) } else { Vec::new() };
    let landings = land(setup, args, &outcomes);
    for (outcome, landing) in outcomes.iter().zip(&landings) {
        anstream::eprint!("{}", outcome.told(&items, landing.as_ref()));
    }
    let made = made(&outcomes, &landings);
    let who = setup.repository()?.person();
    let entries: Vec<Entry> =
        items.iter().enumerate().filter_map(|(at, item)| entry(item, made.contains(&at), &who)).collect();
    let new = kept.append(&entries)?;
    anstream::eprintln!("{}", summary(&items, new));
    let failed = landings.iter().flatten().any(Result::is_err);
    let exit = if made.is_empty() { done } else { engine.review(review::versions(setup, args)?) };
    review::tell_notices(&exit);
    Ok(if failed { ExitCode::from(2) } else { review::exit_code(&exit, setup.config.review.fail_on) })
}

fn target(review: &Review) -> Target {
    match review.change.origin {
        Origin::Staged | Origin::Worktree | Origin::All => Target::Open,
        Origin::Commit { .. } | Origin::Range { .. } | Origin::Diff { .. } => Target::Fixed,
    }
}

/// Puts the outcomes in place, the way that `--apply` does it; `None` for one of which everything was left.
fn land(setup: &Setup, args: &args::Review, outcomes: &[Outcome<'_>]) -> Vec<Option<Result<Landing, String>>> {
    let files: Vec<_> = outcomes.iter().filter_map(Outcome::staged).collect();
    let mut landings = match if files.is_empty() { Ok(Vec::new()) } else { review::land_files(setup, args, &files) } {
        Ok(landings) => landings.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => files.iter().map(|_| Err(format!("{error:#}"))).collect(),
    }
    .into_iter();
    outcomes.iter().map(|outcome| outcome.staged().and_then(|_| landings.next())).collect()
}

/// The findings whose changes are in place now.
fn made(outcomes: &[Outcome<'_>], landings: &[Option<Result<Landing, String>>]) -> Vec<usize> {
    let landed = outcomes.iter().zip(landings).filter(|(_, landing)| matches!(landing, Some(Ok(Landing::Landed))));
    landed.flat_map(|(outcome, _)| outcome.made.iter().copied()).collect()
}

/// The answer as the journal keeps it. A patch that was not made is not answered.
fn entry(item: &Item<'_>, is_made: bool, who: &str) -> Option<Entry> {
    let write = |kind: Kind| journal::answer(&item.reviewed.finding, kind, who, EVIDENCE);
    let with = |kind: Kind, what: &str| {
        let what = Some(what.to_owned()).filter(|what| !what.is_empty());
        Entry { what, ..write(kind) }
    };
    Some(match item.answer.as_ref()? {
        Answer::Accepted if is_made => Entry { similarity: Some(1.0), ..write(Kind::Applied) },
        Answer::Edited(text) if is_made => {
            let suggested = item.proposal.as_ref().map_or("", |proposal| &proposal.text);
            let instead = item.before().map(|before| Instead { before: before.to_owned(), after: text.clone() });
            Entry { similarity: Some(similarity(suggested, text)), instead, ..write(Kind::Edited) }
        }
        Answer::Accepted | Answer::Edited(_) => return None,
        Answer::Rejected(why) => with(Kind::Rejected, why),
        Answer::Useful => with(Kind::Reaction, "+1"),
        Answer::NotUseful => with(Kind::Reaction, "-1"),
    })
}

/// How like the suggested text a person's text is, 0 to 1.
fn similarity(suggested: &str, text: &str) -> f64 {
    let mut diff = TextDiff::configure();
    diff.timeout(std::time::Duration::from_secs(5));
    f64::from(diff.diff_chars(suggested, text).ratio())
}

fn summary(items: &[Item<'_>], kept: usize) -> String {
    let many = if kept == 1 { "1 answer".to_owned() } else { format!("{kept} answers") };
    let open = items.iter().filter(|item| item.answer.is_none()).count();
    let rest = if open == 0 { String::new() } else { format!("; {open} without one") };
    format!("{many} kept{rest}")
}
