//! Do the bot's suggestions do what they promise when somebody presses the button? Pull requests made of real commits.
//!
//! `bot_histories REPO.git... [--each 100] [--seed 1]`: bare repositories. Commit C with parent P becomes a pull request from
//! P's tree to C's. As real commits rarely have findings, one to three known-bad pieces of code (the examples of built-in
//! rules that have a fix) are planted at random places of its files. The real bot reviews each one; then every suggestion
//! is committed alone on a copy of the head, and all of a pull request in one batch, as the forge does it. The bytes have
//! to be those of the proven patch, which is computed here a second time, and no file may have more syntax errors.
#![expect(clippy::disallowed_methods, reason = "a measurement runs git and the parsers of other languages")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use engine::{
    check::rule::RuleSet,
    config::Layers,
    edit,
    finding::Fingerprint,
    git::{CommitId, Repository},
    patch,
    pipeline::Engine,
    review::{Baseline, Review, Reviewed},
    source::{RepoPath, SourceFile},
};
use forge::{Forge, Repo, Thread};

mod shared;
use shared::{Serving, cpu, given, percentile};

/// The most files and bytes of a commit that is taken.
const MOST_FILES: usize = 40;
const MOST_BYTES: usize = 2 << 20;
/// Where webhooks go while suggestions are tried: nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// A sequence that is the same for the same seed (splitmix64, Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }
}

/// What came of it.
#[derive(Default, Debug, Clone)]
struct Counts {
    pulls: usize,
    planted: usize,
    comments: usize,
    suggestions: usize,
    alone: usize,
    batches: usize,
    compiled: usize,
    refused: usize,
    other_bytes: usize,
    syntax: usize,
    other_parser: usize,
    duplicates: usize,
    incomplete: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.pulls += other.pulls;
        self.planted += other.planted;
        self.comments += other.comments;
        self.suggestions += other.suggestions;
        self.alone += other.alone;
        self.batches += other.batches;
        self.compiled += other.compiled;
        self.refused += other.refused;
        self.other_bytes += other.other_bytes;
        self.syntax += other.syntax;
        self.other_parser += other.other_parser;
        self.duplicates += other.duplicates;
        self.incomplete += other.incomplete;
    }

    fn row(&self, name: &str) {
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.pulls,
            self.planted,
            self.comments,
            self.suggestions,
            self.alone,
            self.batches,
            self.compiled,
            self.refused,
            self.other_bytes,
            self.syntax,
            self.other_parser,
            self.duplicates,
            self.incomplete,
        );
    }
}

/// A pull request that was opened.
struct Opened {
    number: u64,
    branch: String,
    base: String,
    head: String,
    commit: String,
}

/// Bad code by folder of rules.
type Plants = HashMap<&'static str, Vec<String>>;

fn main() {
    let rest: Vec<String> = std::env::args().skip(1).collect();
    let repos: Vec<&String> = rest.iter().take_while(|argument| !argument.starts_with("--")).collect();
    let (each, seed) = (given("each", 100), given("seed", 1));
    let (forge, engine, plants) = (shared::forge(), engine(), plants());
    forge.install("hist");
    let bot = Serving::start(&forge);
    let (mut all, mut seconds) = (Counts::default(), Vec::new());
    println!(
        "| history | PRs | planted | comments | suggestions | alone as promised | batches as promised | read by another parser | \
         refused | other bytes | new syntax errors | new errors of another parser | duplicates | incomplete |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for source in repos {
        let name = name_of(source);
        let mut dice = Dice(seed ^ name.len() as u64);
        let counts = history(&forge, &bot, &engine, &plants, (Path::new(source), &name), each, &mut dice, &mut seconds);
        counts.row(&name);
        all.add(&counts);
    }
    all.row("all");
    seconds.sort_by(f64::total_cmp);
    println!("\nopened and reviewed in seconds, by history: {seconds:.0?}; at most {:.0}", percentile(&seconds, 1.0));
    let (own, git) = bot.cpu();
    println!("CPU: bot {own:.1} s, its git {git:.1} s, the forge and this {:.1} s", cpu(std::process::id()).0);
    println!("memory of the bot, KiB, now and at most: {:?}", bot.memory());
    let violations = forge.violations();
    println!("violations of the forge: {}", violations.len());
    violations.iter().take(20).for_each(|violation| println!("  {violation:?}"));
    println!("approvals: {}", forge.approvals().len());
    for line in bot.log().lines().filter(|line| line.contains("not done") || line.contains("was not taken")).take(20) {
        println!("  {line}");
    }
}

