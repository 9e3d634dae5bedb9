//! Signing in as the proctor's app does it: its listener on loopback, the real server, an identity provider that we did not write, and
//! somebody with a browser.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic: that is how it fails

use invigil_client::ClientError;
use invigil_client::browser_sign_in::{BrowserError, BrowserSignIn};
use invigil_provider::{CLIENT, Provider, Setup};
use invigil_shared::error::ErrorCode;
use invigil_tests::sfu::Sfu;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_app_signs_in_through_a_browser() {
    let setup = Setup {
        accounts: json!({ "lea": { "email": "lea@example.org", "email_verified": true }, "guest": { "email": "guest@example.org", "email_verified": true } }),
        ..Setup::default()
    };
    let provider = Provider::start(setup).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (authority, secret) = (provider.authority(), provider.secret_file().unwrap());
    let more = [
        "--oidc-issuer",
        &provider.issuer,
        "--oidc-client-id",
        CLIENT.id,
        "--oidc-client-secret-file",
        secret.to_str().unwrap(),
        "--oidc-ca-file",
        authority.to_str().unwrap(),
        "--oidc-name",
        "Example University",
    ];
    let sfu = Sfu::start_with(folder.path(), "127.0.0.1:0", "127.0.0.1:0", &more).unwrap();
    sfu.add_user("lea@example.org", "Lea", "lead", "correct horse battery")
        .unwrap();
    let api = sfu.api().unwrap();
    assert_eq!(
        api.oidc_offer().await.unwrap().provider.unwrap().name,
        "Example University"
    );

    let begun = BrowserSignIn::begin(api.clone()).await.unwrap();
    let url = begun.url().to_owned();
    let person = async {
        let mut browser = provider.browser().unwrap();
        let back = browser.sign_in(&url, "lea").await.unwrap();
        browser.land(&back).await.unwrap()
    };
    let (signed_in, page) = tokio::join!(begun.finish(), person);
    assert!(page.contains("close this window"), "{page}");
    let answer = signed_in.unwrap().unwrap();
    assert_eq!(answer.name, "Lea");
    let account = api.account(&answer.access_token).await.unwrap();
    assert!(account.oidc_linked && account.email == "lea@example.org");

    // Somebody turns away; somebody else is not known here.
    let begun = BrowserSignIn::begin(api.clone()).await.unwrap();
    let url = begun.url().to_owned();
    let person = async {
        let mut browser = provider.browser().unwrap();
        let back = browser.turn_away(&url).await.unwrap();
        browser.land(&back).await.unwrap()
    };
    let (ended, page) = tokio::join!(begun.finish(), person);
    assert_eq!(ended.err(), Some(BrowserError::TurnedAway));
    assert!(page.contains("Nobody was signed in"), "{page}");

    let begun = BrowserSignIn::begin(api).await.unwrap();
    let url = begun.url().to_owned();
    let person = async {
        let mut browser = provider.browser().unwrap();
        let back = browser.sign_in(&url, "guest").await.unwrap();
        browser.land(&back).await.unwrap()
    };
    let (ended, _) = tokio::join!(begun.finish(), person);
    match ended.unwrap() {
        Err(ClientError::Refused(body)) => {
            assert_eq!(body.code, ErrorCode::OidcNoAccount);
            assert_eq!(body.params["email"], "guest@example.org");
        }
        other => panic!("{other:?}"),
    }
}
