//! Music: what people ask for, what is decided, what they are told.

pub mod command;
pub mod outcome;
pub mod track;
pub mod view;

pub use command::{Command, LoopMode, Placement};
pub use outcome::{Outcome, Refusal};
pub use track::Track;
pub use view::{Playback, View};
