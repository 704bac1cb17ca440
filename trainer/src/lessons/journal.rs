//! What do the answers in a journal teach?

use engine::{
    config::FeedbackConfig,
    feedback::{Answered, Heard, Instead, JournalError, Kind as Answer, Material, Verdict},
    source::RepoPath,
    suggest::{Change, Excerpt, Remark, lesson},
};

use super::{
    LessonError,
    candidate::{Answers, Candidate, From, folded, key, signature},
    example::{Deeds, Group, Member},
};
use crate::personal::Scrubber;

/// Hands over what each answered suggestion is remembered by. Counts those of which nothing can be learned, by reason.
pub(super) fn read(
    journal: &Answered,
    input: usize,
    (rewards, now): (&FeedbackConfig, i64),
    take: &mut dyn FnMut(Result<Candidate, &'static str>),
) -> Result<(), LessonError> {
    journal.each::<LessonError>(rewards, now, &mut |heard| {
        take(candidate(journal, input, &heard)?);
        Ok(())
    })
}

fn candidate(journal: &Answered, input: usize, heard: &Heard) -> Result<Result<Candidate, &'static str>, LessonError> {
    let at = heard.entries.iter().map(|(_, entry)| entry.at).max().unwrap_or_default();
    if heard.path.is_empty() {
        return Ok(Err("its file is not known"));
    }
    let Some((material, about)) = journal.material(heard, at)? else {
        return Ok(Err("what was found is not kept (told by an older version, or too long)"));
    };
    if about.form != lesson::FORM {
        return Ok(Err("it was told in the form of another version"));
    }
    let Some((answer, _)) = heard.answers.first() else { return Ok(Err("nobody answered")) };
    let subject = &answer.subject;
    Ok(Ok(Candidate {
        input,
        at,
        project: subject.project.clone(),
        language: subject.language.clone(),
        rule: subject.rule.clone(),
        people: heard.answers.iter().map(|(answer, _)| key(&[&answer.who])).collect(),
        code: key(&[&subject.project, &heard.path, &about.excerpt]),
        gist: key(&[&subject.rule, &folded(&about.remark.quote)]),
        signature: signature(&about.excerpt),
        from: From::Journal(Box::new(Answers {
            material,
            path: heard.path.clone(),
            verdict: verdict(heard),
            deeds: deeds(heard),
            instead: instead(heard),
            because: heard.entries.iter().map(|(id, _)| *id).collect(),
        })),
    }))
}

/// What all people's answers come to together.
fn verdict(heard: &Heard) -> Verdict {
    let weight: f64 = heard.answers.iter().map(|(answer, _)| answer.weight).sum();
    let reward: f64 = heard.answers.iter().map(|(answer, _)| answer.weight * answer.reward).sum();
    Verdict { reward: reward / weight.max(1e-12), weight: weight.min(1.0) }
}

fn deeds(heard: &Heard) -> Deeds {
    let has = |kinds: &[Answer]| heard.entries.iter().any(|(_, entry)| kinds.contains(&entry.kind));
    Deeds {
        taken: has(&[Answer::Applied]),
        mended: has(&[Answer::Mended, Answer::MergedWithout]),
        refused: has(&[Answer::Rejected]),
    }
}

/// What got in, by the newest answer that says so.
fn instead(heard: &Heard) -> Option<Instead> {
    let edited = heard.entries.iter().rev().find(|(_, entry)| entry.kind == Answer::Edited)?;
    edited.1.instead.clone()
}

/// The findings about one piece of code, with everything in them that is nobody's business taken out.
pub(super) fn group(
    journal: &Answered,
    name: &str,
    candidates: &[&Candidate],
    scrubber: &Scrubber,
) -> Result<Option<Group>, JournalError> {
    let mut group: Option<Group> = None;
    for candidate in candidates {
        let From::Journal(answers) = &candidate.from else { continue };
        let material = scrubbed(journal.material_of(answers.material)?, scrubber);
        let Ok(path) = RepoPath::new(&answers.path) else { continue };
        let group = group.get_or_insert_with(|| Group {
            excerpt: Excerpt::read(path.clone(), &material.excerpt),
            project: candidate.project.clone(),
            language: candidate.language.clone(),
            members: Vec::new(),
        });
        let instead = answers.instead.as_ref().and_then(|instead| {
            lesson::instead(&scrubber.clean(&instead.before), &scrubber.clean(&instead.after), &group.excerpt)
        });
        group.members.push(Member {
            rule: candidate.rule.clone(),
            remark: material.remark,
            edits: material.edits,
            instead,
            verdict: answers.verdict,
            deeds: answers.deeds,
            at: candidate.at,
            because: answers.because.iter().map(|id| format!("{name}#{id}")).collect(),
        });
    }
    Ok(group)
}

fn scrubbed(material: Material, scrubber: &Scrubber) -> Material {
    let remark = material.remark;
    let clean = |text: &str| scrubber.clean(text);
    Material {
        form: material.form,
        excerpt: excerpt(&material.excerpt, scrubber),
        remark: Remark {
            quote: clean(&remark.quote),
            problem: clean(&remark.problem),
            why: clean(&remark.why),
            replacement: remark.replacement.as_deref().map(clean),
            ..remark
        },
        edits: material
            .edits
            .iter()
            .map(|edit| Change { quote: clean(&edit.quote), replacement: clean(&edit.replacement) })
            .collect(),
    }
}

/// The lines of an excerpt without people. Its marks are no part of its lines.
fn excerpt(text: &str, scrubber: &Scrubber) -> String {
    let (marks, lines): (Vec<&str>, Vec<&str>) =
        text.lines().map(|line| line.split_at_checked(1).unwrap_or((" ", ""))).unzip();
    let clean = scrubber.clean(&lines.join("\n"));
    marks.iter().zip(clean.split('\n')).map(|(mark, line)| format!("{mark}{line}\n")).collect()
}
