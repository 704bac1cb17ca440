//! What does a Dockerfile build? Its instructions and stages with their places, and the checks over them.

mod command;
mod instruction;
mod stage;

use std::{collections::HashMap, ops::Range};

use super::Native;
use crate::{
    check::{Meta, Target},
    edit::{Applicability, Edit, Fix},
    finding::Finding,
    source::SourceFile,
};

/// A check over the instructions.
type Check = fn(&Dockerfile, &mut Report<'_>);

macro_rules! checks {
    ($($name:literal => $check:path,)*) => {
        /// Every check over Dockerfiles by the name rule files use.
        pub(super) const ALL: &[Native] = &[$(Native {
            name: $name,
            check: |target, meta, findings| run(target, meta, findings, $check),
        },)*];
    };
}

checks! {
    "dockerfile-user-root" => stage::user_root,
    "dockerfile-user-missing" => stage::user_missing,
    "dockerfile-image-latest" => stage::image_latest,
    "dockerfile-duplicate-stage" => stage::duplicate,
    "dockerfile-unknown-stage" => stage::unknown,
    "dockerfile-argument-out-of-scope" => stage::argument_out_of_scope,
    "dockerfile-healthcheck-missing" => stage::healthcheck_missing,
    "dockerfile-repeated-instruction" => stage::repeated,
    "dockerfile-expose-ssh" => instruction::expose_ssh,
    "dockerfile-add" => instruction::add,
    "dockerfile-maintainer" => instruction::maintainer,
    "dockerfile-relative-workdir" => instruction::relative_workdir,
    "dockerfile-secret-in-image" => instruction::secret,
    "dockerfile-shell-entrypoint" => instruction::shell_entrypoint,
    "dockerfile-cd-alone" => instruction::cd_alone,
    "dockerfile-update-alone" => command::update_alone,
    "dockerfile-install-asks" => command::install_asks,
    "dockerfile-apt" => command::apt,
    "dockerfile-recommends" => command::recommends,
    "dockerfile-lists-kept" => command::lists_kept,
    "dockerfile-tls-off" => command::tls_off,
    "dockerfile-signature-off" => command::signature_off,
    "dockerfile-sudo" => command::sudo,
    "dockerfile-pipe-to-shell" => command::pipe_to_shell,
    "dockerfile-password-set" => command::password_set,
    "dockerfile-world-writable" => command::world_writable,
}

fn run(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>, check: Check) {
    check(&Dockerfile::read(&target.file.text), &mut Report { file: target.file, meta, findings });
}

/// The instructions of a file, in order.
struct Dockerfile {
    instructions: Vec<Instruction>,
}

/// An instruction.
struct Instruction {
    /// Its name in upper case.
    keyword: String,
    /// From its name to the end of its last line.
    span: Range<usize>,
    /// The offset of `text` in the file.
    start: usize,
    /// What follows the name, byte for byte, but with line joints and comments between as spaces.
    text: String,
}

/// From one `FROM` to before the next.
struct Stage<'a> {
    from: &'a Instruction,
    instructions: &'a [Instruction],
}

impl Dockerfile {
    fn read(text: &str) -> Self {
        let mut instructions = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = line_end(text, at);
            let line = &text[at..end];
            let lead = line.len() - line.trim_start().len();
            let name = line.split_whitespace().next().unwrap_or("");
            if name.is_empty() || name.starts_with('#') || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                at = end + 1;
                continue;
            }
            let start = at + lead + name.len();
            let (flat, end) = body(text, start);
            instructions.push(Instruction {
                keyword: name.to_ascii_uppercase(),
                span: at + lead..end,
                start,
                text: flat,
            });
            at = end + 1;
        }
        Self { instructions }
    }

    fn named<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Instruction> {
        self.instructions.iter().filter(move |instruction| instruction.keyword == keyword)
    }

    fn stages(&self) -> Vec<Stage<'_>> {
        let starts: Vec<usize> = self
            .instructions
            .iter()
            .enumerate()
            .filter(|(_, found)| found.keyword == "FROM")
            .map(|(at, _)| at)
            .collect();
        let ends = starts.iter().skip(1).copied().chain([self.instructions.len()]);
        let stage = |(&start, end): (&usize, usize)| Stage {
            from: &self.instructions[start],
            instructions: &self.instructions[start + 1..end],
        };
        starts.iter().zip(ends).map(stage).collect()
    }
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |end| from + end)
}

/// The rest of an instruction as one line of the same length, and where it ends.
fn body(text: &str, start: usize) -> (String, usize) {
    let mut flat = String::new();
    let mut at = start;
    loop {
        let end = line_end(text, at);
        let line = text[at..end].trim_end_matches('\r');
        let is_comment = !flat.is_empty() && line.trim_start().starts_with('#');
        let kept = line.trim_end();
        let joined = kept.strip_suffix('\\');
        match joined {
            _ if is_comment => flat.extend(std::iter::repeat_n(' ', end - at)),
            Some(kept) => flat.extend(kept.chars().chain(std::iter::repeat_n(' ', end - at - kept.len()))),
            None => flat.push_str(&text[at..end]),
        }
        let goes_on =
            (joined.is_some() || is_comment || (kept.trim().is_empty() && !flat.trim().is_empty())) && end < text.len();
        if !goes_on {
            return here_documents(text, flat, end);
        }
        flat.push(' ');
        at = end + 1;
    }
}

