//! Where are we, and what is in force here? The repository, its configuration, its rules and what it ignores.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use engine::{
    change::Change,
    check::{
        linter::{Trust, Workshop},
        rule::{Rule, RuleSet},
    },
    config::{Config, Layers, ModelSpec, Origin},
    git::{Repository, RepositoryError},
    model::{
        self, Access, Key,
        adapters::{self, Shelves},
    },
    notice::{self, Notice},
    pipeline::{Adviser, Engine, Progress},
    recall::{documents, evidence::Recall, tree},
    review::Baseline,
    source::{Ignored, RepoPath},
    suggest::{Answers, PROMPTS, Prompts},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{args::Args, env, files};

/// Everything a command needs to know before it starts.
pub(crate) struct Setup {
    /// The repository, where there is one.
    pub(crate) repository: Option<Arc<Repository>>,
    /// The root of the work tree; the current folder where there is no repository.
    pub(crate) root: PathBuf,
    /// The layers of configuration.
    pub(crate) layers: Layers,
    /// The resolved configuration.
    pub(crate) config: Config,
    /// The journal of answers, once it was opened.
    pub(crate) opened: std::sync::OnceLock<Arc<engine::feedback::Journal>>,
}

/// What a model is asked about: it may have learned more for one thing than for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Topic<'a> {
    /// A change.
    Change(&'a Change),
    /// This project.
    Project,
    /// What is nobody's.
    Other,
}

/// Reads the layers: defaults, the user's file, the repository's file, `APPRENTICE_*`, `--set`.
pub(crate) fn read(args: &Args) -> Result<Setup> {
    let repository = Repository::discover(Path::new(".")).ok();
    let repository = repository.map(|repository| Arc::new(repository.merging(&env::merged_heads())));
    let work_dir = repository.as_ref().and_then(|repository| repository.work_dir().ok().map(Path::to_owned));
    let root = work_dir.unwrap_or_else(|| PathBuf::from("."));
    let mut layers = Layers::default();
    if let Some(file) = env::user_config()
        && let Some(text) = files::read_if_there(&file)?
    {
        layers.file(file, &text)?;
    }
    let file = root.join("apprentice.toml");
    if let Some(text) = files::read_if_there(&file)? {
        layers.repository_file(file, &text)?;
    }
    for (name, key, value) in env::settings() {
        layers.set(&key, &value, &Origin::Environment(name))?;
    }
    for pair in &args.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| anyhow!("`--set {pair}` is not KEY=VALUE"))?;
        layers.set(key.trim(), value.trim(), &Origin::Flag("--set".into()))?;
    }
    if let Some(model) = &args.model {
        layers.set("model.name", model, &Origin::Flag("--model".into()))?;
    }
    let config = layers.resolve()?;
    Ok(Setup { repository, root, layers, config, opened: std::sync::OnceLock::new() })
}

