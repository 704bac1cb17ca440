//! Which tokens may come next, if the answer is to be JSON of a given form?

mod landing;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    earley::SlicedBiasComputer,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv},
};
use serde_json::{Value, json};

use super::{super::chat::ModelError, tokenizer::Tokenizer};
use landing::Landing;

/// Forms that are kept ready; a program asks for a few, over and over.
const MOST_FORMS: usize = 32;

/// Bytes of the longest token that may be part of an answer; toktrie counts depths in a byte.
const MOST_TOKEN: usize = 250;

/// The greatest number that every reader of JSON takes for itself (RFC 8259, section 6).
const MOST_NUMBER: i64 = (1 << 53) - 1;

/// What answers a model can be held to. Its tables are built when the first form is asked for.
pub(super) struct Grammars {
    tokenizer: Arc<Tokenizer>,
    factories: OnceLock<Result<Factories, String>>,
    forms: Mutex<HashMap<String, Form>>,
}

/// Makes parsers: over the model's tokens, and over single bytes.
struct Factories {
    tokens: ParserFactory,
    bytes: ParserFactory,
}

/// A form at its beginning.
#[derive(Clone)]
struct Form {
    tokens: Matcher,
    bytes: Matcher,
}

/// An answer that keeps a form, as it grows.
pub(super) struct Grammar {
    tokenizer: Arc<Tokenizer>,
    trie: TokEnv,
    matcher: Matcher,
    landing: Landing,
    is_ended: bool,
}

impl Grammars {
    /// For a model's vocabulary.
    ///
    /// # Errors
    /// [`ModelError::Schema`] when no token ends an answer.
    pub(super) fn new(tokenizer: Arc<Tokenizer>) -> Result<Self, ModelError> {
        if tokenizer.ends().is_empty() {
            return Err(ModelError::Schema("the model's vocabulary has no token that ends an answer".into()));
        }
        Ok(Self { tokenizer, factories: OnceLock::new(), forms: Mutex::default() })
    }

    /// An answer in JSON that keeps a schema, before its first token. It has no white space but one space after `,` and
    /// `:`.
    ///
    /// # Errors
    /// [`ModelError::Schema`] when the schema asks for something that cannot be enforced.
    pub(super) fn of(&self, schema: &Value) -> Result<Grammar, ModelError> {
        let factories = self.factories.get_or_init(|| Factories::new(&self.tokenizer).map_err(|why| why.to_string()));
        let factories = factories.as_ref().map_err(|why| ModelError::Schema(why.clone()))?;
        let form = self.form(factories, schema)?;
        Ok(Grammar {
            tokenizer: Arc::clone(&self.tokenizer),
            trie: factories.tokens.tok_env().clone(),
            matcher: form.tokens,
            landing: Landing::new(form.bytes),
            is_ended: false,
        })
    }

    fn form(&self, factories: &Factories, schema: &Value) -> Result<Form, ModelError> {
        let key = schema.to_string();
        if let Some(form) = self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(form.clone());
        }
        let form = factories.form(schema).map_err(ModelError::Schema)?;
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if forms.len() >= MOST_FORMS {
            forms.clear();
        }
        forms.insert(key, form.clone());
        Ok(form)
    }
}

impl Factories {
    fn new(tokenizer: &Arc<Tokenizer>) -> Result<Self, String> {
        let tokens: TokEnv = Arc::new(Env::new(Arc::clone(tokenizer)));
        Ok(Self { tokens: factory(&tokens)?, bytes: factory(&ApproximateTokEnv::single_byte_env())? })
    }

