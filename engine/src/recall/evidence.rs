//! What stands beside a finding and explains it? The function it calls, who calls it, a twin that does it right.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{
    chunk::{self, Chunk, Chunked, Kind as Piece},
    error::IndexError,
    fuse,
    search::Searcher,
    store::Place,
    twin,
};
use crate::{
    check::{
        parse,
        twin::{Body, align, bodies, may_be_alike},
    },
    finding::{Because, Finding},
    source::{Content, RepoPath, SourceFile, Sources, identifiers},
};

/// What a piece of evidence is to its finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A near-twin of the function, in which the same check finds nothing.
    Twin,
    /// The definition of what the finding's lines call.
    Definition,
    /// A call of the function that the finding is in.
    Caller,
    /// A test that calls the function.
    Test,
    /// A section of a document that names the function or what its lines call.
    Document,
}

/// A piece of the repository that stands beside a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What it is to the finding.
    pub kind: Kind,
    /// Where it is.
    pub place: RepoPath,
    /// Which lines show it in the version under review, 1-based and inclusive.
    pub lines: (u32, u32),
    /// What it is about.
    pub symbol: String,
    /// What is to be seen there, in a few words.
    pub note: String,
    /// How sure it is that it helps, from 0 to 1.
    pub score: f32,
}

/// Weaker pieces are not shown: none is better than one that misleads.
const LEAST: f32 = 0.6;

/// A name with more definitions than this says nothing about which one is meant.
const MOST_DEFINITIONS: usize = 5;

/// Names that are looked up for one finding.
const MOST_NAMES: usize = 4;

/// Longer findings are about a whole, and what single lines of it call explains nothing.
const MOST_LINES: u32 = 20;

/// Twins of a function that are looked at.
const MOST_TWINS: usize = 4;

/// From which share of common tokens a function is worth comparing with.
const COMPARABLE: f64 = 0.6;

/// A finding with what there is to know of it.
pub struct Question<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// The file it is in, in the version under review.
    pub file: &'a SourceFile,
    /// The version under review.
    pub new: &'a dyn Sources,
    /// What the same check finds in another file: 1-based lines.
    pub same_check: &'a dyn Fn(&SourceFile) -> Vec<u32>,
    /// Whether a path may be shown: neither ignored, generated nor from elsewhere.
    pub is_shown: &'a dyn Fn(&RepoPath) -> bool,
    /// The most pieces.
    pub most: usize,
}

impl Searcher {
    /// The few pieces that explain a finding, best first; each holds in the version under review.
    ///
    /// # Errors
    /// [`IndexError`] when the index fails.
    pub fn evidence(&self, question: &Question<'_>) -> Result<Vec<Evidence>, IndexError> {
        let lines = question.finding.span.lines();
        if question.most == 0 || lines.end() - lines.start() >= MOST_LINES {
            return Ok(Vec::new());
        }
        let cut = chunk::code(question.file);
        let Some(around) = around(&cut, *lines.start()) else { return Ok(Vec::new()) };
        let search = Search { searcher: self, question, cut: &cut, around };
        let mut found = search.twins()?;
        found.extend(search.definitions()?);
        if is_telling(around.name()) && self.definitions(around.name())?.len() <= 1 {
            found.extend(search.callers()?);
            found.extend(search.documents()?);
        }
        Ok(best(found, question))
    }
}

/// The function that a line is in.
fn around(cut: &Chunked, line: u32) -> Option<&Chunk> {
    let holds = |chunk: &&Chunk| {
        matches!(chunk.kind, Piece::Function | Piece::Method) && (chunk.lines.0..=chunk.lines.1).contains(&line)
    };
    cut.chunks.iter().filter(holds).min_by_key(|chunk| chunk.lines.1 - chunk.lines.0)
}

/// One piece of each kind, best first, none that is known already.
fn best(mut found: Vec<Evidence>, question: &Question<'_>) -> Vec<Evidence> {
    let finding = question.finding;
    let overlaps = |evidence: &Evidence, path: &RepoPath, lines: std::ops::RangeInclusive<u32>| {
        evidence.place == *path && evidence.lines.0 <= *lines.end() && evidence.lines.1 >= *lines.start()
    };
    let is_known = |evidence: &Evidence| {
        overlaps(evidence, &finding.path, finding.span.lines())
            || finding.because.iter().any(|place| overlaps(evidence, &place.path, place.span.lines()))
    };
    found.retain(|evidence| evidence.score >= LEAST && !is_known(evidence));
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| (a.kind, &a.place, a.lines).cmp(&(b.kind, &b.place, b.lines)))
    });
    let mut kinds = HashSet::new();
    found.retain(|evidence| kinds.insert(evidence.kind));
    found.truncate(question.most);
    found
}

