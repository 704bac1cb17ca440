//! Which rows come of the answers to what was said about one piece of code?
//!
//! | answer | SFT | DPO | KTO |
//! |---|---|---|---|
//! | taken as it was, or mended otherwise | the finding, with the patch that got in | | true |
//! | edited | with the text that got in | edited over offered | true, as edited |
//! | refused | the others of the same code, or none | without it over with it | false |
//! | an emoji, a reply, silence | | | by its reward, with its weight |

use engine::{
    feedback::Verdict,
    finding::Category,
    model::chat::Turn,
    suggest::{Change, Excerpt, Piece, Prompts, Remark, Task, lesson},
};

use super::row::{Asked, Row, Says};

/// More than this reward is a good answer.
pub(super) const GOOD: f64 = 0.7;
/// Less is a bad one.
pub(super) const BAD: f64 = 0.3;

/// What was done about a finding, besides what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Deeds {
    /// The patch got in as it was.
    pub(super) taken: bool,
    /// The lines were mended, in whatever way.
    pub(super) mended: bool,
    /// Someone said to leave it.
    pub(super) refused: bool,
}

/// One finding with what was answered to it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) rule: String,
    /// Without a patch.
    pub(super) remark: Remark,
    /// The patch that was offered.
    pub(super) edits: Vec<Change>,
    /// What got in, where it was edited.
    pub(super) instead: Option<Change>,
    pub(super) verdict: Verdict,
    pub(super) deeds: Deeds,
    pub(super) at: i64,
    pub(super) because: Vec<String>,
}

/// Findings about the same piece of code.
pub(super) struct Group {
    pub(super) excerpt: Excerpt,
    pub(super) project: String,
    pub(super) language: String,
    pub(super) members: Vec<Member>,
}

impl Member {
    fn is_edited(&self) -> bool {
        self.instead.is_some() && !self.deeds.refused
    }

    fn is_wanted(&self) -> bool {
        self.is_edited() || self.verdict.reward > GOOD
    }

    fn is_unwanted(&self) -> bool {
        !self.is_edited() && self.verdict.reward < BAD
    }

    /// Whether what was done says it, and not only a sign.
    fn is_firm(&self) -> bool {
        match self.is_unwanted() {
            true => self.deeds.refused,
            false => self.is_edited() || self.deeds.taken || self.deeds.mended,
        }
    }

    /// Whether a model is asked to say such things: a question for a review wants no remarks on style, which rules make.
    fn is_asked_for(&self) -> bool {
        let is_serious = matches!(self.remark.category, Category::Bug | Category::Security | Category::Performance);
        is_serious || self.rule.starts_with("model/")
    }

    /// What was said.
    fn shown(&self) -> Remark {
        match &self.edits[..] {
            [edit] => self.with(edit),
            _ => self.remark.clone(),
        }
    }

    /// What should have been said, as what was done shows.
    fn best(&self) -> Remark {
        match &self.instead {
            Some(instead) if self.is_edited() => self.with(instead),
            _ if self.deeds.mended && !self.deeds.taken => self.remark.clone(),
            _ => self.shown(),
        }
    }

    /// The remark with a patch of the lines that it is about.
    fn with(&self, edit: &Change) -> Remark {
        let holds =
            |text: &str, other: &str| other.lines().next().is_some_and(|first| text.lines().any(|line| line == first));
        match holds(&edit.quote, &self.remark.quote) || holds(&self.remark.quote, &edit.quote) {
            true => {
                Remark { quote: edit.quote.clone(), replacement: Some(edit.replacement.clone()), ..self.remark.clone() }
            }
            false => self.remark.clone(),
        }
    }
}

/// Rows, and how many could not be made as their answers would not be taken.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) rows: Vec<Row>,
    pub(super) untaken: usize,
}

/// The rows of a group.
pub(super) fn rows(group: &Group, prompts: &Prompts) -> Made {
    let mut making = Making { group, made: Made::default() };
    let prompt = lesson::turns(prompts, Task::Review, &[Piece::change(&group.excerpt)]);
    making.review(&prompt);
    for member in &group.members {
        let about = Piece::finding(&member.remark.problem, &member.remark.why, &format!("{}\n", member.remark.quote));
        let prompt = lesson::turns(prompts, Task::Fix, &[Piece::change(&group.excerpt), about]);
        making.fix(member, &prompt);
    }
    making.made
}

struct Making<'g> {
    group: &'g Group,
    made: Made,
}