/// `fd` for `…/sharkdp+fd/repo` and for `…/fd.git`.
fn name_of(source: &str) -> String {
    let path = Path::new(source.trim_end_matches("/repo"));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.rsplit('+').next().unwrap_or(&name).trim_end_matches(".git").to_owned()
}

fn engine() -> Engine {
    let mut layers = Layers::default();
    layers.file(PathBuf::from("operator.toml"), "[linters]\nenable = false\n").expect("the settings");
    Engine::new(layers.resolve().expect("a configuration"), RuleSet::builtin(), Baseline::default()).expect("an engine")
}

/// The examples of rules that have a fix, without what can stand only once in a file.
fn plants() -> Plants {
    let mut plants: Plants = HashMap::new();
    for rule in RuleSet::builtin().iter() {
        let Some(folder) = FOLDERS.iter().copied().find(|folder| rule.id.starts_with(&format!("{folder}/"))) else {
            continue;
        };
        let Ok(doc) = rule.doc() else { continue };
        if doc.fixable.is_none() {
            continue;
        }
        for example in doc.invalid.iter().filter(|example| example.path.is_none() && example.fixed.is_some()) {
            let lines = example.code.lines().filter(|line| !line.starts_with("package ")).collect::<Vec<_>>();
            if (1..=12).contains(&lines.len()) && example.limits.is_empty() {
                plants.entry(folder).or_default().push(lines.join("\n") + "\n");
            }
        }
    }
    plants
}

const FOLDERS: [&str; 6] = ["python", "rust", "go", "javascript", "typescript", "bash"];

fn folder(path: &str) -> Option<&'static str> {
    Some(match Path::new(path).extension()?.to_str()? {
        "py" => "python",
        "rs" => "rust",
        "go" => "go",
        "js" | "mjs" | "ts" | "tsx" | "jsx" => "javascript",
        "sh" | "bash" => "bash",
        _ => return None,
    })
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().expect("git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    String::from_utf8_lossy(&git(folder, arguments)).into_owned()
}

/// A file of a commit: mode, blob, path.
type Entry = (String, String, String);

/// The files that a commit brings, and nothing for a commit that is not to be used.
fn brought(source: &Path, parent: &str, commit: &str) -> Option<Vec<Entry>> {
    let raw = git(source, &["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=ACDMT", parent, commit]);
    let raw = String::from_utf8(raw).ok()?;
    let mut parts = raw.split('\0');
    let (mut files, mut many) = (Vec::new(), 0);
    while let (Some(meta), Some(path)) = (parts.next().filter(|meta| !meta.is_empty()), parts.next()) {
        let meta: Vec<&str> = meta.split(' ').collect();
        many += 1;
        if meta[4] != "D" && meta[1].starts_with("100") {
            files.push((meta[1].to_owned(), meta[3].to_owned(), path.to_owned()));
        }
    }
    (many <= MOST_FILES && files.iter().any(|file| folder(&file.2).is_some())).then_some(files)
}

/// One history: pull requests opened, reviewed, and their suggestions tried.
#[expect(clippy::too_many_arguments, reason = "the parts of one measurement")]
fn history(
    forge: &Forge,
    bot: &Serving,
    engine: &Engine,
    plants: &Plants,
    (source, name): (&Path, &str),
    each: usize,
    dice: &mut Dice,
    seconds: &mut Vec<f64>,
) -> Counts {
    let repo = forge.create(&format!("hist/{name}"), &[("START", "start\n")]).expect("a repository");
    let folder = PathBuf::from(repo.git(&["rev-parse", "--absolute-git-dir"]).expect("its folder").trim());
    let objects = source.canonicalize().expect("the history").join("objects");
    fs::write(folder.join("objects/info/alternates"), format!("{}\n", objects.display()))
        .expect("the history's objects");
    let mut commits: Vec<(String, String)> = text(source, &["log", "--all", "--no-merges", "--format=%H %P"])
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, parent)| !parent.is_empty())
        .map(|(commit, parent)| (commit.to_owned(), parent.to_owned()))
        .collect();
    let (mut counts, mut opened, mut clock) = (Counts::default(), Vec::new(), 1_000_000_000);
    forge.webhooks_to(&bot.webhook());
    let started = Instant::now();
    while opened.len() < each && !commits.is_empty() {
        let (commit, parent) = commits.swap_remove(dice.below(commits.len()));
        let Some(files) = brought(source, &parent, &commit) else { continue };
        let Some((changed, planted)) = planted(source, &files, plants, dice) else { continue };
        counts.planted += planted;
        clock += 60;
        opened.push(open(&repo, source, (&parent, &commit), &changed, clock));
    }
    counts.pulls = opened.len();
    for pull in &opened {
        reviewed(&repo, pull, bot);
    }
    seconds.push(started.elapsed().as_secs_f64());
    assert!(forge.settle(Duration::from_secs(60)), "webhooks that are not answered");
    forge.webhooks_to(NOWHERE);
    let bare = Arc::new(Repository::bare(&folder).expect("the forge's repository"));
    for pull in &opened {
        judge(&repo, &bare, engine, pull, &mut counts);
    }
    counts
}

