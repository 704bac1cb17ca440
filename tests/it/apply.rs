//! Does a fix reach the index and the work tree without losing a byte of either, whatever happens meanwhile?
#![expect(clippy::disallowed_methods, reason = "tests make the files and processes they look at")]

mod states;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use engine::{
    check::rule::RuleSet,
    config::Config,
    git::{Landing, Repository, StagedFile},
    pipeline::Engine,
    review::Baseline,
    source::{Content, RepoPath},
};
use kit::{Ran, TempRepo, binary, run};
use proptest::{prelude::*, strategy::ValueTree as _};

use states::{Expected, FileState, State};

/// Every file of the work tree with its bytes and times, and the index's bytes and time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    files: BTreeMap<PathBuf, (Vec<u8>, SystemTime)>,
    index: (Vec<u8>, SystemTime),
}

impl Snapshot {
    fn of(repo: &TempRepo) -> Self {
        let mut files = BTreeMap::new();
        collect(repo.root(), repo.root(), &mut files);
        Self { files, index: with_time(&repo.path(".git/index")) }
    }
}

fn with_time(path: &Path) -> (Vec<u8>, SystemTime) {
    let meta = fs::symlink_metadata(path).expect("a file that is there");
    (fs::read(path).unwrap_or_default(), meta.modified().expect("a file system with times"))
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<PathBuf, (Vec<u8>, SystemTime)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if entry.file_type().expect("a type").is_dir() {
            if entry.file_name() != ".git" {
                collect(root, &path, into);
            }
        } else {
            into.insert(path.strip_prefix(root).expect("below the root").to_owned(), with_time(&path));
        }
    }
}

fn staged_bytes(repository: &Arc<Repository>, path: &str) -> Vec<u8> {
    let versions = repository.staged().expect("a readable index");
    match versions.new.read(&RepoPath::new(path).expect("a path")) {
        Ok(Some(Content::Bytes(bytes))) => bytes.to_vec(),
        other => panic!("{path} in the index: {other:?}"),
    }
}

/// Brings index and work tree into a state, whatever they were before.
fn set_up(repo: &TempRepo, state: &State) {
    for entry in fs::read_dir(repo.root()).expect("the work tree").flatten() {
        let path = entry.path();
        match entry.file_type().expect("a type").is_dir() {
            true if entry.file_name() == ".git" => {}
            true => fs::remove_dir_all(path).expect("our own folder"),
            false => fs::remove_file(path).expect("our own file"),
        }
    }
    for file in &state.files {
        repo.write(&file.path, file.before());
        states::set_executable(&repo.path(&file.path), file.executable);
    }
    repo.git(&["-c", "core.autocrlf=false", "add", "--all"]);
    for file in &state.files {
        file.make_unstaged_edits(&repo.path(&file.path));
    }
    for (name, text) in &state.untracked {
        repo.write(name, text);
    }
    if state.intent_to_add {
        repo.write("intended.txt", "not yet\n");
        repo.git(&["add", "--intent-to-add", "intended.txt"]);
    }
}

fn landed_right(repo: &TempRepo, file: &FileState, landing: &Landing, before: &Snapshot, index: &[u8]) {
    let key = PathBuf::from(&file.path);
    let now = Snapshot::of(repo).files.get(&key).cloned();
    let was = before.files.get(&key).cloned();
    let expected = file.expected();
    match landing {
        Landing::Left(why) => {
            assert!(!matches!(expected, Expected::Lands(_)), "left though nothing meets: {why}\n{file:#?}");
            assert!(!why.is_empty());
            assert_eq!((now, index), (was, &*file.before()), "left, and yet touched: {file:#?}");
        }
        Landing::Landed => {
            assert_eq!(index, file.after(), "the index is not what was fixed: {file:#?}");
            assert_ne!(expected, Expected::Meets, "landed on top of an unstaged edit: {file:#?}");
            let text = now.as_ref().map(|(bytes, _)| bytes.clone());
            match expected {
                Expected::Lands(wanted) | Expected::Either(wanted) => assert_eq!(text, wanted, "{file:#?}"),
                Expected::Meets => unreachable!("held above"),
            }
        }
    }
}

