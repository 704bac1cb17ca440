//! How does it look? A state becomes cells, and nothing else happens.

use engine::{edit::Applicability, finding::Severity};
use ratatui::{
    buffer::{Buffer, CellWidth as _},
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{
    keys,
    proposal::{Row, Side},
    state::{Answer, Item, Mode, Seen, State},
    text::{self, Kind, Piece},
};

/// A smaller terminal shows only that it is too small.
pub(super) const LEAST: (u16, u16) = (40, 10);
/// From this width on, before and after stand beside each other.
const WIDE: u16 = 100;
/// From this height on, lines are drawn between the parts.
const TALL: u16 = 16;
/// What is typed or told takes at most this many lines.
const MOST_STATUS: usize = 3;

/// The colors in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// The terminal's own sixteen.
    Colors,
    /// None: bold, dim, underlined and reversed alone.
    Plain,
}

impl Paint {
    fn color(self, color: Color) -> Style {
        match self {
            Self::Colors => Style::new().fg(color),
            Self::Plain => Style::new(),
        }
    }

    fn severity(self, severity: Severity) -> Style {
        let color = match severity {
            Severity::Error => Color::Red,
            Severity::Warning => Color::Yellow,
            Severity::Info => Color::Cyan,
        };
        self.color(color).add_modifier(Modifier::BOLD)
    }

    fn answer(self, answer: &Answer) -> Style {
        match answer {
            Answer::Accepted | Answer::Edited(_) | Answer::Useful => self.color(Color::Green),
            Answer::Rejected(_) | Answer::NotUseful => self.color(Color::Red),
        }
    }
}

/// What stands behind a last line without its newline, where that may be what changes.
const OPEN: &str = " (no newline)";

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Stretches of one line, each with its style.
type Spans = Vec<(String, Style)>;

/// Draws everything, and says how far one can scroll.
pub(super) fn draw(state: &State<'_>, paint: Paint, buffer: &mut Buffer) -> Seen {
    let area = buffer.area;
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(area, buffer);
        return Seen { is_too_small: true, ..Seen::default() };
    }
    let mut pen = Pen { buffer, left: area.left(), width: area.width, at: area.top(), end: area.bottom() };
    let status = status(state, usize::from(area.width));
    let foot = u16::try_from(status.len()).unwrap_or(0) + 1;
    pen.line(&title(state, usize::from(area.width)));
    pen.end = area.bottom().saturating_sub(foot);
    let seen = match state.mode {
        Mode::Help(down) => help(&mut pen, down),
        _ => walk(state, paint, &mut pen),
    };
    (pen.at, pen.end) = (area.bottom().saturating_sub(foot), area.bottom());
    for line in status {
        pen.line(&vec![(line, BOLD)]);
    }
    pen.line(&keys::line(state, usize::from(area.width)).into_iter().map(|(text, is_key)| key(text, is_key)).collect());
    seen
}

fn key(text: String, is_key: bool) -> (String, Style) {
    (text, if is_key { BOLD } else { DIM })
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let words = format!(
        "{}x{} is too small: make it {}x{} or larger. Ctrl-C leaves.",
        area.width, area.height, LEAST.0, LEAST.1
    );
    let mut pen = Pen { buffer, left: area.left(), width: area.width, at: area.top(), end: area.bottom() };
    for line in text::wrap(&words, usize::from(area.width)) {
        pen.line(&vec![(line, Style::new())]);
    }
}

/// Puts one line after the other.
struct Pen<'b> {
    buffer: &'b mut Buffer,
    left: u16,
    width: u16,
    at: u16,
    end: u16,
}

impl Pen<'_> {
    fn line(&mut self, spans: &Spans) {
        if self.at >= self.end {
            return;
        }
        let mut x = self.left;
        for (text, style) in spans {
            let room = usize::from((self.left + self.width).saturating_sub(x));
            x = self.buffer.set_stringn(x, self.at, text, room, *style).0;
        }
        self.at += 1;
    }

    fn room(&self) -> usize {
        usize::from(self.end.saturating_sub(self.at))
    }
}

