//! Which words does a corpus have? Byte-level BPE (Sennrich, arXiv 1508.07909, over bytes as GPT-2 does), so that no text is
//! without its tokens.

use std::{io::Write as _, path::Path};

use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer,
    TokenizerImpl,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainerBuilder},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::files;

/// The token after each text.
const END: &str = "<|endoftext|>";

/// Tokens with a meaning of their own: what ends a text, and those by which a conversation may be written later (ChatML).
const SPECIAL: [&str; 3] = [END, "<|im_start|>", "<|im_end|>"];

/// A pair of tokens that is seen less often does not become one.
const LEAST: u64 = 2;

/// The words of a corpus.
pub struct Words {
    pub(super) tokenizer: Tokenizer,
    end: u32,
}

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// The crate that makes them refused.
    #[error("no words can be made of these texts: {0}")]
    Made(String),
    /// They cannot be read or written.
    #[error("the words in `{0}` cannot be read or written")]
    File(String, #[source] std::io::Error),
}

impl Words {
    /// Makes at most `most` words of texts.
    ///
    /// # Errors
    /// [`WordsError::Made`].
    pub fn learn(texts: impl Iterator<Item = String> + Send, most: usize) -> Result<Self, WordsError> {
        let made = |error: tokenizers::Error| WordsError::Made(error.to_string());
        let level = || ByteLevel::new(false, true, true);
        let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
            .vocab_size(most)
            .min_frequency(LEAST)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(SPECIAL.iter().map(|text| AddedToken::from(*text, true)).collect())
            .build()
            .into();
        let model: ModelWrapper = BPE::default().into();
        let mut tokenizer: TokenizerImpl<
            ModelWrapper,
            NormalizerWrapper,
            PreTokenizerWrapper,
            PostProcessorWrapper,
            DecoderWrapper,
        > = TokenizerImpl::new(model);
        tokenizer.with_pre_tokenizer(Some(level()));
        tokenizer.with_decoder(Some(level()));
        tokenizer.train(&mut trainer, texts).map_err(made)?;
        Self::of(tokenizer.into())
    }

    /// Reads those that were made before.
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn open(path: &Path) -> Result<Self, WordsError> {
        let bytes = files::read(path).map_err(|error| WordsError::File(path.display().to_string(), error))?;
        Self::of(Tokenizer::from_bytes(bytes).map_err(|error| WordsError::Made(error.to_string()))?)
    }

    fn of(mut tokenizer: Tokenizer) -> Result<Self, WordsError> {
        tokenizer.set_encode_special_tokens(true);
        let end = tokenizer.token_to_id(END).ok_or_else(|| WordsError::Made(format!("`{END}` is not among them")))?;
        Ok(Self { tokenizer, end })
    }

    /// Writes them as `tokenizer.json`.
    ///
    /// # Errors
    /// [`WordsError`].
    pub fn save(&self, path: &Path) -> Result<(), WordsError> {
        let text = self.tokenizer.to_string(true).map_err(|error| WordsError::Made(error.to_string()))?;
        files::replace(path, |out| out.write_all(text.as_bytes()))
            .map_err(|error| WordsError::File(path.display().to_string(), error))
    }

    /// The tokens of a text. What is written like a token with a meaning of its own is text here.
    ///
    /// # Errors
    /// [`WordsError::Made`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, WordsError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|error| WordsError::Made(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always the one that ends a text")]
    pub fn len(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The token after each text.
    pub fn end(&self) -> u32 {
        self.end
    }
}
