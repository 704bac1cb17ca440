//! Is every odd repository read as it should be, with a clear word and nothing changed?
#![expect(clippy::disallowed_methods, reason = "tests damage repositories on purpose")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
    sync::Arc,
};

use engine::git::Repository;
use kit::{Ran, TempRepo};

/// A text with one finding that any file can have, on line 2.
const BAD: &str = "a = 1\n<<<<<<< HEAD\nb = 2\n=======\nb = 3\n>>>>>>> topic\n";
const GOOD: &str = "a = 1\nb = 2\n";

/// Reviews and holds that the work tree, the index and the refs stay as they are, byte for byte.
#[track_caller]
fn review(repo: &TempRepo, arguments: &[&str], code: i32) -> Ran {
    let before = repo.state();
    let ran = repo.apprentice(&[&["review", "--no-linters"], arguments].concat());
    let after = repo.state();
    let changed: Vec<_> =
        after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).map(|(p, _)| p).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "the review changed {changed:?}");
    ran.expect_code(code)
}

/// `path:line check` of each finding that is told.
fn told(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["findings"].as_array().expect("findings");
    findings
        .iter()
        .filter(|finding| finding["standing"]["kind"].as_str().is_none_or(|kind| kind == "told"))
        .map(|finding| {
            format!("{}:{} {}", text(&finding["path"]), finding["span"]["start_line"], text(&finding["check"]))
        })
        .collect()
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// `Status Kind` of a file of what is staged.
fn change(repo: &TempRepo, path: &str) -> String {
    let repository = Arc::new(Repository::discover(repo.root()).expect("a repository"));
    let files = repository.staged().expect("what is staged").change.files;
    let file = files.iter().find(|file| file.path.as_str() == path);
    file.map_or_else(|| format!("{path} is not there"), |file| format!("{:?} {:?}", file.status, file.kind))
}

const JSON: [&str; 2] = ["--format", "json"];

// Histories

#[test]
fn before_the_first_commit_everything_staged_is_new() {
    let repo = TempRepo::empty();
    repo.stage("a.txt", BAD);
    let ran = review(&repo, &JSON, 1);
    assert_eq!(told(&ran), ["a.txt:2 any/conflict-marker"]);
    assert_eq!(change(&repo, "a.txt"), "Added Text");
}

#[test]
fn an_empty_repository_has_nothing_to_review() {
    let repo = TempRepo::empty();
    review(&repo, &[], 0);
    review(&repo, &["--worktree"], 0);
    review(&repo, &["--commit", "HEAD"], 2).expect_said("`HEAD` does not name a commit");
}

#[test]
fn a_merge_answers_only_for_lines_that_no_parent_has() {
    let repo = TempRepo::with(&[("base.txt", GOOD)]);
    repo.git(&["checkout", "--quiet", "-b", "topic"]);
    repo.stage("theirs.txt", BAD);
    repo.commit_all("theirs");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.stage("ours.txt", GOOD);
    repo.commit_all("ours");
    repo.git(&["merge", "--quiet", "--no-commit", "topic"]);
    review(&repo, &[], 0);
    repo.stage("mine.txt", BAD);
    assert_eq!(told(&review(&repo, &JSON, 1)), ["mine.txt:2 any/conflict-marker"]);
    repo.git(&["commit", "--quiet", "--message", "merge"]);
    assert_eq!(
        told(&review(&repo, &[&["--commit", "HEAD"], &JSON[..]].concat(), 1)),
        ["mine.txt:2 any/conflict-marker"]
    );
}

#[test]
fn a_detached_head_and_a_range_are_read() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("b.txt", BAD);
    repo.commit_all("bad");
    repo.git(&["checkout", "--quiet", "--detach", "HEAD"]);
    review(&repo, &[], 0);
    assert_eq!(told(&review(&repo, &[&["--range", "HEAD~1..HEAD"], &JSON[..]].concat(), 1)).len(), 1);
    review(&repo, &["--range", "HEAD~7..HEAD"], 2).expect_said("`HEAD~7` does not name a commit");
}

