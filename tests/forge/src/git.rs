//! How does the forge keep real repositories? Bare ones under a temporary folder, through the git command.
#![expect(clippy::disallowed_methods, reason = "this is the forge's one module that runs git and makes folders")]

use crate::Error;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// git's own `update` hook: reference, old commit, new commit.
const UPDATE_HOOK: &str = "#!/bin/sh
grep -qxF \"$1\" \"$GIT_DIR/protected\" || exit 0
[ \"$(git merge-base \"$2\" \"$3\" 2>/dev/null)\" = \"$2\" ] && exit 0
echo 'error: GH006: Protected branch update failed' >&2
exit 1
";

/// Who stands in a commit: name, mail address, seconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) at: i64,
}

/// One file of a commit to be: its path and its bytes, `None` to delete it.
pub(crate) type Files = Vec<(String, Option<Vec<u8>>)>;

/// Settings of the environment for one git command.
type Env<'a> = &'a [(&'a str, String)];

/// What a commit is made of besides its tree.
pub(crate) struct Draft<'a> {
    pub(crate) parents: &'a [String],
    pub(crate) message: &'a str,
    pub(crate) author: &'a Ident,
    pub(crate) committer: &'a Ident,
}

/// A bare repository on disk.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    dir: PathBuf,
}

impl Git {
    /// Makes a bare repository that serves what GitHub serves: any reachable commit, partial clones, pull refs.
    pub(crate) fn init(dir: PathBuf) -> Result<Self, Error> {
        std::fs::create_dir_all(&dir).map_err(|e| Error::Git(e.to_string()))?;
        let git = Self { dir };
        git.run(&["init", "--quiet", "--bare", "--initial-branch=main"])?;
        git.settings()?;
        Ok(git)
    }

    /// A bare copy of another repository's branches: what a fork is.
    pub(crate) fn fork(&self, dir: PathBuf) -> Result<Self, Error> {
        let git = Self::init(dir)?;
        let from = self.dir.display().to_string();
        git.run(&["fetch", "--quiet", &from, "+refs/heads/*:refs/heads/*"])?;
        Ok(git)
    }

    /// Lets nobody throw a branch's commits away, whichever way they push.
    pub(crate) fn protect(&self, branch: &str) -> Result<(), Error> {
        let fail = |e: std::io::Error| Error::Git(e.to_string());
        let list = self.dir.join("protected");
        let mut names = std::fs::read_to_string(&list).unwrap_or_default();
        names += &format!("refs/heads/{branch}\n");
        std::fs::write(list, names).map_err(fail)?;
        let hook = self.dir.join("hooks/update");
        std::fs::create_dir_all(self.dir.join("hooks")).map_err(fail)?;
        std::fs::write(&hook, UPDATE_HOOK).map_err(fail)?;
        std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(fail)
    }

    fn settings(&self) -> Result<(), Error> {
        for (key, value) in [
            ("http.receivepack", "true"),
            ("uploadpack.allowFilter", "true"),
            ("uploadpack.allowReachableSHA1InWant", "true"),
            ("gc.auto", "0"),
            ("receive.denyDeleteCurrent", "ignore"),
        ] {
            self.run(&["config", key, value])?;
        }
        Ok(())
    }

