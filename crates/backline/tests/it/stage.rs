//! A simulated Discord with people in it, and the real binary as its bot.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backline_sim::discord::{
    ChannelId, Discord, Guild, Interaction, Limits, Message, Options, UserId,
};
use backline_sim::voice::VoiceOptions;
use serde_json::Value;
use tempfile::TempDir;

use crate::lavalink::Nodes;

/// How long anything may take on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What makes the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// The node in the bot's process.
    Ours,
    /// A real Lavalink.
    Lavalink,
    /// A real Lavalink and a node of ours, both outside of the bot's process.
    Both,
}

/// A simulated Discord, a folder of tunes, and the bot as a process of its own.
pub(crate) struct Stage {
    pub(crate) nodes: Option<Nodes>,
    pub(crate) discord: Discord,
    folder: TempDir,
    bot: Option<Child>,
    settings: String,
}

/// One guild as a person in it sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) discord: Discord,
    pub(crate) guild: Guild,
    pub(crate) text: ChannelId,
    pub(crate) voice: ChannelId,
    pub(crate) person: UserId,
}

impl Stage {
    /// Opens a Discord with `tunes` (name and content) at hand. The bot is not there yet.
    pub(crate) async fn open(tunes: &[(&str, &[u8])]) -> Self {
        Self::open_on(On::Ours, tunes).await
    }

    /// Opens a Discord with `tunes` at hand, for a bot that plays on `on`.
    pub(crate) async fn open_on(on: On, tunes: &[(&str, &[u8])]) -> Self {
        backline_runtime::net::tls::install_provider();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let discord = Discord::start(Options {
            limits: Limits {
                script_timeout: PATIENCE,
                ..Limits::default()
            },
            voice: VoiceOptions {
                ca_file: Some(folder.path().join("ca.pem")),
                from_anywhere: on != On::Ours,
                ..VoiceOptions::default()
            },
            // The last Lavalink that is published as a program does not speak DAVE.
            require_dave: on == On::Ours,
            ..Options::default()
        })
        .await
        .expect("the simulator starts");
        fs::create_dir(folder.path().join("music")).expect("a folder for tunes");
        for (name, content) in tunes {
            fs::write(folder.path().join("music").join(name), content).expect("a tune is written");
        }
        let nodes = match on {
            On::Ours => None,
            On::Lavalink | On::Both => Some(Nodes::start(folder.path(), on).await),
        };
        Self {
            nodes,
            discord,
            folder,
            bot: None,
            settings: String::new(),
        }
    }

    /// What a person types to hear a tune: its name, or its address where names are not searched.
    pub(crate) fn query(&self, name: &str) -> String {
        match &self.nodes {
            None => name.to_owned(),
            Some(nodes) => nodes.url(name),
        }
    }