fn title(state: &State<'_>, width: usize) -> Spans {
    let (at, all) = (state.at + 1, state.items.len());
    let left = format!(" {at} of {all}");
    let (many, _) = state.changes();
    let right = format!("{} answered, {many} to apply ", state.answered());
    let gap = width.saturating_sub(left.len() + right.len());
    vec![(format!("{left}{}{right}", " ".repeat(gap)), REVERSED)]
}

fn walk(state: &State<'_>, paint: Paint, pen: &mut Pen<'_>) -> Seen {
    let Some(item) = state.item() else { return Seen::default() };
    let is_tall = pen.end >= TALL;
    list(state, paint, pen);
    if is_tall {
        pen.line(&vec![("─".repeat(usize::from(pen.width)), DIM)]);
    }
    body(state, item, paint, pen)
}

/// The findings around the one that is shown.
fn list(state: &State<'_>, paint: Paint, pen: &mut Pen<'_>) {
    let all = state.items.len();
    let rows = (pen.room() / 4).clamp(1, 8).min(all);
    let first = state.at.saturating_sub(rows / 2).min(all - rows);
    let width = usize::from(pen.width);
    for (at, item) in state.items.iter().enumerate().skip(first).take(rows) {
        let line = entry(item, paint, width);
        let is_here = at == state.at;
        let mark = if is_here { ">" } else { " " };
        let mut spans = vec![(mark.to_owned(), BOLD)];
        spans.extend(line.into_iter().map(|(text, style)| (text, if is_here { style.patch(BOLD) } else { style })));
        pen.line(&spans);
    }
}

/// A finding in one line: its answer, how bad it is, where, what found it, and whether there is a patch.
fn entry(item: &Item<'_>, paint: Paint, width: usize) -> Spans {
    let finding = &item.reviewed.finding;
    let mark = match &item.answer {
        Some(answer) => (answer.letter().to_string(), paint.answer(answer).patch(BOLD)),
        None => (" ".to_owned(), Style::new()),
    };
    let severity = (format!("{:8}", finding.severity.word()), paint.severity(finding.severity));
    let patch = if item.reviewed.patch.is_some() { " patch" } else { "      " };
    let room = width.saturating_sub(1 + 4 + severity.0.len() + patch.len());
    let check = text::clean(&finding.check.0);
    let place = format!("{}:{}", text::clean(finding.path.as_str()), finding.span.from.line);
    let (place, check) = both(&place, &check, room);
    vec![
        ("[".into(), DIM),
        mark,
        ("] ".into(), DIM),
        severity,
        (place, Style::new()),
        (check, DIM),
        (patch.into(), DIM),
    ]
}

/// A place and a check in so many columns: the place keeps its end, and gets at least half.
fn both(place: &str, check: &str, room: usize) -> (String, String) {
    let (long, check_long) = (usize::from(place.cell_width()), usize::from(check.cell_width()));
    let for_check = check_long.min(room.saturating_sub(long + 1).max(room / 2)).min(room);
    let for_place = room.saturating_sub(for_check + 1).min(long);
    let pieces = text::cut(check, &[], 0, for_check).0;
    let check: String = pieces.into_iter().map(|(text, _)| text).collect();
    let place = keep_end(place, for_place);
    let gap = room.saturating_sub(usize::from(place.cell_width()) + usize::from(check.cell_width()));
    (place, format!("{}{check}", " ".repeat(gap)))
}

/// The end of a text in so many columns, with a sign that something is left out.
fn keep_end(text: &str, room: usize) -> String {
    let long = usize::from(text.cell_width());
    if long <= room {
        return text.to_owned();
    }
    let (pieces, _) = text::cut(text, &[], long + 1 - room.max(1), room.saturating_sub(1));
    std::iter::once("…".to_owned()).chain(pieces.into_iter().map(|(text, _)| text)).collect()
}

