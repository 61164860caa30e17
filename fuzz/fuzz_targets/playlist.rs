#![no_main]
//! Any M3U, PLS or XSPF list.

use backline_media::playlist::{self, Kind, MAX_ENTRIES, MAX_LOCATION};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let sniffed = playlist::sniff(data);
    for kind in [Kind::M3u, Kind::Pls, Kind::Xspf].into_iter().chain(sniffed) {
        let entries = playlist::entries(kind, data);
        assert!(entries.len() <= MAX_ENTRIES);
        for entry in entries {
            assert!((1..=MAX_LOCATION).contains(&entry.location.len()));
            assert!(entry.title.is_none_or(|title| title.chars().count() <= 500));
        }
    }
});
