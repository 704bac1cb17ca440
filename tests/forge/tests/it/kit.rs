//! What do the forge's own tests need? A client that speaks plain HTTP, and a place where webhooks arrive.
#![expect(clippy::disallowed_methods, reason = "tests run git and read their own folders")]

use forge::{Forge, Options, Repo};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const HELLO: &str = "fn main() {\n    let a = 1;\n    let b = 2;\n    println!(\"{a} {b}\");\n}\n";

/// A forge with `acme/demo`, the app installed, and a pull request that changes `src/main.rs` lines 2 and 3.
pub(crate) struct Scene {
    pub(crate) forge: Forge,
    pub(crate) repo: Repo,
    pub(crate) pull: u64,
    pub(crate) token: String,
}

pub(crate) fn scene() -> Scene {
    let forge = Forge::start(Options::default()).unwrap();
    let repo = forge.create("acme/demo", &[("src/main.rs", HELLO), ("README.md", "demo\n")]).unwrap();
    forge.install("acme");
    repo.permit("alice", "write");
    let changed = HELLO.replace("let a = 1", "let a = 10").replace("let b = 2", "let b = 20");
    repo.push("alice", "topic", "ten", &[("src/main.rs", &changed)]).unwrap();
    let pull = repo.open_pr("alice", "topic", "Ten times more").unwrap();
    let token = mint(&forge);
    Scene { forge, repo, pull, token }
}

/// An installation token, as a bot would get it.
pub(crate) fn mint(forge: &Forge) -> String {
    let jwt = forge.app_jwt().unwrap();
    let (_, list) = call(forge, "GET", "/app/installations", &jwt, None);
    let id = list[0]["id"].as_u64().unwrap();
    let (status, token) = call(forge, "POST", &format!("/app/installations/{id}/access_tokens"), &jwt, None);
    assert_eq!(status, 201, "{token}");
    token["token"].as_str().unwrap().to_owned()
}

pub(crate) fn client() -> reqwest::blocking::Client {
    let none = reqwest::redirect::Policy::none();
    reqwest::blocking::Client::builder().user_agent("kit").no_proxy().redirect(none).build().unwrap()
}

/// One request with a token; the status and the JSON answered.
pub(crate) fn call(forge: &Forge, method: &str, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = client().request(method.parse().unwrap(), format!("{}{path}", forge.url()));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().unwrap()).unwrap_or(Value::Null))
}

impl Scene {
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        call(&self.forge, method, path, &self.token, body)
    }

    pub(crate) fn honest(&self) {
        assert!(self.forge.settle(Duration::from_secs(30)));
        let found = self.forge.violations();
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// One webhook as it came: headers (names in lower case) and body.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Hook {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|h| h.0 == name).map_or("", |h| h.1.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn name(&self) -> String {
        let action = self.json()["action"].as_str().map_or_else(String::new, |a| format!(".{a}"));
        self.header("x-github-event").to_owned() + &action
    }
}

/// Takes webhooks in and keeps them.
pub(crate) struct Inbox {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<Hook>>>,
}

impl Inbox {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take(stream, &kept);
            }
        });
        Self { url, got }
    }

    pub(crate) fn all(&self) -> Vec<Hook> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.all().iter().map(Hook::name).collect()
    }
}

/// Reads one request, keeps it, and only then answers 202, closing: one connection a webhook.
fn take(mut stream: TcpStream, kept: &Mutex<Vec<Hook>>) -> Option<()> {
    let mut raw = Vec::new();
    let mut chunk = [0; 65_536];
    let end = loop {
        if let Some(at) = raw.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let count = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        raw.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let pairs = head.lines().skip(1).filter_map(|l| l.split_once(": "));
    let headers: Vec<(String, String)> = pairs.map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
    let length: usize = headers.iter().find(|h| h.0 == "content-length")?.1.parse().ok()?;
    while raw.len() < end + 4 + length {
        let count = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        raw.extend_from_slice(&chunk[..count]);
    }
    kept.lock().unwrap().push(Hook { headers, body: raw[end + 4..].to_vec() });
    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}

/// Runs git in a folder; what it wrote.
pub(crate) fn git(dir: &Path, args: &[&str]) -> Result<String, String> {
    let out = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=alice", "-c", "user.email=alice@example.com", "-c", "commit.gpgSign=false"])
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).trim().to_owned();
    if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
