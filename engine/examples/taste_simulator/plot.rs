//! Precision against recall, a curve for each way of deciding, as SVG.
#![expect(clippy::disallowed_methods, reason = "writes the drawing it was asked for")]

use std::fmt::Write as _;

use super::{Ran, interval};

const COLORS: [&str; 9] =
    ["#999999", "#8c564b", "#ff7f0e", "#2ca02c", "#17becf", "#d62728", "#9467bd", "#e377c2", "#1f77b4"];

/// Writes the drawing; says so where it cannot.
pub(crate) fn write(file: &str, curves: &[(String, Vec<Vec<Ran>>)]) {
    let (width, height, edge) = (720.0, 480.0, 60.0);
    let x = |recall: f64| edge + (recall - 0.4) / 0.6 * (width - 2.0 * edge);
    let y = |precision: f64| height - edge - (precision - 0.2) / 0.5 * (height - 2.0 * edge);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for tick in 0..=6 {
        let (recall, precision) = (0.4 + 0.1 * f64::from(tick), 0.2 + 0.1 * f64::from(tick));
        let _ = writeln!(
            out,
            "<path d=\"M{0} {1}V{2}\" stroke=\"#eee\"/><text x=\"{0}\" y=\"{3}\" text-anchor=\"middle\">{recall:.1}</text>",
            x(recall),
            y(0.2),
            y(0.7),
            y(0.2) + 18.0
        );
        if precision < 0.75 {
            let _ = writeln!(
                out,
                "<path d=\"M{0} {1}H{2}\" stroke=\"#eee\"/><text x=\"{3}\" y=\"{1}\" text-anchor=\"end\">{precision:.1}</text>",
                x(0.4),
                y(precision),
                x(1.0),
                x(0.4) - 8.0
            );
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">share of useful findings that are posted</text>\n\
         <text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">share of posted findings that are useful</text>",
        x(0.7),
        height - 16.0,
        y(0.45)
    );
    for (at, (name, points)) in curves.iter().enumerate() {
        let color = COLORS[at % COLORS.len()];
        let mean = |ran: &[Ran], of: fn(&Ran) -> f64| interval(&ran.iter().map(of).collect::<Vec<_>>()).0;
        let mut line: Vec<(f64, f64)> =
            points.iter().map(|ran| (mean(ran, |ran| ran.recall), mean(ran, |ran| ran.precision))).collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        let path: Vec<String> = line.iter().map(|(r, p)| format!("{:.1} {:.1}", x(*r), y(*p))).collect();
        let _ = writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>", path.join("L"));
        for (recall, precision) in &line {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"/>",
                x(*recall),
                y(*precision)
            );
        }
        let at = 24.0 + 16.0 * at as f64;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{at}\" fill=\"{color}\">{name}</text>", x(1.0) - 120.0);
    }
    out += "</svg>\n";
    if let Err(error) = std::fs::write(file, out) {
        eprintln!("cannot write {file}: {error}");
    }
}