#[test]
fn a_shallow_clone_is_read_as_far_as_it_goes() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("b.txt", BAD);
    repo.commit_all("bad");
    let url = format!("file://{}", repo.root().display());
    repo.git(&["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    let clone = repo.at("shallow");
    clone.apprentice(&["review"]).expect_code(0);
    clone.apprentice(&["review", "--commit", "HEAD"]).expect_code(1).expect_said("b.txt");
    clone.apprentice(&["review", "--range", "HEAD~1..HEAD"]).expect_code(2).expect_said("shallow");
}

// What a change does to a file

#[test]
fn each_kind_of_change_is_told_apart() {
    let long: String = (0..40).map(|line| format!("line {line}\n")).collect();
    let repo = TempRepo::with(&[
        ("moved.txt", &long),
        ("source.txt", &format!("{long}x\n")),
        ("mode.sh", GOOD),
        ("type.txt", GOOD),
        ("gone.txt", GOOD),
    ]);
    repo.git(&["mv", "moved.txt", "new name.txt"]);
    repo.stage("new name.txt", format!("{long}{BAD}"));
    repo.stage("copy.txt", format!("{long}x\ny\n"));
    repo.stage("source.txt", format!("{long}x\nz\n"));
    fs::set_permissions(repo.root().join("mode.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(repo.root().join("type.txt")).unwrap();
    symlink("mode.sh", repo.root().join("type.txt")).unwrap();
    fs::remove_file(repo.root().join("gone.txt")).unwrap();
    repo.stage("data.bin", b"\0\x01\x02<<<<<<< HEAD\n=======\n>>>>>>> x\n");
    repo.git(&["add", "--all"]);
    let ran = review(&repo, &JSON, 1);
    assert_eq!(told(&ran), ["new name.txt:42 any/conflict-marker"]);
    let kinds =
        ["new name.txt", "copy.txt", "mode.sh", "type.txt", "gone.txt", "data.bin"].map(|path| change(&repo, path));
    assert_eq!(kinds, ["Renamed Text", "Copied Text", "Mode Text", "Kind Symlink", "Deleted Text", "Added Binary"]);
}

#[test]
fn generated_and_vendored_files_are_read_for_what_matters_there() {
    let repo = TempRepo::empty();
    let python = "assert (x, 'never fails')\n";
    repo.stage("vendor/a.py", python);
    repo.stage("b_pb2.py", python);
    repo.stage("marked.py", format!("# @generated by protoc\n{python}"));
    repo.stage("vendor/b.py", BAD);
    repo.stage("own.py", python);
    assert_eq!(
        told(&review(&repo, &JSON, 1)),
        ["own.py:1 python/assert-on-tuple", "vendor/b.py:2 any/conflict-marker"]
    );
}

#[test]
fn links_are_named_and_never_followed() {
    let repo = TempRepo::empty();
    fs::write(repo.home().join("secret.txt"), BAD).unwrap();
    symlink("../secret.txt", repo.root().join("outside")).unwrap();
    symlink("/etc", repo.root().join("folder")).unwrap();
    repo.git(&["add", "--all"]);
    review(&repo, &JSON, 0);
    assert_eq!(
        (change(&repo, "outside").as_str(), change(&repo, "folder").as_str()),
        ("Added Symlink", "Added Symlink")
    );
    review(&repo, &["--all"], 0);
}

#[test]
fn a_file_behind_a_linked_folder_is_not_read_from_outside_the_repository() {
    let repo = TempRepo::with(&[("folder/a.txt", GOOD)]);
    fs::create_dir(repo.home().join("elsewhere")).unwrap();
    fs::write(repo.home().join("elsewhere/a.txt"), BAD).unwrap();
    fs::remove_dir_all(repo.root().join("folder")).unwrap();
    symlink("../elsewhere", repo.root().join("folder")).unwrap();
    let diff = "--- a/folder/a.txt\n+++ b/folder/a.txt\n@@ -1,2 +1,6 @@\n a = 1\n+<<<<<<< HEAD\n b = 2\n+=======\n+b = 3\n+>>>>>>> topic\n";
    let ran = repo.apprentice_reading(&["review", "--no-linters", "--diff", "-", "--format", "json"], diff.as_bytes());
    assert_eq!(told(&ran.expect_code(1)), ["folder/a.txt:2 any/conflict-marker"], "from the index, patched in memory");
    review(&repo, &["--worktree"], 0);
}

#[test]
fn submodules_are_named_and_not_entered() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.git(&["clone", "--quiet", ".", "../library"]);
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "lib"]);
    review(&repo, &JSON, 0);
    assert_eq!(change(&repo, "lib"), "Added Submodule");
    fs::write(repo.root().join("lib/b.txt"), BAD).unwrap();
    repo.commit_all("submodule");
    review(&repo, &["--worktree"], 0);
}

