//! Many deliveries, one write to disk: whoever comes while a transaction is being written shares the next one.

use std::{sync::Arc, thread};

use tokio::sync::{mpsc, oneshot};

use super::Refusal;
use crate::{
    clock,
    queue::{Arrival, Put, Queue, QueueError},
};

/// The most deliveries of one transaction.
const MOST: usize = 256;

/// How many deliveries wait for the disk before others are turned away.
const WAITING: usize = 4096;

type Waiting = (Arrival, oneshot::Sender<Result<Put, Arc<QueueError>>>);

/// Hands arrivals to the one thread that writes them.
#[derive(Clone)]
pub(crate) struct Batcher(mpsc::Sender<Waiting>);

impl Batcher {
    /// Starts the thread. `arrived` is called after each transaction that queued something.
    pub(crate) fn start<Q: Queue>(queue: Arc<Q>, arrived: impl Fn() + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        thread::spawn(move || write(receiver, &*queue, &arrived));
        Self(sender)
    }

    /// Returns when the arrival is on disk.
    pub(crate) async fn put(&self, arrival: Arrival) -> Result<Put, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.0.try_send((arrival, sender)).map_err(|_| Refusal::Closing)?;
        Ok(receiver.await.map_err(|_| Refusal::Closing)??)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.0.is_closed()
    }
}

fn write<Q: Queue>(mut receiver: mpsc::Receiver<Waiting>, queue: &Q, arrived: &dyn Fn()) {
    let mut waiting = Vec::with_capacity(MOST);
    while receiver.blocking_recv_many(&mut waiting, MOST) > 0 {
        let (arrivals, senders): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        match queue.put(&arrivals, clock::now()) {
            Ok(put) => {
                let any = put.contains(&Put::Queued);
                senders.into_iter().zip(put).for_each(|(sender, put)| drop(sender.send(Ok(put))));
                if any {
                    arrived();
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                senders.into_iter().for_each(|sender| drop(sender.send(Err(Arc::clone(&error)))));
            }
        }
    }
}
