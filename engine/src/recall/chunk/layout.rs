//! Which lines belong together? Definitions that stand alone, and what is left around them.

use std::{collections::BTreeMap, ops::Range};

use super::{
    measure::{Cost, LIMIT, Look, Measure, TARGET, TOKEN},
    row::Role,
    scan::{Defined, Scan},
};

/// Some lines of one owner: a definition, or none for what stands around all of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) owner: Option<usize>,
    pub(super) lines: Range<usize>,
    pub(super) part: u16,
}

/// Members up to this are shown within their type too; values and properties up to it have no piece of their own.
const SHORT: Cost = 48 * TOKEN;

/// What is left between definitions is a piece of its own when it is more than this.
const TRIVIAL: Cost = 12 * TOKEN;

/// The pieces of a file in order of place, the outer one first; every line that is not blank is in one.
pub(super) fn lay_out(scan: &Scan, measure: &Measure) -> Vec<Piece> {
    let places = places(scan, measure);
    let shorts = Shorts::new(&places, measure);
    let mut pieces = shorts.pieces(&places);
    let mut parts = BTreeMap::new();
    for run in runs(&places, measure.count()) {
        emit(&run, scan, measure, &shorts, &mut parts, &mut pieces);
    }
    sort(&mut pieces);
    cover(&mut pieces, measure, &scan.depth);
    sort(&mut pieces);
    pieces
}

fn sort(pieces: &mut [Piece]) {
    pieces.sort_by_key(|piece| (piece.lines.start, std::cmp::Reverse(piece.lines.end), piece.owner));
}

/// A definition that stands alone.
struct Place {
    /// Its index in the scan.
    definition: usize,
    /// Its lines with comments and attributes above it.
    lines: Range<usize>,
    /// The place around it, as an index among the places.
    container: Option<usize>,
    /// Whether its lines are its own: a short member also stays within its type.
    is_apart: bool,
}

/// The lines of a definition with the comments and attributes directly above it.
pub(super) fn with_leads(scan: &Scan, lines: &Range<usize>) -> Range<usize> {
    let start = leads_above(scan, lines.start).map_or(lines.start, |leads| scan.leads[leads.start].lines.start);
    start..lines.end
}

/// Which leads stand directly above a line, without a blank line between.
pub(super) fn leads_above(scan: &Scan, line: usize) -> Option<Range<usize>> {
    let end = scan.leads.partition_point(|lead| lead.lines.end <= line);
    let (mut start, mut above) = (end, line);
    while start > 0 && scan.leads[start - 1].lines.end == above {
        start -= 1;
        above = scan.leads[start].lines.start;
    }
    (start < end).then_some(start..end)
}

fn places(scan: &Scan, measure: &Measure) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    // For each definition the innermost place that it is in or is.
    let mut inside: Vec<Option<usize>> = Vec::with_capacity(scan.definitions.len());
    // The last place inside of each, and at the end the last one of the file.
    let mut latest: Vec<Range<usize>> = vec![0..0; scan.definitions.len() + 1];
    let (mut above, mut first) = (usize::MAX, 0);
    for (index, defined) in scan.definitions.iter().enumerate() {
        let container = defined.parent.and_then(|parent| inside[parent]);
        let slot = container.map_or(scan.definitions.len(), |container| places[container].definition);
        if above != defined.lines.start {
            (above, first) = (defined.lines.start, with_leads(scan, &defined.lines).start);
        }
        let lines = first..defined.lines.end;
        let around = container.map(|container| &places[container]);
        let is_free = latest[slot].is_empty()
            || (defined.lines.start > latest[slot].start && defined.lines.start + 1 >= latest[slot].end);
        if !is_free || !stands_alone(scan, measure, defined, &lines, around) {
            inside.push(container);
            continue;
        }
        latest[slot] = defined.lines.clone();
        let is_member = around.is_some_and(|place| is_type(scan.definitions[place.definition].role));
        let is_apart = around.is_none_or(|place| place.is_apart) && (!is_member || measure.cost(&lines) > SHORT);
        inside.push(Some(places.len()));
        places.push(Place { definition: index, lines, container, is_apart });
    }
    places
}

