#![no_main]
//! Encoded tracks: what is read is written and read again to the same content.

use backline_proto::lavalink::encoded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(content) = encoded::decode(text)
        && let Ok(again) = encoded::encode(&content)
    {
        assert_eq!(encoded::decode(&again).ok().as_ref(), Some(&content));
    }
});
