//! What can be asked for on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args as Group, Parser, Subcommand};
use engine::model::adapters::Key;
use trainer::{gguf::mix::FileType, publish::Name};

use crate::front::{
    corpus::Corpus,
    gguf::Gguf,
    gpt::Gpt,
    lessons::Lessons,
    lora::{Lora, Prefer},
    merge::Merge,
};

/// Turns answers into lessons, lessons into weights, and weights into models that Ollama serves.
#[derive(Debug, Parser)]
#[command(name = "apprentice-trainer", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what a model is made of.
    Show {
        /// A GGUF file, or a folder as Hugging Face keeps models.
        model: PathBuf,
    },
    Corpus(Corpus),
    Lessons(Lessons),
    /// Teach an adapter what to say.
    #[command(subcommand)]
    Lora(Lora),
    /// Teach an adapter which answers are better.
    Prefer(Prefer),
    /// Train a small model from nothing, and ask it what it would not have written.
    #[command(subcommand)]
    Gpt(Gpt),
    Merge(Merge),
    /// Write models as GGUF files, and look into such files.
    #[command(subcommand)]
    Gguf(Gguf),
    /// Make an Ollama server answer with a model, once it has shown that it can.
    ///
    /// The file is sent and tried as NAME:candidate-…; then NAME:latest becomes NAME:previous, and the candidate
    /// NAME:latest. Whatever fails on the way, the server answers as before.
    Publish(Publish),
    /// Let a model and the one it is to replace sit the same exam: 0 when it passed, 1 when it did not.
    Evaluate(Evaluate),
    /// Make a model that passed its exam the one that is served.
    Promote(Promote),
    /// Go back to the model that was served before, at once.
    Rollback(Rollback),
    /// Say which model is served, which was before, and what happened.
    Status(Status),
    /// When nobody works: make lessons of answers, train, examine, and serve what is better.
    ///
    /// Gives way at once when somebody comes back, and goes on where it was. Its steps are processes of their own, at
    /// the lowest priority.
    Sleep(Sleep),
}

/// Where models, exams and their history are kept.
#[derive(Debug, Group)]
pub(crate) struct Kept {
    /// The folder [default: `apprentice/` in the repository's `.git`, or in the user's folder of data].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
}

/// What sits an exam, and how.
#[derive(Debug, Group)]
pub(crate) struct Evaluate {
    /// The GGUF file that would be served.
    pub(crate) file: PathBuf,
    /// The folder with held-out questions and answers, as `lessons build --format trl` writes it.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// What it must be better than [default: the model that is served].
    #[arg(long, value_name = "FILE", conflicts_with = "adapter")]
    pub(crate) against: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) taught: Taught,
    /// Texts that are nobody's lessons: a corpus, or a file of one `{"text": …}` a line [default: the examples of the
    /// rules].
    #[arg(long, value_name = "PATH")]
    pub(crate) generic: Option<PathBuf>,
    /// Tokens of question and answer together.
    #[arg(long, value_name = "TOKENS", default_value_t = 2048)]
    pub(crate) window: usize,
    #[command(flatten)]
    pub(crate) judged: Judged,
    /// Write everything that was measured as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

/// An adapter, and what it is for.
#[derive(Debug, Group)]
pub(crate) struct Taught {
    /// An adapter that is laid over the file, as `merge --alone` writes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) adapter: Option<PathBuf>,
    /// What the adapter is for: a language (`python`), or `general`.
    #[arg(long = "for", value_name = "KEY", requires = "adapter")]
    pub(crate) key: Option<Key>,
    /// The adapter is for this repository alone.
    #[arg(long, requires = "adapter")]
    pub(crate) project: bool,
}

impl Taught {
    /// What the adapter is for.
    pub(crate) fn key(&self) -> Key {
        self.key.unwrap_or(Key::General)
    }
}

/// What an exam asks for, and what is good enough.
#[derive(Debug, Group)]
pub(crate) struct Judged {
    /// What has to become better.
    #[arg(long, value_enum, default_value_t = Target::F1)]
    pub(crate) target: Target,
    /// Questions that are asked at the most.
    #[arg(long, value_name = "COUNT", default_value_t = 80)]
    pub(crate) rows: usize,
    /// Tokens of an answer at the most.
    #[arg(long, value_name = "TOKENS", default_value_t = 256)]
    pub(crate) answer: usize,
    /// By how much the perplexity of code in general may rise, as a share.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub(crate) forgetting: f64,
    /// Fewer held-out questions tell nothing, and no model is promoted.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) fewest: usize,
}

/// What has to become better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// Precision and recall of what it finds.
    F1,
    /// What the right answers cost.
    Loss,
}