impl Setup {
    /// The repository, or an error that says so.
    pub(crate) fn repository(&self) -> Result<&Arc<Repository>> {
        match &self.repository {
            Some(repository) => Ok(repository),
            // Ask again for the reason: none at all, damaged, or owned by someone else.
            None => match Repository::discover(Path::new(".")) {
                Ok(_) => Err(anyhow!("the repository appeared just now; run the command again")),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// An error when there is a repository here that cannot be used: damaged, or not trusted. None at all is fine.
    pub(crate) fn refused_repository(&self) -> Result<()> {
        match self.repository() {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.downcast_ref(), Some(RepositoryError::None { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The engine with the built-in rules and the repository's own, and the model that is configured.
    pub(crate) fn engine(&self, topic: Topic<'_>) -> Result<(Engine, Vec<Notice>)> {
        self.wake();
        let (engine, mut notices) = self.engine_without_model()?;
        let (adviser, more) = self.adviser(topic);
        notices.extend(more);
        Ok((if let Some(adviser) = adviser { engine.with_adviser(adviser) } else { engine }, notices))
    }

    /// Whoever trains while nobody works (`apprentice-trainer sleep`) sees that somebody does.
    fn wake(&self) {
        let Some(repository) = &self.repository else { return };
        let folder = repository.common_dir().join("apprentice");
        if folder.join("sleep").is_dir() {
            // Where it cannot be written, training is a little in the way: that is no reason to review nothing.
            let _ = files::write(&folder.join("busy"), b"");
        }
    }

    /// The same without a model.
    pub(crate) fn engine_without_model(&self) -> Result<(Engine, Vec<Notice>)> {
        let (rules, mut notices) = self.rules()?;
        let engine = Engine::new(self.config.clone(), rules, self.baseline()?)?
            .ignoring(self.ignored()?)
            .with_workshop(self.workshop());
        let engine = match self.recall() {
            Some(recall) => engine.with_recall(recall),
            None => engine,
        };
        let (weigher, more) = self.weigher();
        notices.extend(more);
        Ok((if let Some(weigher) = weigher { engine.with_weigher(weigher) } else { engine }, notices))
    }

    /// The model that is configured, with what it said before. One that cannot be had is told: rules review without it,
    /// and nobody takes that for the whole review.
    fn adviser(&self, topic: Topic<'_>) -> (Option<Adviser>, Vec<Notice>) {
        let spec = &self.config.model.name;
        if *spec == ModelSpec::None {
            return (None, Vec::new());
        }
        let (model, mut notices) = match model::open(spec, &self.access(topic)) {
            Ok(Some(opened)) => (opened.model, opened.notices),
            Ok(None) if *spec == ModelSpec::Auto => {
                let what =
                    "none: Ollama does not answer or has no fitting model, and no file was pulled; rules alone review";
                return (None, vec![Notice::note("model auto", what).advise("`apprentice model pull` fetches one")]);
            }
            Ok(None) => return (None, Vec::new()),
            Err(error) => return (None, vec![Notice::failure(format!("model {spec}"), notice::chain(&error))]),
        };
        let answers = self.repository.as_ref().and_then(|repository| {
            let file = repository.common_dir().join("apprentice/answers.db");
            let answers = files::make_parent(&file).map_err(|error| error.to_string());
            let answers = answers.and_then(|()| Answers::open(&file));
            answers.map_err(|why| notices.push(Notice::note("model", format!("its answers are not kept: {why}")))).ok()
        });
        let progress = progress(model.name());
        let prompts = match self.prompts() {
            Ok(prompts) => prompts,
            Err(error) => return (None, vec![Notice::failure("suggest.prompts", format!("{error:#}"))]),
        };
        (Some(Adviser { answers, prompts, progress, ..Adviser::new(model) }), notices)
    }

    /// What models are asked with: the compiled-in texts, and a person's own in place of those that lie in his folder.
    fn prompts(&self) -> Result<Prompts> {
        let mut prompts = Prompts::default();
        let folder = &self.config.suggest.prompts;
        if folder.as_os_str().is_empty() {
            return Ok(prompts);
        }
        let own = env::user_config().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_default();
        let folder = own.join(folder);
        if !files::exists(&folder) {
            return Err(anyhow!("there is no folder `{}`", folder.display()));
        }
        for name in PROMPTS {
            let file = folder.join(format!("{name}.md"));
            if let Some(text) = files::read_if_there(&file)? {
                prompts.replace(name, text).with_context(|| format!("cannot ask with `{}`", file.display()))?;
            }
        }
        Ok(prompts)
    }

    /// An engine that asks the model that is configured, if one is; one that cannot be had is an error.
    pub(crate) fn advised(&self, engine: Engine) -> Result<Engine> {
        // What is measured is the model, wherever it is measured.
        match self.adviser(Topic::Other) {
            (Some(adviser), _) => Ok(engine.with_adviser(adviser)),
            (None, notices) => match notices.first() {
                Some(notice) => Err(anyhow!("{}: {}", notice.about, notice.what)),
                None => Ok(engine),
            },
        }
    }

    /// Where models are and what may be asked.
    pub(crate) fn access(&self, topic: Topic<'_>) -> Access {
        let model = &self.config.model;
        Access {
            models: env::models(),
            ollama: model.ollama.clone(),
            allow_remote: model.allow_remote,
            adapters: model.adapters.clone(),
            learned: self.shelves(topic).filter(|_| model.learned_adapters),
            window: model.window as usize,
            key: env::api_key().map(Key::new),
        }
    }

    /// Where adapters for this may be taken from.
    fn shelves(&self, topic: Topic<'_>) -> Option<Shelves> {
        let language = match topic {
            Topic::Change(change) => adapters::of_change(change),
            Topic::Project => adapters::of_project(&files::names(&self.root)),
            Topic::Other => return None,
        };
        let project = self.repository.as_ref().map(|repository| repository.common_dir().join("apprentice"));
        Some(Shelves { project, user: env::data(), language })
    }

    /// Where the index of the repository lies.
    pub(crate) fn index_folder(&self) -> Result<PathBuf> {
        files::canonical(self.repository()?.common_dir()).map(|common| common.join("apprentice/index"))
    }

    /// The views that are searched: this work tree's, and the documents'.
    pub(crate) fn index_views(&self) -> Result<[String; 2]> {
        Ok([tree::name(self.repository()?), documents::VIEW.to_owned()])
    }

    /// The repository's index, not opened yet; none outside a repository.
    fn recall(&self) -> Option<Recall> {
        let (folder, views) = (self.index_folder().ok()?, self.index_views().ok()?);
        Some(Recall::new(folder, views.into()))
    }

    /// The built-in rules and the repository's own, before any is switched off.
    pub(crate) fn rules(&self) -> Result<(RuleSet, Vec<Notice>)> {
        let mut notices = Vec::new();
        let mut own = Vec::new();
        for folder in &self.config.rules.paths {
            let folder = self.root.join(folder);
            if files::exists(&folder) {
                self.own_rules(&folder, &mut own, &mut notices)?;
            }
        }
        let builtin = RuleSet::builtin();
        Ok((if own.is_empty() { builtin } else { builtin.with(own) }, notices))
    }

    /// Where linters run: on copies in the system's folder for temporary files, so that no tool finds the work tree by
    /// looking upward, with answers kept in the repository's private folder.
    pub(crate) fn workshop(&self) -> Workshop {
        let temporary = env::temporary();
        let cache = match &self.repository {
            Some(repository) => repository.common_dir().join("apprentice/cache"),
            None => temporary.join("apprentice-cache"),
        };
        let root = files::canonical(&self.root).ok();
        Workshop::here(root, cache, temporary, Trust::Own)
    }

    /// The rules below a folder. A file that cannot be used is told, and the others are in force all the same.
    fn own_rules(&self, folder: &Path, own: &mut Vec<Rule>, notices: &mut Vec<Notice>) -> Result<()> {
        for file in files::below(folder, &["yml", "yaml"])? {
            let shown = file.strip_prefix(&self.root).unwrap_or(&file).display().to_string();
            match Rule::read(&file, &files::read_text(&file)?) {
                Ok(more) => own.extend(more),
                Err(error) => notices.push(
                    // A parser draws the place below its first line; a notice has one.
                    Notice::failure(shown, format!("not run: {}", error.why.lines().next().unwrap_or_default()))
                        .advise("mend it or move it away; `apprentice rules test` says more"),
                ),
            }
        }
        Ok(())
    }

    /// Where the baseline is.
    pub(crate) fn baseline_path(&self) -> PathBuf {
        self.root.join(&self.config.review.baseline)
    }

    fn baseline(&self) -> Result<Baseline> {
        let path = self.baseline_path();
        match files::read_if_there(&path)? {
            None => Ok(Baseline::default()),
            Some(text) => Baseline::parse(&text).map_err(|why| anyhow!("{why}")).with_context(|| {
                format!(
                    "cannot use the baseline `{}`; delete it or write it anew with --write-baseline",
                    path.display()
                )
            }),
        }
    }

    /// Where paths that are never read are listed.
    pub(crate) fn ignore_path(&self) -> PathBuf {
        self.root.join(".ai_coder_ignore")
    }

    /// What `.ai_coder_ignore` says.
    pub(crate) fn ignored(&self) -> Result<Ignored> {
        let path = self.ignore_path();
        match files::read_if_there(&path)? {
            None => Ok(Ignored::default()),
            Some(text) => Ignored::parse(&text)
                .map_err(|why| anyhow!("{why}"))
                .with_context(|| format!("cannot use `{}`", path.display())),
        }
    }

    /// A path given on the command line, as seen from the root. `None` for the root itself.
    pub(crate) fn repo_path(&self, given: &Path) -> Result<Option<RepoPath>> {
        let current = files::canonical(Path::new("."))?;
        let root = files::canonical(&self.root)?;
        let mut full = PathBuf::new();
        for part in current.join(given).components() {
            match part {
                std::path::Component::ParentDir => {
                    full.pop();
                }
                std::path::Component::CurDir => {}
                part => full.push(part),
            }
        }
        let relative = full
            .strip_prefix(&root)
            .map_err(|_| anyhow!("`{}` is outside the repository `{}`", given.display(), root.display()))?;
        if relative.as_os_str().is_empty() {
            return Ok(None);
        }
        Ok(Some(RepoPath::new(relative.as_os_str().as_encoded_bytes())?))
    }
}

/// Says on a terminal what a model is being asked about, once that takes a while.
fn progress(model: &str) -> Progress {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let model = model.to_owned();
    Box::new(move |place, done, all| {
        if place.is_empty() {
            return bar.finish_and_clear();
        }
        if bar.is_hidden() && std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        bar.reset_elapsed();
        let of_all = if all > 1 { format!(" ({} of {all})", done + 1) } else { String::new() };
        bar.set_message(format!("{model}: {place}{of_all}"));
    })
}
