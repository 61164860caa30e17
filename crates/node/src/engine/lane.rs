//! What pool and clock share of one line: a ring of packets of any length, and a few words.
//!
//! One side writes ([`Pen`]), the other reads ([`Eye`]); neither ever waits for the other. All
//! that a tick looks at lies in one cache line and in the packet itself.
//!
//! Packets are numbered. When settings change, the pool goes back in its source and writes
//! packets once more, behind those that are in the ring already; they carry the same numbers and
//! a higher version. Then it says from which number on the new ones hold (the join). The eye
//! leaves out what it has played and what has been replaced: each number is heard once, whatever
//! is late.

use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use backline_media::frame::MAX_OPUS;

use super::arena::{BLOCK, Block};
use super::packet::Packet;

/// What pool, clock and control share of one line.
#[derive(Debug)]
#[repr(align(64))]
pub struct Lane {
    /// Bytes written, ever. By the pen.
    tail: AtomicU32,
    /// Bytes read, ever. By the eye.
    head: AtomicU32,
    /// The number of the packet that is due next. By the eye.
    heard: AtomicU32,
    /// From this number on, the clock asks for more. By the pen.
    low: AtomicU32,
    /// Version in the upper half, and the number from which on only it counts. By the pen.
    join: AtomicU64,
    /// Run and position of the packet sent last; see [`pack`]. By the clock.
    pub place: AtomicU64,
    /// Run and position where it ends early. By control.
    pub end_at: AtomicU64,
    /// Run and position of which control wants to hear. By control, and cleared by the clock.
    pub alarm_at: AtomicU64,
    /// Whether the source has ended; see [`super::feed::End`]. By the pool.
    pub ended: AtomicU8,
    /// In a queue of the pool, or being worked on.
    pub scheduled: AtomicBool,
    /// Waits for bytes: the clock need not ask.
    pub starved: AtomicBool,
    /// Nobody wants more packets.
    pub retired: AtomicBool,
    block: Block,
}

/// The pool's side.
#[derive(Debug)]
pub struct Pen {
    lane: Arc<Lane>,
    /// Bytes written, not all of them published.
    write: u32,
    /// The number of the packet that is made next.
    made: u32,
    version: u32,
    /// The present version is not published yet, and which number it begins with.
    joining: Option<u32>,
}

/// The clock's side.
#[derive(Debug)]
pub struct Eye {
    lane: Arc<Lane>,
    block: NonNull<u8>,
    read: u32,
    /// The number of the packet that is due next.
    due: u32,
    /// Bytes of the packet that was found last.
    found: u32,
}

// SAFETY: the pointer leads into the lane's block, which the lane keeps alive; all access to it
// is by the rules of head and tail, which hold across threads.
unsafe impl Send for Eye {}

/// What stands before each packet in the ring.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Front {
    /// Bytes of the packet; `WRAP` if the next one is at the beginning of the block.
    length: u32,
    version: u32,
    /// The packet's number.
    pub index: u32,
    _unused: u32,
    /// The run it belongs to.
    pub run: u64,
    /// Where it starts in the track, in milliseconds.
    pub position_ms: u64,
}

const FRONT: usize = size_of::<Front>();
const WRAP: u32 = u32::MAX;
/// Room that the longest packet takes, wherever in the block it falls.
const ROOM: u32 = 2 * record(MAX_OPUS);

impl Lane {
    /// Returns both sides of an empty lane at `place`.
    pub fn new(place: u64) -> (Arc<Self>, Pen, Eye) {
        let lane = Arc::new(Self {
            tail: AtomicU32::new(0),
            head: AtomicU32::new(0),
            heard: AtomicU32::new(0),
            low: AtomicU32::new(0),
            join: AtomicU64::new(0),
            place: AtomicU64::new(place),
            end_at: AtomicU64::new(u64::MAX),
            alarm_at: AtomicU64::new(u64::MAX),
            ended: AtomicU8::new(0),
            scheduled: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            block: Block::new(),
        });
        let pen = Pen {
            lane: Arc::clone(&lane),
            write: 0,
            made: 0,
            version: 0,
            joining: None,
        };
        let eye = Eye {
            block: lane.block.start(),
            lane: Arc::clone(&lane),
            read: 0,
            due: 0,
            found: 0,
        };
        (lane, pen, eye)
    }
}

