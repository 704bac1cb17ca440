//! How does the person who answers a review comment feel about it?
//!
//! A small classifier reads the writer's own words: a lexicon with negation, the shape of the text, and the built-in
//! word vectors (docs/emotion.md says how it was trained and how often it is right). It never leaves the machine.

mod clean;
mod features;
mod weights;
mod words;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use features::Parts;
pub use weights::{Weights, WeightsError};
use words::{Hit, WORDS};

static WEIGHTS: LazyLock<Weights> = LazyLock::new(Weights::builtin);

/// Whether a reply is glad or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// Displeased, sorry, against it.
    Negative,
    /// Neither.
    Neutral,
    /// Pleased, thankful, for it.
    Positive,
}

impl Polarity {
    /// All of them, in the order of [`Reading::polarities`].
    pub const ALL: [Self; 3] = [Self::Negative, Self::Neutral, Self::Positive];
}

/// What moves the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Emotion {
    /// Joy, thanks, a pleasant surprise.
    Satisfaction,
    /// Anger, annoyance.
    Frustration,
    /// Sure of the matter.
    Confidence,
    /// Puzzled, surprised, worried.
    Confusion,
    /// Nothing of these.
    Neutral,
}

impl Emotion {
    /// All of them, in the order of [`Reading::emotions`].
    pub const ALL: [Self; 5] =
        [Self::Satisfaction, Self::Frustration, Self::Confidence, Self::Confusion, Self::Neutral];
}

/// What a reply was read as.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// Calibrated probabilities of negative, neutral and positive; they sum to one.
    pub polarities: [f64; 3],
    /// Probabilities of satisfaction, frustration, confidence, confusion and neutral; they sum to one. Confidence is a
    /// share of neutral by cue words, as no public data names it; the others are calibrated.
    pub emotions: [f64; 5],
    /// The words may mean the opposite, or regret their writer's own slip: read with care.
    pub doubtful: bool,
}

/// A polarity less probable than this is no signal. docs/emotion.md tells how often readings above it are right.
pub const SURE: f64 = 0.6;

/// Share of neutral that is confidence where a reply speaks with certainty and does not hedge.
const CONFIDENT: f64 = 0.5;

/// Reads a reply, Markdown as written on the forge. Code, diffs, quotes, HTML, addresses and mentions are left out, and
/// so is what follows the first 16,000 bytes.
#[must_use]
pub fn read(text: &str) -> Reading {
    let parts = Parts::of(text);
    let numbers = features::features(&parts);
    let polarities = weights::probabilities(&WEIGHTS.polarity, &numbers);
    let [satisfaction, frustration, confusion, neutral] = weights::probabilities(&WEIGHTS.emotion, &numbers);
    let is_certain = parts.count("confidence") > 0 && parts.count("hedge") == 0;
    let confidence = if is_certain { CONFIDENT * neutral } else { 0.0 };
    let emotions = [satisfaction, frustration, confidence, confusion, neutral - confidence];
    Reading { polarities, emotions, doubtful: is_doubtful(&parts, &polarities) }
}

/// The numbers the classifier sees in a reply, always equally many: what `train_emotion` learns from.
#[must_use]
pub fn features(text: &str) -> Vec<f32> {
    features::features(&Parts::of(text))
}

impl Reading {
    /// The polarity that is most probable once each is weighed as [`Weights::decision`] says.
    #[must_use]
    pub fn polarity(&self) -> Polarity {
        let weighed: Vec<f64> = self.polarities.iter().zip(WEIGHTS.decision).map(|(p, w)| p * f64::from(w)).collect();
        Polarity::ALL.get(greatest(&weighed)).copied().unwrap_or(Polarity::Neutral)
    }

    /// The most probable emotion.
    #[must_use]
    pub fn emotion(&self) -> Emotion {
        Emotion::ALL.get(greatest(&self.emotions)).copied().unwrap_or(Emotion::Neutral)
    }

    /// How glad the writer is, -1 to 1: the probability of positive less that of negative. None when unsure, that is
    /// when no polarity reaches [`SURE`] or the reply is doubtful. Near 0 where it is surely neutral.
    #[must_use]
    pub fn signal(&self) -> Option<f64> {
        let [negative, _, positive] = self.polarities;
        let is_sure = self.polarities.iter().any(|&probability| probability >= SURE);
        (is_sure && !self.doubtful).then_some(positive - negative)
    }
}

/// The place of the greatest value, the first of equals; 0 where there is none.
fn greatest(values: &[f64]) -> usize {
    let better = |best: usize, at: usize| if values.get(at) > values.get(best) { at } else { best };
    (0..values.len()).fold(0, better)
}

