//! How does a person change a suggested text? In the editor that git would open.
#![expect(clippy::disallowed_methods, reason = "starts the person's editor on a file of its own")]

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result, anyhow};

/// What the editor made of a text. The file has the extension of `path`, so that the editor knows the language.
pub(super) fn edit(command: &str, path: &str, text: &str) -> Result<String> {
    let folder = tempfile::Builder::new().prefix("apprentice-").tempdir().context("cannot make a file to edit")?;
    let file = folder.path().join(format!("suggestion{}", extension(path)));
    fs::write(&file, text).context("cannot make a file to edit")?;
    let status = start(command, &file).with_context(|| format!("cannot start the editor `{command}`"))?;
    if !status.success() {
        return Err(anyhow!("the editor `{command}` ended with {status}; nothing was changed"));
    }
    fs::read_to_string(&file).context("cannot read what the editor wrote; nothing was changed")
}

/// The extension with its dot, if it is a plain one.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, end)) if (1..=12).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!(".{end}")
        }
        _ => ".txt".into(),
    }
}

/// As git does it: the setting is a line for the shell, the file its argument.
#[cfg(not(windows))]
fn start(command: &str, file: &Path) -> std::io::Result<ExitStatus> {
    // apprentice: allow rust/shell-command-from-format -- the person's own setting is meant to be read by the shell
    Command::new("sh").arg("-c").arg(format!("{command} \"$@\"")).arg(command).arg(file).status()
}

#[cfg(windows)]
fn start(command: &str, file: &Path) -> std::io::Result<ExitStatus> {
    use std::os::windows::process::CommandExt as _;
    Command::new("cmd").raw_arg(format!("/S /C \"{command} \"{}\"\"", file.display())).status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_extensions_are_taken_over() {
        assert_eq!((extension("a/b.test.py"), extension("Makefile")), (".py".into(), ".txt".into()));
        assert_eq!((extension("a.b/c"), extension("x.$(reboot)")), (".txt".into(), ".txt".into()));
    }

    #[test]
    #[cfg(unix)]
    fn the_shell_reads_the_setting_and_not_the_file() {
        assert_eq!(edit("sed -i s/one/two/", "a.py", "one\n").expect("edited"), "two\n");
        assert_eq!(edit("true", "a.py", "one\n").expect("edited"), "one\n");
        assert!(edit("false", "a.py", "one\n").is_err());
        assert!(edit("no-such-editor-here", "a.py", "one\n").is_err());
    }
}
