//! One pull request, reviewed now: what action.yml runs, with the runner's environment as its only input.

mod event;

use std::{fmt::Write as _, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{
    config::FailOn,
    feedback::Journal,
    finding::Severity,
    report::{self, Color, Format},
    review::Review,
};
use event::{Artifact, Happened, Subject};

use crate::{
    args::{Mode, ReviewPr},
    bot::{Bot, Trouble},
    checkout::Mirrors,
    env, files,
    forge::{Forge as _, ForgeError, Place, RepoName},
    github::GitHub,
    inforce::House,
    ledger::Ledger,
    metrics::Metrics,
    queue::{Leased, Sqlite},
    review::{self, Outcome},
    say,
    settings::File,
    token,
};

/// GitHub shows no more of a step's summary.
const LONGEST_SUMMARY: usize = 1_000_000;

type Ours = Bot<GitHub, Sqlite>;

/// A review, and what the base branch lets it fail on.
type Done = (Review, FailOn);

/// Reviews, and exits as `apprentice review` does: 1 for findings, 2 for what could not be reviewed.
pub(crate) async fn run(mut settings: File, given: &ReviewPr) -> Result<ExitCode> {
    if let Some(api) = env::runner("GITHUB_API_URL") {
        settings.github.api = api;
    }
    if let Some(web) = env::runner("GITHUB_SERVER_URL") {
        settings.github.web = web;
    }
    settings.check()?;
    let happened = Happened::read(given)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let bot = Arc::new(one_time_bot(settings, given, folder.path()).await?);
    let review = match (given.mode, &happened.subject) {
        (Mode::Post, _) => {
            let place = verified(&bot, given, &happened).await?;
            said(&bot, &place).await?
        }
        (_, Subject::Push { before, after }) => {
            let place = Place { repo: happened.repo.clone(), number: 0, installation: None };
            let ready = bot.ready_between(&place, after, before.clone(), after).await?;
            Some(review::look(ready).await?)
        }
        (mode, Subject::Pull { number, .. }) => {
            let place = Place { repo: happened.repo.clone(), number: *number, installation: None };
            of_pull(&bot, mode, &place, given).await?
        }
        (_, Subject::Run { .. }) => bail!("a workflow_run is what `--mode post` is for"),
    };
    let Some((review, fail_on)) = review else { return Ok(ExitCode::SUCCESS) };
    report(&review, given)?;
    Ok(exit_code(&review, least(fail_on, given)))
}

/// Posts where the token may, and annotates elsewhere.
async fn of_pull(bot: &Arc<Ours>, mode: Mode, place: &Place, given: &ReviewPr) -> Result<Option<Done>> {
    let pull = bot.forge.pull(place).await?;
    let posts = mode == Mode::Review || (mode == Mode::Auto && !pull.is_fork);
    if posts {
        match said(bot, place).await {
            Err(error) if mode == Mode::Auto && is_not_allowed(&error) => {
                anstream::eprintln!("note: this token may not post ({error:#}); the findings are annotations instead");
            }
            done => return done,
        }
    }
    if mode == Mode::Artifact {
        let file = given.artifact.as_deref().ok_or_else(|| anyhow!("--mode artifact wants --artifact FILE"))?;
        files::write(file, &Artifact::of(place.number, &pull.head).to_json())?;
    }
    Ok(Some(review::look(bot.ready(place, &pull).await?).await?))
}

fn is_not_allowed(error: &anyhow::Error) -> bool {
    let trouble = error.downcast_ref::<Trouble>();
    matches!(trouble, Some(Trouble::Forge(ForgeError::Refused { status: 401 | 403 | 404, .. })))
}

/// Reviews and posts. `None` when there is nothing to review.
async fn said(bot: &Arc<Ours>, place: &Place) -> Result<Option<Done>> {
    let attempts = bot.settings.queue.attempts;
    let task = crate::event::Task::Review { place: place.clone(), asked: false };
    let leased = Leased { id: 0, task, attempts, created: crate::clock::now(), lease: 0 };
    let (mut tries, most) = (0, 5);
    loop {
        tries += 1;
        let trouble = match bot.review(place, false, &leased).await {
            Ok(Outcome::Said(done)) => return Ok(Some(*done)),
            Ok(Outcome::Skipped(skip)) => {
                anstream::eprintln!("note: {place} is not reviewed: {skip:?}");
                return Ok(None);
            }
            Ok(Outcome::Overtaken) => {
                anstream::eprintln!("note: a newer push of {place} took the place of this one");
                return Ok(None);
            }
            Err(trouble) => trouble,
        };
        let wait = match &trouble {
            Trouble::Forge(ForgeError::Limited { wait, .. }) => *wait,
            Trouble::Forge(ForgeError::Unreachable { .. }) => bot.settings.queue.pause(tries),
            _ => return Err(trouble.into()),
        };
        if tries >= most {
            return Err(trouble.into());
        }
        anstream::eprintln!("note: {}; again in {} s", engine::notice::chain(&trouble), wait.as_secs());
        tokio::time::sleep(wait).await;
    }
}

/// The pull request that an artifact names, if it is the one that the run was about. Nothing else of it is used.
async fn verified(bot: &Arc<Ours>, given: &ReviewPr, happened: &Happened) -> Result<Place> {
    let file = given.artifact.as_deref().ok_or_else(|| anyhow!("--mode post wants --artifact FILE"))?;
    let artifact = Artifact::read(file)?;
    let Subject::Run { head, from } = &happened.subject else {
        bail!("--mode post runs in a workflow that `workflow_run` starts");
    };
    let place = Place { repo: happened.repo.clone(), number: artifact.number, installation: None };
    let pull = bot.forge.pull(&place).await?;
    if artifact.head != head.as_str() || pull.head != *head {
        bail!("the artifact names {place} at {}, and the run was about {head}: not posted", artifact.head);
    }
    if pull.head_repo.as_deref() != Some(from.as_str()) {
        bail!("{place} does not come from {from}, whose commit the run was about: not posted");
    }
    Ok(place)
}

/// A bot with a state of its own that nobody sees again.
async fn one_time_bot(mut settings: File, given: &ReviewPr, folder: &Path) -> Result<Ours> {
    settings.server.state = folder.to_owned();
    let state = env::runner("APPRENTICE_STATE").map_or_else(|| folder.to_owned(), Into::into);
    files::make_private(&state)?;
    let forge = token::github(&settings)?;
    let login = match forge.whoami().await {
        Ok((login, _)) => login,
        // A workflow's token may not ask who it is; it is this one's.
        Err(ForgeError::Refused { .. }) => "github-actions[bot]".into(),
        Err(error) => return Err(error.into()),
    };
    let own = own_file(&settings, given)?;
    let file = folder.join("state.db");
    Ok(Bot {
        forge,
        queue: Arc::new(Sqlite::open(&file)?),
        house: Arc::new(House::new(own, state.clone())),
        mirrors: Arc::new(Mirrors::new(state.join("mirrors"), settings.checkout.clone())),
        ledger: Arc::new(Ledger::open(&file)?),
        journal: Arc::new(Journal::open(&file)?),
        metrics: Arc::new(Metrics::default()),
        login,
        indexed: Arc::default(),
        settings,
    })
}

/// The operator's file with the flags laid over it.
fn own_file(settings: &File, given: &ReviewPr) -> Result<Option<(std::path::PathBuf, String)>> {
    let path = given.engine_config.clone().or_else(|| settings.review.config.clone());
    let text = path.as_deref().map(files::read_text).transpose()?;
    let Some(model) = &given.model else { return Ok(path.zip(text)) };
    let mut table: toml::Table = text.as_deref().unwrap_or_default().parse().context("the operator's file")?;
    let section = table.entry("model").or_insert_with(|| toml::Table::new().into());
    section.as_table_mut().context("`model` is no table")?.insert("name".into(), model.clone().into());
    Ok(Some((path.unwrap_or_else(|| "--model".into()), table.to_string())))
}

/// The least severity that fails: as the flag has it, else as the base branch has it.
fn least(fail_on: FailOn, given: &ReviewPr) -> Option<Severity> {
    match &given.fail_on {
        Some(word) => Severity::ALL.iter().copied().find(|severity| severity.word() == word),
        None => say::least(fail_on),
    }
}

fn exit_code(review: &Review, least: Option<Severity>) -> ExitCode {
    match (least, review.worst()) {
        (Some(least), Some(worst)) if worst >= least => ExitCode::from(1),
        _ if review.is_incomplete() => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}

/// Annotations on standard output, the summary, the outputs, SARIF: each where the runner asks for it.
fn report(review: &Review, given: &ReviewPr) -> Result<()> {
    anstream::print!("{}", report::render(review, Format::Github, Color::Off));
    if let Some(file) = env::runner("GITHUB_STEP_SUMMARY") {
        files::append(Path::new(&file), &summary(review))?;
    }
    if let Some(file) = &given.sarif {
        files::write(file, &report::render(review, Format::Sarif, Color::Off))?;
    }
    if let Some(file) = env::runner("GITHUB_OUTPUT") {
        files::append(Path::new(&file), &outputs(review))?;
    }
    Ok(())
}

fn summary(review: &Review) -> String {
    let mut text = report::render(review, Format::Markdown, Color::Off);
    if text.len() > LONGEST_SUMMARY {
        let end = (0..=LONGEST_SUMMARY).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text += "\n\n… (the rest does not fit into a summary)\n";
    }
    text
}

/// Numbers and our own words alone: nothing that a pull request wrote can become an output.
fn outputs(review: &Review) -> String {
    let counts = review.counts();
    let mut out = String::new();
    for (name, many) in
        [("errors", counts.error), ("warnings", counts.warning), ("hints", counts.info), ("patches", counts.patches)]
    {
        let _ = writeln!(out, "{name}={many}");
    }
    let _ = writeln!(out, "complete={}", !review.is_incomplete());
    out
}

/// The repository that is meant.
fn repo_name(text: &str) -> Result<RepoName> {
    RepoName::parse(text).ok_or_else(|| anyhow!("`{text}` is not OWNER/NAME"))
}
