//! Answers written by hand from the documented fields, one for each site.

use backline_proto::lavalink::encoded;
use serde_json::json;

use super::*;

fn link(text: &str) -> Url {
    text.parse().expect("a URL")
}

fn one(printed: &Value, asked: &str) -> (Track, Option<Stream>) {
    let Answer::Track(track, stream) = read(printed, Some(&link(asked)), 100) else {
        panic!("a track: {printed}");
    };
    // What was encoded can be decoded again, and says the same.
    let content = encoded::decode(&track.encoded).expect("decodes");
    assert_eq!(content.info(), track.info);
    (track, stream)
}

#[test]
fn a_video_with_its_stream_is_read() {
    let printed = json!({
        "id": "dQw4w9WgXcQ", "title": "A song", "channel": "A channel", "uploader": "Somebody",
        "duration": 212, "is_live": false, "extractor": "youtube", "extractor_key": "Youtube",
        "webpage_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=x",
        "thumbnail": "https://img.example/a.webp",
        "url": "https://media.example/videoplayback?expire=1900000000&itag=251",
        "protocol": "https", "acodec": "opus", "ext": "webm",
        "http_headers": {
            "User-Agent": "Browser", "Accept": "*/*", "Cookie": "secret", "Range": "bytes=0-",
            "Sec-Fetch-Mode": "navigate"
        }
    });
    let (track, stream) = one(&printed, "https://youtu.be/dQw4w9WgXcQ");
    assert_eq!(track.info.identifier, "dQw4w9WgXcQ");
    assert_eq!(track.info.author, "A channel");
    assert_eq!(track.info.length, 212_000);
    assert_eq!(track.info.source_name, "youtube");
    assert_eq!(
        track.info.uri.as_deref(),
        Some("https://www.youtube.com/watch?v=dQw4w9WgXcQ")
    );
    assert_eq!(
        track.info.artwork_url.as_deref(),
        Some("https://img.example/a.webp")
    );
    let stream = stream.expect("there is one");
    assert_eq!(stream.expires_s, Some(1_900_000_000));
    let names: Vec<_> = stream.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(stream.headers["user-agent"], "Browser");
}

#[test]
fn tracks_of_every_site_carry_its_name_and_can_be_found_again() {
    let sites = [
        (
            json!({
                "id": "1234", "title": "Rain", "uploader": "Cloud", "duration": 61.5,
                "extractor_key": "Soundcloud", "webpage_url": "https://soundcloud.com/cloud/rain"
            }),
            ("soundcloud", "1234", "Cloud", 61_500),
        ),
        (
            json!({
                "id": "99", "title": "Band - Song", "track": "Song", "artist": "Band",
                "uploader": "Label", "duration": 10.0, "extractor_key": "Bandcamp",
                "webpage_url": "https://band.bandcamp.com/track/song"
            }),
            (
                "bandcamp",
                "https://band.bandcamp.com/track/song",
                "Band",
                10_000,
            ),
        ),
        (
            json!({
                "id": "v1", "title": "Chess (live)", "uploader": "player", "duration": null,
                "is_live": true, "live_status": "is_live", "extractor_key": "TwitchStream",
                "webpage_url": "https://www.twitch.tv/player"
            }),
            (
                "twitch",
                "https://www.twitch.tv/player",
                "player",
                UNKNOWN_LENGTH,
            ),
        ),
        (
            json!({
                "id": "7", "title": "Film", "uploader": "Maker", "duration": 3,
                "extractor_key": "Vimeo", "webpage_url": "https://vimeo.com/7"
            }),
            ("vimeo", "https://vimeo.com/7", "Maker", 3_000),
        ),
        (
            json!({
                "id": "x", "title": "Else", "extractor_key": "Generic",
                "webpage_url": "https://else.example/page"
            }),
            ("ytdlp", "https://else.example/page", "Unknown artist", 0),
        ),
    ];
    for (printed, (source, identifier, author, length)) in sites {
        let page = printed["webpage_url"].as_str().expect("a page").to_owned();
        let (track, stream) = one(&printed, &page);
        assert_eq!(stream, None);
        assert_eq!(track.info.source_name, source);
        assert_eq!(track.info.identifier, identifier);
        assert_eq!(track.info.author, author);
        assert_eq!(track.info.length, length, "{source}");
        assert_eq!(track.info.is_stream, length == UNKNOWN_LENGTH);
        let info = &track.info;
        let again = links::page(&info.source_name, &info.identifier, info.uri.as_deref());
        assert_eq!(again, Some(link(&page)), "{source}");
    }
}

#[test]
fn a_playlist_names_the_track_that_the_link_points_at() {
    let entry = |id: &str| json!({"_type": "url", "ie_key": "Youtube", "id": id, "title": id, "duration": 1});
    let printed = json!({
        "_type": "playlist", "title": "Mix", "extractor_key": "YoutubeTab",
        "entries": [entry("aaaaaaaaaaa"), null, entry("bbbbbbbbbbb"), {"id": 5}, entry("ccccccccccc")]
    });
    let asked = "https://www.youtube.com/watch?v=bbbbbbbbbbb&list=PL";
    let Answer::Playlist(playlist) = read(&printed, Some(&link(asked)), 100) else {
        panic!("a playlist");
    };
    assert_eq!(playlist.info.name, "Mix");
    assert_eq!(playlist.info.selected_track, 1);
    assert_eq!(playlist.tracks.len(), 3);
    let Answer::Playlist(playlist) = read(&printed, Some(&link("https://youtube.com/x")), 1) else {
        panic!("a playlist");
    };
    assert_eq!(playlist.info.selected_track, -1);
    assert_eq!(playlist.tracks.len(), 1);
}

