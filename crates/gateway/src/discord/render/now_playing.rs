//! The Now Playing message: what plays, how far it is, what comes next, and twelve buttons.

use std::fmt::Write as _;

use backline_core::music::{LoopMode, Playback, View};
use twilight_model::channel::message::component::{Button, ButtonStyle, Component};

use super::parts::{Accent, Enabled, button, container, row, section, separator, text};
use super::queue;
use super::text::{Links, plain, title, tracks, web_link};
use crate::command::button as ids;
use crate::command::time::{Clock, Span};

/// Returns the message for a session. `now_ms` is the time in milliseconds since 1970 UTC.
pub fn now_playing(view: &View, now_ms: u64) -> Vec<Component> {
    let mut parts = Vec::with_capacity(9);
    let accent = if let Some(playback) = &view.playing {
        parts.push(heading(playback));
        parts.push(text(progress(playback, now_ms)));
        match playback.track.length_ms {
            _ if playback.paused => Accent::Waiting,
            None => Accent::Live,
            Some(_) => Accent::Playing,
        }
    } else {
        parts.push(text(
            "### Nothing is playing\nAdd something with `/play`; I am listening.",
        ));
        Accent::Quiet
    };
    parts.push(text(facts(view)));
    if !view.up_next.is_empty() {
        parts.push(separator());
        parts.push(text(up_next(view)));
    }
    parts.extend(buttons(view).map(row));
    vec![container(accent, parts)]
}

/// Returns the message after a session ended.
pub fn ended() -> Vec<Component> {
    let line = "### The music is over\nThanks for listening. `/play` starts it again any time.";
    vec![container(Accent::Quiet, vec![text(line)])]
}

/// Returns where the playback is at `now_ms`, never behind the end of the track.
pub fn position(playback: &Playback, now_ms: u64) -> u64 {
    let elapsed = if playback.paused {
        0
    } else {
        now_ms.saturating_sub(playback.at_ms)
    };
    let position = playback.position_ms.saturating_add(elapsed);
    playback
        .track
        .length_ms
        .map_or(position, |length| position.min(length))
}

fn heading(playback: &Playback) -> Component {
    let track = &playback.track;
    let mut lines = format!("### {}", title(track, 120, Links::Long));
    let author = plain(&track.author, 80);
    let mut facts = Vec::new();
    if !author.is_empty() {
        facts.push(format!("by {author}"));
    }
    match track.source.as_str() {
        "" => {}
        "local" => facts.push("from the library".to_owned()),
        "http" => facts.push("from the web".to_owned()),
        other => facts.push(format!("from {}", plain(other, 30))),
    }
    if !facts.is_empty() {
        lines.push('\n');
        lines.push_str(&facts.join(" · "));
    }
    if let Some(user) = track.requester {
        let _ = write!(lines, "\n-# asked for by <@{user}>");
    }
    match track
        .artwork_url
        .as_deref()
        .and_then(|url| web_link(url, 1000))
    {
        Some(picture) => section(lines, picture, format!("Cover of {}", bare(&track.title))),
        None => text(lines),
    }
}

fn progress(playback: &Playback, now_ms: u64) -> String {
    let at = position(playback, now_ms);
    match playback.track.length_ms {
        Some(length) => {
            let mark = if playback.paused { "⏸" } else { "▶" };
            format!(
                "{mark} `{}` {} `{}`",
                Clock(at),
                bar(at, length),
                Clock(length)
            )
        }
        None if playback.paused => "⏸ **LIVE** · paused".to_owned(),
        None => "🔴 **LIVE**".to_owned(),
    }
}

/// Returns a bar of `BAR_CELLS` cells with a knob where the position is.
fn bar(at: u64, length: u64) -> String {
    let last = BAR_CELLS - 1;
    // Wide arithmetic: a length comes from a node, and may be anything.
    let walked = u128::from(at.min(length)) * u128::from(last);
    let knob = walked
        .checked_div(u128::from(length))
        .map_or(last, |cell| cell as u64);
    (0..BAR_CELLS)
        .map(|cell| match cell.cmp(&knob) {
            std::cmp::Ordering::Less => '━',
            std::cmp::Ordering::Equal => '●',
            std::cmp::Ordering::Greater => '─',
        })
        .collect()
}