impl Pen {
    /// Returns how many packets are written that have not been due yet.
    pub fn ahead(&self) -> u32 {
        let heard = self.lane.heard.load(Ordering::Acquire);
        before(heard, self.made).map_or(0, |ahead| ahead)
    }

    /// Returns how many bytes are in use.
    pub fn used(&self) -> u32 {
        self.write
            .wrapping_sub(self.lane.head.load(Ordering::Acquire))
    }

    /// Whether any packet fits.
    pub fn has_room(&self) -> bool {
        self.used() + ROOM <= BLOCK as u32
    }

    /// Writes a packet; false if there is no room for it. It is seen once published.
    pub fn push(&mut self, packet: &Packet) -> bool {
        if !self.has_room() {
            return false;
        }
        let opus = packet.opus.as_bytes();
        let length = record(opus.len());
        let left = BLOCK as u32 - self.write % BLOCK as u32;
        if left < length {
            // SAFETY: there is room for two of the longest packets, so the rest of the block is
            // free; it is at least eight bytes, because records are multiples of that.
            unsafe { self.at(self.write).cast::<u32>().write(WRAP) };
            self.write = self.write.wrapping_add(left);
        }
        let front = Front {
            length: opus.len() as u32,
            version: self.version,
            index: self.made,
            _unused: 0,
            run: packet.run,
            position_ms: packet.position_ms,
        };
        // SAFETY: `length` bytes from here on are free, which was checked above, and lie in one
        // piece; the reader does not look at them before `tail` says so. Records begin at
        // multiples of eight, as `Front` needs it.
        unsafe {
            let start = self.at(self.write);
            start.cast::<Front>().write(front);
            start
                .add(FRONT)
                .copy_from_nonoverlapping(NonNull::from(opus).cast(), opus.len());
        }
        self.write = self.write.wrapping_add(length);
        self.made = self.made.wrapping_add(1);
        true
    }

    /// Makes what was written visible, and lets the clock ask for more when `low` packets are
    /// left.
    pub fn publish(&self, low: u32) {
        let low = self.made.wrapping_sub(low);
        self.lane.low.store(low, Ordering::Relaxed);
        self.lane.tail.store(self.write, Ordering::Release);
    }

    /// Begins a new version that is `back` packets behind the present one.
    pub fn go_back(&mut self, back: u32) {
        self.made = self.made.wrapping_sub(back);
        self.version = self.version.wrapping_add(1);
        self.joining = Some(self.made);
    }

    /// Lets the new version replace the old one if it has `enough` packets that are yet to be
    /// heard. Publish first.
    pub fn join(&mut self, enough: u32) {
        let Some(from) = self.joining else { return };
        if self.ahead() >= enough {
            self.joining = None;
            let join = u64::from(self.version) << 32 | u64::from(from);
            // Behind `tail`: who sees the join sees its packets as well.
            self.lane.join.store(join, Ordering::Release);
        }
    }

    /// Whether a new version waits until it has enough packets.
    pub fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    /// Returns a place in the block.
    fn at(&self, offset: u32) -> NonNull<u8> {
        // SAFETY: the remainder stays within the block.
        unsafe { self.lane.block.start().add(offset as usize % BLOCK) }
    }
}

