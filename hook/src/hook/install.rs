//! How do our hooks get into a repository beside whatever is there already?
#![expect(clippy::disallowed_methods, reason = "hook files are outside git's objects and outside the work tree")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use engine::git::{HooksAre, Repository};

use crate::{
    args::{Args, HookType},
    env, setup,
};

/// The line by which we know our own hooks.
const MARK: &str = "# apprentice hook, version 1";

/// What an existing hook is renamed to; ours runs it first.
const CHAINED: &str = ".before-apprentice";

pub(super) fn install(args: &Args, types: &[HookType], force: bool) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let repository = setup.repository()?;
    let (folder, whose) = repository.hooks_dir();
    if let Some(husky) = husky_folder(&folder) {
        return install_into_husky(&husky, types);
    }
    if whose == HooksAre::Shared && !force {
        bail!(
            "`core.hooksPath` is `{}`, which other repositories share; set it for this repository \
             (`git config --local core.hooksPath …`), or install there all the same with --force",
            folder.display()
        );
    }
    let found = types.iter().find_map(|hook| manager(&setup.root, &folder.join(hook.name())));
    if let (Some(manager), false) = (found, force) {
        anstream::println!("{}", manager.advice());
        bail!(
            "this repository's hooks are written by {}; add the lines above to its file, or chain its hooks with --force",
            manager.name()
        );
    }
    if folder.exists() && !folder.is_dir() {
        bail!(
            "`core.hooksPath` is `{}`, which is no folder, so git runs no hooks here; let it name one, or take it back \
             with `git config --unset core.hooksPath`",
            folder.display()
        );
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for hook in types {
        let done = install_one(&folder.join(hook.name()), *hook)?;
        anstream::println!("{}: {done}", hook.name());
    }
    Ok(ExitCode::SUCCESS)
}

fn install_one(path: &Path, hook: HookType) -> Result<&'static str> {
    let done = match fs::read(path) {
        Ok(there) if is_ours(&there) => "installed anew",
        Ok(there) => {
            set_aside(path, &there)?;
            "installed; the hook that was there runs first"
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "installed",
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    write_executable(path, &script(hook))?;
    Ok(done)
}

/// Renames the hook that is there, so that ours can run it. One that was set aside before is replaced only by a newer
/// one of the same manager.
fn set_aside(path: &Path, there: &[u8]) -> Result<()> {
    let chained = chained_path(path);
    if let Ok(before) = fs::read(&chained) {
        let same_manager = Manager::of(there).is_some() && Manager::of(there) == Manager::of(&before);
        if before != there && !same_manager {
            bail!(
                "`{}` is there from an earlier installation, and `{}` is another hook; keep the one that is wanted, \
                 move the other away, and install again",
                chained.display(),
                path.display()
            );
        }
    }
    fs::rename(path, &chained).with_context(|| format!("cannot rename `{}`", path.display()))
}

fn chained_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(CHAINED);
    name.into()
}

fn is_ours(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains(MARK)
}

