//! The sentence itself: a change is read, checks make findings, what is proven becomes a patch, and a review is made.

mod explain;
mod lint;
mod tell;
mod advise;

use std::{
    cell::{Cell, OnceCell},
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

pub use advise::{Adviser, Progress};
use explain::Known;
use globset::{Glob, GlobSet, GlobSetBuilder};
use lint::Linted;
use rayon::prelude::*;
pub use tell::{Told, Untold};

use crate::{
    change::{self, FileChange, Kind, LineRange, LineSet, Status, Versions},
    check::{
        Target, allow,
        linter::Workshop,
        rule::{RuleError, RuleSet},
        twin::Twins,
    },
    config::{Config, ConfigError, Level},
    edit::{self, Applicability, Edit},
    feedback::Weigher,
    finding::{CheckId, Finding, Severity},
    notice::Notice,
    patch::{self, Unproven, VerifiedPatch},
    recall::evidence::Recall,
    review::{Baseline, Review, Reviewed, Standing},
    source::{Content, Ignored, RepoPath, SourceFile, Sources, Unreadable},
};

/// Configuration, rules and globs, ready to review any number of changes.
pub struct Engine {
    config: Config,
    rules: RuleSet,
    baseline: Baseline,
    exclude: GlobSet,
    foreign: GlobSet,
    ignored: Ignored,
    levels: Levels,
    workshop: Option<Workshop>,
    recall: Option<Recall>,
    adviser: Option<Adviser>,
    weigher: Option<Weigher>,
}

impl Engine {
    /// An engine for this configuration and these rules.
    ///
    /// # Errors
    /// [`ConfigError::Glob`] for a glob that is not one.
    pub fn new(config: Config, rules: RuleSet, baseline: Baseline) -> Result<Self, ConfigError> {
        let foreign = config.files.generated.iter().chain(&config.files.vendored);
        let levels = Levels::new(&config)?;
        let (disable, only) = (globs(&config.rules.disable)?, globs(&config.rules.only)?);
        let speaks = |id: &str| !disable.is_match(id) && (config.rules.only.is_empty() || only.is_match(id));
        Ok(Self {
            rules: rules.filtered(speaks),
            exclude: globs(&config.files.exclude)?,
            foreign: globs(foreign)?,
            ignored: Ignored::default(),
            levels,
            baseline,
            config,
            workshop: None,
            recall: None,
            adviser: None,
            weigher: None,
        })
    }

    /// The same, running external linters there unless the configuration says no.
    #[must_use]
    pub fn with_workshop(mut self, workshop: Workshop) -> Self {
        self.workshop = Some(workshop);
        self
    }

    /// The same, giving findings evidence from this index unless the configuration says no.
    #[must_use]
    pub fn with_recall(mut self, recall: Recall) -> Self {
        self.recall = Some(recall);
        self
    }

    /// The same, asking this model too.
    #[must_use]
    pub fn with_adviser(mut self, adviser: Adviser) -> Self {
        self.adviser = Some(adviser);
        self
    }

    /// The same, saying what people's answers show to be wanted unless the configuration says no.
    #[must_use]
    pub fn with_weigher(mut self, weigher: Weigher) -> Self {
        self.weigher = Some(weigher);
        self
    }

    /// Whether a model is asked.
    pub fn has_adviser(&self) -> bool {
        self.adviser.is_some()
    }

    /// The same, never reading the paths that `.ai_coder_ignore` names.
    #[must_use]
    pub fn ignoring(mut self, ignored: Ignored) -> Self {
        self.ignored = ignored;
        self
    }

    /// Why a path is not read, or not with every rule, in words; `None` when it is.
    pub fn why_not_read(&self, path: &RepoPath) -> Option<String> {
        if let Some(pattern) = self.ignored.pattern(path) {
            return Some(format!("not read: `{pattern}` in .ai_coder_ignore"));
        }
        if self.exclude.is_match(path) {
            return Some("not read: files.exclude in the configuration".into());
        }
        let foreign = self.foreign.is_match(path);
        foreign.then(|| "read only for secrets and conflict markers: files.generated or files.vendored".into())
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reviews a change. Total: whatever cannot be read or run becomes a Notice.
    pub fn review(&self, versions: Versions) -> Review {
        self.review_with(versions, self.adviser.as_ref())
    }

    /// The same, asking no model.
    pub fn review_without_model(&self, versions: Versions) -> Review {
        self.review_with(versions, None)
    }

    fn review_with(&self, versions: Versions, adviser: Option<&Adviser>) -> Review {
        let Versions { change, old, new, mut notices } = versions;
        let troubles = Troubles::default();
        let loaded: Vec<Loaded> = change.files.par_iter().map(|file| self.load(file, &*old, &*new)).collect();
        // A review of many files meets every rule soon enough; in one of a few, compiling is most of the work.
        if loaded.len() <= 64 {
            self.rules.prepare(&loaded.iter().filter_map(|loaded| loaded.file.as_ref()).collect::<Vec<_>>());
        }
        let texts = self.texts_to_lint(loaded.iter().filter_map(|loaded| loaded.file.clone()));
        let linted = self.lint(&texts, &*new, &*old);
        let reading = self.recall.as_ref().filter(|_| self.config.recall.enable).map(Recall::reading);
        let known =
            reading.as_ref().map(|reading| Known { engine: self, reading, change: &change, old: &*old, new: &*new });
        let twins = known.as_ref().map(|known| known as &dyn Twins);
        let outcomes: Vec<Outcome> = change
            .files
            .par_iter()
            .zip(loaded)
            .map(|(file, loaded)| self.review_file(file, loaded, &troubles, &linted, twins))
            .collect();
        let (mut findings, mut files) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            findings.extend(outcome.findings);
            files.extend(outcome.file);
            notices.extend(outcome.notice);
        }
        notices.extend(troubles.notices());
        notices.extend(linted.notices.iter().cloned());
        files.sort_by(|a: &SourceFile, b| a.path.cmp(&b.path));
        if let Some(known) = &known {
            known.explain(&mut findings, &files);
        }
        let mut spent = None;
        if let Some(adviser) = adviser {
            let asked = advise::Asked {
                engine: self,
                adviser,
                change: &change,
                old: &*old,
                new: &*new,
                files: &files,
                linted: &linted,
                reading: reading.as_ref(),
            };
            let (took, more) = asked.advise(&mut findings);
            (spent, notices) = (took, [notices, more].concat());
        }
        notices.extend(reading.and_then(explain::trouble));
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.gravity));
        findings.iter_mut().for_each(|reviewed| without_secrets(&mut reviewed.finding));
        if let Some(weigher) = self.weigher.as_ref().filter(|_| self.config.taste.enable) {
            weigher.weigh(&mut findings, &change, &files);
        }
        Review { change, findings, notices, files, spent }
    }

    /// The texts that linters may read: none without a workshop, and none that a program wrote.
    fn texts_to_lint(&self, files: impl Iterator<Item = SourceFile>) -> Vec<SourceFile> {
        if self.workshop.is_none() || !self.config.linters.enable {
            return Vec::new();
        }
        files.filter(|file| !self.foreign.is_match(&file.path) && !says_generated(file)).collect()
    }

    fn lint<'a>(&'a self, texts: &'a [SourceFile], new: &'a dyn Sources, base: &'a dyn Sources) -> Linted<'a> {
        match &self.workshop {
            Some(workshop) if !texts.is_empty() => Linted::run(workshop, &self.config.linters, texts, new, base),
            _ => Linted::default(),
        }
    }

    fn load(&self, change: &FileChange, old: &dyn Sources, new: &dyn Sources) -> Loaded {
        match self.read(change, &change.path, new) {
            Ok(Some(file)) => Loaded { before: self.read_before(change, old), file: Some(file), notice: None },
            Ok(None) => Loaded::default(),
            Err(notice) => Loaded { notice: Some(notice), ..Loaded::default() },
        }
    }

    fn review_file(
        &self,
        change: &FileChange,
        loaded: Loaded,
        troubles: &Troubles,
        linted: &Linted<'_>,
        twins: Option<&dyn Twins>,
    ) -> Outcome {
        let Loaded { file, before, notice } = loaded;
        let look = |file| self.look(file, before.as_ref(), change, troubles, linted, twins);
        let findings = file.as_ref().map(look).unwrap_or_default();
        Outcome { findings, file, notice }
    }

    fn read_before(&self, change: &FileChange, old: &dyn Sources) -> Option<SourceFile> {
        if change.had_content() { self.read(change, change.path_before(), old).ok().flatten() } else { None }
    }

    /// What our own checks say of a text, with the severities that the configuration gives.
    fn run_rules(
        &self,
        file: &SourceFile,
        before: Option<&SourceFile>,
        change: &FileChange,
        troubles: &Troubles,
        twins: Option<&dyn Twins>,
    ) -> Vec<Finding> {
        let mut target = Target::new(file, before, change, &self.config.checks);
        target.twins = twins;
        let mut findings = self.rules.run(&target, &mut |error| troubles.tell_rule(error));
        if let Some(line) = target.passed_over() {
            troubles.tell_table(&file.path, line);
        }
        if target.not_parsed() {
            troubles.tell_not_parsed(&file.path);
        }
        if target.not_followed() {
            troubles.tell_not_followed(&file.path);
        }
        findings.retain_mut(|finding| self.levels.apply(finding));
        findings
    }

    /// Everything there is to say about one text, with its patches proven.
    fn look(
        &self,
        file: &SourceFile,
        before: Option<&SourceFile>,
        change: &FileChange,
        troubles: &Troubles,
        linted: &Linted<'_>,
        twins: Option<&dyn Twins>,
    ) -> Vec<Reviewed> {
        let own = self.run_rules(file, before, change, troubles, twins);
        let run = |file: &SourceFile| self.run_rules(file, before, change, troubles, None);
        let linters = self.leveled(linted.findings(file));
        let mut found = [&own[..], &linters].concat();
        found.sort_by(|a, b| (a.span, &a.check).cmp(&(b.span, &b.check)));
        let allowed = allow::read(file);
        let accepted = self.baseline.of_path(&file.path);
        let everything = LineSet::all();
        let lines = if self.config.review.untouched_lines { &everything } else { &change.touched };
        let earlier = OnceCell::new();
        let was_there = |finding: &Finding| {
            let earlier = earlier.get_or_init(|| before.map(run).unwrap_or_default());
            let same_text = earlier.iter().any(|old| old.fingerprint == finding.fingerprint);
            let covered = lines.covers(&finding.span.lines());
            (same_text && !covered)
                || (finding.severity < Severity::Error && is_carried_on(change, finding, &own, earlier))
        };
        let standing = |finding: &Finding| match allowed.reason(finding).or_else(|| allow::elsewhere(file, finding)) {
            Some(reason) => Standing::Allowed { reason: reason.to_owned() },
            None if accepted.contains(&finding.fingerprint) => Standing::Baseline,
            None if !lines.intersects(&finding.span.lines()) => Standing::Untouched,
            None if was_there(finding) => Standing::Older,
            None => match linted.same(finding, &own).or_else(|| said_better(finding, &own)) {
                Some(other) => Standing::Repeated { by: other.check.to_string() },
                None => Standing::Told,
            },
        };
        let proofs_left = Cell::new(MOST_PROOFS);
        let prove = |finding: &Finding, standing: &Standing| match (&finding.fix, standing) {
            (Some(_), Standing::Told) if proofs_left.replace(proofs_left.get().saturating_sub(1)) == 0 => {
                Some(Err(Unproven::TooMany(MOST_PROOFS)))
            }
            (Some(fix), Standing::Told) if linted.made(finding) => {
                let of_tool = linters.iter().filter(|other| lint::tool(other) == lint::tool(finding));
                let known: Vec<Finding> = own.iter().chain(of_tool).cloned().collect();
                let claim = patch::Claim { file, finding, found: &known, allowed: lines, is_checked: true };
                Some(self.prove_again(&claim, fix, linted, &run))
            }
            (Some(fix), Standing::Told) => {
                let claim = patch::Claim { file, finding, found: &own, allowed: lines, is_checked: true };
                Some(patch::prove(&claim, fix, &mut |patched| run(patched)))
            }
            _ => None,
        };
        found
            .iter()
            .map(|finding| {
                let standing = standing(finding);
                let (patch, unproven) = match prove(finding, &standing) {
                    Some(Ok(patch)) => (Some(patch), None),
                    Some(Err(why)) => (None, Some(why)),
                    None => (None, None),
                };
                Reviewed { finding: finding.clone(), standing, patch, unproven, weighed: None }
            })
            .collect()
    }

    /// Proves a linter's fix: its rules and the tool that offered it look at the patched text.
    fn prove_again(
        &self,
        claim: &patch::Claim<'_>,
        fix: &edit::Fix,
        linted: &Linted<'_>,
        run: &dyn Fn(&SourceFile) -> Vec<Finding>,
    ) -> Result<VerifiedPatch, Unproven> {
        let mut failed = None;
        let proof = patch::prove(claim, fix, &mut |patched| {
            let again = linted.again(claim.finding, patched).unwrap_or_else(|why| {
                failed = Some(why);
                claim.found.to_vec()
            });
            [run(patched), self.leveled(again)].concat()
        });
        failed.map_or(proof, |why| Err(Unproven::NotRechecked(why)))
    }

    /// Findings with the severities that the configuration gives them.
    fn leveled(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain_mut(|finding| self.levels.apply(finding));
        findings
    }

    /// Makes every proven patch up to this trust, file by file, looking again after each round until none is left.
    /// Patches that meet wait for the next round. Nothing is written.
    pub fn mend(&self, versions: &Versions, most: Applicability) -> (Vec<Mended>, Vec<Notice>) {
        let read = |change: &FileChange| self.read(change, &change.path, &*versions.new).ok().flatten();
        let texts = self.texts_to_lint(versions.change.files.iter().filter_map(read));
        let linted = self.lint(&texts, &*versions.new, &*versions.old);
        let mend = |change: &FileChange| self.mend_file(change, &*versions.old, &*versions.new, most, &linted);
        let outcomes: Vec<_> = versions.change.files.par_iter().filter_map(mend).collect();
        let notices = outcomes.iter().filter_map(|(_, notice)| notice.clone()).collect();
        let mended = outcomes.into_iter().map(|(mended, _)| mended).filter(|mended| !mended.applied.is_empty());
        (mended.collect(), notices)
    }

    /// The reviewed files with the proven patches of what a review tells, up to this trust. Patches of one file that meet,
    /// or that together give rise to something, wait: the first of them is made alone. Nothing is written.
    pub fn patched(&self, review: &Review, versions: &Versions, most: Applicability) -> Vec<Mended> {
        let patch = |change: &FileChange| {
            let file = review.file(&change.path)?;
            let of_file = |reviewed: &&Reviewed| reviewed.finding.path == file.path;
            let told: Vec<&Reviewed> = review.told().filter(of_file).collect();
            let holds = |(bytes, applied): &(Vec<u8>, Applied)| {
                applied.len() == 1 || !self.adds_findings(change, file, bytes, &*versions.old)
            };
            let (after, applied) =
                one_round(file, &told, most).filter(holds).or_else(|| the_first(file, &told, most))?;
            Some(Mended { path: file.path.clone(), before: file.bytes.clone(), after: after.into(), applied })
        };
        versions.change.files.iter().filter_map(patch).collect()
    }

    fn mend_file(
        &self,
        change: &FileChange,
        old: &dyn Sources,
        new: &dyn Sources,
        most: Applicability,
        linted: &Linted<'_>,
    ) -> Option<(Mended, Option<Notice>)> {
        const MOST_ROUNDS: usize = 30;
        let mut file = self.read(change, &change.path, new).ok().flatten()?;
        let before = self.read_before(change, old);
        let mut change = change.clone();
        let mut mended = Mended {
            path: file.path.clone(),
            before: file.bytes.clone(),
            after: file.bytes.clone(),
            applied: Vec::new(),
        };
        for _ in 0..MOST_ROUNDS {
            let findings = self.look(&file, before.as_ref(), &change, &Troubles::default(), linted, None);
            let findings: Vec<&Reviewed> = findings.iter().collect();
            let Some((bytes, applied)) = one_round(&file, &findings, most) else { return Some((mended, None)) };
            mended.after = bytes.into();
            mended.applied.extend(applied);
            let language = file.language;
            file = SourceFile::new(file.path, mended.after.clone(), u64::MAX).ok()?;
            file.language = language;
            if change.had_content() || change.status == Status::Added {
                let old = before.as_ref().map_or(&[][..], |before| &before.bytes);
                change.touched = change::touched_lines(old, &file.bytes);
            }
        }
        let notice = Notice::note(
            &mended.path,
            format!("its fixes were still giving rise to others after {MOST_ROUNDS} rounds"),
        );
        Some((mended, Some(notice)))
    }

    /// Whether our checks say more of these bytes than of the file.
    fn adds_findings(&self, change: &FileChange, file: &SourceFile, bytes: &[u8], old: &dyn Sources) -> bool {
        let Ok(mut patched) = SourceFile::new(file.path.clone(), bytes.into(), u64::MAX) else { return true };
        patched.language = file.language;
        let before = self.read_before(change, old);
        let run = |file: &SourceFile| self.run_rules(file, before.as_ref(), change, &Troubles::default(), None);
        patch::adds_none(&run(file), &run(&patched)).is_err()
    }

    /// The text under `path`: `None` where there is nothing to read by nature, a Notice where something is left out.
    fn read(&self, change: &FileChange, path: &RepoPath, from: &dyn Sources) -> Result<Option<SourceFile>, Notice> {
        if !matches!(change.kind, Kind::Text | Kind::Excerpt | Kind::Binary)
            || !change.has_content()
            || self.exclude.is_match(path)
            || self.ignored.pattern(path).is_some()
        {
            return Ok(None);
        }
        let bytes = match from.read(path) {
            Ok(Some(Content::Bytes(bytes))) => bytes,
            Ok(Some(Content::Symlink(_) | Content::Submodule(_)) | None) => return Ok(None),
            Err(error) => return Err(Notice::failure(path, format!("not reviewed: {}", crate::notice::chain(&error)))),
        };
        let mut file = SourceFile::new(path.clone(), bytes, self.config.review.max_file_bytes)
            .map_err(|why| Notice::skipped(path, format!("not reviewed: {}", because(why))))?;
        if change.kind == Kind::Binary {
            // Text that git's attributes call binary: they ask for no diff, and without one no line is touched.
            return Ok(None);
        }
        if self.foreign.is_match(path) || change.kind == Kind::Excerpt || says_generated(&file) {
            file.language = None;
        }
        Ok(Some(file))
    }
}

