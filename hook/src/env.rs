//! What does the environment say? The only module that reads it.
#![expect(clippy::disallowed_methods, reason = "the one module that reads the environment")]

use std::{env, path::PathBuf};

/// The user's own configuration file: `$APPRENTICE_CONFIG`, or `apprentice/apprentice.toml` in the user's
/// configuration folder.
pub(crate) fn user_config() -> Option<PathBuf> {
    if let Some(path) = env::var_os("APPRENTICE_CONFIG") {
        return (!path.is_empty()).then(|| path.into());
    }
    let folder = match env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()?.join(".config"),
    };
    Some(folder.join("apprentice/apprentice.toml"))
}

/// The user's folder of models: `$APPRENTICE_MODELS`, or `apprentice/models` in the user's folder of data.
pub(crate) fn models() -> PathBuf {
    if let Some(path) = env::var_os("APPRENTICE_MODELS").filter(|path| !path.is_empty()) {
        return path.into();
    }
    data().unwrap_or_else(|| "apprentice".into()).join("models")
}

/// The user's folder of data.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    folder.map(|folder| folder.join("apprentice"))
}

/// The key for servers that speak OpenAI's protocol: `$APPRENTICE_API_KEY`, and nowhere else.
pub(crate) fn api_key() -> Option<String> {
    env::var("APPRENTICE_API_KEY").ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())
}

/// Where models of Hugging Face are fetched from, if not there: `$HF_ENDPOINT`, as its own tools have it.
pub(crate) fn hub() -> Option<String> {
    env::var("HF_ENDPOINT").ok().filter(|address| !address.is_empty())
}

/// Settings from the environment, as (variable, dotted key, value): `APPRENTICE_REVIEW__FAIL_ON` is `review.fail_on`.
pub(crate) fn settings() -> Vec<(String, String, String)> {
    let mut settings: Vec<_> = env::vars_os()
        .filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            let key = name.strip_prefix("APPRENTICE_")?;
            key.contains("__").then(|| (name.clone(), key.to_ascii_lowercase().replace("__", "."), value))
        })
        .collect();
    settings.sort();
    settings
}

/// Whether the person asked to leave this hook out: `SKIP=apprentice` as pre-commit has it, or `APPRENTICE_SKIP=1`.
pub(crate) fn is_skipped() -> bool {
    let listed = |skip: String| skip.split(',').any(|id| id.trim() == "apprentice");
    env::var("SKIP").is_ok_and(listed)
        || env::var_os("APPRENTICE_SKIP").is_some_and(|value| !value.is_empty() && value != "0")
}

/// The commits being merged, which `git merge` names to its hooks before `MERGE_HEAD` is there.
pub(crate) fn merged_heads() -> Vec<String> {
    let head = |(name, _): (std::ffi::OsString, _)| name.to_str()?.strip_prefix("GITHEAD_").map(str::to_owned);
    env::vars_os().filter_map(head).collect()
}

/// The two ends of what is pushed or asked for, as pre-commit and prek tell their hooks.
pub(crate) fn managed_range() -> Option<(String, String)> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    Some((set("PRE_COMMIT_FROM_REF")?, set("PRE_COMMIT_TO_REF")?))
}

/// The editor that git would open, given its `core.editor`: a line for the shell.
pub(crate) fn editor(of_git: Option<String>) -> String {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let of_git = of_git.filter(|value| !value.trim().is_empty());
    let found = set("GIT_EDITOR").or(of_git).or_else(|| set("VISUAL")).or_else(|| set("EDITOR"));
    found.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned())
}

/// Whether the terminal says that it can do nothing but print.
pub(crate) fn is_dumb_terminal() -> bool {
    env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// The path of this program.
pub(crate) fn program() -> Option<PathBuf> {
    env::current_exe().ok()
}

/// Changes the current folder.
pub(crate) fn enter(folder: &std::path::Path) -> std::io::Result<()> {
    env::set_current_dir(folder)
}

/// The system's folder for temporary files.
pub(crate) fn temporary() -> PathBuf {
    env::temp_dir()
}

/// Lets everybody else go first.
pub(crate) fn lower_priority() {
    // Where the system says no, the work is done at the usual priority.
    #[cfg(unix)]
    let _ = rustix::process::nice(19);
}

/// Leaves the terminal and the process group that a hook was started in, so that an interrupt there does not end it.
pub(crate) fn leave_terminal() {
    // The system says no to the first process of a group: that is one which a person started, and may interrupt.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

/// The variables by which git tells its hooks where they are and what they may see.
pub(crate) fn of_git() -> Vec<std::ffi::OsString> {
    let names = env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.as_encoded_bytes().starts_with(b"GIT_")).collect()
}
