//! From start to end: named tasks, signals, drain.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The life of a process; cheap to clone.
///
/// Everything that runs takes its [`token`](Lifecycle::token) and ends when it is cancelled. The
/// first SIGTERM or SIGINT cancels it, the second ends the process at once.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    shutdown: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<u64, &'static str>>>,
}

/// How a drain ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// All tasks ended by themselves.
    Whole,
    /// The time was over, and these tasks still ran.
    TimedOut {
        /// Their names, in the order in which they were started.
        left: Vec<&'static str>,
    },
}

impl Lifecycle {
    /// Returns a life that has just begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shutdown: CancellationToken::new(),
            tracker: TaskTracker::new(),
            running: Arc::default(),
        }
    }

    /// Returns the token that is cancelled when the process is to end.
    pub fn token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs a task that the drain waits for.
    ///
    /// One that panics ends the process: nobody would notice that a part of it is gone.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let guard = Running::new(name, self);
        self.tracker.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }

    /// Begins to end when the process is told to, by SIGTERM or SIGINT; ends it at the second.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        self.listen(|number| std::process::exit(128 + number))
    }

    fn listen(&self, at_once: impl FnOnce(i32) + Send + 'static) -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        let shutdown = self.token();
        tokio::spawn(async move {
            let first = signals.next().await;
            tracing::info!(signal = first.1, "shutdown was asked for");
            shutdown.cancel();
            let second = signals.next().await;
            tracing::warn!(signal = second.1, "shutdown was cut short");
            at_once(second.0);
        });
        Ok(())
    }

    /// Waits until the process is to end, then until all tasks have, but at most `longest`.
    pub async fn drained(&self, longest: Duration) -> Drained {
        self.shutdown.cancelled().await;
        self.tracker.close();
        match tokio::time::timeout(longest, self.tracker.wait()).await {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::TimedOut {
                left: self.running().values().copied().collect(),
            },
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, &'static str>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps the name of a task on the list while it runs.
struct Running {
    number: u64,
    name: &'static str,
    lifecycle: Lifecycle,
}

impl Running {
    fn new(name: &'static str, lifecycle: &Lifecycle) -> Self {
        let lifecycle = lifecycle.clone();
        let mut running = lifecycle.running();
        let number = running.last_key_value().map_or(0, |(last, _)| last + 1);
        running.insert(number, name);
        drop(running);
        Self {
            number,
            name,
            lifecycle,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifecycle.running().remove(&self.number);
        if std::thread::panicking() {
            tracing::error!(task = self.name, "task died");
            self.lifecycle.shutdown.cancel();
        }
    }
}

/// The signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    async fn next(&mut self) -> (i32, &'static str) {
        tokio::select! {
            _ = self.terminate.recv() => (SignalKind::terminate().as_raw_value(), "SIGTERM"),
            _ = self.interrupt.recv() => (SignalKind::interrupt().as_raw_value(), "SIGINT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tokio::sync::oneshot;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn tasks_that_end_when_told_are_waited_for() {
        let lifecycle = Lifecycle::new();
        let token = lifecycle.token();
        let (ended, end) = oneshot::channel();
        lifecycle.spawn("worker", async move {
            token.cancelled().await;
            ended.send(()).expect("is waited for");
        });
        lifecycle.token().cancel();
        assert_eq!(lifecycle.drained(PATIENCE).await, Drained::Whole);
        end.await.expect("it ended by itself");
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_are_named_when_the_time_is_over() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("ends", async {});
        lifecycle.spawn("hangs", std::future::pending());
        lifecycle.spawn("hangs, too", std::future::pending());
        lifecycle.token().cancel();
        let drained = lifecycle.drained(Duration::from_millis(50)).await;
        assert_eq!(
            drained,
            Drained::TimedOut {
                left: vec!["hangs", "hangs, too"]
            }
        );
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("unlucky", async { panic!("on purpose") });
        let drained = tokio::time::timeout(PATIENCE, lifecycle.drained(PATIENCE)).await;
        assert_eq!(drained, Ok(Drained::Whole));
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends_at_once() {
        let lifecycle = Lifecycle::new();
        let (ended, mut end) = oneshot::channel();
        let at_once = |number| ended.send(number).expect("is waited for");
        lifecycle.listen(at_once).expect("listens");
        tell_myself("-TERM");
        let asked = tokio::time::timeout(PATIENCE, lifecycle.token().cancelled_owned()).await;
        asked.expect("the token is cancelled");
        assert!(
            end.try_recv().is_err(),
            "one signal does not end the process"
        );
        tell_myself("-INT");
        let number = tokio::time::timeout(PATIENCE, end)
            .await
            .expect("ends")
            .expect("ends");
        assert_eq!(number, 2);
    }

    fn tell_myself(signal: &str) {
        let id = std::process::id().to_string();
        let status = Command::new("kill")
            .args([signal, &id])
            .status()
            .expect("kill is there");
        assert!(status.success());
    }
}
