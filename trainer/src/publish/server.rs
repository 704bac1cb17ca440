//! What does an Ollama server do when it is given a model? Its protocol, request by request, each with a limit.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use engine::{
    model::{chat::Turn, ollama, one_line},
    notice,
};
use reqwest::{
    Method, StatusCode, Url,
    blocking::{Body, Client, RequestBuilder, Response},
    header::CONTENT_TYPE,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{PublishError, Stage, Told, modelfile::Settings};
use crate::files;

/// For questions that the server answers from memory.
const SHORT: Duration = Duration::from_secs(30);

/// For making a model of a file: the server reads all of it, and says nothing meanwhile.
const CREATE: Duration = Duration::from_secs(900);

/// For an answer, the reading of the model included.
const ANSWER: Duration = Duration::from_secs(300);

/// Bytes that arrive in a second at the least.
const SLOWEST: u64 = 1 << 20;

/// Longest answer, in bytes.
const MOST: u64 = 32 << 20;

/// Longest line of a stream, in bytes.
const MOST_LINE: u64 = 1 << 20;

/// A server that is given models.
pub(super) struct Server {
    client: Client,
    address: Url,
    shown: String,
}

/// A file to be sent.
pub(super) struct Blob<'a> {
    pub(super) file: &'a Path,
    /// `sha256:…`.
    pub(super) digest: String,
    pub(super) bytes: u64,
}

/// What a model said, and how much it read for it.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) message: Message,
    #[serde(default)]
    pub(super) done_reason: String,
    /// Tokens of the question.
    pub(super) prompt_eval_count: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) content: String,
}

impl Server {
    /// Looks up the address.
    pub(super) fn find(address: &str, allow_remote: bool) -> Result<Self, PublishError> {
        let (client, address, shown) = ollama::reach(address, allow_remote)?;
        Ok(Self { client, address, shown })
    }

    /// The address as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Something went wrong.
    pub(super) fn failed(&self, what: &str, why: impl Into<String>) -> PublishError {
        PublishError::Server { what: what.to_owned(), address: self.shown.clone(), why: why.into() }
    }

