//! What was asked for on the command line?

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Reviews pull requests, once, in the right place.
#[derive(Debug, Parser)]
#[command(name = "apprentice-bot", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The bot's settings; docs/bot.md explains them.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive webhooks and review pull requests.
    Serve,
    /// Review one pull request now and post the review; what action.yml runs.
    ReviewPr(ReviewPr),
    /// List what was given up, or have it tried again.
    Redeliver(Redeliver),
    /// Read a delivery from a file and say what it would be queued as.
    Replay(Replay),
    /// Who we are and what we may do.
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// A page on which a GitHub App is made with the right permissions.
    Setup(Setup),
}

#[derive(Debug, Parser)]
pub(crate) struct ReviewPr {
    /// The repository, OWNER/NAME; from the runner's environment when left out.
    #[arg(long)]
    pub(crate) repo: Option<String>,
    /// The pull request's number; from the runner's event when left out.
    #[arg(long)]
    pub(crate) pr: Option<u64>,
    /// What to do with the review.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub(crate) mode: Mode,
    /// The least severity that makes the command exit with 1; else the base branch's configuration says.
    #[arg(long, value_name = "SEVERITY", value_parser = ["error", "warning", "info", "never"])]
    pub(crate) fail_on: Option<String>,
    /// The model to ask, as `apprentice review --model` takes it.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Your own configuration of the engine (an apprentice.toml), in place of `review.config` of the settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) engine_config: Option<PathBuf>,
    /// Write the review as SARIF too.
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,
    /// In mode artifact: the file to write. In mode post: the file to read.
    #[arg(long, value_name = "FILE")]
    pub(crate) artifact: Option<PathBuf>,
}

/// What becomes of a review made in CI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Post where the token may, annotate elsewhere (a pull request from a fork).
    Auto,
    /// Post a review.
    Review,
    /// Annotations and a summary of the job alone.
    Annotate,
    /// Annotate, and write what would be posted into a file for a later job that may post.
    Artifact,
    /// Post what such a file says, taking nothing in it for granted.
    Post,
}

#[derive(Debug, Parser)]
pub(crate) struct Redeliver {
    /// One task's number.
    pub(crate) id: Option<i64>,
    /// All of them.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}

#[derive(Debug, Parser)]
pub(crate) struct Replay {
    /// The event's name, as `X-GitHub-Event` has it.
    #[arg(long)]
    pub(crate) event: String,
    /// The payload.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Ask GitHub who we are, and say what is missing.
    Check,
}

#[derive(Debug, Parser)]
pub(crate) struct Setup {
    /// Where the page is served.
    #[arg(long, default_value = "127.0.0.1:8421")]
    pub(crate) listen: std::net::SocketAddr,
    /// The address at which GitHub will reach the bot.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: String,
    /// Make the App under this organization; else under your own account.
    #[arg(long)]
    pub(crate) organization: Option<String>,
    /// Where the App's key and the webhook's secret are written.
    #[arg(long, value_name = "FOLDER", default_value = "apprentice-bot")]
    pub(crate) folder: PathBuf,
}
