//! `[node]`: the Lavalink v4 server.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::resolvers::{Lyrics, Mirror, Speech, SponsorBlock, Tenant, Ytdlp};
use super::section::section;

section! {
    /// The Lavalink v4 server.
    pub struct Node {
        secrets {
            /// The password clients send. Required by `backline node`; inside `backline run` a
            /// random one is made.
            ///
            /// Default: none. Reloadable: no.
            pub password;
            /// A file that holds the password.
            ///
            /// Default: none. Reloadable: no.
            pub password_file;
        }
        settings {
            /// Where clients connect.
            ///
            /// Default: `127.0.0.1:2333`. Port 0 takes a free one. Reloadable: no.
            pub bind: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 2333));
            /// Frame-clock threads, which send the packets; 0 means one a core.
            ///
            /// Range: 0..=256. Default: 0. Reloadable: no.
            pub clock_threads: u16 = 0, in 0..=256;
            /// Encode threads, which decode, filter and encode ahead of the clock; 0 means one a
            /// core.
            ///
            /// Range: 0..=256. Default: 0. Reloadable: no.
            pub encode_threads: u16 = 0, in 0..=256;
            /// libopus complexity of transcoded tracks.
            ///
            /// Range: 0..=10. Default: 10. Reloadable: no.
            pub opus_complexity: u8 = 10, in 0..=10;
            /// How often clients are told the position.
            ///
            /// Unit: seconds. Range: 1..=60. Default: 5. Reloadable: no.
            pub player_update_interval_s: u32 = 5, in 1..=60;
            /// How long a playing track may yield no frame before clients are told that it is
            /// stuck.
            ///
            /// Unit: milliseconds. Range: 100..=600000. Default: 10000. Reloadable: no.
            pub track_stuck_threshold_ms: u32 = 10_000, in 100..=600_000;
            /// How long the node plays on when it is told to end (SIGTERM), so that clients can take
            /// their players elsewhere; it ends as soon as nothing plays. Meanwhile it refuses
            /// new clients and players with 503. `backline run` does not wait: its clients end
            /// with it.
            ///
            /// Unit: seconds. Range: 0..=3600. Default: 10. Reloadable: no.
            pub drain_timeout_s: u32 = 10, in 0..=3_600;
            /// Whether `/metrics` on this port tells Lavalink's figures under Lavalink's names,
            /// without password, for scrapers and dashboards made for it.
            ///
            /// Default: false. Reloadable: no.
            pub lavalink_metrics: bool = false;
        }
        sections {
            /// The source `http`: audio files on web servers.
            pub http: HttpSource;
            /// The source `local`: audio files below one folder.
            pub local: LocalSource;
            /// What yt-dlp resolves: YouTube, SoundCloud, Bandcamp, Twitch, Vimeo and more.
            pub ytdlp: Ytdlp;
            /// Spotify, Deezer, Apple Music: tracks whose sound is looked for elsewhere.
            pub mirror: Mirror;
            /// Text that is spoken by a program.
            pub speech: Speech;
            /// Lyrics.
            pub lyrics: Lyrics;
            /// Segments of YouTube videos that are skipped.
            pub sponsorblock: SponsorBlock;
            /// Which filters clients may use.
            pub filters: FilterSwitches;
            /// Voice connections.
            pub voice: Voice;
        }
        lists {
            /// Clients with a password of their own beside the node's, who see nothing of each
            /// other.
            ///
            /// Default: none. Reloadable: no.
            pub tenants: Tenant;
        }
    }
}

section! {
    /// The source `http`: audio files on web servers.
    pub struct HttpSource {
        settings {
            /// Whether it is on.
            ///
            /// Default: true. Reloadable: no.
            pub enabled: bool = true;
            /// Whether loopback, private and link-local addresses may be fetched. Leave it off
            /// where strangers choose the URLs.
            ///
            /// Default: false. Reloadable: no.
            pub allow_private_networks: bool = false;
            /// How long connecting may take.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 5000. Reloadable: no.
            pub connect_timeout_ms: u32 = 5_000, in 100..=60_000;
            /// How long a server may send nothing before the track fails.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
            pub read_timeout_ms: u32 = 10_000, in 100..=60_000;
            /// The largest file that is played; streams without a length have no limit.
            ///
            /// Unit: MiB. Range: 1..=1048576. Default: 4096. Reloadable: no.
            pub max_size_mib: u32 = 4_096, in 1..=1_048_576;
        }
    }
}

section! {
    /// The source `local`: audio files below one folder.
    pub struct LocalSource {
        settings {
            /// The folder; nothing outside it is ever opened, also not through links.
            ///
            /// Default: none, meaning that the source is off. Reloadable: no.
            pub root: Option<PathBuf> = None, example "\"/srv/music\"";
        }
    }
}

section! {
    /// Which filters clients may use; a request with one that is off is refused.
    pub struct FilterSwitches {
        settings {
            /// Gain.
            ///
            /// Default: true. Reloadable: no.
            pub volume: bool = true;
            /// Fifteen bands.
            ///
            /// Default: true. Reloadable: no.
            pub equalizer: bool = true;
            /// Takes the middle away.
            ///
            /// Default: true. Reloadable: no.
            pub karaoke: bool = true;
            /// Speed and pitch.
            ///
            /// Default: true. Reloadable: no.
            pub timescale: bool = true;
            /// Wavering loudness.
            ///
            /// Default: true. Reloadable: no.
            pub tremolo: bool = true;
            /// Wavering pitch.
            ///
            /// Default: true. Reloadable: no.
            pub vibrato: bool = true;
            /// Distortion.
            ///
            /// Default: true. Reloadable: no.
            pub distortion: bool = true;
            /// Turns around the head.
            ///
            /// Default: true. Reloadable: no.
            pub rotation: bool = true;
            /// Mixes left and right; `channelMix` on the wire.
            ///
            /// Default: true. Reloadable: no.
            pub channel_mix: bool = true;
            /// Takes the highs away; `lowPass` on the wire.
            ///
            /// Default: true. Reloadable: no.
            pub low_pass: bool = true;
        }
    }
}

section! {
    /// Voice connections.
    pub struct Voice {
        settings {
            /// A PEM file of certificate authorities trusted for voice servers beside the
            /// built-in ones.
            ///
            /// Default: none. Reloadable: no.
            pub extra_ca_file: Option<PathBuf> = None, example "\"/etc/backline/voice-ca.pem\"";
            /// Whether voice servers on loopback are spoken to without TLS, for simulators.
            ///
            /// Default: false. Reloadable: no.
            pub plaintext_loopback: bool = false;
            /// How long a client's request may wait for the voice handshake.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
            pub connect_timeout_ms: u32 = 10_000, in 100..=60_000;
        }
    }
}
