//! The review for people, in a terminal.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    ops::Range,
};

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{Color, count, harmless};
use crate::{
    change::Origin,
    edit::Applicability,
    finding::{Finding, Severity},
    notice::Gravity,
    review::{Counts, Review, Reviewed, Standing},
    secret,
    source::SourceFile,
};

/// Spans longer than this many lines are marked on their first line only.
const MOST_LINES: u32 = 6;
/// Longer lines are not drawn; the place alone says where.
const LONGEST_LINE: usize = 2_000;

pub(super) fn render(review: &Review, color: Color) -> String {
    let renderer = match color {
        Color::On => Renderer::styled(),
        Color::Off => Renderer::plain(),
    };
    let mut out = String::new();
    let mut explained = HashSet::new();
    for reviewed in review.told().filter(|reviewed| !reviewed.is_folded()) {
        // What a model says of one place holds for that place alone.
        let first = explained.insert(reviewed.finding.check.clone()) || reviewed.finding.check.0.starts_with("model/");
        let groups = groups(review, reviewed, first);
        out.push_str(&renderer.render(&groups));
        out.push_str("\n\n");
    }
    quiet(review, &mut out);
    notices(review, &mut out);
    summary(review, explained.len(), &mut out);
    out
}

/// What people's answers fold away or keep quiet, a line each, with why.
fn quiet(review: &Review, out: &mut String) {
    for reviewed in review.told().filter(|reviewed| reviewed.is_folded()) {
        let Some((_, decision)) = &reviewed.weighed else { continue };
        let finding = &reviewed.finding;
        let line = format!(
            "folded: {}: {}:{}: {} [{}] ({})",
            finding.severity, finding.path, finding.span.from.line, finding.what, finding.check, decision.reason
        );
        let _ = writeln!(out, "{}", harmless(&line));
    }
    let mut muted: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for reviewed in &review.findings {
        if let Standing::Muted { because } = &reviewed.standing {
            muted.entry(&reviewed.finding.check.0).or_insert((0, because)).0 += 1;
        }
    }
    for (check, (many, because)) in muted {
        let _ = writeln!(out, "{}", harmless(&format!("left alone: {many} of {check} ({because})")));
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

/// The finding, then what explains it, then its patch. `why` is told once a check.
fn groups<'a>(review: &'a Review, reviewed: &'a Reviewed, with_why: bool) -> Vec<Group<'a>> {
    let finding = &reviewed.finding;
    let title = level(finding.severity).primary_title(harmless(&finding.what)).id(finding.check.to_string());
    let mut group = Group::with_title(title);
    let mut rest = Vec::new();
    match review.file(&finding.path) {
        Some(file) => {
            group = group.element(place(file, finding));
            rest.extend(patch(review, file, reviewed));
        }
        None => group = group.element(annotate_snippets::Origin::path(harmless(finding.path.as_str()))),
    }
    for place in finding.because.iter().filter(|place| place.path != finding.path) {
        let at = format!("{}: {}:{}", place.note, place.path, place.span.from.line);
        group = group.element(Level::NOTE.message(harmless(&at)));
    }
    if with_why && !finding.why.is_empty() {
        group = group.element(Level::NOTE.with_name(Some("why")).message(finding.why.trim().to_owned()));
    }
    if let Some(why) = &reviewed.unproven {
        group = group.element(Level::NOTE.message(format!("a fix is left out, for it could not be proven: {why}")));
    }
    std::iter::once(group).chain(rest).collect()
}

fn place<'a>(file: &'a SourceFile, finding: &'a Finding) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let window = Window::around(file, finding);
    let here = finding.because.iter().filter(|place| place.path == file.path);
    let notes = here.map(|place| {
        let span = window.inside(&(place.span.start..place.span.end));
        AnnotationKind::Context.span(span).label(harmless(&place.note))
    });
    let mut primary = AnnotationKind::Primary.span(window.inside(&window.primary));
    if let Some(cwe) = finding.cwe {
        primary = primary.label(format!("CWE-{cwe}"));
    }
    Snippet::source(secret::mask(window.text))
        .line_start(window.first_line)
        .path(harmless(file.path.as_str()))
        .annotation(primary)
        .annotations(notes)
}

fn patch<'a>(review: &Review, file: &'a SourceFile, reviewed: &'a Reviewed) -> Option<Group<'a>> {
    let patch = reviewed.patch.as_ref()?;
    let can_be_edited = matches!(review.change.origin, Origin::Staged | Origin::Worktree | Origin::All);
    let title = match patch.applicability() {
        Applicability::Safe if can_be_edited => "proven patch, safe: `--apply` makes it",
        Applicability::Unsafe if can_be_edited => "proven patch, look first: `--apply --unsafe` makes it",
        Applicability::Safe => "proven patch, safe",
        Applicability::Unsafe => "proven patch, look first",
    };
    let first = patch.edits().iter().map(|edit| edit.start).min()?;
    let last = patch.edits().iter().map(|edit| edit.end).max()?;
    let window = Window::of(file, first..last);
    let edits = patch.edits().iter().map(|edit| Patch::new(window.inside(&(edit.start..edit.end)), edit.text.as_str()));
    let source = Snippet::source(secret::mask(window.text)).line_start(window.first_line);
    let snippet = source.path(harmless(file.path.as_str())).patches(edits);
    Some(Level::HELP.secondary_title(title).element(snippet))
}

/// The lines of a file that are drawn, so that drawing costs the same in a short file and in a long one.
struct Window<'a> {
    text: &'a str,
    first_line: usize,
    start: usize,
    primary: Range<usize>,
}

