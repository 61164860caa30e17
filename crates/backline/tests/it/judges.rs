//! Clients that we did not write judge the simulated Discord: bots on discord.js and on
//! discord.py, from npm and PyPI. The test plays the person in front of them.

mod bot;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use backline_media::frame::SILENCE;
use backline_sim::{
    discord::{ChannelId, Discord, Entry, Guild, Interaction, Limits, Message, Options, UserId},
    voice::{Listener, VoiceOptions},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use self::bot::{Bot, Eavesdrop, Library, Place};
use crate::{
    sound::{PER_SECOND, Tune},
    stage::Stage,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn discord_js_lives_in_the_simulated_discord() {
    judge(Library::DiscordJs, "aead_aes256_gcm_rtpsize").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from PyPI: make test installs them and runs it"]
async fn discord_py_lives_in_the_simulated_discord() {
    judge(Library::DiscordPy, "aead_xchacha20_poly1305_rtpsize").await;
}

/// Two bots and a person in one call: what one bot encrypts, the other one decrypts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn discord_js_hears_discord_js_end_to_end_encrypted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let voice_ca = folder.path().join("voice-ca.pem");
    let audio = bot::repository().join("assets/signals/sweep.opus");
    let discord = Discord::start(Options {
        guilds: 1,
        limits: Limits {
            script_timeout: PATIENCE,
            ..Limits::default()
        },
        require_dave: true,
        voice: VoiceOptions {
            ca_file: Some(voice_ca.clone()),
            ..VoiceOptions::default()
        },
        ..Options::default()
    })
    .await
    .expect("the simulator starts");
    let place = |token| Place {
        api: discord.api_url(),
        token,
        voice_ca: &voice_ca,
        audio: &audio,
    };
    let person = Person::in_first_guild(&discord);
    discord
        .join_voice(person.user, person.voice)
        .expect("the person may join");
    let ear = discord.add_bot("Ear", 0);
    person.guild.invite(&ear);
    let file = folder.path().join("heard");
    let mut ear = Bot::listen(
        &place(ear.token.clone()),
        &Eavesdrop {
            guild: person.guild.id(),
            channel: person.voice,
            speaker: discord.bot().user,
            file: &file,
        },
    );
    ear.did("login").await;
    ear.did("join").await;
    let mut bot = Bot::start(Library::DiscordJs, &place(discord.token()));
    bot.did("login").await;
    bot.did("register").await;
    let packets = crate::ogg::opus_packets(&fs::read(&audio).expect("the signal is there"));
    plays(&person, &mut bot, Library::DiscordJs, &packets).await;
    let heard = written(&file, packets.len()).await;
    assert_heard(&heard, &packets);

    let call = discord.voice().dave(person.voice.get()).expect("a call");
    assert_eq!((call.version, call.group.len()), (1, 3), "{call:?}");
    assert_eq!(
        (call.counts.refused, call.counts.flagged),
        (0, 0),
        "{call:?}"
    );
    let stats = person.guild.listen().stats();
    assert_eq!(
        (stats.plaintext_frames, stats.undecryptable),
        (0, 0),
        "{stats:?}"
    );
    assert!(stats.encrypted >= packets.len() as u64, "{stats:?}");
}

/// What the node sends is what a client of another make decrypts, also while members come and
/// go and the keys with them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from npm: make test installs them and runs it"]
async fn discord_js_hears_our_node_end_to_end_encrypted() {
    let tune = Tune::nocturne().part(10, 12);
    let mut stage = Stage::open(&[("tune.opus", &tune.file("Tune"))]).await;
    let seat = stage.guild("Listeners");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let voice_ca = folder.path().join("voice-ca.pem");
    fs::write(&voice_ca, stage.discord.voice_ca_pem()).expect("the CA is written");
    let file = folder.path().join("heard");
    let ear = stage.discord.add_bot("Ear", 0);
    seat.guild.invite(&ear);
    let mut ear = Bot::listen(
        &Place {
            api: stage.discord.api_url(),
            token: ear.token.clone(),
            voice_ca: &voice_ca,
            audio: &voice_ca,
        },
        &Eavesdrop {
            guild: seat.guild.id(),
            channel: seat.voice,
            speaker: stage.discord.bot().user,
            file: &file,
        },
    );
    ear.did("login").await;
    ear.did("join").await;
    stage.start_bot().await;
    let mut listener = seat.guild.listen();
    seat.play("tune").await;
    let mut heard = hear(&mut listener, 2 * PER_SECOND).await;
    let guest = seat.guild.add_user("guest");
    for _ in 0..4 {
        stage
            .discord
            .join_voice(guest, seat.voice)
            .expect("guests may come");
        heard.extend(hear(&mut listener, PER_SECOND).await);
        stage.discord.leave_voice(guest);
        heard.extend(hear(&mut listener, PER_SECOND).await);
    }
    let rest = tune.frames.len() - heard.len();
    heard.extend(hear(&mut listener, rest).await);
    let stats = listener.stats();
    assert!(
        heard == tune.frames,
        "a simulated person hears {} of {} frames: {stats:?}",
        heard.len(),
        tune.frames.len()
    );
    assert_heard(&written(&file, tune.frames.len()).await, &tune.frames);
    let call = stage.discord.voice().dave(seat.voice.get());
    let call = call.expect("a call");
    assert!(call.epoch >= 10, "{call:?}");
    assert_eq!(
        (call.counts.refused, call.counts.flagged),
        (0, 0),
        "{call:?}"
    );
    let stats = listener.stats();
    assert_eq!(
        (stats.plaintext_frames, stats.undecryptable, stats.lost),
        (0, 0, 0),
        "{stats:?}"
    );
}

/// Demands that a listening bot heard what was sent, in order and nothing else.
///
/// It learns from its gateway connection whose an SSRC is, which races with the first datagrams
/// on a busy machine: up to [`RACED`] packets may be missing.
fn assert_heard<T: AsRef<[u8]>>(heard: &[Vec<u8>], sent: &[T]) {
    let mut rest = heard.iter().peekable();
    let mut missing = Vec::new();
    for (index, packet) in sent.iter().enumerate() {
        if rest.next_if(|other| ***other == *packet.as_ref()).is_none() {
            missing.push(index);
        }
    }
    let foreign = rest.count();
    assert!(
        foreign == 0 && missing.len() <= RACED,
        "of {} packets {missing:?} are missing, and {foreign} others were heard",
        sent.len()
    );
}

/// Packets that a listening bot may miss.
const RACED: usize = 2;

/// Waits until a listening bot has written down this many packets that are not silence, or nearly
/// so many and no more for a while.
async fn written(file: &Path, wanted: usize) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = (0, Instant::now());
    loop {
        let lines = fs::read_to_string(file).unwrap_or_default();
        // What is behind the last line break is not written to its end yet.
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        let packets: Vec<Vec<u8>> = whole
            .lines()
            .map(unhex)
            .filter(|packet| *packet != SILENCE)
            .collect();
        if packets.len() != last.0 {
            last = (packets.len(), Instant::now());
        }
        let quiet = packets.len() + RACED >= wanted && last.1.elapsed() > Duration::from_secs(3);
        if packets.len() >= wanted || quiet || Instant::now() > deadline {
            return packets;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn unhex(line: &str) -> Vec<u8> {
    let digits = line.as_bytes().chunks(2);
    let bytes = digits.map(|pair| str::from_utf8(pair).map(|pair| u8::from_str_radix(pair, 16)));
    bytes
        .map(|byte| byte.expect("ASCII").expect("hexadecimal digits"))
        .collect()
}

/// Lets a bot on `library` take all its steps. Voice is offered in one encryption mode only,
/// so that each of both is judged.
#[expect(clippy::print_stdout, reason = "--nocapture shows who judged")]
async fn judge(library: Library, mode: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let voice_ca = folder.path().join("voice-ca.pem");
    let audio = bot::repository().join("assets/signals/sweep.opus");
    let discord = Discord::start(Options {
        guilds: 2,
        limits: Limits {
            script_timeout: PATIENCE,
            ..Limits::default()
        },
        voice: VoiceOptions {
            ca_file: Some(voice_ca.clone()),
            modes: vec![mode.to_owned()],
            ..VoiceOptions::default()
        },
        ..Options::default()
    })
    .await
    .expect("the simulator starts");
    let place = Place {
        api: discord.api_url(),
        token: discord.token(),
        voice_ca: &voice_ca,
        audio: &audio,
    };
    let mut bot = Bot::start(library, &place);
    let version = bot.did("login").await.library.expect("it says what it is");
    println!("judged by {version}");
    bot.did("register").await;

    let person = Person::in_first_guild(&discord);
    registers_commands(&person);
    suggests_and_replies(&person, &mut bot).await;
    defers_edits_and_follows_up(&person, &mut bot).await;
    resumes_its_session_and_begins_another(&person, &mut bot).await;
    updates_components(&person, &mut bot).await;
    turns_a_card(&person, &mut bot).await;
    asks_in_a_modal(&person, &mut bot).await;
    posts_edits_uploads_and_deletes(&person, &mut bot).await;
    plays_in_voice(
        &person,
        &mut bot,
        library,
        &fs::read(&audio).expect("the signal is there"),
    )
    .await;

    let answer = person
        .command("/bye", &[])
        .answer()
        .await
        .expect("an answer");
    assert_eq!(answer.text(), "Bye");
    bot.did("bye").await;
    assert!(bot.ended().await.success());
    leaves_no_complaint(&discord);
}

/// Somebody with a client, in a channel of a guild.
struct Person<'a> {
    discord: &'a Discord,
    guild: Guild,
    user: UserId,
    channel: ChannelId,
    voice: ChannelId,
}

impl<'a> Person<'a> {
    fn in_first_guild(discord: &'a Discord) -> Self {
        let guild = discord.guilds().remove(0);
        let named = |wanted: &str| {
            let channels = guild.channels();
            let found = channels.iter().find(|(_, name, _)| name == wanted);
            found.expect("guilds begin with these channels").0
        };
        let (channel, voice) = (named("bot"), named("Music"));
        let user = guild.add_user("ada");
        Self {
            discord,
            guild,
            user,
            channel,
            voice,
        }
    }

    fn command(&self, name: &str, options: &[(&str, Value)]) -> Interaction {
        self.discord
            .command(self.user, self.channel, name, options)
            .unwrap_or_else(|error| panic!("{name} can be used: {error}"))
    }

    fn press(&self, message: &Message, custom_id: &str) -> Interaction {
        self.discord
            .press(self.user, self.channel, message.id, custom_id)
            .unwrap_or_else(|error| panic!("{custom_id} can be pressed: {error}"))
    }

    /// Returns a message as it is now.
    fn look_at(&self, message: &Message) -> Message {
        self.discord
            .message(self.channel, message.id)
            .expect("it is still there")
    }
}

fn registers_commands(person: &Person<'_>) {
    let commands = person.discord.commands(Some(person.guild.id()));
    let mut names: Vec<&str> = commands
        .iter()
        .filter_map(|command| command["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "bye", "card", "form", "hello", "later", "leave", "listen", "panel", "post"
        ]
    );
}

async fn suggests_and_replies(person: &Person<'_>, bot: &mut Bot) {
    let typing = person
        .discord
        .autocomplete(
            person.user,
            person.channel,
            "/hello",
            &[("name", json!("ap"))],
            "name",
        )
        .expect("the option suggests");
    let choices = typing.choices().await.expect("suggestions");
    assert_eq!(
        *choices,
        json!([{"name": "apple", "value": "apple"}, {"name": "apricot", "value": "apricot"}])
    );
    bot.did("autocomplete").await;

    let hello = person.command("/hello", &[("name", json!("Zoë 🎵"))]);
    let answer = hello.answer().await.expect("an answer");
    assert_eq!(
        (answer.text().as_str(), answer.is_ephemeral()),
        ("Hello, Zoë 🎵!", true)
    );
    assert_eq!(hello.acknowledged().await.expect("acknowledged").kind, 4);
    bot.did("hello").await;
}

async fn defers_edits_and_follows_up(person: &Person<'_>, bot: &mut Bot) {
    let later = person.command("/later", &[]);
    assert_eq!(later.acknowledged().await.expect("acknowledged").kind, 5);
    let follow_up = later.follow_up().await.expect("a follow-up");
    assert_eq!(
        (follow_up.text().as_str(), follow_up.is_ephemeral()),
        ("Followed up", true)
    );
    let answer = later.answer().await.expect("an answer");
    assert_eq!(
        (answer.text().as_str(), answer.is_ephemeral()),
        ("Edited answer", false)
    );
    bot.did("later").await;
}

async fn say_hello(person: &Person<'_>, bot: &mut Bot) {
    let hello = person.command("/hello", &[("name", json!("you"))]);
    assert_eq!(
        hello.answer().await.expect("an answer").text(),
        "Hello, you!"
    );
    bot.did("hello").await;
}

/// Whatever the gateway does, the bot comes back, and loses no event.
async fn resumes_its_session_and_begins_another(person: &Person<'_>, bot: &mut Bot) {
    let (discord, faults) = (person.discord, person.discord.faults());
    let ways: [(&str, &dyn Fn() -> usize); 3] = [
        ("asked to reconnect", &|| faults.reconnect(None)),
        ("connection broken", &|| faults.break_gateway(None)),
        ("closed with 4000", &|| faults.close_gateway(None, 4_000)),
    ];
    for (number, (way, cause)) in (1..).zip(ways) {
        assert_eq!(cause(), 1, "{way}");
        // Used while the bot may be away: the event is replayed to it.
        let hello = person.command("/hello", &[("name", json!(way))]);
        let answer = hello
            .answer()
            .await
            .unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(answer.text(), format!("Hello, {way}!"));
        bot.did("hello").await;
        discord
            .until(way, |discord| {
                (discord.journal().resumes() == number).then_some(())
            })
            .await
            .expect("the bot resumes");
        assert_eq!(discord.journal().identifies(), 1, "{way}");
    }
    // Not right after RESUMED: discord.js 14.28.1 ends with a TypeError if both come at once.
    say_hello(person, bot).await;
    assert_eq!(faults.invalidate(None, false), 1);
    discord
        .until("a new session", |discord| {
            (discord.journal().identifies() == 2).then_some(())
        })
        .await
        .expect("the bot identifies again");
    discord
        .until_ready(1)
        .await
        .expect("the session is connected");
    say_hello(person, bot).await;
}

async fn updates_components(person: &Person<'_>, bot: &mut Bot) {
    let panel = person
        .command("/panel", &[])
        .answer()
        .await
        .expect("an answer");
    assert_eq!(panel.custom_ids(), ["press", "mood"]);
    bot.did("panel").await;

    let press = person.press(&panel, "press");
    assert_eq!(press.acknowledged().await.expect("acknowledged").kind, 7);
    bot.did("press").await;
    assert_eq!(person.look_at(&panel).json["content"], "Pressed by ada");

    let choice = person
        .discord
        .choose(person.user, person.channel, panel.id, "mood", &["good"])
        .expect("the select is there");
    assert_eq!(choice.acknowledged().await.expect("acknowledged").kind, 6);
    bot.did("mood").await;
    let after = person.look_at(&panel);
    assert_eq!(
        (after.text().as_str(), after.custom_ids()),
        ("Mood: good", Vec::new())
    );
}

async fn turns_a_card(person: &Person<'_>, bot: &mut Bot) {
    let card = person
        .command("/card", &[])
        .answer()
        .await
        .expect("an answer");
    assert_eq!(card.text(), "## Side one\nTurn");
    bot.did("card").await;
    person
        .press(&card, "turn")
        .acknowledged()
        .await
        .expect("acknowledged");
    bot.did("turn").await;
    assert_eq!(person.look_at(&card).text(), "## Side two\nTurn back");
}

async fn asks_in_a_modal(person: &Person<'_>, bot: &mut Bot) {
    let form = person.command("/form", &[]);
    let modal = form.modal().await.expect("a modal");
    assert_eq!(modal["title"], "A form");
    bot.did("form").await;
    let submitted = form
        .submit(&[("text", json!("two\nlines"))])
        .expect("the field is there");
    let answer = submitted.answer().await.expect("an answer");
    assert_eq!(answer.text(), "You wrote: two\nlines");
    bot.did("submit").await;
}

async fn posts_edits_uploads_and_deletes(person: &Person<'_>, bot: &mut Bot) {
    let path = format!("/channels/{}/messages", person.channel);
    person
        .discord
        .faults()
        .rate_limit(&path, 1, Duration::from_millis(300));
    let post = person.command("/post", &[]);
    bot.did("post").await;
    assert_eq!(post.answer().await.expect("an answer").text(), "Posted");
    let messages = person.discord.messages(person.channel);
    let with = |text: &str| messages.iter().find(|message| message.text() == text);
    assert!(with("First, edited").is_some());
    assert!(with("First").is_none() && with("Doomed").is_none());
    let file = &with("A file").expect("the upload's message").json["attachments"][0];
    assert_eq!(
        (&file["filename"], &file["description"]),
        (&json!("note.txt"), &json!("A note"))
    );
}

async fn plays_in_voice(person: &Person<'_>, bot: &mut Bot, library: Library, file: &[u8]) {
    let (discord, guild) = (person.discord, person.guild.id());
    discord
        .join_voice(person.user, person.voice)
        .expect("the person may join");
    let packets = crate::ogg::opus_packets(file);
    plays(person, bot, library, &packets).await;
    let leave = person.command("/leave", &[]);
    discord
        .until_bot_left_voice(guild)
        .await
        .expect("the bot leaves");
    assert_eq!(leave.answer().await.expect("an answer").text(), "Left");
    bot.did("leave").await;
}

async fn plays(person: &Person<'_>, bot: &mut Bot, library: Library, packets: &[Vec<u8>]) {
    let (discord, guild) = (person.discord, person.guild.id());
    let mut listener = person.guild.listen();
    let listen = person.command("/listen", &[]);
    let joined = discord
        .until_bot_in_voice(guild)
        .await
        .expect("the bot joins");
    assert_eq!(joined.channel, person.voice);
    bot.did("join").await;
    let mut heard = Vec::new();
    if library.resumes_voice() {
        heard = hear(&mut listener, packets.len() / 4).await;
        // As when a voice server crashes: the client resumes, and goes on where it was.
        let bot_user = discord.bot().user.get();
        assert!(
            discord
                .voice()
                .break_connection(guild.get(), bot_user, Some(4_015))
        );
    }
    bot.did("play").await;
    assert_eq!(listen.answer().await.expect("an answer").text(), "Played");

    heard.extend(hear(&mut listener, packets.len() - heard.len()).await);
    assert!(
        heard == packets,
        "{} of {} packets, or other ones",
        heard.len(),
        packets.len()
    );
    // The end is told with silence frames, nothing else follows.
    let end = timeout(PATIENCE, listener.next()).await.expect("a frame");
    assert_eq!(*end.expect("the simulator listens").opus, SILENCE);
    let stats = listener.stats();
    assert_eq!(
        (
            stats.lost,
            stats.plaintext,
            stats.garbage,
            stats.replayed,
            stats.strangers,
            stats.off_grid
        ),
        (0, 0, 0, 0, 0, 0),
        "{stats:?}"
    );
}

/// Takes frames that are not silence.
async fn hear(listener: &mut Listener, wanted: usize) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    while heard.len() < wanted {
        let Ok(Some(frame)) = timeout(PATIENCE, listener.next()).await else {
            break;
        };
        if *frame.opus != SILENCE {
            heard.push(frame.opus.to_vec());
        }
    }
    heard
}

/// The bot did nothing that Discord would have refused, but for the one request that met a
/// rate limit.
fn leaves_no_complaint(discord: &Discord) {
    let refused: Vec<(u16, Option<String>)> = discord
        .journal()
        .entries()
        .filter_map(|(_, entry)| match entry {
            Entry::Rest {
                status, refusal, ..
            } if *status >= 400 => Some((*status, refusal.clone())),
            _ => None,
        })
        .collect();
    assert!(matches!(refused.as_slice(), [(429, _)]), "{refused:?}");
}

/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);
