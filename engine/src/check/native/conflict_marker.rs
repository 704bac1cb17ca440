//! Was a merge left half done?

use crate::{
    check::{Meta, Target},
    finding::Finding,
};

/// The first line of each `<<<<<<<` … `=======` … `>>>>>>>` group. A lone marker, as in documents about git or as an
/// underline, is not one.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let mut open = None;
    let mut middle = false;
    for line in 1..=target.file.lines.count() {
        let text = target.file.line(line);
        if is_marker(text, "<<<<<<<") {
            (open, middle) = (Some(line), false);
        } else if text == "=======" {
            middle = open.is_some();
        } else if is_marker(text, ">>>>>>>")
            && middle
            && let Some(first) = open.take()
        {
            findings.push(meta.finding(target.file, target.file.lines.range(first)));
        }
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}
