//! The place between Opus and the transport where end-to-end encryption happens.

use super::sender::SenderKey;
use crate::frame::SILENCE;

/// What is done to a frame before it is sealed for the transport.
///
/// Version 0 of DAVE is no encryption at all. A session that must encrypt but cannot yet sends
/// nothing but silence, never plain sound. [`super::dave::Dave`] says which one it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndToEnd {
    /// The call is not end-to-end encrypted.
    Off,
    /// The call is end-to-end encrypted and the keys are not there yet.
    Pending,
    /// The call is end-to-end encrypted with this key.
    Keyed(SenderKey),
}

/// The frame must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndToEndError {
    /// The keys are not there yet.
    #[error("end-to-end encryption is not ready")]
    NotReady,
    /// The key has encrypted as many frames as it may.
    #[error("the end-to-end key is spent")]
    KeySpent,
    /// The cipher refused.
    #[error("the end-to-end cipher refused")]
    Refused,
}

impl EndToEnd {
    /// Most bytes that encryption adds to a frame.
    pub const MAX_OVERHEAD: usize = SenderKey::MAX_OVERHEAD;

    /// Returns what a call of that version begins with, before any key.
    pub const fn begin(dave_protocol_version: u16) -> Self {
        match dave_protocol_version {
            0 => Self::Off,
            _ => Self::Pending,
        }
    }

    /// Returns what is to be sealed instead of `frame`; `scratch` is there to be written into.
    ///
    /// Real-time: allocates only if `scratch` has less room than `frame` and
    /// [`Self::MAX_OVERHEAD`] need.
    ///
    /// # Errors
    /// The frame must not leave; send nothing, or silence, in its place.
    pub fn protect<'a>(
        &mut self,
        frame: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], EndToEndError> {
        match self {
            Self::Off => Ok(frame),
            // Silence carries no secret, and every client of Discord sends it in the clear.
            Self::Pending | Self::Keyed(_) if frame == SILENCE => Ok(frame),
            Self::Pending => Err(EndToEndError::NotReady),
            Self::Keyed(key) => key.seal(frame, scratch).map(|()| &scratch[..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::sender::Ratchet;

    #[test]
    fn sound_never_leaves_in_the_clear_while_keys_are_missing() {
        let mut scratch = Vec::new();
        let sound = [0xFC, 1, 2];
        assert_eq!(EndToEnd::Off.protect(&sound, &mut scratch), Ok(&sound[..]));
        let mut pending = EndToEnd::begin(1);
        assert_eq!(
            pending.protect(&sound, &mut scratch),
            Err(EndToEndError::NotReady)
        );
        assert_eq!(pending.protect(&SILENCE, &mut scratch), Ok(&SILENCE[..]));
    }

    #[test]
    fn silence_stays_clear_and_sound_does_not() {
        let mut keyed = EndToEnd::Keyed(Ratchet::new([3; 16]).advance());
        let mut scratch = Vec::new();
        assert_eq!(keyed.protect(&SILENCE, &mut scratch), Ok(&SILENCE[..]));
        let sound = [0xFC; 160];
        let sealed = keyed.protect(&sound, &mut scratch).expect("keyed").to_vec();
        assert_eq!(sealed.len(), 160 + 8 + 1 + 1 + 2);
        assert!(!sealed.windows(4).any(|part| part == [0xFC; 4]));
        let again = keyed.protect(&sound, &mut scratch).expect("keyed");
        assert_ne!(sealed[..160], again[..160], "another nonce each time");
    }
}
