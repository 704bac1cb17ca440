//! `apprentice index`

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use engine::{
    model::{self, Embedder},
    notice::Notice,
    recall::{
        IndexError, Searcher,
        documents::Documents,
        tree::{self, Tree},
        update::{self, Library, Options, Progress, Step, Updated, Wait},
    },
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    args::{self, Args, IndexCommand},
    env, files, review,
    setup::{self, Setup, Topic},
};

pub(crate) fn run(args: &Args, given: &args::Index) -> Result<ExitCode> {
    let setup = setup::read(args)?;
    match given.command {
        IndexCommand::Build => tell(&bring_up(&setup, Wait::UntilFree, true)?),
        IndexCommand::Update { background: false } => tell(&bring_up(&setup, Wait::UntilFree, false)?),
        IndexCommand::Update { background: true } => in_background(&setup),
        IndexCommand::Status { verify } => status(&setup, verify),
        IndexCommand::Watch => watch(args, &setup),
    }
}

/// The embedder that the configuration names.
pub(crate) fn embedder(setup: &Setup) -> Result<Arc<dyn Embedder>> {
    let model = &setup.config.model;
    Ok(model::embedder(&model.embedder, &setup.access(Topic::Other))?)
}

/// Brings the index to what is on disk now.
pub(crate) fn bring_up(setup: &Setup, wait: Wait, anew: bool) -> Result<Updated> {
    let folder = setup.index_folder()?;
    let tree = Tree::new(Arc::clone(setup.repository()?), &setup.config, setup.ignored()?)?;
    let embedder = embedder(setup)?;
    let (documents, notice) = Documents::open(&setup.repository()?.common_dir().join("apprentice/corpus.db"))?;
    say_notices(notice.as_slice());
    let libraries: [&dyn Library; 2] = [&tree, &documents];
    let bars = Bars::new();
    let progress: Progress<'_> = &|step, done, all| bars.tell(step, done, all);
    let stop = AtomicBool::new(false);
    let options = Options { embedder: &*embedder, wait, anew, progress, stop: &stop };
    update::update(&folder, &libraries, &options).with_context(|| format!("cannot update `{}`", folder.display()))
}

fn tell(updated: &Updated) -> Result<ExitCode> {
    say_notices(&updated.notices);
    let Updated { added, left, units, chunks, vectors, .. } = updated;
    let later = if *vectors > 0 { format!(", {vectors} vectors made") } else { String::new() };
    review::print(&format!("{units} files in the index: {added} new ({chunks} pieces), {left} gone{later}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn say_notices(notices: &[Notice]) {
    for notice in notices {
        anstream::eprintln!("{}: {}", notice.about, notice.what);
    }
}

/// What a hook starts and leaves behind: it must neither slow anybody nor complain.
fn in_background(setup: &Setup) -> Result<ExitCode> {
    env::lower_priority();
    env::leave_terminal();
    match bring_up(setup, Wait::Never, false) {
        Err(error) if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(IndexError::Busy))) => {
            Ok(ExitCode::SUCCESS)
        }
        done => done.map(|_| ExitCode::SUCCESS),
    }
}

fn status(setup: &Setup, verify: bool) -> Result<ExitCode> {
    setup.repository()?.work_dir()?;
    let folder = setup.index_folder()?;
    let status = update::status(&folder, &tree::name(setup.repository()?))?;
    let mut text = format!(
        "{}\n{} files, {} pieces, {} vectors ({})\n{:.1} MB\n",
        folder.display(),
        status.units,
        status.chunks,
        status.vectors,
        status.embedder,
        status.bytes as f64 / 1e6
    );
    if let Some(pid) = status.writer {
        text += &format!("process {pid} is writing it\n");
    }
    let tree = Tree::new(Arc::clone(setup.repository()?), &setup.config, setup.ignored()?)?;
    let behind = update::behind(&folder, &tree)?;
    text += &match behind {
        0 => "up to date\n".to_owned(),
        behind => format!("{behind} files differ; `apprentice index update` takes them in\n"),
    };
    if verify {
        let views = setup.index_views()?;
        let searcher = Searcher::open(&folder, &views.each_ref().map(String::as_str))?;
        let (chunks, words, vectors) = searcher.verify()?;
        text += &format!("whole: {chunks} pieces, {words} with words, {vectors} with vectors\n");
    }
    review::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Updates whenever something changes, a moment after the last change and two seconds after the first at most. What
/// fails is told and tried again with the next change.
fn watch(args: &Args, setup: &Setup) -> Result<ExitCode> {
    use notify::Watcher as _;
    const QUIET: Duration = Duration::from_millis(300);
    const LONGEST: Duration = Duration::from_secs(2);
    let root = files::canonical(&setup.root)?;
    let own = files::canonical(setup.repository()?.common_dir())?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| is_telling(&event, &own)) {
            // A send fails only when nobody listens any more.
            let _ = sender.send(());
        }
    })?;
    watcher.watch(&root, notify::RecursiveMode::Recursive).context("cannot watch the work tree")?;
    tell(&bring_up(setup, Wait::UntilFree, false)?)?;
    loop {
        receiver.recv()?;
        let first = Instant::now();
        while first.elapsed() < LONGEST && receiver.recv_timeout(QUIET).is_ok() {}
        // The configuration and what is ignored may have changed, too.
        match setup::read(args).and_then(|setup| bring_up(&setup, Wait::UntilFree, false)) {
            Ok(updated) if updated.added + updated.left > 0 => {
                tell(&updated)?;
            }
            Ok(_) => {}
            Err(error) if files::exists(&root) => anstream::eprintln!("{}", crate::explain(&error)),
            Err(error) => return Err(error).context("the work tree is gone"),
        }
    }
}

/// Whether an event may mean that a file's content or what git says of it changed. What is written below git's own
/// directory is not, but for the two files that say what is checked out and what is tracked; our index lies there.
fn is_telling(event: &notify::Event, own: &Path) -> bool {
    let is_telling = |path: &PathBuf| {
        let inside = path.starts_with(own) || path.components().any(|part| part.as_os_str() == ".git");
        !inside || ["HEAD", "index"].into_iter().any(|name| *path == own.join(name))
    };
    event.need_rescan() || !event.kind.is_access() && event.paths.iter().any(is_telling)
}

/// A bar a step, drawn on a terminal only and only when it takes a while.
struct Bars {
    bar: ProgressBar,
    begun: Instant,
}

impl Bars {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    fn tell(&self, step: Step, done: u64, all: u64) {
        if self.bar.is_hidden() && std::io::stderr().is_terminal() && self.begun.elapsed() > Duration::from_millis(300)
        {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(match step {
            Step::Files => "files",
            Step::Vectors => "vectors",
        });
        self.bar.set_length(all);
        self.bar.set_position(done);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
