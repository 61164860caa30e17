//! Uploaded files, served as the CDN does.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::discord::{Shared, id::AttachmentId};

/// `GET /attachments/{channel}/{id}/{name}`.
pub(crate) async fn attachment(
    State(shared): State<Arc<Shared>>,
    Path((_channel, id, _name)): Path<(u64, u64, String)>,
) -> Response {
    let found = shared.world().files.get(&AttachmentId::new(id)).cloned();
    let Some(file) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = file
        .content_type
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        ],
        file.bytes,
    )
        .into_response()
}
