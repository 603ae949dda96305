//! `/docs`, the pages of the API: what a browser fetches for them comes from the service, and from nowhere else.

use anyhow::{Context, Result};
use tests::{Request, Service};

#[test]
fn the_pages_of_the_api_need_nothing_from_elsewhere() -> Result<()> {
    let service = Service::demo()?;
    let get = |path: &str| service.send(&Request::new("GET", path));
    let page = get("/docs")?;
    assert_eq!((page.status, page.media_type()), (200, "text/html"), "{page:?}");
    // The bundle names addresses elsewhere, as in `xmlns`; with this a browser asks none of them.
    let policy = page.headers.get("content-security-policy").context("the page has a policy")?;
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    for directive in policy.split(';').map(str::trim) {
        let sources = directive.split_once(' ').map_or("", |(_, sources)| sources).split_whitespace();
        for source in sources {
            assert!(["'self'", "'none'", "'unsafe-inline'", "data:"].contains(&source), "{directive}");
        }
    }
    let referenced: Vec<_> =
        references(&page.body).into_iter().filter(|address| !address.starts_with("data:")).collect();
    assert_eq!(referenced.len(), 3, "style, bundle and start: {referenced:?}");
    for path in referenced {
        assert!(path.starts_with("/docs/"), "{path} is not the service's own");
        let asset = get(path)?;
        assert_eq!(asset.status, 200, "{path}: {}", asset.media_type());
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            _ => panic!("{path} is of no kind that the page needs"),
        };
        assert_eq!(asset.media_type(), expected, "{path}");
        assert!(!asset.body.is_empty(), "{path}");
        if expected == "text/css" {
            let elsewhere = asset
                .body
                .split("url(")
                .skip(1)
                .find(|url| !url.trim_start_matches(['"', '\'']).starts_with("data:"));
            assert_eq!(elsewhere.map(|url| &url[..url.len().min(80)]), None);
        }
    }
    let start = get("/docs/docs.js")?.body;
    assert!(start.contains("url: \"/openapi.json\"") && start.contains("validatorUrl: null"), "{start}");
    assert!(!start.contains("http"), "{start}");
    assert_eq!(get("/openapi.json")?.status, 200);
    Ok(())
}

/// What the attributes `src` and `href` name.
fn references(page: &str) -> Vec<&str> {
    let values =
        |attribute: &'static str| page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
    values("src=\"").chain(values("href=\"")).collect()
}
