//! A web server that does what it is told, also what it should not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a path is served.
#[derive(Clone)]
pub enum Serve {
    /// The whole file, by ranges.
    File(Arc<Vec<u8>>),
    /// The whole file, whatever range is asked for.
    Plain(Arc<Vec<u8>>),
    /// By ranges, but every connection breaks after this many bytes.
    Breaks(Arc<Vec<u8>>, usize),
    /// Announces the whole file, sends this many bytes and ends; no ranges.
    CutOff(Arc<Vec<u8>>, usize),
    /// Sends this many bytes and then nothing, for ever.
    Stalls(Arc<Vec<u8>>, usize),
    /// A status without a body.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// A body of a type, without ranges.
    Text(&'static str, &'static str),
    /// A body that is made anew for each request.
    Made(&'static str, Make),
    /// Accepts and says nothing.
    Silent,
}

type Make = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// The server; dropped, it ends.
pub struct Web {
    pub address: SocketAddr,
    /// Requests so far.
    pub requests: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Web {
    /// Serves the paths of `site`; others are 404.
    pub async fn start(site: Vec<(&'static str, Serve)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let site = Arc::new(site);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopped.cancelled() => return,
                };
                let Ok((stream, _)) = accepted else { return };
                let (site, counted, stopped) =
                    (Arc::clone(&site), Arc::clone(&counted), stopped.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve(stream, &site, &counted) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            }
        });
        Self {
            address,
            requests,
            _stop: stop.drop_guard(),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    stream: TcpStream,
    site: &[(&'static str, Serve)],
    counted: &AtomicUsize,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let path = line.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let (mut from, mut to) = (None, None);
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            let (first, last) = range.trim().split_once('-').unwrap_or((range, ""));
            from = first.parse::<usize>().ok();
            to = last.parse::<usize>().ok();
        }
    }
    counted.fetch_add(1, Ordering::Relaxed);
    let found = site
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, serve)| serve.clone());
    let stream = stream.get_mut();
    match found.unwrap_or(Serve::Status(404)) {
        Serve::File(bytes) => {
            let at_most = to.map_or(usize::MAX, |to| to + 1 - from.unwrap_or(0));
            part(stream, &bytes, from, at_most).await
        }
        Serve::Breaks(bytes, after) => part(stream, &bytes, from, after).await,
        Serve::Plain(bytes) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes).await
        }
        Serve::CutOff(bytes, after) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes[..after]).await
        }
        Serve::Stalls(bytes, after) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes[..after]).await?;
            std::future::pending().await
        }
        Serve::Status(status) => {
            let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
        Serve::Redirect(to) => {
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
        Serve::Text(kind, text) => {
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{text}"
            );
            stream.write_all(answer.as_bytes()).await
        }
        Serve::Made(kind, make) => {
            let body = make();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Serve::Silent => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(drop)
        }
    }
}

async fn part(
    stream: &mut TcpStream,
    bytes: &[u8],
    from: Option<usize>,
    at_most: usize,
) -> std::io::Result<()> {
    let from = from.unwrap_or(0);
    if from >= bytes.len() {
        let answer = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(answer.as_bytes()).await;
    }
    let (last, total) = (bytes.len() - 1, bytes.len());
    let length = total - from;
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\n\
         Content-Length: {length}\r\nContent-Type: audio/ogg\r\nETag: \"one\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream
        .write_all(&bytes[from..][..length.min(at_most)])
        .await
}
