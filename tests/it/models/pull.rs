//! Models are fetched, kept and removed, by the command.
#![expect(clippy::disallowed_methods, reason = "tests look at the files and programs they made")]

use std::time::Duration;

use kit::{
    Ran, TempRepo, run,
    speaker::{Speaker, Speech},
};
use serde_json::json;

/// A GGUF file as short as one may be, with so many bytes of weights.
fn model(bytes: usize) -> Vec<u8> {
    let mut model = b"GGUF\x03\0\0\0".to_vec();
    model.extend(0_u64.to_le_bytes());
    model.extend(1_u64.to_le_bytes());
    let key = "general.architecture";
    model.extend((key.len() as u64).to_le_bytes());
    model.extend(key.as_bytes());
    model.extend(8_u32.to_le_bytes());
    model.extend(5_u64.to_le_bytes());
    model.extend(b"llama");
    model.extend((0..bytes).map(|at| (at % 251) as u8));
    model
}

/// SHA-256 of a file as the system's own tool has it.
fn sum(bytes: &[u8]) -> String {
    let ran = run(std::process::Command::new("sha256sum"), bytes);
    ran.out.split(' ').next().unwrap_or_default().to_owned()
}

fn home() -> TempRepo {
    let mut repo = TempRepo::bare_folder();
    let models = repo.path("models");
    repo.set("APPRENTICE_MODELS", models);
    repo.set("APPRENTICE_MODEL__OLLAMA", "http://127.0.0.1:1");
    repo
}

fn pull(repo: &TempRepo, source: &str) -> Ran {
    repo.apprentice(&["model", "pull", source])
}

/// A mirror of Hugging Face with one repository, `a/b`, whose file is told so and sent so.
fn mirror(
    bytes: Vec<u8>,
    sha256: String,
    send: impl Fn(&kit::speaker::Heard, &[u8]) -> Speech + Send + Sync + 'static,
) -> Speaker {
    Speaker::new(move |heard| match heard.path.as_str() {
        "/api/models/a/b/tree/main?recursive=1" => Speech::json(&json!([
            { "type": "file", "oid": "1", "size": 7, "path": "README.md" },
            { "type": "file", "oid": "2", "size": bytes.len(), "path": "tiny-q4_k_m.gguf",
              "lfs": { "oid": sha256, "size": bytes.len(), "pointerSize": 134 } },
        ])),
        "/a/b/resolve/main/tiny-q4_k_m.gguf" => Speech::status(302).with("Location", "/cdn/123?signature=x"),
        "/cdn/123?signature=x" => send(heard, &bytes),
        _ => Speech::status(404),
    })
}

#[test]
fn a_model_comes_from_a_repository_by_way_of_a_redirect_and_goes_again() {
    let bytes = model(300_000);
    let hub = mirror(bytes.clone(), sum(&bytes), |_, bytes| Speech::file(bytes).with("ETag", "\"1\""));
    let mut repo = home();
    repo.set("HF_ENDPOINT", hub.url(""));
    let ran = pull(&repo, "hf:a/b").expect_code(0).expect_said(&sum(&bytes)).expect_said("as its source says");
    assert!(!ran.err.contains('\r'), "no bar where there is no terminal");
    assert_eq!(repo.read("models/tiny-q4_k_m.gguf"), bytes);
    pull(&repo, "hf:a/b/tiny-q4_k_m.gguf").expect_code(0).expect_said("was there already");
    let count = hub.paths().iter().filter(|path| path.starts_with("/cdn")).count();
    assert_eq!(count, 1);
    repo.apprentice(&["model", "list"]).expect_code(0).expect_said("tiny-q4_k_m.gguf").expect_said("llama");
    let listed = repo.apprentice(&["model", "list", "--json"]).expect_code(0).json();
    assert_eq!(listed["files"][0]["about"]["architecture"], "llama");
    repo.apprentice(&["model", "rm", "tiny-q4_k_m"]).expect_code(0).expect_said("removed");
    repo.apprentice(&["model", "rm", "tiny-q4_k_m"]).expect_code(2).expect_said("there is no model");
    assert_eq!(std::fs::read_dir(repo.path("models")).expect("the folder").count(), 0, "nothing is left behind");
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
    let bytes = model(300_000);
    let hub = mirror(bytes.clone(), sum(&bytes), |heard, bytes| {
        let from: usize = heard
            .headers
            .get("range")
            .map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().expect("a number"));
        let to = (from + 100_000).min(bytes.len());
        if from == 0 {
            return Speech::file(&bytes[..to]).with_length(bytes.len()).with("ETag", "\"v1\"").drop();
        }
        assert_eq!(heard.headers["if-range"], "\"v1\"");
        let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        let rest = Speech::file(&bytes[from..to]).with_length(bytes.len() - from).with_status(206);
        let rest = rest.with("Content-Range", &range).with("ETag", "\"v1\"");
        if to < bytes.len() { rest.drop() } else { rest }
    });
    let mut repo = home();
    repo.set("HF_ENDPOINT", hub.url(""));
    pull(&repo, "hf:a/b").expect_code(0).expect_said(&sum(&bytes));
    assert_eq!(repo.read("models/tiny-q4_k_m.gguf"), bytes);
    let count = hub.paths().iter().filter(|path| path.starts_with("/cdn")).count();
    assert_eq!(count, 4);
}

