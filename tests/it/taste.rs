//! Do answers given on this machine decide what is said here, and can people see why and take it back?

use engine::feedback::{Entry, Journal, Kind, Permission};
use kit::TempRepo;

fn text(name: &str) -> String {
    format!("def {name}(a):\n    if a == None:\n        return \"{name}\"\n    return eval(a), \"{name}\"\n")
}

/// A repository in which so many findings were told, and what the review said of them.
fn reviewed(many: usize) -> (TempRepo, serde_json::Value) {
    let repository = TempRepo::with(&[("README.md", "# demo\n")]);
    for n in 0..many {
        repository.stage(&format!("old_{n}.py"), text(&format!("old_{n}")));
    }
    let review = repository.apprentice(&["review", "--format", "json"]).json();
    (repository, review)
}

fn journal(repository: &TempRepo) -> Journal {
    Journal::open(&repository.root().join(".git/apprentice/state.db")).expect("the journal")
}

fn of<'a>(review: &'a serde_json::Value, rule: &str) -> Vec<&'a serde_json::Value> {
    let all = review["findings"].as_array().expect("findings").iter();
    all.filter(|finding| finding["check"] == rule).collect()
}

/// Each finding of a rule is rejected, by two people in turn.
fn reject(repository: &TempRepo, review: &serde_json::Value, rule: &str) {
    let entries = of(review, rule).into_iter().enumerate().map(|(at, finding)| Entry {
        key: format!("{rule} {at}"),
        at: 1_795_000_000_000,
        kind: Kind::Rejected,
        place: "local".into(),
        fingerprint: finding["fingerprint"].as_str().expect("a fingerprint").into(),
        check: rule.into(),
        severity: None,
        path: Some(engine::source::RepoPath::new(finding["path"].as_str().expect("a path")).expect("a path")),
        who: ["ann", "ben"][at % 2].into(),
        permission: Permission::Write,
        what: Some("not here".into()),
        similarity: None,
        instead: None,
        evidence: "a test".into(),
    });
    journal(repository).append(&entries.collect::<Vec<_>>()).expect("written");
}

fn staged_anew(repository: &TempRepo, many: usize) -> serde_json::Value {
    repository.git(&["commit", "--quiet", "--no-verify", "--message", "old"]);
    for n in 0..many {
        repository.stage(&format!("new_{n}.py"), text(&format!("new_{n}")));
    }
    repository.apprentice(&["review", "--format", "json"]).json()
}

#[test]
fn what_is_rejected_goes_quiet_and_comes_back_when_forgotten() {
    let (repository, review) = reviewed(8);
    assert_eq!(of(&review, "python/equals-none").len(), 8, "{review:#}");
    let before = of(&review, "python/equals-none")[0]["taste"].clone();
    assert_eq!(before["posted"], true, "{before}");
    reject(&repository, &review, "python/equals-none");
    reject(&repository, &review, "python/eval-call");

    let after = staged_anew(&repository, 10);
    let told = of(&after, "python/equals-none").len();
    assert!(told <= 3, "{told} of 10 are still told");
    let severe: Vec<bool> = of(&after, "python/eval-call").iter().map(|one| one["taste"]["posted"] == true).collect();
    assert!(severe.len() == 10 && severe.contains(&false), "{severe:?}");
    let words = repository.apprentice(&["review"]).expect_code(0).expect_said("left alone:").expect_said("folded: ");
    assert!(
        words.out.contains("python/equals-none (taken up only") && words.out.contains("because of #"),
        "{}",
        words.out
    );

    // Why, in words; and one answer less.
    let lessons =
        repository.apprentice(&["lessons", "list"]).expect_code(0).expect_said("nobody wants python/equals-none");
    let id = lessons.out.lines().find(|line| line.contains("equals-none")).and_then(|line| line.split(' ').next());
    let id = id.expect("an id").to_owned();
    repository.apprentice(&["lessons", "explain", &id]).expect_code(0).expect_said("rejected by ann: not here");
    repository.apprentice(&["lessons", "explain", "#1"]).expect_code(0).expect_said("#1 ");
    repository.apprentice(&["lessons", "explain", "#999"]).expect_code(2).expect_said("there is no answer #999");
    repository.apprentice(&["lessons", "forget", "nothing"]).expect_code(2).expect_said("there is no lesson `nothing`");
    let report =
        repository.apprentice(&["report"]).expect_code(0).expect_said("## Left alone").expect_said("would have said");
    assert!(report.out.contains("`python/equals-none`"), "{}", report.out);
    assert!(repository.apprentice(&["report", "--format", "json"]).json()["muted"].as_u64() > Some(0));

    repository.apprentice(&["lessons", "forget", &id]).expect_code(0).expect_said("forgotten: 8 answers");
    let again = repository.apprentice(&["review", "--format", "json"]).json();
    assert_eq!(of(&again, "python/equals-none").len(), 10);
    repository.apprentice(&["lessons", "list"]).expect_code(0);
}

#[test]
fn a_lesson_that_is_agreed_on_holds_for_everybody() {
    let (repository, review) = reviewed(8);
    reject(&repository, &review, "python/equals-none");
    repository.apprentice(&["lessons", "export", "--write"]).expect_code(0).expect_said("1 new lesson");
    let file = repository.text(".apprentice/lessons.toml");
    assert!(file.contains("nobody wants python/equals-none") && file.contains("8 answers by 2 people"), "{file}");
    // Somebody else's clone has the file and no answers.
    let other = TempRepo::with(&[(".apprentice/lessons.toml", &file)]);
    other.stage("a.py", text("a"));
    let words = other.apprentice(&["review"]).expect_said("agreed in .apprentice/lessons.toml");
    assert!(!words.out.contains("asks the object"), "{}", words.out);
    // Damaged, it is said, and holds nothing back.
    other.write(".apprentice/lessons.toml", "[[lesson]]\nid = \"x\"\n");
    other.apprentice(&["review"]).expect_said(".apprentice/lessons.toml").expect_said("asks the object");
}

