//! How is a name written in a symbol path?

/// A name is cut at this many bytes.
pub(super) const BYTES: usize = 120;

/// Names of a path that are kept, the innermost ones.
pub(super) const DEPTH: usize = 12;

/// A text on one line, white space folded, cut at `most` bytes at the end of a character.
pub(super) fn fold(text: &str, most: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        let space = usize::from(!out.is_empty());
        let room = most.saturating_sub(out.len() + space);
        if room == 0 {
            break;
        }
        if space == 1 {
            out.push(' ');
        }
        out.push_str(&word[..floor(word, room)]);
        if word.len() > room {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The last end of a character at or before `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The signature of a definition without the mark that opens its body.
pub(super) fn signature(text: &str) -> String {
    let folded = fold(text, SIGNATURE);
    let ends = ["{", ":", "=>", "=", "->"];
    let trimmed = ends.iter().find_map(|end| folded.strip_suffix(end)).unwrap_or(&folded);
    trimmed.trim_end().to_owned()
}

/// Bytes of a signature.
const SIGNATURE: usize = 300;

/// The parts of a name: `A`, `b` of `A::b`, without quotes, sigils and type parameters.
pub(super) fn split(text: &str, joints: &[&str]) -> Vec<String> {
    if text.contains("operator") {
        return operator(text);
    }
    let folded = fold(text, BYTES);
    let mut parts = vec![folded.as_str()];
    for joint in joints {
        parts = parts.into_iter().flat_map(|part| part.split(joint)).collect();
    }
    parts.into_iter().map(clean).filter(|part| !part.is_empty() && !PASSED.contains(&part.as_str())).collect()
}

/// Parts of an assigned name that say nothing.
const PASSED: &[&str] = &["prototype", "module", "exports", "this", "self", "window"];

/// A C++ operator, in which `<` is no bracket.
fn operator(text: &str) -> Vec<String> {
    let folded = fold(text, BYTES);
    let (scope, name) = folded.rsplit_once("::").unwrap_or(("", &folded));
    let scopes = scope.split("::").map(clean).filter(|part| !part.is_empty());
    scopes.chain([name.to_owned()]).collect()
}

/// The type that a function belongs to: `Client` of `*Client[T]`.
pub(super) fn owner(text: &str) -> Vec<String> {
    let text = fold(text, BYTES);
    let bare = text.trim_start_matches(['*', '&', ' ', '(']);
    let end = bare.find(['[', '<', ')']).unwrap_or(bare.len());
    let last = bare[..end].rsplit('.').next().unwrap_or("").trim_end_matches('?');
    if last.is_empty() { Vec::new() } else { vec![last.to_owned()] }
}

fn clean(part: &str) -> String {
    let bare = part.trim().trim_matches(['"', '\'', '`', '[', ']']).trim_start_matches(['$', '*', '&', '{']);
    let end = bare.find('<').filter(|&at| at > 0).unwrap_or(bare.len());
    bare[..end].trim().to_owned()
}

/// Whether a called thing has a name: not `)(`, not a number.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= BYTES && text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$' | '@' | '.'))
}
