//! The front end: three files, built from `web/` and put into the program.

use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};

const PAGE: &str = include_str!("../built/index.html");
const SCRIPT: &str = include_str!("../built/serve.js");
const STYLE: &str = include_str!("../built/serve.css");
const ICON: &str = include_str!("../built/icon.svg");

pub(crate) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}
