//! `apprentice-trainer corpus add|build|stats`

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use engine::git::Repository;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainer::corpus::{self, Amount, Manifest, Settings};

/// Gathers texts to learn to read from: repositories, folders, added documents and answers.
#[derive(Debug, Args)]
pub(crate) struct Corpus {
    /// The folder of the corpus [default: apprentice/training/corpus in the git directory].
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Adds places that texts come from. Nothing is read before `corpus build`.
    Add {
        /// A git repository, a folder, a `corpus.db` of `apprentice docs add`, or a journal of answers (`state.db`).
        #[arg(required = true)]
        path: Vec<PathBuf>,
        /// Everything in it may be learned from, whatever its licence: it is yours, or you looked at it.
        #[arg(long)]
        any_licence: bool,
    },
    /// Reads all sources anew, and writes what is worth learning from, each text once.
    Build {
        /// Take everything, whatever its licence.
        #[arg(long)]
        any_licence: bool,
        /// The most documents; each takes about 800 bytes of memory.
        #[arg(long, value_name = "N", default_value_t = 1_000_000)]
        most_documents: usize,
    },
    /// Says what is in the corpus, and what was left out.
    Stats {
        /// As JSON: the corpus's manifest.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(given: &Corpus) -> Result<ExitCode> {
    let folder = match &given.folder {
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    match &given.command {
        Command::Add { path, any_licence } => {
            for path in path {
                let source = corpus::add(&folder, path, *any_licence)?;
                let kind = serde_json::to_value(source.kind)?;
                anstream::println!("{}  {}", kind.as_str().unwrap_or_default(), source.path.display());
            }
        }
        Command::Build { any_licence, most_documents } => {
            let settings = Settings { any_licence: *any_licence, most_documents: *most_documents };
            told(&build(&folder, settings)?);
        }
        Command::Stats { json: true } => {
            anstream::println!("{}", serde_json::to_string_pretty(&corpus::manifest(&folder)?)?);
        }
        Command::Stats { json: false } => told(&corpus::manifest(&folder)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn default_folder() -> Result<PathBuf> {
    let repository = Repository::discover(Path::new(".")).context("give --folder outside of a repository")?;
    Ok(repository.common_dir().join("apprentice/training/corpus"))
}

fn build(folder: &Path, settings: Settings) -> Result<Manifest> {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    // A template that cannot be read leaves the bar as it is by default.
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} files, {eta} left  {wide_msg:.dim}") {
        bar.set_style(style);
    }
    let built = corpus::build(folder, settings, &mut |name, done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(name.to_owned());
    });
    bar.finish_and_clear();
    Ok(built?)
}

fn told(manifest: &Manifest) {
    let Amount { documents, bytes } = manifest.all;
    anstream::println!("{documents} documents, {:.1} MB, in {} files", bytes as f64 / 1e6, manifest.files.len());
    table("language", &manifest.languages);
    table("licence", &manifest.licences);
    table("left out", &manifest.left_out);
}

fn table(head: &str, rows: &BTreeMap<String, Amount>) {
    if rows.is_empty() {
        return;
    }
    anstream::println!("\n{:>10}  {:>12}  {head}", "documents", "bytes");
    let mut rows: Vec<(&String, &Amount)> = rows.iter().collect();
    rows.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then(a.0.cmp(b.0)));
    for (name, Amount { documents, bytes }) in rows {
        let name: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        anstream::println!("{documents:>10}  {bytes:>12}  {name}");
    }
}
