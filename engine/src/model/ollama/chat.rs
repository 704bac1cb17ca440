//! What does a model of an Ollama server answer?
//!
//! Invariants: a question is never cut silently (the server is told not to, what it counted is compared with what was
//! sent), and a model that the server itself asks elsewhere counts as another machine.

use std::{borrow::Cow, time::Duration};

use ollama_rs::{
    generation::{
        chat::{ChatMessage, MessageRole, request::ChatMessageRequest},
        parameters::{KeepAlive, TimeUnit},
    },
    models::ModelOptions,
};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{
        Access, MOST_WINDOW,
        address::{InVain, Refusal, SHORT_LIMIT, ServerError, one_line},
        chat::{Answer, Model, ModelError, Request, Role, Usage},
        estimate::{Estimate, least},
        stream::{Failed, Growing, fits, patiently},
    },
    server::{Cut, Flow, Server},
};
use crate::notice::Notice;

/// The first version that keeps a JSON schema.
const NEEDED: (u32, u32) = (0, 5);

/// The window where neither the server nor the configuration names one.
const COMMON_WINDOW: usize = 4_096;

/// How long a model that asks elsewhere, or a big list of tensors, may take to be described.
const SHOW_LIMIT: Duration = Duration::from_secs(15);

/// A model of an Ollama server that answers in words.
#[derive(Debug)]
pub struct Chat {
    name: String,
    model: String,
    window: usize,
    can_think: bool,
    estimate: Estimate,
    in_vain: InVain,
    server: Server,
}

/// What `/api/show` tells of a model.
#[derive(Debug, Deserialize)]
struct Shown {
    #[serde(default)]
    capabilities: Vec<String>,
    #[serde(default)]
    model_info: Map<String, Value>,
    /// The server that really answers: a model of the cloud.
    #[serde(default)]
    remote_host: String,
}

/// A line of the stream.
#[derive(Debug, Deserialize)]
struct Line {
    message: Option<Message>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<usize>,
    eval_count: Option<usize>,
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    #[serde(default)]
    content: String,
    thinking: Option<String>,
}

impl Chat {
    /// Asks the server what it and the model can do. No model is read and no text is sent.
    ///
    /// # Errors
    /// [`ModelError::Remote`] where the server, or the one it would ask, is not this machine and none else may be asked;
    /// [`ModelError::Missing`] when it does not have the model; [`ModelError::Server`] when it cannot be reached, is
    /// older than 0.5, or the model gives no words.
    pub fn connect(model: &str, access: &Access) -> Result<Self, ModelError> {
        let mut server = Server::find(&access.ollama, access.allow_remote)?;
        check_version(&server)?;
        let digest = server.digest(model)?.map_or_else(String::new, |digest| format!("@{digest}"));
        let shown = show(&server, model)?;
        if !shown.capabilities.is_empty() && !shown.capabilities.iter().any(|can| can == "completion") {
            let why = format!("`{model}` answers no questions: it is a model for {}", shown.capabilities.join(", "));
            return Err(server.place.failed(one_line(&why)).into());
        }
        if !shown.remote_host.is_empty() {
            server.place.forwards_to(&one_line(&shown.remote_host), access.allow_remote)?;
        }
        Ok(Self {
            name: format!("ollama:{}{digest}", model.strip_suffix(":latest").unwrap_or(model)),
            model: model.to_owned(),
            window: window(&shown.model_info, access.window),
            can_think: shown.capabilities.iter().any(|can| can == "thinking"),
            estimate: Estimate::default(),
            in_vain: InVain::default(),
            server,
        })
    }

