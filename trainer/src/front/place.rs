//! Where are we, and what time is it? The one module of the command that asks the environment.
#![expect(clippy::disallowed_methods, reason = "the one module of this command that asks the environment")]

use std::{
    env,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use engine::git::Repository;

/// The repository's folder of private things, or the user's where there is no repository.
pub(crate) fn state(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = given {
        return Ok(folder.to_owned());
    }
    if let Some(common) = common() {
        return Ok(common.join("apprentice"));
    }
    users().context("there is no repository and no home: name a folder with `--state`")
}

/// Where adapters for a project alone are kept, or those for all of a user's projects.
pub(crate) fn shelf(given: Option<&Path>, project: bool) -> Result<PathBuf> {
    match (given, project) {
        (Some(folder), _) => Ok(folder.to_owned()),
        (None, true) => {
            let common = common().context("there is no repository here: `--project` is for one")?;
            Ok(common.join("apprentice"))
        }
        (None, false) => users().context("there is no home: name a folder with `--state`"),
    }
}

/// The user's folder of data.
fn users() -> Option<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let data = data.or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    data.map(|data| data.join("apprentice"))
}

/// The `.git` that all work trees share, where there is a repository.
pub(crate) fn common() -> Option<PathBuf> {
    Repository::discover(Path::new(".")).ok().map(|repository| repository.common_dir().to_owned())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    seconds(SystemTime::now())
}

/// A moment in seconds since 1970.
pub(crate) fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The path of this program.
pub(crate) fn program() -> Result<PathBuf> {
    env::current_exe().context("it is not known where this program lies")
}

/// Lets everybody else go first: this process and those that it starts.
pub(crate) fn lower_priority() {
    // Where the system says no, the work is done at the usual priority.
    #[cfg(unix)]
    let _ = rustix::process::nice(19);
}