// Content and names

#[test]
fn line_endings_are_kept_with_and_without_autocrlf() {
    for setting in ["false", "true", "input"] {
        let repo = TempRepo::with(&[("start.txt", GOOD)]);
        repo.git(&["config", "core.autocrlf", setting]);
        repo.write("a.txt", BAD.replace('\n', "\r\n"));
        repo.git(&["-c", "core.safecrlf=false", "add", "a.txt"]);
        assert_eq!(told(&review(&repo, &JSON, 1)), ["a.txt:2 any/conflict-marker"], "{setting}");
        repo.write("start.txt", GOOD.replace('\n', "\r\n"));
        let ran = review(&repo, &[&["--worktree"], &JSON[..]].concat(), 0);
        assert_eq!(told(&ran), Vec::<String>::new(), "{setting}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_read_all_the_same() {
    let repo = TempRepo::empty();
    let latin: Vec<u8> = [b"caf\xe9 \xff\xfe = 1\n".as_slice(), BAD.as_bytes()].concat();
    repo.stage("latin.txt", latin);
    repo.stage("bom.txt", format!("\u{feff}{BAD}"));
    repo.stage("cut.txt", BAD.trim_end());
    let utf16: Vec<u8> = BAD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    repo.stage("wide.txt", [&[0xff, 0xfe][..], &utf16].concat());
    let ran = review(&repo, &JSON, 1);
    assert_eq!(
        told(&ran),
        ["bom.txt:2 any/conflict-marker", "cut.txt:2 any/conflict-marker", "latin.txt:3 any/conflict-marker"]
    );
    review(&repo, &[], 1).expect_said("wide.txt").expect_said("UTF-16");
}

#[test]
fn odd_names_are_read_and_those_that_are_no_utf_8_are_told() {
    let repo = TempRepo::empty();
    for name in ["a b.txt", "quote\"d.txt", "line\nbreak.txt", "tab\t.txt", "-dash.txt", "é.txt", "back\\slash.txt"] {
        repo.stage(name, BAD);
    }
    repo.write(OsStr::from_bytes(b"caf\xe9.txt"), BAD);
    repo.git(&["add", "--all"]);
    let ran = review(&repo, &JSON, 1);
    let markers = told(&ran).iter().filter(|told| told.ends_with(":2 any/conflict-marker")).count();
    assert_eq!(markers, 7, "{:?}", told(&ran));
    let ran = review(&repo, &[], 1).expect_said("caf\\xe9.txt").expect_said("not UTF-8");
    assert!(!ran.out.contains("line\nbreak.txt:"), "a name must not break the line: {}", ran.out);
    review(&repo, &["--worktree"], 0);
}

#[test]
fn a_file_above_the_limit_is_told() {
    let repo = TempRepo::empty();
    repo.stage("long.js", vec![b'x'; 100_000_000]);
    repo.stage("large.txt", BAD.repeat(40_000));
    let ran = review(&repo, &[], 0);
    ran.expect_said("long.js").expect_said("100000000 bytes").expect_said("large.txt");
}

#[test]
fn twenty_thousand_files_are_reviewed() {
    let repo = TempRepo::empty();
    for n in 0..20_000 {
        repo.write(format!("d{}/f{n}.txt", n / 200), format!("{n}\n"));
    }
    repo.write("d7/bad.txt", BAD);
    repo.git(&["add", "--all"]);
    assert_eq!(told(&review(&repo, &JSON, 1)), ["d7/bad.txt:2 any/conflict-marker"]);
}

// The index

#[test]
fn intent_to_add_is_not_staged() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.write("b.txt", BAD);
    repo.git(&["add", "--intent-to-add", "b.txt"]);
    review(&repo, &[], 0);
    assert_eq!(told(&review(&repo, &[&["--worktree"], &JSON[..]].concat(), 1)), ["b.txt:2 any/conflict-marker"]);
}

#[test]
fn unresolved_paths_are_told_and_the_rest_is_read() {
    let repo = TempRepo::with(&[("a.txt", "1\n")]);
    repo.git(&["checkout", "--quiet", "-b", "topic"]);
    repo.stage("a.txt", "2\n");
    repo.commit_all("two");
    repo.git(&["checkout", "--quiet", "main"]);
    repo.stage("a.txt", "3\n");
    repo.commit_all("three");
    assert_ne!(repo.at("repo").try_git(&["merge", "--quiet", "topic"]).code, 0);
    repo.stage("mine.txt", BAD);
    review(&repo, &[], 1).expect_said("unresolved conflicts").expect_said("mine.txt");
}

#[test]
fn sparse_checkouts_are_read_from_the_index() {
    for sparse_index in ["false", "true"] {
        let repo = TempRepo::with(&[("in/a.txt", GOOD), ("out/b.txt", GOOD), ("out/deep/c.txt", GOOD)]);
        repo.git(&["config", "index.sparse", sparse_index]);
        repo.git(&["sparse-checkout", "set", "--cone", "in"]);
        assert!(!repo.root().join("out").exists());
        repo.stage("in/a.txt", BAD);
        let ran = review(&repo, &JSON, 1);
        assert_eq!(told(&ran), ["in/a.txt:2 any/conflict-marker"], "index.sparse={sparse_index}");
        assert_eq!(ran.json()["change"]["files"].as_array().unwrap().len(), 1, "nothing is taken for deleted");
        repo.write("in/new.txt", BAD);
        let ran = review(&repo, &[&["--worktree"], &JSON[..]].concat(), 1);
        assert_eq!(told(&ran), ["in/new.txt:2 any/conflict-marker"], "index.sparse={sparse_index}");
    }
}

#[test]
fn a_fix_that_a_sparse_index_cannot_take_is_said() {
    let repo = TempRepo::with(&[("in/a.go", "package a\n"), ("out/b.txt", GOOD)]);
    repo.git(&["config", "index.sparse", "true"]);
    repo.git(&["sparse-checkout", "set", "--cone", "in"]);
    repo.stage("in/a.go", FIXABLE);
    let before = repo.state();
    let ran = repo.apprentice(&["review", "--no-linters", "--apply"]).expect_code(2);
    ran.expect_said("git sparse-checkout reapply --no-sparse-index");
    assert_eq!(repo.state(), before);
}

#[test]
fn a_split_index_is_read() {
    let repo = TempRepo::with(&[("a.txt", GOOD), ("b.txt", GOOD)]);
    repo.git(&["update-index", "--split-index"]);
    repo.stage("a.txt", BAD);
    assert_eq!(told(&review(&repo, &JSON, 1)), ["a.txt:2 any/conflict-marker"]);
}

#[test]
fn the_index_git_names_is_the_one_that_is_read() {
    let mut repo = TempRepo::with(&[("a.txt", GOOD), ("b.txt", GOOD)]);
    repo.write("a.txt", BAD);
    let other = repo.home().join("other-index");
    repo.set("GIT_INDEX_FILE", &other);
    repo.git(&["read-tree", "HEAD"]);
    repo.git(&["add", "a.txt"]);
    assert_eq!(told(&review(&repo, &JSON, 1)), ["a.txt:2 any/conflict-marker"]);
    repo.set("GIT_INDEX_FILE", repo.root().join(".git/index"));
    review(&repo, &[], 0);
}

/// Two lines that a safe patch mends.
const FIXABLE: &str = "package a\n\nfunc f(s []int) []int { return s[0:len(s)] }\n";

#[test]
fn a_locked_index_is_read_and_not_written() {
    let repo = TempRepo::with(&[("a.go", "package a\n")]);
    repo.stage("a.go", FIXABLE);
    fs::write(repo.root().join(".git/index.lock"), "").unwrap();
    review(&repo, &[], 0);
    let before = repo.state();
    let ran = repo.apprentice(&["review", "--no-linters", "--apply"]).expect_code(2);
    ran.expect_said("index.lock");
    assert_eq!(repo.state(), before, "neither the index nor the work tree has half of a fix");
}

#[test]
fn a_corrupt_index_is_said() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    fs::write(repo.root().join(".git/index"), "DIRC but not really an index at all, only some words").unwrap();
    review(&repo, &[], 2).expect_said("cannot read the index");
    fs::write(repo.root().join(".git/index"), "").unwrap();
    review(&repo, &["--worktree"], 2).expect_said("cannot read the index");
}

