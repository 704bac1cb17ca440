//! Do our operations compute what candle's do, and are their gradients the slopes? Values and gradients in 32 bits are held
//! against candle's in 64, and those against finite differences.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};
use engine::model::local::{Pairs, Rope};

use super::{
    super::batch::{Piece, Places},
    attention::Heads,
    rope::Turns,
    *,
};

/// Numbers that look random, about as large as activations are.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn variable(shape: &[usize], seed: u64, kind: DType) -> Var {
    let values = Tensor::from_vec(numbers(shape.iter().product(), seed), shape, &Device::Cpu).unwrap();
    Var::from_tensor(&values.to_dtype(kind).unwrap()).unwrap()
}

type Op<'a> = &'a dyn Fn(&[Tensor]) -> Result<Tensor>;

/// One number of a result, so that it has a slope.
fn weighed(op: Op<'_>, inputs: &[Var]) -> Result<Tensor> {
    let inputs: Vec<Tensor> = inputs.iter().map(|input| input.as_tensor().clone()).collect();
    let out = op(&inputs)?;
    let weights = Tensor::from_vec(numbers(out.elem_count(), 99), out.shape(), &Device::Cpu)?.to_dtype(out.dtype())?;
    (out * weights)?.sum_all()
}

fn number(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
}

fn all(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Holds ours against candle's, and candle's gradients against slopes.
fn hold(op: Op<'_>, shapes: &[&[usize]]) {
    let inputs = |kind| -> Vec<Var> { shapes.iter().zip(1..).map(|(shape, n)| variable(shape, n, kind)).collect() };
    let (ours, theirs) = (inputs(DType::F32), inputs(DType::F64));
    let (a, b) = (weighed(op, &ours).unwrap(), weighed(op, &theirs).unwrap());
    assert!((number(&a) - number(&b)).abs() < 1e-4 * (1.0 + number(&b).abs()), "{} and {}", number(&a), number(&b));
    let (a, b) = (a.backward().unwrap(), b.backward().unwrap());
    for (nth, (one, other)) in ours.iter().zip(&theirs).enumerate() {
        let (one, slopes) = (all(a.get(one).expect("a gradient")), all(b.get(other).expect("a gradient")));
        let most = slopes.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
        assert!(most > 1e-3, "input {nth} has no gradient");
        for (at, (one, slope)) in one.iter().zip(&slopes).enumerate() {
            assert!((one - slope).abs() < 2e-4 * most, "input {nth}, number {at}: {one} and {slope}");
        }
        for at in [0, slopes.len() / 2, slopes.len() - 1] {
            let slope = finite(op, &theirs, (nth, at));
            assert!(
                (slope - slopes[at]).abs() < 1e-6 * (1.0 + most),
                "input {nth}, number {at}: {slope} and {}",
                slopes[at]
            );
        }
    }
}

/// How much more comes out for one number being larger.
fn finite(op: Op<'_>, inputs: &[Var], (nth, at): (usize, usize)) -> f64 {
    let original = inputs[nth].as_tensor().copy().unwrap();
    let mut values = all(&original);
    let mut moved = |by: f64| {
        values[at] += by;
        inputs[nth].set(&Tensor::from_slice(&values, original.shape(), &Device::Cpu).unwrap()).unwrap();
        number(&weighed(op, inputs).unwrap())
    };
    let slope = (moved(1e-5) - moved(-2e-5)) / 2e-5;
    inputs[nth].set(&original).unwrap();
    slope
}

#[test]
fn products_with_weights() {
    hold(&|x| linear::trained(&x[0], &x[1]), &[&[5, 7], &[6, 7]]);
    let weight = |kind| variable(&[6, 7], 8, kind).as_tensor().detach();
    hold(&|x| linear::frozen(&x[0], &weight(x[0].dtype())), &[&[5, 7]]);
    hold(&|x| linear::adapted(&x[0], &weight(x[0].dtype()), (&x[1], &x[2]), 1.7), &[&[5, 7], &[3, 7], &[6, 3]]);
}

#[test]
fn norms() {
    hold(&|x| norm::rms(&x[0], &x[1], 1e-5), &[&[70, 24], &[24]]);
}

/// Pieces of these lengths, and what each goes on from.
fn places(pieces: &[(usize, Option<usize>)]) -> Places {
    Places::new(&pieces.iter().map(|&(length, after)| Piece { length, after }).collect::<Vec<_>>())
}

#[test]
fn gates() {
    hold(&|x| swiglu::swiglu(&(&x[0] * 4.0)?, &x[1]), &[&[9, 33], &[9, 33]]);
}

#[test]
fn rotations() {
    for which in [Pairs::Near, Pairs::Far] {
        for pairs in [4, 3] {
            let angles = (0..pairs).map(|n| 0.7f64.powi(n)).collect();
            let places = places(&[(5, None), (10, None), (10, Some(1))]);
            let turns = Turns::new(&Rope { angles, factor: 1.0, pairs: which }, &places);
            if pairs == 3 && which == Pairs::Far {
                continue;
            }
            hold(&|x| turns.rotate(&x[0], 8), &[&[25, 16]]);
        }
    }
}

#[test]
fn attention_within_each_text() {
    // A text, one of a single token, and three of which two go on where the first is not at its end.
    let pieces = [(3, None), (1, None), (66, None), (70, Some(2)), (5, Some(2)), (2, Some(4))];
    let heads = Heads { queries: 4, keys: 2, size: 8, scale: 0.35, places: Arc::new(places(&pieces)) };
    hold(&|x| attention::attend(&x[0], &x[1], &x[2], &heads), &[&[147, 32], &[147, 16], &[147, 16]]);
    let one = Heads { places: Arc::new(places(&[(147, None)])), ..heads.clone() };
    let inputs =
        [variable(&[147, 32], 1, DType::F32), variable(&[147, 16], 2, DType::F32), variable(&[147, 16], 3, DType::F32)];
    let see = |heads: &Heads| all(&attention::attend(&inputs[0], &inputs[1], &inputs[2], heads).unwrap());
    assert_ne!(see(&heads)[3 * 32..], see(&one)[3 * 32..], "a text sees the one before it");
}

#[test]
fn surprise_of_each_row() {
    let targets: Vec<u32> = (0..150).map(|n| n * 7 % 19).collect();
    hold(&|x| loss::surprise(&x[0], &(&x[1] * 3.0)?, &targets), &[&[150, 12], &[19, 12]]);
    let head = |kind| variable(&[19, 12], 8, kind).as_tensor().detach();
    hold(&|x| loss::surprise(&x[0], &head(x[0].dtype()), &targets), &[&[150, 12]]);
}