#[test]
fn a_search_is_a_list_of_tracks_and_a_channel_points_at_its_first_list() {
    let found = json!({"entries": [
        {"ie_key": "Youtube", "id": "aaaaaaaaaaa", "title": "A", "duration": 9.0, "channel": "C"},
        {"ie_key": "YoutubeTab", "id": "UC", "title": "A channel", "url": "https://www.youtube.com/channel/UC"}
    ]});
    let Answer::Search(tracks) = read(&found, None, 100) else {
        panic!("results");
    };
    assert_eq!(tracks.len(), 1);
    let music = link("https://music.youtube.com/search?q=a#songs");
    assert!(matches!(read(&found, Some(&music), 9), Answer::Search(_)));
    assert_eq!(read(&json!({"entries": []}), None, 9), Answer::Empty);
    let channel = link("https://www.youtube.com/@c");
    let tabs = json!({"entries": [
        {"ie_key": "YoutubeTab", "url": "https://www.youtube.com/@c/videos"},
        {"ie_key": "YoutubeTab", "url": "https://www.youtube.com/@c/shorts"}
    ]});
    let expected = Answer::List(link("https://www.youtube.com/@c/videos"));
    assert_eq!(read(&tabs, Some(&channel), 9), expected);
    // A list that is only itself is not followed.
    let itself = json!({"entries": [{"ie_key": "YoutubeTab", "url": channel.as_str()}]});
    assert_eq!(read(&itself, Some(&channel), 9), Answer::Empty);
}

#[test]
fn items_of_one_page_are_told_apart() {
    let item = |place: u32| {
        json!({
            "id": format!("page-{place}"), "title": "T", "extractor_key": "HTML5MediaEmbed",
            "webpage_url": "http://a.example/page", "playlist_index": place
        })
    };
    let printed = json!({"_type": "playlist", "title": "Page", "entries": [item(1), item(2)]});
    let Answer::Playlist(playlist) = read(&printed, Some(&link("http://a.example/page")), 9) else {
        panic!("a playlist");
    };
    for (index, track) in playlist.tracks.iter().enumerate() {
        let page = link(&track.info.identifier);
        assert_eq!(links::item(&page), Some(index as u64 + 1));
    }
    assert_eq!(links::item(&link("http://a.example/page")), None);
}

#[test]
fn strange_answers_are_empty_and_break_nothing() {
    let asked = link("https://www.youtube.com/watch?v=dQw4w9WgXcQ");
    for printed in [
        json!(null),
        json!([]),
        json!("text"),
        json!({}),
        json!({"id": 5}),
        json!({"id": "x", "url": "file:///etc/passwd"}),
        json!({"id": "x", "webpage_url": "javascript:alert(1)"}),
        json!({"entries": null}),
        json!({"entries": [null, [], 5, {"entries": []}]}),
    ] {
        assert_eq!(read(&printed, Some(&asked), 9), Answer::Empty, "{printed}");
    }
    let odd = json!({
        "id": "dQw4w9WgXcQ", "extractor_key": "Youtube", "title": ["x"], "duration": "long",
        "is_live": "yes", "thumbnails": [{"url": 5}], "url": 9, "http_headers": [1],
        "channel": {"name": "x"}
    });
    let (track, stream) = one(&odd, "https://youtu.be/dQw4w9WgXcQ");
    assert_eq!(track.info.title, "Unknown title");
    assert_eq!(track.info.length, 0);
    assert_eq!(stream, None);
    let far = json!({"id": "dQw4w9WgXcQ", "extractor_key": "Youtube", "duration": 1e300});
    assert_eq!(one(&far, "https://youtu.be/dQw4w9WgXcQ").0.info.length, 0);
}

#[test]
fn only_streams_that_can_be_played_are_taken() {
    for (printed, expected) in [
        (
            json!({"url": "https://m.example/a.webm", "protocol": "https"}),
            Some(("https://m.example/a.webm", None)),
        ),
        (
            json!({"url": "https://m.example/a.m3u8", "protocol": "m3u8_native"}),
            Some(("https://m.example/a.m3u8", None)),
        ),
        (
            json!({"url": "https://m.example/expire/77/a.m3u8", "protocol": "m3u8"}),
            Some(("https://m.example/expire/77/a.m3u8", Some(77))),
        ),
        (
            json!({"url": "https://m.example/a?Expires=5&b", "protocol": "https"}),
            Some(("https://m.example/a?Expires=5&b", Some(5))),
        ),
        (
            json!({"requested_downloads": [{"url": "https://m.example/b", "protocol": "http"}]}),
            Some(("https://m.example/b", None)),
        ),
        (
            json!({"entries": [{"url": "https://m.example/c", "protocol": "https"}]}),
            Some(("https://m.example/c", None)),
        ),
        (
            json!({"url": "https://m.example/a.mpd", "protocol": "http_dash_segments"}),
            None,
        ),
        (
            json!({"url": "rtmp://m.example/a", "protocol": "rtmp"}),
            None,
        ),
        (json!({"url": "https://m.example/a"}), None),
        (
            json!({"url": "file:///etc/passwd", "protocol": "https"}),
            None,
        ),
    ] {
        let stream = stream(&printed);
        let seen = stream
            .as_ref()
            .map(|stream| (stream.url.as_str(), stream.expires_s));
        assert_eq!(seen, expected, "{printed}");
    }
}
