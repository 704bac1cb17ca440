//! How does a file of weights become a model that an Ollama server answers with, without a moment in which it has none?
//!
//! Invariant: until the last request has succeeded, `NAME:latest` answers as it did before, whatever happens to the
//! server, to the connection or to this process.

mod form;
mod modelfile;
mod server;
mod smoke;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::model::{
    chat::ModelError,
    local::gguf::{self, Gguf, Metadata},
};
use serde::Serialize;

use crate::card::{Card, CardError, Parity};
use form::Form;
use modelfile::Settings;
use server::{Blob, Server};

/// The first version that keeps a JSON schema, which a reviewer's answers need.
const NEEDED: (u32, u32, u32) = (0, 5, 0);

/// The first versions that run architectures which came later than [`NEEDED`] (Ollama's release notes).
const LATER: &[(&str, (u32, u32, u32))] = &[("gemma3", (0, 6, 0)), ("qwen3", (0, 6, 6))];

/// Tokens of the window that is set where none is asked for and the model has as many.
const WINDOW: usize = 8_192;

/// What a published model is told where nobody tells it anything.
const SYSTEM: &str =
    "You review source code for the engineers who wrote it. You say only what the text in front of you proves.";

/// What is to be published, where, and how it is to be asked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is called there, without a tag.
    pub name: Name,
    /// The address of the server.
    pub server: String,
    /// Whether the server may be another machine.
    pub allow_remote: bool,
    /// An installed model of which template, parameters and system prompt are taken.
    pub base: Option<String>,
    /// A template in Go's form, instead of the one derived from the file's own.
    pub template: Option<String>,
    /// The system prompt where a conversation has none.
    pub system: Option<String>,
    /// Tokens of the window; 0 for what the model has, at most 8,192.
    pub window: usize,
    /// Whether the server's answer is held against the engine's own.
    pub check: Check,
}

/// How much of a new model is tried before it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// That it answers.
    Answers,
    /// That it answers as the engine does with the same file.
    Parity,
}

/// A model's name without a tag: lower case, as `reviewer` or `team/reviewer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl std::str::FromStr for Name {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        };
        let is_name = text.len() <= 80 && text.split('/').count() <= 2 && text.split('/').all(is_part);
        if is_name { Ok(Self(text.to_owned())) } else { Err(PublishError::Name(text.to_owned())) }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Name {
    fn tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.0)
    }
}

/// What happens while a model is published; bytes of how many where it takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'a> {
    /// The file is read and hashed.
    Hash(u64, u64),
    /// The file is sent.
    Upload(u64, u64),
    /// The server says what it does.
    Create(&'a str),
    /// The new model is asked.
    Smoke,
    /// The name is given to it.
    Flip,
}

/// Who hears of it.
pub type Told = Arc<dyn Fn(Stage<'_>) + Send + Sync>;

/// A model that is served.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// Its name, by which it is asked.
    pub name: String,
    /// The name by which it was tried, which stays.
    pub candidate: String,
    /// What was served before, where there was something, and by which name it can be had back.
    pub previous: Option<String>,
    /// The file's digest, `sha256:…`.
    pub digest: String,
    /// What the server calls its version.
    pub version: String,
    /// How its answer compares with the engine's; none where this was not asked for.
    pub parity: Option<Parity>,
    /// The Modelfile for `ollama create -f`.
    pub modelfile: PathBuf,
    /// The model card.
    pub card: PathBuf,
    /// Older candidates that were removed from the server.
    pub removed: Vec<String>,
}

