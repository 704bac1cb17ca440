//! GitHub's workflow commands: `::error file=…,line=…::message`.

use std::fmt::Write as _;

use super::harmless;
use crate::{
    finding::Severity,
    notice::Gravity,
    review::{Review, Reviewed},
};

pub(super) fn render(review: &Review) -> String {
    let mut out = String::new();
    for reviewed in review.told() {
        command(reviewed, &mut out);
    }
    for notice in review.notices.iter().filter(|notice| notice.gravity == Gravity::Failure) {
        let _ = writeln!(out, "::error title=apprentice::{}", data(&format!("{}: {}", notice.about, notice.what)));
    }
    out
}

fn command(reviewed: &Reviewed, out: &mut String) {
    let finding = &reviewed.finding;
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let (from, to) = (finding.span.from, finding.span.to);
    let _ = write!(
        out,
        "::{name} file={},line={},endLine={}",
        property(finding.path.as_str()),
        from.line,
        to.line.max(from.line)
    );
    // GitHub takes columns only within one line.
    if from.line == to.line {
        let _ = write!(out, ",col={},endColumn={}", from.column, to.column);
    }
    // `harmless` folds lines, and the reason may have several.
    let why: Vec<String> = finding.why.trim().lines().map(harmless).collect();
    let message = [&[harmless(&finding.what)], &*why].concat().join("\n");
    let _ = writeln!(out, ",title={}::{}", property(&finding.check.0), data(&message));
}

/// The runner's own escapes for a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The runner's own escapes for a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_end_a_command_early() {
        assert_eq!(data("a\n::set-env name=x::y%"), "a%0A::set-env name=x::y%25");
        assert_eq!(property("a,line=9:\r\nb"), "a%2Cline=9%3A%0D%0Ab");
    }
}