/// Irony cannot be told by words, and "sorry, my mistake" is unhappy with its writer, not with the comment.
fn is_doubtful(parts: &Parts, polarities: &[f64; 3]) -> bool {
    let [negative, _, positive] = *polarities;
    let is_ironic = parts.count("sarcasm") > 0 || parts.sentences.iter().any(|sentence| is_mock_praise(sentence));
    let is_mixed = parts.count("emoji_good") > 0 && parts.count("emoji_bad") > 0;
    let is_winked = positive > negative && parts.count("emoji_odd") > 0;
    let is_wordless = !parts.hits.iter().any(|hits| !hits.is_empty()) && parts.sentences.concat().len() < 2;
    let is_sorry = negative > positive && parts.count("sorry") > 0;
    is_ironic || is_mixed || is_winked || is_wordless || is_sorry || is_turned(parts, negative > positive)
}

/// "Not a bad idea" read as bad, "not great" read as great: nothing but a negated word speaks for the reading.
fn is_turned(parts: &Parts, is_negative: bool) -> bool {
    let (turned, plain): (&[&str], &[&str]) = match is_negative {
        true => (&["complaint", "frustration"], &["oppose", "regret", "confusion", "worry", "emoji_bad"]),
        false => (&["praise", "joy", "works", "thanks"], &["emoji_good"]),
    };
    let is_in = |names: &[&str], group: usize| WORDS.groups.get(group).is_some_and(|name| names.contains(name));
    let mut hits = parts.hits.iter().flatten();
    let is_plain = |hit: &Hit| is_in(plain, hit.group) || (is_in(turned, hit.group) && !hit.negated);
    hits.clone().any(|hit| hit.negated && is_in(turned, hit.group)) && !hits.any(is_plain)
}

/// "Great, another nit": praise at the start, and then once more of something.
fn is_mock_praise(sentence: &[String]) -> bool {
    let praise = ["great", "nice", "lovely", "wonderful", "fantastic", "brilliant", "perfect", "awesome", "excellent"];
    let again = ["another", "again", "yet", "even", "still"];
    let starts = sentence.first().is_some_and(|word| praise.contains(&word.as_str()));
    let follows = sentence.get(1).is_some_and(|word| matches!(word.as_str(), "," | "-" | ":" | "another" | "…"));
    starts && follows && sentence.iter().take(5).any(|word| again.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_replies_are_read_as_people_mean_them() {
        for text in ["Thanks, great catch!", "LGTM 👍", "Perfect, thank you :tada:", "Love it, merged. Thanks!"] {
            assert_eq!(read(text).polarity(), Polarity::Positive, "{text}: {:?}", read(text));
            assert!(read(text).signal().is_some_and(|signal| signal > 0.4), "{text}: {:?}", read(text));
        }
        for text in ["This is horrible and it breaks everything.", "I hate this, it's really annoying :-1:"] {
            assert_eq!(read(text).polarity(), Polarity::Negative, "{text}: {:?}", read(text));
        }
        for text in ["Updated the docs in the last commit.", "Renamed to `parse`.", "See the section on caching"] {
            assert_eq!(read(text).polarity(), Polarity::Neutral, "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn what_others_said_does_not_count() {
        let own = read("Renamed it.");
        assert_eq!(read("> This is horrible, I hate it\n\nRenamed it.").polarity(), own.polarity());
        assert_eq!(read("Renamed it.\n```\nhate hate hate\n```").polarity(), own.polarity());
    }

    #[test]
    fn a_turned_word_is_not_read_as_itself() {
        let negative = |text: &str| read(text).polarities[0];
        assert!(negative("not a bad idea") < negative("a bad idea"));
        assert!(negative("it doesn't work") > negative("it works"));
        assert_eq!(read("not a bad idea").signal().filter(|signal| *signal < 0.0), None);
        assert_eq!(read("this is not great").signal().filter(|signal| *signal > 0.0), None);
    }

    #[test]
    fn irony_regret_and_silence_are_no_signal() {
        for text in [
            "great, another nit",
            "Oh great, more bots.",
            "yeah right",
            "Thanks for nothing!",
            "Sorry, my bad, my mistake.",
            "👍 👎",
            "Nice one 🙄",
            "",
            "> I love this",
            "```\nI love this\n```",
            "¯\\_(ツ)_/¯",
            "https://example.com/thanks",
        ] {
            assert_eq!(read(text).signal(), None, "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn probabilities_sum_to_one_whatever_is_written() {
        let long = "thanks but no ".repeat(5000);
        for text in ["", "\u{0}", "🤷🏽‍♀️", "a\u{301}", "```", "> ", &long, "[](((((", "<<<<!--", "@@ -1\n+x"]
        {
            let reading = read(text);
            for sum in [reading.polarities.iter().sum::<f64>(), reading.emotions.iter().sum()] {
                assert!((sum - 1.0).abs() < 1e-9, "{text:?}: {reading:?}");
            }
            assert!(reading.signal().is_none_or(|signal| (-1.0..=1.0).contains(&signal)));
        }
    }

    #[test]
    fn certainty_is_a_share_of_neutral() {
        let share = |text: &str| read(text).emotions[2];
        assert!(share("I verified it, definitely the lock is taken twice") > 0.1);
        assert!(share("maybe the lock is definitely taken twice") < 1e-12);
    }
}
