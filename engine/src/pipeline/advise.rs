//! What does a model add to a review? Findings of its own, and patches for those that have none, all held against the
//! text; nothing that was found without it is changed or hidden.

use std::sync::{Arc, atomic::AtomicBool};

use super::{Engine, Troubles, lint::Linted, says_generated};
use crate::{
    change::{Change, FileChange, LineSet, Tag, Versions},
    check::allow,
    config::Sureness,
    edit::Fix,
    finding::{self, CheckId, Confidence, Finding, Fingerprint, Severity},
    model::chat::{Model, ModelError},
    notice::Notice,
    patch::{self, Unproven, VerifiedPatch},
    recall::{
        chunk,
        evidence::{Evidence, Kind as Beside, Question, Reading},
    },
    review::{Reviewed, Standing},
    source::{Content, RepoPath, SourceFile, Sources},
    suggest::{
        Answers, Excerpt, Found, Kind, NoAnswer, Piece, Prompts, Remark, Shown, Spent, Suggester, Tried, Weight,
    },
};

/// A model that reviews, with what it said before.
pub struct Adviser {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What it said before, where that is kept.
    pub answers: Option<Answers>,
    /// The words in which it is asked.
    pub prompts: Prompts,
    /// Set to leave off.
    pub stop: Arc<AtomicBool>,
    /// Told before each question what it is about, and nothing when all are asked; one may take seconds or minutes.
    pub progress: Progress,
}

/// What is asked about next: a place, how many stretches were asked about, and how many there are.
pub type Progress = Box<dyn Fn(&str, usize, usize) + Send + Sync>;

impl Adviser {
    /// An adviser that keeps no answers, tells no progress and is never stopped.
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self {
            model,
            answers: None,
            prompts: Prompts::default(),
            stop: Arc::default(),
            progress: Box::new(|_, _, _| {}),
        }
    }
}

/// Functions up to so many lines are shown whole around a finding that is to be mended.
const MOST_FUNCTION: u32 = 80;

/// The most lines of one piece of evidence.
const MOST_EVIDENCE: u32 = 40;

/// One review's questions.
pub(super) struct Asked<'a> {
    pub(super) engine: &'a Engine,
    pub(super) adviser: &'a Adviser,
    pub(super) change: &'a Change,
    pub(super) old: &'a dyn Sources,
    pub(super) new: &'a dyn Sources,
    pub(super) files: &'a [SourceFile],
    pub(super) linted: &'a Linted<'a>,
    pub(super) reading: Option<&'a Reading<'a>>,
}

/// Whether to ask on.
enum Next {
    On,
    Off,
}

