//! Keys of institutions' systems, as kept.

use crate::over_both;
use crate::place::Place;
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_sfu::store::api_keys::{ApiKeyRecord, USE_KNOWN_US};
use invigil_sfu::store::audit::Actor;
use invigil_sfu::store::once::{Once, Outcome};
use invigil_shared::api_key::ApiScope;
use invigil_shared::id::ApiKeyId;

over_both!(
    a_key_comes_back_as_it_went,
    a_revoked_key_stays_revoked,
    a_use_is_noted_once_a_minute,
    the_same_create_makes_one_key,
);

fn key(expires_at: Option<i64>) -> ApiKeyRecord {
    ApiKeyRecord {
        id: fresh(ApiKeyId::from_parts),
        name: "Stundenplan der Universität".into(),
        scopes: vec![ApiScope::ExamsRead, ApiScope::RostersWrite],
        secret_hash: vec![9; 32],
        created_by: "server".into(),
        created_at: 5,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    }
}

async fn a_key_comes_back_as_it_went(place: Place) {
    let store = place.open().await;
    let (first, second) = (key(None), key(Some(77)));
    for key in [&first, &second] {
        assert_eq!(store.add_api_key(key.clone(), None).await.unwrap(), Outcome::Done);
        assert_eq!(store.api_key(key.id).await.unwrap().as_ref(), Some(key));
    }
    assert_eq!(store.api_keys(None, 5).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.api_keys(None, 1).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.api_keys(Some(first.id), 5).await.unwrap(), [second]);
    assert_eq!(store.api_key(fresh(ApiKeyId::from_parts)).await.unwrap(), None);
    let by = store.acting(Actor::operator());
    let made = key(None);
    by.add_api_key(made.clone(), None).await.unwrap();
    let kept = store.api_key(made.id).await.unwrap().unwrap();
    assert_eq!(kept.created_by, Actor::operator().name, "whoever it acts for");
    // A scope of a later version.
    place
        .tamper("UPDATE api_keys SET scopes = 'exams:read people:write'")
        .await;
    let kept = store.api_key(made.id).await.unwrap().unwrap();
    assert_eq!(kept.scopes, [ApiScope::ExamsRead]);
}

async fn a_revoked_key_stays_revoked(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let key = self::key(None);
    store.add_api_key(key.clone(), None).await.unwrap();
    assert!(store.revoke_api_key(key.id, 11).await.unwrap());
    assert!(!other.revoke_api_key(key.id, 12).await.unwrap());
    assert_eq!(other.api_key(key.id).await.unwrap().unwrap().revoked_at, Some(11));
    let none = store.revoke_api_key(fresh(ApiKeyId::from_parts), 13).await;
    assert!(matches!(none, Err(StoreError::Missing)), "{none:?}");
}

async fn a_use_is_noted_once_a_minute(place: Place) {
    let store = place.open().await;
    let (key, untouched) = (self::key(None), self::key(None));
    for key in [&key, &untouched] {
        store.add_api_key(key.clone(), None).await.unwrap();
    }
    let start = 1_700_000_000_000_000;
    for (at, known) in [
        (start, start),
        (start + USE_KNOWN_US - 1, start),
        (start + USE_KNOWN_US, start + USE_KNOWN_US),
        (start, start + USE_KNOWN_US),
    ] {
        store.note_api_key_use(key.id, at).await.unwrap();
        assert_eq!(store.api_key(key.id).await.unwrap().unwrap().last_used_at, Some(known));
    }
    assert_eq!(store.api_key(untouched.id).await.unwrap().unwrap().last_used_at, None);
}

async fn the_same_create_makes_one_key(place: Place) {
    let store = place.open().await;
    let once = |request: u8| Once {
        actor: "somebody".into(),
        key: "k".into(),
        request: vec![request; 32],
        salt: vec![3; 32],
        answer: "{}".into(),
        at: 1,
    };
    assert_eq!(
        store.add_api_key(key(None), Some(once(1))).await.unwrap(),
        Outcome::Done
    );
    let again = store.add_api_key(key(None), Some(once(1))).await.unwrap();
    assert!(matches!(again, Outcome::Repeated { salt, .. } if salt == [3; 32]));
    assert_eq!(
        store.add_api_key(key(None), Some(once(2))).await.unwrap(),
        Outcome::Mismatch
    );
    assert_eq!(store.api_keys(None, 9).await.unwrap().len(), 1);
}
