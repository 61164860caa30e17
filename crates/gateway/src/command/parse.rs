//! From named arguments to a command, or to one clear reason why not.

use backline_core::music::{Command, LoopMode, Placement};

use super::table::{self, CommandSpec, OptionKind, OptionSpec};
use super::time::{self, Seek};

/// One named argument, as a platform delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The option's name.
    pub name: String,
    /// What was given.
    pub value: Value,
}

/// What was given for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Something no command takes.
    Other,
}

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Something of the guild's music session.
    Music(Command),
    /// Whether the bot is well.
    Ping,
}

/// Why what was typed is no command. The text for people is chosen by the role's renderer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// There is no such command.
    #[error("there is no such command")]
    UnknownCommand,
    /// A required option was left out.
    #[error("option `{option}` is missing")]
    Missing {
        /// Which.
        option: &'static str,
    },
    /// An option holds something else than it should.
    #[error("option `{option}` holds the wrong type")]
    WrongType {
        /// Which.
        option: &'static str,
    },
    /// A number is out of range.
    #[error("option `{option}` is outside {min}..={max}")]
    OutOfRange {
        /// Which.
        option: &'static str,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A text is too long.
    #[error("option `{option}` is longer than {max} characters")]
    TooLong {
        /// Which.
        option: &'static str,
        /// Most characters.
        max: u16,
    },
    /// A word is none of the choices.
    #[error("option `{option}` is none of its choices")]
    NotAChoice {
        /// Which.
        option: &'static str,
    },
    /// A text is no position.
    #[error("not a position")]
    NotAPosition,
}

/// Reads a command.
pub fn parse(name: &str, arguments: &[Argument]) -> Result<Request, InputError> {
    let spec = table::find(name).ok_or(InputError::UnknownCommand)?;
    let given = Given::check(spec, arguments)?;
    let command = match spec.name {
        "play" => play(&given, Placement::Last),
        "playnext" => play(&given, Placement::Next),
        "playnow" => play(&given, Placement::Now),
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "skip" => Command::Skip {
            count: given.number("count").unwrap_or(1),
        },
        "stop" => Command::Stop,
        "seek" => match time::parse(given.text("position").unwrap_or_default()) {
            Some(Seek::To(to_ms)) => Command::Seek { to_ms },
            Some(Seek::By(by_ms)) => Command::SeekBy { by_ms },
            None => return Err(InputError::NotAPosition),
        },
        "queue" => Command::Queue {
            page: given.number("page").unwrap_or(1),
        },
        "nowplaying" => Command::NowPlaying,
        "volume" => Command::Volume {
            percent: given.number("percent"),
        },
        "loop" => Command::Loop {
            mode: given.text("mode").map(|word| match word {
                "track" => LoopMode::Track,
                "queue" => LoopMode::Queue,
                _ => LoopMode::Off,
            }),
        },
        "shuffle" => Command::Shuffle,
        "remove" => {
            let from = given.number("from").unwrap_or(1);
            Command::Remove {
                from,
                to: given.number("to").unwrap_or(from),
            }
        }
        "move" => Command::Move {
            from: given.number("from").unwrap_or(1),
            to: given.number("to").unwrap_or(1),
        },
        "clear" => Command::Clear,
        "join" => Command::Join,
        "leave" => Command::Leave,
        "ping" => return Ok(Request::Ping),
        _ => return Err(InputError::UnknownCommand),
    };
    Ok(Request::Music(command))
}

fn play(given: &Given<'_>, placement: Placement) -> Command {
    // An empty query goes through: the session refuses it with its own words.
    Command::Play {
        query: given.text("query").unwrap_or_default().trim().to_owned(),
        placement,
    }
}

/// Arguments that keep the limits of their options.
struct Given<'a>(Vec<(&'static str, &'a Value)>);

impl<'a> Given<'a> {
    fn check(spec: &'static CommandSpec, arguments: &'a [Argument]) -> Result<Self, InputError> {
        let mut given = Vec::with_capacity(spec.options.len());
        for option in spec.options {
            match arguments
                .iter()
                .find(|argument| argument.name == option.name)
            {
                Some(argument) => {
                    check(option, &argument.value)?;
                    given.push((option.name, &argument.value));
                }
                None if option.required => {
                    return Err(InputError::Missing {
                        option: option.name,
                    });
                }
                None => {}
            }
        }
        Ok(Self(given))
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0
            .iter()
            .find(|(option, _)| *option == name)
            .map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Integer(_) | Value::Other => None,
        }
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        match self.value(name)? {
            Value::Integer(number) => T::try_from(*number).ok(),
            Value::Text(_) | Value::Other => None,
        }
    }
}

