//! Is an answer kept, once, without secrets, and learned from as it should?

#![expect(clippy::disallowed_methods, reason = "a test looks what is on disk")]

use rusqlite::Connection;

use super::*;

fn entry(key: &str, what: Option<&str>) -> Entry {
    Entry {
        key: key.into(),
        at: 1,
        kind: Kind::Reply,
        place: "github:acme/demo#1".into(),
        fingerprint: "0".repeat(32),
        check: "any/secret".into(),
        severity: None,
        path: None,
        who: "alice".into(),
        permission: Permission::Write,
        what: what.map(Into::into),
        similarity: None,
        instead: None,
        evidence: "comment 7".into(),
    }
}

fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(&folder.path().join("state.db")).expect("a journal");
    (folder, journal)
}

#[test]
fn an_answer_is_written_once() {
    let (_folder, journal) = journal();
    assert_eq!(journal.append(&[entry("a", None), entry("b", None), entry("a", None)]).expect("written"), 2);
    assert_eq!(journal.append(&[entry("b", None)]).expect("written"), 0);
    let keys: Vec<_> = journal.entries(None).expect("read").into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(journal.entries(Some("elsewhere")).expect("read"), []);
}

#[test]
fn secrets_in_words_are_masked_before_they_are_kept() {
    let (folder, journal) = journal();
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH").to_owned();
    journal.append(&[entry("a", Some(&format!("use {token} then")))]).expect("written");
    let text = journal.entries(None).expect("read")[0].what.clone().unwrap_or_default();
    assert!(text.starts_with("use ") && !text.contains(&token), "{text}");
    drop(journal);
    let bytes = std::fs::read(folder.path().join("state.db")).expect("the file");
    assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
}

#[test]
fn nothing_in_it_can_be_changed_or_removed() {
    let (folder, journal) = journal();
    journal.append(&[entry("a", None)]).expect("written");
    let other = Connection::open(folder.path().join("state.db")).expect("opened");
    assert!(other.execute("DELETE FROM feedback", []).is_err());
    assert!(other.execute("UPDATE feedback SET entry = '{}'", []).is_err());
}

const DAY: i64 = 24 * 3600 * 1000;
const NOW: i64 = 1_790_000_000_000;

fn subject(rule: &str) -> Subject {
    Subject {
        rule: rule.into(),
        project: "acme/demo".into(),
        language: "Python".into(),
        category: crate::finding::Category::Style,
        severity: Severity::Info,
        confidence: crate::finding::Confidence::High,
        place: crate::taste::Place::Code,
        size: crate::taste::Size::Small,
        has_patch: false,
    }
}

fn about(rule: &str, fingerprint: &str) -> Told {
    Told {
        at: NOW,
        place: "github:acme/demo#1".into(),
        fingerprint: fingerprint.into(),
        path: RepoPath::new("a.py").expect("a path"),
        subject: subject(rule),
        what: "words".into(),
        say: Say::Post,
        probability: 0.5,
        propensity: 1.0,
        reason: "none".into(),
        material: None,
    }
}

fn given(key: &str, fingerprint: &str, kind: Kind, who: &str) -> Entry {
    Entry {
        at: NOW,
        kind,
        fingerprint: fingerprint.into(),
        path: Some(RepoPath::new("a.py").expect("a path")),
        who: who.into(),
        ..entry(key, None)
    }
}

/// What is learned, whatever machine it was and however often it was changed.
fn sums(journal: &Journal, now: i64) -> Vec<String> {
    let state = journal.state(now).expect("a state");
    let parts = state.parts().values().flat_map(|part| &part.sums);
    parts
        .flat_map(|(subject, by)| {
            by.iter().map(move |(who, sums)| {
                let known = ["alice", "bob", "carol", "p"].into_iter().find(|known| learned::pseudonym(known) == *who);
                let who = known.unwrap_or(who);
                format!("{} {who} {} {:.9}", subject.rule, sums.answers, sums.reward / sums.weight)
            })
        })
        .collect()
}

#[test]
fn an_answer_is_learned_from_and_forgotten_exactly() {
    let (_folder, journal) = journal();
    journal.tell(&[about("x/y", "f1"), about("x/y", "f2")]).expect("told");
    journal
        .append(&[given("a", "f1", Kind::Rejected, "alice"), given("b", "f2", Kind::Applied, "bob")])
        .expect("written");
    let before = journal.state(NOW).expect("a state");
    assert_eq!(sums(&journal, NOW).len(), 2);
    journal.append(&[given("c", "f1", Kind::Rejected, "carol")]).expect("written");
    assert_eq!(sums(&journal, NOW).len(), 3);
    let forget = Entry { what: Some("c".into()), ..given("d", "f1", Kind::Forgotten, "alice") };
    journal.append(&[forget]).expect("forgotten");
    let sums_of = |state: &crate::taste::State| state.parts().values().next().expect("a part").sums.clone();
    assert_eq!(sums_of(&journal.state(NOW).expect("a state")), sums_of(&before));
    // All that was said of one suggestion.
    journal.append(&[given("e", "f1", Kind::Forgotten, "alice")]).expect("forgotten");
    assert!(sums(&journal, NOW)[0].contains("bob") && sums(&journal, NOW).len() == 1);
    assert_eq!(journal.because("x/y", 5).expect("read"), [2]);
}

