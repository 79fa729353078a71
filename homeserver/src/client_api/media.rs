//! Media: uploading and downloading what messages point to, of this server alone. Thumbnails are the
//! whole pictures.

use axum::{
    Json,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{Caller, PathOf, QueryOf},
};
use crate::{messaging::media::MediaError, store::media::Medium};

/// Bytes of what is uploaded.
pub(crate) const MAX_MEDIUM: usize = 8 << 20;

/// Bytes of a file's name and of its type.
const MAX_TEXT: usize = 255;

/// Types that a browser may show in the page's place (client-server API, "Serving inline content").
const INLINE: [&str; 12] = [
    "text/plain",
    "application/json",
    "image/jpeg",
    "image/gif",
    "image/png",
    "image/apng",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "audio/mpeg",
    "audio/ogg",
];

#[derive(Deserialize)]
pub(super) struct UploadQuery {
    filename: Option<String>,
}

/// `POST /_matrix/media/v3/upload`: at most [`MAX_MEDIUM`] bytes; durable when this answers.
pub(super) async fn upload(
    api: ClientApi,
    Caller(device): Caller,
    QueryOf(query): QueryOf<UploadQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, MatrixError> {
    let content = Bytes::from_request(request, &()).await.map_err(|_| {
        let message = format!("a file has at most {MAX_MEDIUM} bytes");
        MatrixError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
    })?;
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = named.unwrap_or("application/octet-stream").to_owned();
    if content_type.len() > MAX_TEXT
        || query.filename.as_ref().is_some_and(|it| it.len() > MAX_TEXT)
    {
        return Err(MatrixError::invalid_param("the file's name or type is too long"));
    }
    let medium = Medium { content_type, file_name: query.filename, content: content.to_vec() };
    let (media, user) = (api.messaging.media.clone(), device.user_id);
    let id = api.finish(async move { media.put(&user, medium).await }).await?;
    Ok(Json(json!({ "content_uri": format!("mxc://{}/{id}", api.core.server_name()) })))
}

/// Which medium; the name is what it is to be called.
#[derive(Deserialize)]
pub(super) struct Which {
    server: String,
    media_id: String,
    name: Option<String>,
}

/// `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}`, and `thumbnail`.
pub(super) async fn download(
    api: ClientApi,
    Caller(_): Caller,
    PathOf(which): PathOf<Which>,
) -> Result<Response, MatrixError> {
    if which.server != api.core.server_name().as_str() {
        return Err(MatrixError::not_found("media of other servers are not fetched"));
    }
    let found = api.messaging.media.find(which.media_id).await?;
    let medium = found.ok_or_else(|| MatrixError::not_found("there is no such file"))?;
    Ok(served(medium, which.name))
}

fn served(medium: Medium, name: Option<String>) -> Response {
    let Medium { content_type, file_name, content } = medium;
    let plain = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
    let kind = if INLINE.contains(&&*plain) { "inline" } else { "attachment" };
    let name = name.or(file_name).map(|name| {
        let encoded =
            percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        format!("; filename*=UTF-8''{encoded}")
    });
    let disposition = format!("{kind}{}", name.unwrap_or_default());
    let mut response = content.into_response();
    let text = |text: &str| HeaderValue::from_str(text).ok();
    let headers = response.headers_mut();
    let fallback = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, text(&content_type).unwrap_or(fallback));
    headers.extend(text(&disposition).map(|value| (header::CONTENT_DISPOSITION, value)));
    // What users upload is never run as part of this server's pages.
    let policy = "sandbox; default-src 'none'; script-src 'none'; style-src 'unsafe-inline'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// `GET /_matrix/client/v1/media/config`.
pub(super) async fn config(Caller(_): Caller) -> Json<Value> {
    Json(json!({ "m.upload.size": MAX_MEDIUM }))
}

impl From<MediaError> for MatrixError {
    fn from(error: MediaError) -> Self {
        let message = error.to_string();
        match error {
            MediaError::TooMuch => {
                Self::new(StatusCode::FORBIDDEN, "M_RESOURCE_LIMIT_EXCEEDED", message)
            }
            MediaError::Store(error) => error.into(),
        }
    }
}
