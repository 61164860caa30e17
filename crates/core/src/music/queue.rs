//! What plays next, in order.

use std::collections::VecDeque;

use super::{Refusal, Track};

/// Tracks that wait, at most `limit` of them. Places are 1-based, as people count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    tracks: VecDeque<Track>,
    limit: usize,
}

impl Queue {
    /// Returns an empty queue for at most `limit` tracks.
    pub fn new(limit: u32) -> Self {
        Self {
            tracks: VecDeque::new(),
            limit: limit as usize,
        }
    }

    /// Returns how many tracks wait.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Returns how many more tracks fit.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.tracks.len())
    }

    /// Returns how many tracks fit in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the tracks in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Track> {
        self.tracks.iter()
    }

    /// Returns the next track.
    pub fn front(&self) -> Option<&Track> {
        self.tracks.front()
    }

    /// Returns the total length in milliseconds, live streams not counted.
    pub fn total_ms(&self) -> u64 {
        self.tracks
            .iter()
            .filter_map(|track| track.length_ms)
            .fold(0, u64::saturating_add)
    }

    /// Adds tracks at the end, in order. The caller has asked for [`Queue::room`].
    pub fn append(&mut self, tracks: impl IntoIterator<Item = Track>) {
        self.tracks.extend(tracks);
    }

    /// Adds tracks before everything else, in order. The caller has asked for [`Queue::room`].
    pub fn prepend(&mut self, tracks: Vec<Track>) {
        for track in tracks.into_iter().rev() {
            self.tracks.push_front(track);
        }
    }

    /// Takes the next track.
    pub fn pop(&mut self) -> Option<Track> {
        self.tracks.pop_front()
    }

    /// Takes the next `count` tracks, or all.
    pub fn pop_many(&mut self, count: usize) -> Vec<Track> {
        self.tracks.drain(..count.min(self.tracks.len())).collect()
    }

    /// Takes all tracks and returns how many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.tracks.len();
        self.tracks.clear();
        count
    }

    /// Takes the entries `from..=to` and returns the first of them and how many there were.
    ///
    /// # Errors
    /// The queue is empty, the range is backwards, or an end of it does not exist.
    pub fn remove(&mut self, from: u32, to: u32) -> Result<(Track, usize), Refusal> {
        let first = self.index(from)?;
        if to < from {
            return Err(Refusal::BackwardsRange { from, to });
        }
        let last = self.index(to)?;
        let mut removed = self.tracks.drain(first..=last);
        let track = removed.next().expect("the range holds at least one entry");
        let count = 1 + removed.count();
        Ok((track, count))
    }

    /// Moves the entry at `from` so that it is then at `to`, and returns it.
    ///
    /// # Errors
    /// The queue is empty, or one of the places does not exist.
    pub fn shift(&mut self, from: u32, to: u32) -> Result<&Track, Refusal> {
        let (from, to) = (self.index(from)?, self.index(to)?);
        let track = self.tracks.remove(from).expect("the index was checked");
        self.tracks.insert(to, track);
        Ok(&self.tracks[to])
    }

    /// Puts the tracks into an order that follows from `seed` alone.
    pub fn shuffle(&mut self, seed: u64) {
        let mut random = SplitMix(seed);
        for last in (1..self.tracks.len()).rev() {
            self.tracks.swap(last, random.below(last + 1));
        }
    }

    fn index(&self, place: u32) -> Result<usize, Refusal> {
        if self.tracks.is_empty() {
            return Err(Refusal::QueueEmpty);
        }
        let length = self.tracks.len();
        match (place as usize).checked_sub(1) {
            Some(index) if index < length => Ok(index),
            _ => Err(Refusal::NoSuchEntry {
                entry: place,
                length: length as u32,
            }),
        }
    }
}

/// SplitMix64: enough randomness to shuffle songs, from one number.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, by the high half of a wide product.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(title: &str) -> Track {
        Track {
            encoded: title.into(),
            title: title.into(),
            author: String::new(),
            length_ms: Some(1_000),
            seekable: true,
            uri: None,
            artwork_url: None,
            source: "local".into(),
            requester: None,
        }
    }

    fn queue(titles: &str) -> Queue {
        let mut queue = Queue::new(100);
        queue.append(titles.chars().map(|title| track(&title.to_string())));
        queue
    }

    fn titles(queue: &Queue) -> String {
        queue.iter().map(|track| track.title.as_str()).collect()
    }

    #[test]
    fn removing_takes_a_range_or_says_why_not() {
        let none = |entry| Err(Refusal::NoSuchEntry { entry, length: 4 });
        for (name, from, to, expected, left) in [
            ("one entry", 2, 2, Ok(('b', 1)), "acd"),
            ("a range", 2, 3, Ok(('b', 2)), "ad"),
            ("everything", 1, 4, Ok(('a', 4)), ""),
            ("place zero does not exist", 0, 1, none(0), "abcd"),
            (
                "a place behind the end does not exist",
                5,
                5,
                none(5),
                "abcd",
            ),
            ("a range must end inside the queue", 3, 5, none(5), "abcd"),
            (
                "a range runs forwards",
                3,
                2,
                Err(Refusal::BackwardsRange { from: 3, to: 2 }),
                "abcd",
            ),
        ] {
            let mut queue = queue("abcd");
            let result = queue.remove(from, to);
            let result =
                result.map(|(track, count)| (track.title.chars().next().expect("a title"), count));
            assert_eq!(result, expected, "{name}");
            assert_eq!(titles(&queue), left, "{name}");
        }
        assert_eq!(queue("").remove(1, 1), Err(Refusal::QueueEmpty));
    }

    #[test]
    fn moving_puts_an_entry_where_it_was_asked_to_be() {
        for (from, to, left) in [
            (1, 4, "bcda"),
            (4, 1, "dabc"),
            (2, 3, "acbd"),
            (3, 3, "abcd"),
        ] {
            let mut queue = queue("abcd");
            queue.shift(from, to).expect("both exist");
            assert_eq!(titles(&queue), left, "{from} to {to}");
        }
        assert_eq!(
            queue("ab").shift(1, 3).err(),
            Some(Refusal::NoSuchEntry {
                entry: 3,
                length: 2
            })
        );
        assert_eq!(queue("").shift(1, 1).err(), Some(Refusal::QueueEmpty));
    }

    #[test]
    fn a_shuffle_keeps_every_track_and_follows_from_its_seed() {
        let (mut one, mut same, mut other) = (
            queue("abcdefghij"),
            queue("abcdefghij"),
            queue("abcdefghij"),
        );
        one.shuffle(1);
        same.shuffle(1);
        other.shuffle(2);
        assert_eq!(titles(&one), titles(&same));
        assert_ne!(titles(&one), titles(&other));
        assert_ne!(titles(&one), "abcdefghij");
        let mut sorted: Vec<_> = titles(&one).chars().collect();
        sorted.sort_unstable();
        assert_eq!(sorted.into_iter().collect::<String>(), "abcdefghij");
    }

    #[test]
    fn every_order_of_three_is_about_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6_000 {
            let mut queue = queue("abc");
            queue.shuffle(seed);
            *counts.entry(titles(&queue)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn prepending_keeps_the_order_of_what_is_added() {
        let mut queue = queue("c");
        queue.prepend(vec![track("a"), track("b")]);
        assert_eq!(titles(&queue), "abc");
    }
}
