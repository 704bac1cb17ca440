//! What keeps a model from forgetting? Some text that is nobody's answer among the rows (replay of pretraining data;
//! Ibrahim et al., arXiv 2403.08763).

use std::path::Path;

use super::{Lesson, Reader, Row, Rows, RowsError, Text};
use crate::corpus;

/// Tokens of a piece: of many documents a little, not of few a lot.
const PIECE: usize = 256;

/// Adds beginnings of a corpus' documents to rows, until `share` of all tokens that are asked for are theirs; documents
/// that an exam reads are not among them. Gives how many were added.
///
/// # Errors
/// [`RowsError::Corpus`] when the corpus cannot be read, and where it has too little.
pub fn mix(reader: &Reader, rows: &mut Rows, folder: &Path, share: f64) -> Result<usize, RowsError> {
    let answered: usize = rows.rows.iter().flat_map(Row::texts).map(Text::answered).sum();
    let wanted = (answered as f64 * share / (1.0 - share)).ceil() as usize;
    let failed = |why: String| RowsError::Corpus { folder: folder.display().to_string(), why };
    let mut documents = Vec::new();
    for document in corpus::documents(folder).map_err(|error| failed(error.to_string()))? {
        let document = document.map_err(|error| failed(error.to_string()))?;
        if !corpus::is_held_out(&document.id) {
            let end = document.text.char_indices().nth(PIECE * 8).map_or(document.text.len(), |(at, _)| at);
            documents.push((document.id, document.text[..end].to_owned()));
        }
    }
    // The names are hashes: their order is a lot.
    documents.sort();
    let (mut have, mut added) = (0, 0);
    for (id, text) in documents {
        if have >= wanted {
            break;
        }
        let mut tokens = reader.tokenizer().encode(&text, true);
        tokens.truncate(PIECE);
        if tokens.len() < 2 {
            continue;
        }
        have += tokens.len() - 1;
        added += 1;
        rows.digest.push_str(&id);
        rows.rows.push(Row { id, weight: 1.0, lesson: Lesson::Say(Text { tokens, answer: 1 }) });
    }
    match have >= wanted {
        true => Ok(added),
        false => Err(failed(format!("{wanted} tokens of it are wanted, and it has {have}"))),
    }
}
