//! The bot on nodes outside of its process: a real Lavalink, and one of ours beside it.
//!
//! Ignored by default: `make lavalink` gets Lavalink from Maven Central and runs these.

use std::fs;
use std::net::{SocketAddr, TcpStream as Probe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backline_node::RunningNode;
use backline_readiness::conformance::{Options, run};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::playback;
use crate::sound::{PER_SECOND, Tune, hear};
use crate::stage::{On, PATIENCE, Stage};

/// Nodes outside of the bot's process, and a web server with the tunes.
pub(crate) struct Nodes {
    lavalink: Lavalink,
    ours: Option<(RunningNode, DropGuard)>,
    web: SocketAddr,
    _web: DropGuard,
}

/// A real Lavalink as a child of ours; dropped, it is killed and waited for.
pub(crate) struct Lavalink {
    child: Child,
    port: u16,
    log: PathBuf,
}

const PASSWORD: &str = "open sesame";

impl Lavalink {
    /// Starts it; returns when it listens.
    pub(crate) fn start(folder: &Path, ca: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/lavalink.sh");
        let log = folder.join("lavalink.log");
        let output = fs::File::create(&log).expect("a log file");
        let child = Command::new(script)
            .args([
                "run",
                "--port",
                &port.to_string(),
                "--password",
                PASSWORD,
                "--ca",
            ])
            .arg(ca)
            .arg("--folder")
            .arg(folder.join("lavalink"))
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a second handle"))
            .stdout(output)
            .spawn()
            .expect("the script starts");
        Self { child, port, log }
    }

    /// Waits until it listens.
    pub(crate) fn until_up(&mut self) {
        let until = Instant::now() + 3 * PATIENCE;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        while Probe::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(ended.is_none() && Instant::now() < until, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Lavalink {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Nodes {
    pub(crate) async fn start(folder: &Path, on: On) -> Self {
        let mut lavalink = Lavalink::start(folder, &folder.join("ca.pem"));
        let stop = CancellationToken::new();
        let web = serve(folder.join("music"), stop.clone()).await;
        let ours = match on {
            On::Both => Some(ours().await),
            On::Ours | On::Lavalink => None,
        };
        lavalink.until_up();
        Self {
            lavalink,
            ours,
            web,
            _web: stop.drop_guard(),
        }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.opus", self.web)
    }

    /// Lines of the bot's configuration that name the nodes.
    pub(crate) fn settings(&self) -> String {
        let mut settings = String::new();
        let mut node = |name: &str, url: &str| {
            let lines = [
                "\n[[audio.nodes]]".to_owned(),
                format!("name = {name:?}"),
                format!("url = {url:?}"),
                format!("password = {PASSWORD:?}\n"),
            ];
            settings.push_str(&lines.join("\n"));
        };
        node("lavalink", &self.lavalink.url());
        if let Some((ours, _)) = &self.ours {
            node("ours", &format!("http://{}", ours.local_addr()));
        }
        settings
    }
}

/// Starts a node of ours.
async fn ours() -> (RunningNode, DropGuard) {
    let mut node = config::Node {
        bind: ([127, 0, 0, 1], 0).into(),
        ..config::Node::default()
    };
    node.http.allow_private_networks = true;
    node.voice.plaintext_loopback = true;
    let stop = CancellationToken::new();
    let running = backline_node::start(&node, PASSWORD.into(), &Metrics::new(), stop.clone())
        .await
        .expect("a node starts");
    (running, stop.drop_guard())
}

/// Serves a folder's files over HTTP, by ranges.
async fn serve(folder: PathBuf, stop: CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else { return };
            let folder = folder.clone();
            // Whoever hangs up early has heard enough.
            tokio::spawn(async move { answer(stream, &folder).await.ok() });
        }
    });
    address
}

async fn answer(stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let name = line.split_whitespace().nth(1).unwrap_or("/")[1..].to_owned();
    let mut from = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range
                .split('-')
                .next()
                .and_then(|from| from.trim().parse().ok())
                .unwrap_or(0);
        }
    }
    let Ok(bytes) = fs::read(folder.join(name)) else {
        let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(missing).await;
    };
    let from = bytes.len().min(from);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\
         Content-Type: audio/ogg\r\nAccept-Ranges: bytes\r\nETag: \"one\"\r\nConnection: close\r\n\r\n",
        bytes.len() - 1,
        bytes.len(),
        bytes.len() - from,
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&bytes[from..]).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn a_queue_plays_on_a_real_lavalink() {
    playback::queue(On::Lavalink).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn seek_volume_and_loop_work_on_a_real_lavalink() {
    playback::controls(On::Lavalink).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn the_bot_leaves_after_a_queue_on_a_real_lavalink() {
    playback::end_of_queue(On::Lavalink).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn many_guilds_hear_each_their_own_tune_on_a_real_lavalink() {
    playback::guilds(On::Lavalink, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn a_mixed_pool_shares_the_guilds() {
    playback::guilds(On::Both, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn when_lavalink_dies_its_guilds_go_on_at_our_node() {
    const GUILDS: usize = 6;
    let nocturne = Tune::nocturne();
    let mut stage =
        Stage::open_on(On::Both, &[("nocturne.opus", &nocturne.file("Nocturne"))]).await;
    let seats: Vec<_> = (0..GUILDS)
        .map(|number| stage.guild(&format!("Guild {number}")))
        .collect();
    stage.start_bot().await;
    let query = stage.query("nocturne");
    let mut ears = Vec::new();
    for seat in &seats {
        let mut ear = seat.guild.listen();
        seat.play(&query).await;
        hear(&mut ear, PER_SECOND).await;
        ears.push(ear);
    }
    stage
        .nodes
        .as_mut()
        .expect("nodes outside of the bot")
        .lavalink
        .kill();
    // All that was on its way is heard by then; what comes after it comes from our node.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (number, ear) in ears.iter_mut().enumerate() {
        while ear.try_next().is_some() {}
        let heard = hear(ear, 2 * PER_SECOND).await;
        let place = nocturne.place_of(&heard[PER_SECOND..]);
        assert!(
            place.is_some_and(|place| place > PER_SECOND),
            "guild {number}: {place:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Lavalink: make lavalink"]
async fn a_real_lavalink_answers_as_our_cases_say() {
    backline_runtime::net::tls::install_provider();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca = folder.path().join("ca.pem");
    let lavalink = Lavalink::start(folder.path(), &ca);
    let report = run(&Options {
        url: lavalink.url().parse().expect("a URL"),
        password: PASSWORD.into(),
        only: Vec::new(),
        slow: false,
        voice_ca_out: Some(ca),
        wait: 3 * PATIENCE,
        parallel: 8,
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", lavalink.log()));
    let (passed, failed, _) = report.counts();
    assert!(failed == 0 && passed >= 250, "{}", report.text());
}
