use proptest::prelude::*;

use super::*;
use crate::lavalink::UNKNOWN_LENGTH;

/// Version 2, from Lavalink's documentation.
const GOLDEN: &str = "QAAAjQIAJVJpY2sgQXN0bGV5IC0gTmV2ZXIgR29ubmEgR2l2ZSBZb3UgVXAADlJpY2tBc3RsZXlWRVZPAAAAAAADPCAAC2RRdzR3OVdnWGNRAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9ZFF3NHc5V2dYY1EAB3lvdXR1YmUAAAAAAAAAAA==";

fn content(source_name: &str, details: Details) -> Content {
    Content {
        title: "Τίτλος 🎵".into(),
        author: "a\0b".into(),
        length: 212_000,
        identifier: "id".into(),
        is_stream: false,
        uri: Some("https://example.com/a".into()),
        artwork_url: None,
        isrc: Some("USRC17607839".into()),
        source_name: source_name.into(),
        details,
        position: 1_500,
    }
}

/// Returns a message with the given header flags and bytes, as base64.
fn message(flags: u32, payload: &[u8]) -> String {
    let mut bytes = (flags << 30 | payload.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    BASE64.encode(bytes)
}

fn utf(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn the_documented_track_is_read() {
    let track = decode(GOLDEN).expect("decodes");
    assert_eq!(track.title, "Rick Astley - Never Gonna Give You Up");
    assert_eq!(track.author, "RickAstleyVEVO");
    assert_eq!(track.length, 212_000);
    assert_eq!(track.identifier, "dQw4w9WgXcQ");
    assert_eq!(
        track.uri.as_deref(),
        Some("https://www.youtube.com/watch?v=dQw4w9WgXcQ")
    );
    assert_eq!((track.source_name.as_str(), track.position), ("youtube", 0));
    assert!(track.info().is_seekable);
}

#[test]
fn padding_may_be_left_out() {
    assert_eq!(decode(GOLDEN.trim_end_matches('=')), decode(GOLDEN));
}

#[test]
fn version_one_has_neither_version_nor_uri() {
    let mut payload = [utf("t"), utf("a")].concat();
    payload.extend(5_i64.to_be_bytes());
    payload.extend(utf("id"));
    payload.push(1);
    payload.extend(utf("twitch"));
    payload.extend(7_i64.to_be_bytes());
    let track = decode(&message(0, &payload)).expect("decodes");
    assert_eq!(
        (track.title.as_str(), track.length, track.position),
        ("t", 5, 7)
    );
    assert!(track.is_stream && !track.info().is_seekable);
    assert_eq!(
        (track.uri, track.artwork_url, track.isrc),
        (None, None, None)
    );
}

#[test]
fn what_is_written_is_version_three_and_read_back() {
    let mirror = Mirror {
        album_name: Some("Album".into()),
        is_preview: true,
        ..Mirror::default()
    };
    for track in [
        content("youtube", Details::None),
        content("http", Details::Probe("matroska/webm|opus".into())),
        content("local", Details::Probe("mp3".into())),
        content("spotify", Details::Mirror(mirror)),
        content("my-source", Details::Opaque(vec![1, 2, 3])),
        content("my-source", Details::Opaque(Vec::new())),
        Content {
            length: UNKNOWN_LENGTH,
            is_stream: true,
            ..content("http", Details::Probe("ogg".into()))
        },
    ] {
        let text = encode(&track).expect("encodes");
        assert!(text.starts_with('Q'), "{text}");
        assert_eq!(BASE64.decode(&text).expect("base64")[4], 3);
        assert_eq!(decode(&text).expect("decodes"), track);
    }
}

#[test]
fn bytes_after_the_position_are_skipped() {
    let track = content("http", Details::Probe("wav".into()));
    let bytes = BASE64
        .decode(encode(&track).expect("encodes"))
        .expect("base64");
    let mut payload = bytes[4..].to_vec();
    payload.extend([9; 20]);
    assert_eq!(decode(&message(1, &payload)).expect("decodes"), track);
    let mut behind = bytes;
    behind.extend([9; 20]);
    assert_eq!(decode(&BASE64.encode(behind)).expect("decodes"), track);
}

#[test]
fn every_wrong_text_is_a_typed_error() {
    let long = "A".repeat(MAX_ENCODED + 1);
    let rows: Vec<(&str, String, DecodeError)> = vec![
        (
            "too long",
            long,
            DecodeError::TooLong {
                length: MAX_ENCODED + 1,
            },
        ),
        ("not base64", "not base64!".into(), DecodeError::Base64),
        ("the web alphabet", "__--".into(), DecodeError::Base64),
        (
            "empty",
            String::new(),
            DecodeError::Truncated {
                field: "the header",
            },
        ),
        (
            "three bytes",
            "QAAA".into(),
            DecodeError::Truncated {
                field: "the header",
            },
        ),
        (
            "a length without its bytes",
            BASE64.encode([0x40, 0, 0, 9]),
            DecodeError::Truncated {
                field: "the message",
            },
        ),
        (
            "no version",
            message(1, &[]),
            DecodeError::Truncated { field: "version" },
        ),
        (
            "version 0",
            message(1, &[0]),
            DecodeError::Version { version: 0 },
        ),
        (
            "version 4",
            message(1, &[4]),
            DecodeError::Version { version: 4 },
        ),
        (
            "half a title",
            message(1, &[3, 0, 5, b'a']),
            DecodeError::Truncated { field: "title" },
        ),
        (
            "a broken title",
            message(1, &[3, 0, 1, 0xFF]),
            DecodeError::Text { field: "title" },
        ),
    ];
    for (name, text, error) in rows {
        assert_eq!(decode(&text), Err(error), "{name}");
    }
}

#[test]
fn every_cut_of_a_track_is_an_error() {
    let bytes = BASE64
        .decode(encode(&content("http", Details::Probe("wav".into()))).expect("encodes"))
        .expect("base64");
    for length in 0..bytes.len() - 4 {
        assert!(
            decode(&message(1, &bytes[4..4 + length])).is_err(),
            "cut to {length}"
        );
    }
}

#[test]
fn a_text_that_does_not_fit_is_an_error() {
    let mut track = content("youtube", Details::None);
    track.title = "x".repeat(65_536);
    assert_eq!(
        encode(&track),
        Err(EncodeError::TooLong {
            field: "title",
            length: 65_536
        })
    );
    track.title = "x".repeat(65_535);
    assert_eq!(
        decode(&encode(&track).expect("fits")).expect("decodes"),
        track
    );
}

fn details() -> impl Strategy<Value = (String, Details)> {
    let optional = || proptest::option::of(".{0,12}");
    prop_oneof![
        Just(("youtube".to_owned(), Details::None)),
        ".{0,12}".prop_map(|probe| ("http".to_owned(), Details::Probe(probe))),
        (optional(), optional(), any::<bool>()).prop_map(
            |(album_name, preview_url, is_preview)| {
                (
                    "deezer".to_owned(),
                    Details::Mirror(Mirror {
                        album_name,
                        preview_url,
                        is_preview,
                        ..Mirror::default()
                    }),
                )
            }
        ),
        proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| ("other".to_owned(), Details::Opaque(bytes))),
    ]
}

proptest! {
    #[test]
    fn any_track_survives_the_round_trip(
        title in any::<String>(), author in any::<String>(), identifier in any::<String>(),
        length in any::<i64>(), position in any::<i64>(), is_stream in any::<bool>(),
        uri in proptest::option::of(any::<String>()), artwork_url in proptest::option::of(any::<String>()),
        isrc in proptest::option::of(any::<String>()), (source_name, details) in details(),
    ) {
        let track = Content { title, author, length, identifier, is_stream, uri, artwork_url, isrc, source_name, details, position };
        prop_assert_eq!(decode(&encode(&track).expect("encodes")).expect("decodes"), track);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), flags in 0_u32..4) {
        let _ = decode(&message(flags, &bytes));
        let _ = decode(&BASE64.encode(&bytes));
    }
}
