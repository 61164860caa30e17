//! From what people type to what a node is asked, and from its answer to tracks.

use std::net::IpAddr;
use std::time::Duration;

use backline_core::music::Track;
use backline_core::music::session::Resolution;
use backline_proto::lavalink::{self, LoadResult};
use backline_runtime::metrics::audio::{AudioMetrics, Lookup};
use tracing::warn;

use crate::node::Nodes;

/// Search prefixes that Lavalink, its usual plugins and our own node know.
const PREFIXES: &[&str] = &[
    "local",
    "ytsearch",
    "ytmsearch",
    "scsearch",
    "bcsearch",
    "spsearch",
    "sprec",
    "amsearch",
    "dzsearch",
    "dzisrc",
    "dzrec",
    "ymsearch",
    "ymrec",
    "vksearch",
    "vkrec",
    "tdsearch",
    "tdrec",
    "qbsearch",
    "qbisrc",
    "qbrec",
    "jssearch",
    "jsrec",
    "phsearch",
    "speak",
];

/// How long a query waits for the first node.
const NODE_PATIENCE: Duration = Duration::from_secs(5);
const TRIES: usize = 2;
const MAX_TEXT: usize = 300;
/// What Lavalink says when a track does not name its author: nothing to tell people.
const UNKNOWN_AUTHOR: &str = "Unknown artist";
const MAX_REASON: usize = 200;

/// Returns what a node is asked for a query: web addresses and known prefixes go as they are, other
/// text is searched for with `search_prefix`.
pub(crate) fn identifier(query: &str, search_prefix: &str) -> String {
    let query = query.trim();
    // People write <https://…> to keep a chat from unfurling it.
    let bare = query
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(query);
    if is_web_address(bare) {
        return bare.to_owned();
    }
    let known = query
        .split_once(':')
        .is_some_and(|(prefix, _)| PREFIXES.contains(&prefix));
    let own = !search_prefix.is_empty() && query.starts_with(search_prefix);
    if known || own {
        query.to_owned()
    } else {
        format!("{search_prefix}{query}")
    }
}

fn is_web_address(text: &str) -> bool {
    let starts = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    starts("http://") || starts("https://")
}

/// Looks an identifier up on whichever node is there.
pub(crate) async fn resolve(nodes: &Nodes, identifier: &str, metrics: &AudioMetrics) -> Resolution {
    let resolution = look_up(nodes, identifier).await;
    metrics.count_lookup(match &resolution {
        Resolution::Found(_) => Lookup::Found,
        Resolution::Empty => Lookup::Empty,
        Resolution::Failed { .. } => Lookup::Failed,
        Resolution::NoNode => Lookup::NoNode,
    });
    resolution
}

async fn look_up(nodes: &Nodes, identifier: &str) -> Resolution {
    let _turn = nodes.turn().await;
    for attempt in 1..=TRIES {
        if !nodes.wait(NODE_PATIENCE).await {
            break;
        }
        let Some(node) = nodes.pick() else { continue };
        match node.rest.load(identifier).await {
            Ok(result) => return resolution(result),
            Err(error) => {
                warn!(node = node.name, error = %error, attempt, "query was not looked up");
                if !error.is_node_gone() {
                    return Resolution::Failed {
                        reason: "the audio node could not look it up".to_owned(),
                    };
                }
            }
        }
    }
    Resolution::NoNode
}

/// Returns the tracks of a result: of a search the first, of a playlist all.
fn resolution(result: LoadResult) -> Resolution {
    match result {
        LoadResult::Track(found) => Resolution::Found(vec![track(found)]),
        LoadResult::Playlist(playlist) => {
            Resolution::Found(playlist.tracks.into_iter().map(track).collect())
        }
        LoadResult::Search(found) => {
            Resolution::Found(found.into_iter().take(1).map(track).collect())
        }
        LoadResult::Empty => Resolution::Empty,
        LoadResult::Error(exception) => Resolution::Failed {
            reason: for_people(exception.message.as_deref().unwrap_or_default()),
        },
    }
}

fn track(found: lavalink::Track) -> Track {
    let info = found.info;
    let length_ms = u64::try_from(info.length)
        .ok()
        .filter(|_| !info.is_stream && info.length != lavalink::UNKNOWN_LENGTH);
    let title = if info.title.trim().is_empty() {
        &info.identifier
    } else {
        &info.title
    };
    Track {
        encoded: found.encoded,
        title: shortened(title, MAX_TEXT),
        author: match info.author.trim() {
            UNKNOWN_AUTHOR => String::new(),
            author => shortened(author, MAX_TEXT),
        },
        length_ms,
        seekable: info.is_seekable,
        // A path on the node's disk is nobody's business.
        uri: info.uri.filter(|uri| is_web_address(uri)),
        artwork_url: info.artwork_url.filter(|url| is_web_address(url)),
        source: info.source_name,
        requester: None,
    }
}

/// Returns a failure as people may read it: one line, without addresses, paths and the like.
pub(crate) fn for_people(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let words: Vec<_> = line
        .split_whitespace()
        .map(|word| if is_private(word) { "…" } else { word })
        .collect();
    let text = shortened(&words.join(" "), MAX_REASON);
    if text.chars().any(char::is_alphanumeric) {
        text
    } else {
        "the source could not be loaded".to_owned()
    }
}

