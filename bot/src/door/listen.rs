//! Connections: so many at once, each with so much time, and an end that lets those under way finish.

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time};

/// The most connections at once; others wait in the system's queue.
const CONNECTIONS: usize = 2048;

/// How long a connection may stay when the server ends.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until `end` is there. Every request, headers and body, has to arrive within `patience`, so that a client that
/// drips bytes holds nothing for long.
pub(crate) async fn serve(listener: TcpListener, routes: Router, patience: Duration, end: impl Future<Output = ()>) {
    let (room, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_headers(100);
    tokio::pin!(end);
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        let stream = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => accepted,
        };
        let (Ok((stream, _)), Ok(permit)) = (stream, permit) else {
            // Too many open files, mostly; the next try may do better.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(routes.clone().layer(axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| async move {
                let late = (axum::http::StatusCode::REQUEST_TIMEOUT, "too slow\n");
                time::timeout(patience, next.run(request)).await.map_err(|_| late)
            },
        )));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}
