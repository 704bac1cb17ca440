//! How does an answer grow, token by token?

use super::{
    super::chat::{Answer, ModelError, Request, Usage},
    Local, State,
    grammar::Grammar,
    sampler::Sampler,
    transformer::Want,
};

/// Tokens beyond what an answer's end is thought to take.
const SPARE: usize = 4;

/// Reads a question and answers it.
pub(super) fn answer(of: &Local, request: &Request<'_>, told: &mut dyn FnMut(&str)) -> Result<Answer, ModelError> {
    let prompt = of.template.encode(&of.tokenizer, request.turns)?;
    let tokens = prompt.len().saturating_add(request.most);
    if tokens > of.window {
        return Err(ModelError::TooLong { tokens, window: of.window });
    }
    let grammar = request.schema.map(|schema| of.grammars.of(schema)).transpose()?;
    let mut state = of.state();
    let reused = state.reuse(of, &prompt);
    let mut usage = Usage { prompt: prompt.len(), reused, answer: 0 };
    let mut logits = Vec::new();
    if request.most > 0 && !prompt.is_empty() {
        logits.extend_from_slice(state.read_prompt(of, &prompt[reused..], || request.go_on())?);
    }
    let text = Text { told, whole: String::new(), rest: Vec::new() };
    let sampler = Sampler::new(request.temperature, request.seed);
    let mut growing = Growing { of, request, grammar, sampler, text, count: 0, next_look: 0, is_landing: false };
    let grown = growing.grow(&mut state, logits);
    usage.answer = growing.count;
    let is_whole = grown.map_err(|error| growing.broken(error))?;
    Ok(Answer { text: growing.text.finish(), is_whole, usage, notices: Vec::new() })
}

/// An answer that is not yet whole.
struct Growing<'a> {
    of: &'a Local,
    request: &'a Request<'a>,
    grammar: Option<Grammar>,
    sampler: Sampler,
    text: Text<'a>,
    /// Tokens so far.
    count: usize,
    /// At how many tokens it is to be seen whether the answer must come to its end.
    next_look: usize,
    is_landing: bool,
}

impl Growing<'_> {
    /// Adds tokens until the end; gives whether the model came to it by itself.
    fn grow(&mut self, state: &mut State, mut logits: Vec<f32>) -> Result<bool, ModelError> {
        while self.count < self.request.most && !logits.is_empty() {
            self.request.go_on()?;
            let token = self.pick(&mut logits);
            if self.of.tokenizer.is_end(token) {
                return Ok(true);
            }
            let mut tokens = vec![token];
            self.take(token)?;
            for token in self.forced() {
                self.take(token)?;
                tokens.push(token);
            }
            if self.grammar.as_ref().is_some_and(Grammar::is_done) {
                return Ok(true);
            }
            if self.count < self.request.most {
                logits.clear();
                logits.extend_from_slice(state.read(self.of, &tokens, Want::Last)?);
            }
        }
        Ok(false)
    }

    fn pick(&mut self, logits: &mut [f32]) -> u32 {
        // Weights may know more tokens than the vocabulary has.
        let known = self.of.tokenizer.len().min(logits.len());
        let logits = &mut logits[..known];
        self.look_ahead();
        match &mut self.grammar {
            Some(grammar) if self.is_landing => grammar.land(logits),
            Some(grammar) => grammar.mask(logits),
            None => {}
        }
        self.sampler.pick(logits)
    }

    /// Sees whether just enough room is left to bring an answer of a given form to its end.
    fn look_ahead(&mut self) {
        let Some(grammar) = &mut self.grammar else { return };
        if self.is_landing || self.count < self.next_look {
            return;
        }
        let left = self.request.most - self.count;
        let needed = grammar.landing().map_or(usize::MAX, |tokens| tokens.saturating_add(SPARE));
        self.is_landing = left <= needed && needed < usize::MAX;
        // What is needed grows as the answer does: look again when half of what is left is used up.
        self.next_look = self.count + (left.saturating_sub(needed) / 2).max(1);
    }

    /// Tokens that come next whatever the model says, as far as there is room.
    fn forced(&mut self) -> Vec<u32> {
        let mut tokens = self.grammar.as_mut().map(Grammar::forced).unwrap_or_default();
        tokens.truncate(self.request.most - self.count);
        tokens
    }

    fn take(&mut self, token: u32) -> Result<(), ModelError> {
        if let Some(grammar) = &mut self.grammar {
            grammar.accept(token)?;
        }
        self.count += 1;
        self.text.push(self.of.tokenizer.bytes(token));
        Ok(())
    }

    fn broken(&self, error: ModelError) -> ModelError {
        match error {
            ModelError::Broken { name, why, .. } => ModelError::Broken { name, tokens: self.count, why },
            other => other,
        }
    }
}

/// What was said, handed on in whole characters.
struct Text<'a> {
    told: &'a mut dyn FnMut(&str),
    whole: String,
    /// The beginning of a character.
    rest: Vec<u8>,
}

impl Text<'_> {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let from = self.whole.len();
        let mut rest = std::mem::take(&mut self.rest);
        loop {
            match std::str::from_utf8(&rest) {
                Ok(text) => {
                    self.whole.push_str(text);
                    rest.clear();
                    break;
                }
                Err(error) => {
                    let (text, others) = rest.split_at(error.valid_up_to());
                    self.whole.push_str(&String::from_utf8_lossy(text));
                    let Some(wrong) = error.error_len() else {
                        rest = others.to_vec();
                        break;
                    };
                    self.whole.push(char::REPLACEMENT_CHARACTER);
                    rest = others[wrong..].to_vec();
                }
            }
        }
        self.rest = rest;
        self.tell(from);
    }

    fn tell(&mut self, from: usize) {
        if from < self.whole.len() {
            (self.told)(&self.whole[from..]);
        }
    }

    /// The whole text; a character of which only the beginning came is replaced.
    fn finish(mut self) -> String {
        if !self.rest.is_empty() {
            let from = self.whole.len();
            self.whole.push(char::REPLACEMENT_CHARACTER);
            self.tell(from);
        }
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_characters_are_told() {
        let mut pieces = Vec::new();
        let mut told = |piece: &str| pieces.push(piece.to_owned());
        let mut text = Text { told: &mut told, whole: String::new(), rest: Vec::new() };
        for bytes in [&b"a\xc3"[..], b"\xa9\xe2\x82", b"", b"\xacb\xff", b"\xe2\x82x", b"\xf0\x9f"] {
            text.push(bytes);
        }
        assert_eq!(text.finish(), "aé€b\u{fffd}\u{fffd}x\u{fffd}");
        assert_eq!(pieces, ["a", "é", "€b\u{fffd}", "\u{fffd}x", "\u{fffd}"]);
    }
}