    /// Adds lines to the bot's configuration file, before it starts.
    pub(crate) fn with_settings(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.settings);
        self
    }

    /// Adds a guild with a text channel, a voice channel, and a person in it.
    pub(crate) fn guild(&self, name: &str) -> Seat {
        let guild = self.discord.add_guild(name);
        let text = guild.add_text_channel("general");
        let voice = guild.add_voice_channel("Music");
        let person = guild.add_user(&format!("fan of {name}"));
        let seat = Seat {
            discord: self.discord.clone(),
            guild,
            text,
            voice,
            person,
        };
        seat.enter();
        seat
    }

    /// Starts the bot, and waits until people can use it.
    pub(crate) async fn start_bot(&mut self) {
        let config = self.folder.path().join("backline.toml");
        fs::write(&config, self.configuration()).expect("the configuration is written");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("a log file");
        let bot = Command::new(env!("CARGO_BIN_EXE_backline"))
            .args(["run", "--config"])
            .arg(&config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.bot = Some(bot);
        let ready = async {
            self.discord.until_command("/play").await?;
            self.discord.until_ready(1).await
        };
        if let Err(error) = ready.await {
            panic!("{error}\nthe bot says:\n{}", self.log());
        }
    }

    /// Ends the bot as a power cut would.
    pub(crate) fn kill_bot(&mut self) {
        let mut bot = self.bot.take().expect("the bot runs");
        bot.kill().expect("SIGKILL is sent");
        bot.wait().expect("the bot is gone");
    }

    /// Asks the bot to end, and returns whether it ended well.
    pub(crate) fn end_bot(&mut self) -> bool {
        let mut bot = self.bot.take().expect("the bot runs");
        let asked = Command::new("kill")
            .arg(bot.id().to_string())
            .status()
            .expect("`kill` runs");
        assert!(asked.success(), "SIGTERM is sent");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = bot.try_wait().expect("the bot can be waited for") {
                return status.success();
            }
            if Instant::now() > deadline {
                bot.kill().expect("SIGKILL is sent");
                bot.wait().expect("the bot is gone");
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the bot's process is still there.
    pub(crate) fn bot_lives(&mut self) -> bool {
        self.bot
            .as_mut()
            .is_some_and(|bot| bot.try_wait().expect("the bot can be asked").is_none())
    }

    /// Everything the bot logged so far.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = fs::File::open(self.log_file()) {
            // A half-written last line is no matter.
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    pub(crate) fn music(&self) -> PathBuf {
        self.folder.path().join("music")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("bot.log")
    }

    fn configuration(&self) -> String {
        let folder = self.folder.path();
        let text = |path: &Path| format!("{:?}", path.display().to_string());
        format!(
            "[process]\ninternal_bind = \"127.0.0.1:0\"\nlog = \"info\"\nlog_format = \"json\"\n\
             [discord]\ntoken = {:?}\napi_url = {:?}\n\
             [store]\nurl = {:?}\n\
             [node]\nbind = \"127.0.0.1:0\"\n\
             [node.local]\nroot = {}\n\
             [node.voice]\nextra_ca_file = {}\n{}\n",
            self.discord.token(),
            self.discord.url(),
            format!("sqlite:{}", folder.join("backline.db").display()),
            text(&self.music()),
            text(&folder.join("ca.pem")),
            self.settings,
        ) + &self.nodes.as_ref().map(Nodes::settings).unwrap_or_default()
    }
}

impl Drop for Stage {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the bot said")]
    fn drop(&mut self) {
        if let Some(mut bot) = self.bot.take() {
            // It may have ended by itself.
            let _ = bot.kill();
            let _ = bot.wait();
        }
        if std::thread::panicking() {
            eprintln!("the bot said:\n{}", self.log());
        }
    }
}

impl Seat {
    /// The person enters the voice channel.
    pub(crate) fn enter(&self) {
        self.discord
            .join_voice(self.person, self.voice)
            .expect("the person may enter the voice channel");
    }

    /// The person uses a command.
    pub(crate) fn command(&self, command: &str, options: &[(&str, Value)]) -> Interaction {
        match self
            .discord
            .command(self.person, self.text, command, options)
        {
            Ok(interaction) => interaction,
            Err(error) => panic!("{command}: {error}"),
        }
    }

    /// The person uses a command, and reads the answer, which only they can see.
    pub(crate) async fn ask(&self, command: &str, options: &[(&str, Value)]) -> String {
        match self.command(command, options).answer().await {
            Ok(answer) => {
                assert!(answer.is_ephemeral(), "{command} is answered in private");
                answer.text()
            }
            Err(error) => panic!("{command}: {error}"),
        }
    }

    /// The person plays something.
    pub(crate) async fn play(&self, query: &str) -> String {
        self.ask("/play", &[("query", query.into())]).await
    }

    /// The Now Playing message, once its text fits.
    pub(crate) async fn panel(&self, what: &str, mut fits: impl FnMut(&str) -> bool) -> Message {
        let found = self.discord.until_message(self.text, what, |message| {
            message.component("np:toggle").is_some() && fits(&message.text())
        });
        match found.await {
            Ok(message) => message,
            Err(error) => {
                let shown: Vec<_> = self
                    .discord
                    .messages(self.text)
                    .iter()
                    .map(Message::text)
                    .collect();
                panic!("{error}\nthe channel shows:\n{}", shown.join("\n---\n"))
            }
        }
    }

    /// The person presses a button of the Now Playing message.
    pub(crate) async fn press(&self, button: &str) -> Interaction {
        let panel = self.panel("the Now Playing message", |_| true).await;
        match self.discord.press(self.person, self.text, panel.id, button) {
            Ok(interaction) => interaction,
            Err(error) => panic!("{button}: {error}"),
        }
    }
}