thread_local! {
    /// One repository for all cases of a thread; each case sets it up from scratch.
    static SHARED: TempRepo = TempRepo::empty();
    static ENGINE: Engine =
        Engine::new(Config::default(), RuleSet::builtin(), Baseline::default()).expect("the defaults are in order");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_200, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_review_changes_nothing_and_a_fix_loses_nothing(state in states::state()) {
        SHARED.with(|repo| {
            set_up(repo, &state);
            let before = Snapshot::of(repo);
            let repository = Arc::new(Repository::discover(repo.root()).expect("a repository"));

            let review = ENGINE.with(|engine| engine.review(repository.staged().expect("a staged change")));
            assert!(!review.is_incomplete(), "{:?}", review.notices);
            assert_eq!(Snapshot::of(repo), before, "the review changed something");

            let staged = |file: &FileState| StagedFile {
                path: RepoPath::new(&file.path).expect("a path"),
                before: file.before(),
                after: file.after(),
            };
            let files: Vec<StagedFile> = state.files.iter().map(staged).collect();
            let landings = repository.land(&files).expect("nothing stands in the way");
            for (file, landing) in state.files.iter().zip(&landings) {
                landed_right(repo, file, landing, &before, &staged_bytes(&repository, &file.path));
            }
            let after = Snapshot::of(repo);
            let fixed = |path: &Path| state.files.iter().any(|file| path == Path::new(&file.path));
            let others = |snapshot: &Snapshot| -> Vec<_> {
                snapshot.files.clone().into_iter().filter(|(path, _)| !fixed(path)).collect()
            };
            assert_eq!(others(&after), others(&before), "a file that had no fix changed");
            assert!(!repo.path(".git/index.lock").exists());
            assert_eq!(fs::read_dir(repo.path(".git/apprentice/tmp")).expect("our folder").count(), 0);
        });
    }
}

/// Calls of `bad` become calls of `good`.
const RULE: &str = "category: bug\nseverity: error\nconfidence: high\nwhat: \"`bad` is bad\"\nwhy: Use `good`.\n\
                    languages: [python]\nrule:\n  pattern: bad($N)\nfix: good($N)\napplicability: safe\n\
                    valid: [good(1)]\ninvalid:\n  - code: bad(1)\n    fixed: good(1)\n";

/// A repository with that rule and `files` files, each with two staged findings and an unstaged edit between them.
fn half_staged(files: usize) -> TempRepo {
    let repo = TempRepo::empty();
    repo.write(".apprentice/rules/python/bad.yml", RULE);
    for at in 0..files {
        repo.write(format!("f{at}.py"), text(at, "good", "before"));
    }
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--message=first"]);
    for at in 0..files {
        repo.write(format!("f{at}.py"), text(at, "bad", "before"));
    }
    repo.git(&["add", "--all"]);
    for at in 0..files {
        repo.write(format!("f{at}.py"), text(at, "bad", "unstaged"));
    }
    repo.write("untracked.txt", "mine\n");
    repo
}

fn text(file: usize, name: &str, middle: &str) -> String {
    let filler: String = (0..20).map(|line| format!("x{line} = {file}\n")).collect();
    format!("{name}(1)\n{filler}{middle} = 1\n{filler}{name}(2)\n")
}

fn staged_text(repo: &TempRepo, path: &str) -> String {
    repo.show(&format!(":{path}"))
}

/// Each file is old or new in index and work tree alike, and nothing lies about.
fn is_whole(repo: &TempRepo, files: usize) {
    for at in 0..files {
        let path = format!("f{at}.py");
        let (index, there) = (staged_text(repo, &path), repo.text(&path));
        assert!([text(at, "bad", "before"), text(at, "good", "before")].contains(&index), "index: {index}");
        assert!([text(at, "bad", "unstaged"), text(at, "good", "unstaged")].contains(&there), "work tree: {there}");
    }
    assert_eq!(untracked(repo), "untracked.txt");
}

fn untracked(repo: &TempRepo) -> String {
    repo.git(&["ls-files", "--others"])
}

fn is_done(repo: &TempRepo, files: usize) {
    for at in 0..files {
        let path = format!("f{at}.py");
        assert_eq!(staged_text(repo, &path), text(at, "good", "before"));
        assert_eq!(repo.text(&path), text(at, "good", "unstaged"));
    }
    assert_eq!(untracked(repo), "untracked.txt");
    repo.git(&["fsck", "--strict", "--no-dangling"]);
}

fn apply(repo: &TempRepo) -> Ran {
    repo.apprentice(&["review", "--apply", "--no-linters"])
}

