//! Bad input from every side: a clear answer, nothing crashes, and other guilds hear no gap.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::sound::{PER_SECOND, Tune, hear};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_guild_asks_for_in_vain_no_other_guild_hears() {
    let nocturne = Tune::nocturne();
    let file = nocturne.file("Nocturne");
    let broken = &file[..file.len() / 20];
    let mut stage = Stage::open(&[
        ("nocturne.opus", &file),
        ("broken.opus", broken),
        ("page.mp3", b"<!doctype html><html><title>Not found</title></html>"),
        ("empty.flac", b""),
    ])
    .await
    .with_settings("[node.http]\nallow_private_networks = true\nread_timeout_ms = 1500\nconnect_timeout_ms = 1500");
    let web = web_server().await;
    let calm = stage.guild("Calm");
    let wild = stage.guild("Wild");
    stage.start_bot().await;
    let mut ear = calm.guild.listen();
    calm.play("nocturne").await;
    let calm_hears = tokio::spawn(async move {
        let heard = hear(&mut ear, 20 * PER_SECOND).await;
        (heard, ear.stats())
    });

    for (query, why) in [
        (format!("{web}/page"), "a page instead of audio"),
        (format!("{web}/missing"), "a 404"),
        (format!("{web}/stall"), "a server that stalls"),
        (format!("{web}/garbage"), "noise instead of audio"),
        ("http://127.0.0.1:1/dead.mp3".to_owned(), "a dead port"),
        ("page".to_owned(), "a page in the folder"),
        ("empty".to_owned(), "an empty file"),
        ("no such tune".to_owned(), "a search without a result"),
        (
            "../../../../etc/passwd".to_owned(),
            "a path out of the folder",
        ),
        (
            "file:///etc/passwd".to_owned(),
            "a file outside of the folder",
        ),
        ("ftp://127.0.0.1/x".to_owned(), "another protocol"),
        ("x".repeat(6000), "a very long query"),
    ] {
        let interaction =
            match wild
                .discord
                .command(wild.person, wild.text, "/play", &[("query", json!(query))])
            {
                Ok(interaction) => interaction,
                // What a client of Discord would not even send.
                Err(_) if query.len() > 100 => continue,
                Err(error) => panic!("{why}: {error}"),
            };
        let answer = interaction
            .answer()
            .await
            .unwrap_or_else(|error| panic!("{why}: {error}"));
        let text = answer.text();
        assert!(answer.is_ephemeral(), "{why}: the answer is private");
        assert!(
            !text.is_empty() && !text.to_lowercase().contains("panic"),
            "{why}: {text}"
        );
        assert!(!text.contains("root:"), "{why}: nothing leaks");
        assert!(
            !text.contains(&format!("{}", stage.music().display())),
            "{why}: no path of the machine: {text}"
        );
        println!("{why}: {text}");
    }

    // A file that breaks off plays as far as it goes, and the queue goes on.
    let mut ear = wild.guild.listen();
    wild.play("broken").await;
    wild.play("nocturne").await;
    let heard = hear(&mut ear, 5 * PER_SECOND).await;
    assert!(
        nocturne.place_of(&heard[..PER_SECOND]).is_some(),
        "what is there of it is heard"
    );

    for (command, options) in [
        ("/seek", vec![("position", json!("a little later"))]),
        ("/seek", vec![("position", json!("99:59:59"))]),
        ("/remove", vec![("from", json!(99))]),
        ("/move", vec![("from", json!(1)), ("to", json!(99))]),
        ("/queue", vec![("page", json!(99))]),
        ("/resume", vec![]),
    ] {
        let text = wild.ask(command, &options).await;
        assert!(!text.is_empty(), "{command} is answered");
    }

    let (heard, stats) = calm_hears.await.expect("the calm guild hears its tune");
    assert_eq!(
        nocturne.place_of(&heard),
        Some(0),
        "whole, in order, bit for bit"
    );
    assert_eq!(stats.lost, 0);
    assert!(stage.bot_lives(), "the bot still runs");
    let log = stage.log();
    assert!(
        !log.contains(&stage.discord.token()),
        "the token is in no log line"
    );
    assert!(!log.contains("panicked"), "nothing panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_unless_allowed() {
    let mut stage = Stage::open(&[]).await;
    let web = web_server().await;
    let seat = stage.guild("Curious");
    stage.start_bot().await;
    for url in [
        format!("{web}/page"),
        "http://localhost:80/".to_owned(),
        "http://[::1]/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/a.mp3".to_owned(),
        "http://0x7f000001/a.mp3".to_owned(),
        "http://[::ffff:127.0.0.1]/a.mp3".to_owned(),
    ] {
        let text = seat.play(&url).await;
        assert!(text.contains("private network"), "{url}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_on_discords_side_passes_unheard() {
    let nocturne = Tune::nocturne();
    let mut stage = Stage::open(&[("nocturne.opus", &nocturne.file("Nocturne"))]).await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();
    seat.play("nocturne").await;
    hear(&mut ear, PER_SECOND).await;
    let faults = stage.discord.faults();
    assert_eq!(
        faults.break_gateway(None),
        1,
        "the one shard loses its connection"
    );
    faults.rate_limit("/messages", 3, Duration::from_millis(700));
    let heard = hear(&mut ear, 3 * PER_SECOND).await;
    assert!(
        nocturne.place_of(&heard).is_some(),
        "music does not depend on the gateway"
    );
    let discord = stage.discord.clone();
    discord
        .until("the session to be resumed", |discord| {
            (discord.journal().resumes() >= 1).then_some(())
        })
        .await
        .expect("the bot comes back");
    assert_eq!(discord.journal().identifies(), 1, "without a new session");
    let answer = seat.ask("/volume", &[]).await;
    assert!(answer.contains("100"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_ask_for_the_impossible_are_told_why() {
    let nocturne = Tune::nocturne();
    let mut stage = Stage::open(&[("nocturne.opus", &nocturne.file("Nocturne"))]).await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    for command in ["/pause", "/skip", "/shuffle", "/clear", "/nowplaying"] {
        let text = seat.ask(command, &[]).await;
        assert!(text.len() > 10, "{command} is explained: {text}");
    }
    seat.play("nocturne").await;
    let stranger = seat.guild.add_user("outside of voice");
    let interaction = stage
        .discord
        .command(stranger, seat.text, "/skip", &[])
        .expect("everybody may use the command");
    let answer = interaction.answer().await.expect("an answer");
    assert!(
        answer.is_ephemeral() && answer.text().to_lowercase().contains("voice"),
        "{}",
        answer.text()
    );
    let pong = seat.ask("/ping", &[]).await;
    assert!(pong.contains("I am well"), "{pong}");
    // An interaction token that has expired is no reason to fall over.
    let late = seat.command("/queue", &[]);
    late.acknowledged().await.expect("acknowledged");
    stage.discord.advance(Duration::from_mins(16));
    seat.panel("the message is still kept up to date", |text| {
        text.contains("Nocturne")
    })
    .await;
    assert!(stage.bot_lives());
}

/// A web server that answers every path in its own wrong way.
async fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let count = socket.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..count]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
                let html = "<!doctype html><html><body>This is a page.</body></html>";
                let answer = match path.as_str() {
                    "/page" => answer("200 OK", "text/html", html.as_bytes()),
                    "/garbage" => answer("200 OK", "audio/mpeg", &[0x55; 16_000]),
                    "/stall" => {
                        let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 100000\r\n\r\n";
                        let _ = socket.write_all(head.as_bytes()).await;
                        let _ = socket.write_all(&[0xff, 0xfb, 0x90, 0x00]).await;
                        // Until the client gives up.
                        let _ = socket.read(&mut [0; 1]).await;
                        return;
                    }
                    _ => answer("404 Not Found", "text/html", html.as_bytes()),
                };
                // The client may be gone.
                let _ = socket.write_all(&answer).await;
            });
        }
    });
    format!("http://{address}")
}

fn answer(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}
