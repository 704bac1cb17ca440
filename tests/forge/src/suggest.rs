//! What does GitHub's "Commit suggestion" button do?

use crate::git::{Draft, Ident};
use crate::merge::github;
use crate::state::{Pull, State, Thread};
use crate::{Error, person};

/// One change: a file's lines `first..=last` (1-based) become `text`.
struct Edit {
    path: String,
    first: u64,
    last: u64,
    text: String,
    author: String,
    thread: u64,
}

/// How suggestions are committed.
pub(crate) struct Press<'a> {
    pub(crate) login: &'a str,
    pub(crate) title: Option<&'a str>,
    /// Through the button: GitHub commits, names the suggesters, resolves. Otherwise the person wrote it themselves.
    pub(crate) button: bool,
}

fn refused(what: impl Into<String>) -> Error {
    Error::Refused(what.into())
}

/// Commits the suggestions of these comments to the head branch, as one commit; its name.
pub(crate) fn commit(state: &mut State, full: &str, comments: &[u64], press: &Press<'_>) -> Result<String, Error> {
    let first = comments.first().ok_or_else(|| refused("no comment"))?;
    let (number, ..) = state.find_comment(full, *first).ok_or_else(|| Error::Missing(format!("comment {first}")))?;
    let pull = state.pull(full, number).cloned().ok_or_else(|| Error::Missing("pull request".to_owned()))?;
    let edits = comments.iter().map(|id| edit(&pull, *id)).collect::<Result<Vec<_>, _>>()?;
    let git = state.repo(&pull.head_repo).map(|r| r.git.clone()).ok_or_else(|| Error::Missing("head".to_owned()))?;
    let files = edited(&git, &pull.head_sha, &edits)?;
    let tree = git.tree(Some(&pull.head_sha), &files)?;
    let author = state.ident(press.login);
    let message = message(state, press, &edits);
    let committer: Ident = if press.button { github(author.at) } else { author.clone() };
    let parents = [pull.head_sha.clone()];
    let draft = Draft { parents: &parents, message: &message, author: &author, committer: &committer };
    let sha = git.commit_tree(&tree, &draft)?;
    let name = format!("refs/heads/{}", pull.head_ref);
    git.point(&name, &sha)?;
    person::moved(state, &pull.head_repo, &name, Some(&pull.head_sha), Some(&sha), press.login)?;
    if press.button {
        for edit in &edits {
            outdate(state, full, number, edit.thread);
            person::resolve(state, full, edit.thread, press.login, true)?;
        }
    }
    Ok(sha)
}

/// A suggestion that changes nothing still takes its thread out of the diff.
fn outdate(state: &mut State, full: &str, number: u64, thread: u64) {
    let threads = state.pull_mut(full, number).map(|p| p.threads.iter_mut());
    if let Some(thread) = threads.into_iter().flatten().find(|t| t.id == thread) {
        thread.outdated = true;
        (thread.line, thread.start_line) = (None, None);
    }
}

fn edit(pull: &Pull, id: u64) -> Result<Edit, Error> {
    let find = |t: &Thread| t.comments.iter().find(|c| c.id == id).cloned();
    let found = pull.threads.iter().find_map(|t| find(t).map(|c| (t, c)));
    let (thread, comment) = found.ok_or_else(|| Error::Missing(format!("comment {id} in the pull request")))?;
    if thread.outdated || thread.side != "RIGHT" {
        return Err(refused(format!("comment {id} is outdated: its suggestion cannot be applied")));
    }
    let last = thread.line.ok_or_else(|| refused("the comment is on no line"))?;
    let text = block(&comment.body).ok_or_else(|| refused(format!("comment {id} has no suggestion block")))?;
    let first = thread.start_line.unwrap_or(last);
    Ok(Edit { path: thread.path.clone(), first, last, text, author: comment.author, thread: thread.id })
}

