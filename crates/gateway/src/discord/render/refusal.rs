//! Why not, and what to do instead: one sentence or two for every refusal.

use backline_core::music::Refusal;

use super::text::{plain, tracks};
use crate::command::time::Clock;

/// Returns what a person is told.
pub fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotInVoice => "You are not in a voice channel. Join one, then ask me again.".into(),
        Refusal::OtherVoiceChannel => {
            "I am playing in another voice channel. Come over and join in, or wait until I am free.".into()
        }
        Refusal::BotNotInVoice => {
            "I am not in a voice channel. `/join` calls me to yours, and `/play` starts music there.".into()
        }
        Refusal::NothingPlaying => "Nothing is playing. Start something with `/play`.".into(),
        Refusal::AlreadyPaused => "The music is paused already. `/resume` lets it go on.".into(),
        Refusal::NotPaused => "The music is not paused, so there is nothing to resume.".into(),
        Refusal::QueueEmpty => "The queue is empty. Add something with `/play`.".into(),
        Refusal::NoSuchEntry { entry, length: 0 } => {
            format!("There is no entry {entry}: the queue is empty. Add something with `/play`.")
        }
        Refusal::NoSuchEntry { entry, length } => {
            format!("There is no entry {entry}: the queue has {}. `/queue` shows them all.", tracks(*length))
        }
        Refusal::BackwardsRange { from, to } => {
            format!("{from} to {to} runs backwards. Put the smaller number first: from {to} to {from}.")
        }
        Refusal::VolumeOutOfRange { percent } => {
            format!("{percent} % is out of range. The volume goes from 0 to 200 %.")
        }
        Refusal::NotSeekable => {
            "This one plays live or cannot be wound, so there is no other position to go to.".into()
        }
        Refusal::SeekBehindEnd { length_ms } => {
            format!("The track is only `{}` long. Choose a position before its end.", Clock(*length_ms))
        }
        Refusal::QueueFull { limit } => {
            format!("The queue is full: {} fit. Make room with `/remove` or `/clear`.", tracks(*limit))
        }
        Refusal::TooManyLookups => {
            "I am still looking up many other requests of this server. Please try again in a moment.".into()
        }
        Refusal::EmptyQuery => "What should I play? Give me a link, a file name or a few words to search for.".into(),
        Refusal::NothingFound { query } => format!(
            "I found nothing for “{}”. Check the spelling, try fewer words, or paste a link.",
            plain(query, QUERY_SHOWN)
        ),
        Refusal::LoadFailed { query, reason } => {
            let reason = plain(reason, REASON_SHOWN);
            let reason = reason.trim_end_matches('.');
            format!(
                "I could not load “{}”: {}. Try again, or try another link.",
                plain(query, QUERY_SHOWN),
                if reason.is_empty() { "the source did not say why" } else { reason }
            )
        }
        Refusal::NoNode => {
            "No audio server is free right now. The queue is safe; please try again in a minute.".into()
        }
        Refusal::VoiceFailed => {
            "I could not connect to the voice channel. Check that I may connect and speak there, then try again."
                .into()
        }
        Refusal::NotYet { feature } => {
            format!("“{}” is not here yet. It is on its way.", plain(feature, QUERY_SHOWN))
        }
        Refusal::Internal => "Something went wrong on my side. Please try again in a moment.".into(),
    }
}

const QUERY_SHOWN: usize = 120;
const REASON_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_sentence() {
        let all = [
            Refusal::NotInVoice,
            Refusal::OtherVoiceChannel,
            Refusal::BotNotInVoice,
            Refusal::NothingPlaying,
            Refusal::AlreadyPaused,
            Refusal::NotPaused,
            Refusal::QueueEmpty,
            Refusal::NoSuchEntry {
                entry: 9,
                length: 0,
            },
            Refusal::NoSuchEntry {
                entry: 9,
                length: 3,
            },
            Refusal::BackwardsRange { from: 5, to: 2 },
            Refusal::VolumeOutOfRange { percent: 300 },
            Refusal::NotSeekable,
            Refusal::SeekBehindEnd { length_ms: 83_000 },
            Refusal::QueueFull { limit: 10_000 },
            Refusal::TooManyLookups,
            Refusal::EmptyQuery,
            Refusal::NothingFound {
                query: "*sea* song".into(),
            },
            Refusal::LoadFailed {
                query: "https://example.org/a".into(),
                reason: "The file is damaged.".into(),
            },
            Refusal::LoadFailed {
                query: "a".into(),
                reason: String::new(),
            },
            Refusal::NoNode,
            Refusal::VoiceFailed,
            Refusal::NotYet {
                feature: "Autoplay".into(),
            },
            Refusal::Internal,
        ];
        let lines: Vec<_> = all.iter().map(refusal).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        You are not in a voice channel. Join one, then ask me again.
        I am playing in another voice channel. Come over and join in, or wait until I am free.
        I am not in a voice channel. `/join` calls me to yours, and `/play` starts music there.
        Nothing is playing. Start something with `/play`.
        The music is paused already. `/resume` lets it go on.
        The music is not paused, so there is nothing to resume.
        The queue is empty. Add something with `/play`.
        There is no entry 9: the queue is empty. Add something with `/play`.
        There is no entry 9: the queue has 3 tracks. `/queue` shows them all.
        5 to 2 runs backwards. Put the smaller number first: from 2 to 5.
        300 % is out of range. The volume goes from 0 to 200 %.
        This one plays live or cannot be wound, so there is no other position to go to.
        The track is only `1:23` long. Choose a position before its end.
        The queue is full: 10000 tracks fit. Make room with `/remove` or `/clear`.
        I am still looking up many other requests of this server. Please try again in a moment.
        What should I play? Give me a link, a file name or a few words to search for.
        I found nothing for “\*sea\* song”. Check the spelling, try fewer words, or paste a link.
        I could not load “https\://example.org/a”: The file is damaged. Try again, or try another link.
        I could not load “a”: the source did not say why. Try again, or try another link.
        No audio server is free right now. The queue is safe; please try again in a minute.
        I could not connect to the voice channel. Check that I may connect and speak there, then try again.
        “Autoplay” is not here yet. It is on its way.
        Something went wrong on my side. Please try again in a moment.
        ");
    }

    #[test]
    fn what_others_wrote_is_bounded() {
        let long = "x".repeat(5000);
        let shown = refusal(&Refusal::LoadFailed {
            query: long.clone(),
            reason: long,
        });
        assert!(shown.chars().count() < 500, "{}", shown.len());
    }
}
