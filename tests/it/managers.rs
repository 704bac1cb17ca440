//! Do pre-commit, prek and lefthook run our hook, and live beside it?
#![expect(clippy::disallowed_methods, reason = "tests make the files and processes they look at")]

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use kit::{Ran, TempRepo, binary, run, tool};

const BAD: &str = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> topic\n";
const FOUND: &str = "any/conflict-marker";

/// A repository, and a PATH on which its hooks find the manager and our command.
struct Managed {
    repo: TempRepo,
    path: OsString,
}

impl Managed {
    fn new(manager: &Path) -> Self {
        let repo = TempRepo::empty();
        let folders = [manager.parent(), binary().parent()].map(|folder| folder.map(Path::to_owned));
        let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(|folder| Some(PathBuf::from(folder)));
        let path = std::env::join_paths(folders.into_iter().chain(system).flatten()).expect("a path");
        Self { repo, path }
    }

    fn run(&self, program: &str, args: &[&str]) -> Ran {
        let mut command: Command = self.repo.command(program);
        command.args(args).env("PATH", &self.path).env("PREK_HOME", self.repo.home().join("prek"));
        command.env("PRE_COMMIT_HOME", self.repo.home().join("pre-commit")).env("LEFTHOOK_QUIET", "meta");
        run(command, b"")
    }

    fn git(&self, args: &[&str]) -> Ran {
        self.run("git", args)
    }

    fn commit_everything(&self) {
        self.git(&["add", "--all"]).expect_code(0);
        self.git(&["commit", "--quiet", "--no-verify", "--message=first"]).expect_code(0);
    }

    /// An error that is staged, an edit of the same file that is not, and an untracked file: the commit is stopped,
    /// and everything is as it was. Then the same without the error goes through.
    fn behaves(&self) {
        let lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        self.repo.write("half.txt", lines);
        self.commit_everything();
        for (staged, stopped) in [(format!("{BAD}{lines}"), true), (format!("fine\n{lines}"), false)] {
            let there = format!("{staged}not staged\n");
            self.repo.write("half.txt", &staged);
            self.git(&["add", "half.txt"]).expect_code(0);
            self.repo.write("half.txt", &there);
            self.repo.write("untracked.txt", "mine\n");
            let ran = self.git(&["commit", "-m", "half"]);
            assert_eq!(ran.code != 0, stopped, "{}", ran.said());
            assert_eq!(ran.said().contains(FOUND), stopped, "{}", ran.said());
            assert_eq!(self.git(&["show", ":half.txt"]).out, staged);
            assert_eq!((self.repo.text("half.txt"), self.repo.text("untracked.txt")), (there, "mine\n".to_owned()));
        }
        assert_eq!(self.git(&["show", "HEAD:half.txt"]).out, format!("fine\n{lines}"));
    }
}

/// Our `.pre-commit-hooks.yaml` in a repository of its own, as pre-commit wants to clone it; and the configuration that
/// names it.
fn configured(managed: &Managed) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository");
    let hooks = managed.repo.home().join("hooks");
    fs::create_dir(&hooks).expect("a folder of our own");
    fs::copy(root.join(".pre-commit-hooks.yaml"), hooks.join(".pre-commit-hooks.yaml")).expect("our own file");
    let git = |args: &[&str]| {
        let mut command = managed.repo.command("git");
        command.current_dir(&hooks).args(args);
        run(command, b"").expect_code(0).out
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=hooks"]);
    let revision = git(&["rev-parse", "HEAD"]);
    format!("repos:\n- repo: {}\n  rev: {}  hooks:\n  - id: apprentice\n", hooks.display(), revision)
}

fn python_manager(name: &str) {
    let Some(program) = tool(name) else { return };
    let managed = Managed::new(&program);
    managed.repo.write(".pre-commit-config.yaml", configured(&managed));
    managed.git(&["add", "--all"]).expect_code(0);
    managed.run(name, &["install", "--hook-type", "pre-commit", "--hook-type", "pre-push"]).expect_code(0);
    managed.behaves();
    pushes(&managed);
    ranges(&managed, name);
    refuses_and_chains(&managed, name);
}

fn pushes(managed: &Managed) {
    let remote = managed.repo.home().join("remote.git").display().to_string();
    managed.git(&["init", "--quiet", "--bare", &remote]).expect_code(0);
    managed.git(&["remote", "add", "origin", &remote]).expect_code(0);
    managed.git(&["push", "--quiet", "origin", "main"]).expect_code(0);
    managed.repo.write("pushed.txt", BAD);
    managed.commit_everything();
    let ran = managed.git(&["push", "origin", "main"]).expect_said(FOUND).expect_said("pushed.txt");
    assert_ne!(ran.code, 0);
    managed.git(&["push", "--quiet", "--no-verify", "origin", "main"]).expect_code(0);
}