/// The hook itself. It knows this program by its full path, since clients with a window start hooks with a bare PATH,
/// and looks on PATH when the program has moved. A program that is gone does not stop git.
fn script(hook: HookType) -> String {
    let name = hook.name();
    let program = env::program().map(|path| path.display().to_string()).unwrap_or_else(|| "apprentice".into());
    let quoted = program.replace('\'', r"'\''");
    // Git feeds pre-push and post-rewrite on standard input; both hooks in the chain must read it, and read nothing
    // where git says nothing.
    let (keep, feed) = match hook {
        HookType::PrePush | HookType::PostRewrite => {
            ("input=$(cat)\nfeed() { [ -z \"$input\" ] || printf '%s\\n' \"$input\"; }\n", "feed | ")
        }
        _ => ("", ""),
    };
    format!(
        "#!/bin/sh\n\
         {MARK}; `apprentice hook uninstall` removes it and puts back what was here.\n\
         # Another manager may have moved this file aside and run it, and be run by it: once is enough.\n\
         key=\"$PWD {name}\"\n\
         case \"|$APPRENTICE_CHAIN|\" in *\"|$key|\"*) exit 0 ;; esac\n\
         APPRENTICE_CHAIN=\"$APPRENTICE_CHAIN|$key\"\n\
         export APPRENTICE_CHAIN\n\
         before=\"${{0%/*}}/{name}{CHAINED}\"\n\
         case \"$0\" in\n\
         \x20 */{name}) ;;\n\
         \x20 *) if grep -qiE '{MANAGERS}' \"$before\" 2>/dev/null; then before=; fi ;;\n\
         esac\n\
         {keep}\
         if [ -x \"$before\" ]; then\n\
         \x20 {feed}\"$before\" \"$@\" || exit $?\n\
         fi\n\
         apprentice='{quoted}'\n\
         [ -x \"$apprentice\" ] || apprentice=$(command -v apprentice) || {{\n\
         \x20 echo 'apprentice: not found; the {name} review is left out' >&2\n\
         \x20 exit 0\n\
         }}\n\
         {feed}\"$apprentice\" hook run {name} -- \"$@\"\n"
    )
}

