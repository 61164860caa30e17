//! Music: what people ask for, what is decided, what they are told.

pub mod command;
pub mod outcome;
pub mod queue;
pub mod session;
pub mod track;
pub mod view;

pub use command::{Command, LoopMode, Placement};
pub use outcome::{Outcome, Refusal};
pub use session::{Effect, Input, Session, Settings, Snapshot};
pub use track::Track;
pub use view::{Playback, View};
