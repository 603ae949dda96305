//! `marquee serve` over real sockets: what it refuses, and how it says so.

use anyhow::Result;
use serde_json::json;
use tests::{Request, Service};

use crate::answers::{RECOMMENDATIONS, answer, ask, faults, problem};

#[test]
fn a_list_above_its_limit_is_named() -> Result<()> {
    let service = Service::demo()?;
    let ids = |count: usize| (0..count).map(|n| format!("item-{n}")).collect::<Vec<_>>();
    let cases = [
        (json!({"history": ids(501)}), "/history"),
        (json!({"filters": {"exclude_items": ids(501)}}), "/filters/exclude_items"),
        (json!({"filters": {"genres_any": ids(65)}}), "/filters/genres_any"),
        (json!({"filters": {"genres_none": ids(65)}}), "/filters/genres_none"),
    ];
    for (body, pointer) in cases {
        let problem = problem(&service.send(&ask(&body))?, 422, "invalid_request");
        assert_eq!(faults(&problem), [(pointer.to_owned(), "too_many".to_owned())]);
    }
    let full = json!({"history": ids(500), "filters": {"exclude_items": ids(500), "genres_none": ids(64)}});
    answer(&service.send(&ask(&full))?);
    Ok(())
}

#[test]
fn what_must_be_an_object_is_nothing_else() -> Result<()> {
    let service = Service::demo()?;
    let cases = [
        (json!([]), ""),
        (json!(["somebody"]), ""),
        (json!(null), ""),
        (json!(1), ""),
        (json!("alien-1979"), ""),
        (json!({"filters": []}), "/filters"),
        (json!({"filters": [["Drama"]]}), "/filters"),
        (json!({"filters": {"year": [1980, 1990]}}), "/filters/year"),
        (json!({"history": [["alien-1979"]]}), "/history/0"),
    ];
    let mut taken = Vec::new();
    for (body, pointer) in cases {
        let reply = service.send(&ask(&body))?;
        if reply.status == 200 {
            taken.push(body);
            continue;
        }
        let problem = problem(&reply, 422, "invalid_request");
        assert_eq!(faults(&problem), [(pointer.to_owned(), "wrong_type".to_owned())], "{body}");
    }
    assert!(taken.is_empty(), "answered as if they were objects: {taken:?}");
    Ok(())
}

#[test]
fn what_cannot_be_parsed_is_400() -> Result<()> {
    let service = Service::demo()?;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 7] =
        [b"", b" ", b"{", b"{\"k\":01}", b"{\"k\":NaN}", b"{\"user_id\":\"\xff\"}", deep.as_bytes()];
    for body in bodies {
        let request = Request { body: body.into(), ..Request::post(RECOMMENDATIONS, "") };
        problem(&service.send(&request)?, 400, "malformed_json");
    }
    Ok(())
}

#[test]
fn a_body_is_taken_up_to_the_limit_and_not_beyond() -> Result<()> {
    const LIMIT: usize = 256 * 1024;
    let service = Service::demo()?;
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    answer(&service.send(&Request::post(RECOMMENDATIONS, padded(LIMIT)))?);
    problem(&service.send(&Request::post(RECOMMENDATIONS, padded(LIMIT + 1)))?, 413, "body_too_large");
    Ok(())
}

#[test]
fn a_body_must_be_declared_as_json() -> Result<()> {
    let service = Service::demo()?;
    let with = |media_type: &str| Request::post(RECOMMENDATIONS, "{}").header("content-type", media_type);
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", "json"] {
        problem(&service.send(&with(media_type))?, 415, "unsupported_media_type");
    }
    let mut none = Request::post(RECOMMENDATIONS, "{}");
    none.headers.clear();
    problem(&service.send(&none)?, 415, "unsupported_media_type");
    for media_type in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        answer(&service.send(&with(media_type))?);
    }
    Ok(())
}

#[test]
fn an_unknown_route_is_404_and_a_wrong_method_405_with_the_right_ones() -> Result<()> {
    let service = Service::demo()?;
    for path in ["/v1/recommendations/", "/v2/recommendations", "/v1/recommendations/1", "/V1/health", "/v1"]
    {
        problem(&service.send(&Request::new("GET", path))?, 404, "not_found");
    }
    for (method, path) in [("GET", RECOMMENDATIONS), ("DELETE", RECOMMENDATIONS), ("POST", "/v1/health")] {
        let reply = service.send(&Request::new(method, path))?;
        problem(&reply, 405, "method_not_allowed");
        let allowed = if path == RECOMMENDATIONS { "POST" } else { "GET" };
        let allow = reply.headers.get("allow").map_or("", String::as_str);
        assert!(allow.split(',').any(|method| method.trim() == allowed), "{reply:?}");
    }
    Ok(())
}

#[test]
fn a_host_name_that_is_not_its_own_is_refused() -> Result<()> {
    let service = Service::demo()?;
    let port = service.authority().rsplit(':').next().unwrap();
    let host = |host: &str| ask(&json!({})).header("host", host);
    for stranger in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", "10.0.0.1"] {
        problem(&service.send(&host(stranger))?, 421, "host_not_allowed");
    }
    for own in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "localhost".to_owned()] {
        answer(&service.send(&host(&own))?);
    }
    Ok(())
}
