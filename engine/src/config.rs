//! What did they ask for? Layers of TOML become one [`Config`], and every value knows where it came from.

mod embedder;
mod model;
mod share;

pub use embedder::EmbedderSpec;
pub use model::ModelSpec;
pub use share::Share;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The compiled-in file with every setting, its default and a comment.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

macro_rules! section {
    ($(#[$doc:meta])* $name:ident from $raw:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty $(= $raw_type:ty)?,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        $(#[$doc])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "one layer as written: it exists to be checked, values are merged as TOML")]
        struct $raw { $($(#[$field_doc])* $field: Option<section!(@raw $type $(, $raw_type)?)>,)* }
    };
    (@raw $type:ty) => { $type };
    (@raw $type:ty, $raw_type:ty) => { $raw_type };
}

section! {
    /// Everything that can be set, resolved: defaults, then the user's file, the repository's, the environment, flags.
    Config from Options {
        /// What a review covers and when it fails.
        review: ReviewConfig = ReviewOptions,
        /// Which rules speak, and how loud.
        rules: RulesConfig = RulesOptions,
        /// Which files are read.
        files: FilesConfig = FilesOptions,
        /// Limits of native checks.
        checks: ChecksConfig = ChecksOptions,
        /// External linters.
        linters: LintersConfig = LintersOptions,
        /// Behavior of git hooks.
        hook: HookConfig = HookOptions,
        /// Models, here or on a server.
        model: ModelConfig = ModelOptions,
        /// What a model is asked for, and how much of it is told.
        suggest: SuggestConfig = SuggestOptions,
        /// The index of the repository and its documents.
        recall: RecallConfig = RecallOptions,
        /// Documents from elsewhere.
        docs: DocsConfig = DocsOptions,
        /// Whether people's answers decide what is said.
        taste: TasteConfig = TasteOptions,
        /// What answers count for.
        feedback: FeedbackConfig = FeedbackOptions,
        /// Settings for some paths only; later entries win.
        overrides: Vec<Override>,
    }
}

/// The least severity that makes a review fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Info,
    /// Nothing.
    Never,
}

section! {
    /// What a review covers and when it fails.
    ReviewConfig from ReviewOptions {
        /// The least severity that makes the command exit with 1.
        fail_on: FailOn,
        /// Files longer than this are named in a notice and not read, in bytes.
        max_file_bytes: u64,
        /// Also tell findings on lines that the change did not touch.
        untouched_lines: bool,
        /// Findings that were agreed to stay.
        baseline: PathBuf,
    }
}

section! {
    /// Which rules speak, and how loud.
    RulesConfig from RulesOptions {
        /// Folders of the team's own rules, relative to the repository's root.
        paths: Vec<PathBuf>,
        /// Rules that never speak: ids or globs over ids.
        disable: Vec<String>,
        /// If not empty, only these speak.
        only: Vec<String>,
        /// Another severity for a rule, by id or glob.
        severity: BTreeMap<String, Level>,
    }
}

/// A severity, or silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Stops a commit.
    Error,
    /// Should be said.
    Warning,
    /// Said in passing.
    Info,
    /// Not said.
    Off,
}

section! {
    /// Which files are read.
    FilesConfig from FilesOptions {
        /// Globs of files that are never reviewed.
        exclude: Vec<String>,
        /// Globs of files that a program wrote.
        generated: Vec<String>,
        /// Globs of files that came from elsewhere.
        vendored: Vec<String>,
    }
}

section! {
    /// Limits of native checks.
    ChecksConfig from ChecksOptions {
        /// Cognitive complexity from which a function is told.
        complexity: u32,
        /// Lines that must be alike before a block counts as a copy.
        duplicate_lines: u32,
        /// Added files larger than this are told, in bytes.
        large_file_bytes: u64,
    }
}

/// How linters are kept from doing harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// The best one this machine has; without one, tools that run code are left out of changes by others.
    Auto,
    /// Without a sandbox nothing runs and the review fails.
    Require,
    /// None.
    Off,
}

section! {
    /// External linters.
    LintersConfig from LintersOptions {
        /// Run those that are found.
        enable: bool,
        /// Not these.
        disable: Vec<String>,
        /// If not empty, only these.
        only: Vec<String>,
        /// How long one may take, in seconds.
        timeout_seconds: u64,
        /// How they are kept from doing harm.
        sandbox: SandboxMode,
    }
}

/// What a hook does when the review could not run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Say so and let git go on.
    Warn,
    /// Stop git.
    Block,
}

section! {
    /// Behavior of git hooks.
    HookConfig from HookOptions {
        /// What a hook does when the review could not run to its end.
        on_failure: OnFailure,
    }
}

