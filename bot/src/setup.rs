//! A GitHub App in two clicks: a page that sends GitHub a manifest, and keeps what GitHub answers.
//!
//! "Registering a GitHub App from a manifest": the browser posts the manifest, GitHub comes back with a code, and the code
//! buys the App's id, key and webhook secret once.

use std::{fmt::Write as _, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::{args, files, github, settings::File, token};

/// What the page and the way back from GitHub share.
struct Setup {
    settings: File,
    public_url: url::Url,
    organization: Option<String>,
    folder: std::path::PathBuf,
    here: String,
    /// Comes back from GitHub unchanged, or what comes back is not ours.
    state: String,
    done: mpsc::Sender<()>,
    once: Mutex<()>,
}

/// Serves the page until an App was made.
pub(crate) async fn run(settings: &File, given: &args::Setup) -> Result<ExitCode> {
    let public_url = url::Url::parse(&given.public_url).with_context(|| format!("`{}`", given.public_url))?;
    if !given.listen.ip().is_loopback() {
        return Err(anyhow!("`{}` can be reached by others; the page is for your own browser", given.listen));
    }
    files::make_private(&given.folder)?;
    let listener = tokio::net::TcpListener::bind(given.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", given.listen))?;
    let here = format!("http://{}", listener.local_addr()?);
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow!("no random bits: {error}"))?;
    let (done, mut finished) = mpsc::channel(1);
    let setup = Setup {
        settings: settings.clone(),
        public_url,
        organization: given.organization.clone(),
        folder: given.folder.clone(),
        state: hex::encode(random),
        done,
        once: Mutex::default(),
        here,
    };
    anstream::println!("open {} in your browser", setup.here);
    let routes = Router::new().route("/", get(page)).route("/made", get(made)).with_state(Arc::new(setup));
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            let _ = finished.recv().await;
        })
        .await?;
    Ok(ExitCode::SUCCESS)
}

fn manifest(setup: &Setup) -> Value {
    let permissions: serde_json::Map<String, Value> =
        token::NEEDED.iter().map(|(right, level, _)| ((*right).to_owned(), json!(level))).collect();
    let address = setup.public_url.as_str().trim_end_matches('/');
    json!({
        "name": setup.settings.github.name,
        "url": "https://github.com/apprentice-review/apprentice",
        "hook_attributes": { "url": format!("{address}/webhook"), "active": true },
        "redirect_url": format!("{}/made", setup.here),
        "public": false,
        "default_permissions": permissions,
        "default_events": [
            "pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_review_thread",
            "issue_comment", "check_run", "check_suite",
        ],
    })
}

async fn page(State(setup): State<Arc<Setup>>) -> Response {
    let web = setup.settings.github.web.trim_end_matches('/');
    let to = match &setup.organization {
        Some(organization) => format!("{web}/organizations/{}/settings/apps/new", escape(organization)),
        None => format!("{web}/settings/apps/new"),
    };
    let rights = token::NEEDED.iter().fold(String::new(), |mut rows, (right, level, purpose)| {
        let _ = write!(rows, "<tr><td>{right}</td><td>{level}</td><td>{purpose}</td></tr>");
        rows
    });
    let body = format!(
        "<h1>Make the App</h1><p>GitHub is told the address of the webhook, <code>{}</code>, and these permissions:</p>\
         <table><tr><th>permission</th><th>level</th><th>for</th></tr>{rights}</table>\
         <form action=\"{to}?state={}\" method=\"post\"><input type=\"hidden\" name=\"manifest\" value=\"{}\">\
         <button>Make it on GitHub</button></form>",
        escape(setup.public_url.join("webhook").map_or_else(|_| String::new(), Into::into).as_str()),
        setup.state,
        escape(&manifest(&setup).to_string()),
    );
    html(&body, web)
}

#[derive(Deserialize)]
struct Made {
    code: String,
    state: String,
}

