//! Do our hooks behave in every way that git runs hooks?
#![expect(clippy::disallowed_methods, reason = "tests make the files and processes they look at")]

use std::fs;

use kit::{Ran, TempRepo, binary, run};

const BAD: &str = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> topic\n";
const FOUND: &str = "any/conflict-marker";

/// A repository with one commit and our hooks for commits and merges.
fn hooked() -> TempRepo {
    let repo = TempRepo::empty();
    repo.write("a.txt", "one\ntwo\nthree\n");
    commit_all(&repo, "first");
    repo.apprentice(&["hook", "install"])
        .expect_code(0)
        .expect_said("pre-commit: installed")
        .expect_said("pre-merge-commit: installed");
    repo
}

fn commit_all(repo: &TempRepo, message: &str) {
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", message]);
}

fn head(repo: &TempRepo) -> String {
    repo.git(&["rev-parse", "HEAD"])
}

/// The command fails with our finding, and no commit is made.
#[track_caller]
fn stopped(repo: &TempRepo, args: &[&str]) -> Ran {
    let before = head(repo);
    let ran = repo.try_git(args).expect_said(FOUND).expect_said("Stopped by apprentice");
    assert_ne!(ran.code, 0, "{}", ran.said());
    assert_eq!(head(repo), before);
    ran
}

#[test]
fn a_commit_with_an_error_is_stopped_and_one_without_is_not() {
    let repo = hooked();
    repo.write("b.txt", BAD);
    repo.git(&["add", "b.txt"]);
    stopped(&repo, &["commit", "-m", "bad"]).expect_said("git commit --no-verify");
    repo.write("b.txt", "good\n");
    stopped(&repo, &["commit", "-m", "the index is what counts, not the work tree"]);
    repo.git(&["add", "b.txt"]);
    repo.git(&["commit", "-m", "good"]);
}

#[test]
fn commit_all_and_commit_path_are_seen_as_they_will_be_committed() {
    let repo = hooked();
    repo.write("a.txt", BAD);
    stopped(&repo, &["commit", "-a", "-m", "bad"]);
    stopped(&repo, &["commit", "-m", "bad", "a.txt"]);
    repo.write("good.txt", "fine\n");
    repo.git(&["add", "good.txt", "a.txt"]);
    repo.git(&["commit", "-m", "only the good one", "good.txt"]);
    assert_eq!(repo.git(&["status", "--porcelain"]), "M  a.txt");
}

#[test]
fn commit_patch_is_seen_as_it_will_be_committed() {
    let repo = hooked();
    let body: String = (0..30).map(|line| format!("{line}\n")).collect();
    repo.write("a.txt", &body);
    commit_all(&repo, "long");
    repo.write("a.txt", format!("first\n{body}{BAD}"));
    let commit = |answers: &str| {
        let mut command = repo.command("git");
        command.args(["commit", "--patch", "-m", "part"]);
        run(command, answers.as_bytes())
    };
    let before = head(&repo);
    let ran = commit("n\ny\n").expect_said(FOUND);
    assert!(ran.code != 0 && head(&repo) == before);
    commit("y\nn\n").expect_code(0);
    assert_eq!(repo.show("HEAD:a.txt"), format!("first\n{body}"));
    assert_eq!(repo.text("a.txt"), format!("first\n{body}{BAD}"));
}

#[test]
fn amend_no_verify_and_skip() {
    let repo = hooked();
    repo.write("a.txt", BAD);
    repo.git(&["add", "a.txt"]);
    stopped(&repo, &["commit", "--amend", "--no-edit"]);
    for (name, value) in [("SKIP", "flake8,apprentice"), ("APPRENTICE_SKIP", "1")] {
        let mut command = repo.command("git");
        command.args(["commit", "--amend", "--no-edit"]).env(name, value);
        run(command, b"").expect_code(0);
        repo.git(&["reset", "--soft", "HEAD@{1}"]);
    }
    repo.git(&["commit", "--no-verify", "-m", "on purpose"]);
    repo.write("a.txt", format!("{BAD}more\n"));
    repo.git(&["add", "a.txt"]);
    repo.git(&["commit", "-m", "what was there is not told again"]);
}

