//! Does it look right, and do the keys do what they say?

use std::{collections::BTreeMap, path::Path, sync::Arc};

use engine::{
    change::{Change, FileChange, Origin, Versions},
    check::rule::{Rule, RuleSet},
    config::Config,
    pipeline::Engine,
    review::{Baseline, Review},
    source::{Memory, RepoPath},
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::CellWidth as _,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::{Color, Modifier},
};

use super::{
    draw::{Paint, draw},
    outcome,
    state::{Answer, Changes, Mode, Seen, State, Step, Target},
};

/// Rules that find the call of a name, and mend it where another name is given.
fn rule(name: &str, severity: &str, better: Option<&str>) -> Rule {
    let fix = better.map(|better| format!("fix: {better}($N)\napplicability: safe\n")).unwrap_or_default();
    let fixed = better.map(|better| format!("    fixed: {better}(1)\n")).unwrap_or_default();
    let text = format!(
        "category: bug\nseverity: {severity}\nconfidence: high\nwhat: \"`{name}` is called\"\n\
         why: The name says it all. Whoever reads this later will ask why it was left, and nobody will remember.\n\
         languages: [python]\nrule:\n  pattern: {name}($N)\n{fix}valid: [fine(1)]\ninvalid:\n  - code: {name}(1)\n{fixed}"
    );
    let file = format!("/rules/python/{name}.yml");
    Rule::read(Path::new(&file), &text).expect("a rule").remove(0)
}

fn review(files: &[(&str, &str)]) -> Review {
    let rules = vec![
        rule("bad", "error", Some("good")),
        rule("worse", "warning", None),
        rule("vague", "info", Some("a_name_that_says_what_it_does")),
    ];
    let path = |path: &str| RepoPath::new(path).expect("a path");
    let new: BTreeMap<RepoPath, Arc<[u8]>> =
        files.iter().map(|(name, text)| (path(name), text.as_bytes().into())).collect();
    let engine = Engine::new(Config::default(), RuleSet::only(rules), Baseline::default()).expect("an engine");
    engine.review(Versions {
        change: Change {
            origin: Origin::Staged,
            files: files.iter().map(|(name, _)| FileChange::whole(path(name), None)).collect(),
        },
        old: Arc::new(Memory::default()),
        new: Arc::new(Memory(new)),
        notices: Vec::new(),
    })
}

const APP: &str =
    "import sys\n\n\ndef first(n):\n    bad(n)\n    return n\n\n\ndef second(n):\n    worse(n)\n    return n\n";

fn usual() -> Review {
    let deep = "def third(n, something_else, and_more):\n    if n:\n        vague(n + something_else * and_more)\n    return n\n";
    review(&[("src/app.py", APP), ("src/a/rather/long/way/down/to/the/file.py", deep)])
}

fn key(state: &mut State<'_>, code: KeyCode) -> Step {
    state.update(KeyEvent::new(code, KeyModifiers::NONE))
}

fn press(state: &mut State<'_>, keys: &str) -> Step {
    keys.chars().map(|c| key(state, if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) })).last().expect("a key")
}

fn screen(state: &mut State<'_>, paint: Paint, (width, height): (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let mut seen = Seen::default();
    terminal.draw(|frame| seen = draw(state, paint, frame.buffer_mut())).expect("drawn");
    state.saw(seen);
    terminal
}

fn text(state: &mut State<'_>, size: (u16, u16)) -> String {
    let terminal = screen(state, Paint::Plain, size);
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(size.0));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let mut hidden = 0;
        let mut text = String::new();
        for cell in cells {
            if hidden == 0 {
                text.push_str(cell.symbol());
                hidden = usize::from(cell.symbol().cell_width());
            }
            hidden = hidden.saturating_sub(1);
        }
        text.trim_end().to_owned() + "\n"
    };
    rows.map(row).collect()
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