// Where the repository is

#[test]
fn a_linked_work_tree_is_read_as_itself() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("a.txt", BAD);
    repo.git(&["worktree", "add", "--quiet", "../linked"]);
    let linked = repo.at("linked");
    linked.apprentice(&["review"]).expect_code(0);
    fs::write(linked.folder().join("b.txt"), BAD).unwrap();
    linked.git(&["add", "b.txt"]);
    assert_eq!(told(&linked.apprentice(&["review", "--format", "json"])), ["b.txt:2 any/conflict-marker"]);
    assert_eq!(told(&review(&repo, &JSON, 1)), ["a.txt:2 any/conflict-marker"]);
}

#[test]
fn a_bare_repository_has_commits_but_nothing_staged() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("b.txt", BAD);
    repo.commit_all("bad");
    repo.git(&["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let bare = repo.at("bare.git");
    bare.apprentice(&["review", "--commit", "HEAD"]).expect_code(1).expect_said("b.txt");
    bare.apprentice(&["review", "--range", "HEAD~1..HEAD"]).expect_code(1).expect_said("b.txt");
    for what in ["--staged", "--worktree"] {
        bare.apprentice(&["review", what]).expect_code(2).expect_said("bare").expect_said("--commit");
    }
}

#[test]
fn the_environment_names_the_repository_and_the_work_tree() {
    let mut repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("a.txt", BAD);
    repo.set("GIT_DIR", repo.root().join(".git"));
    let root = repo.root().to_owned();
    repo.set("GIT_WORK_TREE", root);
    let outside = repo.at("").apprentice(&["review", "--format", "json"]);
    assert_eq!(told(&outside), ["a.txt:2 any/conflict-marker"]);
    repo.set("GIT_DIR", repo.home().join("nothing"));
    review(&repo, &[], 2).expect_said("nothing");
}

#[test]
fn the_ways_to_commit_a_part_are_read_as_they_will_be_committed() {
    let repo = TempRepo::with(&[("a.txt", GOOD), ("b.txt", GOOD)]);
    let seen = repo.home().join("seen");
    let hook =
        format!("#!/bin/sh\n'{}' review --no-linters --format json > '{}'\n", kit::binary().display(), seen.display());
    repo.write(".git/hooks/pre-commit", hook);
    fs::set_permissions(repo.root().join(".git/hooks/pre-commit"), fs::Permissions::from_mode(0o755)).unwrap();
    let seen = || {
        let ran = Ran { code: 0, out: fs::read_to_string(&seen).unwrap(), err: String::new() };
        told(&ran)
    };
    repo.write("a.txt", BAD);
    repo.write("b.txt", format!("{GOOD}c = 3\n"));
    assert_ne!(repo.at("repo").try_git(&["commit", "--all", "--message", "x"]).code, 0);
    assert_eq!(seen(), ["a.txt:2 any/conflict-marker"]);
    repo.git(&["commit", "--quiet", "--message", "b only", "b.txt"]);
    assert_eq!(seen(), [""; 0]);
    assert_ne!(repo.at("repo").try_git(&["commit", "--message", "x", "a.txt"]).code, 0);
    assert_eq!(seen(), ["a.txt:2 any/conflict-marker"]);
    repo.write("a.txt", format!("{BAD}{}d = 4\n", "-\n".repeat(9)));
    repo.git(&["add", "a.txt"]);
    repo.git(&["commit", "--quiet", "--no-verify", "--message", "a"]);
    repo.write("a.txt", format!("e = 5\n{BAD}{}d = 4\n<<<<<<< x\n=======\n>>>>>>> y\n", "-\n".repeat(9)));
    let first_hunk = repo.at("repo").try_git_reading(&["commit", "--patch", "--message", "x"], b"y\nn\n");
    assert_eq!(first_hunk.code, 0, "{}", first_hunk.err);
    assert_eq!(seen(), [""; 0]);
    assert_ne!(repo.at("repo").try_git_reading(&["commit", "--patch", "--message", "x"], b"y\n").code, 0);
    assert_eq!(seen(), ["a.txt:18 any/conflict-marker"]);
}

#[test]
fn a_folder_without_a_repository_is_said() {
    let folder = TempRepo::bare_folder();
    folder.write("a.txt", BAD);
    review(&folder, &[], 2).expect_said("no git repository");
    review(&folder, &["--all"], 1).expect_said("a.txt");
}

#[test]
fn a_path_outside_the_repository_is_said() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    review(&repo, &["../elsewhere"], 2).expect_said("outside the repository");
    review(&repo, &["/etc/passwd"], 2).expect_said("outside the repository");
}

