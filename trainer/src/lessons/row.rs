//! What does one line of training data say, in the shapes that trainers read?

use engine::model::chat::{Role, Turn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What is learned from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To answer like this.
    Sft,
    /// To answer rather like this than like that.
    Dpo,
    /// That an answer was good, or was not.
    Kto,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sft, Self::Dpo, Self::Kto];

    /// Its name, as folders and manifests have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Dpo => "dpo",
            Self::Kto => "kto",
        }
    }
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// What is wrong with a change.
    Review,
    /// To mend a finding.
    Fix,
    /// Something else, by another program.
    Other,
}

/// The answer, or answers, of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Sft(String),
    Dpo { chosen: String, rejected: String },
    Kto(String, bool),
}

/// One line of training data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) prompt: Vec<Turn>,
    pub(super) says: Says,
    pub(super) asked: Asked,
    pub(super) weight: f64,
    pub(super) project: String,
    pub(super) language: String,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// The answers behind it: `INPUT#NUMBER`.
    pub(super) because: Vec<String>,
}

/// In whose shape rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// TRL's conversational types; Unsloth reads them, too.
    Trl,
    /// Axolotl.
    Axolotl,
    /// MLX-LM, which knows no preferences.
    Mlx,
    /// Everything in one form.
    Jsonl,
}

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trl => "trl",
            Self::Axolotl => "axolotl",
            Self::Mlx => "mlx",
            Self::Jsonl => "jsonl",
        }
    }

    /// The folder that rows of a kind go to, below the output; none where the format has no such rows.
    pub(super) fn folder(self, kind: Kind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Trl | Self::Axolotl, kind) => Some(kind.name()),
            (Self::Mlx, Kind::Sft) | (Self::Jsonl, _) => Some(""),
            (Self::Mlx, _) => None,
        }
    }
}

impl Row {
    pub(super) fn kind(&self) -> Kind {
        match self.says {
            Says::Sft(_) => Kind::Sft,
            Says::Dpo { .. } => Kind::Dpo,
            Says::Kto(..) => Kind::Kto,
        }
    }

    /// Names the row by what it says.
    fn id(&self) -> String {
        let text = format!("{}\0{:?}\0{:?}", self.kind().name(), self.prompt, self.says);
        blake3::hash(text.as_bytes()).to_hex().chars().take(16).collect()
    }

    /// The row as one line without its end.
    pub(super) fn line(&self, format: Format) -> String {
        let mut row = match format {
            Format::Trl => self.trl(),
            Format::Axolotl => self.axolotl(),
            Format::Mlx => self.whole(),
            Format::Jsonl => self.plain(),
        };
        row.insert("id".into(), json!(self.id()));
        row.insert("task".into(), json!(self.asked));
        // So many digits as say something.
        row.insert("weight".into(), json!((self.weight * 1e4).round() / 1e4));
        row.insert("project".into(), json!(self.project));
        row.insert("language".into(), json!(self.language));
        row.insert("at".into(), json!(self.at));
        row.insert("because".into(), json!(self.because));
        Value::Object(row).to_string()
    }

    fn trl(&self) -> Map<String, Value> {
        match &self.says {
            Says::Sft(_) => self.whole(),
            Says::Dpo { chosen, rejected } => object([
                ("prompt", json!(self.prompt)),
                ("chosen", json!([said(chosen)])),
                ("rejected", json!([said(rejected)])),
            ]),
            Says::Kto(completion, label) => object([
                ("prompt", json!(self.prompt)),
                ("completion", json!([said(completion)])),
                ("label", json!(label)),
            ]),
        }
    }

    /// Axolotl takes single messages for DPO (`chat_template.default`), and plain texts for KTO (`chatml.prompt_pairs`).
    fn axolotl(&self) -> Map<String, Value> {
        match &self.says {
            Says::Sft(_) => self.whole(),
            Says::Dpo { chosen, rejected } => object([
                ("messages", json!(self.prompt)),
                ("chosen", json!(said(chosen))),
                ("rejected", json!(said(rejected))),
            ]),
            Says::Kto(completion, label) => object([
                ("system", json!(self.spoken(Role::System))),
                ("prompt", json!(self.spoken(Role::User))),
                ("completion", json!(completion)),
                ("label", json!(label)),
            ]),
        }
    }

    fn plain(&self) -> Map<String, Value> {
        let mut row = object([("kind", json!(self.kind())), ("prompt", json!(self.prompt))]);
        match &self.says {
            Says::Sft(text) => row.insert("completion".into(), json!([said(text)])),
            Says::Dpo { chosen, rejected } => {
                row.insert("chosen".into(), json!([said(chosen)]));
                row.insert("rejected".into(), json!([said(rejected)]))
            }
            Says::Kto(text, label) => {
                row.insert("completion".into(), json!([said(text)]));
                row.insert("label".into(), json!(label))
            }
        };
        row
    }

    /// Question and answer as one conversation.
    fn whole(&self) -> Map<String, Value> {
        let answer = match &self.says {
            Says::Sft(text) | Says::Kto(text, _) => text,
            Says::Dpo { chosen, .. } => chosen,
        };
        let mut messages = self.prompt.clone();
        messages.push(said(answer));
        object([("messages", json!(messages))])
    }

    /// What one side said before the answer.
    fn spoken(&self, role: Role) -> String {
        let turns = self.prompt.iter().filter(|turn| turn.role == role);
        turns.map(|turn| turn.text.as_str()).collect::<Vec<_>>().join("\n\n")
    }
}

fn said(text: &str) -> Turn {
    Turn::new(Role::Assistant, text)
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(says: Says, format: Format) -> String {
        let prompt = vec![Turn::new(Role::System, "s"), Turn::new(Role::User, "u")];
        let because = vec!["a.db#1".to_owned()];
        let (project, language) = ("p".to_owned(), "python".to_owned());
        Row { prompt, says, asked: Asked::Review, weight: 0.5, project, language, at: 7, because }.line(format)
    }

    #[test]
    fn rows_have_the_shapes_that_trainers_read() {
        let dpo = || Says::Dpo { chosen: "c".into(), rejected: "r".into() };
        let kto = || Says::Kto("k".into(), false);
        let shapes: String = [
            line(Says::Sft("a".into()), Format::Trl),
            line(dpo(), Format::Trl),
            line(kto(), Format::Trl),
            line(dpo(), Format::Axolotl),
            line(kto(), Format::Axolotl),
            line(kto(), Format::Jsonl),
        ]
        .map(|line| line.split_once(",\"id\"").expect("an id").0.to_owned() + "\n")
        .concat();
        insta::assert_snapshot!(shapes, @r#"
        {"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]
        {"prompt":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"chosen":[{"role":"assistant","content":"c"}],"rejected":[{"role":"assistant","content":"r"}]
        {"prompt":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"completion":[{"role":"assistant","content":"k"}],"label":false
        {"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"chosen":{"role":"assistant","content":"c"},"rejected":{"role":"assistant","content":"r"}
        {"system":"s","prompt":"u","completion":"k","label":false
        {"kind":"kto","prompt":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"completion":[{"role":"assistant","content":"k"}],"label":false
        "#);
        let whole = line(Says::Sft("a".into()), Format::Trl);
        assert!(
            whole.ends_with(
                r#""task":"review","weight":0.5,"project":"p","language":"python","at":7,"because":["a.db#1"]}"#
            ),
            "{whole}"
        );
    }
}
