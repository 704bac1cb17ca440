//! The review for people.

use std::fmt::Write as _;

use super::Color;
use crate::review::Review;

pub(super) fn render(review: &Review, _color: Color) -> String {
    let mut out = String::new();
    for reviewed in review.told() {
        let finding = &reviewed.finding;
        let _ = writeln!(
            out,
            "{}:{}:{}: {}[{}]: {}",
            finding.path,
            finding.span.from.line,
            finding.span.from.column,
            finding.severity,
            finding.check,
            finding.what
        );
    }
    out
}