/// The commit's files with bad code planted into one or two of them: mode, path, text.
fn planted(source: &Path, files: &[Entry], plants: &Plants, dice: &mut Dice) -> Option<(Vec<Entry>, usize)> {
    let sizes: usize =
        files.iter().map(|file| text(source, &["cat-file", "-s", &file.1]).trim().parse().unwrap_or(0)).sum();
    if sizes > MOST_BYTES {
        return None;
    }
    let fit: Vec<&Entry> =
        files.iter().filter(|file| folder(&file.2).is_some_and(|folder| plants.contains_key(folder))).collect();
    let mut changed: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut many = 0;
    for _ in 0..=dice.below(3) {
        let (mode, blob, path) = fit.get(dice.below(fit.len()))?;
        let before = match changed.get(path) {
            Some((_, before)) => before.clone(),
            None => String::from_utf8(git(source, &["cat-file", "blob", blob])).ok()?,
        };
        let codes = &plants[folder(path)?];
        for _ in 0..20 {
            let code = &codes[dice.below(codes.len())];
            if let Some(after) = put(path, &before, code, dice) {
                changed.insert(path.clone(), (mode.clone(), after));
                many += 1;
                break;
            }
        }
    }
    let changed = changed.into_iter().map(|(path, (mode, text))| (mode, path, text)).collect::<Vec<_>>();
    (many > 0).then_some((changed, many))
}

/// A text with code between two of its lines, indented as the line that follows; nothing where that breaks its syntax.
fn put(path: &str, before: &str, code: &str, dice: &mut Dice) -> Option<String> {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let at = dice.below(lines.len() + 1);
    let next = lines[at..].iter().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
    let indent = &next[..next.len() - next.trim_start().len()];
    let code: String =
        code.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{indent}{line}\n") }).collect();
    let ends = if at > 0 && !lines[at - 1].ends_with('\n') { "\n" } else { "" };
    let after = format!("{}{ends}{code}{}", lines[..at].concat(), lines[at..].concat());
    let file = SourceFile::new(RepoPath::new(path).ok()?, before.as_bytes().into(), u64::MAX).ok()?;
    (!patch::breaks_syntax(&file, after.as_bytes())).then_some(after)
}

/// Makes the two commits and opens the pull request.
fn open(repo: &Repo, source: &Path, (parent, commit): (&str, &str), changed: &[Entry], clock: u64) -> Opened {
    let tree = |commit: &str| text(source, &["rev-parse", &format!("{commit}^{{tree}}")]).trim().to_owned();
    let branch = format!("pr-{}", &commit[..12]);
    let who = format!("committer acme <acme@example.com> {clock} +0000");
    let mut stream = format!(
        "commit refs/heads/main\nmark :1\n{who}\ndata 4\nbase\nfrom refs/heads/main^0\nM 040000 {} \"\"\n\n\
         commit refs/heads/{branch}\n{who}\ndata 4\nhead\nfrom :1\nM 040000 {} \"\"\n",
        tree(parent),
        tree(commit),
    );
    for (mode, path, text) in changed {
        stream += &format!("M {mode} inline {path}\ndata {}\n{text}\n", text.len());
    }
    repo.import("hist", &stream).expect("an import");
    let number = repo.open_pr("hist", &branch, "history").expect("a pull request");
    let pull = repo.pull(number).expect("the pull request");
    Opened { number, branch, base: pull.base_sha, head: pull.head_sha, commit: commit.to_owned() }
}