#[test]
fn only_who_may_push_teaches() {
    let (_folder, journal) = journal();
    journal.tell(&[about("x/y", "f1")]).expect("told");
    let by = |key: &str, permission| Entry { permission, ..given(key, "f1", Kind::Rejected, key) };
    let all = [by("m", Permission::Read), by("n", Permission::Triage), by("o", Permission::None)];
    journal.append(&all).expect("written");
    assert_eq!(sums(&journal, NOW), [""; 0]);
    // Nor may they have others forgotten.
    journal.append(&[by("p", Permission::Write)]).expect("written");
    let forget = Entry { permission: Permission::Read, ..given("q", "f1", Kind::Forgotten, "mallory") };
    journal.append(&[forget]).expect("written");
    assert_eq!(sums(&journal, NOW), ["x/y p 1 0.000000000"]);
}

#[test]
fn silence_counts_a_week_after_the_merge() {
    let (_folder, journal) = journal();
    journal.tell(&[about("x/y", "f1")]).expect("told");
    journal.append(&[given("a", "f1", Kind::MergedWith, "")]).expect("written");
    assert_eq!(sums(&journal, NOW + 6 * DAY), [""; 0]);
    assert_eq!(sums(&journal, NOW + 7 * DAY), ["x/y  1 0.000000000"]);
}

#[test]
fn what_is_taken_back_is_not_learned_from() {
    let (_folder, journal) = journal();
    journal.tell(&[about("x/y", "f1")]).expect("told");
    let reaction = |key: &str, kind| Entry { what: Some("THUMBS_DOWN".into()), ..given(key, "f1", kind, "alice") };
    journal.append(&[reaction("a", Kind::Reaction)]).expect("written");
    assert_eq!(sums(&journal, NOW), ["x/y alice 1 0.000000000"]);
    journal.append(&[reaction("b", Kind::ReactionGone)]).expect("written");
    assert_eq!(sums(&journal, NOW), [""; 0]);
}

#[test]
fn what_was_learned_can_be_made_anew_from_the_entries_alone() {
    let (folder, journal) = journal();
    let kinds = [Kind::Rejected, Kind::Applied, Kind::Mended, Kind::Resolved, Kind::Forgotten, Kind::MergedWith];
    for n in 0..60usize {
        let fingerprint = format!("f{}", n % 7);
        journal.tell(&[about(["x/y", "x/z"][n % 2], &fingerprint)]).expect("told");
        let who = ["alice", "bob", "carol"][n % 3];
        journal.append(&[given(&n.to_string(), &fingerprint, kinds[(n * 5) % 6], who)]).expect("written");
    }
    let later = NOW + 30 * DAY;
    let before = sums(&journal, later);
    drop(journal);
    let file = folder.path().join("state.db");
    let rules = crate::config::FeedbackConfig { ignored_after_days: 8, ..crate::config::Config::default().feedback };
    drop(Journal::open_with(&file, rules, crate::taste::Learning::default()).expect("learned by other rules"));
    let again = Journal::open(&file).expect("learned anew");
    assert_eq!(sums(&again, later), before);
    assert!(before.len() > 2, "{before:?}");
}

#[test]
fn a_reply_with_a_secret_and_a_finding_with_one_are_masked() {
    let (folder, journal) = journal();
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH").to_owned();
    journal.tell(&[Told { what: format!("`{token}` is a token"), ..about("x/y", "f1") }]).expect("told");
    drop(journal);
    let bytes = std::fs::read(folder.path().join("state.db")).expect("the file");
    assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
}

#[test]
fn a_reply_counts_where_it_is_clear_how_it_is_meant() {
    let (_folder, journal) = journal();
    let words = [
        ("f1", "Good catch, thank you! Fixed."),
        ("f2", "This is wrong and annoying, please stop suggesting this."),
        ("f3", "I moved it to the other file."),
    ];
    for (fingerprint, words) in words {
        journal.tell(&[about(&format!("x/{fingerprint}"), fingerprint)]).expect("told");
        let reply = Entry { what: Some(words.into()), ..given(words, fingerprint, Kind::Reply, "alice") };
        journal.append(&[reply]).expect("written");
    }
    let rewards: Vec<(String, f64)> =
        journal.learned(NOW).expect("learned").into_iter().map(|one| (one.fingerprint, one.answer.reward)).collect();
    let of = |fingerprint: &str| rewards.iter().find(|(one, _)| one == fingerprint).map(|(_, reward)| *reward);
    assert!(of("f1").is_some_and(|reward| reward > 0.7), "{rewards:?}");
    assert!(of("f2").is_some_and(|reward| reward < 0.3), "{rewards:?}");
    assert!(of("f3").is_none_or(|reward| (0.3..0.7).contains(&reward)), "{rewards:?}");
}