/// Whether a name is one that somebody made up for one thing: `load_index`, `sendRequest`, not `get`.
fn is_telling(name: &str) -> bool {
    name.len() >= 4 && (crate::source::words(name).count() >= 2 || name.len() >= 8)
}

struct Search<'a> {
    searcher: &'a Searcher,
    question: &'a Question<'a>,
    cut: &'a Chunked,
    around: &'a Chunk,
}

impl Search<'_> {
    fn path(&self) -> &RepoPath {
        &self.question.file.path
    }

    /// The names that the finding's lines call, with whether something other than `self` stands before them.
    fn called(&self) -> Vec<(String, bool)> {
        let mut names: Vec<(String, bool)> = Vec::new();
        for line in self.question.finding.span.lines() {
            let text = self.question.file.line(line);
            for range in identifiers(text) {
                let (name, after) = (&text[range.clone()], text[range.end..].trim_start());
                let is_call = after.starts_with('(') || after.starts_with("::<") || after.starts_with('!');
                let is_new = !names.iter().any(|(known, _)| known == name) && name != self.around.name();
                if is_call && is_new && self.around.calls.iter().any(|call| call == name) {
                    names.push((name.to_owned(), has_receiver(&text[..range.start])));
                }
            }
        }
        names.truncate(MOST_NAMES);
        names
    }

    fn definitions(&self) -> Result<Vec<Evidence>, IndexError> {
        let mut found = Vec::new();
        for (name, has_receiver) in self.called() {
            let mut known = self.searcher.definitions(&name)?;
            known.retain(|(_, chunk)| matches!(chunk.kind, Piece::Function | Piece::Method | Piece::Type));
            if known.len() > MOST_DEFINITIONS {
                continue;
            }
            let doubt = 0.1 * known.len().saturating_sub(1) as f32 + if has_receiver { 0.15 } else { 0.0 };
            for (place, chunk) in &known {
                let score = 0.6 + self.nearness(place) + f32::from(u8::from(is_telling(&name))) * 0.1 - doubt;
                found.extend(self.piece(Kind::Definition, place, chunk, &name, score));
            }
        }
        Ok(found)
    }

    /// How likely a name means what this place defines.
    fn nearness(&self, place: &Place) -> f32 {
        let (own, other) = (self.path().as_str(), place.as_str());
        let stem = other.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let is_imported = || {
            let names = |import: &String| identifiers(import).any(|range| &import[range] == stem);
            stem.len() > 2 && self.cut.imports.iter().any(names)
        };
        match () {
            () if own == other => 0.25,
            () if is_imported() => 0.2,
            () if own.rsplit_once('/').map(|at| at.0) == other.rsplit_once('/').map(|at| at.0) => 0.1,
            () if fuse::is_test(other) && !fuse::is_test(own) => -0.3,
            () => -0.05,
        }
    }

    /// Calls of the function and tests of it.
    fn callers(&self) -> Result<Vec<Evidence>, IndexError> {
        let name = self.around.name();
        let mut found = Vec::new();
        for (place, chunk) in self.searcher.callers(name, 20)? {
            let is_test = fuse::is_test(place.as_str());
            let near = fuse::nearness(self.path().as_str(), place.as_str()) * 0.1;
            let (kind, score) = if is_test { (Kind::Test, 0.6 + near) } else { (Kind::Caller, 0.62 + near) };
            found.extend(self.piece(kind, &place, &chunk, name, score));
        }
        Ok(found)
    }

    /// Sections that name the function as code.
    fn documents(&self) -> Result<Vec<Evidence>, IndexError> {
        let name = self.around.name();
        let named = self.searcher.sections(name, 10)?;
        Ok(named.iter().filter_map(|(place, chunk)| self.piece(Kind::Document, place, chunk, name, 0.64)).collect())
    }

    /// A piece whose line holds in the version under review: where the index says, or wherever the line went.
    fn piece(&self, kind: Kind, place: &Place, chunk: &Chunk, name: &str, score: f32) -> Option<Evidence> {
        let Place::File(path) = place else { return None };
        if score < LEAST || !(self.question.is_shown)(path) {
            return None;
        }
        let (line, text) = telling_line(kind, chunk, name)?;
        let line = self.anchor(path, line, text)?;
        let symbol = chunk.symbol.join(if kind == Kind::Document { " > " } else { "." });
        let note = match kind {
            Kind::Definition => format!("`{name}`, which it calls"),
            Kind::Caller if symbol.is_empty() => format!("`{name}` is called here"),
            Kind::Caller => format!("`{name}` is called here, in `{}`", chunk.name()),
            Kind::Test => format!("a test of `{name}`"),
            Kind::Document => format!("the document says, under `{symbol}`"),
            Kind::Twin => return None,
        };
        Some(Evidence { kind, place: path.clone(), lines: (line, line), symbol, note, score })
    }

    /// Where a line of the index is in the version under review; none where it is gone or could be one of several.
    fn anchor(&self, path: &RepoPath, line: u32, text: &str) -> Option<u32> {
        let file = read(self.question.new, path)?;
        if file.line(line).trim() == text.trim() {
            return Some(line);
        }
        let mut same = (1..=file.lines.count()).filter(|&line| file.line(line).trim() == text.trim());
        same.next().filter(|_| same.next().is_none())
    }

    /// Near-twins, in this file and others, in which the same check finds nothing.
    fn twins(&self) -> Result<Vec<Evidence>, IndexError> {
        let file = self.question.file;
        let Some(tree) = parse(file) else { return Ok(Vec::new()) };
        let own = bodies(file, &tree);
        let (from, to) = (self.question.finding.span.start, self.question.finding.span.end);
        let holds = |body: &&Body| body.bytes.start <= from && to <= body.bytes.end;
        let Some(body) = own.iter().filter(holds).min_by_key(|body| body.bytes.len()) else { return Ok(Vec::new()) };
        // A check that compares two versions has nothing to say of one, neither here nor there.
        if !(self.question.same_check)(file).contains(&self.question.finding.span.from.line) {
            return Ok(Vec::new());
        }
        let mut found = self.right_twins(file, &own, body);
        for path in self.searcher.alike(file.text.get(body.bytes.clone()).unwrap_or(""), MOST_TWINS * 2)? {
            if found.len() >= MOST_TWINS || path == file.path || !(self.question.is_shown)(&path) {
                continue;
            }
            let Some(other) = read(self.question.new, &path) else { continue };
            let Some(tree) = parse(&other) else { continue };
            found.extend(self.right_twins(&other, &bodies(&other, &tree), body));
        }
        Ok(found)
    }

    fn right_twins(&self, other: &SourceFile, bodies: &[Body], own: &Body) -> Vec<Evidence> {
        let is_same = |body: &Body| {
            let overlaps = body.bytes.start < own.bytes.end && own.bytes.start < body.bytes.end;
            other.path == *self.path() && overlaps
        };
        let similarity = |body: &Body| {
            let alike = !is_same(body) && may_be_alike(own, body, COMPARABLE);
            let alignment = alike.then(|| align(&own.tokens, &body.tokens))?;
            (alignment.similarity() >= COMPARABLE && alignment.own_names() >= COMPARABLE)
                .then(|| alignment.similarity())
        };
        let alike: Vec<(f64, &Body)> = bodies.iter().filter_map(|body| Some((similarity(body)?, body))).collect();
        if alike.is_empty() {
            return Vec::new();
        }
        let wrong = (self.question.same_check)(other);
        let is_right = |body: &Body| {
            let lines = other.span(body.bytes.clone()).lines();
            !wrong.iter().any(|line| lines.contains(line))
        };
        alike
            .into_iter()
            .filter(|(_, body)| is_right(body))
            .map(|(score, body)| twin_piece(other, body, score))
            .collect()
    }
}

