//! Where does byte-pair encoding never join? Each model was trained with its own rules for what a word is.
//!
//! The table says what llama.cpp does (src/llama-vocab.cpp, src/unicode.cpp, b7000 and later), also where that differs
//! from the model's first tokenizer: it is what the files are tested with.

use std::ops::Range;

use regex::Regex;

/// What a word is made of before anything is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Letters {
    /// Bytes, which the vocabulary spells as GPT-2 does.
    #[default]
    Bytes,
    /// Characters; a space is `▁`.
    Chars,
}

/// How the text before byte-pair encoding is treated (`tokenizer.ggml.pre`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pre {
    stages: &'static [Stage],
    pub(super) letters: Letters,
    /// Whether a word that is a token is taken as it is.
    pub(super) takes_whole_words: bool,
    /// Whether a text begins with the token for it, if the file does not say.
    pub(super) adds_bos: bool,
}

/// Every match, and everything between two, is split further by the next stage.
#[derive(Debug, Clone, Copy)]
struct Stage {
    pattern: &'static str,
    spaces: Spaces,
}

/// How much a match of nothing but white space takes before other text: these patterns end in `\s+(?!\S)|\s+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spaces {
    /// All.
    All,
    /// All but the last character.
    ButLast,
    /// All but the last character, unless that ends a line.
    ButLastInLine,
}

const fn all(pattern: &'static str) -> Stage {
    Stage { pattern, spaces: Spaces::All }
}

const fn but_last(pattern: &'static str) -> Stage {
    Stage { pattern, spaces: Spaces::ButLast }
}

const fn in_line(pattern: &'static str) -> Stage {
    Stage { pattern, spaces: Spaces::ButLastInLine }
}

