//! The way of yt-dlp into the web: a proxy on loopback that connects only where the source
//! `http` might connect, to addresses it has checked itself.
//!
//! Whoever sends a link makes yt-dlp fetch it, and whatever that page points at. A look at the
//! link alone would not do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::RngExt;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::source::http::guard::Reach;

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    secret: String,
    _stop: DropGuard,
}

/// The longest head of a request.
const MAX_HEAD: usize = 64 * 1024;
/// How long a head, resolving and connecting may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a connection may last.
const LIFE: Duration = Duration::from_mins(10);
/// Connections at a time.
const CONNECTIONS: usize = 256;
/// The only user.
const USER: &str = "backline";

impl Proxy {
    /// Starts a proxy. Has to be called within the async runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(reach: Reach) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let mut random = rand::rng();
        let secret: String = (0..32)
            .map(|_| char::from(b"0123456789abcdef"[random.random_range(0..16)]))
            .collect();
        let expected = format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{USER}:{secret}"))
        );
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, expected, reach, stop.clone()));
        Ok(Self {
            address,
            secret,
            _stop: stop.drop_guard(),
        })
    }

    /// Returns the URL that programs are given.
    pub fn url(&self) -> String {
        format!("http://{USER}:{}@{}", self.secret, self.address)
    }

    /// Takes the secret out of a text that a program wrote.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&self.secret, "…")
    }
}

async fn serve(listener: TcpListener, expected: String, reach: Reach, stop: CancellationToken) {
    let expected: Arc<str> = expected.into();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: the next one may fit again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            continue;
        };
        let (expected, stop) = (Arc::clone(&expected), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                _ended = tokio::time::timeout(LIFE, pass(stream, &expected, reach)) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Serves one connection: a tunnel, or one plain request.
async fn pass(mut client: TcpStream, expected: &str, reach: Reach) -> io::Result<()> {
    let (head, rest) = tokio::time::timeout(PATIENCE, head(&mut client)).await??;
    let request = match Request::read(&head, expected) {
        Ok(request) => request,
        Err(status) => return refuse(&mut client, status).await,
    };
    let connected = tokio::time::timeout(PATIENCE, connect(&request.host, request.port, reach));
    let mut server = match connected.await {
        Ok(Ok(server)) => server,
        Ok(Err(Refused::Private)) => return refuse(&mut client, "403 Forbidden").await,
        Ok(Err(Refused::Unreachable)) | Err(_) => {
            return refuse(&mut client, "502 Bad Gateway").await;
        }
    };
    match request.forwarded {
        None => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
        Some(head) => server.write_all(head.as_bytes()).await?,
    }
    server.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn refuse(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await
}

/// Reads the head of a request, and what came after it.
async fn head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok((head, rest));
        }
        if bytes.len() >= MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What a client asks of the proxy.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    host: String,
    port: u16,
    /// What the server is sent; nothing when the client wants a tunnel.
    forwarded: Option<String>,
}

impl Request {
    /// Reads a head; fails with the status for the client.
    fn read(head: &str, expected: &str) -> Result<Self, &'static str> {
        const BAD: &str = "400 Bad Request";
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (
            first.next().unwrap_or_default(),
            first.next().unwrap_or_default(),
        );
        let mut forwarded = String::new();
        let mut allowed = false;
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(BAD)?;
            let name = name.to_ascii_lowercase();
            if name == "proxy-authorization" {
                allowed = value.trim().as_bytes().ct_eq(expected.as_bytes()).into();
            }
            let of_this_hop = name.starts_with("proxy-") || name == "connection";
            if !of_this_hop {
                forwarded.push_str(line);
                forwarded.push_str("\r\n");
            }
        }
        if !allowed {
            return Err("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic");
        }
        if method == "CONNECT" {
            let url = Url::parse(&format!("https://{target}")).map_err(|_| BAD)?;
            return Ok(Self {
                host: host(&url).ok_or(BAD)?,
                port: url.port_or_known_default().ok_or(BAD)?,
                forwarded: None,
            });
        }
        let url = Url::parse(target).map_err(|_| BAD)?;
        if url.scheme() != "http" {
            return Err(BAD);
        }
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        // Closed after one request: the next one may go elsewhere.
        let forwarded = format!("{method} {path} HTTP/1.1\r\n{forwarded}Connection: close\r\n\r\n");
        Ok(Self {
            host: host(&url).ok_or(BAD)?,
            port: url.port_or_known_default().ok_or(BAD)?,
            forwarded: Some(forwarded),
        })
    }
}