fn twin_piece(file: &SourceFile, body: &Body, similarity: f64) -> Evidence {
    let line = file.lines.position(body.bytes.start).line;
    let note = format!("compare `{}`, in which this is not so", body.symbol);
    let score = 0.5 + similarity as f32 / 2.0;
    let symbol = body.symbol.clone();
    Evidence { kind: Kind::Twin, place: file.path.clone(), lines: (line, line), symbol, note, score }
}

/// Whether something other than the object itself stands before a name.
fn has_receiver(before: &str) -> bool {
    let before = before.trim_end_matches(['?', '!']);
    match before.strip_suffix('.').or_else(|| before.strip_suffix("->")) {
        None => false,
        Some(receiver) => !["self", "this", "Self", "cls", "$this"].iter().any(|own| receiver.ends_with(own)),
    }
}

/// The line of a chunk that shows what it is evidence for: its number and text.
fn telling_line<'c>(kind: Kind, chunk: &'c Chunk, name: &str) -> Option<(u32, &'c str)> {
    let has_name = |line: &str| identifiers(line).any(|range| &line[range] == name);
    let calls = |line: &str| {
        identifiers(line).any(|range| &line[range.clone()] == name && line[range.end..].trim_start().starts_with('('))
    };
    let names_code = |line: &str| line.contains(&format!("`{name}")) || calls(line);
    let shows = |line: &str| match kind {
        Kind::Definition | Kind::Twin => has_name(line) && !is_comment(line),
        Kind::Caller | Kind::Test => calls(line) && !is_comment(line),
        Kind::Document => names_code(line),
    };
    let (at, line) = chunk.text.lines().enumerate().find(|(_, line)| shows(line))?;
    Some((chunk.lines.0 + at as u32, line))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "# ", "/*", "*", "--", "\"\"\""].iter().any(|mark| line.starts_with(mark))
}

