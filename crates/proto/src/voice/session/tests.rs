use serde_json::json;

use super::*;
use crate::voice::{AES256_GCM_RTPSIZE, Hello, SPEAKING_MICROPHONE, XCHACHA20_POLY1305_RTPSIZE};

const SSRC: u32 = 77;

fn options() -> Options {
    Options {
        url: gateway_url("wss", "voice.example:443"),
        server_id: Snowflake::new(1),
        user_id: Snowflake::new(2),
        session_id: "session".into(),
        token: "token".into(),
        max_dave_protocol_version: 0,
        modes: vec![AES256_GCM_RTPSIZE.into(), XCHACHA20_POLY1305_RTPSIZE.into()],
    }
}

/// A session, its clock, and a server that says what it is told to.
struct Bench {
    session: VoiceSession,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        let now = Duration::from_secs(100);
        Self {
            session: VoiceSession::new(options(), now),
            now,
        }
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.session.poll()).collect()
    }

    fn sent(&mut self) -> Vec<ClientMessage> {
        let sent = self
            .effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::SendText(text) => Some(ClientMessage::from_json(&text).expect("valid")),
                _ => None,
            });
        sent.collect()
    }

    fn say(&mut self, message: &ServerMessage, seq: Option<i64>) {
        self.session.handle_text(&message.to_json(seq), self.now);
    }

    fn hello(&mut self) {
        self.session.handle_opened(self.now, 0.5);
        self.say(
            &ServerMessage::Hello(Hello {
                v: 8,
                heartbeat_interval_ms: 1000,
            }),
            None,
        );
    }

    fn ready(&mut self, modes: &[&str]) {
        let modes = modes.iter().map(|mode| (*mode).to_owned()).collect();
        let ip = [10, 0, 0, 1].into();
        let ready = Ready {
            ssrc: SSRC,
            ip,
            port: 5000,
            modes,
            experiments: vec![],
        };
        self.say(&ServerMessage::Ready(ready), None);
    }

    fn describe(&mut self, key: u8, seq: i64) {
        let description = SessionDescription {
            mode: AES256_GCM_RTPSIZE.into(),
            secret_key: [key; 32],
            dave_protocol_version: 0,
            audio_codec: None,
            media_session_id: None,
        };
        self.say(&ServerMessage::SessionDescription(description), Some(seq));
    }

    fn live() -> Self {
        let mut bench = Self::new();
        bench.go_live(1);
        bench
    }

    fn go_live(&mut self, key: u8) {
        self.hello();
        self.ready(&[XCHACHA20_POLY1305_RTPSIZE, AES256_GCM_RTPSIZE]);
        self.session
            .handle_discovered("203.0.113.9:6000".parse().expect("address"), self.now);
        self.describe(key, 4);
        assert!(self.session.is_live());
        self.effects();
    }

    fn close(&mut self, code: u16) -> Closed {
        self.session
            .handle_closed(Some(Close(code)), "because", self.now);
        let mut effects = self.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        let Some(Effect::Closed(closed)) = effects.pop() else {
            panic!("{effects:?}")
        };
        closed
    }

    /// Lets time pass until the session wants to connect again.
    fn reconnect(&mut self) -> u32 {
        self.now = self.session.deadline().expect("an attempt is planned");
        self.session.handle_deadline(self.now);
        let effects = self.effects();
        let [Effect::Connect { attempt, .. }] = effects[..] else {
            panic!("{effects:?}")
        };
        attempt
    }
}

