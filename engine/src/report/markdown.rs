//! The review for a comment or a job summary.

use std::fmt::Write as _;

use super::{count, harmless};
use crate::{
    edit::Applicability,
    finding::Severity,
    review::{Review, Reviewed},
};

pub(super) fn render(review: &Review) -> String {
    let counts = review.counts();
    let mut out = String::from("## apprentice\n\n");
    let told = counts.error + counts.warning + counts.info;
    let files = count(review.change.files.len(), "file");
    let _ = match (told, review.is_incomplete()) {
        (0, true) => writeln!(out, "**Not reviewed completely.** {files}; see the notices below."),
        (0, false) => writeln!(out, "Nothing to say about {files}."),
        _ => writeln!(
            out,
            "{}, {}, {} in {files}.",
            count(counts.error, "error"),
            count(counts.warning, "warning"),
            count(counts.info, "info")
        ),
    };
    review.told().for_each(|reviewed| finding(review, reviewed, &mut out));
    if !review.notices.is_empty() {
        out.push_str("\n### Notices\n\n");
        for notice in &review.notices {
            let _ = writeln!(out, "- {}: {}", plain(&notice.about), plain(&notice.what));
        }
    }
    out
}

fn finding(review: &Review, reviewed: &Reviewed, out: &mut String) {
    let finding = &reviewed.finding;
    let mark = match finding.severity {
        Severity::Error => "🔴",
        Severity::Warning => "🟡",
        Severity::Info => "🔵",
    };
    let _ = writeln!(out, "\n### {mark} {}\n", plain(&finding.what));
    let _ =
        writeln!(out, "{} line {} · {}\n", code(finding.path.as_str()), finding.span.from.line, code(&finding.check.0));
    if !finding.why.is_empty() {
        let _ = writeln!(out, "{}", finding.why.lines().map(plain).collect::<Vec<_>>().join("\n"));
    }
    for place in &finding.because {
        let _ = writeln!(out, "- {} line {}: {}", code(place.path.as_str()), place.span.from.line, plain(&place.note));
    }
    if let (Some(patch), Some(file)) = (&reviewed.patch, review.file(&finding.path)) {
        let trust = if patch.applicability() == Applicability::Safe { "safe" } else { "look first" };
        let diff = patch.diff(file);
        let fence = fence(&diff);
        let _ = writeln!(out, "\nProven patch ({trust}):\n\n{fence}diff\n{}\n{fence}", diff.trim_end());
    }
}

/// Text of unknown origin as Markdown that says just that: no link, no image, no mention, no reference, no HTML, no fence.
pub fn plain(text: &str) -> String {
    let text = harmless(text);
    // An odd backtick would open code up to the next one, wherever that is; three open a fence.
    let has_code = text.matches('`').count().is_multiple_of(2) && !text.contains("```");
    let mut out = String::with_capacity(text.len() + 8);
    let mut in_code = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '`' if has_code => in_code = !in_code,
            '`' => out.push('\\'),
            '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '#' | '|' | '&' | '~' if !in_code => out.push('\\'),
            _ => {}
        }
        out.push(c);
        // A zero-width space keeps a mention, a reference or an address from being one.
        let next = rest.peek().copied().unwrap_or(' ');
        let speaks = match c {
            '@' => true,
            '#' => next.is_ascii_digit(),
            ':' => next == '/',
            'w' | 'W' => next == '.' && out.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if speaks && !in_code {
            out.push('\u{200B}');
        }
    }
    out
}

/// Text as inline code, whatever backticks it holds.
pub fn code(text: &str) -> String {
    let text = harmless(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    if longest == 0 { format!("{ticks}{text}{ticks}") } else { format!("{ticks} {text} {ticks}") }
}

/// A fence that the text cannot close.
pub fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(plain("see @team <img src=x> [a](b)"), "see @\u{200B}team \\<img src=x\\> \\[a\\](b)");
        assert_eq!(plain("`a*b` is *c*"), "`a*b` is \\*c\\*");
        assert_eq!(plain("odd ` @x"), "odd \\` @\u{200B}x");
        assert_eq!(plain("````suggestion"), "\\`\\`\\`\\`suggestion");
        assert_eq!(
            plain("https://evil.example www.evil.example #1"),
            "https:\u{200B}//evil.example www\u{200B}.evil.example \\#\u{200B}1"
        );
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(fence("````"), "`````");
    }
}