#[test]
fn what_another_process_began_is_gone_on_with_as_long_as_it_is_the_same_file() {
    let bytes = model(300_000);
    // At first it hangs, then it sends the rest, then it has another file.
    let begun = |heard: &kit::speaker::Heard, bytes: &[u8]| {
        let whole = Speech::file(bytes).with("ETag", "\"v1\"");
        match heard.before % 3 {
            0 => Speech::file(&bytes[..50_000]).with_length(bytes.len()).with("ETag", "\"v1\"").hang(),
            1 if heard.headers.get("range").is_some_and(|range| range == "bytes=50000-") => {
                assert_eq!(heard.headers["if-range"], "\"v1\"");
                let range = format!("bytes 50000-{}/{}", bytes.len() - 1, bytes.len());
                Speech::file(&bytes[50_000..]).with_status(206).with("Content-Range", &range).with("ETag", "\"v1\"")
            }
            _ => whole,
        }
    };
    let hub = mirror(bytes.clone(), sum(&bytes), begun);
    let mut repo = home();
    repo.set("HF_ENDPOINT", hub.url(""));
    begin(&repo);
    pull(&repo, "hf:a/b").expect_code(0).expect_said(&sum(&bytes));
    assert_eq!(repo.read("models/tiny-q4_k_m.gguf"), bytes);
    assert_eq!(hub.paths().iter().filter(|path| path.starts_with("/cdn")).count(), 2);

    // The server has another file by then, and sends all of it.
    let other = mirror(bytes.clone(), sum(&bytes), |heard, bytes| {
        let etag = if heard.before == 0 { "\"old\"" } else { "\"new\"" };
        let whole = Speech::file(bytes).with("ETag", etag);
        if heard.before == 0 {
            Speech::file(&[7; 50_000]).with_length(bytes.len()).with("ETag", etag).hang()
        } else {
            whole
        }
    });
    repo.set("HF_ENDPOINT", other.url(""));
    repo.apprentice(&["model", "rm", "tiny-q4_k_m"]).expect_code(0);
    begin(&repo);
    pull(&repo, "hf:a/b").expect_code(0).expect_said(&sum(&bytes));
    assert_eq!(other.last("/cdn/123?signature=x").headers["if-range"], "\"old\"");

    // Another source may have another file: what came of the first is not used.
    repo.apprentice(&["model", "rm", "tiny-q4_k_m"]).expect_code(0);
    let first = mirror(bytes.clone(), sum(&bytes), begun);
    repo.set("HF_ENDPOINT", first.url(""));
    begin(&repo);
    let second = mirror(bytes.clone(), sum(&bytes), |_, bytes| Speech::file(bytes));
    repo.set("HF_ENDPOINT", second.url(""));
    pull(&repo, "hf:a/b").expect_code(0);
    assert!(!second.last("/cdn/123?signature=x").headers.contains_key("range"));
}

/// Starts fetching, waits until the first 50,000 bytes are there, and ends it.
fn begin(repo: &TempRepo) {
    let mut child = repo.command(kit::binary());
    child.args(["model", "pull", "hf:a/b"]).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut child = child.spawn().expect("started");
    let part = repo.path("models/.tiny-q4_k_m.gguf.part");
    let is_there = || std::fs::metadata(&part).is_ok_and(|about| about.len() == 50_000);
    for _ in 0..2_000 {
        if is_there() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_there());
    pull(repo, "hf:a/b").expect_code(2).expect_said("another process is fetching");
    child.kill().expect("ours to end");
    child.wait().expect("its end");
}

