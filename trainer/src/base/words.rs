//! Which tokens has the model of a folder, and which of ggml's keys is that?
//!
//! Byte-level byte-pair encoding from tokenizer.json (the format of the crate `tokenizers`). How text is split before it
//! has a name in llama.cpp, and is known by its whole rule: a rule that is not known is an error, as its tokens would be
//! others than those that the model was trained with.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use candle_core::quantized::gguf_file::Value;
use engine::model::local::gguf::Metadata;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json};

use super::config::Config;
use crate::files;

/// Bytes of tokenizer.json and of the other files that are read.
const MOST: u64 = 256 << 20;

/// What is read of tokenizer.json.
#[derive(Deserialize)]
struct File {
    model: Bpe,
    pre_tokenizer: Option<Json>,
    normalizer: Option<Json>,
    post_processor: Option<Json>,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Bpe {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: BTreeMap<String, u32>,
    #[serde(default)]
    merges: Vec<Merge>,
    #[serde(default)]
    ignore_merges: bool,
    byte_fallback: Option<bool>,
}

/// Old files have `"a b"`, new ones `["a", "b"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

/// What is read of tokenizer_config.json.
#[derive(Default, Deserialize)]
struct Named {
    bos_token: Option<Json>,
    eos_token: Option<Json>,
    pad_token: Option<Json>,
    unk_token: Option<Json>,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    chat_template: Option<Json>,
}

/// What a token is for (`llama_token_type`).
#[derive(Clone, Copy)]
enum Kind {
    Normal = 1,
    Control = 3,
    User = 4,
    Unused = 5,
}

/// The rules of GPT-2, Llama 3 and Qwen 2.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Puts what ggml wants to know of the tokens among the metadata.
pub(super) fn describe(folder: &Path, config: &Config, metadata: &mut Metadata) -> Result<(), String> {
    let file: File = read(folder, "tokenizer.json")?
        .ok_or("it has no tokenizer.json: tokenizers of SentencePiece are not read from a folder; take it as GGUF")?;
    let named: Named = read(folder, "tokenizer_config.json")?.unwrap_or_default();
    let tokens = file.tokens(config.words).map_err(|why| format!("tokenizer.json: {why}"))?;
    let split = file.split().map_err(|why| format!("tokenizer.json: {why}"))?;
    let ids: HashMap<&str, u32> = tokens.iter().map(|(text, _)| text.as_str()).zip(0..).collect();
    let mut put = |key: &str, value| {
        metadata.insert(format!("tokenizer.{key}"), value);
    };
    put("ggml.model", Value::String("gpt2".into()));
    put("ggml.pre", Value::String(split.into()));
    put("ggml.tokens", Value::Array(tokens.iter().map(|(text, _)| Value::String(text.clone())).collect()));
    put("ggml.token_type", Value::Array(tokens.iter().map(|(_, kind)| Value::I32(*kind as i32)).collect()));
    put("ggml.merges", Value::Array(file.model.merges.iter().map(Merge::value).collect()));
    let chosen = [
        ("bos", &named.bos_token, &config.bos_token_id),
        ("eos", &named.eos_token, &config.eos_token_id),
        ("padding", &named.pad_token, &config.pad_token_id),
        ("unknown", &named.unk_token, &None),
    ];
    for (name, by_text, by_id) in chosen {
        if let Some(id) = id(&ids, name, by_text.as_ref(), by_id.as_ref())? {
            put(&format!("ggml.{name}_token_id"), Value::U32(id));
        }
    }
    let adds_bos = named.add_bos_token.unwrap_or_else(|| file.begins_with(text_of(named.bos_token.as_ref())));
    put("ggml.add_bos_token", Value::Bool(adds_bos));
    put("ggml.add_eos_token", Value::Bool(named.add_eos_token.unwrap_or(false)));
    for (key, template) in templates(folder, named.chat_template)? {
        put(&key, Value::String(template));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, String> {
    let bytes = files::read_small(&folder.join(name), MOST).map_err(|why| format!("{name}: {why}"))?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|why| format!("{name}: {why}"))).transpose()
}

impl File {
    /// The tokens in the order of their ids, as many as the weights know.
    fn tokens(&self, words: usize) -> Result<Vec<(String, Kind)>, String> {
        if self.model.kind.as_deref().is_some_and(|kind| kind != "BPE") || self.model.byte_fallback == Some(true) {
            return Err("it is no byte-level BPE: take this model as GGUF".into());
        }
        if self.model.merges.is_empty() {
            return Err("it has no merges".into());
        }
        let mut tokens: Vec<Option<(String, Kind)>> = vec![None; words];
        let added = self.added_tokens.iter().map(|token| (&token.content, token.id, token.kind()));
        let plain = self.model.vocab.iter().map(|(text, &id)| (text, id, Kind::Normal));
        let mut texts = HashMap::new();
        // Those that were added come last: what they are counts.
        for (text, id, kind) in plain.chain(added) {
            let place = tokens.get_mut(id as usize);
            let place = place.ok_or_else(|| format!("its token `{text}` has the id {id}, and weights know {words}"))?;
            if place.as_ref().is_some_and(|(other, _)| other != text) || texts.insert(text, id).is_some_and(|n| n != id)
            {
                return Err(format!("its token `{text}` is not the only one of its id {id}, or of its text"));
            }
            *place = Some((text.clone(), kind));
        }
        let filled = |(id, token): (usize, Option<_>)| token.unwrap_or_else(|| (format!("[PAD{id}]"), Kind::Unused));
        Ok(tokens.into_iter().enumerate().map(filled).collect())
    }

