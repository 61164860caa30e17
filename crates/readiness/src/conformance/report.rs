//! What came of a run, as text, JSON or a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::case::{Verdict, section};

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// How the server introduces itself.
    pub server: String,
    /// How long the run took.
    pub seconds: f64,
    /// All cases, in the order of the checklist.
    pub cases: Vec<Judged>,
}

/// What came of one case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    /// Its line in the checklist and a name.
    pub id: String,
    /// What was asked.
    pub asks: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Where an answer was accepted that is not the reference server's.
    pub notes: Vec<String>,
    /// How long it took.
    pub milliseconds: u64,
}

impl Report {
    /// Returns how many cases passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Verdict) -> bool| {
            self.cases
                .iter()
                .filter(|case| wanted(&case.verdict))
                .count()
        };
        (
            count(|verdict| matches!(verdict, Verdict::Pass)),
            count(|verdict| matches!(verdict, Verdict::Fail { .. })),
            count(|verdict| matches!(verdict, Verdict::Skip { .. })),
        )
    }

    /// Returns the report for a person: what failed first, then a line for each section.
    pub fn text(&self) -> String {
        let mut text = format!("server  {}\n\n", self.server);
        for case in &self.cases {
            if let Verdict::Fail { expected, got } = &case.verdict {
                let _infallible = write!(
                    text,
                    "FAIL {}\n     asked     {}\n     expected  {expected}\n     got       {got}\n",
                    case.id, case.asks,
                );
            }
        }
        for case in &self.cases {
            for note in &case.notes {
                let _infallible = writeln!(text, "note {}: {note}", case.id);
            }
            if let Verdict::Skip { why } = &case.verdict {
                let _infallible = writeln!(text, "skip {}: {why}", case.id);
            }
        }
        let mut sections: BTreeMap<(u32, u32), (usize, usize)> = BTreeMap::new();
        for case in &self.cases {
            let passed = usize::from(case.verdict == Verdict::Pass);
            let counted = sections.entry(order(&case.id)).or_default();
            *counted = (counted.0 + passed, counted.1 + 1);
        }
        text.push('\n');
        for ((major, minor), (passed, all)) in sections {
            let _infallible =
                writeln!(text, "{:>6}  {passed} of {all}", format!("{major}.{minor}"));
        }
        let (passed, failed, skipped) = self.counts();
        let _infallible = writeln!(
            text,
            "\n{passed} passed, {failed} failed, {skipped} skipped in {:.1} s",
            self.seconds
        );
        text
    }

    /// Returns the report as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has text keys and finite numbers")
    }
}

/// Returns reports side by side as a table in Markdown, one column for each.
pub fn table(reports: &[(String, Report)]) -> String {
    let mut text = String::from("| case | what is asked |");
    for (name, _) in reports {
        let _infallible = write!(text, " {} |", cell(name));
    }
    text.push_str("\n|---|---|");
    for _ in reports {
        text.push_str("---|");
    }
    text.push('\n');
    let all = reports.first().map(|(_, report)| report.cases.as_slice());
    for case in all.unwrap_or_default() {
        let _infallible = write!(text, "| `{}` | {} |", case.id, cell(&case.asks));
        for (_, report) in reports {
            let found = report.cases.iter().find(|other| other.id == case.id);
            let shown = found.map_or_else(
                || "not asked".to_owned(),
                |case| {
                    let mut shown = match &case.verdict {
                        Verdict::Pass => "✓".to_owned(),
                        Verdict::Fail { got, .. } => format!("✗ {}", cell(got)),
                        Verdict::Skip { .. } => "–".to_owned(),
                    };
                    for note in &case.notes {
                        let _infallible = write!(shown, " ({})", cell(note));
                    }
                    shown
                },
            );
            let _infallible = write!(text, " {shown} |");
        }
        text.push('\n');
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Returns the place of a section in the checklist.
fn order(id: &str) -> (u32, u32) {
    let mut numbers = section(id)
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict) -> Report {
        Report {
            server: "4.1.1".into(),
            seconds: 1.0,
            cases: vec![Judged {
                id: "4.6.3-play".into(),
                asks: "a | b".into(),
                verdict,
                notes: vec!["400 instead of 500".into()],
                milliseconds: 5,
            }],
        }
    }

    #[test]
    fn a_table_has_a_column_for_each_server() {
        let failed = Verdict::Fail {
            expected: "x".into(),
            got: "y".into(),
        };
        let reports = [
            ("one".to_owned(), report(Verdict::Pass)),
            ("two".to_owned(), report(failed)),
        ];
        let table = table(&reports);
        let row = table.lines().last().expect("a row");
        assert_eq!(
            row,
            "| `4.6.3-play` | a \\| b | ✓ (400 instead of 500) | ✗ y (400 instead of 500) |"
        );
        assert_eq!(reports[1].1.counts(), (0, 1, 0));
        assert!(reports[1].1.text().contains("FAIL 4.6.3-play"));
    }
}