/// A file before and after its patches.
#[derive(Debug, Clone)]
pub struct Mended {
    /// Where it is.
    pub path: RepoPath,
    /// The reviewed bytes.
    pub before: Arc<[u8]>,
    /// The bytes with every patch.
    pub after: Arc<[u8]>,
    /// Which findings were mended, in the order of the rounds, with the 1-based line each was on at its turn.
    pub applied: Vec<(CheckId, u32)>,
}

/// Checks whose findings were mended, each with the 1-based line it was on.
type Applied = Vec<(CheckId, u32)>;

/// Whether the lines that a hunk replaces were told the same at least as often: a version raised in a line that was not
/// in order before does not make it worse. Errors are told again all the same.
fn is_carried_on(change: &FileChange, finding: &Finding, found: &[Finding], earlier: &[Finding]) -> bool {
    let inside = |range: LineRange, line: u32| (range.start..range.start.saturating_add(range.count)).contains(&line);
    let Some(hunk) = change.hunks.iter().find(|hunk| inside(hunk.new, finding.span.from.line)) else { return false };
    let removed = change::removed_lines(hunk);
    let same = |other: &&Finding| other.check == finding.check;
    let before = earlier.iter().filter(same).filter(|old| removed.contains(old.span.from.line)).count();
    let added = |new: &&Finding| inside(hunk.new, new.span.from.line) && change.touched.contains(new.span.from.line);
    before > 0 && found.iter().filter(same).filter(added).count() <= before
}

