//! Does anything of a pull request speak, link, load or hide in what we write?

use forge::Repo;

use super::super::{HASTY, Serving, assert_clean, concluded, demo, ours};

/// Text outside code, in which Markdown is read.
fn outside_code(body: &str) -> String {
    let (mut out, mut fence) = (String::new(), None);
    for line in body.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if ticks >= open && line.trim_end().len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => out += &format!("{}\n", outside_spans(line)),
        }
    }
    assert_eq!(fence, None, "a fence is open at the end of\n{body}");
    out
}

/// A line without its code spans.
fn outside_spans(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        if rest[..at].ends_with('\\') {
            out += &rest[..=at];
            rest = &rest[at + 1..];
            continue;
        }
        let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let inside = &rest[at + ticks..];
        let close = (0..inside.len()).filter(|&to| inside.is_char_boundary(to)).find(|&to| {
            let run = inside[to..].len() - inside[to..].trim_start_matches('`').len();
            run == ticks && !inside[..to].ends_with('`')
        });
        out += &rest[..at];
        match close {
            Some(to) => rest = &inside[to + ticks..],
            None => {
                out += &rest[at..at + ticks];
                rest = inside;
            }
        }
    }
    out + rest
}

/// What is ours in it: our own few tags, and our markers.
fn without_ours(text: &str) -> String {
    let mut text: String = text
        .lines()
        .filter(|line| !(line.starts_with("<!-- apprentice:") && line.ends_with(" -->")))
        .collect::<Vec<_>>()
        .join("\n");
    for tag in ["<sub>", "</sub>", "<details><summary>Notes</summary>", "</details>"] {
        text = text.replace(tag, "");
    }
    // An escaped character is just itself.
    ["\\\\", "\\<", "\\>", "\\[", "\\]", "\\!", "\\*", "\\_", "\\#", "\\|", "\\&", "\\~", "\\`"]
        .iter()
        .fold(text, |text, escaped| text.replace(escaped, ""))
}

/// Nothing that we wrote in a pull request mentions, links, loads or hides anything.
#[track_caller]
pub(super) fn assert_inert(repo: &Repo, pull: u64, head: &str) {
    let threads = repo.threads(pull).into_iter().flat_map(|thread| thread.comments);
    let comments = threads.filter(|said| said.author == "apprentice[bot]").map(|said| said.body);
    let answers = repo.issue_comments(pull).into_iter().filter(|said| said.author == "apprentice[bot]");
    let summaries =
        repo.check_runs(head).into_iter().map(|run| run.output["summary"].as_str().unwrap_or("").to_owned());
    let reviews = ours(repo, pull).into_iter().map(|review| review.body);
    let all: Vec<String> = comments.chain(answers.map(|said| said.body)).chain(summaries).chain(reviews).collect();
    assert!(!all.is_empty(), "nothing was said");
    for body in all {
        let text = without_ours(&outside_code(&body));
        for live in ["<", "](", "![", "http://", "https://", "www.", "```", "javascript:", "#1 "] {
            assert!(!text.contains(live), "`{live}` is live in\n{body}\n--- read as\n{text}");
        }
        let mentions = text.match_indices('@').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_alphanumeric()));
        assert!(!mentions, "somebody is mentioned in\n{body}\n--- read as\n{text}");
    }
}

#[test]
fn the_reader_of_markdown_sees_what_is_live() {
    let live = outside_code("a `@b` @c\n```x\n@d\n```\n\\`@e\\` ``@f ` @g`` @h\n");
    assert_eq!(live, "a  @c\n\\`@e\\`  @h\n");
    assert!(std::panic::catch_unwind(|| outside_code("```\n@d")).is_err());
}

#[test]
fn nothing_of_a_change_is_live_in_what_we_write() {
    let (forge, repo) = demo(&[("README.md", "# demo\n")]);
    let bot = Serving::start(&forge, HASTY);
    let poison =
        "@bob ![x](http://evil.example/x.png) <img src=x onerror=y> [a](https://evil.example) #1 www.evil.example";
    let text = format!(
        "import yaml\nimport subprocess\n\n\n\
         def f(a):\n    # {poison}\n    return a is \"x\"  # {poison} ``` ````\n\n\n\
         def g(b, c=[]):  # {poison}\n    try:\n        return eval(\"{poison}\" + b)\n    except:  # {poison}\n        pass\n\n\n\
         def h(d):  # ```suggestion\n    subprocess.call(f\"{{d}} {poison}\", shell=True)\n    \
         password = \"{poison}\"\n    return yaml.load(d) is \"{poison}\"\n"
    );
    let names = ["poison.py", "<img src=x> @bob `x` ![x](y).py", "www.evil.example #1 [a](b).py"];
    let script = format!("function f(a) {{ var x = `{poison}`; return a == null || eval(x) == NaN }} // {poison}\n");
    let mut files: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Some(text.clone().into_bytes()))).collect();
    files.push(("@bob.js".into(), Some(script.into_bytes())));
    files.push(("<b>.toml".into(), Some(format!("{poison}\n\"{poison}\n").into_bytes())));
    files.push(("@bob.json".into(), Some(format!("{{ {poison}\n").into_bytes())));
    files.push(("bad\u{fffd}.py".into(), Some(b"x = '\xff\xfe @bob <b>' == None\n".to_vec())));
    let branch = "@bob<img>";
    let head = repo.push_files("mallory", branch, poison, &files).expect("pushed");
    let pull = repo.open_pr("mallory", branch, poison).expect("opened");
    repo.describe(pull, "mallory", poison).expect("described");
    concluded(&bot, &repo, &head);
    for order in ["ask", "dance", poison, "<img/src=x>", "`@bob", "![x](y)"] {
        repo.comment(pull, "mallory", &format!("@apprentice {order} {poison}"));
    }
    bot.idle(&forge);
    let threads = repo.threads(pull).into_iter().filter(|thread| thread.comments[0].author == "apprentice[bot]");
    let ours: Vec<_> = threads.collect();
    assert!(ours.len() >= 8, "{} threads; {}", ours.len(), bot.log());
    for thread in &ours {
        for order in ["why", "explain"] {
            repo.reply(thread.comments[0].id, "mallory", &format!("@apprentice {order}")).expect("replied");
        }
        repo.reply(thread.comments[0].id, "bob", "@apprentice fix").expect("replied");
    }
    bot.idle(&forge);
    assert_inert(&repo, pull, &head);
    assert_clean(&forge);
}