    /// Runs git here and returns what it wrote, without the last line break.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, Error> {
        let out = self.bytes(args, b"", &[])?;
        Ok(String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned())
    }

    /// Runs git with something to read and settings of the environment; the raw bytes it wrote.
    pub(crate) fn bytes(&self, args: &[&str], stdin: &[u8], env: &[(&str, String)]) -> Result<Vec<u8>, Error> {
        let fail = |what: String| Error::Git(format!("git {}: {what}", args.join(" ")));
        let mut child = git_command(&self.dir)
            .args(["-c", "core.quotePath=false"])
            .args(args)
            .envs(env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| fail(e.to_string()))?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(stdin).map_err(|e| fail(e.to_string()))?;
        }
        let out = child.wait_with_output().map_err(|e| fail(e.to_string()))?;
        if out.status.success() {
            return Ok(out.stdout);
        }
        Err(fail(String::from_utf8_lossy(&out.stderr).into_owned()))
    }

    /// The commit a name means, `None` when there is none.
    pub(crate) fn commit(&self, name: &str) -> Option<String> {
        self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")]).ok()
    }

    /// The file's bytes at a commit, `None` when it is not there.
    pub(crate) fn file(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        self.bytes(&["cat-file", "blob", &format!("{commit}:{path}")], b"", &[]).ok()
    }

    /// Every reference and where it points.
    pub(crate) fn refs(&self) -> Result<Vec<(String, String)>, Error> {
        let out = self.run(&["for-each-ref", "--format=%(refname) %(objectname)"])?;
        Ok(out.lines().filter_map(|l| l.split_once(' ')).map(|(r, s)| (r.to_owned(), s.to_owned())).collect())
    }

    pub(crate) fn point(&self, name: &str, commit: &str) -> Result<(), Error> {
        self.run(&["update-ref", name, commit]).map(drop)
    }

    /// Brings one reference of another repository here.
    pub(crate) fn fetch(&self, from: &Git, what: &str, to: &str) -> Result<(), Error> {
        let source = from.dir.display().to_string();
        self.run(&["fetch", "--quiet", "--no-tags", &source, &format!("+{what}:{to}")]).map(drop)
    }

    pub(crate) fn merge_base(&self, a: &str, b: &str) -> Option<String> {
        self.run(&["merge-base", a, b]).ok()
    }

    pub(crate) fn is_ancestor(&self, a: &str, b: &str) -> bool {
        self.run(&["merge-base", "--is-ancestor", a, b]).is_ok()
    }

    /// The commits of `base..head`, oldest first.
    pub(crate) fn between(&self, base: &str, head: &str) -> Result<Vec<String>, Error> {
        let out = self.run(&["rev-list", "--reverse", "--topo-order", &format!("{base}..{head}")])?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// Writes a tree: the parent's with the files put over it.
    pub(crate) fn tree(&self, parent: Option<&str>, files: &Files) -> Result<String, Error> {
        self.indexed(parent.unwrap_or("--empty"), |env| {
            let entries = self.entries(files, env)?;
            self.bytes(&["update-index", "-z", "--index-info"], &entries, env).map(drop)
        })
    }

    /// The tree of `onto` with the change from one commit to another applied to it.
    pub(crate) fn applied(&self, onto: &str, from: &str, to: &str) -> Result<String, Error> {
        let patch = self.bytes(&["diff", "--binary", "--full-index", from, to], b"", &[])?;
        self.indexed(onto, |env| match patch.is_empty() {
            true => Ok(()),
            false => self.bytes(&["apply", "--cached"], &patch, env).map(drop),
        })
    }

    /// Reads a tree into an index of its own, changes it, and writes it as a tree.
    fn indexed(&self, from: &str, change: impl FnOnce(Env<'_>) -> Result<(), Error>) -> Result<String, Error> {
        let folder = tempfile::tempdir().map_err(|e| Error::Git(e.to_string()))?;
        let env = [("GIT_INDEX_FILE", folder.path().join("index").display().to_string())];
        self.bytes(&["read-tree", from], b"", &env)?;
        change(&env)?;
        let tree = self.bytes(&["write-tree"], b"", &env)?;
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }

    /// Lines for `update-index --index-info`; a file keeps its mode, and equal contents are written once.
    fn entries(&self, files: &Files, env: Env<'_>) -> Result<Vec<u8>, Error> {
        let staged = self.bytes(&["ls-files", "--stage", "-z"], b"", env)?;
        let staged = String::from_utf8_lossy(&staged).into_owned();
        let modes: HashMap<&str, &str> = staged
            .split('\0')
            .filter_map(|l| l.split_once('\t'))
            .filter_map(|(meta, name)| Some((name, meta.split(' ').next()?)))
            .collect();
        let mut blobs: HashMap<&[u8], String> = HashMap::new();
        let mut entries = Vec::new();
        for (name, content) in files {
            let (mode, blob) = match content {
                None => ("0", "0".repeat(40)),
                Some(bytes) => {
                    if !blobs.contains_key(bytes.as_slice()) {
                        let blob = self.bytes(&["hash-object", "-w", "--stdin"], bytes, env)?;
                        blobs.insert(bytes, String::from_utf8_lossy(&blob).trim().to_owned());
                    }
                    (*modes.get(name.as_str()).unwrap_or(&"100644"), blobs[bytes.as_slice()].clone())
                }
            };
            entries.extend_from_slice(format!("{mode} {blob}\t{name}\0").as_bytes());
        }
        Ok(entries)
    }

    /// Makes a commit of a tree; no reference is moved.
    pub(crate) fn commit_tree(&self, tree: &str, draft: &Draft<'_>) -> Result<String, Error> {
        let mut args = vec!["commit-tree", tree];
        for parent in draft.parents {
            args.extend(["-p", parent]);
        }
        let env = [
            ("GIT_AUTHOR_NAME", draft.author.name.clone()),
            ("GIT_AUTHOR_EMAIL", draft.author.email.clone()),
            ("GIT_AUTHOR_DATE", format!("{} +0000", draft.author.at)),
            ("GIT_COMMITTER_NAME", draft.committer.name.clone()),
            ("GIT_COMMITTER_EMAIL", draft.committer.email.clone()),
            ("GIT_COMMITTER_DATE", format!("{} +0000", draft.committer.at)),
        ];
        let message = format!("{}\n", draft.message.trim_end());
        let out = self.bytes(&args, message.as_bytes(), &env)?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// The tree of merging two commits, `Err` when they conflict.
    pub(crate) fn merge_tree(&self, ours: &str, theirs: &str) -> Result<String, Error> {
        let out = self.run(&["merge-tree", "--write-tree", ours, theirs])?;
        Ok(out.lines().next().unwrap_or_default().to_owned())
    }
}

/// A git command that reads no settings of the machine it runs on.
fn git_command(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE");
    git
}

/// Runs `git http-backend` as the CGI program it is; its raw answer, headers and body.
pub(crate) fn http_backend(root: &Path, env: &[(&str, String)], body: &[u8]) -> Result<Vec<u8>, Error> {
    let fail = |e: std::io::Error| Error::Git(format!("git http-backend: {e}"));
    let mut child = git_command(root)
        .arg("http-backend")
        .envs(env.iter().map(|(k, v)| (k, v)))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    let input = child.stdin.take();
    let out = std::thread::scope(|s| {
        s.spawn(move || input.map(|mut i| i.write_all(body)));
        child.wait_with_output()
    });
    out.map(|o| o.stdout).map_err(fail)
}
