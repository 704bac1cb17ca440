//! Which token comes next?

/// A token whose probability is less than this share of the likeliest one's is never taken (min-p,
/// [arXiv:2407.01082](https://arxiv.org/abs/2407.01082)).
const LEAST_SHARE: f32 = 0.05;

/// Picks tokens; the same seed picks the same ones.
pub(super) struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// `temperature`: 0 takes the likeliest token always; what is no number, or below 0, is taken for 0.
    pub(super) fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature: if temperature > 0.0 { temperature } else { 0.0 }, state: seed }
    }

    /// A token, by its logits; the lowest of equally likely ones where the likeliest is taken. 0 where there is none.
    pub(super) fn pick(&mut self, logits: &[f32]) -> u32 {
        let best = likeliest(logits);
        let most = logits.get(best).copied().unwrap_or(f32::NEG_INFINITY);
        if self.temperature == 0.0 || !most.is_finite() {
            return best as u32;
        }
        let temperature = self.temperature;
        // p >= share * p_best, in logits; what is less would be exp(-inf) anyway at a temperature near 0.
        let least = most + LEAST_SHARE.ln() * temperature;
        let weight = |logit: f32| f64::from(((logit - most) / temperature).exp());
        let kept = || logits.iter().enumerate().filter(|(_, logit)| **logit >= least);
        let sum: f64 = kept().map(|(_, logit)| weight(*logit)).sum();
        let mut left = self.next() * sum;
        for (at, logit) in kept() {
            left -= weight(*logit);
            if left < 0.0 {
                return at as u32;
            }
        }
        best as u32
    }

    /// A number in 0..1 (SplitMix64).
    fn next(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn likeliest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] || logits[best].is_nan() {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_temperature_the_likeliest_is_taken_and_the_first_of_equals() {
        let mut sampler = Sampler::new(0.0, 1);
        assert_eq!(sampler.pick(&[0.0, 3.0, 3.0, -1.0]), 1);
        assert_eq!(sampler.pick(&[f32::NAN, 0.5, f32::NEG_INFINITY]), 1);
        assert_eq!(sampler.pick(&[]), 0);
        assert_eq!(Sampler::new(f32::NAN, 1).pick(&[0.0, 1.0]), 1);
    }

    #[test]
    fn with_temperature_tokens_come_as_often_as_they_are_likely() {
        // 0.5, 0.3, 0.2, and one below min-p.
        let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln(), 0.001_f32.ln(), f32::NEG_INFINITY];
        let mut sampler = Sampler::new(1.0, 7);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[sampler.pick(&logits) as usize] += 1;
        }
        assert!((4800..5200).contains(&counts[0]), "{counts:?}");
        assert!((2800..3200).contains(&counts[1]), "{counts:?}");
        assert_eq!(counts[3..], [0, 0]);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let run = |seed| {
            let mut sampler = Sampler::new(0.8, seed);
            (0..50).map(|_| sampler.pick(&[0.1, 0.2, 0.3, 0.0])).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn what_is_forbidden_is_never_picked() {
        let mut sampler = Sampler::new(5.0, 11);
        for _ in 0..1000 {
            assert_eq!(sampler.pick(&[f32::NEG_INFINITY, -80.0, f32::NEG_INFINITY]), 1);
        }
    }
}