#[test]
fn screens() {
    let review = usual();
    for size in SIZES {
        let at = |name: &str| format!("{name}_{}x{}", size.0, size.1);
        let mut state = State::new(&review, Target::Open);
        insta::assert_snapshot!(at("patch"), text(&mut state, size));
        press(&mut state, "a");
        insta::assert_snapshot!(at("no_patch"), text(&mut state, size));
        press(&mut state, "n");
        insta::assert_snapshot!(at("long_path"), text(&mut state, size));
        press(&mut state, "rno time");
        insta::assert_snapshot!(at("reason"), text(&mut state, size));
        press(&mut state, "\n");
        press(&mut state, "u");
        insta::assert_snapshot!(at("finish"), text(&mut state, size));
        key(&mut state, KeyCode::Esc);
        press(&mut state, "?");
        insta::assert_snapshot!(at("help"), text(&mut state, size));
    }
}

#[test]
fn a_smaller_terminal_says_so_and_answers_nothing() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    for size in [(39, 24), (80, 9), (10, 3), (1, 1)] {
        let shown = text(&mut state, size);
        assert!(size.0 < 20 || shown.contains("too small"), "{shown}");
        assert_eq!(press(&mut state, "aq"), Step::Stay);
    }
    assert_eq!(state.answered(), 0);
    let leave = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(state.update(leave), Step::Leave);
    text(&mut state, (80, 24));
    press(&mut state, "a");
    assert_eq!(state.answered(), 1);
}

#[test]
fn without_colors_everything_is_there_all_the_same() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    for (paint, is_colored) in [(Paint::Colors, true), (Paint::Plain, false)] {
        let terminal = screen(&mut state, paint, (80, 24));
        let cells = &terminal.backend().buffer().content;
        assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset), is_colored);
        let marked = |cell: &&ratatui::buffer::Cell| cell.modifier.contains(Modifier::REVERSED);
        let words: String = cells.iter().skip(80).filter(marked).map(|cell| cell.symbol()).collect();
        assert!(words.contains("bad") && words.contains("good"), "{words}");
    }
}

#[test]
fn an_answer_leads_to_the_next_open_finding_and_can_be_taken_back() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    press(&mut state, "a");
    assert_eq!((state.at, state.changes()), (1, (1, 1)));
    press(&mut state, "x");
    assert_eq!((state.at, &state.items[1].answer), (2, &Some(Answer::NotUseful)));
    press(&mut state, "z");
    assert_eq!((state.at, &state.items[1].answer), (1, &None));
    press(&mut state, "pz");
    assert_eq!((state.at, state.answered()), (0, 0));
    press(&mut state, "z");
    assert!(state.message.is_some());
}

#[test]
fn a_reason_is_typed_and_can_be_left() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    press(&mut state, "rqaz");
    key(&mut state, KeyCode::Backspace);
    assert_eq!(state.mode, Mode::Reason("qa".into()));
    key(&mut state, KeyCode::Esc);
    assert_eq!((&state.mode, state.answered()), (&Mode::Walk, 0));
    press(&mut state, "rnot here\n");
    assert_eq!(state.items[0].answer, Some(Answer::Rejected("not here".into())));
    press(&mut state, &format!("r{}\n", "x".repeat(9_999)));
    assert_eq!(state.items[1].answer, Some(Answer::Rejected("x".repeat(500))));
}

#[test]
fn finishing_asks_only_when_something_would_be_written() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    assert_eq!(press(&mut state, "uq"), Step::Finish(Changes::Make));
    assert_eq!(press(&mut state, "paq"), Step::Stay);
    assert_eq!(state.mode, Mode::Finish);
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.mode, Mode::Walk);
    assert_eq!(press(&mut state, "qn"), Step::Finish(Changes::Drop));
    assert_eq!(press(&mut state, "qy"), Step::Finish(Changes::Make));
}

#[test]
fn what_cannot_be_changed_says_why() {
    let review = usual();
    let mut state = State::new(&review, Target::Fixed);
    text(&mut state, (80, 24));
    assert_eq!(press(&mut state, "ae"), Step::Stay);
    assert!(state.answered() == 0 && state.message.is_some());
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    press(&mut state, "na");
    assert_eq!((state.answered(), state.at), (0, 1));
}

