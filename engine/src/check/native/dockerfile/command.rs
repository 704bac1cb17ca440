//! Do the commands of `RUN` install what they should, and only that?

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Dockerfile, Instruction, Report};
use crate::edit::{Applicability, Edit};

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)*) => {
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());)*
    };
}

patterns! {
    UPDATE = r"\b(apt-get|apt|yum|dnf|apk|zypper)\s+(?:-\S+\s+)*(update|makecache|refresh)\b";
    INSTALL = r"\b(apt-get|apt|yum|dnf|apk|zypper)\s+(?:-\S+(?:\s+Dpkg::\S+)?\s+)*(install|add|upgrade|dist-upgrade|full-upgrade|build-dep|in)\b";
    APT_INSTALL = r"\b(?:apt-get|apt)\s+(?:[^;&|]*?\s)?(install|upgrade|dist-upgrade|full-upgrade)\b[^;&|]*";
    APT = r"(?:^|[;&|(]|\bsudo)\s*(apt)\s+(?:-\S+\s+)*(?:install|update|upgrade|remove|purge|autoremove)\b";
    YES = r#"(?:^|\s)(?:-[a-zA-Z]*y[a-zA-Z]*|--yes|--assume-yes|-q?q=2|-qq|--force-yes|--print-uris|--dry-run|-s|--simulate|--download-only)(?:\s|$)"#;
    TLS = r"(?x)
        \bcurl\s (?:[^;&|]*\s)? (?: -[a-zA-Z]*k[a-zA-Z]* | --insecure ) (?:\s|$)
        | \bwget\s (?:[^;&|]*\s)? --no-check-certificate\b
        | \bpip[\d.]*\s [^;&|]* --trusted-host\b
        | \bnpm\s+(?:config\s+)?set\s+strict-ssl[\s=]+false\b
        | \byarn\s+config\s+set\s+.?strict-ssl.?\s+false\b
        | \bgit\s [^;&|]* http\.sslverify[\s=]+.?false\b
        | \b(?:NODE_TLS_REJECT_UNAUTHORIZED|PYTHONHTTPSVERIFY)[=\s]+.?0\b
        | \bGIT_SSL_NO_VERIFY[=\s]+.?(?:1|true)\b
        | \b(?i:npm_config_strict_ssl)[=\s]+.?false\b
        | \bPIP_TRUSTED_HOST[=\s]+\S
        | \bsslverify\s*=\s*.?(?:false|0)\b";
    SIGNATURE = r"(?x)
        \bapk\s (?:[^;&|]*\s)? --allow-untrusted\b
        | \bapt(?:-get)?\s (?:[^;&|]*\s)? (?: --allow-unauthenticated | --force-yes )\b
        | \b(?:yum|dnf|microdnf|tdnf)\s (?:[^;&|]*\s)? --nogpgcheck\b
        | \brpm\s (?:[^;&|]*\s)? (?: --nosignature | --nodigest | --no-verify )\b
        | \bzypper\s (?:[^;&|]*\s)? --no-gpg-checks\b
        | \bgpgcheck\s*=\s*0\b";
    SUDO = r"(?:^|[;&|(])\s*(sudo)\s";
    PIPE = r"\b(?:curl|wget)\s[^;&|]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/bin/|/usr/bin/env\s+)?(?:ba|da|z)?sh\b";
    PASSWORD = r#"\bchpasswd\b|\bpasswd\s+(?:-d\s+)?root\b|\busermod\s[^;&|]*\s(?:-p|--password)\s"#;
    WORLD = r"\bchmod\s+(?:-\S+\s+)*(?:0?777|a\+rwx|ugo\+rwx)\s";
    SIMULATES = r"\s(?:-s|--simulate|--dry-run|--just-print|--download-only)(?:\s|$)";
    RECOMMENDS = r"--no-install-recommends|Install-Recommends\s*[=\s]\s*.?(?:0|false)";
    LISTS = r"/var/lib/apt(?:/lists)?|apt-get\s+(?:dist)?clean|--mount=type=(?:cache|tmpfs)|docker-clean|apt-clean";
}

/// Every match of a pattern in an instruction, less those inside an `echo`.
fn each<'i>(
    pattern: &'static LazyLock<Option<Regex>>,
    instruction: &'i Instruction,
) -> Vec<(Range<usize>, regex::Captures<'i>)> {
    let Some(pattern) = &**pattern else { return Vec::new() };
    let found = pattern.captures_iter(&instruction.text);
    found
        .filter_map(|found| Some((found.get(0)?.range(), found)))
        .filter(|(at, _)| !is_shown(&instruction.text, at.start))
        .collect()
}

