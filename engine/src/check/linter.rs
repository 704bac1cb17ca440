//! What do other people's tools say? External linters are data; they run on the version under review, in a sandbox.

mod cache;
mod confine;
mod diagnostic;
mod find;
mod job;
mod list;
mod parse;
mod process;
mod sandbox;
mod scratch;
mod spec;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub(crate) use confine::confined;
pub use diagnostic::{Diagnostic, Region, Suggestion};
use find::Tool;
use job::Job;
pub use list::{Listed, list};
pub use parse::parse;
pub use sandbox::{Found, Sandbox, detect};
use scratch::{Policy, Scratch};
pub use spec::{ConfigFile, Format, Granularity, Linter, Needs, Spec, SpecError, Unit};

use crate::{
    config::{LintersConfig, SandboxMode},
    finding::{self, Finding},
    notice::Notice,
    source::{RepoPath, SourceFile, Sources},
};

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/linters.rs"));

/// The compiled-in linters, by name. Read once.
///
/// # Errors
/// The first file that cannot be used; a test keeps this from being released.
pub fn builtin() -> Result<&'static [Linter], &'static SpecError> {
    static LINTERS: OnceLock<Result<Vec<Linter>, SpecError>> = OnceLock::new();
    let read = || FILES.iter().map(|(name, text)| Linter::read(name, text)).collect();
    LINTERS.get_or_init(read).as_ref().map(Vec::as_slice)
}

/// Whose change is under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// One's own, on one's own machine.
    Own,
    /// Anybody's, such as a pull request from a fork.
    Untrusted,
}

/// Where and for whom linters run.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// The project on disk, where tools and packages that git does not know are looked for; never written.
    pub project_root: Option<PathBuf>,
    /// Where results and build states are kept. Private to the user.
    pub cache_dir: PathBuf,
    /// Where the scratch directory is made; outside every work tree.
    pub scratch_parent: PathBuf,
    /// Whose change it is.
    pub trust: Trust,
    /// The caller's environment: PATH and HOME serve to find tools, and a linter gets what its file names.
    pub environment: BTreeMap<OsString, OsString>,
}

/// What to lint, with what, and how.
pub struct Request<'a> {
    /// The linters to choose from.
    pub linters: &'a [Linter],
    /// Which of them, how long, in what sandbox.
    pub config: &'a LintersConfig,
    /// Where and for whom.
    pub workshop: &'a Workshop,
    /// A sandbox to use instead of the best one found; for trying each of them.
    pub sandbox: Option<&'a Sandbox>,
    /// The files in scope.
    pub files: &'a [SourceFile],
    /// The version they belong to.
    pub new: &'a dyn Sources,
    /// The version before it, whose configuration judges an untrusted change.
    pub base: &'a dyn Sources,
}

/// Linters that are about to run, and can run again on a patched file.
pub struct Session<'a> {
    request: Request<'a>,
    sandbox: Sandbox,
    scratch: Option<Scratch<'a>>,
    ready: Vec<Ready<'a>>,
    notices: Vec<Notice>,
    /// Seconds spent on looking at patched files, by linter.
    spent: Mutex<BTreeMap<String, Duration>>,
}

/// A linter that was found and may run.
struct Ready<'a> {
    linter: &'a Linter,
    tool: Tool,
    files: Vec<&'a SourceFile>,
}

/// What linters found in the files in scope, and what kept them from it.
///
/// Findings are in order of place in each file and have fingerprints. Lines outside the change are included: whoever
/// asked marks them.
pub fn run(request: Request<'_>) -> (Vec<Finding>, Vec<Notice>) {
    Session::open(request).run()
}

impl<'a> Session<'a> {
    /// Chooses the linters that read one of the files, are wanted, allowed and found. Starts nothing.
    pub fn open(request: Request<'a>) -> Self {
        let mut session = Self {
            sandbox: Sandbox::None,
            scratch: None,
            ready: Vec::new(),
            notices: Vec::new(),
            spent: Mutex::default(),
            request,
        };
        let wanted = session.wanted();
        if wanted.is_empty() {
            return session;
        }
        match session.scratch() {
            Ok(scratch) => session.choose(wanted, scratch),
            Err(error) => session.notices.push(
                Notice::failure("linters", format!("not run: cannot make a scratch directory: {error}"))
                    .advise("make room, or set `linters.enable = false`"),
            ),
        }
        session
    }