/// Waits until the bot has ended its check run.
fn reviewed(repo: &Repo, pull: &Opened, bot: &Serving) {
    let started = Instant::now();
    while !repo.check_runs(&pull.head).iter().any(|run| run.status == "completed") {
        assert!(started.elapsed() < Duration::from_secs(300), "#{} was not reviewed:\n{}", pull.number, bot.log());
        thread::sleep(Duration::from_millis(100));
    }
}

/// The fingerprints of our hidden lines.
fn fingerprints(body: &str) -> impl Iterator<Item = Fingerprint> + '_ {
    let words = body.lines().filter_map(|line| line.strip_prefix("<!-- apprentice:1 ")?.split(' ').next());
    words.filter_map(|word| word.parse().ok())
}

/// A suggestion that can be committed, and the patch behind it.
struct Offer {
    comment: u64,
    path: String,
    check: String,
    edits: Vec<edit::Edit>,
}

fn judge(repo: &Repo, bare: &Arc<Repository>, engine: &Engine, pull: &Opened, counts: &mut Counts) {
    let at = format!("{}#{} (commit {})", repo.name(), pull.number, pull.commit);
    let (base, head) = (CommitId::parse(&pull.base).expect("a commit"), CommitId::parse(&pull.head).expect("a commit"));
    let review = engine.review(bare.between(&base, &head).expect("its versions"));
    let threads = repo.threads(pull.number);
    let reviews = repo.reviews(pull.number);
    counts.comments += threads.len();
    counts.incomplete +=
        usize::from(reviews.iter().any(|review| review.body.contains("Not everything could be reviewed")));
    // A fingerprint does not name the file: the same bad line in two files is two findings.
    let mut seen = HashSet::new();
    let in_threads = threads.iter().map(|thread| (thread.path.as_str(), &thread.comments[0].body));
    let bodies = in_threads.chain(reviews.iter().map(|review| ("", &review.body)));
    let told = bodies.flat_map(|(path, body)| fingerprints(body).map(move |fingerprint| (path, fingerprint)));
    let twice = told.filter(|told| !seen.insert(*told)).count();
    if twice > 0 || reviews.len() > 1 {
        counts.duplicates += 1;
        println!("DUPLICATE {at}: {twice} findings told twice, {} reviews", reviews.len());
    }
    let with_blocks = threads.iter().filter(|thread| thread.comments[0].body.lines().any(is_open));
    let offers: Vec<Offer> = with_blocks.filter_map(|thread| offer(&review, thread, &at, counts)).collect();
    for offer in &offers {
        let committed = try_these(repo, pull, &review, &[offer], &at, counts);
        counts.alone += usize::from(committed);
    }
    if offers.len() > 1 {
        let all: Vec<&Offer> = offers.iter().collect();
        let committed = try_these(repo, pull, &review, &all, &at, counts);
        counts.batches += usize::from(committed);
    }
}

fn is_open(line: &str) -> bool {
    line.strip_suffix("suggestion").is_some_and(|fence| fence.len() >= 3 && fence.bytes().all(|byte| byte == b'`'))
}

/// What a thread with a block promises: the patch of the finding it is about.
fn offer(review: &Review, thread: &Thread, at: &str, counts: &mut Counts) -> Option<Offer> {
    counts.suggestions += 1;
    let about: HashSet<Fingerprint> = fingerprints(&thread.comments[0].body).collect();
    let is_meant = |one: &&Reviewed| {
        let finding = &one.finding;
        finding.path.as_str() == thread.path && about.contains(&finding.fingerprint) && one.patch.is_some()
    };
    let found = review.findings.iter().find(is_meant);
    let Some(patch) = found.and_then(|found| found.patch.as_ref()) else {
        counts.other_bytes += 1;
        println!("NO PATCH {at} {}: the finding has none here", thread.path);
        return None;
    };
    let check = found.map(|found| found.finding.check.0.to_string()).unwrap_or_default();
    Some(Offer { comment: thread.comments[0].id, path: thread.path.clone(), check, edits: patch.edits().to_vec() })
}

