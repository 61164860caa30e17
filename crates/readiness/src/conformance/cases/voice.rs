//! Section 8: voice, against simulated voice servers.

use std::time::Duration;

use serde_json::json;

use crate::conformance::answer::{is, keys};
use crate::conformance::case::{Book, demand, fault};
use crate::conformance::client::SILENCE;

pub(super) fn write(book: &mut Book) {
    book.case(
        "4.6.1-connect",
        "a voice update connects: the answer waits for it and echoes the voice state",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let call = s.invite(guild);
            let answer = client.set(guild, &json!({"voice": call.body})).await?;
            answer.is("/state/connected", &json!(true))?;
            for key in ["token", "endpoint", "sessionId"] {
                answer.is(&format!("/voice/{key}"), &call.body[key])?;
            }
            s.until_connected(guild).await
        },
    );
    book.case(
        "5-ping-connected",
        "a connected player has a ping of 0 ms or more, soon",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let _call = client.join(guild).await?;
            for _ in 0..160 {
                let ping = client.get(guild).await?.at("/state/ping")?.as_i64();
                if ping.is_some_and(|ping| (0..10_000).contains(&ping)) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            fault("a ping", "-1 for 16 s")
        },
    );
    book.case(
        "6.4-update-on-connect",
        "a playerUpdate comes when the voice connection is ready",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.join(guild).await?;
            let update = client.update(guild).await?;
            is(&update, "/state/connected", &json!(true))
        },
    );
    book.case(
        "4.6.1-same-voice-again",
        "the same voice update again changes nothing, and sound goes on",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"voice": call.body})).await?;
            for _ in 0..25 {
                call.sound().await?;
            }
            client
                .quiet(Duration::from_millis(300), "WebSocketClosedEvent", |m| {
                    m["type"] == "WebSocketClosedEvent"
                })
                .await
        },
    );
    book.case(
        "4.6.1-another-channel",
        "a voice update with another session connects anew, and sound goes on",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            let mut other = s.invite_to(guild, guild + 501);
            client.set(guild, &json!({"voice": other.body})).await?;
            while other.ear.try_next().is_some() {}
            other.sound().await.map(drop)
        },
    );
    for (name, key) in [("token", "token"), ("session", "sessionId")] {
        book.case(
            format!("4.6.1-wrong-{name}"),
            format!("a voice update with a wrong {name}: 500, or WebSocketClosedEvent"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                let mut body = s.invite(guild).body;
                body[key] = json!("wrong");
                let answer = client.patch(guild, &json!({"voice": body})).await?;
                if answer.status == 500 {
                    return answer.says("Failed to connect to voice server");
                }
                answer.status(200)?;
                client.event("WebSocketClosedEvent").await.map(drop)
            },
        );
    }
    book.case(
        "4.6.1-nobody-there",
        "a voice update to an endpoint where nobody listens: 500 `Failed to connect to voice server`",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let body = json!({"token": "t", "endpoint": "127.0.0.1:1", "sessionId": "s", "channelId": "1"});
            let body = json!({"voice": body});
            let asked = client.patch(guild, &body);
            let Ok(answer) = tokio::time::timeout(Duration::from_secs(20), asked).await else {
                if s.is_backline() {
                    return fault("an answer within 20 s", "none");
                }
                s.note("never answers: versions up to 4.2.2 wait without limit");
                return Ok(());
            };
            let answer = answer?;
            answer.error(500, &client.player(guild))?.says("Failed to connect to voice server")
        },
    );
    book.case(
        "4.6-voice-and-track",
        "voice and track in one update",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("short.wav").await?;
            let mut call = s.invite(guild);
            client
                .set(
                    guild,
                    &json!({"voice": call.body, "track": {"encoded": encoded}}),
                )
                .await?;
            call.sound().await.map(drop)
        },
    );
    book.case(
        "4.6-track-before-voice",
        "a track before its voice update is heard once the call is there",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("short.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            let mut call = client.join(guild).await?;
            call.sound().await.map(drop)
        },
    );
    sound(book);
    closes(book);
}

