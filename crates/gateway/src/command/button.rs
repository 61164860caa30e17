//! The buttons of the Now Playing message and of the queue list: their ids and what they ask for.

use backline_core::music::Command;

/// What a button asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pressed {
    /// A button of the Now Playing message.
    Player(Command),
    /// A button that turns the page of a private queue list; the list itself is replaced.
    Page(Command),
}

/// Returns what the button with this id asks for, or `None` for an id that we never made.
pub fn parse(id: &str) -> Option<Pressed> {
    if let Some(page) = id.strip_prefix(PAGE_PREFIX) {
        // `q:3:next`: the word after the page only keeps ids of one message apart.
        let page = page
            .split(':')
            .next()?
            .parse()
            .ok()
            .filter(|page| *page >= 1)?;
        return Some(Pressed::Page(Command::Queue { page }));
    }
    let command = match id {
        TOGGLE => Command::TogglePause,
        BACK => Command::SeekBy {
            by_ms: -SEEK_STEP_MS,
        },
        FORWARD => Command::SeekBy {
            by_ms: SEEK_STEP_MS,
        },
        SKIP => Command::Skip { count: 1 },
        VOLUME_UP => Command::VolumeBy {
            points: VOLUME_STEP,
        },
        VOLUME_DOWN => Command::VolumeBy {
            points: -VOLUME_STEP,
        },
        LOOP => Command::Loop { mode: None },
        STOP => Command::Stop,
        SHUFFLE => Command::Shuffle,
        QUEUE => Command::Queue { page: 1 },
        CLEAR => Command::Clear,
        AUTOPLAY => Command::Autoplay,
        _ => return None,
    };
    Some(Pressed::Player(command))
}

/// Returns the id of a button that turns to `page`.
pub fn page_id(page: u32, word: &str) -> String {
    format!("{PAGE_PREFIX}{page}:{word}")
}

/// Play or pause.
pub const TOGGLE: &str = "np:toggle";
/// Ten seconds back.
pub const BACK: &str = "np:back";
/// Ten seconds forward.
pub const FORWARD: &str = "np:forward";
/// Next track.
pub const SKIP: &str = "np:skip";
/// Louder.
pub const VOLUME_UP: &str = "np:vol_up";
/// Quieter.
pub const VOLUME_DOWN: &str = "np:vol_down";
/// Next loop mode.
pub const LOOP: &str = "np:loop";
/// Stop and leave.
pub const STOP: &str = "np:stop";
/// Shuffle the queue.
pub const SHUFFLE: &str = "np:shuffle";
/// Show the queue.
pub const QUEUE: &str = "np:queue";
/// Empty the queue.
pub const CLEAR: &str = "np:clear";
/// Toggle autoplay.
pub const AUTOPLAY: &str = "np:autoplay";

const PAGE_PREFIX: &str = "q:";
const SEEK_STEP_MS: i64 = 10_000;
const VOLUME_STEP: i16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_commands() {
        let rows: &[(&str, Option<Pressed>)] = &[
            (TOGGLE, Some(Pressed::Player(Command::TogglePause))),
            (
                BACK,
                Some(Pressed::Player(Command::SeekBy { by_ms: -10_000 })),
            ),
            (
                FORWARD,
                Some(Pressed::Player(Command::SeekBy { by_ms: 10_000 })),
            ),
            (
                VOLUME_DOWN,
                Some(Pressed::Player(Command::VolumeBy { points: -10 })),
            ),
            (AUTOPLAY, Some(Pressed::Player(Command::Autoplay))),
            ("q:3:next", Some(Pressed::Page(Command::Queue { page: 3 }))),
            ("q:1", Some(Pressed::Page(Command::Queue { page: 1 }))),
            ("q:0:next", None),
            ("q:x", None),
            ("q:99999999999", None),
            ("np:unknown", None),
            ("", None),
        ];
        for (id, expected) in rows {
            assert_eq!(parse(id), *expected, "{id:?}");
        }
    }

    #[test]
    fn a_page_id_is_read_back() {
        assert_eq!(
            parse(&page_id(7, "back")),
            Some(Pressed::Page(Command::Queue { page: 7 }))
        );
    }
}
