//! The page and what it loads, from within the binary.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shared::api::http::{self, RequestId};
use shared::api::{Problem, ProblemCode};

use crate::serve::index;

const PAGE: &[u8] = include_bytes!("page/index.html");

/// A file of the page: its name, media type and bytes.
type Asset = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page loads from `/playground/`.
const ASSETS: &[Asset] = &[
    ("style.css", "text/css; charset=utf-8", include_bytes!("page/style.css")),
    ("archivo.woff2", "font/woff2", include_bytes!("page/archivo.woff2")),
    ("main.js", SCRIPT, include_bytes!("page/main.js")),
    ("api.js", SCRIPT, include_bytes!("page/api.js")),
    ("answer.js", SCRIPT, include_bytes!("page/answer.js")),
    ("batch.js", SCRIPT, include_bytes!("page/batch.js")),
    ("because.js", SCRIPT, include_bytes!("page/because.js")),
    ("browse.js", SCRIPT, include_bytes!("page/browse.js")),
    ("chart.js", SCRIPT, include_bytes!("page/chart.js")),
    ("curl.js", SCRIPT, include_bytes!("page/curl.js")),
    ("dom.js", SCRIPT, include_bytes!("page/dom.js")),
    ("history.js", SCRIPT, include_bytes!("page/history.js")),
    ("ladder.js", SCRIPT, include_bytes!("page/ladder.js")),
    ("person.js", SCRIPT, include_bytes!("page/person.js")),
    ("store.js", SCRIPT, include_bytes!("page/store.js")),
    ("trouble.js", SCRIPT, include_bytes!("page/trouble.js")),
];

/// A browser that keeps to this runs, draws and asks nothing that is not from here, whatever an item's title says.
const ONLY_FROM_HERE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
                              connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'none'; \
                              base-uri 'none'";

/// The page at `/`, for whoever asks for HTML as browsers do, and the list of routes for everybody else.
pub(in crate::serve) fn router() -> Router {
    Router::new().route("/", get(start)).route("/playground/{file}", get(asset))
}

async fn start(headers: HeaderMap) -> Response {
    let mut response = if takes_html(&headers) { sent(HTML, PAGE) } else { index().await.into_response() };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether HTML is asked for by name: what any client takes (`*/*`) is no sign of a person who looks.
fn takes_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("text/html"))
    })
}

async fn asset(Path(file): Path<String>, id: RequestId) -> Response {
    match ASSETS.iter().find(|(name, ..)| *name == file) {
        Some((_, media_type, bytes)) => sent(media_type, bytes),
        None => {
            let problem = Problem::new(ProblemCode::NotFound, "no such file; GET / is the page");
            http::reply::<()>(Err(problem), id)
        }
    }
}

fn sent(media_type: &'static str, bytes: &'static [u8]) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(ONLY_FROM_HERE)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // They change with the binary alone, and nothing would say when that was exchanged.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a first visit may weigh, all told.
    const WEIGHT_LIMIT: usize = 200_000;

    #[test]
    fn the_page_is_light() {
        let weight = PAGE.len() + ASSETS.iter().map(|(_, _, bytes)| bytes.len()).sum::<usize>();
        assert!(weight < WEIGHT_LIMIT, "{weight} bytes");
    }

    #[test]
    fn everything_that_the_page_names_is_there_and_everything_there_is_named() {
        let texts: Vec<_> = [PAGE].into_iter().chain(ASSETS.iter().map(|(_, _, bytes)| *bytes)).collect();
        let texts: Vec<_> = texts.into_iter().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect();
        let is_named = |name: &str| {
            texts.iter().any(|text| {
                ["\"/playground/", "\"./", "url(\"/playground/"]
                    .iter()
                    .any(|lead| text.contains(&format!("{lead}{name}\"")))
            })
        };
        for (name, ..) in ASSETS {
            assert!(is_named(name), "{name}");
        }
        let imported = texts.iter().flat_map(|text| text.split("from \"./").skip(1));
        for name in imported.filter_map(|rest| rest.split('"').next()) {
            assert!(ASSETS.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_is_parsed_as_markup() {
        let page = std::str::from_utf8(PAGE).unwrap();
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
        for (name, _, bytes) in ASSETS.iter().filter(|(name, ..)| name.ends_with(".js")) {
            let script = std::str::from_utf8(bytes).unwrap();
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!script.contains(way), "{name}: {way}");
            }
        }
    }

    #[test]
    fn a_browser_is_shown_the_page_and_curl_is_not() {
        let takes = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::try_from(accept).unwrap());
            takes_html(&headers)
        };
        assert!(takes("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(takes("application/json, Text/HTML;q=0.5"));
        assert!(!takes("*/*"));
        assert!(!takes("application/json"));
        assert!(!takes_html(&HeaderMap::new()));
    }
}
