//! The internal port: `/livez`, `/readyz`, `/metrics`.

use std::io;
use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Health;
use crate::metrics::{self, Metrics};
use crate::net::serve::{self, Bounds};

/// The internal port, while it is served.
#[derive(Debug)]
pub struct InternalServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Why the internal port is not served.
#[derive(Debug, thiserror::Error)]
#[error("the internal port {bind} cannot be served")]
pub struct ServeError {
    bind: SocketAddr,
    #[source]
    source: io::Error,
}

impl InternalServer {
    /// Returns where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has ended.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(error = %error, "internal port died");
        }
    }
}

/// Serves the internal port until `shutdown`, which should come last of all: a process that
/// drains says so here.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    bind: SocketAddr,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> Result<InternalServer, ServeError> {
    let failed = |source| ServeError { bind, source };
    let listener = TcpListener::bind(bind).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(expose))
        .with_state((health, metrics));
    let task = tokio::spawn(async move {
        let bounds = Bounds {
            connections: 256,
            ..Bounds::default()
        };
        // Not graceful: nobody's answer here is worth waiting for.
        tokio::select! {
            () = serve::serve(listener, routes, bounds, CancellationToken::new()) => {}
            () = shutdown.cancelled() => {}
        }
    });
    tracing::info!(server.address = %address, "internal port is served");
    Ok(InternalServer { address, task })
}

async fn readyz(State((health, _)): State<(Health, Metrics)>) -> Response {
    let report = health.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

async fn expose(State((_, metrics)): State<(Health, Metrics)>) -> Response {
    (
        [
            (CONTENT_TYPE, metrics::CONTENT_TYPE),
            (CACHE_CONTROL, "no-store"),
        ],
        metrics.encode(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::client;

    #[tokio::test]
    async fn the_internal_port_tells_how_the_process_is() {
        let health = Health::new();
        let gateway = health.component("gateway");
        let shutdown = CancellationToken::new();
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = serve(bind, health.clone(), Metrics::new(), shutdown.clone())
            .await
            .expect("serves");
        let client = client::build(&client::Options::default()).expect("builds");
        let address = server.local_addr();
        let get = async |path: &str| {
            let answer = client
                .get(format!("http://{address}{path}"))
                .send()
                .await
                .expect("answers");
            let kind = answer.headers()["content-type"]
                .to_str()
                .expect("text")
                .to_owned();
            (
                answer.status().as_u16(),
                kind,
                answer.text().await.expect("text"),
            )
        };

        assert_eq!(get("/livez").await.0, 200);
        let (status, kind, body) = get("/readyz").await;
        assert_eq!((status, kind.as_str()), (503, "application/json"));
        assert_eq!(
            body,
            r#"{"ready":false,"draining":false,"components":{"gateway":{"state":"starting","for_s":0}}}"#
        );

        gateway.ready();
        assert_eq!(get("/readyz").await.0, 200);
        gateway.down("Discord is away");
        let (status, _, body) = get("/readyz").await;
        assert_eq!(status, 503);
        assert!(
            body.contains(r#""state":"down","detail":"Discord is away""#),
            "{body}"
        );

        gateway.ready();
        health.drain();
        let (status, _, body) = get("/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains(r#""draining":true"#), "{body}");
        assert_eq!(get("/livez").await.0, 200, "a process that drains is alive");

        let (status, kind, body) = get("/metrics").await;
        assert_eq!(status, 200);
        assert_eq!(
            kind,
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        assert!(body.ends_with("# EOF\n"), "{body}");

        shutdown.cancel();
        server.stopped().await;
        assert!(
            client
                .get(format!("http://{address}/livez"))
                .send()
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let bind = taken.local_addr().expect("bound");
        let error = serve(
            bind,
            Health::new(),
            Metrics::new(),
            CancellationToken::new(),
        )
        .await
        .expect_err("is taken");
        assert_eq!(
            error.to_string(),
            format!("the internal port {bind} cannot be served")
        );
    }
}
