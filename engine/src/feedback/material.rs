//! What did a finding look like when it was told? All that a lesson about it needs: bounded, and without secrets.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    review::{Review, Reviewed},
    source::{RepoPath, SourceFile},
    suggest::{Change, Excerpt, Remark, lesson},
    taste::Say,
};

/// The most bytes of an excerpt that are kept; the lines around the finding come first.
const MOST_EXCERPT: usize = 8 << 10;

/// A finding as it stood in its change, and the patch that was offered with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// The form of questions and answers that it was made for: [`lesson::FORM`].
    pub form: u32,
    /// The stretch of the change as a model is shown it: [`Excerpt::text`].
    pub excerpt: String,
    /// The finding in the words in which a model would have to say it, without a patch.
    pub remark: Remark,
    /// The patch that was offered, in whole lines of the excerpt; empty where none was, or it cannot be said in them.
    pub edits: Vec<Change>,
}

/// What findings of one review looked like.
pub(super) struct Materials<'r> {
    review: &'r Review,
    excerpts: HashMap<&'r RepoPath, Vec<Excerpt>>,
}

impl<'r> Materials<'r> {
    pub(super) fn of(review: &'r Review) -> Self {
        Self { review, excerpts: HashMap::new() }
    }

    /// What a finding looked like; none for one that is kept back, and where no lesson could be made of it.
    pub(super) fn get(&mut self, reviewed: &'r Reviewed, say: Say) -> Option<Material> {
        let finding = &reviewed.finding;
        let file = self.review.file(&finding.path).filter(|_| say != Say::Mute)?;
        let line = finding.span.from.line;
        let excerpt = near(self.excerpt(file, (line, *finding.span.lines().end())), line);
        let remark = lesson::remark(finding, &excerpt)?;
        let edits = reviewed.patch.as_ref().map(|patch| lesson::edits(patch, file, &excerpt)).unwrap_or_default();
        Some(Material { form: lesson::FORM, excerpt: excerpt.text(), remark, edits })
    }

    /// The stretch that the finding is in, as it would be asked about.
    fn excerpt(&mut self, file: &'r SourceFile, (from, to): (u32, u32)) -> Excerpt {
        let review = self.review;
        let excerpts = self.excerpts.entry(&file.path).or_insert_with(|| {
            let change = review.change.files.iter().find(|change| change.path == file.path);
            change.map(|change| Excerpt::of(change, file)).unwrap_or_default()
        });
        let holds = |excerpt: &&Excerpt| excerpt.new_lines().any(|line| line.number == from);
        excerpts.iter().find(holds).cloned().unwrap_or_else(|| Excerpt::around(file, from, to))
    }
}

/// The lines around one line that are kept.
fn near(excerpt: Excerpt, line: u32) -> Excerpt {
    let size = |at: usize| excerpt.lines.get(at).map_or(0, |line| line.text.len() + 2);
    let middle = excerpt.lines.iter().position(|shown| shown.number >= line).unwrap_or(0);
    let (mut from, mut to, mut bytes) = (middle, middle, 0);
    while from > 0 || to < excerpt.lines.len() {
        let (above, below) = (from.checked_sub(1), Some(to).filter(|to| *to < excerpt.lines.len()));
        let added = above.map_or(0, size) + below.map_or(0, size);
        if bytes + added > MOST_EXCERPT {
            break;
        }
        bytes += added;
        from = above.unwrap_or(from);
        to = below.map_or(to, |to| to + 1);
    }
    let lines = excerpt.lines.into_iter().take(to).skip(from).collect();
    Excerpt { lines, ..excerpt }
}
