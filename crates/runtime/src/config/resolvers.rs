//! `[node.ytdlp]`, `[node.mirror]`, `[node.speech]`: sources that find tracks elsewhere.

use std::path::PathBuf;

use url::Url;

use super::section::section;
use super::setting::{http_or_https, https_or_loopback};

section! {
    /// Links and searches that the program yt-dlp resolves: YouTube, SoundCloud, Bandcamp,
    /// Twitch, Vimeo and more. The program is not part of Backline; all it fetches goes through
    /// the same guard as the source `http`.
    pub struct Ytdlp {
        settings {
            /// Whether it is on.
            ///
            /// Default: false. Reloadable: no.
            pub enabled: bool = false;
            /// The program.
            ///
            /// Default: none, meaning `yt-dlp` on PATH. Reloadable: no.
            pub path: Option<PathBuf> = None, example "\"/usr/local/bin/yt-dlp\"";
            /// A file with cookies in Netscape format, for what needs an account.
            ///
            /// Default: none. Reloadable: no.
            pub cookies_file: Option<PathBuf> = None, example "\"/run/secrets/cookies.txt\"";
            /// How long one run may take; then it is killed.
            ///
            /// Unit: milliseconds. Range: 1000..=300000. Default: 30000. Reloadable: no.
            pub timeout_ms: u32 = 30_000, in 1_000..=300_000;
            /// Runs at a time; more wait.
            ///
            /// Range: 1..=64. Default: 4. Reloadable: no.
            pub processes: u16 = 4, in 1..=64;
            /// The longest answer that is read.
            ///
            /// Unit: MiB. Range: 1..=256. Default: 32. Reloadable: no.
            pub max_output_mib: u16 = 32, in 1..=256;
            /// Tracks that the answers which are kept may hold in all.
            ///
            /// Range: 0..=1000000. Default: 10000. Reloadable: no.
            pub cache_tracks: u32 = 10_000, in 0..=1_000_000;
            /// How long an answer is kept. Addresses of streams are kept until they expire, and
            /// no longer than six hours.
            ///
            /// Unit: seconds. Range: 0..=86400. Default: 600. Reloadable: no.
            pub cache_ttl_s: u32 = 600, in 0..=86_400;
            /// The longest playlist, as Lavalink's `youtubePlaylistLoadLimit` has it.
            ///
            /// Unit: 100 tracks. Range: 1..=100. Default: 6. Reloadable: no.
            pub playlist_load_limit: u16 = 6, in 1..=100;
            /// Results of a search.
            ///
            /// Range: 1..=50. Default: 20. Reloadable: no.
            pub search_results: u16 = 20, in 1..=50;
            /// Whether it is asked about any web page that is not audio itself, beside the
            /// sites above.
            ///
            /// Default: true. Reloadable: no.
            pub other_sites: bool = true;
            /// After how long an installed version is warned about. Sites change: an old
            /// version stops working.
            ///
            /// Unit: months. Range: 1..=120. Default: 3. Reloadable: no.
            pub warn_after_months: u16 = 3, in 1..=120;
            /// Where Bandcamp is searched, which yt-dlp cannot do: scheme and host.
            ///
            /// Default: `https://bandcamp.com/`. Reloadable: no.
            pub bandcamp_url: Url = url("https://bandcamp.com"), check https_or_loopback;
        }
    }
}

section! {
    /// Sources that know tracks but do not give their sound: it is looked for elsewhere.
    pub struct Mirror {
        settings {
            /// What is asked for the sound, in this order: identifiers between spaces, in which
            /// `%ISRC%` stands for the recording's code and `%QUERY%` for title and artist. What
            /// needs a code is left out for tracks without one.
            ///
            /// Default: `ytmsearch:%ISRC% ytmsearch:%QUERY%`. Reloadable: no.
            pub providers: String = "ytmsearch:%ISRC% ytmsearch:%QUERY%".into(),
                check providers;
            /// How long one request may take.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
            pub timeout_ms: u32 = 10_000, in 100..=60_000;
            /// Tracks of an album, a playlist or an artist that are loaded.
            ///
            /// Range: 1..=10000. Default: 600. Reloadable: no.
            pub playlist_limit: u16 = 600, in 1..=10_000;
            /// Results of a search.
            ///
            /// Range: 1..=50. Default: 20. Reloadable: no.
            pub search_results: u16 = 20, in 1..=50;
        }
        sections {
            /// Spotify.
            pub spotify: Spotify;
            /// Deezer.
            pub deezer: Deezer;
            /// Apple Music.
            pub apple_music: AppleMusic;
        }
    }
}

