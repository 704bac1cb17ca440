//! What does a unified diff say? Whatever the bytes are, files come out, and what could not be read becomes a Notice.
//!
//! Read are diffs as git, `diff -u`, hg, svn and patch tools write them, with any mail or commit message around them.
//! Inside a hunk the counts of its header decide what a line is: a removed `-- x` looks like a header and is none.

mod hunk;
mod name;

use std::collections::HashMap;

use self::{hunk::Trouble, name::Name};
use super::{FileChange, Hunk, Kind, LineSet, Status, added_lines, compose::compose};
use crate::{
    notice::Notice,
    source::{BlobId, RepoPath},
};

/// The files of a unified diff, each at most once, in order of path. Time and memory are linear in `bytes`.
///
/// Several patches in one stream (`git format-patch --stdout`, `git log -p`) are read as the one edit they amount to.
pub fn parse(bytes: &[u8]) -> (Vec<FileChange>, Vec<Notice>) {
    let mut parser = Parser { lines: Lines { rest: bytes, number: 0 }, ..Parser::default() };
    while let Some(line) = parser.lines.next() {
        parser.line(line);
    }
    parser.finish_section();
    let Parser { sections, mut notices, newest_first, seen_context_diff, .. } = parser;
    if sections.is_empty() && notices.is_empty() && bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
        notices.push(nothing_here(seen_context_diff));
    }
    let files = one_each(sections, newest_first, &mut notices);
    (files, notices)
}

fn nothing_here(context: SeenContextDiff) -> Notice {
    match context {
        SeenContextDiff::Yes => Notice::failure("diff", "it is a context diff, and only unified diffs are read")
            .advise("make it with `diff -u` or `git diff`"),
        SeenContextDiff::No => Notice::failure("diff", "there is no unified diff in it")
            .advise("give what `git diff` or `diff -u` prints, with its `---` and `+++` lines"),
    }
}

/// Lines with their endings, counted.
#[derive(Clone, Default)]
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
        (end > 0).then(|| &self.rest[..end])
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.peek()?;
        self.rest = &self.rest[line.len()..];
        self.number += 1;
        Some(line)
    }
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum SeenContextDiff {
    Yes,
    #[default]
    No,
}

/// Which commit of a stream comes first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum NewestFirst {
    /// As `git log -p` has it.
    Yes,
    /// As a series of mails has it.
    #[default]
    No,
}

/// One file's part of one patch, as far as it is read.
#[derive(Default)]
struct Section<'a> {
    git: Option<&'a [u8]>,
    /// svn's `Index:` line.
    index_name: Name,
    old: Name,
    new: Name,
    /// `rename from`, `rename to`, `copy from`, `copy to`.
    moved: (Option<Vec<u8>>, Option<Vec<u8>>),
    is_copy: bool,
    is_binary: bool,
    is_combined: bool,
    is_created: bool,
    is_deleted: bool,
    old_mode: u32,
    new_mode: u32,
    old_blob: Option<BlobId>,
    new_blob: Option<BlobId>,
    hunks: Vec<Hunk>,
    troubles: Vec<Trouble>,
}