impl Asked<'_> {
    /// Asks, adds what was found, and says what could not be asked.
    pub(super) fn advise(&self, findings: &mut Vec<Reviewed>) -> (Option<Spent>, Vec<Notice>) {
        let config = &self.engine.config;
        let answers = self.adviser.answers.as_ref();
        let suggester = match Suggester::new(&*self.adviser.model, answers, self.engine.limits(), &self.adviser.stop) {
            Ok(suggester) => suggester.in_words(&self.adviser.prompts),
            Err(why) => return (None, vec![Notice::failure("model", why)]),
        };
        let mut run = Run { asked: self, suggester, notices: Vec::new(), fixes: config.suggest.max_fixes };
        run.all(findings);
        (self.adviser.progress)("", 0, 0);
        let Run { suggester, mut notices, .. } = run;
        let spent = suggester.spent();
        notices.extend(spent.notices.iter().cloned());
        (Some(spent), notices)
    }

    fn change_of(&self, path: &RepoPath) -> Option<&FileChange> {
        self.change.files.iter().find(|file| file.path == *path)
    }

    fn allowed(&self, change: &FileChange) -> LineSet {
        if self.engine.config.review.untouched_lines { LineSet::all() } else { change.touched.clone() }
    }

    /// Proves what a model wrote: our checks and every linter that reads the file look at the result.
    fn prove(
        &self,
        change: &FileChange,
        file: &SourceFile,
        finding: &Finding,
        is_checked: bool,
        fix: &Fix,
    ) -> Result<VerifiedPatch, Unproven> {
        let before = if change.had_content() { self.text(self.old, change.path_before()) } else { None };
        let troubles = Troubles::default();
        let run = |file: &SourceFile| self.engine.run_rules(file, before.as_ref(), change, &troubles, None);
        let mut found = run(file);
        found.extend(self.engine.leveled(self.linted.said(file)));
        let allowed = self.allowed(change);
        let claim = patch::Claim { file, finding, found: &found, allowed: &allowed, is_checked };
        let mut failed = None;
        let proof = patch::prove(&claim, fix, &mut |patched| {
            let mut after = run(patched);
            match self.linted.everything(patched) {
                Ok(linted) => after.extend(self.engine.leveled(linted)),
                Err(why) => failed = Some(why),
            }
            after
        });
        failed.map_or(proof, |why| Err(Unproven::NotRechecked(why)))
    }

    fn text(&self, from: &dyn Sources, path: &RepoPath) -> Option<SourceFile> {
        let Ok(Some(Content::Bytes(bytes))) = from.read(path) else { return None };
        SourceFile::new(path.clone(), bytes, self.engine.config.review.max_file_bytes).ok()
    }

    /// What stands beside a stretch of code: definitions of what it calls, twins, callers, tests, documents.
    fn evidence(&self, file: &SourceFile, about: &Finding) -> Vec<Piece> {
        let Some(index) = self.reading.and_then(Reading::searcher) else { return Vec::new() };
        let is_shown = |path: &RepoPath| self.engine.why_not_read(path).is_none();
        let question =
            Question { finding: about, file, new: self.new, same_check: &|_| Vec::new(), is_shown: &is_shown, most: 4 };
        let found = self.reading.and_then(|reading| reading.noted(index.evidence(&question))).unwrap_or_default();
        found.iter().filter_map(|piece| self.piece(piece)).collect()
    }

    fn piece(&self, evidence: &Evidence) -> Option<Piece> {
        let file = self.text(self.new, &evidence.place)?;
        let (from, to) = self.whole(&file, evidence.lines);
        let text = (from..=to.min(from + MOST_EVIDENCE - 1)).map(|line| format!("{}\n", file.line(line))).collect();
        let kind = match evidence.kind {
            Beside::Twin => Kind::Twin,
            Beside::Definition => Kind::Definition,
            Beside::Caller => Kind::Caller,
            Beside::Test => Kind::Test,
            Beside::Document => Kind::Document,
        };
        Some(Piece { kind, title: evidence.place.to_string(), text, value: evidence.score })
    }

    /// The lines of the function that these lines are in, where it is not long.
    fn whole(&self, file: &SourceFile, lines: (u32, u32)) -> (u32, u32) {
        let cut = chunk::code(file);
        let holds = |chunk: &&chunk::Chunk| {
            matches!(chunk.kind, chunk::Kind::Function | chunk::Kind::Method)
                && chunk.lines.0 <= lines.0
                && lines.1 <= chunk.lines.1
                && chunk.lines.1 - chunk.lines.0 < MOST_FUNCTION
        };
        cut.chunks.iter().filter(holds).map(|chunk| chunk.lines).min_by_key(|lines| lines.1 - lines.0).unwrap_or(lines)
    }
}

/// What came of asking a model to mend lines of a file.
pub(crate) struct Repair {
    /// The proven patch, if there is one, and how many attempts were none.
    pub(crate) patch: Result<(Option<VerifiedPatch>, usize), NoAnswer>,
    /// What it took.
    pub(crate) spent: Spent,
}

impl Engine {
    /// Asks the model to mend lines of the only file of a change, and proves what it writes; `None` without a model or
    /// a file that can be read.
    pub(crate) fn repair(&self, versions: Versions, lines: (u32, u32), what: &str) -> Option<Repair> {
        let adviser = self.adviser.as_ref()?;
        let Versions { change, old, new, .. } = versions;
        let file = self.read(change.files.first()?, &change.files.first()?.path, &*new).ok()??;
        let linted = Linted::default();
        let files = [file];
        let (old, new, change) = (&*old, &*new, &change);
        let asked = Asked { engine: self, adviser, change, old, new, files: &files, linted: &linted, reading: None };
        let suggester = Suggester::new(&*adviser.model, adviser.answers.as_ref(), self.limits(), &adviser.stop).ok()?;
        let suggester = suggester.in_words(&adviser.prompts);
        let (file, edited) = (&files[0], change.files.first()?);
        let finding = Finding { what: what.to_owned(), ..place(file, lines.0, lines.1) };
        let (from, to) = asked.whole(file, lines);
        let mut prove = |fix: &Fix| asked.prove(edited, file, &finding, false, fix);
        let mended =
            suggester.mend(file, &Excerpt::around(file, from, to), about(file, &finding), Vec::new(), &mut prove);
        let patch = mended.map(|mended| (mended.patch, mended.issues.len()));
        Some(Repair { patch, spent: suggester.spent() })
    }
}

