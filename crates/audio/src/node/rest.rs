//! The REST half of a node.

use std::time::Duration;

use backline_core::id::GuildId;
use backline_proto::lavalink::{ErrorBody, LoadResult, UpdatePlayer, UpdateSession};
use backline_runtime::net::client::{self, ClientError, Options};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

/// A client of one node's REST API.
#[derive(Debug)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: Url,
    password: SecretString,
}

/// Why a request to a node failed. Texts hold no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// It did not answer.
    #[error("the node did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It took too long to answer.
    #[error("the node took too long to answer")]
    TimedOut(#[source] reqwest::Error),
    /// It does not know our session.
    #[error("the node lost the session")]
    SessionLost,
    /// It refused the request.
    #[error("the node refused with {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Its answer is not what Lavalink v4 says.
    #[error("the node's answer cannot be read")]
    Unreadable,
    /// Its answer is longer than any answer is.
    #[error("the node's answer is longer than {MAX_BODY} bytes")]
    TooLong,
}

impl RestError {
    /// Whether the node may be gone.
    pub(crate) fn is_node_gone(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::SessionLost)
    }
}

/// The longest answer that is read: a playlist of some ten thousand tracks.
const MAX_BODY: usize = 32 << 20;
/// The longest error message that is kept.
const MAX_MESSAGE: usize = 1_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(8);
/// Sources on the other side of the world take their time.
const LOAD_TIMEOUT: Duration = Duration::from_secs(20);
/// A little less than a session waits, so that the node's answer is the one that counts.
const VOICE_TIMEOUT: Duration = Duration::from_secs(14);

impl Rest {
    /// Returns a client. Nothing is sent yet.
    ///
    /// # Errors
    /// The TLS configuration of the process is unusable.
    pub(crate) fn new(base: Url, password: SecretString) -> Result<Self, ClientError> {
        let http = client::build(&Options {
            connect_timeout: CONNECT_TIMEOUT,
            ..Options::default()
        })?;
        Ok(Self {
            http,
            base,
            password,
        })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn password(&self) -> &SecretString {
        &self.password
    }

    /// Looks an identifier up.
    pub(crate) async fn load(&self, identifier: &str) -> Result<LoadResult, RestError> {
        let mut url = self.url(&["loadtracks"]);
        url.query_pairs_mut().append_pair("identifier", identifier);
        let body = self
            .send(Method::GET, url, None::<&()>, LOAD_TIMEOUT)
            .await?;
        serde_json::from_slice(&body).map_err(|_| RestError::Unreadable)
    }

    /// Makes our session outlive its WebSocket, or not.
    pub(crate) async fn update_session(
        &self,
        session: &str,
        update: &UpdateSession,
    ) -> Result<(), RestError> {
        let url = self.url(&["sessions", session]);
        self.send(Method::PATCH, url, Some(update), TIMEOUT)
            .await
            .map(drop)
    }

    /// Changes a guild's player, or creates it.
    pub(crate) async fn update_player(
        &self,
        session: &str,
        guild: GuildId,
        update: &UpdatePlayer,
    ) -> Result<(), RestError> {
        let url = self.player_url(session, guild);
        let timeout = if update.voice.is_some() {
            VOICE_TIMEOUT
        } else {
            TIMEOUT
        };
        self.send(Method::PATCH, url, Some(update), timeout)
            .await
            .map(drop)
    }

    /// Removes a guild's player and its voice connection.
    pub(crate) async fn destroy_player(
        &self,
        session: &str,
        guild: GuildId,
    ) -> Result<(), RestError> {
        let url = self.player_url(session, guild);
        self.send(Method::DELETE, url, None::<&()>, TIMEOUT)
            .await
            .map(drop)
    }

    fn player_url(&self, session: &str, guild: GuildId) -> Url {
        self.url(&["sessions", session, "players", &guild.to_string()])
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v4").extend(path);
        }
        url
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<Vec<u8>, RestError> {
        let mut request = self.http.request(method, url).timeout(timeout).header(
            reqwest::header::AUTHORIZATION,
            self.password.expose_secret(),
        );
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(RestError::TooLong);
            }
            bytes.extend_from_slice(&chunk);
        }
        let status = response.status();
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(refused(status, &bytes))
        }
    }
}

fn unreachable(error: reqwest::Error) -> RestError {
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        RestError::TimedOut(error)
    } else {
        RestError::Unreachable(error)
    }
}

fn refused(status: StatusCode, body: &[u8]) -> RestError {
    let message = serde_json::from_slice::<ErrorBody>(body)
        .map(|body| body.message)
        .unwrap_or_default();
    // Every path we use has a session and nothing else that can be missing.
    if status == StatusCode::NOT_FOUND {
        return RestError::SessionLost;
    }
    let message = message.chars().take(MAX_MESSAGE).collect();
    RestError::Refused {
        status: status.as_u16(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_below_the_address_of_the_node() {
        for (base, expected) in [
            (
                "http://node:2333",
                "http://node:2333/v4/sessions/a%2Fb/players/7",
            ),
            (
                "http://node:2333/",
                "http://node:2333/v4/sessions/a%2Fb/players/7",
            ),
            (
                "https://host/lava",
                "https://host/lava/v4/sessions/a%2Fb/players/7",
            ),
        ] {
            let rest = Rest::new(base.parse().expect(base), "secret".into()).expect("builds");
            let guild = GuildId::new(7).expect("not zero");
            assert_eq!(rest.player_url("a/b", guild).as_str(), expected);
        }
    }
}
