//! Readings of this process: CPU time by thread, memory, threads.

use std::fs;
use std::io;
use std::time::Duration;

/// Returns the CPU time that the calling thread has used.
pub fn own_cpu() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Returns the CPU time that a thread of this process has used.
pub fn cpu_of(thread: u32) -> Duration {
    // The kernel's name for the CPU clock of any thread: the inverted id, "of one thread" (4) and
    // "as the scheduler counts it" (2).
    read_clock((!thread as libc::clockid_t) << 3 | 6)
}

/// Runs `batch`, which says how many things it did, until `budget` of CPU time is used up;
/// returns microseconds a thing.
pub fn micros_each(budget: Duration, mut batch: impl FnMut() -> usize) -> f64 {
    let start = own_cpu();
    let mut done = 0;
    loop {
        done += batch();
        let used = own_cpu().saturating_sub(start);
        if used >= budget {
            return used.as_secs_f64() * 1e6 / done as f64;
        }
    }
}

/// Returns id and name of every thread.
pub fn threads() -> io::Result<Vec<(u32, String)>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let id = entry.file_name().to_string_lossy().parse();
        // A thread may end while we look.
        let name = fs::read_to_string(entry.path().join("comm"));
        if let (Ok(id), Ok(name)) = (id, name) {
            threads.push((id, name.trim_end().to_owned()));
        }
    }
    Ok(threads)
}

/// Returns the memory that this process really holds, in bytes.
pub fn resident() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.map(|kib| kib * 1_024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}

/// Returns how many files are open, sockets included.
pub fn open_files() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// Allows this process as many open files as it may have.
pub fn allow_many_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes to the one valid place that it is handed.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the call only reads what it is handed.
        let _refused = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

fn read_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to the one valid place that it is handed, and refuses clocks that
    // do not exist.
    let refused = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(refused, 0, "the thread is alive");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