/// Two branches that touch different files; `topic` brings an error that was committed on purpose.
fn forked(repo: &TempRepo) {
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write("topic.txt", BAD);
    commit_all(repo, "topic");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("main.txt", "main\n");
    commit_all(repo, "main");
}

#[test]
fn a_merge_is_reviewed_for_what_it_adds_to_both_sides() {
    let repo = hooked();
    forked(&repo);
    repo.git(&["merge", "--no-edit", "topic"]);
    assert_eq!(repo.git(&["rev-list", "--count", "--merges", "HEAD"]), "1");
}

#[test]
fn a_conflict_left_in_a_merge_is_stopped() {
    let repo = hooked();
    for (branch, line) in [("topic", "TOPIC"), ("other", "OTHER")] {
        repo.git(&["checkout", "-q", "-b", branch, "main"]);
        repo.write("a.txt", format!("one\n{line}\nthree\n"));
        commit_all(&repo, branch);
    }
    assert_eq!(repo.try_git(&["merge", "topic"]).code, 1);
    repo.git(&["add", "a.txt"]);
    stopped(&repo, &["commit", "--no-edit"]);
    repo.write("a.txt", "one\nBOTH\nthree\n");
    repo.git(&["add", "a.txt"]);
    repo.git(&["commit", "--no-edit"]);
    assert_eq!(repo.git(&["rev-list", "--count", "--merges", "HEAD"]), "1");
}

#[test]
fn rebase_cherry_pick_and_revert_go_through() {
    let repo = hooked();
    forked(&repo);
    repo.apprentice(&["hook", "install", "--type", "post-merge,post-rewrite,pre-commit"]).expect_code(0);
    repo.git(&["cherry-pick", "topic"]);
    repo.git(&["revert", "--no-edit", "HEAD"]);
    repo.git(&["checkout", "-q", "topic"]);
    repo.git(&["rebase", "--exec", "true", "main"]);
    repo.git(&["commit", "--amend", "--no-edit", "--no-verify"]);
    let mut command = repo.command("git");
    command
        .args(["rebase", "--interactive", "--force-rebase", "HEAD~2"])
        .env("GIT_SEQUENCE_EDITOR", "sed -i.bak 's/^pick/reword/'");
    run(command, b"").expect_said("Successfully rebased").expect_code(0);
    assert!(repo.git(&["status", "--porcelain"]).is_empty());
}

#[test]
fn worktrees_subfolders_and_submodules() {
    let repo = hooked();
    let other = repo.home().join("other");
    repo.git(&["worktree", "add", "-q", "-b", "other", other.to_str().expect("a path in UTF-8")]);
    let git_in = |folder: &std::path::Path, args: &[&str]| {
        let mut command = repo.command("git");
        command.current_dir(folder).args(["-c", "protocol.file.allow=always"]).args(args);
        run(command, b"")
    };
    fs::write(other.join("b.txt"), BAD).expect("our own file");
    git_in(&other, &["add", "b.txt"]).expect_code(0);
    git_in(&other, &["commit", "-m", "bad"]).expect_code(1).expect_said(FOUND).expect_said("b.txt");

    repo.write("deep/er/c.txt", BAD);
    let deep = repo.path("deep/er");
    git_in(&deep, &["add", "c.txt"]).expect_code(0);
    git_in(&deep, &["commit", "-m", "bad"]).expect_code(1).expect_said(FOUND).expect_said("deep/er/c.txt");
    repo.git(&["reset", "-q", "--hard"]);

    let outer = TempRepo::empty();
    let inner = repo.root().to_str().expect("a path in UTF-8");
    outer.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "inner"]);
    outer.apprentice(&["hook", "install"]).expect_code(0);
    outer.git(&["commit", "-q", "-m", "a submodule"]);
    outer.apprentice(&["-C", "inner", "hook", "install"]).expect_code(0);
    outer.write("inner/d.txt", BAD);
    git_in(&outer.path("inner"), &["add", "d.txt"]).expect_code(0);
    git_in(&outer.path("inner"), &["commit", "-m", "bad"]).expect_code(1).expect_said(FOUND);
    git_in(&outer.path("inner"), &["commit", "-q", "--no-verify", "-m", "bad"]).expect_code(0);
    outer.git(&["commit", "-q", "-a", "-m", "the submodule moves"]);
}