/// The lines of the first suggestion block; the fence may be longer than three marks, so that the text may hold some.
fn block(body: &str) -> Option<String> {
    let mut lines = body.lines();
    let fence = lines.by_ref().find_map(|l| {
        let l = l.trim_start();
        let marks = l.len() - l.trim_start_matches(['`', '~']).len();
        (marks >= 3 && l[marks..].trim() == "suggestion").then(|| l[..marks].to_owned())
    })?;
    let mut text = String::new();
    for line in lines {
        if line.trim_start().starts_with(&fence) && line.trim().chars().all(|c| fence.starts_with(c)) {
            return Some(text);
        }
        text += line;
        text.push('\n');
    }
    None
}

/// The files after all edits; from the last line up, so that no edit moves another.
fn edited(git: &crate::git::Git, head: &str, edits: &[Edit]) -> Result<crate::git::Files, Error> {
    let mut files: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|e| std::cmp::Reverse(e.first));
    let mut above: Option<(&str, u64)> = None;
    for edit in sorted {
        if above.is_some_and(|(path, first)| path == edit.path && edit.last >= first) {
            return Err(refused("two suggestions change the same lines"));
        }
        above = Some((&edit.path, edit.first));
        if !files.contains_key(edit.path.as_str()) {
            let bytes = git.file(head, &edit.path).ok_or_else(|| Error::Missing(edit.path.clone()))?;
            files.insert(&edit.path, String::from_utf8_lossy(&bytes).into_owned());
        }
        let text = files.entry(&edit.path).or_default();
        *text = replaced(text, edit)?;
    }
    Ok(files.into_iter().map(|(path, text)| (path.to_owned(), Some(text.into_bytes()))).collect())
}

/// Puts a suggestion in the place of its lines, in the file's own line ends.
fn replaced(text: &str, edit: &Edit) -> Result<String, Error> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let (first, last) = (place(edit.first), place(edit.last));
    if first == 0 || last > lines.len() || first > last {
        return Err(refused("the comment's lines are not in the file"));
    }
    let mut new = edit.text.clone();
    if lines[last - 1].ends_with("\r\n") {
        new = new.replace('\n', "\r\n");
    }
    if !lines[last - 1].ends_with('\n') {
        new.truncate(new.trim_end_matches(['\r', '\n']).len());
    }
    Ok(lines[..first - 1].concat() + &new + &lines[last..].concat())
}

/// GitHub's title, and a trailer for everyone who suggested but did not press the button.
fn message(state: &mut State, press: &Press<'_>, edits: &[Edit]) -> String {
    let default = match edits {
        [one] => format!("Apply suggestion from @{}", one.author),
        _ => "Apply suggestions from code review".to_owned(),
    };
    let title = press.title.map_or(default, str::to_owned);
    let mut authors: Vec<&str> = edits.iter().map(|e| e.author.as_str()).filter(|a| *a != press.login).collect();
    authors.sort_unstable();
    authors.dedup();
    if authors.is_empty() || !press.button {
        return title;
    }
    let trailers: Vec<String> = authors
        .into_iter()
        .map(|login| {
            let who = state.ident(login);
            format!("Co-authored-by: {} <{}>", who.name, who.email)
        })
        .collect();
    format!("{title}\n\n{}", trailers.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_found_whatever_its_fence() {
        assert_eq!(block("x\n```suggestion\na\nb\n```\nrest").as_deref(), Some("a\nb\n"));
        assert_eq!(block("````suggestion\n```\n````").as_deref(), Some("```\n"));
        assert_eq!(block("```suggestion\n```").as_deref(), Some(""));
        assert_eq!(block("```rust\na\n```"), None);
        assert_eq!(block("```suggestion\nnever closed"), None);
    }

    #[test]
    fn line_ends_are_the_files_own() {
        let edit = |first, last, text: &str| Edit {
            path: "a".into(),
            first,
            last,
            text: text.into(),
            author: String::new(),
            thread: 0,
        };
        assert_eq!(replaced("a\r\nb\r\n", &edit(2, 2, "x\n")).unwrap(), "a\r\nx\r\n");
        assert_eq!(replaced("a\nb", &edit(2, 2, "x\ny\n")).unwrap(), "a\nx\ny");
        assert_eq!(replaced("a\nb\nc\n", &edit(1, 2, "")).unwrap(), "c\n");
        assert!(replaced("a\n", &edit(2, 2, "x\n")).is_err());
    }
}
