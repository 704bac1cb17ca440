//! How is it written? Each format is a pure function of a [`Review`].

mod json;
mod text;

use crate::review::Review;

/// The forms a review can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, in a terminal.
    Text,
    /// One JSON object, as config/review.schema.json says.
    Json,
}

/// Whether escape codes for color may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Yes.
    On,
    /// No.
    Off,
}

/// The review in one format.
pub fn render(review: &Review, format: Format, color: Color) -> String {
    match format {
        Format::Text => text::render(review, color),
        Format::Json => json::render(review),
    }
}