fn facts(view: &View) -> String {
    let mut facts = Vec::with_capacity(5);
    if let Some(channel) = view.voice_channel {
        facts.push(format!("<#{channel}>"));
    }
    facts.push(format!("volume {} %", view.volume));
    facts.push(
        match view.loop_mode {
            LoopMode::Off => "loop off",
            LoopMode::Track => "track repeats",
            LoopMode::Queue => "queue repeats",
        }
        .to_owned(),
    );
    if view.autoplay {
        facts.push("autoplay on".to_owned());
    }
    facts.push(match (view.queue_length, view.queue_ms) {
        (0, _) => "queue empty".to_owned(),
        (length, 0) => format!("{} queued", tracks(length)),
        (length, ms) => format!("{} queued, {}", tracks(length), Span(ms)),
    });
    format!("-# {}", facts.join(" · "))
}

fn up_next(view: &View) -> String {
    let mut lines = "**Up next**".to_owned();
    let mut shown = 0;
    for (place, track) in (1..=UP_NEXT_SHOWN).zip(&view.up_next) {
        let line = format!("\n`{place}.` {}", queue::line(track, Links::Short));
        if lines.len() + line.len() > UP_NEXT_TEXT {
            break;
        }
        lines.push_str(&line);
        shown = place;
    }
    let more = view.queue_length.saturating_sub(shown);
    if more > 0 {
        let _ = write!(lines, "\n-# and {more} more");
    }
    lines
}

fn buttons(view: &View) -> impl Iterator<Item = Vec<Button>> {
    let playing = view.playing.as_ref();
    let plays = Enabled::when(playing.is_some());
    let seeks = Enabled::when(playing.is_some_and(|playback| playback.track.seekable));
    let queued = Enabled::when(view.queue_length > 0);
    let (emoji, label, style) = match playing {
        Some(playback) if !playback.paused => ("⏸️", "Pause", ButtonStyle::Secondary),
        _ => ("▶️", "Play", ButtonStyle::Success),
    };
    let lit = |on: bool| {
        if on {
            ButtonStyle::Success
        } else {
            ButtonStyle::Secondary
        }
    };
    let (loop_emoji, loop_label) = match view.loop_mode {
        LoopMode::Off => ("🔁", "Loop"),
        LoopMode::Track => ("🔂", "Track"),
        LoopMode::Queue => ("🔁", "Queue"),
    };
    let grey = ButtonStyle::Secondary;
    [
        vec![
            button(ids::TOGGLE, emoji, label, style, plays),
            button(ids::BACK, "⏪", "−10 s", grey, seeks),
            button(ids::FORWARD, "⏩", "+10 s", grey, seeks),
            button(ids::SKIP, "⏭️", "Skip", grey, plays),
        ],
        vec![
            button(
                ids::VOLUME_DOWN,
                "🔉",
                "Vol −",
                grey,
                Enabled::when(view.volume > 0),
            ),
            button(
                ids::VOLUME_UP,
                "🔊",
                "Vol +",
                grey,
                Enabled::when(view.volume < VOLUME_MAX),
            ),
            button(
                ids::LOOP,
                loop_emoji,
                loop_label,
                lit(view.loop_mode != LoopMode::Off),
                Enabled::Yes,
            ),
            button(ids::STOP, "⏹️", "Stop", ButtonStyle::Danger, Enabled::Yes),
        ],
        vec![
            button(ids::SHUFFLE, "🔀", "Shuffle", grey, queued),
            button(ids::QUEUE, "📜", "Queue", grey, Enabled::Yes),
            button(ids::CLEAR, "🗑️", "Clear", grey, queued),
            button(
                ids::AUTOPLAY,
                "✨",
                "Autoplay",
                lit(view.autoplay),
                Enabled::Yes,
            ),
        ],
    ]
    .into_iter()
}

/// Text for a place where Discord reads no markup: bounded only.
fn bare(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect()
}

