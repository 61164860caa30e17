//! Transport encryption of voice packets, the two `rtpsize` modes.
//!
//! A packet is: clear header (authenticated), ciphertext, tag (16), nonce counter (4, big-endian).
//! The nonce of the cipher is the counter followed by zeros. With an RTP extension, its four
//! announcing bytes belong to the clear header and its body to the ciphertext.

use std::{fmt, ops::Range};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};

use super::{
    EndToEnd,
    rtp::{ParsedHeader, RtpError, RtpHeader},
};
use crate::frame::MAX_OPUS;

/// A transport encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `aead_aes256_gcm_rtpsize`, preferred: hardware does it.
    Aes256GcmRtpsize,
    /// `aead_xchacha20_poly1305_rtpsize`, which every server offers.
    XChaCha20Poly1305Rtpsize,
}

/// No such encryption, or one that is discontinued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transport encryption is not supported")]
pub struct UnknownMode;

impl Mode {
    /// All modes, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Aes256GcmRtpsize, Self::XChaCha20Poly1305Rtpsize];

    /// Returns the name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256GcmRtpsize => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305Rtpsize => "aead_xchacha20_poly1305_rtpsize",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or(UnknownMode)
    }
}

/// Longest datagram that a [`Sealer`] makes.
pub const MAX_DATAGRAM: usize =
    RtpHeader::LEN + MAX_OPUS + EndToEnd::MAX_OVERHEAD + TAG_LEN + COUNTER_LEN;

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Every nonce of this key was used. After 2³² packets, so 2.7 years.
    #[error("the key has no unused nonce left")]
    NonceExhausted,
    /// The target is too small, or the cipher refused.
    #[error("a packet of {length} bytes could not be sealed")]
    Length {
        /// Length of the plaintext in bytes.
        length: usize,
    },
}

/// Encrypts the packets of one session.
///
/// Lives as long as the key: a resumed session keeps its sealer, or nonces would repeat.
pub struct Sealer {
    cipher: Cipher,
    next: Option<u32>,
}

impl Sealer {
    /// Begins with the first nonce of a fresh key.
    pub fn new(mode: Mode, key: &[u8; 32]) -> Self {
        Self {
            cipher: Cipher::new(mode, key),
            next: Some(0),
        }
    }

    /// Returns how many bytes a packet takes that carries `payload_len` bytes.
    pub const fn packet_len(payload_len: usize) -> usize {
        RtpHeader::LEN + payload_len + TAG_LEN + COUNTER_LEN
    }

    /// Returns the mode.
    pub fn mode(&self) -> Mode {
        self.cipher.mode()
    }

    /// Replaces the content of `out` by the packet.
    ///
    /// Real-time: allocates only if `out` has less room than the packet needs; a vector with a
    /// capacity of [`MAX_DATAGRAM`] never grows.
    ///
    /// # Errors
    /// See [`SealError`]; nothing may be sent then.
    pub fn seal(
        &mut self,
        header: &RtpHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        out.clear();
        out.resize(Self::packet_len(payload.len()), 0);
        let sealed = self.seal_into(header, payload, out);
        out.truncate(*sealed.as_ref().unwrap_or(&0));
        sealed.map(|_| ())
    }