/// Commits these suggestions on a copy of the head. Whether everything is as promised.
fn try_these(repo: &Repo, pull: &Opened, review: &Review, offers: &[&Offer], at: &str, counts: &mut Counts) -> bool {
    repo.force_push("hist", &pull.branch, &pull.head, &[]).expect("a copy of the head");
    let comments: Vec<u64> = offers.iter().map(|offer| offer.comment).collect();
    let checks: Vec<&str> = offers.iter().map(|offer| offer.check.as_str()).collect();
    let commit = match repo.commit_suggestion("hist", &comments, None) {
        Ok(commit) => commit,
        Err(error) => {
            counts.refused += 1;
            println!("REFUSED {at} {checks:?}: {error}");
            return false;
        }
    };
    let mut edits: BTreeMap<&str, Vec<edit::Edit>> = BTreeMap::new();
    for offer in offers {
        edits.entry(&offer.path).or_default().extend(offer.edits.iter().cloned());
    }
    let changed = repo.git(&["diff", "--name-only", "-z", &pull.head, &commit]).unwrap_or_default();
    let changed: Vec<&str> = changed.split('\0').filter(|path| !path.is_empty()).collect();
    let mut good = changed == edits.keys().copied().collect::<Vec<_>>();
    for (path, edits) in edits {
        good &= as_promised(repo, review, (&commit, path), edits, &format!("{at} {path} {checks:?}"), counts);
    }
    good
}

fn as_promised(
    repo: &Repo,
    review: &Review,
    (commit, path): (&str, &str),
    edits: Vec<edit::Edit>,
    at: &str,
    counts: &mut Counts,
) -> bool {
    let file = RepoPath::new(path).ok().and_then(|path| review.file(&path));
    let Some(file) = file else { return false };
    let promised = all_at_once(&file.bytes, edits);
    let got = repo.file(commit, path).unwrap_or_default();
    let mut good = true;
    if promised.as_deref() != Some(got.as_bytes()) {
        (good, counts.other_bytes) = (false, counts.other_bytes + 1);
        let promised = promised.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        println!("OTHER BYTES {at}");
        println!("{}", difference(promised.as_deref().unwrap_or("the patches overlap"), &got));
    }
    if patch::breaks_syntax(file, got.as_bytes()) {
        (good, counts.syntax) = (false, counts.syntax + 1);
        println!("SYNTAX {at}");
    }
    if reads(path, &file.bytes) == Some(true) {
        counts.compiled += 1;
        if reads(path, got.as_bytes()) == Some(false) {
            (good, counts.other_parser) = (false, counts.other_parser + 1);
            println!("OTHER PARSER {at}");
        }
    }
    good
}

/// The bytes with all of these edits, which may touch; nothing where two change the same bytes.
fn all_at_once(bytes: &[u8], edits: Vec<edit::Edit>) -> Option<Vec<u8>> {
    let mut edits: Vec<edit::Edit> = edits.into_iter().map(|edit| trimmed(bytes, edit)).collect();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let (mut out, mut at) = (Vec::new(), 0);
    for edit in edits {
        out.extend_from_slice(bytes.get(at..edit.start)?);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.end;
    }
    out.extend_from_slice(bytes.get(at..)?);
    Some(out)
}

/// The same edit without what it replaces by itself: a rule may write a whole clause to change one word of it.
fn trimmed(bytes: &[u8], edit: edit::Edit) -> edit::Edit {
    let (old, new) = (&bytes[edit.start..edit.end], edit.text.as_bytes());
    let first = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let first = (0..=first).rev().find(|&at| edit.text.is_char_boundary(at)).unwrap_or(0);
    let most = old.len().min(new.len()) - first;
    let last = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let last = (0..=last).rev().find(|&at| edit.text.is_char_boundary(new.len() - at)).unwrap_or(0);
    let text = edit.text[first..new.len() - last].to_owned();
    edit::Edit { start: edit.start + first, end: edit.end - last, text }
}

/// What differs, as a diff with a line of context.
fn difference(promised: &str, got: &str) -> String {
    let diff = similar::TextDiff::from_lines(promised, got);
    diff.unified_diff().context_radius(1).header("promised", "committed").to_string()
}

/// Whether the language's own parser reads this; nothing where there is none.
fn reads(path: &str, bytes: &[u8]) -> Option<bool> {
    let command: &[&str] = match Path::new(path).extension()?.to_str()? {
        "py" => &["python3", "-W", "ignore", "-c", "import ast, sys; ast.parse(sys.stdin.buffer.read())"],
        "go" => &["gofmt", "-e"],
        "rs" => &["rustfmt", "--edition", "2024", "--emit", "stdout"],
        "sh" | "bash" => &["bash", "-n"],
        _ => return None,
    };
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let _ = child.stdin.take()?.write_all(bytes);
    child.wait().ok().map(|status| status.success())
}
