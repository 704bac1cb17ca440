//! `apprentice doctor`

use std::process::ExitCode;

use anyhow::Result;

use engine::{
    check::linter::Listed,
    recall::{IndexError, tree, update},
};

use crate::{
    args::Args,
    env, files, hook, index, linters, model, review,
    setup::{self, Setup},
};

/// One line of the report: whether it is in order, what it is about, and what was found.
struct Line {
    ok: bool,
    about: &'static str,
    found: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let lines = look(args);
    let mut text = String::new();
    for line in &lines {
        text += &format!("{} {:<14} {}\n", if line.ok { "ok  " } else { "MEND" }, line.about, line.found);
    }
    review::print(&text)?;
    Ok(ExitCode::from(u8::from(lines.iter().any(|line| !line.ok))))
}

fn look(args: &Args) -> Vec<Line> {
    let line = |ok: bool, about: &'static str, found: String| Line { ok, about, found };
    let setup = match setup::read(args) {
        Ok(setup) => setup,
        Err(error) => return vec![line(false, "configuration", format!("{error:#}"))],
    };
    let mut lines = Vec::new();
    match setup.repository() {
        Ok(repository) => {
            let place = repository.work_dir().map_or_else(|error| error.to_string(), |path| path.display().to_string());
            lines.push(line(true, "repository", place));
            lines.extend(hook::status(repository).into_iter().map(|found| line(true, "hook", found)));
        }
        Err(error) => {
            lines.push(line(false, "repository", format!("{error:#}; run `git init`, or use `review --all`")))
        }
    }
    let own = setup.root.join("apprentice.toml");
    let found = if files::exists(&own) {
        own.display().to_string()
    } else {
        "defaults (`apprentice config init` writes a file)".into()
    };
    lines.push(line(true, "configuration", found));
    if let Some(user) = env::user_config().filter(|path| files::exists(path)) {
        lines.push(line(true, "configuration", user.display().to_string()));
    }
    match setup.engine_without_model() {
        Ok((engine, notices)) => {
            lines.push(line(true, "rules", format!("{} in force", engine.rules().iter().count())));
            lines.extend(
                notices.iter().map(|notice| line(false, "rules", format!("{}: {}", notice.about, notice.what))),
            );
        }
        Err(error) => lines.push(line(false, "rules", format!("{error:#}"))),
    }
    lines.push(match index::embedder(&setup) {
        Ok(found) => line(true, "embedder", format!("{}, {} components", found.name(), found.dimensions())),
        Err(error) => line(false, "embedder", format!("{error:#}")),
    });
    let (ok, found) = model::look(&setup);
    lines.push(line(ok, "model", found));
    lines.extend(model::adapters(&setup).into_iter().map(|(ok, found)| line(ok, "adapter", found)));
    match linters::look(args) {
        Ok(listed) => lines.extend(listed.iter().filter_map(linter_line)),
        Err(error) => lines.push(line(false, "linters", format!("{error:#}"))),
    }
    lines.extend(index_line(&setup));
    lines
}

/// What evidence for findings comes from; none outside a repository and where it is not wanted.
fn index_line(setup: &Setup) -> Option<Line> {
    let repository = setup.repository().ok().filter(|_| setup.config.recall.enable)?;
    let folder = setup.index_folder().ok()?;
    let (ok, found) = match update::status(&folder, &tree::name(repository)) {
        Ok(status) => (true, format!("{} files, {} pieces", status.units, status.chunks)),
        Err(IndexError::None { .. }) => (
            true,
            "none; `apprentice index build` makes one, and findings show what they call and who calls them".into(),
        ),
        Err(error) => (false, format!("{error}; {}", error.advice().unwrap_or("look at the folder's permissions"))),
    };
    Some(Line { ok, about: "index", found })
}

/// A linter that runs here, or that the repository asks for and nobody installed; none for all others.
fn linter_line(linter: &Listed) -> Option<Line> {
    let (ok, found) = match (&linter.found, linter.eligible) {
        (Some(_), true) => (true, format!("{} {}", linter.name, linter.version.as_deref().unwrap_or(""))),
        (None, true) => (false, format!("{} is not installed: {}; see {}", linter.name, linter.because, linter.url)),
        (_, false) => return None,
    };
    Some(Line { ok, about: "linter", found })
}
