//! What people see on Discord: pure functions from outcomes and views to components.
//!
//! Every message is written in Components V2: a message cannot go back from it, and a private
//! queue list may turn into a plain refusal when its page is turned.

pub mod answer;
pub mod now_playing;
pub mod outcome;
pub mod parts;
pub mod queue;
pub mod refusal;
pub mod text;

pub use answer::answer;
pub use outcome::outcome;
