use super::*;

const HEADER: RtpHeader = RtpHeader {
    sequence: 0x0102,
    timestamp: 0x0304_0506,
    ssrc: 0x0708_090A,
};
const PAYLOAD: [u8; 10] = [0xFC, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4, 5];

// Computed by an independent implementation (OpenSSL's AES-GCM and ChaCha20-Poly1305, HChaCha20
// by hand) for the key 00 01 … 1F.
const GOLDEN: [(Mode, u32, &str); 4] = [
    (
        Mode::Aes256GcmRtpsize,
        0,
        "80780102030405060708090af26218605a2d81be0cad56eddb5be6f09fe607f7eca96749f00e00000000",
    ),
    (
        Mode::Aes256GcmRtpsize,
        0x0102_0304,
        "80780102030405060708090add8b70e3f8907a72ffe200e2a7465ebcd065cbcc48a9e9410dbe01020304",
    ),
    (
        Mode::XChaCha20Poly1305Rtpsize,
        0,
        "80780102030405060708090a69d821790389e71a128b3f7ac59fb55efe5f386f484e65f697dc00000000",
    ),
    (
        Mode::XChaCha20Poly1305Rtpsize,
        0x0102_0304,
        "80780102030405060708090a8ab6bdf2716b401c82e6a2202e3d9d66d53f4ad730d816e84e6001020304",
    ),
];

// One contributing source, an extension of one word, three bytes of padding.
const GOLDEN_EXTENDED: [(Mode, &str); 2] = [
    (
        Mode::Aes256GcmRtpsize,
        "b1780102030405060708090a0000002abede00014ec5e7c586f68e3500d396c605cf89cec7c46f9f695eb4467f7b2e35906375ba0f00000007",
    ),
    (
        Mode::XChaCha20Poly1305Rtpsize,
        "b1780102030405060708090a0000002abede0001a7956e73841c04f53842475cc61c4edce147a9fba072b3616c5e6d725ed1bad00600000007",
    ),
];

fn key() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn sealed_packets_equal_those_of_another_implementation() {
    for (mode, counter, packet) in GOLDEN {
        let mut sealer = Sealer::new(mode, &key());
        sealer.next = Some(counter);
        let mut out = Vec::new();
        sealer.seal(&HEADER, &PAYLOAD, &mut out).expect("sealed");
        assert_eq!(out, bytes(packet), "{mode:?} {counter}");
        assert_eq!(sealer.next, Some(counter + 1));
    }
}

#[test]
fn packets_of_another_implementation_are_opened() {
    let mut out = Vec::new();
    for (mode, counter, packet) in GOLDEN {
        let packet = bytes(packet);
        let (header, range) = Opener::new(mode, &key())
            .open(&packet, &mut out)
            .expect("opened");
        assert_eq!((header, &out[range]), (HEADER, &PAYLOAD[..]), "{mode:?}");
        assert_eq!(Opener::counter(&packet), Some(counter));
    }
}

#[test]
fn an_encrypted_extension_and_padding_are_left_out() {
    let mut out = Vec::new();
    for (mode, packet) in GOLDEN_EXTENDED {
        let opened = Opener::new(mode, &key()).open(&bytes(packet), &mut out);
        let (header, range) = opened.expect("opened");
        assert_eq!((header, &out[range]), (HEADER, &PAYLOAD[..]), "{mode:?}");
    }
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let mut out = Vec::new();
    for (mode, _, packet) in GOLDEN {
        let opener = Opener::new(mode, &key());
        let good = bytes(packet);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            opener.open(&bad, &mut out).expect_err("changed");
        }
        for length in 0..good.len() {
            opener.open(&good[..length], &mut out).expect_err("cut");
        }
        Opener::new(mode, &[9; 32])
            .open(&good, &mut out)
            .expect_err("another key");
    }
}

#[test]
fn counters_never_repeat_and_end_closed() {
    for mode in Mode::ALL {
        let mut sealer = Sealer::new(mode, &key());
        let mut out = Vec::with_capacity(MAX_DATAGRAM);
        for expected in 0..3 {
            sealer.seal(&HEADER, &PAYLOAD, &mut out).expect("sealed");
            assert_eq!(Opener::counter(&out), Some(expected));
        }
        sealer.next = Some(u32::MAX);
        sealer
            .seal(&HEADER, &PAYLOAD, &mut out)
            .expect("the last one");
        let refused = sealer.seal(&HEADER, &PAYLOAD, &mut out);
        assert_eq!(refused, Err(SealError::NonceExhausted));
        assert!(out.is_empty(), "nothing is left that could be sent");
    }
}

/// The longest frame, protected end to end.
const LONGEST: usize = MAX_OPUS + EndToEnd::MAX_OVERHEAD;

#[test]
fn the_longest_frame_fits_the_longest_datagram() {
    let mut out = [0; MAX_DATAGRAM];
    let mut sealer = Sealer::new(Mode::Aes256GcmRtpsize, &key());
    let length = sealer
        .seal_into(&HEADER, &[1; LONGEST], &mut out)
        .expect("sealed");
    assert_eq!(length, MAX_DATAGRAM);
    let refused = sealer.seal_into(&HEADER, &[1; LONGEST + 1], &mut out);
    assert_eq!(
        refused,
        Err(SealError::Length {
            length: LONGEST + 1
        })
    );
}

#[test]
fn mode_names_round_trip_and_old_ones_are_unknown() {
    for mode in Mode::ALL {
        assert_eq!(mode.name().parse(), Ok(mode));
    }
    for old in [
        "xsalsa20_poly1305",
        "xsalsa20_poly1305_lite",
        "aead_aes256_gcm",
        "",
    ] {
        assert_eq!(old.parse::<Mode>(), Err(UnknownMode));
    }
}
