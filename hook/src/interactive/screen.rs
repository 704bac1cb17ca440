//! What does the terminal say, and how is it left as it was found?

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use ratatui::{
    DefaultTerminal, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        event::{self, Event, KeyEventKind},
        execute,
        terminal::{EnterAlternateScreen, enable_raw_mode},
    },
};

use super::{
    draw::{Paint, draw},
    editor,
    state::{Changes, Seen, State, Step},
};
use crate::env;

/// How long a signal may wait until it is noticed.
const NOTICE: Duration = Duration::from_millis(100);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Someone left; the exit code.
    Left(u8),
    /// The answers hold.
    Finished(Changes),
}

/// An error where nobody could see or answer anything.
pub(crate) fn check() -> Result<()> {
    let missing = match (io::stdin().is_terminal(), io::stdout().is_terminal()) {
        (false, _) => "standard input is not one",
        (_, false) => "standard output is not one",
        _ if env::is_dumb_terminal() => "TERM=dumb has no cursor",
        _ => return Ok(()),
    };
    Err(anyhow!("--interactive needs a terminal: {missing}; --apply makes the safe patches without one"))
}

/// Shows the findings until the person has finished or left. `command` starts their editor.
pub(super) fn show(state: &mut State<'_>, command: &str) -> Result<End> {
    let signals = Signals::notice()?;
    let mut screen = Screen::enter()?;
    let paint = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => Paint::Plain,
        _ => Paint::Colors,
    };
    loop {
        screen.draw(state, paint)?;
        let key = loop {
            if let Some(code) = signals.told() {
                return Ok(End::Left(code));
            }
            if !event::poll(NOTICE).context("cannot read the terminal")? {
                continue;
            }
            match event::read().context("cannot read the terminal")? {
                Event::Key(key) if key.kind != KeyEventKind::Release => break Some(key),
                Event::Resize(..) => break None,
                _ => {}
            }
        };
        let Some(key) = key else { continue };
        match state.update(key) {
            Step::Stay => {}
            Step::Edit(text) => {
                let written = screen.without(|| editor::edit(command, state.path(), &text))?;
                signals.forget_interrupt();
                match written {
                    Ok(written) => state.written(&written),
                    Err(error) => state.message = Some(format!("{error:#}")),
                }
            }
            Step::Suspend => screen.without(suspend)?,
            Step::Leave => return Ok(End::Left(130)),
            Step::Finish(changes) => return Ok(End::Finished(changes)),
        }
    }
}

/// The terminal while it is ours. Dropping it gives it back; a panic does so too, before it is told.
struct Screen(DefaultTerminal);

impl Screen {
    fn enter() -> Result<Self> {
        let screen = ratatui::try_init().inspect_err(|_| ratatui::restore());
        Ok(Self(screen.context("cannot use the terminal")?))
    }

    fn draw(&mut self, state: &mut State<'_>, paint: Paint) -> Result<()> {
        let mut seen = Seen::default();
        self.0.draw(|frame| seen = draw(state, paint, frame.buffer_mut())).context("cannot write to the terminal")?;
        state.saw(seen);
        Ok(())
    }

    /// Does something with the terminal as it was before, and takes it again.
    fn without<T>(&mut self, work: impl FnOnce() -> T) -> Result<T> {
        ratatui::restore();
        let _ = self.0.show_cursor();
        let done = work();
        let again = enable_raw_mode().and_then(|()| execute!(io::stdout(), EnterAlternateScreen));
        // Clearing the old one would ask the terminal where its cursor is, and wait for an answer.
        let fresh = again.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        self.0 = fresh.context("cannot use the terminal")?;
        Ok(done)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Signals that ask the program to end, so that it ends with the terminal in order.
struct Signals {
    terminated: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

impl Signals {
    fn notice() -> Result<Self> {
        let signals = Self { terminated: Arc::default(), interrupted: Arc::default() };
        #[cfg(unix)]
        for (signal, flag) in
            [(signal_hook::consts::SIGTERM, &signals.terminated), (signal_hook::consts::SIGINT, &signals.interrupted)]
        {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot notice signals")?;
        }
        Ok(signals)
    }

    /// The exit code that a signal asks for.
    fn told(&self) -> Option<u8> {
        let told = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        match (told(&self.terminated), told(&self.interrupted)) {
            (true, _) => Some(143),
            (_, true) => Some(130),
            _ => None,
        }
    }

    /// An interrupt that was meant for the editor reached us too.
    fn forget_interrupt(&self) {
        self.interrupted.store(false, Ordering::Relaxed);
    }
}

/// Stops until the shell says go on.
fn suspend() {
    #[cfg(unix)]
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
}
