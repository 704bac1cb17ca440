//! What becomes of the files, and what is told of it?

use std::collections::BTreeMap;

use engine::{
    edit::{self, Edit},
    git::{Landing, StagedFile},
    patch, secret,
    source::{RepoPath, SourceFile},
};
use similar::TextDiff;

use super::{
    state::{Answer, Item},
    text,
};

/// One file with everything that was accepted in it and goes together.
pub(super) struct Outcome<'r> {
    /// The reviewed file.
    pub(super) file: &'r SourceFile,
    /// Its bytes with the changes.
    pub(super) after: Vec<u8>,
    /// Whose changes they are.
    pub(super) made: Vec<usize>,
    /// What could not be made with them, and why.
    pub(super) left: Vec<(usize, String)>,
}

/// The changes that were accepted, file by file. A change that meets an earlier one, or with which the file no longer
/// parses although it does with the change alone, is left.
pub(super) fn combine<'r>(items: &[Item<'r>]) -> Vec<Outcome<'r>> {
    let mut files: BTreeMap<&RepoPath, Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.edits().is_empty()) {
        files.entry(&item.reviewed.finding.path).or_default().push(at);
    }
    files.into_values().filter_map(|wanted| of_file(items, &wanted)).collect()
}

fn of_file<'r>(items: &[Item<'r>], wanted: &[usize]) -> Option<Outcome<'r>> {
    let file = wanted.first().and_then(|&at| items.get(at)?.file)?;
    let mut made = Made { file, now: file.clone(), edits: Vec::new() };
    let mut outcome = Outcome { file, after: Vec::new(), made: Vec::new(), left: Vec::new() };
    for &at in wanted {
        let Some(item) = items.get(at) else { continue };
        match made.add(item) {
            Ok(()) => outcome.made.push(at),
            Err(why) => outcome.left.push((at, why)),
        }
    }
    outcome.after = made.now.bytes.to_vec();
    Some(outcome)
}

struct Made<'r> {
    file: &'r SourceFile,
    now: SourceFile,
    edits: Vec<Edit>,
}

impl Made<'_> {
    fn add(&mut self, item: &Item<'_>) -> Result<(), String> {
        let new = item.edits();
        if new.iter().any(|new| self.edits.iter().any(|old| edit::conflicts(old, new))) {
            return Err("it meets another change that was accepted; run the command again".into());
        }
        let mut edits = [&self.edits[..], &new].concat();
        edits.sort();
        let bytes = edit::apply(&self.file.bytes, &edits).map_err(|error| error.to_string())?;
        let was_agreed = || match (&item.answer, edit::apply(&self.file.bytes, &new)) {
            (Some(Answer::Edited(_)), Ok(alone)) => patch::breaks_syntax(self.file, &alone),
            _ => false,
        };
        if patch::breaks_syntax(&self.now, &bytes) && !was_agreed() {
            return Err("together with the others the file no longer parses; run the command again".into());
        }
        let mut now = SourceFile::new(self.file.path.clone(), bytes.into(), u64::MAX)
            .map_err(|_| "its result is not a text file".to_owned())?;
        now.language = self.file.language;
        (self.now, self.edits) = (now, edits);
        Ok(())
    }
}

impl Outcome<'_> {
    /// What is to be put in place; none where everything was left.
    pub(super) fn staged(&self) -> Option<StagedFile> {
        let file =
            StagedFile { path: self.file.path.clone(), before: self.file.bytes.to_vec(), after: self.after.clone() };
        (!self.made.is_empty()).then_some(file)
    }

    /// What happened, for a person; what was not made is told with its patch.
    pub(super) fn told(&self, items: &[Item<'_>], landing: Option<&Result<Landing, String>>) -> String {
        let path = text::clean(self.file.path.as_str());
        let many = self.made.len();
        let patches = if many == 1 { "1 patch".to_owned() } else { format!("{many} patches") };
        let mut told = match landing {
            None => String::new(),
            Some(Ok(Landing::Landed)) => format!("fixed: {path}: {patches}\n"),
            Some(Ok(Landing::Left(why)) | Err(why)) => {
                format!("not fixed: {path}: {}\n{}", text::clean(why), diff(self.file, &self.after))
            }
        };
        for (at, why) in &self.left {
            let Some(item) = items.get(*at) else { continue };
            let finding = &item.reviewed.finding;
            let alone = edit::apply(&self.file.bytes, &item.edits()).unwrap_or_default();
            let (line, check) = (finding.span.from.line, text::clean(&finding.check.0));
            told += &format!("not fixed: {path}:{line}: {check}: {why}\n{}", diff(self.file, &alone));
        }
        told
    }
}

/// A change as a unified diff to be read, as [`patch::VerifiedPatch::diff`] has it, harmless to a terminal.
fn diff(file: &SourceFile, after: &[u8]) -> String {
    let after = String::from_utf8_lossy(after);
    let (before, after) = (secret::mask(&file.text), secret::mask(&after));
    let diff = TextDiff::from_lines(&*before, &*after);
    let (old, new) = (format!("a/{}", file.path), format!("b/{}", file.path));
    let text = diff.unified_diff().context_radius(3).header(&old, &new).to_string();
    text.lines().map(|line| line.split('\t').map(text::clean).collect::<Vec<_>>().join("\t") + "\n").collect()
}