    /// llama.cpp's name for how text is split.
    fn split(&self) -> Result<&'static str, String> {
        let mut rule = Rule::default();
        rule.read(self.pre_tokenizer.as_ref().unwrap_or(&Json::Null))?;
        // Text in which characters are composed already, as nearly all is, stays as it is.
        let normalizer = self.normalizer.as_ref().and_then(|normalizer| normalizer.get("type")).and_then(Json::as_str);
        if let Some(other) = normalizer.filter(|&kind| kind != "NFC") {
            return Err(format!("it changes text before it is split (`{other}`), which is not known"));
        }
        if rule.uses_own {
            rule.patterns.push(GPT2.to_owned());
        }
        let patterns: Vec<&str> = rule.patterns.iter().map(String::as_str).collect();
        match (&patterns[..], self.model.ignore_merges) {
            _ if !rule.is_bytes => Err("it is no byte-level BPE: take this model as GGUF".into()),
            ([GPT2], false) => Ok("gpt-2"),
            ([r"\p{N}", GPT2], false) => Ok("smollm"),
            ([LLAMA3], true) => Ok("llama-bpe"),
            ([LLAMA3], false) => Ok("smaug-bpe"),
            ([QWEN2], false) => Ok("qwen2"),
            _ => Err(format!("it splits text by {patterns:?}, for which llama.cpp has no name that is known here")),
        }
    }

    /// Whether a text begins with this token.
    fn begins_with(&self, token: Option<&str>) -> bool {
        let all = self.post_processor.iter().flat_map(|post| {
            let many = post.get("processors").and_then(Json::as_array);
            many.map_or_else(|| vec![post], |many| many.iter().collect())
        });
        let mut first = all.filter_map(|post| post.get("single")?.get(0)?.get("SpecialToken")?.get("id")?.as_str());
        token.is_some_and(|token| first.any(|first| first == token))
    }
}

impl Added {
    fn kind(&self) -> Kind {
        let text = self.content.as_str();
        let looks = |start: &str, end: &str| text.starts_with(start) && text.ends_with(end);
        let is_special = self.special || looks("<|", "|>") || looks("<｜", "｜>");
        if is_special { Kind::Control } else { Kind::User }
    }
}

