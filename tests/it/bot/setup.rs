//! Is an App made in two clicks, and does what was written serve?

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use forge::Forge;

use super::{binary, demo};

struct Page {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    fn open(forge: &Forge) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("[github]\napi = \"{0}\"\nweb = \"{0}\"\n", forge.url());
        fs::write(folder.path().join("start.toml"), text).expect("written");
        let mut child = Command::new(binary())
            .args(["--config", "start.toml", "setup", "--listen", "127.0.0.1:0"])
            .args(["--public-url", "https://bot.example.org", "--folder", "made"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("apprentice-bot starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("output")).read_line(&mut line).expect("a line");
        let address = line.split_whitespace().nth(1).expect("open ADDRESS").to_owned();
        Self { child, address, folder }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", &format!("{}{path}", self.address)])
            .output()
            .expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }
}

/// A hidden field's value as a browser would send it.
fn field(page: &str, name: &str) -> serde_json::Value {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("the field");
    let value = rest.split_once('"').expect("its end").0;
    serde_json::from_str(&value.replace("&quot;", "\"").replace("&amp;", "&")).expect("JSON")
}

#[test]
fn an_app_is_made_and_what_is_written_serves() {
    let (forge, _repo) = demo(&[("a.py", "x = 1\n")]);
    let mut page = Page::open(&forge);
    let (status, html) = page.get("/");
    assert_eq!(status, 200);
    let manifest = field(&html, "manifest");
    assert_eq!(manifest["hook_attributes"]["url"], "https://bot.example.org/webhook");
    assert_eq!(manifest["default_permissions"]["pull_requests"], "write");
    assert_eq!(manifest["redirect_url"], format!("{}/made", page.address));
    let state = html.split_once("?state=").and_then(|(_, rest)| rest.split_once('"')).expect("a state").0.to_owned();

    let (status, said) = page.get("/made?code=abc&state=0000");
    assert_eq!(status, 502, "{said}");
    assert!(said.contains("did not begin on this page"), "{said}");
    let (status, said) = page.get(&format!("/made?code=abc&state={state}"));
    assert_eq!(status, 200, "{said}");
    assert!(page.child.wait().expect("ended").success(), "the page closes when the App is made");

    let made = page.folder.path().join("made");
    for secret in ["app.pem", "webhook-secret", "bot.toml"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(made.join(secret)).expect("written").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
    let check = Command::new(binary())
        .arg("--config")
        .arg(made.join("bot.toml"))
        .args(["token", "check"])
        .output()
        .expect("apprentice-bot runs");
    let check: kit::Ran = check.into();
    let check = check.expect_code(0);
    assert!(check.out.contains("ok       checks: write") && check.out.contains("installed for acme"), "{}", check.out);
    assert_eq!(forge.violations(), []);
}

#[test]
fn a_missing_permission_is_named() {
    let (forge, _repo) = demo(&[("a.py", "x = 1\n")]);
    forge.permit("acme", &[("contents", "read"), ("metadata", "read"), ("pull_requests", "read")]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("app.pem"), forge::TEST_KEY).expect("written");
    let text =
        format!("[github]\napi = \"{0}\"\nweb = \"{0}\"\napp_id = 7\nprivate_key_file = \"app.pem\"\n", forge.url());
    fs::write(folder.path().join("bot.toml"), text).expect("written");
    let check = Command::new(binary())
        .args(["--config", "bot.toml", "token", "check"])
        .current_dir(folder.path())
        .output()
        .expect("apprentice-bot runs");
    let check: kit::Ran = check.into();
    let check = check.expect_code(1);
    assert!(check.out.contains("missing  checks: write (has nothing), for the check run"), "{}", check.out);
    assert!(check.out.contains("missing  pull_requests: write (has read)"), "{}", check.out);
}
