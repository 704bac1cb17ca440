//! What can be asked on the command line?

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A code reviewer that lives in git and says only what it can prove.
#[derive(Parser)]
#[command(name = "apprentice", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    /// Run as if started in this folder.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// Set one value of the configuration: `--set review.fail_on=warning`.
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub(crate) set: Vec<String>,
    /// The model to ask: none, auto, FILE.gguf, ollama:NAME, or a URL.
    #[arg(long, value_name = "MODEL", global = true)]
    pub(crate) model: Option<String>,
    /// Use colors: auto, always or never. NO_COLOR is honored.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Review what is staged, or another change.
    Review(Review),
    /// Git hooks: install, uninstall, status.
    Hook(Hook),
    /// The rules: list, explain, test.
    Rules(Rules),
    /// The external linters: list, check.
    Linters(Linters),
    /// Which paths are never read: list, add, check.
    Ignore(Ignore),
    /// The configuration: show, check, init.
    Config(ConfigArgs),
    /// Documents from elsewhere that findings and searches may quote: add, list, refresh, remove.
    Docs(Docs),
    /// Say what is found here, what is missing, and how to mend it.
    Doctor,
    /// Run `apprentice-bot` with what follows.
    #[command(disable_help_flag = true)]
    Bot {
        /// Its own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Run `apprentice-trainer` with what follows.
    #[command(disable_help_flag = true)]
    Train {
        /// Its own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// The index of the repository and its documents: build, update, status, watch.
    Index(Index),
    /// Find definitions, code and documents by words and meaning.
    Search(Search),
    /// Let a model answer a question about the repository.
    Ask(Ask),
    /// Let a model explain a finding.
    Explain(Explain),
    /// Let a model tell what a change does.
    Summarize(Summarize),
    /// Models that answer in words: list, pull, import, show, rm.
    Model(Model),
    /// What was answered to findings: list, record, export.
    Feedback(Feedback),
    /// Measure Apprentice on labelled cases (JSON lines; a row's fields tell its kind).
    Eval(Eval),
    /// What people's answers come to: list, explain, forget, export.
    Lessons(Lessons),
    /// What was said, what became of it, and what was left alone.
    Report(Report),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
}

#[derive(clap::Args)]
pub(crate) struct Lessons {
    /// Another journal than the repository's: a bot's `state.db`.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) journal: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: LessonsCommand,
}

#[derive(Subcommand)]
pub(crate) enum LessonsCommand {
    /// The patterns that the answers make clear, and those agreed on.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The answers behind a lesson, or one answer.
    Explain {
        /// A lesson's id, or the beginning of it, or an answer as `#12`.
        which: String,
    },
    /// Learn no more from the answers behind a lesson, or from one answer.
    Forget {
        /// A lesson's id, or the beginning of it, or an answer as `#12`.
        which: String,
    },
    /// The lessons as `.apprentice/lessons.toml`; a team agrees by committing it.
    Export {
        /// Write the file instead of standard output.
        #[arg(long)]
        write: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct Report {
    /// Another journal than the repository's: a bot's `state.db`.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// How to write it: a page, one object, or every decision on a line.
    #[arg(long, value_enum, default_value_t = ReportFormat::Markdown)]
    pub(crate) format: ReportFormat,
    /// Write it to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ReportFormat {
    Markdown,
    Json,
    Jsonl,
}

#[derive(clap::Args, Default)]
pub(crate) struct Review {
    /// Only these files and folders.
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) what: What,
    /// How to write the review.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Write it to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The least severity that makes the command exit with 1: error, warning, info or never.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<String>,
    /// Do not run external linters.
    #[arg(long)]
    pub(crate) no_linters: bool,
    /// Do not look for evidence in the index.
    #[arg(long)]
    pub(crate) no_recall: bool,
    /// Make the safe proven patches, in the index and the work tree alike; unstaged edits stay.
    #[arg(long)]
    pub(crate) apply: bool,
    /// With --apply: make the unsafe ones too.
    #[arg(long, requires = "apply")]
    pub(crate) r#unsafe: bool,
    /// Accept, edit or reject each patch in the terminal, and say which findings help.
    #[arg(long, conflicts_with_all = ["apply", "write_baseline", "output", "format"])]
    pub(crate) interactive: bool,
    /// Write what is told now to the baseline, so that only what is new is told from here on.
    #[arg(long, conflicts_with = "apply")]
    pub(crate) write_baseline: bool,
}

/// Which change is meant.
#[derive(clap::Args, Default)]
pub(crate) struct What {
    /// The index against HEAD (the default).
    #[arg(long, group = "change", help_heading = "Which change")]
    pub(crate) staged: bool,
    /// The work tree against the index, untracked files included.
    #[arg(long, group = "change", help_heading = "Which change")]
    pub(crate) worktree: bool,
    /// One commit against its parent.
    #[arg(long, group = "change", value_name = "REV", help_heading = "Which change")]
    pub(crate) commit: Option<String>,
    /// What B has that its merge base with A has not.
    #[arg(long, group = "change", value_name = "A..B", help_heading = "Which change")]
    pub(crate) range: Option<String>,
    /// A unified diff from a file, or `-` for standard input.
    #[arg(long, group = "change", value_name = "FILE|-", help_heading = "Which change")]
    pub(crate) diff: Option<PathBuf>,
    /// Every file as it is on disk.
    #[arg(long, group = "change", help_heading = "Which change")]
    pub(crate) all: bool,
}

/// What a question to a model is about.
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// PATH:LINE, or the first digits of a finding's fingerprint.
    #[arg(value_name = "PATH:LINE|FINGERPRINT")]
    pub(crate) place: String,
    #[command(flatten)]
    pub(crate) what: What,
}

#[derive(clap::Args)]
pub(crate) struct Summarize {
    #[command(flatten)]
    pub(crate) what: What,
}

#[derive(clap::Args)]
pub(crate) struct Ask {
    /// The question.
    #[arg(required = true)]
    pub(crate) question: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Jsonl,
    Sarif,
    Rdjson,
    Checkstyle,
    Markdown,
    Github,
    Junit,
}

impl From<Format> for engine::report::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
            Format::Jsonl => Self::Jsonl,
            Format::Sarif => Self::Sarif,
            Format::Rdjson => Self::Rdjson,
            Format::Checkstyle => Self::Checkstyle,
            Format::Markdown => Self::Markdown,
            Format::Github => Self::Github,
            Format::Junit => Self::Junit,
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Hook {
    #[command(subcommand)]
    pub(crate) command: HookCommand,
}

#[derive(Subcommand)]
pub(crate) enum HookCommand {
    /// Put our hooks into the repository; a hook that is there already runs first.
    Install {
        /// Which hooks.
        #[arg(long = "type", value_enum, value_delimiter = ',', default_values_t = [HookType::PreCommit, HookType::PreMergeCommit])]
        types: Vec<HookType>,
        /// Install even into a hooks folder that other repositories share, or that another hook manager writes.
        #[arg(long)]
        force: bool,
    },
    /// Take our hooks out again and put back what was there.
    Uninstall,
    /// Say which hooks are installed.
    Status,
    /// What an installed hook runs; git gives the arguments.
    Run {
        /// The hook.
        #[arg(value_enum)]
        hook: HookType,
        /// What git passes to it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookType {
    PreCommit,
    PrePush,
    PreMergeCommit,
    PrepareCommitMsg,
    PostMerge,
    PostRewrite,
}

impl HookType {
    pub(crate) const ALL: [Self; 6] = [
        Self::PreCommit,
        Self::PrePush,
        Self::PreMergeCommit,
        Self::PrepareCommitMsg,
        Self::PostMerge,
        Self::PostRewrite,
    ];

    /// Git's name for it, which is the file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PrePush => "pre-push",
            Self::PreMergeCommit => "pre-merge-commit",
            Self::PrepareCommitMsg => "prepare-commit-msg",
            Self::PostMerge => "post-merge",
            Self::PostRewrite => "post-rewrite",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Name every rule with its severity, category and what it finds.
    List,
    /// Tell what a rule finds, why it matters and how it looks.
    Explain {
        /// The rule's id, such as `python/yaml-load-unsafe`.
        id: String,
    },
    /// Hold rules against their own examples: the built-in ones, or those in files and folders.
    Test {
        /// Rule files or folders of them.
        paths: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Linters {
    #[command(subcommand)]
    pub(crate) command: LintersCommand,
}

#[derive(Subcommand)]
pub(crate) enum LintersCommand {
    /// Name every linter, whether it is found, and whether it would run here.
    List,
    /// Say what keeps each eligible linter from running, and exit with 1 if something does.
    Check,
}

#[derive(clap::Args)]
pub(crate) struct Ignore {
    #[command(subcommand)]
    pub(crate) command: IgnoreCommand,
}

#[derive(Subcommand)]
pub(crate) enum IgnoreCommand {
    /// Print the patterns of `.ai_coder_ignore`.
    List,
    /// Add patterns to `.ai_coder_ignore`.
    Add {
        /// Patterns as in `.gitignore`.
        #[arg(required = true)]
        patterns: Vec<String>,
    },
    /// Say for each path whether it is read, and if not, why.
    Check {
        /// Paths relative to the current folder.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting in force.
    Show {
        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Read every layer and say what is wrong with it.
    Check,
    /// Write an `apprentice.toml` with every setting, its default and a comment.
    Init,
    /// Print the JSON Schema of `apprentice.toml`.
    Schema {
        /// That of `review --format json` instead.
        #[arg(long)]
        review: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct Index {
    #[command(subcommand)]
    pub(crate) command: IndexCommand,
}

#[derive(Subcommand)]
pub(crate) enum IndexCommand {
    /// Build it anew from nothing.
    Build,
    /// Put in what is new and take out what is gone.
    Update {
        /// At low priority, and not at all while another process writes.
        #[arg(long)]
        background: bool,
    },
    /// Say what it holds and how far behind it is.
    Status {
        /// Check that every part of it is whole.
        #[arg(long)]
        verify: bool,
    },
    /// Keep it up to date until interrupted.
    Watch,
}

#[derive(clap::Args)]
pub(crate) struct Search {
    /// Words, an identifier, or a question.
    #[arg(required = true)]
    pub(crate) query: Vec<String>,
    /// The most answers.
    #[arg(short = 'k', long = "most", default_value_t = 10, value_name = "N")]
    pub(crate) most: usize,
    /// One JSON array with the pieces' text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Docs {
    #[command(subcommand)]
    pub(crate) command: DocsCommand,
}

#[derive(Subcommand)]
pub(crate) enum DocsCommand {
    /// Read a folder, a file or a site: Markdown, reStructuredText, HTML, PDF, notebooks and plain text.
    Add {
        /// A folder, a file, or an address; of a site everything below the folder of that page is read.
        #[arg(value_name = "PATH|URL")]
        source: String,
        /// The most pages to fetch, in place of `docs.max_pages`; remembered for `refresh`.
        #[arg(long, value_name = "N")]
        max_pages: Option<u32>,
        /// How many links away from the first page, in place of `docs.max_depth`; remembered for `refresh`.
        #[arg(long, value_name = "N")]
        max_depth: Option<u32>,
    },
    /// Name every source with its documents, words and when it was last read.
    List,
    /// Read a source again, or all of them; only what changed is read.
    Refresh {
        /// As `docs list` names it.
        source: Option<String>,
    },
    /// Forget a source and its documents.
    Remove {
        /// As `docs list` names it.
        source: String,
    },
    /// Read a PDF from standard input and print the text of its pages; what reads PDF starts it in a sandbox.
    #[command(hide = true)]
    ExtractPdf,
}

#[derive(clap::Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Subcommand)]
pub(crate) enum ModelCommand {
    /// Name the models in the user's folder and those of the Ollama server.
    List {
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model: from Hugging Face, from an address, or by the Ollama server.
    Pull {
        /// hf:OWNER/REPO, hf:OWNER/REPO/FILE.gguf, https://HOST/FILE.gguf or ollama:NAME; without one, a model that suits
        /// this machine's memory.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// One JSON object about what was fetched.
        #[arg(long)]
        json: bool,
    },
    /// Take a GGUF file into the user's folder.
    Import {
        /// The file; it stays where it is.
        file: PathBuf,
        /// One JSON object about what was taken in.
        #[arg(long)]
        json: bool,
    },
    /// Say what is known of a model.
    Show {
        /// A file of the folder, or ollama:NAME.
        name: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Remove a model from the user's folder, or let the Ollama server drop it.
    Rm {
        /// A file of the folder, or ollama:NAME.
        name: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct Feedback {
    /// Another journal than the repository's: a bot's `state.db`.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) journal: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: FeedbackCommand,
}

#[derive(Subcommand)]
pub(crate) enum FeedbackCommand {
    /// Print every answer, oldest first.
    List {
        /// One JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Answer a finding that a review told.
    Record {
        /// Its fingerprint, or the first digits of it.
        fingerprint: String,
        /// How you answer.
        #[arg(value_enum)]
        answer: FeedbackAnswer,
        /// Why, in a few words.
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        /// The file it is in, where several have the same.
        #[arg(long, value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// Print the answers as they are kept, one JSON object a line.
    Export {
        /// What was learned from them instead, without words or names: to be merged elsewhere, or to be committed as
        /// `.apprentice/taste.json`.
        #[arg(long)]
        state: bool,
        /// Write them to a file instead of standard output.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take in what another machine or a bot learned (`feedback export --state`).
    Merge {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedbackAnswer {
    /// Its patch was made as it was offered.
    Applied,
    /// It helps.
    Useful,
    /// It does not help.
    NotUseful,
    /// It is wrong, or not wanted here.
    Rejected,
}

#[derive(clap::Args)]
pub(crate) struct Eval {
    /// JSON lines of labelled cases.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// JSON lines of the documents that questions in --data are answered from.
    #[arg(long, value_name = "FILE")]
    pub(crate) corpus: Option<PathBuf>,
    /// More rules: files or folders.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// How to write the score.
    #[arg(long, value_enum, default_value_t = ScoreFormat::Text)]
    pub(crate) format: ScoreFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScoreFormat {
    Text,
    Json,
}
