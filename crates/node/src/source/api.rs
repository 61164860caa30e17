//! Asks JSON APIs whose addresses come from the configuration.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

/// A JSON API; cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: Url,
    timeout: Duration,
}

/// Why an API gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// It could not be reached.
    #[error("the server could not be reached")]
    Connect,
    /// It was late.
    #[error("the server did not answer in time")]
    TimedOut,
    /// It refused.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// It said too much.
    #[error("the server answered more than {MAX_BODY} bytes")]
    TooLong,
    /// It said something else.
    #[error("the server did not answer with JSON")]
    Json,
}

/// The longest answer that is read.
const MAX_BODY: usize = 8 << 20;

/// Returns a client for APIs; their addresses are the operator's choice and may be private.
///
/// # Errors
/// When no HTTP client can be made, which means that TLS is not set up.
pub fn client() -> reqwest::Result<Client> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        // Followed, a redirect would take credentials elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("Backline/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Api {
    /// Returns the API at `base`.
    pub fn new(client: &Client, base: &Url, timeout_ms: u32) -> Self {
        Self {
            client: client.clone(),
            base: base.clone(),
            timeout: Duration::from_millis(timeout_ms.into()),
        }
    }

    /// Returns a GET of a path: its parts, which are escaped, and its parameters.
    pub fn get(&self, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        self.client.get(self.url(path, query))
    }

    /// Returns a POST.
    pub fn post(&self, path: &[&str]) -> RequestBuilder {
        self.client.post(self.url(path, &[]))
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Value, ApiError> {
        tokio::time::timeout(self.timeout, send(request))
            .await
            .map_err(|_| ApiError::TimedOut)?
    }
}

async fn send(request: RequestBuilder) -> Result<Value, ApiError> {
    let mut response = request.send().await.map_err(|_| ApiError::Connect)?;
    if !response.status().is_success() {
        return Err(ApiError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| ApiError::Connect)? {
        if body.len() + part.len() > MAX_BODY {
            return Err(ApiError::TooLong);
        }
        body.extend_from_slice(&part);
    }
    serde_json::from_slice(&body).map_err(|_| ApiError::Json)
}

impl ApiError {
    /// Whether what was asked for is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status(StatusCode::NOT_FOUND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_cannot_leave_it() {
        let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = client().expect("a client");
        for (base, path, expected) in [
            (
                "https://a.example",
                ["v1", "x"],
                "https://a.example/v1/x?q=a+b",
            ),
            (
                "https://a.example/sub/",
                ["..", "x"],
                "https://a.example/sub/x?q=a+b",
            ),
            (
                "https://a.example/",
                ["a/b", "?c"],
                "https://a.example/a%2Fb/%3Fc?q=a+b",
            ),
        ] {
            let api = Api::new(&client, &base.parse().expect("a URL"), 100);
            assert_eq!(api.url(&path, &[("q", "a b")]).as_str(), expected);
        }
    }
}
