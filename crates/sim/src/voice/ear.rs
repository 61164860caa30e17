//! Judges the packets of one session: who sent them, when, in which order, and what they hold.

use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use backline_media::{
    frame::{FRAME_SAMPLES, SAMPLE_RATE, SILENCE},
    voice::{OpenError, Opener, RtpHeader},
};
use bytes::Bytes;

use super::{HeardFrame, HeardStats};

/// The key of a session and the nonces it was used with.
#[derive(Debug)]
pub(super) struct Key {
    opener: Opener,
    nonces: Nonces,
}

/// What a session's packets are judged by.
#[derive(Debug, Default)]
pub(super) struct Ear {
    key: Option<Key>,
    address: Option<SocketAddr>,
    announced: bool,
    stream: Option<Stream>,
}

/// One packet on its way in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: SocketAddr,
    pub(super) arrival: Instant,
    pub(super) tolerance: Duration,
    /// Whether it may come from another address than the discovery packet did.
    pub(super) from_anywhere: bool,
}

/// The RTP stream so far.
#[derive(Debug)]
struct Stream {
    newest: RtpHeader,
    /// Bit n stands for the sequence number n before the newest.
    seen: u128,
    /// When the frame with this timestamp was due, by the most punctual frame so far.
    due: Instant,
    due_timestamp: u32,
    silent: bool,
}

/// Where a sequence number stands.
enum Place {
    /// After the newest, with this many missing between.
    Next { missing: u16 },
    /// Before the newest, and not seen yet.
    Late,
    /// Seen before, or too old to tell.
    Replayed,
}

impl Key {
    /// Returns nothing if the mode is not known.
    pub(super) fn new(mode: &str, secret: &[u8; 32]) -> Option<Self> {
        let mode = mode.parse().ok()?;
        Some(Self {
            opener: Opener::new(mode, secret),
            nonces: Nonces::default(),
        })
    }
}

impl Ear {
    /// Begins a new session: no key, no stream.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes a new key; nonces may begin anew.
    pub(super) fn learn(&mut self, key: Key) {
        self.key = Some(key);
    }

    /// Notes the address that a discovery packet came from.
    pub(super) fn discovered(&mut self, from: SocketAddr) {
        self.address = Some(from);
    }

    /// Returns the address that packets come from, once it is known.
    pub(super) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Notes what the client says about speaking.
    pub(super) fn announced(&mut self, speaking: bool) {
        self.announced = speaking;
    }

    /// Whether the client has said that it speaks.
    pub(super) const fn is_announced(&self) -> bool {
        self.announced
    }

    /// Judges a packet. Returns its frame if it can be heard.
    pub(super) fn hear(
        &mut self,
        packet: Packet<'_>,
        user_id: u64,
        stats: &mut HeardStats,
        scratch: &mut Vec<u8>,
    ) -> Option<HeardFrame> {
        if !packet.from_anywhere && self.address.is_some_and(|address| address != packet.from) {
            stats.strangers += 1;
            return None;
        }
        let key = self.key.as_mut()?;
        let (header, range) = match key.opener.open(packet.bytes, scratch) {
            Ok(opened) => opened,
            Err(error) => {
                if is_plaintext(packet.bytes, &error) {
                    stats.plaintext += 1;
                } else {
                    stats.garbage += 1;
                }
                return None;
            }
        };
        let opus = &scratch[range];
        // Authentic, so whoever sent it has the key.
        self.address.get_or_insert(packet.from);
        let nonce = Opener::counter(packet.bytes)?;
        if !key.nonces.use_up(nonce) {
            stats.replayed += 1;
            return None;
        }
        let silent = *opus == SILENCE;
        if let Some(stream) = &mut self.stream {
            match stream.place(header.sequence) {
                Place::Replayed => {
                    stats.replayed += 1;
                    return None;
                }
                Place::Late => stats.lost = stats.lost.saturating_sub(1),
                Place::Next { missing } => {
                    stats.lost += u64::from(missing);
                    stats.off_grid += u64::from(!stream.is_on_grid(&header));
                    stream.advance(header, missing);
                }
            }
            stream.judge_time(&packet, header.timestamp, silent, stats);
        } else {
            self.stream = Some(Stream::new(header, packet.arrival, silent));
        }
        stats.heard += 1;
        stats.silence += u64::from(silent);
        stats.before_speaking += u64::from(!self.announced && !silent);
        Some(HeardFrame {
            user_id,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            arrival: packet.arrival,
            opus: Bytes::copy_from_slice(opus),
        })
    }
}

impl Stream {
    fn new(newest: RtpHeader, due: Instant, silent: bool) -> Self {
        Self {
            newest,
            seen: 1,
            due,
            due_timestamp: newest.timestamp,
            silent,
        }
    }

