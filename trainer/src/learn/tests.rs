//! Does it learn, can it be stopped at any step, and what happens when it cannot go on?

use std::cell::Cell;

use candle_core::{DType, Device};

use super::*;
use crate::files;

/// A line through points: what is learned are slope and height.
struct Line {
    slope: Var,
    height: Var,
    names: Vec<String>,
    /// What the third and later looks at what is held out see.
    worsens: bool,
    looks: Cell<usize>,
    breaks_at: Option<usize>,
    losses: Cell<usize>,
}

impl Line {
    fn new() -> Self {
        let var = |value: f32| Var::from_tensor(&Tensor::full(value, (1, 1), &Device::Cpu).unwrap()).unwrap();
        let names = (0..20).map(|n| format!("row {n}")).collect();
        let (looks, losses) = (Cell::new(0), Cell::new(0));
        Self { slope: var(0.0), height: var(0.0), names, worsens: false, looks, breaks_at: None, losses }
    }

    fn bits(&self) -> Vec<u32> {
        let value = |var: &Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].to_bits();
        vec![value(&self.slope), value(&self.height)]
    }
}

impl Line {
    fn loss(&self, rows: &[usize]) -> Result<Tensor, NetError> {
        self.losses.set(self.losses.get() + 1);
        let x: Vec<f32> = rows.iter().map(|row| *row as f32 / 10.0).collect();
        let x = Tensor::from_vec(x, (rows.len(), 1), &Device::Cpu)?;
        let wanted = ((&x * 3.0)? + 1.0)?;
        let off = (x.broadcast_mul(&self.slope)?.broadcast_add(&self.height)? - wanted)?.sqr()?.sum_all()?;
        match self.breaks_at == Some(self.losses.get()) {
            true => Ok((off * f64::NAN)?),
            false => Ok(off),
        }
    }
}

impl Task for Line {
    fn variables(&self) -> Vec<(String, Var)> {
        vec![("slope".into(), self.slope.clone()), ("height".into(), self.height.clone())]
    }
    fn rows(&self) -> &[String] {
        &self.names
    }
    fn tokens(&self, row: usize) -> usize {
        row + 1
    }
    fn weight(&self, _: usize) -> f64 {
        1.0
    }
    fn learn(&self, rows: &[usize], scale: f64) -> Result<(Tensor, GradStore), NetError> {
        let loss = (self.loss(rows)? * scale)?;
        let grads = loss.backward()?;
        Ok((loss, grads))
    }
    fn held_out(&self) -> Result<Option<f64>, NetError> {
        self.looks.set(self.looks.get() + 1);
        if self.worsens && self.looks.get() > 3 {
            return Ok(Some(100.0 + self.looks.get() as f64));
        }
        let rows: Vec<usize> = (0..20).collect();
        let losses = self.losses.get();
        let value = self.loss(&rows)?.to_dtype(DType::F64)?.to_scalar::<f64>()? / 20.0;
        self.losses.set(losses);
        Ok(Some(value))
    }
    fn digest(&self) -> String {
        "a line".into()
    }
}

fn settings() -> Settings {
    Settings {
        rate: 0.1,
        warmup: 0.1,
        epochs: 12,
        batch: 6,
        tokens: 30,
        clip: 1.0,
        decay: 0.01,
        check_every: 3,
        patience: 50,
        keep_every: 5,
        seed: 1,
    }
}

fn on(_: Step) -> Flow {
    Flow::On
}

