use super::*;

fn media(text: &str) -> Media {
    match parse(text.as_bytes()) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

fn chosen(text: &str) -> Result<String, HlsError> {
    match parse(text.as_bytes()) {
        Ok(Playlist::Master(master)) => choose(&master).map(|choice| choice.location),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_live_list_says_its_segments_and_their_numbers() {
    let list = media(
        "#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:41\r\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:2\r\n#EXTINF:5.994,Title\r\na.ts?x=1\r\n#EXTINF:6,\r\n\
         #EXT-X-DISCONTINUITY\r\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\r\nb.ts\r\n\
         #EXTINF:6,\r\n#EXT-X-GAP\r\nc.ts\r\n",
    );
    assert_eq!((list.target_ms, list.ended), (6_000, false));
    let seen: Vec<_> = list
        .segments
        .iter()
        .map(|segment| {
            let Segment {
                location,
                number,
                duration_ms,
                is_discontinuous,
                is_gap,
                ..
            } = segment;
            (
                &**location,
                *number,
                *duration_ms,
                *is_discontinuous,
                *is_gap,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a.ts?x=1", 41, 5_994, false, false),
            ("b.ts", 42, 6_000, true, false),
            ("c.ts", 43, 6_000, false, true),
        ]
    );
}

#[test]
fn ranges_go_on_where_the_one_before_ended() {
    let list = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n\
         #EXTINF:6,\n#EXT-X-BYTERANGE:1000@700\nall.mp4\n#EXTINF:6,\n#EXT-X-BYTERANGE:500\nall.mp4\n\
         #EXTINF:6,\n#EXT-X-BYTERANGE:5\nother.mp4\n#EXTINF:6,\nwhole.mp4\n#EXT-X-ENDLIST\n",
    );
    let ranges: Vec<_> = list
        .segments
        .iter()
        .map(|segment| segment.range.map(|range| (range.offset, range.length)))
        .collect();
    assert_eq!(
        ranges,
        [Some((700, 1_000)), Some((1_700, 500)), Some((0, 5)), None]
    );
    let map = list.segments[3].map.as_ref().expect("it holds for all");
    assert_eq!(map.location, "all.mp4");
    assert_eq!(
        map.range,
        Some(Range {
            offset: 0,
            length: 700
        })
    );
    assert!(list.ended);
}

#[test]
fn keys_hold_until_the_next_one() {
    let list = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:258\n#EXTINF:6,\nopen.ts\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k,1\"\n#EXTINF:6,\na.ts\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k2\",IV=0x1F\n#EXTINF:6,\nb.ts\n\
         #EXT-X-KEY:METHOD=NONE\n#EXTINF:6,\nc.ts\n",
    );
    let ivs: Vec<_> = list
        .segments
        .iter()
        .map(|segment| {
            let key = segment.key.as_ref()?;
            Some((
                &*key.location,
                u128::from_be_bytes(key.iv_for(segment.number)),
            ))
        })
        .collect();
    assert_eq!(ivs, [None, Some(("k,1", 259)), Some(("k2", 0x1F)), None]);
}

#[test]
fn what_cannot_be_played_says_why() {
    let damaged = |what| HlsError::Malformed { what };
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n";
    for (text, expected) in [
        (String::new(), HlsError::NotHls),
        ("#EXTM3U\n#EXTINF:6,\na.mp3\n".to_owned(), HlsError::NotHls),
        (
            format!("{head}#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n"),
            HlsError::Encryption,
        ),
        (
            format!("{head}#EXT-X-KEY:METHOD=AES-128,KEYFORMAT=\"com.apple\",URI=\"k\"\n"),
            HlsError::Encryption,
        ),
        (
            format!("{head}#EXT-X-KEY:METHOD=AES-128\n"),
            damaged("a key"),
        ),
        (
            format!("{head}#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=12\n"),
            damaged("a key"),
        ),
        (
            format!("{head}#EXTINF:-1,\na\n"),
            damaged("a segment's duration"),
        ),
        (
            format!("{head}#EXTINF:NaN,\na\n"),
            damaged("a segment's duration"),
        ),
        (
            format!("{head}#EXT-X-BYTERANGE:0@1\na\n"),
            damaged("a byte range"),
        ),
        (
            format!("{head}#EXT-X-BYTERANGE:2@18446744073709551615\na\n"),
            damaged("a byte range"),
        ),
        (
            format!("{head}#EXT-X-MEDIA-SEQUENCE:18446744073709551615\na\n"),
            damaged("the sequence"),
        ),
        (
            format!("{head}{}\n", "a".repeat(5_000)),
            damaged("an address"),
        ),
        (
            format!("{head}{}", "a\n".repeat(MAX_SEGMENTS + 1)),
            HlsError::TooMany,
        ),
        (
            format!("{head}{}", "#\n".repeat(MAX_BYTES / 2)),
            HlsError::TooLong,
        ),
    ] {
        assert_eq!(
            parse(text.as_bytes()),
            Err(expected),
            "{}",
            &text[..text.len().min(80)]
        );
    }
}

#[test]
fn sound_alone_is_preferred_to_pictures() {
    let video = "#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,\
                 CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"g\"\nvideo\n";
    let larger = "#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,\
                  CODECS=\"avc1.4d401f,mp4a.40.2\"\nlarger\n";
    let sound = |kbit: u32| {
        format!("#EXT-X-STREAM-INF:BANDWIDTH={kbit}000,CODECS=\"mp4a.40.2\"\nsound{kbit}\n")
    };
    let beside = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"two\",URI=\"second\"\n\
                  #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"one, two\",DEFAULT=YES,URI=\"first\"\n\
                  #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"g\",NAME=\"s\",DEFAULT=YES,URI=\"text\"\n";
    let silent = "#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"avc1.4d401e\"\nsilent\n";
    let dolby = "#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"ec-3\"\ndolby\n";
    let untold = "#EXT-X-STREAM-INF:BANDWIDTH=64000\nuntold\n";
    for (list, expected) in [
        (
            format!("{larger}{video}{}{}", sound(64), sound(128)),
            Ok("sound128"),
        ),
        (format!("{}{}", sound(512), sound(500)), Ok("sound500")),
        (format!("{}{}", sound(512), sound(96)), Ok("sound96")),
        (format!("{beside}{larger}{video}"), Ok("first")),
        (format!("{larger}{video}"), Ok("video")),
        (format!("{silent}{dolby}{larger}"), Ok("larger")),
        (untold.to_owned(), Ok("untold")),
        (format!("{silent}{dolby}"), Err(HlsError::NoSound)),
    ] {
        let chosen = chosen(&format!("#EXTM3U\n{list}"));
        assert_eq!(chosen.as_deref(), expected.as_deref(), "{list}");
    }
}
