//! Which lines of a text surprise a model? What nobody would have written there is worth a second look.

use candle_core::DType;
use engine::model::local::tokenizer::Tokenizer;

use crate::net::{Batch, Decoder, NetError, Pass};

/// The surprise of each line in nats, its line break included. A text longer than the model's window is read in pieces that
/// begin half a window before what they are asked about.
///
/// # Errors
/// [`NetError`].
pub fn lines(decoder: &Decoder, tokenizer: &Tokenizer, text: &str) -> Result<Vec<f64>, NetError> {
    let mut tokens: Vec<u32> = tokenizer.bos().or(tokenizer.eos()).into_iter().collect();
    let first = tokens.len();
    tokens.extend(tokenizer.encode(text, false));
    let mut surprise = vec![0.0; tokens.len()];
    let window = decoder.shape().window.max(2);
    let mut from = 1;
    while from < tokens.len() {
        let before = from.saturating_sub(window / 2);
        let to = (before + window).min(tokens.len());
        let piece = &tokens[before..to];
        let (batch, _) = Batch::shared(&[(piece, from - before)]);
        let found = decoder.surprise(&batch, Pass::Hear)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        surprise[from..to].copy_from_slice(&found);
        from = to;
    }
    let mut lines = vec![0.0; text.lines().count().max(1)];
    let mut line = 0;
    for (token, nats) in tokens.iter().zip(&surprise).skip(first) {
        let last = lines.len() - 1;
        lines[line.min(last)] += nats;
        line += tokenizer.bytes(*token).iter().filter(|byte| **byte == b'\n').count();
    }
    Ok(lines)
}
