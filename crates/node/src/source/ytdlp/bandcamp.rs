//! Searches Bandcamp, which yt-dlp cannot do, as its own search box does.

use backline_proto::lavalink::encoded::Details;
use backline_proto::lavalink::{Exception, Severity, Track, TrackInfo};
use serde_json::{Value, json};

use super::answer::Answer;
use super::links::{self, Site};
use crate::source::api::Api;
use crate::source::describe::{self, short};
use crate::source::failure;

/// Returns the tracks that Bandcamp finds.
pub async fn search(api: &Api, text: &str, limit: usize) -> Result<Answer, Box<Exception>> {
    let path = ["api", "bcsearch_public_api", "1", "autocomplete_elastic"];
    let body = json!({
        "search_text": text, "search_filter": "t", "full_page": false, "fan_id": null
    });
    let found = api
        .send(api.post(&path).json(&body))
        .await
        .map_err(|error| {
            let message = "Bandcamp could not be searched";
            failure::exception(Severity::Suspicious, message, failure::chain(&error))
        })?;
    Ok(read(&found, limit))
}

fn read(found: &Value, limit: usize) -> Answer {
    let results = found.pointer("/auto/results").and_then(Value::as_array);
    let tracks = results.into_iter().flatten().filter_map(track);
    let tracks: Vec<Track> = tracks.take(limit).collect();
    if tracks.is_empty() {
        Answer::Empty
    } else {
        Answer::Search(tracks)
    }
}

fn track(result: &Value) -> Option<Track> {
    let text = |name: &str| result.get(name)?.as_str().map(str::trim);
    if text("type") != Some("t") {
        return None;
    }
    let page = links::link(text("item_url_path")?)?;
    if Site::of_link(&page) != Site::Bandcamp {
        return None;
    }
    let info = TrackInfo {
        identifier: page.to_string(),
        is_seekable: true,
        author: short(text("band_name").unwrap_or("Unknown artist")),
        // The search does not say.
        length: 0,
        is_stream: false,
        position: 0,
        title: short(text("name")?),
        uri: Some(page.into()),
        source_name: Site::Bandcamp.source_name().to_owned(),
        artwork_url: text("img").and_then(links::link).map(Into::into),
        isrc: None,
    };
    Some(describe::track(info, Details::None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_taken_and_all_else_is_left_out() {
        let found = json!({"auto": {"results": [
            {"type": "b", "name": "A band", "item_url_root": "https://band.bandcamp.com"},
            {
                "type": "t", "id": 1, "name": "Rain", "band_name": "Band", "album_name": "Wet",
                "item_url_path": "https://band.bandcamp.com/track/rain",
                "img": "https://f4.example/img/1.jpg"
            },
            {"type": "t", "name": "Bad", "item_url_path": "https://evil.example/track/bad"},
            {"type": "t", "name": 5}
        ]}});
        let Answer::Search(tracks) = read(&found, 5) else {
            panic!("results");
        };
        let [track] = &tracks[..] else {
            panic!("one track")
        };
        assert_eq!(track.info.title, "Rain");
        assert_eq!(track.info.author, "Band");
        assert_eq!(track.info.source_name, "bandcamp");
        assert_eq!(
            track.info.identifier,
            "https://band.bandcamp.com/track/rain"
        );
        for nothing in [
            json!(null),
            json!({"auto": 5}),
            json!({"auto": {"results": []}}),
        ] {
            assert_eq!(read(&nothing, 5), Answer::Empty);
        }
    }
}
