//! The place between Opus and the transport where end-to-end encryption happens.

use crate::frame::SILENCE;

/// What is done to a frame before it is sealed for the transport.
///
/// Version 0 of DAVE is no encryption at all. A later variant will carry the sender's keys.
/// The rule that holds already: a session that must encrypt but cannot yet sends nothing but
/// silence, never plain sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndToEnd {
    /// The call is not end-to-end encrypted.
    Off,
    /// The call is end-to-end encrypted and the keys are not there yet.
    Pending,
}

/// The frame must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndToEndError {
    /// The keys are not there yet.
    #[error("end-to-end encryption is not ready")]
    NotReady,
}

impl EndToEnd {
    /// Most bytes that encryption adds to a frame.
    pub const MAX_OVERHEAD: usize = 0;

    /// Returns what is to be sealed instead of `frame`; `scratch` is there to be written into.
    ///
    /// Real-time: never allocates.
    ///
    /// # Errors
    /// The frame must not leave; send nothing, or silence, in its place.
    pub fn protect<'a>(
        &mut self,
        frame: &'a [u8],
        _scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], EndToEndError> {
        match self {
            Self::Off => Ok(frame),
            // Silence carries no secret, and Discord sends it in the clear as well.
            Self::Pending if frame == SILENCE => Ok(frame),
            Self::Pending => Err(EndToEndError::NotReady),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_never_leaves_in_the_clear_while_keys_are_missing() {
        let mut scratch = Vec::new();
        let sound = [0xFC, 1, 2];
        assert_eq!(EndToEnd::Off.protect(&sound, &mut scratch), Ok(&sound[..]));
        let mut pending = EndToEnd::Pending;
        assert_eq!(
            pending.protect(&sound, &mut scratch),
            Err(EndToEndError::NotReady)
        );
        assert_eq!(pending.protect(&SILENCE, &mut scratch), Ok(&SILENCE[..]));
    }
}
