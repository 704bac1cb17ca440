//! How does the index keep up without anybody waiting for it?
#![expect(clippy::disallowed_methods, reason = "starts this very program again")]

use std::process::{Command, Stdio};

use engine::recall::update;

use crate::{args::Args, env, setup::Setup};

/// Starts an update of the index and leaves it behind, where there is an index and the configuration lets hooks keep it.
/// It holds nothing of git's: no pipe, no lock, none of the variables that show one commit's own index. That it cannot
/// be started is no reason to stop anybody; `index status` says how far the index is behind.
pub(crate) fn keep_up(args: &Args, setup: &Setup) {
    let recall = &setup.config.recall;
    let is_there = || setup.index_folder().is_ok_and(|folder| update::is_there(&folder));
    let Some(program) = env::program().filter(|_| recall.enable && recall.background && is_there()) else { return };
    let mut command = Command::new(program);
    for name in env::of_git() {
        command.env_remove(name);
    }
    for pair in &args.set {
        command.arg("--set").arg(pair);
    }
    command.args(["index", "update", "--background"]).current_dir(&setup.root);
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