section! {
    /// Models, here or on a server.
    ModelConfig from ModelOptions {
        /// What answers in words: none, auto, FILE.gguf, ollama:NAME, scripted:FILE or http://HOST:PORT/v1#NAME.
        name: ModelSpec,
        /// LoRA adapters (GGUF) laid over a model in a file, in order.
        adapters: Vec<PathBuf>,
        /// Whether an adapter that passed its exam for this project or language is laid over a model in a file.
        learned_adapters: bool,
        /// Tokens that question and answer may have together; 0 for what the model was made for, at most 16384.
        window: u32,
        /// How long one answer may take, in seconds.
        timeout_seconds: u64,
        /// What turns texts into vectors: static, minilm, minilm:FOLDER or ollama:NAME.
        embedder: EmbedderSpec,
        /// Where Ollama listens.
        ollama: String,
        /// Whether texts may be sent to an address that is not this machine.
        allow_remote: bool,
    }
}

/// How sure a model must be of what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sureness {
    /// A hint will do.
    Low,
    /// More likely right than not.
    Medium,
    /// Nearly certain.
    High,
}

section! {
    /// What a model is asked for, and how much of it is told.
    SuggestConfig from SuggestOptions {
        /// Let the model review the change.
        review: bool,
        /// The most findings of a model in one review; 0 tells none.
        max_findings: u32,
        /// Less sure ones are kept to itself.
        min_confidence: Sureness,
        /// How many findings without a patch the model may try to mend in one review.
        max_fixes: u32,
        /// How often an answer that does not hold is given back to the model.
        max_passes: u32,
        /// The most tokens of one answer.
        max_answer_tokens: u32,
        /// A folder of texts that models are asked with in place of the compiled-in ones; empty for none.
        prompts: PathBuf,
    }
}

section! {
    /// The index of the repository and its documents.
    RecallConfig from RecallOptions {
        /// Give findings evidence from the index, where there is one.
        enable: bool,
        /// The most pieces of evidence a finding shows.
        evidence: u32,
        /// Let hooks bring the index up to date in the background.
        background: bool,
        /// Longer files are left out of the index, in bytes.
        max_file_bytes: u64,
        /// Globs of files that are left out of the index, besides those that are not reviewed, generated or vendored.
        exclude: Vec<String>,
    }
}

section! {
    /// Documents from elsewhere.
    DocsConfig from DocsOptions {
        /// The most pages that are fetched from one site.
        max_pages: u32,
        /// How many links away from the first page.
        max_depth: u32,
        /// The most bytes of one page, unpacked.
        max_page_bytes: u64,
        /// Milliseconds between two requests to one site, unless it asks for more.
        delay_ms: u64,
        /// Whether addresses of this machine and of private networks may be fetched.
        allow_private: bool,
    }
}

section! {
    /// Whether people's answers decide what is said.
    TasteConfig from TasteOptions {
        /// Leave out what people answered that they do not want; severe findings are folded away at most.
        enable: bool,
        /// What a needless word costs, in parts of what it costs where this is 1: more is quieter.
        cost: f64,
        /// The least chance with which an unwanted finding is told all the same, to notice when it is wanted again.
        explore: Share,
        /// The answers about a rule that there must be before any of its findings is left out.
        least_answers: f64,
        /// The people who must be against a rule, too, unless fewer ever answered anything.
        least_people: u32,
        /// The answers by one person about one rule that count at most, or half of what all others say about it where
        /// that is more.
        most_of_one: f64,
        /// Days after which an answer counts half.
        half_life_days: u32,
    }
}

section! {
    /// What answers count for: an answer is learned from with the sum of its parts' weights, 1 at most.
    FeedbackConfig from FeedbackOptions {
        /// A suggestion was taken as it is, or changed.
        taken: Share,
        /// The finding was mended in another way.
        mended: Share,
        /// Someone said that it is to be left.
        rejected: Share,
        /// An emoji.
        reaction: Share,
        /// A reply, where it is clear how it is meant.
        reply: Share,
        /// A thread was closed, and nothing was done about it.
        resolved: Share,
        /// The change was merged with the finding in it.
        ignored: Share,
        /// Days after the merge before that counts.
        ignored_after_days: u32,
    }
}

/// Settings for some paths only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Globs over paths.
    pub paths: Vec<String>,
    /// Rules that do not speak there.
    pub disable: Vec<String>,
    /// Other severities there.
    pub severity: BTreeMap<String, Level>,
}