/// A proof reads the whole file again, so that their number in one file is bounded; `--apply` goes on round by round.
const MOST_PROOFS: usize = 200;

/// Another finding that tells the same weakness on the same line and tells it better: with the way the data took, or
/// with more weight.
fn said_better<'f>(finding: &Finding, found: &'f [Finding]) -> Option<&'f Finding> {
    finding.cwe?;
    let rank = |finding: &Finding| (!finding.because.is_empty(), finding.severity, finding.confidence);
    let same = |other: &&Finding| {
        other.cwe == finding.cwe && other.span.from.line == finding.span.from.line && other.check != finding.check
    };
    let best = found.iter().filter(same).max_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| b.check.cmp(&a.check)))?;
    let better = rank(best).cmp(&rank(finding)).then_with(|| finding.check.cmp(&best.check));
    better.is_gt().then_some(best)
}

/// The text with every proven patch that does not meet an earlier one, or `None` where there is no patch.
fn one_round(file: &SourceFile, findings: &[&Reviewed], most: Applicability) -> Option<(Vec<u8>, Applied)> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut applied = Vec::new();
    for reviewed in findings {
        let Some(patch) = reviewed.patch.as_ref().filter(|patch| patch.applicability() <= most) else { continue };
        if patch.edits().iter().any(|new| edits.iter().any(|old| edit::conflicts(old, new))) {
            continue;
        }
        edits.extend(patch.edits().iter().cloned());
        applied.push((reviewed.finding.check.clone(), reviewed.finding.span.from.line));
    }
    edits.sort();
    let bytes = edit::apply(&file.bytes, &edits).ok().filter(|_| !applied.is_empty())?;
    let broken = patch::breaks_syntax(file, &bytes);
    if !broken {
        return Some((bytes, applied));
    }
    // Each was proven alone; together they are not. The first one alone is.
    the_first(file, findings, most)
}