#[test]
fn review_leaves_index_and_work_tree_byte_for_byte() {
    let repo = half_staged(3);
    let before = Snapshot::of(&repo);
    repo.apprentice(&["review"]).expect_code(1).expect_said("`bad` is bad");
    repo.apprentice(&["review", "--staged", "--format", "json"]).expect_code(1);
    repo.apprentice(&["hook", "run", "pre-commit"]).expect_code(1);
    assert_eq!(Snapshot::of(&repo), before);
}

#[test]
fn apply_fixes_both_and_keeps_unstaged_edits() {
    let repo = half_staged(3);
    apply(&repo).expect_code(0).expect_said("fixed: f0.py: 2 patches");
    is_done(&repo, 3);
    apply(&repo).expect_code(0);
    is_done(&repo, 3);
}

#[test]
fn where_an_unstaged_edit_meets_the_fix_both_stay_and_it_says_so() {
    let repo = half_staged(2);
    let mine = text(0, "bad", "unstaged").replacen("bad(1)", "bad(mine)", 1);
    repo.write("f0.py", &mine);
    let index = staged_text(&repo, "f0.py");
    apply(&repo)
        .expect_code(1)
        .expect_said("not fixed: f0.py: unstaged edits in the work tree meet the fix")
        .expect_said("fixed: f1.py");
    assert_eq!((repo.text("f0.py"), staged_text(&repo, "f0.py")), (mine, index));
    assert_eq!(staged_text(&repo, "f1.py"), text(1, "good", "before"));
}

#[test]
fn random_states_through_the_command() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let repo = half_staged(0);
    for _ in 0..40 {
        let edits =
            prop::collection::vec((0usize..40, "[a-z]{3}"), 0..4).new_tree(&mut runner).expect("a value").current();
        repo.write("a.py", text(0, "bad", "before"));
        repo.git(&["add", "a.py"]);
        let mut lines: Vec<String> = text(0, "bad", "before").lines().map(str::to_owned).collect();
        for (at, word) in &edits {
            // Two lines off either fix, so that none of them meets it.
            lines.insert((at + 2).min(lines.len() - 3), format!("unstaged_{word} = {at}"));
        }
        let there = lines.join("\n") + "\n";
        repo.write("a.py", &there);
        let before = Snapshot::of(&repo);
        repo.apprentice(&["review", "--staged", "--no-linters"]).expect_code(1);
        assert_eq!(Snapshot::of(&repo), before);
        apply(&repo).expect_code(0);
        assert_eq!(staged_text(&repo, "a.py"), text(0, "good", "before"));
        assert_eq!(repo.text("a.py"), there.replace("bad(", "good("));
    }
}

/// Git trusts files that are older than its index. An index made younger hides edits made within the same second.
#[test]
fn an_edit_within_the_second_it_was_staged_stays_visible() {
    let repo = half_staged(1);
    repo.write("racy.txt", "one\n");
    let touch = |path: &str, time: SystemTime| {
        fs::File::options().write(true).open(repo.path(path)).and_then(|file| file.set_modified(time)).expect("a time");
    };
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    touch("racy.txt", then);
    repo.git(&["-c", "core.trustctime=false", "add", "racy.txt"]);
    touch(".git/index", then);
    fs::write(repo.path("racy.txt"), "two\n").expect("our own file");
    touch("racy.txt", then);
    let diff = || {
        repo.git(&["-c", "core.trustctime=false", "-c", "core.checkStat=minimal", "diff", "--name-only", "racy.txt"])
    };
    assert_eq!(diff(), "racy.txt");
    apply(&repo).expect_code(0);
    assert_eq!(diff(), "racy.txt", "the edit cannot be seen any more");
}

#[test]
fn flags_modes_and_other_entries_of_the_index_stay() {
    let repo = half_staged(2);
    for (name, flag) in [("skipped.txt", "--skip-worktree"), ("assumed.txt", "--assume-unchanged")] {
        repo.write(name, "x\n");
        repo.git(&["add", name]);
        repo.git(&["update-index", flag, name]);
    }
    repo.git(&["update-index", "--chmod=+x", "f1.py"]);
    repo.write("later.txt", "x\n");
    repo.git(&["add", "--intent-to-add", "later.txt"]);
    let but_blobs = || {
        repo.git(&["ls-files", "-v", "--stage"])
            .lines()
            .map(|line| {
                let mut words: Vec<&str> = line.split_whitespace().collect();
                words.remove(2);
                words.join(" ")
            })
            .collect::<Vec<_>>()
    };
    let before = but_blobs();
    apply(&repo).expect_code(0);
    assert_eq!(but_blobs(), before);
    assert_eq!(repo.git(&["diff", "--name-only", "--diff-filter=A"]), "later.txt");
}

