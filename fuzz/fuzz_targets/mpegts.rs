#![no_main]
//! Any transport stream, in step with its packets or not, and any HLS segments, in pieces of any
//! size.

use backline_media::demux::mpegts::TsDemuxer;
use backline_media::demux::segment::SegmentDemuxer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [size, rest @ ..] = data else { return };
    let size = usize::from(*size) + 1;
    let mut demuxer = TsDemuxer::new();
    let mut sound = Vec::new();
    for piece in rest.chunks(size) {
        if demuxer.push(piece, &mut sound).is_err() {
            break;
        }
        assert!(sound.len() <= rest.len(), "nothing is made up");
    }
    let mut demuxer = SegmentDemuxer::new();
    sound.clear();
    for (number, segment) in rest.chunks(1_000).enumerate() {
        demuxer.begin(number % 3 == 0);
        for piece in segment.chunks(size) {
            if demuxer.push(piece, &mut sound).is_err() {
                return;
            }
            assert!(sound.len() <= rest.len(), "nothing is made up");
        }
    }
});
