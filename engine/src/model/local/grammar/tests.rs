//! Does every answer keep its form, wherever it is cut? Random ones, from seeded noise in place of a model.

use super::{
    super::{
        sampler::Sampler,
        tokenizer::tests::{small, small_spm, smollm2},
    },
    *,
};

/// Forms like those that are asked for, and some that nobody asks for.
fn schemas() -> Vec<Value> {
    let text = json!({ "type": "string", "maxLength": 12 });
    vec![
        json!({ "type": "object", "additionalProperties": false, "required": ["what", "severity", "lines", "fix"],
            "properties": {
                "what": { "type": "string", "maxLength": 20 },
                "severity": { "enum": ["error", "warning", "info"] },
                "lines": { "type": "array", "maxItems": 3, 
                    "items": { "type": "integer", "minimum": 1, "maximum": 9999 } },
                "fix": { "anyOf": [{ "type": "null" }, { "type": "object", "additionalProperties": false,
                    "required": ["old", "new"], "properties": { "old": text, "new": text } }] } } }),
        json!({ "type": "array", "minItems": 1, "maxItems": 4, "items": { "type": "object", "required": ["a"],
            "additionalProperties": false,
            "properties": { "a": { "type": ["boolean", "null"] }, "b": { "type": "number" },
                "c": { "const": "ß\"\\" } } } }),
        json!({ "$ref": "#/$defs/node", "$defs": { "node": { "type": "object", "additionalProperties": false,
            "required": ["name", "below"], "properties": { "name": { "type": "string", "minLength": 2, "maxLength": 5 },
                "below": { "type": "array", "maxItems": 1, "items": { "$ref": "#/$defs/node" } } } } } }),
        json!({ "type": "string", "pattern": "^(ab)*c[0-9]{2,4}$" }),
        json!({ "type": "object", "patternProperties": { "^[a-c]{1,3}$": { "type": "integer" } },
            "additionalProperties": false }),
        json!({ "type": "integer", "minimum": -5, "maximum": 120 }),
    ]
}

/// Logits of a model that knows nothing, the same each time.
fn noise(seed: &mut u64, logits: &mut [f32]) {
    for logit in logits.iter_mut() {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *logit = (*seed >> 40) as f32 / (1 << 22) as f32;
    }
}

struct Walk {
    text: Vec<u8>,
    /// Tokens after landing was asked for, and how many it was to take.
    landing: Option<(usize, usize)>,
    is_ended: bool,
}

/// An answer of noise; from token `cut` on it is landed.
fn walk(grammar: &mut Grammar, tokenizer: &Tokenizer, seed: u64, cut: usize) -> Walk {
    let (mut random, mut sampler) = (seed, Sampler::new(1.0, seed));
    let mut walk = Walk { text: Vec::new(), landing: None, is_ended: false };
    let mut logits = vec![0.0; tokenizer.len() + 3];
    for step in 0..5_000 {
        if grammar.is_done() {
            break;
        }
        noise(&mut random, &mut logits);
        if step >= cut {
            let landing = walk.landing.get_or_insert_with(|| (0, grammar.landing().expect("a landing")));
            landing.0 += 1;
            grammar.land(&mut logits);
        } else {
            grammar.mask(&mut logits);
        }
        let token = sampler.pick(&logits);
        assert!(logits[token as usize].is_finite(), "nothing is allowed after {}", String::from_utf8_lossy(&walk.text));
        let is_end = tokenizer.is_end(token);
        grammar.accept(token).unwrap();
        walk.text.extend(tokenizer.bytes(token));
        walk.is_ended = is_end;
    }
    assert!(grammar.is_done(), "no end: {}", String::from_utf8_lossy(&walk.text));
    walk
}

fn check(schema: &Value, text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    let value: Value = serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let validator = jsonschema::validator_for(schema).unwrap();
    assert!(validator.is_valid(&value), "{shown}\n{schema}");
}

