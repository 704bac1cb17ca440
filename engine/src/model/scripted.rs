//! What if the answers were known? A model for tests and recordings that says what a file tells it to.
#![expect(clippy::disallowed_methods, reason = "a script is a file that the person at the machine named")]

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;

use super::chat::{Answer, Model, ModelError, Request, Role, Usage};

/// One answer of a script, a line of JSON in its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Only for a question that holds this; without it, for the next question that no other line wants.
    #[serde(default)]
    when: Option<String>,
    /// The answer; `{{nonce}}` stands for the fence of the question, as a model could echo it.
    #[serde(default)]
    say: String,
    /// How often the answer is repeated, to play one that does not end.
    #[serde(default = "one")]
    times: usize,
    /// Break off with this error after the answer.
    #[serde(default)]
    fail: Option<String>,
    /// Serve every such question, not one.
    #[serde(default)]
    always: bool,
}

fn one() -> usize {
    1
}

/// Says what its lines tell it to, in order.
#[derive(Debug)]
pub struct Scripted {
    name: String,
    window: usize,
    lines: Mutex<VecDeque<Line>>,
}

impl Scripted {
    /// The script in a file.
    ///
    /// # Errors
    /// [`ModelError::File`] when it cannot be read, or names the line that is none.
    pub fn open(file: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(file)
            .map_err(|why| ModelError::File { file: file.display().to_string(), why: why.to_string() })?;
        Self::parse(file, &text)
    }

    /// A script from JSON lines. The name holds a hash of them.
    ///
    /// # Errors
    /// [`ModelError::File`] naming the line that is none.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ModelError> {
        let wrong = |line: usize, why: serde_json::Error| ModelError::File {
            file: file.display().to_string(),
            why: format!("line {}: {why}", line + 1),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let lines = lines.map(|(at, line)| serde_json::from_str(line).map_err(|why| wrong(at, why)));
        let lines = lines.collect::<Result<_, _>>()?;
        let name = format!("scripted:{}", &blake3::hash(text.as_bytes()).to_hex()[..12]);
        Ok(Self { name, window: 8192, lines: Mutex::new(lines) })
    }

    fn next(&self, question: &str) -> Option<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |line: &Line| line.when.as_ref().is_some_and(|when| question.contains(when.as_str()));
        let at = lines.iter().position(fits).or_else(|| lines.iter().position(|line| line.when.is_none()))?;
        if lines[at].always { lines.get(at).cloned() } else { lines.remove(at) }
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn window(&self) -> usize {
        self.window
    }

    fn count(&self, text: &str) -> usize {
        text.len().div_ceil(3)
    }

    fn answer(&self, request: &Request<'_>, told: &mut dyn FnMut(&str)) -> Result<Answer, ModelError> {
        let whole: String = request.turns.iter().map(|turn| format!("{:?}\n{}\n", turn.role, turn.text)).collect();
        let prompt = self.count(&whole);
        if prompt + request.most > self.window {
            return Err(ModelError::TooLong { tokens: prompt + request.most, window: self.window });
        }
        let question = request.turns.iter().rfind(|turn| turn.role == Role::User).map_or("", |turn| &turn.text);
        let broken = |why: String, tokens| ModelError::Broken { name: self.name.clone(), tokens, why };
        let line = self.next(question).ok_or_else(|| broken("the script has no answer to this".into(), 0))?;
        let nonce = nonce(&whole).unwrap_or_default();
        let piece = line.say.replace("{{nonce}}", nonce);
        let (mut text, mut is_whole) = (String::new(), true);
        for _ in 0..line.times {
            request.go_on()?;
            if self.count(&text) + self.count(&piece) > request.most {
                let room = (request.most * 3).saturating_sub(text.len());
                let piece = super::beginning(&piece, room);
                told(piece);
                text.push_str(piece);
                is_whole = false;
                break;
            }
            told(&piece);
            text.push_str(&piece);
        }
        if let Some(why) = line.fail {
            return Err(broken(why, self.count(&text)));
        }
        let usage = Usage { prompt, reused: 0, answer: self.count(&text) };
        Ok(Answer { text, is_whole, usage, notices: Vec::new() })
    }
}

/// The first 32 hex digits in a row: the fence of a prompt.
fn nonce(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_hexdigit() {
            start = at + 1;
        } else if at + 1 - start == 32 {
            return text.get(start..=at);
        }
    }
    None
}
