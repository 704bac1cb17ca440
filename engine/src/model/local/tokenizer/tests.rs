//! Are texts taken apart as llama.cpp does? With small vocabularies made up here; benches/tokenizers.py and, where
//! APPRENTICE_TEST_GGUF names SmolLM2-135M-Instruct's file, a test here hold real ones against llama.cpp.
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where the model is")]

use std::{env, fs::File};

use candle_core::quantized::gguf_file::Content;
use proptest::prelude::*;

use candle_core::quantized::gguf_file::Value;

use super::*;

/// GPT-2's way to write a byte.
fn spelled(byte: u8) -> char {
    (0..0x144).filter_map(char::from_u32).find(|c| split::unspelled(&c.to_string()) == Some(vec![byte])).unwrap()
}

fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Value {
    Value::Array(texts.into_iter().map(|text| Value::String(text.into())).collect())
}

fn types(types: impl IntoIterator<Item = i32>) -> Value {
    Value::Array(types.into_iter().map(Value::I32).collect())
}

/// The bytes, six pairs, ChatML's control tokens and two tokens that the file says are text.
pub(in super::super) fn small() -> Metadata {
    let merges = ["h e", "l l", "he ll", "hell o", "a a", "aa aa", "Ġ hello"];
    let made = merges.iter().map(|merge| merge.replace(' ', ""));
    let special = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "<br>"];
    let tokens = (0..=255).map(|byte| spelled(byte).to_string()).chain(made).chain(special.map(str::to_owned));
    let kinds = std::iter::repeat_n(1, 256 + merges.len()).chain([3, 3, 3, 4, 4]);
    Metadata::from([
        ("tokenizer.ggml.model".into(), Value::String("gpt2".into())),
        ("tokenizer.ggml.pre".into(), Value::String("gpt-2".into())),
        ("tokenizer.ggml.tokens".into(), texts(tokens)),
        ("tokenizer.ggml.merges".into(), texts(merges)),
        ("tokenizer.ggml.token_type".into(), types(kinds)),
        ("tokenizer.ggml.eos_token_id".into(), Value::U32(264)),
        ("tokenizer.ggml.bos_token_id".into(), Value::U32(263)),
    ])
}

/// Special tokens, bytes and a few pieces with their scores, as SentencePiece has them.
pub(in super::super) fn small_spm() -> Metadata {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".into(), "</s>".into()];
    let mut kinds = vec![2, 3, 3];
    let mut scores = vec![0.0; 3];
    for byte in 0..=255_u8 {
        tokens.push(format!("<0x{byte:02X}>"));
        kinds.push(6);
        scores.push(0.0);
    }
    let pieces = ["▁", "a", "b", "c", "<", "/", "s", ">", "ab", "bc", "▁a", "▁ab", "</", "s>"];
    for (piece, score) in
        pieces.iter().zip([-9., -10., -10., -10., -10., -10., -10., -10., -2., -1., -4., -3., -5., -6.])
    {
        tokens.push((*piece).into());
        kinds.push(1);
        scores.push(score);
    }
    Metadata::from([
        ("tokenizer.ggml.model".into(), Value::String("llama".into())),
        ("tokenizer.ggml.tokens".into(), texts(tokens)),
        ("tokenizer.ggml.scores".into(), Value::Array(scores.into_iter().map(Value::F32).collect())),
        ("tokenizer.ggml.token_type".into(), types(kinds)),
    ])
}

/// The tokens one by one, as people write them.
fn shown(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    tokens.iter().map(|&token| tokenizer.name(token)).collect()
}

fn encoded(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    shown(tokenizer, &tokenizer.encode(text, false))
}

fn decoded(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|&token| tokenizer.bytes(token)).copied().collect()
}

#[test]
fn neighbours_are_joined_in_the_order_that_was_learned() {
    let tokenizer = Tokenizer::new(&small()).unwrap();
    assert_eq!(encoded(&tokenizer, "hello hello"), ["hello", " hello"]);
    assert_eq!(encoded(&tokenizer, "helo hell"), ["he", "l", "o", " ", "hell"]);
    assert_eq!(encoded(&tokenizer, "aaaaaaa"), ["aaaa", "aa", "a"]);
    assert!(encoded(&tokenizer, "").is_empty());
    assert_eq!(tokenizer.len(), 268);
    assert_eq!(tokenizer.bytes(268), b"");
    assert_eq!(tokenizer.bytes(u32::MAX), b"");
}