section! {
    /// Spotify. Needs the id and the secret of an application.
    pub struct Spotify {
        secrets {
            /// The application's secret.
            ///
            /// Default: none. Reloadable: by `PATCH /v4/lavasrc/config`.
            pub client_secret;
            /// A file that holds the application's secret.
            ///
            /// Default: none. Reloadable: no.
            pub client_secret_file;
        }
        settings {
            /// Whether it is on.
            ///
            /// Default: false. Reloadable: no.
            pub enabled: bool = false;
            /// The application's id.
            ///
            /// Default: none. Reloadable: by `PATCH /v4/lavasrc/config`.
            pub client_id: Option<String> = None, example "\"0123456789abcdef\"";
            /// The country whose catalogue is asked: two letters.
            ///
            /// Default: `US`. Reloadable: no.
            pub country: String = "US".into(), check country;
            /// Its API: scheme and host.
            ///
            /// Default: `https://api.spotify.com/`. Reloadable: no.
            pub api_url: Url = url("https://api.spotify.com"), check https_or_loopback;
            /// Where tokens come from: scheme and host.
            ///
            /// Default: `https://accounts.spotify.com/`. Reloadable: no.
            pub token_url: Url = url("https://accounts.spotify.com"), check https_or_loopback;
        }
    }
}

section! {
    /// Deezer. Needs no key.
    pub struct Deezer {
        settings {
            /// Whether it is on.
            ///
            /// Default: false. Reloadable: no.
            pub enabled: bool = false;
            /// Its API: scheme and host.
            ///
            /// Default: `https://api.deezer.com/`. Reloadable: no.
            pub api_url: Url = url("https://api.deezer.com"), check https_or_loopback;
        }
    }
}

section! {
    /// Apple Music. Needs a token of its media API.
    pub struct AppleMusic {
        secrets {
            /// The token.
            ///
            /// Default: none. Reloadable: by `PATCH /v4/lavasrc/config`.
            pub token;
            /// A file that holds the token.
            ///
            /// Default: none. Reloadable: no.
            pub token_file;
        }
        settings {
            /// Whether it is on.
            ///
            /// Default: false. Reloadable: no.
            pub enabled: bool = false;
            /// The country whose catalogue is asked: two letters.
            ///
            /// Default: `US`. Reloadable: no.
            pub country: String = "US".into(), check country;
            /// Its API: scheme and host.
            ///
            /// Default: `https://api.music.apple.com/`. Reloadable: no.
            pub api_url: Url = url("https://api.music.apple.com"), check https_or_loopback;
        }
    }
}

section! {
    /// Text that is spoken by a program: `speak:` and `tts://`.
    pub struct Speech {
        settings {
            /// The program, which writes a WAV file to its standard output. It gets the text on
            /// its standard input, or where the arguments say `%TEXT%`.
            ///
            /// Default: none, meaning that the source is off. Reloadable: no.
            pub command: Option<PathBuf> = None, example "\"/usr/bin/espeak-ng\"";
            /// Its arguments, between spaces.
            ///
            /// Default: `--stdout`. Reloadable: no.
            pub arguments: String = "--stdout".into();
            /// How long it may take; then it is killed.
            ///
            /// Unit: milliseconds. Range: 100..=120000. Default: 15000. Reloadable: no.
            pub timeout_ms: u32 = 15_000, in 100..=120_000;
            /// Runs at a time; more wait.
            ///
            /// Range: 1..=64. Default: 4. Reloadable: no.
            pub processes: u16 = 4, in 1..=64;
            /// The longest text.
            ///
            /// Unit: characters. Range: 1..=5000. Default: 1000. Reloadable: no.
            pub max_text: u16 = 1_000, in 1..=5_000;
            /// The longest sound that is read.
            ///
            /// Unit: MiB. Range: 1..=256. Default: 32. Reloadable: no.
            pub max_output_mib: u16 = 32, in 1..=256;
        }
    }
}

