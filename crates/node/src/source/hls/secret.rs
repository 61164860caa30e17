//! Segments that are encrypted with AES-128 in CBC mode.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// Takes the encryption off; `None` if the key is not that of the segment.
pub fn decrypt(key: &[u8; 16], iv: [u8; 16], mut segment: Vec<u8>) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(&AES_128, key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let iv = DecryptionContext::Iv128(FixedLength::from(iv));
    let length = key.decrypt(&mut segment, iv).ok()?.len();
    segment.truncate(length);
    Some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_with_its_own_key_only() {
        // Made with `openssl enc -aes-128-cbc -K 000102…0f -iv 0f0e…00` over "twenty bytes of text".
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let iv: [u8; 16] = std::array::from_fn(|at| 15 - at as u8);
        let secret = [
            0x9c, 0xfd, 0x3a, 0xe3, 0xe0, 0x8e, 0xe4, 0xd3, 0x09, 0x5b, 0x8f, 0x01, 0x73, 0xf7,
            0xf8, 0x3b, 0xb8, 0x65, 0x07, 0x27, 0x84, 0xf7, 0xb6, 0xf1, 0x24, 0x87, 0xb7, 0x51,
            0x2b, 0x12, 0xc9, 0x48,
        ];
        let open = decrypt(&key, iv, secret.to_vec());
        assert_eq!(open.as_deref(), Some(&b"twenty bytes of text"[..]));
        assert_eq!(decrypt(&key, iv, secret[..31].to_vec()), None);
        assert_eq!(decrypt(&[9; 16], iv, secret.to_vec()), None);
    }
}
