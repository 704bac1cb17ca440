//! `apprentice hook`

mod install;
mod run;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Args, Hook, HookCommand};

pub(crate) use install::status;

pub(crate) fn run(args: &Args, hook: &Hook) -> Result<ExitCode> {
    match &hook.command {
        HookCommand::Install { types, force } => install::install(args, types, *force),
        HookCommand::Uninstall => install::uninstall(args),
        HookCommand::Status => install::print_status(args),
        HookCommand::Run { hook, args: given } => run::run(args, *hook, given),
    }
}
