//! `[node]`: the Lavalink v4 server.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// The Lavalink v4 server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Where clients connect.
    ///
    /// Default: `127.0.0.1:2333`. Port 0 takes a free one. Reloadable: no.
    pub bind: SocketAddr,
    /// The password clients send. Also `password_file`. Required by `backline node`; inside
    /// `backline run` a random one is made.
    pub password: Option<SecretString>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Frame-clock threads, which send the packets.
    ///
    /// Range: 1..=256. Default: 0, meaning one a core. Reloadable: no.
    pub clock_threads: u16,
    /// Encode threads, which decode, filter and encode ahead of the clock.
    ///
    /// Range: 1..=256. Default: 0, meaning one a core. Reloadable: no.
    pub encode_threads: u16,
    /// libopus complexity of transcoded tracks.
    ///
    /// Range: 0..=10. Default: 10. Reloadable: no.
    pub opus_complexity: u8,
    /// How often clients are told the position.
    ///
    /// Unit: seconds. Range: 1..=60. Default: 5. Reloadable: no.
    pub player_update_interval_s: u32,
    /// How long a playing track may yield no frame before clients are told that it is stuck.
    ///
    /// Unit: milliseconds. Range: 100..=600000. Default: 10000. Reloadable: no.
    pub track_stuck_threshold_ms: u32,
    /// The source `http`.
    pub http: HttpSource,
    /// The source `local`.
    pub local: LocalSource,
    /// Voice connections.
    pub voice: Voice,
}

/// The source `http`: audio files on web servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSource {
    /// Whether it is on.
    ///
    /// Default: true. Reloadable: no.
    pub enabled: bool,
    /// Whether loopback, private and link-local addresses may be fetched. Leave it off where
    /// strangers choose the URLs.
    ///
    /// Default: false. Reloadable: no.
    pub allow_private_networks: bool,
    /// How long connecting may take.
    ///
    /// Unit: milliseconds. Range: 100..=60000. Default: 5000. Reloadable: no.
    pub connect_timeout_ms: u32,
    /// How long a server may send nothing before the track fails.
    ///
    /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
    pub read_timeout_ms: u32,
}

/// The source `local`: audio files below one folder.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalSource {
    /// The folder; nothing outside it is ever opened, also not through links.
    ///
    /// Default: none, meaning that the source is off. Reloadable: no.
    pub root: Option<PathBuf>,
}

/// Voice connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Voice {
    /// A PEM file of certificate authorities trusted for voice servers beside the built-in ones.
    ///
    /// Default: none. Reloadable: no.
    pub extra_ca_file: Option<PathBuf>,
    /// Whether voice servers on loopback are spoken to without TLS, for simulators.
    ///
    /// Default: false. Reloadable: no.
    pub plaintext_loopback: bool,
    /// How long a client's request may wait for the voice handshake.
    ///
    /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
    pub connect_timeout_ms: u32,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 2333)),
            password: None,
            password_file: None,
            clock_threads: 0,
            encode_threads: 0,
            opus_complexity: 10,
            player_update_interval_s: 5,
            track_stuck_threshold_ms: 10_000,
            http: HttpSource::default(),
            local: LocalSource::default(),
            voice: Voice::default(),
        }
    }
}

impl Default for HttpSource {
    fn default() -> Self {
        Self {
            enabled: true,
            allow_private_networks: false,
            connect_timeout_ms: 5_000,
            read_timeout_ms: 10_000,
        }
    }
}

impl Default for Voice {
    fn default() -> Self {
        Self { extra_ca_file: None, plaintext_loopback: false, connect_timeout_ms: 10_000 }
    }
}
