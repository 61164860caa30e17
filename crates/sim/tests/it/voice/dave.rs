//! Encryption between the members of a call, over sockets.

use std::time::Duration;

use backline_media::voice::Mode;
use backline_proto::voice::{
    Opcode,
    binary::{ClientFrame, ServerFrame},
};
use backline_sim::voice::{
    VoiceOptions, VoiceServer,
    dave::{Attendee, CallState, Fault, Frame, Harm},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{BOT, CHANNEL, GUILD, PATIENCE, client::Speaker, spec};

/// A client that speaks DAVE, as clients do.
struct Member {
    speaker: Speaker,
    attendee: Attendee,
    present: Vec<u64>,
    /// Number of the last numbered message, once there was one.
    seq: Option<i64>,
    ops: Vec<u8>,
}

impl Member {
    async fn come(server: &VoiceServer, user_id: u64) -> Self {
        let ticket = server.open_session(spec(user_id, "session"));
        let mode = Mode::Aes256GcmRtpsize;
        let (speaker, version) = Speaker::connect_dave(&ticket, mode, GUILD, user_id).await;
        let present = vec![user_id, PERSON, OTHER, BOT];
        Self {
            speaker,
            attendee: Attendee::new(user_id, CHANNEL, version),
            present,
            seq: None,
            ops: Vec::new(),
        }
    }

    async fn answer(&mut self) {
        while let Some(frame) = self.attendee.poll() {
            let message = match frame {
                Frame::Text { op, body } => {
                    Message::text(json!({ "op": op as u8, "d": body }).to_string())
                }
                Frame::Binary { op, payload } => Message::binary(
                    ClientFrame {
                        op,
                        payload: &payload,
                    }
                    .to_bytes(),
                ),
            };
            let sent = self.speaker.client.socket.send(message).await;
            sent.expect("the connection stands");
        }
    }

    async fn follow(&mut self) {
        self.answer().await;
        let next = timeout(PATIENCE, self.speaker.client.socket.next()).await;
        let message = next.expect("in time").expect("open").expect("sound");
        let frame = match message {
            Message::Text(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                self.seq = frame["seq"].as_i64().or(self.seq);
                let op = frame["op"].as_u64().expect("an opcode") as u8;
                self.ops.push(op);
                let op = Opcode::from_u8(op).filter(|op| op.is_dave());
                op.map(|op| Frame::Text {
                    op,
                    body: frame["d"].clone(),
                })
            }
            Message::Binary(bytes) => {
                let frame = ServerFrame::parse(&bytes).expect("a frame");
                let seq = i64::from(frame.seq);
                assert_eq!(
                    self.seq.map_or(seq, |last| last + 1),
                    seq,
                    "one row of numbers"
                );
                self.seq = Some(seq);
                self.ops.push(frame.op as u8);
                Some(Frame::Binary {
                    op: frame.op,
                    payload: frame.payload.to_vec(),
                })
            }
            _ => None,
        };
        if let Some(frame) = frame {
            self.attendee.handle(&frame, &self.present);
        }
        self.answer().await;
    }

    /// Follows until the call is as wished, and this member with it.
    async fn until(&mut self, server: &VoiceServer, wish: impl Fn(&CallState) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = server.dave(CHANNEL).expect("a call");
            if state.settled && wish(&state) && self.attendee.epoch() == state.epoch {
                return;
            }
            assert!(Instant::now() < deadline, "{state:?}");
            // What others do may settle it while this member hears nothing.
            let _ = timeout(Duration::from_millis(50), self.follow()).await;
        }
    }

    async fn speak(&mut self, opus: &[u8]) {
        let media = self.attendee.encrypt(opus).expect("it has a key");
        self.speaker.speak(&media).await;
    }
}

fn options() -> VoiceOptions {
    VoiceOptions {
        require_dave: true,
        ..VoiceOptions::default()
    }
}

#[tokio::test]
async fn what_is_encrypted_for_a_call_is_heard_and_nothing_else() {
    let server = VoiceServer::start(options()).await.expect("ports are free");
    server.participant_joined(CHANNEL, PERSON);
    let mut listener = server.listen(GUILD);
    let mut member = Member::come(&server, BOT).await;
    member.until(&server, |state| state.epoch == 1).await;
    member.speak(b"\xFCmusic").await;
    let frame = timeout(PATIENCE, listener.next()).await.expect("in time");
    assert_eq!(*frame.expect("a frame").opus, *b"\xFCmusic");

    member.speaker.speak(b"\xFCbare").await;
    member.speaker.speak(&[0xF8, 0xFF, 0xFE]).await;
    let frame = timeout(PATIENCE, listener.next()).await.expect("in time");
    assert_eq!(*frame.expect("a frame").opus, [0xF8, 0xFF, 0xFE]);
    let stats = listener.stats();
    assert_eq!(
        (stats.heard, stats.encrypted, stats.plaintext_frames),
        (2, 1, 1),
        "{stats:?}"
    );
}

