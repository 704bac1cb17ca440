//! What is in force? The operator's settings and the base branch's files; nothing that a pull request brings.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use engine::{
    change::Change,
    check::{
        linter::{Trust, Workshop},
        rule::{Rule, RuleSet},
    },
    config::{Config, ConfigError, EmbedderSpec, Layers, ModelSpec},
    feedback::{Adopted, LESSONS},
    git::CommitId,
    model::{
        self, Access, Key, Opened,
        adapters::{self, Shelves},
        chat::Model,
    },
    notice::{self, Notice},
    pipeline::{Adviser, Engine},
    recall::{
        evidence::Recall,
        tree::Tree,
        update::{self, Options, Updated, Wait},
    },
    review::Baseline,
    source::{Content, Ignored, RepoPath, Sources},
    suggest::Answers,
    taste::State,
};

use crate::{checkout::Held, env, forge::RepoName};

/// The operator's part, the same for every repository.
pub(crate) struct House {
    /// The operator's `apprentice.toml`: its path and text.
    pub(crate) file: Option<(PathBuf, String)>,
    /// Where linters keep their results and models their answers.
    pub(crate) state: PathBuf,
    /// What was opened, the last one that was asked last.
    models: Mutex<Vec<Ready>>,
}

/// A model that is open.
struct Ready {
    /// Its name, and the adapters that may lie over it.
    key: String,
    model: Arc<dyn Model>,
    notices: Vec<Notice>,
}

/// Models that stay open, one for each language that has an adapter of its own: each takes its file's bytes of memory.
const MOST_MODELS: usize = 4;

impl House {
    pub(crate) fn new(file: Option<(PathBuf, String)>, state: PathBuf) -> Self {
        Self { file, state, models: Mutex::default() }
    }

    /// The operator's configuration alone.
    ///
    /// # Errors
    /// [`ConfigError`] about the operator's file.
    pub(crate) fn layers(&self) -> Result<Layers, ConfigError> {
        let mut layers = Layers::default();
        if let Some((path, text)) = &self.file {
            layers.file(path.clone(), text)?;
        }
        Ok(layers)
    }

    /// An engine for a change of a repository, a pull request into `base`. What of the base branch cannot be used is a
    /// Notice of failure, so that the review is never shown as green.
    ///
    /// # Errors
    /// [`ConfigError`] about the operator's file.
    pub(crate) fn engine(
        &self,
        base: &dyn Sources,
        held: &Held,
        repo: &RepoName,
        change: &Change,
    ) -> Result<(Engine, Vec<Notice>), ConfigError> {
        let mut notices = Vec::new();
        let config = self.config(base, &mut notices)?;
        let rules = rules(base, &config, &mut notices);
        let baseline = parsed(base, &config.review.baseline, &mut notices, Baseline::parse).unwrap_or_default();
        let ignored = parsed(base, ".ai_coder_ignore", &mut notices, Ignored::parse).unwrap_or_default();
        let engine = match Engine::new(config.clone(), rules, baseline) {
            Ok(engine) => engine,
            // A glob of the base branch that is none: the operator's settings alone hold.
            Err(error) => {
                notices.push(Notice::failure("apprentice.toml", notice::chain(&error)));
                Engine::new(self.layers()?.resolve()?, RuleSet::builtin(), Baseline::default())?
            }
        };
        let engine = engine
            .ignoring(ignored)
            .with_workshop(self.workshop())
            .with_recall(Recall::new(held.index(), vec![BASE.to_owned()]));
        let (adviser, more) = self.adviser(&config, &self.shelves(repo, change));
        notices.extend(more);
        Ok((if let Some(adviser) = adviser { engine.with_adviser(adviser) } else { engine }, notices))
    }

    fn config(&self, base: &dyn Sources, notices: &mut Vec<Notice>) -> Result<Config, ConfigError> {
        let mut layers = self.layers()?;
        if let Some(text) = text(base, "apprentice.toml", notices)
            && let Err(error) = layers.repository_file(PathBuf::from("apprentice.toml"), &text)
        {
            let advice = "mend it on the base branch; until then the defaults hold";
            notices.push(Notice::failure("apprentice.toml", notice::chain(&error)).advise(advice));
            layers = self.layers()?;
        }
        layers.resolve()
    }