#[test]
fn crlf_in_the_work_tree_stays() {
    let repo = half_staged(1);
    repo.git(&["config", "core.autocrlf", "true"]);
    repo.write("f0.py", text(0, "bad", "unstaged").replace('\n', "\r\n"));
    apply(&repo).expect_code(0);
    assert_eq!(repo.text("f0.py"), text(0, "good", "unstaged").replace('\n', "\r\n"));
    assert_eq!(staged_text(&repo, "f0.py"), text(0, "good", "before"));
}

#[test]
fn deletions_and_replacements_in_the_work_tree_are_edits_too() {
    let repo = half_staged(3);
    fs::remove_file(repo.path("f0.py")).expect("our own file");
    fs::remove_file(repo.path("f1.py")).expect("our own file");
    repo.write("f1.py/inside.txt", "a folder now\n");
    apply(&repo).expect_said("fixed: f0.py").expect_said("not fixed: f1.py: in the work tree it is not a regular file");
    assert!(!repo.path("f0.py").exists());
    assert_eq!(staged_text(&repo, "f0.py"), text(0, "good", "before"));
    assert_eq!(staged_text(&repo, "f1.py"), text(1, "bad", "before"));
    assert_eq!(repo.text("f1.py/inside.txt"), "a folder now\n");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_never_followed_out_of_the_work_tree() {
    let repo = half_staged(1);
    repo.write("sub/a.py", "bad(1)\n");
    repo.git(&["add", "sub"]);
    let outside = repo.home().join("elsewhere");
    fs::rename(repo.path("sub"), &outside).expect("our own folder");
    std::os::unix::fs::symlink(&outside, repo.path("sub")).expect("a link");
    apply(&repo).expect_code(1).expect_said("is a symbolic link; nothing was touched");
    assert_eq!(fs::read_to_string(outside.join("a.py")).expect("a file"), "bad(1)\n");
}

/// The state to go back to between runs that are killed.
struct Restore {
    index: Vec<u8>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Restore {
    fn of(repo: &TempRepo, files: usize) -> Self {
        let file = |at: usize| repo.path(&format!("f{at}.py"));
        Self {
            index: fs::read(repo.path(".git/index")).expect("an index"),
            files: (0..files).map(|at| (file(at), fs::read(file(at)).expect("a file"))).collect(),
        }
    }

    fn now(&self, repo: &TempRepo) {
        fs::write(repo.path(".git/index"), &self.index).expect("our own index");
        for (path, bytes) in &self.files {
            fs::write(path, bytes).expect("our own file");
        }
    }
}

fn apply_command(repo: &TempRepo) -> Command {
    let mut command = repo.command(binary());
    command.args(["review", "--apply", "--no-linters"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Stops `--apply` after a random part of its usual time, `times` over; says how often it came in the middle.
fn stopped_at_random(times: u32, stop: impl Fn(&mut std::process::Child)) {
    const FILES: usize = 12;
    let repo = half_staged(FILES);
    let restore = Restore::of(&repo, FILES);
    let started = Instant::now();
    assert!(apply_command(&repo).status().expect("a run").success());
    let usual = started.elapsed();
    let mut halfway = 0;
    for time in 0..times {
        restore.now(&repo);
        let mut child = apply_command(&repo).spawn().expect("a run");
        // A golden-ratio walk spreads the moments evenly; most of the writing is near the end.
        let part = (f64::from(time) * 0.618_034).fract();
        std::thread::sleep(usual.mul_f64(part.sqrt() * 1.1));
        stop(&mut child);
        let _ = child.wait();
        is_whole(&repo, FILES);
        let fixed = (0..FILES).filter(|at| repo.text(format!("f{at}.py")) == text(*at, "good", "unstaged")).count();
        halfway += u32::from(fixed > 0 && staged_text(&repo, "f0.py") == text(0, "bad", "before"));
        apply(&repo).expect_code(0);
        is_done(&repo, FILES);
        assert_eq!(fs::read_dir(repo.path(".git/apprentice/tmp")).expect("our folder").count(), 0);
    }
    eprintln!("{times} runs stopped, {halfway} of them between the first write and the last");
}

#[test]
fn killed_at_any_moment_every_file_is_whole_and_the_next_run_completes() {
    stopped_at_random(200, |child| child.kill().expect("our own child"));
}

#[cfg(unix)]
#[test]
fn interrupted_at_any_moment_every_file_is_whole_and_the_next_run_completes() {
    stopped_at_random(60, |child| {
        let interrupt = format!("kill -INT {}", child.id());
        Command::new("sh").args(["-c", &interrupt]).stderr(Stdio::null()).status().expect("a shell");
    });
}

/// Debug builds can be made to die at named places, each of which a random kill would rarely meet.
#[cfg(debug_assertions)]
#[test]
fn killed_at_each_step_the_next_run_completes() {
    for step in ["prepared", "before-rename", "work-tree", "locked", "index"] {
        let repo = half_staged(3);
        let died = apply_command(&repo).env("APPRENTICE_ABORT_AT", step).status().expect("a run");
        assert_eq!(died.code(), None, "it did not die at `{step}`");
        assert_eq!(repo.path(".git/index.lock").exists(), step == "locked");
        if step != "locked" {
            is_whole(&repo, 3);
        }
        apply(&repo).expect_code(0);
        is_done(&repo, 3);
    }
}

#[test]
fn a_locked_index_is_left_alone() {
    let repo = half_staged(2);
    repo.write(".git/index.lock", "");
    let before = Snapshot::of(&repo);
    apply(&repo).expect_code(2).expect_said("the index is locked by");
    assert_eq!(Snapshot::of(&repo), before);
    assert!(repo.path(".git/index.lock").exists(), "a lock that is not ours was removed");
}

/// What goes wrong on a full disk goes wrong with a limit on file sizes too.
#[cfg(unix)]
#[test]
fn without_room_to_write_nothing_is_lost() {
    for blocks in ["0", "1", "2", "4"] {
        let repo = half_staged(3);
        let mut command = repo.command("sh");
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        command.args(["-c", &limited, "sh"]).arg(binary()).args(["review", "--apply", "--no-linters"]);
        let ran = run(command, b"");
        is_whole(&repo, 3);
        assert!(!repo.path(".git/index.lock").exists());
        if ran.code != 0 {
            assert!(ran.err.contains("cannot write `") || ran.err.contains("cannot replace `"), "{}", ran.said());
            assert!(ran.code == 2 || ran.err.contains("file too large; nothing was touched"), "{}", ran.said());
        }
        apply(&repo).expect_code(0);
        is_done(&repo, 3);
    }
}

/// As someone who is not allowed to write there; root is, so root hands the repository to nobody.
#[cfg(unix)]
fn apply_as_someone(repo: &TempRepo) -> Ran {
    use std::os::unix::{fs::chown, process::CommandExt as _};
    const NOBODY: u32 = 65_534;
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let program = repo.home().join("apprentice");
    fs::copy(binary(), &program).expect("a copy of the program");
    let mut command = repo.command(&program);
    command.args(["review", "--apply", "--no-linters"]);
    if is_root {
        let status = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(repo.home()).status();
        assert!(status.is_ok_and(|status| status.success()));
        chown(repo.home(), Some(NOBODY), Some(NOBODY)).expect("root may");
        command.uid(NOBODY).gid(NOBODY);
    }
    let ran = run(command, b"");
    if is_root {
        let _ = Command::new("chown").args(["-R", "0:0"]).arg(repo.home()).status();
    }
    ran
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions of our own file");
}

#[cfg(unix)]
#[test]
fn a_read_only_work_tree_is_said_and_nothing_is_staged() {
    let repo = half_staged(2);
    set_mode(repo.root(), 0o555);
    let ran = apply_as_someone(&repo);
    set_mode(repo.root(), 0o755);
    ran.expect_code(1).expect_said("not fixed: f0.py: cannot replace").expect_said("ermission denied");
    for at in 0..2 {
        assert_eq!(staged_text(&repo, &format!("f{at}.py")), text(at, "bad", "before"));
        assert_eq!(repo.text(format!("f{at}.py")), text(at, "bad", "unstaged"));
    }
    is_whole(&repo, 2);
}

#[cfg(unix)]
#[test]
fn a_read_only_git_directory_is_said_and_nothing_is_touched() {
    let repo = half_staged(2);
    let before = Snapshot::of(&repo);
    set_mode(&repo.path(".git"), 0o555);
    let ran = apply_as_someone(&repo);
    set_mode(&repo.path(".git"), 0o755);
    ran.expect_code(2).expect_said("cannot write `").expect_said("ermission denied");
    assert_eq!(Snapshot::of(&repo), before);
}
