//! Section 10: encoded tracks, byte for byte.

use backline_proto::lavalink::encoded::{self, Content, Details};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::events::forged;
use super::load::escape;
use crate::conformance::case::{Book, Stop, demand};
use crate::conformance::scene::Scene;

/// A message, written by hand.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(&(text.len() as u16).to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn optional(mut self, text: Option<&str>) -> Self {
        self.0.push(u8::from(text.is_some()));
        match text {
            Some(text) => self.text(text),
            None => self,
        }
    }

    fn number(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Returns the encoded track: `versioned` sets the flag.
    fn encoded(self, versioned: bool) -> String {
        let head = self.0.len() as u32 | (u32::from(versioned) << 30);
        let mut all = head.to_be_bytes().to_vec();
        all.extend_from_slice(&self.0);
        STANDARD.encode(all)
    }
}

fn version_1() -> Bytes {
    Bytes::default()
        .text("Title")
        .text("Author")
        .number(123_000)
        .text("http://127.0.0.1:1/a.mp3")
        .byte(0)
        .text("http")
        .text("mp3")
        .number(0)
}

fn version_2() -> Bytes {
    Bytes::default()
        .byte(2)
        .text("Title")
        .text("Author")
        .number(123_000)
        .text("http://127.0.0.1:1/a.mp3")
        .byte(0)
        .optional(Some("http://127.0.0.1:1/a.mp3"))
        .text("http")
        .text("mp3")
        .number(0)
}

fn version_3(position: i64, stream: bool, art: Option<&str>, isrc: Option<&str>) -> Bytes {
    Bytes::default()
        .byte(3)
        .text("Title")
        .text("Author")
        .number(if stream { i64::MAX } else { 123_000 })
        .text("http://127.0.0.1:1/a.mp3")
        .byte(u8::from(stream))
        .optional(Some("http://127.0.0.1:1/a.mp3"))
        .optional(art)
        .optional(isrc)
        .text("http")
        .text("mp3")
        .number(position)
}

async fn decoded(s: &Scene, text: &str) -> Result<crate::conformance::answer::Answer, Stop> {
    s.get(&format!("/v4/decodetrack?encodedTrack={}", escape(text)))
        .await
}