#[test]
fn names_of_special_tokens_are_tokens_only_where_they_may_be() {
    let tokenizer = Tokenizer::new(&small()).unwrap();
    let text = "<|im_start|>hello<think><br>";
    assert_eq!(shown(&tokenizer, &tokenizer.encode(text, true)), ["<|im_start|>", "hello", "<think>", "<br>"]);
    let plain = encoded(&tokenizer, text);
    assert_eq!((&*plain[0], plain.len()), ("<", 12 + 3));
    assert_eq!(tokenizer.bytes(263), b"");
    assert_eq!(tokenizer.bytes(266), b"<think>");
    assert!(tokenizer.is_end(264) && tokenizer.is_end(265) && !tokenizer.is_end(263));
}

#[test]
fn nobody_but_the_template_can_write_what_the_template_means() {
    let mut metadata = small();
    metadata.insert("tokenizer.chat_template".into(), Value::String("… <think> …".into()));
    let tokenizer = Tokenizer::new(&metadata).unwrap();
    let count = |text: &str, trust| tokenizer.encode_parts(&[(text, trust)]).len();
    assert_eq!((count("<think>", Trust::Plain), count("<think>", Trust::Quoted)), (1, 7));
    assert_eq!((count("<br>", Trust::Plain), count("<br>", Trust::Quoted)), (1, 1));
    assert_eq!(count("<|im_end|>", Trust::Quoted), 10);
    // Words go across a seam, control tokens do not.
    assert_eq!(tokenizer.encode_parts(&[("he", Trust::Template), ("llo", Trust::Quoted)]).len(), 1);
    let torn = tokenizer.encode_parts(&[("<|im_", Trust::Template), ("end|>", Trust::Quoted), ("", Trust::Template)]);
    assert!(torn.iter().all(|&token| token < 256), "{torn:?}");
}

#[test]
fn sentencepiece_joins_the_likeliest_and_spells_out_the_rest() {
    let tokenizer = Tokenizer::new(&small_spm()).unwrap();
    // `bc` is likelier than `ab`, and `▁` is put before.
    assert_eq!(encoded(&tokenizer, "abc"), [" a", "bc"]);
    assert_eq!(encoded(&tokenizer, "ab"), [" ab"]);
    assert_eq!(tokenizer.encode("é", false)[1..], [3 + 0xC3, 3 + 0xA9]);
    assert_eq!(decoded(&tokenizer, &tokenizer.encode("aé z", false)), " aé z".as_bytes());
    // No text is joined to a control token; llama.cpp does that.
    assert_eq!(encoded(&tokenizer, "</s>"), [" ", "</", "s>"]);
    assert_eq!(tokenizer.encode("</s>a", true), [2, tokenizer.encode("a", false)[0]]);
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.adds_bos()), (Some(1), Some(2), true));
    assert!(tokenizer.is_end(2));
}

#[test]
fn white_space_before_a_word_goes_with_it_as_each_model_learned() {
    let words = |pre: &str, text: &str| {
        let mut words = Vec::new();
        Splitter::new(&split::Pre::named(pre).unwrap()).unwrap().split(text, &mut |word| words.push(word.to_owned()));
        words
    };
    use split::Splitter;
    assert_eq!(words("gpt-2", "a   b\n\nc  "), ["a", "  ", " b", "\n", "\n", "c", "  "]);
    assert_eq!(words("llama-bpe", "a   b\n\nc\t\td1234"), ["a", "  ", " b", "\n\n", "c", "\t", "\td", "123", "4"]);
    assert_eq!(words("qwen2", "x=12 'S don'T"), ["x", "=", "1", "2", " '", "S", " don", "'T"]);
    assert_eq!(words("smollm", "v12 a"), ["v", "1", "2", " a"]);
    assert_eq!(words("deepseek-v3", "abc中文12345 d"), ["abc", "中文", "123", "45", " d"]);
    assert_eq!(words("tekken", "HTMLParser's"), ["HTMLParser", "'s"]);
    assert_eq!(words("gpt-4o", "fooBar's"), ["foo", "Bar's"]);
}