fn check(option: &'static OptionSpec, value: &Value) -> Result<(), InputError> {
    let option_name = option.name;
    match (option.kind, value) {
        (OptionKind::Text { max, .. }, Value::Text(text)) => {
            if text.chars().count() > usize::from(max) {
                return Err(InputError::TooLong {
                    option: option_name,
                    max,
                });
            }
        }
        (OptionKind::Integer { min, max }, Value::Integer(number)) => {
            if !(min..=max).contains(number) {
                return Err(InputError::OutOfRange {
                    option: option_name,
                    min,
                    max,
                });
            }
        }
        (OptionKind::Choice(choices), Value::Text(text)) => {
            if !choices.iter().any(|(_, word)| word == text) {
                return Err(InputError::NotAChoice {
                    option: option_name,
                });
            }
        }
        _ => {
            return Err(InputError::WrongType {
                option: option_name,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: &str) -> Argument {
        Argument {
            name: name.into(),
            value: Value::Text(value.into()),
        }
    }

    fn integer(name: &str, value: i64) -> Argument {
        Argument {
            name: name.into(),
            value: Value::Integer(value),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what `parse` returns")]
    fn music(command: Command) -> Result<Request, InputError> {
        Ok(Request::Music(command))
    }

    #[test]
    fn every_command_of_the_table_is_understood() {
        for spec in table::COMMANDS {
            let arguments: Vec<_> = spec
                .options
                .iter()
                .map(|option| match option.kind {
                    OptionKind::Text { .. } => text(option.name, "1:23"),
                    OptionKind::Integer { max, .. } => integer(option.name, max),
                    OptionKind::Choice(choices) => text(option.name, choices[0].1),
                })
                .collect();
            assert!(
                parse(spec.name, &arguments).is_ok(),
                "/{} with all options",
                spec.name
            );
            let required: Vec<_> = spec
                .options
                .iter()
                .zip(&arguments)
                .filter(|(option, _)| option.required)
                .map(|(_, argument)| argument.clone())
                .collect();
            assert!(
                parse(spec.name, &required).is_ok(),
                "/{} with required options",
                spec.name
            );
        }
    }

    #[test]
    fn arguments_become_commands() {
        let rows = [
            (
                "play",
                vec![text("query", "  sea song ")],
                music(Command::Play {
                    query: "sea song".into(),
                    placement: Placement::Last,
                }),
            ),
            (
                "playnext",
                vec![text("query", "a")],
                music(Command::Play {
                    query: "a".into(),
                    placement: Placement::Next,
                }),
            ),
            (
                "playnow",
                vec![text("query", "a")],
                music(Command::Play {
                    query: "a".into(),
                    placement: Placement::Now,
                }),
            ),
            ("skip", vec![], music(Command::Skip { count: 1 })),
            (
                "skip",
                vec![integer("count", 3)],
                music(Command::Skip { count: 3 }),
            ),
            (
                "seek",
                vec![text("position", "1:23")],
                music(Command::Seek { to_ms: 83_000 }),
            ),
            (
                "seek",
                vec![text("position", "-10")],
                music(Command::SeekBy { by_ms: -10_000 }),
            ),
            ("queue", vec![], music(Command::Queue { page: 1 })),
            ("volume", vec![], music(Command::Volume { percent: None })),
            (
                "volume",
                vec![integer("percent", 0)],
                music(Command::Volume { percent: Some(0) }),
            ),
            ("loop", vec![], music(Command::Loop { mode: None })),
            (
                "loop",
                vec![text("mode", "queue")],
                music(Command::Loop {
                    mode: Some(LoopMode::Queue),
                }),
            ),
            (
                "loop",
                vec![text("mode", "off")],
                music(Command::Loop {
                    mode: Some(LoopMode::Off),
                }),
            ),
            (
                "remove",
                vec![integer("from", 4)],
                music(Command::Remove { from: 4, to: 4 }),
            ),
            (
                "remove",
                vec![integer("from", 4), integer("to", 9)],
                music(Command::Remove { from: 4, to: 9 }),
            ),
            (
                "move",
                vec![integer("to", 1), integer("from", 5)],
                music(Command::Move { from: 5, to: 1 }),
            ),
            ("ping", vec![], Ok(Request::Ping)),
        ];
        for (name, arguments, expected) in rows {
            assert_eq!(parse(name, &arguments), expected, "/{name} {arguments:?}");
        }
    }

    #[test]
    fn wrong_input_is_named() {
        let rows = [
            ("sing", vec![], InputError::UnknownCommand),
            ("play", vec![], InputError::Missing { option: "query" }),
            (
                "play",
                vec![integer("query", 3)],
                InputError::WrongType { option: "query" },
            ),
            (
                "play",
                vec![text("query", &"x".repeat(1001))],
                InputError::TooLong {
                    option: "query",
                    max: 1000,
                },
            ),
            (
                "volume",
                vec![integer("percent", 201)],
                InputError::OutOfRange {
                    option: "percent",
                    min: 0,
                    max: 200,
                },
            ),
            (
                "volume",
                vec![integer("percent", -1)],
                InputError::OutOfRange {
                    option: "percent",
                    min: 0,
                    max: 200,
                },
            ),
            (
                "loop",
                vec![text("mode", "forever")],
                InputError::NotAChoice { option: "mode" },
            ),
            (
                "seek",
                vec![text("position", "soon")],
                InputError::NotAPosition,
            ),
            (
                "seek",
                vec![Argument {
                    name: "position".into(),
                    value: Value::Other,
                }],
                InputError::WrongType { option: "position" },
            ),
        ];
        for (name, arguments, expected) in rows {
            assert_eq!(
                parse(name, &arguments),
                Err(expected),
                "/{name} {arguments:?}"
            );
        }
    }
}
