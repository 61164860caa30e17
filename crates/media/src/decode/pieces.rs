//! A track in pieces: seeking opens it anew at the right one.

use super::{DecodeError, Decoder, Hint, OpenError, SeekError};
use crate::source::Pieces;

/// The pieces, and what is known about them.
pub(super) struct Places {
    pieces: Box<dyn Pieces>,
    hint: Hint,
}

impl Decoder {
    /// Opens a track in pieces at its first one; otherwise as [`Decoder::open`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_pieces(mut pieces: Box<dyn Pieces>, hint: &Hint) -> Result<Self, OpenError> {
        let (source, _) = pieces.open(0).map_err(OpenError::Io)?;
        let mut decoder = Self::open(source, hint)?;
        decoder.take_pieces(Places {
            pieces,
            hint: hint.clone(),
        });
        Ok(decoder)
    }

    fn take_pieces(&mut self, places: Places) {
        // What one piece says about its length is not true for all.
        let total = u128::from(places.pieces.duration_ms()) * u128::from(self.rate) / 1000;
        self.total_samples = u64::try_from(total).ok();
        self.seekable = true;
        self.places = Some(places);
    }

    /// Opens the piece that holds a place, so that the next sample is the one at `target`.
    pub(super) fn seek_piece(
        &mut self,
        mut places: Places,
        to_ms: u64,
        target: i64,
    ) -> Result<(), SeekError> {
        let from = to_ms.saturating_sub(super::PREROLL_MS);
        let (source, base_ms) = places.pieces.open(from).map_err(SeekError::Io)?;
        let opened = Self::open(source, &places.hint).map_err(|error| match error {
            OpenError::Io(error) => SeekError::Io(error),
            error => SeekError::Malformed {
                cause: error.to_string(),
            },
        })?;
        if opened.rate != self.rate {
            let rate = DecodeError::TrackGone;
            return Err(SeekError::Malformed {
                cause: rate.to_string(),
            });
        }
        let tags = std::mem::take(&mut self.tags);
        let base = u128::from(base_ms) * u128::from(self.rate) / 1000;
        let base = i64::try_from(base).map_err(|_| SeekError::OutOfRange)?;
        *self = Self {
            position: Some(base - opened.priming as i64),
            from: target,
            tags,
            ..opened
        };
        self.take_pieces(places);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use super::*;
    use crate::decode::Next;
    use crate::source::Source;

    const FILE: &[u8] = include_bytes!("../../../../assets/signals/sweep.wav");

    /// The same file three times.
    struct Thrice(u64);

    impl Pieces for Thrice {
        fn duration_ms(&self) -> u64 {
            3 * self.0
        }

        fn open(&mut self, at_ms: u64) -> io::Result<(Box<dyn Source>, u64)> {
            // What follows a piece follows within the same source, as it would over a network.
            let base_ms = at_ms / self.0 * self.0;
            Ok((Box::new(Cursor::new(FILE)), base_ms))
        }
    }

    #[test]
    fn a_place_is_found_in_its_piece_to_the_sample() {
        let hint = Hint::default();
        let plain = Decoder::open(Box::new(Cursor::new(FILE)), &hint);
        let mut plain = plain.expect("a file");
        let length_ms = plain.duration_ms().expect("a WAV file says so");
        let pieces = Box::new(Thrice(length_ms));
        let mut track = Decoder::open_pieces(pieces, &hint).expect("a track");
        assert_eq!(track.duration_ms(), Some(3 * length_ms));
        assert!(track.is_seekable());
        let rate = i64::from(track.rate());
        for (place_ms, within_ms) in [
            (length_ms + 500, 500),
            (2 * length_ms + 1_000, 1_000),
            (700, 700),
        ] {
            plain.seek(within_ms).expect("seekable");
            track.seek(place_ms).expect("seekable");
            let (Next::Data { .. }, Next::Data { position }) =
                (plain.next_packet(), track.next_packet())
            else {
                panic!("there is sound at {place_ms}")
            };
            assert_eq!(position, place_ms as i64 * rate / 1000, "{place_ms}");
            let shared = plain.samples().len().min(track.samples().len());
            assert_eq!(plain.samples()[..shared], track.samples()[..shared]);
        }
        track.seek(3 * length_ms).expect("the end is no error");
        assert!(matches!(track.next_packet(), Next::End));
    }
}
