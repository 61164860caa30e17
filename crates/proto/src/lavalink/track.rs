//! Tracks: what can be played.

use serde::{Deserialize, Serialize};

use super::Object;

/// The length of a stream, and of anything whose length is not known.
pub const UNKNOWN_LENGTH: i64 = i64::MAX;

/// One playable item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// The opaque text that brings the track back: [`super::encoded`].
    pub encoded: String,
    /// What is known about it.
    pub info: TrackInfo,
    /// What plugins add; always there, at least `{}`.
    #[serde(default)]
    pub plugin_info: Object,
    /// What the client attached; always there, at least `{}`.
    #[serde(default)]
    pub user_data: Object,
}

/// What is known about a track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackInfo {
    /// What the source calls it.
    pub identifier: String,
    /// Whether the position can be changed.
    pub is_seekable: bool,
    /// Artist or channel.
    pub author: String,
    /// Milliseconds; [`UNKNOWN_LENGTH`] for streams.
    pub length: i64,
    /// Whether it is live.
    pub is_stream: bool,
    /// Milliseconds from the start; live for a playing track.
    pub position: i64,
    /// Title.
    pub title: String,
    /// A page about it.
    pub uri: Option<String>,
    /// The source's name, such as `http`.
    pub source_name: String,
    /// A picture.
    pub artwork_url: Option<String>,
    /// International Standard Recording Code.
    pub isrc: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unset_texts_are_nulls_and_objects_are_always_there() {
        let track = Track {
            encoded: "QAAA".into(),
            info: TrackInfo {
                identifier: "a.mp3".into(),
                is_seekable: true,
                author: "Unknown artist".into(),
                length: 1_000,
                is_stream: false,
                position: 0,
                title: "A".into(),
                uri: None,
                source_name: "local".into(),
                artwork_url: None,
                isrc: None,
            },
            plugin_info: Object::new(),
            user_data: Object::new(),
        };
        let expected = json!({
            "encoded": "QAAA",
            "info": {
                "identifier": "a.mp3", "isSeekable": true, "author": "Unknown artist", "length": 1000,
                "isStream": false, "position": 0, "title": "A", "uri": null, "sourceName": "local",
                "artworkUrl": null, "isrc": null
            },
            "pluginInfo": {},
            "userData": {}
        });
        assert_eq!(serde_json::to_value(&track).expect("serializes"), expected);
        assert_eq!(
            serde_json::from_value::<Track>(expected).expect("deserializes"),
            track
        );
    }

    #[test]
    fn the_length_of_a_stream_survives_the_wire() {
        let text = serde_json::to_string(&UNKNOWN_LENGTH).expect("serializes");
        assert_eq!(text, "9223372036854775807");
        assert_eq!(
            serde_json::from_str::<i64>(&text).expect("deserializes"),
            UNKNOWN_LENGTH
        );
    }
}