#[test]
fn what_is_not_what_it_should_be_is_thrown_away() {
    let bytes = model(1_000);
    let mut repo = home();
    let hub = mirror(bytes.clone(), "ab".repeat(32), |_, bytes| Speech::file(bytes));
    repo.set("HF_ENDPOINT", hub.url(""));
    pull(&repo, "hf:a/b").expect_code(2).expect_said("it should be abab").expect_said("thrown away");
    let hub = mirror(bytes.clone(), sum(&bytes), |_, bytes| Speech::file(&bytes[1..]));
    repo.set("HF_ENDPOINT", hub.url(""));
    pull(&repo, "hf:a/b").expect_code(2).expect_said("bytes, and it should have");
    let page = Speaker::new(|_| Speech::file(b"<html>please log in</html>"));
    pull(&repo, &page.url("/a.gguf")).expect_code(2).expect_said("is no GGUF model: it does not begin as one");
    assert!(!repo.path("models/a.gguf").exists());
    let left: Vec<_> = std::fs::read_dir(repo.path("models")).expect("the folder").flatten().collect();
    let left: Vec<String> = left.iter().map(|one| one.file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| name.starts_with(".tiny")), "{left:?}");
}

#[test]
fn nothing_is_fetched_from_where_nobody_pointed() {
    let repo = home();
    let inside = Speaker::new(|_| Speech::file(b"secret"));
    let port = inside.url("").rsplit(':').next().unwrap_or_default().to_owned();
    for target in
        [format!("http://127.0.0.2:{port}/x"), "http://169.254.169.254/latest".into(), "http://example.org/x".into()]
    {
        let site = Speaker::new(move |_| Speech::status(302).with("Location", &target));
        let ran = pull(&repo, &site.url("/a.gguf")).expect_code(2);
        assert!(ran.err.contains("private network") || ran.err.contains("unencrypted"), "{}", ran.err);
    }
    assert!(inside.heard().is_empty());
    pull(&repo, "http://192.168.1.1/a.gguf").expect_code(2).expect_said("unencrypted");
    let site = Speaker::new(|heard| Speech::status(302).with("Location", &heard.path));
    pull(&repo, &site.url("/a.gguf")).expect_code(2).expect_said("redirects more than 5 times");
    let site = Speaker::new(|_| Speech::status(404));
    pull(&repo, &site.url("/a.gguf")).expect_code(2).expect_said("404 Not Found");
    pull(&repo, "hf:a").expect_code(2).expect_said("write hf:OWNER/REPO");
}

#[test]
fn an_ollama_server_fetches_and_drops_models_itself() {
    let server = Speaker::new(|heard| match (heard.path.as_str(), heard.body["model"].as_str().unwrap_or_default()) {
        ("/api/pull", "tiny") => Speech::lines(&[
            json!({ "status": "pulling manifest" }),
            json!({ "status": "pulling abc", "digest": "sha256:abc", "total": 100, "completed": 50 }),
            json!({ "status": "success" }),
        ]),
        ("/api/pull", "cut") => Speech::lines(&[json!({ "status": "pulling manifest" })]),
        ("/api/pull", _) => Speech::lines(&[
            json!({ "status": "pulling manifest" }),
            json!({ "error": "pull model manifest: file does not exist" }),
        ]),
        ("/api/delete", "tiny:latest") => Speech::status(200),
        ("/api/delete", _) => Speech::refusal(404, &json!({ "error": "model 'other' not found" })),
        _ => Speech::status(404),
    });
    let mut repo = home();
    repo.set("APPRENTICE_MODEL__OLLAMA", server.url(""));
    pull(&repo, "ollama:tiny").expect_code(0).expect_said("ollama:tiny is there");
    pull(&repo, "ollama:other").expect_code(2).expect_said("file does not exist");
    pull(&repo, "ollama:cut").expect_code(2).expect_said("hung up before it had the model");
    repo.apprentice(&["model", "rm", "ollama:tiny"]).expect_code(0).expect_said("dropped `tiny`");
    assert_eq!(server.last("/api/delete").method, "DELETE");
    repo.apprentice(&["model", "rm", "ollama:other"]).expect_code(2).expect_said("does not have the model `other`");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_found_out_before() {
    let bytes = model(3_000_000);
    let hub = mirror(bytes.clone(), sum(&bytes), |_, bytes| Speech::file(bytes));
    let mut repo = home();
    repo.set("HF_ENDPOINT", hub.url(""));
    repo.write("models/.keep", "");
    repo.write("big.gguf", &bytes);
    let script = "mount -t tmpfs -o size=2m none models; $A model pull hf:a/b || echo code $?; \
                  $A model import big.gguf || echo code $?; ls -A models";
    if kit::tool("unshare").is_none() {
        return;
    }
    let mut command = repo.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).env("A", kit::binary());
    let ran = run(command, b"");
    if ran.err.contains("unshare") {
        eprintln!("LEFT OUT: this kernel gives no namespace in which one may mount: {}", ran.err);
        return;
    }
    assert_eq!(ran.out.matches("code 2").count(), 2, "{}{}", ran.out, ran.err);
    assert_eq!(ran.err.matches("MB are needed").count(), 2, "{}", ran.err);
}
