//! The voice half of the simulated Discord: voice gateway, UDP, and an ear.
//!
//! The Discord half opens a session for every bot that joins a channel and hands the ticket
//! to it in VOICE_SERVER_UPDATE; whoever shows the ticket may speak, and is heard.

mod calls;
pub mod dave;
mod ear;
mod gateway;
mod heard;
mod registry;
mod session;
mod tls;
mod udp;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::heard::{HeardFrame, HeardStats, Listener};
use self::registry::Registry;

/// The simulated voice servers of all guilds: one TCP port, one UDP port.
///
/// Cheap to clone; the last clone dropped, or [`VoiceServer::stop`], ends it.
#[derive(Debug, Clone)]
pub struct VoiceServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Arc<Registry>,
    endpoint: String,
    ca_pem: String,
    shutdown: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.registry.clear();
    }
}

/// How the voice servers behave.
#[derive(Debug, Clone)]
pub struct VoiceOptions {
    /// Address both ports are bound to.
    pub ip: IpAddr,
    /// TCP port of the voice gateway; 0 takes a free one.
    pub port: u16,
    /// UDP port; 0 takes a free one.
    pub udp_port: u16,
    /// Where the certificate of the CA is written, for clients that insist on `wss://`.
    pub ca_file: Option<PathBuf>,
    /// Heartbeat interval told in Hello.
    pub heartbeat_interval: Duration,
    /// How long a broken connection may be resumed.
    pub resume_window: Duration,
    /// Whether clients that offer no DAVE are closed with 4017, as Discord does.
    ///
    /// Calls are then encrypted between their members, as with `offer_dave`. Stages are exempt.
    pub require_dave: bool,
    /// Whether calls are encrypted between their members (DAVE) while all of them can.
    ///
    /// A call with only one member has no key; [`VoiceServer::participant_joined`] brings more.
    pub offer_dave: bool,
    /// Encryption modes offered in Ready, best first.
    pub modes: Vec<String>,
    /// Frames kept per guild for [`Listener::recent`].
    pub recorded_frames: usize,
    /// Whether packets are heard that come from another address than the discovery packet did.
    /// Discord hears them: Lavalink's native sender has a socket of its own.
    pub from_anywhere: bool,
    /// A frame counts as late if it is further behind its RTP time than 20 ms and this.
    pub late_tolerance: Duration,
}

impl Default for VoiceOptions {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            udp_port: 0,
            ca_file: None,
            heartbeat_interval: Duration::from_millis(13_750),
            resume_window: Duration::from_mins(1),
            require_dave: false,
            offer_dave: false,
            modes: vec![
                "aead_aes256_gcm_rtpsize".to_owned(),
                "aead_xchacha20_poly1305_rtpsize".to_owned(),
            ],
            recorded_frames: 500,
            from_anywhere: false,
            late_tolerance: Duration::from_millis(20),
        }
    }
}

/// Who may connect: what VOICE_STATE_UPDATE told the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "Discord's names")]
pub struct SessionSpec {
    /// Guild of the channel.
    pub guild_id: u64,
    /// Voice channel.
    pub channel_id: u64,
    /// User that joined.
    pub user_id: u64,
    /// Session id of the user's voice state.
    pub session_id: String,
}

/// What VOICE_SERVER_UPDATE tells the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Token for Identify and Resume.
    pub token: String,
    /// `host:port` of the voice gateway, without scheme.
    pub endpoint: String,
}

