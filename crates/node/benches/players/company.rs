//! Players beside others: dead sources, and one radio for everybody.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Plan;
use crate::report::{median, quantile};
use crate::stage::{Kind, Stage, Track, Window};

/// What company does to players, and what one radio costs.
#[derive(Serialize)]
pub struct Company {
    /// Good players.
    pub players: usize,
    /// Dead sources beside them.
    pub dead: usize,
    /// Without and with company, medians: lateness at 50 % and 99 % in milliseconds, CPU time a
    /// frame of the clock in microseconds.
    pub alone: Lateness,
    /// The same beside dead sources.
    pub beside_dead: Lateness,
    /// CPU time a frame of clock and pool: files passed through, and one radio for all.
    pub files_us: f64,
    /// As `files_us`.
    pub radio_us: f64,
}

/// How late frames were.
#[derive(Serialize, Clone, Copy)]
pub struct Lateness {
    /// Half of them at most so late, in milliseconds.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
    /// CPU time of the clock for a frame.
    pub clock_us: f64,
}

/// A web server with a file, one that stops in the middle of it, and a radio.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Bytes that the dead source sends before it falls silent.
const BEFORE_DEATH: usize = 96 * 1024;

impl Server {
    /// Starts in the runtime of the stage.
    pub fn start(stage: &Stage) -> io::Result<Self> {
        let file = Track::load("nocturne.opus")?;
        let radio = Track::load("bossa.mp3")?;
        let listener = stage
            .runtime()
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let task = stage.runtime().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (file, radio) = (Arc::clone(&file.bytes), Arc::clone(&radio.bytes));
                tokio::spawn(async move {
                    // Who hangs up gets nothing more.
                    let _gone = serve(socket, &file, &radio).await;
                });
            }
        });
        Ok(Self { address, task })
    }

    /// A file that comes whole.
    pub fn file(&self) -> String {
        format!("http://{}/file.opus", self.address)
    }

    /// A file that stops coming.
    pub fn dead(&self) -> String {
        format!("http://{}/dead.opus", self.address)
    }

    /// A stream without an end.
    pub fn radio(&self) -> String {
        format!("http://{}/radio.mp3", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, file: &[u8], radio: &[u8]) -> io::Result<()> {
    let mut request = vec![0; 4_096];
    let mut length = 0;
    while !request[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        let count = socket.read(&mut request[length..]).await?;
        if count == 0 {
            return Ok(());
        }
        length += count;
    }
    if request.starts_with(b"GET /radio") {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: Bench\r\n\r\n";
        socket.write_all(head.as_bytes()).await?;
        // A few seconds at once, then as fast as it plays.
        let mut sent = 0;
        for chunk in radio.chunks(4_000).cycle() {
            socket.write_all(chunk).await?;
            sent += chunk.len();
            if sent > 64_000 {
                // 128 kbit/s.
                tokio::time::sleep(Duration::from_micros(
                    chunk.len() as u64 * 1_000_000 / 16_000,
                ))
                .await;
            }
        }
        return Ok(());
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: audio/ogg\r\nContent-Length: {}\r\n\r\n",
        file.len()
    );
    socket.write_all(head.as_bytes()).await?;
    if request.starts_with(b"GET /dead") {
        socket
            .write_all(&file[..BEFORE_DEATH.min(file.len())])
            .await?;
        // Nothing more comes until the other side gives up.
        let _given_up = socket.read(&mut request).await;
        return Ok(());
    }
    socket.write_all(file).await
}

/// Measures good players alone, beside dead sources, and one radio for all of them.
pub fn measure(plan: &Plan, good: Kind<'_>) -> io::Result<Company> {
    let (players, dead) = plan.company;
    let mut stage = Stage::start()?;
    let server = Server::start(&stage)?;
    let url = server.dead();
    stage.grow(players, good)?;
    // By turns, so that the machine's moods fall on both.
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    stage.add(
        dead,
        Kind {
            track: &url,
            ..good
        },
    )?;
    stage.pause_all(false);
    // What was buffered is played out, then they are dead.
    stage.observe(DYING)?;
    for _ in 0..plan.rounds {
        stage.pause_from(players, true);
        stage.observe(Duration::from_millis(300))?;
        alone.push(stage.observe(plan.window)?);
        stage.pause_from(players, false);
        stage.observe(Duration::from_millis(300))?;
        beside.push(stage.observe(plan.window)?);
    }
    stage.pause_all(true);
    let (alone, beside_dead) = (lateness(&alone), lateness(&beside));
    stage.stop();

    // One radio for all, beside files for all, by turns.
    let mut files = Stage::start()?;
    files.grow(players, good)?;
    let mut radio = Stage::start()?;
    let server_of_radio = Server::start(&radio)?;
    let url = server_of_radio.radio();
    radio.grow(
        players,
        Kind {
            track: &url,
            ..good
        },
    )?;
    let (mut files_us, mut radio_us) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        files_us.push(frame_us(&files.play_for(plan.window)?));
        radio_us.push(frame_us(&radio.play_for(plan.window)?));
    }
    files.stop();
    radio.stop();
    Ok(Company {
        players,
        dead,
        alone,
        beside_dead,
        files_us: median(files_us.into_iter()),
        radio_us: median(radio_us.into_iter()),
    })
}

fn frame_us(window: &Window) -> f64 {
    (window.clock + window.pool).as_secs_f64() * 1e6 / window.sent as f64
}

fn lateness(windows: &[Window]) -> Lateness {
    let of = |share: f64| {
        median(
            windows
                .iter()
                .map(|window| quantile(&window.lateness, share)),
        )
    };
    let clock = windows
        .iter()
        .map(|window| window.clock.as_secs_f64() * 1e6 / window.sent as f64);
    Lateness {
        p50_ms: of(0.5),
        p99_ms: of(0.99),
        clock_us: median(clock),
    }
}

/// Until what was buffered of a dead source is played.
const DYING: Duration = Duration::from_secs(8);