/// A run of questions with what came of it.
struct Run<'a> {
    asked: &'a Asked<'a>,
    suggester: Suggester<'a>,
    notices: Vec<Notice>,
    fixes: u32,
}

impl<'a> Run<'a> {
    fn all(&mut self, findings: &mut Vec<Reviewed>) {
        let asked = self.asked;
        let mut own = Vec::new();
        let mut next = Next::On;
        let stretches = self.stretches();
        let count = stretches.len();
        for (at, (change, file, excerpt)) in stretches.into_iter().enumerate() {
            (asked.adviser.progress)(&format!("{}:{}", file.path, excerpt.touched().0), at, count);
            next = self.review(change, file, &excerpt, findings, &mut own);
            if matches!(next, Next::Off) {
                break;
            }
        }
        if matches!(next, Next::On) {
            self.mend(findings);
        }
        self.limit(&mut own);
        findings.extend(own);
        findings.sort_by(|a, b| (&a.finding.path, a.finding.span).cmp(&(&b.finding.path, b.finding.span)));
    }

    /// What there is to ask about: every stretch of code that the change touches and no program wrote.
    fn stretches(&self) -> Vec<(&'a FileChange, &'a SourceFile, Excerpt)> {
        let asked = self.asked;
        if !asked.engine.config.suggest.review {
            return Vec::new();
        }
        let file = |change: &FileChange| {
            let at = asked.files.binary_search_by(|file| file.path.cmp(&change.path)).ok()?;
            Some(&asked.files[at]).filter(|file| file.language.is_some() && !says_generated(file))
        };
        let files = asked.change.files.iter().filter_map(|change| Some((change, file(change)?)));
        files
            .flat_map(|(change, file)| Excerpt::of(change, file).into_iter().map(move |it| (change, file, it)))
            .collect()
    }

    /// One stretch of the change.
    fn review(
        &mut self,
        change: &FileChange,
        file: &SourceFile,
        excerpt: &Excerpt,
        findings: &[Reviewed],
        own: &mut Vec<Reviewed>,
    ) -> Next {
        let mut beside = known(findings, excerpt);
        let (from, to) = excerpt.touched();
        beside.extend(self.asked.evidence(file, &place(file, from, to)));
        let read = match self.suggester.review(excerpt, beside) {
            Ok(read) => read,
            Err(error) => return self.tell(&error, &format!("{}:{from}", file.path)),
        };
        if !read.lost.is_empty() {
            let what = format!(
                "{} of the model's remarks left out, for what they quote is not to be found: {}",
                read.lost.len(),
                read.lost[0]
            );
            self.notices.push(Notice::note(format!("{}:{from}", file.path), what));
        }
        for found in read.found {
            let reviewed = self.reviewed(change, file, excerpt, &found, findings, own);
            own.push(reviewed);
        }
        Next::On
    }

    /// A remark as a finding with its standing and its patch.
    fn reviewed(
        &mut self,
        change: &FileChange,
        file: &SourceFile,
        excerpt: &Excerpt,
        found: &Found,
        findings: &[Reviewed],
        own: &[Reviewed],
    ) -> Reviewed {
        let mut finding = finding_of(file, found);
        let nth = own.iter().filter(|other| other.finding.fingerprint == finding.fingerprint).count();
        finding.fingerprint = finding::fingerprint(&finding.check, file, &finding.span, nth);
        let is_told = self.asked.engine.levels.apply(&mut finding);
        let standing = match is_told {
            true => self.standing(change, file, excerpt, &finding, findings, own),
            false => Standing::Allowed { reason: "switched off in the configuration".into() },
        };
        let mut reviewed = Reviewed { finding, standing, patch: None, unproven: None, weighed: None };
        if reviewed.standing == Standing::Told {
            self.patch(change, file, excerpt, &found.remark, &mut reviewed);
        }
        reviewed
    }

