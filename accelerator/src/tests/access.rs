//! Who is answered.

use std::fs;
use std::net::SocketAddr;

use shared::testing;

use super::*;

const OLD: &str = "old-old-old-old-old-old";
const NEW: &str = "new-new-new-new-new-new";

fn access(listen: &str, tokens: Option<&std::path::Path>) -> anyhow::Result<Access> {
    Access::of(listen.parse::<SocketAddr>().unwrap(), tokens, &Metrics::new())
}

#[tokio::test]
async fn only_who_has_a_token_is_answered_and_tokens_rotate() {
    let (folder, keys) = (testing::artifact(), tempfile::tempdir().unwrap());
    let file = keys.path().join("tokens");
    fs::write(&file, format!("# the functions' token\n{OLD}\n")).unwrap();
    let open = access("0.0.0.0:0", Some(&file)).unwrap();
    let server = Server::with(&[&folder], BATCHING, open).await;
    let ask = async |path: &str, token: &str| {
        let mut request = request("GET", path, Body::empty());
        request.headers_mut().insert("authorization", token.parse().unwrap());
        send(&server.router, request).await
    };
    let paths = ["/v2".to_owned(), "/metrics".to_owned(), format!("/v2/models/{}", server.name())];
    for path in &paths {
        let reply = server.get(path).await;
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        reply.refused(401);
        for wrong in [&format!("Bearer {NEW}"), &format!("Basic {OLD}"), OLD, "Bearer", ""] {
            ask(path, wrong).await.refused(401);
        }
        assert_eq!(ask(path, &format!("bearer {OLD}")).await.status, 200);
    }
    server.get("/no/such/route").await.refused(401);
    // Probes bring no token.
    assert_eq!(server.get("/v2/health/live").await.status, 200);
    assert_eq!(server.get("/v2/health/ready").await.status, 200);

    for (text, admitted) in [
        (format!("{OLD}\n{NEW}\n"), [true, true]),
        (format!("{NEW}\n\n"), [false, true]),
        // What can't be used changes nothing.
        ("short".to_owned(), [false, true]),
        (String::new(), [false, true]),
    ] {
        fs::write(&file, text).unwrap();
        for (token, admitted) in [OLD, NEW].into_iter().zip(admitted) {
            let reply = ask("/v2", &format!("Bearer {token}")).await;
            assert_eq!(reply.status == 200, admitted, "{token}");
        }
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(ask("/v2", &format!("Bearer {NEW}")).await.status, 200);
}

#[tokio::test]
async fn an_open_server_answers_names_of_its_own_machine_alone() {
    let folder = testing::artifact();
    let server = Server::of(&[&folder]).await;
    for (host, status) in [
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("127.0.0.1", 200),
        ("evil.example", 403),
        ("10.0.0.1", 403),
    ] {
        let mut request = request("GET", "/v2", Body::empty());
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(send(&server.router, request).await.status, status, "{host}");
    }
}

#[test]
fn other_machines_need_a_token() {
    assert!(matches!(access("127.0.0.1:0", None), Ok(Access::Open)));
    for listen in ["0.0.0.0:0", "[::]:0", "10.0.0.1:0"] {
        let error = access(listen, None).unwrap_err().to_string();
        assert!(error.contains("--token-file"), "{error}");
    }
}