    /// The server's version.
    pub(super) fn version(&self) -> Result<String, PublishError> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let what = "ask for the version";
        let response = self.send(what, self.request(Method::GET, "api/version", SHORT)?)?;
        let Version { version } = self.read(what, response)?;
        Ok(one_line(&version))
    }

    /// The digest of each model, by its name with its tag.
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>, PublishError> {
        #[derive(Deserialize)]
        struct Tags {
            models: Vec<Tag>,
        }
        #[derive(Deserialize)]
        struct Tag {
            name: String,
            digest: String,
        }
        let what = "list the models";
        let response = self.send(what, self.request(Method::GET, "api/tags", SHORT)?)?;
        let Tags { models } = self.read(what, response)?;
        Ok(models.into_iter().map(|tag| (tag.name, tag.digest)).collect())
    }

    /// An error where a name does not stand for this digest.
    pub(super) fn expect(&self, name: &str, digest: &str) -> Result<(), PublishError> {
        match self.tags()?.get(name) {
            Some(found) if found == digest => Ok(()),
            _ => Err(self.failed("see that the name was given", format!("`{name}` stands for something else"))),
        }
    }

    /// Sends a file, unless the server has it.
    pub(super) fn upload(&self, blob: &Blob<'_>, told: &Told) -> Result<(), PublishError> {
        let path = format!("api/blobs/{}", blob.digest);
        if self.has(&path)? {
            return Ok(());
        }
        let what = "send the file";
        let file = files::open(blob.file).map_err(|error| self.failed(what, format!("it cannot be read: {error}")))?;
        let limit = SHORT + Duration::from_secs(blob.bytes / SLOWEST);
        let cut = Arc::new(Mutex::new(None));
        let reader =
            Counting { inner: file, told: Arc::clone(told), done: 0, all: blob.bytes, wrong: Arc::clone(&cut) };
        let request = self.request(Method::POST, &path, limit)?.body(Body::sized(reader, blob.bytes));
        let sent = self.send(what, request);
        let why = cut.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (sent, why) {
            (_, Some(why)) => Err(self.failed(what, format!("the file cannot be read: {why}"))),
            (sent, None) => sent.map(drop),
        }
    }

    fn has(&self, path: &str) -> Result<bool, PublishError> {
        let what = "ask whether the file is there";
        let response = self.request(Method::HEAD, path, SHORT)?.send().map_err(|error| self.broken(what, &error))?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => Err(self.failed(what, format!("it answered {status}"))),
        }
    }

    /// Makes a model of a file that was sent. Only `success` at the end of what the server says counts.
    pub(super) fn create(
        &self,
        name: &str,
        blob: &Blob<'_>,
        settings: &Settings,
        told: &Told,
    ) -> Result<(), PublishError> {
        let what = "make a model of the file";
        let body = json!({
            "model": name,
            "files": { "model.gguf": blob.digest },
            "template": settings.template,
            "system": settings.system,
            "parameters": settings.parameters,
            "stream": true,
        });
        let response = self.send(what, json_body(self.request(Method::POST, "api/create", CREATE)?, &body))?;
        let mut is_done = false;
        self.lines(what, response, &mut |line| {
            let text = |key: &str| line.get(key).and_then(Value::as_str).map(one_line);
            if let Some(error) = text("error") {
                return Err(error);
            }
            let status = text("status").unwrap_or_default();
            told(Stage::Create(&status));
            is_done = status == "success";
            Ok(())
        })?;
        if is_done { Ok(()) } else { Err(self.failed(what, "it hung up before it said that it had succeeded")) }
    }

    /// Gives a model another name; one that had this name loses it.
    pub(super) fn copy(&self, from: &str, to: &str) -> Result<(), PublishError> {
        let body = json!({ "source": from, "destination": to });
        let request = json_body(self.request(Method::POST, "api/copy", SHORT)?, &body);
        self.send(&format!("give `{from}` the name `{to}`"), request).map(drop)
    }

    /// Removes a name.
    pub(super) fn remove(&self, name: &str) -> Result<(), PublishError> {
        let request = json_body(self.request(Method::DELETE, "api/delete", SHORT)?, &json!({ "model": name }));
        self.send("remove a model", request).map(drop)
    }

    /// What the server says of a model.
    pub(super) fn show(&self, name: &str) -> Result<Map<String, Value>, PublishError> {
        let what = format!("look at `{name}`");
        let request = json_body(self.request(Method::POST, "api/show", SHORT)?, &json!({ "model": name }));
        self.read(&what, self.send(&what, request)?)
    }

    /// How an installed model is asked.
    pub(super) fn settings_of(&self, base: &str) -> Result<Settings, PublishError> {
        let shown = self.show(base)?;
        let text = |key: &str| shown.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("template") {
            "" => Err(self.failed(&format!("take the template of `{base}`"), "it has none")),
            template => Ok(Settings::shown(template, text("system"), text("parameters"))),
        }
    }

    /// The likeliest answer of at most so many tokens.
    pub(super) fn say(&self, model: &str, turns: &[Turn], most: usize) -> Result<Said, PublishError> {
        let body = json!({
            "model": model,
            "messages": turns,
            "stream": false,
            "keep_alive": "1m",
            "options": { "temperature": 0, "top_k": 1, "seed": 1, "num_predict": most, "num_ctx": 2048 },
        });
        let what = "ask the new model";
        self.read(what, self.send(what, json_body(self.request(Method::POST, "api/chat", ANSWER)?, &body))?)
    }

    fn request(&self, method: Method, path: &str, limit: Duration) -> Result<RequestBuilder, PublishError> {
        let url = self.address.join(path).map_err(|error| self.failed("name the address", error.to_string()))?;
        Ok(self.client.request(method, url).timeout(limit))
    }

    /// The answer, if it is a success.
    fn send(&self, what: &str, request: RequestBuilder) -> Result<Response, PublishError> {
        let response = request.send().map_err(|error| self.broken(what, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let mut body = Vec::new();
        // What a server says of an error is short; where it breaks off, what came is shown.
        let _ = response.take(MOST_LINE).read_to_end(&mut body);
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        let said = said.as_ref().and_then(|value| value.get("error")?.as_str()).map(one_line);
        let said = said.unwrap_or_else(|| one_line(&String::from_utf8_lossy(&body)));
        let colon = if said.is_empty() { "" } else { ": " };
        Err(self.failed(what, format!("it answered {status}{colon}{said}")))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, what: &str, response: Response) -> Result<T, PublishError> {
        let mut body = Vec::new();
        response.take(MOST).read_to_end(&mut body).map_err(|error| self.cut(what, &error))?;
        serde_json::from_slice(&body).map_err(|error| self.failed(what, format!("its answer makes no sense: {error}")))
    }

    /// Hands over what the server says line by line, however it is cut on the way.
    fn lines(
        &self,
        what: &str,
        response: Response,
        hear: &mut dyn FnMut(&Value) -> Result<(), String>,
    ) -> Result<(), PublishError> {
        let mut reader = BufReader::new(response.take(MOST));
        loop {
            let mut line = Vec::new();
            let count =
                reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut line).map_err(|why| self.cut(what, &why))?;
            if count == 0 {
                return Ok(());
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let value = serde_json::from_slice(&line)
                .map_err(|error| self.failed(what, format!("a line of its answer makes no sense: {error}")))?;
            hear(&value).map_err(|why| self.failed(what, why))?;
        }
    }

    fn broken(&self, what: &str, error: &reqwest::Error) -> PublishError {
        self.failed(
            what,
            match error {
                error if error.is_timeout() => "it took too long".into(),
                error if error.is_connect() => "nothing listens there: start it with `ollama serve`".to_owned(),
                error => format!("the connection broke: {}", one_line(&notice::chain(error))),
            },
        )
    }

    fn cut(&self, what: &str, error: &std::io::Error) -> PublishError {
        self.failed(what, format!("the connection broke: {}", one_line(&notice::chain(error))))
    }
}

fn json_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(body.to_string())
}

/// A file that tells how much of it was read.
struct Counting<R> {
    inner: R,
    told: Told,
    done: u64,
    all: u64,
    /// What was wrong with it, which is not to be taken for the connection's fault.
    wrong: Arc<Mutex<Option<String>>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(count) => {
                self.done += *count as u64;
                (self.told)(Stage::Upload(self.done, self.all));
            }
            Err(error) => *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string()),
        }
        read
    }
}