#[tokio::test]
async fn a_member_without_dave_ends_encryption_until_it_leaves() {
    let options = VoiceOptions {
        offer_dave: true,
        ..VoiceOptions::default()
    };
    let server = VoiceServer::start(options).await.expect("ports are free");
    server.participant_joined(CHANNEL, PERSON);
    let mut member = Member::come(&server, BOT).await;
    member.until(&server, |state| state.version == 1).await;
    server.participant_without_dave_joined(CHANNEL, OTHER);
    member.until(&server, |state| state.version == 0).await;
    assert!(!member.attendee.is_ready());
    server.participant_left(CHANNEL, OTHER);
    member.until(&server, |state| state.version == 1).await;
    member.speak(b"\xFCmusic").await;
    let mut listener = server.listen(GUILD);
    let heard = async {
        while listener.stats().encrypted == 0 {
            member.speak(b"\xFCmusic").await;
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, heard).await.expect("it is heard");
    assert_eq!(listener.try_next().map(|frame| frame.user_id), Some(BOT));
}

#[tokio::test]
async fn a_damaged_welcome_is_flagged_and_made_anew() {
    let server = VoiceServer::start(options()).await.expect("ports are free");
    server.participant_joined(CHANNEL, PERSON);
    server.participant_joined(CHANNEL, OTHER);
    server.disturb_dave(
        CHANNEL,
        Fault {
            op: Opcode::MlsWelcome,
            to: Some(BOT),
            harm: Harm::Corrupt,
            times: 1,
        },
    );
    let mut member = Member::come(&server, BOT).await;
    member
        .until(&server, |state| {
            state.counts.flagged == 1 && state.group.len() == 3
        })
        .await;
    assert!(member.attendee.is_ready());
}

#[tokio::test]
async fn what_was_missed_is_sent_again_on_a_resume_bytes_included() {
    let server = VoiceServer::start(options()).await.expect("ports are free");
    server.participant_joined(CHANNEL, PERSON);
    let ticket = server.open_session(spec(BOT, "session"));
    let mode = Mode::Aes256GcmRtpsize;
    let (speaker, version) = Speaker::connect_dave(&ticket, mode, GUILD, BOT).await;
    let mut member = Member {
        speaker,
        attendee: Attendee::new(BOT, CHANNEL, version),
        present: vec![BOT, PERSON, OTHER],
        seq: None,
        ops: Vec::new(),
    };
    member.until(&server, |state| state.epoch == 1).await;
    assert!(server.break_connection(GUILD, BOT, None));
    // While the connection is lost, somebody comes.
    server.participant_joined(CHANNEL, OTHER);
    let seq = member.seq.expect("messages were numbered");
    let client = super::client::Client::connect(&ticket).await;
    member.speaker.client = client;
    member.ops.clear();
    member.speaker.client.resume(&ticket, seq).await;
    member.until(&server, |state| state.group.len() == 3).await;
    let replayed: Vec<u8> = [11, 27, 29]
        .into_iter()
        .filter(|op| member.ops.contains(op))
        .collect();
    assert_eq!(replayed, [11, 27, 29], "{:?}", member.ops);
}

#[tokio::test]
async fn a_stage_is_exempt() {
    let server = VoiceServer::start(options()).await.expect("ports are free");
    server.exempt_from_dave(CHANNEL);
    server.participant_joined(CHANNEL, PERSON);
    let ticket = server.open_session(spec(BOT, "session"));
    let mut speaker = Speaker::connect(&ticket, Mode::Aes256GcmRtpsize).await;
    speaker.speak(b"\xFCmusic").await;
    let mut listener = server.listen(GUILD);
    let heard = async {
        while listener.try_next().is_none() {
            speaker.speak(b"\xFCmusic").await;
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, heard).await.expect("it is heard");
    assert_eq!(server.dave(CHANNEL), None);
}

const PERSON: u64 = 301;
const OTHER: u64 = 302;