#[derive(Default)]
struct Parser<'a> {
    lines: Lines<'a>,
    section: Option<Section<'a>>,
    /// Whether the line before belonged to a hunk.
    after_hunk: bool,
    /// Finished files with the number of the patch they are from.
    sections: Vec<(usize, FileChange)>,
    patch: usize,
    newest_first: NewestFirst,
    seen_context_diff: SeenContextDiff,
    /// Whether the last header with both names had prefixes.
    unprefixed: bool,
    notices: Vec<Notice>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: &'a [u8]) {
        let after_hunk = std::mem::take(&mut self.after_hunk);
        let text = without_ending(line);
        if let Some(names) = text.strip_prefix(b"diff --git ") {
            self.begin(Section { git: Some(names), ..Section::default() });
        } else if let Some(name) = text.strip_prefix(b"diff --cc ").or_else(|| text.strip_prefix(b"diff --combined ")) {
            let path = Name::Path(name::whole(name));
            self.begin(Section { index_name: path, is_combined: true, ..Section::default() });
        } else if let Some(name) = text.strip_prefix(b"Index: ") {
            self.begin(Section { index_name: name::of_side(name), ..Section::default() });
        } else if let Some((old, new)) = self.sides(text) {
            self.named(old, new);
        } else if text.starts_with(b"@@ -") {
            self.hunk(text);
        } else if self.is_patch_start(text) {
            self.finish_section();
            self.patch += 1;
        } else if text.starts_with(b"***************") {
            self.seen_context_diff = SeenContextDiff::Yes;
        } else if !self.is_about_binary(text) {
            self.extended(text);
            // `-- ` sets a mail's signature off.
            if after_hunk && matches!(text, [b'+' | b'-' | b' ', ..]) && text != b"-- " && text != b"--" {
                self.trouble(Trouble::More(self.lines.number));
            }
        }
    }

    /// `--- X` with `+++ Y` below it, which is then read too.
    fn sides(&mut self, text: &[u8]) -> Option<(Name, Name)> {
        let old = text.strip_prefix(b"--- ")?;
        let new = without_ending(self.lines.peek()?).strip_prefix(b"+++ ")?;
        self.lines.next();
        Some((name::of_side(old), name::of_side(new)))
    }

    fn begin(&mut self, section: Section<'a>) {
        self.finish_section();
        self.section = Some(section);
    }

    fn named(&mut self, old: Name, new: Name) {
        let is_fresh = |section: &Section<'_>| section.old == Name::Unsaid && section.hunks.is_empty();
        if !self.section.as_ref().is_some_and(is_fresh) {
            self.begin(Section::default());
        }
        if let Some(section) = &mut self.section {
            (section.old, section.new) = (old, new);
        }
    }

    fn hunk(&mut self, header: &[u8]) {
        let number = self.lines.number;
        let can_have = |section: &&mut Section<'_>| section.old != Name::Unsaid || section.new != Name::Unsaid;
        let Some(section) = self.section.as_mut().filter(can_have) else {
            self.notices.push(Notice::failure("diff", format!("the hunk at line {number} belongs to no file")));
            return;
        };
        match hunk::read(header, &mut self.lines) {
            Some((hunk, trouble)) => {
                section.troubles.extend(trouble);
                let end = |side: fn(&Hunk) -> super::LineRange| section.hunks.last().map_or(1, |hunk| side(hunk).end());
                if hunk.old.begin() < end(|hunk| hunk.old) || hunk.new.begin() < end(|hunk| hunk.new) {
                    section.troubles.push(Trouble::Order(number));
                } else if !hunk.lines.is_empty() {
                    if section.hunks.last_mut().is_some_and(|before| hunk::end_all(&mut before.lines)) {
                        section.troubles.push(Trouble::Newline(number));
                    }
                    section.hunks.push(hunk);
                }
                self.after_hunk = true;
            }
            None => section.troubles.push(Trouble::Header(number)),
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        if let Some(section) = &mut self.section {
            section.troubles.push(trouble);
        }
    }

    /// A mail of a series, or a commit of a log.
    fn is_patch_start(&mut self, text: &[u8]) -> bool {
        let id = |rest: &[u8]| {
            let length = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            matches!(length, 40 | 64) && rest.get(length).is_none_or(|byte| *byte == b' ')
        };
        if text.strip_prefix(b"From ").is_some_and(id) {
            return true;
        }
        let is_log = text.strip_prefix(b"commit ").is_some_and(id);
        if is_log {
            self.newest_first = NewestFirst::Yes;
        }
        is_log
    }

    fn is_about_binary(&mut self, text: &[u8]) -> bool {
        let differ = text
            .strip_prefix(b"Binary files ")
            .or_else(|| text.strip_prefix(b"Files "))
            .and_then(|rest| rest.strip_suffix(b" differ"));
        let said =
            differ.is_some() || text == b"GIT binary patch" || text.starts_with(b"Cannot display: file marked as");
        if !said {
            return false;
        }
        let is_open = |section: &Section<'_>| section.hunks.is_empty() && (section.git.is_some() || differ.is_none());
        if let Some(names) = differ
            && !self.section.as_ref().is_some_and(is_open)
            && let Some(at) = memchr::memmem::find(names, b" and ")
        {
            self.begin(Section::default());
            self.named(name::of_side(&names[..at]), name::of_side(&names[at + 5..]));
        }
        if let Some(section) = &mut self.section {
            section.is_binary = true;
        }
        true
    }

    /// git's lines between `diff --git` and the hunks.
    fn extended(&mut self, text: &[u8]) {
        let Some(section) = self.section.as_mut().filter(|section| section.git.is_some() && section.hunks.is_empty())
        else {
            return;
        };
        let after = |prefix: &str| text.strip_prefix(prefix.as_bytes());
        if let Some(mode) = after("old mode ") {
            section.old_mode = octal(mode);
        } else if let Some(mode) = after("new mode ") {
            section.new_mode = octal(mode);
        } else if let Some(mode) = after("new file mode ") {
            (section.is_created, section.new_mode) = (true, octal(mode));
        } else if let Some(mode) = after("deleted file mode ") {
            (section.is_deleted, section.old_mode) = (true, octal(mode));
        } else if let Some(path) = after("rename from ").or_else(|| after("rename old ")) {
            section.moved.0 = Some(name::whole(path));
        } else if let Some(path) = after("rename to ").or_else(|| after("rename new ")) {
            section.moved.1 = Some(name::whole(path));
        } else if let Some(path) = after("copy from ") {
            (section.is_copy, section.moved.0) = (true, Some(name::whole(path)));
        } else if let Some(path) = after("copy to ") {
            (section.is_copy, section.moved.1) = (true, Some(name::whole(path)));
        } else if let Some(ids) = after("index ") {
            section.ids(ids);
        }
    }

    fn finish_section(&mut self) {
        let Some(mut section) = self.section.take() else { return };
        let paths = section.paths(&mut self.unprefixed);
        let shown = [&paths.1, &paths.0].into_iter().flatten().next();
        let about = shown.map_or_else(|| "diff".to_owned(), |path| path.escape_ascii().to_string());
        self.notices.extend(hunk::notices(&about, &section.troubles));
        let says_nothing = section.git.is_none() && section.hunks.is_empty() && !section.is_binary;
        if section.is_combined {
            let notice = Notice::failure(about, "not read: a merge's combined diff leaves out what it merged");
            self.notices.push(notice.advise("review the merge itself: `apprentice review --commit REV`"));
        } else if !(says_nothing && section.troubles.is_empty()) {
            match section.into_file(paths) {
                Ok(file) => self.sections.push((self.patch, file)),
                Err(why) => self.notices.push(Notice::failure(about, format!("not read: {why}"))),
            }
        }
    }
}