/// Why the voice servers did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceStartError {
    /// A port could not be bound.
    #[error("the {what} port {port} could not be bound")]
    Bind {
        /// TCP or UDP.
        what: &'static str,
        /// The port asked for.
        port: u16,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The CA or the server's certificate could not be made.
    #[error("the certificates could not be made")]
    Certificates(#[source] rcgen::Error),
    /// The server's certificate was not accepted by the TLS library.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
    /// The CA's certificate could not be written.
    #[error("the CA certificate could not be written to `{path}`")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

impl VoiceServer {
    /// Binds both ports and starts serving.
    pub async fn start(options: VoiceOptions) -> Result<Self, VoiceStartError> {
        let ip = options.ip;
        let bind_error = |what, port| move |source| VoiceStartError::Bind { what, port, source };
        let tcp = TcpListener::bind((ip, options.port))
            .await
            .map_err(bind_error("TCP", options.port))?;
        let udp = udp::bind(SocketAddr::new(ip, options.udp_port))
            .map_err(bind_error("UDP", options.udp_port))?;
        let local = tcp.local_addr().map_err(bind_error("TCP", options.port))?;
        let udp_address = udp
            .local_addr()
            .map_err(bind_error("UDP", options.udp_port))?;
        let identity = tls::identity(ip)?;
        if let Some(path) = options.ca_file.clone() {
            tokio::fs::write(&path, &identity.ca_pem)
                .await
                .map_err(|source| VoiceStartError::CaFile { path, source })?;
        }

        let shutdown = CancellationToken::new();
        let registry = Arc::new(Registry::new(options));
        tokio::spawn(udp::serve(udp, Arc::clone(&registry), shutdown.clone()));
        tokio::spawn(gateway::serve(
            tcp,
            identity.acceptor,
            gateway::Context {
                registry: Arc::clone(&registry),
                udp_address,
            },
            shutdown.clone(),
        ));
        let endpoint = local.to_string();
        let ca_pem = identity.ca_pem;
        Ok(Self {
            shared: Arc::new(Shared {
                registry,
                endpoint,
                ca_pem,
                shutdown,
            }),
        })
    }

    /// Lets a user connect; an earlier session of the same user in the guild ends (4014).
    pub fn open_session(&self, spec: SessionSpec) -> Ticket {
        let token = self.shared.registry.open(spec);
        Ticket {
            token,
            endpoint: self.shared.endpoint.clone(),
        }
    }

    /// Ends a user's session, as on a kick or after leaving: its connection is closed with 4014.
    pub fn close_session(&self, guild_id: u64, user_id: u64) {
        self.shared.registry.close(guild_id, user_id);
    }

    /// Closes the WebSocket of a session with `code`; without a code the connection just breaks.
    ///
    /// The session stays, so the client may resume. Returns whether there was a connection.
    pub fn break_connection(&self, guild_id: u64, user_id: u64, code: Option<u16>) -> bool {
        self.shared
            .registry
            .break_connection(guild_id, user_id, code)
    }

    /// Says that another user is in the channel now: sessions there are told (op 11, 18, 20).
    ///
    /// It takes part in the call's encryption, and listeners hear what it can decrypt.
    pub fn participant_joined(&self, channel_id: u64, user_id: u64) {
        let registry = &self.shared.registry;
        registry.participant_joined(channel_id, user_id, dave::VERSION);
    }

    /// Says that a user who cannot encrypt is in the channel now, so that nobody does.
    pub fn participant_without_dave_joined(&self, channel_id: u64, user_id: u64) {
        let registry = &self.shared.registry;
        registry.participant_joined(channel_id, user_id, 0);
    }

    /// Exempts a channel, as a stage is, from DAVE. Has to come before anybody is there.
    pub fn exempt_from_dave(&self, channel_id: u64) {
        self.shared.registry.calls.exempt(channel_id);
    }

    /// Returns how the encryption of a channel's call stands, if there is a call.
    pub fn dave(&self, channel_id: u64) -> Option<dave::CallState> {
        self.shared.registry.call_state(channel_id)
    }

    /// Lets something go wrong with the messages of a channel's encryption.
    pub fn disturb_dave(&self, channel_id: u64, fault: dave::Fault) {
        self.shared.registry.disturb_call(channel_id, fault);
    }

    /// Says that another user has left the channel: sessions there are told (op 13).
    pub fn participant_left(&self, channel_id: u64, user_id: u64) {
        self.shared.registry.participant_left(channel_id, user_id);
    }

    /// Listens to a guild from now on, whether or not somebody speaks there already.
    pub fn listen(&self, guild_id: u64) -> Listener {
        self.shared.registry.listen(guild_id)
    }

    /// What was heard in a guild so far.
    pub fn stats(&self, guild_id: u64) -> HeardStats {
        self.shared.registry.stats(guild_id)
    }

    /// What was heard in all guilds so far.
    pub fn total_stats(&self) -> HeardStats {
        self.shared.registry.total_stats()
    }

    /// Whether a client of the guild is connected and has agreed on a key.
    pub fn is_connected(&self, guild_id: u64, user_id: u64) -> bool {
        self.shared.registry.is_connected(guild_id, user_id)
    }

    /// Returns the certificate of the CA that signed the voice gateway's, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.shared.ca_pem
    }

    /// Returns `host:port` of the voice gateway, as tickets name it.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// Ends all connections and frees the ports.
    pub fn stop(&self) {
        self.shared.shutdown.cancel();
        self.shared.registry.clear();
    }
}