    fn body(&self, turns: &[(Role, Cow<'_, str>)], request: &Request<'_>) -> Value {
        let messages = turns.iter().map(|(role, text)| ChatMessage::new(role_of(*role), text.to_string())).collect();
        let options = ModelOptions::default()
            .num_ctx(self.window as u64)
            .num_predict(i32::try_from(request.most).unwrap_or(i32::MAX))
            .temperature(request.temperature)
            .seed((request.seed & 0x7fff_ffff) as i32);
        let mut body = ChatMessageRequest::new(self.model.clone(), messages)
            .options(options)
            .keep_alive(KeepAlive::Until { time: 10, unit: TimeUnit::Minutes });
        if self.can_think {
            body = body.think(false);
        }
        let mut body = serde_json::to_value(body).unwrap_or_default();
        body["stream"] = json!(true);
        // Servers older than 0.12 do not know these two and pass them over.
        body["truncate"] = json!(false);
        body["shift"] = json!(false);
        if let Some(schema) = request.schema {
            body["format"] = schema.clone();
        }
        body
    }

    /// Why there is no answer, where the server refused before the first token.
    fn refused(&self, refusal: &Refusal, tokens: usize, request: &Request<'_>) -> ModelError {
        match refusal {
            Refusal::Status(StatusCode::NOT_FOUND, _) => self.server.lacks(&self.model).into(),
            Refusal::Status(_, said) => self
                .complained(said, tokens, request)
                .unwrap_or_else(|| ModelError::from(self.server.place.refused(refusal))),
            other => self.server.place.refused(other).into(),
        }
    }

    /// What some complaints of the server mean.
    fn complained(&self, said: &str, tokens: usize, request: &Request<'_>) -> Option<ModelError> {
        let lower = said.to_lowercase();
        let holds = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        if holds(&["more system memory", "out of memory", "unable to allocate", "failed to allocate"]) {
            let why = format!("{said}; take a smaller model, or a smaller `model.window`");
            return Some(ModelError::Memory { name: self.name.clone(), why });
        }
        if holds(&["exceeds the context", "context length exceeded", "exceeds maximum context"]) {
            return Some(ModelError::TooLong {
                tokens: (tokens + request.most).max(self.window + 1),
                window: self.window,
            });
        }
        (request.schema.is_some() && holds(&["schema", "grammar", "invalid format"]))
            .then(|| ModelError::Schema(format!("`{}` says: {said}", self.server.place.shown)))
    }

    fn broken(&self, tokens: usize, why: impl Into<String>) -> ModelError {
        ModelError::Broken { name: self.name.clone(), tokens, why: why.into() }
    }

    /// Compares what the server read with what it was sent.
    fn check(&self, turns: &[(Role, Cow<'_, str>)], estimated: usize, end: &Line) -> Result<Usage, ModelError> {
        let prompt = end.prompt_eval_count.unwrap_or(0);
        let answer = end.eval_count.unwrap_or(0);
        let least = least(turns);
        if prompt > 0 && prompt < least {
            let why = format!("the server read {prompt} tokens of a question that has {least} at least: it cut it");
            return Err(self.broken(answer, why));
        }
        if prompt + answer > self.window {
            return Err(ModelError::TooLong { tokens: prompt + answer, window: self.window });
        }
        self.estimate.learn(estimated, prompt);
        Ok(Usage { prompt: if prompt > 0 { prompt } else { estimated }, reused: 0, answer })
    }
}

impl Model for Chat {
    fn name(&self) -> &str {
        &self.name
    }

    fn window(&self) -> usize {
        self.window
    }

    fn count(&self, text: &str) -> usize {
        self.estimate.count(text)
    }

    fn answer(&self, request: &Request<'_>, told: &mut dyn FnMut(&str)) -> Result<Answer, ModelError> {
        request.go_on()?;
        let turns = self.server.place.prepare_turns(request.turns);
        let estimated = self.estimate.question(&turns);
        fits(estimated, request, self.window)?;
        let mut is_sent = false;
        let answer = patiently(request, &mut || self.ask(&turns, request, &mut is_sent, told));
        if answer.is_err() && is_sent {
            self.in_vain.keep(self.server.place.left_in_vain(estimated));
        }
        answer
    }

    fn unanswered(&self) -> Vec<Notice> {
        self.in_vain.take()
    }
}

/// What was heard of an answer so far.
struct Heard {
    growing: Growing,
    /// The line that ends it.
    end: Option<Line>,
}

impl Chat {
    fn ask(
        &self,
        turns: &[(Role, Cow<'_, str>)],
        request: &Request<'_>,
        is_sent: &mut bool,
        told: &mut dyn FnMut(&str),
    ) -> Result<Answer, Failed> {
        let estimated = self.estimate.question(turns);
        let url = self.server.place.at("api/chat").map_err(ModelError::from)?;
        let post = self.server.client.post(url).json(&self.body(turns, request));
        let mut heard = Heard { growing: Growing::new(request.most), end: None };
        let mut hear = |line: &[u8]| self.hear(line, &mut heard, estimated, request, told);
        let ended = self.server.lines(post, &|| request.go_on(), &mut hear);
        *is_sent |= !matches!(ended, Err(Cut::Refused(Refusal::Closed)));
        match ended {
            Ok(()) => Ok(self.finish(turns, heard, estimated)?),
            Err(Cut::Own(error)) => Err(error.into()),
            Err(Cut::Refused(refusal)) if heard.growing.pieces > 0 => {
                Err(self.broken(heard.growing.pieces, refusal.to_string()).into())
            }
            Err(Cut::Refused(refusal)) => {
                let error = self.refused(&refusal, estimated, request);
                Err(if refusal.is_busy() { Failed::Busy(error) } else { Failed::Error(error) })
            }
        }
    }

    /// Takes in a line of the stream.
    fn hear(
        &self,
        line: &[u8],
        heard: &mut Heard,
        estimated: usize,
        request: &Request<'_>,
        told: &mut dyn FnMut(&str),
    ) -> Result<Flow, ModelError> {
        let growing = &mut heard.growing;
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| self.broken(growing.pieces, format!("a line makes no sense: {error}")))?;
        if let Some(error) = &line.error {
            let error = one_line(error);
            let meant = self.complained(&error, estimated, request);
            return Err(meant.unwrap_or_else(|| self.broken(growing.pieces, error)));
        }
        let message = line.message.as_ref();
        growing.pass(message.and_then(|message| message.thinking.as_deref()).unwrap_or_default());
        growing.add(message.map_or("", |message| &message.content), told);
        let is_over = line.done || growing.is_over;
        heard.end = line.done.then_some(line);
        Ok(if is_over { Flow::Enough } else { Flow::More })
    }

    /// The answer, if it came to an end that is known.
    fn finish(
        &self,
        turns: &[(Role, Cow<'_, str>)],
        Heard { growing, end }: Heard,
        estimated: usize,
    ) -> Result<Answer, ModelError> {
        let (usage, is_whole) = match end {
            Some(end) => {
                let came_to_end = end.done_reason.as_deref().is_none_or(|reason| reason == "stop");
                (self.check(turns, estimated, &end)?, came_to_end && !growing.is_over)
            }
            None if growing.is_over => (Usage { prompt: estimated, reused: 0, answer: growing.pieces }, false),
            None => return Err(self.broken(growing.pieces, "the server hung up before the end of the answer")),
        };
        let notices = self.server.place.left(estimated).into_iter().collect();
        Ok(Answer { text: growing.text, is_whole, usage, notices })
    }
}

fn role_of(role: Role) -> MessageRole {
    match role {
        Role::System => MessageRole::System,
        Role::User => MessageRole::User,
        Role::Assistant => MessageRole::Assistant,
    }
}

/// An error where the server is too old to keep a schema. A server built from source calls itself 0.0.0.
fn check_version(server: &Server) -> Result<(), ServerError> {
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    let needed = "structured answers need Ollama 0.5.0 or later: update it";
    match server.ask(server.client.get(server.place.at("api/version")?), SHORT_LIMIT) {
        Ok(Version { version }) => match number(&version) {
            Some(found) if found < NEEDED && version != "0.0.0" => {
                Err(server.place.failed(format!("it is version {}, and {needed}", one_line(&version))))
            }
            _ => Ok(()),
        },
        Err(Refusal::Status(StatusCode::NOT_FOUND, _)) => {
            Err(server.place.failed(format!("it tells no version, and {needed}; or it is no Ollama server")))
        }
        Err(refusal) => Err(server.place.refused(&refusal)),
    }
}

/// Major and minor number of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn show(server: &Server, model: &str) -> Result<Shown, ServerError> {
    let request = server.client.post(server.place.at("api/show")?).json(&json!({ "model": model }));
    server.ask(request, SHOW_LIMIT).map_err(|refusal| match refusal {
        Refusal::Status(StatusCode::NOT_FOUND, _) => server.lacks(model),
        other => server.place.refused(&other),
    })
}

/// Tokens that question and answer may have: what was asked for or [`MOST_WINDOW`], never more than the model's own.
fn window(info: &Map<String, Value>, wanted: usize) -> usize {
    let own = info.iter().find(|(key, _)| key.ends_with(".context_length")).and_then(|(_, value)| value.as_u64());
    let own = own.and_then(|own| usize::try_from(own).ok()).filter(|&own| own > 0);
    match (own, wanted) {
        (Some(own), 0) => own.min(MOST_WINDOW),
        (Some(own), wanted) => own.min(wanted),
        (None, 0) => COMMON_WINDOW,
        (None, wanted) => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_what_was_asked_for_within_what_the_model_has() {
        let own = |length: u64| json!({ "llama.context_length": length }).as_object().cloned().unwrap();
        assert_eq!((window(&own(8_192), 0), window(&own(131_072), 0)), (8_192, MOST_WINDOW));
        assert_eq!((window(&own(131_072), 100_000), window(&own(8_192), 100_000)), (100_000, 8_192));
        assert_eq!((window(&Map::new(), 0), window(&Map::new(), 9_000)), (COMMON_WINDOW, 9_000));
        assert_eq!(window(&own(0), 0), COMMON_WINDOW);
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!((number("0.12.11"), number("v1.0.0-rc1")), (Some((0, 12)), Some((1, 0))));
        assert_eq!((number(""), number("soon"), number("0.x")), (None, None, None));
    }
}
