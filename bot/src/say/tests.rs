//! Is nothing said twice, nothing left unsaid, and does a block do exactly what its patch does?

use std::collections::{BTreeMap, HashSet};

use engine::{
    change::{Change, FileChange, Hunk, LineRange, LineSet, Origin},
    edit::{Edit, Fix},
    finding::{Category, CheckId, Confidence, Finding, fingerprint},
    git::CommitId,
    patch::{Claim, prove},
    review::Standing,
    source::SourceFile,
};
use proptest::prelude::*;

use super::*;
use crate::forge::{Reaction, Said};

const US: &str = "apprentice[bot]";

/// The text of the suggestion block in a comment, as GitHub reads it.
fn suggested(body: &str) -> Option<String> {
    let mut lines = body.split_inclusive('\n');
    let fence = lines.find_map(|line| line.trim_end().strip_suffix("suggestion").filter(|rest| is_fence(rest)))?;
    let mut text = String::new();
    for line in lines {
        if line.trim_end() == fence {
            return Some(text);
        }
        text.push_str(line);
    }
    None
}

fn is_fence(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|byte| byte == b'`')
}

fn file(path: &str, bytes: &[u8]) -> SourceFile {
    SourceFile::new(RepoPath::new(path).expect("a path"), bytes.into(), u64::MAX).expect("a text")
}

/// A finding on these lines of a file, with a patch where there are edits.
fn found(file: &SourceFile, (from, to): (u32, u32), what: &str, edits: &[Edit]) -> Reviewed {
    let span = file.span(file.lines.range(from).start..file.lines.range(to).end.max(1) - 1);
    let check = CheckId("test/rule".into());
    let finding = Finding {
        fingerprint: fingerprint(&CheckId(what.into()), file, &span, 0),
        check,
        category: Category::Bug,
        severity: Severity::Warning,
        confidence: Confidence::High,
        path: file.path.clone(),
        span,
        what: what.into(),
        why: String::new(),
        because: Vec::new(),
        cwe: None,
        url: None,
        fix: None,
    };
    let patch = (!edits.is_empty()).then(|| patch_of(file, &finding, edits.to_vec()).expect("proven"));
    Reviewed { finding, standing: Standing::Told, patch, unproven: None, weighed: None }
}

fn patch_of(file: &SourceFile, finding: &Finding, edits: Vec<Edit>) -> Option<VerifiedPatch> {
    let claim = Claim { file, finding, found: &[], allowed: &LineSet::all(), is_checked: false };
    prove(&claim, &Fix::safe(edits).ok()?, &mut |_| Vec::new()).ok()
}

/// A review of whole new files.
fn review(files: Vec<SourceFile>, findings: Vec<Reviewed>) -> Review {
    let change = |file: &SourceFile| {
        let mut change = FileChange::whole(file.path.clone(), None);
        let new = LineRange { start: 1, count: file.lines.count() };
        change.hunks = vec![Hunk { old: LineRange { start: 0, count: 0 }, new, lines: Vec::new() }];
        change
    };
    let changes = files.iter().map(change).collect();
    let change = Change { origin: Origin::All, files: changes };
    Review { change, findings, notices: Vec::new(), files, spent: None }
}

fn pull() -> Pull {
    let commit = || CommitId::parse(&"a".repeat(40)).expect("a commit");
    Pull {
        author: "alice".into(),
        is_open: true,
        is_draft: false,
        is_merged: false,
        merge_commit: None,
        base: commit(),
        base_branch: "main".into(),
        head: commit(),
        head_repo: None,
        is_fork: false,
        labels: Vec::new(),
    }
}

fn plan_at_most(review: &Review, conversation: &Conversation, most_comments: usize) -> Plan {
    let terms = Terms { most_comments, closed_by_us: &|thread| thread.resolved_by.as_deref() == Some(US) };
    // What stands on lines already is no deed.
    Plan { on_lines: OnLines::new(), ..plan(review, &pull(), conversation, &terms) }
}

fn planned(review: &Review, conversation: &Conversation) -> Plan {
    plan_at_most(review, conversation, 25)
}

fn comment(id: u64, body: &str, is_ours: bool) -> Said {
    let author = if is_ours { US } else { "mallory" };
    let (author, body, reactions) = (author.to_owned(), body.to_owned(), Vec::new());
    Said { id, node: format!("C{id}"), author, is_ours, is_minimized: false, body, at: 0, reactions }
}

