//! `apprentice review`

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, anyhow};
use engine::{
    change::{
        Change, FileChange, Origin, Versions, diff,
        resolve::{self, Places},
    },
    config::{self, FailOn},
    edit::Applicability,
    finding::Severity,
    git::{Landing, StagedFile},
    notice::Notice,
    pipeline::{Engine, Mended},
    report::{self, Color},
    review::{Baseline, Review},
    source::{Directory, Memory, RepoPath, Sources},
};

use crate::{
    args, files, interactive,
    setup::{self, Setup, Topic},
};

pub(crate) fn run(args: &args::Args, review: &args::Review) -> Result<ExitCode> {
    if review.interactive {
        interactive::check()?;
    }
    let setup = read_setup(args, review)?;
    let mut versions = versions(&setup, review)?;
    let (engine, notices) = setup.engine(Topic::Change(&versions.change))?;
    if review.apply {
        let fixed = apply(&setup, review, &engine, &versions)?;
        anstream::eprint!("{fixed}");
        versions = self::versions(&setup, review)?;
    }
    versions.notices.extend(notices);
    if review.interactive {
        return interactive::run(&setup, review, &engine, versions);
    }
    let mut done = engine.review(versions);
    done.notices.extend(setup.tell(&done));
    if review.write_baseline {
        return write_baseline(&setup, &done);
    }
    write(review, &done)?;
    Ok(exit_code(&done, setup.config.review.fail_on))
}

fn read_setup(args: &args::Args, review: &args::Review) -> Result<Setup> {
    let mut setup = setup::read(args)?;
    let flag = |name: &str| config::Origin::Flag(name.into());
    if let Some(severity) = &review.fail_on {
        setup.layers.set("review.fail_on", severity, &flag("--fail-on"))?;
    }
    if review.no_linters {
        setup.layers.set("linters.enable", "false", &flag("--no-linters"))?;
    }
    if review.no_recall {
        setup.layers.set("recall.enable", "false", &flag("--no-recall"))?;
    }
    if review.what.all {
        setup.layers.set("review.untouched_lines", "true", &flag("--all"))?;
    }
    setup.config = setup.layers.resolve()?;
    Ok(setup)
}

/// 0 clean, 1 findings at or above `fail_on`, 2 something that should have run did not.
pub(crate) fn exit_code(review: &Review, fail_on: FailOn) -> ExitCode {
    let least = match fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Info => Some(Severity::Info),
        FailOn::Never => None,
    };
    match (least, review.worst()) {
        (Some(least), Some(worst)) if worst >= least => ExitCode::from(1),
        _ if review.is_incomplete() => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}

/// The change that is meant, in the paths that are meant.
pub(crate) fn versions(setup: &Setup, args: &args::Review) -> Result<Versions> {
    let mut versions = versions_of(setup, &args.what)?;
    keep_paths(setup, &args.paths, &mut versions)?;
    Ok(versions)
}

/// The change that is meant.
pub(crate) fn versions_of(setup: &Setup, what: &args::What) -> Result<Versions> {
    Ok(if what.all {
        setup.refused_repository()?;
        everything(&setup.root)?
    } else if let Some(file) = &what.diff {
        from_diff(setup, file)?
    } else {
        let repository = setup.repository()?;
        match (&what.commit, &what.range) {
            (Some(revision), _) => repository.commit(revision)?,
            (_, Some(range)) => repository.range(range)?,
            _ if what.worktree => repository.worktree()?,
            _ => repository.staged()?,
        }
    })
}

/// A diff can be reviewed without a repository too, against the files of the current folder.
fn from_diff(setup: &Setup, file: &Path) -> Result<Versions> {
    let (name, text) = if file == Path::new("-") {
        ("-".into(), files::read_stdin()?)
    } else {
        (file.to_string_lossy(), files::read_bytes(file)?)
    };
    if let Some(repository) = &setup.repository {
        return Ok(repository.diff(&name, &text));
    }
    let (files, mut notices) = diff::parse(&text);
    if let Err(error) = setup.refused_repository() {
        notices.push(Notice::note("git", format!("only files on disk were looked at: {error:#}")));
    }
    let work_tree = Directory::new(&setup.root);
    let places = Places { work_tree: &work_tree, others: &[], blob: &|_| None };
    Ok(resolve::versions(&name, files, notices, &places))
}

