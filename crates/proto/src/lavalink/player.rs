//! Players, and the request that changes one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::beyond::{Crossfade, Fading, LoudnessNormalizer};
use super::omissible::not_null;
use super::{Filters, Object, Omissible, Snowflake, Track};

/// A guild's player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Player {
    /// Its guild.
    pub guild_id: Snowflake,
    /// The loaded track; an explicit `null` without.
    pub track: Option<Track>,
    /// Percent, 0..=1000.
    pub volume: u16,
    /// Whether it is paused.
    pub paused: bool,
    /// Where it is.
    pub state: PlayerState,
    /// Its voice connection.
    pub voice: VoiceState,
    /// Its filters.
    pub filters: Filters,
    /// The track that follows by itself, if one is set. Beyond Lavalink, as are all below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_track: Option<Track>,
    /// How tracks go over into each other, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crossfade: Option<Crossfade>,
    /// Fades at pauses, stops and starts, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fading: Option<Fading>,
    /// How loud all tracks are to be, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness_normalizer: Option<LoudnessNormalizer>,
}

/// Where a player is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerState {
    /// When this was true, in milliseconds since 1970 UTC.
    pub time: i64,
    /// Milliseconds from the start of the track; 0 without one.
    pub position: i64,
    /// Whether the voice gateway is connected.
    pub connected: bool,
    /// Round trip of the last voice heartbeat in milliseconds; −1 when not connected.
    pub ping: i64,
}

/// Voice credentials. All four must be there in a request; see [`VoiceState::is_complete`].
///
/// Before the first of them an answer holds empty texts and a `null` channel.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VoiceState {
    /// A secret.
    pub token: String,
    /// Host and perhaps port.
    pub endpoint: String,
    /// The bot's voice session.
    pub session_id: String,
    /// The voice channel.
    pub channel_id: Option<String>,
}

impl VoiceState {
    /// Whether all four parts are there and not blank.
    pub fn is_complete(&self) -> bool {
        [&self.token, &self.endpoint, &self.session_id]
            .into_iter()
            .chain(&self.channel_id)
            .all(|text| !text.trim().is_empty())
            && self.channel_id.is_some()
    }
}

impl fmt::Debug for VoiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceState")
            .field("channel_id", &self.channel_id)
            .finish_non_exhaustive()
    }
}

/// The body of `PATCH /v4/sessions/{sessionId}/players/{guildId}`.
///
/// An `Option` is absent or a value, and refuses `null`; an [`Omissible`] also takes `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdatePlayer {
    /// What to play, or to stop.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub track: Option<UpdateTrack>,
    /// Deprecated form of `track.encoded`; excludes `track`.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub encoded_track: Omissible<String>,
    /// Deprecated form of `track.identifier`; excludes `track`.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub identifier: Option<String>,
    /// Start of a new track, or where to seek to, in milliseconds.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub position: Option<i64>,
    /// Where the track ends, in milliseconds; greater than 0.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub end_time: Omissible<i64>,
    /// Percent; clamped to 0..=1000.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub volume: Option<i64>,
    /// Whether it is paused.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub paused: Option<bool>,
    /// The whole new set of filters.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub filters: Option<Filters>,
    /// Voice credentials.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub voice: Option<VoiceState>,
    /// What follows the loaded track by itself; `null` clears it. Beyond Lavalink, as are all
    /// below.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub next_track: Omissible<UpdateTrack>,
    /// How tracks go over into each other; `null` is as without.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub crossfade: Omissible<Crossfade>,
    /// Fades at pauses, stops and starts; `null` is none.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub fading: Omissible<Fading>,
    /// How loud all tracks are to be; `null` is as they are.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub loudness_normalizer: Omissible<LoudnessNormalizer>,
}