impl Section<'_> {
    /// `OLD..NEW MODE`
    fn ids(&mut self, text: &[u8]) {
        let Ok(text) = std::str::from_utf8(text) else { return };
        let (ids, mode) = text.split_once(' ').unwrap_or((text, ""));
        let Some((old, new)) = ids.split_once("..") else { return };
        let id = |hex: &str| {
            let is_id = (4..=64).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            (is_id && hex.bytes().any(|byte| byte != b'0')).then(|| BlobId(hex.to_ascii_lowercase()))
        };
        (self.old_blob, self.new_blob) = (id(old), id(new));
        if !mode.is_empty() {
            (self.old_mode, self.new_mode) = (octal(mode.as_bytes()), octal(mode.as_bytes()));
        }
    }

    /// The paths before and after, without prefixes; none where there is no file on that side.
    fn paths(&mut self, unprefixed: &mut bool) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let git = self.git.and_then(name::of_both);
        if let (Some(from), Some(to)) = (&self.moved.0, &self.moved.1) {
            return (Some(from.clone()), Some(to.clone()));
        }
        if self.old == Name::Unsaid && self.new == Name::Unsaid {
            let (old, new) = match git.clone() {
                Some((old, new)) => (Name::Path(old), Name::Path(new)),
                None => (self.index_name.clone(), self.index_name.clone()),
            };
            (self.old, self.new) = (old, new);
        }
        self.is_created |= self.old == Name::Nothing;
        self.is_deleted |= self.new == Name::Nothing;
        let pair = git.as_ref().map(|(old, new)| (&old[..], &new[..])).or(self.old.path().zip(self.new.path()));
        let (old, new) = match pair {
            Some((old, new)) => {
                let lengths = name::prefixes(old, new);
                *unprefixed = lengths == (0, 0);
                lengths
            }
            None if *unprefixed => (0, 0),
            None => {
                let length = |name: &Name| name.path().map_or(0, |path| if name::is_prefix(path) { 2 } else { 0 });
                (length(&self.old), length(&self.new))
            }
        };
        let strip = |name: &Name, length: usize| name.path().map(|path| tidy(path.get(length..).unwrap_or(path)));
        (strip(&self.old, old), strip(&self.new, new))
    }

    fn into_file(self, paths: (Option<Vec<u8>>, Option<Vec<u8>>)) -> Result<FileChange, String> {
        let (old, new) = paths;
        let checked = |path: Vec<u8>| RepoPath::new(path).map_err(|why| why.to_string());
        let moved = self.moved.0.is_some() && self.moved.1.is_some();
        let path = match (&old, &new) {
            (Some(old), Some(new)) if self.git.is_none() && is_backup(new) && !is_backup(old) => old,
            (_, Some(new)) if !self.is_deleted => new,
            (Some(path), _) | (None, Some(path)) => path,
            (None, None) => return Err("its header names no file".into()),
        };
        let path = checked(path.clone())?;
        let old_path = old.filter(|_| moved).map(checked).transpose()?;
        let is_new = self.is_created || (self.git.is_none() && starts_from_nothing(&self.hunks));
        let status = match () {
            () if moved && self.is_copy => Status::Copied,
            () if moved => Status::Renamed,
            () if self.is_deleted => Status::Deleted,
            () if is_new => Status::Added,
            () if self.hunks.is_empty() && !self.is_binary && self.old_mode != self.new_mode => Status::Mode,
            () => Status::Modified,
        };
        let or_file = |mode: u32| if mode == 0 { 0o100_644 } else { mode };
        let mut file = FileChange {
            path,
            old_path,
            status,
            kind: Kind::Text,
            old_mode: if status == Status::Added { 0 } else { or_file(self.old_mode) },
            new_mode: if status == Status::Deleted { 0 } else { or_file(self.new_mode) },
            old_blob: self.old_blob,
            new_blob: self.new_blob,
            hunks: self.hunks,
            touched: LineSet::default(),
        };
        file.kind = if self.is_binary { Kind::Binary } else { kind(&file) };
        touch(&mut file);
        Ok(file)
    }
}

