//! Does the Action work? Its own steps, run as a runner runs them, against the forge.
#![expect(clippy::disallowed_methods, reason = "tests make files, run programs and say what their environment is")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use forge::{Forge, Options, Repo};
use serde_json::{Value, json};

const GOOD: &str = "import yaml\n\n\ndef load(path):\n    return path\n";
const WRONG: &str = "import yaml\n\n\ndef load(path):\n    with open(path) as file:\n        return yaml.load(file)\n";

/// What a job's token may do in a pull request of one's own.
const WRITES: &[(&str, &str)] = &[("checks", "write"), ("contents", "read"), ("pull_requests", "write")];
/// What it may do in a pull request from a fork.
const READS: &[(&str, &str)] = &[("checks", "read"), ("contents", "read"), ("pull_requests", "read")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// One job of a workflow: a folder for the runner's files, an event, a token.
struct Job<'a> {
    forge: &'a Forge,
    below: &'static str,
    folder: tempfile::TempDir,
    token: String,
    event: Value,
}

/// How a job ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
    summary: String,
    outputs: String,
}

impl<'a> Job<'a> {
    fn new(forge: &'a Forge, token: &[(&str, &str)], event: Value) -> Self {
        Self::at(forge, "", token, event)
    }

    /// The same on a server whose REST interface is below a path.
    fn at(forge: &'a Forge, below: &'static str, token: &[(&str, &str)], event: Value) -> Self {
        let token = forge.workflow_token("acme/demo", token);
        Self { forge, below, folder: tempfile::tempdir().expect("a folder"), token, event }
    }

    /// Runs the steps of action.yml that are ours, with these inputs.
    fn run(&self, inputs: &[(&str, &str)]) -> Ended {
        let action: Value = serde_saphyr::from_str(&fs::read_to_string(root().join("action.yml")).expect("action.yml"))
            .expect("action.yml is YAML");
        let steps = action["runs"]["steps"].as_array().expect("steps");
        let mut ended = None;
        for step in steps.iter().filter(|step| step["run"].is_string()) {
            let done = self.step(&action, step, inputs);
            let is_last = step["id"] == "review";
            assert!(is_last || done.code == 0, "{}{}", done.out, done.err);
            ended = Some(done);
        }
        ended.expect("a step that reviews")
    }

    fn step(&self, action: &Value, step: &Value, inputs: &[(&str, &str)]) -> Ended {
        let at = self.folder.path();
        let file = |name: &str| at.join(name);
        fs::write(file("event.json"), self.event.to_string()).expect("the event");
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"].as_str().expect("a script")]);
        command.current_dir(at).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", at);
        command.env("GITHUB_ACTION_PATH", root()).env("RUNNER_TEMP", at).env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_REPOSITORY", "acme/demo").env("GITHUB_EVENT_PATH", file("event.json"));
        command
            .env("GITHUB_API_URL", format!("{}{}", self.forge.url(), self.below))
            .env("GITHUB_SERVER_URL", self.forge.url());
        command.env("GITHUB_STEP_SUMMARY", file("summary.md")).env("GITHUB_OUTPUT", file("outputs"));
        command.env("APPRENTICE_BOT", kit::binary().with_file_name("apprentice-bot"));
        for (name, value) in step["env"].as_object().expect("an environment") {
            command.env(name, self.resolve(action, value.as_str().expect("text"), inputs));
        }
        let done: kit::Ran = command.output().expect("bash runs").into();
        let read = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
        Ended { code: done.code, out: done.out, err: done.err, summary: read("summary.md"), outputs: read("outputs") }
    }

    /// The few expressions that action.yml uses.
    fn resolve(&self, action: &Value, text: &str, inputs: &[(&str, &str)]) -> String {
        let temp = self.folder.path().display().to_string();
        let text = text.replace("${{ runner.temp }}", &temp).replace("${{ github.action_ref }}", "main");
        let Some(name) = text.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}")) else {
            assert!(!text.contains("${{"), "an expression that this test does not know: {text}");
            return text;
        };
        let given = inputs.iter().find(|(input, _)| *input == name).map(|(_, value)| (*value).to_owned());
        let default = || action["inputs"][name]["default"].as_str().expect("an input with a default").to_owned();
        given.unwrap_or_else(default).replace("${{ github.token }}", &self.token)
    }
}

