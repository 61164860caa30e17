//! Services on the web, as far as they were recorded: fixed answers on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use reqwest::Url;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Answers, by path with decoded query; a 404 for all else.
pub struct Apis {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    _stop: DropGuard,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub authorization: Option<String>,
    pub body: String,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<HashMap<String, Value>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Apis {
    pub async fn start(answers: &[(&str, Value)]) -> Self {
        let answers = answers.iter().cloned();
        let shared = Shared {
            answers: Arc::new(
                answers
                    .map(|(path, value)| (path.to_owned(), value))
                    .collect(),
            ),
            seen: Arc::default(),
        };
        let seen = Arc::clone(&shared.seen);
        let router = Router::new().fallback(answer).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let served = axum::serve(listener, router);
            tokio::select! {
                served = served => served.unwrap(),
                () = stopped.cancelled() => {}
            }
        });
        Self {
            address,
            seen,
            _stop: stop.drop_guard(),
        }
    }

    pub fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Returns the requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = Url::parse("http://x")
        .unwrap()
        .join(&uri.to_string())
        .unwrap();
    let query: Vec<String> = path
        .query_pairs()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let path = if query.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), query.join("&"))
    };
    let authorization = headers.get("authorization");
    shared.seen.lock().unwrap().push(Request {
        path: path.clone(),
        authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    match shared.answers.get(&path) {
        Some(value) => Json(value).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
