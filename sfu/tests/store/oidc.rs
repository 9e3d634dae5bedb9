//! Who people are at the identity provider, as kept.

use crate::over_both;
use crate::place::{Place, user};
use invigil_sfu::auth::identity::Subject;
use invigil_sfu::store::oidc::OidcSubject;
use invigil_sfu::store::people::UserChange;
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::role::Role;

over_both!(
    one_account_is_one_person_at_the_provider,
    two_that_link_at_once_are_not_both_linked,
    a_new_account_comes_with_its_link_or_not_at_all,
    taking_a_link_off_voids_what_was_signed_in,
);

fn subject(text: &str) -> OidcSubject {
    OidcSubject {
        issuer: "https://login.example.org".into(),
        subject: text.into(),
    }
}

async fn actions(store: &dyn Store) -> Vec<(String, String)> {
    let log = store.audit_records(0, 100).await.unwrap();
    log.into_iter().map(|record| (record.action, record.metadata)).collect()
}

async fn one_account_is_one_person_at_the_provider(place: Place) {
    let store = place.open().await;
    let (ada, bob) = (user("a@example.org", Role::Lead), user("b@example.org", Role::Proctor));
    for user in [&ada, &bob] {
        store.add_user(user.clone()).await.unwrap();
    }
    assert_eq!(store.user_by_oidc(&subject("1")).await.unwrap(), None);
    store.link_oidc(ada.id, subject("1"), 7).await.unwrap();
    assert_eq!(store.oidc_link(ada.id).await.unwrap(), Some(subject("1")));
    assert_eq!(store.user_by_oidc(&subject("1")).await.unwrap().unwrap().id, ada.id);
    let elsewhere = OidcSubject {
        issuer: "https://login.example.com".into(),
        ..subject("1")
    };
    assert_eq!(store.user_by_oidc(&elsewhere).await.unwrap(), None, "another issuer's");
    for (account, taken) in [(ada.id, "2"), (bob.id, "1")] {
        let again = store.link_oidc(account, subject(taken), 8).await;
        assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
    }
    let listed = store.users(None, 5).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| one.oidc_linked).collect::<Vec<_>>(),
        [true, false]
    );
    let off = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    store.change_user(bob.id, off, 9).await.unwrap();
    let refused = store.link_oidc(bob.id, subject("2"), 9).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    let said = r#"{"email":"a@example.org","issuer":"https://login.example.org","subject":"1"}"#;
    assert!(actions(&*store).await.contains(&("link_oidc".into(), said.into())));
}

async fn two_that_link_at_once_are_not_both_linked(place: Place) {
    let (one, other) = (place.open().await, place.open().await);
    let (ada, bob) = (user("a@example.org", Role::Lead), user("b@example.org", Role::Lead));
    for user in [&ada, &bob] {
        one.add_user(user.clone()).await.unwrap();
    }
    let (first, second) = tokio::join!(
        one.link_oidc(ada.id, subject("1"), 1),
        other.link_oidc(bob.id, subject("1"), 1)
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let linked = one.users(None, 5).await.unwrap();
    assert_eq!(linked.iter().filter(|one| one.oidc_linked).count(), 1);
}

async fn a_new_account_comes_with_its_link_or_not_at_all(place: Place) {
    let store = place.open().await;
    let ada = user("a@example.org", Role::Proctor);
    store.provision_oidc(ada.clone(), subject("1")).await.unwrap();
    assert_eq!(store.user_by_oidc(&subject("1")).await.unwrap().unwrap(), ada);
    for (email, taken) in [("a@example.org", "2"), ("b@example.org", "1")] {
        let refused = store.provision_oidc(user(email, Role::Proctor), subject(taken)).await;
        assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
    }
    assert_eq!(store.users(None, 5).await.unwrap().len(), 1);
    let names: Vec<_> = actions(&*store).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(names, ["add_user", "link_oidc"]);
}

async fn taking_a_link_off_voids_what_was_signed_in(place: Place) {
    let store = place.open().await;
    let ada = user("a@example.org", Role::Lead);
    store.add_user(ada.clone()).await.unwrap();
    let none = store.unlink_oidc(ada.id).await;
    assert!(matches!(none, Err(StoreError::Missing)), "{none:?}");
    assert!(store.revocations(0, 5).await.unwrap().is_empty());
    store.link_oidc(ada.id, subject("1"), 1).await.unwrap();
    store.unlink_oidc(ada.id).await.unwrap();
    assert_eq!(store.oidc_link(ada.id).await.unwrap(), None);
    let revoked = store.revocations(0, 5).await.unwrap();
    assert_eq!((revoked.len(), revoked[0].subject), (1, Subject::User(ada.id)));
    assert_eq!(
        store.user(ada.id).await.unwrap().unwrap().generation,
        ada.generation + 1
    );
    store.link_oidc(ada.id, subject("2"), 2).await.unwrap();
    assert!(actions(&*store).await.iter().any(|(action, _)| action == "unlink_oidc"));
}
