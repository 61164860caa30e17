//! What is special to Redis: several processes share it, processes die, and it goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_backends::bus::redis::RedisBus;
use backline_backends::bus::{Bus, Consumer, Delivery, Limits, Partitions, PublishError};
use backline_proto::bus::{Broadcast, Topic};
use backline_sim::servers::Redis;
use uuid::Uuid;

use crate::bus::address;

const TOPIC: Topic = Topic::Commands;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_streams_and_broadcasts() {
    let server = Redis::shared().expect("Redis starts");
    let [gateway, audio] = buses(&server, Limits::default());
    let mut consumer = audio.consume(TOPIC, Partitions::ALL);
    let mut screen = gateway.subscribe(Broadcast::UiNow);
    gateway
        .publish(TOPIC, 5, b"play"[..].into())
        .await
        .expect("published");
    let delivery = next(&mut *consumer).await;
    assert_eq!((&*delivery.payload, delivery.partition), (&b"play"[..], 5));
    delivery.receipt.ack();
    // The channel may not be open yet: what is lossy is said until it is heard.
    let heard = loop {
        audio.broadcast(Broadcast::UiNow, 7, b"now"[..].into());
        if let Ok(heard) = tokio::time::timeout(Duration::from_millis(50), screen.next()).await {
            break heard;
        }
    };
    assert_eq!(heard.as_deref(), Some(&b"now"[..]));
}

#[test]
fn the_partitions_of_a_dead_process_are_taken_over_with_what_it_had() {
    let server = Redis::shared().expect("Redis starts");
    let prefix = format!("test-{}", Uuid::new_v4());
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let (doomed, survivor) = (runtime(), runtime());
    let bus = |prefix: &str| RedisBus::new(&address(&server.url(), prefix), Limits::default());
    let first = doomed.block_on(async { bus(&prefix).expect("a bus") });
    let second = survivor.block_on(async { bus(&prefix).expect("a bus") });
    let held = doomed.block_on(async {
        let mut consumer = first.consume(TOPIC, Partitions::ALL);
        for n in 0..100_u32 {
            let payload = n.to_be_bytes().to_vec();
            first
                .publish(TOPIC, 3, payload.into())
                .await
                .expect("published");
        }
        for _ in 0..10 {
            next(&mut *consumer).await.receipt.ack();
        }
        let held = next(&mut *consumer).await;
        // Acknowledgements travel, and only what Redis knows survives the death: asking for
        // dead letters waits for them.
        assert!(first.dead_letters(TOPIC).await.is_empty());
        (held, consumer)
    });
    // The process dies: nothing is given back, nothing is said.
    doomed.shutdown_background();
    let died = Instant::now();
    survivor.block_on(async {
        let mut consumer = second.consume(TOPIC, Partitions::ALL);
        for n in 10..100_u32 {
            let delivery = next(&mut *consumer).await;
            assert_eq!(
                delivery.payload[..],
                n.to_be_bytes(),
                "in order, none missing"
            );
            let expected = if n < 11 { 2 } else { delivery.attempt };
            assert_eq!(delivery.attempt, expected, "{n}");
            delivery.receipt.ack();
        }
    });
    assert!(
        died.elapsed() < Duration::from_secs(10),
        "{:?}",
        died.elapsed()
    );
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_hangs_and_comes_back_costs_no_message_and_no_order() {
    let server = Redis::start().expect("Redis starts");
    let limits = Limits {
        publish_timeout: PATIENCE,
        ..Limits::default()
    };
    let [publisher, reader] = buses(&server, limits);
    let publishing = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for n in 0..400_u32 {
            let payload: Arc<[u8]> = n.to_be_bytes().to_vec().into();
            match publisher.publish(TOPIC, 9, payload).await {
                Ok(()) => acknowledged.push(n),
                Err(PublishError::Away) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (acknowledged, publisher)
    });
    let mut consumer = reader.consume(TOPIC, Partitions::ALL);
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            let delivery = next(&mut *consumer).await;
            let bytes: [u8; 4] = delivery.payload[..].try_into().expect("a number");
            let n = u32::from_be_bytes(bytes);
            delivery.receipt.ack();
            seen.push(n);
            if n == u32::MAX {
                return seen;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.freeze(true);
    // Longer than an answer may take, and than a lease lasts.
    tokio::time::sleep(Duration::from_secs(6)).await;
    server.freeze(false);
    let (acknowledged, publisher) = publishing.await.expect("no panic");
    let end = u32::MAX.to_be_bytes().to_vec();
    publisher
        .publish(TOPIC, 9, end.into())
        .await
        .expect("published");
    let mut seen = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the end comes")
        .expect("no panic");
    seen.pop();
    // What was in the air may have been appended without an answer, or twice: that is why
    // messages have ids. Nothing acknowledged is missing, and first sights are in order.
    let mut firsts = Vec::new();
    for n in seen {
        if !firsts.contains(&n) {
            firsts.push(n);
        }
    }
    assert!(acknowledged.iter().all(|n| firsts.contains(n)));
    assert!(firsts.is_sorted(), "{firsts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_everything_is_used_again() {
    let server = Arc::new(Redis::start().expect("Redis starts"));
    let [bus, _] = buses(&server, Limits::default());
    let mut consumer = bus.consume(TOPIC, Partitions::ALL);
    bus.publish(TOPIC, 1, b"before"[..].into())
        .await
        .expect("published");
    next(&mut *consumer).await.receipt.ack();
    let restarted = Arc::clone(&server);
    tokio::task::spawn_blocking(move || {
        restarted.kill();
        restarted.restart().expect("comes back");
    })
    .await
    .expect("no panic");
    bus.publish(TOPIC, 1, b"after"[..].into())
        .await
        .expect("published");
    let delivery = next(&mut *consumer).await;
    assert_eq!(&*delivery.payload, b"after");
    delivery.receipt.ack();
}

fn buses(server: &Redis, limits: Limits) -> [RedisBus; 2] {
    let prefix = format!("test-{}", Uuid::new_v4());
    [(), ()].map(|()| RedisBus::new(&address(&server.url(), &prefix), limits).expect("a bus"))
}

async fn next(consumer: &mut dyn Consumer) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a message comes")
        .expect("the bus is open")
}
