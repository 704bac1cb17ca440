//! Is something put into the repository that will make every clone slower for good?

use crate::{
    change::Status,
    check::{Meta, Target},
    finding::Finding,
};

/// A file that came, or grew, past the limit. Files past `review.max_file_bytes` are told by a notice before any
/// check runs.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let limit = target.limits.large_file_bytes;
    let size = target.file.bytes.len() as u64;
    let was_large = target.before.is_some_and(|before| before.bytes.len() as u64 > limit);
    let moved = matches!(target.change.status, Status::Renamed | Status::Copied | Status::Mode);
    if size <= limit || was_large || moved {
        return;
    }
    let first = target.change.touched.ranges().next().map_or(1, |lines| *lines.start());
    let mut finding = meta.finding(target.file, target.file.lines.range(first));
    finding.what = format!("the file has {size} bytes, more than checks.large_file_bytes = {limit}");
    findings.push(finding);
}
