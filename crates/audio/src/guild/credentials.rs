//! The two halves of voice credentials, which the platform sends in any order.

use std::fmt;

use backline_core::id::ChannelId;
use backline_proto::lavalink::VoiceState;

/// What the platform said about the bot's voice in one guild.
#[derive(Default)]
pub(super) struct Credentials {
    state: Option<State>,
    server: Option<Server>,
}

struct State {
    channel: ChannelId,
    session_id: String,
}

struct Server {
    token: String,
    endpoint: String,
    /// Whether a node was told of it already, for the channel of that time.
    used: bool,
}

/// Whether the credentials became complete, or complete anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// A node has something new to be told.
    Complete,
    /// Nothing a node needs to know.
    Nothing,
}

impl Credentials {
    /// Takes the bot's own voice state.
    pub(super) fn on_state(&mut self, channel: Option<ChannelId>, session_id: String) -> News {
        let Some(channel) = channel else {
            *self = Self::default();
            return News::Nothing;
        };
        let moved = self
            .state
            .as_ref()
            .is_some_and(|old| old.channel != channel || old.session_id != session_id);
        if moved {
            // A server for the old channel; the one for the new channel follows, or came just before.
            self.server.take_if(|server| server.used);
        }
        self.state = Some(State {
            channel,
            session_id,
        });
        self.news()
    }

    /// Takes the voice server. Without an endpoint it is away, and another follows.
    pub(super) fn on_server(&mut self, token: String, endpoint: Option<String>) -> News {
        self.server = endpoint.map(|endpoint| Server {
            token,
            endpoint,
            used: false,
        });
        self.news()
    }

    /// Returns the credentials for a node, if they are complete.
    pub(super) fn hand_out(&mut self) -> Option<VoiceState> {
        let (state, server) = (self.state.as_ref()?, self.server.as_mut()?);
        server.used = true;
        Some(VoiceState {
            token: server.token.clone(),
            endpoint: server.endpoint.clone(),
            session_id: state.session_id.clone(),
            channel_id: Some(state.channel.to_string()),
        })
    }

    /// Forgets everything: the bot is about to leave.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn news(&self) -> News {
        match (&self.state, &self.server) {
            (Some(_), Some(server)) if !server.used => News::Complete,
            _ => News::Nothing,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("state", &self.state.is_some())
            .field("server", &self.server.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "token";

    fn channel(id: u64) -> Option<ChannelId> {
        ChannelId::new(id)
    }

    fn server(credentials: &mut Credentials, token: &str) -> News {
        credentials.on_server(token.into(), Some("host:443".into()))
    }

    #[test]
    fn both_halves_are_needed_in_any_order() {
        let mut credentials = Credentials::default();
        assert_eq!(credentials.on_state(channel(1), "s".into()), News::Nothing);
        assert_eq!(credentials.hand_out(), None);
        assert_eq!(server(&mut credentials, TOKEN), News::Complete);

        let mut credentials = Credentials::default();
        assert_eq!(server(&mut credentials, TOKEN), News::Nothing);
        assert_eq!(credentials.on_state(channel(1), "s".into()), News::Complete);
        let voice = credentials.hand_out().expect("complete");
        assert!(voice.is_complete());
        assert_eq!(
            (voice.token.as_str(), voice.channel_id.as_deref()),
            (TOKEN, Some("1"))
        );
    }

    fn connected() -> Credentials {
        let mut credentials = Credentials::default();
        credentials.on_state(channel(1), "s".into());
        server(&mut credentials, TOKEN);
        credentials.hand_out().expect("complete");
        credentials
    }

    #[test]
    fn what_a_node_knows_is_no_news_but_may_be_handed_out_again() {
        let mut credentials = connected();
        assert_eq!(credentials.on_state(channel(1), "s".into()), News::Nothing);
        assert!(credentials.hand_out().is_some());
    }

    #[test]
    fn a_new_server_is_news() {
        assert_eq!(server(&mut connected(), "other"), News::Complete);
    }

    #[test]
    fn a_server_that_went_away_takes_the_credentials_with_it() {
        let mut credentials = connected();
        assert_eq!(credentials.on_server(TOKEN.into(), None), News::Nothing);
        assert_eq!(credentials.hand_out(), None);
    }

    #[test]
    fn after_a_move_only_a_server_that_is_new_counts() {
        for (name, channel_id, session_id) in
            [("another channel", 2, "s"), ("another session", 1, "t")]
        {
            let mut credentials = connected();
            assert_eq!(
                credentials.on_state(channel(channel_id), session_id.into()),
                News::Nothing,
                "{name}"
            );
            assert_eq!(credentials.hand_out(), None, "{name}");
            assert_eq!(server(&mut credentials, "new"), News::Complete, "{name}");

            let mut credentials = connected();
            server(&mut credentials, "new");
            assert_eq!(
                credentials.on_state(channel(channel_id), session_id.into()),
                News::Complete,
                "{name}"
            );
            assert_eq!(
                credentials.hand_out().map(|voice| voice.token).as_deref(),
                Some("new"),
                "{name}"
            );
        }
    }

    #[test]
    fn leaving_forgets_both_halves() {
        let mut credentials = connected();
        assert_eq!(credentials.on_state(None, "s".into()), News::Nothing);
        assert_eq!(credentials.hand_out(), None);
        let mut credentials = connected();
        credentials.forget();
        assert_eq!(credentials.hand_out(), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", connected()).contains(TOKEN));
    }
}
