#![no_main]
//! Any file or endless stream, as the node plays it: found out, decoded, sought, encoded.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use backline_media::decode::{Decoder, Hint, Next};
use backline_media::frame::OpusFrame;
use backline_media::opus::EncoderOptions;
use backline_media::pipeline::{self, Pipeline};
use backline_media::source::Source;
use libfuzzer_sys::fuzz_target;

/// Bytes that come once, as from a radio server.
struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Seek for Stream {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Source for Stream {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((way, file)) = data.split_first() else {
        return;
    };
    let file = file.to_vec();
    let source: Box<dyn Source> = if way & 1 == 0 {
        Box::new(Cursor::new(file))
    } else {
        Box::new(Stream(Cursor::new(file)))
    };
    if way & 2 == 0 {
        let Ok(mut decoder) = Decoder::open(source, &Hint::default()) else {
            return;
        };
        for turn in 0..200 {
            if turn == 100 && decoder.seek(u64::from(*way) * 10).is_err() {
                return;
            }
            if !matches!(decoder.next_packet(), Next::Data { .. }) {
                return;
            }
        }
    } else {
        let options = EncoderOptions {
            complexity: 0,
            ..EncoderOptions::default()
        };
        let Ok(mut pipeline) = Pipeline::open(source, &Hint::default(), options) else {
            return;
        };
        let _ = pipeline.info();
        pipeline.set_gain(if way & 4 == 0 { 1.0 } else { 0.5 });
        let mut frame = OpusFrame::empty();
        for turn in 0..20 {
            if turn == 10 && pipeline.seek(u64::from(*way) * 10).is_err() {
                return;
            }
            if !matches!(pipeline.next_frame(&mut frame), pipeline::Next::Frame { .. }) {
                return;
            }
        }
    }
});