#[test]
fn another_users_repository_is_refused_until_it_is_trusted() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    let changed = std::os::unix::fs::chown(repo.root().join(".git"), Some(12_345), None)
        .and_then(|()| std::os::unix::fs::chown(repo.root(), Some(12_345), None));
    if changed.is_err() {
        eprintln!("left out: only root can give a folder to another user");
        return;
    }
    review(&repo, &[], 2).expect_said("another user").expect_said("safe.directory");
    review(&repo, &["--all"], 2).expect_said("safe.directory");
    let diff = format!("--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,6 @@\n+{}\n", BAD.trim_end().replace('\n', "\n+"));
    repo.apprentice_reading(&["review", "--diff", "-"], diff.as_bytes()).expect_code(1).expect_said("another user");
    repo.git(&["config", "--global", "--add", "safe.directory", &repo.root().display().to_string()]);
    review(&repo, &[], 0);
}

// Formats and damage

#[test]
fn formats_that_cannot_be_read_are_named() {
    let repo = TempRepo::init(&["--object-format=sha256"]);
    repo.stage("a.txt", BAD);
    review(&repo, &[], 2).expect_said("SHA-256");
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.git(&["config", "core.repositoryFormatVersion", "1"]);
    repo.git(&["config", "extensions.refStorage", "reftable"]);
    let ran = repo.apprentice(&["review"]).expect_code(2);
    ran.expect_said("reftable").expect_said("git refs migrate");
}