    fn form(&self, schema: &Value) -> Result<Form, String> {
        let mut schema = schema.clone();
        let Some(fields) = schema.as_object_mut() else { return Err("the schema is no object".into()) };
        let layout = json!({ "item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false });
        fields.insert("x-guidance".into(), layout);
        bound(&mut schema);
        let matcher = |factory: &ParserFactory| {
            let matcher = Matcher::new(factory.create_parser(TopLevelGrammar::from_json_schema(schema.clone())));
            matcher.get_error().map_or(Ok(matcher), Err)
        };
        Ok(Form { tokens: matcher(&self.tokens)?, bytes: matcher(&self.bytes)? })
    }
}

/// Gives numbers without bounds some, so that an answer has none that readers of JSON refuse (`1e999`).
fn bound(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(bound),
        Value::Object(fields) => {
            let is_number = |kind: &Value| kind == "number" || kind == "integer";
            let kind = fields.get("type");
            if kind.is_some_and(|kind| is_number(kind) || kind.as_array().is_some_and(|all| all.iter().any(is_number)))
            {
                for (key, other, most) in
                    [("minimum", "exclusiveMinimum", -MOST_NUMBER), ("maximum", "exclusiveMaximum", MOST_NUMBER)]
                {
                    if !fields.contains_key(key) && !fields.contains_key(other) {
                        fields.insert(key.into(), most.into());
                    }
                }
            }
            let is_schema = |key: &str| !["const", "enum", "default", "examples"].contains(&key);
            fields.iter_mut().filter(|(key, _)| is_schema(key)).for_each(|(_, value)| bound(value));
        }
        _ => {}
    }
}

fn factory(env: &TokEnv) -> Result<ParserFactory, String> {
    let slices = SlicedBiasComputer::json_slices();
    let factory = ParserFactory::new(env, InferenceCapabilities::default(), &slices);
    let mut factory = factory.map_err(|error| error.to_string())?;
    factory.quiet().limits_mut().verbose_errors = false;
    Ok(factory)
}

impl Grammar {
    /// Forbids (`-inf`) every token after which the form could not be kept: `[tokens]`. Tokens that end the answer are
    /// allowed if and only if it is whole.
    pub(super) fn mask(&mut self, logits: &mut [f32]) {
        let ends = if self.may_end() { self.logits_of_ends(logits) } else { Vec::new() };
        let allowed = if self.is_done() { None } else { self.matcher.compute_mask().ok() };
        let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) else {
            logits.fill(f32::NEG_INFINITY);
            return restore(&ends, logits);
        };
        for (token, logit) in logits.iter_mut().enumerate() {
            if token >= allowed.len() || !allowed.get(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        for &end in self.tokenizer.ends() {
            if let Some(logit) = logits.get_mut(end as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        restore(&ends, logits);
    }

    fn logits_of_ends(&self, logits: &[f32]) -> Vec<(usize, f32)> {
        let ends = self.tokenizer.ends().iter().map(|end| *end as usize);
        ends.filter_map(|end| Some((end, *logits.get(end)?))).collect()
    }

    /// As [`Grammar::mask`], for when there is room for little more: leaves the one token that brings the answer nearer
    /// to its end, or, where it is whole, those that end it. Called before every further token, the answer is whole after
    /// [`Grammar::landing`] of them.
    pub(super) fn land(&mut self, logits: &mut [f32]) {
        if self.may_end() {
            let ends = self.logits_of_ends(logits);
            logits.fill(f32::NEG_INFINITY);
            restore(&ends, logits);
            return;
        }
        let next = self.landing.plan().and_then(|plan| self.trie.tok_trie().all_prefixes(plan).pop());
        let Some(next) = next.map(|token| token as usize).filter(|token| *token < logits.len()) else {
            return self.mask(logits);
        };
        let kept = if logits[next].is_finite() { logits[next] } else { 0.0 };
        logits.fill(f32::NEG_INFINITY);
        logits[next] = kept;
    }

    /// How many tokens [`Grammar::land`] takes from here until the answer is whole, without the one that ends it: at
    /// most one for each byte of the shortest rest that is found. `None` where it finds none
    /// (see [`landing::MOST_BYTES`]).
    pub(super) fn landing(&mut self) -> Option<usize> {
        if self.may_end() {
            return Some(0);
        }
        let plan = self.landing.plan()?;
        Some(self.trie.tok_trie().greedy_tokenize(plan).len())
    }

    /// Goes on to after a token of the answer.
    ///
    /// # Errors
    /// [`ModelError::Schema`] when it was forbidden.
    pub(super) fn accept(&mut self, token: u32) -> Result<(), ModelError> {
        let refused = |why: &str| ModelError::Schema(format!("token {token}: {why}"));
        if self.tokenizer.is_end(token) {
            self.is_ended = self.may_end();
            return if self.is_ended { Ok(()) } else { Err(refused("the answer is not whole")) };
        }
        let bytes = self.tokenizer.bytes(token);
        if self.is_done() || bytes.is_empty() {
            return Err(refused("it cannot come next"));
        }
        self.matcher.consume_token(token).map_err(|error| refused(&error.to_string()))?;
        self.landing.push(bytes);
        Ok(())
    }

    /// The tokens that come next whatever the model says, most often none; they are still to be accepted.
    pub(super) fn forced(&mut self) -> Vec<u32> {
        if self.is_done() { Vec::new() } else { self.matcher.compute_ff_tokens() }
    }

    /// Whether the answer is whole and nothing can follow, or a token that ends it was accepted.
    pub(super) fn is_done(&self) -> bool {
        self.is_ended || self.matcher.is_stopped()
    }

    fn may_end(&mut self) -> bool {
        self.is_done() || self.matcher.is_accepting().unwrap_or(false)
    }
}

fn restore(kept: &[(usize, f32)], logits: &mut [f32]) {
    for &(token, logit) in kept {
        logits[token] = logit;
    }
}

/// The vocabulary as llguidance wants it.
struct Env {
    trie: TokTrie,
    tokenizer: Arc<Tokenizer>,
}

impl Env {
    fn new(tokenizer: Arc<Tokenizer>) -> Self {
        let word = |token: u32| match tokenizer.bytes(token) {
            // What no UTF-8 has: 0xFF marks special tokens in toktrie.
            [0xC0 | 0xC1 | 0xF5..=0xFF, ..] => Vec::new(),
            bytes if bytes.len() > MOST_TOKEN || tokenizer.is_end(token) => Vec::new(),
            bytes => bytes.to_vec(),
        };
        let words: Vec<Vec<u8>> = (0..tokenizer.len() as u32).map(word).collect();
        let ends = tokenizer.ends();
        let info = TokRxInfo::new(words.len() as u32, ends.first().copied().unwrap_or(0));
        let trie = TokTrie::from(&info, &words);
        let trie = if ends.is_empty() { trie } else { trie.with_eos_tokens(ends) };
        Self { trie, tokenizer }
    }
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| self.tokenizer.encode_middle(text))
    }
}