    fn place(&mut self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.newest.sequence);
        if (1..0x8000).contains(&ahead) {
            return Place::Next { missing: ahead - 1 };
        }
        let behind = self.newest.sequence.wrapping_sub(sequence);
        let bit = 1_u128.checked_shl(u32::from(behind)).unwrap_or(0);
        if bit == 0 || self.seen & bit != 0 {
            return Place::Replayed;
        }
        self.seen |= bit;
        Place::Late
    }

    fn advance(&mut self, header: RtpHeader, missing: u16) {
        let step = u32::from(missing) + 1;
        self.seen = self.seen.checked_shl(step).unwrap_or(0) | 1;
        self.newest = header;
    }

    /// Whether time went on by whole frames, and by at least one a packet.
    ///
    /// Clients may let time go on during a pause, so more is fine.
    fn is_on_grid(&self, header: &RtpHeader) -> bool {
        let packets = u32::from(header.sequence.wrapping_sub(self.newest.sequence));
        let samples = header.timestamp.wrapping_sub(self.newest.timestamp);
        samples.is_multiple_of(FRAME_SAMPLES as u32) && samples / FRAME_SAMPLES as u32 >= packets
    }

    /// Compares the arrival with the schedule that the most punctual frame so far has set.
    fn judge_time(
        &mut self,
        packet: &Packet<'_>,
        timestamp: u32,
        silent: bool,
        stats: &mut HeardStats,
    ) {
        let was_silent = std::mem::replace(&mut self.silent, silent);
        let samples = timestamp.wrapping_sub(self.due_timestamp).cast_signed();
        let offset =
            Duration::from_secs_f64(f64::from(samples.unsigned_abs()) / f64::from(SAMPLE_RATE));
        let due = if samples >= 0 {
            self.due.checked_add(offset)
        } else {
            self.due.checked_sub(offset)
        };
        // A leap out of the clock's range begins a new schedule.
        let due = due.unwrap_or(packet.arrival);
        let lateness = packet.arrival.saturating_duration_since(due);
        // After silence a client may let time stand still until it has something to say again.
        let pause_ended = was_silent && lateness > RESTART;
        if !pause_ended {
            stats.max_lateness = stats.max_lateness.max(lateness);
            stats.late += u64::from(lateness > FRAME + packet.tolerance);
        }
        if packet.arrival < due || lateness > RESTART {
            // An earlier frame sets a stricter schedule; a long stall makes listeners begin a
            // new one, so that it counts once.
            self.due = packet.arrival;
            self.due_timestamp = timestamp;
        } else {
            // Keeps the difference of timestamps small: they wrap after a day.
            self.due = due;
            self.due_timestamp = timestamp;
        }
    }
}

/// Nonces that a key was used with: the first ones, where a restarted counter shows, and the
/// newest ones.
#[derive(Debug, Default)]
struct Nonces {
    known: HashSet<u32>,
    newest: VecDeque<u32>,
}

impl Nonces {
    /// Returns whether this nonce was not used before.
    fn use_up(&mut self, nonce: u32) -> bool {
        if !self.known.insert(nonce) {
            return false;
        }
        if self.known.len() > FIRST_NONCES {
            self.newest.push_back(nonce);
            if self.newest.len() > NEWEST_NONCES
                && let Some(forgotten) = self.newest.pop_front()
            {
                self.known.remove(&forgotten);
            }
        }
        true
    }
}

/// Whether a packet that could not be opened holds bare Opus: the silence frame, or something
/// that begins as 20 ms fullband frames of this codec do.
fn is_plaintext(packet: &[u8], error: &OpenError) -> bool {
    if !matches!(error, OpenError::NotAuthentic | OpenError::TooShort { .. }) {
        return false;
    }
    let Ok(parsed) = RtpHeader::parse(packet) else {
        return false;
    };
    matches!(packet.get(parsed.clear_len..), Some([0xF8 | 0xFC, ..]))
}

const FRAME: Duration = Duration::from_millis(20);
/// A frame this far behind is not late but the beginning of a new schedule.
const RESTART: Duration = Duration::from_millis(100);
const FIRST_NONCES: usize = 64;
const NEWEST_NONCES: usize = 1024;

#[cfg(test)]
mod tests {
    use backline_media::voice::{Mode, Sealer};

    use super::*;

    const SECRET: [u8; 32] = [7; 32];
    const SSRC: u32 = 99;

    struct Talk {
        ear: Ear,
        sealer: Sealer,
        stats: HeardStats,
        begin: Instant,
    }

    impl Talk {
        fn new() -> Self {
            let mode = Mode::Aes256GcmRtpsize;
            let mut ear = Ear::default();
            ear.learn(Key::new(mode.name(), &SECRET).expect("the mode is known"));
            ear.announced(true);
            let sealer = Sealer::new(mode, &SECRET);
            Self {
                ear,
                sealer,
                stats: HeardStats::default(),
                begin: Instant::now(),
            }
        }

        fn seal(&mut self, frame: u16, opus: &[u8]) -> Vec<u8> {
            let header = RtpHeader {
                sequence: 0,
                timestamp: 0,
                ssrc: SSRC,
            }
            .advanced(frame);
            let mut packet = Vec::new();
            self.sealer
                .seal(&header, opus, &mut packet)
                .expect("the frame is short");
            packet
        }