/// The text with the first proven patch alone.
fn the_first(file: &SourceFile, findings: &[&Reviewed], most: Applicability) -> Option<(Vec<u8>, Applied)> {
    let first =
        findings.iter().find(|reviewed| reviewed.patch.as_ref().is_some_and(|patch| patch.applicability() <= most))?;
    let bytes = first.patch.as_ref()?.apply(&file.bytes).ok()?;
    Some((bytes, vec![(first.finding.check.clone(), first.finding.span.from.line)]))
}

/// What went wrong while looking, each thing told once.
#[derive(Default)]
struct Troubles(Mutex<BTreeSet<Notice>>);

impl Troubles {
    fn tell_rule(&self, error: &RuleError) {
        self.tell(Notice::failure(&error.rule, format!("not run: {}", error.why)));
    }

    fn tell_table(&self, path: &RepoPath, line: u32) {
        self.tell(Notice::skipped(path, format!("the list at line {line} is too long to match patterns in")));
    }

    fn tell_not_parsed(&self, path: &RepoPath) {
        self.tell(Notice::failure(path, "not reviewed: it is nested too deep to be parsed, or the parser gave up"));
    }

    fn tell_not_followed(&self, path: &RepoPath) {
        self.tell(Notice::skipped(
            path,
            "following data through it takes too long; rules from source to sink were silent",
        ));
    }

