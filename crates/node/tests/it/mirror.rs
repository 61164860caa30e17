//! Catalogues that know tracks but not their sound, with recorded answers.

use backline_runtime::config;
use serde_json::{Value, json};

use crate::apis::Apis;
use crate::call::{self, player, sounds, voice_server};
use crate::client::{TestNode, test_config};
use crate::playback::ogg_packets;

fn deezer_track(title: &str, artist: &str) -> Value {
    json!({
        "id": 3_135_556, "title": title, "isrc": "GBDUW0000059", "duration": 2,
        "link": "https://www.deezer.com/track/3135556",
        "preview": "https://cdn.example/preview.mp3",
        "artist": {"id": 27, "name": artist, "link": "https://www.deezer.com/artist/27"},
        "album": {"id": 302_127, "title": "An album", "cover_xl": "https://cdn.example/cover.jpg"},
        "type": "track"
    })
}

/// Mirrors to local files, so that what is heard is known.
fn config(apis: &Apis) -> config::Node {
    let mut config = test_config();
    config.mirror.providers = "local:%ISRC% local:%QUERY%".into();
    config.mirror.deezer.enabled = true;
    config.mirror.deezer.api_url = apis.url();
    config.mirror.spotify.enabled = true;
    config.mirror.spotify.api_url = apis.url();
    config.mirror.spotify.token_url = apis.url();
    config.mirror.spotify.client_id = Some("application".into());
    config.mirror.spotify.client_secret = Some("secret".into());
    config.mirror.apple_music.enabled = true;
    config.mirror.apple_music.api_url = apis.url();
    config.mirror.apple_music.token = Some("media-token".into());
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deezer_track_is_shown_as_such_and_sounds_from_elsewhere() {
    // No tags in the file: the name alone is the query.
    let track = deezer_track("sweep", "opus");
    let apis = Apis::start(&[
        ("/track/3135556", track.clone()),
        ("/track/isrc:GBDUW0000059", track),
    ])
    .await;
    let node = TestNode::start_with(config(&apis)).await;
    let loaded = node.load("https://www.deezer.com/en/track/3135556").await;
    assert_eq!(loaded["loadType"], "track", "{loaded}");
    let info = &loaded["data"]["info"];
    assert_eq!(info["sourceName"], "deezer");
    assert_eq!(info["isrc"], "GBDUW0000059");
    assert_eq!(info["length"], 2_000);
    let plugin = &loaded["data"]["pluginInfo"];
    assert_eq!(plugin["albumName"], "An album");
    assert_eq!(plugin["albumUrl"], "https://www.deezer.com/album/302127");
    assert_eq!(plugin["previewUrl"], "https://cdn.example/preview.mp3");
    assert_eq!(plugin["isPreview"], false);
    let by_code = node.load("dzisrc:GBDUW0000059").await;
    assert_eq!(by_code["data"]["encoded"], loaded["data"]["encoded"]);
    // What was encoded says all of it again.
    let encoded = loaded["data"]["encoded"].as_str().unwrap();
    let query = reqwest::Url::parse_with_params("http://x/", [("encodedTrack", encoded)]).unwrap();
    let (status, decoded) = node
        .get(&format!("/v4/decodetrack?{}", query.query().unwrap()))
        .await;
    assert_eq!(status, 200);
    assert_eq!(decoded["pluginInfo"], *plugin);

    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = voice.listen(100);
    let body = json!({"voice": call::invite(&voice, 100), "track": {"encoded": encoded}});
    let (status, _) = node.patch(&player(&session, 100), body).await;
    assert_eq!(status, 200);
    let started = socket.event().await;
    assert_eq!(started["type"], "TrackStartEvent");
    assert_eq!(started["track"]["info"]["sourceName"], "deezer");
    let heard = sounds(&mut listener, 20).await;
    let expected = ogg_packets("signals/sweep.opus");
    assert!(
        heard
            .iter()
            .zip(&expected)
            .all(|(heard, expected)| heard.opus.as_ref() == expected.as_slice()),
        "the file that was found sounds"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_deezer_are_loaded_page_by_page() {
    let track = |id: u32| {
        let mut track = deezer_track("A title", "A band");
        track["id"] = id.into();
        track
    };
    let first: Vec<Value> = (0..100).map(track).collect();
    let second: Vec<Value> = (100..130).map(track).collect();
    let apis = Apis::start(&[
        (
            "/playlist/5",
            json!({
                "id": 5, "title": "A list", "nb_tracks": 130, "creator": {"name": "Somebody"},
                "link": "https://www.deezer.com/playlist/5", "picture_xl": "https://cdn.example/p.jpg"
            }),
        ),
        (
            "/playlist/5/tracks?limit=100&index=0",
            json!({"data": first, "total": 130, "next": "https://api.example/next"}),
        ),
        (
            "/playlist/5/tracks?limit=100&index=100",
            json!({"data": second, "total": 130}),
        ),
        (
            "/track/9",
            json!({"error": {"type": "DataException", "message": "no data", "code": 800}}),
        ),
        (
            "/track/10",
            json!({"error": {"type": "Exception", "message": "Quota limit exceeded", "code": 4}}),
        ),
    ])
    .await;
    let node = TestNode::start_with(config(&apis)).await;
    let loaded = node.load("https://www.deezer.com/playlist/5").await;
    assert_eq!(loaded["loadType"], "playlist", "{loaded}");
    assert_eq!(loaded["data"]["tracks"].as_array().unwrap().len(), 130);
    assert_eq!(
        loaded["data"]["pluginInfo"],
        json!({
            "type": "playlist", "url": "https://www.deezer.com/playlist/5",
            "artworkUrl": "https://cdn.example/p.jpg", "author": "Somebody", "totalTracks": 130
        })
    );
    let missing = node.load("https://www.deezer.com/track/9").await;
    assert_eq!(missing["loadType"], "empty");
    let refused = node.load("https://www.deezer.com/track/10").await;
    assert_eq!(refused["loadType"], "error");
    let gone = node.load("https://www.deezer.com/track/11").await;
    assert_eq!(gone["loadType"], "empty", "a 404 is nothing");
    node.stop().await;
}

fn spotify_track(name: &str) -> Value {
    json!({
        "id": "4uLU6hMCjMI75M1A2tKUQC", "name": name, "duration_ms": 213_573, "is_local": false,
        "external_ids": {"isrc": "GBARL9300135"},
        "external_urls": {"spotify": "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"},
        "artists": [
            {"id": "a", "name": "First", "external_urls": {"spotify": "https://open.spotify.com/artist/a"}},
            {"id": "b", "name": "Second", "external_urls": {"spotify": "https://open.spotify.com/artist/b"}}
        ],
        "album": {
            "id": "x", "name": "An album", "images": [{"url": "https://i.example/640.jpg"}],
            "external_urls": {"spotify": "https://open.spotify.com/album/x"}
        },
        "preview_url": null
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn spotify_is_asked_with_a_token_that_is_kept_and_can_be_replaced() {
    let simple = json!({"id": "4uLU6hMCjMI75M1A2tKUQC", "name": "Simple", "duration_ms": 1});
    let apis = Apis::start(&[
        (
            "/api/token",
            json!({"access_token": "bearer-1", "token_type": "Bearer", "expires_in": 3600}),
        ),
        (
            "/v1/tracks/4uLU6hMCjMI75M1A2tKUQC?market=US",
            spotify_track("A title"),
        ),
        (
            "/v1/albums/x?market=US",
            json!({
                "id": "x", "name": "An album", "total_tracks": 1, "artists": [{"name": "First"}],
                "images": [{"url": "https://i.example/640.jpg"}],
                "external_urls": {"spotify": "https://open.spotify.com/album/x"}
            }),
        ),
        (
            "/v1/albums/x/tracks?limit=50&offset=0&market=US",
            json!({"items": [simple], "next": null}),
        ),
        (
            "/v1/tracks?ids=4uLU6hMCjMI75M1A2tKUQC&market=US",
            json!({"tracks": [spotify_track("In full")]}),
        ),
        (
            "/v1/search?q=rain&type=track&limit=20&market=US",
            json!({"tracks": {"items": [spotify_track("Rain"), null, spotify_track("More rain")]}}),
        ),
        (
            "/v1/search?q=rain&type=track,album&limit=20&market=US",
            json!({
                "tracks": {"items": [spotify_track("Rain")]},
                "albums": {"items": [{
                    "id": "x", "name": "Rains", "artists": [{"name": "First"}], "total_tracks": 9,
                    "external_urls": {"spotify": "https://open.spotify.com/album/x"}, "images": []
                }]}
            }),
        ),
    ])
    .await;
    let node = TestNode::start_with(config(&apis)).await;
    let loaded = node
        .load("https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC?si=1")
        .await;
    assert_eq!(loaded["loadType"], "track", "{loaded}");
    assert_eq!(loaded["data"]["info"]["author"], "First, Second");
    assert_eq!(loaded["data"]["info"]["isrc"], "GBARL9300135");
    assert_eq!(
        loaded["data"]["pluginInfo"]["artistUrl"],
        "https://open.spotify.com/artist/a"
    );
    let album = node.load("spotify:album:x").await;
    assert_eq!(
        album["data"]["tracks"][0]["info"]["title"], "In full",
        "{album}"
    );
    assert_eq!(album["data"]["pluginInfo"]["type"], "album");
    let found = node.load("spsearch:rain").await;
    assert_eq!(found["loadType"], "search");
    assert_eq!(found["data"].as_array().unwrap().len(), 2);

    let (status, all) = node
        .get("/v4/loadsearch?query=spsearch:rain&types=track,album")
        .await;
    assert_eq!(status, 200, "{all}");
    assert_eq!(all["tracks"].as_array().unwrap().len(), 1);
    assert_eq!(all["albums"][0]["info"]["name"], "Rains");
    assert_eq!(all["albums"][0]["tracks"], json!([]));
    for empty in ["artists", "playlists", "texts"] {
        assert_eq!(all[empty], json!([]), "{empty}");
    }
    assert_eq!(all["plugin"], json!({}));
    let (status, _) = node.get("/v4/loadsearch?query=rain").await;
    assert_eq!(status, 204);
    let (status, _) = node.get("/v4/loadsearch").await;
    assert_eq!(status, 400);
    let (status, _) = node.get("/v4/loadsearch?query=spsearch:x&types=bad").await;
    assert_eq!(status, 400);

    let tokens = |apis: &Apis| {
        let seen = apis.seen().into_iter();
        seen.filter(|request| request.path == "/api/token")
            .collect::<Vec<_>>()
    };
    let asked = tokens(&apis);
    assert_eq!(asked.len(), 1, "one token is enough");
    assert_eq!(asked[0].body, "grant_type=client_credentials");
    assert_eq!(
        asked[0].authorization.as_deref(),
        Some("Basic YXBwbGljYXRpb246c2VjcmV0")
    );
    let others = apis
        .seen()
        .into_iter()
        .filter(|request| request.path != "/api/token");
    for request in others {
        assert_eq!(request.authorization.as_deref(), Some("Bearer bearer-1"));
    }
    let keys =
        json!({"spotify": {"clientId": "other", "clientSecret": "s"}, "deezer": {"arl": "x"}});
    let (status, body) = node.patch("/v4/lavasrc/config", keys).await;
    assert_eq!(status, 200, "{body}");
    node.load("spsearch:rain").await;
    assert_eq!(
        tokens(&apis)[1].authorization.as_deref(),
        Some("Basic b3RoZXI6cw==")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apple_music_is_asked_with_its_token() {
    let song = json!({
        "id": "1441", "type": "songs", "attributes": {
            "name": "Rain", "artistName": "A band", "albumName": "Rains", "durationInMillis": 61_000,
            "isrc": "USX", "url": "https://music.apple.com/us/album/rain/1440?i=1441",
            "artwork": {"url": "https://i.example/{w}x{h}bb.jpg", "width": 3000, "height": 3000},
            "previews": [{"url": "https://i.example/preview.m4a"}]
        }
    });
    let apis = Apis::start(&[
        ("/v1/catalog/us/songs/1441", json!({"data": [song]})),
        (
            "/v1/catalog/us/albums/1440",
            json!({"data": [{"id": "1440", "attributes": {
                "name": "Rains", "artistName": "A band", "trackCount": 1,
                "url": "https://music.apple.com/us/album/rain/1440"
            }}]}),
        ),
        (
            "/v1/catalog/us/albums/1440/tracks?limit=100&offset=0",
            json!({"data": [song]}),
        ),
        (
            "/v1/catalog/us/search?term=rain&types=songs&limit=20",
            json!({"results": {"songs": {"data": [song]}}}),
        ),
    ])
    .await;
    let node = TestNode::start_with(config(&apis)).await;
    let loaded = node
        .load("https://music.apple.com/us/album/rain/1440?i=1441")
        .await;
    assert_eq!(loaded["loadType"], "track", "{loaded}");
    assert_eq!(loaded["data"]["info"]["sourceName"], "applemusic");
    assert_eq!(
        loaded["data"]["info"]["artworkUrl"],
        "https://i.example/600x600bb.jpg"
    );
    assert_eq!(
        loaded["data"]["pluginInfo"]["albumUrl"],
        "https://music.apple.com/us/album/rain/1440"
    );
    let album = node
        .load("https://music.apple.com/us/album/rain/1440")
        .await;
    assert_eq!(album["loadType"], "playlist", "{album}");
    assert_eq!(album["data"]["pluginInfo"]["author"], "A band");
    assert_eq!(node.load("amsearch:rain").await["loadType"], "search");
    for request in apis.seen() {
        assert_eq!(request.authorization.as_deref(), Some("Bearer media-token"));
    }
    let (status, _) = node
        .patch(
            "/v4/lavasrc/config",
            json!({"applemusic": {"mediaAPIToken": "new"}}),
        )
        .await;
    assert_eq!(status, 200);
    node.load("amsearch:rain").await;
    let last = apis.seen().pop().unwrap();
    assert_eq!(last.authorization.as_deref(), Some("Bearer new"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_nothing_has_the_sound_of_fails_with_a_reason() {
    let apis = Apis::start(&[("/track/3135556", deezer_track("nowhere", "nobody"))]).await;
    let node = TestNode::start_with(config(&apis)).await;
    let encoded = node.load("https://www.deezer.com/track/3135556").await["data"]["encoded"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut socket, session) = node.connect().await;
    let body = json!({"track": {"encoded": encoded}});
    let (status, _) = node.patch(&player(&session, 5), body).await;
    assert_eq!(status, 200);
    assert_eq!(socket.event().await["type"], "TrackStartEvent");
    let failed = socket.event().await;
    assert_eq!(failed["type"], "TrackExceptionEvent", "{failed}");
    assert_eq!(
        failed["exception"]["message"],
        "No source has the sound of this track"
    );
    assert_eq!(socket.event().await["reason"], "loadFailed");
    node.stop().await;
}
