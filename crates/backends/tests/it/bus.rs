//! The contract of the bus. A new backend joins at the end of this file.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backline_backends::bus::redis::{Address, RedisBus};
use backline_backends::bus::{Bus, Consumer, Delivery, Limits, Partitions, PublishError};
use backline_proto::bus::{Broadcast, Topic};
use backline_sim::servers::Redis;
use uuid::Uuid;

/// Makes an empty bus in a place that lives as long as the test.
type Make<'a> = &'a dyn Fn(Limits) -> Arc<dyn Bus>;

/// Where the buses of one test are.
#[derive(Default)]
pub struct Place {
    redis: OnceLock<Arc<Redis>>,
}

impl Place {
    pub fn redis(&self, limits: Limits) -> RedisBus {
        let server = self
            .redis
            .get_or_init(|| Redis::shared().expect("Redis starts"));
        let prefix = format!("test-{}", Uuid::new_v4());
        RedisBus::new(&address(&server.url(), &prefix), limits).expect("a bus")
    }
}

const TOPIC: Topic = Topic::Commands;

/// Far longer than anything takes; only a hanging test reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

async fn messages_of_a_partition_come_in_order(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    for text in ["a", "b", "c"] {
        publish(&*bus, 7, text).await;
    }
    for text in ["a", "b", "c"] {
        let delivery = next(&mut *consumer).await;
        assert_eq!(
            (shown(&delivery), delivery.partition, delivery.attempt),
            (text, 7, 1)
        );
        delivery.receipt.ack();
    }
}

async fn topics_are_separate(make: Make<'_>) {
    let bus = make(Limits::default());
    for topic in Topic::ALL {
        bus.publish(topic, 0, payload(topic.name()))
            .await
            .expect("published");
    }
    for topic in Topic::ALL {
        let mut consumer = bus.consume(topic, Partitions::ALL);
        let delivery = next(&mut *consumer).await;
        assert_eq!(shown(&delivery), topic.name());
        delivery.receipt.ack();
    }
}

async fn a_dropped_delivery_comes_again_before_later_ones(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 1, "first").await;
    publish(&*bus, 1, "second").await;
    drop(next(&mut *consumer).await);
    let again = next(&mut *consumer).await;
    assert_eq!((shown(&again), again.attempt), ("first", 2));
    again.receipt.ack();
    let second = next(&mut *consumer).await;
    assert_eq!((shown(&second), second.attempt), ("second", 1));
}

async fn deliveries_dropped_in_any_order_come_again_as_published(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    for text in ["a", "b", "c", "d"] {
        publish(&*bus, 1, text).await;
    }
    let a = next(&mut *consumer).await;
    let b = next(&mut *consumer).await;
    let c = next(&mut *consumer).await;
    drop(b);
    drop(c);
    drop(a);
    for (text, attempt) in [("a", 2), ("b", 2), ("c", 2), ("d", 1)] {
        let delivery = next(&mut *consumer).await;
        assert_eq!((shown(&delivery), delivery.attempt), (text, attempt));
        delivery.receipt.ack();
    }
}

async fn an_acknowledged_message_never_comes_again(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 1, "done").await;
    next(&mut *consumer).await.receipt.ack();
    drop(consumer);
    publish(&*bus, 1, "new").await;
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    assert_eq!(shown(&next(&mut *consumer).await), "new");
}

async fn a_message_nobody_can_handle_becomes_a_dead_letter(make: Make<'_>) {
    let bus = make(Limits {
        attempts: 3,
        ..Limits::default()
    });
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 5, "poison").await;
    publish(&*bus, 5, "food").await;
    for attempt in 1..=3 {
        let delivery = next(&mut *consumer).await;
        assert_eq!((shown(&delivery), delivery.attempt), ("poison", attempt));
    }
    assert_eq!(shown(&next(&mut *consumer).await), "food");
    let dead = bus.dead_letters(TOPIC).await;
    let dead: Vec<_> = dead
        .iter()
        .map(|d| (d.partition, &*d.payload, d.attempts, &*d.reason))
        .collect();
    assert_eq!(dead, [(5, &b"poison"[..], 3, "3 tries failed")]);
}

async fn a_rejected_message_becomes_a_dead_letter_at_once(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 5, "nonsense").await;
    publish(&*bus, 5, "food").await;
    next(&mut *consumer).await.receipt.reject("not readable");
    assert_eq!(shown(&next(&mut *consumer).await), "food");
    let dead = bus.dead_letters(TOPIC).await;
    let dead: Vec<_> = dead.iter().map(|d| (d.attempts, &*d.reason)).collect();
    assert_eq!(dead, [(1, "not readable")]);
}

async fn only_the_latest_dead_letters_are_kept(make: Make<'_>) {
    let bus = make(Limits {
        dead_letters: 2,
        ..Limits::default()
    });
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    for text in ["a", "b", "c"] {
        publish(&*bus, 0, text).await;
        next(&mut *consumer).await.receipt.reject("test");
    }
    let dead = bus.dead_letters(TOPIC).await;
    let dead: Vec<_> = dead.iter().map(|d| &*d.payload).collect();
    assert_eq!(dead, [b"b", b"c"]);
}

