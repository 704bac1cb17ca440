//! `apprentice-trainer publish`

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, bail};
use trainer::{
    files,
    publish::{self, Check, Plan, Published, Stage, Told},
};

use crate::{args::Publish, front::progress::Progress};

/// Bytes that a template or a system prompt may have.
const MOST: u64 = 1 << 20;

pub(crate) fn run(given: &Publish) -> Result<ExitCode> {
    if let Some(name) = &given.rollback {
        let previous = publish::rollback(name, &given.server, given.allow_remote)?;
        anstream::println!("`{previous}` is served again");
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(file), Some(name)) = (&given.file, &given.name) else { bail!("a file and a name are needed") };
    let plan = Plan {
        name: name.clone(),
        server: given.server.clone(),
        allow_remote: given.allow_remote,
        base: given.base.clone(),
        template: given.template.as_deref().map(text).transpose()?,
        system: given.system.as_deref().map(text).transpose()?,
        window: given.window,
        check: if given.no_parity { Check::Answers } else { Check::Parity },
    };
    let published = publish::publish(file, &plan, &told())?;
    say(&published);
    Ok(ExitCode::SUCCESS)
}

/// A terminal that is told what happens.
pub(crate) fn told() -> Told {
    let progress = Progress::new();
    Arc::new(move |stage| match stage {
        Stage::Hash(done, all) => progress.bytes("reading", done, all),
        Stage::Upload(done, all) => progress.bytes("sending", done, all),
        Stage::Create(what) => progress.say(what),
        Stage::Smoke => progress.say("asking it"),
        Stage::Flip => progress.say("giving it the name"),
    })
}

fn say(published: &Published) {
    let Published { name, candidate, previous, digest, version, parity, modelfile, card, removed } = published;
    anstream::println!("served      {name}:latest, by Ollama {version}");
    anstream::println!("candidate   {candidate}, {digest}");
    match previous {
        Some(previous) => anstream::println!("before      {previous}; `publish --rollback {name}` brings it back"),
        None => anstream::println!("before      nothing had this name"),
    }
    match parity {
        Some(parity) => anstream::println!(
            "parity      {} of {} tokens are the engine's likeliest, the others up to {:.2} logits below, \
             {:.2} on average",
            parity.same,
            parity.tokens,
            parity.furthest,
            parity.behind
        ),
        None => anstream::println!("parity      not asked for"),
    }
    if !removed.is_empty() {
        anstream::println!("removed     {}", removed.join(", "));
    }
    anstream::println!("modelfile   {}", modelfile.display());
    anstream::println!("card        {}", card.display());
}

fn text(path: &Path) -> Result<String> {
    let text = files::text(path, MOST).with_context(|| format!("cannot read `{}`", path.display()))?;
    text.with_context(|| format!("there is no file `{}`", path.display()))
}
