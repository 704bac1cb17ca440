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
    if let (Some(manager), false) = (manager(&setup.root, &folder), force) {
        anstream::println!("{}", manager.advice());
        bail!(
            "this repository's hooks are written by {}; add the lines above to its file, or chain its hooks with --force",
            manager.name()
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
    let mut done = "installed";
    match fs::read(path) {
        Ok(there) if is_ours(&there) => done = "installed anew",
        Ok(_) => {
            let chained = chained_path(path);
            if chained.exists() {
                bail!("`{}` is there from an earlier installation; move it away first", chained.display());
            }
            fs::rename(path, &chained).with_context(|| format!("cannot rename `{}`", path.display()))?;
            done = "installed; the hook that was there runs first";
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
    write_executable(path, &script(hook))?;
    Ok(done)
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
    // Git feeds pre-push and post-rewrite on standard input; both hooks in the chain must read it.
    let (keep, feed) = match hook {
        HookType::PrePush | HookType::PostRewrite => ("input=$(cat)\n", "printf '%s\\n' \"$input\" | "),
        _ => ("", ""),
    };
    format!(
        "#!/bin/sh\n\
         {MARK}; `apprentice hook uninstall` removes it and puts back what was here.\n\
         {keep}\
         if [ -x \"$0{CHAINED}\" ]; then\n\
         \x20 {feed}\"$0{CHAINED}\" \"$@\" || exit $?\n\
         fi\n\
         apprentice='{quoted}'\n\
         [ -x \"$apprentice\" ] || apprentice=$(command -v apprentice) || {{\n\
         \x20 echo 'apprentice: not found; the {name} review is left out' >&2\n\
         \x20 exit 0\n\
         }}\n\
         {feed}\"$apprentice\" hook run {name} -- \"$@\"\n"
    )
}

fn write_executable(path: &Path, text: &str) -> Result<()> {
    crate::files::write(path, text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make `{}` executable", path.display()))?;
    }
    Ok(())
}

pub(super) fn uninstall(args: &Args) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    let (folder, _) = setup.repository()?.hooks_dir();
    if let Some(husky) = husky_folder(&folder) {
        return uninstall_from_husky(&husky);
    }
    for hook in HookType::ALL {
        let path = folder.join(hook.name());
        if !fs::read(&path).is_ok_and(|there| is_ours(&there)) {
            continue;
        }
        let chained = chained_path(&path);
        if chained.exists() { fs::rename(&chained, &path) } else { fs::remove_file(&path) }
            .with_context(|| format!("cannot remove `{}`", path.display()))?;
        anstream::println!("{}: removed", hook.name());
    }
    Ok(ExitCode::SUCCESS)
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
            Ok(_) => "another hook",
            Err(_) => "none",
        };
        format!("{}: {state}", hook.name())
    };
    HookType::ALL.into_iter().map(describe).collect()
}

/// Programs that write the hooks folder themselves and would overwrite ours.
#[derive(Clone, Copy)]
enum Manager {
    PreCommit,
    Lefthook,
}

impl Manager {
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

fn manager(root: &Path, folder: &Path) -> Option<Manager> {
    let hook = fs::read_to_string(folder.join("pre-commit")).unwrap_or_default();
    let has = |names: &[&str]| names.iter().any(|name| root.join(name).is_file());
    if hook.contains("pre-commit.com") || hook.contains("prek") {
        return has(&[".pre-commit-config.yaml", "prek.toml"]).then_some(Manager::PreCommit);
    }
    let lefthook = ["lefthook.yml", ".lefthook.yml", "lefthook.yaml", "lefthook.toml", "lefthook.json"];
    (hook.to_ascii_lowercase().contains("lefthook") && has(&lefthook)).then_some(Manager::Lefthook)
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
            write_executable(&path, &kept)?;
            anstream::println!("{}: removed from {}", hook.name(), path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
