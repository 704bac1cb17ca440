//! What do the lines of a plain-text output say?

use regex::{Captures, Regex};

use crate::check::linter::{
    diagnostic::{Diagnostic, Region},
    spec::Unit,
};

/// The lines that one of the patterns reads; the first that does wins.
pub(super) fn parse(patterns: &[Regex], output: &[u8], unit: Unit, end_shift: u32) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(output);
    let read = |line: &str| {
        patterns.iter().find_map(|pattern| pattern.captures(line)).map(|found| diagnostic(&found, unit, end_shift))
    };
    text.lines().filter_map(read).collect()
}

fn diagnostic(found: &Captures<'_>, unit: Unit, end_shift: u32) -> Diagnostic {
    let word = |name: &str| found.name(name).map(|group| group.as_str().to_owned()).filter(|word| !word.is_empty());
    let number = |name: &str| word(name)?.parse().ok().filter(|&number: &u32| number > 0);
    let region = match number("line") {
        Some(line) => Region::Lines {
            line,
            column: number("column"),
            end_line: number("end_line"),
            end_column: number("end_column").map(|end| end.saturating_add(end_shift)),
        },
        None => Region::File,
    };
    Diagnostic {
        path: word("path").unwrap_or_default(),
        region,
        unit,
        code: word("code"),
        level: word("level"),
        message: word("message").unwrap_or_default(),
        ..Diagnostic::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_reads_a_line_wins() {
        let patterns = [
            Regex::new(r"^(?<path>.+?):(?<line>\d+):(?<column>\d+): (?<level>\w+): (?<message>.+?)  \[(?<code>\S+)\]$")
                .unwrap(),
            Regex::new(r"^(?<path>.+?):(?<line>\d+): (?<message>.+)$").unwrap(),
        ];
        let found = parse(&patterns, b"a.py:3:7: error: bad  [arg-type]\nb.py:9: odd\nnoise\n", Unit::Codepoints, 0);
        assert_eq!((found[0].code.as_deref(), found[0].level.as_deref()), (Some("arg-type"), Some("error")));
        assert_eq!(found[1].region, Region::Lines { line: 9, column: None, end_line: None, end_column: None });
        assert_eq!(found.len(), 2);
    }
}
