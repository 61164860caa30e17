//! The route planner, which this node does not have.

use axum::http::{StatusCode, Uri};
use axum::response::Response;

use super::answer::{Place, Refusal};

/// `GET /v4/routeplanner/status`.
pub async fn status() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `POST /v4/routeplanner/free/address` and `/free/all`.
pub async fn free(uri: Uri) -> Response {
    Refusal::broken("Can't access disabled route planner").at(&Place::of(&uri))
}
