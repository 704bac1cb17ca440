//! What does a GGUF file say about its tokens?

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;

use super::{Metadata, Trust, split};

/// More tokens than any model has; llguidance holds no more than 2^24.
const MOST_TOKENS: usize = 1 << 22;

/// Tokens after which llama.cpp takes an answer for ended, whatever else the file says.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    // Of code models: padding, the next repository, the next file.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Further tokens that are control tokens even where the file says otherwise.
const CONTROLS: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];

/// Tokens of gpt-oss that llama.cpp takes for text.
const TEXTS: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// What a token is for (`tokenizer.ggml.token_type`, llama.cpp's `llama_token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    User,
    Unused,
    Byte,
    Undefined,
}

/// The tokens as the file has them.
pub(super) struct Vocabulary<'a> {
    /// `tokenizer.ggml.model`.
    pub(super) model: &'a str,
    /// `tokenizer.ggml.pre`, for BPE only.
    pub(super) pre: split::Pre,
    pub(super) texts: Vec<&'a str>,
    pub(super) kinds: Vec<Kind>,
    is_phi3: bool,
}

impl<'a> Vocabulary<'a> {
    pub(super) fn read(metadata: &'a Metadata) -> Result<Self, String> {
        let model = text(metadata, "tokenizer.ggml.model").ok_or("it has no tokenizer (`tokenizer.ggml.model`)")?;
        let pre = match model {
            "gpt2" => split::Pre::named(text(metadata, "tokenizer.ggml.pre").unwrap_or("default"))?,
            "gemma4" => split::Pre::named("gemma4")?,
            "llama" => split::Pre::default(),
            _ => return Err(format!("its tokenizer `{model}` is not known here; known are gpt2, llama and gemma4")),
        };
        let texts = list(metadata, "tokenizer.ggml.tokens").ok_or("it has no tokens (`tokenizer.ggml.tokens`)")?;
        let texts: Option<Vec<&str>> = texts.iter().map(as_text).collect();
        let texts = texts.ok_or("its tokens (`tokenizer.ggml.tokens`) are not texts")?;
        if texts.is_empty() || texts.len() > MOST_TOKENS {
            return Err(format!("it has {} tokens; between 1 and {MOST_TOKENS} can be used", texts.len()));
        }
        let kinds = kinds(metadata, &texts)?;
        let name = text(metadata, "general.name").unwrap_or_default().to_ascii_lowercase();
        Ok(Self { model, pre, texts, kinds, is_phi3: name.contains("phi-3") || name.contains("phi3") })
    }

    /// Whether the name of a token, where it is written in a text of such trust, is the token.
    pub(super) fn is_written(&self, id: usize, trust: Trust, template: &str) -> bool {
        let name = self.texts[id];
        let is_text = match self.kinds[id] {
            Kind::User => true,
            Kind::Control | Kind::Unknown => false,
            _ => return false,
        };
        let is_harmless = || !(looks_special(name) || (is_bracketed(name) && template.contains(name)));
        match trust {
            _ if name.is_empty() => false,
            Trust::Template => true,
            Trust::Plain => is_text,
            Trust::Quoted => is_text && is_harmless(),
        }
    }

    /// Whether white space after a special token goes with it.
    pub(super) fn strips(&self, id: usize) -> bool {
        self.is_phi3 && !["<unk>", "<s>", "<|endoftext|>"].contains(&self.texts[id])
    }

    /// The text of every token one after the other, and where each begins; one more at the end.
    pub(super) fn bytes(&self) -> Result<(Vec<u8>, Vec<u32>), String> {
        let mut bytes = Vec::new();
        let mut starts = vec![0];
        for id in 0..self.texts.len() {
            self.add_bytes(id, &mut bytes);
            starts.push(u32::try_from(bytes.len()).map_err(|_| "its tokens are longer than 4 GiB")?);
        }
        Ok((bytes, starts))
    }

    fn add_bytes(&self, id: usize, bytes: &mut Vec<u8>) {
        let text = self.texts[id];
        match self.kinds[id] {
            Kind::Normal if self.model == "gpt2" => match split::unspelled(text) {
                Some(plain) => bytes.extend(plain),
                None => bytes.extend(text.bytes()),
            },
            Kind::Normal => bytes.extend(text.replace('▁', " ").bytes()),
            Kind::User => bytes.extend(text.bytes()),
            Kind::Byte => bytes.extend(byte(text)),
            Kind::Control | Kind::Unknown | Kind::Unused | Kind::Undefined => {}
        }
    }

    /// Tokens with a meaning of their own, by name; of several the first.
    pub(super) fn named(&self) -> HashMap<String, u32> {
        let is_named = |id: &usize| matches!(self.kinds[*id], Kind::Control | Kind::User | Kind::Unknown);
        let names = (0..self.texts.len()).rev().filter(is_named);
        names.map(|id| (self.texts[id].to_owned(), id as u32)).collect()
    }

