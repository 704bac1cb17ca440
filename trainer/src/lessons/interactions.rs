//! What do another program's questions and answers teach? `agent_interactions.jsonl`: one JSON object a line.

use std::{
    io::{BufRead, Read as _},
    path::Path,
};

use engine::{
    config::FeedbackConfig,
    feedback::{self, Entry, Kind as Answer, Permission, Verdict},
    model::chat::{Role, Turn},
    suggest::lesson,
};
use serde::Deserialize;

use super::{
    LessonError,
    candidate::{Candidate, From, folded, key, signature},
    example::{BAD, GOOD},
    row::{Asked, Row, Says},
};
use crate::personal::Scrubber;

/// The longest line, in bytes.
const LONGEST: u64 = 4 << 20;

/// One question with its answer, and what came of it.
#[derive(Debug, Deserialize)]
pub(super) struct Interaction {
    id: Id,
    at: Time,
    #[serde(default)]
    project: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    messages: Vec<Turn>,
    prompt: Option<String>,
    response: String,
    outcome: Outcome,
    edited: Option<String>,
    #[serde(default)]
    reactions: Vec<String>,
    #[serde(default)]
    replies: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

/// Milliseconds since 1970, or a date as RFC 3339 has it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Milliseconds(i64),
    Date(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Accepted,
    Edited,
    Rejected,
    Ignored,
}

/// Hands over each line that says something, with its 1-based number.
pub(super) fn each(
    name: &str,
    file: &mut dyn BufRead,
    hear: &mut dyn FnMut(u64, Interaction),
) -> Result<(), LessonError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let bad = |why: String| LessonError::Line { file: name.to_owned(), line: number, why };
        let read = (&mut *file).take(LONGEST + 1).read_until(b'\n', &mut line);
        match read.map_err(|error| bad(error.to_string()))? {
            0 => return Ok(()),
            _ if line.len() as u64 > LONGEST => return Err(bad(format!("it is longer than {} MiB", LONGEST >> 20))),
            _ if line.trim_ascii().is_empty() => continue,
            _ => {}
        }
        let read: Interaction = serde_json::from_slice(&line).map_err(|error| bad(error.to_string()))?;
        read.check().map_err(bad)?;
        hear(number, read);
    }
    Ok(())
}

impl Interaction {
    fn check(&self) -> Result<(), String> {
        let says = |what: &str| Err(what.to_owned());
        match () {
            () if self.prompt.is_some() != self.messages.is_empty() => says("it needs one of `messages` and `prompt`"),
            () if self.prompt.is_none() && self.messages.last().is_none_or(|turn| turn.role != Role::User) => {
                says("the last of `messages` must be by the role `user`: the answer to it is `response`")
            }
            () if self.response.trim().is_empty() => says("`response` is empty"),
            () if self.outcome == Outcome::Edited && self.edited.is_none() => {
                says("with the outcome `edited` it needs `edited`, the text that was used")
            }
            () => self.at().map(drop),
        }
    }

    fn at(&self) -> Result<i64, String> {
        match &self.at {
            Time::Milliseconds(at) => Ok(*at),
            Time::Date(date) => chrono::DateTime::parse_from_rfc3339(date)
                .map(|date| date.timestamp_millis())
                .map_err(|error| format!("`at` is not milliseconds or a date such as 2026-11-21T20:00:00Z: {error}")),
        }
    }

    fn name(&self) -> String {
        match &self.id {
            Id::Text(text) => text.clone(),
            Id::Number(number) => number.to_string(),
        }
    }

    fn turns(&self) -> Vec<Turn> {
        match &self.prompt {
            Some(prompt) => vec![Turn::new(Role::User, prompt.as_str())],
            None => self.messages.clone(),
        }
    }

    /// The outcome, and what was said about it, as the journal would weigh them.
    fn verdict(&self, rewards: &FeedbackConfig) -> Option<Verdict> {
        let entry = |kind: Answer, what: Option<&str>| Entry {
            key: String::new(),
            at: 0,
            kind,
            place: String::new(),
            fingerprint: String::new(),
            check: String::new(),
            severity: None,
            path: None,
            who: String::new(),
            permission: Permission::Write,
            what: what.map(str::to_owned),
            similarity: None,
            instead: None,
            evidence: String::new(),
        };
        let outcome = match self.outcome {
            Outcome::Accepted => Answer::Applied,
            Outcome::Edited => Answer::Edited,
            Outcome::Rejected => Answer::Rejected,
            Outcome::Ignored => Answer::MergedWith,
        };
        let reactions = self.reactions.iter().map(|name| entry(Answer::Reaction, Some(name)));
        let replies = self.replies.iter().map(|words| entry(Answer::Reply, Some(words)));
        let all: Vec<Entry> = std::iter::once(entry(outcome, None)).chain(reactions).chain(replies).collect();
        feedback::verdict(&all, rewards)
    }

