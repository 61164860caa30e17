//! How the sound of a track is chosen.

use super::*;

fn track(source: &str, title: &str, length: i64) -> Track {
    let info = TrackInfo {
        identifier: title.into(),
        is_seekable: true,
        author: "Band".into(),
        length,
        is_stream: false,
        position: 0,
        title: title.into(),
        uri: None,
        source_name: source.into(),
        artwork_url: None,
        isrc: None,
    };
    let details = match source {
        "youtube" => Details::None,
        "local" => Details::Probe("mp3".into()),
        _ => Details::Mirror(Mirror::default()),
    };
    describe::track(info, details)
}

#[test]
fn providers_are_filled_in_and_left_out_without_a_code() {
    let info = track("spotify", "Rain", 1).info;
    for (provider, isrc, expected) in [
        ("ytmsearch:%ISRC%", Some("GB1"), Some("ytmsearch:GB1")),
        ("ytmsearch:%ISRC%", None, None),
        ("ytmsearch:%QUERY%", None, Some("ytmsearch:Rain Band")),
        ("x:%QUERY%-%ISRC%", Some("GB1"), Some("x:Rain Band-GB1")),
    ] {
        assert_eq!(
            fill(provider, &info, isrc).as_deref(),
            expected,
            "{provider}"
        );
    }
}

#[test]
fn what_sounds_and_fits_best_is_taken() {
    let wanted = track("spotify", "Rain", 200_000).info;
    let title = |found| best(&wanted, found).map(|track| track.info.title);
    assert_eq!(title(Vec::new()), None);
    assert_eq!(title(vec![track("deezer", "a", 200_000)]), None);
    let found = vec![
        track("youtube", "hour long", 3_600_000),
        track("deezer", "no sound", 200_000),
        track("youtube", "fits", 203_000),
        track("local", "fits, too", 200_000),
    ];
    assert_eq!(title(found).as_deref(), Some("fits"));
    let found = vec![
        track("youtube", "unknown", 0),
        track("youtube", "long", 900_000),
    ];
    assert_eq!(title(found).as_deref(), Some("unknown"));
}

#[test]
fn lists_say_what_they_are() {
    let list = List {
        kind: Kind::Album,
        name: "An album".into(),
        url: Some("https://a.example/1".into()),
        artwork_url: None,
        author: Some("Band".into()),
        total: Some(12),
        items: vec![Item {
            id: "1".into(),
            title: "Rain".into(),
            more: Mirror {
                album_name: Some("An album".into()),
                ..Mirror::default()
            },
            ..Item::default()
        }],
    };
    let playlist = list.into_playlist("spotify");
    assert_eq!(
        Value::from(playlist.plugin_info),
        serde_json::json!({
            "type": "album", "url": "https://a.example/1", "artworkUrl": null, "author": "Band",
            "totalTracks": 12
        })
    );
    assert_eq!(playlist.tracks[0].plugin_info["albumName"], "An album");
    assert_eq!(playlist.tracks[0].plugin_info["isPreview"], false);
}
