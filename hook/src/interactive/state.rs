//! Where is the person, and what did they answer? Keys in, steps out; no terminal.

use engine::{
    edit::{self, Edit},
    patch,
    review::{Review, Reviewed},
    source::SourceFile,
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::proposal::{self, Proposal, Row};

/// The longest reason that can be typed, in characters.
const LONGEST_REASON: usize = 500;
/// Columns that one key scrolls sideways.
const SIDEWAYS: usize = 8;

/// What was answered to one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its patch is to be made.
    Accepted,
    /// This text is to take the place of the lines that its patch changes.
    Edited(String),
    /// It is to be left, for this reason; empty where none was given.
    Rejected(String),
    /// It helps.
    Useful,
    /// It does not.
    NotUseful,
}

impl Answer {
    /// The key that gives it, which also stands for it in the list.
    pub(super) fn letter(&self) -> char {
        match self {
            Self::Accepted => 'a',
            Self::Edited(_) => 'e',
            Self::Rejected(_) => 'r',
            Self::Useful => 'u',
            Self::NotUseful => 'x',
        }
    }
}

/// A finding that is told, with its answer.
pub(super) struct Item<'r> {
    /// The finding.
    pub(super) reviewed: &'r Reviewed,
    /// The file it is in.
    pub(super) file: Option<&'r SourceFile>,
    /// What its patch makes of which lines.
    pub(super) proposal: Option<Proposal>,
    /// What was answered.
    pub(super) answer: Option<Answer>,
}

impl<'r> Item<'r> {
    fn of(review: &'r Review, reviewed: &'r Reviewed) -> Self {
        let file = review.file(&reviewed.finding.path);
        let proposal = file.zip(reviewed.patch.as_ref()).and_then(|(file, patch)| Proposal::of(file, patch));
        Self { reviewed, file, proposal, answer: None }
    }

    /// The lines that its patch changes, as they stand.
    pub(super) fn before(&self) -> Option<&'r str> {
        let lines = self.proposal.as_ref()?.lines.clone();
        std::str::from_utf8(self.file?.bytes.get(lines)?).ok()
    }

    /// The edits that this answer asks for.
    pub(super) fn edits(&self) -> Vec<Edit> {
        match (&self.answer, &self.proposal, &self.reviewed.patch) {
            (Some(Answer::Accepted), Some(_), Some(patch)) => patch.edits().to_vec(),
            (Some(Answer::Edited(text)), Some(proposal), _) => {
                vec![Edit::replace(proposal.lines.clone(), text.clone())]
            }
            _ => Vec::new(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        match (self.file, &self.proposal, &self.answer) {
            (Some(file), Some(proposal), Some(Answer::Edited(text))) => proposal::compared(file, proposal, text),
            (Some(file), Some(proposal), _) => proposal::compared(file, proposal, &proposal.text),
            (Some(file), None, _) => proposal::found(file, self.reviewed.finding.span.bytes()),
            (None, ..) => Vec::new(),
        }
    }
}

/// What is being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// What do you say to this finding?
    Walk,
    /// Which keys are there? With the lines scrolled.
    Help(usize),
    /// Why not? With what was typed so far.
    Reason(String),
    /// Keep this text, although it does not parse?
    Broken(String),
    /// Do it?
    Finish,
}

/// Whether patches can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The change can still be edited.
    Open,
    /// It is a commit, a range or a diff from elsewhere.
    Fixed,
}

/// What the loop is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Draw.
    Stay,
    /// Let the person edit this text, and hand it to [`State::written`].
    Edit(String),
    /// Give the terminal back until the person returns.
    Suspend,
    /// Do nothing of what was answered.
    Leave,
    /// Keep the answers, and make what was accepted or not.
    Finish(Changes),
}

/// What becomes of accepted patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    /// They are made.
    Make,
    /// They are not, and count as unanswered.
    Drop,
}

/// What drawing found out, so that keys know how far they can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Whether nothing could be shown, so that keys must not answer anything.
    pub(super) is_too_small: bool,
    /// Lines that fit.
    pub(super) page: usize,
    /// The furthest line that can be at the top.
    pub(super) most_down: usize,
    /// The column at the left.
    pub(super) right: usize,
    /// The furthest column that can be at the left.
    pub(super) most_right: usize,
}

/// Everything that is on the screen.
pub(super) struct State<'r> {
    /// The findings, in the order of the review.
    pub(super) items: Vec<Item<'r>>,
    /// The one that is shown.
    pub(super) at: usize,
    /// Its code.
    pub(super) rows: Vec<Row>,
    /// The first line shown.
    pub(super) down: usize,
    /// The first column shown; where the finding is unless someone scrolled.
    pub(super) right: Option<usize>,
    /// What is being asked.
    pub(super) mode: Mode,
    /// Something to be told once.
    pub(super) message: Option<String>,
    target: Target,
    order: Vec<usize>,
    seen: Seen,
}

