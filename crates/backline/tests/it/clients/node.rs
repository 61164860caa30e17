//! The node as a process of its own, what is between it and its clients, and what it plays.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};

use super::PATIENCE;

pub(crate) const PASSWORD: &str = "a password of the tests";

/// `backline node`, ended when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    process: Child,
    pub(crate) address: SocketAddr,
    log: std::path::PathBuf,
}

impl Node {
    pub(crate) async fn start(folder: &Path, ca_file: &Path) -> Self {
        let config = folder.join("node.toml");
        let text = format!(
            "[process]\ninternal_bind = \"127.0.0.1:0\"\nlog = \"info\"\nlog_format = \"json\"\n\
             [node]\nbind = \"127.0.0.1:0\"\npassword = {PASSWORD:?}\n\
             [node.http]\nallow_private_networks = true\n\
             [node.voice]\nextra_ca_file = {:?}\n",
            ca_file.display().to_string()
        );
        fs::write(&config, text).expect("the configuration is written");
        let log = folder.join("node.log");
        let process = Command::new(env!("CARGO_BIN_EXE_backline"))
            .args(["node", "--config"])
            .arg(&config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log file"))
            .spawn()
            .expect("the binary starts");
        let mut node = Self {
            process,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            log,
        };
        let deadline = Instant::now() + PATIENCE;
        while node.address.port() == 0 {
            let log = fs::read_to_string(&node.log).unwrap_or_default();
            if let Some(address) = log.lines().find_map(told_address) {
                node.address = address;
            }
            assert!(Instant::now() < deadline, "the node does not start:\n{log}");
            sleep(Duration::from_millis(20)).await;
        }
        node
    }

    /// A player as REST shows it.
    pub(crate) fn player(&self, session: &str, guild: u64) -> Player {
        Player {
            address: self.address,
            path: format!("/v4/sessions/{session}/players/{guild}"),
        }
    }
}

/// Reads the line with which the node says where it is.
fn told_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let find = |value: &Value| value.get("node.address")?.as_str()?.parse().ok();
    find(&line).or_else(|| find(line.get("fields")?))
}

impl Drop for Node {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test shows what the node said"
    )]
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("the node said:\n{log}");
        }
    }
}

#[derive(Debug)]
pub(crate) struct Player {
    address: SocketAddr,
    path: String,
}

impl Player {
    pub(crate) async fn get(&self) -> Value {
        let (status, body) = self.request().await;
        assert_eq!(status, "200", "{body}");
        serde_json::from_str(&body).expect("a player is JSON")
    }

    pub(crate) async fn is_gone(&self) -> bool {
        self.request().await.0 == "404"
    }

    async fn request(&self) -> (String, String) {
        let mut socket = TcpStream::connect(self.address).await.expect("the node");
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: node\r\nAuthorization: {PASSWORD}\r\nConnection: close\r\n\r\n",
            self.path
        );
        let written = socket.write_all(request.as_bytes()).await;
        written.expect("the node reads");
        let mut answer = String::new();
        let read = socket.read_to_string(&mut answer).await;
        read.expect("the node answers in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status");
        (status.to_owned(), body.to_owned())
    }
}

/// A way to the node that can be cut, as networks are.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    cuts: watch::Sender<u64>,
}

impl Line {
    pub(crate) async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut node) = TcpStream::connect(node).await else {
                        return;
                    };
                    tokio::select! {
                        // Either side may hang up; then the other one notices.
                        _ = copy_bidirectional(&mut client, &mut node) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cuts }
    }

    /// Breaks every connection that stands.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Serves files by path, ranges included. Returns the base of their URLs.
pub(crate) async fn file_server(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let files = Arc::new(files);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let files = Arc::clone(&files);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let count = socket.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..count]).into_owned();
                // The client may be gone.
                let _ = socket.write_all(&answer(&request, &files)).await;
            });
        }
    });
    format!("http://{address}")
}

fn answer(request: &str, files: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let Some((_, file)) = files.iter().find(|(name, _)| *name == path) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_vec();
    };
    let range = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": bytes=")?;
        let (from, to) = value.split_once('-')?;
        let last = file.len().checked_sub(1)?;
        let to = to.trim().parse().unwrap_or(last).min(last);
        let from: usize = from.parse().ok()?;
        (name.eq_ignore_ascii_case("range") && from <= to).then_some((from, to))
    });
    let kind = "Content-Type: audio/ogg\r\nAccept-Ranges: bytes\r\nConnection: close";
    let (head, body) = match range {
        Some((from, to)) => (
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}",
                file.len()
            ),
            &file[from..=to],
        ),
        None => ("HTTP/1.1 200 OK".to_owned(), &file[..]),
    };
    let head = format!("{head}\r\n{kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut answer = head.into_bytes();
    if !request.starts_with("HEAD") {
        answer.extend_from_slice(body);
    }
    answer
}
