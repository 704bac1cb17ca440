//! What did the model answer? Its JSON is read strictly: one object of the asked form, nothing before or after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::finding::{Category, Confidence};

/// The most characters of a quote.
pub(super) const QUOTE: usize = 300;
/// The most characters of what is wrong.
pub(super) const PROBLEM: usize = 160;
/// The most characters of why it matters.
pub(super) const WHY: usize = 300;
/// The most characters of an explanation.
pub(super) const EXPLANATION: usize = 200;
/// The most characters of what should stand in place of what a remark quotes, and of what an edit does.
const REPLACEMENT: (usize, usize) = (800, 1200);
/// The most findings, or edits, of one answer.
const MOST: usize = 3;

/// Something a model says is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// The lines it is about, as they stand in the change.
    pub quote: String,
    /// What is wrong.
    pub problem: String,
    /// Why it matters.
    pub why: String,
    /// What it is about.
    pub category: Category,
    /// How bad it is: a model's word stops no commit.
    pub severity: Weight,
    /// How sure it is.
    pub confidence: Confidence,
    /// What should stand instead of the quoted lines; `None` for no patch.
    pub replacement: Option<String>,
}

/// How bad a model may say something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth saying in passing.
    Info,
    /// Should be said.
    Warning,
}

/// The answer to a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remarks {
    /// Best first.
    pub findings: Vec<Remark>,
}

/// Lines to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The lines as they stand.
    pub quote: String,
    /// What should stand instead.
    pub replacement: String,
}

/// The answer to a question for a fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    /// What is done, in a sentence.
    pub explanation: String,
    /// The edits; none when there is nothing sensible to do.
    pub edits: Vec<Change>,
}

/// The answer to a question for a commit message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The first line.
    pub subject: String,
    /// What follows a blank line; may be empty.
    pub body: String,
}

/// The answer in words to any other question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// The words.
    pub answer: String,
}

fn text(most: usize) -> Value {
    json!({ "type": "string", "maxLength": most })
}

fn quote() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": QUOTE })
}

fn object(properties: Value) -> Value {
    let required: Vec<Value> = properties.as_object().into_iter().flatten().map(|(key, _)| json!(key)).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The form of [`Remarks`]. The order of the fields is the order of thinking: first the place, the verdict last.
pub fn remarks_schema() -> Value {
    let words = |all: &[Category]| all.iter().map(|category| category.word()).collect::<Vec<_>>();
    let remark = object(json!({
        "quote": quote(),
        "problem": text(PROBLEM),
        "why": text(WHY),
        "category": { "enum": words(Category::ALL) },
        "severity": { "enum": ["warning", "info"] },
        "confidence": { "enum": ["high", "medium", "low"] },
        "replacement": { "anyOf": [text(REPLACEMENT.0), { "type": "null" }] },
    }));
    object(json!({ "findings": { "type": "array", "items": remark, "maxItems": MOST } }))
}

/// The form of [`Changes`].
pub fn changes_schema() -> Value {
    let change = object(json!({ "quote": quote(), "replacement": text(REPLACEMENT.1) }));
    let edits = json!({ "type": "array", "items": change, "maxItems": MOST });
    object(json!({ "explanation": text(EXPLANATION), "edits": edits }))
}

fn is_within(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count())
}

/// Whether remarks have the form of [`remarks_schema`].
///
/// # Errors
/// What does not.
pub(super) fn fit_remarks(remarks: &[Remark]) -> Result<(), &'static str> {
    let fits = |remark: &Remark| match &remark.replacement {
        _ if !is_within(&remark.quote, 1, QUOTE) => Err("the quote"),
        _ if !is_within(&remark.problem, 0, PROBLEM) => Err("the problem"),
        _ if !is_within(&remark.why, 0, WHY) => Err("why it matters"),
        Some(replacement) if !is_within(replacement, 0, REPLACEMENT.0) => Err("the replacement"),
        _ => Ok(()),
    };
    if remarks.len() > MOST { Err("the number of findings") } else { remarks.iter().try_for_each(fits) }
}

/// Whether edits have the form of [`changes_schema`].
///
/// # Errors
/// What does not.
pub(super) fn fit_changes(explanation: &str, edits: &[Change]) -> Result<(), &'static str> {
    let fits = |edit: &Change| match () {
        () if !is_within(&edit.quote, 1, QUOTE) => Err("the quote"),
        () if !is_within(&edit.replacement, 0, REPLACEMENT.1) => Err("the replacement"),
        () => Ok(()),
    };
    match () {
        () if edits.len() > MOST => Err("the number of edits"),
        () if !is_within(explanation, 0, EXPLANATION) => Err("the explanation"),
        () => edits.iter().try_for_each(fits),
    }
}

/// The form of [`Message`].
pub fn message_schema() -> Value {
    object(json!({ "subject": { "type": "string", "minLength": 1, "maxLength": 72 }, "body": text(1000) }))
}

/// The form of [`Words`].
pub fn words_schema() -> Value {
    object(json!({ "answer": { "type": "string", "minLength": 1, "maxLength": 2400 } }))
}

/// Reads an answer.
///
/// # Errors
/// A sentence for the model that says what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(answer: &str) -> Result<T, String> {
    serde_json::from_str(answer.trim())
        .map_err(|error| format!("the answer is not the JSON that was asked for: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_was_asked_for_is_read() {
        let good = r#"{"findings": [{"quote": "x", "problem": "p", "why": "w", "category": "bug", "severity": "warning",
            "confidence": "high", "replacement": null}]}"#;
        assert_eq!(read::<Remarks>(good).unwrap().findings.len(), 1);
        for bad in [
            "",
            "[]",
            "{\"findings\": []} and more",
            "```json\n{\"findings\": []}\n```",
            &good.replace("\"why\": \"w\", ", ""),
            &good.replace("warning", "error"),
            &good.replace("\"replacement\": null", "\"replacement\": null, \"run\": \"rm\""),
            &good[..good.len() - 3],
        ] {
            assert!(read::<Remarks>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_schema_asks_for_what_is_read() {
        for (schema, answer) in [
            (remarks_schema(), "{\"findings\": []}"),
            (changes_schema(), "{\"explanation\": \"\", \"edits\": [{\"quote\": \"a\", \"replacement\": \"\"}]}"),
            (message_schema(), "{\"subject\": \"a\", \"body\": \"\"}"),
            (words_schema(), "{\"answer\": \"a\"}"),
        ] {
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&schema["properties"]), keys(&serde_json::from_str(answer).unwrap()));
        }
        read::<Changes>("{\"explanation\": \"\", \"edits\": [{\"quote\": \"a\", \"replacement\": \"\"}]}").unwrap();
    }
}
