//! A case: what is asked, and how it is judged.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use super::scene::Scene;

/// One thing that a server must do.
pub struct Case {
    /// Its line in the checklist and a name, such as `4.6.3-play-unpauses`.
    pub id: String,
    /// What is asked, as a sentence.
    pub asks: String,
    /// Whether it waits for a minute or longer.
    pub slow: bool,
    /// Asks and judges.
    pub(super) run: Run,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail {
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
    },
    /// Not asked.
    Skip {
        /// Why not.
        why: String,
    },
}

/// Why a case ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Fault { expected: String, got: String },
    Skip { why: String },
}

/// Ends a case: this server cannot be asked.
pub(super) fn skip<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skip { why: why.into() })
}

pub(super) type Outcome = Result<(), Stop>;
pub(super) type Run =
    Box<dyn FnOnce(Scene) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send>;

/// Cases while they are written down.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) cases: Vec<Case>,
}

impl Case {
    /// Returns the section of the checklist: `4.6` of `4.6.3-play-unpauses`.
    pub fn section(&self) -> &str {
        section(&self.id)
    }

    /// Whether its id is `prefix` or one below it: `4.6` has `4.6.3-…` below it, not `4.61-…`.
    pub(super) fn is_below(&self, prefix: &str) -> bool {
        self.id.strip_prefix(prefix).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['.', '-']) || prefix.contains('-')
        })
    }
}

/// Returns the section of an id: its first two numbers.
pub(super) fn section(id: &str) -> &str {
    let number = id.split('-').next().unwrap_or(id);
    let mut dots = number.match_indices('.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => &number[..second],
        _ => number,
    }
}

impl Book {
    /// Writes a case down.
    pub(super) fn case<F, R>(&mut self, id: impl Into<String>, asks: impl Into<String>, run: F)
    where
        F: FnOnce(Scene) -> R + Send + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        self.cases.push(Case {
            id: id.into(),
            asks: asks.into(),
            slow: false,
            run: Box::new(move |scene| Box::pin(run(scene))),
        });
    }

    /// Writes a case down that waits for a minute or longer.
    pub(super) fn slow_case<F, R>(&mut self, id: &str, asks: &str, run: F)
    where
        F: FnOnce(Scene) -> R + Send + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        self.case(id, asks, run);
        if let Some(case) = self.cases.last_mut() {
            case.slow = true;
        }
    }
}

/// Ends a case: it is not as it should be.
pub(super) fn fault<T>(expected: impl Into<String>, got: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fault {
        expected: expected.into(),
        got: got.into(),
    })
}

/// Ends a case unless `holds`.
pub(super) fn demand(holds: bool, expected: &str, got: impl Debug) -> Outcome {
    if holds {
        Ok(())
    } else {
        fault(expected, short(&format!("{got:?}")))
    }
}

/// Returns a text that fits a report.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

const LONGEST: usize = 400;

impl Debug for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("id", &self.id)
            .field("asks", &self.asks)
            .field("slow", &self.slow)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_means_a_line_and_what_is_below_it() {
        let mut book = Book::default();
        book.case("4.6.3-play-unpauses", "", |_| async { Ok(()) });
        let case = &book.cases[0];
        assert_eq!(case.section(), "4.6");
        for (prefix, expected) in [
            ("4", true),
            ("4.6", true),
            ("4.6.3", true),
            ("4.6.3-play", true),
            ("4.6.3-play-unpauses", true),
            ("4.61", false),
            ("5", false),
        ] {
            assert_eq!(case.is_below(prefix), expected, "{prefix}");
        }
    }
}