/// Here-documents belong to the instruction that opens them.
fn here_documents(text: &str, mut flat: String, mut end: usize) -> (String, usize) {
    let open = flat.find("<<").map(|at| flat[at + 2..].trim_start_matches('-'));
    let word = open.map(|rest| rest.trim_start_matches(['"', '\'']));
    let name: String = word.unwrap_or("").chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if name.is_empty() || flat.contains("<<<") {
        return (flat, end);
    }
    let opened = end;
    let mut inner = String::new();
    while end < text.len() {
        let next = line_end(text, end + 1);
        let line = text.get(end + 1..next).unwrap_or("");
        inner.push('\n');
        inner.push_str(line);
        end = next;
        if line.trim() == name {
            flat.push_str(&inner);
            return (flat, end);
        }
    }
    (flat, opened)
}

impl Instruction {
    /// Where a part of the text is in the file.
    fn range(&self, part: Range<usize>) -> Range<usize> {
        self.start + part.start..self.start + part.end
    }

    /// The words of the text that are not options, each with its place in the text.
    fn words(&self) -> Vec<(usize, &str)> {
        let text = &*self.text;
        let words = text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word));
        words.skip_while(|(_, word)| word.starts_with("--")).collect()
    }

    /// The value of an option such as `--from`.
    fn option(&self, name: &str) -> Option<(usize, &str)> {
        let text = &*self.text;
        let words = text.split_whitespace().take_while(|word| word.starts_with("--"));
        let value = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).next()?;
        Some((value.as_ptr() as usize - text.as_ptr() as usize, value))
    }

    /// Whether it is written as a JSON list.
    fn is_list(&self) -> bool {
        self.words().first().is_some_and(|(_, word)| word.starts_with('['))
    }

    /// Its first line.
    fn first_line(&self, file: &SourceFile) -> Range<usize> {
        let text = &file.text[self.span.clone()];
        self.span.start..text.find('\n').map_or(self.span.end, |line| self.span.start + line)
    }
}

impl<'a> Stage<'a> {
    /// The image or stage it starts from.
    fn base(&self) -> &'a str {
        self.from.words().first().map_or("", |(_, word)| word)
    }

    /// What `AS` calls it.
    fn name(&self) -> Option<(usize, &'a str)> {
        let words = self.from.words();
        let at = words.iter().position(|(_, word)| word.eq_ignore_ascii_case("as"))?;
        words.get(at + 1).copied()
    }

    fn last(&self, keyword: &str) -> Option<&'a Instruction> {
        self.instructions.iter().rev().find(|instruction| instruction.keyword == keyword)
    }
}

/// Where a check puts what it finds.
struct Report<'a> {
    file: &'a SourceFile,
    meta: &'a Meta,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    fn at(&mut self, span: Range<usize>) {
        self.findings.push(self.meta.finding(self.file, span));
    }

    fn say(&mut self, span: Range<usize>, what: impl Into<String>) {
        let mut finding = self.meta.finding(self.file, span);
        finding.what = what.into();
        self.findings.push(finding);
    }

    fn fix(&mut self, applicability: Applicability, edit: Edit) {
        if let (Some(finding), Ok(fix)) = (self.findings.last_mut(), Fix::new(applicability, vec![edit])) {
            finding.fix = Some(fix);
        }
    }
}

/// How often each name comes, whatever its case.
fn count<'n>(names: impl Iterator<Item = &'n str>) -> HashMap<String, usize> {
    names.fold(HashMap::new(), |mut counts, name| {
        *counts.entry(name.to_ascii_lowercase()).or_default() += 1;
        counts
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instructions_keep_their_places_through_joints_comments_and_here_documents() {
        let text = "# a\nFROM x AS y\nRUN a \\\n # no\n  && b\nRUN <<EOF\nc\nEOF\ncmd [\"d\"]\n";
        let file = Dockerfile::read(text);
        let names: Vec<&str> = file.instructions.iter().map(|found| &*found.keyword).collect();
        assert_eq!(names, ["FROM", "RUN", "RUN", "CMD"]);
        let run = &file.instructions[1];
        assert!(run.text.contains("a") && !run.text.contains("no"));
        let at = run.text.find("b").unwrap();
        assert_eq!(&text[run.range(at..at + 1)], "b");
        assert!(file.instructions[2].text.contains("c\nEOF"));
        assert_eq!(file.stages()[0].name().unwrap().1, "y");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_texts_keep_their_length(text in "([A-Z]{2,4} [a-z<é\"'=-]{0,12}( \\\\)?(\\r)?\\n|#x\\n|EOF\\n|\\n){0,12}") {
            for instruction in Dockerfile::read(&text).instructions {
                prop_assert!(text.is_char_boundary(instruction.span.end));
                prop_assert!(instruction.start + instruction.text.len() <= text.len() + 1);
            }
        }
    }
}
