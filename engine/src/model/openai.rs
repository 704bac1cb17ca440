//! What does a model of a server answer that speaks OpenAI's protocol: llama.cpp, vLLM, LM Studio, a service?
//!
//! A thread of its own reads what comes, so that whoever asks is never kept waiting by a silent server. It ends with the
//! next thing the server says, at the latest when the time for the answer is up.

mod reader;
mod wire;

use std::{
    borrow::Cow,
    io::Read as _,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
};

use reqwest::{
    StatusCode,
    blocking::Client,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Access, Key, MOST_WINDOW,
    address::{InVain, Kind, MOST_ANSWER, Place, Refusal, SHORT_LIMIT, ServerError, one_line},
    chat::{Answer, Model, ModelError, Request, Role, Usage},
    estimate::{Estimate, least},
    stream::{Failed, Growing, Lines, MOST_LINE, PULSE, fits, patiently},
};
use crate::notice::Notice;
use reader::{Piece, read_aside};
use wire::{Event, FORMS, Models, Props};

static SERVER: Kind = Kind {
    setting: "model.name",
    port: None,
    example: "http://127.0.0.1:8080/v1",
    start: "llama-server --model FILE.gguf",
};

/// The window where neither the server nor the configuration names one.
const COMMON_WINDOW: usize = 4_096;

/// The most names that an error lists.
const NAMED: usize = 10;

/// A model of a server that speaks OpenAI's protocol.
#[derive(Debug)]
pub struct OpenAi {
    name: String,
    model: String,
    window: usize,
    key: Option<Key>,
    /// Which of [`FORMS`] the server is asked with: the first that it did not refuse.
    form: AtomicUsize,
    estimate: Estimate,
    notices: Vec<Notice>,
    in_vain: InVain,
    place: Place,
    client: Client,
}

/// Why a question was not answered: because of how it was asked, or otherwise.
enum Unanswered {
    Failed(Failed),
    /// The server does not know this way to say the schema.
    Form(String),
}

impl From<ModelError> for Unanswered {
    fn from(error: ModelError) -> Self {
        Self::Failed(error.into())
    }
}

impl OpenAi {
    /// Asks the server which models it has and how much they take in. No text is sent.
    ///
    /// # Errors
    /// [`ModelError::Remote`] where it is not this machine and none else may be asked; [`ModelError::Missing`] when it
    /// does not have the model, or has several and none was named; [`ModelError::Server`] when it cannot be reached.
    pub fn connect(address: &str, model: Option<&str>, access: &Access) -> Result<Self, ModelError> {
        let with_path =
            if has_path(address) { address.to_owned() } else { format!("{}/v1", address.trim_end_matches('/')) };
        let place = Place::find(&with_path, &SERVER, access.allow_remote)?;
        let client = place.client(key(&place, access)?)?;
        let mut this = Self {
            name: String::new(),
            model: String::new(),
            window: COMMON_WINDOW,
            key: access.key.clone(),
            form: AtomicUsize::new(0),
            estimate: Estimate::default(),
            notices: Vec::new(),
            in_vain: InVain::default(),
            place,
            client,
        };
        let models = this.models(model.is_some()).map_err(|error| this.hide(error))?;
        this.model = this.choose(&models, model)?;
        this.window = this.find_window(&models, access.window);
        this.name = format!("{}#{}", this.place.shown, this.model);
        Ok(this)
    }

