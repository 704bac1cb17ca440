//! Does the bot know the repository around a change? Its mirror has an index of the base branch from the first review on.

use super::{Serving, assert_clean, concluded, demo, ours, wait};

/// A function that reads alike in two files but for how it opens its connection.
fn sender(name: &str, opened: &str) -> String {
    format!(
        "def {name}(hosts, message, deadline):\n    line = {opened}\n    line.write(message.headers)\n    \
         answer = line.read(deadline)\n    hosts.close(line)\n    if answer.code >= 500:\n        \
         raise RuntimeError(answer.code)\n    return answer\n"
    )
}

const OLD: &str = "hosts.open(message.host)";
const NEW: &str = "hosts.open(message.host, deadline)";

#[test]
fn an_edit_that_its_twin_missed_is_told() {
    let (plain, secure) = (sender("send", OLD), sender("send_secure", OLD));
    let (forge, repo) = demo(&[("src/plain.py", &plain), ("src/secure.py", &secure)]);
    let bot = Serving::start(&forge, "");
    let head = repo.push("alice", "first", "words", &[("README.md", "# demo\n")]).expect("pushed");
    repo.open_pr("alice", "first", "Words").expect("opened");
    assert_eq!(concluded(&bot, &repo, &head), "success");
    wait("the index", || bot.log().contains("\"indexed\""));

    let head = repo.push("alice", "second", "timeouts", &[("src/plain.py", &sender("send", NEW))]).expect("pushed");
    let pull = repo.open_pr("alice", "second", "Timeouts").expect("opened");
    concluded(&bot, &repo, &head);
    assert_eq!(ours(&repo, pull).len(), 1, "{}", bot.log());
    let said = &repo.threads(pull)[0].comments[0].body;
    assert!(said.contains("any/forgotten-twin") && said.contains("src/secure.py"), "{said}");
    assert_clean(&forge);
}
