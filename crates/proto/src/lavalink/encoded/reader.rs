//! Reading the fields of a message.

use super::{DecodeError, modified_utf8};

/// What is left of a message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(
        &mut self,
        field: &'static str,
        count: usize,
    ) -> Result<&'a [u8], DecodeError> {
        let (taken, left) = self
            .bytes
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated { field })?;
        self.bytes = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (taken, left) = self
            .bytes
            .split_first_chunk()
            .ok_or(DecodeError::Truncated { field })?;
        self.bytes = left;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.byte(field).map(|byte| byte != 0)
    }

    pub(super) fn int(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn long(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.array(field).map(i64::from_be_bytes)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let length = self.array(field).map(u16::from_be_bytes)?;
        let bytes = self.take(field, usize::from(length))?;
        modified_utf8::decode(bytes).ok_or(DecodeError::Text { field })
    }

    pub(super) fn optional(&mut self, field: &'static str) -> Result<Option<String>, DecodeError> {
        if self.flag(field)? {
            self.text(field).map(Some)
        } else {
            Ok(None)
        }
    }
}