async fn made(State(setup): State<Arc<Setup>>, Query(made): Query<Made>) -> Response {
    let web = setup.settings.github.web.clone();
    let _one_at_a_time = setup.once.lock().await;
    match keep(&setup, &made).await {
        Ok(name) => {
            let _ = setup.done.try_send(());
            let file = escape(&setup.folder.join("bot.toml").display().to_string());
            let install = format!("{}/apps/{}/installations/new", web.trim_end_matches('/'), escape(&name));
            let body = format!(
                "<h1>{} is made</h1><ol><li><a href=\"{install}\">Install it</a> where it is to review.</li>\
                 <li>Run <code>apprentice-bot --config {file} token check</code>.</li>\
                 <li>Run <code>apprentice-bot --config {file} serve</code>.</li></ol>",
                escape(&name)
            );
            html(&body, &web)
        }
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            let body = format!("<h1>It was not made</h1><p>{}</p>", escape(&format!("{error:#}")));
            (StatusCode::BAD_GATEWAY, html(&body, &web)).into_response()
        }
    }
}

/// Buys the App's secrets with the code, and writes them where only their owner reads them.
async fn keep(setup: &Setup, made: &Made) -> Result<String> {
    if made.state != setup.state {
        return Err(anyhow!("this did not begin on this page; open it anew"));
    }
    let app = github::convert_manifest(&setup.settings.github.api, &made.code).await?;
    let text = |field: &str| app[field].as_str().ok_or_else(|| anyhow!("GitHub's answer has no `{field}`"));
    let (key, secret, slug) = (text("pem")?, text("webhook_secret")?, text("slug")?);
    let id = app["id"].as_u64().ok_or_else(|| anyhow!("GitHub's answer has no `id`"))?;
    let folder = std::path::absolute(&setup.folder)?;
    files::write_private(&folder.join("app.pem"), key)?;
    files::write_private(&folder.join("webhook-secret"), secret)?;
    files::write_private(&folder.join("bot.toml"), &settings(setup, id, slug, &folder))?;
    anstream::println!("wrote {}", folder.join("bot.toml").display());
    Ok(slug.to_owned())
}

fn settings(setup: &Setup, id: u64, slug: &str, folder: &std::path::Path) -> String {
    let github = &setup.settings.github;
    let path = |name: &str| folder.join(name).display().to_string();
    let mut table = toml::Table::new();
    let mut server = toml::Table::new();
    server.insert("listen".into(), setup.settings.server.listen.to_string().into());
    server.insert("state".into(), path("state").into());
    server.insert("webhook_secret_file".into(), path("webhook-secret").into());
    let mut hub = toml::Table::new();
    hub.insert("api".into(), github.api.clone().into());
    hub.insert("web".into(), github.web.clone().into());
    hub.insert("app_id".into(), (id as i64).into());
    hub.insert("private_key_file".into(), path("app.pem").into());
    hub.insert("name".into(), slug.into());
    table.insert("server".into(), server.into());
    table.insert("github".into(), hub.into());
    table.to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A page that loads nothing and sends its one form to GitHub alone.
fn html(body: &str, web: &str) -> Response {
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'; form-action {web}; frame-ancestors 'none'");
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Apprentice</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;\
         padding:0 1rem;color:#1c1c1e;background:#fff}}table{{border-collapse:collapse;margin:1rem 0}}td,th{{text-align:left;\
         padding:.3rem .9rem .3rem 0;border-bottom:1px solid #ddd}}button{{font:inherit;padding:.5rem 1rem;border:0;\
         border-radius:.4rem;background:#1f6f43;color:#fff;cursor:pointer}}code{{background:#f2f2f4;padding:.1rem .3rem}}\
         </style><body>{body}</body></html>"
    );
    let headers = [(header::CONTENT_SECURITY_POLICY, policy), (header::REFERRER_POLICY, "no-referrer".into())];
    (headers, Html(page)).into_response()
}
