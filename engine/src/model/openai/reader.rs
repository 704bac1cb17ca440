//! Who waits for a server while it says nothing?
//!
//! A blocking read cannot be interrupted. So a thread of its own reads, and whoever asks listens to it for as long as he likes.

use std::{
    io::Read as _,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use reqwest::blocking::{RequestBuilder, Response};

use super::super::{address::Refusal, stream::MOST_LINE};

/// What the reading thread hands over.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Failed(Refusal),
}

/// Sends a request and reads what comes on a thread of its own, which ends when nobody takes it any more.
pub(super) fn read_aside(request: RequestBuilder) -> Result<Receiver<Piece>, String> {
    let (sender, receiver) = sync_channel(16);
    let aside = thread::Builder::new().name("model-answer".to_owned());
    aside.spawn(move || read(request, &sender)).map_err(|error| format!("no thread to read it with: {error}"))?;
    Ok(receiver)
}

/// An error of a send says that nobody listens any more; then there is nothing left to do.
fn read(request: RequestBuilder, sender: &SyncSender<Piece>) {
    let failed = |refusal| drop(sender.send(Piece::Failed(refusal)));
    let mut response = match request.send() {
        Ok(response) => response,
        Err(error) => return failed(Refusal::of(&error, Duration::ZERO)),
    };
    if !response.status().is_success() {
        return refuse(response, sender);
    }
    let mut buffer = vec![0; 16 << 10];
    loop {
        match response.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) if sender.send(Piece::Bytes(buffer[..count].to_vec())).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return failed(of_io(&error)),
        }
    }
}

fn refuse(response: Response, sender: &SyncSender<Piece>) {
    let status = response.status();
    let mut body = Vec::new();
    // What came of the reason is better than none.
    let _ = response.take(MOST_LINE as u64).read_to_end(&mut body);
    if let Some(refusal) = Refusal::of_status(status, &body) {
        let _ = sender.send(Piece::Failed(refusal));
    }
}

fn of_io(error: &std::io::Error) -> Refusal {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>()) {
        Some(error) => Refusal::of(error, Duration::ZERO),
        None => Refusal::Broken(error.to_string()),
    }
}
