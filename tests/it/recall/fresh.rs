//! Is exactly what the work tree holds found, whatever it holds?

use std::fs;

use kit::TempRepo;

use super::{files, found, now_found, whole};

#[test]
fn edits_renames_and_deletions_are_followed_before_they_are_staged() {
    let repo = TempRepo::with(&[("a.py", "def oldest(): pass\n"), ("b.py", "def other(): pass\n")]);
    let here = repo.at("repo");
    assert_eq!(now_found(&here, "oldest"), ["a.py"]);
    repo.write("a.py", "def edited(): pass\n");
    repo.write("new.py", "def untracked(): pass\n");
    assert_eq!(now_found(&here, "edited"), ["a.py"]);
    assert_eq!(found(&here, "untracked").len(), 1);
    assert!(found(&here, "oldest").is_empty());
    fs::rename(repo.path("b.py"), repo.path("c.py")).expect("a file of our own");
    assert_eq!(now_found(&here, "other"), ["c.py"]);
    fs::remove_file(repo.path("c.py")).expect("a file of our own");
    assert!(now_found(&here, "other").is_empty());
    // The same size within the same tick of the clock.
    repo.git(&["add", "--all"]);
    repo.write("a.py", "def changed(): pass\n".replace("changed", "edjted"));
    assert_eq!(now_found(&here, "edjted"), ["a.py"]);
    whole(&here);
}

#[test]
fn what_is_ignored_is_not_found_also_when_that_is_said_later() {
    let repo = TempRepo::empty();
    for folder in ["kept", "git", "own", "configured", "excluded"] {
        repo.write(format!("{folder}/a.py"), "def searched(): pass\n");
    }
    repo.write("kept/.hidden.py", "def searched(): pass\n");
    repo.write(".ignore", "kept/\n");
    // Above the repository is another's word.
    fs::write(repo.home().join(".gitignore"), "*\n").expect("a file of our own");
    let here = repo.at("repo");
    let all = ["configured/a.py", "excluded/a.py", "git/a.py", "kept/.hidden.py", "kept/a.py", "own/a.py"];
    assert_eq!(now_found(&here, "searched"), all);
    repo.write(".gitignore", "git/\n");
    repo.write(".ai_coder_ignore", "own/\n");
    repo.write("apprentice.toml", "[recall]\nexclude = [\"configured/**\"]\n");
    repo.write(".git/info/exclude", "excluded\n");
    assert_eq!(now_found(&here, "searched"), ["kept/.hidden.py", "kept/a.py"]);
    // Git keeps what is tracked, and so do we.
    repo.git(&["add", "--force", "git/a.py"]);
    assert_eq!(now_found(&here, "searched"), ["git/a.py", "kept/.hidden.py", "kept/a.py"]);
    fs::remove_file(repo.path(".ai_coder_ignore")).expect("a file of our own");
    assert_eq!(now_found(&here, "searched"), ["git/a.py", "kept/.hidden.py", "kept/a.py", "own/a.py"]);
    whole(&here);
}

#[test]
#[cfg(unix)]
fn other_repositories_and_links_are_not_entered() {
    use std::os::unix::fs::symlink;
    let repo = TempRepo::with(&[("a.py", "def searched(): pass\n"), ("dir/b.py", "def searched(): pass\n")]);
    repo.git(&["clone", "-q", ".", "../other"]);
    repo.git(&["clone", "-q", ".", "nested"]);
    repo.git(&["submodule", "--quiet", "add", "../other", "module"]);
    let outside = repo.home().join("outside");
    fs::create_dir(&outside).expect("a folder");
    for name in ["b.py", "secret.py"] {
        fs::write(outside.join(name), "def searched(): outside\n").expect("a file");
    }
    symlink(&outside, repo.path("link")).expect("a link");
    symlink(outside.join("b.py"), repo.path("link.py")).expect("a link");
    symlink("..", repo.path("dir/up")).expect("a link");
    let here = repo.at("repo");
    assert_eq!(now_found(&here, "searched"), ["a.py", "dir/b.py"]);
    // A tracked folder that became a link.
    fs::remove_dir_all(repo.path("dir")).expect("a folder");
    symlink(&outside, repo.path("dir")).expect("a link");
    assert_eq!(now_found(&here, "searched"), ["a.py"]);
    whole(&here);
}

