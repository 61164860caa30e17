//! Results of `GET /v4/loadtracks`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};
use serde_json::Value;

use super::{Exception, Object, Track};

/// What an identifier led to.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadResult {
    /// One track.
    Track(Track),
    /// A playlist.
    Playlist(Playlist),
    /// Results of a search, best first.
    Search(Vec<Track>),
    /// Nothing. `data` is written as `null`; `{}` and absence are read as well.
    Empty,
    /// A failure.
    Error(Exception),
}

/// A playlist with its tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Playlist {
    /// What is known about it.
    pub info: PlaylistInfo,
    /// What plugins add; always there, at least `{}`.
    #[serde(default)]
    pub plugin_info: Object,
    /// The tracks.
    pub tracks: Vec<Track>,
}

/// What is known about a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaylistInfo {
    /// Its name.
    pub name: String,
    /// Index of the track that the link pointed at; −1 for none.
    #[serde(default = "none_selected")]
    pub selected_track: i32,
}

fn none_selected() -> i32 {
    -1
}

impl LoadResult {
    /// Returns the name on the wire.
    pub const fn load_type(&self) -> &'static str {
        match self {
            Self::Track(_) => "track",
            Self::Playlist(_) => "playlist",
            Self::Search(_) => "search",
            Self::Empty => "empty",
            Self::Error(_) => "error",
        }
    }
}

impl Serialize for LoadResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("LoadResult", 2)?;
        body.serialize_field("loadType", self.load_type())?;
        match self {
            Self::Track(track) => body.serialize_field("data", track)?,
            Self::Playlist(playlist) => body.serialize_field("data", playlist)?,
            Self::Search(tracks) => body.serialize_field("data", tracks)?,
            Self::Empty => body.serialize_field("data", &())?,
            Self::Error(exception) => body.serialize_field("data", exception)?,
        }
        body.end()
    }
}

impl<'de> Deserialize<'de> for LoadResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            load_type: String,
            #[serde(default)]
            data: Value,
        }

        fn read<T: de::DeserializeOwned, E: de::Error>(data: Value) -> Result<T, E> {
            serde_json::from_value(data).map_err(E::custom)
        }

        let body = Body::deserialize(deserializer)?;
        match body.load_type.as_str() {
            "track" => read(body.data).map(Self::Track),
            "playlist" => read(body.data).map(Self::Playlist),
            "search" => read(body.data).map(Self::Search),
            "empty" => Ok(Self::Empty),
            "error" => read(body.data).map(Self::Error),
            other => Err(de::Error::unknown_variant(
                other,
                &["track", "playlist", "search", "empty", "error"],
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_is_written_with_a_null_and_read_in_every_form() {
        assert_eq!(
            serde_json::to_string(&LoadResult::Empty).expect("serializes"),
            r#"{"loadType":"empty","data":null}"#
        );
        for json in [
            r#"{"loadType":"empty","data":null}"#,
            r#"{"loadType":"empty","data":{}}"#,
            r#"{"loadType":"empty"}"#,
        ] {
            assert_eq!(
                serde_json::from_str::<LoadResult>(json).expect(json),
                LoadResult::Empty
            );
        }
    }

    #[test]
    fn a_search_is_a_bare_array() {
        let json = r#"{"loadType":"search","data":[]}"#;
        assert_eq!(
            serde_json::from_str::<LoadResult>(json).expect(json),
            LoadResult::Search(Vec::new())
        );
        assert_eq!(
            serde_json::to_string(&LoadResult::Search(Vec::new())).expect("serializes"),
            json
        );
    }

    #[test]
    fn a_playlist_has_info_and_tracks() {
        let json = json!({
            "loadType": "playlist",
            "data": {"info": {"name": "mix", "selectedTrack": -1}, "pluginInfo": {}, "tracks": []}
        });
        let result: LoadResult = serde_json::from_value(json.clone()).expect("deserializes");
        assert_eq!(serde_json::to_value(&result).expect("serializes"), json);
    }

    #[test]
    fn unknown_types_and_wrong_data_are_errors() {
        for json in [
            r#"{"loadType":"tracks","data":null}"#,
            r#"{"loadType":"track","data":null}"#,
            r#"{"data":null}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<LoadResult>(json).is_err(), "{json}");
        }
    }
}
