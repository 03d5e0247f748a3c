//! JSON bodies whose errors name the field.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

/// A request body, whatever its content type says: curl's default is not JSON.
pub(super) struct Body<T>(pub(super) T);

/// A request that cannot be done, and why, beginning with the field.
#[derive(Debug)]
pub(super) struct BadRequest(pub(super) String);

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = BadRequest;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, BadRequest> {
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(BadRequest(words(&rejection))),
        }
    }
}

/// The innermost reason: it is the one that names the field.
fn words(rejection: &JsonRejection) -> String {
    let mut error: &dyn std::error::Error = rejection;
    while let Some(source) = error.source() {
        error = source;
        // One level down says "field: what is wrong with it"; further down the field is lost.
        if error.is::<serde_json::Error>() {
            break;
        }
    }
    match error.to_string() {
        text if text == rejection.to_string() => rejection.body_text(),
        text => text,
    }
}
