//! The scheduler's favour, where the process may ask for it.

/// How a thread of the engine is scheduled.
///
/// A clock does little and has to do it on time, however many programs want the processor, and so
/// has the pool as long as it has time to sleep: they run in the real-time class. That is safe
/// only while they do little. A clock with more players than it can serve would keep everybody
/// else from the core, those included who could relieve it, so it goes back to the ordinary class
/// until it has had time to sleep again; a worker of the pool likewise.
#[derive(Debug)]
pub struct Favour {
    rank: Rank,
    class: Class,
    /// Milliseconds without a pause.
    busy_since_ms: Option<u64>,
    /// When the ordinary class was chosen.
    lowered_ms: u64,
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Sends packets.
    Clock,
    /// Makes packets; whenever a clock wakes up, it has to wait.
    Pool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    RealTime,
    Ordinary,
    /// The system refused.
    Refused,
}

/// Without a pause for so long, a thread is overloaded.
const OVERLOAD_MS: u64 = 200;
/// After so long, it may try again.
const RETRY_MS: u64 = 2_000;

impl Favour {
    /// Asks for the real-time class for the calling thread; what is refused is done without.
    pub fn new(rank: Rank) -> Self {
        prefer_this_thread(match rank {
            Rank::Clock => -10,
            Rank::Pool => -5,
        });
        let class = if set_class(Class::RealTime, rank) {
            Class::RealTime
        } else {
            Class::Refused
        };
        Self {
            rank,
            class,
            busy_since_ms: None,
            lowered_ms: 0,
        }
    }

    /// Takes note that the thread is about to sleep.
    pub fn handle_sleep(&mut self, now_ms: u64) {
        self.busy_since_ms = None;
        if self.class == Class::Ordinary && now_ms >= self.lowered_ms + RETRY_MS {
            self.class = Class::RealTime;
            set_class(self.class, self.rank);
        }
    }

    /// Takes note that the thread goes on without sleeping.
    pub fn handle_busy(&mut self, now_ms: u64) {
        let since_ms = *self.busy_since_ms.get_or_insert(now_ms);
        if self.class == Class::RealTime && now_ms >= since_ms + OVERLOAD_MS {
            self.class = Class::Ordinary;
            self.lowered_ms = now_ms;
            set_class(self.class, self.rank);
        }
    }
}

/// Changes the niceness of the calling thread, if that is allowed.
fn prefer_this_thread(niceness: i32) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain system call without pointers; 0 names the calling thread.
        let _refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = niceness;
    }
}

fn set_class(class: Class, rank: Rank) -> bool {
    #[cfg(target_os = "linux")]
    {
        // Threads that these might start do not inherit it. The lowest priorities of the class
        // are above everything ordinary.
        let real_time = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
        let (policy, sched_priority) = match (class, rank) {
            (Class::RealTime, Rank::Clock) => (real_time, 2),
            (Class::RealTime, Rank::Pool) => (real_time, 1),
            (Class::Ordinary | Class::Refused, _) => (libc::SCHED_OTHER, 0),
        };
        let parameters = libc::sched_param { sched_priority };
        // SAFETY: the call only reads the valid place that it is handed; 0 names the calling
        // thread.
        let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (class, rank);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_clock_lets_others_run_until_it_can_sleep_again() {
        let mut favour = Favour {
            rank: Rank::Clock,
            class: Class::RealTime,
            busy_since_ms: None,
            lowered_ms: 0,
        };
        favour.handle_busy(1_000);
        favour.handle_busy(1_000 + OVERLOAD_MS - 1);
        assert_eq!(favour.class, Class::RealTime);
        favour.handle_sleep(1_200);
        favour.handle_busy(1_250);
        favour.handle_busy(1_250 + OVERLOAD_MS - 1);
        assert_eq!(favour.class, Class::RealTime, "it had slept in between");
        favour.handle_busy(1_250 + OVERLOAD_MS);
        assert_eq!(favour.class, Class::Ordinary);
        favour.handle_sleep(1_500);
        assert_eq!(favour.class, Class::Ordinary);
        favour.handle_sleep(1_450 + RETRY_MS);
        assert_eq!(favour.class, Class::RealTime);
        set_class(Class::Ordinary, Rank::Clock);
    }
}
