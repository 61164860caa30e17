//! Sections 2.6 and 9: filters are echoed with all their parameters.

use serde_json::{Value, json};

use crate::conformance::answer::is;
use crate::conformance::case::{Book, demand};

pub(super) fn write(book: &mut Book) {
    let defaults: Vec<(&'static str, Value, Value)> = vec![
        ("volume", json!(0.5), json!(0.5)),
        (
            "equalizer",
            json!([{"band": 0, "gain": 0.2}]),
            json!([{"band": 0, "gain": 0.2}]),
        ),
        (
            "karaoke",
            json!({}),
            json!({"level": 1.0, "monoLevel": 1.0, "filterBand": 220.0, "filterWidth": 100.0}),
        ),
        (
            "timescale",
            json!({}),
            json!({"speed": 1.0, "pitch": 1.0, "rate": 1.0}),
        ),
        (
            "tremolo",
            json!({}),
            json!({"frequency": 2.0, "depth": 0.5}),
        ),
        (
            "vibrato",
            json!({}),
            json!({"frequency": 2.0, "depth": 0.5}),
        ),
        ("rotation", json!({}), json!({"rotationHz": 0.0})),
        (
            "distortion",
            json!({}),
            json!({
                "sinOffset": 0.0, "sinScale": 1.0, "cosOffset": 0.0, "cosScale": 1.0,
                "tanOffset": 0.0, "tanScale": 1.0, "offset": 0.0, "scale": 1.0
            }),
        ),
        (
            "channelMix",
            json!({}),
            json!({"leftToLeft": 1.0, "leftToRight": 0.0, "rightToLeft": 0.0, "rightToRight": 1.0}),
        ),
        ("lowPass", json!({}), json!({"smoothing": 20.0})),
    ];
    for (name, given, expected) in defaults {
        book.case(
            format!("2.6-defaults-{name}"),
            format!("the filter {name} given as {given} is echoed with all its parameters"),
            move |s| async move {
                let client = s.open().await?;
                let answer = client
                    .set(s.guild(), &json!({"filters": {name: given}}))
                    .await?;
                let mut all = serde_json::Map::new();
                all.insert(name.into(), expected);
                answer.is("/filters", &Value::Object(all)).map(drop)
            },
        );
        if name == "volume" {
            continue;
        }
        book.case(
            format!("9.5-null-{name}"),
            format!("the filter {name} given as null is unset"),
            move |s| async move {
                let client = s.open().await?;
                let answer = client
                    .patch(s.guild(), &json!({"filters": {name: null}}))
                    .await?;
                if name == "equalizer" {
                    // Not nullable in the reference server.
                    s.either(&answer, 400, 200, "null unsets every filter")?;
                } else {
                    answer.status(200)?;
                }
                if answer.status == 200 {
                    answer.is("/filters", &json!({}))?;
                }
                Ok(())
            },
        );
    }
    let given: Vec<(&'static str, Value)> = vec![
        ("volume-silent", json!({"volume": 0.0})),
        ("volume-loudest", json!({"volume": 5.0})),
        (
            "equalizer-all-bands",
            json!({"equalizer": (0..15).map(|band| json!({"band": band, "gain": 0.25})).collect::<Vec<_>>()}),
        ),
        ("equalizer-empty", json!({"equalizer": []})),
        (
            "equalizer-lowest",
            json!({"equalizer": [{"band": 14, "gain": -0.25}]}),
        ),
        (
            "karaoke",
            json!({"karaoke": {"level": 0.5, "monoLevel": 0.7, "filterBand": 100.0, "filterWidth": 50.0}}),
        ),
        (
            "timescale-fast",
            json!({"timescale": {"speed": 1.5, "pitch": 1.0, "rate": 1.0}}),
        ),
        (
            "timescale-nightcore",
            json!({"timescale": {"speed": 1.1, "pitch": 1.2, "rate": 1.3}}),
        ),
        (
            "tremolo",
            json!({"tremolo": {"frequency": 4.0, "depth": 1.0}}),
        ),
        (
            "vibrato",
            json!({"vibrato": {"frequency": 14.0, "depth": 1.0}}),
        ),
        ("rotation", json!({"rotation": {"rotationHz": 0.2}})),
        ("rotation-back", json!({"rotation": {"rotationHz": -0.2}})),
        (
            "distortion",
            json!({"distortion": {
                "sinOffset": 0.1, "sinScale": 0.5, "cosOffset": 0.2, "cosScale": 0.6,
                "tanOffset": 0.3, "tanScale": 0.7, "offset": 0.4, "scale": 0.8
            }}),
        ),
        (
            "channel-mix-mono",
            json!({"channelMix": {"leftToLeft": 0.5, "leftToRight": 0.5, "rightToLeft": 0.5, "rightToRight": 0.5}}),
        ),
        (
            "channel-mix-swapped",
            json!({"channelMix": {"leftToLeft": 0.0, "leftToRight": 1.0, "rightToLeft": 1.0, "rightToRight": 0.0}}),
        ),
        ("low-pass", json!({"lowPass": {"smoothing": 5.0}})),
        ("low-pass-off", json!({"lowPass": {"smoothing": 1.0}})),
        (
            "several",
            json!({"volume": 0.8, "tremolo": {"frequency": 4.0, "depth": 0.3}, "lowPass": {"smoothing": 3.0}}),
        ),
    ];
    for (name, filters) in given {
        book.case(
            format!("9-echo-{name}"),
            format!("filters {filters} are echoed as they are"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                let answer = client.set(guild, &json!({"filters": filters})).await?;
                answer.is("/filters", &filters)?;
                client.get(guild).await?.is("/filters", &filters).map(drop)
            },
        );
    }
    book.case(
        "9-gain-left-out",
        "an equalizer band without a gain has 1.0, as in the reference server",
        |s| async move {
            let client = s.open().await?;
            let answer = client
                .set(s.guild(), &json!({"filters": {"equalizer": [{"band": 3}]}}))
                .await?;
            answer
                .is("/filters/equalizer", &json!([{"band": 3, "gain": 1.0}]))
                .map(drop)
        },
    );
    for (name, filters) in [
        ("volume-negative", json!({"volume": -0.5})),
        ("volume-too-loud", json!({"volume": 5.5})),
        ("band-15", json!({"equalizer": [{"band": 15, "gain": 0.1}]})),
        (
            "band-below-0",
            json!({"equalizer": [{"band": -1, "gain": 0.1}]}),
        ),
        (
            "tremolo-depth-0",
            json!({"tremolo": {"frequency": 2.0, "depth": 0.0}}),
        ),
        (
            "tremolo-frequency-0",
            json!({"tremolo": {"frequency": 0.0, "depth": 0.5}}),
        ),
        (
            "vibrato-too-fast",
            json!({"vibrato": {"frequency": 15.0, "depth": 0.5}}),
        ),
        (
            "vibrato-depth-above-1",
            json!({"vibrato": {"frequency": 2.0, "depth": 1.5}}),
        ),
        ("timescale-negative", json!({"timescale": {"speed": -1.0}})),
    ] {
        book.case(
            format!("9.6-out-of-range-{name}"),
            format!("filters {filters} out of range: accepted by the reference server, or 400"),
            move |s| async move {
                let client = s.open().await?;
                let answer = client
                    .patch(s.guild(), &json!({"filters": filters}))
                    .await?;
                if answer.status == 500 {
                    s.note("500: the filter is built at once");
                    return Ok(());
                }
                s.either(&answer, 200, 400, "bad input is refused where it comes in")
            },
        );
    }
    for (name, filters) in [
        ("karaoke-text", json!({"karaoke": {"level": "high"}})),
        ("equalizer-object", json!({"equalizer": {}})),
        (
            "band-float",
            json!({"equalizer": [{"band": 1.5, "gain": 0.1}]}),
        ),
        ("band-missing", json!({"equalizer": [{"gain": 0.1}]})),
        ("volume-text", json!({"volume": "loud"})),
        ("timescale-text", json!({"timescale": "fast"})),
    ] {
        book.case(
            format!("9-wrong-type-{name}"),
            format!("filters {filters} of a wrong type: 400"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                let answer = client.patch(guild, &json!({"filters": filters})).await?;
                answer.error(400, &client.player(guild)).map(drop)
            },
        );
    }
    book.case(
        "9-unknown-filter",
        "an unknown filter is ignored",
        |s| async move {
            let client = s.open().await?;
            let answer = client
                .set(s.guild(), &json!({"filters": {"sparkle": {"level": 1}}}))
                .await?;
            answer.is("/filters", &json!({})).map(drop)
        },
    );
    book.case(
        "9-unknown-plugin-filter",
        "unknown pluginFilters are ignored, and not echoed",
        |s| async move {
            let client = s.open().await?;
            let body = json!({"filters": {"pluginFilters": {"nobody-has-this": {"a": 1}}}});
            client
                .set(s.guild(), &body)
                .await?
                .is("/filters", &json!({}))
                .map(drop)
        },
    );
    for (name, filters) in [
        ("volume", json!({"volume": 0.5})),
        (
            "equalizer",
            json!({"equalizer": [{"band": 0, "gain": 0.25}]}),
        ),
        ("karaoke", json!({"karaoke": {}})),
        ("timescale", json!({"timescale": {"speed": 1.5}})),
        ("tremolo", json!({"tremolo": {}})),
        ("vibrato", json!({"vibrato": {}})),
        ("rotation", json!({"rotation": {"rotationHz": 0.2}})),
        ("distortion", json!({"distortion": {"sinScale": 0.5}})),
        ("channelMix", json!({"channelMix": {"leftToLeft": 0.5}})),
        ("lowPass", json!({"lowPass": {"smoothing": 5.0}})),
    ] {
        book.case(
            format!("9.7-heard-{name}"),
            format!("with the filter {name} a running track goes on"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                let mut call = client.play(guild, "long.wav").await?;
                client.set(guild, &json!({"filters": filters})).await?;
                for _ in 0..30 {
                    call.sound().await?;
                }
                let answer = client.get(guild).await?;
                demand(answer.body["track"].is_object(), "the track", &answer.body)
            },
        );
    }
    book.case(
        "9.5-cleared-while-playing",
        "`filters: {}` clears all while a track plays, and it goes on",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            client
                .set(guild, &json!({"filters": {"tremolo": {}}}))
                .await?;
            call.sound().await?;
            let answer = client.set(guild, &json!({"filters": {}})).await?;
            is(&answer.body, "/filters", &json!({}))?;
            call.sound().await.map(drop)
        },
    );
}