fn everything(root: &Path) -> Result<Versions> {
    let directory = Directory::new(root);
    let files = directory.list()?.into_iter().map(|path| FileChange::whole(path, None)).collect();
    Ok(Versions {
        change: Change { origin: Origin::All, files },
        old: Arc::new(Memory::default()),
        new: Arc::new(directory),
        notices: Vec::new(),
    })
}

fn keep_paths(setup: &Setup, paths: &[std::path::PathBuf], versions: &mut Versions) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let wanted = paths.iter().map(|path| setup.repo_path(path)).collect::<Result<Vec<Option<RepoPath>>>>()?;
    let below = |path: &RepoPath, wanted: &RepoPath| {
        path.as_str().strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for (given, wanted) in paths.iter().zip(&wanted) {
        let is_there = |wanted: &RepoPath| versions.change.files.iter().any(|file| below(&file.path, wanted));
        if !wanted.as_ref().is_none_or(is_there) {
            versions.notices.push(Notice::note(given.display(), "no file of this change is there"));
        }
    }
    versions
        .change
        .files
        .retain(|file| wanted.iter().any(|wanted| wanted.as_ref().is_none_or(|wanted| below(&file.path, wanted))));
    Ok(())
}

fn apply(setup: &Setup, args: &args::Review, engine: &Engine, versions: &Versions) -> Result<String> {
    if args.what.commit.is_some() || args.what.range.is_some() || args.what.diff.is_some() {
        return Err(anyhow!("--apply needs a change that can still be edited: what is staged, --worktree or --all"));
    }
    let most = if args.r#unsafe { Applicability::Unsafe } else { Applicability::Safe };
    let (mended, notices) = engine.mend(versions, most);
    let mut text: String = notices.iter().map(|notice| format!("note: {}: {}\n", notice.about, notice.what)).collect();
    text += &land(setup, args, &mended)?;
    if engine.has_adviser() && args.r#unsafe {
        // What a model wrote is proven against the text as it is now.
        let versions = self::versions(setup, args)?;
        let review = engine.review(self::versions(setup, args)?);
        text += &land(setup, args, &engine.patched(&review, &versions, most))?;
    }
    Ok(text)
}

fn land(setup: &Setup, args: &args::Review, mended: &[Mended]) -> Result<String> {
    let files: Vec<StagedFile> = mended
        .iter()
        .map(|file| StagedFile { path: file.path.clone(), before: file.before.to_vec(), after: file.after.to_vec() })
        .collect();
    let landings = land_files(setup, args, &files)?;
    Ok(mended.iter().zip(&landings).map(|(file, landing)| landed(file, landing)).collect())
}

/// Puts changes of files in place: in the index and the work tree alike, or in the work tree where that was reviewed.
pub(crate) fn land_files(setup: &Setup, args: &args::Review, files: &[StagedFile]) -> Result<Vec<Landing>> {
    let repository = setup.repository()?;
    Ok(if args.what.all || args.what.worktree {
        repository.land_in_work_tree(files)?
    } else {
        repository.land(files)?
    })
}

fn landed(file: &Mended, landing: &Landing) -> String {
    let many = file.applied.len();
    let plural = if many == 1 { "" } else { "es" };
    match landing {
        Landing::Landed => format!("fixed: {}: {many} patch{plural}\n", file.path),
        Landing::Left(why) => format!("not fixed: {}: {why}\n", file.path),
    }
}

fn write_baseline(setup: &Setup, review: &Review) -> Result<ExitCode> {
    let baseline = Baseline::of(review);
    let path = setup.baseline_path();
    files::write(&path, baseline.to_json().as_bytes())?;
    let plural = if baseline.len() == 1 { "" } else { "s" };
    anstream::eprintln!("wrote {} finding{plural} to {}", baseline.len(), path.display());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn write(args: &args::Review, review: &Review) -> Result<()> {
    let format = args.format.into();
    match &args.output {
        Some(path) => files::write(path, report::render(review, format, Color::Off).as_bytes()),
        None => print(&report::render(review, format, Color::On)),
    }
}

/// Says on standard error what a review could not do.
pub(crate) fn tell_notices(review: &Review) {
    for notice in &review.notices {
        anstream::eprintln!("note: {}: {}", interactive::clean(&notice.about), interactive::clean(&notice.what));
    }
}

/// Prints, leaving out escape codes where nobody could see them. A reader that went away is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to standard output"),
    }
}
