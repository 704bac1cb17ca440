//! How do numbers become probabilities? Two multinomial logistic regressions, compiled in.
//!
//! The file, little-endian: `APEMOTE1` · u32 numbers of a reply · f32 weight of negative, neutral and positive in a
//! decision · f32 polarity\[numbers + 1\]\[3\] · f32 emotion\[numbers + 1\]\[4\], the last row of each being the
//! bias. The temperatures that calibrate them are multiplied in.

use super::features;

static BUILTIN: &[u8] = include_bytes!("../../../../config/emotion.bin");

const MAGIC: &[u8] = b"APEMOTE1";

/// Classes of the polarity, and of the emotions that people labeled.
pub(super) const POLARITIES: usize = 3;
pub(super) const LABELED: usize = 4;

/// The weights of the classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// What a probability counts in a decision: negative, neutral, positive. Negative replies are rare and matter most.
    pub decision: [f32; POLARITIES],
    /// A row a number of [`features`](super::features), the bias last; columns negative, neutral, positive.
    pub polarity: Vec<[f32; POLARITIES]>,
    /// The same; columns satisfaction, frustration, confusion, neutral.
    pub emotion: Vec<[f32; LABELED]>,
}

/// Why some bytes are no weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not weights of the emotion classifier: {0}")]
pub struct WeightsError(&'static str);

impl Weights {
    /// The weights that are compiled in.
    #[expect(clippy::expect_used, reason = "the compiled-in weights are read by a test and cannot change at run time")]
    pub(super) fn builtin() -> Self {
        Self::read(BUILTIN).expect("config/emotion.bin holds weights")
    }

    /// Reads what [`Weights::bytes`] wrote.
    ///
    /// # Errors
    /// [`WeightsError`] when it is something else, cut off, or made for other features.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(WeightsError("it does not start with APEMOTE1"))?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(WeightsError("it ends too soon"))?;
        if u32::from_le_bytes(*count) as usize != features::count() {
            return Err(WeightsError("it was trained with other features; train it again"));
        }
        let (numbers, odd) = rest.as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let rows = features::count() + 1;
        let (decision, rest) = numbers.split_first_chunk().ok_or(WeightsError("it ends too soon"))?;
        let (polarity, emotion) = rest.split_at_checked(rows * POLARITIES).ok_or(WeightsError("it ends too soon"))?;
        if emotion.len() != rows * LABELED || !odd.is_empty() || !numbers.iter().all(|number| number.is_finite()) {
            return Err(WeightsError("it has a wrong length or broken numbers"));
        }
        Ok(Self {
            decision: *decision,
            polarity: polarity.as_chunks().0.to_vec(),
            emotion: emotion.as_chunks().0.to_vec(),
        })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let numbers = self.decision.iter().chain(self.polarity.as_flattened()).chain(self.emotion.as_flattened());
        let count = (self.polarity.len().saturating_sub(1) as u32).to_le_bytes();
        let numbers = numbers.flat_map(|number| number.to_le_bytes());
        MAGIC.iter().copied().chain(count).chain(numbers).collect()
    }
}

/// The probabilities of the classes, given the numbers of a reply.
pub(super) fn probabilities<const N: usize>(weights: &[[f32; N]], numbers: &[f32]) -> [f64; N] {
    let mut logits = [0.0_f64; N];
    for (row, number) in weights.iter().zip(numbers.iter().chain([&1.0])) {
        for (logit, weight) in logits.iter_mut().zip(row) {
            *logit += f64::from(*weight) * f64::from(*number);
        }
    }
    softmax(logits)
}

/// Probabilities out of logits.
pub(super) fn softmax<const N: usize>(logits: [f64; N]) -> [f64; N] {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|logit| (logit - most).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_weights_are_read_and_written_unchanged() {
        let weights = Weights::builtin();
        assert_eq!(weights.bytes(), BUILTIN);
        assert!(BUILTIN.len() < 2_000_000);
    }

    #[test]
    fn what_is_no_weights_is_refused() {
        assert!(Weights::read(b"").is_err());
        assert!(Weights::read(&BUILTIN[..BUILTIN.len() - 1]).is_err());
        assert!(Weights::read(&BUILTIN[..11]).is_err());
        let broken = [&BUILTIN[..12], &f32::NAN.to_le_bytes(), &BUILTIN[16..]].concat();
        assert!(Weights::read(&broken).is_err());
        let other = [MAGIC, &3_u32.to_le_bytes(), &BUILTIN[12..]].concat();
        assert!(Weights::read(&other).unwrap_err().to_string().contains("train it again"));
    }

    #[test]
    fn probabilities_are_those_of_a_softmax() {
        let [a, b] = probabilities(&[[1.0, 0.0], [0.5, 0.5]], &[2.0]);
        assert!((a - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-12 && (a + b - 1.0).abs() < 1e-12);
    }
}
