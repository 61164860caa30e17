//! Text that others wrote, made safe to show: escaped, on one line, bounded.

use backline_core::music::Track;
use std::fmt::Write as _;

/// Returns `text` on one line, at most `max` characters, with Discord's markup escaped.
///
/// The bound counts what people read; escaping at most doubles what is sent.
pub fn plain(text: &str, max: usize) -> String {
    let line = text
        .split_whitespace()
        .flat_map(|word| [" ", word])
        .skip(1)
        .flat_map(str::chars);
    let mut shown: Vec<char> = line
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .take(max + 1)
        .collect();
    if shown.iter().all(|c| *c == ' ' || is_joiner(*c)) {
        return String::new();
    }
    let cut = shown.len() > max;
    if cut {
        // Room for the mark.
        shown.truncate(max.saturating_sub(1));
        while shown.last().is_some_and(|c| *c == ' ' || is_joiner(*c)) {
            shown.pop();
        }
    }
    let mut out = String::with_capacity(shown.len() + 8);
    for (index, c) in shown.into_iter().enumerate() {
        match c {
            // `://` would become a link inside a link, and `:name:` an emoji.
            '\\' | '*' | '_' | '~' | '`' | '|' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | ':' => {
                out.push('\\');
                out.push(c);
            }
            // Starts a list, but only at the start of a line.
            '-' | '+' if index == 0 => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("@\u{200b}"),
            _ => out.push(c),
        }
    }
    if cut {
        out.push('…');
    }
    out
}

/// Returns the title of a track, linked to its page when it has one on the web.
pub fn title(track: &Track, max: usize, links: Links) -> String {
    let mut title = plain(&track.title, max);
    if title.is_empty() {
        title.push_str("Untitled");
    }
    match (
        links,
        track
            .uri
            .as_deref()
            .and_then(|uri| web_link(uri, links.limit())),
    ) {
        (Links::No, _) | (_, None) => format!("**{title}**"),
        (_, Some(url)) => format!("**[{title}]({url})**"),
    }
}

/// Whether titles are links, and how long these may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Plain titles.
    No,
    /// Links of up to 120 characters: lists.
    Short,
    /// Links of up to 400 characters: a single title.
    Long,
}

impl Links {
    const fn limit(self) -> usize {
        match self {
            Self::No => 0,
            Self::Short => 120,
            Self::Long => 400,
        }
    }
}

/// Returns `url` fit for a link, or `None` when it is not on the web or too long.
pub fn web_link(url: &str, max: usize) -> Option<String> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return None;
    }
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '(' | ')' | '<' | '>' | '[' | ']' | '\\' | '`' | '|' | '"' | '{' | '}' | '^' => {
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            c if c.is_whitespace() || c.is_control() => return None,
            c => out.push(c),
        }
    }
    (out.len() <= max).then_some(out)
}

/// Returns `count` with its noun: `1 track`, `3 tracks`.
pub fn tracks(count: u32) -> String {
    if count == 1 {
        "1 track".to_owned()
    } else {
        format!("{count} tracks")
    }
}

/// Characters that only serve to turn text around or hide in it.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
    )
}

/// Characters that change how their neighbours look: families among emoji, words of Persian.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_others_is_shown_not_obeyed() {
        let rows = [
            ("plain", "plain"),
            (
                "*bold* _it_ ~~s~~ `c` ||sp||",
                "\\*bold\\* \\_it\\_ \\~\\~s\\~\\~ \\`c\\` \\|\\|sp\\|\\|",
            ),
            ("[x](http://a)", "\\[x\\]\\(http\\://a\\)"),
            ("@everyone <@1>", "@\u{200b}everyone \\<@\u{200b}1\\>"),
            ("# head\n- item", "\\# head - item"),
            ("- item", "\\- item"),
            ("two\u{0}\u{202e}\n\n lines", "two lines"),
            ("", ""),
            (
                "\u{1f468}\u{200d}\u{1f467} a",
                "\u{1f468}\u{200d}\u{1f467} a",
            ),
            ("\u{200d} \u{3164}\u{2062}", ""),
            ("so\u{ad}ft\u{61c}", "soft"),
        ];
        for (text, expected) in rows {
            assert_eq!(plain(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_never_inside_an_escape() {
        let rows = [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcde…"),
            ("ab cdef", 4, "ab…"),
            ("äöüßéà", 3, "äö…"),
            ("a*****", 3, "a\\*…"),
            ("\\\\\\\\\\", 2, "\\\\…"),
            ("a@@@@@", 3, "a@\u{200b}…"),
        ];
        for (text, max, expected) in rows {
            let shown = plain(text, max);
            assert_eq!(shown, expected, "{text:?} at {max}");
        }
    }

    #[test]
    fn only_web_pages_become_links() {
        let rows = [
            (
                "https://example.org/a_(b)",
                Some("https://example.org/a_%28b%29".to_owned()),
            ),
            (
                "http://127.0.0.1:1/x",
                Some("http://127.0.0.1:1/x".to_owned()),
            ),
            ("file:///etc/passwd", None),
            ("/srv/music/a.flac", None),
            ("javascript:alert(1)", None),
            ("https://example.org/a b", None),
        ];
        for (url, expected) in rows {
            assert_eq!(web_link(url, 100), expected, "{url}");
        }
        assert_eq!(
            web_link(&format!("https://e.org/{}", "x".repeat(100)), 100),
            None,
            "too long"
        );
    }
}