/// Whether the words before, in the same command, only print it.
fn is_shown(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let command = before.rsplit(['\n', ';', '&', '|']).next().unwrap_or(before).trim_start();
    command.starts_with("echo ") || command.starts_with("printf ") || command.starts_with('#')
}

fn has(pattern: &'static LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn tell(file: &Dockerfile, keywords: &[&str], pattern: &'static LazyLock<Option<Regex>>, report: &mut Report<'_>) {
    for instruction in file.instructions.iter().filter(|found| keywords.contains(&&*found.keyword)) {
        for (at, found) in each(pattern, instruction) {
            let part = found.get(1).map_or(at, |part| part.range());
            report.at(instruction.range(trimmed(&instruction.text, part)));
        }
    }
}

fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let shown = &text[part.clone()];
    let start = part.start + (shown.len() - shown.trim_start().len());
    start..start + shown.trim().len()
}

/// A package list brought up to date in a layer of its own.
pub(super) fn update_alone(file: &Dockerfile, report: &mut Report<'_>) {
    for run in file.named("RUN") {
        let installs = has(&INSTALL, &run.text) || run.text.contains("install") || run.text.contains("apk add");
        if let Some((at, _)) = each(&UPDATE, run).into_iter().next().filter(|_| !installs) {
            report.at(run.range(at));
        }
    }
}

/// `apt-get install` that asks and gets no answer.
pub(super) fn install_asks(file: &Dockerfile, report: &mut Report<'_>) {
    let configured =
        file.instructions.iter().any(|found| found.text.contains("Assume-Yes") || found.text.contains("APT::Get"));
    for run in file.named("RUN").filter(|_| !configured) {
        for (at, found) in each(&APT_INSTALL, run) {
            let piped = run.text[..at.start].trim_end().ends_with('|');
            if !has(&YES, &run.text[at.clone()]) && !piped && !run.text[at.clone()].contains('$') {
                let span = trimmed(&run.text, at);
                let verb = found.get(1).map_or(span.end, |verb| verb.end());
                report.at(run.range(span));
                report.fix(Applicability::Safe, Edit::insert(run.range(verb..verb).start, " -y"));
            }
        }
    }
}

/// `apt`, which is for people, in a script.
pub(super) fn apt(file: &Dockerfile, report: &mut Report<'_>) {
    for run in file.named("RUN") {
        for (_, found) in each(&APT, run) {
            if let Some(name) = found.get(1) {
                report.at(run.range(name.range()));
                report.fix(Applicability::Safe, Edit::replace(run.range(name.range()), "apt-get"));
            }
        }
    }
}

/// Packages that only were recommended, in the image.
pub(super) fn recommends(file: &Dockerfile, report: &mut Report<'_>) {
    let configured = file.instructions.iter().any(|found| found.text.contains("Install-Recommends"));
    for run in file.named("RUN").filter(|_| !configured) {
        for (at, found) in each(&APT_INSTALL, run) {
            let verb = found.get(1);
            let done = has(&RECOMMENDS, &run.text[at.clone()]) || has(&SIMULATES, &run.text[at.clone()]);
            if verb.is_some_and(|verb| verb.as_str() == "install") && !done {
                let end = verb.map_or(at.end, |verb| verb.end());
                report.at(run.range(trimmed(&run.text, at)));
                report.fix(Applicability::Unsafe, Edit::insert(run.range(end..end).start, " --no-install-recommends"));
            }
        }
    }
}

/// Package lists left in the layer.
pub(super) fn lists_kept(file: &Dockerfile, report: &mut Report<'_>) {
    let stages = file.stages();
    let Some(last) = stages.last() else { return };
    for run in last.instructions.iter().filter(|instruction| instruction.keyword == "RUN") {
        let updates = each(&UPDATE, run)
            .into_iter()
            .find(|(_, found)| found.get(1).is_some_and(|name| name.as_str().starts_with("apt")));
        if let Some((at, _)) = updates.filter(|_| !has(&LISTS, &run.text) && has(&APT_INSTALL, &run.text)) {
            report.at(run.range(at));
        }
    }
}

/// Certificates that are not looked at.
pub(super) fn tls_off(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN", "ENV", "ARG"], &TLS, report);
}

/// Packages whose signatures are not looked at.
pub(super) fn signature_off(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN"], &SIGNATURE, report);
}

/// `sudo`.
pub(super) fn sudo(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN"], &SUDO, report);
}

/// A download run as it comes.
pub(super) fn pipe_to_shell(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN"], &PIPE, report);
}

/// A password set while building.
pub(super) fn password_set(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN"], &PASSWORD, report);
}

/// Files that everyone may change.
pub(super) fn world_writable(file: &Dockerfile, report: &mut Report<'_>) {
    tell(file, &["RUN"], &WORLD, report);
}