/// The finding's words, then its code; both scroll together.
fn body(state: &State<'_>, item: &Item<'_>, paint: Paint, pen: &mut Pen<'_>) -> Seen {
    let width = usize::from(pen.width);
    let words = words(item, paint, width);
    let code = Code::new(state, paint, width);
    let (page, all) = (pen.room(), words.len() + code.lines.len());
    let most_down = all.saturating_sub(page);
    let down = state.down.min(most_down);
    for line in words.iter().skip(down).take(page) {
        pen.line(line);
    }
    for &line in code.lines.iter().skip(down.saturating_sub(words.len())).take(pen.room()) {
        pen.line(&code.line(line));
    }
    if down < most_down {
        let more = format!(" {} more ", most_down - down);
        let x = (pen.left + pen.width).saturating_sub(more.len() as u16);
        pen.buffer.set_stringn(x, pen.end.saturating_sub(1), &more, more.len(), REVERSED);
    }
    Seen { is_too_small: false, page, most_down, right: code.from, most_right: code.most }
}

fn words(item: &Item<'_>, paint: Paint, width: usize) -> Vec<Spans> {
    let finding = &item.reviewed.finding;
    let cwe = finding.cwe.map(|cwe| format!(" CWE-{cwe}")).unwrap_or_default();
    let place = format!("{}:{}:{}", finding.path, finding.span.from.line, finding.span.from.column);
    let check = format!(" {}{cwe} ", text::clean(&finding.check.0));
    let room = width.saturating_sub(finding.severity.word().len() + usize::from(check.cell_width()));
    let mut lines = vec![vec![
        (finding.severity.word().to_owned(), paint.severity(finding.severity)),
        (check, Style::new()),
        (keep_end(&text::clean(&place), room), DIM),
    ]];
    let mut say = |words: &str, style: Style, lead: &str| {
        let indent = usize::from(lead.cell_width());
        for (nth, line) in text::wrap(words, width.saturating_sub(indent)).into_iter().enumerate() {
            let lead = if nth == 0 { lead.to_owned() } else { " ".repeat(indent) };
            lines.push(vec![(lead, DIM), (line, style)]);
        }
    };
    say(&finding.what, BOLD, "");
    say(&finding.why, Style::new(), "");
    for place in &finding.because {
        say(&format!("{}:{} {}", place.path, place.span.from.line, place.note), Style::new(), "because ");
    }
    if let Some(why) = &item.reviewed.unproven {
        say(&format!("a fix is left out, for it could not be proven: {why}"), Style::new(), "note ");
    }
    if let Some(Answer::Rejected(why)) =
        item.answer.as_ref().filter(|answer| **answer != Answer::Rejected(String::new()))
    {
        say(why, paint.color(Color::Red), "rejected: ");
    }
    lines.push(vec![(heading(item, width), DIM)]);
    lines
}

/// What the code below is.
fn heading(item: &Item<'_>, width: usize) -> String {
    let words = match (&item.answer, &item.reviewed.patch) {
        (Some(Answer::Edited(_)), _) => "your text, not proven",
        (_, Some(_)) if item.proposal.is_none() => "proven patch that cannot be shown: its lines are not UTF-8",
        (_, Some(patch)) if patch.applicability() == Applicability::Safe => "proven patch, safe",
        (_, Some(_)) => "proven patch, look first",
        (_, None) if item.file.is_none() => "its text cannot be shown",
        (_, None) => "no patch",
    };
    let words = format!("── {words} ");
    format!("{words}{}", "─".repeat(width.saturating_sub(usize::from(words.cell_width()))))
}