/// Files longer than this are not opened for a line of evidence.
const MOST_BYTES: u64 = 1_000_000;

fn read(from: &dyn Sources, path: &RepoPath) -> Option<SourceFile> {
    match from.read(path) {
        Ok(Some(Content::Bytes(bytes))) => SourceFile::new(path.clone(), bytes, MOST_BYTES).ok(),
        _ => None,
    }
}

impl Evidence {
    /// The piece as a second place of its finding; none where it is no longer there.
    pub fn because(&self, new: &dyn Sources) -> Option<Because> {
        let file = read(new, &self.place)?;
        let range = file.lines.range(self.lines.0).start..file.lines.range(self.lines.1).end;
        let text = file.text.get(range.clone())?;
        let start = range.start + (text.len() - text.trim_start().len());
        let end = range.start + text.trim_end().len();
        Some(Because { path: self.place.clone(), span: file.span(start..end.max(start)), note: self.note.clone() })
    }
}

/// An index that is opened when somebody asks, and not before.
pub struct Recall {
    folder: PathBuf,
    views: Vec<String>,
}

impl Recall {
    /// The index in a folder, seen through these views. Nothing is opened yet.
    pub fn new(folder: PathBuf, views: Vec<String>) -> Self {
        Self { folder, views }
    }

    /// The index as it is from the first question on, for one review.
    pub fn reading(&self) -> Reading<'_> {
        Reading { recall: self, opened: OnceLock::new(), trouble: Mutex::new(None) }
    }
}

/// An index that one review reads.
pub struct Reading<'a> {
    recall: &'a Recall,
    opened: OnceLock<Option<Searcher>>,
    trouble: Mutex<Option<IndexError>>,
}

impl Reading<'_> {
    /// The index, opened now if it was not; none where there is none or it cannot be read.
    pub fn searcher(&self) -> Option<&Searcher> {
        self.opened
            .get_or_init(|| {
                let views: Vec<&str> = self.recall.views.iter().map(String::as_str).collect();
                self.noted(Searcher::open(&self.recall.folder, &views))
            })
            .as_ref()
    }

    /// What was found, or nothing with the reason kept.
    pub fn noted<T>(&self, done: Result<T, IndexError>) -> Option<T> {
        match done {
            Ok(found) => Some(found),
            Err(error) => {
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                None
            }
        }
    }

    /// Files that may hold a twin of a function, most alike first.
    pub fn alike(&self, function: &str) -> Vec<RepoPath> {
        match twin::bands(function).is_empty() {
            true => Vec::new(),
            false => {
                self.searcher().and_then(|index| self.noted(index.alike(function, MOST_TWINS))).unwrap_or_default()
            }
        }
    }

    /// Why the index could not be read, if it is there and could not.
    pub fn trouble(self) -> Option<IndexError> {
        let trouble = self.trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        trouble.filter(|error| !matches!(error, IndexError::None { .. }))
    }
}
