//! Are losses and gradients TRL's? The numbers are those that its trainers gave (version 1.16.0, benches/objectives.py), which
//! is the mean over answers.

use candle_core::{Device, Var};

use super::*;

const NOW: [f32; 4] = [-11.25, -40.5, -9.75, -33.0];
const BEFORE: [f32; 4] = [-12.0, -38.25, -10.5, -35.25];
/// How much likelier answers to other questions have become.
const CROSSED: f64 = (0.5 + 0.5 - 0.25 + 0.75) / 4.0;

fn hold(loss: impl Fn(&Tensor) -> Result<Tensor>, wanted: f64, slopes: [f64; 4]) {
    let now = Var::new(&NOW, &Device::Cpu).unwrap();
    let before = Tensor::new(&BEFORE, &Device::Cpu).unwrap();
    let losses = loss(&(now.as_tensor() - before).unwrap()).unwrap();
    let mean = losses.mean_all().unwrap();
    let value = f64::from(mean.to_scalar::<f32>().unwrap());
    assert!((value - wanted).abs() < 1e-6, "{value} and {wanted}");
    let grads = mean.backward().unwrap().get(now.as_tensor()).unwrap().to_vec1::<f32>().unwrap();
    for (grad, slope) in grads.iter().zip(slopes) {
        assert!((f64::from(*grad) - slope).abs() < 1e-7, "{grads:?} and {slopes:?}");
    }
}

fn sides(likelier: &Tensor) -> (Tensor, Tensor) {
    (likelier.narrow(0, 0, 2).unwrap(), likelier.narrow(0, 2, 2).unwrap())
}

#[test]
fn pairs() {
    let dpo = |noise| {
        move |likelier: &Tensor| {
            let (chosen, rejected) = sides(likelier);
            dpo(&chosen, &rejected, 0.1, noise)
        }
    };
    hold(dpo(0.0), 0.818_198_084_8, [-0.025_000_000_4, -0.030_531_961_5, 0.025_000_000_4, 0.030_531_961_5]);
    hold(dpo(0.1), 0.846_323_072_9, [-0.031_25, -0.036_781_959_2, 0.031_25, 0.036_781_959_2]);
}

#[test]
fn answers_by_themselves() {
    let good = [true, true, false, false];
    hold(
        |likelier| kto(likelier, &good, CROSSED, (0.1, (1.0, 0.8))),
        0.475_191_652_8,
        [-0.006_247_803_1, -0.006_143_558_3, 0.004_998_243_4, 0.004_956_311_1],
    );
    let weights = Tensor::new(&[1.0f32, 1.0, 0.8, 0.8], &Device::Cpu).unwrap();
    hold(
        |likelier| apo_zero(likelier, &good, 0.1)? * &weights,
        0.474_269_211_3,
        [-0.006_241_219_1, -0.006_171_561_3, 0.004_992_975_4, 0.004_937_249_2],
    );
}

#[test]
fn what_is_far_off_is_still_a_number() {
    let far = Tensor::new(&[-5000.0f32, 5000.0], &Device::Cpu).unwrap();
    let losses: Vec<f32> = dpo(&far, &far.neg().unwrap(), 0.1, 0.0).unwrap().to_vec1().unwrap();
    assert_eq!(losses, [1000.0, 0.0]);
}
