use std::thread;

use super::*;
use crate::engine::pool::Pool;

fn window(total: Option<u64>, seekable: bool) -> (Arc<Window>, WindowReader) {
    let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
    Window::new(total, seekable, NodeMetrics::default(), Wake::new(&pool))
}

fn bytes(range: std::ops::Range<u64>) -> Bytes {
    range.map(|at| at as u8).collect()
}

#[tokio::test]
async fn no_more_is_asked_for_than_fits_and_what_was_read_makes_room() {
    let (window, mut reader) = window(Some(1 << 20), true);
    let mut asked = 0;
    while let Some(Demand::More(offset)) = window.demand_now() {
        assert_eq!(offset, asked);
        window.append(bytes(asked..asked + 10_000));
        asked += 10_000;
    }
    assert!((AHEAD..AHEAD + 10_000).contains(&asked), "{asked}");
    assert_eq!(window.metrics.buffered.get(), asked as i64);
    let mut read = vec![0; 100_000];
    for (at, byte) in {
        let mut filled = 0;
        while filled < read.len() {
            filled += reader.read(&mut read[filled..]).expect("bytes are there");
        }
        read.iter().enumerate()
    } {
        assert_eq!(*byte, at as u8);
    }
    assert_eq!(window.demand_now(), Some(Demand::More(asked)));
    let held = window.metrics.buffered.get() as u64;
    assert!(held <= asked - 100_000 + BEHIND + 10_000, "{held} are held");
    let metrics = window.metrics.clone();
    drop((window, reader));
    assert_eq!(metrics.buffered.get(), 0);
}

#[test]
fn a_reader_without_patience_never_waits_and_one_with_patience_does() {
    let (window, mut reader) = window(Some(4), true);
    let mut read = [0; 8];
    assert_eq!(
        reader.read(&mut read).expect_err("nothing there").kind(),
        io::ErrorKind::WouldBlock
    );
    window.set_patience(Some(Duration::from_millis(1)));
    assert_eq!(
        reader.read(&mut read).expect_err("nothing came").kind(),
        io::ErrorKind::TimedOut
    );
    window.set_patience(Some(Duration::from_mins(1)));
    let filled = Arc::clone(&window);
    let filler = thread::spawn(move || filled.append(bytes(0..4)));
    assert_eq!(reader.read(&mut read).expect("bytes came"), 4);
    filler.join().expect("no panic");
    assert_eq!(reader.read(&mut read).expect("the end"), 0);
}

#[test]
fn short_jumps_stay_in_memory_and_long_ones_ask_the_server_again() {
    let (window, mut reader) = window(Some(10 << 20), true);
    window.append(bytes(0..100_000));
    let mut read = [0; 4];
    reader.seek(SeekFrom::Start(50_000)).expect("inside");
    assert_eq!(reader.read(&mut read).expect("there"), 4);
    assert_eq!(read[0], 50_000_u64 as u8);
    assert_eq!(window.demand_now(), Some(Demand::More(100_000)));
    reader.seek(SeekFrom::End(-8)).expect("seekable");
    assert_eq!(window.demand_now(), Some(Demand::Jump((10 << 20) - 8)));
    window.append(bytes((10 << 20) - 8..10 << 20));
    assert_eq!(reader.read(&mut read).expect("there"), 4);
    assert_eq!(read[0], ((10_u64 << 20) - 8) as u8);
    assert_eq!(
        reader.seek(SeekFrom::Current(100)).expect("seekable"),
        (10 << 20) + 96
    );
    assert_eq!(reader.read(&mut read).expect("behind the end"), 0);
}

#[test]
fn what_was_under_way_before_a_jump_is_not_taken_for_what_comes_after() {
    let (window, mut reader) = window(Some(10 << 20), true);
    window.append(bytes(0..1_000));
    reader.seek(SeekFrom::Start(5 << 20)).expect("seekable");
    window.append(Bytes::from_static(b"old"));
    window.finish();
    assert_eq!(window.demand_now(), Some(Demand::Jump(5 << 20)));
    window.append(Bytes::from_static(b"new"));
    let mut read = [0; 8];
    assert_eq!(reader.read(&mut read).expect("there"), 3);
    assert_eq!(&read[..3], b"new");
}

#[test]
fn a_stream_that_cannot_jump_says_so_and_goes_on() {
    let (window, mut reader) = window(None, false);
    window.append(bytes(0..1_000));
    assert!(reader.seek(SeekFrom::Start(5 << 20)).is_err());
    let mut read = [0; 4];
    assert_eq!(reader.read(&mut read).expect("still there"), 4);
    assert!(
        reader.seek(SeekFrom::End(0)).is_err(),
        "nobody knows the end"
    );
}

#[test]
fn a_failure_is_told_after_what_came_before_it() {
    let (window, mut reader) = window(Some(100), true);
    window.append(bytes(0..4));
    window.fail(Failure("gone".to_owned()));
    let mut read = [0; 8];
    assert_eq!(reader.read(&mut read).expect("four came"), 4);
    assert_eq!(
        reader
            .read(&mut read)
            .expect_err("then it failed")
            .to_string(),
        "gone"
    );
    assert_eq!(window.demand_now(), None, "nothing more is asked for");
}

#[test]
fn probing_reads_no_more_than_its_budget() {
    let (window, mut reader) = window(Some(1_000), true);
    window.append(bytes(0..1_000));
    window.set_budget(Some(600));
    let mut read = [0; 500];
    assert_eq!(reader.read(&mut read).expect("within"), 500);
    assert_eq!(reader.read(&mut read).expect("the rest"), 100);
    assert!(reader.read(&mut read).is_err());
    window.set_budget(None);
    assert_eq!(reader.read(&mut read).expect("free again"), 400);
}