fn is_type(role: Role) -> bool {
    matches!(role, Role::Type | Role::Extension | Role::Value)
}

fn is_function(role: Role) -> bool {
    matches!(role, Role::Function | Role::Member)
}

fn stands_alone(
    scan: &Scan,
    measure: &Measure,
    defined: &Defined,
    lines: &Range<usize>,
    around: Option<&Place>,
) -> bool {
    let starts_inside = around.is_none_or(|place| defined.lines.start > scan.definitions[place.definition].lines.start);
    let first = defined.lines.start..(defined.lines.start + 1).min(measure.count());
    if lines.is_empty() || !starts_inside || measure.cost(&first) >= TARGET {
        return false;
    }
    let cost = measure.cost(lines);
    let outer = around.map_or(measure.cost(&(0..measure.count())), |place| measure.cost(&place.lines));
    let in_function = around.is_some_and(|place| is_function(scan.definitions[place.definition].role));
    if in_function && (outer <= TARGET || cost <= SHORT) {
        return false;
    }
    match defined.role {
        Role::Function | Role::Type | Role::Extension => true,
        Role::Member | Role::Value => cost > SHORT,
        Role::Block => outer > TARGET && cost > TARGET / 2,
        Role::Scope => false,
    }
}

/// Lines of short members, which have a piece of their own and are within that of their type.
struct Shorts {
    /// For each line how many lines with words before it are in no short member.
    others: Vec<u32>,
}

impl Shorts {
    fn new(places: &[Place], measure: &Measure) -> Self {
        let mut change = vec![0i32; measure.count() + 1];
        for place in places.iter().filter(|place| !place.is_apart) {
            change[place.lines.start] += 1;
            change[place.lines.end] -= 1;
        }
        let (mut others, mut sum, mut open) = (Vec::with_capacity(measure.count() + 1), 0, 0);
        others.push(0);
        for (line, change) in change.iter().enumerate().take(measure.count()) {
            open += change;
            sum += u32::from(open == 0 && measure.look(line) == Look::Words);
            others.push(sum);
        }
        Self { others }
    }

    fn pieces(&self, places: &[Place]) -> Vec<Piece> {
        let shorts = places.iter().filter(|place| !place.is_apart);
        shorts.map(|place| Piece { owner: Some(place.definition), lines: place.lines.clone(), part: 0 }).collect()
    }

    /// Whether all words of some lines are in short members.
    fn cover(&self, lines: &Range<usize>) -> bool {
        self.others[lines.start] == self.others[lines.end]
    }
}

/// Lines in a row of one owner without those of the places inside of it.
struct Run {
    owner: Option<usize>,
    lines: Range<usize>,
    /// Whether the owner begins here.
    is_head: bool,
}

fn runs(places: &[Place], count: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let (mut at, mut is_head) = (0, false);
    let mut push = |open: &[usize], lines: Range<usize>, is_head: bool| {
        if !lines.is_empty() {
            runs.push(Run { owner: open.last().map(|&index| places[index].definition), lines, is_head });
        }
    };
    for (index, place) in places.iter().enumerate().filter(|(_, place)| place.is_apart) {
        while open.last().copied() != place.container {
            let Some(&top) = open.last() else { break };
            push(&open, at..places[top].lines.end, is_head);
            (at, is_head) = (at.max(places[top].lines.end), false);
            open.pop();
        }
        push(&open, at..place.lines.start, is_head);
        (at, is_head) = (place.lines.start, true);
        open.push(index);
    }
    while let Some(&top) = open.last() {
        push(&open, at..places[top].lines.end, is_head);
        (at, is_head) = (at.max(places[top].lines.end), false);
        open.pop();
    }
    push(&open, at..count, is_head);
    runs
}