#[test]
fn it_learns_and_keeps_a_record() {
    let (line, folder) = (Line::new(), tempfile::tempdir().unwrap());
    let mut rates = Vec::new();
    let learned = learn(&line, &settings(), folder.path(), &mut |step| {
        rates.push(step.rate);
        Flow::On
    });
    let learned = learned.unwrap();
    assert_eq!((learned.steps, learned.is_early), (48, false));
    assert!(learned.after.unwrap() < 0.1 * learned.before.unwrap(), "{learned:?}");
    assert!(rates[0] < 0.03 && (rates[4] - 0.1).abs() < 1e-9 && rates[47] < 0.003, "{rates:?}");
    let record = String::from_utf8(files::read(&folder.path().join("losses.jsonl")).unwrap()).unwrap();
    assert_eq!(record.lines().count(), 48);
    let drawn = String::from_utf8(files::read(&folder.path().join("losses.svg")).unwrap()).unwrap();
    assert!(drawn.contains("<polyline") && !drawn.contains("NaN"));
}

#[test]
fn stopped_anywhere_it_goes_on_as_if_it_had_not_been() {
    let whole = (Line::new(), tempfile::tempdir().unwrap());
    learn(&whole.0, &settings(), whole.1.path(), &mut on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut last = Line::new();
    for stop in [1, 2, 7, 8, 20, 31, 1000] {
        last = Line::new();
        let learned = learn(&last, &settings(), folder.path(), &mut |step| {
            if step.step >= stop { Flow::Stop } else { Flow::On }
        });
        assert_eq!(learned.unwrap().is_stopped, stop < 1000);
    }
    assert_eq!(last.bits(), whole.0.bits());
    let read = |folder: &tempfile::TempDir, name| files::read(&folder.path().join(name)).unwrap();
    for name in ["checkpoint.safetensors", "losses.jsonl", "losses.svg"] {
        assert!(read(&folder, name) == read(&whole.1, name), "{name} differs");
    }
}

#[test]
fn what_is_kept_is_the_best_and_it_ends_when_nothing_gets_better() {
    let (line, folder) = (Line { worsens: true, ..Line::new() }, tempfile::tempdir().unwrap());
    let mut at_best = Vec::new();
    let learned = learn(&line, &Settings { patience: 2, ..settings() }, folder.path(), &mut |step| {
        if step.step == 6 {
            at_best = line.bits();
        }
        Flow::On
    });
    let learned = learned.unwrap();
    assert_eq!((learned.best, learned.steps, learned.is_early), (6, 12, true));
    assert_eq!(line.bits(), at_best);
}

#[test]
fn a_loss_that_is_no_number_stops_it_and_changes_nothing() {
    let (line, folder) = (Line { breaks_at: Some(24), ..Line::new() }, tempfile::tempdir().unwrap());
    let mut before = Vec::new();
    let error = learn(&line, &settings(), folder.path(), &mut |_| {
        before = line.bits();
        Flow::On
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("lower learning rate") && error.contains("row "), "{error}");
    assert_eq!(line.bits(), before);
    let again = Line::new();
    assert!(!learn(&again, &settings(), folder.path(), &mut on).unwrap().is_stopped, "it goes on from the checkpoint");
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    learn(&Line::new(), &settings(), folder.path(), &mut on).unwrap();
    let again = |settings: &Settings| learn(&Line::new(), settings, folder.path(), &mut on);
    let other = again(&Settings { rate: 0.2, ..settings() }).unwrap_err().to_string();
    assert!(other.contains("other data or settings"), "{other}");
    let path = folder.path().join("checkpoint.safetensors");
    let bytes = files::read(&path).unwrap();
    for damaged in [bytes[..bytes.len() - 1].to_vec(), bytes[..20].to_vec(), {
        let mut bytes = bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    }] {
        files::replace(&path, |out| std::io::Write::write_all(out, &damaged)).unwrap();
        let error = again(&settings()).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("begin anew"), "{error}");
    }
}

#[test]
fn two_do_not_train_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let claim = files::Claim::take(folder.path()).unwrap().unwrap();
    let error = learn(&Line::new(), &settings(), folder.path(), &mut on).unwrap_err().to_string();
    assert!(error.contains("another training"), "{error}");
    drop(claim);
    learn(&Line::new(), &settings(), folder.path(), &mut on).unwrap();
}
