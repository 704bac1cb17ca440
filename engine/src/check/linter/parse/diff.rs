//! What would a unified diff change, and why is that a diagnostic?

use crate::check::linter::{
    diagnostic::{Diagnostic, Region, Suggestion},
    spec::{Output, Unit},
};

/// One diagnostic for each run of changed lines, with the change as its fix. Lines that are no diff are passed over.
pub(super) fn parse(spec: &Output, output: &[u8]) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(output);
    let mut reader = Reader { path: String::new(), line: 0, old_left: 0, new_left: 0, block: None, found: Vec::new() };
    text.split_inclusive('\n').for_each(|line| reader.read(line));
    reader.close();
    let diagnostic = |(path, from, to, text): (String, u32, u32, String)| Diagnostic {
        path,
        region: Region::Lines {
            line: from,
            column: None,
            end_line: Some(to.saturating_sub(1).max(from)),
            end_column: None,
        },
        unit: Unit::Bytes,
        code: spec.code.clone(),
        message: spec.message.clone().unwrap_or_default(),
        suggestion: Some(Suggestion { safe: true, edits: vec![(whole_lines(from, to), text)] }),
        ..Diagnostic::default()
    };
    reader.found.into_iter().map(diagnostic).collect()
}

fn whole_lines(from: u32, to: u32) -> Region {
    Region::Lines { line: from, column: Some(1), end_line: Some(to), end_column: Some(1) }
}

/// Where the reader is: which file, which line of the old version comes next, and how much of the hunk is left.
struct Reader {
    path: String,
    line: u32,
    old_left: u64,
    new_left: u64,
    block: Option<Block>,
    /// Path, first line, line after the last, new text.
    found: Vec<(String, u32, u32, String)>,
}

struct Block {
    from: u32,
    to: u32,
    text: String,
    last_added: bool,
}

impl Reader {
    fn read(&mut self, line: &str) {
        match (self.old_left + self.new_left > 0, line.as_bytes().first()) {
            (_, Some(b'\\')) => self.no_newline(),
            (true, Some(b'-')) => self.removed(),
            (true, Some(b'+')) => self.added(&line[1..]),
            (true, _) => self.context(),
            (false, _) => self.header(line),
        }
    }

    fn header(&mut self, line: &str) {
        self.close();
        if let Some(name) = line.strip_prefix("+++ ") {
            let name = name.split('\t').next().unwrap_or(name).trim_end();
            self.path = name.strip_prefix("b/").unwrap_or(name).to_owned();
        } else if let Some((start, old, new)) = hunk(line) {
            // With no old lines the header names the line before the gap.
            self.line = if old == 0 { start.saturating_add(1) } else { start };
            (self.old_left, self.new_left) = (old, new);
        }
    }

    fn block(&mut self) -> &mut Block {
        let from = self.line;
        self.block.get_or_insert_with(|| Block { from, to: from, text: String::new(), last_added: false })
    }

    fn removed(&mut self) {
        self.old_left = self.old_left.saturating_sub(1);
        self.line = self.line.saturating_add(1);
        let block = self.block.get_or_insert_with(|| Block {
            from: self.line - 1,
            to: self.line,
            text: String::new(),
            last_added: false,
        });
        block.to = self.line;
        block.last_added = false;
    }

    fn added(&mut self, text: &str) {
        self.new_left = self.new_left.saturating_sub(1);
        let block = self.block();
        block.text.push_str(text);
        block.last_added = true;
    }

    fn context(&mut self) {
        self.close();
        self.old_left = self.old_left.saturating_sub(1);
        self.new_left = self.new_left.saturating_sub(1);
        self.line = self.line.saturating_add(1);
    }

    fn no_newline(&mut self) {
        if let Some(block) = self.block.as_mut().filter(|block| block.last_added && block.text.ends_with('\n')) {
            block.text.pop();
        }
    }

    fn close(&mut self) {
        if let Some(Block { from, to, text, .. }) = self.block.take() {
            self.found.push((self.path.clone(), from, to, text));
        }
    }
}

/// The old start and both counts of `@@ -a,b +c,d @@`.
fn hunk(line: &str) -> Option<(u32, u64, u64)> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let pair = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse::<u32>().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    let ((start, old), (_, new)) = (pair(old)?, pair(new)?);
    Some((start, u64::from(old), u64::from(new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::linter::diagnostic,
        edit,
        source::{RepoPath, SourceFile},
    };

    fn spec() -> Output {
        toml::from_str("format = 'diff'\ncode = 'format'\nmessage = 'not formatted'").unwrap()
    }

    fn applied(old: &str, diff: &str) -> String {
        let file = SourceFile::new(RepoPath::new("a.go").unwrap(), old.as_bytes().into(), 99_999).unwrap();
        let mut edits = Vec::new();
        for found in parse(&spec(), diff.as_bytes()) {
            let (region, text) = found.suggestion.unwrap().edits.remove(0);
            edits.push(edit::Edit::replace(diagnostic::bytes(&region, Unit::Bytes, &file), text));
        }
        String::from_utf8(edit::apply(old.as_bytes(), &edits).unwrap()).unwrap()
    }

    #[test]
    fn each_run_of_changed_lines_is_one_diagnostic() {
        let diff = "diff a b\n--- a.go.orig\n+++ a.go\n@@ -1,4 +1,4 @@\n a\n-b\n+B\n c\n-d\n+D\n";
        let found = parse(&spec(), diff.as_bytes());
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[1].path.as_str(), &found[1].region),
            ("a.go", &Region::Lines { line: 4, column: None, end_line: Some(4), end_column: None },)
        );
        assert_eq!(applied("a\nb\nc\nd\n", diff), "a\nB\nc\nD\n");
        assert_eq!(applied("a\nb", "+++ a.go\n@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+b\n"), "a\nb\n");
    }

    proptest::proptest! {
        #[test]
        fn applying_a_diff_gives_the_new_text(old in "([ab]\n){0,12}", new in "([abc]\n){0,12}") {
            let diff = similar::TextDiff::from_lines(&old, &new).unified_diff().header("a.go", "a.go").to_string();
            proptest::prop_assert_eq!(applied(&old, &diff), new);
        }
    }
}
