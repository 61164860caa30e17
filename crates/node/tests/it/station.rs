//! A radio server that sends what it is told, to any number of listeners, as it comes about.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a station sends.
pub struct Programme {
    pub content_type: &'static str,
    /// What every listener hears first.
    pub head: Vec<u8>,
    /// What is sent next, by its number; everybody hears the same at the same time.
    pub pieces: Vec<Vec<u8>>,
    /// How long a piece lasts.
    pub pace: Duration,
    /// How many pieces a new listener gets at once.
    pub burst: usize,
    /// Bytes between titles.
    pub interval: Option<usize>,
    /// Every connection is cut after so many pieces.
    pub cut_after: Option<usize>,
}

/// The server; dropped, it ends.
pub struct Station {
    pub address: SocketAddr,
    pub title: Arc<Mutex<String>>,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    /// Connections now.
    pub listeners: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Station {
    pub async fn start(programme: Programme) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let listeners = Arc::<AtomicUsize>::default();
        let title = Arc::new(Mutex::new("Somebody - Something".to_owned()));
        let stop = CancellationToken::new();
        let air = Arc::new(Air {
            programme,
            title: Arc::clone(&title),
            started: tokio::time::Instant::now(),
        });
        let (counted, open, stopped) = (
            Arc::clone(&connections),
            Arc::clone(&listeners),
            stop.clone(),
        );
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopped.cancelled() => return,
                };
                let Ok((stream, _)) = accepted else { return };
                let (air, counted, open, stopped) = (
                    Arc::clone(&air),
                    Arc::clone(&counted),
                    Arc::clone(&open),
                    stopped.clone(),
                );
                tokio::spawn(async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                    open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        _ = air.serve(stream) => {}
                        () = stopped.cancelled() => {}
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            title,
            connections,
            listeners,
            _stop: stop.drop_guard(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/live", self.address)
    }

    pub fn listeners(&self) -> usize {
        self.listeners.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

struct Air {
    programme: Programme,
    title: Arc<Mutex<String>>,
    started: tokio::time::Instant,
}

impl Air {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let (mut line, mut wants_titles) = (String::new(), false);
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            wants_titles |= line.to_ascii_lowercase().trim() == "icy-metadata: 1";
            if line.trim().is_empty() {
                break;
            }
        }
        let programme = &self.programme;
        let interval = programme.interval.filter(|_| wants_titles);
        let mut head = format!(
            "HTTP/1.0 200 OK\r\nContent-Type: {}\r\nicy-name: Test Radio\r\n\
             icy-description: All about tests\r\n",
            programme.content_type
        );
        if let Some(interval) = interval {
            let line = format!("icy-metaint: {interval}\r\n");
            head.push_str(&line);
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await?;
        let mut titled = Titled {
            interval,
            left: interval.unwrap_or(0),
            told: None,
        };
        let bytes = titled.between(&programme.head, &self.title);
        stream.write_all(&bytes).await?;
        let on_air = (self.started.elapsed().as_micros() / programme.pace.as_micros()) as usize;
        let first = on_air.saturating_sub(programme.burst);
        let until = programme
            .cut_after
            .map_or(usize::MAX, |count| first + count);
        for (number, piece) in programme.pieces.iter().enumerate().take(until).skip(first) {
            tokio::time::sleep_until(self.started + programme.pace * number as u32).await;
            let bytes = titled.between(piece, &self.title);
            stream.write_all(&bytes).await?;
        }
        if programme.cut_after.is_none() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Puts titles between bytes.
struct Titled {
    interval: Option<usize>,
    left: usize,
    told: Option<String>,
}

impl Titled {
    fn between(&mut self, mut bytes: &[u8], title: &Mutex<String>) -> Vec<u8> {
        let Some(interval) = self.interval else {
            return bytes.to_vec();
        };
        let mut out = Vec::new();
        while bytes.len() >= self.left {
            out.extend_from_slice(&bytes[..self.left]);
            bytes = &bytes[self.left..];
            self.left = interval;
            let title = title.lock().unwrap().clone();
            if self.told.as_ref() == Some(&title) {
                out.push(0);
            } else {
                let text = format!("StreamTitle='{title}';StreamUrl='';");
                let units = text.len().div_ceil(16);
                out.push(units as u8);
                out.extend_from_slice(text.as_bytes());
                out.resize(out.len() + units * 16 - text.len(), 0);
                self.told = Some(title);
            }
        }
        self.left -= bytes.len();
        out.extend_from_slice(bytes);
        out
    }
}
