//! How did the loss fall? Each step as a line of `losses.jsonl`, and all of them as a drawing.

use std::{
    fmt::Write as _,
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{LearnError, Step};
use crate::files;

/// A step as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: usize,
    /// The mean loss of its rows, in nats.
    pub loss: f64,
    /// The mean loss of what is held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
    /// The norm of its gradients.
    pub norm: f64,
    /// The learning rate.
    pub rate: f64,
}

/// The record of a run.
#[derive(Debug)]
pub struct Curve {
    folder: PathBuf,
    points: Vec<Point>,
    file: std::fs::File,
}

impl Curve {
    /// Opens the record in a folder, and forgets what came after a step: the run goes on from there.
    ///
    /// # Errors
    /// [`LearnError::Curve`].
    pub fn open(folder: &Path, step: usize) -> Result<Self, LearnError> {
        let path = folder.join("losses.jsonl");
        let failed = |error| LearnError::Curve(path.clone(), error);
        let mut points = Vec::new();
        if step > 0 && files::exists(&path) {
            for line in files::reader(&path).map_err(failed)?.lines() {
                // The last line may be cut off where the run was killed; its step is done again.
                let Ok(point) = serde_json::from_str::<Point>(&line.map_err(failed)?) else { break };
                if point.step <= step {
                    points.push(point);
                }
            }
        }
        files::replace(&path, |out| points.iter().try_for_each(|point| writeln!(out, "{}", line(point))))
            .map_err(failed)?;
        let file = files::record(&path).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), points, file })
    }

    /// Adds a step.
    ///
    /// # Errors
    /// [`LearnError::Curve`].
    pub fn add(&mut self, step: Step) -> Result<(), LearnError> {
        let Step { step, loss, held_out, norm, rate, .. } = step;
        let point = Point { step, loss, held_out, norm, rate };
        self.points.push(point);
        let failed = |error| LearnError::Curve(self.folder.join("losses.jsonl"), error);
        writeln!(self.file, "{}", line(&point)).map_err(failed)
    }

    /// Draws all steps as `losses.svg`.
    ///
    /// # Errors
    /// [`LearnError::Curve`].
    pub fn draw(&self) -> Result<(), LearnError> {
        let path = self.folder.join("losses.svg");
        let drawn = svg(&self.points);
        files::replace(&path, |out| out.write_all(drawn.as_bytes())).map_err(|error| LearnError::Curve(path, error))
    }
}

fn line(point: &Point) -> String {
    serde_json::to_string(point).unwrap_or_default()
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const EDGE: f64 = 28.0;

/// Losses over steps: those of the steps, smoothed, and those of what is held out.
fn svg(points: &[Point]) -> String {
    let smoothed = smooth(points);
    let held: Vec<(usize, f64)> = points.iter().filter_map(|point| Some((point.step, point.held_out?))).collect();
    let all = || smoothed.iter().chain(&held).map(|(_, loss)| *loss);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if low.is_finite() && high > low { (low, high) } else { (0.0, high.max(1.0)) };
    let steps = points.iter().map(|point| point.step).max().unwrap_or(1).max(1) as f64;
    let x = |step: f64| LEFT + step / steps * (WIDTH - LEFT - EDGE);
    let y = |loss: f64| EDGE + (high - loss) / (high - low) * (HEIGHT - 2.0 * EDGE - 12.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for n in 0..=4 {
        let loss = low + (high - low) * f64::from(n) / 4.0;
        let (right, at) = (WIDTH - EDGE, y(loss));
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" ",
            LEFT - 6.0,
            at + 4.0
        );
        let _ = writeln!(out, "text-anchor=\"end\" fill=\"#555\">{loss:.2}</text>");
        let step = (steps * f64::from(n) / 4.0).round();
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{step}</text>",
            x(step),
            HEIGHT - EDGE + 4.0
        );
    }
    for (curve, color) in [(&smoothed, "#7a9cc6"), (&held, "#b3261e")] {
        let places: Vec<String> =
            curve.iter().map(|(step, loss)| format!("{:.1},{:.1}", x(*step as f64), y(*loss))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"16\" fill=\"#7a9cc6\">loss of the steps, smoothed</text>\
         <text x=\"{}\" y=\"16\" fill=\"#b3261e\">held out</text>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\">steps; nats a token</text>",
        LEFT + 190.0,
        WIDTH - EDGE,
        HEIGHT - 6.0
    );
    out.push_str("</svg>\n");
    out
}

/// A running mean over about ten steps.
fn smooth(points: &[Point]) -> Vec<(usize, f64)> {
    let mut mean = None;
    let each = points.iter().map(|point| {
        let now = mean.map_or(point.loss, |mean: f64| 0.9 * mean + 0.1 * point.loss);
        mean = Some(now);
        (point.step, now)
    });
    each.collect()
}
