//! Writing the fields of a message.

use super::{EncodeError, LENGTH_BITS, VERSIONED, modified_utf8};

/// A message in the making, behind room for its header.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

const HEADER: usize = 4;

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; HEADER],
        }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn long(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn text(&mut self, field: &'static str, text: &str) -> Result<(), EncodeError> {
        let encoded = modified_utf8::encode(text);
        let length = u16::try_from(encoded.len()).map_err(|_| EncodeError::TooLong {
            field,
            length: encoded.len(),
        })?;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(&encoded);
        Ok(())
    }

    pub(super) fn optional(
        &mut self,
        field: &'static str,
        text: Option<&str>,
    ) -> Result<(), EncodeError> {
        self.byte(u8::from(text.is_some()));
        text.map_or(Ok(()), |text| self.text(field, text))
    }

    /// Fills in the header. Thirteen texts of 64 KiB stay far below its 30 bits.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let header = (VERSIONED << LENGTH_BITS) | (self.bytes.len() - HEADER) as u32;
        self.bytes[..HEADER].copy_from_slice(&header.to_be_bytes());
        self.bytes
    }
}
