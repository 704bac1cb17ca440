//! Can every system that clones the repository have a file of this name?

use crate::{
    change::Status,
    check::{Meta, Target},
    finding::Finding,
};

/// Names that Windows reserves or cannot write, told where they enter the repository
/// (learn.microsoft.com/windows/win32/fileio/naming-a-file).
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let path = &target.file.path;
    let is_new = !matches!(target.change.status, Status::Modified | Status::Mode);
    let Some((part, why)) = path.as_str().split('/').find_map(|part| Some((part, trouble(part)?))) else { return };
    if is_new {
        let mut finding = meta.finding(target.file, target.file.lines.range(1));
        finding.what = format!("`{part}` in the path {why}, so the repository cannot be checked out on Windows");
        findings.push(finding);
    }
}

fn trouble(part: &str) -> Option<&'static str> {
    const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];
    let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|digit| digit.len() == 1 && (b'1'..=b'9').contains(&digit.as_bytes()[0]))
    };
    if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        return Some("is the name of a device");
    }
    if part.ends_with([' ', '.']) {
        return Some("ends in a space or a dot");
    }
    let cannot = |c: char| "<>:\"|?*\\".contains(c) || c.is_ascii_control();
    part.contains(cannot).then_some("has a character that file names cannot have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_cannot_have_are_known() {
        for part in ["aux.c", "NUL", "com1.txt", "a:b", "notes.", "what?.md"] {
            assert!(trouble(part).is_some(), "{part}");
        }
        for part in ["auxiliary.c", "com.rs", "comx", ".gitignore", "a b", "lpt10"] {
            assert!(trouble(part).is_none(), "{part}");
        }
    }
}