fn octal(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).take(7);
    digits.fold(0, |mode, digit| mode * 8 + u32::from(digit - b'0'))
}

fn tidy(path: &[u8]) -> Vec<u8> {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    path.to_vec()
}

fn is_backup(path: &[u8]) -> bool {
    [&b".orig"[..], b".bak", b"~"].iter().any(|end| path.ends_with(end))
}

fn starts_from_nothing(hunks: &[Hunk]) -> bool {
    matches!(hunks, [only] if only.old.start == 0 && only.old.count == 0)
}

fn kind(file: &FileChange) -> Kind {
    match if file.has_content() { file.new_mode } else { file.old_mode } {
        0o120_000 => Kind::Symlink,
        0o160_000 => Kind::Submodule,
        _ => Kind::Text,
    }
}

fn touch(file: &mut FileChange) {
    let has_lines = file.kind == Kind::Text && file.has_content();
    file.touched = if has_lines { added_lines(&file.hunks) } else { LineSet::default() };
}

/// The files of all patches as the one edit they amount to.
fn one_each(
    mut sections: Vec<(usize, FileChange)>,
    newest_first: NewestFirst,
    notices: &mut Vec<Notice>,
) -> Vec<FileChange> {
    let patches = {
        let mut seen: Vec<usize> = sections.iter().map(|(patch, _)| *patch).collect();
        seen.dedup();
        seen.len()
    };
    if patches > 1 {
        notices.push(Notice::note(
            "diff",
            format!("it holds {patches} patches; they are read as the one edit they amount to"),
        ));
    }
    if newest_first == NewestFirst::Yes && !is_oldest_first(&sections) {
        sections.sort_by_key(|(patch, _)| std::cmp::Reverse(*patch));
    }
    let mut at: HashMap<RepoPath, usize> = HashMap::new();
    let mut files: Vec<Option<FileChange>> = Vec::with_capacity(sections.len());
    for (_, file) in sections {
        let earlier = if file.status == Status::Copied { &file.path } else { file.path_before() };
        let before = at.remove(earlier).and_then(|at| files[at].take());
        let after = match before {
            Some(first) => follow(first, file, notices),
            None => Some(file),
        };
        if let Some(file) = after {
            at.insert(file.path.clone(), files.len());
            files.push(Some(file));
        }
    }
    let mut files: Vec<FileChange> = files.into_iter().flatten().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|later, earlier| later.path == earlier.path);
    files
}

