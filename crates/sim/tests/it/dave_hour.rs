//! An hour of an end-to-end encrypted call in virtual time: the parts that the node joins
//! (`VoiceSession`, `Dave`, `EndToEnd`) against the simulated call, with joins, leaves, members
//! that cannot encrypt, and everything that goes wrong on the way. 180,000 frames are sent;
//! none may leave in the clear while the call is encrypted, and sound always has to come back.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use backline_media::{
    frame::SILENCE,
    voice::{
        EndToEnd,
        dave::{Dave, Effect as DaveEffect, Input, MAX_VERSION},
    },
};
use backline_proto::voice::{
    AES256_GCM_RTPSIZE, ClientDisconnect, ClientMessage, ClientsConnect, Close, Hello, Opcode,
    Ready, ServerMessage, SessionDescription, Snowflake,
    binary::{ClientFrame, ServerFrame},
    dave::{DaveMessage, Transition},
    session::{Effect, Options, VoiceSession},
};
use backline_sim::voice::dave::{Call, Fault, Frame, Harm, Opened};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

const BOT: u64 = 1;
const CHANNEL: u64 = 77;
const TICK: Duration = Duration::from_millis(20);
const HOUR: u32 = 180_000;
/// The last of so many minutes is left in peace.
const PEACE_EVERY: u32 = 5;

#[test]
fn no_sound_leaves_in_the_clear_in_an_hour_of_joins_leaves_and_faults() {
    let mut rig = Rig::new(0x00DA_7E01);
    for tick in 0..HOUR {
        rig.tick(tick);
    }
    rig.judge(HOUR);
}

#[test]
fn other_hours_are_no_different() {
    for seed in 1..=4 {
        let mut rig = Rig::new(seed);
        let ticks = HOUR / 10;
        for tick in 0..ticks {
            rig.tick(tick);
        }
        rig.judge(ticks);
    }
}

/// A text or binary frame of the gateway.
#[derive(Clone)]
enum Wire {
    Text(String),
    Binary(Vec<u8>),
}

/// The gateway's connection to the bot.
#[derive(Default)]
struct Gate {
    open: bool,
    resumable: bool,
    seq: u16,
    /// What a resume says again.
    log: Vec<(u16, Wire)>,
    /// On their way, in order, with the time of arrival.
    down: VecDeque<(Duration, Wire)>,
    up: VecDeque<(Duration, Wire)>,
    duplicate: bool,
    swap: bool,
}

/// What was heard, and what was done to the call.
#[derive(Default, Debug)]
struct Tally {
    frames: u32,
    encrypted: u32,
    plain: u32,
    /// In the clear although the call was encrypted by then: the bot was not told in time.
    untold: u32,
    longest_untold: Duration,
    muted: u32,
    unconnected: u32,
    undecryptable: u32,
    alone: u32,
    joins: u32,
    leaves: u32,
    incapable: u32,
    breaks: u32,
    timeouts: u32,
    faults: BTreeMap<String, u32>,
    restarts: u32,
    rejoins: u32,
    longest_quiet: Duration,
    /// Messages with public keys in them, and how long the bot worked on them.
    heavy: u32,
    work: Duration,
    longest_work: Duration,
}

struct Rig {
    seed: u64,
    now: Duration,
    rng: StdRng,
    call: Call,
    present: BTreeSet<u64>,
    incapable_until: Option<Duration>,
    gate: Gate,
    session: VoiceSession,
    reconnect: Option<Duration>,
    dave: Dave,
    counts: (u64, u64),
    end_to_end: Option<EndToEnd>,
    scratch: Vec<u8>,
    /// Whether what the bot was told allows sound in the clear; kept apart from the code above.
    clear_allowed: bool,
    /// Transitions that lead to no encryption, as the bot was told.
    downgrades: BTreeSet<u16>,
    quiet_since: Option<Duration>,
    untold_since: Option<Duration>,
    tally: Tally,
}

