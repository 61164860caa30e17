//! All cases, by section of the checklist.

mod encoded;
mod errors;
mod events;
mod filters;
mod info;
mod load;
mod objects;
mod patch;
mod play;
mod refused;
mod resume;
mod sessions;
mod stats;
mod transport;
mod voice;

use super::case::{Book, Case};

/// Returns all cases, in the order of the checklist.
pub(super) fn all() -> Vec<Case> {
    let mut book = Book::default();
    transport::write(&mut book);
    objects::write(&mut book);
    errors::write(&mut book);
    load::write(&mut book);
    sessions::write(&mut book);
    refused::write(&mut book);
    patch::write(&mut book);
    play::write(&mut book);
    info::write(&mut book);
    events::write(&mut book);
    resume::write(&mut book);
    voice::write(&mut book);
    filters::write(&mut book);
    encoded::write(&mut book);
    stats::write(&mut book);
    book.cases
}

/// The golden vector of Lavalink's documents: a YouTube track of version 2.
const RICK: &str = "QAAAjQIAJVJpY2sgQXN0bGV5IC0gTmV2ZXIgR29ubmEgR2l2ZSBZb3UgVXAADlJpY2tBc3RsZXlWRVZPAAAAAAADPCAAC2RRdzR3OVdnWGNRAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9ZFF3NHc5V2dYY1EAB3lvdXR1YmUAAAAAAAAAAA==";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn there_are_enough_cases_and_no_id_stands_twice() {
        let cases = super::all();
        let ids: HashSet<_> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids.len(), cases.len());
        assert!(cases.len() >= 250, "only {}", cases.len());
        for case in &cases {
            assert!(
                case.id.starts_with(|first: char| first.is_ascii_digit()),
                "{}",
                case.id
            );
            assert!(
                case.id.contains('-') && !case.asks.is_empty(),
                "{}",
                case.id
            );
        }
    }
}