    fn wanted(&self) -> Vec<(&'a Linter, Vec<&'a SourceFile>)> {
        let Request { config, linters, files, .. } = self.request;
        let named = |names: &[String], linter: &Linter| names.contains(&linter.name);
        let wanted = |linter: &&Linter| {
            config.enable && !named(&config.disable, linter) && (config.only.is_empty() || named(&config.only, linter))
        };
        let read_by = |linter: &Linter| files.iter().filter(|file| linter.reads(file)).collect::<Vec<_>>();
        let pairs = linters.iter().filter(wanted).map(|linter| (linter, read_by(linter)));
        pairs.filter(|(_, files)| !files.is_empty()).collect()
    }

    fn scratch(&self) -> std::io::Result<Scratch<'a>> {
        let Request { workshop, new, base, linters, .. } = self.request;
        let policy = (workshop.trust == Trust::Untrusted).then(|| {
            let files = linters.iter().flat_map(|linter| &linter.spec.config_files);
            let name = |file: &ConfigFile| file.path().rsplit('/').next().unwrap_or_default().to_owned();
            Policy { base, names: files.map(name).collect() }
        });
        Scratch::new(&workshop.scratch_parent, new, policy)
    }

    fn choose(&mut self, wanted: Vec<(&'a Linter, Vec<&'a SourceFile>)>, scratch: Scratch<'a>) {
        let mut found = Vec::new();
        for (linter, files) in wanted {
            let asked = self.request.config.only.contains(&linter.name);
            let configured = job::configured(linter, &files, &scratch);
            if configured.is_none() && !asked && !linter.spec.useful_unconfigured {
                continue;
            }
            match find::find(linter, self.request.workshop) {
                Some(tool) => found.push(Ready { linter, tool, files }),
                None => self.notices.extend(missing(linter, asked, configured)),
            }
        }
        self.scratch = Some(scratch);
        if !found.is_empty() {
            self.admit(found);
        }
    }

    /// Keeps the linters that the sandbox at hand allows.
    fn admit(&mut self, found: Vec<Ready<'a>>) {
        let Request { config, workshop, sandbox, .. } = self.request;
        let best = sandbox.or_else(|| detect().works.first()).filter(|_| config.sandbox != SandboxMode::Off);
        if best.is_none() && config.sandbox == SandboxMode::Require {
            let advice = "install bubblewrap, or set `linters.sandbox` to \"auto\"";
            self.notices.push(Notice::failure("linters", format!("not run: {}", without_sandbox())).advise(advice));
            return;
        }
        self.sandbox = best.cloned().unwrap_or(Sandbox::None);
        let (refused, ready): (Vec<_>, Vec<_>) = found.into_iter().partition(|ready| {
            self.sandbox == Sandbox::None && workshop.trust == Trust::Untrusted && ready.linter.spec.runs_code
        });
        if !refused.is_empty() {
            let names = refused.iter().map(|ready| ready.linter.name.as_str()).collect::<Vec<_>>().join(", ");
            let what = format!("{names}: not run on a change by others, because they run code; {}", without_sandbox());
            self.notices.push(Notice::skipped("linters", what).advise("install bubblewrap on this machine"));
        } else if self.sandbox == Sandbox::None && config.sandbox != SandboxMode::Off {
            self.notices.push(Notice::note("linters", format!("run without a sandbox: {}", without_sandbox())));
        }
        self.ready = ready;
    }

    /// Runs them all, several at a time.
    pub fn run(&self) -> (Vec<Finding>, Vec<Notice>) {
        let (mut findings, mut notices) = (Vec::new(), self.notices.clone());
        let Some(scratch) = &self.scratch else { return (findings, notices) };
        let jobs: Vec<Job<'_>> = self.ready.iter().flat_map(|ready| self.jobs(ready, scratch)).collect();
        for (job, outcome) in jobs.iter().zip(self.all(&jobs)) {
            match outcome {
                Ok(diagnostics) => findings.extend(self.findings(job, &diagnostics)),
                Err(why) => notices.push(Notice::failure(&job.linter.name, why).advise(format!(
                    "see `apprentice linters check`, or add \"{}\" to `linters.disable`",
                    job.linter.name
                ))),
            }
        }
        cache::Cache::new(&self.request.workshop.cache_dir).trim();
        (self.numbered(findings), notices)
    }

    fn jobs<'s>(&'s self, ready: &'s Ready<'a>, scratch: &'s Scratch<'a>) -> Vec<Job<'s>> {
        let job = |(root, files)| Job {
            linter: ready.linter,
            tool: &ready.tool,
            sandbox: &self.sandbox,
            config: self.request.config,
            workshop: self.request.workshop,
            scratch,
            root,
            files,
        };
        job::roots(ready.linter, &ready.files, scratch).into_iter().map(job).collect()
    }

    /// The outcome of each job, in order. Tools are processes of their own; as many wait here as there are processors.
    fn all(&self, jobs: &[Job<'_>]) -> Vec<Result<Vec<Diagnostic>, String>> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(BTreeMap::new());
        let work = || {
            while let Some((at, job)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, jobs.get(at)?)))
            {
                let outcome = job.run();
                if let Ok(mut outcomes) = outcomes.lock() {
                    outcomes.insert(at, outcome);
                }
            }
        };
        let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(jobs.len());
        thread::scope(|scope| {
            (0..workers).for_each(|_| drop(scope.spawn(work)));
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lost = || Err("its thread ended before it did".to_owned());
        (0..jobs.len()).map(|at| outcomes.remove(&at).unwrap_or_else(lost)).collect()
    }

    fn findings(&self, job: &Job<'_>, diagnostics: &[Diagnostic]) -> Vec<Finding> {
        let file = |path: &str| job.files.iter().find(|file| file.path.as_str() == path);
        let found =
            diagnostics.iter().filter_map(|said| Some(diagnostic::finding(job.linter, said, file(&said.path)?)));
        found.collect()
    }

    fn numbered(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.sort_by(|a, b| (&a.path, a.span, &a.check, &a.what).cmp(&(&b.path, b.span, &b.check, &b.what)));
        findings.dedup_by(|a, b| a.path == b.path && a.span == b.span && a.check == b.check && a.what == b.what);
        for group in findings.chunk_by_mut(|a, b| a.path == b.path) {
            if let Some(file) = self.request.files.iter().find(|file| file.path == group[0].path) {
                finding::number(file, group);
            }
        }
        findings
    }

    /// What one linter says of another version of a file, everything else being as it was: the proof that its fix
    /// clears its finding and adds none. Costs one run of the tool.
    ///
    /// # Errors
    /// A sentence when the linter is not at hand or did not run.
    pub fn recheck(&self, linter: &str, patched: &SourceFile) -> Result<Vec<Finding>, String> {
        let ready = self.ready.iter().find(|ready| ready.linter.name == linter);
        let (Some(ready), Some(scratch)) = (ready, &self.scratch) else {
            return Err(format!("`{linter}` is not at hand"));
        };
        let jobs = self.jobs(ready, scratch);
        let job = jobs.iter().find(|job| job.files.iter().any(|file| file.path == patched.path));
        let Some(job) = job else { return Err(format!("`{linter}` does not read `{}`", patched.path)) };
        let said = self.timed(linter, || job.run_patched(patched))?;
        let of_file = said.iter().filter(|said| said.path == patched.path.as_str());
        let mut findings: Vec<Finding> = of_file.map(|said| diagnostic::finding(job.linter, said, patched)).collect();
        findings.sort_by(|a, b| (a.span, &a.check, &a.what).cmp(&(b.span, &b.check, &b.what)));
        findings.dedup_by(|a, b| a.span == b.span && a.check == b.check && a.what == b.what);
        Ok(findings)
    }

    /// Runs something of a linter, unless its runs so far took as long as one may take.
    fn timed<T>(&self, linter: &str, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let spent = || self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if spent().get(linter).is_some_and(|spent| spent.as_secs() >= self.request.config.timeout_seconds) {
            return Err(format!(
                "its proofs took longer than linters.timeout_seconds = {}",
                self.request.config.timeout_seconds
            ));
        }
        let start = Instant::now();
        let outcome = run();
        *spent().entry(linter.to_owned()).or_default() += start.elapsed();
        outcome
    }

    /// The names of the linters that read a file.
    pub fn readers(&self, path: &RepoPath) -> Vec<&'a str> {
        let reads = |ready: &&Ready<'a>| ready.files.iter().any(|file| file.path == *path);
        self.ready.iter().filter(reads).map(|ready| ready.linter.name.as_str()).collect()
    }

    /// The linter that made a finding, if it is one of these.
    pub fn linter_of(&self, finding: &Finding) -> Option<&'a Linter> {
        let name = finding.check.0.split('/').next()?;
        self.ready.iter().map(|ready| ready.linter).find(|linter| linter.name == name)
    }

    /// Whether a linter's finding says the same as a built-in one: on the same line and about the same weakness, or
    /// listed as the same in the linter's file.
    pub fn repeats(&self, linters: &Finding, builtin: &Finding) -> bool {
        let Some(linter) = self.linter_of(linters) else { return false };
        let code = linters.check.0.split_once('/').map_or("", |(_, code)| code);
        let listed = linter.spec.same_as.get(code).is_some_and(|same| same.iter().any(|id| *id == *builtin.check.0));
        let same_line = linters.path == builtin.path && builtin.span.lines().contains(&linters.span.from.line);
        same_line && (listed || (linters.cwe.is_some() && linters.cwe == builtin.cwe))
    }
}