    /// Writes the packet to the beginning of `out` and returns its length.
    ///
    /// Real-time: never allocates.
    ///
    /// # Errors
    /// See [`SealError`]; nothing may be sent then.
    pub fn seal_into(
        &mut self,
        header: &RtpHeader,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        let length = Self::packet_len(payload.len());
        let refused = SealError::Length {
            length: payload.len(),
        };
        let out = out.get_mut(..length).ok_or(refused)?;
        let counter = self.next.ok_or(SealError::NonceExhausted)?;
        // Counted before use: whatever happens below, this nonce is spent.
        self.next = counter.checked_add(1);
        let counter = counter.to_be_bytes();

        let (clear, rest) = out.split_at_mut(RtpHeader::LEN);
        let (body, rest) = rest.split_at_mut(payload.len());
        let (tag, tail) = rest.split_at_mut(TAG_LEN);
        clear.copy_from_slice(&header.to_bytes());
        body.copy_from_slice(payload);
        tail.copy_from_slice(&counter);
        let computed = self.cipher.seal(counter, clear, body).ok_or(refused)?;
        tag.copy_from_slice(&computed);
        Ok(length)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not a voice packet.
    #[error("not a voice packet")]
    Rtp(#[from] RtpError),
    /// Too short for tag and counter.
    #[error("a datagram of {length} bytes is too short")]
    TooShort {
        /// Length of the datagram in bytes.
        length: usize,
    },
    /// Forged, damaged, or sealed with another key.
    #[error("the packet is not authentic")]
    NotAuthentic,
    /// The extension or the padding is longer than the packet.
    #[error("the packet's inner lengths are wrong")]
    Inner,
}

/// Decrypts the packets of one session. Does not detect replays.
pub struct Opener {
    cipher: Cipher,
}

impl Opener {
    /// Takes the key of a session.
    pub fn new(mode: Mode, key: &[u8; 32]) -> Self {
        Self {
            cipher: Cipher::new(mode, key),
        }
    }

    /// Returns the counter that a packet was sealed with, without opening it.
    pub fn counter(packet: &[u8]) -> Option<u32> {
        packet
            .last_chunk::<COUNTER_LEN>()
            .map(|counter| u32::from_be_bytes(*counter))
    }

    /// Decrypts `packet` into `out` and returns its header and where in `out` the payload is.
    ///
    /// `out` is overwritten. An RTP extension and padding are left out of the range.
    ///
    /// # Errors
    /// See [`OpenError`]; `out` then holds nothing of use.
    pub fn open(
        &self,
        packet: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(RtpHeader, Range<usize>), OpenError> {
        let ParsedHeader {
            header,
            clear_len,
            extension_len,
            padded,
        } = RtpHeader::parse(packet)?;
        let (clear, rest) = packet.split_at(clear_len);
        let too_short = OpenError::TooShort {
            length: packet.len(),
        };
        let (rest, counter) = rest.split_last_chunk::<COUNTER_LEN>().ok_or(too_short)?;
        let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;

        out.clear();
        out.extend_from_slice(body);
        self.cipher
            .open(*counter, clear, out, tag)
            .ok_or(OpenError::NotAuthentic)?;

        let padding = if padded {
            out.last().copied().map_or(0, usize::from)
        } else {
            0
        };
        let end = out.len().checked_sub(padding).ok_or(OpenError::Inner)?;
        if extension_len > end || (padded && padding == 0) {
            return Err(OpenError::Inner);
        }
        Ok((header, extension_len..end))
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("mode", &self.cipher.mode())
            .finish_non_exhaustive()
    }
}

/// Length of the authentication tag, the same in both modes.
const TAG_LEN: usize = 16;

/// Length of the nonce counter at the end.
const COUNTER_LEN: usize = 4;

enum Cipher {
    Aes(LessSafeKey),
    XChaCha(XChaCha20Poly1305),
}

impl Cipher {
    fn new(mode: Mode, key: &[u8; 32]) -> Self {
        match mode {
            Mode::Aes256GcmRtpsize => Self::Aes(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes"),
            )),
            Mode::XChaCha20Poly1305Rtpsize => Self::XChaCha(XChaCha20Poly1305::new(key.into())),
        }
    }

    fn mode(&self) -> Mode {
        match self {
            Self::Aes(_) => Mode::Aes256GcmRtpsize,
            Self::XChaCha(_) => Mode::XChaCha20Poly1305Rtpsize,
        }
    }

    fn seal(&self, counter: [u8; 4], clear: &[u8], body: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        match self {
            Self::Aes(key) => {
                let nonce = Nonce::assume_unique_for_key(padded(counter));
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(clear), body)
                    .ok()?;
                tag.as_ref().try_into().ok()
            }
            Self::XChaCha(key) => {
                let nonce = XNonce::from(padded::<24>(counter));
                key.encrypt_inout_detached(&nonce, clear, body.into())
                    .ok()
                    .map(Into::into)
            }
        }
    }

    fn open(
        &self,
        counter: [u8; 4],
        clear: &[u8],
        body: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Option<()> {
        match self {
            Self::Aes(key) => {
                let nonce = Nonce::assume_unique_for_key(padded(counter));
                key.open_in_place_separate_tag(nonce, Aad::from(clear), tag, body)
                    .ok()
                    .map(|_| ())
            }
            Self::XChaCha(key) => {
                let nonce = XNonce::from(padded::<24>(counter));
                key.decrypt_inout_detached(&nonce, clear, body.into(), tag.into())
                    .ok()
            }
        }
    }
}

fn padded<const N: usize>(counter: [u8; 4]) -> [u8; N] {
    let mut nonce = [0; N];
    nonce[..4].copy_from_slice(&counter);
    nonce
}

#[cfg(test)]
mod tests;
