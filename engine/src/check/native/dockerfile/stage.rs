//! Do the stages build on each other and end as they should?

use std::collections::HashSet;

use super::{Dockerfile, Report, count};

/// The last stage ends as root, said in so many words.
pub(super) fn user_root(file: &Dockerfile, report: &mut Report<'_>) {
    let stages = file.stages();
    let Some(user) = stages.last().and_then(|stage| stage.last("USER")) else { return };
    let name = user.text.trim().split(':').next().unwrap_or("");
    if matches!(name, "root" | "0") {
        report.at(user.span.clone());
    }
}

/// The last stage runs something and never leaves root.
pub(super) fn user_missing(file: &Dockerfile, report: &mut Report<'_>) {
    let stages = file.stages();
    let Some(stage) = stages.last() else { return };
    let base = stage.base();
    let inherits = stages.iter().any(|other| other.name().is_some_and(|(_, name)| name.eq_ignore_ascii_case(base)));
    let runs = stage.last("CMD").or_else(|| stage.last("ENTRYPOINT"));
    let rootless =
        base.contains("nonroot") || base.contains("rootless") || base.contains("unprivileged") || base == "scratch";
    let steps_down = stage.instructions.iter().any(|found| {
        ["gosu", "su-exec", "setpriv", "useradd", "adduser", "s6-"].iter().any(|word| found.text.contains(word))
    });
    if !steps_down && stage.last("USER").is_none() && !inherits && !rootless && runs.is_some() {
        report.at(stage.from.first_line(report.file));
    }
}

/// A base image without a version.
pub(super) fn image_latest(file: &Dockerfile, report: &mut Report<'_>) {
    let mut names: HashSet<String> = HashSet::new();
    for stage in file.stages() {
        let base = stage.base();
        let last = base.rsplit('/').next().unwrap_or(base);
        let is_stage = names.contains(&base.to_ascii_lowercase());
        let tag = last.split_once(':').map(|(_, tag)| tag);
        let versioned = base.contains('@') || tag.is_some_and(|tag| tag != "latest");
        if !base.is_empty() && !is_stage && base != "scratch" && !base.contains('$') && !versioned {
            let place = stage.from.words().first().map_or(0, |(at, _)| *at);
            let what = format!("`{base}` is whatever image was pushed last");
            report.say(stage.from.range(place..place + base.len()), what);
        }
        names.extend(stage.name().map(|(_, name)| name.to_ascii_lowercase()));
    }
}

/// Two stages of one name.
pub(super) fn duplicate(file: &Dockerfile, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for stage in file.stages() {
        if let Some((at, name)) = stage.name().filter(|(_, name)| !seen.insert(name.to_ascii_lowercase())) {
            report.say(stage.from.range(at..at + name.len()), format!("another stage is called `{name}` already"));
        }
    }
}

/// `COPY --from` of a stage that is not there, or only later.
pub(super) fn unknown(file: &Dockerfile, report: &mut Report<'_>) {
    let stages = file.stages();
    let names: Vec<&str> = stages.iter().map(|stage| stage.name().map_or("", |(_, name)| name)).collect();
    for (number, stage) in stages.iter().enumerate() {
        for copy in stage.instructions.iter().filter(|instruction| matches!(&*instruction.keyword, "COPY" | "ADD")) {
            let Some((at, from)) = copy.option("--from") else { continue };
            let earlier = names[..number].iter().any(|name| name.eq_ignore_ascii_case(from));
            let later = names[number..].iter().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(from));
            let beyond = from.parse::<usize>().is_ok_and(|index| index >= number);
            let slip = names.iter().any(|name| name.len() > 3 && crate::check::native::workflow::is_slip(name, from));
            let what = if earlier {
                continue;
            } else if later || beyond {
                format!("the stage `{from}` is not built yet")
            } else if slip && !from.contains(['/', ':', '$']) {
                format!("there is no stage `{from}`")
            } else {
                continue;
            };
            report.say(copy.range(at..at + from.len()), what);
        }
    }
}

/// An `ARG` from before the first `FROM`, read in a stage that does not take it over.
pub(super) fn argument_out_of_scope(file: &Dockerfile, report: &mut Report<'_>) {
    let head = file.instructions.iter().take_while(|instruction| instruction.keyword != "FROM");
    let global: Vec<&str> =
        head.filter(|found| found.keyword == "ARG").filter_map(|found| variable(&found.text)).collect();
    let mut inherited: HashSet<String> = HashSet::new();
    for stage in file.stages() {
        let mut known = inherited.clone();
        for instruction in stage.instructions {
            if matches!(&*instruction.keyword, "ARG" | "ENV") {
                known.extend(defined(&instruction.text));
            } else if instruction.keyword == "RUN" {
                known.extend(assigned(&instruction.text));
            }
            for name in &global {
                if let Some(at) = reads(&instruction.text, name).filter(|_| !known.contains(*name)) {
                    report.say(
                        instruction.range(at..at + name.len()),
                        format!("`{name}` is empty here: it is declared before `FROM`"),
                    );
                    known.insert((*name).to_owned());
                }
            }
        }
        inherited.extend(known);
    }
}

fn variable(text: &str) -> Option<&str> {
    text.trim().split(['=', ' ']).next().filter(|name| !name.is_empty())
}

fn defined(text: &str) -> Vec<String> {
    text.split_whitespace().filter_map(|word| variable(word).map(str::to_owned)).collect()
}

/// Names that a script sets itself.
fn assigned(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ';')
        .filter_map(|word| word.split_once('='))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Where `$NAME` or `${NAME…}` stands.
fn reads(text: &str, name: &str) -> Option<usize> {
    let braced = text.find(&format!("${{{name}")).map(|at| at + 2);
    let bare = text.find(&format!("${name}")).map(|at| at + 1);
    let ends = |at: &usize| !text[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let given = |at: &usize| !text[at + name.len()..].starts_with([':', '-']);
    braced.filter(ends).filter(given).or(bare.filter(ends))
}

/// Ports on which one answers requests of the web.
const WEB_PORTS: &[&str] = &["80", "443", "3000", "5000", "8000", "8080", "8443", "8888"];

/// A web service with no way to ask whether it is well.
pub(super) fn healthcheck_missing(file: &Dockerfile, report: &mut Report<'_>) {
    let stages = file.stages();
    let Some(stage) = stages.last() else { return };
    let web = |found: &super::Instruction| {
        found.words().iter().any(|(_, word)| WEB_PORTS.contains(&word.trim_end_matches("/tcp")))
    };
    let exposes = stage.instructions.iter().any(|found| found.keyword == "EXPOSE" && web(found));
    let serves = exposes && (stage.last("CMD").is_some() || stage.last("ENTRYPOINT").is_some());
    if serves && file.named("HEALTHCHECK").next().is_none() {
        report.at(stage.from.first_line(report.file));
    }
}

/// A second `CMD`, `ENTRYPOINT` or `HEALTHCHECK` in one stage: only the last one counts.
pub(super) fn repeated(file: &Dockerfile, report: &mut Report<'_>) {
    for stage in file.stages() {
        let counts = count(stage.instructions.iter().map(|instruction| &*instruction.keyword));
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let all = counts.get(&keyword.to_ascii_lowercase()).copied().unwrap_or(0);
            let lost = stage.instructions.iter().filter(|found| found.keyword == keyword).take(all.saturating_sub(1));
            for instruction in lost {
                report.say(
                    instruction.span.clone(),
                    format!("this `{keyword}` is never used: a later one of the stage replaces it"),
                );
            }
        }
    }
}
