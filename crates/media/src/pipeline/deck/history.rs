//! Opus packets that went by, and may be wanted again.

use std::collections::VecDeque;

/// Where a packet lies in its track, in samples at 48 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: i64,
    pub(super) samples: u32,
    pub(super) trim_end: u32,
}

impl Place {
    /// Returns where the packet ends, what is to be cut off included.
    pub(super) fn end(self) -> i64 {
        self.position.saturating_add(i64::from(self.samples))
    }
}

/// The last [`History::MOST`] packets, and a cursor among them: packets before it went by, those
/// from it on are to come once more.
///
/// Takes as much memory as the packets, 10 KiB at 96 kbit/s. Real-time: never allocates once it
/// has grown to its usual size.
#[derive(Debug, Default)]
pub(super) struct History {
    bytes: VecDeque<u8>,
    places: VecDeque<(Place, usize)>,
    cursor: usize,
    /// Where the packet at the cursor begins in `bytes`.
    offset: usize,
}

impl History {
    /// 32 to go back by, and 5 before them for a decoder to warm up.
    pub(super) const MOST: usize = 37;

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        (self.cursor, self.offset) = (0, 0);
    }

    /// Appends a packet. The oldest one is forgotten when there are too many.
    pub(super) fn push(&mut self, place: Place, packet: &[u8]) {
        if self.places.len() == Self::MOST && self.cursor > 0 {
            let (_, length) = self.places.pop_front().expect("not empty");
            self.bytes.drain(..length);
            self.cursor -= 1;
            self.offset -= length;
        }
        self.bytes.extend(packet);
        self.places.push_back((place, packet.len()));
    }

    /// Returns where the packet at the cursor lies; `None` if it was not read yet.
    pub(super) fn place(&self) -> Option<Place> {
        self.places.get(self.cursor).map(|(place, _)| *place)
    }

    /// Returns where the packet before the cursor lies.
    pub(super) fn place_before(&self) -> Option<Place> {
        let index = self.cursor.checked_sub(1)?;
        self.places.get(index).map(|(place, _)| *place)
    }

    /// Returns the packet at the cursor.
    pub(super) fn packet(&mut self) -> &[u8] {
        let Some((_, length)) = self.places.get(self.cursor).copied() else {
            return &[];
        };
        let range = self.offset..self.offset + length;
        if self.bytes.as_slices().0.len() < range.end {
            self.bytes.make_contiguous();
        }
        &self.bytes.as_slices().0[range]
    }

    /// Moves the cursor behind its packet.
    pub(super) fn advance(&mut self) {
        if let Some((_, length)) = self.places.get(self.cursor) {
            self.offset += length;
            self.cursor += 1;
        }
    }

    /// Moves the cursor one packet back; false if there is none.
    pub(super) fn back(&mut self) -> bool {
        let Some(index) = self.cursor.checked_sub(1) else {
            return false;
        };
        self.cursor = index;
        self.offset -= self.places[index].1;
        true
    }

    /// Moves the cursor to the packet that begins at `position`; false if there is none.
    pub(super) fn find(&mut self, position: i64) -> bool {
        let found = self
            .places
            .iter()
            .position(|(place, _)| place.position == position);
        let Some(index) = found else { return false };
        self.cursor = index;
        self.offset = self.places.range(..index).map(|(_, length)| length).sum();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: i64) -> Place {
        Place {
            position: index * 960,
            samples: 960,
            trim_end: 0,
        }
    }

    #[test]
    fn packets_come_once_more_and_the_oldest_are_forgotten() {
        let mut history = History::default();
        let packet = |index: i64| vec![index as u8; 1 + index as usize % 7];
        for index in 0..100 {
            assert_eq!(history.place(), None);
            history.push(place(index), &packet(index));
            assert_eq!(history.packet(), packet(index));
            history.advance();
        }
        let mut back = 0;
        while history.back() {
            back += 1;
            assert_eq!(history.packet(), packet(100 - back));
        }
        assert_eq!(back, History::MOST as i64);
        assert!(history.find(80 * 960) && history.packet() == packet(80));
        assert_eq!(history.place_before(), Some(place(79)));
        assert!(!history.find(7) && !history.find(2 * 960));
        // What is still to come is never forgotten.
        assert!(history.find((100 - History::MOST as i64) * 960));
        history.push(place(100), &packet(100));
        assert_eq!(history.packet(), packet(100 - History::MOST as i64));
    }
}
