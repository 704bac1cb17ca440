//! How do requests get in, and webhooks out?

use crate::faults::{self, What};
use crate::state::State;
use crate::wire::{Reply, Request, pairs};
use crate::{Error, answer, hooks};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// The state, and the way to the courier of its webhooks.
pub(crate) struct Shared {
    state: Mutex<State>,
    courier: Mutex<Option<Sender<usize>>>,
    under_way: Mutex<usize>,
    settled: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Makes the state shared and starts the courier, who ends when the state does.
    pub(crate) fn start(state: State) -> Result<Arc<Self>, Error> {
        let (send, receive) = channel();
        let shared = Arc::new(Self {
            state: Mutex::new(state),
            courier: Mutex::new(Some(send)),
            under_way: Mutex::new(0),
            settled: Condvar::new(),
        });
        let weak = Arc::downgrade(&shared);
        let run = move || courier(&receive, &weak);
        std::thread::Builder::new().name("courier".to_owned()).spawn(run).map_err(|e| Error::Server(e.to_string()))?;
        Ok(shared)
    }

    /// Does something with the state; webhooks it made go out.
    pub(crate) fn with<T>(&self, deed: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = deed(&mut state);
        let post = std::mem::take(&mut state.outbox);
        *lock(&self.under_way) += post.len();
        if let Some(courier) = &*lock(&self.courier) {
            for at in post {
                let _ = courier.send(at);
            }
        }
        result
    }

    /// Waits until every webhook was answered or given up; whether that was in time.
    pub(crate) fn settle(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut left = lock(&self.under_way);
        while *left > 0 {
            let Some(rest) = end.checked_duration_since(Instant::now()) else { return false };
            left = self.settled.wait_timeout(left, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(crate) fn stop(&self) {
        lock(&self.courier).take();
    }
}

/// Carries webhooks out one by one, in order.
fn courier(post: &Receiver<usize>, shared: &std::sync::Weak<Shared>) {
    let client = reqwest::blocking::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let Ok(client) = client else { return };
    while let Ok(at) = post.recv() {
        let Some(shared) = shared.upgrade() else { return };
        let (url, id, secret, delivery) = {
            let state = lock(&shared.state);
            (state.app.hook_url.clone(), state.app.id, state.app.secret.clone(), state.deliveries[at].clone())
        };
        let status = url.map_or(0, |url| hooks::deliver(&client, &url, (id, &secret), &delivery));
        {
            let mut state = lock(&shared.state);
            state.deliveries[at].status = status;
            state.deliveries[at].done = true;
        }
        *lock(&shared.under_way) -= 1;
        shared.settled.notify_all();
    }
}

/// Takes connections until the runtime is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, shared.clone()));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| exchange(request, shared.clone()));
    let http = hyper::server::conn::http1::Builder::new();
    // An error here is the connection being cut: by the other side, or by a fault.
    drop(http.serve_connection(TokioIo::new(stream), service).await);
}

async fn exchange(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<hyper::Response<Full<Bytes>>, Error> {
    let mut request = read(request).await?;
    if shared.with(|state| state.enterprise) {
        request.path = on_github_com(&request.path);
    }
    wait(&shared, &request).await;
    let done = tokio::task::spawn_blocking(move || shared.with(|state| answer::answer(state, &request)));
    let reply = done.await.map_err(|e| Error::Server(e.to_string()))?;
    if reply.cut { Err(Error::Server("cut by a fault".to_owned())) } else { write(reply) }
}

/// A path of GitHub Enterprise Server as github.com has it; what is REST and not below `/api/v3` is nowhere.
fn on_github_com(path: &str) -> String {
    match path.strip_prefix("/api/") {
        Some("graphql") => "/graphql".to_owned(),
        Some(rest) => rest.strip_prefix("v3").map_or_else(|| format!("/nowhere{path}"), str::to_owned),
        None if path.contains(".git/") => path.to_owned(),
        None => format!("/nowhere{path}"),
    }
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|e| Error::Server(e.to_string()))?.to_bytes().to_vec();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let text = |v: &hyper::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    Ok(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: pairs(&raw_query),
        raw_query,
        headers: head.headers.iter().map(|(k, v)| (k.as_str().to_owned(), text(v))).collect(),
        body,
    })
}

/// A slow answer is waited for here, where nobody else has to wait with it.
async fn wait(shared: &Shared, request: &Request) {
    let slow = shared.with(|state| faults::slowness(&mut state.faults, &request.method, &request.path));
    if let Some(What::Slow(time)) = slow {
        tokio::time::sleep(time).await;
    }
}

fn write(reply: Reply) -> Result<hyper::Response<Full<Bytes>>, Error> {
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(reply.body))).map_err(|e| Error::Server(e.to_string()))
}