/// GPT-2's words.
const WORDS: Stage = but_last(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+");
const DIGIT: Stage = all(r"\p{N}");
const THREE_DIGITS: Stage = all(r"\p{N}{1,3}");
const LINES: Stage = all(r"[^\n]+|\n+");

/// English endings in either case; `(?i)` would take the long s for an s.
macro_rules! endings {
    () => {
        r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
    };
}

/// What stands between the words and numbers of most models since GPT-4.
macro_rules! rest {
    () => {
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    };
}

const GPT4: Stage = in_line(concat!(endings!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}", rest!()));
const QWEN2: Stage = in_line(concat!(endings!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", rest!()));
const QWEN35: Stage = in_line(concat!(
    endings!(),
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
));
const MINICPM5: Stage = in_line(concat!(endings!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+", rest!()));
const NO_ENDINGS: Stage = in_line(concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}", rest!()));
const SEED: Stage =
    in_line(concat!(endings!(), r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+"));
const BAILING: Stage = in_line(concat!(
    r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+"
));
const EXAONE_MOE: Stage = in_line(concat!(
    endings!(),
    r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+"
));
const TEKKEN: Stage = in_line(concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{L}--a-z]*[\p{L}--A-Z]+|[^\r\n\p{L}\p{N}]?[\p{L}--a-z]+[\p{L}--A-Z]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"
));
const GPT4O: Stage = in_line(concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{L}--a-z]*[\p{L}--A-Z]+(?:",
    endings!(),
    r")?|[^\r\n\p{L}\p{N}]?[\p{L}--a-z]+[\p{L}--A-Z]*(?:",
    endings!(),
    r")?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"
));
const DEEPSEEK3: &[Stage] = &[
    THREE_DIGITS,
    all(r"[一-龥぀-ゟ゠-ヿ]+"),
    in_line(concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+"
    )),
];
const YOUTU: &[Stage] = &[
    all(r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"),
    in_line(concat!(
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?:",
        endings!(),
        r")?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+"
    )),
];
/// Latin, Greek, Cyrillic and other letters that have a case; CJK, as far as it goes.
const DEEPSEEK_LLM: &[Stage] = &[
    all(r"[\r\n]"),
    all(concat!(
        r"\s?[A-Za-z",
        r"\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}",
        r"\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}",
        r"\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}",
        r"\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}",
        r"\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}",
        r"\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}",
        r"\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}",
        r"\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}",
        r"\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}",
        r"\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}",
        r"\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}",
        r"\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}",
        r"\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}",
        r"\x{1E900}-\x{1E943}",
        r"]+"
    )),
    all(r"\s?[!-/:-~！-／：-～‘-‟、-。]+"),
    all(r"\s+$"),
    CJK,
    all(r"\p{N}+"),
];
const CJK: Stage = all(r"[\x{800}-龥가-\x{D7FF}]+");
const DEEPSEEK_CODER: &[Stage] = &[all(r"[\r\n]"), all(r"\s?\p{L}+"), all(r"\s?\p{P}+"), CJK, DIGIT];
const FALCON: &[Stage] = &[all(r"[\p{P}\$\+<=>\^~\|`]+"), WORDS, all("[0-9][0-9][0-9]")];
const BLOOM: Stage = all(r" ?[^(\s|.,!?…。，、।۔،)]+");
const DEFAULT: &[Stage] = &[all(r"[\p{P}\$\+<=>\^~\|]+"), WORDS, all(r"\p{N}+"), all("[0-9][0-9][0-9]")];

/// Names, stages, and what else: `w` for whole words, `b` for a beginning token, `c` for characters.
const TABLE: &[(&str, &[Stage], &str)] = &[
    ("default", DEFAULT, ""),
    ("gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert", &[WORDS], ""),
    ("jina-v1-en jina-v2-code roberta-bpe mpt olmo jais trillion granite-docling exaone4", &[WORDS], ""),
    ("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", &[GPT4], "wb"),
    ("dbrx smaug-bpe chatglm-bpe", &[GPT4], ""),
    ("glm4 glm5", &[GPT4], "w"),
    ("qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", &[QWEN2], ""),
    ("qwen35", &[QWEN35], ""),
    ("laguna", &[LINES, QWEN2], ""),
    ("ufakzeka", &[NO_ENDINGS], ""),
    ("minicpm5", &[THREE_DIGITS, MINICPM5], "w"),
    ("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", &[DIGIT, WORDS], ""),
    ("deepseek-llm", DEEPSEEK_LLM, ""),
    ("deepseek-coder", DEEPSEEK_CODER, ""),
    ("deepseek-v3 hunyuan-dense hy_v4 joyai-llm", DEEPSEEK3, ""),
    ("youtu", YOUTU, "w"),
    ("falcon", FALCON, ""),
    ("tekken", &[TEKKEN], "wb"),
    ("gpt-4o llama4 kanana2 talkie minimax-m2", &[GPT4O], ""),
    ("bailingmoe bailingmoe2 llada-moe", &[BAILING], ""),
    ("seed-coder", &[SEED], ""),
    ("exaone-moe", &[EXAONE_MOE], ""),
    ("poro-chat bloom gpt3-finnish", &[BLOOM], ""),
    ("viking", &[BLOOM, DIGIT], ""),
    ("gemma4 granite-embed-multi-311m", &[LINES], "cb"),
    ("sarvam-moe", &[LINES], "c"),
];

impl Pre {
    /// What a name of `tokenizer.ggml.pre` means.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let is_meant = |names: &str| names.split(' ').any(|known| known == name);
        let Some((_, stages, flags)) = TABLE.iter().find(|(names, ..)| is_meant(names)) else {
            let known: Vec<&str> = TABLE.iter().map(|(names, ..)| *names).collect();
            return Err(format!("its pre-tokenizer `{name}` is not known here; known are: {}", known.join(" ")));
        };
        Ok(Self {
            stages,
            letters: if flags.contains('c') { Letters::Chars } else { Letters::Bytes },
            takes_whole_words: flags.contains('w'),
            adds_bos: flags.contains('b'),
        })
    }
}

/// [`Pre`], ready to be used.
pub(super) struct Splitter {
    stages: Vec<(Regex, Spaces)>,
}

impl Splitter {
    pub(super) fn new(pre: &Pre) -> Result<Self, String> {
        let compile = |stage: &Stage| Ok((Regex::new(stage.pattern)?, stage.spaces));
        let stages: Result<_, regex::Error> = pre.stages.iter().map(compile).collect();
        Ok(Self { stages: stages.map_err(|error| error.to_string())? })
    }

    /// Hands over the words of a text, in order; together they are the text.
    pub(super) fn split(&self, text: &str, found: &mut dyn FnMut(&str)) {
        split(&self.stages, text, found);
    }
}

fn split(stages: &[(Regex, Spaces)], text: &str, found: &mut dyn FnMut(&str)) {
    let Some(((regex, spaces), rest)) = stages.split_first() else {
        if !text.is_empty() {
            found(text);
        }
        return;
    };
    let mut done = 0;
    while let Some(word) = regex.find_at(text, done).map(|word| shorten(text, word.range(), *spaces)) {
        if word.start > done {
            split(rest, &text[done..word.start], found);
        }
        split(rest, &text[word.clone()], found);
        done = word.end;
    }
    if done < text.len() {
        split(rest, &text[done..], found);
    }
}

/// The match without the white space that belongs to the next word.
fn shorten(text: &str, word: Range<usize>, spaces: Spaces) -> Range<usize> {
    let Some(last) = text[word.clone()].chars().next_back().filter(|c| c.is_whitespace()) else { return word };
    let goes_on = word.end < text.len();
    let ends_line = spaces == Spaces::ButLastInLine && matches!(last, '\n' | '\r');
    let end = word.end - last.len_utf8();
    if spaces == Spaces::All || !goes_on || ends_line || end == word.start {
        return word;
    }
    if text[word.clone()].chars().all(char::is_whitespace) { word.start..end } else { word }
}

/// The bytes that a token of GPT-2's alphabet stands for; `None` where it is not written in it.
pub(super) fn unspelled(text: &str) -> Option<Vec<u8>> {
    text.chars().map(unspelled_char).collect()
}

/// Printable bytes are themselves; the others follow 256, in order.
fn unspelled_char(c: char) -> Option<u8> {
    match u32::from(c) {
        n @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => Some(n as u8),
        n @ 0x100..=0x120 => Some((n - 0x100) as u8),
        n @ 0x121..=0x142 => Some((n - 0x121 + 0x7F) as u8),
        0x143 => Some(0xAD),
        _ => None,
    }
}