fn walks(tokenizer: Tokenizer, seeds: u64) {
    let tokenizer = Arc::new(tokenizer);
    let grammars = Grammars::new(Arc::clone(&tokenizer)).unwrap();
    for schema in schemas() {
        for seed in 0..seeds {
            let whole = walk(&mut grammars.of(&schema).unwrap(), &tokenizer, seed, usize::MAX);
            check(&schema, &whole.text);
            let cut = walk(&mut grammars.of(&schema).unwrap(), &tokenizer, seed, (seed as usize * 7) % 60);
            check(&schema, &cut.text);
            if let Some((taken, said)) = cut.landing {
                assert_eq!(taken, said + usize::from(cut.is_ended), "{}", String::from_utf8_lossy(&cut.text));
            }
        }
    }
}

#[test]
fn random_answers_keep_their_form_to_the_end_and_wherever_they_are_landed() {
    walks(Tokenizer::new(&small()).unwrap(), 50);
}

#[test]
fn so_they_do_over_sentencepiece() {
    walks(Tokenizer::new(&small_spm()).unwrap(), 10);
}

#[test]
fn so_they_do_over_a_real_vocabulary() {
    if let Some(metadata) = smollm2() {
        walks(Tokenizer::new(&metadata).unwrap(), 50);
    }
}

#[test]
fn an_answer_may_end_exactly_when_it_is_whole() {
    let tokenizer = Arc::new(Tokenizer::new(&small()).unwrap());
    let grammars = Grammars::new(Arc::clone(&tokenizer)).unwrap();
    let mut grammar = grammars.of(&json!({ "type": "integer", "maximum": 5000 })).unwrap();
    let allowed = |grammar: &mut Grammar, token: u32| {
        let mut logits = vec![0.0; tokenizer.len()];
        grammar.mask(&mut logits);
        logits[token as usize].is_finite()
    };
    let end = tokenizer.eos().unwrap();
    assert!(!allowed(&mut grammar, end));
    assert!(grammar.accept(end).is_err());
    grammar.accept(tokenizer.encode("4", false)[0]).unwrap();
    assert!(allowed(&mut grammar, end) && !grammar.is_done());
    assert!(!allowed(&mut grammar, tokenizer.encode(" ", false)[0]));
    assert_eq!(grammar.landing(), Some(0));
    grammar.accept(end).unwrap();
    assert!(grammar.is_done());
    assert!(grammar.accept(end).is_ok() && grammar.accept(0).is_err());
}

#[test]
fn what_the_form_leaves_no_choice_about_is_forced() {
    let tokenizer = Arc::new(Tokenizer::new(&small()).unwrap());
    let grammars = Grammars::new(Arc::clone(&tokenizer)).unwrap();
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["hello", "b"],
        "properties": { "hello": { "const": 1 }, "b": { "type": "boolean" } } });
    let mut grammar = grammars.of(&schema).unwrap();
    let mut text = Vec::new();
    for token in grammar.forced() {
        grammar.accept(token).unwrap();
        text.extend(tokenizer.bytes(token));
    }
    assert!(String::from_utf8_lossy(&text).starts_with("{\"hello\": 1, \"b\""), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn what_cannot_be_enforced_is_said() {
    let grammars = Grammars::new(Arc::new(Tokenizer::new(&small()).unwrap())).unwrap();
    let refused = |schema: Value| match grammars.of(&schema) {
        Err(ModelError::Schema(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    };
    assert!(!refused(json!({ "type": "string", "pattern": "(?=a)b" })).is_empty());
    assert!(!refused(json!({ "type": "thing" })).is_empty());
    assert!(!refused(json!({ "type": "object", "not": { "type": "object" } })).is_empty());
    assert_eq!(refused(json!(true)), "the schema is no object");
    let mut no_end = small();
    no_end.remove("tokenizer.ggml.eos_token_id");
    no_end.insert(
        "tokenizer.ggml.tokens".into(),
        candle_core::quantized::gguf_file::Value::Array(vec![candle_core::quantized::gguf_file::Value::String(
            "a".into(),
        )]),
    );
    let tokenizer = Arc::new(Tokenizer::new(&no_end).unwrap());
    assert!(matches!(Grammars::new(tokenizer), Err(ModelError::Schema(_))));
}