/// The conversation once a plan was carried out.
fn carried_out(plan: &Plan, mut conversation: Conversation) -> Conversation {
    let mut next = 100 * (1 + conversation.threads.len() + conversation.reviews.len()) as u64;
    let mut id = || {
        next += 1;
        next
    };
    let reviewed = plan.review.iter().flat_map(|review| &review.comments);
    for new in reviewed.chain(&plan.on_files) {
        conversation.threads.push(Thread {
            node: format!("T{}", id()),
            path: new.path.clone(),
            is_resolved: false,
            resolved_by: None,
            is_outdated: false,
            comments: vec![comment(id(), &new.body, true)],
        });
    }
    conversation.reviews.extend(plan.review.iter().map(|review| comment(id(), &review.body, true)));
    for thread in &mut conversation.threads {
        if plan.resolve.iter().any(|(node, ..)| *node == thread.node) {
            (thread.is_resolved, thread.resolved_by) = (true, Some(US.into()));
        }
        if plan.reopen.iter().any(|(node, ..)| *node == thread.node) {
            (thread.is_resolved, thread.resolved_by) = (false, None);
        }
        let first = &mut thread.comments[0];
        first.is_minimized |= plan.minimize.contains(&first.node);
    }
    conversation
}

fn numbered(count: u32) -> (SourceFile, Vec<Reviewed>) {
    let text: String = (1..=count).map(|n| format!("line {n}\n")).collect();
    let file = file("a.txt", text.as_bytes());
    let findings = (1..=count).map(|n| found(&file, (n, n), &format!("finding {n}"), &[])).collect();
    (file, findings)
}

#[test]
fn nothing_is_said_twice() {
    let (file, findings) = numbered(5);
    let review = review(vec![file], findings);
    for most in [1, 3, 25] {
        let first = plan_at_most(&review, &Conversation::default(), most);
        let said = carried_out(&first, Conversation::default());
        assert_eq!(plan_at_most(&review, &said, most), Plan::default(), "{most} comments");
        // What a lost answer leaves: the review is there, and nothing that comes after it.
        assert_eq!(plan_at_most(&review, &said, 25), Plan::default());
    }
}

#[test]
fn what_is_new_is_said_alone() {
    let (file, mut findings) = numbered(3);
    let last = findings.pop().expect("a finding");
    let mut review = review(vec![file], findings);
    let said = carried_out(&planned(&review, &Conversation::default()), Conversation::default());
    let what = last.finding.what.clone();
    review.findings.push(last);
    let plan = planned(&review, &said);
    let comments = plan.review.expect("a review").comments;
    assert!(comments.len() == 1 && comments[0].body.contains(&what), "{comments:#?}");
    assert!(plan.resolve.is_empty() && plan.reopen.is_empty());
}

#[test]
fn a_persons_word_is_final_and_ours_is_not() {
    let (file, findings) = numbered(1);
    let mut review = review(vec![file], findings);
    let open = carried_out(&planned(&review, &Conversation::default()), Conversation::default());

    // Closed by a person: whether the finding stays, goes or comes back, nothing is done.
    let mut by_person = open.clone();
    (by_person.threads[0].is_resolved, by_person.threads[0].resolved_by) = (true, Some("alice".into()));
    assert_eq!(planned(&review, &by_person), Plan::default());
    // Closed by somebody whose account is gone: not by us.
    by_person.threads[0].resolved_by = None;
    assert_eq!(planned(&review, &by_person), Plan::default());

    // Gone: closed by us, once. Back: opened again, and not said anew.
    let findings = std::mem::take(&mut review.findings);
    let gone = planned(&review, &open);
    assert_eq!((gone.resolve.len(), &gone.review), (1, &None));
    let closed = carried_out(&gone, open.clone());
    assert_eq!(planned(&review, &closed), Plan::default());
    review.findings = findings;
    let back = planned(&review, &closed);
    assert_eq!((back.reopen.len(), &back.review, back.resolve.len()), (1, &None, 0));
    assert_eq!(planned(&review, &carried_out(&back, closed)), Plan::default());
}