fn sound(book: &mut Book) {
    for file in [
        "sweep.mp3",
        "sweep.flac",
        "sweep.ogg",
        "sweep.opus",
        "sweep.webm",
        "sweep.m4a",
        "short.wav",
    ] {
        book.case(
            format!("8-heard-{file}"),
            format!("{file} is heard, about as long as it is, and ends with `finished`"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                let mut call = client.play(guild, file).await?;
                let end = client.event("TrackEndEvent").await?;
                is(&end, "/reason", &json!("finished"))?;
                call.silence(Duration::from_millis(500)).await?;
                let heard = call.ear.recent();
                let count = heard
                    .iter()
                    .filter(|frame| frame.opus.as_ref() != SILENCE)
                    .count();
                let expected = if file == "short.wav" { 50 } else { 100 };
                demand(
                    (expected - 8..=expected + 12).contains(&count),
                    &format!("about {expected} frames"),
                    count,
                )
            },
        );
    }
    book.case(
        "8.3-packets",
        "all packets are sealed, none repeats, timestamps are multiples of a frame",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "short.wav").await?;
            client.event("TrackEndEvent").await?;
            call.silence(Duration::from_millis(400)).await?;
            let stats = call.ear.stats();
            demand(
                (
                    stats.plaintext,
                    stats.garbage,
                    stats.replayed,
                    stats.off_grid,
                ) == (0, 0, 0, 0),
                "no bad packet",
                stats,
            )
        },
    );
    book.case(
        "8.4-speaking-first",
        "speaking is told before the first frame",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let call = client.play(guild, "short.wav").await?;
            let stats = call.ear.stats();
            if stats.before_speaking > 0 && !s.is_backline() {
                s.note(format!("{} frames before it", stats.before_speaking));
                return Ok(());
            }
            demand(stats.before_speaking == 0, "no frame before it", stats)
        },
    );
    book.case(
        "8.4-silence-at-the-end",
        "five frames of silence end a stretch of sound",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "short.wav").await?;
            client.event("TrackEndEvent").await?;
            call.silence(Duration::from_secs(1)).await?;
            let heard = call.ear.recent();
            let silent = heard
                .iter()
                .rev()
                .take_while(|frame| frame.opus.as_ref() == SILENCE)
                .count();
            demand(silent >= 5, "five frames of silence", silent)
        },
    );
    book.case(
        "8.4-timestamps",
        "sequence +1 and timestamp +960 from frame to frame",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            let mut before = call.sound().await?;
            for _ in 0..50 {
                let frame = call.sound().await?;
                let (sequence, timestamp) = (
                    frame.sequence.wrapping_sub(before.sequence),
                    frame.timestamp.wrapping_sub(before.timestamp),
                );
                demand(
                    timestamp == u32::from(sequence) * 960 && sequence >= 1,
                    "960 for each frame",
                    (sequence, timestamp),
                )?;
                before = frame;
            }
            Ok(())
        },
    );
    book.case(
        "8.8-passthrough",
        "Opus at volume 100 without filters passes through: the file's own packets are heard",
        |s| async move {
            let (mut client, one, two) = (s.open().await?, s.guild(), s.guild());
            let mut first = client.play(one, "sweep.opus").await?;
            let mut second = client.play(two, "sweep.opus").await?;
            for _ in 0..2 {
                client.event("TrackEndEvent").await?;
            }
            first.silence(Duration::from_millis(500)).await?;
            second.silence(Duration::from_millis(500)).await?;
            let packets = |call: &crate::conformance::scene::Call| -> Vec<Vec<u8>> {
                call.ear
                    .recent()
                    .iter()
                    .map(|frame| frame.opus.to_vec())
                    .filter(|opus| opus[..] != SILENCE)
                    .collect()
            };
            let (first, second) = (packets(&first), packets(&second));
            let file: &[u8] = include_bytes!("../../../../../assets/signals/sweep.opus");
            // A packet in the middle of the file stands in it byte for byte.
            let middle = &first[first.len() / 2];
            let inside = file.windows(middle.len()).any(|window| window == middle);
            demand(
                inside && first.len() == second.len(),
                "packets of the file",
                (inside, first.len()),
            )
        },
    );
    book.case(
        "8-pause",
        "a pause is silent, and sound goes on after it",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"paused": true})).await?;
            call.silence(Duration::from_millis(600)).await?;
            client.set(guild, &json!({"paused": false})).await?;
            call.sound().await.map(drop)
        },
    );
    book.case(
        "8-stop-is-silent",
        "a stop is silent soon",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": null}}))
                .await?;
            call.silence(Duration::from_millis(600)).await
        },
    );
    for (name, body) in [
        ("volume", json!({"volume": 30})),
        ("filter", json!({"filters": {"volume": 0.3}})),
    ] {
        book.case(
            format!("8.8-{name}-ends-passthrough"),
            format!("with {body} an Opus file is encoded anew"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                client.set(guild, &body).await?;
                let mut call = client.play(guild, "sweep.opus").await?;
                let file: &[u8] = include_bytes!("../../../../../assets/signals/sweep.opus");
                for _ in 0..20 {
                    call.sound().await?;
                }
                let frame = call.sound().await?;
                let inside = file
                    .windows(frame.opus.len())
                    .any(|window| window == frame.opus.as_ref());
                demand(
                    !inside,
                    "another packet than the file's",
                    "the file's packet",
                )
            },
        );
    }
}

