//! The task of a consumer: holds leases, reads streams, tells what became of deliveries.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use backline_proto::bus::{PARTITIONS, Topic};
use redis::{RedisError, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::keys::GROUP;
use super::shared::{AHEAD, Settled, Shared};
use super::wire::{self, Entry, EntryId};
use super::{Inner, Partitions};

pub(super) struct Owner {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    settled: mpsc::UnboundedReceiver<Settled>,
    /// What could not be told yet.
    untold: Vec<Settled>,
    /// Names this consumer in leases and groups.
    name: String,
    /// Until when each lease is ours for certain.
    leases: HashMap<u16, Instant>,
    reachable: bool,
}

impl Owner {
    pub(super) fn new(
        inner: Arc<Inner>,
        shared: Arc<Shared>,
        settled: mpsc::UnboundedReceiver<Settled>,
    ) -> Self {
        Self {
            inner,
            shared,
            settled,
            untold: Vec::new(),
            name: Uuid::new_v4().to_string(),
            leases: HashMap::new(),
            reachable: true,
        }
    }

    /// Works until the consumer is gone and what it held is settled.
    pub(super) async fn run(mut self) {
        let mut renew = tokio::time::interval(RENEW);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        loop {
            let due = tokio::select! {
                _ = renew.tick() => true,
                () = shared.work.notified() => false,
            };
            let worked = self.work(due).await;
            match worked {
                Ok(true) => return,
                Ok(false) => {
                    if !std::mem::replace(&mut self.reachable, true) {
                        tracing::info!(bus.topic = self.topic().name(), "bus is back");
                    }
                }
                Err(error) => {
                    if std::mem::replace(&mut self.reachable, false) {
                        tracing::warn!(
                            bus.topic = self.topic().name(),
                            error = %error,
                            "bus cannot be reached"
                        );
                    }
                    self.forget_overdue();
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    fn topic(&self) -> Topic {
        self.shared.topic
    }

    /// Does what is to be done; true when there is nothing left to do, ever.
    async fn work(&mut self, due: bool) -> Result<bool, RedisError> {
        self.tell().await?;
        let (mut vacant, mut woken, closed, dropped) = {
            let mut state = self.shared.state();
            (
                std::mem::replace(&mut state.vacant, Partitions::NONE),
                std::mem::replace(&mut state.woken, Partitions::NONE),
                state.closed,
                state.dropped,
            )
        };
        if dropped {
            return self.leave().await;
        }
        if due {
            // Words may be lost: everything is looked at once in a while.
            vacant = Partitions::ALL;
            woken = Partitions::ALL;
        }
        self.hold(vacant, due).await?;
        // Taking over wakes further partitions.
        {
            let mut state = self.shared.state();
            let taken = std::mem::replace(&mut state.woken, Partitions::NONE);
            woken = (0..PARTITIONS)
                .filter(|partition| taken.contains(*partition))
                .fold(woken, Partitions::with);
        }
        let read = self.read(woken).await?;
        if closed {
            if !due && !read {
                // What was published before the close and not announced yet.
                self.hold(Partitions::ALL, false).await?;
            }
            if !self.read(Partitions::ALL).await? {
                self.shared.drained();
            }
        }
        Ok(false)
    }

    /// Renews the leases that we have and asks for those of `vacant` that we want.
    async fn hold(&mut self, vacant: Partitions, renew: bool) -> Result<(), RedisError> {
        let wanted: Vec<u16> = (0..PARTITIONS)
            .filter(|partition| self.shared.partitions.contains(*partition))
            .filter(|partition| {
                if self.leases.contains_key(partition) {
                    renew
                } else {
                    vacant.contains(*partition)
                }
            })
            .collect();
        for partition in wanted {
            let asked = Instant::now();
            let answer: i64 = self
                .inner
                .scripts
                .lease
                .key(self.inner.keys.lease(self.topic(), partition))
                .arg(&self.name)
                .arg(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX))
                .invoke_async(&mut self.inner.link.clone())
                .await?;
            let had = self.leases.contains_key(&partition);
            match answer {
                0 if had => self.lose(partition),
                0 => {}
                // Ours still, or again although it had ended: nobody was there in between.
                1 if had => {
                    self.leases.insert(partition, asked + LEASE);
                }
                _ => {
                    self.lose(partition);
                    self.leases.insert(partition, asked + LEASE);
                    let unfinished = self.claim(partition).await?;
                    self.shared.take_over(partition, unfinished);
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, partition: u16) {
        self.leases.remove(&partition);
        self.shared.lose(partition);
    }

    /// Without Redis, leases end by themselves.
    fn forget_overdue(&mut self) {
        let now = Instant::now();
        let overdue: Vec<u16> = self
            .leases
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(partition, _)| *partition)
            .collect();
        for partition in overdue {
            self.lose(partition);
        }
    }

    /// Takes what the last owner had read and not settled, with the number of tries.
    async fn claim(&self, partition: u16) -> Result<Vec<(Entry, u32)>, RedisError> {
        let stream = self.inner.keys.stream(self.topic(), partition);
        let made: Result<(), RedisError> = redis::cmd("XGROUP")
            .arg("CREATE")
            .arg(&stream)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut self.inner.link.clone())
            .await;
        if let Err(error) = made
            && error.code() != Some("BUSYGROUP")
        {
            return Err(error);
        }
        let mut unfinished = Vec::new();
        let mut from = "-".to_owned();
        loop {
            let pending: Value = redis::cmd("XPENDING")
                .arg(&stream)
                .arg(GROUP)
                .arg(&from)
                .arg("+")
                .arg(CLAIMED)
                .query_async(&mut self.inner.link.clone())
                .await?;
            let pending = wire::pending(&pending);
            let Some((last, _)) = pending.last() else {
                return Ok(unfinished);
            };
            from = format!("({last}");
            let counts: HashMap<String, u32> = pending
                .iter()
                .map(|(id, count)| (id.to_string(), *count))
                .collect();
            let mut claim = redis::cmd("XCLAIM");
            claim.arg(&stream).arg(GROUP).arg(&self.name).arg(0);
            for (id, _) in &pending {
                claim.arg(id.to_string());
            }
            let claimed: Value = claim.query_async(&mut self.inner.link.clone()).await?;
            unfinished.extend(wire::entries(&claimed).into_iter().map(|entry| {
                let count = counts.get(&entry.id.to_string()).copied();
                (entry, count.unwrap_or_default())
            }));
        }
    }

    /// Reads partitions of ours that have room; true if anything came.
    async fn read(&mut self, woken: Partitions) -> Result<bool, RedisError> {
        let rooms: Vec<(u16, usize)> = {
            let state = self.shared.state();
            (0..PARTITIONS)
                .filter(|partition| woken.contains(*partition))
                .map(|partition| (partition, &state.places[usize::from(partition)]))
                .filter(|(_, place)| place.owned)
                .map(|(partition, place)| (partition, place.room()))
                .filter(|(_, room)| *room > 0)
                .collect()
        };
        if rooms.is_empty() {
            return Ok(false);
        }
        let mut pipeline = redis::pipe();
        for (partition, room) in &rooms {
            pipeline
                .cmd("XREADGROUP")
                .arg("GROUP")
                .arg(GROUP)
                .arg(&self.name)
                .arg("COUNT")
                .arg(*room)
                .arg("STREAMS")
                .arg(self.inner.keys.stream(self.topic(), *partition))
                .arg(">");
        }
        let answers: Result<Vec<Value>, RedisError> =
            pipeline.query_async(&mut self.inner.link.clone()).await;
        let answers = match answers {
            // Somebody emptied the database: begin anew.
            Err(error) if error.code() == Some("NOGROUP") => {
                for (partition, _) in rooms {
                    self.lose(partition);
                }
                return Ok(false);
            }
            other => other?,
        };
        let mut any = false;
        for ((partition, room), answer) in rooms.into_iter().zip(answers) {
            let entries = wire::read(&answer);
            any |= !entries.is_empty();
            let more = entries.len() >= room;
            self.shared.add(partition, entries, more);
        }
        Ok(any)
    }

    /// Tells Redis what became of deliveries; what could not be told is kept.
    async fn tell(&mut self) -> Result<(), RedisError> {
        while let Ok(settled) = self.settled.try_recv() {
            self.untold.push(settled);
        }
        if self.untold.is_empty() {
            return Ok(());
        }
        let mut done: HashMap<u16, Vec<EntryId>> = HashMap::new();
        for settled in &self.untold {
            if let Settled::Done(partition, id) = settled {
                done.entry(*partition).or_default().push(*id);
            }
        }
        for (partition, ids) in done {
            for ids in ids.chunks(SETTLED) {
                let mut settle = self
                    .inner
                    .scripts
                    .settle
                    .key(self.inner.keys.stream(self.topic(), partition));
                settle.arg(GROUP);
                for id in ids {
                    settle.arg(id.to_string());
                }
                let _count: i64 = settle.invoke_async(&mut self.inner.link.clone()).await?;
            }
        }
        let all = self.untold.len();
        self.untold
            .retain(|settled| !matches!(settled, Settled::Done(..)));
        self.shared.told(all - self.untold.len());
        while let Some(settled) = self.untold.first() {
            match settled {
                Settled::Again(partition, id, attempts) => {
                    let _claimed: Value = redis::cmd("XCLAIM")
                        .arg(self.inner.keys.stream(self.topic(), *partition))
                        .arg(GROUP)
                        .arg(&self.name)
                        .arg(0)
                        .arg(id.to_string())
                        .arg("RETRYCOUNT")
                        .arg(*attempts)
                        .arg("JUSTID")
                        .query_async(&mut self.inner.link.clone())
                        .await?;
                }
                Settled::Dead(partition, id, attempts, reason) => {
                    self.bury(*partition, *id, *attempts, reason).await?;
                }
                Settled::Done(..) => {}
            }
            self.untold.remove(0);
            self.shared.told(1);
        }
        Ok(())
    }

    async fn bury(
        &self,
        partition: u16,
        id: EntryId,
        attempts: u32,
        reason: &str,
    ) -> Result<(), RedisError> {
        let _moved: i64 = self
            .inner
            .scripts
            .bury
            .key(self.inner.keys.stream(self.topic(), partition))
            .key(self.inner.keys.dead(self.topic(), partition))
            .arg(GROUP)
            .arg(id.to_string())
            .arg(self.inner.limits.dead_letters)
            .arg(attempts)
            .arg(reason)
            .invoke_async(&mut self.inner.link.clone())
            .await?;
        tracing::error!(
            bus.topic = self.topic().name(),
            bus.partition = partition,
            attempts,
            reason,
            "message became a dead letter"
        );
        Ok(())
    }

    /// Gives back the leases of partitions of which nothing is held; true when none is left.
    async fn leave(&mut self) -> Result<bool, RedisError> {
        let free: Vec<u16> = {
            let state = self.shared.state();
            self.leases
                .keys()
                .copied()
                .filter(|partition| state.places[usize::from(*partition)].held == 0)
                .collect()
        };
        // What the last handlers said goes before the lease.
        self.tell().await?;
        for partition in free {
            let _given: i64 = self
                .inner
                .scripts
                .release
                .key(self.inner.keys.lease(self.topic(), partition))
                .arg(&self.name)
                .arg(self.inner.keys.wake(self.topic()))
                .arg(wire::vacant(partition))
                .invoke_async(&mut self.inner.link.clone())
                .await?;
            self.lose(partition);
            self.inner.vacant(self.topic(), partition);
        }
        // What was settled while this ran is told on the next round.
        Ok(self.leases.is_empty() && self.settled.is_empty())
    }
}

const _: () = assert!(AHEAD > 1, "reading ahead hides the way to Redis");

/// How long a lease lasts when its owner does not renew it.
const LEASE: Duration = Duration::from_secs(4);
/// How often leases are renewed and everything is looked at.
const RENEW: Duration = Duration::from_secs(1);
/// How long to wait after a failure.
const AGAIN: Duration = Duration::from_millis(100);
/// Unfinished messages claimed at once.
const CLAIMED: usize = 256;
/// Messages settled at once: Lua's `unpack` has a limit.
const SETTLED: usize = 500;
