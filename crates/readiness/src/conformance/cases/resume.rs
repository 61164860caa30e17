//! Section 7: sessions that outlive their sockets, and those that do not.

use std::time::Duration;

use serde_json::json;

use crate::conformance::answer::is;
use crate::conformance::case::{Book, Stop, demand, fault};
use crate::conformance::client::Client;
use crate::conformance::scene::Scene;

/// Takes a parked session up again.
async fn resume(s: &Scene, session: &str) -> Result<Client, Stop> {
    match s.socket(&[("Session-Id", session)]).await? {
        Ok(client) => Ok(client),
        Err(refused) => fault("a WebSocket", refused.status.to_string()),
    }
}

/// Opens a session that may be resumed.
async fn resumable(s: &Scene, timeout: u32) -> Result<Client, Stop> {
    let client = s.open().await?;
    let body = json!({"resuming": true, "timeout": timeout});
    s.patch(&client.path(), &body).await?.status(200)?;
    Ok(client)
}

pub(super) fn write(book: &mut Book) {
    book.case(
        "7.1-close-ends-players",
        "a session that is not resumable ends with its socket: 404 and no voice connection",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            let session = client.close().await?;
            s.get(&format!("/v4/sessions/{session}/players"))
                .await?
                .status(404)?;
            for _ in 0..200 {
                if !s.voice().is_connected(guild, s.user) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            fault("no voice connection", "still there")
        },
    );
    book.case(
        "7.1-not-resumable",
        "a session that is not resumable cannot be resumed",
        |s| async move {
            let session = s.open().await?.close().await?;
            let mut client = resume(&s, &session).await?;
            let ready = client.ready().await?;
            is(&ready, "/resumed", &json!(false))?;
            demand(
                ready["sessionId"] != session.as_str(),
                "a new session",
                &ready,
            )
        },
    );
    book.case(
        "7.2-parked-plays-on",
        "a parked session's audio goes on",
        |s| async move {
            let guild = s.guild();
            let mut client = resumable(&s, 30).await?;
            let mut call = client.play(guild, "long.wav").await?;
            client.close().await?;
            while call.ear.try_next().is_some() {}
            for _ in 0..50 {
                call.sound().await?;
            }
            Ok(())
        },
    );
    book.case(
        "7.2-parked-answers-404",
        "a parked session answers REST with 404",
        |s| async move {
            let session = resumable(&s, 30).await?.close().await?;
            let path = format!("/v4/sessions/{session}/players");
            s.get(&path)
                .await?
                .error(404, &path)?
                .says("Session not found")
        },
    );
    book.case(
        "7.4-resume",
        "a parked session is resumed: header and ready say so, with the same name",
        |s| async move {
            let session = resumable(&s, 30).await?.close().await?;
            let mut client = resume(&s, &session).await?;
            demand(
                client
                    .headers
                    .get("session-resumed")
                    .is_some_and(|value| value == "true"),
                "header session-resumed: true",
                &client.headers,
            )?;
            let ready = client.ready().await?;
            demand(
                ready == json!({"op": "ready", "resumed": true, "sessionId": session}),
                "ready, resumed, the same name",
                &ready,
            )
        },
    );
    book.case(
        "7.4-players-are-kept",
        "a resumed session has its players as they were",
        |s| async move {
            let guild = s.guild();
            let client = resumable(&s, 30).await?;
            client
                .set(guild, &json!({"volume": 31, "filters": {"volume": 0.5}}))
                .await?;
            let session = client.close().await?;
            let client = resume(&s, &session).await?.greeted().await?;
            let answer = client.get(guild).await?;
            answer.status(200)?.is("/volume", &json!(31))?;
            answer.is("/filters/volume", &json!(0.5)).map(drop)
        },
    );
    book.case(
        "7.3-missed-events",
        "events of a parked session come after ready, in order",
        |s| async move {
            let guild = s.guild();
            let mut client = resumable(&s, 30).await?;
            let mut call = client.play(guild, "short.wav").await?;
            client.event("TrackStartEvent").await?;
            let session = client.close().await?;
            call.silence(Duration::from_secs(1)).await?;
            let mut client = resume(&s, &session).await?.greeted().await?;
            let missed = client.any_event().await?;
            is(&missed, "/type", &json!("TrackEndEvent"))?;
            is(&missed, "/reason", &json!("finished"))
        },
    );
    book.case(
        "7.4-update-per-player",
        "after a resume a playerUpdate comes for each player",
        |s| async move {
            let (one, two) = (s.guild(), s.guild());
            let client = resumable(&s, 30).await?;
            client.set(one, &json!({})).await?;
            client.set(two, &json!({})).await?;
            let session = client.close().await?;
            let mut client = resume(&s, &session).await?.greeted().await?;
            client.update(one).await?;
            client.update(two).await.map(drop)
        },
    );
    book.case(
        "7.3-updates-are-not-kept",
        "playerUpdates of the time without a socket are not kept",
        |s| async move {
            let guild = s.guild();
            let mut client = resumable(&s, 30).await?;
            let _call = client.play(guild, "long.wav").await?;
            let session = client.close().await?;
            tokio::time::sleep(Duration::from_secs(7)).await;
            let mut client = resume(&s, &session).await?.greeted().await?;
            let count = client
                .collect(Duration::from_millis(700))
                .await
                .iter()
                .filter(|message| message["op"] == "playerUpdate")
                .count();
            // One for the resume; the regular one may fall into the same moment.
            demand((1..=2).contains(&count), "one playerUpdate", count)
        },
    );
    book.case(
        "7.5-unknown-session",
        "an unknown Session-Id gives a new session",
        |s| async move {
            let mut client = resume(&s, "aaaaaaaaaaaaaaaa").await?;
            let ready = client.ready().await?;
            is(&ready, "/resumed", &json!(false))?;
            demand(
                ready["sessionId"] != "aaaaaaaaaaaaaaaa",
                "a new name",
                &ready,
            )
        },
    );
    book.case(
        "7.5-connected-session",
        "a session that is still connected cannot be resumed",
        |s| async move {
            let first = resumable(&s, 30).await?;
            let mut second = resume(&s, &first.session).await?;
            let ready = second.ready().await?;
            is(&ready, "/resumed", &json!(false))?;
            s.get(&format!("{}/players", first.path()))
                .await?
                .status(200)
                .map(drop)
        },
    );
    book.case(
        "7.6-timeout",
        "when its time is over a parked session is gone, voice connections too",
        |s| async move {
            let guild = s.guild();
            let mut client = resumable(&s, 1).await?;
            let _call = client.play(guild, "long.wav").await?;
            let session = client.close().await?;
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            let mut client = resume(&s, &session).await?;
            is(&client.ready().await?, "/resumed", &json!(false))?;
            for _ in 0..200 {
                if !s.voice().is_connected(guild, s.user) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            fault("no voice connection", "still there")
        },
    );
    book.case(
        "7.7-settings-survive",
        "resuming and timeout survive a resume",
        |s| async move {
            let session = resumable(&s, 29).await?.close().await?;
            let client = resume(&s, &session).await?.greeted().await?;
            let answer = s.patch(&client.path(), &json!({})).await?;
            demand(
                answer.body == json!({"resuming": true, "timeout": 29}),
                "as before",
                &answer.body,
            )
        },
    );
    book.case(
        "7.4-resume-twice",
        "a session can be resumed again and again",
        |s| async move {
            let mut session = resumable(&s, 30).await?.close().await?;
            for _ in 0..3 {
                let mut client = resume(&s, &session).await?;
                let ready = client.ready().await?;
                is(&ready, "/resumed", &json!(true))?;
                client.session.clone_from(&session);
                session = client.close().await?;
            }
            Ok(())
        },
    );
    book.case(
        "7.2-resuming-off-again",
        "resuming can be turned off again",
        |s| async move {
            let client = resumable(&s, 30).await?;
            s.patch(&client.path(), &json!({"resuming": false}))
                .await?
                .status(200)?;
            let session = client.close().await?;
            let mut client = resume(&s, &session).await?;
            is(&client.ready().await?, "/resumed", &json!(false))
        },
    );
    book.case(
        "7.4-works-after-resume",
        "a resumed session plays, and events reach the new socket",
        |s| async move {
            let guild = s.guild();
            let session = resumable(&s, 30).await?.close().await?;
            let mut client = resume(&s, &session).await?.greeted().await?;
            let _call = client.play(guild, "short.wav").await?;
            client.event("TrackStartEvent").await?;
            client.event("TrackEndEvent").await.map(drop)
        },
    );
}