/// What is to be served.
#[derive(Debug, Group)]
pub(crate) struct Promote {
    /// A GGUF file that passed its exam on this machine; with `--adapter`, the one that the adapter passed on.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) taught: Taught,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

/// Back to the one before.
#[derive(Debug, Group)]
pub(crate) struct Rollback {
    /// Go back to the adapter that was taken before for this language, or for `general`; to none, if there was none.
    #[arg(long, value_name = "KEY")]
    pub(crate) adapter: Option<Key>,
    /// The adapter for this repository alone.
    #[arg(long, requires = "adapter")]
    pub(crate) project: bool,
    /// Why, for the history.
    #[arg(long, default_value = "somebody asked for it")]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

/// What is looked at.
#[derive(Debug, Group)]
pub(crate) struct Status {
    /// Write it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

/// When and how one sleeps.
#[derive(Debug, Group)]
pub(crate) struct Sleep {
    /// The model that training begins from: a GGUF file.
    #[arg(long, value_name = "FILE")]
    pub(crate) base: PathBuf,
    /// End after one night.
    #[arg(long)]
    pub(crate) once: bool,
    /// Nobody has worked for so long before anything is begun: `30m`, `90s`, `2h`.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = time)]
    pub(crate) idle: Duration,
    /// So long at most is worked in one night.
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = time)]
    pub(crate) budget: Duration,
    /// So many megabytes of memory at most.
    #[arg(long, value_name = "MEGABYTES", default_value_t = 8192)]
    pub(crate) memory: u64,
    /// How the weights of the model that is served are stored.
    #[arg(long, value_name = "TYPE", default_value = "Q4_K_M")]
    pub(crate) stored: FileType,
    #[command(flatten)]
    pub(crate) judged: Judged,
    /// The most answers that are learned from in one night: half of them the newest, the others of every project and rule.
    #[arg(long, value_name = "COUNT", default_value_t = 400)]
    pub(crate) most: usize,
    /// How often every row is read in training.
    #[arg(long, default_value_t = 2)]
    pub(crate) epochs: usize,
    /// The highest learning rate of training.
    #[arg(long, default_value_t = 2e-4)]
    pub(crate) rate: f64,
    /// The adapter's rank.
    #[arg(long, default_value_t = 16)]
    pub(crate) rank: usize,
    /// Rows of a step.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Only teach what to say, not which answers are better.
    #[arg(long)]
    pub(crate) no_prefer: bool,
    /// Strings that are planted among the lessons, to see whether the model gives them away.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    pub(crate) canaries: usize,
    /// A corpus of the code at hand (`corpus build`): some of it is mixed in, and by some of it is examined what was forgotten
    /// [default: nothing is mixed in, and the examples of the rules are taken].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) corpus: Option<PathBuf>,
    /// Publish what was promoted to an Ollama server, under this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) publish: Option<Name>,
    /// The address of that server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434")]
    pub(crate) server: String,
    /// A journal of answers; may be given several times [default: the repository's].
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Vec<PathBuf>,
    /// Another program's questions and answers, one JSON object a line; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) interactions: Vec<PathBuf>,
    /// A file that is written to when somebody works; may be given several times. The repository's own are known.
    #[arg(long, value_name = "FILE")]
    pub(crate) watch: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) kept: Kept,
}

/// A time with its unit.
fn time(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 0),
    };
    let number: Option<u64> = number.parse().ok().filter(|_| seconds > 0);
    let time = number.and_then(|number| number.checked_mul(seconds)).filter(|seconds| *seconds < 1 << 32);
    time.map(Duration::from_secs).ok_or_else(|| "a time is a number with its unit: `90s`, `30m`, `2h`".to_owned())
}

/// What is published, and how it is asked.
#[derive(Debug, Group)]
pub(crate) struct Publish {
    /// A GGUF file.
    #[arg(required_unless_present = "rollback")]
    pub(crate) file: Option<PathBuf>,
    /// What the model is called there, without a tag.
    #[arg(long, required_unless_present = "rollback")]
    pub(crate) name: Option<Name>,
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434")]
    pub(crate) server: String,
    /// Send the model to another machine, if the server is one.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// An installed model of which template, parameters and system prompt are taken.
    #[arg(long, value_name = "NAME")]
    pub(crate) base: Option<String>,
    /// A file with a template in Go's form, instead of the one derived from the model's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// A file with the system prompt for conversations that have none.
    #[arg(long, value_name = "FILE")]
    pub(crate) system: Option<PathBuf>,
    /// Tokens that question and answer may have together [default: what the model has, at most 8192].
    #[arg(long, value_name = "TOKENS", default_value_t = 0, hide_default_value = true)]
    pub(crate) window: usize,
    /// Only see that the new model answers; do not hold what it says against what the engine makes of the same file.
    #[arg(long)]
    pub(crate) no_parity: bool,
    /// Give NAME:latest back to what had it before.
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["file", "name", "base", "template", "system", "window", "no_parity"]
    )]
    pub(crate) rollback: Option<Name>,
}
