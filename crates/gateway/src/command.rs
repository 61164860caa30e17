//! What people can type or press, apart from any platform: the table of commands, the parser
//! from named arguments to [`backline_core::music::Command`], and the buttons.
//!
//! A platform shell turns its own payload into [`Argument`]s and calls [`parse()`].

pub mod button;
pub mod parse;
pub mod table;
pub mod time;

pub use parse::{Argument, InputError, Request, Value, parse};
pub use table::{COMMANDS, CommandSpec, OptionKind, OptionSpec};
