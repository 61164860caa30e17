//! Tracks, views and a readable outline of components, for tests of rendering.

use std::fmt::Write as _;

use backline_core::music::{LoopMode, Playback, Track, View};
use twilight_model::channel::message::component::{Button, Component};

pub const NOW_MS: u64 = 1_700_000_000_000;

pub fn track(title: &str) -> Track {
    Track {
        encoded: "QAAA".into(),
        title: title.into(),
        author: "Low Tide".into(),
        length_ms: Some(215_000),
        seekable: true,
        uri: Some("https://music.example/sea".into()),
        artwork_url: Some("https://music.example/sea.png".into()),
        source: "http".into(),
        requester: Some("3".parse().expect("an id")),
    }
}

pub fn live(title: &str) -> Track {
    Track {
        length_ms: None,
        seekable: false,
        uri: None,
        artwork_url: None,
        ..track(title)
    }
}

/// A track whose texts are all as long and as hard to show as they come.
pub fn longest() -> Track {
    Track {
        title: "*_[`".repeat(500),
        author: "~|<@".repeat(500),
        uri: Some(format!("https://music.example/{}", "(x)".repeat(28))),
        artwork_url: Some(format!("https://music.example/{}", "y".repeat(900))),
        source: "s".repeat(300),
        ..track("")
    }
}

pub fn view() -> View {
    View {
        voice_channel: Some("50".parse().expect("an id")),
        playing: Some(Playback {
            track: track("Sea *song*"),
            position_ms: 63_000,
            at_ms: NOW_MS,
            paused: false,
        }),
        up_next: Vec::new(),
        queue_length: 0,
        queue_ms: 0,
        volume: 80,
        loop_mode: LoopMode::Off,
        autoplay: false,
        bring_to_front: false,
    }
}

/// Panics unless Discord would take the message: per component, in number, and in length.
pub fn validate(message: &[Component]) {
    twilight_validate::message::components(message, true).expect("valid components");
    let count = message.iter().map(count).sum::<usize>();
    assert!(count <= 40, "{count} components");
    let characters = outline(message).chars().count();
    assert!(characters <= 4000, "{characters} characters");
}

/// Counts all components, nested ones included.
fn count(component: &Component) -> usize {
    1 + match component {
        Component::Container(container) => container.components.iter().map(count).sum(),
        Component::ActionRow(row) => row.components.iter().map(count).sum(),
        Component::Section(section) => 1 + section.components.iter().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Returns all buttons, in order.
pub fn buttons(message: &[Component]) -> Vec<Button> {
    message
        .iter()
        .flat_map(|component| match component {
            Component::Container(container) => buttons(&container.components),
            Component::ActionRow(row) => buttons(&row.components),
            Component::Button(button) => vec![button.clone()],
            _ => Vec::new(),
        })
        .collect()
}

/// Returns a message as text that a reviewer can read.
pub fn outline(message: &[Component]) -> String {
    let mut out = String::new();
    for component in message {
        write(component, &mut out);
    }
    out
}

fn write(component: &Component, out: &mut String) {
    match component {
        Component::Container(container) => {
            let colour = container.accent_color.flatten().unwrap_or_default();
            let _ = writeln!(out, "┌ #{colour:06X}");
            container
                .components
                .iter()
                .for_each(|part| write(part, out));
            out.push('└');
        }
        Component::TextDisplay(text) => {
            out.push_str(&text.content);
            out.push('\n');
        }
        Component::Section(section) => {
            section.components.iter().for_each(|part| write(part, out));
            if let Component::Thumbnail(thumbnail) = section.accessory.as_ref() {
                let _ = writeln!(out, "({})", thumbnail.media.url);
            }
        }
        Component::Separator(_) => out.push_str("────\n"),
        Component::ActionRow(row) => {
            row.components.iter().for_each(|part| write(part, out));
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        Component::Button(button) => {
            let label = button.label.as_deref().unwrap_or_default();
            let style = u8::from(button.style);
            let _ = if button.disabled {
                write!(out, "({label}) ")
            } else {
                write!(out, "[{label} {style}] ")
            };
        }
        other => {
            let _ = writeln!(out, "{:?}", other.kind());
        }
    }
}
