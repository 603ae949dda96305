//! `/docs`: the OpenAPI document to browse and to try, with everything it needs from this process.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use shared::api::http::{self, RequestId};
use shared::api::{Problem, ProblemCode};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const PAGE: &str = include_str!("docs.html");
const START: &str = include_str!("docs.js");

/// What of Swagger UI the page needs, and its media type.
const ASSETS: [(&str, &str); 2] = [
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

/// A browser that keeps to this asks nobody else, whatever the page or the document says. Swagger UI sets styles itself
/// and has its icons in the style sheet.
const ONLY_FROM_HERE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                              frame-ancestors 'none'; form-action 'none'; base-uri 'none'";

/// The pages. They are public: what a key is needed for, they ask for with the key that the reader types in.
pub(crate) fn router() -> Router {
    Router::new().route("/docs", get(page)).route("/docs/{file}", get(asset))
}

async fn page() -> impl IntoResponse {
    let policy = HeaderValue::from_static(ONLY_FROM_HERE);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE))
}

async fn asset(Path(file): Path<String>, id: RequestId) -> Response {
    if file == "docs.js" {
        return sent(ASSETS[0].1, Bytes::from_static(START.as_bytes()));
    }
    let Some(index) = ASSETS.iter().position(|(name, _)| *name == file) else {
        let problem = Problem::new(ProblemCode::NotFound, "no such file; GET /docs is the page");
        return http::reply::<()>(Err(problem), id);
    };
    match UNPACKED.get(index) {
        Some(bytes) => sent(ASSETS[index].1, bytes.clone()),
        None => {
            http::reply::<()>(Err(Problem::new(ProblemCode::Internal, "Swagger UI can't be unpacked")), id)
        }
    }
}

fn sent(media_type: &'static str, bytes: Bytes) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, bytes).into_response()
}

/// The assets in their order, unpacked when first asked for; none when the archive is not as expected, which a test would
/// find.
static UNPACKED: LazyLock<Vec<Bytes>> = LazyLock::new(|| unpacked().unwrap_or_default());

fn unpacked() -> Result<Vec<Bytes>> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let mut files = Vec::new();
    for (name, _) in ASSETS {
        let ending = format!("/dist/{name}");
        let mut paths = archive.file_names().filter_map(Result::ok).map(Cow::into_owned);
        let path = paths.find(|path| path.ends_with(&ending)).with_context(|| format!("no {name}"))?;
        drop(paths);
        let mut bytes = Vec::new();
        archive.by_name(&path)?.read_to_end(&mut bytes)?;
        files.push(bytes.into());
    }
    Ok(files)
}