/// Why a model is not served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// That is no name.
    #[error("`{0}` is no name for a model: lower-case letters, digits, `.`, `_` and `-`, at most one `/`, and no tag")]
    Name(String),
    /// The file is not what it should be.
    #[error("`{file}` cannot be published: {why}")]
    File {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is not known how the model is to be asked.
    #[error("it is not known how to ask `{file}`: {why}; give the template in Go's form with `--template FILE`")]
    Template {
        /// Which file.
        file: String,
        /// What is in the way.
        why: String,
    },
    /// The server's version cannot do it.
    #[error("`{address}` runs Ollama {has}, and {what} needs {needs} or later: update it")]
    Version {
        /// The server.
        address: String,
        /// Its version.
        has: String,
        /// What it is to do.
        what: String,
        /// The version that can.
        needs: String,
    },
    /// The server cannot be asked.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The server went away, refused, or spoke nonsense. What it served before it still serves.
    #[error("cannot {what} at `{address}`: {why}; what was served there before is still served")]
    Server {
        /// What it was to do.
        what: String,
        /// Where.
        address: String,
        /// What happened.
        why: String,
    },
    /// The last request was sent and it is not known what came of it.
    #[error("it is not known which model answers to `{name}`: {why}; run it again when the server answers")]
    Unknown {
        /// The name.
        name: String,
        /// What happened.
        why: String,
    },
    /// The server took the file and its answers are not what they should be.
    #[error("`{candidate}` was made and is not served: {why}")]
    Smoke {
        /// The name under which it can be looked at.
        candidate: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing to go back to.
    #[error("`{0}` is not there: nothing to go back to")]
    NoPrevious(String),
    /// The card cannot be written.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A file cannot be written.
    #[error("cannot write `{file}`")]
    Write {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Publishes a GGUF file: sends it, makes a candidate of it, asks that, and only then gives it the name.
///
/// # Errors
/// [`PublishError`]; the server answers to the name as before.
pub fn publish(file: &Path, plan: &Plan, told: &Told) -> Result<Published, PublishError> {
    let failed = |why: String| PublishError::File { file: file.display().to_string(), why };
    let gguf = Gguf::open(file).map_err(failed)?;
    let server = Server::find(&plan.server, plan.allow_remote)?;
    let version = server.version()?;
    check_version(&server, &version, gguf::text(&gguf.metadata, "general.architecture").unwrap_or_default())?;
    let settings = settings(file, &gguf.metadata, plan, &server)?;
    let heard = Arc::clone(told);
    let card = Card::of(file, &|done, all| heard(Stage::Hash(done, all)))?;
    let modelfile = modelfile::write(file, &settings)?;
    let blob = Blob { file, digest: format!("sha256:{}", card.sha256), bytes: card.bytes };
    server.upload(&blob, told)?;
    let candidate = plan.name.tag(&format!("candidate-{}", card.sha256.get(..12).unwrap_or_default()));
    server.create(&candidate, &blob, &settings, told)?;
    told(Stage::Smoke);
    let parity = smoke::test(&server, &candidate, file, &settings, plan.check)?;
    told(Stage::Flip);
    let previous = flip(&server, &plan.name, &candidate)?;
    let removed = clear(&server, &plan.name, &candidate);
    let card = card.published(&plan.name.tag("latest"), parity.as_ref()).write_beside(file)?;
    let name = plan.name.0.clone();
    Ok(Published { name, candidate, previous, digest: blob.digest, version, parity, modelfile, card, removed })
}

/// Gives the name back to what had it before. What had it until now is kept as `NAME:rolled-back`.
///
/// # Errors
/// [`PublishError::NoPrevious`], and what the server refuses.
pub fn rollback(name: &Name, address: &str, allow_remote: bool) -> Result<String, PublishError> {
    let server = Server::find(address, allow_remote)?;
    let (latest, previous) = (name.tag("latest"), name.tag("previous"));
    let tags = server.tags()?;
    let wanted = tags.get(&previous).ok_or_else(|| PublishError::NoPrevious(previous.clone()))?;
    if tags.contains_key(&latest) && tags.get(&latest) != Some(wanted) {
        server.copy(&latest, &name.tag("rolled-back"))?;
    }
    rename(&server, &previous, &latest, wanted)?;
    Ok(previous)
}

/// Gives the name to what has this digest, and sees that it was given. Whatever fails here, a whole model has the name.
fn rename(server: &Server, from: &str, latest: &str, digest: &str) -> Result<(), PublishError> {
    let unknown = |error: PublishError| match error {
        PublishError::Server { what, why, .. } => {
            PublishError::Unknown { name: latest.to_owned(), why: format!("cannot {what}: {why}") }
        }
        other => other,
    };
    server.copy(from, latest).and_then(|()| server.expect(latest, digest)).map_err(unknown)
}

/// Keeps what has the name as `NAME:previous`, and gives the name to the candidate: one request, and the last one.
fn flip(server: &Server, name: &Name, candidate: &str) -> Result<Option<String>, PublishError> {
    let (latest, previous) = (name.tag("latest"), name.tag("previous"));
    let tags = server.tags()?;
    let wanted = tags.get(candidate).ok_or_else(|| server.failed("find the new model", "it is not in its list"))?;
    let before = tags.get(&latest);
    // Published twice: what was there before the first time is what one would go back to.
    if before == Some(wanted) {
        return Ok(tags.contains_key(&previous).then_some(previous));
    }
    if let Some(before) = before {
        server.copy(&latest, &previous)?;
        server.expect(&previous, before)?;
    }
    rename(server, candidate, &latest, wanted)?;
    Ok(before.map(|_| previous))
}

/// Removes candidates that neither are served nor were before. The server keeps what it does not remove: no harm.
fn clear(server: &Server, name: &Name, candidate: &str) -> Vec<String> {
    let Ok(tags) = server.tags() else { return Vec::new() };
    let kept = ["latest", "previous", "rolled-back"].map(|tag| tags.get(&name.tag(tag)));
    let start = name.tag("candidate-");
    let is_old =
        |tag: &str, digest: &String| tag.starts_with(&start) && tag != candidate && !kept.contains(&Some(digest));
    let old = tags.iter().filter(|(tag, digest)| is_old(tag, digest)).map(|(tag, _)| tag.clone());
    old.filter(|tag| server.remove(tag).is_ok()).collect()
}

/// How the model is to be asked: as it was said, as the installed base is asked, or as the file itself says.
fn settings(file: &Path, metadata: &Metadata, plan: &Plan, server: &Server) -> Result<Settings, PublishError> {
    let unknown = |why: String| PublishError::Template { file: file.display().to_string(), why };
    let mut settings = match (&plan.template, &plan.base) {
        (Some(template), _) => Settings::new(template.clone(), form::ends(metadata).map_err(unknown)?),
        (None, Some(base)) => server.settings_of(base)?,
        (None, None) => {
            let form = Form::of(metadata).map_err(unknown)?;
            Settings::new(form.in_go(), form.stops)
        }
    };
    if let Some(system) = &plan.system {
        settings.system.clone_from(system);
    } else if settings.system.is_empty() {
        settings.system = SYSTEM.into();
    }
    if plan.window > 0 || !settings.has_window() {
        settings.set_window(window(metadata, plan.window));
    }
    Ok(settings)
}

fn window(metadata: &Metadata, wanted: usize) -> usize {
    let architecture = gguf::text(metadata, "general.architecture").unwrap_or_default();
    let own = gguf::whole(metadata, &format!("{architecture}.context_length")).ok().flatten();
    match (own, wanted) {
        (Some(own), 0) => own.min(WINDOW),
        (Some(own), wanted) => own.min(wanted),
        (None, 0) => WINDOW,
        (None, wanted) => wanted,
    }
}

/// An error where the server is too old. One built from source calls itself 0.0.0 and is believed.
fn check_version(server: &Server, has: &str, architecture: &str) -> Result<(), PublishError> {
    let later = LATER.iter().find(|(name, _)| *name == architecture);
    let (what, needs) = later.map_or(("a JSON schema", NEEDED), |(name, needs)| (*name, *needs));
    match number(has) {
        Some(number) if number < needs && number != (0, 0, 0) => Err(PublishError::Version {
            address: server.shown().to_owned(),
            has: has.to_owned(),
            what: what.to_owned(),
            needs: format!("{}.{}.{}", needs.0, needs.1, needs.2),
        }),
        _ => Ok(()),
    }
}

/// The numbers of a version, whatever follows them; none where it is none.
fn number(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    let leading = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    Some((leading(parts.next()?)?, leading(parts.next()?)?, leading(parts.next().unwrap_or("0"))?))
}