/// Returns a host as resolvers take it: without the brackets of IPv6.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(host.trim_matches(['[', ']']).to_owned())
}

enum Refused {
    Private,
    Unreachable,
}

/// Connects to an address that was checked.
async fn connect(host: &str, port: u16, reach: Reach) -> Result<TcpStream, Refused> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| Refused::Unreachable)?.collect();
    // One private address among public ones is a trick as well.
    if found.iter().any(|address| !reach.allows(address.ip())) {
        return Err(Refused::Private);
    }
    for address in found {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(Refused::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn requests_are_read_as_clients_write_them() {
        let key = "Proxy-Authorization: Basic x\r\n";
        let read = |text: &str| Request::read(text, "Basic x");
        let tunnel = read(&format!("CONNECT a.example:443 HTTP/1.1\r\n{key}\r\n"));
        let tunnel = tunnel.expect("a tunnel");
        assert_eq!((tunnel.host.as_str(), tunnel.port), ("a.example", 443));
        assert_eq!(tunnel.forwarded, None);
        let tunnel = read(&format!("CONNECT [::1]:80 HTTP/1.1\r\n{key}\r\n")).expect("a tunnel");
        assert_eq!((tunnel.host.as_str(), tunnel.port), ("::1", 80));
        let plain = format!(
            "GET http://a.example:81/b?c=d#e HTTP/1.1\r\nHost: a.example\r\n{key}\
             Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n"
        );
        let plain = read(&plain).expect("a request");
        assert_eq!((plain.host.as_str(), plain.port), ("a.example", 81));
        assert_eq!(
            plain.forwarded.as_deref(),
            Some("GET /b?c=d HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        );
        for (text, status) in [
            ("GET http://a.example/ HTTP/1.1\r\n\r\n".to_owned(), "407"),
            (
                "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic y\r\n\r\n".to_owned(),
                "407",
            ),
            (format!("GET / HTTP/1.1\r\n{key}\r\n"), "400"),
            (
                format!("GET file:///etc/passwd HTTP/1.1\r\n{key}\r\n"),
                "400",
            ),
            (format!("CONNECT \r\n{key}\r\n"), "400"),
            (format!("\r\n{key}\r\n"), "400"),
            (String::new(), "407"),
        ] {
            let refused = read(&text).expect_err(&text);
            assert!(refused.starts_with(status), "{text}: {refused}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_and_others_are_reached() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let port = server.local_addr().expect("bound").port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = server.accept().await.expect("a client");
                let (head, _) = head(&mut stream).await.expect("a request");
                let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{head}");
                stream.write_all(answer.as_bytes()).await.expect("sent");
            }
        });
        let ask = async |reach: Reach, credentials: bool, target: String| {
            let proxy = Proxy::start(reach).expect("a port");
            let mut stream = TcpStream::connect(proxy.address).await.expect("connected");
            let key = BASE64_STANDARD.encode(format!("{USER}:{}", proxy.secret));
            let key = if credentials { key } else { "x".into() };
            let request = format!("{target} HTTP/1.1\r\nProxy-Authorization: Basic {key}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            if target.starts_with("CONNECT") && credentials && reach == Reach::Everywhere {
                let _maybe = stream.write_all(b"GET /within HTTP/1.1\r\n\r\n").await;
            }
            let mut answer = String::new();
            let read = tokio::time::timeout(LONG, stream.read_to_string(&mut answer));
            let _reset = read.await.expect("an answer in time");
            answer
        };
        let plain = format!("GET http://127.0.0.1:{port}/a");
        let tunnel = format!("CONNECT localhost:{port}");
        let answer = ask(Reach::Everywhere, true, plain.clone()).await;
        assert!(answer.contains("GET /a HTTP/1.1"), "{answer}");
        let answer = ask(Reach::Everywhere, true, tunnel.clone()).await;
        assert!(answer.contains("GET /within"), "{answer}");
        for target in [&plain, &tunnel] {
            let answer = ask(Reach::Public, true, target.clone()).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            let answer = ask(Reach::Everywhere, false, target.clone()).await;
            assert!(answer.starts_with("HTTP/1.1 407"), "{answer}");
        }
    }
}
