//! Opens the WebSocket of a voice gateway.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use backline_proto::voice::MAX_FRAME;
use backline_proto::voice::session::gateway_url;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

/// An open voice gateway.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens voice gateways; cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<ClientConfig>,
    plaintext_loopback: bool,
    /// Names that may be looked up at a time: a lookup blocks a thread that others need too.
    lookups: Arc<Semaphore>,
    /// Threads that may do the public-key work of end-to-end encryption at a time.
    pub keywork: Arc<Semaphore>,
    /// How long opening may take.
    pub timeout: Duration,
}

/// Names that are looked up at a time.
const LOOKUPS: usize = 16;

/// Why no dialer could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialerError {
    /// The file of extra authorities is not readable.
    #[error("reading the authorities of `{path}`")]
    Authorities {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds something that is no certificate.
    #[error("trusting the authorities of `{path}`")]
    Certificate {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Why a voice gateway could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// It could not be reached.
    #[error("connecting to the voice server")]
    Connect(#[source] io::Error),
    /// It did not speak TLS or WebSocket as it should.
    #[error("opening the voice WebSocket")]
    Handshake(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// It was too slow.
    #[error("the voice server did not answer in time")]
    TimedOut,
}

impl Dialer {
    /// Returns a dialer that trusts Mozilla's roots and those of `extra_ca`.
    ///
    /// # Errors
    /// When `extra_ca` cannot be read.
    pub fn new(
        extra_ca: Option<&Path>,
        plaintext_loopback: bool,
        timeout: Duration,
    ) -> Result<Self, DialerError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(file) = extra_ca {
            let path = file.display().to_string();
            let unreadable = |source| DialerError::Authorities {
                path: path.clone(),
                source,
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
                roots
                    .add(certificate.map_err(unreadable)?)
                    .map_err(|source| DialerError::Certificate {
                        path: path.clone(),
                        source,
                    })?;
            }
        }
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            tls: Arc::new(tls),
            plaintext_loopback,
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            keywork: Arc::new(Semaphore::new(cores)),
            timeout,
        })
    }

    /// Returns the URL of the gateway at `endpoint`, which is a host and perhaps a port; `None`
    /// if it is something else.
    pub fn url(&self, endpoint: &str) -> Option<String> {
        let endpoint = endpoint.trim();
        let bare = Ipv6Addr::from_str(endpoint).map(|address| format!("[{address}]"));
        let endpoint = bare.as_deref().unwrap_or(endpoint);
        let plain = self.plaintext_loopback && is_loopback(endpoint);
        let url = gateway_url(if plain { "ws" } else { "wss" }, endpoint);
        let parsed = url::Url::parse(&url).ok()?;
        let only_host = parsed.host_str().is_some_and(|host| !host.is_empty())
            && parsed.path() == "/"
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query() == Some("v=8")
            && parsed.fragment().is_none()
            && parsed.port() != Some(0)
            && !endpoint.contains(['/', '\\', '?', '#', '@']);
        only_host.then_some(url)
    }

    /// Opens the gateway at `url`, within the time-out.
    pub async fn open(&self, url: &str) -> Result<Socket, DialError> {
        tokio::time::timeout(self.timeout, self.open_unbounded(url))
            .await
            .map_err(|_| DialError::TimedOut)?
    }

    async fn open_unbounded(&self, url: &str) -> Result<Socket, DialError> {
        let invalid = || DialError::Connect(io::ErrorKind::InvalidInput.into());
        let parsed = url::Url::parse(url).map_err(|_| invalid())?;
        let host = parsed
            .host_str()
            .ok_or_else(invalid)?
            .trim_matches(['[', ']']);
        let port = match (parsed.port(), parsed.scheme()) {
            (Some(port), _) => port,
            (None, "ws") => 80,
            (None, _) => 443,
        };
        let stream = if let Ok(address) = IpAddr::from_str(host) {
            TcpStream::connect((address, port)).await
        } else {
            let addresses = {
                let _permit = self.lookups.acquire().await;
                tokio::net::lookup_host((host, port)).await
            };
            let addresses: Vec<_> = addresses.map_err(DialError::Connect)?.collect();
            TcpStream::connect(&addresses[..]).await
        };
        let stream = stream.map_err(DialError::Connect)?;
        stream.set_nodelay(true).map_err(DialError::Connect)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let opened = tokio_tungstenite::client_async_tls_with_config(
            url,
            stream,
            Some(config),
            Some(connector),
        );
        let (socket, _) = opened
            .await
            .map_err(|error| DialError::Handshake(Box::new(error)))?;
        Ok(socket)
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Dialer")
            .field("plaintext_loopback", &self.plaintext_loopback)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let Ok(url) = url::Url::parse(&format!("ws://{endpoint}")) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_spoken_to_without_tls_and_only_when_allowed() {
        let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (endpoint, loopback) in [
            ("127.0.0.1:4000", true),
            ("localhost:1", true),
            ("[::1]:9", true),
            ("127.0.0.1.example.com:443", false),
            ("localhost.example.com", false),
            ("user@127.0.0.1@example.com:1", false),
            ("example.com:443", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(endpoint), loopback, "{endpoint}");
            let strict = Dialer::new(None, false, Duration::from_secs(1)).expect("a dialer");
            let url = strict.url(endpoint);
            assert!(
                url.is_none_or(|url| url.starts_with("wss://")),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn an_endpoint_is_a_host_and_perhaps_a_port() {
        let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dialer = Dialer::new(None, false, Duration::from_secs(1)).expect("a dialer");
        for (endpoint, url) in [
            ("voice.example", Some("wss://voice.example/?v=8")),
            (" voice.example:443 ", Some("wss://voice.example:443/?v=8")),
            ("192.0.2.1:4000", Some("wss://192.0.2.1:4000/?v=8")),
            ("2001:db8::1", Some("wss://[2001:db8::1]/?v=8")),
            ("[2001:db8::1]:4000", Some("wss://[2001:db8::1]:4000/?v=8")),
            ("", None),
            (":443", None),
            ("voice.example:0", None),
            ("voice.example:99999", None),
            ("voice.example/path", None),
            ("voice.example?v=4", None),
            ("voice.example#x", None),
            ("user@voice.example", None),
            ("wss://voice.example", None),
            ("two words", None),
        ] {
            assert_eq!(dialer.url(endpoint).as_deref(), url, "{endpoint:?}");
        }
    }
}