impl Making<'_> {
    fn review(&mut self, prompt: &[Turn]) {
        let group = self.group;
        let wanted: Vec<&Member> =
            group.members.iter().filter(|member| member.is_wanted() && member.is_asked_for()).collect();
        let refused: Vec<&Member> =
            group.members.iter().filter(|member| member.is_unwanted() && member.is_firm()).collect();
        // What is only liked belongs to the right answer, too, and alone makes none.
        let (mut kept, liked): (Vec<&Member>, Vec<&Member>) =
            wanted.iter().copied().partition(|member| member.is_firm());
        let is_firm = !kept.is_empty() || !refused.is_empty();
        kept.extend(liked);
        kept.truncate(3);
        let right: Vec<Remark> = kept.iter().map(|member| member.best()).collect();
        if is_firm {
            let says = self.remarks(&right).map(Says::Sft);
            self.put(Asked::Review, prompt, says, &[&kept[..], &refused[..]].concat());
        }
        for (at, member) in kept.iter().enumerate().filter(|(_, member)| member.is_edited()) {
            let mut offered = right.clone();
            if let Some(one) = offered.get_mut(at) {
                *one = member.shown();
            }
            self.pair(Asked::Review, prompt, (self.remarks(&right), self.remarks(&offered)), &kept);
        }
        for member in &refused {
            let rest = right.iter().take(2).cloned();
            let without: Vec<Remark> = rest.clone().collect();
            let with: Vec<Remark> = rest.chain([member.shown()]).collect();
            let pair = (self.remarks(&without), self.remarks(&with));
            let behind: Vec<&Member> = kept.iter().copied().take(2).chain([*member]).collect();
            self.pair(Asked::Review, prompt, pair, &behind);
        }
        for member in wanted {
            let says = self.remarks(&[member.best()]).map(|text| Says::Kto(text, true));
            self.put(Asked::Review, prompt, says, &[member]);
        }
        for member in group.members.iter().filter(|member| member.is_unwanted()) {
            let says = self.remarks(&[member.shown()]).map(|text| Says::Kto(text, false));
            self.put(Asked::Review, prompt, says, &[member]);
        }
    }

    fn fix(&mut self, member: &Member, prompt: &[Turn]) {
        let offered = self.changes(member, &member.edits);
        let says = match &member.instead {
            Some(instead) if member.is_edited() => {
                let edited = self.changes(member, std::slice::from_ref(instead));
                if !member.edits.is_empty() {
                    self.pair(Asked::Fix, prompt, (edited.clone(), offered), &[member]);
                }
                edited
            }
            _ if member.edits.is_empty() || !member.deeds.taken || !member.is_wanted() => return,
            _ => offered,
        };
        self.put(Asked::Fix, prompt, says.clone().map(Says::Sft), &[member]);
        self.put(Asked::Fix, prompt, says.map(|text| Says::Kto(text, true)), &[member]);
    }

    fn remarks(&self, remarks: &[Remark]) -> Option<String> {
        lesson::remarks(remarks, &self.group.excerpt).ok()
    }

    fn changes(&self, member: &Member, edits: &[Change]) -> Option<String> {
        lesson::changes(&member.remark.problem, edits, &self.group.excerpt).ok()
    }

    fn pair(&mut self, asked: Asked, prompt: &[Turn], pair: (Option<String>, Option<String>), behind: &[&Member]) {
        let says = match pair {
            // Nothing is learned from two that are the same.
            (Some(chosen), Some(rejected)) if chosen == rejected => return,
            (Some(chosen), Some(rejected)) => Some(Says::Dpo { chosen, rejected }),
            _ => None,
        };
        self.put(asked, prompt, says, behind);
    }

    fn put(&mut self, asked: Asked, prompt: &[Turn], says: Option<Says>, behind: &[&Member]) {
        let Some(says) = says else {
            self.made.untaken += 1;
            return;
        };
        let weight: f64 = behind.iter().map(|member| member.verdict.weight).sum();
        let mut because: Vec<String> = behind.iter().flat_map(|member| member.because.iter().cloned()).collect();
        because.sort();
        because.dedup();
        self.made.rows.push(Row {
            prompt: prompt.to_vec(),
            says,
            asked,
            weight: weight / behind.len().max(1) as f64,
            project: self.group.project.clone(),
            language: self.group.language.clone(),
            at: behind.iter().map(|member| member.at).max().unwrap_or_default(),
            because,
        });
    }
}