    fn tell(&self, notice: Notice) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(notice);
    }

    fn notices(self) -> BTreeSet<Notice> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file's two texts, or why there are none.
/// A finding whose words quote no secret: linters and patterns repeat the code that they matched.
fn without_secrets(finding: &mut Finding) {
    let notes = finding.because.iter_mut().map(|place| &mut place.note);
    for text in [&mut finding.what, &mut finding.why].into_iter().chain(notes) {
        if let std::borrow::Cow::Owned(masked) = crate::secret::mask(text) {
            *text = masked;
        }
    }
}

#[derive(Default)]
struct Loaded {
    file: Option<SourceFile>,
    before: Option<SourceFile>,
    notice: Option<Notice>,
}

#[derive(Default)]
struct Outcome {
    findings: Vec<Reviewed>,
    file: Option<SourceFile>,
    notice: Option<Notice>,
}

fn because(why: Unreadable) -> String {
    match why {
        Unreadable::Binary => "it is binary".into(),
        Unreadable::TooLarge { bytes, limit } => {
            format!("it has {bytes} bytes, more than review.max_file_bytes = {limit}")
        }
        Unreadable::Utf16 => "it is UTF-16, and only UTF-8 and its supersets of ASCII are read".into(),
        Unreadable::LfsPointer => "it is a git-lfs pointer; the content itself is not in git".into(),
    }
}