    /// What it is remembered by.
    pub(super) fn candidate(
        &self,
        input: usize,
        line: u64,
        rewards: &FeedbackConfig,
    ) -> Result<Candidate, &'static str> {
        let verdict = self.verdict(rewards).ok_or("its answers say nothing")?;
        let edited = self.outcome == Outcome::Edited;
        if !edited && (BAD..=GOOD).contains(&verdict.reward) {
            return Err("its answers do not say whether it was good");
        }
        let asked: String = self.turns().iter().map(|turn| format!("{}\n", turn.text)).collect();
        Ok(Candidate {
            input,
            at: self.at().unwrap_or_default(),
            project: self.project.clone(),
            language: self.language.clone(),
            rule: String::new(),
            people: Vec::new(),
            code: key(&[&folded(&asked)]),
            gist: key(&[&folded(self.edited.as_ref().unwrap_or(&self.response))]),
            signature: signature(&asked),
            from: From::Line(line),
        })
    }

    /// Its rows.
    pub(super) fn rows(&self, input: &str, scrubber: &Scrubber, rewards: &FeedbackConfig) -> Vec<Row> {
        let Some(verdict) = self.verdict(rewards) else { return Vec::new() };
        let prompt: Vec<Turn> =
            self.turns().into_iter().map(|turn| Turn { text: scrubber.clean(&turn.text), ..turn }).collect();
        let response = scrubber.clean(&self.response);
        let edited = self.edited.as_deref().map(|text| scrubber.clean(text)).filter(|text| *text != response);
        let kto = |text: &str, label| Says::Kto(text.to_owned(), label);
        let says = match (self.outcome, edited) {
            (Outcome::Edited, Some(edited)) => vec![
                Says::Sft(edited.clone()),
                Says::Dpo { chosen: edited.clone(), rejected: response },
                kto(&edited, true),
            ],
            (Outcome::Accepted | Outcome::Edited, _) => vec![Says::Sft(response.clone()), kto(&response, true)],
            // To say nothing is an answer only where findings were asked for.
            (Outcome::Rejected, _) if lesson::read_remarks(&response).is_ok_and(|remarks| !remarks.is_empty()) => {
                let chosen = "{\"findings\": []}".to_owned();
                vec![Says::Sft(chosen.clone()), Says::Dpo { chosen, rejected: response.clone() }, kto(&response, false)]
            }
            (Outcome::Rejected | Outcome::Ignored, _) => vec![kto(&response, false)],
        };
        let row = |says| Row {
            prompt: prompt.clone(),
            says,
            asked: Asked::Other,
            weight: verdict.weight,
            project: self.project.clone(),
            language: self.language.clone(),
            at: self.at().unwrap_or_default(),
            because: vec![format!("{input}#{}", scrubber.scrub(&self.name()))],
        };
        says.into_iter().map(row).collect()
    }
}

/// Where a file of interactions is read.
pub(super) fn open(path: &Path) -> Result<impl BufRead, LessonError> {
    crate::files::reader(path).map_err(|source| LessonError::Read { file: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Interaction>, LessonError> {
        let mut all = Vec::new();
        each("a.jsonl", &mut text.as_bytes(), &mut |_, one| all.push(one))?;
        Ok(all)
    }

    fn kinds(line: &str) -> String {
        let all = read(line).expect("read");
        let rows = all[0].rows("a.jsonl", &Scrubber::default(), &engine::config::Config::default().feedback);
        rows.iter().map(|row| format!("{:?}\n", row.says)).collect()
    }

    #[test]
    fn what_was_accepted_edited_and_refused_become_rows() {
        let with = |rest: &str| format!(r#"{{"id": 1, "at": 5, "prompt": "q", "response": "r", {rest}}}"#);
        assert_eq!(kinds(&with(r#""outcome": "accepted""#)), "Sft(\"r\")\nKto(\"r\", true)\n");
        assert_eq!(
            kinds(&with(r#""outcome": "edited", "edited": "e""#)),
            "Sft(\"e\")\nDpo { chosen: \"e\", rejected: \"r\" }\nKto(\"e\", true)\n"
        );
        assert_eq!(kinds(&with(r#""outcome": "rejected""#)), "Kto(\"r\", false)\n");
        assert_eq!(kinds(&with(r#""outcome": "ignored", "more": 1"#)), "Kto(\"r\", false)\n");
    }

    #[test]
    fn who_is_unsure_teaches_nothing() {
        let line = |rest: &str| format!(r#"{{"id": 1, "at": 5, "prompt": "q", "response": "r", {rest}}}"#);
        let of = |rest: &str| {
            let rewards = engine::config::Config::default().feedback;
            read(&line(rest)).expect("read")[0].candidate(0, 1, &rewards).map(|one| one.at)
        };
        assert_eq!(of(r#""outcome": "accepted""#), Ok(5));
        assert!(of(r#""outcome": "accepted", "reactions": ["-1", "confused"]"#).is_err());
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let good =
            r#"{"id": "a", "at": "2026-11-21T20:00:00Z", "prompt": "q", "response": "r", "outcome": "accepted"}"#;
        for (bad, why) in [
            ("{", "EOF"),
            (r#"{"id": 1, "at": 5, "response": "r", "outcome": "accepted"}"#, "`messages` and `prompt`"),
            (r#"{"id": 1, "at": 5, "prompt": "q", "response": "r", "outcome": "loved"}"#, "loved"),
            (r#"{"id": 1, "at": "today", "prompt": "q", "response": "r", "outcome": "ignored"}"#, "`at`"),
            (r#"{"id": 1, "at": 5, "prompt": "q", "response": " ", "outcome": "ignored"}"#, "`response` is empty"),
            (r#"{"id": 1, "at": 5, "prompt": "q", "response": "r", "outcome": "edited"}"#, "`edited`"),
            (
                r#"{"id": 1, "at": 5, "messages": [{"role": "assistant", "content": "q"}], "response": "r", "outcome": "ignored"}"#,
                "role `user`",
            ),
        ] {
            let error = read(&format!("{good}\n\n{bad}\n")).expect_err("bad").to_string();
            assert!(error.starts_with("line 3 of `a.jsonl`") && error.contains(why), "{error}");
        }
        let error = read(&format!("{good}\n{}", "x".repeat(LONGEST as usize + 10))).expect_err("long").to_string();
        assert!(error.contains("line 2") && error.contains("longer than 4 MiB"), "{error}");
    }
}