fn closes(book: &mut Book) {
    for code in [4_004_u16, 4_006, 4_011, 4_014, 4_021, 4_022] {
        book.case(
            format!("8.6-close-{code}"),
            format!("the voice server closes with {code}: WebSocketClosedEvent with that code, by remote"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                let _call = client.join(guild).await?;
                s.voice().break_connection(guild, s.user, Some(code));
                let closed = client.event("WebSocketClosedEvent").await?;
                keys(&closed, "", &["op", "guildId", "type", "code", "reason", "byRemote"])?;
                is(&closed, "/code", &json!(code))?;
                is(&closed, "/byRemote", &json!(true))?;
                is(&closed, "/guildId", &json!(guild.to_string()))?;
                demand(closed["reason"].is_string(), "a reason as text", &closed)
            },
        );
    }
    book.case(
        "6.4-update-on-voice-close",
        "after a voice close a playerUpdate says that it is not connected",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.join(guild).await?;
            client.forget().await;
            s.voice().break_connection(guild, s.user, Some(4_014));
            client.event("WebSocketClosedEvent").await?;
            client
                .until("a playerUpdate that is not connected", |m| {
                    m["op"] == "playerUpdate" && m["state"]["connected"] == false
                })
                .await
                .map(drop)
        },
    );
    for (name, code) in [("4015", Some(4_015)), ("1006", None)] {
        book.case(
            format!("8.6-retry-{name}"),
            format!("a voice connection that breaks with {name} is resumed, without an event"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                let mut call = client.play(guild, "long.wav").await?;
                s.voice().break_connection(guild, s.user, code);
                tokio::time::sleep(Duration::from_secs(3)).await;
                while call.ear.try_next().is_some() {}
                call.sound().await?;
                client
                    .quiet(Duration::from_millis(200), "WebSocketClosedEvent", |m| {
                        m["type"] == "WebSocketClosedEvent"
                    })
                    .await
            },
        );
    }
    book.case(
        "8-kicked-and-back",
        "after 4014 a new voice update brings the sound back",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            s.voice().close_session(guild, s.user);
            client.event("WebSocketClosedEvent").await?;
            let mut call = client.join(guild).await?;
            while call.ear.try_next().is_some() {}
            call.sound().await.map(drop)
        },
    );
}