#[test]
fn the_same_defect_in_another_file_is_another_one() {
    let text = b"except:\n";
    let in_file = |path: &str| (file(path, text), found(&file(path, text), (1, 1), "bare", &[]));
    let of = |paths: &[&str]| {
        let (files, findings) = paths.iter().map(|path| in_file(path)).unzip();
        review(files, findings)
    };
    let paths = |plan: &Plan| -> Vec<String> {
        plan.review.iter().flat_map(|review| &review.comments).map(|comment| comment.path.clone()).collect()
    };
    let first = planned(&of(&["a.py", "b.py"]), &Conversation::default());
    assert_eq!(paths(&first), ["a.py", "b.py"]);
    let said = carried_out(&first, Conversation::default());
    assert_eq!(planned(&of(&["a.py", "b.py"]), &said), Plan::default());
    // A third is said, too, and one that is mended is closed though the other stays.
    assert_eq!(paths(&planned(&of(&["a.py", "b.py", "c.py"]), &said)), ["c.py"]);
    let mut mended = of(&["a.py", "b.py"]);
    mended.findings.remove(0);
    let closed: Vec<String> = planned(&mended, &said).resolve.into_iter().map(|(_, _, path)| path).collect();
    assert_eq!(closed, ["a.py"]);
    // A file that took the place of another takes its thread along.
    assert_eq!(planned(&of(&["b.py", "renamed.py"]), &said), Plan::default());
    // What was listed in words counts as often as it was listed.
    let words = plan_at_most(&of(&["a.py", "b.py", "c.py"]), &Conversation::default(), 1);
    let listed = carried_out(&words, Conversation::default());
    assert_eq!(planned(&of(&["a.py", "b.py", "c.py"]), &listed), Plan::default());
    // And is annotated, for it stands on no line.
    let three = of(&["a.py", "b.py", "c.py"]);
    let terms = Terms { most_comments: 1, closed_by_us: &|_| false };
    for conversation in [Conversation::default(), listed.clone()] {
        let on_lines = plan(&three, &pull(), &conversation, &terms).on_lines;
        let annotated = verdict(&three, FailOn::Error, &on_lines).annotations;
        assert_eq!(annotated.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["b.py", "c.py"]);
    }
    assert_eq!(paths(&planned(&of(&["a.py", "b.py", "c.py", "d.py"]), &listed)), ["d.py"]);
}

#[test]
fn after_an_incomplete_review_nothing_is_closed() {
    let (file, findings) = numbered(1);
    let mut review = review(vec![file], findings);
    let open = carried_out(&planned(&review, &Conversation::default()), Conversation::default());
    review.findings.clear();
    review.notices.push(engine::notice::Notice::failure("ruff", "did not run"));
    assert_eq!(planned(&review, &open), Plan::default());
    assert_eq!(verdict(&review, FailOn::Error, &OnLines::new()).conclusion, Conclusion::Neutral);
}

#[test]
fn only_what_nobody_answered_is_folded_away() {
    let (file, findings) = numbered(1);
    let mut review = review(vec![file], findings);
    let mut open = carried_out(&planned(&review, &Conversation::default()), Conversation::default());
    review.findings.clear();
    open.threads[0].is_outdated = true;
    assert_eq!(planned(&review, &open).minimize.len(), 1);
    let mut answered = open.clone();
    answered.threads[0].comments.push(comment(7, "hm", false));
    assert_eq!(planned(&review, &answered).minimize.len(), 0);
    let reaction = Reaction { content: "THUMBS_UP".into(), by: vec!["bob".into()] };
    open.threads[0].comments[0].reactions.push(reaction);
    assert_eq!(planned(&review, &open).minimize.len(), 0);
}

#[test]
fn what_no_comment_carries_is_listed_with_its_marker() {
    let (file, findings) = numbered(7);
    let wanted: HashSet<Fingerprint> = findings.iter().map(|reviewed| reviewed.finding.fingerprint).collect();
    let review = review(vec![file], findings);
    let new = plan_at_most(&review, &Conversation::default(), 3).review.expect("a review");
    assert_eq!(new.comments.len(), 3);
    assert_eq!(markers(&new.body).count(), 4, "{}", new.body);
    let in_comments = new.comments.iter().flat_map(|comment| markers(&comment.body));
    let all: HashSet<Fingerprint> = in_comments.chain(markers(&new.body)).map(|marker| marker.fingerprint).collect();
    assert_eq!(all, wanted);
    // Taken without its lines, all of them are in its text.
    let words = without_lines(&review, &new);
    assert!(words.comments.is_empty() && markers(&words.body).count() == 7, "{}", words.body);
}