fn missing(linter: &Linter, asked: bool, configured: Option<RepoPath>) -> Option<Notice> {
    let advice = format!("install `{}` ({}), or add it to `linters.disable`", linter.spec.command, linter.spec.url);
    let name = &linter.name;
    match (asked, configured) {
        (true, _) => Some(Notice::failure(name, "asked for in `linters.only`, but not found").advise(advice)),
        (false, Some(file)) => {
            Some(Notice::note(name, format!("not found, although `{file}` is there")).advise(advice))
        }
        (false, None) => None,
    }
}

/// Why there is no sandbox, in words.
fn without_sandbox() -> String {
    let refused = &detect().refused;
    if refused.is_empty() {
        return "this system has no sandbox that is known here".to_owned();
    }
    let each: BTreeSet<String> = refused.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    format!("no sandbox holds here ({})", each.into_iter().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiled_in_linter_can_be_used() {
        let linters = builtin().unwrap_or_else(|error| panic!("{error}"));
        assert!(linters.len() >= 18, "{}", linters.len());
        for linter in linters {
            let spec = &linter.spec;
            assert!(spec.url.starts_with("https://"), "{}: a home page", linter.name);
            assert!(!spec.runs_code_because.is_empty() && !spec.about.is_empty(), "{}: says why", linter.name);
            assert!(
                spec.useful_unconfigured || !spec.config_files.is_empty() || !spec.root_files.is_empty(),
                "{}: nothing would ever start it",
                linter.name
            );
        }
    }

    #[test]
    fn a_built_in_check_named_as_the_same_exists() {
        let rules = crate::check::rule::RuleSet::builtin();
        for linter in builtin().unwrap() {
            for id in linter.spec.same_as.values().flatten() {
                let folder = id.split('/').next().unwrap();
                let has_rules = rules.iter().any(|rule| rule.id.starts_with(folder));
                assert!(!has_rules || rules.get(id).is_some(), "{}: no rule `{id}`", linter.name);
            }
        }
    }
}
