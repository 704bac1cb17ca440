//! What was forgotten? Code that is nobody's lesson, for what it costs the model.

use std::{collections::BTreeMap, path::Path};

use engine::check::rule::RuleSet;
use serde::Deserialize;

use super::{ExamError, failed};
use crate::{corpus, files};

/// Bytes of a text.
const TEXT: usize = 1_500;

/// Texts.
const MOST: usize = 40;

/// The texts of a file, those of a corpus that nothing is taught by, or the examples of the rules: code in every language
/// that is known, a text a language.
pub(super) fn texts(from: Option<&Path>) -> Result<Vec<String>, ExamError> {
    match from {
        Some(folder) if files::is_folder(folder) => of_corpus(folder),
        Some(file) => of_file(file),
        None => Ok(examples()),
    }
}

fn of_corpus(folder: &Path) -> Result<Vec<String>, ExamError> {
    let wrong = |why: String| ExamError::Generic { folder: folder.display().to_string(), why };
    let mut texts = Vec::new();
    for document in corpus::documents(folder).map_err(|error| wrong(error.to_string()))? {
        let document = document.map_err(|error| wrong(error.to_string()))?;
        if corpus::is_held_out(&document.id) {
            texts.push((document.id, beginning(&document.text)));
        }
    }
    texts.sort();
    texts.truncate(MOST);
    match texts.is_empty() {
        true => Err(wrong("five of a hundred documents are held out, and it has too few for one".into())),
        false => Ok(texts.into_iter().map(|(_, text)| text).collect()),
    }
}

fn of_file(file: &Path) -> Result<Vec<String>, ExamError> {
    #[derive(Deserialize)]
    struct Line {
        text: String,
    }
    let mut texts = Vec::new();
    let mut wrong = None;
    files::lines::<std::io::Error>(file, 16 << 20, &mut |number, line| {
        match serde_json::from_str::<Line>(line) {
            _ if line.trim().is_empty() || texts.len() >= MOST => {}
            Ok(line) => texts.push(beginning(&line.text)),
            Err(error) => wrong = wrong.take().or(Some((number, error.to_string()))),
        }
        Ok(())
    })
    .map_err(|source| failed(file, source))?;
    let shown = file.display().to_string();
    match wrong {
        Some((line, why)) => Err(ExamError::Row { file: shown, line, why }),
        None if texts.is_empty() => Err(ExamError::Row { file: shown, line: 1, why: "it holds no text".into() }),
        None => Ok(texts),
    }
}

fn examples() -> Vec<String> {
    let mut by_language: BTreeMap<String, String> = BTreeMap::new();
    for rule in RuleSet::builtin().iter() {
        let (Some(language), Ok(doc)) = (rule.languages.first(), rule.doc()) else { continue };
        let text = by_language.entry(format!("{language:?}")).or_default();
        for example in doc.valid.iter().chain(&doc.invalid) {
            text.push_str(&example.code);
            text.push('\n');
        }
    }
    by_language.into_values().take(MOST).map(|text| beginning(&text)).collect()
}

fn beginning(text: &str) -> String {
    let end = (0..=TEXT.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_code_in_many_languages() {
        let texts = texts(None).unwrap();
        assert!(texts.len() >= 10 && texts.iter().all(|text| text.len() > 30 && text.len() <= TEXT), "{}", texts.len());
        assert_eq!(texts, super::texts(None).unwrap(), "the same in every run");
    }
}