impl<'r> State<'r> {
    /// The findings that a review tells, the first one shown.
    pub(super) fn new(review: &'r Review, target: Target) -> Self {
        let items = review.told().map(|reviewed| Item::of(review, reviewed)).collect();
        let mut state = Self {
            items,
            at: 0,
            rows: Vec::new(),
            down: 0,
            right: None,
            mode: Mode::Walk,
            message: None,
            target,
            order: Vec::new(),
            seen: Seen::default(),
        };
        state.go(0);
        state
    }

    /// The finding that is shown.
    pub(super) fn item(&self) -> Option<&Item<'r>> {
        self.items.get(self.at)
    }

    /// The file of the finding that is shown.
    pub(super) fn path(&self) -> &str {
        self.item().map_or("", |item| item.reviewed.finding.path.as_str())
    }

    /// Whether the shown finding's patch can be made here.
    pub(super) fn can_change(&self) -> bool {
        self.target == Target::Open && self.item().is_some_and(|item| item.proposal.is_some())
    }

    /// How many patches are to be made, in how many files.
    pub(super) fn changes(&self) -> (usize, usize) {
        let changed: Vec<_> = self.items.iter().filter(|item| !item.edits().is_empty()).collect();
        let files: std::collections::BTreeSet<_> = changed.iter().map(|item| &item.reviewed.finding.path).collect();
        (changed.len(), files.len())
    }

    /// How many findings have an answer.
    pub(super) fn answered(&self) -> usize {
        self.items.iter().filter(|item| item.answer.is_some()).count()
    }

    /// Takes in how far one can scroll.
    pub(super) fn saw(&mut self, seen: Seen) {
        self.seen = seen;
        self.down = self.down.min(seen.most_down);
        self.right = self.right.map(|right| right.min(seen.most_right));
    }

    /// What a key does.
    pub(super) fn update(&mut self, key: KeyEvent) -> Step {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return Step::Leave,
                KeyCode::Char('z') => return Step::Suspend,
                _ => {}
            }
        }
        if self.seen.is_too_small {
            return Step::Stay;
        }
        match std::mem::replace(&mut self.mode, Mode::Walk) {
            Mode::Walk => return self.walk(key),
            Mode::Help(down) => self.help(key, down),
            Mode::Reason(text) => self.reason(key, text),
            Mode::Broken(text) => return self.broken(key, text),
            Mode::Finish => return self.finish(key),
        }
        Step::Stay
    }

    fn walk(&mut self, key: KeyEvent) -> Step {
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Step::Stay;
        }
        match key.code {
            KeyCode::Char('a') => self.accept(),
            KeyCode::Char('e') => return self.edit(),
            KeyCode::Char('r') => self.mode = Mode::Reason(String::new()),
            KeyCode::Char('u') => self.answer(Answer::Useful),
            KeyCode::Char('x') => self.answer(Answer::NotUseful),
            KeyCode::Char('z') => self.undo(),
            KeyCode::Char('n' | 's') | KeyCode::Tab => self.step(1),
            KeyCode::Char('p') | KeyCode::BackTab => self.step(self.items.len().saturating_sub(1)),
            KeyCode::Char('?') => self.mode = Mode::Help(0),
            KeyCode::Char('q') => return self.quit(),
            code => self.scroll(code),
        }
        Step::Stay
    }

    fn scroll(&mut self, code: KeyCode) {
        let page = self.seen.page.saturating_sub(1).max(1);
        let right = self.right.unwrap_or(self.seen.right);
        match code {
            KeyCode::Char('j') | KeyCode::Down => self.down += 1,
            KeyCode::Char('k') | KeyCode::Up => self.down = self.down.saturating_sub(1),
            KeyCode::Char(' ') | KeyCode::PageDown => self.down += page,
            KeyCode::Char('b') | KeyCode::PageUp => self.down = self.down.saturating_sub(page),
            KeyCode::Char('g') | KeyCode::Home => (self.down, self.right) = (0, Some(0)),
            KeyCode::Char('G') | KeyCode::End => self.down = self.seen.most_down,
            KeyCode::Char('l') | KeyCode::Right => self.right = Some(right + SIDEWAYS),
            KeyCode::Char('h') | KeyCode::Left => self.right = Some(right.saturating_sub(SIDEWAYS)),
            _ => {}
        }
        self.saw(self.seen);
    }

    fn step(&mut self, by: usize) {
        self.go((self.at + by).checked_rem(self.items.len()).unwrap_or(0));
    }

    fn go(&mut self, at: usize) {
        (self.at, self.down, self.right) = (at, 0, None);
        self.rows = self.item().map(Item::rows).unwrap_or_default();
    }

    /// Why nothing can be changed here, if so.
    fn refuse(&mut self) -> bool {
        let why = match (self.target, self.item()) {
            (Target::Fixed, _) => "This change is done: its patches cannot be made here, only answered with u, x or r.",
            (_, Some(item)) if item.proposal.is_some() => return false,
            (_, Some(item)) if item.reviewed.patch.is_some() => {
                "Its lines are not UTF-8 and cannot be shown as they would be; `--apply` makes the patch."
            }
            _ => "There is no patch here: say whether it is useful (u) or not (x), or reject it (r).",
        };
        self.message = Some(why.into());
        true
    }

    fn accept(&mut self) {
        if !self.refuse() {
            self.answer(Answer::Accepted);
        }
    }

    fn edit(&mut self) -> Step {
        if self.refuse() {
            return Step::Stay;
        }
        match self.item().map(|item| (&item.answer, &item.proposal)) {
            Some((Some(Answer::Edited(text)), _)) => Step::Edit(text.clone()),
            Some((_, Some(proposal))) => Step::Edit(proposal.text.clone()),
            _ => Step::Stay,
        }
    }

    /// Takes what the person's editor left.
    pub(super) fn written(&mut self, text: &str) {
        let Some((item, file, proposal)) =
            self.item().and_then(|item| Some((item, item.file?, item.proposal.as_ref()?)))
        else {
            return;
        };
        let before = match &item.answer {
            Some(Answer::Edited(before)) if before == text => None,
            _ => proposal.edited(file, text),
        };
        match before {
            None => self.message = Some("Nothing was changed; it is as it was.".into()),
            Some(text) if patch::breaks_syntax(file, &proposal.file_with(file, &text)) => {
                self.mode = Mode::Broken(text);
            }
            Some(text) => self.answer(Answer::Edited(text)),
        }
    }

    fn broken(&mut self, key: KeyEvent, text: String) -> Step {
        match key.code {
            KeyCode::Char('y') => self.answer(Answer::Edited(text)),
            KeyCode::Char('e') => return Step::Edit(text),
            KeyCode::Char('n') | KeyCode::Esc => self.message = Some("Your text was dropped.".into()),
            _ => self.mode = Mode::Broken(text),
        }
        Step::Stay
    }

    fn reason(&mut self, key: KeyEvent, mut text: String) {
        let is_command = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.answer(Answer::Rejected(text.trim().to_owned())),
            KeyCode::Esc => return,
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char('u') if is_command => text.clear(),
            KeyCode::Char(c) if !is_command && !c.is_control() && text.chars().count() < LONGEST_REASON => text.push(c),
            _ => {}
        }
        self.mode = Mode::Reason(text);
    }

    fn help(&mut self, key: KeyEvent, down: usize) {
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => self.mode = Mode::Help((down + 1).min(self.seen.most_down)),
            KeyCode::Char('k') | KeyCode::Up => self.mode = Mode::Help(down.saturating_sub(1)),
            _ => {}
        }
    }

    /// Writes an answer down and goes to the next finding without one.
    fn answer(&mut self, answer: Answer) {
        let at = self.at;
        self.message = self.meeting(&answer);
        if let Some(item) = self.items.get_mut(at) {
            item.answer = Some(answer);
        }
        self.order.retain(|&other| other != at);
        self.order.push(at);
        let after = (at + 1..self.items.len()).chain(0..at);
        match after.into_iter().find(|&next| self.items.get(next).is_some_and(|item| item.answer.is_none())) {
            Some(next) => self.go(next),
            None => {
                self.go(at);
                self.mode = Mode::Finish;
            }
        }
    }

    /// A word of warning where this answer and an earlier one want the same bytes.
    fn meeting(&self, answer: &Answer) -> Option<String> {
        let item = self.item()?;
        let with = Item { answer: Some(answer.clone()), proposal: item.proposal.clone(), ..*item };
        let edits = with.edits();
        let meets = |other: &Item<'_>| {
            let same_file = other.reviewed.finding.path == item.reviewed.finding.path;
            same_file && other.edits().iter().any(|old| edits.iter().any(|new| edit::conflicts(old, new)))
        };
        let others = self.items.iter().enumerate().filter(|(at, _)| *at != self.at);
        let (met, _) = others.into_iter().find(|(_, other)| meets(other))?;
        Some(format!("It meets what you took at {}: the first of the two is made, the other is left.", met + 1))
    }

    fn undo(&mut self) {
        let here = self.item().is_some_and(|item| item.answer.is_some());
        let target = if here { Some(self.at) } else { self.order.last().copied() };
        let Some(target) = target else {
            self.message = Some("Nothing was answered yet.".into());
            return;
        };
        self.order.retain(|&other| other != target);
        if let Some(item) = self.items.get_mut(target) {
            item.answer = None;
        }
        self.go(target);
    }

    fn quit(&mut self) -> Step {
        if self.changes().0 == 0 {
            return Step::Finish(Changes::Make);
        }
        self.mode = Mode::Finish;
        Step::Stay
    }

    fn finish(&mut self, key: KeyEvent) -> Step {
        let any = self.changes().0 > 0;
        match key.code {
            KeyCode::Char('y') | KeyCode::Enter => return Step::Finish(Changes::Make),
            KeyCode::Char('n') if any => return Step::Finish(Changes::Drop),
            KeyCode::Char('q') if !any => return Step::Finish(Changes::Make),
            KeyCode::Char('z') => self.undo(),
            KeyCode::Esc | KeyCode::Char('p') => {}
            _ => self.mode = Mode::Finish,
        }
        Step::Stay
    }
}
