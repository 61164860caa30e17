//! Sections 4.9 to 4.12 and 12: what a server says about itself; route planner off.

use serde_json::json;

use crate::conformance::answer::{at, keys};
use crate::conformance::case::{Book, demand, skip};

const FILTERS: &[&str] = &[
    "volume",
    "equalizer",
    "karaoke",
    "timescale",
    "tremolo",
    "vibrato",
    "distortion",
    "rotation",
    "channelMix",
    "lowPass",
];

pub(super) fn write(book: &mut Book) {
    book.case(
        "4.9-info-keys",
        "GET /v4/info has the documented keys",
        |s| async move {
            let answer = s.get("/v4/info").await?;
            answer.status(200)?;
            keys(
                &answer.body,
                "",
                &[
                    "version",
                    "buildTime",
                    "git",
                    "jvm",
                    "lavaplayer",
                    "sourceManagers",
                    "filters",
                    "plugins",
                ],
            )?;
            keys(
                &answer.body,
                "/version",
                &["semver", "major", "minor", "patch", "preRelease?", "build?"],
            )?;
            keys(&answer.body, "/git", &["branch", "commit", "commitTime"])
        },
    );
    book.case(
        "4.9-version-parts",
        "semver begins with major.minor.patch",
        |s| async move {
            let version = s.about()["version"].clone();
            let parts = format!(
                "{}.{}.{}",
                version["major"], version["minor"], version["patch"]
            );
            let semver = version["semver"].as_str().unwrap_or_default();
            demand(semver.starts_with(&parts), "semver of its parts", &version)
        },
    );
    for pointer in ["/buildTime", "/git/commitTime"] {
        book.case(
            format!("4.9-time{}", pointer.replace('/', "-").to_lowercase()),
            format!("{pointer} is a time in milliseconds"),
            move |s| async move {
                let time = at(s.about(), pointer)?.as_i64();
                demand(time.is_some_and(|time| time >= 0), "an integer", time)
            },
        );
    }
    for pointer in ["/git/branch", "/git/commit", "/jvm", "/lavaplayer"] {
        book.case(
            format!("4.9-text{}", pointer.replace('/', "-")),
            format!("{pointer} is a text that is not empty"),
            move |s| async move {
                let text = at(s.about(), pointer)?.as_str();
                demand(text.is_some_and(|text| !text.is_empty()), "a text", text)
            },
        );
    }
    for source in ["http", "local"] {
        book.case(
            format!("4.9-source-{source}"),
            format!("sourceManagers has {source} when it is on"),
            move |s| async move {
                let sources = at(s.about(), "/sourceManagers")?;
                let found = sources
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(source)));
                if !found && source == "local" {
                    return skip("the source local is off");
                }
                demand(found, source, sources)
            },
        );
    }
    for filter in FILTERS {
        book.case(
            format!("4.9-filter-{filter}"),
            format!("filters has {filter}"),
            move |s| async move {
                let filters = at(s.about(), "/filters")?;
                let found = filters
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(filter)));
                demand(found, filter, filters)
            },
        );
    }
    book.case(
        "4.9-plugins",
        "plugins is an array of {name, version}",
        |s| async move {
            let plugins = at(s.about(), "/plugins")?;
            let right = plugins.as_array().is_some_and(|all| {
                all.iter()
                    .all(|plugin| plugin["name"].is_string() && plugin["version"].is_string())
            });
            demand(right, "an array of {name, version}", plugins)
        },
    );
    book.case(
        "4.10-version",
        "GET /version is the semver of /v4/info, as plain text",
        |s| async move {
            let answer = s.get("/version").await?;
            let kind = answer
                .headers
                .get("content-type")
                .and_then(|kind| kind.to_str().ok());
            demand(
                kind.is_some_and(|kind| kind.starts_with("text/plain")),
                "text/plain",
                kind,
            )?;
            demand(
                json!(answer.text) == s.about()["version"]["semver"],
                "the semver",
                &answer.text,
            )
        },
    );
    planner(book);
}

fn planner(book: &mut Book) {
    book.case(
        "12-status-off",
        "GET /v4/routeplanner/status with no route planner: 204, empty",
        |s| async move { s.get("/v4/routeplanner/status").await?.status(204)?.empty() },
    );
    for (name, path, body) in [
        (
            "free-address",
            "/v4/routeplanner/free/address",
            json!({"address": "127.0.0.1"}),
        ),
        ("free-all", "/v4/routeplanner/free/all", json!({})),
    ] {
        book.case(
            format!("12-{name}-off"),
            format!("POST {path} with no route planner: 500 `Can't access disabled route planner`"),
            move |s| async move {
                if s.get("/v4/routeplanner/status").await?.status == 200 {
                    return skip("a route planner is on");
                }
                let answer = s.post(path, &body).await?;
                answer
                    .error(500, path)?
                    .says("Can't access disabled route planner")
            },
        );
    }
    book.case(
        "12-free-address-no-body",
        "POST /v4/routeplanner/free/address without an address: 400 or 500",
        |s| async move {
            let path = "/v4/routeplanner/free/address";
            let answer = s.post(path, &json!({})).await?;
            s.either(&answer, 400, 500, "it is off, whatever is asked")?;
            answer.error(answer.status, path).map(drop)
        },
    );
    book.case(
        "12-status-wrong-method",
        "POST /v4/routeplanner/status: 405",
        |s| async move {
            let path = "/v4/routeplanner/status";
            s.post(path, &json!({})).await?.error(405, path).map(drop)
        },
    );
}