#[test]
fn a_session_goes_from_connect_to_established() {
    let mut bench = Bench::new();
    let url = "wss://voice.example:443/?v=8".to_owned();
    assert_eq!(bench.effects(), [Effect::Connect { url, attempt: 0 }]);
    bench.hello();
    let sent = bench.sent();
    let [ClientMessage::Identify(identify)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(identify.token, "token");
    assert_eq!(identify.max_dave_protocol_version, 0);

    bench.ready(&[XCHACHA20_POLY1305_RTPSIZE, AES256_GCM_RTPSIZE]);
    let address = "10.0.0.1:5000".parse().expect("address");
    assert_eq!(
        bench.effects(),
        [Effect::OpenUdp {
            address,
            ssrc: SSRC
        }]
    );

    bench.session.handle_speaking(SPEAKING_MICROPHONE);
    assert_eq!(bench.effects(), [], "nobody speaks before there are keys");
    bench
        .session
        .handle_discovered("203.0.113.9:6000".parse().expect("address"), bench.now);
    let sent = bench.sent();
    let [ClientMessage::SelectProtocol(select)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(
        select.data.mode, AES256_GCM_RTPSIZE,
        "ours is the preference"
    );
    assert_eq!(
        (select.data.address.to_string().as_str(), select.data.port),
        ("203.0.113.9", 6000)
    );

    bench.describe(9, 1);
    let effects = bench.effects();
    let [Effect::SendText(speaking), Effect::Established(established)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(
        speaking.contains("\"op\":5") && speaking.contains("77"),
        "{speaking}"
    );
    assert_eq!((established.key, established.ssrc), ([9; 32], SSRC));
}

#[test]
fn heartbeats_carry_the_last_sequence_and_measure_the_ping() {
    let mut bench = Bench::live();
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now + Duration::from_millis(500)),
        "jitter"
    );
    bench.session.handle_binary(&[0, 9, 27, 1, 2], bench.now);
    assert!(matches!(bench.effects()[..], [Effect::DaveBinary { .. }]));
    bench.now += Duration::from_millis(500);
    bench.session.handle_deadline(bench.now);
    let sent = bench.sent();
    let [ClientMessage::Heartbeat(heartbeat)] = sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(heartbeat.seq_ack, 9);
    bench.now += Duration::from_millis(30);
    bench.say(&ServerMessage::HeartbeatAck { t: heartbeat.t + 1 }, None);
    assert_eq!(bench.session.ping(), None, "an answer to something else");
    bench.say(&ServerMessage::HeartbeatAck { t: heartbeat.t }, None);
    assert_eq!(bench.session.ping(), Some(Duration::from_millis(30)));
    assert_eq!(
        bench.session.deadline(),
        Some(bench.now + Duration::from_millis(970))
    );
}

#[test]
fn an_unanswered_heartbeat_means_a_zombie_and_resumes() {
    let mut bench = Bench::live();
    bench.now = bench.session.deadline().expect("a beat");
    bench.session.handle_deadline(bench.now);
    bench.effects();
    bench.now = bench.session.deadline().expect("a beat");
    bench.session.handle_deadline(bench.now);
    let effects = bench.effects();
    let [Effect::CloseSocket(_), Effect::Closed(closed)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(closed.will_retry && !closed.by_remote);
    bench
        .session
        .handle_closed(None, "late news from the old socket", bench.now);
    assert_eq!(bench.effects(), []);

    assert_eq!(bench.reconnect(), 1);
    bench.hello();
    let sent = bench.sent();
    let [ClientMessage::Resume(resume)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!((resume.seq_ack, resume.session_id.as_str()), (4, "session"));
    bench.say(&ServerMessage::Resumed, None);
    assert_eq!(bench.effects(), [Effect::Resumed]);
    assert!(bench.session.is_live());
}

#[test]
fn codes_decide_between_resume_identify_and_the_end() {
    for (code, expected) in [
        (1006, Some("resume")),
        (4015, Some("resume")),
        (4009, Some("identify")),
        (4000, Some("resume")),
        (4014, None),
        (4006, None),
        (4017, None),
        (1000, None),
        (4022, None),
    ] {
        let mut bench = Bench::live();
        let closed = bench.close(code);
        assert_eq!(closed.will_retry, expected.is_some(), "{code}");
        assert!(closed.by_remote && closed.code == Close(code) && closed.reason == "because");
        let Some(expected) = expected else {
            assert_eq!(
                (bench.session.deadline(), bench.session.is_over()),
                (None, true),
                "{code}"
            );
            continue;
        };
        bench.reconnect();
        bench.hello();
        let said = match bench.sent()[..] {
            [ClientMessage::Resume(_)] => "resume",
            [ClientMessage::Identify(_)] => "identify",
            _ => "something else",
        };
        assert_eq!(said, expected, "{code}");
    }
}

#[test]
fn before_keys_are_agreed_there_is_nothing_to_resume() {
    let mut bench = Bench::new();
    bench.hello();
    bench.ready(&[AES256_GCM_RTPSIZE]);
    bench.effects();
    assert!(bench.close(1006).will_retry);
    bench.reconnect();
    bench.hello();
    assert!(matches!(bench.sent()[..], [ClientMessage::Identify(_)]));
}

#[test]
fn three_attempts_in_a_row_are_enough() {
    let mut bench = Bench::live();
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        let closed = bench.close(1006);
        assert!(closed.will_retry, "attempt {attempt}");
        let before = bench.now;
        assert_eq!(bench.reconnect(), attempt);
        pauses.push(bench.now.abs_diff(before).as_millis());
    }
    assert_eq!(pauses, [500, 1000, 2000]);
    let closed = bench.close(1006);
    assert!(!closed.will_retry && bench.session.is_over());
}

#[test]
fn short_lives_do_not_clear_the_count_and_long_ones_do() {
    let mut bench = Bench::live();
    for _ in 0..3 {
        assert!(bench.close(1006).will_retry);
        bench.reconnect();
        bench.hello();
        bench.say(&ServerMessage::Resumed, None);
        bench.effects();
    }
    bench.now += Duration::from_secs(31);
    assert!(bench.close(1006).will_retry, "it stood for long");
    assert_eq!(bench.reconnect(), 1);
    for _ in 0..2 {
        bench.hello();
        bench.say(&ServerMessage::Resumed, None);
        bench.effects();
        assert!(bench.close(1006).will_retry);
        bench.reconnect();
    }
    bench.hello();
    bench.say(&ServerMessage::Resumed, None);
    bench.effects();
    assert!(
        !bench.close(1006).will_retry,
        "greeting and closing for ever is bounded"
    );
}

#[test]
fn speaking_is_said_again_after_a_new_identify_only() {
    let mut bench = Bench::live();
    bench.session.handle_speaking(SPEAKING_MICROPHONE);
    bench.session.handle_speaking(SPEAKING_MICROPHONE);
    assert_eq!(bench.sent().len(), 1, "once is enough");
    bench.close(1006);
    bench.reconnect();
    bench.hello();
    bench.effects();
    bench.say(&ServerMessage::Resumed, None);
    assert_eq!(bench.effects(), [Effect::Resumed], "the server still knows");
    bench.close(4009);
    bench.reconnect();
    bench.hello();
    bench.ready(&[AES256_GCM_RTPSIZE]);
    bench
        .session
        .handle_discovered("203.0.113.9:6000".parse().expect("address"), bench.now);
    bench.effects();
    bench.describe(2, 1);
    assert!(matches!(
        bench.effects()[..],
        [Effect::SendText(_), Effect::Established(_)]
    ));
}

#[test]
fn the_same_key_is_never_established_twice() {
    let mut bench = Bench::live();
    bench.describe(1, 5);
    assert_eq!(bench.effects(), [], "its nonces would start again");
    bench.describe(2, 6);
    assert!(matches!(&bench.effects()[..], [Effect::Established(new)] if new.key == [2; 32]));
}

#[test]
fn without_a_common_encryption_the_session_ends() {
    let mut bench = Bench::new();
    bench.hello();
    bench.effects();
    bench.ready(&["xsalsa20_poly1305"]);
    let effects = bench.effects();
    let [Effect::CloseSocket(_), Effect::Closed(closed)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(closed.code, Close::UNKNOWN_ENCRYPTION_MODE);
    assert!(!closed.will_retry && !closed.by_remote);
}

#[test]
fn every_step_has_a_time_limit() {
    let steps: [fn(&mut Bench); 4] = [
        |_| {},
        |bench| bench.session.handle_opened(bench.now, 0.0),
        |bench| bench.hello(),
        |bench| {
            bench.hello();
            bench.ready(&[AES256_GCM_RTPSIZE]);
        },
    ];
    for (index, step) in steps.iter().enumerate() {
        let mut bench = Bench::new();
        step(&mut bench);
        bench.effects();
        let closed = (0..100).find_map(|_| {
            bench.now = bench.session.deadline()?;
            bench.session.handle_deadline(bench.now);
            let effects = bench.effects();
            for effect in &effects {
                // The server keeps answering heartbeats, and does nothing else.
                if let Effect::SendText(text) = effect
                    && let Ok(ClientMessage::Heartbeat(beat)) = ClientMessage::from_json(text)
                {
                    bench.say(&ServerMessage::HeartbeatAck { t: beat.t }, None);
                }
            }
            effects.into_iter().find_map(|effect| match effect {
                Effect::Closed(closed) => Some(closed),
                _ => None,
            })
        });
        assert_eq!(
            closed.map(|closed| closed.reason).as_deref(),
            Some("no answer in time"),
            "{index}"
        );
        assert_eq!(bench.now, Duration::from_secs(110), "{index}");
    }
}

#[test]
fn malformed_and_unexpected_frames_never_panic_and_are_bounded() {
    let frames = [
        "",
        "{",
        "null",
        r#"{"op":2,"d":{}}"#,
        r#"{"op":4,"d":{"mode":"x","secret_key":[]}}"#,
        r#"{"op":8,"d":{"heartbeat_interval":-1}}"#,
    ];
    for frame in frames {
        let mut bench = Bench::live();
        bench.session.handle_text(frame, bench.now);
        assert!(matches!(
            &bench.effects()[..],
            [Effect::CloseSocket(Close::DECODE_ERROR), Effect::Closed(closed)] if closed.will_retry
        ));
    }
    let mut bench = Bench::live();
    bench
        .session
        .handle_text(&json!({"op": 42, "d": [1]}).to_string(), bench.now);
    bench.session.handle_binary(&[1], bench.now);
    assert_eq!(bench.effects(), [], "what is new is ignored");
}

#[test]
fn users_come_and_go() {
    let mut bench = Bench::live();
    bench
        .session
        .handle_text(r#"{"op":11,"d":{"user_ids":["5","6"]},"seq":7}"#, bench.now);
    bench
        .session
        .handle_text(r#"{"op":13,"d":{"user_id":"5"},"seq":8}"#, bench.now);
    assert_eq!(
        bench.effects(),
        [
            Effect::ClientsConnected(vec![Snowflake::new(5), Snowflake::new(6)]),
            Effect::ClientDisconnected(Snowflake::new(5)),
        ]
    );
}

#[test]
fn leaving_closes_and_stays_closed() {
    let mut bench = Bench::live();
    bench.session.handle_leave();
    assert!(matches!(
        &bench.effects()[..],
        [Effect::CloseSocket(Close::NORMAL), Effect::Closed(closed)]
            if !closed.will_retry && !closed.by_remote
    ));
    bench.session.handle_leave();
    bench
        .session
        .handle_deadline(bench.now + Duration::from_secs(100));
    bench.session.handle_text(r#"{"op":9,"d":null}"#, bench.now);
    assert_eq!((bench.effects(), bench.session.deadline()), (vec![], None));
}

#[test]
fn dave_messages_wait_while_the_session_is_resumed_and_not_longer() {
    let mut bench = Bench::live();
    let ready = json!({"transition_id": 3});
    bench
        .session
        .handle_dave_text(Opcode::DaveTransitionReady, ready.clone());
    assert_eq!(bench.sent().len(), 1, "at once while everything stands");
    bench.close(1006);
    bench
        .session
        .handle_dave_text(Opcode::DaveTransitionReady, ready);
    for _ in 0..200 {
        bench
            .session
            .handle_dave_binary(Opcode::MlsCommitWelcome, &[1, 2]);
    }
    bench.reconnect();
    bench.hello();
    assert!(matches!(bench.sent()[..], [ClientMessage::Resume(_)]));
    bench.say(&ServerMessage::Resumed, None);
    let effects = bench.effects();
    assert_eq!(effects.len(), 65, "bounded");
    assert!(matches!(&effects[0], Effect::SendText(text) if text.contains("\"op\":23")));
    assert_eq!(effects[1], Effect::SendBinary(vec![28, 1, 2]));
    assert_eq!(effects[64], Effect::Resumed);

    // What waits for a session that is gone is never sent.
    bench.close(1006);
    bench
        .session
        .handle_dave_binary(Opcode::MlsCommitWelcome, &[1, 2]);
    bench.reconnect();
    bench.session.handle_opened(bench.now, 0.5);
    bench.close(4009);
    bench.reconnect();
    bench.session.handle_opened(bench.now, 0.5);
    bench.hello();
    let effects = bench.effects();
    assert!(
        matches!(effects[..], [Effect::Begun, Effect::SendText(_)]),
        "{effects:?}"
    );
}

#[test]
fn a_session_of_no_use_is_given_up_and_begun_anew() {
    let mut bench = Bench::live();
    bench.session.handle_unusable(bench.now);
    let effects = bench.effects();
    assert!(
        matches!(&effects[..], [Effect::CloseSocket(_), Effect::Closed(closed)]
            if closed.will_retry && !closed.by_remote),
        "{effects:?}"
    );
    bench.reconnect();
    bench.hello();
    assert!(matches!(bench.sent()[..], [ClientMessage::Identify(_)]));
}

#[test]
fn whoever_is_deaf_says_so_once_everything_stands() {
    let mut bench = Bench::new();
    bench.effects();
    bench.session.handle_deafened();
    assert_eq!(bench.effects(), []);
    let mut bench = Bench::live();
    bench.session.handle_deafened();
    assert_eq!(
        bench.sent(),
        [ClientMessage::MediaSinkWants(json!({"any": 0}))]
    );
}
