//! What became of a command, for the one who asked.

use backline_core::music::{LoopMode, Outcome, Placement};
use twilight_model::channel::message::component::Component;

use super::parts::{Accent, container, text};
use super::queue;
use super::refusal::refusal;
use super::text::{Links, title, tracks};
use crate::command::time::Clock;

/// Returns the message.
pub fn outcome(outcome: &Outcome) -> Vec<Component> {
    match outcome {
        Outcome::Refused { refusal: why } => {
            vec![container(Accent::Waiting, vec![text(refusal(why))])]
        }
        Outcome::Queue {
            playing,
            entries,
            first,
            page,
            pages,
            length,
            total_ms,
        } => {
            let list = queue::Page {
                playing: playing.as_ref(),
                entries,
                first: *first,
                number: *page,
                pages: *pages,
                length: *length,
                total_ms: *total_ms,
            };
            list.render()
        }
        other => vec![text(sentence(other))],
    }
}

/// Returns whether a pressed button wants to be told this: what the Now Playing message does not
/// show by itself.
pub fn is_told_after_button(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { .. } | Outcome::Queue { .. })
}

fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Added {
            track,
            count,
            position,
            placement,
        } => {
            let title = title(track, TITLE_SHOWN, Links::Long);
            match (position, count, placement) {
                (0, 0 | 1, _) => format!("Playing {title} now."),
                (0, many, _) => format!("Playing {title} now, with {} more to follow.", many - 1),
                (_, 0 | 1, Placement::Next) => format!("{title} plays next."),
                (_, 0 | 1, _) => format!("Added {title} to the queue, at place {position}."),
                (_, many, Placement::Next) => {
                    format!("{} play next, {title} first.", tracks(*many))
                }
                (_, many, _) => {
                    format!(
                        "Added {} to the queue from place {position} on, {title} first.",
                        tracks(*many)
                    )
                }
            }
        }
        Outcome::Paused => "Paused. `/resume` lets it go on.".into(),
        Outcome::Resumed => "And on it goes.".into(),
        Outcome::Skipped { count, next } => {
            let skipped = if *count <= 1 {
                "Skipped.".to_owned()
            } else {
                format!("Skipped {}.", tracks(*count))
            };
            match next {
                Some(track) => format!(
                    "{skipped} Now playing {}.",
                    title(track, TITLE_SHOWN, Links::Long)
                ),
                None => format!("{skipped} That was the end of the queue; add more with `/play`."),
            }
        }
        Outcome::Stopped { cleared: 0 } => "Stopped. See you next time!".into(),
        Outcome::Stopped { cleared } => {
            format!(
                "Stopped, and took {} out of the queue. See you next time!",
                tracks(*cleared)
            )
        }
        Outcome::Sought { to_ms } => format!("Now at `{}`.", Clock(*to_ms)),
        Outcome::Queue { length, .. } => format!("{} in the queue.", tracks(*length)),
        Outcome::NowPlaying => "Here it comes, at the bottom of the channel.".into(),
        Outcome::Volume { percent } => format!("The volume is {percent} %."),
        Outcome::Loop { mode } => match mode {
            LoopMode::Off => "Nothing repeats any more.".into(),
            LoopMode::Track => "This track repeats now.".into(),
            LoopMode::Queue => "The queue repeats now.".into(),
        },
        Outcome::Shuffled { count } => format!("Shuffled {}.", tracks(*count)),
        Outcome::Removed { track, count } => {
            let title = title(track, TITLE_SHOWN, Links::Long);
            if *count <= 1 {
                format!("Removed {title} from the queue.")
            } else {
                format!("Removed {} from the queue, {title} first.", tracks(*count))
            }
        }
        Outcome::Moved { track, to } => {
            format!(
                "{} is at place {to} now.",
                title(track, TITLE_SHOWN, Links::Long)
            )
        }
        Outcome::Cleared { count } => format!("Took {} out of the queue.", tracks(*count)),
        Outcome::Joined => {
            "Here I am! `/play` adds music; what was kept in the queue plays on.".into()
        }
        Outcome::Left => {
            "Left the voice channel. The queue is kept: `/join` brings me back.".into()
        }
        Outcome::Refused { refusal: why } => refusal(why),
    }
}

const TITLE_SHOWN: usize = 150;

#[cfg(test)]
mod tests {
    use super::super::now_playing::samples::track;
    use super::*;

    #[test]
    fn every_outcome_has_its_sentence() {
        let added = |count, position, placement| Outcome::Added {
            track: track("Sea [live]"),
            count,
            position,
            placement,
        };
        let all = [
            added(1, 0, Placement::Last),
            added(12, 0, Placement::Last),
            added(1, 3, Placement::Last),
            added(1, 1, Placement::Next),
            added(4, 1, Placement::Next),
            added(12, 3, Placement::Last),
            Outcome::Paused,
            Outcome::Resumed,
            Outcome::Skipped {
                count: 1,
                next: Some(track("Sky")),
            },
            Outcome::Skipped {
                count: 3,
                next: None,
            },
            Outcome::Stopped { cleared: 0 },
            Outcome::Stopped { cleared: 1 },
            Outcome::Sought { to_ms: 83_000 },
            Outcome::NowPlaying,
            Outcome::Volume { percent: 80 },
            Outcome::Loop {
                mode: LoopMode::Off,
            },
            Outcome::Loop {
                mode: LoopMode::Track,
            },
            Outcome::Loop {
                mode: LoopMode::Queue,
            },
            Outcome::Shuffled { count: 7 },
            Outcome::Removed {
                track: track("Sky"),
                count: 1,
            },
            Outcome::Removed {
                track: track("Sky"),
                count: 3,
            },
            Outcome::Moved {
                track: track("Sky"),
                to: 2,
            },
            Outcome::Cleared { count: 5 },
            Outcome::Joined,
            Outcome::Left,
        ];
        let lines: Vec<_> = all.iter().map(sentence).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        Playing **[Sea \[live\]](https://music.example/sea)** now.
        Playing **[Sea \[live\]](https://music.example/sea)** now, with 11 more to follow.
        Added **[Sea \[live\]](https://music.example/sea)** to the queue, at place 3.
        **[Sea \[live\]](https://music.example/sea)** plays next.
        4 tracks play next, **[Sea \[live\]](https://music.example/sea)** first.
        Added 12 tracks to the queue from place 3 on, **[Sea \[live\]](https://music.example/sea)** first.
        Paused. `/resume` lets it go on.
        And on it goes.
        Skipped. Now playing **[Sky](https://music.example/sea)**.
        Skipped 3 tracks. That was the end of the queue; add more with `/play`.
        Stopped. See you next time!
        Stopped, and took 1 track out of the queue. See you next time!
        Now at `1:23`.
        Here it comes, at the bottom of the channel.
        The volume is 80 %.
        Nothing repeats any more.
        This track repeats now.
        The queue repeats now.
        Shuffled 7 tracks.
        Removed **[Sky](https://music.example/sea)** from the queue.
        Removed 3 tracks from the queue, **[Sky](https://music.example/sea)** first.
        **[Sky](https://music.example/sea)** is at place 2 now.
        Took 5 tracks out of the queue.
        Here I am! `/play` adds music; what was kept in the queue plays on.
        Left the voice channel. The queue is kept: `/join` brings me back.
        ");
    }
}