#[test]
fn one_patch_is_one_comment_and_of_patches_that_meet_one_is_a_block() {
    let text = b"one\ntwo\nthree\nfour\n";
    let file = file("a.txt", text);
    let two = [Edit::replace(4..7, "TWO")];
    let wider = [Edit::replace(4..13, "TWO THREE")];
    let apart = [Edit::replace(14..18, "FOUR")];
    let findings = vec![
        found(&file, (2, 2), "first", &two),
        found(&file, (2, 2), "second", &two),
        found(&file, (2, 3), "third", &wider),
        found(&file, (4, 4), "fourth", &apart),
    ];
    let review = review(vec![file], findings);
    let plan = planned(&review, &Conversation::default());
    let comments = plan.review.expect("a review").comments;
    let marks: Vec<usize> = comments.iter().map(|comment| markers(&comment.body).count()).collect();
    assert_eq!(marks, [2, 1, 1], "{comments:#?}");
    let blocks: Vec<Option<String>> = comments.iter().map(|comment| suggested(&comment.body)).collect();
    assert_eq!(blocks, [Some("TWO\n".into()), None, Some("FOUR\n".into())]);
    assert!(comments[1].body.contains("```diff"), "{}", comments[1].body);
    // All four are known afterwards, with what was offered.
    assert_eq!(plan.offers.len(), 4);
    assert_eq!(plan.offers[0].before, "two\n");
}

#[test]
fn what_a_block_cannot_say_exactly_is_a_diff() {
    let cases: [(&[u8], Edit); 5] = [
        (b"one\r\ntwo\r\n", Edit::replace(0..3, "ONE")),
        (b"one\ntwo", Edit::replace(4..7, "TWO")),
        (b"one \xff\ntwo\n", Edit::replace(6..9, "TWO")),
        (b"one\ntwo\n", Edit::replace(4..7, "T\r\nWO")),
        (b"one\n", Edit::replace(0..4, "ONE")),
    ];
    for (bytes, edit) in cases {
        let file = file("a.txt", bytes);
        let reviewed = found(&file, (1, 2), "it", &[edit]);
        let patch = reviewed.patch.as_ref().expect("a patch");
        assert_eq!(Offer::of(patch, &file), None, "{:?}", String::from_utf8_lossy(bytes));
        let review = review(vec![file], vec![reviewed]);
        let body = planned(&review, &Conversation::default()).review.expect("a review").comments[0].body.clone();
        assert!(suggested(&body).is_none() && body.contains("```diff"), "{body}");
    }
    // A secret is not repeated, though the block would be exact.
    let secret = concat!("token = \"ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH\"\n");
    let file = file("a.txt", secret.as_bytes());
    let reviewed = found(&file, (1, 1), "it", &[Edit::insert(0, "my_")]);
    assert_eq!(Offer::of(reviewed.patch.as_ref().expect("a patch"), &file), None);
}

#[test]
fn lines_that_go_are_an_empty_block_and_new_ones_hang_on_a_neighbour() {
    let file = file("a.txt", b"one\ntwo\nthree\n");
    let offer = |edit: Edit| {
        let reviewed = found(&file, (1, 3), "it", &[edit]);
        Offer::of(reviewed.patch.as_ref().expect("a patch"), &file).expect("an offer")
    };
    let gone = offer(Edit::delete(4..8));
    assert_eq!((gone.from, gone.to, gone.block().as_str()), (2, 2, "```suggestion\n```"));
    let after = offer(Edit::insert(8, "new\n"));
    assert_eq!((after.from, after.to, after.text.as_str()), (2, 2, "two\nnew\n"));
    let first = offer(Edit::insert(0, "new\n"));
    assert_eq!((first.from, first.to, first.text.as_str()), (1, 1, "new\none\n"));
    let fenced = offer(Edit::replace(4..7, "```"));
    assert_eq!(fenced.block(), "````suggestion\n```\n````");
}