    /// What the reader should know about the server itself.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn get<T: DeserializeOwned>(&self, url: url::Url) -> Result<T, Refusal> {
        let refused = |error: reqwest::Error| Refusal::of(&error, SHORT_LIMIT);
        let response = self.client.get(url).timeout(SHORT_LIMIT).send().map_err(refused)?;
        let status = response.status();
        let mut body = Vec::new();
        let read = response.take(MOST_ANSWER as u64 + 1).read_to_end(&mut body);
        read.map_err(|error| Refusal::Broken(one_line(&error.to_string())))?;
        if body.len() > MOST_ANSWER {
            return Err(Refusal::Long);
        }
        match Refusal::of_status(status, &body) {
            Some(refusal) => Err(refusal),
            None => serde_json::from_slice(&body).map_err(|error| Refusal::Nonsense(error.to_string())),
        }
    }

    /// What the server lists; nothing where it has no list and a model is named anyway.
    fn models(&self, is_named: bool) -> Result<Models, ModelError> {
        match self.get(self.place.at("models")?) {
            Ok(models) => Ok(models),
            Err(Refusal::Status(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _)) if is_named => {
                Ok(Models::default())
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    fn choose(&self, models: &Models, named: Option<&str>) -> Result<String, ModelError> {
        let names: Vec<&str> = models.data.iter().map(|model| model.id.as_str()).collect();
        match (named, &names[..]) {
            (Some(name), []) => Ok(name.to_owned()),
            (Some(name), names) if names.contains(&name) => Ok(name.to_owned()),
            (None, [only]) => Ok((*only).to_owned()),
            (named, names) => {
                let listed: Vec<String> =
                    names.iter().take(NAMED).map(|name| format!("`{}`", one_line(name))).collect();
                let more =
                    if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
                let advice = match names {
                    [] => "it lists none: give it one, or name one after `#`".to_owned(),
                    _ => format!("name one of these after `#`: {}{more}", listed.join(", ")),
                };
                let model = named.unwrap_or("(none named)").to_owned();
                Err(ModelError::Missing { model, address: self.place.shown.clone(), advice })
            }
        }
    }

    /// What the server says of its window (vLLM in the list, llama.cpp in its properties), else what is configured.
    fn find_window(&mut self, models: &Models, wanted: usize) -> usize {
        let listed = models.data.iter().find(|model| model.id == self.model).and_then(|model| model.max_model_len);
        let own = listed.or_else(|| self.props()).filter(|&own| own > 0);
        match (own, wanted) {
            (Some(own), 0) => own.min(MOST_WINDOW),
            (Some(own), wanted) => own.min(wanted),
            (None, 0) => {
                let what =
                    format!("the server does not say how much its model takes in; {COMMON_WINDOW} tokens are assumed");
                self.notices.push(Notice::note(&self.place.shown, what).advise("set `model.window`"));
                COMMON_WINDOW
            }
            (None, wanted) => wanted,
        }
    }

    fn props(&self) -> Option<usize> {
        let root = self.place.at("../props").ok()?;
        self.get::<Props>(root).ok()?.default_generation_settings.n_ctx
    }

    fn refused(&self, refusal: &Refusal) -> ModelError {
        let advice = match (refusal, self.key.is_some()) {
            (Refusal::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _), false) => {
                "; it wants a key: set APPRENTICE_API_KEY"
            }
            (Refusal::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _), true) => {
                "; it does not accept the key in APPRENTICE_API_KEY"
            }
            (Refusal::Status(StatusCode::NOT_FOUND, _), _) => "; the address should end as in http://HOST:PORT/v1",
            _ => "",
        };
        match ModelError::from(self.place.refused(refusal)) {
            // What the server repeats of a key it was sent is not shown.
            ModelError::Server { address, why } if !advice.is_empty() => {
                let why = why.split(": ").next().unwrap_or_default();
                ModelError::Server { address, why: format!("{why}{advice}") }
            }
            other => other,
        }
    }

    /// The error without the key, which a server may repeat.
    fn hide(&self, error: ModelError) -> ModelError {
        let Some(key) = &self.key else { return error };
        let hide = |why: String| why.replace(key.secret(), "[redacted: key]");
        match error {
            ModelError::Server { address, why } => ModelError::Server { address, why: hide(why) },
            ModelError::Memory { name, why } => ModelError::Memory { name, why: hide(why) },
            ModelError::Broken { name, tokens, why } => ModelError::Broken { name, tokens, why: hide(why) },
            ModelError::Schema(why) => ModelError::Schema(hide(why)),
            other => other,
        }
    }

    fn broken(&self, tokens: usize, why: impl Into<String>) -> ModelError {
        ModelError::Broken { name: self.name.clone(), tokens, why: why.into() }
    }

    fn body(&self, turns: &[(Role, Cow<'_, str>)], request: &Request<'_>, form: usize) -> Value {
        let messages: Vec<Value> = turns.iter().map(|(role, text)| json!({ "role": role, "content": text })).collect();
        let mut body = json!({
            "model": self.model,
            "messages": messages,
            "max_tokens": request.most,
            "temperature": request.temperature,
            "seed": request.seed & 0x7fff_ffff,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if let (Some(schema), Some(form)) = (request.schema, FORMS.get(form)) {
            (form.put)(&mut body, schema);
        }
        body
    }

    fn ask(
        &self,
        turns: &[(Role, Cow<'_, str>)],
        request: &Request<'_>,
        form: usize,
        is_sent: &mut bool,
        told: &mut dyn FnMut(&str),
    ) -> Result<Answer, Unanswered> {
        let estimated = self.estimate.question(turns);
        let url = self.place.at("chat/completions").map_err(ModelError::from)?;
        let post = self.client.post(url).json(&self.body(turns, request, form)).timeout(request.left());
        let pieces = read_aside(post).map_err(|why| self.broken(0, why))?;
        let mut told_of = Told { growing: Growing::new(request.most), ..Told::default() };
        let ended = self.listen(&pieces, request, &mut told_of, told);
        *is_sent |= !matches!(ended, Err(Cut::Refused(Refusal::Closed)));
        match ended {
            Ok(()) => {}
            Err(Cut::Own(error)) => return Err(error.into()),
            Err(Cut::Refused(refusal)) if told_of.growing.pieces > 0 => {
                return Err(self.broken(told_of.growing.pieces, refusal.to_string()).into());
            }
            Err(Cut::Refused(refusal)) => return Err(self.unanswered(&refusal, estimated, request)),
        }
        let usage = self.check(turns, estimated, &told_of)?;
        let is_whole = !told_of.growing.is_over && told_of.finish.as_deref().is_none_or(|why| why == "stop");
        let notices = self.place.left(estimated).into_iter().collect();
        Ok(Answer { text: told_of.growing.text, is_whole, usage, notices })
    }

    /// Takes in pieces until the answer is whole.
    fn listen(
        &self,
        pieces: &Receiver<Piece>,
        request: &Request<'_>,
        heard: &mut Told,
        told: &mut dyn FnMut(&str),
    ) -> Result<(), Cut> {
        let (mut lines, mut bytes) = (Lines::default(), 0);
        loop {
            request.go_on()?;
            let piece = match pieces.recv_timeout(PULSE) {
                Ok(Piece::Bytes(piece)) => piece,
                Ok(Piece::Failed(Refusal::Late(_))) => return Err(ModelError::Late.into()),
                Ok(Piece::Failed(refusal)) => return Err(Cut::Refused(refusal)),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            bytes += piece.len();
            if bytes > MOST_ANSWER {
                return Err(Cut::Refused(Refusal::Long));
            }
            let whole = lines
                .take(&piece)
                .map_err(|_| Cut::Refused(Refusal::Nonsense(format!("a line of more than {} MiB", MOST_LINE >> 20))))?;
            for line in whole {
                if self.hear(&line, request, heard, told)?.is_break() {
                    return Ok(());
                }
            }
        }
        if let Some(line) = lines.rest() {
            let _ = self.hear(&line, request, heard, told)?;
        }
        match heard.finish {
            Some(_) => Ok(()),
            None => Err(self.broken(heard.growing.pieces, "the server hung up before the end of the answer").into()),
        }
    }

    /// Takes in a line; a break when nothing of interest follows.
    fn hear(
        &self,
        line: &[u8],
        request: &Request<'_>,
        heard: &mut Told,
        told: &mut dyn FnMut(&str),
    ) -> Result<ControlFlow<()>, ModelError> {
        let tokens = heard.growing.pieces;
        let data = match wire::data(line) {
            None => return Ok(ControlFlow::Continue(())),
            Some(b"[DONE]") => {
                heard.finish.get_or_insert_with(|| "stop".to_owned());
                return Ok(ControlFlow::Break(()));
            }
            Some(data) => data,
        };
        let event: Event = serde_json::from_slice(data)
            .map_err(|error| self.broken(tokens, format!("a line makes no sense: {error}")))?;
        if let Some(error) = event.error() {
            let error = one_line(&error);
            return Err(self.complained(&error, tokens, request).unwrap_or_else(|| self.broken(tokens, error)));
        }
        if let Some(choice) = event.choices.first() {
            let said = choice.delta.as_ref().or(choice.message.as_ref());
            heard.growing.pass(said.and_then(wire::Said::thought).unwrap_or_default());
            heard.growing.add(said.and_then(|said| said.content.as_deref()).unwrap_or_default(), told);
            heard.finish = choice.finish_reason.clone().or(heard.finish.take());
        }
        heard.usage = event.usage.or(heard.usage.take());
        if heard.growing.is_over {
            heard.finish = Some("length".to_owned());
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn unanswered(&self, refusal: &Refusal, tokens: usize, request: &Request<'_>) -> Unanswered {
        let Refusal::Status(status, said) = refusal else { return self.refused(refusal).into() };
        if let Some(error) = self.complained(said, tokens, request) {
            return error.into();
        }
        if refusal.is_busy() {
            return Unanswered::Failed(Failed::Busy(self.refused(refusal)));
        }
        let lower = said.to_lowercase();
        if request.schema.is_some() && wire::BAD_SCHEMA.iter().any(|words| lower.contains(words)) {
            return ModelError::Schema(format!("`{}` says: {said}", self.place.shown)).into();
        }
        let is_about_form = matches!(status.as_u16(), 400 | 422 | 500 | 501)
            && wire::FORM_WORDS.iter().any(|word| lower.contains(word));
        if request.schema.is_some() && is_about_form {
            Unanswered::Form(said.clone())
        } else {
            self.refused(refusal).into()
        }
    }

    /// What some complaints of servers mean.
    fn complained(&self, said: &str, tokens: usize, request: &Request<'_>) -> Option<ModelError> {
        let lower = said.to_lowercase();
        let holds = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        if holds(&["context length", "context size", "context window", "exceed_context_size"]) {
            let tokens = (tokens + request.most).max(self.window + 1);
            return Some(ModelError::TooLong { tokens, window: self.window });
        }
        let why = || format!("{said}; take a smaller model, or a smaller window");
        holds(&["out of memory", "more system memory", "failed to allocate"])
            .then(|| ModelError::Memory { name: self.name.clone(), why: why() })
    }

    /// Compares what the server read with what it was sent.
    fn check(&self, turns: &[(Role, Cow<'_, str>)], estimated: usize, heard: &Told) -> Result<Usage, ModelError> {
        let Some(usage) = &heard.usage else {
            return Ok(Usage { prompt: estimated, reused: 0, answer: heard.growing.pieces });
        };
        let least = least(turns);
        if usage.prompt_tokens > 0 && usage.prompt_tokens < least {
            let read = usage.prompt_tokens;
            let why = format!("the server read {read} tokens of a question that has {least} at least: it cut it");
            return Err(self.broken(usage.completion_tokens, why));
        }
        self.estimate.learn(estimated, usage.prompt_tokens);
        let prompt = if usage.prompt_tokens > 0 { usage.prompt_tokens } else { estimated };
        let reused = usage.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens).unwrap_or(0);
        Ok(Usage { prompt, reused: reused.min(prompt), answer: usage.completion_tokens })
    }
}

/// What was heard of an answer so far.
#[derive(Debug, Default)]
struct Told {
    growing: Growing,
    finish: Option<String>,
    usage: Option<wire::Tokens>,
}

/// Why listening ended early.
enum Cut {
    Refused(Refusal),
    Own(ModelError),
}

impl From<ModelError> for Cut {
    fn from(error: ModelError) -> Self {
        Self::Own(error)
    }
}

impl Model for OpenAi {
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
        let turns = self.place.prepare_turns(request.turns);
        let estimated = self.estimate.question(&turns);
        fits(estimated, request, self.window)?;
        let mut is_sent = false;
        let answer = patiently(request, &mut || self.in_some_form(&turns, request, &mut is_sent, told));
        if answer.is_err() && is_sent {
            self.in_vain.keep(self.place.left_in_vain(estimated));
        }
        answer.map_err(|error| self.hide(error))
    }

    fn unanswered(&self) -> Vec<Notice> {
        self.in_vain.take()
    }
}

impl OpenAi {
    /// Asks in the first form that the server does not refuse.
    fn in_some_form(
        &self,
        turns: &[(Role, Cow<'_, str>)],
        request: &Request<'_>,
        is_sent: &mut bool,
        told: &mut dyn FnMut(&str),
    ) -> Result<Answer, Failed> {
        loop {
            let form = self.form.load(Ordering::Relaxed);
            match self.ask(turns, request, form, is_sent, told) {
                Ok(mut answer) => {
                    answer.notices.extend(request.schema.filter(|_| form > 0).map(|_| self.other_form(form)));
                    return Ok(answer);
                }
                Err(Unanswered::Failed(failed)) => return Err(failed),
                Err(Unanswered::Form(said)) if form + 1 >= FORMS.len() => {
                    return Err(ModelError::Schema(format!("`{}` says: {said}", self.place.shown)).into());
                }
                Err(Unanswered::Form(_)) => {
                    self.form.fetch_max(form + 1, Ordering::Relaxed);
                }
            }
        }
    }

    fn other_form(&self, form: usize) -> Notice {
        let known = FORMS.get(form).map_or("", |form| form.name);
        let what =
            format!("the server does not know `json_schema`; the form of the answer was asked for with `{known}`");
        Notice::note(&self.place.shown, what)
    }
}

/// Whether an address says more than which server.
fn has_path(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split_once('/').is_some_and(|(_, path)| !path.is_empty())
}

/// The header that shows the key; none where there is no key.
fn key(place: &Place, access: &Access) -> Result<HeaderMap, ServerError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &access.key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.secret()))
            .map_err(|_| place.failed("the key in APPRENTICE_API_KEY holds a character that no header may hold"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_means_the_usual_one() {
        assert!(has_path("http://127.0.0.1:8080/v1") && has_path("https://x/openai/"));
        assert!(!has_path("http://127.0.0.1:8080") && !has_path("http://127.0.0.1:8080/"));
    }
}