#[test]
fn a_bare_path_and_an_explicit_git_dir() {
    let repo = hooked();
    repo.write("b.txt", BAD);
    repo.git(&["add", "b.txt"]);
    let mut command = repo.command("git");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", repo.home());
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-m", "bad"]);
    run(command, b"").expect_code(1).expect_said(FOUND);

    let mut command = repo.command("git");
    command.current_dir(repo.home()).env("GIT_DIR", repo.path(".git")).env("GIT_WORK_TREE", repo.root());
    command.args(["commit", "-m", "bad"]);
    run(command, b"").expect_code(1).expect_said(FOUND);
}

#[test]
fn a_commit_that_fails_after_us_fails_as_without_us() {
    let repo = hooked();
    repo.write("b.txt", "good\n");
    repo.git(&["add", "b.txt"]);
    let signed = repo.try_git(&["-c", "gpg.program=false", "commit", "-S", "-m", "locked key"]);
    assert_ne!(signed.code, 0);
    let mut command = repo.command("git");
    command.arg("commit").env("GIT_EDITOR", "false");
    assert_ne!(run(command, b"").code, 0);
    assert_eq!(repo.git(&["status", "--porcelain"]), "A  b.txt");
}

/// A fix made while git holds a temporary index must be in the commit and not seem undone afterwards.
#[test]
fn apply_in_a_hook_lands_in_the_commit_and_stays() {
    for args in [&["commit", "-m", "x"][..], &["commit", "-a", "-m", "x"], &["commit", "-m", "x", "a.py"]] {
        let repo = TempRepo::empty();
        repo.write("a.py", "x = 1\n");
        repo.write("b.py", "y = 1\n");
        commit_all(&repo, "first");
        let rule = "category: bug\nseverity: error\nwhat: w\nwhy: w\nrule: {pattern: bad($N)}\nfix: good($N)\napplicability: safe\n\
                    valid: [good(1)]\ninvalid: [{code: bad(1), fixed: good(1)}]\n";
        repo.write(".apprentice/rules/python/bad.yml", rule);
        let hook = format!("#!/bin/sh\n'{}' review --apply --no-linters >&2\n", binary().display());
        repo.write_program(".git/hooks/pre-commit", &hook);
        repo.write("a.py", "bad(1)\n");
        repo.git(&["add", "a.py"]);
        repo.write("b.py", "y = 1\nunstaged = 2\n");
        repo.try_git(args).expect_code(0).expect_said("fixed: a.py");
        assert_eq!(repo.show("HEAD:a.py"), "good(1)\n", "{args:?}");
        assert_eq!(repo.text("a.py"), "good(1)\n");
        assert_eq!(repo.git(&["diff", "HEAD", "--", "a.py"]), "", "{args:?}");
        assert_eq!(repo.git(&["diff", "--cached"]), "", "{args:?}");
        assert_eq!(repo.text("b.py"), "y = 1\nunstaged = 2\n");
    }
}

/// A repository with a bare remote and our pre-push hook.
fn with_remote() -> TempRepo {
    let repo = hooked();
    let remote = repo.home().join("remote.git").display().to_string();
    repo.git(&["init", "-q", "--bare", &remote]);
    repo.git(&["remote", "add", "origin", &remote]);
    repo.git(&["push", "-q", "origin", "main"]);
    repo.apprentice(&["hook", "install", "--type", "pre-push"]).expect_code(0);
    repo
}

#[test]
fn pushes_are_reviewed_for_what_the_remote_has_not() {
    let repo = with_remote();
    repo.write("b.txt", BAD);
    commit_all(&repo, "bad");
    for push in
        [&["push", "origin", "main"][..], &["push", "origin", "main:new"], &["push", "--force", "origin", "main:main"]]
    {
        let ran = repo.try_git(push).expect_said(FOUND).expect_said("git push --no-verify");
        assert_ne!(ran.code, 0, "{push:?}");
    }
    repo.git(&["tag", "-a", "v1", "-m", "one"]);
    assert_ne!(repo.try_git(&["push", "origin", "v1"]).expect_said(FOUND).code, 0);
    repo.git(&["push", "-q", "--no-verify", "origin", "main", "main:gone"]);
    // Nothing new from here on: deleting, tagging, branching at what is there, and nothing at all.
    repo.git(&["push", "-q", "origin", "--delete", "gone"]);
    repo.git(&["push", "-q", "origin", "v1", "main:again"]);
    repo.git(&["push", "-q", "origin", "main"]);
    repo.git(&["commit", "-q", "--amend", "-m", "another message"]);
    // Rewritten history is read from where it forks.
    assert_ne!(repo.try_git(&["push", "--force", "origin", "main"]).expect_said(FOUND).code, 0);
}