        fn hear_bytes(&mut self, bytes: &[u8], at_ms: u64) -> bool {
            let packet = Packet {
                bytes,
                from: SocketAddr::from(([127, 0, 0, 1], 4000)),
                arrival: self.begin + Duration::from_millis(at_ms),
                tolerance: Duration::from_millis(20),
                from_anywhere: false,
            };
            self.ear
                .hear(packet, 1, &mut self.stats, &mut Vec::new())
                .is_some()
        }

        /// Hears frame number `frame`, `delay_ms` after it is due.
        fn hear(&mut self, frame: u16, delay_ms: u64) -> bool {
            let packet = self.seal(frame, b"\xFCmusic");
            self.hear_bytes(&packet, u64::from(frame) * 20 + delay_ms)
        }
    }

    #[test]
    fn punctual_frames_are_heard_and_nothing_else_is_counted() {
        let mut talk = Talk::new();
        for frame in 0..100 {
            assert!(talk.hear(frame, 3));
        }
        assert_eq!(
            talk.stats,
            HeardStats {
                heard: 100,
                ..HeardStats::default()
            }
        );
    }

    #[test]
    fn a_gap_counts_as_lost_until_the_frame_comes_after_all() {
        let mut talk = Talk::new();
        let straggler = talk.seal(1, b"\xFCmusic");
        talk.hear(0, 0);
        talk.hear(4, 0);
        assert_eq!(talk.stats.lost, 3);
        assert!(talk.hear_bytes(&straggler, 81));
        assert_eq!(talk.stats.lost, 2);
        assert!(!talk.hear_bytes(&straggler, 82), "it was heard before");
        assert_eq!((talk.stats.replayed, talk.stats.heard), (1, 3));
    }

    #[test]
    fn a_frame_is_late_beyond_its_own_length_and_the_tolerance() {
        let mut talk = Talk::new();
        talk.hear(0, 0);
        talk.hear(1, 40);
        assert_eq!(talk.stats.late, 0);
        talk.hear(2, 41);
        assert_eq!(talk.stats.late, 1);
        talk.hear(3, 0);
        assert_eq!(
            (talk.stats.late, talk.stats.max_lateness.as_millis()),
            (1, 41)
        );
    }

    #[test]
    fn a_stall_counts_once_and_a_pause_after_silence_not_at_all() {
        let mut talk = Talk::new();
        talk.hear(0, 0);
        talk.hear(1, 500);
        talk.hear(2, 500);
        assert_eq!(talk.stats.late, 1);
        let silence = talk.seal(3, &SILENCE);
        talk.hear_bytes(&silence, 560);
        talk.hear(4, 9_000);
        talk.hear(5, 9_000);
        assert_eq!((talk.stats.late, talk.stats.silence), (1, 1));
    }

    #[test]
    fn a_nonce_counter_that_starts_again_is_noticed() {
        let mut talk = Talk::new();
        for frame in 0..2_000 {
            talk.hear(frame, 0);
        }
        talk.sealer = Sealer::new(Mode::Aes256GcmRtpsize, &SECRET);
        assert!(!talk.hear(2_000, 0));
        assert_eq!(talk.stats.replayed, 1);
    }

    #[test]
    fn garbage_plaintext_and_foreign_addresses_are_told_apart() {
        let mut talk = Talk::new();
        assert!(talk.hear(0, 0));
        let mut damaged = talk.seal(1, b"\xFCmusic");
        damaged[12] = 0;
        assert!(!talk.hear_bytes(&damaged, 20));
        let mut bare = RtpHeader {
            sequence: 2,
            timestamp: 1920,
            ssrc: SSRC,
        }
        .to_bytes()
        .to_vec();
        bare.extend_from_slice(&SILENCE);
        assert!(!talk.hear_bytes(&bare, 40));
        assert_eq!((talk.stats.garbage, talk.stats.plaintext), (1, 1));

        talk.ear
            .discovered(SocketAddr::from(([127, 0, 0, 1], 4001)));
        assert!(!talk.hear(3, 0));
        assert_eq!((talk.stats.strangers, talk.stats.heard), (1, 1));
    }

    #[test]
    fn timestamps_may_leap_by_whole_frames_only() {
        let mut talk = Talk::new();
        talk.hear(0, 0);
        for (sequence, timestamp, off_grid) in [(1, 9_600, 0), (2, 9_601, 1), (4, 10_561, 2)] {
            let header = RtpHeader {
                sequence,
                timestamp,
                ssrc: SSRC,
            };
            let mut packet = Vec::new();
            talk.sealer
                .seal(&header, b"\xFCmusic", &mut packet)
                .expect("the frame is short");
            assert!(talk.hear_bytes(&packet, 200));
            assert_eq!(talk.stats.off_grid, off_grid, "packet {sequence}");
        }
    }
}