#[test]
fn an_edited_text_is_shown_in_place_of_the_suggestion_and_must_parse_or_be_agreed_to() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    assert_eq!(press(&mut state, "e"), Step::Edit("    good(n)\n".into()));
    state.written("    good(n)\n");
    assert!(state.answered() == 0 && state.message.is_some());
    state.written("    good(n, 2)");
    assert_eq!(state.items[0].answer, Some(Answer::Edited("    good(n, 2)\n".into())));
    press(&mut state, "p");
    assert!(text(&mut state, (80, 24)).contains("+     good(n, 2)"), "{}", text(&mut state, (80, 24)));
    assert_eq!(press(&mut state, "e"), Step::Edit("    good(n, 2)\n".into()));
    state.written("    good(((\n");
    assert_eq!(state.mode, Mode::Broken("    good(((\n".into()));
    assert_eq!(press(&mut state, "e"), Step::Edit("    good(((\n".into()));
    state.written("    good(((\n");
    press(&mut state, "n");
    assert_eq!(state.items[0].answer, Some(Answer::Edited("    good(n, 2)\n".into())));
    state.written("    good(((\n");
    press(&mut state, "y");
    assert_eq!(state.items[0].answer, Some(Answer::Edited("    good(((\n".into())));
}

#[test]
fn hostile_text_is_harmless_and_aligned() {
    let long = "x".repeat(100_000);
    let nasty = format!(
        "def f(漢字, e\u{301}):\r\n\tbad(\"\u{1b}[2J\u{202E}\u{9b}31m\u{7}漢\")\r\n\t# {} {long}\r\n\t{long} = bad(2)",
        "z".to_owned() + &"\u{301}".repeat(3_000)
    );
    let review = review(&[("src/\u{1b}[31m\u{202E}.py", &nasty)]);
    assert_eq!(review.told().count(), 2, "{:?}", review.notices);
    for size in [(40, 10), (80, 24), (100, 24), (131, 50)] {
        let mut state = State::new(&review, Target::Open);
        for _ in 0..3 {
            let shown = text(&mut state, size);
            assert!(!shown.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202E}'), "{shown}");
            press(&mut state, "jln");
        }
    }
    let mut state = State::new(&review, Target::Open);
    let shown = text(&mut state, (120, 40));
    assert!(shown.contains("bad(\"^[[2J<U+202E><U+009B>31m^G漢\")"), "{shown}");
    press(&mut state, "n");
    let shown = text(&mut state, (120, 40));
    assert!(shown.contains("= bad(2)") && shown.contains("= good(2) (no newline)"), "the end of a long line: {shown}");
}

#[test]
fn scrolling_stays_inside() {
    let review = usual();
    let mut state = State::new(&review, Target::Open);
    for keys in ["jjjjjjjjjjjjjjjjjjjjjjjj", "GllllllllllllllllllllllG", "  ", "kk", "bbb", "hhhhhhhhhhhhhhhhhhhh", "g"]
    {
        text(&mut state, (40, 10));
        press(&mut state, keys);
        let shown = text(&mut state, (40, 10));
        assert!(shown.lines().filter(|line| !line.is_empty()).count() > 5, "{keys}\n{shown}");
    }
    assert_eq!((state.down, state.right), (0, Some(0)));
}

#[test]
fn two_edits_of_the_same_lines_leave_the_second_with_its_patch() {
    let review = review(&[("a.py", "x = [bad(1), bad(2)]\n")]);
    let mut state = State::new(&review, Target::Open);
    text(&mut state, (80, 24));
    press(&mut state, "e");
    state.written("x = [good(3), bad(2)]\n");
    press(&mut state, "a");
    assert!(state.message.is_some(), "nobody said that they meet");
    let outcomes = outcome::combine(&state.items);
    assert_eq!((outcomes[0].made.as_slice(), outcomes[0].left.len()), (&[0][..], 1));
    assert_eq!(outcomes[0].after, b"x = [good(3), bad(2)]\n");
    let told = outcomes[0].told(&state.items, None);
    assert!(
        told.contains("not fixed: a.py:1: python/bad: it meets") && told.contains("+x = [bad(1), good(2)]"),
        "{told}"
    );
}
