//! What is answered at once, without asking the session.

use twilight_model::channel::message::component::Component;

use super::super::cache::guild::Obstacle;
use super::super::interaction::Answer;
use super::parts::{Accent, container, text};
use super::refusal::refusal;
use crate::command::InputError;

/// Returns the message.
pub fn answer(answer: &Answer) -> Vec<Component> {
    vec![container(Accent::Waiting, vec![text(sentence(answer))])]
}

/// Returns the message about how the bot is.
pub fn ping(gateway_ms: Option<u128>) -> Vec<Component> {
    let line = match gateway_ms {
        Some(ms) => format!("Pong! I am well. Discord's gateway answers in {ms} ms."),
        None => "Pong! I am well.".to_owned(),
    };
    vec![text(line)]
}

fn sentence(answer: &Answer) -> String {
    match answer {
        Answer::NotInGuild => {
            "I make music in servers. Join a voice channel of a server I am in, and ask me there."
                .into()
        }
        Answer::Input { command, error } => input(command, error),
        Answer::Refused(why) => refusal(why),
        Answer::Obstacle { channel, obstacle } => match obstacle {
            Obstacle::View => {
                "I cannot see your voice channel. Ask a moderator to give me “View Channel” there."
                    .into()
            }
            Obstacle::Connect => {
                format!("I may not join <#{channel}>. Ask a moderator to give me “Connect” there.")
            }
            Obstacle::Speak => {
                format!(
                    "I may not speak in <#{channel}>. Ask a moderator to give me “Speak” there."
                )
            }
            Obstacle::Full => {
                format!("<#{channel}> is full. Ask somebody to make room, or use another channel.")
            }
        },
        Answer::CannotWrite { channel } => format!(
            "I may not write in <#{channel}>. Ask a moderator to give me “View Channel” and “Send Messages” \
             here, or use another channel."
        ),
        Answer::UnknownButton => {
            "This button is from an older version of me. `/nowplaying` brings a fresh player."
                .into()
        }
    }
}

fn input(command: &str, error: &InputError) -> String {
    match error {
        InputError::UnknownCommand => "I do not know this command. Type `/` to see the ones I know.".into(),
        InputError::Missing { option } => format!("`/{command}` needs `{option}`. Type it again with that filled in."),
        InputError::WrongType { option } => format!("I could not read `{option}`. Type `/{command}` again."),
        InputError::OutOfRange { option, min, max } => {
            format!("`{option}` must be between {min} and {max}.")
        }
        InputError::TooLong { option, max } => format!("`{option}` is too long: {max} characters at most."),
        InputError::NotAChoice { option } => format!("Choose one of the suggestions for `{option}`."),
        InputError::NotAPosition => {
            "I could not read that position. Write it like `1:23`, `83` or `1m23s`, or go forward and back with \
             `+10` and `-10`."
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_immediate_answer_has_its_sentence() {
        let channel = "50".parse().expect("an id");
        let input = |error| Answer::Input {
            command: "seek".into(),
            error,
        };
        let all = [
            Answer::NotInGuild,
            input(InputError::UnknownCommand),
            input(InputError::Missing { option: "position" }),
            input(InputError::WrongType { option: "position" }),
            input(InputError::OutOfRange {
                option: "percent",
                min: 0,
                max: 200,
            }),
            input(InputError::TooLong {
                option: "query",
                max: 1000,
            }),
            input(InputError::NotAChoice { option: "mode" }),
            input(InputError::NotAPosition),
            Answer::Refused(backline_core::music::Refusal::NotInVoice),
            Answer::Obstacle {
                channel,
                obstacle: Obstacle::View,
            },
            Answer::Obstacle {
                channel,
                obstacle: Obstacle::Connect,
            },
            Answer::Obstacle {
                channel,
                obstacle: Obstacle::Speak,
            },
            Answer::Obstacle {
                channel,
                obstacle: Obstacle::Full,
            },
            Answer::CannotWrite { channel },
            Answer::UnknownButton,
        ];
        let lines: Vec<_> = all.iter().map(sentence).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        I make music in servers. Join a voice channel of a server I am in, and ask me there.
        I do not know this command. Type `/` to see the ones I know.
        `/seek` needs `position`. Type it again with that filled in.
        I could not read `position`. Type `/seek` again.
        `percent` must be between 0 and 200.
        `query` is too long: 1000 characters at most.
        Choose one of the suggestions for `mode`.
        I could not read that position. Write it like `1:23`, `83` or `1m23s`, or go forward and back with `+10` and `-10`.
        You are not in a voice channel. Join one, then ask me again.
        I cannot see your voice channel. Ask a moderator to give me “View Channel” there.
        I may not join <#50>. Ask a moderator to give me “Connect” there.
        I may not speak in <#50>. Ask a moderator to give me “Speak” there.
        <#50> is full. Ask somebody to make room, or use another channel.
        I may not write in <#50>. Ask a moderator to give me “View Channel” and “Send Messages” here, or use another channel.
        This button is from an older version of me. `/nowplaying` brings a fresh player.
        ");
    }
}