impl<'a> Window<'a> {
    fn around(file: &'a SourceFile, finding: &Finding) -> Self {
        let lines = finding.span.lines();
        let mut primary = finding.span.start..finding.span.end;
        if lines.end() - lines.start() >= MOST_LINES {
            primary.end = file.lines.range(*lines.start()).end.saturating_sub(1).max(primary.start);
        }
        if file.lines.range(*lines.start()).len() > LONGEST_LINE {
            primary.end = primary.end.min(primary.start + LONGEST_LINE / 4);
        }
        let mut whole = primary.clone();
        for place in finding.because.iter().filter(|place| place.path == file.path) {
            whole = whole.start.min(place.span.start)..whole.end.max(place.span.end);
        }
        Self { primary, ..Self::of(file, whole) }
    }

    fn of(file: &'a SourceFile, bytes: Range<usize>) -> Self {
        let (first, last) = (file.lines.position(bytes.start).line, file.lines.position(bytes.end).line);
        let start = file.lines.range(first).start;
        let end = file.lines.range(last).end.max(bytes.end);
        Self { text: file.text.get(start..end).unwrap_or(""), first_line: first as usize, start, primary: bytes }
    }

    /// A range of the file as a range of the window, on character boundaries.
    fn inside(&self, bytes: &Range<usize>) -> Range<usize> {
        let clamp = |at: usize| {
            let mut at = at.saturating_sub(self.start).min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        clamp(bytes.start)..clamp(bytes.end)
    }
}

fn notices(review: &Review, out: &mut String) {
    for notice in &review.notices {
        let word = match notice.gravity {
            Gravity::Failure => "failed",
            Gravity::Skipped => "skipped",
            Gravity::Note => "note",
        };
        let _ = writeln!(out, "{word}: {}: {}", harmless(&notice.about), harmless(&notice.what));
        if let Some(advice) = &notice.advice {
            let _ = writeln!(out, "  try: {}", harmless(advice));
        }
    }
}

fn summary(review: &Review, checks: usize, out: &mut String) {
    let counts = review.counts();
    let files = count(review.change.files.len(), "file");
    let told = [(counts.error, "error"), (counts.warning, "warning"), (counts.info, "info")];
    let told: Vec<String> = told.iter().filter(|(many, _)| *many > 0).map(|(many, noun)| count(*many, noun)).collect();
    let _ = match (told.is_empty(), review.is_incomplete()) {
        (true, true) => writeln!(out, "Not reviewed completely: {files}, see above."),
        (true, false) if review.change.files.is_empty() => writeln!(out, "Nothing to review: the change is empty."),
        (true, false) => writeln!(out, "Nothing to say about {files}.{}", silence(review, counts)),
        (false, _) => writeln!(out, "{} in {files}.{}", told.join(", "), silence(review, counts)),
    };
    if checks > 0 {
        let _ = writeln!(
            out,
            "`apprentice rules explain RULE` tells more; a comment `apprentice: allow RULE -- why` silences one."
        );
    }
}

fn silence(review: &Review, counts: Counts) -> String {
    if counts.silent == 0 {
        return String::new();
    }
    let of =
        |wanted: fn(&Standing) -> bool| review.findings.iter().filter(|reviewed| wanted(&reviewed.standing)).count();
    let reasons = [
        (of(|standing| matches!(standing, Standing::Untouched | Standing::Older)), "on lines you did not touch"),
        (of(|standing| matches!(standing, Standing::Allowed { .. })), "allowed by comments"),
        (of(|standing| matches!(standing, Standing::Baseline)), "in the baseline"),
        (of(|standing| matches!(standing, Standing::Muted { .. })), "left alone as people answered"),
        (of(|standing| matches!(standing, Standing::Repeated { .. })), "said by another check"),
        (of(|standing| matches!(standing, Standing::Unsure)), "of which the model is not sure"),
        (of(|standing| matches!(standing, Standing::OverLimit)), "beyond suggest.max_findings"),
    ];
    let reasons: Vec<String> =
        reasons.iter().filter(|(many, _)| *many > 0).map(|(many, what)| format!("{many} {what}")).collect();
    format!(" Not told: {}.", reasons.join(", "))
}