const BAR_CELLS: u64 = 18;
const UP_NEXT_SHOWN: u32 = 5;
const UP_NEXT_TEXT: usize = 1800;
const VOLUME_MAX: u16 = 200;

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{self, track, view};
    use super::*;

    #[test]
    fn a_playing_track_with_cover_and_queue() {
        let mut view = view();
        view.up_next = vec![track("Sky"), samples::live("Harbour radio")];
        view.queue_length = 7;
        view.queue_ms = 1_500_000;
        let message = now_playing(&view, samples::NOW_MS + 20_000);
        samples::validate(&message);
        insta::assert_snapshot!(samples::outline(&message), @r"
        ┌ #3DD6A3
        ### **[Sea \*song\*](https://music.example/sea)**
        by Low Tide · from the web
        -# asked for by <@3>
        (https://music.example/sea.png)
        ▶ `1:23` ━━━━━━●─────────── `3:35`
        -# <#50> · volume 80 % · loop off · 7 tracks queued, 25 min
        ────
        **Up next**
        `1.` **[Sky](https://music.example/sea)** · Low Tide · `3:35`
        `2.` **Harbour radio** · Low Tide · live
        -# and 5 more
        [Pause 2] [−10 s 2] [+10 s 2] [Skip 2]
        [Vol − 2] [Vol + 2] [Loop 2] [Stop 4]
        [Shuffle 2] [Queue 2] [Clear 2] [Autoplay 2]
        └
        ");
    }

    #[test]
    fn a_paused_track_does_not_go_on() {
        let mut view = view();
        let playback = view.playing.as_mut().expect("playing");
        playback.paused = true;
        playback.track.artwork_url = None;
        playback.track.requester = None;
        view.loop_mode = LoopMode::Track;
        let message = now_playing(&view, samples::NOW_MS + 20_000);
        samples::validate(&message);
        insta::assert_snapshot!(samples::outline(&message), @r"
        ┌ #F2B84B
        ### **[Sea \*song\*](https://music.example/sea)**
        by Low Tide · from the web
        ⏸ `1:03` ━━━━●───────────── `3:35`
        -# <#50> · volume 80 % · track repeats · queue empty
        [Play 3] [−10 s 2] [+10 s 2] [Skip 2]
        [Vol − 2] [Vol + 2] [Track 3] [Stop 4]
        (Shuffle) [Queue 2] (Clear) [Autoplay 2]
        └
        ");
    }

    #[test]
    fn a_live_stream_has_no_bar_and_cannot_be_wound() {
        let mut view = view();
        view.playing.as_mut().expect("playing").track = samples::live("Harbour radio");
        let message = now_playing(&view, samples::NOW_MS);
        samples::validate(&message);
        let outline = samples::outline(&message);
        assert!(outline.contains("🔴 **LIVE**"), "{outline}");
        let disabled: Vec<_> = samples::buttons(&message)
            .into_iter()
            .filter(|button| button.disabled)
            .filter_map(|button| button.custom_id)
            .collect();
        assert_eq!(
            disabled,
            [ids::BACK, ids::FORWARD, ids::SHUFFLE, ids::CLEAR]
        );
    }

    #[test]
    fn silence_invites() {
        let mut view = view();
        view.playing = None;
        let message = now_playing(&view, samples::NOW_MS);
        samples::validate(&message);
        insta::assert_snapshot!(samples::outline(&message), @r"
        ┌ #6B7280
        ### Nothing is playing
        Add something with `/play`; I am listening.
        -# <#50> · volume 80 % · loop off · queue empty
        (Play) (−10 s) (+10 s) (Skip)
        [Vol − 2] [Vol + 2] [Loop 2] [Stop 4]
        (Shuffle) [Queue 2] (Clear) [Autoplay 2]
        └
        ");
        samples::validate(&ended());
    }

    #[test]
    fn all_twelve_buttons_are_there_in_three_rows() {
        let ids: Vec<_> = samples::buttons(&now_playing(&view(), 0))
            .into_iter()
            .filter_map(|button| button.custom_id)
            .collect();
        assert_eq!(
            ids,
            [
                ids::TOGGLE,
                ids::BACK,
                ids::FORWARD,
                ids::SKIP,
                ids::VOLUME_DOWN,
                ids::VOLUME_UP,
                ids::LOOP,
                ids::STOP,
                ids::SHUFFLE,
                ids::QUEUE,
                ids::CLEAR,
                ids::AUTOPLAY
            ]
        );
        assert!(
            ids.iter().all(|id| ids::parse(id).is_some()),
            "each is understood when pressed"
        );
    }

    #[test]
    fn the_longest_texts_keep_discords_limits() {
        let mut view = view();
        view.playing.as_mut().expect("playing").track = samples::longest();
        view.up_next = (0..5).map(|_| samples::longest()).collect();
        view.queue_length = u32::MAX;
        view.queue_ms = u64::MAX;
        samples::validate(&now_playing(&view, u64::MAX));
    }

    #[test]
    fn the_knob_walks_from_end_to_end() {
        assert_eq!(bar(0, 100), "●─────────────────");
        assert_eq!(bar(50, 100), "━━━━━━━━●─────────");
        assert_eq!(bar(100, 100), "━━━━━━━━━━━━━━━━━●");
        assert_eq!(bar(500, 100), "━━━━━━━━━━━━━━━━━●");
        assert_eq!(bar(u64::MAX, u64::MAX), "━━━━━━━━━━━━━━━━━●");
        assert_eq!(bar(0, 0), "━━━━━━━━━━━━━━━━━●");
    }
}
