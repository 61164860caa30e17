#![no_main]
//! Datagrams: as they come, and with a valid tag over invented content.

use backline_media::{
    packet,
    voice::{Mode, Opener, RtpHeader, Sealer, discovery},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut out = Vec::new();
    let header = RtpHeader {
        sequence: 1,
        timestamp: 2,
        ssrc: 3,
    };
    for mode in Mode::ALL {
        let key = [7; 32];
        let opener = Opener::new(mode, &key);
        let _ = opener.open(data, &mut out);
        let mut datagram = Vec::new();
        Sealer::new(mode, &key)
            .seal(&header, data, &mut datagram)
            .expect("any length");
        let (opened, range) = opener.open(&datagram, &mut out).expect("our own");
        assert_eq!((opened, &out[range]), (header, data));
    }
    let _ = RtpHeader::parse(data);
    let _ = discovery::parse_request(data);
    let _ = discovery::parse_answer(data, 3);
    let _ = packet::samples(data);
});
