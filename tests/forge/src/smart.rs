//! Who may clone and push, and what follows from a push?

use crate::auth::{self, Who};
use crate::state::{Repository, State};
use crate::wire::{Reply, Request};
use crate::{git, person, rest};

/// The repository and the rest of a path such as `/acme/demo.git/info/refs`.
pub(crate) fn split(path: &str) -> Option<(String, &str)> {
    let (full, rest) = path.strip_prefix('/')?.split_once(".git/")?;
    (full.split('/').count() == 2).then(|| (full.to_owned(), rest))
}

/// Serves one request of git.
pub(crate) fn serve(state: &mut State, request: &Request, full: &str, rest: &str) -> Reply {
    let push = rest == "git-receive-pack" || request.raw_query.contains("git-receive-pack");
    let who = match admitted(state, request, full, push) {
        Ok(who) => who,
        Err(reply) => return reply,
    };
    let Some(repo) = state.repo(full) else { return Reply { status: 404, ..Reply::default() } };
    let git = repo.git.clone();
    let before = git.refs().unwrap_or_default();
    let reply = backend(state, request, &who.login(state));
    if rest == "git-receive-pack" {
        let after = git.refs().unwrap_or_default();
        let login = who.login(state);
        if let Err(error) = person::follow(state, full, (&before, &after), &login) {
            state.violate("git", full, error.to_string());
        }
    }
    reply
}

/// 401 asks git for a credential; a wrong one is a violation, an expired one is not.
fn admitted(state: &mut State, request: &Request, full: &str, push: bool) -> Result<Who, Reply> {
    let who = auth::who(state, request);
    let Some(repo) = state.repo(full) else { return Err(Reply { status: 404, ..Reply::default() }) };
    let ask = || Reply { status: 401, ..Reply::default() }.with("www-authenticate", "Basic realm=\"GitHub\"");
    match who {
        Err(refusal) => {
            if !auth::known(state, request) {
                state.violate("auth", request.at(), refusal.message);
            }
            Err(ask())
        }
        Ok(Who::Nobody) if push || repo.private => Err(ask()),
        Ok(who) if !rest::sees(state, &who, repo) => Err(Reply { status: 404, ..Reply::default() }),
        Ok(who) if push && !writes(repo, &who) => Err(Reply { status: 403, ..Reply::default() }),
        Ok(who) if !reads(&who) => Err(Reply { status: 403, ..Reply::default() }),
        Ok(who) => Ok(who),
    }
}

fn reads(who: &Who) -> bool {
    match who {
        Who::Installation { permissions, .. } => permissions.contains_key("contents"),
        _ => true,
    }
}

fn writes(repo: &Repository, who: &Who) -> bool {
    match who {
        Who::Person(login) => repo.owner == *login || ["admin", "maintain", "write"].contains(&repo.permission(login)),
        Who::Installation { permissions, .. } => permissions.get("contents").is_some_and(|p| p == "write"),
        _ => false,
    }
}

fn backend(state: &State, request: &Request, login: &str) -> Reply {
    let mut env = vec![
        ("REQUEST_METHOD", request.method.clone()),
        ("PATH_INFO", crate::wire::decode(&request.path)),
        ("QUERY_STRING", request.raw_query.clone()),
        ("CONTENT_LENGTH", request.body.len().to_string()),
        ("REMOTE_USER", login.to_owned()),
        ("REMOTE_ADDR", "127.0.0.1".to_owned()),
    ];
    for (header, name) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        env.extend(request.header(header).map(|value| (name, value.to_owned())));
    }
    match git::http_backend(&state.root, &env, &request.body) {
        Ok(raw) => cgi(&raw),
        Err(error) => Reply { status: 500, body: error.to_string().into_bytes(), ..Reply::default() },
    }
}

/// A CGI program's answer: headers, an empty line, the body.
fn cgi(raw: &[u8]) -> Reply {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(raw.len());
    let mut reply = Reply { status: 200, ..Reply::default() };
    for line in String::from_utf8_lossy(&raw[..end]).lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            reply.status = value.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(500);
        } else {
            reply = reply.with(&name.to_ascii_lowercase(), value);
        }
    }
    reply.body = raw.get(end + 4..).unwrap_or_default().to_vec();
    reply
}
