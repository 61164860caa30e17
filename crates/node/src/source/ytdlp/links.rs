//! Which identifiers yt-dlp is asked about, and how.
//!
//! The hosts are those of links that people paste; nothing here is where our own requests go.

use url::Url;

/// A site whose tracks carry its own `sourceName`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// YouTube and YouTube Music.
    YouTube,
    /// SoundCloud.
    SoundCloud,
    /// Bandcamp.
    Bandcamp,
    /// Twitch.
    Twitch,
    /// Vimeo.
    Vimeo,
    /// Any other.
    Other,
}

/// What is to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What a link leads to.
    Link(Url),
    /// What a search finds: the argument that yt-dlp takes.
    Search(String),
    /// What Bandcamp finds, which yt-dlp cannot search.
    Bandcamp(String),
}

/// The longest link.
const MAX_LINK: usize = 2_048;
/// The longest text of a search, in characters.
const MAX_TEXT: usize = 300;
/// Characters of a YouTube video's id.
const VIDEO_ID: usize = 11;

impl Site {
    /// Returns the site that a link belongs to.
    pub fn of_link(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_end_matches('.');
        let within = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        if within("youtube.com") || within("youtu.be") || within("youtube-nocookie.com") {
            Self::YouTube
        } else if within("soundcloud.com") {
            Self::SoundCloud
        } else if within("bandcamp.com") {
            Self::Bandcamp
        } else if within("twitch.tv") {
            Self::Twitch
        } else if within("vimeo.com") {
            Self::Vimeo
        } else {
            Self::Other
        }
    }

    /// Returns the site that an extractor of yt-dlp is for.
    pub fn of_extractor(key: &str) -> Self {
        let key = key.to_ascii_lowercase();
        let named = [
            Self::YouTube,
            Self::SoundCloud,
            Self::Bandcamp,
            Self::Twitch,
            Self::Vimeo,
        ];
        // Extractors begin with the name of their site.
        let mut named = named.into_iter();
        let site = named.find(|site| key.starts_with(site.source_name()));
        site.unwrap_or(Self::Other)
    }

    /// Returns the site of a `sourceName`.
    pub fn of_source(name: &str) -> Option<Self> {
        let sites = [
            Self::YouTube,
            Self::SoundCloud,
            Self::Bandcamp,
            Self::Twitch,
            Self::Vimeo,
            Self::Other,
        ];
        sites.into_iter().find(|site| site.source_name() == name)
    }

    /// Returns the `sourceName` of its tracks.
    pub fn source_name(self) -> &'static str {
        match self {
            Self::YouTube => "youtube",
            Self::SoundCloud => "soundcloud",
            Self::Bandcamp => "bandcamp",
            Self::Twitch => "twitch",
            Self::Vimeo => "vimeo",
            Self::Other => "ytdlp",
        }
    }
}

/// Returns what an identifier asks for, if it is a search or a link to a known site.
pub fn wish(identifier: &str, results: u16) -> Option<Wish> {
    if let Some((prefix, text)) = identifier.split_once(':') {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.contains('\0');
        let search = match prefix {
            "ytsearch" => Wish::Search(format!("ytsearch{results}:{text}")),
            "scsearch" => Wish::Search(format!("scsearch{results}:{text}")),
            "ytmsearch" => {
                let parameters = [("q", text)];
                let base = "https://music.youtube.com/search";
                let mut url = Url::parse_with_params(base, parameters).ok()?;
                url.set_fragment(Some("songs"));
                Wish::Link(url)
            }
            "bcsearch" => Wish::Bandcamp(text.to_owned()),
            _ => {
                return link(identifier)
                    .filter(|url| Site::of_link(url) != Site::Other)
                    .map(Wish::Link);
            }
        };
        return fits.then_some(search);
    }
    video(identifier).map(Wish::Link)
}

