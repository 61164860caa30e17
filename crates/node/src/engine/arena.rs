//! Memory for packets on their way: blocks of one size, cut from slabs of 2 MiB.
//!
//! Thousands of players read a few hundred bytes each in turn, so every read is cold. On pages of
//! 2 MiB the processor at least knows where to look, which is worth a tenth of a frame's cost.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, PoisonError};

/// Bytes of a block.
pub const BLOCK: usize = 16 * 1024;
/// Bytes of a slab: one huge page.
const SLAB: usize = 2 * 1024 * 1024;
/// Bytes of a small page.
const PAGE: usize = 4_096;
/// Blocks of a slab.
const BLOCKS: usize = SLAB / BLOCK;
/// Slabs without a block in use that are kept for the next players.
const SPARE: usize = 1;

/// Memory for one player's packets; given back when dropped.
#[derive(Debug)]
pub struct Block(NonNull<u8>);

// SAFETY: a block is plain memory that belongs to its owner alone; nothing about it is tied to a
// thread.
unsafe impl Send for Block {}
// SAFETY: a shared block only yields its address; who may read and write there is decided by
// `super::lane`.
unsafe impl Sync for Block {}

struct Slab {
    memory: NonNull<u8>,
    /// Blocks that are free, by number.
    free: Vec<u8>,
}

// SAFETY: the address of memory that no thread owns more than another.
unsafe impl Send for Slab {}

static SLABS: Mutex<Vec<Slab>> = Mutex::new(Vec::new());

const LAYOUT: Layout = match Layout::from_size_align(SLAB, SLAB) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

impl Block {
    /// Returns a block of zeros or of what somebody else left behind.
    ///
    /// Takes a lock and may ask the system for memory: not for clocks.
    pub fn new() -> Self {
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        // The fullest first, so that others become empty and can go.
        let slab = slabs
            .iter_mut()
            .filter(|slab| !slab.free.is_empty())
            .min_by_key(|slab| slab.free.len());
        let slab = if let Some(slab) = slab {
            slab
        } else {
            slabs.push(Slab::new());
            slabs.last_mut().expect("one was added")
        };
        let number = slab.free.pop().expect("this slab has room");
        // SAFETY: the number is below `BLOCKS`, so the address stays within the slab.
        Self(unsafe { slab.memory.add(usize::from(number) * BLOCK) })
    }

    /// Returns where the block begins; it is `BLOCK` bytes long and aligned to that.
    pub fn start(&self) -> NonNull<u8> {
        self.0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        let address = self.0.as_ptr() as usize;
        let home = slabs
            .iter()
            .position(|slab| slab.memory.as_ptr() as usize == address & !(SLAB - 1))
            .expect("every block comes from a slab that outlives it");
        slabs[home].free.push((address % SLAB / BLOCK) as u8);
        let unused = |slab: &Slab| slab.free.len() == BLOCKS;
        if unused(&slabs[home]) && slabs.iter().filter(|slab| unused(slab)).count() > SPARE {
            let slab = slabs.swap_remove(home);
            // SAFETY: this is a mapping of ours of that length, and no block of it is in use.
            unsafe { unmap(slab.memory.as_ptr(), SLAB) };
        }
    }
}

impl Slab {
    fn new() -> Self {
        let Some(memory) = map() else {
            handle_alloc_error(LAYOUT)
        };
        prefer_huge_pages(memory, SLAB);
        Self {
            memory,
            free: (0..BLOCKS as u8).rev().collect(),
        }
    }
}

/// Returns a slab of zeros that begins at a multiple of its length.
///
/// Not from the allocator: it would give these pages to others when they are free, and pages of
/// 2 MiB fill up with what is hardly used.
fn map() -> Option<NonNull<u8>> {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping, wherever there is room; nothing that exists is touched.
    let start = unsafe { libc::mmap(null_mut(), 2 * SLAB, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start: *mut u8 = start.cast();
    let before = start.align_offset(SLAB);
    let memory = start.wrapping_add(before);
    // SAFETY: what lies before and behind the slab is part of the mapping just made, and nobody
    // knows of it.
    unsafe {
        unmap(start, before);
        unmap(memory.wrapping_add(SLAB), SLAB - before);
    }
    NonNull::new(memory)
}

/// Gives memory back.
///
/// # Safety
/// It must be mapped by us, in whole pages, and no longer be in use.
unsafe fn unmap(memory: *mut u8, length: usize) {
    if length > 0 {
        // SAFETY: the caller keeps the contract.
        let _gone = unsafe { libc::munmap(memory.cast(), length) };
    }
}

/// Asks for pages of 2 MiB; where the system has none, small ones do.
pub fn prefer_huge_pages(memory: NonNull<u8>, length: usize) {
    #[cfg(target_os = "linux")]
    {
        // Whole pages only; the rest at both ends stays as it is.
        let start = memory.as_ptr().wrapping_add(PAGE - 1);
        let start = start.map_addr(|address| address & !(PAGE - 1));
        let end = memory.as_ptr().wrapping_add(length);
        let length = end.addr().saturating_sub(start.addr()) & !(PAGE - 1);
        // SAFETY: advice about pages changes nothing of what they hold; addresses that are not
        // mapped are refused.
        let _refused = unsafe { libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (memory, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_overlap_and_come_back() {
        let blocks: Vec<Block> = (0..3 * BLOCKS).map(|_| Block::new()).collect();
        let mut starts: Vec<usize> = blocks
            .iter()
            .map(|block| block.start().as_ptr() as usize)
            .collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= BLOCK));
        assert!(starts.iter().all(|start| start % BLOCK == 0));
        drop(blocks);
        let again = Block::new();
        // SAFETY: the block is ours and long enough.
        unsafe { again.start().write_bytes(7, BLOCK) };
        let slabs = SLABS.lock().expect("no test panics with it");
        let unused = slabs.iter().filter(|slab| slab.free.len() == BLOCKS);
        assert!(unused.count() <= SPARE, "what nobody uses is given back");
    }
}
