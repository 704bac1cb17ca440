//! Which keys are there, and which of them are worth a word just now?

use super::state::{Mode, State};

/// Every key with what it does, as the help shows it and the README lists it.
const HELP: [(&str, &str); 15] = [
    ("a", "accept: make this patch when you finish"),
    ("e", "edit the suggested lines first, in your editor"),
    ("r", "reject, with a reason if you like"),
    ("u", "useful"),
    ("x", "not useful"),
    ("n s Tab", "next finding, this one stays open"),
    ("p Shift-Tab", "the finding before"),
    ("z", "take the answer back"),
    ("j k ↓ ↑", "scroll"),
    ("Space b", "scroll by a page"),
    ("h l ← →", "scroll sideways"),
    ("g G", "to the top, to the end"),
    ("q", "finish: apply what was accepted"),
    ("Ctrl-Z", "suspend"),
    ("Ctrl-C", "leave, nothing is applied or kept"),
];

/// The keys of the help screen.
pub(super) fn help() -> &'static [(&'static str, &'static str)] {
    &HELP
}

/// The keys that matter now, as many as fit; each text with whether it names a key.
pub(super) fn line(state: &State<'_>, width: usize) -> Vec<(String, bool)> {
    let any = state.changes().0 > 0;
    let keys: &[(&str, &str)] = match &state.mode {
        Mode::Walk if state.can_change() => &[
            ("?", "help"),
            ("q", "finish"),
            ("a", "accept"),
            ("e", "edit"),
            ("r", "reject"),
            ("n", "next"),
            ("z", "undo"),
            ("u", "useful"),
            ("x", "not useful"),
            ("p", "back"),
        ],
        Mode::Walk => &[
            ("?", "help"),
            ("q", "finish"),
            ("u", "useful"),
            ("x", "not useful"),
            ("r", "reject"),
            ("n", "next"),
            ("z", "undo"),
            ("p", "back"),
        ],
        Mode::Help(_) => &[("j k", "scroll"), ("any other key", "closes")],
        Mode::Reason(_) => &[("Enter", "reject"), ("Esc", "back")],
        Mode::Broken(_) => &[("y", "keep"), ("e", "edit again"), ("n", "drop")],
        Mode::Finish if any => &[("y", "apply"), ("n", "do not"), ("z", "undo"), ("Esc", "back")],
        Mode::Finish => &[("y", "keep"), ("z", "undo"), ("Esc", "back")],
    };
    fitting(keys, width)
}

/// The first keys that fit; in a walk the two that must be there stand last.
fn fitting(keys: &[(&str, &str)], width: usize) -> Vec<(String, bool)> {
    let mut used = 0;
    let fits = |(key, words): &&(&str, &str)| {
        used += key.chars().count() + words.chars().count() + 3;
        used <= width + 2
    };
    let mut shown: Vec<_> = keys.iter().take_while(fits).collect();
    if shown.first().is_some_and(|(key, _)| *key == "?") {
        let last = shown.len().min(2);
        shown.rotate_left(last);
    }
    let texts = shown.into_iter().enumerate().flat_map(|(nth, (key, words))| {
        let gap = if nth == 0 { "" } else { "  " };
        [(format!("{gap}{key} "), true), ((*words).to_owned(), false)]
    });
    texts.collect()
}
