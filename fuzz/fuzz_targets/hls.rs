#![no_main]
//! Any HLS playlist.

use backline_media::playlist::hls::{self, Playlist};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match hls::parse(data) {
    Ok(Playlist::Master(master)) => {
        if let Ok(choice) = hls::choose(&master) {
            assert!(!choice.location.is_empty());
        }
    }
    Ok(Playlist::Media(media)) => {
        for pair in media.segments.windows(2) {
            assert_eq!(pair[0].number + 1, pair[1].number);
        }
        for segment in &media.segments {
            assert!(!segment.location.is_empty());
            if let Some(range) = segment.range {
                assert!(range.offset.checked_add(range.length).is_some());
            }
            if let Some(key) = &segment.key {
                let _ = key.iv_for(segment.number);
            }
        }
    }
    Err(_) => {}
});
