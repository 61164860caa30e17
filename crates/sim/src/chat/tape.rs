//! Turns what is heard into a file that never ends, as a media element plays it.

use std::time::Duration;

use backline_media::{
    demux::OpusHead,
    frame::SILENCE,
    mux::{ogg::OggMuxer, webm::WebmMuxer},
};

use crate::voice::HeardFrame;

/// File formats that a tape comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ogg,
    Webm,
}

/// Writes heard frames bit by bit, and silence where nothing is heard, so that time goes on.
///
/// Knows no clock: times are those since the tape began.
#[derive(Debug)]
pub(super) struct Tape {
    muxer: Muxer,
    out: Vec<u8>,
    /// Frames written, 20 ms each.
    written: u32,
    speaker: Option<Speaker>,
}

#[derive(Debug)]
enum Muxer {
    Ogg(OggMuxer),
    Webm(WebmMuxer),
}

/// Who is on the tape: one at a time, as tapes have one track.
#[derive(Debug)]
struct Speaker {
    ssrc: u32,
    last: Duration,
}

impl Tape {
    /// Begins with the file's head and a little silence, which starts players sooner.
    pub(super) fn new(format: Format, serial: u32) -> Self {
        let mut out = Vec::new();
        let muxer = match format {
            Format::Ogg => Muxer::Ogg(OggMuxer::new(serial, HEAD, &[], OGG_PAGE, &mut out)),
            Format::Webm => Muxer::Webm(WebmMuxer::new(HEAD, &mut out)),
        };
        let mut tape = Self {
            muxer,
            out,
            written: 0,
            speaker: None,
        };
        for _ in 0..LEAD_IN {
            tape.write(&SILENCE);
        }
        tape
    }

    /// Takes a frame heard at `now`.
    pub(super) fn hear(&mut self, now: Duration, frame: &HeardFrame) {
        if let Some(speaker) = &mut self.speaker
            && speaker.ssrc != frame.ssrc
            && now.saturating_sub(speaker.last) < HOLD
        {
            return;
        }
        self.speaker = Some(Speaker {
            ssrc: frame.ssrc,
            last: now,
        });
        // After a burst the tape is ahead; silence is what can be left out.
        if frame.opus[..] == SILENCE && due(now) + AHEAD < self.written {
            return;
        }
        self.write(&frame.opus);
    }

    /// Fills with silence what was missed until `now`.
    pub(super) fn fill(&mut self, now: Duration) {
        let due = due(now);
        if due > self.written + PATIENCE {
            // After a long sleep the tape is not filled up for hours: players leap anyhow.
            for _ in 0..(due - self.written).min(MOST_SILENCE) {
                self.write(&SILENCE);
            }
            self.written = due;
        }
    }

    /// Returns what was written since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn write(&mut self, opus: &[u8]) {
        match &mut self.muxer {
            Muxer::Ogg(muxer) => muxer.packet(opus, &mut self.out),
            Muxer::Webm(muxer) => muxer.packet(opus, &mut self.out),
        }
        self.written += 1;
    }
}

/// Frames that should have been written by `now`.
fn due(now: Duration) -> u32 {
    LEAD_IN + (now.as_millis() / 20) as u32
}

const HEAD: OpusHead = OpusHead {
    channels: 2,
    pre_skip: 312,
    input_rate: 48_000,
    gain_q8: 0,
};
const OGG_PAGE: usize = 2;
/// Frames of silence at the beginning.
const LEAD_IN: u32 = 5;
/// Frames that may be missing before silence fills the gap.
const PATIENCE: u32 = 5;
/// Frames the tape may be ahead before silence is left out.
const AHEAD: u32 = 10;
/// Frames of silence written at once.
const MOST_SILENCE: u32 = 500;
/// How long a speaker keeps the tape after its last frame.
const HOLD: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use backline_media::demux::{Event, ogg::OggDemuxer};
    use bytes::Bytes;

    use super::*;

    fn frame(ssrc: u32, opus: &[u8]) -> HeardFrame {
        HeardFrame {
            user_id: 1,
            ssrc,
            sequence: 0,
            timestamp: 0,
            arrival: Instant::now(),
            opus: Bytes::copy_from_slice(opus),
        }
    }

    fn packets(mut tape: Tape) -> Vec<Vec<u8>> {
        // Pages hold two packets; an odd one would wait for the next.
        if !tape.written.is_multiple_of(2) {
            tape.write(&SILENCE);
        }
        let bytes = tape.take();
        let mut demuxer = OggDemuxer::new();
        let mut fed = 0;
        let mut found = Vec::new();
        loop {
            match demuxer.next().expect("the tape is a file") {
                Event::NeedData if fed == bytes.len() => return found,
                Event::NeedData => fed += demuxer.push(&bytes[fed..]),
                Event::Packet(packet) => found.push(packet.data.to_vec()),
                Event::Head(_) => {}
                Event::End => return found,
            }
        }
    }

    fn at(frames: u64) -> Duration {
        Duration::from_millis(20 * frames)
    }

    const MUSIC: &[u8] = b"\xFCmusic";

    #[test]
    fn frames_are_kept_bit_by_bit_and_gaps_become_silence() {
        let mut tape = Tape::new(Format::Ogg, 1);
        for n in 0..3 {
            tape.hear(at(n), &frame(7, MUSIC));
        }
        tape.fill(at(8));
        tape.fill(at(9));
        tape.hear(at(9), &frame(7, MUSIC));
        let found = packets(tape);
        let expected: Vec<&[u8]> = std::iter::repeat_n(&SILENCE[..], 5)
            .chain(std::iter::repeat_n(MUSIC, 3))
            .chain(std::iter::repeat_n(&SILENCE[..], 6))
            .chain([MUSIC, &SILENCE[..]])
            .take(found.len())
            .collect();
        assert_eq!(found, expected);
        assert!(found.len() >= 15);
    }

    #[test]
    fn two_speakers_do_not_mix_and_the_second_follows_the_first() {
        let mut tape = Tape::new(Format::Ogg, 1);
        tape.hear(at(0), &frame(1, b"\xFCone"));
        tape.hear(at(1), &frame(2, b"\xFCtwo"));
        tape.hear(at(40), &frame(2, b"\xFCtwo"));
        let found = packets(tape);
        let spoken: Vec<_> = found
            .iter()
            .filter(|packet| packet[..] != SILENCE)
            .collect();
        assert_eq!(spoken, [&b"\xFCone"[..], b"\xFCtwo"]);
    }

    #[test]
    fn silence_is_left_out_when_the_tape_is_ahead() {
        let mut tape = Tape::new(Format::Webm, 1);
        for _ in 0..20 {
            tape.hear(at(0), &frame(1, MUSIC));
        }
        let written = tape.written;
        tape.hear(at(0), &frame(1, &SILENCE));
        assert_eq!(tape.written, written);
        tape.hear(at(20), &frame(1, &SILENCE));
        assert_eq!(tape.written, written + 1);
    }

    #[test]
    fn a_long_gap_is_not_filled_up_for_hours() {
        let mut tape = Tape::new(Format::Webm, 1);
        tape.take();
        tape.fill(Duration::from_hours(24));
        assert!(tape.take().len() < 20_000);
        tape.fill(Duration::from_hours(24));
        assert!(tape.take().is_empty());
    }
}