/// The file of a loose object.
fn object(repo: &TempRepo, revision: &str) -> std::path::PathBuf {
    let id = repo.git(&["rev-parse", revision]);
    repo.root().join(".git/objects").join(&id[..2]).join(&id[2..])
}

fn damage(file: &Path, bytes: Option<&[u8]>) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    match bytes {
        Some(bytes) => fs::write(file, bytes).unwrap(),
        None => fs::remove_file(file).unwrap(),
    }
}

#[test]
fn damaged_and_missing_objects_fail_their_file_alone() {
    for bytes in [Some(&b"not zlib"[..]), Some(b""), None] {
        let repo = TempRepo::with(&[("a.txt", GOOD)]);
        repo.stage("bad.txt", BAD);
        repo.stage("lost.txt", "lost\n");
        damage(&object(&repo, ":lost.txt"), bytes);
        let ran = review(&repo, &[], 1).expect_said("bad.txt:2").expect_said("lost.txt").expect_said("not reviewed");
        assert!(!ran.said().contains("panicked"));
        repo.git(&["rm", "--quiet", "--cached", "bad.txt"]);
        review(&repo, &[], 2).expect_said("lost.txt");
    }
}

#[test]
fn a_missing_tree_is_said() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    damage(&object(&repo, "HEAD^{tree}"), None);
    review(&repo, &[], 2).expect_said("cannot compare the index with HEAD");
}

#[test]
fn a_partial_clone_fetches_what_it_lacks_or_says_so() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    repo.stage("a.txt", BAD);
    repo.commit_all("bad");
    repo.stage("a.txt", format!("{BAD}c\n"));
    repo.commit_all("later");
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    repo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", repo.root().display());
    for filter in ["blob:none", "tree:0"] {
        let name = format!("../partial-{}", &filter[..4]);
        repo.git(&[
            "-c",
            "protocol.file.allow=always",
            "clone",
            "--quiet",
            "--no-checkout",
            "--filter",
            filter,
            &url,
            &name,
        ]);
        let partial = repo.at(name.trim_start_matches("../"));
        let ran = partial.apprentice(&["review", "--commit", "HEAD~1", "--format", "json"]);
        assert_eq!(told(&ran), ["a.txt:2 any/conflict-marker"], "{filter}: {}", ran.err);
    }
    repo.git(&[
        "-c",
        "protocol.file.allow=always",
        "clone",
        "--quiet",
        "--no-checkout",
        "--filter=blob:none",
        &url,
        "../cut-off",
    ]);
    let cut_off = repo.at("cut-off");
    cut_off.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    let ran = cut_off.apprentice(&["review", "--commit", "HEAD~1"]).expect_code(2);
    ran.expect_said("a.txt").expect_said("partial clone");
}

