//! What the lines of the log do not hold, however much of it is written.

use std::io;
use std::sync::{Arc, Mutex};

use backline_core::music::Command;
use backline_runtime::config::Process;
use backline_runtime::config::process::LogFormat;
use backline_runtime::telemetry;
use backline_service::message::{CommandMessage, ReplyKind, ReplyTo, ToAudio};
use backline_service::{Services, ShardSession};

use crate::{channel, guild, in_folder, snapshot, track, user, within};

const SECRET: &str = "hunter2";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that all tasks write to the same place.
#[tokio::test(flavor = "current_thread")]
async fn json_lines_hold_no_secret_at_the_highest_level() {
    let written = Written::default();
    let writer = written.clone();
    let process = Process {
        log: "trace".into(),
        log_format: LogFormat::Json,
        ..Process::default()
    };
    let subscriber = telemetry::subscriber(&process, move || writer.clone(), false);
    let _guard = tracing::subscriber::set_default(subscriber.expect("the filter is one"));

    let folder = tempfile::tempdir().expect("a folder");
    let services = in_folder(&folder).await;
    services
        .sessions
        .save(guild(1), &snapshot(1))
        .await
        .expect("saves");
    services
        .history
        .record(guild(1), &track(SECRET, None), 1)
        .await
        .expect("records");
    services
        .history
        .suggest(guild(1), SECRET, 25)
        .await
        .expect("suggests");
    let shard = ShardSession {
        session_id: SECRET.into(),
        sequence: 1,
        resume_url: format!("wss://{SECRET}"),
    };
    services.shards.put(0, shard);
    bury_a_command(&services).await;
    let voice = ToAudio::VoiceServer {
        guild: guild(1),
        token: SECRET.into(),
        endpoint: Some("voice.example".into()),
    };
    services.lines.send_to_audio(voice).await.expect("sends");
    let delivery = within(services.lines.to_audio().next())
        .await
        .expect("open");
    tracing::info!(?delivery, ?services, "everything was printed");
    delivery.ack();
    services.close().await;

    let bytes = written.0.lock().expect("not poisoned").clone();
    let text = String::from_utf8(bytes).expect("text");
    assert!(text.contains("message became a dead letter"), "{text}");
    assert!(text.contains("everything was printed"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
    for line in text.lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}

/// Lets a command with a token fail until it is a dead letter.
async fn bury_a_command(services: &Services) {
    let command = CommandMessage {
        guild: guild(1),
        text_channel: channel(2),
        user: user(3),
        user_voice: None,
        reply: ReplyTo {
            token: SECRET.into(),
            kind: ReplyKind::Command,
        },
        command: Command::Pause,
    };
    services.lines.send_command(command).await.expect("sends");
    let mut commands = services.lines.commands();
    for _ in 0..5 {
        drop(within(commands.next()).await.expect("open"));
    }
}