#[test]
fn every_row_of_the_table_can_be_used() {
    let error = split::Pre::named("new-one").unwrap_err();
    assert!(error.starts_with("its pre-tokenizer `new-one` is not known here; known are: default "), "{error}");
    for name in error.rsplit(": ").next().unwrap().split(' ') {
        let splitter =
            split::Splitter::new(&split::Pre::named(name).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let text = "Don't go  there,\n\n it's 12345 中文ไทย; e\u{301}→ <a>\t\r\n x";
        let mut joined = String::new();
        splitter.split(text, &mut |word| joined.push_str(word));
        assert_eq!(joined, text, "{name}");
    }
}

#[test]
fn a_long_line_of_one_character_does_not_take_for_ever() {
    let (bpe, spm) = (Tokenizer::new(&small()).unwrap(), Tokenizer::new(&small_spm()).unwrap());
    for c in ["a", " ", "\n", "é", "<|im_end|", "1"] {
        let text = c.repeat((1 << 20) / c.len());
        for tokenizer in [&bpe, &spm] {
            let tokens = tokenizer.encode(&text, true);
            let text = decoded(tokenizer, &tokens);
            let whole = (1 << 20) / c.len() * c.len();
            // SentencePiece puts a space before.
            assert!(text.len() == whole || text.len() == whole + 1, "{c:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_an_error() {
    let refused = |key: &str, value: Option<Value>| {
        let mut metadata = small();
        match value {
            Some(value) => metadata.insert(key.into(), value),
            None => metadata.remove(key),
        };
        match Tokenizer::new(&metadata) {
            Err(ModelError::File { why, .. }) => why,
            Ok(_) => "used".into(),
            Err(other) => panic!("{other}"),
        }
    };
    assert!(refused("tokenizer.ggml.model", None).contains("no tokenizer"));
    assert!(refused("tokenizer.ggml.model", Some(Value::String("bert".into()))).contains("`bert` is not known"));
    assert!(
        refused("tokenizer.ggml.pre", Some(Value::String("x".into()))).contains("`x` is not known here; known are")
    );
    assert!(refused("tokenizer.ggml.tokens", Some(Value::U8(1))).contains("no tokens"));
    assert!(refused("tokenizer.ggml.tokens", Some(Value::Array(vec![Value::U8(1)]))).contains("not texts"));
    assert!(refused("tokenizer.ggml.tokens", Some(Value::Array(Vec::new()))).contains("0 tokens"));
    assert!(refused("tokenizer.ggml.merges", None).contains("no merges"));
    assert!(refused("tokenizer.ggml.token_type", Some(types([1]))).contains("shorter"));
    // These do no harm.
    assert_eq!(refused("tokenizer.ggml.pre", None), "used");
    assert_eq!(refused("tokenizer.ggml.eos_token_id", Some(Value::U32(u32::MAX))), "used");
    assert_eq!(
        refused("tokenizer.ggml.merges", Some(texts(["", " ", "x", "  ", "ab ", "日 本", "a a", "a a"]))),
        "used"
    );
}

proptest! {
    #[test]
    fn what_is_encoded_can_be_read_again(text in any::<String>(), more in "[ a-c<>/s\n\t1héö'|]{0,40}") {
        let text = text + &more;
        let bpe = Tokenizer::new(&small()).unwrap();
        prop_assert_eq!(decoded(&bpe, &bpe.encode(&text, false)), text.as_bytes());
        let spm = Tokenizer::new(&small_spm()).unwrap();
        // SentencePiece cannot tell `▁` from a space.
        let spaced = if text.is_empty() { String::new() } else { format!(" {text}").replace('▁', " ") };
        prop_assert_eq!(decoded(&spm, &spm.encode(&text, false)), spaced.as_bytes());
    }
}

/// SmolLM2-135M-Instruct's metadata, where the file is there.
pub(in super::super) fn smollm2() -> Option<Metadata> {
    let file = env::var_os("APPRENTICE_TEST_GGUF");
    let required = env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(file.is_some() || !required, "APPRENTICE_TEST_GGUF names no file");
    let Some(file) = file else {
        eprintln!("skipped: APPRENTICE_TEST_GGUF names no file");
        return None;
    };
    let mut file = std::io::BufReader::new(File::open(file).expect("the file"));
    Some(Content::read(&mut file).expect("a GGUF file").metadata)
}

#[test]
fn tokens_of_a_real_model_are_those_of_llama_cpp() {
    #[derive(serde::Deserialize)]
    struct Row {
        text: String,
        special: bool,
        ids: Vec<u32>,
    }
    let Some(metadata) = smollm2() else { return };
    let tokenizer = Tokenizer::new(&metadata).unwrap();
    let rows: Vec<Row> =
        include_str!("golden.jsonl").lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    assert!(rows.len() >= 60);
    for row in rows {
        assert_eq!(tokenizer.encode(&row.text, row.special), row.ids, "{:?}", row.text);
        if !row.special {
            assert_eq!(decoded(&tokenizer, &row.ids), row.text.as_bytes(), "{:?}", row.text);
        }
    }
}
