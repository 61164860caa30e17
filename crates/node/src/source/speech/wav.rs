//! Mends WAV files that were written to a pipe: their writer did not know how long they would
//! be, and could not go back.

/// Puts the real lengths into the header; false if it is no WAV file.
pub fn mend(file: &mut [u8]) -> bool {
    if file.get(..4) != Some(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
        return false;
    }
    let whole = file.len();
    write(file, 4, whole - 8);
    let mut at = 12;
    while let Some(header) = file.get(at..at + 8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let body = at + 8;
        if &header[..4] == b"data" {
            // Only the last part can be cut off by the end of the file.
            if length == 0 || length > whole - body {
                write(file, at + 4, whole - body);
            }
            return whole > body;
        }
        // Parts begin at even places.
        at = body.saturating_add(length).saturating_add(length % 2);
    }
    false
}

fn write(file: &mut [u8], at: usize, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(place) = file.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(riff: u32, data: u32, samples: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF".to_vec();
        file.extend(riff.to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend([0; 16]);
        file.extend(b"LIST\x03\0\0\0abc\0");
        file.extend(b"data");
        file.extend(data.to_le_bytes());
        file.extend(samples);
        file
    }

    #[test]
    fn lengths_that_a_pipe_left_open_are_filled_in() {
        for data in [0, 0x7FFF_F000, u32::MAX, 5] {
            let mut file = wav(0xFFFF_FFFF, data, b"1234");
            assert!(mend(&mut file));
            assert_eq!(file, wav(file.len() as u32 - 8, 4, b"1234"), "{data}");
        }
        let mut right = wav(0, 2, b"1234");
        assert!(mend(&mut right));
        assert_eq!(right, wav(right.len() as u32 - 8, 2, b"1234"));
    }

    #[test]
    fn other_bytes_are_told() {
        let whole = wav(0, 4, b"1234");
        for length in 0..=whole.len() - 4 {
            assert!(!mend(&mut whole[..length].to_vec()), "{length}");
        }
        assert!(!mend(&mut b"ID3\x04 and so on".to_vec()));
        let mut endless = wav(0, 4, b"1234");
        endless[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(!mend(&mut endless));
    }
}
