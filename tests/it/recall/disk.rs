//! Does a disk that is full or read-only keep anybody from searching?
//!
//! A user's own namespace lets us mount such disks without being root; where the kernel forbids that, the tests are left
//! out, loudly.
#![cfg(target_os = "linux")]

use kit::{Ran, TempRepo, binary, run};

use super::{answers, path, source, whole};

/// Runs a script in a namespace in which it may mount; none where that is not to be had.
fn in_namespace(repo: &TempRepo, script: &str) -> Option<Ran> {
    let unshare = |script: &str| {
        let mut command = repo.command("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-e", "-c", script]).env("A", binary());
        command.env("INDEX", repo.path(".git/apprentice"));
        run(command, b"")
    };
    kit::tool("unshare")?;
    let tried = unshare("mount -t tmpfs -o size=1m none /mnt");
    if tried.code != 0 {
        let required = std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "no namespace of our own: {}", tried.err);
        eprintln!("LEFT OUT: this kernel gives no namespace in which one may mount: {}", tried.err);
        return None;
    }
    Some(unshare(script))
}

const READ_ONLY: &str = "mount --bind \"$INDEX\" \"$INDEX\"; mount -o remount,ro,bind \"$INDEX\"\n";

#[test]
fn a_read_only_index_is_searched_and_says_what_it_cannot() {
    let repo = answers(30);
    repo.apprentice(&["index", "build"]).expect_code(0);
    for with_log in [false, true] {
        if with_log {
            // A reader leaves the log that a writer would have taken away.
            repo.apprentice(&["search", "answer"]).expect_code(0);
        }
        repo.write(path(3), source(3, "later"));
        let script = format!(
            "{READ_ONLY} $A search answer_7 -k 1; $A index status --verify; $A index update || echo \"code $?\"; \
             $A index update --background || echo \"code $?\""
        );
        let Some(ran) = in_namespace(&repo, &script) else { return };
        let ran = ran.expect_code(0).expect_said("answer_7.py").expect_said("whole").expect_said("1 files differ");
        ran.expect_said("cannot write").expect_said("try: make that folder writable").expect_said("code 2");
    }
    whole_after_update(&repo);
}

#[track_caller]
fn whole_after_update(repo: &TempRepo) {
    repo.apprentice(&["index", "update"]).expect_code(0);
    whole(&repo.at("repo"));
}

#[test]
fn without_an_index_a_read_only_repository_says_what_to_do() {
    let repo = answers(3);
    let script = "mount --bind . .; mount -o remount,ro,bind .; cd \"$PWD\"; $A search answer";
    let Some(ran) = in_namespace(&repo, script) else { return };
    ran.expect_code(2).expect_said("there is no index").expect_said("cannot make").expect_said("try: make that folder");
}

#[test]
fn a_read_only_repository_with_a_killed_writers_log_is_searched() {
    let repo = answers(30);
    repo.apprentice(&["index", "build"]).expect_code(0);
    // The log of a writer that was ended before it could put it into the store.
    let script = "cd .git/apprentice/index/*/ && python3 -c \"\nimport os, sqlite3\nd = sqlite3.connect('store.db')\n\
                  d.execute('INSERT INTO meta VALUES(?, ?)', ('probe', 'x')); d.commit(); os._exit(0)\"";
    if kit::tool("python3").is_none() {
        return;
    }
    let mut command = repo.command("sh");
    command.args(["-c", script]);
    run(command, b"").expect_code(0);
    let Some(ran) = in_namespace(&repo, &format!("{READ_ONLY} $A search answer_7 -k 1; $A index status --verify"))
    else {
        return;
    };
    ran.expect_code(0).expect_said("answer_7.py").expect_said("whole");
}

#[test]
fn a_full_disk_leaves_the_old_index() {
    let repo = answers(60);
    repo.write(".git/apprentice/keep", "");
    let fill = "cat /dev/zero > \"$INDEX/full\" 2>/dev/null || true\n";
    for room in ["0", "40k", "100k", "400k"] {
        let script = format!(
            "mount -t tmpfs -o size=4m none \"$INDEX\"
             $A index build > /dev/null
             {fill} truncate -s -{room} \"$INDEX/full\"
             for i in 1 2 3; do sed -i s/first/second$i/ part*/*.py; $A index build || echo \"build: code $?\"
             $A search answer_7 -k 1; $A index update || echo \"update: code $?\"; $A search answer_7 -k 1; done
             cd \"$INDEX\" && rm full && cd - > /dev/null
             sed -i s/second1/third/ part*/*.py
             $A index update; $A index status --verify; $A search third -k 1 --json",
        );
        let Some(ran) = in_namespace(&repo, &script) else { return };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        let ran = ran.expect_code(0).expect_said("whole").expect_said("up to date").expect_said("third");
        if room == "0" {
            ran.expect_said("build: code 2").expect_said("update: code 2").expect_said("try: free some space");
        }
        for number in 0..60 {
            repo.write(path(number), source(number, "first"));
        }
    }
}