#[test]
fn without_taste_everything_is_said() {
    let (repository, review) = reviewed(8);
    reject(&repository, &review, "python/equals-none");
    repository.git(&["commit", "--quiet", "--no-verify", "--message", "old"]);
    repository.stage("new.py", text("new"));
    let all = repository.apprentice(&["--set", "taste.enable=false", "review", "--format", "json"]).json();
    assert_eq!(of(&all, "python/equals-none").len(), 1);
}

#[test]
fn what_one_machine_learned_another_one_takes_in() {
    let (repository, review) = reviewed(8);
    reject(&repository, &review, "python/equals-none");
    let state = repository.apprentice(&["feedback", "export", "--state"]).expect_code(0).out;
    assert!(!state.contains("ann") && !state.contains("not here"), "names and words stay at home: {state}");
    let told = |other: &TempRepo| {
        for n in 0..10 {
            other.stage(&format!("new_{n}.py"), text(&format!("new_{n}")));
        }
        of(&other.apprentice(&["review", "--format", "json"]).json(), "python/equals-none").len()
    };
    // Merged into a journal, or committed for everybody.
    let merged = TempRepo::with(&[("README.md", "# demo\n")]);
    merged.write("state.json", &state);
    for _ in 0..2 {
        merged.apprentice(&["feedback", "merge", "state.json"]).expect_code(0).expect_said("8 answers of 1 machine");
    }
    let shared = TempRepo::with(&[(".apprentice/taste.json", &state)]);
    for other in [&merged, &shared] {
        let told = told(other);
        assert!(told <= 5, "{told} of 10 are still told");
    }
    // Its own answers do not come back as another's.
    repository.write("state.json", &state);
    repository.apprentice(&["feedback", "merge", "state.json"]).expect_code(0);
    assert_eq!(repository.apprentice(&["feedback", "export", "--state"]).expect_code(0).out, state);
    merged.write("state.json", "{}");
    merged.apprentice(&["feedback", "merge", "state.json"]).expect_code(2).expect_said("cannot take in `state.json`");
}

#[test]
fn what_became_of_a_finding_by_the_commit_is_an_answer() {
    let repository = TempRepo::with(&[("README.md", "# demo\n")]);
    repository.apprentice(&["hook", "install"]).expect_code(0);
    let commit = |name: &str| repository.try_git(&["commit", "--quiet", "--message", name]).expect_code(0);
    repository.stage("a.py", text("a"));
    repository.apprentice(&["review"]).expect_said("python/equals-none");
    repository.stage("a.py", text("a").replace("== None", "is None"));
    commit("mended and not");
    let kinds = || -> Vec<(String, Kind)> {
        journal(&repository).entries(None).expect("entries").into_iter().map(|one| (one.check, one.kind)).collect()
    };
    let of = |check: &str| -> Vec<Kind> {
        kinds().into_iter().filter(|(one, _)| one == check).map(|(_, kind)| kind).collect()
    };
    assert_eq!(of("python/equals-none"), [Kind::Mended]);
    assert_eq!(of("python/eval-call"), [Kind::MergedWith]);
    // Mended later, it was worth saying after all; and nothing is noted twice.
    repository.stage("a.py", "def a(a):\n    return a is None\n");
    commit("mended");
    repository.stage("b.py", "x = 1\n");
    commit("other");
    assert_eq!(of("python/eval-call"), [Kind::MergedWith, Kind::Mended]);
    assert_eq!(of("python/equals-none"), [Kind::Mended]);
}

#[test]
fn killed_at_any_moment_no_answer_that_was_kept_is_lost() {
    let (repository, review) = reviewed(1);
    let print = of(&review, "python/equals-none")[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let mut kept = Vec::new();
    for n in 0..40u64 {
        let why = format!("no{n}no");
        let mut command = repository.command(kit::binary());
        command.args(["feedback", "record", &print, "rejected", "--why", &why]);
        let quiet = std::process::Stdio::null;
        let mut child = command.stdout(quiet()).stderr(quiet()).spawn().expect("our command");
        std::thread::sleep(std::time::Duration::from_micros(n * n * 37 % 30_000));
        let _ = child.kill();
        if child.wait().expect("its end").success() {
            kept.push(why);
        }
    }
    repository.apprentice(&["feedback", "record", &print, "rejected", "--why", "at last"]).expect_code(0);
    let exported = repository.apprentice(&["feedback", "export"]).expect_code(0).out;
    let lost: Vec<&String> = kept.iter().filter(|why| !exported.contains(why.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?} of {} kept answers are lost", kept.len());
    // What was learned is what the entries that are there come to, no more and no less.
    let learned = || {
        let state = journal(&repository).state(1_800_000_000_000).expect("a state");
        let sums = state.parts().values().flat_map(|part| part.sums.values()).flat_map(|by| by.values());
        sums.map(|sums| (sums.answers, sums.weight, sums.reward)).collect::<Vec<_>>()
    };
    let before = learned();
    let mut rules = engine::config::Config::default().feedback;
    rules.ignored_after_days += 1;
    let file = repository.root().join(".git/apprentice/state.db");
    drop(Journal::open_with(&file, rules, engine::taste::Learning::default()).expect("learned by other rules"));
    assert_eq!(learned(), before);
    assert_eq!(before.len(), 1, "{before:?}");
}
