use super::*;

fn packet(number: u64, length: usize) -> Packet {
    let mut packet = Packet::empty(number >> 8);
    packet.position_ms = number;
    let bytes: Vec<u8> = (0..length).map(|at| (number as usize + at) as u8).collect();
    packet.opus.set(&bytes).expect("short enough");
    packet
}

#[test]
fn packets_of_all_lengths_come_out_as_they_went_in() {
    let (_lane, mut pen, mut eye) = Lane::new(0);
    let lengths = [0, 1, 3, 7, 8, 160, 391, 1_000, MAX_OPUS];
    let mut written = 0_u64;
    let mut read = 0_u64;
    for round in 0..2_000 {
        while pen.has_room() {
            let length = lengths[written as usize % lengths.len()];
            assert!(pen.push(&packet(written, length)));
            written += 1;
        }
        pen.publish(3);
        for _ in 0..=round % 13 {
            let Some(front) = eye.find() else { break };
            let expected = packet(read, lengths[read as usize % lengths.len()]);
            assert_eq!(eye.opus(), expected.opus.as_bytes());
            assert_eq!((front.run, front.position_ms), (expected.run, read));
            assert_eq!(u64::from(front.index), read);
            eye.pass(&front);
            read += 1;
        }
    }
    assert!(read > 10_000, "{read}");
}

#[test]
fn a_full_lane_refuses_and_an_empty_one_has_nothing() {
    let (_lane, mut pen, mut eye) = Lane::new(0);
    assert!(eye.find().is_none() && eye.is_empty() && eye.opus().is_empty());
    while pen.has_room() {
        assert!(pen.push(&packet(1, MAX_OPUS)));
    }
    assert!(!pen.push(&packet(1, 1)));
    assert!(eye.find().is_none(), "nothing was published");
    pen.publish(0);
    let front = eye.find().expect("published");
    eye.pass(&front);
    assert!(pen.push(&packet(1, 1)), "what was read makes room");
}

#[test]
fn the_clock_asks_when_few_are_left() {
    let (_lane, mut pen, mut eye) = Lane::new(0);
    for number in 0..10 {
        pen.push(&packet(number, 10));
    }
    pen.publish(4);
    assert_eq!(pen.ahead(), 10);
    for left in (0..10).rev() {
        assert_eq!(eye.is_low(), left < 4, "{left}");
        let front = eye.find().expect("there are ten");
        eye.pass(&front);
    }
}

#[test]
fn a_join_is_taken_where_it_was_agreed_or_as_soon_as_possible() {
    for late in 0..8 {
        let (_lane, mut pen, mut eye) = Lane::new(0);
        for number in 0..10 {
            pen.push(&packet(number, 10));
        }
        pen.publish(0);
        let next = |eye: &mut Eye| {
            let front = eye.find()?;
            let length = eye.opus().len();
            eye.pass(&front);
            Some((front.position_ms, length))
        };
        assert_eq!(next(&mut eye), Some((0, 10)));
        // From packet 3 on they are made again, longer.
        pen.go_back(7);
        for number in 3..10 {
            pen.push(&packet(number, 20));
        }
        pen.publish(0);
        let before: Vec<_> = (0..late).map_while(|_| next(&mut eye)).collect();
        pen.join(1);
        let after: Vec<_> = std::iter::from_fn(|| next(&mut eye)).collect();
        let heard: Vec<_> = before
            .iter()
            .chain(&after)
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(heard, (1..10).collect::<Vec<_>>(), "{late}");
        assert!(before.iter().all(|(_, length)| *length == 10), "{late}");
        let new = after.iter().filter(|(number, _)| *number >= 3);
        assert!(new.clone().all(|(_, length)| *length == 20), "{late}");
        assert_eq!(new.count(), 7.min(9 - late), "{late}");
    }
}

#[test]
fn all_that_a_tick_looks_at_is_in_one_cache_line() {
    assert_eq!((size_of::<Lane>(), align_of::<Lane>()), (64, 64));
}

#[test]
fn run_and_position_are_read_together() {
    for (run, position) in [(1, 0), (5, 123_456), (u64::from(u32::MAX), POSITION)] {
        for first in [run, run - 1, run.saturating_sub(1_000)] {
            assert_eq!(unpack(pack(run, position), first), (run, position));
        }
    }
    assert_eq!(unpack(pack(1 << 24, 7), (1 << 24) - 1), (1 << 24, 7));
}

#[test]
fn two_threads_hand_over_every_packet_once_while_versions_change() {
    let (lane, mut pen, mut eye) = Lane::new(0);
    let last = 100_000_u64;
    let writer = std::thread::spawn(move || {
        let mut number = 0_u64;
        let mut turns = 0_u64;
        while number < last {
            turns += 1;
            if turns.is_multiple_of(5) {
                let back = pen.ahead().saturating_sub(2);
                number -= u64::from(back);
                pen.go_back(back);
            }
            for _ in 0..turns % 9 {
                if number < last && pen.push(&packet(number, (number % 300) as usize)) {
                    number += 1;
                }
            }
            pen.publish(4);
            pen.join(if number == last { 0 } else { 2 });
            if !pen.has_room() {
                std::thread::yield_now();
            }
        }
        lane.ended.store(1, Ordering::Release);
    });
    let mut expected = 0;
    while expected < last {
        let ended = eye.lane().ended.load(Ordering::Acquire) == 1;
        let Some(front) = eye.find() else {
            assert!(!ended, "over at {expected}");
            std::thread::yield_now();
            continue;
        };
        assert_eq!(front.position_ms, expected);
        let length = (expected % 300) as usize;
        assert_eq!(eye.opus(), packet(expected, length).opus.as_bytes());
        eye.pass(&front);
        expected += 1;
    }
    writer.join().expect("no panic");
}
