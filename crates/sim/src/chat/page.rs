//! The files of the page, inside the binary.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// `GET /`
pub(super) async fn index() -> Response {
    serve("index.html")
}

/// `GET /icon.svg`
pub(super) async fn icon() -> Response {
    serve("icon.svg")
}

/// `GET /css/{name}`
pub(super) async fn style(Path(name): Path<String>) -> Response {
    serve(&format!("css/{name}"))
}

/// `GET /js/{name}`
pub(super) async fn script(Path(name): Path<String>) -> Response {
    serve(&format!("js/{name}"))
}

fn serve(path: &str) -> Response {
    let Some(file) = Files::get(path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.data).into_response()
}

/// Nothing from elsewhere; `blob:` is how scripts feed a media element.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_page_names_is_there() {
        let index = Files::get("index.html").expect("the page is embedded");
        let index = String::from_utf8(index.data.into_owned()).expect("the page is text");
        let named: Vec<_> = index
            .split('"')
            .filter(|text| {
                text.starts_with("css/") || text.starts_with("js/") || *text == "icon.svg"
            })
            .collect();
        assert!(named.len() > 5);
        for name in named {
            assert!(Files::get(name).is_some(), "{name}");
        }
        for name in Files::iter().filter(|name| name.starts_with("js/")) {
            let script = Files::get(&name).expect("it is listed").data.into_owned();
            let script = String::from_utf8(script).expect("scripts are text");
            for import in script
                .lines()
                .filter_map(|line| line.split_once("from \"./"))
            {
                let import = import.1.trim_end_matches("\";");
                assert!(
                    Files::get(&format!("js/{import}")).is_some(),
                    "{name} imports {import}"
                );
            }
        }
    }
}
