//! What did the operator ask for? One TOML file, and secrets from files or the environment.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

use crate::{env, files};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// As whom we speak to GitHub.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A GitHub App, by its id and private key (PEM).
    App { id: u64, key: Secret },
    /// A person's or a workflow's token.
    Token(Secret),
}

/// The file, as it is written; docs/bot.md explains each setting.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) server: Server,
    pub(crate) github: GitHub,
    pub(crate) review: Review,
    pub(crate) queue: Queue,
    pub(crate) checkout: Checkout,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Where webhooks come in.
    pub(crate) listen: SocketAddr,
    /// Where state lives: the queue, the journal, the mirrors.
    pub(crate) state: PathBuf,
    /// A file with the webhook's secret; else the environment has it.
    pub(crate) webhook_secret_file: Option<PathBuf>,
    /// Bodies beyond this many bytes are refused. GitHub sends none above 25 MB.
    pub(crate) max_body_bytes: usize,
    /// Seconds in which a whole request has to arrive.
    pub(crate) request_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            state: PathBuf::from("apprentice-bot"),
            webhook_secret_file: None,
            max_body_bytes: 25 << 20,
            request_seconds: 10,
        }
    }
}

/// `[github]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GitHub {
    /// The REST interface: `https://HOST/api/v3` for GitHub Enterprise Server.
    pub(crate) api: String,
    /// Where repositories are cloned from.
    pub(crate) web: String,
    /// The App's id.
    pub(crate) app_id: Option<u64>,
    /// The App's private key, in PEM.
    pub(crate) private_key_file: Option<PathBuf>,
    /// The name comments call us by, without `@`.
    pub(crate) name: String,
}

impl Default for GitHub {
    fn default() -> Self {
        Self {
            api: "https://api.github.com".into(),
            web: "https://github.com".into(),
            app_id: None,
            private_key_file: None,
            name: "apprentice".into(),
        }
    }
}

/// `[review]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Review {
    /// Review drafts too.
    pub(crate) drafts: bool,
    /// Whose pull requests are left alone, with `*` for anything: `dependabot[bot]`, `*[bot]`.
    pub(crate) ignore_authors: Vec<String>,
    /// Pull requests with one of these labels are left alone.
    pub(crate) ignore_labels: Vec<String>,
    /// The most comments of one review; what goes beyond is listed in its text.
    pub(crate) max_comments: usize,
    /// The check run's name.
    pub(crate) check_name: String,
    /// The operator's own configuration of the engine: the model, what may be sent where.
    pub(crate) config: Option<PathBuf>,
    /// Let `@apprentice fix` push a branch of its own where a suggestion cannot be one.
    pub(crate) push_fixes: bool,
}

impl Default for Review {
    fn default() -> Self {
        Self {
            drafts: false,
            ignore_authors: Vec::new(),
            ignore_labels: vec!["no-review".into()],
            max_comments: 25,
            check_name: "apprentice".into(),
            config: None,
            push_fixes: false,
        }
    }
}

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queue {
    /// How many tasks are worked on at once.
    pub(crate) workers: usize,
    /// Seconds after which a task that gives no sign of life is taken from its worker.
    pub(crate) lease_seconds: u64,
    /// How often a task is tried.
    pub(crate) attempts: u32,
    /// Seconds between looks at how people reacted to open suggestions; 0 for never.
    pub(crate) harvest_seconds: u64,
    /// Seconds before the first repetition; each later one waits twice as long.
    pub(crate) pause_seconds: f64,
}

impl Default for Queue {
    fn default() -> Self {
        Self { workers: 2, lease_seconds: 300, attempts: 8, harvest_seconds: 3600, pause_seconds: 5.0 }
    }
}

/// `[checkout]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Checkout {
    /// The most bytes that one fetch may bring.
    pub(crate) max_bytes: u64,
    /// The most bytes of all mirrors together; the longest unused go first.
    pub(crate) keep_bytes: u64,
    /// Seconds one fetch may take.
    pub(crate) fetch_seconds: u64,
}