#[test]
fn secrets_are_never_stored() {
    let token = ["ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH"].concat();
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let block = format!("-----BEGIN PRIVATE KEY-----\n{key}\n{key}\n-----END PRIVATE KEY-----\n");
    let repo = TempRepo::empty();
    repo.write("code.py", format!("def connect():\n    token = \"{token}\"\n    return token\n"));
    repo.write("docs/page.md", format!("# Access\n\nUse `{token}` to connect.\n\n## Key\n\n```\n{block}```\n"));
    repo.write("later.py", "def connect_later(): pass\n");
    repo.write("notes.ipynb", format!("{{\"cells\": [{{\"cell_type\": \"code\", \"source\": [\"t = '{token}'\"]}}]}}"));
    repo.apprentice(&["index", "build"]).expect_code(0);
    repo.write("later.py", format!("def connect_later():\n    return \"{token}\"\n"));
    let here = repo.at("repo");
    assert_eq!(now_found(&here, "connect_later"), ["later.py"]);
    let bytes: Vec<u8> =
        files(&repo.path(".git/apprentice")).iter().flat_map(|path| fs::read(path).expect("a part")).collect();
    for secret in [token.as_str(), key] {
        let tail = &secret.as_bytes()[8..];
        let lower = tail.to_ascii_lowercase();
        let is_in = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!is_in(&bytes, tail) && !is_in(&bytes.to_ascii_lowercase(), &lower), "a secret is in the index");
    }
    assert!(bytes.windows(13).any(|window| window == b"connect_later"), "what is no secret is there as it is");
}

#[test]
#[cfg(unix)]
fn odd_contents_and_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let repo = TempRepo::empty();
    repo.write("binary.py", b"def searched():\0\x01\x02".repeat(50));
    repo.write("empty.py", "");
    repo.write("blank.py", "\n\n  \n");
    repo.write("crlf.py", "def searched():\r\n    return 1\r\n");
    repo.write("latin.py", b"# caf\xe9\ndef searched(): pass\n");
    repo.write("large.py", format!("def searched(): pass\n{}", "# long\n".repeat(200_000)));
    repo.write("long.py", format!("def searched(): pass\nx = \"{}\"\n", "word ".repeat(150_000)));
    repo.write("with space/a b.py", "def searched(): pass\n");
    repo.write("new\nline.py", "def searched(): pass\n");
    repo.write("schön.py", "def searched(): pass\n");
    repo.write("-k.py", "def searched(): pass\n");
    repo.write(std::ffi::OsStr::from_bytes(b"bad\xff.py"), "def searched(): pass\n");
    let here = repo.at("repo");
    let paths = now_found(&here, "searched");
    for path in ["crlf.py", "latin.py", "long.py", "with space/a b.py", "new\nline.py", "schön.py", "-k.py"] {
        assert!(paths.contains(&path.to_owned()), "{path:?} is not in {paths:?}");
    }
    assert!(!paths.contains(&"binary.py".to_owned()) && !paths.contains(&"large.py".to_owned()), "{paths:?}");
    let shown = repo.apprentice(&["search", "searched", "-k", "50"]).expect_code(0).out;
    assert!(shown.lines().all(|line| !line.starts_with("line.py")), "a name is one line:\n{shown}");
    whole(&here);
    assert!(now_found(&here, "searched").len() >= 7);
}

#[test]
fn sparse_bare_unborn_and_none() {
    let repo = TempRepo::with(&[("in/a.py", "def searched(): pass\n"), ("out/b.py", "def searched(): pass\n")]);
    let here = repo.at("repo");
    assert_eq!(now_found(&here, "searched").len(), 2);
    repo.git(&["sparse-checkout", "set", "in"]);
    assert_eq!(now_found(&here, "searched"), ["in/a.py"]);
    repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    for arguments in [&["index", "update"][..], &["index", "status"], &["search", "x"], &["index", "watch"]] {
        repo.at("bare.git").apprentice(arguments).expect_code(2).expect_said("has no work tree");
    }

    let unborn = TempRepo::empty();
    unborn.write("a.py", "def before_the_first_commit(): pass\n");
    assert_eq!(now_found(&unborn.at("repo"), "before_the_first_commit"), ["a.py"]);
    let empty = TempRepo::empty();
    assert!(now_found(&empty.at("repo"), "anything").is_empty());
    whole(&empty.at("repo"));

    let none = TempRepo::bare_folder();
    for arguments in [&["index", "build"][..], &["index", "status"], &["search", "x"]] {
        none.apprentice(arguments).expect_code(2).expect_said("no git repository");
    }
}

#[test]
fn a_question_may_be_anything() {
    let repo = TempRepo::with(&[("a.py", "def searched(): pass\n")]);
    let long = "word ".repeat(5000);
    for query in ["", " ", "\"", "a AND (b", "*", "\u{0}x".trim_start_matches('\0'), "💥", "body:x^2", long.as_str()]
    {
        let ran = repo.apprentice(&["search", "--json", "--", query]);
        if query.contains(char::is_alphanumeric) {
            assert!(ran.expect_code(0).json().is_array());
        } else {
            ran.expect_code(2).expect_said("there is no word in the question");
        }
    }
    repo.apprentice(&["search", "searched", "-k", "0"]).expect_code(0);
    repo.apprentice(&["search", "searched", "-k", "99999999"]).expect_code(0).expect_said("a.py");
}
