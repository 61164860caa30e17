//! Public Lavalink clients drive the node: bots in other languages, from npm, PyPI and crates.io,
//! in a simulated Discord whose calls are encrypted between their members.

mod bot;
mod node;

use std::time::Duration;

use backline_sim::{
    discord::{Discord, Limits, Options},
    voice::{Listener, VoiceOptions},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::{
    bot::{Bot, Library},
    node::{Line, Node, file_server},
};
use crate::sound::{PER_SECOND, Tune, forget, hear, until_silent};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn lavalink_client_drives_the_node() {
    drive(Library::LavalinkClient).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn shoukaku_drives_the_node() {
    drive(Library::Shoukaku).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn moonlink_drives_the_node() {
    drive(Library::Moonlink).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from PyPI: make test installs them and runs it"]
async fn wavelink_drives_the_node() {
    drive(Library::Wavelink).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from PyPI: make test installs them and runs it"]
async fn lavalink_py_drives_the_node() {
    drive(Library::LavalinkPy).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from PyPI: make test installs them and runs it"]
async fn mafic_drives_the_node() {
    drive(Library::Mafic).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a program that scripts/judges.sh builds: make test runs it"]
async fn lavalink_rs_drives_the_node() {
    drive(Library::LavalinkRs).await;
}

/// Plays, seeks, turns, filters, pauses, loses and resumes its session, stops, plays to the end.
async fn drive(library: Library) {
    let long = Tune::nocturne();
    let short = long.part(10, 2);
    let web = file_server(vec![
        ("/long.opus", long.file("Long")),
        ("/short.opus", short.file("Short")),
    ])
    .await;
    let (long_url, short_url) = (format!("{web}/long.opus"), format!("{web}/short.opus"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca_file = folder.path().join("ca.pem");
    let discord = discord(&ca_file).await;
    let guild = discord.add_guild("Hall");
    let channel = guild.add_voice_channel("Music");
    let person = guild.add_user("ada");
    discord.join_voice(person, channel).expect("she may join");
    let mut listener = guild.listen();
    let node = Node::start(folder.path(), &ca_file).await;
    let line = Line::to(node.address).await;
    let (guild_id, way) = (guild.id(), line.address);
    let mut bot = Bot::start(library, &discord, guild_id, channel, way, folder.path());

    let session = connects(&mut bot).await;
    let loaded = bot.ask("load", json!({ "url": long_url })).await;
    assert_eq!(loaded["title"], "Long", "{loaded}");
    assert_eq!(loaded["ms"], long.frames.len() * 20, "{loaded}");

    bot.ask("play", json!({ "url": long_url })).await;
    assert_eq!(bot.event("start").await["title"], "Long");
    let place = follows(&mut listener, &long).await;
    assert!(place < 5 * PER_SECOND, "from the beginning: {place}");

    bot.ask("seek", json!({ "ms": 30_000 })).await;
    let place = follows_from(&mut listener, &long, 30 * PER_SECOND).await;
    assert!(place < 40 * PER_SECOND, "not far behind: {place}");

    let mut player = node.player(&session, guild.id().get());
    for (change, back, is_changed) in [
        (
            ("volume", json!({ "percent": 50 })),
            ("volume", json!({ "percent": 100 })),
            (|player: &Value| player["volume"] == 50) as fn(&Value) -> bool,
        ),
        (("filter", json!({})), ("unfilter", json!({})), |player| {
            player["filters"]["lowPass"]["smoothing"] == 20.0
        }),
    ] {
        bot.ask(change.0, change.1).await;
        until(change.0, async || is_changed(&player.get().await)).await;
        // What is changed is encoded anew, so no frame is the file's.
        until(change.0, async || differs(&mut listener, &long).await).await;
        bot.ask(back.0, back.1).await;
        until(back.0, async || !is_changed(&player.get().await)).await;
        follows(&mut listener, &long).await;
    }

    bot.ask("pause", json!({})).await;
    until_silent(&mut listener, Duration::from_millis(400)).await;
    assert_eq!(player.get().await["paused"], true);
    bot.ask("resume", json!({})).await;
    follows(&mut listener, &long).await;
    assert_eq!(player.get().await["paused"], false);

    forget(&mut listener);
    let lost = listener.stats().lost;
    line.cut();
    if library.resumes() {
        bot.event("resumed").await;
        follows(&mut listener, &long).await;
        assert_eq!(listener.stats().lost, lost, "the music went on meanwhile");
    } else {
        let begun = bot.event("restarted").await;
        let session = begun["session"].as_str().expect("a session's id");
        player = node.player(session, guild.id().get());
        bot.event("start").await;
        let place = follows_from(&mut listener, &long, place).await;
        assert!(place < 50 * PER_SECOND, "it plays on where it was: {place}");
    }

    bot.ask("stop", json!({})).await;
    let end = bot.event("end").await;
    assert!(says(&end["reason"], "stopped"), "{end}");
    until_silent(&mut listener, Duration::from_millis(400)).await;

    bot.ask("play", json!({ "url": short_url })).await;
    assert_eq!(bot.event("start").await["title"], "Short");
    let heard = hear(&mut listener, short.frames.len()).await;
    assert!(heard == short.frames, "every frame of the file, in order");
    let end = bot.event("end").await;
    assert!(says(&end["reason"], "finished"), "{end}");

    bot.ask("leave", json!({})).await;
    discord
        .until_bot_left_voice(guild.id())
        .await
        .expect("the bot leaves");
    until("the player is gone", async || player.is_gone().await).await;
    let stats = listener.stats();
    assert_eq!(
        (
            stats.plaintext,
            stats.plaintext_frames,
            stats.undecryptable,
            stats.garbage
        ),
        (0, 0, 0, 0),
        "{stats:?}"
    );
    assert!(stats.encrypted > 0, "{stats:?}");
    bot.end().await;
}

async fn discord(ca_file: &std::path::Path) -> Discord {
    backline_runtime::net::tls::install_provider();
    Discord::start(Options {
        limits: Limits {
            script_timeout: PATIENCE,
            ..Limits::default()
        },
        require_dave: true,
        voice: VoiceOptions {
            ca_file: Some(ca_file.to_owned()),
            ..VoiceOptions::default()
        },
        ..Options::default()
    })
    .await
    .expect("the simulator starts")
}

/// Connects the bot to Discord, to the node and to the call. Returns its session.
#[expect(clippy::print_stdout, reason = "--nocapture shows who drove")]
async fn connects(bot: &mut Bot) -> String {
    let facts = bot.ask("connect", json!({})).await;
    println!("driven by {}", facts["library"]);
    facts["session"]
        .as_str()
        .expect("a session's id")
        .to_owned()
}

/// Waits until the file's own frames are heard, in their order. Returns their place.
async fn follows(listener: &mut Listener, tune: &Tune) -> usize {
    follows_from(listener, tune, 0).await
}

async fn follows_from(listener: &mut Listener, tune: &Tune, from: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = hear(listener, RUN).await;
        if let Some(place) = tune.place_of(&heard).filter(|place| *place >= from) {
            return place;
        }
        assert!(Instant::now() < deadline, "these are not the file's frames");
    }
}

/// Whether no frame among the next ones is the file's.
async fn differs(listener: &mut Listener, tune: &Tune) -> bool {
    let heard = hear(listener, RUN).await;
    heard.iter().all(|frame| !tune.frames.contains(frame))
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Libraries write reasons in their own case.
fn says(reason: &Value, expected: &str) -> bool {
    reason
        .as_str()
        .is_some_and(|reason| reason.eq_ignore_ascii_case(expected))
}

/// Frames of a run: long enough to be nowhere else in a tune.
const RUN: usize = 10;
/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);