// Diffs from outside

#[test]
fn a_diff_is_reviewed_against_whatever_it_fits() {
    let repo = TempRepo::with(&[("a.py", "x = 1\n"), ("b.txt", GOOD)]);
    repo.write("a.py", "x = 1\nassert (x, 'no')\n");
    repo.write("b.txt", BAD);
    let diff = repo.git(&["diff"]) + "\n";
    let arguments = ["review", "--no-linters", "--format", "json", "--diff", "-"];
    let expected = ["a.py:2 python/assert-on-tuple", "b.txt:2 any/conflict-marker"];
    let both = |repo: &TempRepo| told(&repo.apprentice_reading(&arguments, diff.as_bytes()).expect_code(1));
    assert_eq!(both(&repo), expected, "the work tree is the new side");
    repo.git(&["checkout", "--quiet", "."]);
    assert_eq!(both(&repo), expected, "the work tree is the old side");
    repo.stage("a.py", "y = 2\n");
    repo.stage("b.txt", "else\n");
    repo.commit_all("moved on");
    assert_eq!(both(&repo), expected, "the old side is the blob that the header names");
    let nowhere = TempRepo::with(&[("c.txt", GOOD)]);
    let ran = nowhere.apprentice_reading(&arguments, diff.as_bytes()).expect_code(1);
    assert_eq!(told(&ran), ["b.txt:2 any/conflict-marker"], "an excerpt is read without its language");
    nowhere
        .apprentice_reading(&["review", "--diff", "-"], diff.as_bytes())
        .expect_said("a.py")
        .expect_said("fits neither");
    let folder = TempRepo::bare_folder();
    folder.write("a.py", "x = 1\n");
    assert_eq!(told(&folder.apprentice_reading(&arguments, diff.as_bytes())), expected);
}

#[test]
fn a_diff_from_a_file_a_mail_or_a_log_is_read_and_nonsense_is_said() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    for (n, text) in [(1, BAD.to_owned()), (2, format!("{BAD}c = 4\n"))] {
        repo.stage("a.txt", text);
        repo.commit_all(&format!("--- a/{n}"));
    }
    for made in
        [&["format-patch", "--stdout", "HEAD~2"][..], &["log", "-p", "HEAD~2.."], &["diff", "--no-prefix", "HEAD~2"]]
    {
        fs::write(repo.home().join("made.diff"), repo.git(made) + "\n").unwrap();
        let ran = review(&repo, &["--diff", "../made.diff", "--format", "json"], 1);
        assert_eq!(told(&ran), ["a.txt:2 any/conflict-marker"], "{made:?}");
    }
    let say = |input: &[u8]| repo.apprentice_reading(&["review", "--diff", "-"], input);
    say(b"hello\n").expect_code(2).expect_said("no unified diff");
    say(b"").expect_code(0);
    say(&[0xff; 4096]).expect_code(2);
    review(&repo, &["--diff", "missing.diff"], 2).expect_said("missing.diff");
    review(&repo, &["--diff", "-", "--apply"], 2).expect_said("--apply needs");
}

#[test]
fn a_file_nested_too_deep_to_be_parsed_is_named_and_the_review_is_not_clean() {
    let repo = TempRepo::with(&[("a.txt", GOOD)]);
    let nested: String = (0..400).map(|depth| " ".repeat(depth) + "if x:\n").collect();
    repo.stage("deep.py", nested + &" ".repeat(400) + "eval(input())\n");
    let ran = review(&repo, &JSON, 2);
    let notices = ran.json()["notices"].to_string();
    assert!(notices.contains("deep.py") && notices.contains("nested too deep"), "{notices}");
}
