//! The REST API, version 10.

mod body;
mod channels;
mod commands;
mod files;
mod guilds;
mod interactions;
mod me;
mod rate;
mod route;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use self::{
    body::Content,
    rate::{Limited, Verdict},
    route::{Access, Route},
};
pub(crate) use self::{files::attachment, rate::Rates};
use super::{
    Shared,
    id::{ApplicationId, UserId},
    journal::Entry,
    refusal::Refusal,
    world::World,
};

/// What a handler answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(Value),
    Created(Value),
    Empty,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Json(value) => Json(value).into_response(),
            Self::Created(value) => (StatusCode::CREATED, Json(value)).into_response(),
            Self::Empty => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) application: ApplicationId,
    pub(crate) bot: UserId,
}

/// Everything below `/api`.
pub(crate) async fn api(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, content) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let shown = shown_path(&path);
    let answered = answer(
        &shared,
        &parts.method,
        &path,
        parts.uri.query().unwrap_or_default(),
        &parts.headers,
        content,
    )
    .await;
    let (mut response, refusal) = match answered {
        Ok(response) => (response, None),
        Err((refusal, headers)) => {
            let text = format!(
                "{} {}{}",
                refusal.code,
                refusal.message,
                refusal
                    .errors
                    .as_ref()
                    .map(|errors| format!(" {errors}"))
                    .unwrap_or_default()
            );
            let mut response = refusal.into_response();
            response.headers_mut().extend(headers);
            (response, Some(text))
        }
    };
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        // WIRE: clients take a 429 without it for a ban by the edge, and do not try again.
        response
            .headers_mut()
            .insert(header::VIA, HeaderValue::from_static("1.1 google"));
    }
    let status = response.status().as_u16();
    let mut world = shared.world();
    world.journal.add(Entry::Rest {
        method: parts.method.to_string(),
        path: shown,
        status,
        refusal,
    });
    world.touch();
    drop(world);
    response
}

type Answer = Result<Response, (Refusal, HeaderMap)>;

async fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    content: Body,
) -> Answer {
    let bare = |refusal: Refusal| (refusal, HeaderMap::new());
    if headers
        .get(header::USER_AGENT)
        .is_none_or(HeaderValue::is_empty)
    {
        return Err(bare(Refusal::blocked()));
    }
    let path = strip_version(path).map_err(bare)?;
    let fault = shared.faults.rest(path);
    if !fault.delay.is_zero() {
        tokio::time::sleep(fault.delay).await;
    }
    if let Some(response) = fault.response {
        return Ok(response);
    }
    if shared.rates().is_shut_out() {
        return Ok(rate::shut_out());
    }
    let route = Route::parse(method, path).map_err(bare)?;
    let caller = match route.access() {
        Access::Bot => Some(authenticate(shared, headers).map_err(|refusal| {
            shared.rates().count_invalid();
            bare(refusal)
        })?),
        Access::Token => None,
    };
    let verdict = shared.rates().check(
        caller.map(|caller| caller.application),
        &route.bucket(),
        &shared.limits,
    );
    let limits = match verdict {
        Verdict::Pass(limits) => limits,
        Verdict::Limited(limited) => {
            shared.rates().count_invalid();
            return Ok(Limited::into_response(limited));
        }
    };
    let content = body::read(headers, content, shared.limits.upload_bytes)
        .await
        .map_err(|refusal| (refusal, limits.clone()))?;
    let handled = handle(&mut shared.world(), caller, &route, query, content);
    match handled {
        Ok(reply) => {
            let mut response = reply.into_response();
            response.headers_mut().extend(limits);
            Ok(response)
        }
        Err(refusal) => {
            if matches!(refusal.status, 401 | 403) {
                shared.rates().count_invalid();
            }
            Err((refusal, limits))
        }
    }
}

fn handle(
    world: &mut World,
    caller: Option<Caller>,
    route: &Route,
    query: &str,
    content: Content,
) -> Result<Reply, Refusal> {
    // Routes that need a bot have got one above.
    let bot = || caller.ok_or_else(Refusal::unauthorized);
    match route {
        Route::Me(one) => me::handle(world, caller, one, query, &content),
        Route::Commands(one) => commands::handle(world, bot()?, one, query, &content),
        Route::Channels(one) => channels::handle(world, bot()?, one, query, content),
        Route::Guilds(one) => guilds::handle(world, bot()?, one, query, &content),
        Route::Interactions(one) => interactions::handle(world, one, query, content),
    }
}

fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bot "))
        .ok_or_else(Refusal::unauthorized)?;
    let world = shared.world();
    let application = *world
        .tokens
        .get(token.trim())
        .ok_or_else(Refusal::unauthorized)?;
    let bot = world.application(application)?.bot;
    Ok(Caller { application, bot })
}

/// Takes `/api` and the version off; only version 10 (and none) is simulated.
fn strip_version(path: &str) -> Result<&str, Refusal> {
    let path = path.strip_prefix("/api").unwrap_or(path);
    let Some(rest) = path.strip_prefix("/v") else {
        return Ok(path);
    };
    let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(path);
    }
    if version != "10" && version != "9" {
        return Err(Refusal::invalid_api_version());
    }
    Ok(&path[path.len() - rest.len() - usize::from(!rest.is_empty())..])
}

/// The path without version and without interaction tokens, for the journal.
fn shown_path(path: &str) -> String {
    let path = strip_version(path).unwrap_or(path);
    path.split('/')
        .map(|part| if part.len() > 40 { "…" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// Reads a value of a query string.
pub(crate) fn query_value(query: &str, key: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

/// What the fault injection wants to happen to a request.
#[derive(Debug, Default)]
pub(crate) struct RestFault {
    pub(crate) delay: Duration,
    pub(crate) response: Option<Response>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_taken_off_paths() {
        let rows = [
            ("/api/v10/users/@me", Ok("/users/@me")),
            ("/api/v9/users/@me", Ok("/users/@me")),
            ("/api/users/@me", Ok("/users/@me")),
            ("/api/voice/regions", Ok("/voice/regions")),
            ("/api/v6/users/@me", Err(50_041)),
        ];
        for (path, expected) in rows {
            assert_eq!(
                strip_version(path).map_err(|refusal| refusal.code),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn tokens_do_not_reach_the_journal() {
        let path = format!("/api/v10/interactions/1/{}/callback", "a".repeat(120));
        assert_eq!(shown_path(&path), "/interactions/1/…/callback");
    }
}
