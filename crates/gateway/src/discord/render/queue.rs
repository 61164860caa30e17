//! The private list of what plays next.

use std::fmt::Write as _;

use backline_core::music::Track;
use twilight_model::channel::message::component::{ButtonStyle, Component};

use super::parts::{Accent, Enabled, button, container, row, separator, text};
use super::text::{Links, plain, title, tracks};
use crate::command::button::page_id;
use crate::command::time::{Clock, Span};

/// One page of the queue.
#[derive(Debug)]
pub struct Page<'a> {
    /// The playing track.
    pub playing: Option<&'a Track>,
    /// The entries of this page.
    pub entries: &'a [Track],
    /// The place of the first of them.
    pub first: u32,
    /// Which page.
    pub number: u32,
    /// How many pages.
    pub pages: u32,
    /// How many entries in all.
    pub length: u32,
    /// How long they take.
    pub total_ms: u64,
}

impl Page<'_> {
    /// Returns the message.
    pub fn render(&self) -> Vec<Component> {
        let mut parts = vec![text(self.heading())];
        if let Some(track) = self.playing {
            parts.push(text(format!("Now: {}", line(track, Links::Short))));
        }
        parts.push(separator());
        if self.entries.is_empty() {
            parts.push(text("The queue is empty. Add something with `/play`."));
        } else {
            parts.extend(self.list().into_iter().map(text));
        }
        if self.pages > 1 {
            let back = page_id(self.number.saturating_sub(1).max(1), "back");
            let next = page_id(self.number.saturating_add(1), "next");
            parts.push(row(vec![
                button(
                    back,
                    "◀️",
                    "Back",
                    ButtonStyle::Secondary,
                    Enabled::when(self.number > 1),
                ),
                button(
                    next,
                    "▶️",
                    "Next",
                    ButtonStyle::Secondary,
                    Enabled::when(self.number < self.pages),
                ),
            ]));
        }
        vec![container(Accent::Quiet, parts)]
    }

    fn heading(&self) -> String {
        if self.length == 0 {
            return "### Queue".to_owned();
        }
        let mut heading = format!("### Queue\n-# {}", tracks(self.length));
        if self.total_ms > 0 {
            let _ = write!(heading, " · {}", Span(self.total_ms));
        }
        if self.pages > 1 {
            let _ = write!(heading, " · page {} of {}", self.number, self.pages);
        }
        heading
    }

    /// Returns the entries as texts that each fit in one component, and together in one message.
    fn list(&self) -> Vec<String> {
        let lines = |links| -> Vec<String> {
            (self.first..)
                .zip(self.entries)
                .map(|(place, track)| format!("`{place}.` {}", line(track, links)))
                .collect()
        };
        let mut all = lines(Links::Short);
        if all.iter().map(String::len).sum::<usize>() > MESSAGE_TEXT {
            all = lines(Links::No);
        }
        let mut texts = vec![String::new()];
        let mut room = MESSAGE_TEXT;
        for entry in all {
            if entry.len() > room {
                break;
            }
            room -= entry.len();
            let last = texts.last_mut().expect("never empty");
            if last.len() + entry.len() + 1 > COMPONENT_TEXT {
                texts.push(entry);
            } else {
                if !last.is_empty() {
                    last.push('\n');
                }
                last.push_str(&entry);
            }
        }
        texts
    }
}

/// Returns one line about a track: title, author, length.
pub fn line(track: &Track, links: Links) -> String {
    let mut line = title(track, 60, links);
    let author = plain(&track.author, 30);
    if !author.is_empty() {
        line.push_str(" · ");
        line.push_str(&author);
    }
    match track.length_ms {
        Some(ms) => {
            let _ = write!(line, " · `{}`", Clock(ms));
        }
        None => line.push_str(" · live"),
    }
    line
}

/// Bytes of one text: below the limit of 2000 characters that clients validate.
const COMPONENT_TEXT: usize = 1900;

/// Bytes of all entries: below Discord's 4000 characters for a message, heading included.
const MESSAGE_TEXT: usize = 3400;

#[cfg(test)]
mod tests {
    use super::super::now_playing::samples::{self, track};
    use super::*;

    fn page(entries: &[Track], page: u32, pages: u32) -> Page<'_> {
        Page {
            playing: None,
            entries,
            first: 11,
            number: page,
            pages,
            length: 23,
            total_ms: 4_200_000,
        }
    }

    #[test]
    fn a_page_lists_entries_and_turns() {
        let entries = [track("Sea"), samples::live("Harbour radio")];
        let playing = track("Sky");
        let message = Page {
            playing: Some(&playing),
            ..page(&entries, 2, 3)
        }
        .render();
        insta::assert_snapshot!(samples::outline(&message), @r"
        ┌ #6B7280
        ### Queue
        -# 23 tracks · 1 h 10 min · page 2 of 3
        Now: **[Sky](https://music.example/sea)** · Low Tide · `3:35`
        ────
        `11.` **[Sea](https://music.example/sea)** · Low Tide · `3:35`
        `12.` **Harbour radio** · Low Tide · live
        [Back 2] [Next 2]
        └
        ");
    }

    #[test]
    fn an_empty_queue_says_so_without_buttons() {
        let message = Page {
            length: 0,
            total_ms: 0,
            ..page(&[], 1, 1)
        }
        .render();
        insta::assert_snapshot!(samples::outline(&message), @r"
        ┌ #6B7280
        ### Queue
        ────
        The queue is empty. Add something with `/play`.
        └
        ");
    }

    #[test]
    fn the_ends_of_the_list_cannot_be_turned_over() {
        let entries = [track("Sea")];
        for (number, back, next) in [(1, true, false), (2, false, false), (3, false, true)] {
            let buttons = samples::buttons(&page(&entries, number, 3).render());
            let disabled: Vec<_> = buttons.iter().map(|button| button.disabled).collect();
            assert_eq!(disabled, [back, next], "page {number}");
        }
    }

    #[test]
    fn the_longest_titles_keep_discords_limits() {
        let entries: Vec<_> = (0..25).map(|_| samples::longest()).collect();
        samples::validate(&page(&entries, 1, 2).render());
    }
}
