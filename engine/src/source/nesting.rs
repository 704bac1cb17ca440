//! Is a text nested deeper than the scanner of its grammar can remember?
//!
//! A scanner keeps what it is inside of in 1,024 bytes. Those of YAML and Python write past them, and that of Kotlin
//! ends the process, when a file is nested deeper than any that people write. Such a file must not be parsed.

use super::Language;

/// Whether parsing the text in this language could end the process.
pub(crate) fn is_too_deep(language: Language, text: &str) -> bool {
    match language {
        Language::Yaml => deepest(text, |line| 1 + markers(line)) > YAML,
        Language::Python => deepest(text, |_| 1) > PYTHON,
        // Each string inside of a string needs one of these; the scanner remembers 1,023.
        Language::Kotlin => memchr::memmem::find_iter(text.as_bytes(), b"${").take(KOTLIN + 1).count() > KOTLIN,
        _ => false,
    }
}

/// Ten bytes, then four for each mapping or sequence.
const YAML: usize = 240;

/// Up to 257 bytes for open strings, then two for each indentation.
const PYTHON: usize = 360;

const KOTLIN: usize = 1_000;

/// The most that lines inside of each other weigh together, by their indentation.
fn deepest(text: &str, weight: impl Fn(&str) -> usize) -> usize {
    let mut around: Vec<(usize, usize)> = Vec::new();
    let (mut sum, mut most) = (0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let column = column(line);
        while around.last().is_some_and(|&(outer, _)| outer >= column) {
            sum -= around.pop().map_or(0, |(_, weight)| weight);
        }
        let own = weight(line);
        around.push((column, own));
        sum += own;
        most = most.max(sum);
    }
    most
}

/// Where a line begins; a tab goes to the next multiple of eight.
fn column(line: &str) -> usize {
    let blank = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0C'));
    blank.fold(0, |column, byte| if byte == b'\t' { column / 8 * 8 + 8 } else { column + 1 })
}

/// What may open a mapping or a sequence on a line of YAML.
fn markers(line: &str) -> usize {
    let bytes = line.as_bytes();
    let is_marker =
        |at: &usize| matches!(bytes[*at], b'-' | b'?' | b':') && bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
    (0..bytes.len()).filter(is_marker).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(line: &str, count: usize) -> String {
        (0..count).map(|depth| format!("{}{line}\n", " ".repeat(depth))).collect()
    }

    #[test]
    fn what_would_end_the_process_is_not_parsed() {
        assert!(is_too_deep(Language::Yaml, &"- ".repeat(254)));
        assert!(is_too_deep(Language::Yaml, &steps("a:", 254)));
        assert!(is_too_deep(Language::Yaml, &steps("- ? - a", 64)));
        assert!(is_too_deep(Language::Python, &format!("f'{{\n{}", steps("if x:", 400))));
        assert!(is_too_deep(Language::Kotlin, &"\"${".repeat(1_024)));
    }

    #[test]
    fn what_people_write_is() {
        assert!(!is_too_deep(Language::Yaml, &"a:\n  - b: c\n    d: e\n".repeat(1_000)));
        assert!(!is_too_deep(Language::Yaml, &steps("- a: b", 40)));
        assert!(!is_too_deep(Language::Python, &"if x:\n    if y:\n        z()\n".repeat(1_000)));
        assert!(!is_too_deep(Language::Kotlin, &"val a = \"${b}\"\n".repeat(900)));
    }

    #[test]
    fn a_parser_survives_what_is_let_through() {
        for text in [steps("a:", 119), steps("- a:", 79), "- ".repeat(239), steps("- - - b", 60)] {
            assert!(!is_too_deep(Language::Yaml, &text));
            ast_grep_core::tree_sitter::StrDoc::try_new(&text, Language::Yaml).unwrap();
        }
        let python = format!("{}{}f('''a''', f'''{{b}}''')\n", steps("if x:", 350), " ".repeat(350));
        assert!(!is_too_deep(Language::Python, &python));
        ast_grep_core::tree_sitter::StrDoc::try_new(&python, Language::Python).unwrap();
    }
}