impl Default for Checkout {
    fn default() -> Self {
        Self { max_bytes: 2 << 30, keep_bytes: 20 << 30, fetch_seconds: 300 }
    }
}

impl Queue {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.max(5))
    }

    /// How long to wait before the try after `attempts` of them, at most an hour.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.pause_seconds.max(0.01) * f64::from(1u32 << attempts.saturating_sub(1).min(16));
        Duration::from_secs_f64(doubled.min(3600.0))
    }
}

impl File {
    /// Reads the file; without one, the defaults hold.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = files::read_text(path)?;
        let file: Self = toml::from_str(&text).with_context(|| format!("cannot use `{}`", path.display()))?;
        file.check().with_context(|| format!("cannot use `{}`", path.display()))?;
        Ok(file)
    }

    /// Whether the settings fit together.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, address) in [("github.api", &self.github.api), ("github.web", &self.github.web)] {
            let url = url::Url::parse(address).with_context(|| format!("`{key} = \"{address}\"` is no address"))?;
            let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
            if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
                bail!("`{key} = \"{address}\"` is not https: a token would travel in the open");
            }
        }
        if self.queue.workers == 0 || self.queue.attempts == 0 {
            bail!("`queue.workers` and `queue.attempts` must be at least 1");
        }
        if !(1..=100).contains(&self.review.max_comments) {
            bail!("`review.max_comments` must be between 1 and 100");
        }
        Ok(())
    }

    /// The webhook's secret. There is no serving without one: anybody could send us anything.
    pub(crate) fn webhook_secret(&self) -> Result<Secret> {
        let text = match (&self.server.webhook_secret_file, env::webhook_secret()) {
            (Some(path), _) => files::read_text(path)?.trim().to_owned(),
            (None, Some(secret)) => secret,
            (None, None) => bail!(
                "no webhook secret: set APPRENTICE_WEBHOOK_SECRET or server.webhook_secret_file to the secret of the \
                 webhook, or anybody could send deliveries"
            ),
        };
        if text.len() < 16 {
            return Err(anyhow!("the webhook secret is shorter than 16 characters; `openssl rand -hex 32` makes one"));
        }
        Ok(Secret::new(text))
    }

    /// As whom we speak.
    pub(crate) fn identity(&self) -> Result<Identity> {
        match (self.github.app_id.or_else(env::app_id), env::token()) {
            (Some(id), _) => Ok(Identity::App { id, key: self.private_key()? }),
            (None, Some(token)) => Ok(Identity::Token(Secret::new(token))),
            (None, None) => Err(anyhow!(
                "nobody to speak as: set github.app_id and github.private_key_file for an App, or GITHUB_TOKEN for a token"
            )),
        }
    }

    fn private_key(&self) -> Result<Secret> {
        match (&self.github.private_key_file, env::private_key()) {
            (Some(path), _) => Ok(Secret::new(files::read_text(path)?)),
            (None, Some(key)) => Ok(Secret::new(key)),
            (None, None) => bail!("github.app_id is set and github.private_key_file is not"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_what_the_file_in_docs_says() {
        let text = include_str!("../../config/bot.toml");
        let written: File = toml::from_str(text).expect("config/bot.toml");
        assert_eq!(format!("{written:?}"), format!("{:?}", File::default()));
    }

    #[test]
    fn an_unknown_setting_is_an_error_and_so_is_an_open_address() {
        assert!(toml::from_str::<File>("[server]\nlisten_on = 1").is_err());
        let open: File = toml::from_str("[github]\napi = \"http://example.com\"").expect("toml");
        assert!(open.check().expect_err("refused").to_string().contains("in the open"));
        let local: File = toml::from_str("[github]\napi = \"http://127.0.0.1:1\"").expect("toml");
        assert!(local.check().is_ok());
    }

    #[test]
    fn a_pause_doubles_up_to_an_hour() {
        let queue = Queue::default();
        assert_eq!([1, 2, 3, 40].map(|n| queue.pause(n).as_secs()), [5, 10, 20, 3600]);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("x".into())), "***");
    }
}