impl Default for Config {
    #[expect(clippy::expect_used, reason = "the compiled-in file is checked by a test and cannot change at run time")]
    fn default() -> Self {
        Layers::default().resolve().expect("config/default.toml sets every value")
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A command-line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Why a layer of configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key or a value of the wrong type. The message names the line.
    #[error("{origin}: {message}")]
    Layer {
        /// Which layer.
        origin: String,
        /// What is wrong, with the place.
        message: String,
    },
    /// A glob that is not one.
    #[error("`{glob}` is not a glob: {why}")]
    Glob {
        /// As written.
        glob: String,
        /// Why.
        why: String,
    },
}

/// Settings that open the network, or say what a model is told to do. A cloned repository must not be able to.
pub const PERSONAL: [&str; 6] = [
    "model.ollama",
    "model.allow_remote",
    "model.adapters",
    "model.learned_adapters",
    "suggest.prompts",
    "docs.allow_private",
];

/// [`DEFAULT_TOML`] as a repository may have it: the settings in [`PERSONAL`] are commented out.
pub fn repository_toml() -> String {
    let is_personal = |line: &str| {
        PERSONAL.iter().any(|key| {
            let name = key.rsplit('.').next().unwrap_or(key);
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        })
    };
    let line = |line: &str| if is_personal(line) { format!("# {line}\n") } else { format!("{line}\n") };
    DEFAULT_TOML.lines().map(line).collect()
}

/// Layers laid over the defaults, later ones winning value by value. Lists are replaced, `overrides` are appended.
#[derive(Debug, Clone)]
pub struct Layers {
    merged: Table,
    origins: BTreeMap<String, Origin>,
}

impl Default for Layers {
    fn default() -> Self {
        let mut layers = Self { merged: Table::new(), origins: BTreeMap::new() };
        layers.merge(DEFAULT_TOML.parse().unwrap_or_default(), &Origin::Default);
        layers
    }
}

impl Layers {
    /// Lays a file's text over what is there.
    ///
    /// # Errors
    /// [`ConfigError::Layer`] for text that is not TOML, unknown keys and wrong types, with line and column.
    pub fn file(&mut self, path: PathBuf, text: &str) -> Result<(), ConfigError> {
        let origin = Origin::File(path);
        let failed = |error: toml::de::Error| ConfigError::Layer {
            origin: origin.to_string(),
            message: error.to_string().trim_end().to_owned(),
        };
        toml::from_str::<Options>(text).map_err(failed)?;
        let table = text.parse().map_err(failed)?;
        self.merge(table, &origin);
        Ok(())
    }

    /// The same for the file of a repository, which may not say where its reader's texts are sent.
    ///
    /// # Errors
    /// [`ConfigError::Layer`] also for the settings in [`PERSONAL`].
    pub fn repository_file(&mut self, path: PathBuf, text: &str) -> Result<(), ConfigError> {
        let table: Table = text.parse().unwrap_or_default();
        for key in PERSONAL {
            let (section, name) = key.split_once('.').unwrap_or((key, ""));
            if table.get(section).is_some_and(|section| section.get(name).is_some()) {
                let message = format!(
                    "`{key}` is not for a repository to say, only for the person at the machine: set it in your own \
                     file, as $APPRENTICE_{}, or with --set",
                    key.to_uppercase().replace('.', "__")
                );
                return Err(ConfigError::Layer { origin: path.display().to_string(), message });
            }
        }
        if let Some(name) = table.get("model").and_then(|model| model.get("name")).and_then(Value::as_str)
            && name.parse::<ModelSpec>().is_ok_and(|spec| !spec.is_impersonal())
        {
            let message = format!(
                "`model.name = \"{name}\"` is not for a repository to say: it may ask for none, auto or ollama:NAME; files and \
                 addresses are for your own file, $APPRENTICE_MODEL__NAME, or --model"
            );
            return Err(ConfigError::Layer { origin: path.display().to_string(), message });
        }
        self.file(path, text)
    }