/// Returns a link that yt-dlp may be asked about.
pub fn link(identifier: &str) -> Option<Url> {
    if identifier.len() > MAX_LINK || identifier.contains('\0') {
        return None;
    }
    let url = Url::parse(identifier).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host();
    // A password in a link would end up in a list of processes.
    (fits && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Returns the page of a YouTube video.
pub fn video(id: &str) -> Option<Url> {
    let fits = id.len() == VIDEO_ID
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let page = || Url::parse_with_params("https://www.youtube.com/watch", [("v", id)]).ok();
    fits.then(page).flatten()
}

/// Returns the page that a track is opened from.
pub fn page(source_name: &str, identifier: &str, uri: Option<&str>) -> Option<Url> {
    let site = Site::of_source(source_name)?;
    if site == Site::YouTube
        && let Some(page) = video(identifier)
    {
        return Some(page);
    }
    let candidates = [uri, Some(identifier)];
    candidates
        .into_iter()
        .flatten()
        .filter_map(link)
        .find(|url| site == Site::Other || Site::of_link(url) == site)
}

/// Makes the page of a list the page of its item `place`, counted from 1.
pub fn set_item(page: &mut Url, place: u64) {
    page.set_fragment(Some(&format!("{ITEM}{place}")));
}

/// Returns which item a page is about, if it says so.
pub fn item(page: &Url) -> Option<u64> {
    page.fragment()?.strip_prefix(ITEM)?.parse().ok()
}

const ITEM: &str = "backline-item=";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wish: Option<Wish>) -> String {
        match wish {
            None => "none".into(),
            Some(Wish::Link(url)) => format!("link {url}"),
            Some(Wish::Search(text)) => format!("search {text}"),
            Some(Wish::Bandcamp(text)) => format!("bandcamp {text}"),
        }
    }

    #[test]
    fn links_and_searches_of_known_sites_are_recognised_and_others_are_not() {
        for (identifier, expected) in [
            ("ytsearch:never gonna", "search ytsearch7:never gonna"),
            ("ytsearch: --exec x", "search ytsearch7:--exec x"),
            ("scsearch:rain", "search scsearch7:rain"),
            ("bcsearch:rain", "bandcamp rain"),
            (
                "ytmsearch:a & b",
                "link https://music.youtube.com/search?q=a+%26+b#songs",
            ),
            ("ytsearch:", "none"),
            ("ytsearch: ", "none"),
            (
                "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
                "link https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            ),
            (
                "https://youtu.be/dQw4w9WgXcQ",
                "link https://youtu.be/dQw4w9WgXcQ",
            ),
            (
                "dQw4w9WgXcQ",
                "link https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            ),
            (
                "https://SoundCloud.com/a/b",
                "link https://soundcloud.com/a/b",
            ),
            (
                "https://a.bandcamp.com/track/b",
                "link https://a.bandcamp.com/track/b",
            ),
            ("https://www.twitch.tv/a", "link https://www.twitch.tv/a"),
            ("https://vimeo.com/1", "link https://vimeo.com/1"),
            ("https://notyoutube.com/watch?v=dQw4w9WgXcQ", "none"),
            ("https://youtube.com.example/watch", "none"),
            ("https://user:secret@youtube.com/watch", "none"),
            ("file:///etc/passwd", "none"),
            ("ftp://youtube.com/", "none"),
            ("-x", "none"),
            ("some words", "none"),
            ("spsearch:x", "none"),
        ] {
            assert_eq!(shown(wish(identifier, 7)), expected, "{identifier}");
        }
        let long = format!("ytsearch:{}", "x".repeat(301));
        assert_eq!(wish(&long, 7), None);
        let long = format!("https://youtube.com/{}", "x".repeat(3_000));
        assert_eq!(wish(&long, 7), None);
    }

    #[test]
    fn tracks_are_opened_from_pages_of_their_own_site_only() {
        for (source, identifier, uri, expected) in [
            (
                "youtube",
                "dQw4w9WgXcQ",
                None,
                Some("https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
            ),
            ("youtube", "x", Some("https://evil.example/"), None),
            (
                "youtube",
                "x",
                Some("https://youtu.be/y"),
                Some("https://youtu.be/y"),
            ),
            (
                "soundcloud",
                "1234",
                Some("https://soundcloud.com/a/b"),
                Some("https://soundcloud.com/a/b"),
            ),
            (
                "vimeo",
                "https://vimeo.com/1",
                None,
                Some("https://vimeo.com/1"),
            ),
            ("twitch", "--exec", None, None),
            (
                "ytdlp",
                "x",
                Some("https://any.example/a"),
                Some("https://any.example/a"),
            ),
            ("ytdlp", "x", Some("file:///etc/passwd"), None),
            ("http", "https://youtube.com/", None, None),
        ] {
            let page = page(source, identifier, uri);
            assert_eq!(
                page.as_ref().map(Url::as_str),
                expected,
                "{source} {identifier} {uri:?}"
            );
        }
    }
}
