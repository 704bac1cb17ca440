//! How are the turns of a conversation written for this model? As its chat template says, and what somebody said never
//! becomes a control token.

mod bounded;
mod date;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use minijinja::{Environment, Error, ErrorKind, context};

use super::{
    super::chat::{ModelError, Role, Turn},
    gguf::Metadata,
    tokenizer::{self, Tokenizer, Trust, wrong},
};

/// Templates are written by whoever made the file: so long and no longer. The longest that we know of has 20 KB.
const MOST_SOURCE: usize = 256 << 10;

/// Beside the marker of a turn: a space that templates do not write, so that it is gone where one trims the text.
const SPACE: char = '\u{2003}';

/// What models were trained with whose file has no template but ChatML's tokens.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content \
                      + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
                      {% endif %}";

/// A model's chat template.
pub struct Template {
    source: String,
}

/// A piece of the prompt, and whose it is.
type Part = (String, Trust);

impl Template {
    /// Reads `tokenizer.chat_template`.
    ///
    /// # Errors
    /// [`ModelError::File`] when there is none, or it is none.
    pub fn new(metadata: &Metadata) -> Result<Self, ModelError> {
        let source = match tokenizer::text(metadata, "tokenizer.chat_template") {
            Some(source) if source.len() > MOST_SOURCE => {
                return Err(wrong("its chat template is longer than 256 KiB"));
            }
            Some(source) => generations(source),
            None if tokenizer::has_token(metadata, "<|im_start|>") => CHATML.to_owned(),
            None => {
                return Err(wrong(
                    "it has no chat template (`tokenizer.chat_template`), so it is not known how to ask it: take a \
                     file of the model's instruct or chat variant",
                ));
            }
        };
        bounded::check(&source)
            .map_err(|error| wrong(format!("its chat template cannot be read: {}", said(&error))))?;
        Ok(Self { source })
    }

    /// The tokens of a whole question, up to where the answer begins.
    ///
    /// # Errors
    /// [`ModelError::File`] when the template refuses the turns, or does not write each of them once and as it is.
    pub fn encode(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<u32>, ModelError> {
        let parts = self.written(tokenizer, turns)?;
        let borrowed: Vec<(&str, Trust)> = parts.iter().map(|(text, trust)| (&**text, *trust)).collect();
        let mut tokens = tokenizer.encode_parts(&borrowed);
        if let Some(bos) = tokenizer.bos().filter(|bos| tokenizer.adds_bos() && tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The text of a whole question, up to where the answer begins.
    ///
    /// # Errors
    /// As [`Template::encode`].
    pub fn text(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<String, ModelError> {
        Ok(self.written(tokenizer, turns)?.into_iter().map(|(text, _)| text).collect())
    }

    fn written(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<Part>, ModelError> {
        let parts = self.parts(tokenizer, turns).or_else(|why| match folded(turns) {
            Some(turns) => self.parts(tokenizer, &turns).map_err(|_| why),
            None => Err(why),
        });
        parts.map_err(|why| wrong(format!("its chat template cannot be used: {why}")))
    }

    /// The template is given markers for the turns, and what it makes of them is cut at these.
    fn parts(&self, tokenizer: &Tokenizer, turns: &[Turn]) -> Result<Vec<Part>, String> {
        let markers: Vec<String> = turns.iter().map(|_| marker()).collect();
        let output = self.render(tokenizer, turns, &markers).map_err(|error| said(&error))?;
        let mut found = Vec::new();
        for (marker, turn) in markers.iter().zip(turns) {
            let mut places = output.match_indices(&**marker);
            match (places.next(), places.next()) {
                (Some((at, _)), None) => found.push((at, at + marker.len(), &*turn.text)),
                (None, _) => return Err("it leaves out or alters what is said".into()),
                _ => return Err("it repeats what is said".into()),
            }
        }
        found.sort_unstable();
        Ok(cut(&output, &found))
    }

    fn render(&self, tokenizer: &Tokenizer, turns: &[Turn], markers: &[String]) -> Result<String, Error> {
        let name = |token: Option<u32>| token.map(|token| tokenizer.name(token)).unwrap_or_default();
        let message = |(turn, marker): (&Turn, &String)| {
            BTreeMap::from([("role", role(turn.role).to_owned()), ("content", format!("{SPACE}{marker}{SPACE}"))])
        };
        let messages: Vec<_> = turns.iter().zip(markers).map(message).collect();
        let values = context! {
            messages,
            bos_token => name(tokenizer.bos()),
            eos_token => name(tokenizer.eos()),
            add_generation_prompt => true,
            tools => (),
            // Qwen 3 and DeepSeek 3.1: answer at once.
            enable_thinking => false,
            thinking => false,
        };
        bounded::render(environment(), &self.source, values)
    }
}

/// The output, cut at the turns: from where, to where, and what is said there.
fn cut(output: &str, turns: &[(usize, usize, &str)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut from = 0;
    for &(start, end, text) in turns {
        let before = &output[from..start];
        let (before, text) = match before.strip_suffix(SPACE) {
            Some(before) => (before, text),
            None => (before, text.trim_start()),
        };
        let (end, text) = match output[end..].starts_with(SPACE) {
            true => (end + SPACE.len_utf8(), text),
            false => (end, text.trim_end()),
        };
        parts.push((before.to_owned(), Trust::Template));
        parts.push((text.to_owned(), Trust::Quoted));
        from = end;
    }
    parts.push((output[from..].to_owned(), Trust::Template));
    parts
}

/// The turns without a system turn, for templates that refuse or lose one: it goes before what the user says first.
fn folded(turns: &[Turn]) -> Option<Vec<Turn>> {
    let is_system = |turn: &&Turn| turn.role == Role::System;
    let rules: Vec<&str> = turns.iter().filter(is_system).map(|turn| &*turn.text).collect();
    if rules.is_empty() {
        return None;
    }
    let rules = rules.join("\n\n");
    let mut rest: Vec<Turn> = turns.iter().filter(|turn| !is_system(turn)).cloned().collect();
    match rest.iter_mut().find(|turn| turn.role == Role::User) {
        Some(turn) => turn.text = format!("{rules}\n\n{}", turn.text),
        None => rest.insert(0, Turn::new(Role::User, rules)),
    }
    Some(rest)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let refuse = |why: String| -> Result<String, Error> { Err(Error::new(ErrorKind::InvalidOperation, why)) };
    environment.add_function("raise_exception", refuse);
    environment.add_function("strftime_now", |format: String| date::today(&format));
    environment
}

/// `{% generation %}` marks what a trainer learns from (transformers); it writes nothing.
fn generations(source: &str) -> String {
    let mut rest = source;
    let mut plain = String::new();
    while let Some(at) = rest.find("{%") {
        let Some(end) = rest[at..].find("%}").map(|end| at + end) else { break };
        let (before, tag) = (&rest[..at + 2], &rest[at + 2..end]);
        plain.push_str(before);
        plain.push_str(&match tag.trim_matches(['-', '+', ' ', '\t', '\n']) {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        });
        rest = &rest[end..];
    }
    plain + rest
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// What nobody who wrote the template or a turn can have known.
fn marker() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("turn{:016x}{:016x}", half(), half())
}

fn said(error: &Error) -> String {
    let said = error.detail().map_or_else(|| error.to_string(), str::to_owned);
    std::error::Error::source(error).map_or_else(|| said.clone(), |source| format!("{said}: {source}"))
}
