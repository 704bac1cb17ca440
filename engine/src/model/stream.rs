//! What does a server say piece by piece? Lines from bytes, and an answer from pieces, both within bounds.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::chat::{ModelError, Request};

/// How often is looked whether an answer is still wanted, while a server says nothing.
pub(super) const PULSE: Duration = Duration::from_millis(50);

/// Longest line, in bytes.
pub(super) const MOST_LINE: usize = 1 << 20;

/// Longest token of any vocabulary we know of, in bytes, and then some.
const MOST_TOKEN: usize = 512;

/// Cuts bytes into lines, however they come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

/// A line that does not end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Takes bytes in and gives every line that is whole by then, without what ends it; empty ones are left out.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut whole = Vec::new();
        let mut pieces = bytes.split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.begun.len() + piece.len() > MOST_LINE {
                return Err(TooLong);
            }
            self.begun.extend_from_slice(piece);
            if pieces.peek().is_some() {
                whole.extend(self.rest());
            }
        }
        Ok(whole)
    }

    /// What stands after the end of the last line.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.begun).trim_ascii().to_vec();
        (!line.is_empty()).then_some(line)
    }
}

/// An answer that grows.
#[derive(Debug, Default)]
pub(super) struct Growing {
    pub(super) text: String,
    /// Pieces so far: tokens, or fewer.
    pub(super) pieces: usize,
    /// Whether the server went on after what it was allowed.
    pub(super) is_over: bool,
    most: usize,
}

impl Growing {
    /// An answer of at most so many tokens.
    pub(super) fn new(most: usize) -> Self {
        Self { text: String::new(), pieces: 0, is_over: false, most }
    }

    /// Adds a piece and tells it; nothing once there are more pieces than tokens were allowed, or more bytes than these
    /// could have.
    pub(super) fn add(&mut self, piece: &str, told: &mut dyn FnMut(&str)) {
        if piece.is_empty() || self.is_over {
            return;
        }
        let room = self.most.saturating_mul(MOST_TOKEN) - self.text.len();
        self.is_over = self.pieces >= self.most || piece.len() > room;
        if !self.is_over {
            self.pieces += 1;
            self.text.push_str(piece);
            told(piece);
        }
    }

    /// Counts a piece that is no part of the answer: a thought.
    pub(super) fn pass(&mut self, thought: &str) {
        self.pieces += usize::from(!thought.is_empty());
        self.is_over |= self.pieces > self.most;
    }
}

/// How often a server that is busy is asked again, and how long is waited before the first time; each further pause is
/// twice as long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(250);

/// Tries until it is no longer the server being busy that is in the way, but not for long and not longer than wanted.
pub(super) fn patiently<T>(
    request: &Request<'_>,
    once: &mut dyn FnMut() -> Result<T, Failed>,
) -> Result<T, ModelError> {
    for attempt in 0.. {
        match once() {
            Ok(done) => return Ok(done),
            Err(Failed::Busy(_)) if attempt + 1 < TRIES => pause(request, PAUSE * 2_u32.pow(attempt))?,
            Err(Failed::Busy(error) | Failed::Error(error)) => return Err(error),
        }
    }
    Err(ModelError::Late)
}

/// Why an attempt gave no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The server has no time, or is still reading its model.
    Busy(ModelError),
    /// Another attempt would fare no better.
    Error(ModelError),
}

impl From<ModelError> for Failed {
    fn from(error: ModelError) -> Self {
        Self::Error(error)
    }
}

fn pause(request: &Request<'_>, pause: Duration) -> Result<(), ModelError> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        request.go_on()?;
        sleep(PULSE.min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// Whether question and answer fit.
pub(super) fn fits(question: usize, request: &Request<'_>, window: usize) -> Result<(), ModelError> {
    let tokens = question.saturating_add(request.most);
    if tokens > window { Err(ModelError::TooLong { tokens, window }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Result<Vec<String>, TooLong> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            found.extend(lines.take(piece)?);
        }
        found.extend(lines.rest());
        Ok(found.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_cut() {
        let text = "{\"a\":\"größe\"}\r\n\n{\"b\":2}\n{\"c\":3}".as_bytes();
        let whole = cut(&[text]).unwrap();
        assert_eq!(whole, ["{\"a\":\"größe\"}", "{\"b\":2}", "{\"c\":3}"]);
        for at in 0..=text.len() {
            assert_eq!(cut(&[&text[..at], &text[at..]]).unwrap(), whole);
        }
        assert_eq!(cut(&text.chunks(1).collect::<Vec<_>>()).unwrap(), whole);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let piece = vec![b'x'; MOST_LINE / 4 + 1];
        assert_eq!(cut(&[&piece, &piece, &piece, &piece]), Err(TooLong));
    }

    #[test]
    fn an_answer_stops_growing_at_what_was_allowed() {
        let mut answer = Growing::new(2);
        let mut told = String::new();
        for piece in ["a", "", "b", "c"] {
            answer.add(piece, &mut |piece| told.push_str(piece));
        }
        assert_eq!((answer.text.as_str(), told.as_str(), answer.is_over), ("ab", "ab", true));
        let mut answer = Growing::new(1);
        answer.add(&"x".repeat(MOST_TOKEN + 1), &mut |_| panic!("too long to be told"));
        assert!(answer.is_over && answer.text.is_empty());
    }
}
