//! A web server on loopback with audio files, and with what goes wrong on web servers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The server; dropped, it ends.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    _stop: DropGuard,
}

/// How a path is served.
#[derive(Debug, Clone)]
enum Serve {
    /// A file of a type, by ranges.
    File(&'static str, Arc<[u8]>),
    /// So many bytes of a file whose length is told, and then nothing for ever.
    Stalls(Arc<[u8]>, usize),
    /// A status without a body.
    Status(u16),
    /// A redirect to another path.
    Redirect(&'static str),
}

type Site = HashMap<&'static str, Serve>;

impl Web {
    /// Starts it, with further files: path, type, content.
    ///
    /// # Errors
    /// No port of 127.0.0.1 could be bound.
    pub async fn start(
        further: &[(&'static str, &'static str, Arc<[u8]>)],
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut site = site();
        for (path, kind, bytes) in further {
            site.insert(path, Serve::File(kind, Arc::clone(bytes)));
        }
        let site = Arc::new(site);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopped.cancelled() => return,
                };
                let Ok((stream, _)) = accepted else { return };
                let (site, stopped) = (Arc::clone(&site), stopped.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve(stream, &site) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            }
        });
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// Returns the address of a file.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

/// Returns what there is: a two-second sweep in every format, long and short tones.
fn site() -> Site {
    let file = |kind, bytes: &'static [u8]| Serve::File(kind, Arc::from(bytes));
    let long: Arc<[u8]> = tone(60.0).into();
    HashMap::from([
        (
            "/sweep.opus",
            file(
                "audio/ogg",
                include_bytes!("../../../../assets/signals/sweep.opus"),
            ),
        ),
        (
            "/sweep.webm",
            file(
                "audio/webm",
                include_bytes!("../../../../assets/signals/sweep.webm"),
            ),
        ),
        (
            "/sweep.mp3",
            file(
                "audio/mpeg",
                include_bytes!("../../../../assets/signals/sweep.mp3"),
            ),
        ),
        (
            "/sweep.flac",
            file(
                "audio/flac",
                include_bytes!("../../../../assets/signals/sweep.flac"),
            ),
        ),
        (
            "/sweep.ogg",
            file(
                "audio/ogg",
                include_bytes!("../../../../assets/signals/sweep.ogg"),
            ),
        ),
        (
            "/sweep.m4a",
            file(
                "audio/mp4",
                include_bytes!("../../../../assets/signals/sweep.m4a"),
            ),
        ),
        ("/short.wav", Serve::File("audio/wav", tone(1.0).into())),
        ("/second.wav", Serve::File("audio/wav", tone(1.2).into())),
        ("/long.wav", Serve::File("audio/wav", Arc::clone(&long))),
        ("/stalls.wav", Serve::Stalls(long, 48_000 * 2 * 2)),
        (
            "/page.html",
            file(
                "text/html",
                b"<!doctype html><title>no music</title><p>none",
            ),
        ),
        ("/empty.mp3", file("audio/mpeg", b"")),
        ("/forbidden.mp3", Serve::Status(403)),
        ("/broken.mp3", Serve::Status(500)),
        ("/moved.wav", Serve::Redirect("/short.wav")),
        ("/circle.wav", Serve::Redirect("/circle.wav")),
        (
            "/list.m3u",
            file("audio/x-mpegurl", b"#EXTM3U\n#EXTINF:1,A tone\nshort.wav\n"),
        ),
    ])
}

/// Returns a WAV file with a tone: 48 kHz, mono, 16 bits.
fn tone(seconds: f32) -> Vec<u8> {
    let frames = (48_000.0 * seconds) as u32;
    let bytes = frames * 2;
    let mut file = Vec::with_capacity(bytes as usize + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(bytes + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&48_000_u32.to_le_bytes());
    file.extend_from_slice(&96_000_u32.to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    for frame in 0..frames {
        let phase = frame as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU;
        let value = (phase.sin() * 12_000.0) as i16;
        file.extend_from_slice(&value.to_le_bytes());
    }
    file
}

async fn serve(stream: TcpStream, site: &Site) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream)
        .take(LONGEST_HEAD)
        .read_line(&mut line)
        .await?;
    let head_only = line.starts_with("HEAD ");
    let path = line.split_whitespace().nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or(path).to_owned();
    let mut from = None;
    loop {
        line.clear();
        (&mut stream)
            .take(LONGEST_HEAD)
            .read_line(&mut line)
            .await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range
                .split('-')
                .next()
                .and_then(|from| from.trim().parse().ok());
        }
    }
    let stream = stream.get_mut();
    match site
        .get(path.as_str())
        .cloned()
        .unwrap_or(Serve::Status(404))
    {
        Serve::File(kind, bytes) => part(stream, kind, &bytes, from, head_only).await,
        Serve::Stalls(bytes, after) => {
            let length = bytes.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes[..after]).await?;
            std::future::pending().await
        }
        Serve::Status(status) => {
            let answer = format!(
                "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await
        }
        Serve::Redirect(to) => {
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await
        }
    }
}

async fn part(
    stream: &mut TcpStream,
    kind: &str,
    bytes: &[u8],
    from: Option<usize>,
    head_only: bool,
) -> std::io::Result<()> {
    let total = bytes.len();
    let from = match from {
        Some(from) if from >= total => {
            let answer = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(answer.as_bytes()).await;
        }
        from => from,
    };
    let (status, range) = match from {
        None => ("200 OK", String::new()),
        Some(from) => (
            "206 Partial Content",
            format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1),
        ),
    };
    let rest = &bytes[from.unwrap_or(0)..];
    let head = format!(
        "HTTP/1.1 {status}\r\n{range}Content-Length: {}\r\nContent-Type: {kind}\r\n\
         Accept-Ranges: bytes\r\nETag: \"one\"\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if head_only {
        return Ok(());
    }
    stream.write_all(rest).await
}

/// The longest line of a request, in bytes.
const LONGEST_HEAD: u64 = 16 * 1024;
