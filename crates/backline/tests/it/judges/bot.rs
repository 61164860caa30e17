//! A judge: a bot in another language, as a child process that reports its steps.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use backline_sim::discord::{ChannelId, GuildId, UserId};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Which public library judges.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    DiscordJs,
    DiscordPy,
}

impl Library {
    /// Whether it can resume a voice connection.
    ///
    /// discord.py 2.7.1 waits for a session description then, which a resume does not bring.
    pub(crate) const fn resumes_voice(self) -> bool {
        matches!(self, Self::DiscordJs)
    }
}

/// Where the simulator is.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) api: String,
    pub(crate) token: String,
    pub(crate) voice_ca: &'a Path,
    pub(crate) audio: &'a Path,
}

/// Whom a listening bot shall hear, and where it writes.
#[derive(Debug)]
pub(crate) struct Eavesdrop<'a> {
    pub(crate) guild: GuildId,
    pub(crate) channel: ChannelId,
    pub(crate) speaker: UserId,
    pub(crate) file: &'a Path,
}

/// The running bot. Dropped, it is killed. What it complains about goes to our stderr.
#[derive(Debug)]
pub(crate) struct Bot {
    child: Child,
    /// Open as long as we live: the bot ends when it closes.
    stdin: ChildStdin,
    steps: Lines<BufReader<ChildStdout>>,
}

/// One line of a judge's report.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(rename = "step")]
    name: String,
    ok: bool,
    error: Option<String>,
    pub(crate) library: Option<String>,
}

impl Bot {
    pub(crate) fn start(library: Library, place: &Place<'_>) -> Self {
        let judges = repository().join("tests/judges");
        let command = match library {
            Library::DiscordJs => discord_js("judge.mjs", place),
            Library::DiscordPy => {
                let mut python = Command::new(installed("BACKLINE_JUDGE_PYTHON"));
                python
                    .args(["-B", "-X", "utf8"])
                    .arg(judges.join("discordpy/judge.py"))
                    .env("SSL_CERT_FILE", place.voice_ca);
                python
            }
        };
        Self::run(command, place)
    }

    /// Starts a bot that writes down what one speaker says in a call.
    pub(crate) fn listen(place: &Place<'_>, call: &Eavesdrop<'_>) -> Self {
        let mut command = discord_js("ear.mjs", place);
        command
            .env("JUDGE_GUILD", call.guild.to_string())
            .env("JUDGE_CHANNEL", call.channel.to_string())
            .env("JUDGE_SPEAKER", call.speaker.to_string())
            .env("JUDGE_HEARD", call.file);
        Self::run(command, place)
    }

    fn run(mut command: Command, place: &Place<'_>) -> Self {
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        let mut child = command
            .env("JUDGE_API", &place.api)
            .env("JUDGE_TOKEN", &place.token)
            .env("JUDGE_AUDIO", place.audio)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the judge's interpreter starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        Self {
            child,
            stdin,
            steps: BufReader::new(stdout).lines(),
        }
    }

    /// Waits for the next line of the report, which must be this step, done.
    pub(crate) async fn did(&mut self, expected: &str) -> Step {
        let line = timeout(PATIENCE, self.steps.next_line())
            .await
            .unwrap_or_else(|_| panic!("the judge never did `{expected}`"))
            .expect("the judge's stdout can be read")
            .unwrap_or_else(|| panic!("the judge ended before `{expected}`"));
        let step: Step = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("the judge reports lines of JSON, not `{line}`: {error}")
        });
        assert!(
            step.ok,
            "the judge refuses the simulator at `{}`: {}",
            step.name,
            step.error.as_deref().unwrap_or("no reason given")
        );
        assert_eq!(step.name, expected, "the judge reports its steps in order");
        step
    }

    /// Waits until the judge has ended by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .expect("the judge ends after its last step")
            .expect("its end can be awaited");
        drop(self.stdin);
        status
    }
}

fn discord_js(script: &str, place: &Place<'_>) -> Command {
    let mut node = Command::new(installed("BACKLINE_JUDGE_NODE"));
    node.arg(repository().join("tests/judges/discordjs").join(script))
        .env("JUDGE_PACKAGES", installed("BACKLINE_JUDGE_PACKAGES"))
        .env("NODE_EXTRA_CA_CERTS", place.voice_ca);
    node
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn installed(variable: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: `make test` sets it, or `eval \"$(scripts/judges.sh)\"`")
    })
}

/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);