/// Written whole and executable beside, then renamed: git warns of a hook that it may not run, and leaves it out.
fn write_executable(path: &Path, text: &str) -> Result<()> {
    let mut neighbor = path.as_os_str().to_owned();
    neighbor.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&neighbor, text).and_then(|()| {
        #[cfg(unix)]
        fs::set_permissions(&neighbor, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::rename(&neighbor, path)
    });
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

pub(super) fn uninstall(args: &Args) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let (folder, _) = setup.repository()?.hooks_dir();
    if let Some(husky) = husky_folder(&folder) {
        return uninstall_from_husky(&husky);
    }
    let mut removed = false;
    for hook in HookType::ALL {
        let path = folder.join(hook.name());
        for moved in MOVED {
            removed |= uninstall_one(&path.with_extension(moved), &path)?;
        }
        removed |= uninstall_one(&path, &path)?;
    }
    if !removed {
        anstream::println!("no hook of ours is installed in `{}`", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes our hook if `path` is one; what it ran first takes its place. `hook` is where git looks for hooks of its
/// type. Says whether there was one.
fn uninstall_one(path: &Path, hook: &Path) -> Result<bool> {
    if !fs::read(path).is_ok_and(|there| is_ours(&there)) {
        return Ok(false);
    }
    let chained = chained_path(hook);
    let manager_runs_itself = path != hook && fs::read(&chained).is_ok_and(|before| Manager::of(&before).is_some());
    if chained.exists() && !manager_runs_itself { fs::rename(&chained, path) } else { fs::remove_file(path) }
        .with_context(|| format!("cannot remove `{}`", path.display()))?;
    anstream::println!("{}: removed", path.file_name().unwrap_or_default().to_string_lossy());
    Ok(true)
}

pub(super) fn print_status(args: &Args) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    for line in status(setup.repository()?) {
        anstream::println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each hook type.
pub(crate) fn status(repository: &Repository) -> Vec<String> {
    let (folder, _) = repository.hooks_dir();
    let husky = husky_folder(&folder);
    let describe = |hook: HookType| {
        let path = husky.as_deref().unwrap_or(&folder).join(hook.name());
        let state = match fs::read(&path) {
            Ok(there) if String::from_utf8_lossy(&there).contains(&husky_line(hook)) => "installed through husky",
            Ok(there) if is_ours(&there) && chained_path(&path).exists() => "installed, after the hook that was there",
            Ok(there) if is_ours(&there) => "installed",
            Ok(there) => another(&path, &there),
            Err(_) => "none",
        };
        format!("{}: {state}", hook.name())
    };
    HookType::ALL.into_iter().map(describe).collect()
}

/// A hook that is not ours, but may run ours.
fn another(path: &Path, there: &[u8]) -> &'static str {
    let runs_ours = fs::read(path.with_extension("legacy")).is_ok_and(|moved| is_ours(&moved));
    match Manager::of(there) {
        Some(Manager::PreCommit) if runs_ours => "installed, run by pre-commit before its own hooks",
        Some(Manager::PreCommit) => "another hook, written by pre-commit or prek",
        Some(Manager::Lefthook) => "another hook, written by lefthook",
        None => "another hook",
    }
}

/// What managers add to the name of a hook that they find: pre-commit and prek go on running it, lefthook does not.
const MOVED: [&str; 2] = ["legacy", "old"];

/// Programs that write the hooks folder themselves and would overwrite ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manager {
    PreCommit,
    Lefthook,
}

/// What stands in the hooks that managers write, as `grep -iE` reads it.
const MANAGERS: &str = "generated by (pre-commit|prek)|lefthook";

impl Manager {
    /// Who wrote a hook.
    fn of(hook: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(hook).to_ascii_lowercase();
        if is_ours(hook) {
            None
        } else if text.contains("pre-commit.com") || text.contains("generated by prek") {
            Some(Self::PreCommit)
        } else {
            text.contains("lefthook").then_some(Self::Lefthook)
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::Lefthook => "lefthook",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::PreCommit => {
                "# .pre-commit-config.yaml\n- repo: local\n  hooks:\n    - id: apprentice\n      name: apprentice\n      \
                 entry: apprentice hook run pre-commit\n      language: system\n      pass_filenames: false\n      \
                 always_run: true\n      stages: [pre-commit, pre-merge-commit]\n"
            }
            Self::Lefthook => {
                "# lefthook.yml\npre-commit:\n  commands:\n    apprentice:\n      run: apprentice hook run pre-commit\n"
            }
        }
    }
}

/// The manager that wrote a hook and still has a file here saying what to run.
fn manager(root: &Path, hook: &Path) -> Option<Manager> {
    let has = |names: &[&str]| names.iter().any(|name| root.join(name).is_file());
    let lefthook = ["lefthook.yml", ".lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json"];
    Manager::of(&fs::read(hook).unwrap_or_default()).filter(|manager| match manager {
        Manager::PreCommit => has(&[".pre-commit-config.yaml", ".pre-commit-config.yml", "prek.toml"]),
        Manager::Lefthook => has(&lefthook),
    })
}

/// Where a husky repository keeps the hooks people edit: `core.hooksPath` names `.husky/_`, whose scripts run those of
/// `.husky`.
fn husky_folder(folder: &Path) -> Option<PathBuf> {
    let parent = folder.parent()?;
    (folder.ends_with("_") && parent.ends_with(".husky")).then(|| parent.to_owned())
}

fn husky_line(hook: HookType) -> String {
    format!("apprentice hook run {}", hook.name())
}

fn install_into_husky(folder: &Path, types: &[HookType]) -> Result<ExitCode> {
    for hook in types {
        let path = folder.join(hook.name());
        let mut text = crate::files::read_if_there(&path)?.unwrap_or_default();
        let line = husky_line(*hook);
        if text.lines().any(|there| there.starts_with(&line)) {
            anstream::println!("{}: installed already", hook.name());
            continue;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        text.push_str(" -- \"$@\"\n");
        write_executable(&path, &text)?;
        anstream::println!("{}: added to {}", hook.name(), path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn uninstall_from_husky(folder: &Path) -> Result<ExitCode> {
    for hook in HookType::ALL {
        let path = folder.join(hook.name());
        let Some(text) = crate::files::read_if_there(&path)? else { continue };
        let line = husky_line(hook);
        let kept: String = text.split_inclusive('\n').filter(|there| !there.starts_with(&line)).collect();
        if kept != text {
            if kept.is_empty() { fs::remove_file(&path).map_err(Into::into) } else { write_executable(&path, &kept) }?;
            anstream::println!("{}: removed from {}", hook.name(), path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
