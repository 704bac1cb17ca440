//! `apprentice config`

use std::process::ExitCode;

use anyhow::{Result, bail};
use engine::{
    config::{repository_toml, schema},
    notice::{Gravity, Notice},
};

use crate::{
    args::{Args, ConfigArgs, ConfigCommand},
    files, review,
    setup::{self, Topic},
};

pub(crate) fn run(args: &Args, config: &ConfigArgs) -> Result<ExitCode> {
    match config.command {
        ConfigCommand::Show { origin } => show(args, origin)?,
        ConfigCommand::Check => check(args)?,
        ConfigCommand::Init => init(args)?,
        ConfigCommand::Schema { review: true } => review::print(&engine::report::schema())?,
        ConfigCommand::Schema { review: false } => review::print(&schema())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Args, with_origin: bool) -> Result<()> {
    let setup = setup::read(args)?;
    let mut text = String::new();
    for (key, value, origin) in setup.layers.explain() {
        text += &format!("{key} = {value}");
        if with_origin {
            text += &format!("  # {origin}");
        }
        text.push('\n');
    }
    review::print(&text)
}

fn check(args: &Args) -> Result<()> {
    let setup = setup::read(args)?;
    let (engine, notices) = setup.engine(Topic::Project)?;
    // Which adapter was taken is no trouble.
    let is_trouble = |notice: &&Notice| notice.gravity > Gravity::Note || !notice.about.starts_with("adapter");
    if let Some(notice) = notices.iter().find(is_trouble) {
        bail!("{}: {}", notice.about, notice.what);
    }
    anstream::println!("configuration and {} rules are in order", engine.rules().iter().count());
    Ok(())
}

fn init(args: &Args) -> Result<()> {
    let setup = setup::read(args)?;
    let path = setup.root.join("apprentice.toml");
    if files::exists(&path) {
        bail!("`{}` is there already; edit it, or move it away first", path.display());
    }
    files::write(&path, repository_toml().as_bytes())?;
    anstream::println!("wrote {}", path.display());
    Ok(())
}
