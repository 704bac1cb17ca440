//! What did someone decide to live with? Comments of the form `apprentice: allow RULE -- reason`.

use crate::{
    finding::{Finding, Severity},
    source::SourceFile,
};

/// The comments of one file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Allowances {
    entries: Vec<Allowance>,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowance {
    /// The lines it covers; `None` for the whole file.
    line: Option<u32>,
    rules: Vec<String>,
    reason: String,
}

const MARK: &str = "apprentice: allow";

/// The comments in a file. `allow` covers its own line where code stands before it, otherwise the next line that is
/// not blank and not another such comment; `allow-file` covers the file. Several rules are separated by commas, and a
/// rule may be a glob such as `python/*`.
pub fn read(file: &SourceFile) -> Allowances {
    let mut entries = Vec::new();
    for at in memchr::memmem::find_iter(file.text.as_bytes(), MARK) {
        let line = file.lines.position(at).line;
        let text = file.line(line);
        let column = file.lines.position(at).column as usize - 1;
        let (before, after) = (&text[..column], &text[column + MARK.len()..]);
        let (whole_file, after) = match after.strip_prefix("-file") {
            Some(rest) => (true, rest),
            None => (false, after),
        };
        let Some(after) = after.strip_prefix(' ') else { continue };
        let (rules, reason) = after.split_once("--").unwrap_or((after, ""));
        let rules: Vec<String> = rules
            .split(',')
            .filter_map(|rule| rule.split_whitespace().next())
            .map(|rule| rule.trim_end_matches(['*', '/']).to_owned() + if rule.ends_with("/*") { "/*" } else { "" })
            .filter(|rule| !rule.is_empty())
            .collect();
        let covers = if whole_file {
            None
        } else if before.chars().any(char::is_alphanumeric) {
            Some(line)
        } else {
            Some(next_code_line(file, line))
        };
        let reason = reason.trim().trim_end_matches("*/").trim_end_matches("-->").trim().to_owned();
        entries.push(Allowance { line: covers, rules, reason });
    }
    Allowances { entries }
}

fn next_code_line(file: &SourceFile, line: u32) -> u32 {
    (line + 1..=file.lines.count())
        .find(|&next| !file.line(next).trim().is_empty() && !file.line(next).contains(MARK))
        .unwrap_or(line + 1)
}

impl Allowances {
    /// The reason a finding is to be left alone, empty where none was given; `None` when it is not.
    pub fn reason(&self, finding: &Finding) -> Option<&str> {
        let covers = |entry: &&Allowance| {
            entry.line.is_none_or(|line| line == finding.span.from.line)
                && entry.rules.iter().any(|rule| names(rule, &finding.check.0))
        };
        self.entries.iter().find(covers).map(|entry| entry.reason.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The comment of another tool by which someone already decided about a finding's line. Errors are told all the
/// same: such a comment was not written with them in mind.
pub fn elsewhere(file: &SourceFile, finding: &Finding) -> Option<&'static str> {
    const MARKS: &[&str] =
        &["#nosec", "# nosec", "nolint", "# noqa", "NOSONAR", "eslint-disable-line", "nosemgrep", "zizmor: ignore"];
    let line = file.line(finding.span.from.line);
    let mark = MARKS.iter().copied().find(|mark| line.contains(mark))?;
    (finding.severity < Severity::Error).then_some(mark)
}

/// Whether a rule as a person writes it (`python/eval`, `python/*`, or the name alone: `eval`) names this check.
fn names(rule: &str, check: &str) -> bool {
    match rule.strip_suffix("/*") {
        Some(folder) => check.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
        None => rule == check || check.rsplit('/').next() == Some(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RepoPath;

    fn read_text(text: &str) -> Vec<(Option<u32>, Vec<String>, String)> {
        let file = SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 9_999).unwrap();
        read(&file).entries.into_iter().map(|entry| (entry.line, entry.rules, entry.reason)).collect()
    }

    #[test]
    fn a_comment_covers_its_line_or_the_next_code_line() {
        assert_eq!(
            read_text("eval(x)  # apprentice: allow python/eval -- trusted\n"),
            [(Some(1), vec!["python/eval".into()], "trusted".into())]
        );
        assert_eq!(
            read_text("# apprentice: allow a/b, c/*\n\n# apprentice: allow d\neval(x)\n"),
            [(Some(4), vec!["a/b".into(), "c/*".into()], String::new()), (Some(4), vec!["d".into()], String::new())]
        );
        assert_eq!(read_text("/* apprentice: allow-file x -- why */"), [(None, vec!["x".into()], "why".into())]);
        assert_eq!(read_text("apprentice: allowance"), []);
    }

    #[test]
    fn another_tools_comment_counts_for_what_is_no_error() {
        let text = "server := x // #nosec G112\n";
        let file = SourceFile::new(RepoPath::new("a.go").unwrap(), text.as_bytes().into(), 9_999).unwrap();
        let mut finding = crate::check::tests::finding(&file, 0..6);
        finding.severity = Severity::Warning;
        assert_eq!(elsewhere(&file, &finding), Some("#nosec"));
        finding.severity = Severity::Error;
        assert_eq!(elsewhere(&file, &finding), None);
    }

    #[test]
    fn a_rule_is_named_whole_by_folder_or_by_its_last_part() {
        assert!(
            names("python/eval", "python/eval") && names("python/*", "python/eval") && names("eval", "python/eval")
        );
        assert!(!names("python/ev", "python/eval") && !names("py/*", "python/eval"));
    }
}
