//! Does `index watch` keep up, and only when there is something to keep up with?
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use kit::{TempRepo, binary};

use super::{answers, found, path, soon, source};

struct Watch {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

/// Our command, which an interrupt ends also where these tests run behind a shell that has it ignored.
fn own(repo: &TempRepo) -> std::process::Command {
    if cfg!(target_os = "linux") {
        let mut command = repo.command("env");
        command.arg("--default-signal=INT").arg(binary());
        return command;
    }
    repo.command(binary())
}

impl Watch {
    fn start(repo: &TempRepo) -> Self {
        let mut command = own(repo);
        let mut child = command.args(["index", "watch"]).stdout(Stdio::piped()).spawn().expect("our command");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| heard.lock().expect("lines").push(line));
        });
        let watch = Self { child, said };
        soon("the watch has begun", || watch.lines() > 0);
        watch
    }

    fn lines(&self) -> usize {
        self.said.lock().expect("lines").len()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When the store was last written to.
fn written(repo: &TempRepo) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let files = super::files(&repo.path(".git/apprentice/index")).into_iter();
    let time = |path: std::path::PathBuf| Some((path.clone(), fs::metadata(&path).ok()?.modified().ok()?));
    files.filter_map(time).collect()
}

#[test]
fn a_change_is_found_soon_and_nothing_happens_without_one() {
    let repo = answers(20);
    let watch = Watch::start(&repo);
    let here = repo.at("repo");
    repo.write("new/deep/file.py", "def appeared(): pass\n");
    soon("a new file in a new folder is found", || found(&here, "appeared").len() == 1);
    repo.write("new/deep/file.py", "def changed(): pass\n");
    soon("a changed file is found", || found(&here, "changed").len() == 1);
    fs::remove_dir_all(repo.path("new")).expect("a folder of our own");
    soon("a removed folder is not found", || found(&here, "changed").is_empty());
    repo.write(".ai_coder_ignore", "part3/\n");
    soon("what is ignored now is not found", || found(&here, "answer_3").is_empty());
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write(path(1), source(1, "on_topic"));
    repo.commit_all("topic");
    soon("a commit changes nothing", || found(&here, "on_topic").len() == 1);
    repo.git(&["checkout", "-q", "main"]);
    soon("another branch is followed", || found(&here, "on_topic").is_empty());

    // Quiet: no writes of its own wake it up. It said something for each change and nothing else since.
    std::thread::sleep(Duration::from_millis(700));
    let (before, lines) = (written(&repo), watch.lines());
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((written(&repo), watch.lines()), (before, lines));
}

#[test]
fn an_interrupt_ends_it() {
    use std::os::unix::process::ExitStatusExt as _;
    let repo = answers(3);
    let mut watch = Watch::start(&repo);
    let mut kill = repo.command("kill");
    kit::run(
        {
            kill.args(["-INT", &watch.child.id().to_string()]);
            kill
        },
        b"",
    )
    .expect_code(0);
    soon("it ends", || watch.child.try_wait().expect("a child of ours").is_some());
    let status = watch.child.wait().expect("its end");
    assert!(status.signal() == Some(2) || status.code() == Some(130), "{status:?}");
}
