//! The one HTTP client.

use std::time::Duration;

use rustls_pki_types::CertificateDer;

use super::tls;

/// How a client behaves. The defaults fit calls to services of our own choice; URLs that
/// strangers choose need [`guard`](super::guard) beside it.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a server may send nothing.
    pub read_timeout: Duration,
    /// Authorities that are trusted beside Mozilla's.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            authorities: Vec::new(),
        }
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An authority is no certificate.
    #[error("a certificate authority was refused")]
    Authority(#[source] rustls::Error),
    /// The library refused.
    #[error("the HTTP client could not be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Returns a client. It follows no redirects, takes no proxy from the environment and keeps no
/// cookies: whoever wants one of them says so where it is needed.
///
/// # Errors
/// See [`ClientError`].
pub fn build(options: &Options) -> Result<reqwest::Client, ClientError> {
    let tls = tls::client_config(&options.authorities).map_err(ClientError::Authority)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .build()
        .map_err(|error| ClientError::Client(Box::new(error)))
}

/// How we introduce ourselves.
pub const USER_AGENT: &str = concat!("Backline/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::response::Redirect;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_client_introduces_itself_and_follows_no_redirect() {
        let agent = |headers: HeaderMap| async move {
            headers["user-agent"].to_str().expect("text").to_owned()
        };
        let routes = Router::new()
            .route("/", get(agent))
            .route("/moved", get(|| async { Redirect::temporary("/") }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = build(&Options::default()).expect("builds");
        let text = async |path: &str| {
            let answer = client
                .get(format!("http://{address}{path}"))
                .send()
                .await
                .expect("answers");
            (answer.status().as_u16(), answer.text().await.expect("text"))
        };
        assert_eq!(text("/").await, (200, USER_AGENT.to_owned()));
        assert_eq!(text("/moved").await.0, 307);
        server.abort();
    }
}
