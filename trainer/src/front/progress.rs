//! How far is it? Shown on a terminal, and nowhere else.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on the terminal that says what is done, and how much of it.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A line without words so far; none where nobody looks.
    pub(crate) fn new() -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(5),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(200));
        let progress = Self(bar);
        progress.say("");
        progress
    }

    /// Something of which it is not known how much there is.
    pub(crate) fn say(&self, what: &str) {
        self.style("{spinner} {msg} {elapsed}", what);
    }

    /// So many bytes of something.
    pub(crate) fn bytes(&self, what: &str, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
        self.style("{spinner} {msg} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left", what);
    }

    /// So many of something.
    pub(crate) fn count(&self, what: &str, done: usize, all: usize) {
        self.0.set_length(all as u64);
        self.0.set_position(done as u64);
        self.style("{spinner} {msg} {pos} of {len}, {eta} left", what);
    }

    fn style(&self, template: &str, what: &str) {
        if self.0.message() == what && !what.is_empty() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