fn demo() -> (Forge, Repo) {
    let forge = Forge::start(Options::default()).expect("a forge");
    let repo = forge.create("acme/demo", &[("load.py", GOOD)]).expect("a repository");
    repo.permit("alice", "write");
    (forge, repo)
}

#[test]
fn on_github_enterprise_server_too() {
    let forge = Forge::start(Options { enterprise: true, ..Options::default() }).expect("a forge");
    let repo = forge.create("acme/demo", &[("load.py", GOOD)]).expect("a repository");
    repo.permit("alice", "write");
    repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    let pull = repo.open_pr("alice", "topic", "Load it").expect("opened");
    let ended = Job::at(&forge, "/api/v3", WRITES, opened(pull)).run(&[]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert_eq!(by_actions(&repo, pull), 1);
    assert_eq!(forge.violations(), []);
}

fn opened(pull: u64) -> Value {
    json!({ "action": "opened", "number": pull, "pull_request": { "number": pull } })
}

fn from_fork(repo: &Repo) -> u64 {
    let fork = repo.fork("mallory").expect("a fork");
    fork.push("mallory", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    repo.open_fork_pr(&fork, "mallory", "topic", "Load it").expect("opened")
}

fn by_actions(repo: &Repo, pull: u64) -> usize {
    repo.reviews(pull).iter().filter(|review| review.author == "github-actions[bot]").count()
}

#[test]
fn a_pull_request_of_ones_own_is_reviewed_once() {
    let (forge, repo) = demo();
    let head = repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    let pull = repo.open_pr("alice", "topic", "Load it").expect("opened");
    let job = Job::new(&forge, WRITES, opened(pull));
    let ended = job.run(&[]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert_eq!(by_actions(&repo, pull), 1);
    assert!(repo.threads(pull)[0].comments[0].body.contains("```suggestion"));
    assert_eq!(repo.check_runs(&head)[0].conclusion.as_deref(), Some("failure"));
    assert!(ended.outputs.contains("errors=1\n") && ended.outputs.contains("complete=true\n"), "{}", ended.outputs);
    assert!(ended.summary.contains("load.py"), "{}", ended.summary);
    // Running it again, as "re-run all jobs" does, says nothing twice.
    assert_eq!(Job::new(&forge, WRITES, opened(pull)).run(&[("fail-on", "never")]).code, 0);
    assert_eq!(by_actions(&repo, pull), 1);
    assert_eq!(forge.violations(), []);
}

#[test]
fn a_pull_request_from_a_fork_is_annotated() {
    let (forge, repo) = demo();
    let pull = from_fork(&repo);
    let ended = Job::new(&forge, READS, opened(pull)).run(&[]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("::error file=load.py,line=6"), "{}", ended.out);
    assert!(ended.summary.contains("load.py"));
    assert_eq!((by_actions(&repo, pull), repo.threads(pull).len()), (0, 0));
    assert_eq!(forge.violations(), []);
}

#[test]
fn a_token_that_may_not_write_falls_back_to_annotations() {
    let (forge, repo) = demo();
    repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    let pull = repo.open_pr("alice", "topic", "Load it").expect("opened");
    let ended = Job::new(&forge, READS, opened(pull)).run(&[]);
    assert!(ended.out.contains("::error file=load.py,line=6"), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("may not post"), "{}", ended.err);
    assert_eq!(ended.code, 1);
}

/// The event of a workflow that ended, as the poster sees it.
fn run_of(repo: &Repo, pull: u64) -> Value {
    let pull = repo.pull(pull).expect("the pull request");
    json!({ "workflow_run": {
        "event": "pull_request", "head_sha": pull.head_sha, "head_repository": { "full_name": pull.head_repo } } })
}

#[test]
fn a_fork_is_reviewed_in_two_halves() {
    let (forge, repo) = demo();
    let pull = from_fork(&repo);
    let look = Job::new(&forge, READS, opened(pull));
    let ended = look.run(&[("mode", "artifact"), ("artifact", "which.json"), ("fail-on", "never")]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let artifact = fs::read_to_string(look.folder.path().join("which.json")).expect("the artifact");
    let post = Job::new(&forge, WRITES, run_of(&repo, pull));
    fs::write(post.folder.path().join("which.json"), &artifact).expect("handed over");
    let ended = post.run(&[("mode", "post"), ("artifact", "which.json"), ("fail-on", "never")]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(by_actions(&repo, pull), 1);
    assert_eq!(forge.violations(), []);
}

#[test]
fn a_hostile_artifact_is_refused() {
    let (forge, repo) = demo();
    let pull = from_fork(&repo);
    repo.push("alice", "other", "x", &[("x.py", WRONG)]).expect("pushed");
    let other = repo.open_pr("alice", "other", "Another").expect("opened");
    let head = repo.pull(pull).expect("a pull request").head_sha;
    let other_head = repo.pull(other).expect("a pull request").head_sha;
    let cases = [
        (json!({ "version": 1, "number": other, "head": head }), "not posted"),
        (json!({ "version": 1, "number": other, "head": other_head }), "not posted"),
        (json!({ "version": 1, "number": pull, "head": head, "comments": ["@everyone"] }), "not one of ours"),
        (json!({ "version": 1, "number": pull, "head": "../../x" }), "not one of ours"),
        (json!({ "version": 1, "number": pull, "head": "a".repeat(4000) }), "longer than"),
    ];
    for (artifact, why) in cases {
        let post = Job::new(&forge, WRITES, run_of(&repo, pull));
        fs::write(post.folder.path().join("which.json"), artifact.to_string()).expect("handed over");
        let ended = post.run(&[("mode", "post"), ("artifact", "which.json")]);
        assert_eq!(ended.code, 2, "{artifact}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(why), "{artifact}: {}", ended.err);
    }
    assert_eq!(by_actions(&repo, pull) + by_actions(&repo, other), 0);
}

#[test]
fn a_push_is_annotated_and_written_as_sarif() {
    let (forge, repo) = demo();
    let before = repo.head("main").expect("main");
    let after = repo.push("alice", "main", "load it", &[("load.py", WRONG)]).expect("pushed");
    let job = Job::new(&forge, READS, json!({ "before": before, "after": after, "ref": "refs/heads/main" }));
    let ended = job.run(&[("mode", "annotate"), ("sarif", "out.sarif"), ("fail-on", "never")]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("::error file=load.py,line=6"), "{}", ended.out);
    let sarif: Value = serde_json::from_str(&fs::read_to_string(job.folder.path().join("out.sarif")).expect("written"))
        .expect("SARIF is JSON");
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(1), "{sarif:#}");
    assert_eq!(forge.violations(), []);
}

#[test]
fn nothing_in_a_pull_request_becomes_a_command_of_the_runner() {
    let (forge, repo) = demo();
    let name = "a\n::set-env name=X::y.py";
    let files = [(name, WRONG), ("::error::x,line=1.py", WRONG), ("$(touch owned).py", WRONG)];
    repo.push("alice", "topic", "load it", &files).expect("pushed");
    let pull = repo.open_pr("alice", "topic", "`touch owned`\n::set-output name=x::y").expect("opened");
    let job = Job::new(&forge, READS, opened(pull));
    let ended = job.run(&[("mode", "annotate")]);
    let allowed = ["::error ", "::warning ", "::notice "];
    for line in ended.out.lines() {
        assert!(allowed.iter().any(|start| line.starts_with(start)), "{line}");
    }
    assert!(ended.outputs.lines().all(|line| line.split('=').count() == 2), "{}", ended.outputs);
    assert!(!job.folder.path().join("owned").exists());
}

#[test]
fn the_action_and_its_examples_pass_their_checkers() {
    let mut examples: Vec<PathBuf> =
        fs::read_dir(root().join("docs/workflows")).expect("examples").flatten().map(|entry| entry.path()).collect();
    examples.sort();
    assert_eq!(examples.len(), 4);
    let zizmor = ["--offline", "--no-progress", "--persona=pedantic"].map(PathBuf::from);
    let all: Vec<&PathBuf> = zizmor.iter().chain(&examples).collect();
    let action = root().join("action.yml");
    check("zizmor", &[all, vec![&action]].concat());
    check("actionlint", &examples.iter().collect::<Vec<_>>());
}

/// A checker's word, or a loud note that it is not here.
fn check(tool: &str, arguments: &[&PathBuf]) {
    match Command::new(tool).args(arguments).current_dir(root()).output() {
        Ok(output) => {
            let ran: kit::Ran = output.into();
            assert_eq!(ran.code, 0, "{tool}: {}{}", ran.out, ran.err);
        }
        Err(error) => {
            assert!(std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_none(), "{tool}: {error}");
            eprintln!("LEFT OUT: {tool} is not on PATH");
        }
    }
}