/// Whether some file's content after one patch is, by its id, what a later patch in the stream starts from, as in
/// `git log -p --reverse`.
fn is_oldest_first(sections: &[(usize, FileChange)]) -> bool {
    let mut left: HashMap<&RepoPath, &BlobId> = HashMap::new();
    sections.iter().any(|(_, file)| {
        let follows = file.old_blob.as_ref().is_some_and(|old| left.get(file.path_before()) == Some(&old));
        left.extend(file.new_blob.as_ref().map(|new| (&file.path, new)));
        follows
    })
}

/// What `first` and then `second` make of a file; `None` when it comes and goes.
fn follow(first: FileChange, second: FileChange, notices: &mut Vec<Notice>) -> Option<FileChange> {
    let status = match (first.status, second.status) {
        (Status::Added, Status::Deleted) => return None,
        (Status::Added, _) => Status::Added,
        (Status::Deleted, Status::Added) if first.kind != second.kind => Status::Kind,
        (Status::Deleted, Status::Added) => Status::Modified,
        (Status::Renamed | Status::Copied, Status::Modified | Status::Mode | Status::Renamed) => first.status,
        (Status::Modified, Status::Mode) => Status::Modified,
        (_, later) => later,
    };
    // What is there cannot be added again, and what is gone can only be added.
    let follows = (first.status == Status::Deleted) == (second.status == Status::Added);
    let hunks = if !follows {
        None
    } else if second.kind == first.kind {
        compose(&first.hunks, &second.hunks)
    } else {
        Some(Vec::new())
    };
    let Some(hunks) = hunks else {
        let what = "the patches of this file do not follow from each other; only the last is read";
        notices.push(Notice::failure(&second.path, what));
        return Some(second);
    };
    let moved = matches!(status, Status::Renamed | Status::Copied);
    let old_path = Some(first.path_before().clone()).filter(|old| moved && *old != second.path);
    let mut file = FileChange {
        status: if moved && old_path.is_none() { Status::Modified } else { status },
        old_path,
        old_mode: first.old_mode,
        old_blob: first.old_blob,
        hunks,
        ..second
    };
    touch(&mut file);
    Some(file)
}

#[cfg(test)]
pub(super) mod tests;
