//! Which models has an Ollama server, and how does it get another or lose one?

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        Access,
        address::{Refusal, SHORT_LIMIT, ServerError, one_line},
        chat::ModelError,
    },
    server::{Cut, Flow, Server, full_name},
};

/// How long a server that fetches a model may tell nothing: it reads all of a large file to check it.
const STALL: Duration = Duration::from_secs(600);

/// A model that an Ollama server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name with its tag.
    pub name: String,
    /// Bytes of its weights.
    pub bytes: u64,
    /// Its family, as `qwen2`; empty where the server does not tell.
    pub family: String,
    /// How its weights are stored, as `Q4_K_M`; empty where the server does not tell.
    pub quantization: String,
}

/// What the server has, if it answers within `limit`.
///
/// # Errors
/// [`ModelError::Remote`] where it is not this machine and none else may be asked, [`ModelError::Server`] when it does
/// not answer.
pub fn list(access: &Access, limit: Duration) -> Result<Vec<Listed>, ModelError> {
    let server = Server::find(&access.ollama, access.allow_remote)?;
    let tags = server.tags(limit)?.unwrap_or_default();
    let listed = |tag: super::server::Tag| Listed {
        name: one_line(&tag.name),
        bytes: tag.size,
        family: one_line(&tag.details.family),
        quantization: one_line(&tag.details.quantization_level),
    };
    Ok(tags.into_iter().map(listed).collect())
}

/// Lets the server fetch a model. `told` hears what it does, and how many bytes of how many it has.
///
/// # Errors
/// [`ModelError::Missing`] when there is no such model to fetch, [`ModelError::Server`] and [`ModelError::Remote`] when
/// the server cannot do it, [`ModelError::Stopped`] when `stop` was set; the server keeps what it has by then.
pub fn pull(
    model: &str,
    access: &Access,
    stop: &AtomicBool,
    told: &mut dyn FnMut(&str, u64, u64),
) -> Result<(), ModelError> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        status: String,
        #[serde(default)]
        total: u64,
        #[serde(default)]
        completed: u64,
        error: Option<String>,
    }
    let server = Server::find(&access.ollama, access.allow_remote)?;
    let place = &server.place;
    let failed = |why: String| ModelError::from(place.failed(why));
    let request = server.client.post(place.at("api/pull")?).json(&json!({ "model": model, "stream": true }));
    let (last, mut is_done) = (Cell::new(Instant::now()), false);
    let pulse = || match stop.load(Ordering::Relaxed) {
        true => Err(ModelError::Stopped),
        false if last.get().elapsed() > STALL => Err(failed("it told nothing for ten minutes".into())),
        false => Ok(()),
    };
    let ended = server.lines(request, &pulse, &mut |line| {
        last.set(Instant::now());
        let line: Line = serde_json::from_slice(line).map_err(|error| failed(format!("it spoke nonsense: {error}")))?;
        if let Some(error) = line.error {
            return Err(unfetched(&server, model, &one_line(&error)));
        }
        told(&one_line(&line.status), line.completed, line.total);
        is_done = line.status == "success";
        Ok(if is_done { Flow::Enough } else { Flow::More })
    });
    match ended {
        Ok(()) if is_done => Ok(()),
        Ok(()) => Err(failed("it hung up before it had the model; run it again, it goes on where it was".into())),
        Err(Cut::Own(error)) => Err(error),
        Err(Cut::Refused(Refusal::Status(_, said))) => Err(unfetched(&server, model, &said)),
        Err(Cut::Refused(refusal)) => Err(place.refused(&refusal).into()),
    }
}

/// Why the server could not fetch a model.
fn unfetched(server: &Server, model: &str, said: &str) -> ModelError {
    if said.contains("does not exist") || said.contains("not found") {
        let (address, model) = (server.place.shown.clone(), model.to_owned());
        return ServerError::Lacks { address, model, advice: format!("nor can it be fetched: {said}") }.into();
    }
    server.place.failed(format!("it could not fetch `{model}`: {said}")).into()
}

/// Lets the server drop a model.
///
/// # Errors
/// [`ModelError::Missing`] when it does not have the model, [`ModelError::Server`] and [`ModelError::Remote`] when it
/// cannot be asked.
pub fn remove(model: &str, access: &Access) -> Result<(), ModelError> {
    let server = Server::find(&access.ollama, access.allow_remote)?;
    let request = server.client.delete(server.place.at("api/delete")?).json(&json!({ "model": full_name(model) }));
    let done: Result<(), Cut<ModelError>> =
        server.lines(request.timeout(SHORT_LIMIT), &|| Ok(()), &mut |_| Ok(Flow::More));
    match done {
        Ok(()) => Ok(()),
        Err(Cut::Own(error)) => Err(error),
        Err(Cut::Refused(Refusal::Status(StatusCode::NOT_FOUND, _))) => {
            let (address, model) = (server.place.shown.clone(), model.to_owned());
            Err(ServerError::Lacks { address, model, advice: "nothing was removed".into() }.into())
        }
        Err(Cut::Refused(refusal)) => Err(server.place.refused(&refusal).into()),
    }
}
