//! Which tokens is a text made of, and what text is a token? As llama.cpp has it, token for token.

mod bpe;
mod split;
mod spm;
mod vocabulary;

#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::super::chat::ModelError;
use super::gguf::Metadata;
use bpe::Bpe;
use spm::Spm;
use vocabulary::Vocabulary;

pub(super) use vocabulary::text;

/// A file of which the metadata are not what they should be; whoever knows its name puts it in.
pub(super) fn wrong(why: impl Into<String>) -> ModelError {
    ModelError::File { file: "GGUF".into(), why: why.into() }
}

/// Whose words a text is: which of the tokens with a meaning of their own may be written out in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The template's: all of them.
    Template,
    /// A plain text's: those that the vocabulary says are text, as llama.cpp does without `parse_special`.
    Plain,
    /// Somebody's: as plain, without those that look like a control token or that the template gives a meaning to,
    /// whatever the vocabulary says of them.
    Quoted,
}

/// Vocabulary and merges of a model.
pub struct Tokenizer {
    words: Words,
    /// Patterns of each [`Trust`], in its order.
    special: [Special; 3],
    /// The text of each token, one after the other, and where each begins.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    ends: Vec<u32>,
    /// Tokens with a meaning of their own, by their text.
    named: HashMap<String, u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    adds_bos: bool,
}

/// Whether the file has such a token.
pub(super) fn has_token(metadata: &Metadata, name: &str) -> bool {
    let tokens = vocabulary::list(metadata, "tokenizer.ggml.tokens").unwrap_or_default();
    tokens.iter().any(|token| vocabulary::as_text(token) == Some(name))
}

/// How a text without special tokens is taken apart.
enum Words {
    Bpe(Bpe),
    Spm(Spm),
}

/// Finds special tokens in a text; where two begin at one place, the longer one.
#[derive(Default)]
struct Special {
    finder: Option<AhoCorasick>,
    ids: Vec<u32>,
    /// Whether white space after the token belongs to it (Phi-3).
    strips: Vec<bool>,
}

impl Tokenizer {
    /// Reads `tokenizer.ggml.*`.
    ///
    /// # Errors
    /// [`ModelError::File`] when something is missing, or is of a kind that is not known here.
    pub fn new(metadata: &Metadata) -> Result<Self, ModelError> {
        let vocabulary = Vocabulary::read(metadata).map_err(wrong)?;
        let words = match vocabulary.model {
            "llama" => Words::Spm(Spm::new(&vocabulary, metadata)),
            _ => Words::Bpe(Bpe::new(&vocabulary, metadata).map_err(wrong)?),
        };
        let source = vocabulary::text(metadata, "tokenizer.chat_template").unwrap_or_default();
        let special = [Trust::Template, Trust::Plain, Trust::Quoted]
            .map(|trust| Special::new(&vocabulary, |id| vocabulary.is_written(id, trust, source)));
        let [Ok(template), Ok(plain), Ok(quoted)] = special else {
            return Err(wrong("its special tokens are too many; take another file of this model"));
        };
        let (bytes, starts) = vocabulary.bytes().map_err(wrong)?;
        Ok(Self {
            words,
            special: [template, plain, quoted],
            bytes,
            starts,
            ends: vocabulary.ends(metadata),
            named: vocabulary.named(),
            bos: vocabulary.bos(metadata),
            eos: vocabulary.eos(metadata),
            adds_bos: vocabulary.adds_bos(metadata),
        })
    }

    /// The tokens of a text; no token is added. `special`: whether the names of control tokens in it are these tokens.
    pub fn encode(&self, text: &str, special: bool) -> Vec<u32> {
        self.encode_parts(&[(text, if special { Trust::Template } else { Trust::Plain })])
    }

    /// The tokens of a text that several had a hand in. Words go across the seams; special tokens do not.
    pub(super) fn encode_parts(&self, parts: &[(&str, Trust)]) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut fragment = Fragment { text: String::new(), is_first: true, strips: false };
        for &(text, trust) in parts {
            let special = &self.special[trust as usize];
            let mut from = 0;
            for found in special.finder.iter().flat_map(|finder| finder.find_iter(text)) {
                fragment.push(&text[from..found.start()]);
                self.close(&mut fragment, &mut tokens);
                tokens.push(special.ids[found.pattern().as_usize()]);
                fragment = Fragment { is_first: true, strips: special.strips[found.pattern().as_usize()], ..fragment };
                from = found.end();
            }
            fragment.push(&text[from..]);
        }
        self.close(&mut fragment, &mut tokens);
        tokens
    }

    fn close(&self, fragment: &mut Fragment, tokens: &mut Vec<u32>) {
        if fragment.text.is_empty() {
            return;
        }
        match &self.words {
            Words::Bpe(bpe) => bpe.encode(&fragment.text, tokens),
            Words::Spm(spm) => spm.encode(&fragment.text, fragment.is_first, tokens),
        }
        *fragment = Fragment { text: String::new(), is_first: false, strips: false };
    }

    /// The tokens of something in the middle of a text: no space is put before it, and no special token is in it.
    pub(super) fn encode_middle(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        match &self.words {
            Words::Bpe(bpe) => bpe.encode(text, &mut tokens),
            Words::Spm(spm) => spm.encode(text, false, &mut tokens),
        }
        tokens
    }

    /// What a token adds to the text; nothing for control tokens and ids that are none.
    pub fn bytes(&self, token: u32) -> &[u8] {
        let at = token as usize;
        let (Some(&from), Some(&to)) = (self.starts.get(at), self.starts.get(at + 1)) else { return &[] };
        &self.bytes[from as usize..to as usize]
    }

    /// Whether an answer ends with this token.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.binary_search(&token).is_ok()
    }

    /// All tokens that end an answer, ascending.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// How many tokens there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// How a token with a meaning of its own is written; other tokens as their text.
    pub fn name(&self, token: u32) -> String {
        let named = self.named.iter().find(|(_, id)| **id == token).map(|(name, _)| name.clone());
        named.unwrap_or_else(|| String::from_utf8_lossy(self.bytes(token)).into_owned())
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether the model expects [`Tokenizer::bos`] before every text.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }
}

/// Text between two special tokens, as it grows.
struct Fragment {
    text: String,
    /// Whether it begins the text, or a special token is before it.
    is_first: bool,
    strips: bool,
}

impl Fragment {
    fn push(&mut self, text: &str) {
        let strips = self.strips && self.text.is_empty();
        let is_space = |c: char| c.is_ascii_whitespace() || c == '\x0b';
        self.text.push_str(if strips { text.trim_start_matches(is_space) } else { text });
    }
}

impl Special {
    fn new(vocabulary: &Vocabulary<'_>, is_written: impl Fn(usize) -> bool) -> Result<Self, aho_corasick::BuildError> {
        let ids: Vec<usize> = (0..vocabulary.texts.len()).filter(|&id| is_written(id)).collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let names = ids.iter().map(|&id| vocabulary.texts[id]);
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names)?;
        let strips = ids.iter().map(|&id| vocabulary.strips(id)).collect();
        Ok(Self { finder: Some(finder), ids: ids.iter().map(|&id| id as u32).collect(), strips })
    }
}
