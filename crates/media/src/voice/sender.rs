//! The sender's keys of DAVE: a ratchet that yields a key for each generation, and the key that
//! frames are encrypted with.
//!
//! A protected frame is: ciphertext, tag (8), nonce as ULEB128, size of all that follows the
//! ciphertext (1), marker `FA FA`. The nonce has 32 bits, of which the upper 8 are the
//! generation. The layout is that of Discord's DAVE protocol paper, version 1.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};

use super::end_to_end::EndToEndError;

/// Encrypts the frames of one sender with the key of one generation.
///
/// There must be only one for each key, or nonces would repeat: it cannot be cloned, and
/// [`Ratchet`] makes each only once. It is spent after 2²⁴ frames, which is 93 hours of sound;
/// its successor has to be there before.
pub struct SenderKey {
    key: LessSafeKey,
    generation: u8,
    next: u32,
}

impl SenderKey {
    /// Bytes that encryption adds to a frame, at most.
    pub const MAX_OVERHEAD: usize = TAG_LEN + MAX_NONCE_LEN + 1 + MARKER.len();

    /// Returns the first key of a sender with this base secret, which must not have had one yet.
    pub fn first(base: [u8; 16]) -> Self {
        Ratchet::new(base).advance()
    }

    fn new(key: &[u8; KEY_LEN], generation: u32) -> Self {
        Self {
            key: LessSafeKey::new(
                UnboundKey::new(&AES_128_GCM, key).expect("the key has 16 bytes"),
            ),
            generation: (generation % GENERATIONS) as u8,
            next: 1,
        }
    }

    /// Returns a key that belongs to no call, to measure what encryption costs.
    #[doc(hidden)]
    pub fn for_measuring() -> Self {
        Ratchet::new([0x5A; KEY_LEN]).advance()
    }

    /// Replaces the content of `out` by the protected `frame`.
    ///
    /// Real-time: allocates only if `out` has less room than `frame` and
    /// [`Self::MAX_OVERHEAD`] need.
    ///
    /// # Errors
    /// When the key is spent.
    pub(super) fn seal(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Result<(), EndToEndError> {
        if self.next >= FRAMES_PER_GENERATION {
            return Err(EndToEndError::KeySpent);
        }
        let counter = u32::from(self.generation) << COUNTER_BITS | self.next;
        // Counted before use: whatever happens below, this nonce is spent.
        self.next += 1;
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&counter.to_le_bytes());

        out.clear();
        out.extend_from_slice(frame);
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), out)
            .map_err(|_| EndToEndError::Refused)?;
        out.extend_from_slice(&tag.as_ref()[..TAG_LEN]);
        let mut rest = counter;
        loop {
            let more = if rest > 0x7F { 0x80 } else { 0 };
            out.push((rest & 0x7F) as u8 | more);
            rest >>= 7;
            if more == 0 {
                break;
            }
        }
        let added = out.len() - frame.len() + 1 + MARKER.len();
        out.push(added as u8);
        out.extend_from_slice(&MARKER);
        Ok(())
    }
}

impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderKey")
            .field("generation", &self.generation)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Yields the keys of one sender in one epoch, generation by generation, each only once.
pub(super) struct Ratchet {
    secret: Vec<u8>,
    generation: u32,
}

impl Ratchet {
    /// Begins with the secret that the epoch's exporter gives for the sender.
    pub(super) fn new(base: [u8; KEY_LEN]) -> Self {
        Self {
            secret: base.to_vec(),
            generation: 0,
        }
    }

    /// Returns the key of the next generation.
    pub(super) fn advance(&mut self) -> SenderKey {
        let key = self.derive("key");
        let key = SenderKey::new(
            key[..KEY_LEN].try_into().expect("16 of 32 bytes"),
            self.generation,
        );
        self.secret = self.derive("secret").to_vec();
        self.generation = self.generation.wrapping_add(1);
        key
    }