#[test]
fn a_marker_counts_where_we_write_it_and_nowhere_else() {
    let (file, findings) = numbered(1);
    let marker = Marker::of(&findings[0].finding);
    let line = marker.write();
    let read = |body: &str| markers(body).collect::<Vec<_>>();
    assert_eq!(read(&format!("words\n{line}\n")), std::slice::from_ref(&marker));
    // In a block or a diff it is somebody's code.
    for fence in ["```", "`````"] {
        let body = format!("words\n{fence}suggestion\n{line}\n``\n{line}\n{fence}\n{line}\n");
        assert_eq!(read(&body), std::slice::from_ref(&marker), "{body}");
    }
    assert_eq!(read(&format!("> {line}\n {line}\n`{line}`\n{line} x\n")), []);
    // In somebody else's comment it is nothing.
    let review = review(vec![file], findings);
    let mut conversation = Conversation::default();
    let thread = |is_ours| Thread {
        node: "T".into(),
        path: "a.txt".into(),
        is_resolved: true,
        resolved_by: Some("mallory".into()),
        is_outdated: false,
        comments: vec![comment(1, &line, is_ours)],
    };
    conversation.threads.push(thread(false));
    conversation.reviews.push(comment(2, &line, false));
    conversation.comments.push(comment(3, &line, false));
    assert!(planned(&review, &conversation).review.is_some());
    conversation.threads.push(thread(true));
    assert_eq!(planned(&review, &conversation), Plan::default());
}

#[test]
fn a_check_in_a_marker_ends_no_comment() {
    let (_, mut findings) = numbered(1);
    let mut finding = findings.remove(0).finding;
    for hostile in ["a --> b", "x/y-->", "a\n-->", "--", "<!--", "----->", "é"] {
        finding.check = CheckId(hostile.into());
        let line = Marker::of(&finding).write();
        assert_eq!((line.matches("--").count(), line.lines().count()), (2, 1), "{line}");
    }
}

/// Lines that are alike, empty, fenced or without an end: what makes a place hard to name.
fn text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec!["", "a", "b", "a b", "```", "````suggestion", "\té", "<!-- x -->", "  "]);
    (prop::collection::vec(line, 0..12), any::<bool>()).prop_map(|(lines, ends)| {
        let text = lines.join("\n");
        if ends && !text.is_empty() { text + "\n" } else { text }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_block_does_exactly_what_its_patch_does(
        before in text(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), text()), 1..4),
    ) {
        prop_assume!(!before.is_empty());
        let bounds: Vec<usize> = (0..=before.len()).filter(|&at| before.is_char_boundary(at)).collect();
        let edit = |(a, b, text): (prop::sample::Index, prop::sample::Index, String)| {
            let (a, b) = (*a.get(&bounds), *b.get(&bounds));
            Edit::replace(a.min(b)..a.max(b), text)
        };
        let file = file("a.txt", before.as_bytes());
        let finding = found(&file, (1, 1), "it", &[]).finding;
        let patch = patch_of(&file, &finding, places.into_iter().map(edit).collect());
        if let Some((offer, patch)) = patch.and_then(|patch| Some((Offer::of(&patch, &file)?, patch))) {
            let after = String::from_utf8(patch.apply(before.as_bytes()).expect("it applies")).expect("a text");
            // As it is read back from a comment, by us or by GitHub.
            let block = suggested(&format!("words\n\n{}\n\nmore\n", offer.block())).expect("a block");
            prop_assert_eq!(&block, &offer.text);
            prop_assert_eq!(apply_block(&before, offer.from, offer.to, &block), after);
            prop_assert!(offer.from >= 1 && offer.from <= offer.to && offer.to <= file.lines.count());
        }
    }
}

#[test]
fn most_edits_of_whole_lines_are_blocks() {
    // The property above would hold if no block were ever made.
    let file = file("a.txt", b"one\ntwo\nthree\nfour\n");
    let mut made = BTreeMap::new();
    for (start, end, text) in [(0, 4, "x\n"), (4, 7, "y"), (8, 14, ""), (4, 14, "z\n"), (0, 0, "n\n"), (18, 18, "!")] {
        let reviewed = found(&file, (1, 4), "it", &[Edit::replace(start..end, text)]);
        made.insert((start, end), Offer::of(reviewed.patch.as_ref().expect("a patch"), &file).is_some());
    }
    assert!(made.values().all(|made| *made), "{made:?}");
}
