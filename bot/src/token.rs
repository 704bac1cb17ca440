//! Who are we, and may we do what we do? `apprentice-bot token check`.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Result, anyhow};

use crate::{
    github::GitHub,
    settings::{File, Identity},
};

/// What the bot's App has to be allowed, and what for.
pub(crate) const NEEDED: [(&str, &str, &str); 4] = [
    ("checks", "write", "the check run of a review"),
    ("contents", "read", "the commits that are reviewed"),
    ("metadata", "read", "who may do what"),
    ("pull_requests", "write", "reviews, replies and reactions"),
];

/// A client for the identity that is configured.
pub(crate) fn github(settings: &File) -> Result<GitHub> {
    GitHub::new(&settings.github.api, &settings.github.web, &settings.identity()?).map_err(|why| anyhow!("{why}"))
}

/// Says what is there of what is needed, and returns how much is missing.
fn tell_rights(rights: &BTreeMap<String, String>) -> usize {
    let mut missing = 0;
    for (right, level, purpose) in NEEDED {
        let has = rights.get(right).map(String::as_str);
        let found = has.unwrap_or("nothing");
        if has == Some(level) || has == Some("write") {
            anstream::println!("ok       {right}: {found}");
        } else {
            missing += 1;
            anstream::println!("missing  {right}: {level} (has {found}), for {purpose}");
        }
    }
    missing
}

/// Asks GitHub who we are, and says what is missing.
pub(crate) async fn check(settings: &File) -> Result<ExitCode> {
    let identity = settings.identity()?;
    let github = github(settings)?;
    let (name, rights) = github.whoami().await?;
    let Identity::App { id, .. } = identity else {
        anstream::println!("token of {name}; scopes: {}", rights.into_keys().collect::<Vec<_>>().join(", "));
        anstream::println!("note: a personal token makes no check runs, and there are no webhooks to redeliver");
        return Ok(ExitCode::SUCCESS);
    };
    anstream::println!("App {name} ({id})");
    let mut missing = tell_rights(&rights);
    let installations = github.installations().await?;
    for (id, whose, granted) in &installations {
        anstream::println!("installed for {whose} ({id})");
        // Whoever installed it before it asked for more has to accept that.
        if *granted != rights {
            missing += tell_rights(granted);
        }
    }
    if installations.is_empty() {
        anstream::println!("missing  it is installed nowhere; install it from its page on GitHub");
    }
    Ok(if missing == 0 && !installations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
