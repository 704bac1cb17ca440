//! Does a single instruction do harm or less than it says?

use std::sync::LazyLock;

use regex::Regex;

use super::{Dockerfile, Report};
use crate::edit::{Applicability, Edit};

/// `EXPOSE 22`.
pub(super) fn expose_ssh(file: &Dockerfile, report: &mut Report<'_>) {
    for expose in file.named("EXPOSE") {
        for (at, word) in expose.words() {
            if matches!(word, "22" | "22/tcp") {
                report.at(expose.range(at..at + word.len()));
            }
        }
    }
}

/// `ADD` of plain files.
pub(super) fn add(file: &Dockerfile, report: &mut Report<'_>) {
    const UNPACKED: &[&str] = &[".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".git"];
    for add in file.named("ADD") {
        let words = add.words();
        let sources = &words[..words.len().saturating_sub(1)];
        let special = |word: &str| {
            let word = word.trim_matches(['[', ']', '"', ',', '\'']);
            word.contains("://")
                || word.starts_with("git@")
                || word.contains('$')
                || UNPACKED.iter().any(|end| word.ends_with(end))
        };
        let globs_archives = sources.iter().any(|(_, word)| word.contains(".t") && word.contains('*'));
        let foreign =
            add.option("--checksum").is_some() || add.option("--keep-git-dir").is_some() || add.text.contains("<<");
        if !sources.is_empty() && !foreign && !globs_archives && !sources.iter().any(|(_, word)| special(word)) {
            let keyword = add.span.start..add.span.start + 3;
            report.at(keyword.clone());
            report.fix(Applicability::Safe, Edit::replace(keyword, "COPY"));
        }
    }
}

/// `MAINTAINER`.
pub(super) fn maintainer(file: &Dockerfile, report: &mut Report<'_>) {
    for maintainer in file.named("MAINTAINER") {
        report.at(maintainer.span.clone());
        let name = maintainer.text.trim().trim_matches('"');
        if !name.contains(['"', '\\', '$', '\n']) && !name.is_empty() {
            let label = format!("LABEL org.opencontainers.image.authors=\"{name}\"");
            report.fix(Applicability::Safe, Edit::replace(maintainer.span.clone(), label));
        }
    }
}

/// `WORKDIR app`, where no absolute one was set before.
pub(super) fn relative_workdir(file: &Dockerfile, report: &mut Report<'_>) {
    for stage in file.stages() {
        for workdir in stage.instructions.iter().filter(|instruction| instruction.keyword == "WORKDIR") {
            let path = workdir.text.trim().trim_matches(['"', '\'']);
            let windows = path.as_bytes().get(1) == Some(&b':');
            if path.starts_with(['/', '\\', '$', '%']) || windows {
                break;
            }
            report.at(workdir.span.clone());
        }
    }
}

static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(^|_)(password|passwd|secret|secret_key|api_?key|access_key|private_key|auth_token|access_token|github_token|npm_token|token)$").ok()
});

static PAIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z_][A-Za-z0-9_]*)=("[^"]*"|'[^']*'|[^\s"']+)"#).ok());

/// A password or key given to `ENV` or `ARG` in so many words.
pub(super) fn secret(file: &Dockerfile, report: &mut Report<'_>) {
    let (Some(pairs), Some(secret)) = (&*PAIR, &*SECRET_NAME) else { return };
    for instruction in file.instructions.iter().filter(|found| matches!(&*found.keyword, "ENV" | "ARG")) {
        for pair in pairs.captures_iter(&instruction.text) {
            let (Some(whole), Some(name), Some(value)) = (pair.get(0), pair.get(1), pair.get(2)) else { continue };
            if secret.is_match(name.as_str()) && is_secret(value.as_str().trim_matches(['"', '\''])) {
                report.say(
                    instruction.range(whole.range()),
                    format!("the value of `{}` is kept in the image for all to read", name.as_str()),
                );
            }
        }
        older_form(&instruction.keyword, instruction, secret, report);
    }
}

/// `ENV NAME value`.
fn older_form(keyword: &str, instruction: &super::Instruction, secret: &Regex, report: &mut Report<'_>) {
    let words = instruction.words();
    if let ("ENV", [(at, name), (_, value), ..]) = (keyword, words.as_slice())
        && !name.contains('=')
        && secret.is_match(name)
        && is_secret(value)
    {
        report.say(
            instruction.range(*at..*at + name.len()),
            format!("the value of `{name}` is kept in the image for all to read"),
        );
    }
}

fn is_secret(value: &str) -> bool {
    let placeholder =
        ["changeme", "change_me", "example", "dummy", "placeholder", "your", "todo", "none", "null", "xxx", "test"];
    let lower = value.to_ascii_lowercase();
    value.len() >= 4
        && !value.contains(['$', '<'])
        && !value.starts_with('/')
        && !matches!(&*lower, "true" | "false")
        && !placeholder.iter().any(|word| lower.contains(word))
}

/// `ENTRYPOINT` run by a shell that does not hand on signals.
pub(super) fn shell_entrypoint(file: &Dockerfile, report: &mut Report<'_>) {
    for entrypoint in file.named("ENTRYPOINT") {
        let text = entrypoint.text.trim();
        if !entrypoint.is_list() && !text.starts_with("exec ") && !text.is_empty() && !text.contains(['\n', '%']) {
            report.at(entrypoint.span.clone());
        }
    }
}

/// `RUN cd /x` and nothing else.
pub(super) fn cd_alone(file: &Dockerfile, report: &mut Report<'_>) {
    for run in file.named("RUN") {
        let words: Vec<&str> = run.words().into_iter().map(|(_, word)| word).collect();
        if let ["cd", folder] = words.as_slice()
            && !folder.contains([';', '&', '|', '('])
        {
            report.at(run.span.clone());
            let next = format!("WORKDIR {folder}");
            if folder.starts_with('/') {
                report.fix(Applicability::Unsafe, Edit::replace(run.span.clone(), next));
            }
        }
    }
}
