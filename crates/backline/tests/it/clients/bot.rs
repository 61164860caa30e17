//! A bot in another language, as a child process that does what it is told, line by line.

use std::{collections::VecDeque, env, ffi::OsString, net::SocketAddr, path::Path, process::Stdio};

use backline_sim::discord::{ChannelId, Discord, GuildId};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{PATIENCE, node::PASSWORD};

/// The library a bot is built on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    LavalinkClient,
    Shoukaku,
    Moonlink,
    Wavelink,
    LavalinkPy,
    Mafic,
    LavalinkRs,
}

impl Library {
    /// Whether it takes its session up again when its connection broke.
    ///
    /// lavalink.py 5.11.1 names its session only to a node that is added with it.
    pub(crate) const fn resumes(self) -> bool {
        !matches!(self, Self::LavalinkPy)
    }

    fn command(self) -> Command {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
        let (adapter, is_python) = match self {
            Self::LavalinkClient => ("lavalink-client", false),
            Self::Shoukaku => ("shoukaku", false),
            Self::Moonlink => ("moonlink", false),
            Self::Wavelink => ("with_wavelink", true),
            Self::LavalinkPy => ("with_lavalink", true),
            Self::Mafic => ("with_mafic", true),
            Self::LavalinkRs => return Command::new(installed("BACKLINE_CLIENT_RUST")),
        };
        let mut command = if is_python {
            let mut python = Command::new(installed("BACKLINE_CLIENT_PYTHON"));
            python
                .args(["-B", "-X", "utf8"])
                .arg(clients.join("python/drive.py"));
            python
        } else {
            let mut node = Command::new(installed("BACKLINE_JUDGE_NODE"));
            node.arg(clients.join("js/drive.mjs"))
                .env("CLIENT_PACKAGES", installed("BACKLINE_CLIENT_PACKAGES"));
            node
        };
        command.env("CLIENT", adapter);
        command
    }
}

/// The running bot. Dropped, it is killed. What it complains about goes to our stderr.
#[derive(Debug)]
pub(crate) struct Bot {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    events: VecDeque<Value>,
}

impl Bot {
    pub(crate) fn start(
        library: Library,
        discord: &Discord,
        guild: GuildId,
        channel: ChannelId,
        node: SocketAddr,
        folder: &Path,
    ) -> Self {
        let mut command = library.command();
        command.current_dir(folder);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        let mut child = command
            .env("CLIENT_API", discord.api_url())
            .env("CLIENT_TOKEN", discord.token())
            .env("CLIENT_GUILD", guild.to_string())
            .env("CLIENT_CHANNEL", channel.to_string())
            .env("CLIENT_NODE", node.to_string())
            .env("CLIENT_PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the client's program starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        Self {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
            events: VecDeque::new(),
        }
    }

    /// Tells it to do something, and returns what it says of it.
    pub(crate) async fn ask(&mut self, what: &str, args: Value) -> Value {
        let mut order = json!({ "do": what });
        if let (Some(order), Value::Object(args)) = (order.as_object_mut(), args) {
            order.extend(args);
        }
        let written = self.stdin.write_all(format!("{order}\n").as_bytes()).await;
        written.expect("the client listens");
        loop {
            let line = self.line(what).await;
            if line["did"] == what {
                return line;
            }
            self.events.push_back(line);
        }
    }

    /// Waits for an event of a kind. Others before it must not be.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None => self.line(kind).await,
        };
        assert_eq!(event["event"], kind, "{event}");
        event
    }

    async fn line(&mut self, what: &str) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("the client never did `{what}`"))
            .expect("the client's stdout can be read")
            .unwrap_or_else(|| panic!("the client ended before `{what}`"));
        let line: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("lines are JSON, not `{line}`: {error}"));
        assert!(line["failed"].is_null(), "the client failed: {line}");
        line
    }

    /// Closes its stdin, after which it ends by itself. Of events nothing may be left, but that
    /// Discord closed the connection of who left.
    pub(crate) async fn end(mut self) {
        drop(self.stdin);
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("it ends").expect("its end can be awaited");
        assert!(status.success(), "{status}");
        self.events.retain(|event| event["code"] != 4_014);
        assert!(self.events.is_empty(), "{:?}", self.events);
    }
}

fn installed(variable: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: `make test` sets it, or `eval \"$(scripts/judges.sh)\"`")
    })
}
