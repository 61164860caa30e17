//! Opus itself: libopus behind a narrow door.

use crate::frame::{CHANNELS, FRAME_VALUES, OpusFrame, SAMPLE_RATE};

/// How an [`Encoder`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderOptions {
    /// 0 (fast) to 10 (good); higher counts as 10.
    pub complexity: u8,
    /// Bits per second, 6,000..=510,000. `None` leaves it to the encoder (about 100,000 here).
    pub bitrate: Option<u32>,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self {
            complexity: 10,
            bitrate: Some(128_000),
        }
    }
}

/// libopus refused.
#[derive(Debug, thiserror::Error)]
#[error("libopus could not {action}")]
pub struct OpusError {
    action: &'static str,
    #[source]
    source: opus::Error,
}

/// Encodes 20 ms of stereo at 48 kHz at a time.
#[derive(Debug)]
pub struct Encoder {
    inner: opus::Encoder,
}

impl Encoder {
    /// Makes an encoder; its state takes about 50 KB.
    ///
    /// # Errors
    /// No memory.
    pub fn new(options: EncoderOptions) -> Result<Self, OpusError> {
        let failed = |source| OpusError {
            action: "make an encoder",
            source,
        };
        let mut inner = opus::Encoder::new(
            SAMPLE_RATE,
            opus::Channels::Stereo,
            opus::Application::Audio,
        )
        .map_err(failed)?;
        inner
            .set_complexity(i32::from(options.complexity.min(10)))
            .map_err(failed)?;
        let bitrate = options.bitrate.map_or(opus::Bitrate::Auto, |bits| {
            opus::Bitrate::Bits(bits.clamp(6_000, 510_000) as i32)
        });
        inner.set_bitrate(bitrate).map_err(failed)?;
        Ok(Self { inner })
    }

    /// Encodes a frame of interleaved stereo, values in −1.0..=1.0.
    ///
    /// Real-time: never allocates.
    ///
    /// # Errors
    /// libopus refused; cannot happen with finite values.
    pub fn encode(
        &mut self,
        pcm: &[f32; FRAME_VALUES],
        out: &mut OpusFrame,
    ) -> Result<(), OpusError> {
        out.fill(|bytes| self.inner.encode_float(pcm, bytes))
            .map_err(|source| OpusError {
                action: "encode a frame",
                source,
            })
    }

    /// Forgets what was encoded before.
    pub fn reset(&mut self) {
        self.inner
            .reset_state()
            .expect("resetting a valid encoder succeeds");
    }
}

/// Decodes packets of any length to stereo at 48 kHz.
#[derive(Debug)]
pub struct Decoder {
    inner: opus::Decoder,
}

/// Most values that a packet decodes to: 120 ms of stereo.
pub const MAX_PACKET_VALUES: usize = 5760 * CHANNELS;

/// Room for the values of any packet, on the heap.
pub type Pcm = Box<[f32; MAX_PACKET_VALUES]>;

/// Returns room for [`Decoder::decode`].
pub fn pcm() -> Pcm {
    vec![0.0; MAX_PACKET_VALUES]
        .into_boxed_slice()
        .try_into()
        .expect("the length is the same")
}

impl Decoder {
    /// Makes a decoder; its state takes about 27 KB.
    ///
    /// # Errors
    /// No memory.
    pub fn new() -> Result<Self, OpusError> {
        opus::Decoder::new(SAMPLE_RATE, opus::Channels::Stereo)
            .map(|inner| Self { inner })
            .map_err(|source| OpusError {
                action: "make a decoder",
                source,
            })
    }

    /// Decodes a packet to the beginning of `out` and returns how many values that are.
    ///
    /// Real-time: never allocates.
    ///
    /// # Errors
    /// The packet is damaged; the decoder stays usable.
    pub fn decode(
        &mut self,
        packet: &[u8],
        out: &mut [f32; MAX_PACKET_VALUES],
    ) -> Result<usize, OpusError> {
        let failed = |source| OpusError {
            action: "decode a packet",
            source,
        };
        self.inner
            .decode_float(packet, out, false)
            .map(|samples| samples * CHANNELS)
            .map_err(failed)
    }

    /// Makes up what a lost packet of `samples` might have sounded like.
    ///
    /// # Errors
    /// `samples` is no multiple of 120, or more than 5760.
    pub fn conceal(
        &mut self,
        samples: usize,
        out: &mut [f32; MAX_PACKET_VALUES],
    ) -> Result<usize, OpusError> {
        let failed = |source| OpusError {
            action: "conceal a loss",
            source,
        };
        let room = out.len().min(samples * CHANNELS);
        self.inner
            .decode_float(&[], &mut out[..room], false)
            .map(|samples| samples * CHANNELS)
            .map_err(failed)
    }

    /// Forgets what was decoded before.
    pub fn reset(&mut self) {
        self.inner
            .reset_state()
            .expect("resetting a valid decoder succeeds");
    }
}

#[cfg(test)]
mod tests {
    use super::{pcm as room, *};
    use crate::{frame::SILENCE, packet};

    #[test]
    fn a_tone_survives_encoding() {
        let mut encoder = Encoder::new(EncoderOptions::default()).expect("an encoder");
        let mut decoder = Decoder::new().expect("a decoder");
        let (mut frame, mut heard) = (OpusFrame::empty(), Vec::new());
        let mut pcm = room();
        let tone =
            |index: usize| (index as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5;
        for start in (0..48_000).step_by(960) {
            let input = std::array::from_fn(|value| tone(start + value / 2));
            encoder.encode(&input, &mut frame).expect("encoded");
            assert!(packet::is_sendable(frame.as_bytes()));
            let values = decoder.decode(frame.as_bytes(), &mut pcm).expect("decoded");
            assert_eq!(values, FRAME_VALUES);
            heard.extend(pcm[..values].iter().step_by(2).copied());
        }
        // The encoder looks 312 samples ahead.
        let (mut signal, mut noise) = (0.0, 0.0);
        for (index, value) in heard.iter().enumerate().skip(9_600) {
            let expected = tone(index - 312);
            signal += expected * expected;
            noise += (expected - value) * (expected - value);
        }
        let snr = 10.0 * (signal / noise).log10();
        assert!(snr > 25.0, "{snr} dB");
    }

    #[test]
    fn damaged_packets_are_errors_and_leave_the_decoder_usable() {
        let mut decoder = Decoder::new().expect("a decoder");
        let mut pcm = room();
        decoder
            .decode(&[0xFF, 0x80], &mut pcm)
            .expect_err("no frames");
        assert_eq!(
            decoder.decode(&SILENCE, &mut pcm).expect("silence"),
            FRAME_VALUES
        );
        assert_eq!(
            decoder.conceal(960, &mut pcm).expect("made up"),
            FRAME_VALUES
        );
        decoder.reset();
    }

    #[test]
    fn bitrate_is_kept() {
        for (bitrate, bytes) in [(32_000, 80), (128_000, 320)] {
            let options = EncoderOptions {
                complexity: 5,
                bitrate: Some(bitrate),
            };
            let mut encoder = Encoder::new(options).expect("an encoder");
            let (mut frame, mut total, mut state) = (OpusFrame::empty(), 0, 1_u32);
            for _ in 0..100 {
                let noise = std::array::from_fn(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / 16_777_216.0 - 0.5
                });
                encoder.encode(&noise, &mut frame).expect("encoded");
                total += frame.as_bytes().len();
            }
            let mean = total / 100;
            assert!(
                (bytes * 7 / 10..bytes * 14 / 10).contains(&mean),
                "{bitrate}: {mean}"
            );
        }
    }
}
