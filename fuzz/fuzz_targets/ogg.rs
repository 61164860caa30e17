#![no_main]
//! Any bytes with right checksums, in pieces of any size, with a jump in the middle.

use backline_media::demux::{
    Event, SeekStep,
    ogg::{OggDemuxer, end_granule},
};
use libfuzzer_sys::fuzz_target;

/// Without this, hardly any input would get past the first page.
fn repair_checksums(file: &mut [u8]) {
    let mut at = 0;
    while let Some(page) = file.get_mut(at..).filter(|rest| rest.len() >= 27) {
        if !page.starts_with(b"OggS") {
            at += 1;
            continue;
        }
        let table = 27..27 + usize::from(page[26]);
        let Some(lacing) = page.get(table.clone()) else {
            return;
        };
        let length = table.end
            + lacing
                .iter()
                .map(|lacing| usize::from(*lacing))
                .sum::<usize>();
        let Some(page) = page.get_mut(..length) else {
            at += 1;
            continue;
        };
        page[22..26].fill(0);
        let sum = page.iter().fold(0_u32, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
                if sum >> 31 == 1 {
                    sum << 1 ^ 0x04C1_1DB7
                } else {
                    sum << 1
                }
            })
        });
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at += length;
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, file)) = data.split_first() else {
        return;
    };
    let piece = usize::from(*piece) * 16 + 1;
    let file = &mut file.to_vec()[..];
    repair_checksums(file);
    let mut demuxer = OggDemuxer::new();
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
                if let Some(granule) = end_granule(file, demuxer.serial()) {
                    let _ = demuxer.track_samples(granule);
                }
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