fn ranges(managed: &Managed, name: &str) {
    managed
        .run(name, &["run", "--from-ref", "HEAD~1", "--to-ref", "HEAD"])
        .expect_code(1)
        .expect_said(FOUND)
        .expect_said("pushed.txt");
    managed.run(name, &["run", "--all-files"]).expect_code(0);
}

/// `hook install` refuses with what to write instead; with --force both run, once each, even when the manager installs
/// itself again over us.
fn refuses_and_chains(managed: &Managed, name: &str) {
    let install =
        |force: &[&str]| managed.run("apprentice", &[&["hook", "install", "--type", "pre-commit"], force].concat());
    install(&[]).expect_code(2).expect_said("entry: apprentice hook run pre-commit").expect_said("--force");
    managed.repo.write(
        ".pre-commit-config.yaml",
        "repos:\n- repo: local\n  hooks:\n  - id: theirs\n    name: theirs\n    language: system\n    always_run: true\n    \
         pass_filenames: false\n    verbose: true\n    entry: echo THEIRS-RAN\n",
    );
    managed.commit_everything();
    install(&["--force"]).expect_code(0).expect_said("the hook that was there runs first");
    let both = |stage: &str| {
        managed.repo.write("next.txt", format!("{stage}\n{BAD}"));
        managed.git(&["add", "next.txt"]).expect_code(0);
        let ran = managed.git(&["commit", "-m", "x"]);
        let times = |what: &str| ran.said().matches(what).count();
        assert_ne!(ran.code, 0, "{stage}: {}", ran.said());
        assert_eq!((times("THEIRS-RAN"), times("Stopped by apprentice")), (1, 1), "{stage}: {}", ran.said());
        managed.repo.write("next.txt", format!("{stage}\n"));
        managed.git(&["add", "next.txt"]).expect_code(0);
        managed.git(&["commit", "-m", stage]).expect_code(0).expect_said("THEIRS-RAN");
    };
    both("chained");
    managed.run(name, &["install"]).expect_code(0);
    managed.run("apprentice", &["hook", "status"]).expect_said("pre-commit: installed, run by pre-commit");
    both("installed over us");
    install(&["--force"]).expect_code(0);
    both("chained again");
    managed.run("apprentice", &["hook", "uninstall"]).expect_code(0);
    managed.repo.write("next.txt", BAD);
    managed.git(&["add", "next.txt"]).expect_code(0);
    let ran = managed.git(&["commit", "-m", "only theirs"]).expect_code(0).expect_said("THEIRS-RAN");
    assert!(!ran.said().contains(FOUND));
}

#[test]
fn pre_commit_runs_our_hook() {
    python_manager("pre-commit");
}

#[test]
fn prek_runs_our_hook() {
    python_manager("prek");
}

const LEFTHOOK: &str = "pre-commit:\n  commands:\n    apprentice:\n      run: apprentice hook run pre-commit\n";

#[test]
fn lefthook_runs_our_hook() {
    let Some(program) = tool("lefthook") else { return };
    let managed = Managed::new(&program);
    managed.repo.write("lefthook.yml", LEFTHOOK);
    managed.run("lefthook", &["install"]).expect_code(0);
    managed.behaves();
}

#[test]
fn lefthook_and_our_own_hook_live_together() {
    let Some(program) = tool("lefthook") else { return };
    let managed = Managed::new(&program);
    managed.repo.write("lefthook.yml", "pre-commit:\n  commands:\n    theirs:\n      run: echo THEIRS-RAN\n");
    managed.commit_everything();
    managed.run("lefthook", &["install"]).expect_code(0);
    managed
        .run("apprentice", &["hook", "install"])
        .expect_code(2)
        .expect_said("run: apprentice hook run pre-commit")
        .expect_said("--force");
    managed.run("apprentice", &["hook", "install", "--type", "pre-commit", "--force"]).expect_code(0);
    managed.repo.write("a.txt", BAD);
    managed.git(&["add", "a.txt"]).expect_code(0);
    let ran = managed.git(&["commit", "-m", "x"]).expect_said("THEIRS-RAN").expect_said("Stopped by apprentice");
    assert_ne!(ran.code, 0);
    // When its file changes lefthook writes its hooks anew and puts ours away; whatever it does, it ends.
    managed.repo.write("lefthook.yml", "pre-commit:\n  commands:\n    theirs:\n      run: echo THEIRS-CHANGED\n");
    managed.git(&["commit", "-m", "x"]).expect_said("THEIRS-CHANGED");
    managed.run("apprentice", &["hook", "status"]).expect_code(0).expect_said("pre-commit: ");
    managed.run("apprentice", &["hook", "uninstall"]).expect_code(0);
}
