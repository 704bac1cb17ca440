//! Does a model that was published answer in a review? With a real Ollama server and a real, small model.
//!
//! `ollama` is looked for on PATH; scripts/test-tools.sh builds it where Go and a C++ compiler are. Left out, loudly,
//! elsewhere.
#![expect(clippy::disallowed_methods, reason = "starts a real server and asks it")]

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kit::{Ran, TempRepo, binary};

fn trainer() -> PathBuf {
    binary().with_file_name(format!("apprentice-trainer{}", env::consts::EXE_SUFFIX))
}

pub(crate) fn model() -> Option<PathBuf> {
    let model = env::var_os("APPRENTICE_TEST_GGUF").filter(|path| !path.is_empty()).map(PathBuf::from);
    if model.is_none() {
        assert!(
            env::var_os("APPRENTICE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
            "APPRENTICE_TEST_GGUF is not set"
        );
        eprintln!("LEFT OUT: APPRENTICE_TEST_GGUF names no model");
    }
    model
}

/// A server of its own, gone when dropped.
pub(crate) struct Ollama {
    child: Child,
    pub(crate) address: String,
}

impl Ollama {
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path).map(|folder| folder.join("ollama")).find(|program| program.is_file());
        let Some(program) = program else {
            eprintln!("LEFT OUT: `ollama` is not on PATH; scripts/test-tools.sh builds it where Go is");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .arg("serve")
            .env("OLLAMA_HOST", &address)
            .env("OLLAMA_MODELS", folder.join("models"))
            .env("HOME", folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ollama starts");
        let server = Self { child, address };
        let until = Instant::now() + Duration::from_secs(60);
        while server.ask("GET /api/version", "").is_none() {
            assert!(Instant::now() < until, "ollama does not answer");
            thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// What it answers, with its head; none where it does not.
    fn ask(&self, line: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!(
            "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The digest of what has a name.
    fn digest(&self, name: &str) -> Option<String> {
        let answer = self.ask("GET /api/tags", "")?;
        let start = answer.find('{')?;
        let end = answer.rfind('}')?;
        let tags: serde_json::Value = serde_json::from_str(&answer[start..=end]).ok()?;
        let tag = tags["models"].as_array()?.iter().find(|tag| tag["name"] == name)?.clone();
        tag["digest"].as_str().map(str::to_owned)
    }
}

impl Drop for Ollama {
    fn drop(&mut self) {
        // Asked to end, it ends the process that runs the model, too; killed, it would leave it behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_published_model_reviews_and_can_be_taken_back() {
    let Some(model) = model() else { return };
    let mut repo = TempRepo::with(&[("a.py", "def ratio(a, b):\n    return a / b\n")]);
    let Some(server) = Ollama::start(&repo.home()) else { return };
    let file = repo.home().join("reviewer.gguf");
    fs::copy(&model, &file).expect("a copy of the model");
    let publish = |repo: &TempRepo, further: &[&str]| -> Ran {
        let mut command = repo.command(trainer());
        command.args(["publish", "--server", &server.address]).args(further);
        kit::run(command, b"")
    };
    let path = file.display().to_string();
    let first = publish(&repo, &[&path, "--name", "reviewer"]).expect_code(0);
    let parity = first.out.lines().find(|line| line.starts_with("parity")).unwrap_or_default();
    eprintln!("{parity}");
    assert!(
        first.out.contains("served      reviewer:latest") && first.out.contains("nothing had this name"),
        "{}",
        first.out
    );
    let one = server.digest("reviewer:latest").expect("a model with this name");

    repo.set("APPRENTICE_MODEL__OLLAMA", &server.address);
    repo.stage("a.py", "def ratio(a, b):\n    if b = 0:\n        return None\n    return a / b\n");
    let review =
        repo.apprentice(&["review", "--model", "ollama:reviewer", "--no-linters", "--no-recall", "--format", "json"]);
    let said = review.json();
    eprintln!("{}", said["notices"]);
    let asked = said.to_string();
    assert!(asked.contains("ollama:reviewer"), "{asked}");
    let is_failure = |notice: &serde_json::Value| notice["gravity"] == "failure";
    assert!(!said["notices"].as_array().expect("notices").iter().any(is_failure), "{asked}");

    // The same weights with other words: another model, and the first one can be had back.
    repo.write("system.txt", "Be brief.");
    let system = repo.path("system.txt").display().to_string();
    let second = publish(&repo, &[&path, "--name", "reviewer", "--system", &system, "--no-parity"]).expect_code(0);
    assert!(second.out.contains("reviewer:previous"), "{}", second.out);
    let two = server.digest("reviewer:latest").expect("a model with this name");
    assert!(two != one && server.digest("reviewer:previous").as_ref() == Some(&one));
    publish(&repo, &["--rollback", "reviewer"]).expect_code(0).expect_said("is served again");
    assert_eq!(server.digest("reviewer:latest"), Some(one.clone()));

    // A template that the model was not made for is found out before it is served.
    repo.write("other.tmpl", "{{ range .Messages }}{{ .Content }}\n{{ end }}");
    let template = repo.path("other.tmpl").display().to_string();
    publish(&repo, &[&path, "--name", "reviewer", "--template", &template])
        .expect_code(2)
        .expect_said("the template is another");
    assert_eq!(server.digest("reviewer:latest"), Some(one));
}

#[test]
fn a_review_is_seen_by_whoever_trains_here() {
    let repo = TempRepo::with(&[("a.py", "a = 1\n")]);
    let busy = repo.path(".git/apprentice/busy");
    repo.stage("a.py", "a = 2\n");
    repo.apprentice(&["review", "--no-linters"]).expect_code(0);
    assert!(!busy.exists(), "nobody trains here");
    fs::create_dir_all(repo.path(".git/apprentice/sleep")).expect("a folder");
    repo.apprentice(&["review", "--no-linters"]).expect_code(0);
    assert!(busy.exists());
}
