//! How is it put? Markdown in which nothing of a change, a rule or a model can link, mention, load or hide anything.

use std::{collections::BTreeMap, fmt::Write as _};

use engine::{
    edit::Applicability,
    finding::{Finding, Severity},
    git::CommitId,
    report::markdown::{self, code, fence},
    review::{Review, Reviewed, Standing},
    secret,
};

use super::{Marker, Offer, failures};

/// GitHub takes 65,536 characters.
const LONGEST: usize = 60_000;

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "🔴",
        Severity::Warning => "🟡",
        Severity::Info => "🔵",
    }
}

/// Words of unknown origin. They may quote the code, and the code may hold a secret.
pub(crate) fn plain(text: &str) -> String {
    markdown::plain(&secret::mask(text))
}

fn lines(text: &str) -> String {
    text.trim().lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// One comment about findings that have one patch, or about one finding.
pub(super) fn comment(review: &Review, all: &[&Reviewed], offer: Option<&Offer>, on_file: bool) -> String {
    let mut out = String::new();
    for reviewed in all {
        let finding = &reviewed.finding;
        let _ = writeln!(out, "{} **{}**\n", mark(finding.severity), plain(&finding.what));
        if on_file {
            let _ = writeln!(out, "Line {}.\n", finding.span.from.line);
        }
        if !finding.why.trim().is_empty() {
            let _ = writeln!(out, "{}\n", lines(&finding.why));
        }
        for place in &finding.because {
            let at = code(&format!("{}:{}", place.path, place.span.from.line));
            let _ = writeln!(out, "- {at} {}", plain(&place.note));
        }
        if !finding.because.is_empty() {
            out.push('\n');
        }
    }
    out = short(&out, LONGEST / 2);
    out += &patch(review, all[0], offer);
    let checks: Vec<String> = all.iter().map(|reviewed| code(&reviewed.finding.check.0)).collect();
    let _ = writeln!(out, "<sub>{}</sub>", checks.join(" · "));
    for reviewed in all {
        let _ = writeln!(out, "{}", Marker::of(&reviewed.finding).write());
    }
    out
}

/// What mends it: a block to commit where there can be one, else the diff.
fn patch(review: &Review, reviewed: &Reviewed, offer: Option<&Offer>) -> String {
    let Some(patch) = &reviewed.patch else { return String::new() };
    let note = match patch.applicability() {
        Applicability::Safe => "",
        Applicability::Unsafe => "Look first: this may change what the code does.\n\n",
    };
    if let Some(offer) = offer {
        return format!("{note}{}\n\n", offer.block());
    }
    let diff = review.file(patch.path()).map(|file| patch.diff(file)).unwrap_or_default();
    if diff.is_empty() || diff.len() > LONGEST / 3 {
        return String::new();
    }
    let fence = fence(&diff);
    format!("{note}This mends it:\n\n{fence}diff\n{}\n{fence}\n\n", diff.trim_end())
}

/// The review's own text: how much is new, and what no comment could carry.
pub(super) fn review(review: &Review, new: &[&Reviewed], listed: &[&Reviewed], fixed: usize) -> String {
    let of = |severity| new.iter().filter(|reviewed| reviewed.finding.severity == severity).count();
    let mut out = counts(of(Severity::Error), of(Severity::Warning), of(Severity::Info));
    let patches = new.iter().filter(|reviewed| reviewed.patch.is_some()).count();
    if patches > 0 {
        let _ = write!(out, "; {patches} with a proven patch");
    }
    if fixed > 0 {
        let _ = write!(out, "; {fixed} fixed since the last review");
    }
    out += ".\n";
    out += &notices(review);
    out += &list(listed, out.len());
    out
}

/// Findings that no comment carries, below a text of so many bytes.
pub(super) fn list(listed: &[&Reviewed], above: usize) -> String {
    if listed.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nNot on lines:\n\n");
    for (at, reviewed) in listed.iter().enumerate() {
        if above + out.len() > LONGEST {
            let _ = writeln!(out, "- … and {} more, which the check run lists", listed.len() - at);
            break;
        }
        let _ = writeln!(out, "- {}", line(&reviewed.finding));
        let _ = writeln!(out, "{}", Marker::of(&reviewed.finding).write());
    }
    out
}

/// Findings too severe to keep quiet about, which people answered that they do not want: where nobody has to look.
pub(super) fn folded(folded: &[&Reviewed], above: usize) -> String {
    if folded.is_empty() {
        return String::new();
    }
    let mut out = format!("\n<details><summary>{} folded away, as people answered</summary>\n\n", folded.len());
    for reviewed in folded {
        if above + out.len() > LONGEST {
            out += "- …\n";
            break;
        }
        let why = reviewed.weighed.as_ref().map(|(_, decision)| plain(&decision.reason)).unwrap_or_default();
        let _ = writeln!(out, "- {}: {why}", line(&reviewed.finding));
        let _ = writeln!(out, "{}", Marker::of(&reviewed.finding).write());
    }
    out + "\n</details>\n"
}

/// What is left alone, by check, with why.
fn muted(review: &Review) -> String {
    let mut by: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for reviewed in &review.findings {
        if let Standing::Muted { because } = &reviewed.standing {
            by.entry(&reviewed.finding.check.0).or_insert((0, because)).0 += 1;
        }
    }
    let many: usize = by.values().map(|(many, _)| many).sum();
    if many == 0 {
        return String::new();
    }
    let mut out = format!("\n<details><summary>{many} left alone, as people answered</summary>\n\n");
    for (check, (many, because)) in by {
        let _ = writeln!(out, "- {many} of {}: {}", code(check), plain(because));
    }
    out + "\n</details>\n"
}

fn counts(errors: usize, warnings: usize, infos: usize) -> String {
    let count = |many: usize, one: &str| match many {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{many} {one}s")),
    };
    let all = [count(errors, "error"), count(warnings, "warning"), count(infos, "hint")];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() { "Nothing to say".into() } else { all.join(", ") }
}

fn line(finding: &Finding) -> String {
    let place = code(&format!("{}:{}", finding.path, finding.span.from.line));
    format!("{} {place} {} ({})", mark(finding.severity), plain(&finding.what), code(&finding.check.0))
}

fn notices(review: &Review) -> String {
    let told: Vec<String> =
        failures(review).map(|notice| format!("- {}: {}", plain(&notice.about), plain(&notice.what))).collect();
    if told.is_empty() {
        return String::new();
    }
    short(&format!("\n**Not everything could be reviewed:**\n\n{}\n", told.join("\n")), LONGEST / 3)
}

/// The check run's title.
pub(super) fn title(review: &Review) -> String {
    let counts = review.counts();
    let said = self::counts(counts.error, counts.warning, counts.info);
    if review.is_incomplete() { format!("{said}; not everything could be reviewed") } else { said }
}

/// The check run's text.
pub(super) fn summary(review: &Review) -> String {
    let files = review.change.files.len();
    let mut out = format!("{files} file{} reviewed.\n", if files == 1 { "" } else { "s" });
    out += &notices(review);
    for reviewed in review.told() {
        if out.len() > LONGEST {
            out += "- …\n";
            break;
        }
        let _ = writeln!(out, "- {}", line(&reviewed.finding));
    }
    out += &muted(review);
    let others = review.notices.len() - failures(review).count();
    if others > 0 {
        let _ = writeln!(out, "\n<details><summary>Notes</summary>\n");
        for notice in review.notices.iter().filter(|notice| failures(review).all(|failure| failure != *notice)) {
            let _ = writeln!(out, "- {}: {}", plain(&notice.about), plain(&notice.what));
        }
        out += "\n</details>\n";
    }
    short(&out, LONGEST)
}

/// An annotation's text; GitHub shows it as it is. A rule may quote the code, and the code may hold a secret.
pub(super) fn message(finding: &Finding) -> String {
    secret::mask(format!("{}\n{}", finding.what, finding.why.trim()).trim()).into_owned()
}

/// What is said in a thread whose finding came back.
pub(super) fn is_back(head: &CommitId) -> String {
    format!("This is back as of {}.", head.as_str())
}

/// At most so many bytes, cut between characters.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", &text[..end])
}