fn emit(
    run: &Run,
    scan: &Scan,
    measure: &Measure,
    shorts: &Shorts,
    parts: &mut BTreeMap<usize, u16>,
    pieces: &mut Vec<Piece>,
) {
    let lines = measure.trim(run.lines.clone());
    let is_extension = run.owner.is_some_and(|owner| scan.definitions[owner].role == Role::Extension);
    let says_nothing = match run.is_head {
        true => is_extension && measure.cost(&lines) <= 2 * TRIVIAL,
        false => is_trivial(measure, &lines),
    };
    if lines.is_empty() || says_nothing {
        return;
    }
    let mut own = 0;
    for (index, lines) in measure.split(lines, &scan.depth).into_iter().enumerate() {
        if (index > 0 || !run.is_head) && run.owner.is_some() && shorts.cover(&lines) {
            continue;
        }
        let part = run.owner.map_or(&mut own, |owner| parts.entry(owner).or_default());
        pieces.push(Piece { owner: run.owner, lines, part: *part });
        *part = part.saturating_add(1);
    }
}

/// Whether some lines say too little for a piece: the end of a class, a lone statement.
fn is_trivial(measure: &Measure, lines: &Range<usize>) -> bool {
    let cost = measure.cost(lines);
    let has_words = lines.clone().any(|line| measure.look(line) == Look::Words);
    match has_words {
        true if lines.start == 0 => cost <= TRIVIAL / 2,
        true => cost <= TRIVIAL,
        false => cost <= 2 * TRIVIAL,
    }
}

/// Gives lines that are in no piece to the one before them; to the one after them where they open what it is in, or
/// where there is none.
fn cover(pieces: &mut Vec<Piece>, measure: &Measure, depth: &[u32]) {
    let (mut ends, mut starts) = (vec![None; measure.count() + 1], vec![None; measure.count() + 1]);
    let mut change = vec![0i32; measure.count() + 1];
    for (index, piece) in pieces.iter().enumerate() {
        ends[piece.lines.end] = Some(index);
        starts[piece.lines.start] = starts[piece.lines.start].or(Some(index));
        change[piece.lines.start] += 1;
        change[piece.lines.end] -= 1;
    }
    let depth_at = |line: usize| depth.get(line).copied().unwrap_or(0);
    for lines in uncovered(&change, measure) {
        let before = (0..=lines.start).rev().find(|&at| at == 0 || measure.look(at - 1) != Look::Blank);
        let after = (lines.end..measure.count()).find(|&line| measure.look(line) != Look::Blank);
        let fits = |index: &usize, pieces: &[Piece]| {
            let all = pieces[*index].lines.start.min(lines.start)..pieces[*index].lines.end.max(lines.end);
            measure.cost(&all) <= LIMIT
        };
        let before = before.and_then(|at| ends[at]).filter(|index| fits(index, pieces));
        let after = after.and_then(|at| starts[at]).filter(|index| fits(index, pieces));
        let opens = after.is_some_and(|piece| depth_at(pieces[piece].lines.start) > depth_at(lines.start));
        match (before, after) {
            (Some(before), _) if !opens => pieces[before].lines.end = lines.end,
            (_, Some(after)) => pieces[after].lines.start = lines.start,
            (Some(before), None) => pieces[before].lines.end = lines.end,
            (None, None) => pieces.extend(loose(measure, lines, depth)),
        }
    }
}

fn loose(measure: &Measure, lines: Range<usize>, depth: &[u32]) -> impl Iterator<Item = Piece> {
    let parts = measure.split(lines, depth).into_iter().zip(0..);
    parts.map(|(lines, part)| Piece { owner: None, lines, part })
}

/// Lines in a row that no piece has, without blank lines at their ends.
fn uncovered(change: &[i32], measure: &Measure) -> Vec<Range<usize>> {
    let (mut open, mut start) = (0, None);
    let mut found = Vec::new();
    for (line, change) in change.iter().enumerate() {
        open += change;
        match (open > 0 || line == measure.count(), start) {
            (false, None) => start = Some(line),
            (true, Some(first)) => {
                found.push(measure.trim(first..line));
                start = None;
            }
            _ => {}
        }
    }
    found.retain(|lines| !lines.is_empty());
    found
}