section! {
    /// Lyrics: of tags, of `.lrc` files beside local files, and of a server.
    pub struct Lyrics {
        settings {
            /// Whether clients may ask for lyrics.
            ///
            /// Default: true. Reloadable: no.
            pub enabled: bool = true;
            /// A server with the API of LRCLIB: scheme and host. It is told artist, title and
            /// length of tracks.
            ///
            /// Default: none. Reloadable: no.
            pub server_url: Option<Url> = None,
                check optional_http_or_https,
                example "\"https://lrclib.net\"";
            /// How long one request may take.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 10000. Reloadable: no.
            pub timeout_ms: u32 = 10_000, in 100..=60_000;
        }
    }
}

section! {
    /// Segments of YouTube videos that are skipped, and chapters, from a server with
    /// SponsorBlock's API.
    pub struct SponsorBlock {
        settings {
            /// The server: scheme and host. It is told which videos are played: the start of
            /// the hash of their id.
            ///
            /// Default: none, meaning that it is off. Reloadable: no.
            pub api_url: Option<Url> = None,
                check optional_http_or_https,
                example "\"https://sponsor.ajay.app\"";
            /// How long one request may take.
            ///
            /// Unit: milliseconds. Range: 100..=60000. Default: 5000. Reloadable: no.
            pub timeout_ms: u32 = 5_000, in 100..=60_000;
        }
    }
}

section! {
    /// Clients with a password of their own, who see nothing of each other.
    pub struct Tenant {
        required {
            /// Its name in logs.
            ///
            /// Required. Reloadable: no.
            pub name: String, check not_empty, example "\"first\"";
        }
        secrets {
            /// The password its clients send.
            ///
            /// Default: none, meaning that nobody can. Reloadable: no.
            pub password;
            /// A file that holds the password.
            ///
            /// Default: none. Reloadable: no.
            pub password_file;
        }
        settings {
            /// Players it may have at a time; 0 means no limit.
            ///
            /// Range: 0..=1000000. Default: 0. Reloadable: no.
            pub max_players: u32 = 0, in 0..=1_000_000;
            /// Sessions it may have at a time, parked ones included; 0 means no limit.
            ///
            /// Range: 0..=100000. Default: 0. Reloadable: no.
            pub max_sessions: u32 = 0, in 0..=100_000;
            /// The sources it may use, by the names in `/v4/info`, between spaces.
            ///
            /// Default: none, meaning all of them. Reloadable: no.
            pub sources: Option<String> = None, example "\"youtube http\"";
        }
    }
}

/// Returns a URL that is written here.
fn url(text: &str) -> Url {
    text.parse().expect("it is a URL")
}

#[expect(clippy::ref_option, reason = "a check takes the type of its setting")]
fn optional_http_or_https(url: &Option<Url>) -> Result<(), String> {
    url.as_ref().map_or(Ok(()), http_or_https)
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn not_empty(text: &String) -> Result<(), String> {
    if text.is_empty() {
        Err("a name".into())
    } else {
        Ok(())
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn country(text: &String) -> Result<(), String> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Ok(())
    } else {
        Err("two letters, such as `US`".into())
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn providers(text: &String) -> Result<(), String> {
    let mut names = text.split_whitespace();
    if names.all(|name| name.contains("%ISRC%") || name.contains("%QUERY%")) {
        Ok(())
    } else {
        Err("identifiers with `%ISRC%` or `%QUERY%`, between spaces".into())
    }
}