    fn standing(
        &self,
        change: &FileChange,
        file: &SourceFile,
        excerpt: &Excerpt,
        finding: &Finding,
        findings: &[Reviewed],
        own: &[Reviewed],
    ) -> Standing {
        let engine = self.asked.engine;
        let least = match engine.config.suggest.min_confidence {
            Sureness::Low => Confidence::Low,
            Sureness::Medium => Confidence::Medium,
            Sureness::High => Confidence::High,
        };
        let meets = |other: &&Reviewed| {
            other.finding.path == finding.path
                && other.finding.span.from.line <= finding.span.to.line
                && finding.span.from.line <= other.finding.span.to.line
        };
        if let Some(reason) = allow::read(file).reason(finding) {
            return Standing::Allowed { reason: reason.to_owned() };
        }
        if engine.baseline.of_path(&file.path).contains(&finding.fingerprint) {
            return Standing::Baseline;
        }
        // A line next to which something was removed is the change's own, too: what is missing has no line.
        let lines = finding.span.lines();
        let beside = |line: &Shown| {
            line.tag == Tag::Removed && (lines.contains(&line.number) || lines.contains(&line.number.saturating_sub(1)))
        };
        if !self.asked.allowed(change).intersects(&lines) && !excerpt.lines.iter().any(beside) {
            return Standing::Untouched;
        }
        // What is told of these lines without a model is surer; what is silent there was judged already.
        if let Some(other) = findings.iter().filter(meets).max_by_key(|other| other.standing == Standing::Told) {
            return Standing::Repeated { by: other.finding.check.to_string() };
        }
        let told = |other: &&Reviewed| other.standing == Standing::Told && meets(other);
        if let Some(other) = own.iter().find(told) {
            return Standing::Repeated { by: other.finding.check.to_string() };
        }
        if finding.confidence < least { Standing::Unsure } else { Standing::Told }
    }

    /// Tries what the model wrote with its remark, and lets it try again where that does not hold.
    fn patch(
        &mut self,
        change: &FileChange,
        file: &SourceFile,
        excerpt: &Excerpt,
        remark: &Remark,
        reviewed: &mut Reviewed,
    ) {
        let asked = self.asked;
        let finding = reviewed.finding.clone();
        let mut prove = |fix: &Fix| asked.prove(change, file, &finding, false, fix);
        match self.suggester.try_out(file, excerpt, remark, &mut prove) {
            Tried::None => return,
            Tried::Proven(patch) => {
                reviewed.patch = Some(patch);
                return;
            }
            Tried::Unproven(why) => reviewed.unproven = Some(why),
            Tried::Wrong(_) => {}
        }
        self.ask_for_patch(change, file, excerpt, reviewed, false);
    }

    /// Lets the model try to mend told findings that have no patch, the gravest first.
    fn mend(&mut self, findings: &mut [Reviewed]) {
        let asked = self.asked;
        let mut order: Vec<usize> = (0..findings.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse((findings[at].finding.severity, findings[at].finding.confidence)));
        for at in order {
            let reviewed = &mut findings[at];
            if self.fixes == 0 || reviewed.standing != Standing::Told || reviewed.patch.is_some() {
                continue;
            }
            let path = &reviewed.finding.path;
            let Ok(at) = asked.files.binary_search_by(|file| file.path.cmp(path)) else { continue };
            let (file, Some(change)) = (&asked.files[at], asked.change_of(path)) else { continue };
            if file.language.is_none() {
                continue;
            }
            let lines = reviewed.finding.span.lines();
            let (from, to) = asked.whole(file, (*lines.start(), *lines.end()));
            let excerpt = Excerpt::around(file, from, to);
            (asked.adviser.progress)(&format!("a patch for {}:{}", file.path, lines.start()), 1, 1);
            if matches!(self.ask_for_patch(change, file, &excerpt, reviewed, true), Next::Off) {
                return;
            }
        }
    }

    fn ask_for_patch(
        &mut self,
        change: &FileChange,
        file: &SourceFile,
        excerpt: &Excerpt,
        reviewed: &mut Reviewed,
        is_checked: bool,
    ) -> Next {
        if self.fixes == 0 {
            return Next::On;
        }
        self.fixes -= 1;
        let asked = self.asked;
        let finding = reviewed.finding.clone();
        let beside = asked.evidence(file, &finding);
        let mut prove = |fix: &Fix| asked.prove(change, file, &finding, is_checked, fix);
        match self.suggester.mend(file, excerpt, about(file, &finding), beside, &mut prove) {
            Ok(mended) => {
                reviewed.patch = mended.patch;
                if reviewed.patch.is_some() {
                    reviewed.unproven = None;
                } else if mended.unproven.is_some() && reviewed.unproven.is_none() {
                    reviewed.unproven = mended.unproven;
                }
                Next::On
            }
            Err(error) => self.tell(&error, &format!("{}:{}", file.path, finding.span.from.line)),
        }
    }