/// Whether the first lines carry a generator's mark.
fn says_generated(file: &SourceFile) -> bool {
    let head = file.text.get(..file.text.len().min(1_000)).unwrap_or(&file.text);
    head.lines().take(8).any(|line| {
        line.contains("@generated") || (line.contains("DO NOT EDIT") && line.to_ascii_lowercase().contains("generated"))
    })
}

/// Severities by rule and path, as configured.
struct Levels {
    /// In order; a later match wins. Paths, rules, level.
    entries: Vec<(Option<GlobSet>, GlobSet, Level)>,
}

impl Levels {
    fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut entries = Vec::new();
        for (rule, level) in &config.rules.severity {
            entries.push((None, globs([rule])?, *level));
        }
        for over in &config.overrides {
            let paths = globs(&over.paths)?;
            for (rule, level) in &over.severity {
                entries.push((Some(paths.clone()), globs([rule])?, *level));
            }
            if !over.disable.is_empty() {
                entries.push((Some(paths), globs(&over.disable)?, Level::Off));
            }
        }
        Ok(Self { entries })
    }

    /// Sets a finding's severity; false when it is not to speak.
    fn apply(&self, finding: &mut Finding) -> bool {
        let matches = |(paths, rules, _): &&(Option<GlobSet>, GlobSet, Level)| {
            paths.as_ref().is_none_or(|paths| paths.is_match(&finding.path)) && rules.is_match(&*finding.check.0)
        };
        match self.entries.iter().rev().find(matches).map(|(_, _, level)| level) {
            Some(Level::Off) => return false,
            Some(Level::Error) => finding.severity = Severity::Error,
            Some(Level::Warning) => finding.severity = Severity::Warning,
            Some(Level::Info) => finding.severity = Severity::Info,
            None => {}
        }
        true
    }
}

