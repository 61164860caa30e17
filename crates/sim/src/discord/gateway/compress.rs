//! Transport compression: one stream per connection, flushed after every payload.

use std::io;

use flate2::{Compress, FlushCompress};
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// What the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Zlib,
    Zstd,
}

/// Compresses the payloads of one connection.
pub(crate) enum Compressor {
    None,
    Zlib(Box<Compress>),
    Zstd(Box<Encoder<'static>>),
}

impl Compressor {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Zlib => {
                Self::Zlib(Box::new(Compress::new(flate2::Compression::fast(), true)))
            }
            Compression::Zstd => Self::Zstd(Box::new(Encoder::new(1)?)),
        })
    }

    /// Compresses a payload up to a flush; `None` means it goes out as text.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::None => Ok(None),
            Self::Zlib(stream) => zlib(stream, payload).map(Some),
            Self::Zstd(stream) => zstd(stream, payload).map(Some),
        }
    }
}

fn zlib(stream: &mut Compress, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    let start = stream.total_in();
    loop {
        out.reserve(256);
        let used = (stream.total_in() - start) as usize;
        stream
            .compress_vec(&payload[used..], &mut out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let used = (stream.total_in() - start) as usize;
        // Room left over means that everything, the flush included, is out.
        if used == payload.len() && out.len() < out.capacity() {
            return Ok(out);
        }
    }
}

fn zstd(stream: &mut Encoder<'static>, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    let mut chunk = vec![0_u8; 16 * 1024];
    let mut input = InBuffer::around(payload);
    while input.pos() < payload.len() {
        let mut output = OutBuffer::around(chunk.as_mut_slice());
        stream.run(&mut input, &mut output)?;
        out.extend_from_slice(output.as_slice());
    }
    loop {
        let mut output = OutBuffer::around(chunk.as_mut_slice());
        let left = stream.flush(&mut output)?;
        out.extend_from_slice(output.as_slice());
        if left == 0 {
            return Ok(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn payloads() -> Vec<String> {
        let mut noise = 1_u32;
        (0..40)
            .map(|i| {
                (0..i * 997)
                    .map(|_| {
                        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        char::from(b' ' + (noise >> 25) as u8 % 90)
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn zlib_stream_ends_every_payload_with_a_sync_marker() {
        let mut compressor = Compressor::new(Compression::Zlib).expect("zlib is there");
        let mut all = Vec::new();
        for payload in payloads() {
            let out = compressor
                .compress(payload.as_bytes())
                .expect("it compresses")
                .expect("it is compressed");
            if !payload.is_empty() {
                assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
            }
            all.extend(out);
        }
        let mut back = String::new();
        let mut decoder = flate2::read::ZlibDecoder::new(all.as_slice());
        // The stream never ends, so reading it does with an error.
        let _ = decoder.read_to_string(&mut back);
        let mut bytes = Vec::new();
        let mut inflate = flate2::Decompress::new(true);
        bytes.reserve(payloads().concat().len() + 64);
        inflate
            .decompress_vec(&all, &mut bytes, flate2::FlushDecompress::Sync)
            .expect("it decompresses");
        assert_eq!(bytes, payloads().concat().into_bytes());
    }

    #[test]
    fn zstd_stream_can_be_read_payload_by_payload() {
        let mut compressor = Compressor::new(Compression::Zstd).expect("zstd is there");
        let mut decoder = zstd::stream::raw::Decoder::new().expect("zstd is there");
        for payload in payloads() {
            let out = compressor
                .compress(payload.as_bytes())
                .expect("it compresses")
                .expect("it is compressed");
            let mut back = vec![0; payload.len() + 64];
            let mut input = InBuffer::around(&out);
            let mut output = OutBuffer::around(back.as_mut_slice());
            while input.pos() < out.len() {
                decoder
                    .run(&mut input, &mut output)
                    .expect("it decompresses");
            }
            assert_eq!(output.as_slice(), payload.as_bytes());
        }
    }
}
