//! The commands as data: names, descriptions, options and their limits.
//!
//! Everything that registers, documents, parses or completes a command reads this table.

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandSpec {
    /// Its name, lower case, without the slash.
    pub name: &'static str,
    /// What it does, for people; at most 100 characters.
    pub description: &'static str,
    /// Its options, required ones first.
    pub options: &'static [OptionSpec],
    /// Whether it makes the bot join the asker's voice channel.
    pub joins: Joins,
}

/// Whether a command makes the bot join the asker's voice channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// It does; the asker must be in a channel that the bot may join and speak in.
    Yes,
    /// It does not.
    No,
}

/// One option of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, lower case.
    pub name: &'static str,
    /// What it means, for people; at most 100 characters.
    pub description: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it holds, and its limits.
    pub kind: OptionKind,
}

/// What an option holds, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Text of at most `max` characters; `complete` asks for suggestions while typing.
    Text {
        /// Most characters.
        max: u16,
        /// Whether suggestions are offered.
        complete: bool,
    },
    /// A whole number of `min..=max`.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of a few words: what people read, and what is sent.
    Choice(&'static [(&'static str, &'static str)]),
}

/// Returns the command of that name.
pub fn find(name: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.name == name)
}

/// All commands.
pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "play",
        description: "Play a link or a search; added to the end of the queue",
        options: &[QUERY],
        joins: Joins::Yes,
    },
    CommandSpec {
        name: "playnext",
        description: "Play a link or a search right after the current track",
        options: &[QUERY],
        joins: Joins::Yes,
    },
    CommandSpec {
        name: "playnow",
        description: "Play a link or a search at once, in place of the current track",
        options: &[QUERY],
        joins: Joins::Yes,
    },
    CommandSpec {
        name: "pause",
        description: "Pause the music",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "resume",
        description: "Go on after a pause",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "skip",
        description: "Go to the next track",
        options: &[OptionSpec {
            name: "count",
            description: "How many tracks to skip, the current one included; 1 if left out",
            required: false,
            kind: OptionKind::Integer {
                min: 1,
                max: ENTRY_MAX,
            },
        }],
        joins: Joins::No,
    },
    CommandSpec {
        name: "stop",
        description: "Stop, empty the queue and leave the voice channel",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "seek",
        description: "Go to a position in the current track",
        options: &[OptionSpec {
            name: "position",
            description: "Such as 1:23, 83, 1m23s, or +10 and -10 to go forward and back",
            required: true,
            kind: OptionKind::Text {
                max: 16,
                complete: false,
            },
        }],
        joins: Joins::No,
    },
    CommandSpec {
        name: "queue",
        description: "Show what plays next",
        options: &[OptionSpec {
            name: "page",
            description: "Which page; the first if left out",
            required: false,
            kind: OptionKind::Integer {
                min: 1,
                max: ENTRY_MAX,
            },
        }],
        joins: Joins::No,
    },
    CommandSpec {
        name: "nowplaying",
        description: "Bring the player with its buttons to the bottom of this channel",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "volume",
        description: "Show or set the volume",
        options: &[OptionSpec {
            name: "percent",
            description: "0 to 200, where 100 is the volume of the recording",
            required: false,
            kind: OptionKind::Integer { min: 0, max: 200 },
        }],
        joins: Joins::No,
    },
    CommandSpec {
        name: "loop",
        description: "Repeat the track or the queue, or stop repeating",
        options: &[OptionSpec {
            name: "mode",
            description: "What to repeat; the next mode if left out",
            required: false,
            kind: OptionKind::Choice(&[
                ("Off", "off"),
                ("This track", "track"),
                ("The queue", "queue"),
            ]),
        }],
        joins: Joins::No,
    },
    CommandSpec {
        name: "shuffle",
        description: "Shuffle the queue",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "remove",
        description: "Take one or more entries out of the queue",
        options: &[
            OptionSpec {
                name: "from",
                description: "The entry, as numbered by /queue",
                required: true,
                kind: OptionKind::Integer {
                    min: 1,
                    max: ENTRY_MAX,
                },
            },
            OptionSpec {
                name: "to",
                description: "The last entry, to take out several",
                required: false,
                kind: OptionKind::Integer {
                    min: 1,
                    max: ENTRY_MAX,
                },
            },
        ],
        joins: Joins::No,
    },
    CommandSpec {
        name: "move",
        description: "Move an entry of the queue to another place",
        options: &[
            OptionSpec {
                name: "from",
                description: "The entry, as numbered by /queue",
                required: true,
                kind: OptionKind::Integer {
                    min: 1,
                    max: ENTRY_MAX,
                },
            },
            OptionSpec {
                name: "to",
                description: "Its new place",
                required: true,
                kind: OptionKind::Integer {
                    min: 1,
                    max: ENTRY_MAX,
                },
            },
        ],
        joins: Joins::No,
    },
    CommandSpec {
        name: "clear",
        description: "Empty the queue; the current track plays on",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "join",
        description: "Call the bot to your voice channel",
        options: &[],
        joins: Joins::Yes,
    },
    CommandSpec {
        name: "leave",
        description: "Send the bot away; the queue is kept",
        options: &[],
        joins: Joins::No,
    },
    CommandSpec {
        name: "ping",
        description: "Ask whether the bot is well",
        options: &[],
        joins: Joins::No,
    },
];

/// Most characters of a query: longer than any link people paste, short enough for a bus message.
pub const QUERY_MAX: u16 = 1000;

/// The largest number of a queue entry: the largest queue that the configuration allows.
const ENTRY_MAX: i64 = 100_000;

const QUERY: OptionSpec = OptionSpec {
    name: "query",
    description: "A link, a file name or words to search for",
    required: true,
    kind: OptionKind::Text {
        max: QUERY_MAX,
        complete: true,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_keeps_the_limits_of_chat_platforms() {
        assert!(COMMANDS.len() <= 100, "at most 100 chat commands");
        for spec in COMMANDS {
            let name = spec.name;
            assert!(
                name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase()),
                "{name}"
            );
            assert!(
                (1..=100).contains(&spec.description.chars().count()),
                "{name}"
            );
            assert!(spec.options.len() <= 25, "{name}");
            assert!(
                spec.options.is_sorted_by_key(|option| !option.required),
                "{name}: required options come first"
            );
            for option in spec.options {
                assert!(
                    (1..=100).contains(&option.description.chars().count()),
                    "{name} {}",
                    option.name
                );
            }
        }
    }

    #[test]
    fn no_name_is_used_twice() {
        let mut names: Vec<_> = COMMANDS.iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COMMANDS.len());
    }
}
