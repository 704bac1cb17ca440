//! Which weights make the labels most probable? Multinomial logistic regression by L-BFGS.

use std::collections::VecDeque;

/// The numbers of a reply that are not zero, by place.
pub(crate) type Sparse = Vec<(u32, f32)>;

/// What is learned from: numbers, the share of each class among the labels, and how much the reply counts.
pub(crate) struct Sample<'a, const N: usize> {
    pub(crate) numbers: &'a Sparse,
    pub(crate) target: [f64; N],
    pub(crate) weight: f64,
}

/// A row a number, the bias last.
pub(crate) type Matrix<const N: usize> = Vec<[f64; N]>;

const ITERATIONS: usize = 80;
const MEMORY: usize = 8;

/// Weights for `count` numbers and a bias. `strength` is how far they may grow: the inverse of the L2 penalty.
pub(crate) fn fit<const N: usize>(samples: &[Sample<'_, N>], count: usize, strength: f64) -> Matrix<N> {
    let mut weights = vec![[0.0; N]; count + 1];
    let (mut loss, mut gradient) = loss(samples, &weights, strength);
    let mut steps: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    for iteration in 0..ITERATIONS {
        let mut direction = downhill(gradient.as_flattened(), &steps);
        let mut slope = dot(&direction, gradient.as_flattened());
        if slope >= 0.0 {
            direction = gradient.as_flattened().iter().map(|g| -g).collect();
            slope = -dot(&direction, &direction);
        }
        let first = if iteration == 0 { 1.0 / slope.abs().sqrt().max(1.0) } else { 1.0 };
        let Some((next, next_loss, next_gradient)) =
            step(samples, &weights, strength, (loss, &direction, slope), first)
        else {
            break;
        };
        let moved: Vec<f64> = next.as_flattened().iter().zip(weights.as_flattened()).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> =
            next_gradient.as_flattened().iter().zip(gradient.as_flattened()).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-12 {
            steps.push_back((moved, turned, 1.0 / curvature));
            if steps.len() > MEMORY {
                steps.pop_front();
            }
        }
        let gained = loss - next_loss;
        (weights, loss, gradient) = (next, next_loss, next_gradient);
        if gained < 1e-5 * loss.abs() {
            break;
        }
    }
    weights
}

/// The largest of the halved steps that lowers the loss enough.
fn step<const N: usize>(
    samples: &[Sample<'_, N>],
    weights: &Matrix<N>,
    strength: f64,
    (now, direction, slope): (f64, &[f64], f64),
    first: f64,
) -> Option<(Matrix<N>, f64, Matrix<N>)> {
    let mut length = first;
    for _ in 0..30 {
        let mut next = weights.clone();
        next.as_flattened_mut().iter_mut().zip(direction).for_each(|(weight, d)| *weight += length * d);
        let (loss, gradient) = loss(samples, &next, strength);
        if loss <= now + 1e-4 * length * slope {
            return Some((next, loss, gradient));
        }
        length /= 2.0;
    }
    None
}

/// The two-loop recursion (Nocedal 1980).
fn downhill(gradient: &[f64], steps: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::new();
    for (moved, turned, scale) in steps.iter().rev() {
        let share = scale * dot(moved, &direction);
        direction.iter_mut().zip(turned).for_each(|(d, t)| *d -= share * t);
        shares.push(share);
    }
    if let Some((_, turned, scale)) = steps.back() {
        let length = 1.0 / (scale * dot(turned, turned));
        direction.iter_mut().for_each(|d| *d *= length);
    }
    for ((moved, turned, scale), share) in steps.iter().zip(shares.into_iter().rev()) {
        let back = scale * dot(turned, &direction);
        direction.iter_mut().zip(moved).for_each(|(d, m)| *d += (share - back) * m);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Cross-entropy and penalty, with their gradient. The bias is not penalized.
fn loss<const N: usize>(samples: &[Sample<'_, N>], weights: &Matrix<N>, strength: f64) -> (f64, Matrix<N>) {
    let bias = weights.len() - 1;
    let mut gradient: Matrix<N> = weights.iter().map(|row| row.map(|weight| weight / strength)).collect();
    gradient[bias] = [0.0; N];
    let mut loss = dot(weights[..bias].as_flattened(), weights[..bias].as_flattened()) / (2.0 * strength);
    for sample in samples {
        let probabilities = softmax(logits(weights, sample.numbers));
        let mut error = [0.0; N];
        for class in 0..N {
            loss -= sample.weight * sample.target[class] * probabilities[class].max(1e-300).ln();
            error[class] = sample.weight * (probabilities[class] - sample.target[class]);
        }
        for &(at, number) in sample.numbers {
            for (slope, error) in gradient[at as usize].iter_mut().zip(error) {
                *slope += error * f64::from(number);
            }
        }
        gradient[bias].iter_mut().zip(error).for_each(|(slope, error)| *slope += error);
    }
    (loss, gradient)
}

/// What the weights say about a reply, before it is turned into probabilities.
pub(crate) fn logits<const N: usize>(weights: &Matrix<N>, numbers: &Sparse) -> [f64; N] {
    let mut logits = weights[weights.len() - 1];
    for &(at, number) in numbers {
        for (logit, weight) in logits.iter_mut().zip(weights[at as usize]) {
            *logit += weight * f64::from(number);
        }
    }
    logits
}

pub(crate) fn softmax<const N: usize>(logits: [f64; N]) -> [f64; N] {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|logit| (logit - most).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}
