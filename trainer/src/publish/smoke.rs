//! Does a new model answer as it should? It is asked one question, and what it says is held against what the engine
//! makes of the same file.
//!
//! Two ways to compute the same weights round differently, so that their likeliest tokens part where two are nearly
//! equally likely. So it is not the texts that are compared: for every token that the server chose it is asked how much
//! likelier than it the engine's own first choice is, after the same tokens.

use std::path::Path;

use super::{
    Check, PublishError,
    modelfile::Settings,
    server::{Said, Server},
};
use crate::card::Parity;
use engine::model::{
    chat::{Role, Turn},
    local::Local,
};

/// Tokens of the answer.
const TOKENS: usize = 24;

/// How far below the likeliest token's logit those of the server lie on average, where two computations of the same
/// weights differ by rounding alone; at least half of them are the likeliest. Another template or other weights are far
/// beyond: docs/serving.md. A single token says nothing: a text need not be made of the tokens that it is read as.
const NEAR: f32 = 0.5;

/// Asks the candidate.
pub(super) fn test(
    server: &Server,
    candidate: &str,
    file: &Path,
    settings: &Settings,
    check: Check,
) -> Result<Option<Parity>, PublishError> {
    let wrong = |why: String| PublishError::Smoke { candidate: candidate.to_owned(), why };
    let shown = server.show(candidate)?;
    if shown.get("template").and_then(|template| template.as_str()) != Some(&*settings.template) {
        return Err(wrong("the server shows another template than it was given".into()));
    }
    let question = question();
    let said = server.say(candidate, &question, TOKENS)?;
    if said.message.content.trim().is_empty() {
        return Err(wrong("it answers nothing".into()));
    }
    if check == Check::Answers {
        return Ok(None);
    }
    let parity = parity(file, &question, &said).map_err(wrong)?;
    match complaint(&parity) {
        Some(why) => Err(PublishError::Smoke { candidate: candidate.to_owned(), why }),
        None => Ok(Some(parity)),
    }
}

fn question() -> [Turn; 2] {
    let change =
        "Is there a problem in this change?\n\n-    if count == 0 {\n+    if count = 0 {\n         return None;";
    [Turn::new(Role::System, "You review source code."), Turn::new(Role::User, change)]
}

fn parity(file: &Path, question: &[Turn], said: &Said) -> Result<Parity, String> {
    let local = Local::open(file, &[], 0).map_err(|error| error.to_string())?;
    let mut tokens = local.encode(question).map_err(|error| error.to_string())?;
    let asked = tokens.len();
    tokens.extend(local.tokenizer().encode(&said.message.content, false));
    if said.done_reason == "length" {
        // A word that was cut off need not be made of the same tokens.
        tokens.pop();
    }
    let words = local.tokenizer().len();
    let logits = local.logits(&tokens).map_err(|error| error.to_string())?;
    let width = logits.len() / tokens.len().max(1);
    let rows = logits.chunks(width.max(1)).skip(asked.saturating_sub(1));
    let behind: Vec<f32> = rows.zip(tokens.iter().skip(asked)).map(|(row, token)| behind(row, *token, words)).collect();
    Ok(Parity {
        question: asked,
        counted: said.prompt_eval_count,
        tokens: behind.len(),
        same: behind.iter().filter(|behind| **behind <= 0.0).count(),
        behind: behind.iter().sum::<f32>() / behind.len().max(1) as f32,
        furthest: behind.iter().copied().fold(0.0, f32::max),
    })
}

/// How far below the likeliest token this one lies.
fn behind(logits: &[f32], token: u32, words: usize) -> f32 {
    let best = logits.iter().take(words).copied().fold(f32::NEG_INFINITY, f32::max);
    best - logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY)
}

/// What is wrong, if something is.
fn complaint(parity: &Parity) -> Option<String> {
    if let Some(counted) = parity.counted.filter(|counted| *counted != parity.question) {
        return Some(format!(
            "the server reads {counted} tokens where the model was made to read {}: the template is another",
            parity.question
        ));
    }
    (parity.behind > NEAR || parity.same * 2 < parity.tokens).then(|| {
        format!(
            "it says what the engine does not: {} of {} tokens are the likeliest, the others lie up to {:.1} logits below, \
             {:.2} on average",
            parity.same, parity.tokens, parity.furthest, parity.behind
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told() {
        let good = Parity { question: 40, counted: Some(40), tokens: 24, same: 20, behind: 0.1, furthest: 1.2 };
        assert_eq!(complaint(&good), None);
        assert_eq!(complaint(&Parity { counted: None, ..good.clone() }), None);
        let other = complaint(&Parity { counted: Some(39), ..good.clone() }).unwrap();
        assert!(other.contains("39") && other.contains("template"), "{other}");
        let far = complaint(&Parity { same: 3, furthest: 7.5, ..good.clone() }).unwrap();
        assert!(far.contains("3 of 24 tokens are the likeliest"), "{far}");
        assert!(complaint(&Parity { behind: 0.6, ..good.clone() }).is_some());
        // One token of 23, with what was rounded to four bits.
        assert_eq!(complaint(&Parity { same: 20, tokens: 23, behind: 0.2, furthest: 3.2, ..good }), None);
    }
}