pub(super) fn write(book: &mut Book) {
    for (name, bytes, versioned) in [
        ("version-1", version_1 as fn() -> Bytes, false),
        ("version-2", version_2, true),
        ("version-3", || version_3(0, false, None, None), true),
    ] {
        book.case(
            format!("10.3-{name}"),
            format!("an encoded track of {name} is decoded"),
            move |s| async move {
                let answer = decoded(&s, &bytes().encoded(versioned)).await?;
                answer.status(200)?;
                for (pointer, expected) in [
                    ("/info/title", json!("Title")),
                    ("/info/author", json!("Author")),
                    ("/info/length", json!(123_000)),
                    ("/info/identifier", json!("http://127.0.0.1:1/a.mp3")),
                    ("/info/sourceName", json!("http")),
                    ("/info/isStream", json!(false)),
                    ("/info/isSeekable", json!(true)),
                    ("/info/position", json!(0)),
                ] {
                    answer.is(pointer, &expected)?;
                }
                Ok(())
            },
        );
    }
    book.case(
        "10.3-version-1-has-no-uri",
        "a track of version 1 has no uri, or that of its identifier",
        |s| async move {
            let answer = decoded(&s, &version_1().encoded(false)).await?;
            let uri = answer.at("/info/uri")?;
            demand(
                uri.is_null() || uri == "http://127.0.0.1:1/a.mp3",
                "null or the URL",
                uri,
            )
        },
    );
    book.case(
        "10-artwork-and-isrc",
        "artworkUrl and isrc of a version 3 track",
        |s| async move {
            let bytes = version_3(
                0,
                false,
                Some("http://127.0.0.1:1/a.png"),
                Some("DEA121500001"),
            );
            let answer = decoded(&s, &bytes.encoded(true)).await?;
            answer.is("/info/artworkUrl", &json!("http://127.0.0.1:1/a.png"))?;
            answer.is("/info/isrc", &json!("DEA121500001")).map(drop)
        },
    );
    book.case(
        "10-stream",
        "a stream has length 9223372036854775807 and is not seekable",
        |s| async move {
            let answer = decoded(&s, &version_3(0, true, None, None).encoded(true)).await?;
            answer.status(200)?;
            demand(
                answer.body["info"]["length"] == i64::MAX,
                "9223372036854775807",
                &answer.body,
            )?;
            answer
                .is("/info/isStream", &json!(true))?
                .is("/info/isSeekable", &json!(false))
                .map(drop)
        },
    );
    book.case(
        "16-http-position",
        "the position behind the probe info of an http track is read where it stands",
        |s| async move {
            let answer = decoded(&s, &version_3(0, false, None, None).encoded(true)).await?;
            answer
                .status(200)?
                .is("/info/position", &json!(0))
                .map(drop)
        },
    );
    book.case(
        "10-position",
        "a position other than 0 in the message is decoded",
        |s| async move {
            let answer = decoded(&s, &version_3(4_500, false, None, None).encoded(true)).await?;
            answer.status(200)?;
            let got = answer.at("/info/position")?.as_i64();
            demand(got == Some(4_500), "4,500", got)
        },
    );
    book.case(
        "10.3-trailing-bytes",
        "bytes behind the known fields are skipped, or refused",
        |s| async move {
            let mut bytes = version_3(0, false, None, None);
            bytes.0.extend_from_slice(&[0; 12]);
            let answer = decoded(&s, &bytes.encoded(true)).await?;
            s.either(&answer, 200, 400, "bytes that nobody wrote")
        },
    );
    for (name, title) in [
        ("umlauts", "Über den Wölken"),
        ("japanese", "夜に駆ける"),
        (
            "long",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("empty", ""),
        ("emoji", "🎵 music 🎶"),
        ("zero", "a\0b"),
    ] {
        book.case(
            format!("10-text-{name}"),
            format!("a title of the kind {name} survives decoding"),
            move |s| async move {
                let content = Content {
                    title: title.into(),
                    author: "Author".into(),
                    length: 1_000,
                    identifier: "http://127.0.0.1:1/a.mp3".into(),
                    is_stream: false,
                    uri: None,
                    artwork_url: None,
                    isrc: None,
                    source_name: "http".into(),
                    details: Details::Probe("mp3".into()),
                    position: 0,
                };
                let text = encoded::encode(&content).unwrap_or_default();
                let answer = decoded(&s, &text).await?;
                answer
                    .status(200)?
                    .is("/info/title", &json!(title))
                    .map(drop)
            },
        );
    }
    book.case(
        "10.1-starts-with-q",
        "what the server encodes is versioned: it starts with Q",
        |s| async move {
            let text = s.encoded("short.wav").await?;
            demand(text.starts_with('Q'), "Q…", text)
        },
    );
    book.case(
        "10-written-as-version-3",
        "what the server encodes is version 3, padded base64, and its length fits",
        |s| async move {
            let text = s.encoded("short.wav").await?;
            let Ok(bytes) = STANDARD.decode(&text) else {
                return demand(false, "base64", text);
            };
            demand(bytes.get(4) == Some(&3), "version 3", bytes.get(4))?;
            let head = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let length = (head & 0x3FFF_FFFF) as usize;
            demand(
                length == bytes.len() - 4,
                "the payload's length",
                (length, bytes.len()),
            )
        },
    );
    for (file, container) in [
        ("short.wav", "wav"),
        ("sweep.mp3", "mp3"),
        ("sweep.flac", "flac"),
        ("sweep.ogg", "ogg"),
        ("sweep.opus", "ogg"),
        ("sweep.webm", "matroska/webm"),
        ("sweep.m4a", "mp4"),
    ] {
        book.case(
            format!("10.2-probe-{file}"),
            format!("the probe info of {file} is `{container}`"),
            move |s| async move {
                let text = s.encoded(file).await?;
                match encoded::decode(&text) {
                    Ok(content) => {
                        let Details::Probe(probe) = &content.details else {
                            return demand(false, "probe info", content.details);
                        };
                        let name = probe.split('|').next().unwrap_or_default();
                        demand(name == container, container, probe)
                    }
                    Err(error) => demand(false, "an encoded track", error),
                }
            },
        );
    }
    book.case(
        "10-same-bytes-again",
        "what the server plays it shows with the same text",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let text = forged(&s.file("long.wav"));
            let answer = client
                .set(guild, &json!({"track": {"encoded": text}, "paused": true}))
                .await?;
            answer.is("/track/encoded", &json!(text)).map(drop)
        },
    );
    book.case(
        "10.3-unknown-source",
        "a track of an unknown source is refused",
        |s| async move {
            let bytes = Bytes::default()
                .byte(3)
                .text("Title")
                .text("Author")
                .number(1_000)
                .text("x")
                .byte(0)
                .optional(None)
                .optional(None)
                .optional(None)
                .text("nobody-has-this-source")
                .number(0);
            let answer = decoded(&s, &bytes.encoded(true)).await?;
            if answer.status == 200 {
                s.note("200: decoding needs no source");
                return Ok(());
            }
            s.either(&answer, 500, 400, "a broken track is the client's mistake")
        },
    );
}