async fn a_second_consumer_takes_over_when_the_first_is_dropped(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut first = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 1, "held").await;
    let held = next(&mut *first).await;
    publish(&*bus, 1, "waiting").await;

    let mut second = bus.consume(TOPIC, Partitions::ALL);
    let takeover = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let delivery = next(&mut *second).await;
            seen.push((shown(&delivery).to_owned(), delivery.attempt));
            delivery.receipt.ack();
        }
        seen
    });
    // The first owner still gets its messages while the second stands by.
    let waiting = next(&mut *first).await;
    assert_eq!(shown(&waiting), "waiting");
    drop(held);
    drop(waiting);
    drop(first);
    let seen = takeover.await.expect("no panic");
    assert_eq!(seen, [("held".to_owned(), 2), ("waiting".to_owned(), 2)]);
}

async fn consumers_of_different_partitions_share_the_work(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut low = bus.consume(TOPIC, Partitions::NONE.with(1).with(2));
    let mut high = bus.consume(TOPIC, Partitions::NONE.with(63));
    publish(&*bus, 63, "high").await;
    publish(&*bus, 2, "low").await;
    assert_eq!(shown(&next(&mut *low).await), "low");
    assert_eq!(shown(&next(&mut *high).await), "high");
}

async fn a_busy_partition_does_not_starve_the_others(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    for _ in 0..100 {
        publish(&*bus, 3, "busy").await;
    }
    publish(&*bus, 2, "quiet").await;
    let mut before = 0;
    loop {
        let delivery = next(&mut *consumer).await;
        if shown(&delivery) == "quiet" {
            break;
        }
        before += 1;
        delivery.receipt.ack();
    }
    assert!(
        before <= 2,
        "the quiet partition waited for {before} messages of the busy one"
    );
}

async fn a_full_partition_makes_publishers_wait_until_there_is_room(make: Make<'_>) {
    let bus = make(Limits {
        capacity: 2,
        publish_timeout: PATIENCE,
        ..Limits::default()
    });
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    publish(&*bus, 1, "a").await;
    publish(&*bus, 1, "b").await;
    let waiting = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { publish(&*bus, 1, "c").await }
    });
    // Others have room, and what is held still counts.
    publish(&*bus, 2, "elsewhere").await;
    let a = next(&mut *consumer).await;
    assert_eq!(shown(&a), "a");
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "the partition is full");
    a.receipt.ack();
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("room was made")
        .expect("no panic");
}

async fn a_partition_that_stays_full_refuses_after_a_while(make: Make<'_>) {
    let waited = Duration::from_millis(20);
    let bus = make(Limits {
        capacity: 1,
        publish_timeout: waited,
        ..Limits::default()
    });
    publish(&*bus, 1, "a").await;
    let error = bus.publish(TOPIC, 1, payload("b")).await.expect_err("full");
    assert_eq!(
        error,
        PublishError::Full {
            topic: TOPIC,
            partition: 1,
            waited
        }
    );
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "partition 1 of `discord-bot:commands` was full for 20ms"
    );
    // What was refused is not in it.
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    next(&mut *consumer).await.receipt.ack();
    publish(&*bus, 1, "c").await;
    assert_eq!(shown(&next(&mut *consumer).await), "c");
}

async fn partitions_that_do_not_exist_are_refused(make: Make<'_>) {
    let bus = make(Limits::default());
    let error = bus
        .publish(TOPIC, 64, payload("a"))
        .await
        .expect_err("no such partition");
    assert_eq!(error, PublishError::Partition { partition: 64 });
}

async fn a_closed_bus_hands_out_what_is_left_and_ends(make: Make<'_>) {
    let bus = make(Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    let mut subscriber = bus.subscribe(Broadcast::UiNow);
    publish(&*bus, 1, "left").await;
    bus.broadcast(Broadcast::UiNow, 1, payload("view"));
    bus.close();
    let refused = bus.publish(TOPIC, 1, payload("late")).await;
    assert_eq!(refused, Err(PublishError::Closed));
    bus.broadcast(Broadcast::UiNow, 1, payload("late"));
    let left = next(&mut *consumer).await;
    assert_eq!(shown(&left), "left");
    left.receipt.ack();
    assert!(within(consumer.next()).await.is_none());
    assert_eq!(
        within(subscriber.next()).await.as_deref(),
        Some(&b"view"[..])
    );
    assert!(within(subscriber.next()).await.is_none());
    assert!(
        within(bus.subscribe(Broadcast::UiNow).next())
            .await
            .is_none()
    );
}

async fn closing_wakes_those_who_wait(make: Make<'_>) {
    let bus = make(Limits {
        capacity: 1,
        publish_timeout: PATIENCE,
        ..Limits::default()
    });
    publish(&*bus, 1, "full").await;
    let mut consumer = bus.consume(Topic::ToAudio, Partitions::ALL);
    let mut subscriber = bus.subscribe(Broadcast::UiNow);
    let reader = tokio::spawn(async move { consumer.next().await.is_none() });
    let listener = tokio::spawn(async move { subscriber.next().await.is_none() });
    let writer = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(TOPIC, 1, payload("b")).await }
    });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    bus.close();
    assert!(within(reader).await.expect("no panic"));
    assert!(within(listener).await.expect("no panic"));
    assert_eq!(
        within(writer).await.expect("no panic"),
        Err(PublishError::Closed)
    );
}

