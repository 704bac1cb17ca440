//! Was this text taken before, word for word or nearly?

use std::collections::{HashMap, HashSet};

use engine::{
    recall::minhash::{self, Signature},
    source,
};

/// Texts this alike are the same.
const ALIKE: f64 = 0.85;
/// Words of a run that are compared at once.
const RUN: usize = 5;
/// Values of a signature in one band.
const ROWS: usize = 8;

/// What was taken so far: about 800 bytes a text.
#[derive(Debug, Default)]
pub(super) struct Twins {
    exact: HashSet<[u8; 16]>,
    bands: HashMap<u64, u32>,
    signatures: Vec<Signature>,
}

/// What is compared of a text.
#[derive(Debug)]
pub(super) struct Shape {
    exact: [u8; 16],
    signature: Signature,
}

impl Shape {
    /// The shape of a text, whatever its white space is.
    pub(super) fn of(text: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for word in text.split_whitespace() {
            hasher.update(word.as_bytes()).update(b" ");
        }
        let mut exact = [0; 16];
        hasher.finalize_xof().fill(&mut exact);
        let words = source::identifiers(text).filter_map(|word| text.get(word));
        Self { exact, signature: Signature::of(minhash::shingles(words, RUN)) }
    }
}

impl Twins {
    /// Takes a text in.
    ///
    /// # Errors
    /// Why it is left out: what was taken before says the same.
    pub(super) fn take(&mut self, shape: Shape) -> Result<(), &'static str> {
        if !self.exact.insert(shape.exact) {
            return Err("says the same as another");
        }
        let keys: Vec<u64> = shape.signature.bands(ROWS).collect();
        let is_twin = |key: &u64| {
            let other = self.bands.get(key).and_then(|&at| self.signatures.get(at as usize));
            other.is_some_and(|other| other.similarity(&shape.signature) >= ALIKE)
        };
        if keys.iter().any(is_twin) {
            return Err("says nearly the same as another");
        }
        let at = u32::try_from(self.signatures.len()).unwrap_or(u32::MAX);
        for key in keys {
            self.bands.entry(key).or_insert(at);
        }
        self.signatures.push(shape.signature);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_or_nearly_is_taken_once() {
        let text = |seed: usize| (0..200).map(|n| format!("word_{seed}_{n} ")).collect::<String>();
        let mut twins = Twins::default();
        let mut take = |text: &str| twins.take(Shape::of(text));
        assert_eq!(take(&text(1)), Ok(()));
        assert_eq!(take(&text(2)), Ok(()));
        assert_eq!(take(&text(1).replace(' ', "\n")), Err("says the same as another"));
        assert_eq!(take(&format!("{} and one more", text(1))), Err("says nearly the same as another"));
        assert_eq!(take(&format!("{}{}", text(1), text(3))), Ok(()), "half of it is new");
    }
}
