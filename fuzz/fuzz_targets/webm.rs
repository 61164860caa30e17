#![no_main]
//! Any bytes, in pieces of any size, with a jump in the middle.

use backline_media::demux::{Event, SeekStep, webm::WebmDemuxer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((piece, file)) = data.split_first() else {
        return;
    };
    let piece = usize::from(*piece) * 16 + 1;
    let mut demuxer = WebmDemuxer::new();
    let mut fed = 0;
    let mut jumped = false;
    loop {
        match demuxer.next() {
            Ok(Event::NeedData) if fed == file.len() => demuxer.finish(),
            Ok(Event::NeedData) => {
                let count = demuxer.push(&file[fed..file.len().min(fed + piece)]);
                assert!(count > 0, "there is room when data is wanted");
                fed += count;
            }
            Ok(Event::Head(_) | Event::Packet(_)) => {}
            Ok(Event::End) if jumped => break,
            Ok(Event::End) => {
                jumped = true;
                let length = file.len() as u64;
                let _ = demuxer.track_samples();
                let mut seeker = demuxer.seeker(4_800, length);
                let offset = loop {
                    match seeker.poll() {
                        SeekStep::Read { offset, length } => {
                            let from = (offset as usize).min(file.len());
                            seeker.handle_bytes(&file[from..file.len().min(from + length)]);
                        }
                        SeekStep::Done { offset } => break offset,
                    }
                };
                demuxer.reset(offset);
                fed = (offset as usize).min(file.len());
            }
            Err(_) => break,
        }
    }
});