impl Eye {
    /// Returns the shared part.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Returns what is known of the packet that is due, if it is there.
    ///
    /// Real-time: never allocates, locks or blocks; passes over at most a ring of packets.
    pub fn find(&mut self) -> Option<Front> {
        // In this order: a join is never seen without its packets.
        let join = self.lane.join.load(Ordering::Acquire);
        let tail = self.lane.tail.load(Ordering::Acquire);
        let (version, from) = ((join >> 32) as u32, join as u32);
        let joined = !is_before(self.due, from);
        let mut passed = false;
        while self.read != tail {
            let at = self.at();
            // SAFETY: a record begins here, since `read` is not at the tail; its first word is
            // its length or the mark to begin again.
            let length = unsafe { at.cast::<u32>().read() };
            if length == WRAP {
                self.read = (self.read | (BLOCK as u32 - 1)).wrapping_add(1);
                continue;
            }
            // SAFETY: no mark, so a whole record was published here, aligned as it needs.
            let front = unsafe { at.cast::<Front>().read() };
            let replaced = joined && is_before(front.version, version);
            if replaced || is_before(front.index, self.due) {
                self.read = self.read.wrapping_add(record(length as usize));
                passed = true;
                continue;
            }
            self.found = length;
            return Some(front);
        }
        if passed {
            self.lane.head.store(self.read, Ordering::Release);
        }
        None
    }

    /// Returns the packet that was found; empty before one was.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn opus(&self) -> &[u8] {
        if self.found == 0 {
            return &[];
        }
        // SAFETY: `find` saw a whole published record at `read`, which has not moved since; the
        // pen does not write there before `head` has passed it, which borrows `self` mutably.
        unsafe { NonNull::slice_from_raw_parts(self.at().add(FRONT), self.found as usize).as_ref() }
    }

    /// Lets go of the packet that was found: the next one is due.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn pass(&mut self, front: &Front) {
        self.read = self.read.wrapping_add(record(front.length as usize));
        self.due = front.index.wrapping_add(1);
        self.found = 0;
        self.lane.heard.store(self.due, Ordering::Relaxed);
        self.lane.head.store(self.read, Ordering::Release);
    }

    /// Whether so few packets are left that it is time to ask for more.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn is_low(&self) -> bool {
        !is_before(self.due, self.lane.low.load(Ordering::Relaxed))
    }

    /// Whether nothing at all is there.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn is_empty(&self) -> bool {
        self.read == self.lane.tail.load(Ordering::Acquire)
    }

    /// Fetches what the next tick will look at into the cache.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn prefetch(&self) {
        prefetch(&raw const *self.lane);
        let packet = self.at().as_ptr();
        for line in 0..6 {
            prefetch(packet.wrapping_add(line * 64));
        }
    }

    fn at(&self) -> NonNull<u8> {
        // SAFETY: the remainder stays within the block.
        unsafe { self.block.add(self.read as usize % BLOCK) }
    }
}

/// Puts run and position into one word, so that they are read together.
pub fn pack(run: u64, position_ms: u64) -> u64 {
    run << POSITION_BITS | position_ms.min(POSITION)
}

/// Returns run and position; `first` is the first run it can be.
pub fn unpack(packed: u64, first: u64) -> (u64, u64) {
    let later = (packed >> POSITION_BITS).wrapping_sub(first) & RUN;
    (first + later, packed & POSITION)
}

/// A position takes 40 bits (35 years), a run what is left: enough to tell it from its neighbours.
const POSITION_BITS: u32 = 40;
const POSITION: u64 = (1 << POSITION_BITS) - 1;
const RUN: u64 = u64::MAX >> POSITION_BITS;

/// Returns how many bytes a packet takes with what stands before it.
const fn record(length: usize) -> u32 {
    ((FRONT + length + 7) & !7) as u32
}

/// Whether `a` comes before `b`, counting round.
fn is_before(a: u32, b: u32) -> bool {
    before(a, b).is_some()
}

/// Returns how far `a` is before `b`, if it is.
fn before(a: u32, b: u32) -> Option<u32> {
    let distance = b.wrapping_sub(a);
    (distance != 0 && distance < u32::MAX / 2).then_some(distance)
}

/// Fetches the cache line at `address`, if there is one.
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching is a hint; the address need not be valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = address;
    }
}

#[cfg(test)]
mod tests;