fn globs<'a>(patterns: impl IntoIterator<Item = &'a String>) -> Result<GlobSet, ConfigError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = |error: globset::Error| ConfigError::Glob { glob: pattern.clone(), why: error.kind().to_string() };
        set.add(Glob::new(pattern).map_err(glob)?);
    }
    set.build().map_err(|error| ConfigError::Glob { glob: String::new(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Origin;

    fn told(before: &str, after: &str) -> Vec<(String, Standing)> {
        let path = RepoPath::new("a.py").unwrap();
        let diff = similar::TextDiff::from_lines(before, after).unified_diff().header("a/a.py", "b/a.py").to_string();
        let hunks = change::diff::parse(diff.as_bytes()).0.remove(0).hunks;
        let file = FileChange {
            status: Status::Modified,
            touched: change::added_lines(&hunks),
            hunks,
            ..FileChange::whole(path.clone(), None)
        };
        let versions = Versions {
            change: change::Change { origin: Origin::Staged, files: vec![file] },
            old: Arc::new(crate::source::Memory::of(path.clone(), before.as_bytes())),
            new: Arc::new(crate::source::Memory::of(path, after.as_bytes())),
            notices: Vec::new(),
        };
        let engine = Engine::new(Config::default(), RuleSet::builtin(), Baseline::default()).unwrap();
        engine
            .review(versions)
            .findings
            .into_iter()
            .map(|told| (told.finding.check.to_string(), told.standing))
            .collect()
    }

    #[test]
    fn a_warning_carried_on_by_an_edit_is_older_and_a_second_one_is_not() {
        let eval = |standing| ("python/eval-call".to_owned(), standing);
        assert_eq!(told("x = eval(a)\n", "x = eval(b)\n"), [eval(Standing::Older)]);
        assert_eq!(told("x = a\n", "x = eval(b)\n"), [eval(Standing::Told)]);
        assert_eq!(told("x = eval(a)\n", "x = eval(b)\ny = eval(c)\n"), [eval(Standing::Told), eval(Standing::Told)]);
    }
}