/// One drawn line of code: a row as a whole, or one of its sides.
#[derive(Clone, Copy)]
enum Line<'s> {
    Both(&'s Row),
    Old(&'s Side),
    New(&'s Side),
    Same(&'s Side, u32),
    Found(&'s Side),
    Gap,
}

struct Code<'s> {
    lines: Vec<Line<'s>>,
    paint: Paint,
    /// Columns for a line number.
    digits: usize,
    /// Columns for text.
    room: usize,
    from: usize,
    most: usize,
}

impl<'s> Code<'s> {
    fn new(state: &'s State<'_>, paint: Paint, width: usize) -> Self {
        let is_wide = width >= usize::from(WIDE);
        let is_found = state.item().is_some_and(|item| item.proposal.is_none());
        let lines = match is_wide && !is_found {
            true => state.rows.iter().map(Line::Both).collect(),
            false => below_each_other(&state.rows),
        };
        let last = sides(&state.rows).map(|side| side.line).max().unwrap_or(0);
        let digits = last.to_string().len().max(3);
        let room = match (is_wide, is_found) {
            (_, true) => width.saturating_sub(digits + 3),
            (true, _) => (width / 2).saturating_sub(digits + 4),
            (false, _) => width.saturating_sub(2 * digits + 4),
        };
        let longest = sides(&state.rows).map(|side| text::column(&side.text, side.text.len())).max().unwrap_or(0);
        let open = if sides(&state.rows).any(|side| side.is_open) { OPEN.len() } else { 0 };
        let most = (longest + 1 + open).saturating_sub(room);
        let marked = sides(&state.rows).find_map(|side| side.marks.first().map(|mark| (side, mark)));
        let there = marked.map_or(0, |(side, mark)| text::column(&side.text, mark.end.min(mark.start + 20)));
        let wanted = if there > room { there.saturating_sub(room / 2) } else { 0 };
        Self { lines, paint, digits, room, from: state.right.unwrap_or(wanted).min(most), most }
    }

    fn line(&self, line: Line<'_>) -> Spans {
        let (digits, none) = (self.digits, String::new());
        match line {
            Line::Gap => vec![("  ⋯".into(), DIM)],
            Line::Found(side) => {
                let mut spans = vec![(format!("{:>digits$} > ", side.line), BOLD)];
                spans.extend(self.text(side, Style::new(), Modifier::UNDERLINED | Modifier::BOLD));
                spans
            }
            Line::Same(side, _) if self.is_found() => self.numbered(format!("{:>digits$}   ", side.line), side),
            Line::Same(side, new) => self.numbered(format!("{:>digits$} {new:>digits$}   ", side.line), side),
            Line::Old(side) => self.signed(format!("{:>digits$} {none:>digits$} ", side.line), side, '-', Color::Red),
            Line::New(side) => self.signed(format!("{none:>digits$} {:>digits$} ", side.line), side, '+', Color::Green),
            Line::Both(row) => self.both(row),
        }
    }

    fn is_found(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Found(_)))
    }

    fn both(&self, row: &Row) -> Spans {
        let digits = self.digits;
        let signed = |side: &Option<Side>, sign: char, color: Color| match side {
            Some(side) => self.signed(format!("{:>digits$} ", side.line), side, sign, color),
            None => Vec::new(),
        };
        let plain = |side: &Side| self.numbered(format!("{:>digits$}   ", side.line), side);
        let (mut left, right) = match row {
            Row::Gap => return self.line(Line::Gap),
            Row::Found(side) => return self.line(Line::Found(side)),
            Row::Same(old, new) => (plain(old), plain(new)),
            Row::Changed(old, new) => (signed(old, '-', Color::Red), signed(new, '+', Color::Green)),
        };
        let used: usize = left.iter().map(|(text, _)| usize::from(text.cell_width())).sum();
        left.push((" ".repeat((digits + 3 + self.room).saturating_sub(used)), Style::new()));
        left.push(("│".into(), DIM));
        left.extend(right);
        left
    }

    fn numbered(&self, numbers: String, side: &Side) -> Spans {
        let mut spans = vec![(numbers, DIM)];
        spans.extend(self.text(side, Style::new(), Modifier::empty()));
        spans
    }

    fn signed(&self, numbers: String, side: &Side, sign: char, color: Color) -> Spans {
        let style = self.paint.color(color);
        let mut spans = vec![(numbers, DIM), (format!("{sign} "), style.patch(BOLD))];
        spans.extend(self.text(side, style, Modifier::REVERSED));
        if side.is_open {
            spans.push((OPEN.into(), DIM));
        }
        spans
    }

    fn text(&self, side: &Side, style: Style, mark: Modifier) -> Spans {
        let open = if side.is_open { OPEN.len() } else { 0 };
        let room = self.room.saturating_sub(1 + open);
        let (pieces, more) = text::cut(&side.text, &side.marks, self.from, room);
        let styled = |(text, kind): Piece| match kind {
            Kind::Plain => (text, style),
            Kind::Marked => (text, style.add_modifier(mark)),
            Kind::Escape => (text, self.paint.color(Color::Magenta).add_modifier(Modifier::DIM)),
        };
        let mut spans: Spans = pieces.into_iter().map(styled).collect();
        if more {
            spans.push(("…".into(), DIM));
        }
        spans
    }
}

fn sides(rows: &[Row]) -> impl Iterator<Item = &Side> {
    rows.iter()
        .flat_map(|row| match row {
            Row::Same(old, new) => [Some(old), Some(new)],
            Row::Changed(old, new) => [old.as_ref(), new.as_ref()],
            Row::Found(side) => [Some(side), None],
            Row::Gap => [None, None],
        })
        .flatten()
}

/// Rows as git draws them: what goes above what comes, stretch by stretch.
fn below_each_other(rows: &[Row]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let is_changed = |row: &Row| matches!(row, Row::Changed(..));
    for stretch in rows.chunk_by(|a, b| is_changed(a) && is_changed(b)) {
        let olds = stretch.iter().filter_map(|row| if let Row::Changed(old, _) = row { old.as_ref() } else { None });
        let news = stretch.iter().filter_map(|row| if let Row::Changed(_, new) = row { new.as_ref() } else { None });
        lines.extend(olds.map(Line::Old));
        lines.extend(news.map(Line::New));
        lines.extend(stretch.iter().filter_map(|row| match row {
            Row::Same(old, new) => Some(Line::Same(old, new.line)),
            Row::Found(side) => Some(Line::Found(side)),
            Row::Gap => Some(Line::Gap),
            Row::Changed(..) => None,
        }));
    }
    lines
}

/// What is asked or told, above the keys.
fn status(state: &State<'_>, width: usize) -> Vec<String> {
    let words = match &state.mode {
        Mode::Reason(text) => {
            // The end is what is being typed.
            let room = (width * 2).saturating_sub(20);
            format!("Why not? (Enter rejects) {}_", keep_end(&text::clean(text), room))
        }
        Mode::Broken(_) => "With your text the file no longer parses. Keep it all the same?".into(),
        Mode::Finish => finish(state),
        Mode::Walk | Mode::Help(_) => state.message.clone().unwrap_or_default(),
    };
    let mut lines = text::wrap(&words, width);
    lines.truncate(MOST_STATUS);
    lines
}

fn finish(state: &State<'_>) -> String {
    let (many, files) = state.changes();
    let plural = |many: usize| if many == 1 { "" } else { "s" };
    let open = state.items.len() - state.answered();
    let rest = if open > 0 { format!(" {open} without an answer.") } else { String::new() };
    match many {
        0 => format!("Everything is answered.{rest} Keep the answers?"),
        _ => format!(
            "Apply {many} {} to {files} file{}?{rest}",
            if many == 1 { "patch" } else { "patches" },
            plural(files)
        ),
    }
}

fn help(pen: &mut Pen<'_>, down: usize) -> Seen {
    let lines = keys::help();
    let page = pen.room();
    let most_down = lines.len().saturating_sub(page);
    for (name, words) in lines.iter().skip(down.min(most_down)).take(page) {
        pen.line(&vec![(format!(" {name:<12}"), BOLD), ((*words).to_owned(), Style::new())]);
    }
    Seen { page, most_down, ..Seen::default() }
}