    /// `DeriveTreeSecret` of RFC 9420, section 9; no output is longer than one block.
    fn derive(&self, label: &str) -> [u8; 32] {
        let length: u16 = if label == "secret" {
            32
        } else {
            KEY_LEN as u16
        };
        let mut info = Vec::with_capacity(64);
        info.extend_from_slice(&length.to_be_bytes());
        info.push((PREFIX.len() + label.len()) as u8);
        info.extend_from_slice(PREFIX.as_bytes());
        info.extend_from_slice(label.as_bytes());
        info.push(4);
        info.extend_from_slice(&self.generation.to_be_bytes());
        info.push(1);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let block = hmac::sign(&secret, &info);
        block.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ratchet")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Length of a base secret and of a key.
pub(super) const KEY_LEN: usize = 16;

/// Frames that one key may encrypt.
const FRAMES_PER_GENERATION: u32 = 1 << COUNTER_BITS;

/// Bits of the nonce that count frames; those above are the generation.
const COUNTER_BITS: u32 = 24;

/// Generations that the wire can tell apart; receivers know by the order which one is meant.
const GENERATIONS: u32 = 256;

/// Length of the truncated tag.
const TAG_LEN: usize = 8;

/// Longest ULEB128 of 32 bits.
const MAX_NONCE_LEN: usize = 5;

/// Ends every protected frame.
const MARKER: [u8; 2] = [0xFA, 0xFA];

/// Begins every label of MLS.
const PREFIX: &str = "MLS 1.0 ";

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector of libdave: the key of generation 0 for a base secret.
    #[test]
    fn the_ratchet_yields_the_key_of_the_reference() {
        let base = [
            206, 221, 97, 177, 184, 161, 202, 105, 4, 101, 84, 40, 44, 247, 11, 123,
        ];
        let expected = [
            117, 48, 249, 169, 148, 94, 45, 46, 6, 208, 101, 31, 123, 42, 134, 75,
        ];
        assert_eq!(Ratchet::new(base).derive("key")[..KEY_LEN], expected);
    }

    fn open(key: &[u8], packet: &[u8]) -> (u32, Vec<u8>) {
        let (rest, tail) = packet.split_at(packet.len() - 3);
        assert_eq!(tail[1..], MARKER);
        let (body, added) = rest.split_at(packet.len() - usize::from(tail[0]));
        let (tag, nonce) = added.split_at(TAG_LEN);
        let counter = nonce
            .iter()
            .rev()
            .fold(0, |all, byte| all << 7 | u32::from(byte & 0x7F));
        // With a truncated tag only the cipher's key stream can be checked by this library: the
        // tag is compared by sealing again.
        let mut full = [0; 12];
        full[8..].copy_from_slice(&counter.to_le_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).expect("a key"));
        let mut plain = body.to_vec();
        let nonce = || Nonce::assume_unique_for_key(full);
        let _tag = key
            .seal_in_place_separate_tag(nonce(), Aad::empty(), &mut plain)
            .expect("the stream");
        let mut again = plain.clone();
        let expected = key
            .seal_in_place_separate_tag(nonce(), Aad::empty(), &mut again)
            .expect("sealed");
        assert_eq!((&again[..], &expected.as_ref()[..TAG_LEN]), (body, tag));
        (counter, plain)
    }

    #[test]
    fn every_generation_has_its_own_key_and_its_own_nonces() {
        let mut ratchet = Ratchet::new([9; KEY_LEN]);
        let mut keys = std::collections::BTreeSet::new();
        let mut out = Vec::new();
        for generation in 0..300_u32 {
            let raw = ratchet.derive("key")[..KEY_LEN].to_vec();
            let mut key = ratchet.advance();
            key.seal(&[1, 2, 3, 4], &mut out).expect("fresh");
            let (counter, plain) = open(&raw, &out);
            assert_eq!(plain, [1, 2, 3, 4]);
            assert_eq!(counter, (generation % 256) << 24 | 1);
            assert!(keys.insert(raw), "{generation}");
        }
    }

    #[test]
    fn a_spent_key_refuses_to_repeat_a_nonce() {
        let mut key = Ratchet::new([1; KEY_LEN]).advance();
        key.next = FRAMES_PER_GENERATION - 1;
        let mut out = Vec::new();
        key.seal(&[1], &mut out).expect("the last nonce");
        assert_eq!(out.len() - 1, 8 + 4 + 1 + 2);
        assert_eq!(key.seal(&[1], &mut out), Err(EndToEndError::KeySpent));
        key.generation = 255;
        key.next = 5;
        key.seal(&[1], &mut out).expect("sealed");
        assert_eq!(out.len() - 1, SenderKey::MAX_OVERHEAD);
    }
}
