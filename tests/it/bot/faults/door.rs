//! Is what was accepted kept when the disk is full, and what was not, refused?

use super::super::{BEFORE, HASTY, Serving, assert_clean, assert_said_once, concluded, demo, opened, status, wait};

/// A wrapper that gives the bot a small disk of its own for its state; none where this kernel gives none.
fn small_disk() -> Option<Vec<String>> {
    kit::tool("unshare")?;
    let line = |script: &str| {
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"].map(str::to_owned)
    };
    let wrapper = line("mount -t tmpfs -o size=4m none state; exec \"$@\"").to_vec();
    let tried = line("mount -t tmpfs -o size=1m none /mnt");
    let tried = std::process::Command::new(&tried[0]).args(&tried[1..]).output().expect("unshare runs");
    if tried.status.success() {
        return Some(wrapper);
    }
    let required = std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    let why = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(!required, "no namespace of our own: {why}");
    eprintln!("LEFT OUT: this kernel gives no namespace in which one may mount: {why}");
    None
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_turns_deliveries_away_until_there_is_room() {
    let Some(wrapper) = small_disk() else { return };
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let mut bot = Serving::prepare(&forge, HASTY);
    let state = bot.folder.path().join("state");
    std::fs::create_dir(&state).expect("a folder");
    bot.wrapper = wrapper;
    bot.spawn();
    // The disk as the bot sees it.
    let id = bot.child.as_ref().expect("a process").id();
    let seen = std::path::PathBuf::from(format!("/proc/{id}/root{}", state.display()));
    assert!(seen.join("state.db").exists(), "the namespace of {id} cannot be looked into");
    let filler = seen.join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|many| many > 0) {}

    let (pull, head) = opened(&repo);
    assert!(forge.settle(super::super::LONG));
    let hook = forge.deliveries().into_iter().find(|hook| hook.action.as_deref() == Some("opened")).expect("a hook");
    assert_eq!(hook.status, 503, "{}", bot.log());
    assert_eq!(status(&bot.get("/healthz").expect("an answer")), 200);

    drop(file);
    std::fs::remove_file(&filler).expect("removed");
    assert!(forge.redeliver(hook.id));
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 2);
    assert_clean(&forge);
}

#[test]
fn a_second_process_on_the_same_state_is_refused() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    let second = kit::Ran::from(bot.serve().output().expect("it runs"));
    second.expect_code(2).expect_said("another apprentice-bot runs on");
    let (_, head) = opened(&repo);
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    wait("the first to be ready still", || bot.get("/readyz").is_some_and(|answer| status(&answer) == 200));
}