#[test]
fn a_chained_hook_runs_first_hears_what_git_says_and_stops_us() {
    let repo = with_remote();
    repo.apprentice(&["hook", "uninstall"]).expect_code(0);
    let hook = "#!/bin/sh\nlines=0\nwhile read -r a b c d; do lines=$((lines + 1)); done\n\
                echo \"chained $1 heard $lines\" >&2\n[ ! -e stop ] || exit 7\n";
    repo.write_program(".git/hooks/pre-push", hook);
    repo.apprentice(&["hook", "install", "--type", "pre-push"])
        .expect_code(0)
        .expect_said("the hook that was there runs first");
    repo.write("b.txt", BAD);
    commit_all(&repo, "bad");
    let ran =
        repo.try_git(&["push", "origin", "main", "main:two"]).expect_said("chained origin heard 2").expect_said(FOUND);
    assert_ne!(ran.code, 0);
    repo.write("stop", "");
    let ran = repo.try_git(&["push", "origin", "main"]).expect_said("chained origin heard 1");
    assert!(ran.code != 0 && !ran.said().contains(FOUND), "we ran after a hook that failed");
    fs::remove_file(repo.path("stop")).expect("our own file");
    repo.git(&["push", "-q", "--no-verify", "origin", "main"]);
    repo.try_git(&["push", "origin", "main"]).expect_code(0).expect_said("chained origin heard 0");
}

#[test]
fn post_merge_says_when_rules_cannot_be_used_any_more() {
    let repo = hooked();
    repo.apprentice(&["hook", "install", "--type", "post-merge,post-rewrite"]).expect_code(0);
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write(".apprentice/rules/python/broken.yml", "category: nonsense\n");
    commit_all(&repo, "a broken rule");
    repo.git(&["checkout", "-q", "main"]);
    repo.try_git(&["merge", "topic"]).expect_code(0).expect_said("broken.yml");
}