/// What to play.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateTrack {
    /// An encoded track; `null` stops. Excludes `identifier`.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub encoded: Omissible<String>,
    /// Something to load first.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub identifier: Option<String>,
    /// What to attach to it, or alone: to attach to the loaded track.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_data: Option<Object>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fresh_player_is_written_as_the_reference_does() {
        let player = Player {
            guild_id: Snowflake(7),
            track: None,
            volume: 100,
            paused: false,
            state: PlayerState {
                time: 5,
                position: 0,
                connected: false,
                ping: -1,
            },
            voice: VoiceState::default(),
            filters: Filters::default(),
            next_track: None,
            crossfade: None,
            fading: None,
            loudness_normalizer: None,
        };
        let json = json!({
            "guildId": "7", "track": null, "volume": 100, "paused": false,
            "state": {"time": 5, "position": 0, "connected": false, "ping": -1},
            "voice": {"token": "", "endpoint": "", "sessionId": "", "channelId": null},
            "filters": {}
        });
        assert_eq!(serde_json::to_value(&player).expect("serializes"), json);
        assert_eq!(
            serde_json::from_value::<Player>(json).expect("deserializes"),
            player
        );
    }

    #[test]
    fn requests_keep_absent_null_and_value_apart() {
        let rows: &[(&str, UpdatePlayer)] = &[
            ("{}", UpdatePlayer::default()),
            (
                r#"{"track":{"encoded":null}}"#,
                UpdatePlayer {
                    track: Some(UpdateTrack {
                        encoded: Omissible::Null,
                        ..UpdateTrack::default()
                    }),
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"encodedTrack":null}"#,
                UpdatePlayer {
                    encoded_track: Omissible::Null,
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"endTime":null}"#,
                UpdatePlayer {
                    end_time: Omissible::Null,
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"endTime":10}"#,
                UpdatePlayer {
                    end_time: Omissible::Value(10),
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"position":-1,"volume":5000}"#,
                UpdatePlayer {
                    position: Some(-1),
                    volume: Some(5000),
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"nextTrack":null,"crossfade":{"enabled":true,"duration":900},"loudnessNormalizer":true}"#,
                UpdatePlayer {
                    next_track: Omissible::Null,
                    crossfade: Omissible::Value(Crossfade {
                        enabled: true,
                        duration: 900,
                    }),
                    loudness_normalizer: Omissible::Value(LoudnessNormalizer::Switch(true)),
                    ..UpdatePlayer::default()
                },
            ),
            (
                r#"{"filters":{}}"#,
                UpdatePlayer {
                    filters: Some(Filters::default()),
                    ..UpdatePlayer::default()
                },
            ),
        ];
        for (json, update) in rows {
            assert_eq!(
                &serde_json::from_str::<UpdatePlayer>(json).expect(json),
                update,
                "{json}"
            );
            assert_eq!(&serde_json::to_string(update).expect("serializes"), json);
        }
    }

    #[test]
    fn nulls_where_there_is_nothing_to_clear_are_errors() {
        for key in [
            "track",
            "identifier",
            "position",
            "volume",
            "paused",
            "filters",
            "voice",
        ] {
            let json = json!({ key: null });
            assert!(
                serde_json::from_value::<UpdatePlayer>(json).is_err(),
                "{key}"
            );
        }
        assert!(serde_json::from_str::<UpdatePlayer>(r#"{"track":{"identifier":null}}"#).is_err());
        assert!(serde_json::from_str::<UpdatePlayer>(r#"{"track":{"userData":[]}}"#).is_err());
        assert!(serde_json::from_str::<UpdatePlayer>(r#"{"paused":"yes"}"#).is_err());
    }

    #[test]
    fn unknown_keys_are_ignored() {
        assert!(serde_json::from_str::<UpdatePlayer>(r#"{"somethingNew":{"a":1}}"#).is_ok());
    }

    #[test]
    fn voice_credentials_need_all_four_parts() {
        let whole = VoiceState {
            token: "t".into(),
            endpoint: "e:443".into(),
            session_id: "s".into(),
            channel_id: Some("9".into()),
        };
        assert!(whole.is_complete());
        assert!(
            !VoiceState {
                channel_id: None,
                ..whole.clone()
            }
            .is_complete()
        );
        assert!(
            !VoiceState {
                channel_id: Some(" ".into()),
                ..whole.clone()
            }
            .is_complete()
        );
        assert!(
            !VoiceState {
                token: String::new(),
                ..whole.clone()
            }
            .is_complete()
        );
        let shown = format!(
            "{:?}",
            VoiceState {
                token: "hush".into(),
                session_id: "hush".into(),
                ..whole
            }
        );
        assert!(!shown.contains("hush"), "{shown}");
    }
}
