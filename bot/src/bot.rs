//! What does a task work with? The forge, the queue, the commits, and what we keep; `review`, `harvest` and `talk` are the tasks.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use engine::{
    change::Versions,
    config::ConfigError,
    feedback::{Journal, JournalError},
    git::{CommitId, FetchError, RepositoryError},
    pipeline::Engine,
};

use crate::{
    checkout::{Held, Mirrors},
    clock,
    forge::{Conversation, Forge, ForgeError, Place, Pull},
    inforce::{self, House},
    ledger::Ledger,
    metrics::Metrics,
    queue::{Queue, QueueError},
    settings,
};

/// Everything a task may need.
pub(crate) struct Bot<F, Q> {
    pub(crate) forge: F,
    pub(crate) queue: Arc<Q>,
    pub(crate) settings: settings::File,
    pub(crate) house: Arc<House>,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) metrics: Arc<Metrics>,
    /// Our own login, as comments show it.
    pub(crate) login: String,
    pub(crate) indexed: Arc<Indexed>,
}

/// Why a task could not be done now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("cannot get the commits")]
    Fetch(#[from] FetchError),
    #[error("cannot read the commits")]
    Repository(#[from] RepositoryError),
    #[error("the operator's configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the ledger cannot be used")]
    Ledger(#[from] rusqlite::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the work was broken off")]
    Broken,
}

/// A pull request's change, with what judges it.
pub(crate) struct Ready {
    pub(crate) engine: Engine,
    pub(crate) versions: Versions,
    pub(crate) held: Held,
}

impl<F: Forge, Q: Queue> Bot<F, Q> {
    /// Does something with the queue where blocking is allowed.
    pub(crate) async fn on_queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Q) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let queue = Arc::clone(&self.queue);
        match tokio::task::spawn_blocking(move || work(&queue)).await {
            Ok(done) => done,
            Err(_) => Err(QueueError::Database(rusqlite::Error::InvalidQuery)),
        }
    }

    /// Whether a login is ours.
    pub(crate) fn is_us(&self, login: &str) -> bool {
        let bare = |login: &str| login.trim_end_matches("[bot]").to_ascii_lowercase();
        bare(login) == bare(&self.login)
    }

    /// The change of a pull request and an engine under the base branch's rules.
    pub(crate) async fn ready(&self, place: &Place, pull: &Pull) -> Result<Ready, Trouble> {
        let merge_base = self.forge.merge_base(place, &pull.base, &pull.head).await?;
        self.ready_between(place, &pull.base, merge_base, &pull.head).await
    }

    /// What lies between two commits, and an engine under the rules of a third.
    pub(crate) async fn ready_between(
        &self,
        place: &Place,
        rules_of: &CommitId,
        merge_base: CommitId,
        head: &CommitId,
    ) -> Result<Ready, Trouble> {
        let held = self.commits(place, &[rules_of.clone(), merge_base.clone(), head.clone()]).await?;
        let (house, base, head) = (Arc::clone(&self.house), rules_of.clone(), head.clone());
        let repo = place.repo.clone();
        let (journal, project) = (Arc::clone(&self.journal), place.repo.to_string().to_lowercase());
        let made = tokio::task::spawn_blocking(move || -> Result<Ready, Trouble> {
            let tree = held.repository.tree(&base)?;
            let mut versions = held.repository.between(&merge_base, &head)?;
            let (engine, mut notices) = house.engine(&*tree, &held, &repo, &versions.change)?;
            let shared = inforce::shared(&*tree, &mut notices);
            let lessons = inforce::lessons(&*tree, &mut notices);
            let weigher = journal.weigher((shared.as_ref(), lessons, clock::now()), &engine.config().taste, project)?;
            let engine = engine.with_weigher(weigher);
            versions.notices.extend(notices);
            Ok(Ready { engine, versions, held })
        });
        made.await.map_err(|_| Trouble::Broken)?
    }

    /// A mirror with these commits.
    pub(crate) async fn commits(&self, place: &Place, commits: &[CommitId]) -> Result<Held, Trouble> {
        let access = self.forge.git_access(place).await?;
        let (mirrors, repo, commits) = (Arc::clone(&self.mirrors), place.repo.clone(), commits.to_vec());
        let held = tokio::task::spawn_blocking(move || mirrors.with(&repo, access, &commits));
        Ok(held.await.map_err(|_| Trouble::Broken)??)
    }

    /// The conversation of a pull request.
    pub(crate) async fn conversation(&self, place: &Place) -> Result<Conversation, Trouble> {
        Ok(self.forge.conversation(place).await?)
    }
}

/// Which base commit each mirror's index was last brought to, and one index being made at a time.
pub(crate) type Indexed = Mutex<HashMap<PathBuf, CommitId>>;
