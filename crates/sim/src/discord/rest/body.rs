//! Bodies: JSON, or multipart with `payload_json` and files.

use axum::{
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, FromRequest, Multipart, Request},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use serde_json::Value;

use crate::discord::{
    check::Object,
    refusal::{Errors, Refusal},
    world::message::{StoredFile, Upload},
};

/// A request's content.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) json: Option<Value>,
    pub(crate) uploads: Vec<Upload>,
}

impl Content {
    /// Returns the body as an object.
    pub(crate) fn object(&self) -> Result<&Object, Refusal> {
        match &self.json {
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(Errors::one(
                "",
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            )),
            None => Err(Refusal::invalid_json()),
        }
    }

    /// Returns the body, whatever it is.
    pub(crate) fn value(&self) -> Result<&Value, Refusal> {
        self.json.as_ref().ok_or_else(Refusal::invalid_json)
    }
}

/// Reads a body.
pub(crate) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Content, Refusal> {
    let bytes = to_bytes(body, most + ROOM_FOR_JSON)
        .await
        .map_err(|_| Refusal::too_large())?;
    if bytes.is_empty() {
        return Ok(Content::default());
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        return multipart(kind, bytes, most).await;
    }
    if !kind.starts_with("application/json") {
        return Err(Errors::one(
            "_misc",
            "CONTENT_TYPE_INVALID",
            "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}.",
        ));
    }
    if bytes.len() > ROOM_FOR_JSON {
        return Err(Refusal::too_large());
    }
    Ok(Content {
        json: Some(serde_json::from_slice(&bytes).map_err(|_| Refusal::invalid_json())?),
        uploads: Vec::new(),
    })
}

async fn multipart(kind: &str, bytes: Bytes, most: usize) -> Result<Content, Refusal> {
    let mut request = Request::builder()
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(bytes))
        .map_err(|_| Refusal::invalid_json())?;
    // The size was checked while reading.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| Refusal::invalid_json())?;
    let mut content = Content::default();
    let mut total = 0;
    let mut plain = Object::new();
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|_| Refusal::invalid_json())?
    {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(ToOwned::to_owned);
        let content_type = field.content_type().map(ToOwned::to_owned);
        let bytes = field.bytes().await.map_err(|_| Refusal::invalid_json())?;
        if name == "payload_json" {
            content.json =
                Some(serde_json::from_slice(&bytes).map_err(|_| Refusal::invalid_json())?);
        } else if let Some(file_name) = file_name {
            total += bytes.len();
            if total > most {
                return Err(Refusal::too_large());
            }
            if content.uploads.len() == MOST_FILES {
                return Err(Errors::one(
                    "files",
                    "BASE_TYPE_MAX_LENGTH",
                    "Must be 10 or fewer in length.",
                ));
            }
            content.uploads.push(Upload {
                number: name
                    .strip_prefix("files[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .and_then(|number| number.parse().ok()),
                file: StoredFile {
                    name: file_name,
                    content_type,
                    bytes,
                },
            });
        } else {
            plain.insert(
                name,
                Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            );
        }
    }
    if content.json.is_none() {
        content.json = Some(Value::Object(plain));
    }
    Ok(content)
}

const ROOM_FOR_JSON: usize = 1024 * 1024;
const MOST_FILES: usize = 10;