    /// Tells once why there is no answer, and whether to ask on.
    fn tell(&mut self, error: &NoAnswer, place: &str) -> Next {
        let model = self.suggester.model().name();
        let (notice, next) = match error {
            NoAnswer::Model(ModelError::Stopped) => (Notice::failure(model, "stopped before it was done"), Next::Off),
            NoAnswer::Model(ModelError::Late) => {
                (Notice::failure(place, "the model took longer than model.timeout_seconds"), Next::On)
            }
            NoAnswer::Model(error) => (Notice::failure(model, format!("not asked on: {error}")), Next::Off),
            NoAnswer::Betrayed => (
                Notice::failure(place, format!("not reviewed by the model: {error}"))
                    .advise("somebody may have written orders to the model into the change: read it yourself"),
                Next::On,
            ),
            NoAnswer::TooLong { .. } => {
                let advice = "set model.window higher, or take a model with a longer one";
                (Notice::skipped(place, format!("not shown to the model: {error}")).advise(advice), Next::On)
            }
            NoAnswer::Malformed(_) => (Notice::failure(place, format!("not reviewed by the model: {error}")), Next::On),
        };
        self.notices.push(notice);
        next
    }

    /// Marks what is more than may be told, the surest first.
    fn limit(&self, own: &mut [Reviewed]) {
        let most = self.asked.engine.config.suggest.max_findings as usize;
        let mut told: Vec<&mut Reviewed> =
            own.iter_mut().filter(|reviewed| reviewed.standing == Standing::Told).collect();
        told.sort_by_key(|reviewed| {
            let finding = &reviewed.finding;
            std::cmp::Reverse((finding.confidence, finding.severity, reviewed.patch.is_some()))
        });
        told.into_iter().skip(most).for_each(|reviewed| reviewed.standing = Standing::OverLimit);
    }
}

/// What checks found on the lines of an excerpt.
fn known(findings: &[Reviewed], excerpt: &Excerpt) -> Vec<Piece> {
    let (from, to) = match (excerpt.new_lines().next(), excerpt.new_lines().last()) {
        (Some(first), Some(last)) => (first.number, last.number),
        _ => return Vec::new(),
    };
    let here = findings.iter().filter(|reviewed| {
        let finding = &reviewed.finding;
        finding.path == excerpt.path
            && reviewed.standing == Standing::Told
            && (from..=to).contains(&finding.span.from.line)
    });
    let text: String = here.map(|reviewed| format!("{}\n", reviewed.finding.what)).collect();
    if text.is_empty() {
        return Vec::new();
    }
    vec![Piece { kind: Kind::Known, title: String::new(), text, value: 1.0 }]
}

/// A finding told to the model, with the lines it is about.
fn about(file: &SourceFile, finding: &Finding) -> Piece {
    let lines = finding.span.lines();
    let last = (*lines.end()).min(lines.start() + 10);
    let code: String = (*lines.start()..=last).map(|line| format!("{}\n", file.line(line))).collect();
    Piece::finding(&finding.what, &finding.why, &code)
}

/// A stretch of code as something that evidence can be looked for.
fn place(file: &SourceFile, from: u32, to: u32) -> Finding {
    let span = file.span(file.lines.range(from).start..file.lines.range(to).end);
    let remark = Remark {
        quote: String::new(),
        problem: String::new(),
        why: String::new(),
        category: finding::Category::Bug,
        severity: Weight::Info,
        confidence: Confidence::Low,
        replacement: None,
    };
    Finding { span, ..blank(file, &remark) }
}

fn blank(file: &SourceFile, remark: &Remark) -> Finding {
    Finding {
        check: CheckId::from(&*format!("model/{}", remark.category)),
        category: remark.category,
        severity: match remark.severity {
            Weight::Info => Severity::Info,
            Weight::Warning => Severity::Warning,
        },
        confidence: remark.confidence,
        path: file.path.clone(),
        span: file.span(0..0),
        what: remark.problem.clone(),
        why: remark.why.clone(),
        because: Vec::new(),
        cwe: None,
        url: None,
        fix: None,
        fingerprint: Fingerprint::default(),
    }
}

/// A remark as a finding on the lines that it quotes, white space around them left out.
fn finding_of(file: &SourceFile, found: &Found) -> Finding {
    let lines = &found.anchor.lines;
    let bytes = file.lines.range(*lines.start()).start..file.lines.range(*lines.end()).end;
    let text = &file.text[bytes.clone()];
    let start = bytes.start + (text.len() - text.trim_start().len());
    let end = (bytes.start + text.trim_end().len()).max(start);
    let mut finding = Finding { span: file.span(start..end), ..blank(file, &found.remark) };
    finding.fingerprint = finding::fingerprint(&finding.check, file, &finding.span, 0);
    finding
}