    /// Sets one value by its dotted key, from a flag or a variable. `text` is read as TOML where that gives the type
    /// the setting has, and as a plain string otherwise.
    ///
    /// # Errors
    /// [`ConfigError::Layer`] for an unknown key or a value of the wrong type.
    pub fn set(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let mut last = None;
        let as_toml = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
        for value in as_toml.into_iter().chain([Value::String(text.to_owned())]) {
            let mut table = Table::new();
            table.insert(key.rsplit('.').next().unwrap_or(key).to_owned(), value);
            for part in key.rsplit('.').skip(1) {
                table = Table::from_iter([(part.to_owned(), Value::Table(table))]);
            }
            match table.clone().try_into::<Options>() {
                Ok(_) => {
                    self.merge(table, origin);
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        let message = last.map(|error| error.message().to_owned()).unwrap_or_default();
        Err(ConfigError::Layer { origin: format!("{origin}: `{key}`"), message })
    }

    fn merge(&mut self, layer: Table, origin: &Origin) {
        merge_table(&mut self.merged, layer, "", origin, &mut self.origins);
    }

    /// The resolved configuration.
    ///
    /// # Errors
    /// [`ConfigError`] when a glob is malformed.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        let mut merged = self.merged.clone();
        merged.entry("overrides").or_insert_with(|| Value::Array(Vec::new()));
        let config: Config = merged.try_into().map_err(|error: toml::de::Error| ConfigError::Layer {
            origin: "configuration".into(),
            message: error.message().to_owned(),
        })?;
        let globs = [&config.files.exclude, &config.files.generated, &config.files.vendored, &config.recall.exclude]
            .into_iter()
            .chain(config.overrides.iter().map(|entry| &entry.paths));
        for glob in globs.flatten() {
            globset::Glob::new(glob)
                .map_err(|error| ConfigError::Glob { glob: glob.clone(), why: error.kind().to_string() })?;
        }
        Ok(config)
    }

    /// Each setting as dotted key, value in TOML, and origin, in order of key.
    pub fn explain(&self) -> Vec<(String, String, Origin)> {
        let value_at = |key: &str| {
            let mut parts = key.split('.');
            let first = self.merged.get(parts.next()?)?;
            parts.try_fold(first, |value, part| value.get(part))
        };
        self.origins
            .iter()
            .filter_map(|(key, origin)| Some((key.clone(), value_at(key)?.to_string(), origin.clone())))
            .collect()
    }
}

fn merge_table(into: &mut Table, layer: Table, prefix: &str, origin: &Origin, origins: &mut BTreeMap<String, Origin>) {
    // Tables whose keys are the user's own words are values, not sections.
    const MAPS: &[&str] = &["rules.severity"];
    for (key, value) in layer {
        let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !MAPS.contains(&dotted.as_str()) => {
                merge_table(old, new, &dotted, origin, origins);
            }
            (Some(Value::Table(old)), Value::Table(new)) => {
                old.extend(new);
                origins.insert(dotted, origin.clone());
            }
            (Some(Value::Array(old)), Value::Array(new)) if dotted == "overrides" => {
                old.extend(new);
                origins.insert(dotted, origin.clone());
            }
            (None, Value::Table(new)) if !MAPS.contains(&dotted.as_str()) => {
                let mut section = Table::new();
                merge_table(&mut section, new, &dotted, origin, origins);
                into.insert(key, Value::Table(section));
            }
            (_, value) => {
                origins.insert(dotted, origin.clone());
                into.insert(key, value);
            }
        }
    }
}

/// The JSON Schema of `apprentice.toml`, pretty-printed with a newline at the end.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Options);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_file_sets_everything() {
        toml::from_str::<Options>(DEFAULT_TOML).unwrap();
        assert_eq!(Layers::default().resolve().unwrap(), Config::default());
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let mut layers = Layers::default();
        layers.file("user.toml".into(), "[review]\nfail_on = 'info'\n[checks]\ncomplexity = 9").unwrap();
        layers.file("apprentice.toml".into(), "[review]\nfail_on = 'warning'").unwrap();
        layers.set("linters.only", "['ruff']", &Origin::Flag("--linter".into())).unwrap();
        layers.set("review.baseline", "x.json", &Origin::Environment("APPRENTICE_REVIEW__BASELINE".into())).unwrap();
        let config = layers.resolve().unwrap();
        assert_eq!((config.review.fail_on, config.checks.complexity), (FailOn::Warning, 9));
        assert_eq!(config.linters.only, ["ruff"]);
        let origin = |key: &str| layers.explain().into_iter().find(|row| row.0 == key).unwrap().2.to_string();
        assert_eq!(origin("review.fail_on"), "apprentice.toml");
        assert_eq!(origin("checks.complexity"), "user.toml");
        assert_eq!(origin("checks.duplicate_lines"), "default");
        assert_eq!(origin("review.baseline"), "$APPRENTICE_REVIEW__BASELINE");
    }

    #[test]
    fn a_repository_cannot_open_the_network() {
        for text in [
            "[model]\nallow_remote = true",
            "model.ollama = 'http://example.org'",
            "docs = { allow_private = true }",
            "suggest.prompts = '.'",
        ] {
            let error = Layers::default().repository_file("apprentice.toml".into(), text).unwrap_err();
            assert!(error.to_string().contains("not for a repository"), "{error}");
            Layers::default().file("own.toml".into(), text).unwrap();
        }
        Layers::default().repository_file("apprentice.toml".into(), &repository_toml()).unwrap();
        Layers::default().repository_file("apprentice.toml".into(), "[model]\nembedder = 'static'").unwrap();
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = Layers::default().file("apprentice.toml".into(), "[review]\nfail_onn = 'error'").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2") && text.contains("fail_onn"), "{text}");
        assert!(Layers::default().set("review.nope", "1", &Origin::Flag("--x".into())).is_err());
    }
}