/// What a finding looked like, with this patch.
fn material(replacement: &str) -> Material {
    let remark = crate::suggest::Remark {
        quote: "a == None".into(),
        problem: "p".into(),
        why: "w".into(),
        category: crate::finding::Category::Bug,
        severity: crate::suggest::Weight::Warning,
        confidence: crate::finding::Confidence::High,
        replacement: None,
    };
    let edits = vec![crate::suggest::Change { quote: "a == None".into(), replacement: replacement.into() }];
    Material { form: crate::suggest::lesson::FORM, excerpt: "+a == None\n".into(), remark, edits }
}

fn answered(folder: &tempfile::TempDir) -> Answered {
    Answered::open(&folder.path().join("state.db")).expect("a journal")
}

fn heard(answered: &Answered) -> Vec<Heard> {
    let mut all = Vec::new();
    let rewards = crate::config::Config::default().feedback;
    let hear = answered.each::<JournalError>(&rewards, NOW + 30 * DAY, &mut |heard| {
        all.push(heard);
        Ok(())
    });
    hear.expect("read");
    all
}

#[test]
fn what_a_finding_looked_like_is_kept_for_each_patch_and_stays() {
    let (folder, journal) = journal();
    let with = |at: i64, replacement: &str| Told { at, material: Some(material(replacement)), ..about("x/y", "f1") };
    journal.tell(&[with(NOW, "a is None"), with(NOW + 5, "a is None"), with(NOW + 9, "not a")]).expect("told");
    journal.append(&[given("k", "f1", Kind::Applied, "alice")]).expect("written");
    let answered = answered(&folder);
    let heard = heard(&answered);
    assert_eq!((heard.len(), heard[0].entries.len(), heard[0].answers[0].0.reward), (1, 1, 1.0));
    let of =
        |at: i64| answered.material(&heard[0], at).expect("read").map(|(_, found)| found.edits[0].replacement.clone());
    // The newest that was told before it was answered; else the first.
    assert_eq!([of(NOW + 8), of(NOW + 9), of(0)].map(Option::unwrap), ["a is None", "not a", "a is None"]);
    let other = Connection::open(folder.path().join("state.db")).expect("opened");
    let many: i64 = other.query_row("SELECT count(*) FROM material", [], |row| row.get(0)).expect("counted");
    assert_eq!(many, 2, "the same patch is kept once");
    assert!(other.execute("DELETE FROM material", []).is_err());
    assert!(other.execute("UPDATE material SET material = ''", []).is_err());
}

#[test]
fn a_journal_that_is_read_is_not_written_and_reads_as_it_was_opened() {
    let (folder, journal) = journal();
    journal.tell(&[about("x/y", "f1"), about("x/y", "f2")]).expect("told");
    journal.append(&[given("a", "f1", Kind::Rejected, "alice")]).expect("written");
    let before = answered(&folder);
    let digest = before.digest().expect("a digest");
    journal.append(&[given("b", "f2", Kind::Applied, "bob")]).expect("written");
    assert_eq!((heard(&before).len(), before.digest().expect("a digest")), (1, digest.clone()));
    let after = answered(&folder);
    assert_eq!((heard(&after).len(), after.people().expect("people").len()), (2, 2));
    assert_ne!(after.digest().expect("a digest"), digest);
    // What is forgotten is not heard.
    let forget = Entry { what: Some("a".into()), ..given("c", "f1", Kind::Forgotten, "alice") };
    journal.append(&[forget]).expect("forgotten");
    let left: Vec<String> = heard(&answered(&folder)).into_iter().map(|one| one.fingerprint).collect();
    assert_eq!(left, ["f2"]);
    assert!(Answered::open(&folder.path().join("nowhere.db")).is_err());
}

#[test]
fn lines_of_a_persons_own_with_a_secret_are_not_kept() {
    let (_folder, journal) = journal();
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
    let edited = |key: &str, after: String| Entry {
        instead: Some(Instead { before: "a".into(), after }),
        ..given(key, "f1", Kind::Edited, "alice")
    };
    let all = [edited("a", "b = 1".into()), edited("b", format!("t = '{token}'")), edited("c", "x".repeat(5_000))];
    journal.append(&all).expect("written");
    let kept: Vec<bool> =
        journal.entries(None).expect("read").into_iter().map(|entry| entry.instead.is_some()).collect();
    assert_eq!(kept, [true, false, false]);
}