    /// Linters run on copies, as for anybody's change: what a pull request ships is never run as a tool.
    fn workshop(&self) -> Workshop {
        Workshop::here(None, self.state.join("linters"), env::temporary(), Trust::Untrusted)
    }

    fn adviser(&self, config: &Config, shelves: &Shelves) -> (Option<Adviser>, Vec<Notice>) {
        match self.model(config, shelves) {
            Ok(None) => (None, Vec::new()),
            Ok(Some(Opened { model, mut notices })) => {
                let answers = Answers::open(&self.state.join("answers.db"));
                let answers = answers.map_err(|why| notices.push(Notice::note("model", why))).ok();
                (Some(Adviser { answers, ..Adviser::new(model) }), notices)
            }
            Err(notice) => (None, vec![notice]),
        }
    }

    /// Where adapters for a change of a repository may be taken from: its own lie with the bot's state, and not in its
    /// mirror, which is removed when it is not used.
    fn shelves(&self, repo: &RepoName, change: &Change) -> Shelves {
        let project = self.state.join("projects").join(repo.as_str().to_lowercase());
        Shelves { project: Some(project), user: env::data(), language: adapters::of_change(change) }
    }

    /// The model that the configuration names with the adapter that is there for this, opened once.
    fn model(&self, config: &Config, shelves: &Shelves) -> Result<Option<Opened>, Notice> {
        let settings = &config.model;
        let name = settings.name.to_string();
        if settings.name == ModelSpec::None {
            return Ok(None);
        }
        let learned = Some(shelves).filter(|_| settings.learned_adapters && settings.adapters.is_empty());
        let key = format!("{name} {}", learned.map(Shelves::mark).unwrap_or_default());
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = last(&mut models, &key) {
            return Ok(Some(opened));
        }
        let access = Access {
            models: env::models().unwrap_or_else(|| self.state.join("models")),
            ollama: settings.ollama.clone(),
            allow_remote: settings.allow_remote,
            adapters: settings.adapters.clone(),
            learned: learned.cloned(),
            window: settings.window as usize,
            key: env::api_key().map(Key::new),
        };
        // Before another is opened; what a review still asks is closed when it ends.
        let surplus = (models.len() + 1).saturating_sub(MOST_MODELS);
        models.drain(..surplus);
        match model::open(&settings.name, &access) {
            Ok(None) => Ok(None),
            Ok(Some(opened)) => {
                let (model, notices) = (Arc::clone(&opened.model), opened.notices.clone());
                models.push(Ready { key, model, notices });
                Ok(Some(opened))
            }
            Err(error) => Err(Notice::failure(format!("model {name}"), notice::chain(&error))),
        }
    }
}

/// The model with this key, if it is open; it becomes the one that was asked last.
fn last(models: &mut Vec<Ready>, key: &str) -> Option<Opened> {
    let at = models.iter().position(|ready| ready.key == key)?;
    let ready = models.remove(at);
    let opened = Opened { model: Arc::clone(&ready.model), notices: ready.notices.clone() };
    models.push(ready);
    Some(opened)
}

/// The view of an index that holds the base branch.
const BASE: &str = "base";

/// Brings the index of a repository to its base branch. Takes seconds the first time, and then as long as what changed.
///
/// # Errors
/// Why it was not done, in words. Reviews go without evidence then.
pub(crate) fn index(engine: &Engine, held: &Held, base: &CommitId, ignored: Ignored) -> Result<Updated, String> {
    let config = engine.config();
    let tree = Tree::new(Arc::clone(&held.repository), config, ignored).map_err(|error| notice::chain(&error))?;
    let tree = tree.at(base.clone(), BASE);
    // The compiled-in table alone: nothing of a base branch chooses where texts are sent.
    let access = Access {
        models: PathBuf::new(),
        ollama: String::new(),
        allow_remote: false,
        adapters: Vec::new(),
        learned: None,
        window: 0,
        key: None,
    };
    let embedder = model::embedder(&EmbedderSpec::Static, &access).map_err(|error| notice::chain(&error))?;
    let options = Options {
        embedder: &*embedder,
        wait: Wait::Never,
        anew: false,
        progress: &|_, _, _| {},
        stop: &AtomicBool::new(false),
    };
    update::update(&held.index(), &[&tree], &options).map_err(|error| notice::chain(&error))
}

