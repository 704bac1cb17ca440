//! Does `fix` push a branch of its own where no block can say the patch, and only where the operator allows it?

use super::{Serving, assert_clean, concluded, demo, wait};

const BEFORE: &str = "import yaml\r\n";
const WRONG: &str = "import yaml\r\n\r\n\r\ndef load(text):\r\n    return yaml.load(text)\r\n";

/// The branches that are ours.
fn ours(repo: &forge::Repo) -> Vec<String> {
    let listed = repo.git(&["for-each-ref", "--format=%(refname)", "refs/heads/apprentice/"]).expect("branches");
    listed.lines().map(|line| line.trim_start_matches("refs/heads/").to_owned()).collect()
}

#[test]
fn a_patch_that_no_block_can_say_becomes_a_branch_where_that_is_allowed() {
    for allowed in [true, false] {
        let (forge, repo) = demo(&[("load.py", BEFORE)]);
        let bot = Serving::start(&forge, &format!("[review]\npush_fixes = {allowed}\n"));
        let head = repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
        let pull = repo.open_pr("alice", "topic", "Load it").expect("opened");
        concluded(&bot, &repo, &head);
        let first = repo.threads(pull)[0].comments[0].clone();
        assert!(first.body.contains("```diff") && !first.body.contains("```suggestion"), "{}", first.body);
        repo.reply(first.id, "bob", "@apprentice fix").expect("asked");
        let answer = || repo.threads(pull)[0].comments.iter().skip(1).find(|said| said.author != "bob").cloned();
        wait("an answer", || answer().is_some());
        let said = answer().expect("an answer").body;
        if allowed {
            let branches = ours(&repo);
            assert_eq!(branches.len(), 1, "{branches:?}: {said}\n{}", bot.log());
            assert!(said.contains(&branches[0]), "{said}");
            let mended = repo.file(&branches[0], "load.py").expect("the file");
            assert_eq!(mended, WRONG.replace("yaml.load", "yaml.safe_load"));
            let parent = repo.git(&["rev-parse", &format!("{}^", branches[0])]).expect("its parent");
            assert_eq!(parent.trim(), head);
        } else {
            assert!(said.contains("```diff"), "{said}");
            assert!(ours(&repo).is_empty());
        }
        assert_clean(&forge);
    }
}
