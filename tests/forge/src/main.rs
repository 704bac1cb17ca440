//! How is the forge tried by hand? It is served, and does what JSON lines on its standard input say.
//!
//! `cargo run -p apprentice-forge -- [ADDRESS [WEBHOOK-URL]]`, then for instance:
//!
//! ```text
//! {"do":"create","repo":"acme/demo","files":{"a.txt":"one\n"}}
//! {"do":"install","account":"acme"}
//! {"do":"push","repo":"acme/demo","login":"acme","branch":"topic","files":{"a.txt":"two\n"}}
//! {"do":"open_pr","repo":"acme/demo","login":"acme","branch":"topic","title":"two"}
//! {"do":"violations"}
//! ```

use forge::{Error, Fault, Forge, Options, Way, What};
use serde_json::{Value, json};
use std::io::{BufRead, stdin};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options::default();
    if let Some(listen) = arguments.next() {
        options.listen = listen;
    }
    let forge = Forge::start(options)?;
    if let Some(url) = arguments.next() {
        forge.webhooks_to(&url);
    }
    println!("{}", json!({ "url": forge.url(), "app_id": 7, "app_key": forge::TEST_KEY }));
    for line in stdin().lock().lines().map_while(Result::ok).filter(|l| !l.trim().is_empty()) {
        let answer = match serde_json::from_str::<Value>(&line) {
            Ok(deed) => deed_done(&forge, &Deed(&deed)).unwrap_or_else(|e| json!({ "error": e.to_string() })),
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{answer}");
    }
    Ok(())
}

/// One line of what to do.
struct Deed<'a>(&'a Value);

impl Deed<'_> {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or(0)
    }

    fn files(&self) -> Vec<(&str, &str)> {
        let files = self.0["files"].as_object().into_iter().flatten();
        files.filter_map(|(path, text)| Some((path.as_str(), text.as_str()?))).collect()
    }

    fn numbers(&self, name: &str) -> Vec<u64> {
        self.0[name].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }
}

fn deed_done(forge: &Forge, deed: &Deed<'_>) -> Result<Value, Error> {
    let done = || json!({ "done": true });
    Ok(match deed.text("do") {
        "create" => {
            let repo = forge.create(deed.text("repo"), &deed.files())?;
            json!({ "clone": repo.clone_url() })
        }
        "install" => json!({ "installation": forge.install(deed.text("account")) }),
        "token" => json!({ "token": forge.token(deed.text("login")) }),
        "jwt" => json!({ "jwt": forge.app_jwt()? }),
        "webhooks" => {
            forge.webhooks_to(deed.text("url"));
            done()
        }
        "fault" => {
            forge.fault(fault(deed)?);
            done()
        }
        "redeliver" => json!({ "done": forge.redeliver(deed.number("delivery")) }),
        "violations" => json!(forge.violations().iter().map(|v| format!("{v:?}")).collect::<Vec<_>>()),
        "deliveries" => json!(
            forge
                .deliveries()
                .iter()
                .map(|d| json!({ "id": d.id, "event": d.event, "action": d.action, "status": d.status }))
                .collect::<Vec<_>>()
        ),
        "requests" => {
            json!(forge.requests().iter().map(|r| format!("{} {} {}", r.status, r.method, r.path)).collect::<Vec<_>>())
        }
        _ => return in_repository(forge, deed),
    })
}

/// `status` (with `headers`), or one of the words below; met `times` times.
fn fault(deed: &Deed<'_>) -> Result<Fault, Error> {
    let headers = deed.0["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
    let what = match deed.text("what") {
        "drop_before" => What::DropBefore,
        "drop_after_write" => What::DropAfterWrite,
        "expire_token" => What::ExpireToken,
        "suspend" => What::SuspendInstallation,
        "hook_duplicate" => What::HookDuplicate,
        "hook_reorder" => What::HookReorder,
        "hook_lost" => What::HookLost,
        "" => What::Status(u16::try_from(deed.number("status")).unwrap_or(500), headers),
        other => return Err(Error::Missing(format!("the fault {other}"))),
    };
    let times = usize::try_from(deed.number("times")).unwrap_or(1).max(1);
    Ok(Fault::once(deed.text("method"), deed.text("path"), what).times(times))
}

fn in_repository(forge: &Forge, deed: &Deed<'_>) -> Result<Value, Error> {
    let repo = forge.repo(deed.text("repo"));
    let (login, pull, comment) = (deed.text("login"), deed.number("pull"), deed.number("comment"));
    let (branch, body) = (deed.text("branch"), deed.text("body"));
    let done = |()| json!({ "done": true });
    let numbered = |n: u64| json!({ "number": n });
    let commit = |sha: String| json!({ "commit": sha });
    match deed.text("do") {
        "push" => repo.push(login, branch, "change", &deed.files()).map(commit),
        "force_push" => repo.force_push(login, branch, deed.text("onto"), &deed.files()).map(commit),
        "open_pr" => repo.open_pr(login, branch, deed.text("title")).map(numbered),
        "open_draft" => repo.open_draft(login, branch, deed.text("title")).map(numbered),
        "ready" => repo.ready(pull, login).map(done),
        "close" => repo.close(pull, login).map(done),
        "comment" => Ok(numbered(repo.comment(pull, login, body))),
        "reply" => repo.reply(comment, login, body).map(numbered),
        "react" => repo.react(comment, login, deed.text("content")).map(numbered),
        "resolve" => repo.resolve(comment, login).map(done),
        "commit_suggestion" => {
            let title = deed.0["title"].as_str();
            repo.commit_suggestion(login, &deed.numbers("comments"), title).map(commit)
        }
        "merge" => repo.merge(pull, login, way(deed.text("way"))).map(commit),
        "threads" => Ok(json!(repo.threads(pull).iter().map(|t| format!("{t:?}")).collect::<Vec<_>>())),
        "checks" => {
            let sha = repo.head(deed.text("at")).unwrap_or_default();
            Ok(json!(repo.check_runs(&sha).iter().map(|c| format!("{c:?}")).collect::<Vec<_>>()))
        }
        other => Err(Error::Missing(format!("the deed {other}"))),
    }
}

fn way(name: &str) -> Way {
    match name {
        "squash" => Way::Squash,
        "rebase" => Way::Rebase,
        _ => Way::Merge,
    }
}