    /// Which tokens end an answer, ascending.
    pub(super) fn ends(&self, metadata: &Metadata) -> Vec<u32> {
        let keys = ["eot", "eom", "fim_pad", "fim_rep", "fim_sep"];
        let keyed = keys.iter().filter_map(|key| self.id(metadata, key));
        let inner = no_ends(&self.texts);
        let all = self.texts.iter().enumerate();
        let named = all.filter(|(_, name)| ENDS.contains(name)).map(|(id, _)| id as u32);
        let mut ends: Vec<u32> = named.chain(keyed).chain(self.eos(metadata)).collect();
        ends.retain(|&id| !inner.contains(&self.texts[id as usize]));
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// The token that begins a text.
    pub(super) fn bos(&self, metadata: &Metadata) -> Option<u32> {
        let usual = (self.model == "llama" && self.texts.len() > 1).then_some(1);
        self.id(metadata, "bos").or(usual)
    }

    /// The token that ends a text.
    pub(super) fn eos(&self, metadata: &Metadata) -> Option<u32> {
        let usual = (self.model == "llama" && self.texts.len() > 2).then_some(2);
        self.id(metadata, "eos").or(usual)
    }

    /// Whether a text is to begin with [`Vocabulary::bos`].
    pub(super) fn adds_bos(&self, metadata: &Metadata) -> bool {
        let usual = self.model == "llama" || self.pre.adds_bos;
        let said = metadata.get("tokenizer.ggml.add_bos_token").and_then(|value| value.to_bool().ok());
        self.model == "gemma4" || said.unwrap_or(usual)
    }

    fn id(&self, metadata: &Metadata, key: &str) -> Option<u32> {
        let id = number(metadata, &format!("tokenizer.ggml.{key}_token_id"))?;
        ((id as usize) < self.texts.len()).then_some(id)
    }
}

/// The byte that a byte token (`<0x0A>`) stands for.
pub(super) fn byte(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok())?
}

/// Those of [`ENDS`] that end nothing in a vocabulary with certain others.
fn no_ends(texts: &[&str]) -> Vec<&'static str> {
    let has = |name: &str| texts.contains(&name);
    let calls = has("<|call|>") || has("<|calls|>");
    let mut inner = Vec::new();
    // gpt-oss and Solar: the end of a part of the answer.
    if (has("<|return|>") && has("<|call|>")) || (calls && has("<|flush|>")) {
        inner.push("<|end|>");
    }
    // Gemma 4: a tag of HTML.
    if has("<|tool_response>") {
        inner.push("</s>");
    }
    inner
}

fn kinds(metadata: &Metadata, texts: &[&str]) -> Result<Vec<Kind>, String> {
    let key = "tokenizer.ggml.token_type";
    let mut kinds = match list(metadata, key) {
        None => vec![Kind::Normal; texts.len()],
        Some(kinds) if kinds.len() < texts.len() => return Err(format!("`{key}` is shorter than its tokens")),
        Some(kinds) => kinds.iter().take(texts.len()).map(kind).collect(),
    };
    let inner = no_ends(texts);
    for (kind, text) in kinds.iter_mut().zip(texts) {
        if inner.contains(text) {
            *kind = if *text == "</s>" { Kind::Normal } else { Kind::User };
        } else if ENDS.contains(text) || CONTROLS.contains(text) {
            *kind = Kind::Control;
        } else if TEXTS.contains(text) {
            *kind = Kind::User;
        }
    }
    Ok(kinds)
}

fn kind(value: &Value) -> Kind {
    match as_number(value) {
        Some(1) => Kind::Normal,
        Some(2) => Kind::Unknown,
        Some(3) => Kind::Control,
        Some(4) => Kind::User,
        Some(5) => Kind::Unused,
        Some(6) => Kind::Byte,
        _ => Kind::Undefined,
    }
}

/// Names that llama.cpp's converter takes for control tokens.
fn looks_special(name: &str) -> bool {
    let is_between = |from, to| name.starts_with(from) && name.ends_with(to);
    is_between("<|", "|>") || is_between("<｜", "｜>") || is_between("<unused", ">") || TEXTS.contains(&name)
}

fn is_bracketed(name: &str) -> bool {
    (name.starts_with('<') && name.ends_with('>')) || (name.starts_with('[') && name.ends_with(']'))
}

/// A text of the metadata.
pub(in super::super) fn text<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    as_text(metadata.get(key)?)
}

/// A list of the metadata.
pub(super) fn list<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a [Value]> {
    metadata.get(key)?.to_vec().ok().map(Vec::as_slice)
}

/// A number of the metadata, where it is one that an id can be.
pub(super) fn number(metadata: &Metadata, key: &str) -> Option<u32> {
    as_number(metadata.get(key)?)
}

pub(super) fn as_text(value: &Value) -> Option<&str> {
    value.to_string().ok().map(String::as_str)
}

fn as_number(value: &Value) -> Option<u32> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::U16(n) => Some(n.into()),
        Value::U32(n) => Some(n),
        Value::U64(n) => n.try_into().ok(),
        Value::I8(n) => n.try_into().ok(),
        Value::I16(n) => n.try_into().ok(),
        Value::I32(n) => n.try_into().ok(),
        Value::I64(n) => n.try_into().ok(),
        _ => None,
    }
}
