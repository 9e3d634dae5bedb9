//! The loopback listener, with a browser that speaks bare HTTP. Against a real server and a real provider: `tests/scenarios/oidc.rs`.

use super::*;
use crate::trust::CertificateTrust;

const STATE: &str = "the-state";

async fn waiting() -> BrowserSignIn {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    BrowserSignIn {
        listener,
        host,
        verifier: "verifier".into(),
        state: STATE.into(),
        url: "https://login.example.org".into(),
        patience: PATIENCE,
        api: Api::new("localhost:1", CertificateTrust::Roots).unwrap(),
    }
}

async fn visit(host: &str, said: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n")
}

#[tokio::test]
async fn only_what_carries_the_state_counts() {
    let sign_in = waiting().await;
    let host = sign_in.host.clone();
    let good = format!("{REDIRECT_PATH}?code=a%2Fb+c&state={STATE}&iss=https%3A%2F%2Flogin.example.org");
    let visits = async {
        // A browser opens connections in advance and says nothing on them.
        let _silent: Vec<_> = futures_util::future::join_all((0..4).map(|_| TcpStream::connect(&host))).await;
        for (said, status) in [
            (get(&host, "/favicon.ico"), "404"),
            (get(&host, &format!("{REDIRECT_PATH}/x?code=x&state={STATE}")), "404"),
            (get("evil.example.org", &good), "404"),
            (get(&host, &format!("http://{host}{good}")), "404"),
            (get(&host, REDIRECT_PATH), "400"),
            (get(&host, &format!("{REDIRECT_PATH}?code=x&state=other")), "400"),
            (
                get(&host, &format!("{REDIRECT_PATH}?error=access_denied&state=other")),
                "400",
            ),
            (
                get(&host, &format!("{REDIRECT_PATH}?code=x&state={STATE}&state=other")),
                "400",
            ),
        ] {
            let answer = visit(&host, &said).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{said}: {answer}");
        }
        for nonsense in [
            "POST / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\n\r\n",
            "GET /oidc HTTP/1.1\r\n\r\n",
            "\u{1}\u{0}\r\n\r\n",
        ] {
            assert_eq!(visit(&host, nonsense).await, "");
        }
        visit(&host, &get(&host, &good)).await
    };
    let (back, page) = tokio::join!(sign_in.come_back(), visits);
    let back = back.unwrap();
    assert_eq!(
        (back.code.as_str(), back.iss.as_deref()),
        ("a/b c", Some("https://login.example.org"))
    );
    assert!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("close this window"),
        "{page}"
    );
    assert!(page.contains("content-security-policy: default-src 'none'") && !page.contains("<script"));
    let length = page
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap();
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), body.len());
}

#[tokio::test]
async fn a_provider_that_refuses_ends_it_with_its_code() {
    for (query, expected) in [
        ("error=access_denied", BrowserError::TurnedAway),
        (
            "error=server_error&error_description=x",
            BrowserError::Refused("server_error".into()),
        ),
        ("error=a%0Ab%20c&code=x", BrowserError::Refused("abc".into())),
        ("", BrowserError::Refused(String::new())),
    ] {
        let sign_in = waiting().await;
        let host = sign_in.host.clone();
        let target = format!("{REDIRECT_PATH}?{query}&state={STATE}");
        let request = get(&host, &target);
        let (end, page) = tokio::join!(sign_in.come_back(), visit(&host, &request));
        assert_eq!(end.err(), Some(expected), "{query}");
        assert!(page.contains("Nobody was signed in"), "{page}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_too_often_is_not_listened_to() {
    let sign_in = waiting().await;
    let host = sign_in.host.clone();
    let strays = async {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let _ = stream.write_all(&vec![b'a'; MAX_HEAD + 2_048]).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        for _ in 0..MAX_STRAYS {
            visit(&host, &get(&host, "/")).await;
        }
    };
    let (end, ()) = tokio::join!(sign_in.come_back(), strays);
    assert_eq!(end.err(), Some(BrowserError::TimedOut));
}

#[tokio::test]
async fn nobody_is_waited_for_for_ever() {
    let mut sign_in = waiting().await;
    assert_eq!(sign_in.patience, PATIENCE);
    sign_in.patience = Duration::from_millis(1);
    assert_eq!(sign_in.finish().await.err(), Some(BrowserError::TimedOut));
}

#[test]
fn browsers_are_sent_to_pages_alone() {
    for good in [
        "https://login.example.org/auth?x=1",
        "http://127.0.0.1:1/auth",
        "http://localhost:1/auth",
    ] {
        assert!(is_a_page(good), "{good}");
    }
    for bad in [
        "",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://login.example.org",
        "ms-settings:x",
        "-x",
        "https:",
    ] {
        assert!(!is_a_page(bad), "{bad}");
    }
}