impl Rig {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed),
            call: Call::new(CHANNEL),
            present: BTreeSet::new(),
            incapable_until: None,
            gate: Gate::default(),
            session: VoiceSession::new(options(), Duration::ZERO),
            reconnect: None,
            dave: Dave::new(BOT, CHANNEL),
            counts: (0, 0),
            end_to_end: None,
            scratch: Vec::with_capacity(2_048),
            clear_allowed: true,
            downgrades: BTreeSet::new(),
            quiet_since: None,
            untold_since: None,
            tally: Tally::default(),
        }
    }

    fn tick(&mut self, tick: u32) {
        self.now = TICK * tick;
        let minute = tick / 3_000;
        let peace = minute % PEACE_EVERY == PEACE_EVERY - 1;
        if !peace {
            self.disturb();
        }
        if self.incapable_until.is_some_and(|until| until <= self.now) {
            self.incapable_until = None;
            self.leave(INCAPABLE);
        }
        if self.call.deadline().is_some_and(|due| due <= self.now) {
            self.call.handle_deadline(self.now);
        }
        self.deliver();
        let calm = peace && tick % 3_000 >= 2_000;
        self.speak(tick, calm);
    }

    /// Once in a while, something happens.
    fn disturb(&mut self) {
        // Chances in a tick: once in about that many seconds.
        let mut once_in = |seconds: f64| self.rng.random_bool(0.02 / seconds);
        let (churn, incapable, fault) = (once_in(12.0), once_in(200.0), once_in(25.0));
        let (broken, timeout) = (once_in(60.0), once_in(240.0));
        let (duplicate, swap) = (once_in(30.0), once_in(90.0));
        if churn {
            let user = self.rng.random_range(10..15);
            if self.present.contains(&user) {
                self.leave(user);
            } else {
                self.join(user, 1);
            }
        }
        if incapable && self.incapable_until.is_none() {
            self.join(INCAPABLE, 0);
            self.tally.incapable += 1;
            let stay = self.rng.random_range(2..20);
            self.incapable_until = Some(self.now + Duration::from_secs(stay));
        }
        if fault {
            let op = OPS[self.rng.random_range(0..OPS.len())];
            let harm = match self.rng.random_range(0..4) {
                0 => Harm::Corrupt,
                1 => Harm::Drop,
                2 => Harm::Duplicate,
                _ => Harm::Delay(Duration::from_millis(self.rng.random_range(20..2_000))),
            };
            *self
                .tally
                .faults
                .entry(
                    format!("{op:?} {harm:?}")
                        .split('(')
                        .next()
                        .expect("a split yields one part")
                        .to_owned(),
                )
                .or_default() += 1;
            self.call.inject(Fault {
                op,
                to: Some(BOT),
                harm,
                times: 1,
            });
        }
        self.gate.duplicate |= duplicate;
        self.gate.swap |= swap;
        if broken && self.gate.open {
            self.tally.breaks += 1;
            self.sever();
            self.session.handle_closed(None, "", self.now);
        }
        if timeout && self.gate.open {
            self.tally.timeouts += 1;
            self.sever();
            self.gate.resumable = false;
            let code = Some(Close::SESSION_TIMEOUT);
            self.session.handle_closed(code, "", self.now);
        }
    }

    /// The connection is gone, and all that was on its way.
    fn sever(&mut self) {
        self.gate.open = false;
        self.gate.down.clear();
        self.gate.up.clear();
    }

    fn join(&mut self, user: u64, version: u16) {
        self.tally.joins += 1;
        self.present.insert(user);
        let body = ClientsConnect {
            user_ids: vec![Snowflake::new(user)],
        };
        self.number(&ServerMessage::ClientsConnect(body));
        self.call.attend(user, version, self.now);
    }

    fn leave(&mut self, user: u64) {
        self.tally.leaves += 1;
        self.present.remove(&user);
        self.call.leave(user, self.now);
        let body = ClientDisconnect {
            user_id: Snowflake::new(user),
        };
        self.number(&ServerMessage::ClientDisconnect(body));
    }

    /// Sends a numbered message to the bot.
    fn number(&mut self, message: &ServerMessage) {
        self.gate.seq = self.gate.seq.wrapping_add(1);
        let text = message.to_json(Some(self.gate.seq.into()));
        self.remember(Wire::Text(text));
    }

    fn remember(&mut self, wire: Wire) {
        self.gate.log.push((self.gate.seq, wire.clone()));
        self.send(wire);
    }

    fn send(&mut self, wire: Wire) {
        if !self.gate.open {
            return;
        }
        let latest = self.gate.down.back().map_or(self.now, |(due, _)| *due);
        let due = latest.max(self.now) + Duration::from_millis(self.rng.random_range(0..30));
        if std::mem::take(&mut self.gate.duplicate) {
            self.gate.down.push_back((due, wire.clone()));
        }
        self.gate.down.push_back((due, wire));
        let length = self.gate.down.len();
        if self.gate.swap && length > 1 {
            self.gate.swap = false;
            let (a, b) = (length - 2, length - 1);
            let (first, second) = (self.gate.down[a].1.clone(), self.gate.down[b].1.clone());
            (self.gate.down[a].1, self.gate.down[b].1) = (second, first);
        }
    }

    /// Lets messages travel until nothing is due any more.
    fn deliver(&mut self) {
        if self.session.deadline().is_some_and(|due| due <= self.now) {
            self.session.handle_deadline(self.now);
        }
        if self.dave.deadline().is_some_and(|due| due <= self.now) {
            self.dave.handle_deadline(self.now);
        }
        loop {
            self.run_client();
            self.forward();
            let due = |queue: &VecDeque<(Duration, Wire)>| {
                queue.front().is_some_and(|(due, _)| *due <= self.now)
            };
            if due(&self.gate.up) {
                let (_, wire) = self.gate.up.pop_front().expect("one is due");
                self.serve(wire);
            } else if due(&self.gate.down) {
                match self.gate.down.pop_front().expect("one is due").1 {
                    Wire::Text(text) => self.session.handle_text(&text, self.now),
                    Wire::Binary(bytes) => self.session.handle_binary(&bytes, self.now),
                }
            } else if self.reconnect.is_some_and(|due| due <= self.now) {
                self.reconnect = None;
                self.gate.open = true;
                self.session.handle_opened(self.now, 0.5);
                let hello = Hello {
                    v: 8,
                    heartbeat_interval_ms: 10_000,
                };
                let hello = ServerMessage::Hello(hello).to_json(None);
                self.send(Wire::Text(hello));
            } else {
                return;
            }
        }
    }

    /// What the call has to say to the bot gets its number.
    fn forward(&mut self) {
        while let Some(delivery) = self.call.poll() {
            if delivery.to != BOT {
                continue;
            }
            match delivery.frame {
                Frame::Text { op, body } => self.number(&ServerMessage::Dave { op, body }),
                Frame::Binary { op, payload } => {
                    self.gate.seq = self.gate.seq.wrapping_add(1);
                    let (seq, payload) = (self.gate.seq, &payload[..]);
                    let bytes = ServerFrame { seq, op, payload }.to_bytes();
                    self.remember(Wire::Binary(bytes));
                }
            }
        }
    }

    /// The gateway answers the bot.
    fn serve(&mut self, wire: Wire) {
        let message = match wire {
            Wire::Binary(bytes) => {
                let frame = ClientFrame::parse(&bytes).expect("the bot speaks properly");
                let payload = frame.payload.to_vec();
                let frame = Frame::Binary {
                    op: frame.op,
                    payload,
                };
                return self.call.handle(BOT, &frame, self.now);
            }
            Wire::Text(text) => ClientMessage::from_json(&text).expect("the bot speaks properly"),
        };
        match message {
            ClientMessage::Identify(identify) => {
                assert_eq!(identify.max_dave_protocol_version, 1);
                self.call.leave(BOT, self.now);
                (self.gate.seq, self.gate.resumable) = (0, true);
                self.gate.log.clear();
                let ready = Ready {
                    ssrc: 5,
                    ip: [127, 0, 0, 1].into(),
                    port: 1,
                    modes: vec![AES256_GCM_RTPSIZE.to_owned()],
                    experiments: vec![],
                };
                let ready = ServerMessage::Ready(ready).to_json(None);
                self.send(Wire::Text(ready));
                let user_ids = self.present.iter().copied().map(Snowflake::new).collect();
                self.number(&ServerMessage::ClientsConnect(ClientsConnect { user_ids }));
            }
            ClientMessage::SelectProtocol(_) => {
                let version = self.call.join(BOT, 1, self.now);
                let description = SessionDescription {
                    mode: AES256_GCM_RTPSIZE.to_owned(),
                    secret_key: self.rng.random(),
                    dave_protocol_version: version,
                    audio_codec: None,
                    media_session_id: None,
                };
                self.number(&ServerMessage::SessionDescription(description));
            }
            ClientMessage::Resume(resume) => {
                assert!(self.gate.resumable, "the bot knows that it cannot resume");
                let resumed = ServerMessage::Resumed.to_json(None);
                self.send(Wire::Text(resumed));
                // Some servers say the last one again.
                let from = resume.seq_ack - i64::from(self.rng.random_bool(0.3));
                let missed = self.gate.log.iter();
                let missed = missed.filter(|(seq, _)| i64::from(*seq) > from);
                for (_, wire) in missed.cloned().collect::<Vec<_>>() {
                    self.send(wire);
                }
            }
            ClientMessage::Heartbeat(beat) => {
                let ack = ServerMessage::HeartbeatAck { t: beat.t }.to_json(None);
                self.send(Wire::Text(ack));
            }
            ClientMessage::Dave { op, body } => {
                self.call.handle(BOT, &Frame::Text { op, body }, self.now);
            }
            ClientMessage::Speaking(_) | ClientMessage::MediaSinkWants(_) => {}
        }
    }

    fn say(&mut self, wire: Wire) {
        if self.gate.open {
            let latest = self.gate.up.back().map_or(self.now, |(due, _)| *due);
            let due = latest.max(self.now) + Duration::from_millis(self.rng.random_range(0..30));
            self.gate.up.push_back((due, wire));
        }
    }

    /// What the node's connection does, without a thread and a socket.
    fn run_client(&mut self) {
        loop {
            while let Some(effect) = self.session.poll() {
                self.obey(effect);
            }
            let Some(effect) = self.dave.poll() else {
                return;
            };
            match effect {
                DaveEffect::KeyPackage(package) => self
                    .session
                    .handle_dave_binary(Opcode::MlsKeyPackage, &package),
                DaveEffect::CommitWelcome(commit) => self
                    .session
                    .handle_dave_binary(Opcode::MlsCommitWelcome, &commit),
                DaveEffect::TransitionReady(transition_id) => {
                    let body = json!(Transition { transition_id });
                    self.session
                        .handle_dave_text(Opcode::DaveTransitionReady, body);
                }
                DaveEffect::InvalidCommitWelcome(transition_id) => {
                    let body = json!(Transition { transition_id });
                    self.session
                        .handle_dave_text(Opcode::MlsInvalidCommitWelcome, body);
                }
                DaveEffect::Protect(end_to_end) => self.end_to_end = Some(end_to_end),
                DaveEffect::Restart => {
                    self.tally.restarts += 1;
                    self.session.handle_unusable(self.now);
                }
                _ => {}
            }
        }
    }

    fn obey(&mut self, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Connect { .. } => self.reconnect = Some(now + Duration::from_millis(40)),
            Effect::SendText(text) => self.say(Wire::Text(text)),
            Effect::SendBinary(bytes) => self.say(Wire::Binary(bytes)),
            Effect::CloseSocket(_) => self.sever(),
            Effect::OpenUdp { .. } => {
                let ours = "127.0.0.1:2".parse().expect("an address");
                self.session.handle_discovered(ours, now);
            }
            Effect::Begun => {
                let done = self.dave.counts();
                self.counts.0 += done.transitions;
                self.counts.1 += done.recoveries;
                self.dave = Dave::new(BOT, CHANNEL);
                self.downgrades.clear();
            }
            Effect::Established(established) => {
                let version = established.dave_protocol_version;
                self.end_to_end = Some(EndToEnd::begin(version));
                self.clear_allowed = version == 0;
                self.dave.handle(Input::Described { version }, now);
            }
            Effect::Resumed => self.dave.handle(Input::Resumed, now),
            Effect::ClientsConnected(users) => {
                let users = users.into_iter().map(Snowflake::value).collect();
                self.dave.handle(Input::Connected(users), now);
            }
            Effect::ClientDisconnected(user) => {
                self.dave.handle(Input::Disconnected(user.value()), now);
            }
            Effect::DaveText { op, body } => {
                let message = DaveMessage::from_text(op, &body).expect("the server is right");
                self.hear(message);
            }
            Effect::DaveBinary { op, payload } => {
                let message = DaveMessage::from_binary(op, &payload).expect("the server is right");
                self.hear(message);
            }
            Effect::Closed(closed) if !closed.will_retry => {
                // Too many breaks in a row; whoever owns the player sends it there again.
                self.tally.rejoins += 1;
                self.end_to_end = None;
                self.session = VoiceSession::new(options(), now);
            }
            _ => {}
        }
    }

    /// Notes what a DAVE message allows, and hands it to the bot.
    fn hear(&mut self, message: DaveMessage) {
        let input = match message {
            DaveMessage::PrepareTransition(body) => {
                match (body.transition_id, body.protocol_version) {
                    (0, version) => self.clear_allowed = version == 0,
                    (id, 0) => drop(self.downgrades.insert(id)),
                    _ => {}
                }
                Input::PrepareTransition {
                    transition_id: body.transition_id,
                    version: body.protocol_version,
                }
            }
            DaveMessage::ExecuteTransition(Transition { transition_id }) => {
                self.clear_allowed = self.downgrades.contains(&transition_id);
                Input::ExecuteTransition { transition_id }
            }
            DaveMessage::PrepareEpoch(body) => Input::PrepareEpoch {
                version: body.protocol_version,
                epoch: body.epoch,
            },
            DaveMessage::ExternalSender(sender) => Input::ExternalSender(sender),
            DaveMessage::Proposals(payload) => Input::Proposals(payload),
            DaveMessage::Commit {
                transition_id,
                commit,
            } => Input::Commit {
                transition_id,
                commit,
            },
            DaveMessage::Welcome {
                transition_id,
                welcome,
            } => Input::Welcome {
                transition_id,
                welcome,
            },
        };
        let (heavy, begun) = (input.is_heavy(), Instant::now());
        self.dave.handle(input, self.now);
        if heavy {
            let took = begun.elapsed();
            self.tally.heavy += 1;
            self.tally.work += took;
            self.tally.longest_work = self.tally.longest_work.max(took);
        }
    }

    /// One frame of the bot, and what becomes of it.
    fn speak(&mut self, tick: u32, calm: bool) {
        self.tally.frames += 1;
        let mut sound = vec![0xFC; self.rng.random_range(60..320)];
        sound[1..5].copy_from_slice(&tick.to_be_bytes());
        let frame: &[u8] = if tick.is_multiple_of(500) {
            &SILENCE
        } else {
            &sound
        };
        let Some(end_to_end) = &mut self.end_to_end else {
            self.tally.unconnected += 1;
            return;
        };
        let sent = match end_to_end.protect(frame, &mut self.scratch) {
            Ok(sent) => sent,
            Err(_) => &SILENCE,
        };
        if frame == SILENCE {
            assert_eq!(sent, SILENCE, "silence is never encrypted");
            return;
        }
        let context = || format!("seed {:#x}, tick {tick}, {:?}", self.seed, self.dave);
        // A frame in the clear, judged by what the bot was told.
        assert!(sent != frame || self.clear_allowed, "{}", context());
        assert!(
            sent == SILENCE || sent == frame || sent.len() > frame.len(),
            "{}",
            context()
        );
        let capable = self.present.iter().any(|user| *user != INCAPABLE);
        let heard = match self.call.open(BOT, sent, self.now) {
            Opened::Plaintext => {
                // The word to encrypt was lost on its way, and the bot has not missed it yet.
                assert!(self.clear_allowed, "{}", context());
                self.tally.untold += 1;
                let since = *self.untold_since.get_or_insert(self.now);
                self.tally.longest_untold = self
                    .tally
                    .longest_untold
                    .max(self.now.saturating_sub(since));
                true
            }
            Opened::Plain if sent == SILENCE => {
                self.tally.muted += 1;
                false
            }
            Opened::Plain => {
                self.tally.plain += 1;
                true
            }
            Opened::Encrypted(opened) => {
                assert_eq!(opened, frame, "{}", context());
                self.tally.encrypted += 1;
                true
            }
            Opened::Undecryptable => {
                self.tally.undecryptable += 1;
                false
            }
            Opened::Unheard => false,
        };
        if sent != frame || !self.clear_allowed {
            self.untold_since = None;
        }
        if !capable {
            self.tally.alone += 1;
        }
        if heard || !capable {
            self.quiet_since = None;
        } else {
            let since = *self.quiet_since.get_or_insert(self.now);
            self.tally.longest_quiet = self.tally.longest_quiet.max(self.now.saturating_sub(since));
        }
        if calm && capable {
            assert!(
                heard,
                "sound is back in peace: {}, {:?}",
                context(),
                self.call.state()
            );
        }
    }

    #[expect(
        clippy::print_stderr,
        reason = "what happened in the hour, with --nocapture"
    )]
    fn judge(&mut self, ticks: u32) {
        let done = self.dave.counts();
        let transitions = self.counts.0 + done.transitions;
        let recoveries = self.counts.1 + done.recoveries;
        let tally = &self.tally;
        eprintln!(
            "seed {:#x}: {transitions} transitions, {recoveries} recoveries, {tally:?}",
            self.seed
        );
        assert_eq!(tally.frames, ticks);
        let scale = f64::from(ticks) / f64::from(HOUR);
        for (what, count, least) in [
            ("transitions", transitions as u32, 150.0),
            ("recoveries", recoveries as u32, 5.0),
            ("joins", tally.joins, 80.0),
            ("leaves", tally.leaves, 80.0),
            ("incapable members", tally.incapable, 4.0),
            ("breaks", tally.breaks, 15.0),
            ("timeouts", tally.timeouts, 3.0),
            ("faults", tally.faults.values().sum(), 60.0),
        ] {
            let least = (least * scale * 0.5).floor() as u32;
            assert!(count >= least, "only {count} {what}: {tally:?}");
        }
        let could_be_heard = tally.frames - tally.alone - tally.frames / 500;
        let heard = tally.encrypted + tally.plain + tally.untold;
        assert!(heard > could_be_heard / 2, "{tally:?}");
        assert!(tally.longest_untold < Duration::from_secs(7), "{tally:?}");
        assert!(tally.longest_quiet < Duration::from_secs(45), "{tally:?}");
    }
}

fn options() -> Options {
    Options {
        url: String::new(),
        server_id: Snowflake::new(9),
        user_id: Snowflake::new(BOT),
        session_id: "session".to_owned(),
        token: "token".to_owned(),
        max_dave_protocol_version: MAX_VERSION,
        modes: vec![AES256_GCM_RTPSIZE.to_owned()],
    }
}

/// A member that does not speak DAVE.
const INCAPABLE: u64 = 99;

/// What faults befall.
const OPS: [Opcode; 7] = [
    Opcode::DavePrepareTransition,
    Opcode::DaveExecuteTransition,
    Opcode::DavePrepareEpoch,
    Opcode::MlsExternalSender,
    Opcode::MlsProposals,
    Opcode::MlsAnnounceCommitTransition,
    Opcode::MlsWelcome,
];