impl Merge {
    fn value(&self) -> Value {
        let spelled = |part: &str| part.replace(' ', "Ġ");
        Value::String(match self {
            Self::Text(text) => text.clone(),
            Self::Pair(a, b) => format!("{} {}", spelled(a), spelled(b)),
        })
    }
}

/// What a pre-tokenizer does, as far as it is known.
#[derive(Default)]
struct Rule {
    patterns: Vec<String>,
    is_bytes: bool,
    /// Whether text is split by GPT-2's own rule at the end.
    uses_own: bool,
}

impl Rule {
    fn read(&mut self, step: &Json) -> Result<(), String> {
        let flag = |key: &str| step.get(key).and_then(Json::as_bool);
        match step.get("type").and_then(Json::as_str).unwrap_or("nothing") {
            "Sequence" => {
                let steps = step.get("pretokenizers").and_then(Json::as_array);
                steps.into_iter().flatten().try_for_each(|step| self.read(step))?;
            }
            "Split" if !self.is_bytes && flag("invert") != Some(true) && step["behavior"] == "Isolated" => {
                let pattern = step["pattern"].get("Regex").and_then(Json::as_str);
                self.patterns.push(pattern.ok_or("it splits at a text, which is not known")?.to_owned());
            }
            "Digits" if !self.is_bytes && flag("individual_digits") == Some(true) => {
                self.patterns.push(r"\p{N}".into())
            }
            "ByteLevel" if !self.is_bytes && flag("add_prefix_space") != Some(true) => {
                self.is_bytes = true;
                self.uses_own = flag("use_regex") != Some(false);
            }
            other => return Err(format!("it splits text by `{other}`, which is not known here so")),
        }
        Ok(())
    }
}

fn text_of(token: Option<&Json>) -> Option<&str> {
    let token = token?;
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// The id of a token with a role: by its text, or else as config.json has it.
fn id(
    ids: &HashMap<&str, u32>,
    role: &str,
    by_text: Option<&Json>,
    by_id: Option<&Json>,
) -> Result<Option<u32>, String> {
    if let Some(text) = text_of(by_text) {
        let id = ids.get(text).copied();
        return id.map(Some).ok_or_else(|| format!("tokenizer_config.json: its {role} token `{text}` is no token"));
    }
    let first = by_id.map(|id| id.get(0).unwrap_or(id)).filter(|id| !id.is_null());
    let Some(first) = first else { return Ok(None) };
    let id = first.as_u64().filter(|&id| id < ids.len() as u64).and_then(|id| u32::try_from(id).ok());
    id.map(Some).ok_or_else(|| format!("config.json: its {role} token {first} is no token"))
}

/// Templates of a chat, with their keys: of a file of their own, or of tokenizer_config.json.
fn templates(folder: &Path, configured: Option<Json>) -> Result<Vec<(String, String)>, String> {
    let name = "chat_template.jinja";
    let own = files::read_small(&folder.join(name), MOST).map_err(|why| format!("{name}: {why}"))?;
    if let Some(own) = own {
        let text = String::from_utf8(own).map_err(|_| format!("{name}: it is no text"))?;
        return Ok(vec![("chat_template".into(), text)]);
    }
    let json: Option<Map<String, Json>> = read(folder, "chat_template.json")?;
    let configured = json.and_then(|mut json| json.remove("chat_template")).or(configured);
    let Some(Json::Array(several)) = configured else {
        let one = configured.as_ref().and_then(Json::as_str);
        return Ok(one.map(|text| ("chat_template".to_owned(), text.to_owned())).into_iter().collect());
    };
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for template in &several {
        let (Some(name), Some(text)) = (template["name"].as_str(), template["template"].as_str()) else {
            return Err("tokenizer_config.json: a chat template has no name or no text".into());
        };
        let key = if name == "default" { "chat_template".to_owned() } else { format!("chat_template.{name}") };
        if names.insert(name) {
            found.push((key, text.to_owned()));
        }
    }
    Ok(found)
}
