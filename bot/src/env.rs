//! The environment: the one module that reads it.
#![expect(clippy::disallowed_methods, reason = "the one module that reads the environment")]

use std::path::PathBuf;

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The webhook's secret.
pub(crate) fn webhook_secret() -> Option<String> {
    text("APPRENTICE_WEBHOOK_SECRET")
}

/// A token to speak as.
pub(crate) fn token() -> Option<String> {
    text("APPRENTICE_GITHUB_TOKEN").or_else(|| text("GITHUB_TOKEN"))
}

/// The App's id.
pub(crate) fn app_id() -> Option<u64> {
    text("APPRENTICE_APP_ID")?.parse().ok()
}

/// The App's private key.
pub(crate) fn private_key() -> Option<String> {
    text("APPRENTICE_PRIVATE_KEY")
}

/// What is logged: `info`, `apprentice_bot=debug`.
pub(crate) fn log() -> Option<String> {
    text("APPRENTICE_LOG")
}

/// A key for a server of models.
pub(crate) fn api_key() -> Option<String> {
    text("APPRENTICE_API_KEY")
}

/// Where the user's models are.
pub(crate) fn models() -> Option<PathBuf> {
    Some(data()?.join("models"))
}

/// The user's folder of data.
pub(crate) fn data() -> Option<PathBuf> {
    let data =
        text("XDG_DATA_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(text("HOME")?).join(".local/share")))?;
    Some(data.join("apprentice"))
}

/// The folder for temporary files.
pub(crate) fn temporary() -> PathBuf {
    std::env::temp_dir()
}

/// A variable that GitHub's runner sets.
pub(crate) fn runner(name: &str) -> Option<String> {
    text(name)
}