/// Whether a word is, or holds, an address, a path, or a token.
fn is_private(word: &str) -> bool {
    let bare =
        word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | '\\' | '[' | ']'));
    let host = bare
        .trim_start_matches('[')
        .split(']')
        .next()
        .unwrap_or_default();
    let without_port = bare
        .rsplit_once(':')
        .filter(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    bare.contains("://")
        || bare.starts_with(['/', '\\'])
        || bare.matches('/').count() > 1
        || is_address(host)
        || without_port
            .is_some_and(|(host, _)| is_address(host) || host.contains('.') || host == "localhost")
        || (bare.len() >= 40 && !bare.contains('-'))
}

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use backline_proto::lavalink::{
        Exception, Object, Playlist, PlaylistInfo, Severity, TrackInfo,
    };

    use super::*;

    #[test]
    fn addresses_and_prefixes_go_as_they_are_and_text_is_searched_for() {
        for (query, expected) in [
            ("never gonna", "local:never gonna"),
            ("  never gonna ", "local:never gonna"),
            ("https://example.com/a.mp3", "https://example.com/a.mp3"),
            ("HTTP://example.com/a.mp3", "HTTP://example.com/a.mp3"),
            ("<https://example.com/a.mp3>", "https://example.com/a.mp3"),
            ("ytsearch:x", "ytsearch:x"),
            ("local:x", "local:x"),
            ("note: a song", "local:note: a song"),
            ("/etc/passwd", "local:/etc/passwd"),
            ("file:///etc/passwd", "local:file:///etc/passwd"),
            ("ftp://example.com/a.mp3", "local:ftp://example.com/a.mp3"),
            ("Ünï", "local:Ünï"),
        ] {
            assert_eq!(identifier(query, "local:"), expected);
        }
        assert_eq!(identifier("mine:x", "mine:"), "mine:x");
        assert_eq!(identifier("x", ""), "x");
    }

    fn found(title: &str) -> lavalink::Track {
        lavalink::Track {
            encoded: "Q".into(),
            info: TrackInfo {
                identifier: "the id".into(),
                is_seekable: true,
                author: "a".into(),
                length: 1_000,
                is_stream: false,
                position: 0,
                title: title.into(),
                uri: Some("/srv/music/a.mp3".into()),
                source_name: "local".into(),
                artwork_url: Some("https://example.com/a.png".into()),
                isrc: None,
            },
            plugin_info: Object::new(),
            user_data: Object::new(),
        }
    }

    fn titles(result: LoadResult) -> Vec<String> {
        let Resolution::Found(tracks) = resolution(result) else {
            panic!("nothing was found")
        };
        tracks.into_iter().map(|track| track.title).collect()
    }

    #[test]
    fn a_search_gives_its_first_result_and_a_playlist_all_tracks() {
        assert_eq!(titles(LoadResult::Track(found("x"))), ["x"]);
        assert_eq!(
            titles(LoadResult::Search(vec![found("x"), found("y")])),
            ["x"]
        );
        let info = PlaylistInfo {
            name: "p".into(),
            selected_track: -1,
        };
        let tracks = vec![found("x"), found("y")];
        assert_eq!(
            titles(LoadResult::Playlist(Playlist {
                info,
                plugin_info: Object::new(),
                tracks
            })),
            ["x", "y"]
        );
        assert_eq!(resolution(LoadResult::Empty), Resolution::Empty);
    }

    #[test]
    fn a_failed_load_is_told_in_words() {
        let exception = |message: Option<&str>| {
            LoadResult::Error(Exception {
                message: message.map(str::to_owned),
                severity: Severity::Common,
                cause: "java.net.Something: 10.0.0.1".into(),
                cause_stack_trace: String::new(),
            })
        };
        let failed = |reason: &str| Resolution::Failed {
            reason: reason.into(),
        };
        assert_eq!(
            resolution(exception(Some("This video is private"))),
            failed("This video is private")
        );
        assert_eq!(
            resolution(exception(None)),
            failed("the source could not be loaded")
        );
    }

    #[test]
    fn tracks_hold_what_people_may_see() {
        let plain = track(found("x"));
        assert_eq!((plain.length_ms, plain.uri), (Some(1_000), None));
        assert_eq!(
            plain.artwork_url.as_deref(),
            Some("https://example.com/a.png")
        );
        let mut live = found(" ");
        live.info.is_stream = true;
        live.info.length = lavalink::UNKNOWN_LENGTH;
        let live = track(live);
        assert_eq!((live.title.as_str(), live.length_ms), ("the id", None));
        let mut nameless = found("x");
        assert_eq!(track(nameless.clone()).author, "a");
        nameless.info.author = "Unknown artist".into();
        assert_eq!(track(nameless).author, "");
        let mut odd = found(&"x".repeat(1_000));
        odd.info.length = -5;
        let odd = track(odd);
        assert_eq!((odd.title.chars().count(), odd.length_ms), (MAX_TEXT, None));
    }

    #[test]
    fn failures_lose_addresses_paths_and_tokens() {
        for (message, expected) in [
            (
                "connection to 10.0.0.5:8080 refused",
                "connection to … refused",
            ),
            (
                "connection to [::1]:8080 refused",
                "connection to … refused",
            ),
            ("host node.internal:2333 is down", "host … is down"),
            ("GET https://user:pw@example.com/x failed", "GET … failed"),
            ("cannot open /srv/music/a.mp3.", "cannot open …"),
            ("cannot open \"/srv/music/a.mp3\"", "cannot open …"),
            ("no access for 127.0.0.1", "no access for …"),
            ("first line\n at com.example.Thing", "first line"),
            ("status 404: not found", "status 404: not found"),
            ("stopped at 3:45 of AC/DC", "stopped at 3:45 of AC/DC"),
            ("https://example.com", "the source could not be loaded"),
            ("", "the source could not be loaded"),
        ] {
            assert_eq!(for_people(message), expected, "{message}");
        }
        assert_eq!(for_people(&"word ".repeat(100)).chars().count(), MAX_REASON);
    }
}