#[test]
fn uninstall_restores_what_was_there() {
    let repo = TempRepo::empty();
    let own = "#!/bin/sh\necho mine\n";
    repo.write_program(".git/hooks/pre-commit", own);
    let listing = || {
        let mut names: Vec<_> =
            fs::read_dir(repo.path(".git/hooks")).expect("hooks").flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = listing();
    repo.apprentice(&["hook", "install", "--type", "pre-commit,pre-push,post-merge"]).expect_code(0);
    repo.apprentice(&["hook", "install", "--type", "pre-commit"]).expect_code(0).expect_said("installed anew");
    repo.apprentice(&["hook", "status"])
        .expect_code(0)
        .expect_said("pre-commit: installed, after the hook that was there")
        .expect_said("pre-push: installed");
    repo.write("a.txt", "x\n");
    repo.git(&["add", "a.txt"]);
    repo.try_git(&["commit", "-m", "x"]).expect_code(0).expect_said("mine");
    repo.apprentice(&["hook", "uninstall"]).expect_code(0).expect_said("pre-commit: removed");
    assert_eq!((listing(), repo.text(".git/hooks/pre-commit")), (before, own.to_owned()));
    repo.apprentice(&["hook", "uninstall"]).expect_code(0).expect_said("no hook of ours is installed");
    repo.try_git(&["commit", "--amend", "-m", "y"]).expect_code(0).expect_said("mine");
}

#[test]
fn hooks_path_own_shared_and_husky() {
    let repo = TempRepo::empty();
    repo.write("a.txt", BAD);
    repo.git(&["add", "a.txt"]);
    repo.git(&["config", "core.hooksPath", "tools/hooks"]);
    repo.apprentice(&["hook", "install"]).expect_code(0);
    assert!(repo.path("tools/hooks/pre-commit").is_file());
    repo.try_git(&["commit", "-m", "x"]).expect_code(1).expect_said(FOUND);
    repo.git(&["config", "--unset", "core.hooksPath"]);

    let shared = repo.home().join("shared");
    let global = repo.home().join("gitconfig");
    fs::write(&global, format!("[core]\n\thooksPath = {}\n", shared.display())).expect("our own file");
    let install = |force: &[&str]| {
        let mut command = repo.command(binary());
        command.args(["hook", "install"]).args(force).env("GIT_CONFIG_GLOBAL", &global);
        run(command, b"")
    };
    install(&[]).expect_code(2).expect_said("which other repositories share").expect_said("--force");
    assert!(!shared.exists());
    install(&["--force"]).expect_code(0);
    assert!(shared.join("pre-commit").is_file());

    repo.write(".husky/_/h", "");
    repo.write_program(".husky/_/pre-commit", "#!/bin/sh\n. \"${0%/*}/../pre-commit\"\n");
    repo.write(".husky/pre-commit", "echo husky\n");
    repo.git(&["config", "core.hooksPath", ".husky/_"]);
    repo.apprentice(&["hook", "install", "--type", "pre-commit,pre-push"]).expect_code(0).expect_said("added to");
    repo.apprentice(&["hook", "status"]).expect_said("pre-commit: installed through husky");
    assert_eq!(repo.text(".husky/pre-commit"), "echo husky\napprentice hook run pre-commit -- \"$@\"\n");
    let mut command = repo.command("git");
    let folder = binary().parent().expect("a folder").to_owned();
    let path = std::env::join_paths([folder.as_path(), "/usr/bin".as_ref(), "/bin".as_ref()]).expect("a path");
    command.args(["commit", "-m", "x"]).env("PATH", path);
    run(command, b"").expect_code(1).expect_said("husky").expect_said(FOUND);
    repo.apprentice(&["hook", "uninstall"]).expect_code(0);
    assert_eq!(repo.text(".husky/pre-commit"), "echo husky\n");
    assert!(!repo.path(".husky/pre-push").exists(), "a file we made stays behind");
}

#[test]
fn a_second_hook_set_aside_is_never_overwritten() {
    let repo = TempRepo::empty();
    repo.write_program(".git/hooks/pre-commit", "#!/bin/sh\necho one\n");
    repo.apprentice(&["hook", "install"]).expect_code(0);
    repo.write_program(".git/hooks/pre-commit", "#!/bin/sh\necho two\n");
    repo.apprentice(&["hook", "install"])
        .expect_code(2)
        .expect_said("pre-commit.before-apprentice")
        .expect_said("move the other away");
    assert_eq!(repo.text(".git/hooks/pre-commit"), "#!/bin/sh\necho two\n");
    assert_eq!(repo.text(".git/hooks/pre-commit.before-apprentice"), "#!/bin/sh\necho one\n");
}

#[test]
fn a_hook_that_cannot_run_lets_git_go_on_unless_told_otherwise() {
    let repo = hooked();
    repo.write("b.txt", "good\n");
    repo.write("apprentice.toml", "[review]\nnonsense = 1\n");
    repo.git(&["add", "b.txt"]);
    repo.try_git(&["commit", "-m", "x"])
        .expect_code(0)
        .expect_said("apprentice.toml")
        .expect_said("nonsense")
        .expect_said("The review is left out");
    repo.write("apprentice.toml", "[hook]\non_failure = \"block\"\n");
    repo.write(".apprentice/baseline.json", "not json");
    repo.write("c.txt", "good\n");
    repo.git(&["add", "c.txt"]);
    assert_ne!(repo.try_git(&["commit", "-m", "x"]).expect_said("baseline.json").code, 0);
}

#[test]
fn a_program_that_is_gone_does_not_stop_git() {
    let repo = hooked();
    let hook = repo.text(".git/hooks/pre-commit").replace(&binary().display().to_string(), "/nowhere/apprentice");
    repo.write_program(".git/hooks/pre-commit", &hook);
    repo.write("b.txt", BAD);
    repo.git(&["add", "b.txt"]);
    let mut command = repo.command("git");
    command.args(["commit", "-m", "x"]).env("PATH", "/usr/bin:/bin");
    run(command, b"").expect_code(0).expect_said("not found; the pre-commit review is left out");
}