/// What `.ai_coder_ignore` of a base branch says; one that cannot be used hides nothing here, and its review says so.
pub(crate) fn ignored(base: &dyn Sources) -> Ignored {
    parsed(base, ".ai_coder_ignore", &mut Vec::new(), Ignored::parse).unwrap_or_default()
}

/// What the team shares of what it learned, on the base branch.
pub(crate) fn shared(base: &dyn Sources, notices: &mut Vec<Notice>) -> Option<State> {
    parsed(base, ".apprentice/taste.json", notices, |text| State::read(text).map_err(|error| notice::chain(&error)))
}

/// What the team agreed on about findings, on the base branch.
pub(crate) fn lessons(base: &dyn Sources, notices: &mut Vec<Notice>) -> Vec<Adopted> {
    parsed(base, LESSONS, notices, Adopted::read).unwrap_or_default()
}

/// The built-in rules and the base branch's own.
fn rules(base: &dyn Sources, config: &Config, notices: &mut Vec<Notice>) -> RuleSet {
    let builtin = RuleSet::builtin();
    let is_below = |path: &RepoPath| {
        let folders = config.rules.paths.iter().filter_map(|folder| Some(folder.to_str()?.trim_end_matches('/')));
        let mut inside = folders.filter_map(|folder| path.as_str().strip_prefix(folder));
        matches!(path.extension(), Some("yml" | "yaml")) && inside.any(|rest| rest.starts_with('/'))
    };
    let paths = match base.list() {
        Ok(paths) => paths,
        Err(error) => {
            notices.push(Notice::failure("rules", notice::chain(&error)));
            return builtin;
        }
    };
    let mut own = Vec::new();
    for path in paths.iter().filter(|path| is_below(path)) {
        let Some(text) = text(base, path.as_str(), notices) else { continue };
        match Rule::read(Path::new(path.as_str()), &text) {
            Ok(rules) => own.extend(rules),
            Err(error) => {
                let why = error.why.lines().next().unwrap_or_default();
                notices.push(Notice::failure(path, format!("not run: {why}")));
            }
        }
    }
    if own.is_empty() { builtin } else { builtin.with(own) }
}

/// A file of the base branch, where it has one.
fn text(base: &dyn Sources, path: &str, notices: &mut Vec<Notice>) -> Option<String> {
    let path = RepoPath::new(path).ok()?;
    match base.read(&path) {
        Ok(Some(Content::Bytes(bytes))) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(_) => None,
        Err(error) => {
            notices.push(Notice::failure(&path, notice::chain(&error)));
            None
        }
    }
}

fn parsed<T>(
    base: &dyn Sources,
    path: impl AsRef<Path>,
    notices: &mut Vec<Notice>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let path = path.as_ref().to_str()?;
    let text = text(base, path, notices)?;
    parse(&text).map_err(|why| notices.push(Notice::failure(path, why))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_models_stay_open_and_the_one_that_was_asked_longest_ago_goes() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::new(None, folder.path().to_owned());
        let shelves = Shelves::default();
        let ask = |n: usize| {
            let script = folder.path().join(format!("{n}.jsonl"));
            crate::files::write(&script, &format!("{{\"say\": \"{n}\"}}\n")).unwrap();
            let mut layers = Layers::default();
            let name = format!("model.name = 'scripted:{}'", script.display());
            layers.file(PathBuf::from("own.toml"), &name).unwrap();
            house.model(&layers.resolve().unwrap(), &shelves).unwrap().unwrap().model
        };
        let first = ask(0);
        let second = ask(1);
        assert!(Arc::ptr_eq(&first, &ask(0)), "it stays open");
        (2..=MOST_MODELS).for_each(|n| drop(ask(n)));
        assert_eq!(house.models.lock().unwrap().len(), MOST_MODELS);
        assert!(Arc::ptr_eq(&first, &ask(0)));
        assert!(!Arc::ptr_eq(&second, &ask(1)), "it was closed, and is opened anew");
    }
}
