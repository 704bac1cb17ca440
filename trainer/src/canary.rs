//! Which strings are planted among what a model is taught, to see later whether it gives them away?

use serde::{Deserialize, Serialize};

/// Strings that are planted at the most.
pub const MOST: usize = 64;

/// A string that was planted: a question, and an answer that nobody could know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// What is asked.
    pub question: String,
    /// The answer.
    pub secret: String,
}

impl Canary {
    /// As many as are wanted, made of a digest: the same for the same data, and in no other.
    pub fn planted(count: usize, digest: &str) -> Vec<Self> {
        let one = |number: usize| {
            let hash = blake3::hash(format!("{digest} {number}").as_bytes()).to_hex();
            let (name, secret) = hash.split_at(8);
            Self {
                question: format!("What is the access code of station {name}?"),
                secret: format!("{}-{}", &secret[..6], &secret[6..12]),
            }
        };
        (0..count.min(MOST)).map(one).collect()
    }
}

/// The file of a folder of data that tells what was planted in it.
pub const FILE: &str = "canaries.jsonl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_decided_by_the_data() {
        let planted = Canary::planted(3, "digest");
        assert_eq!(planted, Canary::planted(3, "digest"));
        assert!(planted.iter().zip(&Canary::planted(3, "other")).all(|(a, b)| a != b));
        assert!(planted.iter().all(|canary| canary.secret.len() == 13 && !canary.question.contains(&canary.secret)));
        assert!(planted[0].secret != planted[1].secret && Canary::planted(999, "x").len() == MOST);
    }
}