async fn a_slow_subscriber_sees_only_the_latest_of_each_key(make: Make<'_>) {
    let bus = make(Limits::default());
    bus.broadcast(Broadcast::UiNow, 1, payload("before anybody listened"));
    let mut slow = bus.subscribe(Broadcast::UiNow);
    let mut other = bus.subscribe(Broadcast::UiNow);
    for n in 0..1_000 {
        bus.broadcast(Broadcast::UiNow, 1, payload(&format!("one {n}")));
        bus.broadcast(Broadcast::UiNow, 2, payload(&format!("two {n}")));
    }
    for subscriber in [&mut slow, &mut other] {
        for expected in ["one 999", "two 999"] {
            let payload = within(subscriber.next()).await.expect("open");
            assert_eq!(std::str::from_utf8(&payload), Ok(expected));
        }
    }
    bus.broadcast(Broadcast::UiNow, 1, payload("again"));
    assert_eq!(within(slow.next()).await.as_deref(), Some(&b"again"[..]));
}

async fn nothing_is_lost_or_reordered_under_load_with_failing_handlers(make: Make<'_>) {
    const PUBLISHERS: u16 = 8;
    const EACH: u32 = 500;
    let limits = Limits {
        capacity: 16,
        publish_timeout: PATIENCE,
        ..Limits::default()
    };
    let bus = make(limits);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|partition| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                for n in 0..EACH {
                    publish(&*bus, partition * 7, &n.to_string()).await;
                }
            })
        })
        .collect();
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    let mut handled: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    let mut turn = 0_u32;
    while handled.values().map(Vec::len).sum::<usize>() < usize::from(PUBLISHERS) * EACH as usize {
        let delivery = next(&mut *consumer).await;
        turn += 1;
        if turn.is_multiple_of(7) && delivery.attempt < 3 {
            continue; // Dropped: the handler failed.
        }
        let number = shown(&delivery).parse().expect("a number");
        handled.entry(delivery.partition).or_default().push(number);
        delivery.receipt.ack();
        if turn.is_multiple_of(501) {
            drop(consumer);
            consumer = bus.consume(TOPIC, Partitions::ALL);
        }
    }
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    assert_eq!(handled.len(), usize::from(PUBLISHERS));
    for (partition, numbers) in handled {
        assert!(
            numbers.into_iter().eq(0..EACH),
            "partition {partition} is out of order"
        );
    }
    assert!(bus.dead_letters(TOPIC).await.is_empty());
}

pub fn address<'a>(url: &'a str, prefix: &'a str) -> Address<'a> {
    Address {
        url,
        password: None,
        prefix,
    }
}

async fn publish(bus: &dyn Bus, partition: u16, text: &str) {
    bus.publish(TOPIC, partition, payload(text))
        .await
        .expect("published");
}

async fn next(consumer: &mut dyn Consumer) -> Delivery {
    within(consumer.next()).await.expect("the bus is open")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it ends")
}

fn payload(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

fn shown(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.payload).expect("text")
}

macro_rules! contract {
    ($backend:ident, $make:expr, [$($test:ident),+ $(,)?]) => {
        mod $backend {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let place = Place::default();
                    let make: fn(&Place, Limits) -> Arc<dyn Bus> = $make;
                    super::$test(&|limits| make(&place, limits)).await;
                }
            )+
        }
    };
}

macro_rules! contracts {
    ($($backend:ident: $make:expr),+ $(,)?) => {$(
        contract!($backend, $make, [
            messages_of_a_partition_come_in_order,
            topics_are_separate,
            a_dropped_delivery_comes_again_before_later_ones,
            deliveries_dropped_in_any_order_come_again_as_published,
            an_acknowledged_message_never_comes_again,
            a_message_nobody_can_handle_becomes_a_dead_letter,
            a_rejected_message_becomes_a_dead_letter_at_once,
            only_the_latest_dead_letters_are_kept,
            a_second_consumer_takes_over_when_the_first_is_dropped,
            consumers_of_different_partitions_share_the_work,
            a_busy_partition_does_not_starve_the_others,
            a_full_partition_makes_publishers_wait_until_there_is_room,
            a_partition_that_stays_full_refuses_after_a_while,
            partitions_that_do_not_exist_are_refused,
            a_closed_bus_hands_out_what_is_left_and_ends,
            closing_wakes_those_who_wait,
            a_slow_subscriber_sees_only_the_latest_of_each_key,
            nothing_is_lost_or_reordered_under_load_with_failing_handlers,
        ]);
    )+};
}

contracts! {
    memory: |_, limits| Arc::new(backline_backends::bus::memory::MemoryBus::new(limits)),
    redis: |place, limits| Arc::new(place.redis(limits)),
}
