//! Second factors and passwords, as kept.

use crate::over_both;
use crate::place::{Place, user};
use invigil_sfu::store::second_factors::{Confirmed, Off};
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::id::UserId;
use invigil_shared::role::Role;

over_both!(
    an_offer_is_replaced_until_one_is_confirmed,
    a_step_is_used_once_in_order,
    a_recovery_code_is_used_once_also_by_two_at_once,
    it_goes_with_its_codes,
    a_password_is_changed_from_the_one_that_was_proven,
);

async fn person(store: &dyn Store) -> UserId {
    let user = user("a@example.org", Role::Lead);
    store.add_user(user.clone()).await.unwrap();
    user.id
}

fn confirmed(account: UserId, secret: u8) -> Confirmed {
    Confirmed {
        account,
        secret: vec![secret; 48],
        step: 100,
        codes: vec![vec![1; 32], vec![2; 32]],
        at: 9,
    }
}

async fn an_offer_is_replaced_until_one_is_confirmed(place: Place) {
    let store = place.open().await;
    let account = person(&*store).await;
    assert_eq!(store.second_factor(account).await.unwrap(), None);
    let early = store.confirm_second_factor(confirmed(account, 1)).await;
    assert!(matches!(early, Err(StoreError::Missing)), "{early:?}");
    for secret in [1, 2] {
        store.offer_second_factor(account, vec![secret; 48], 5).await.unwrap();
    }
    assert!(!store.use_second_factor(account, 7).await.unwrap(), "only offered");
    let old = store.confirm_second_factor(confirmed(account, 1)).await;
    assert!(matches!(old, Err(StoreError::Missing)), "replaced: {old:?}");
    assert!(!store.users(None, 5).await.unwrap()[0].second_factor);
    store.confirm_second_factor(confirmed(account, 2)).await.unwrap();
    let kept = store.second_factor(account).await.unwrap().unwrap();
    assert_eq!((kept.secret.as_slice(), kept.confirmed_at), (&[2; 48][..], Some(9)));
    assert_eq!((kept.used_step, kept.codes_left), (100, 2));
    assert!(store.users(None, 5).await.unwrap()[0].second_factor);
    let again = store.offer_second_factor(account, vec![3; 48], 10).await;
    assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
    let again = store.confirm_second_factor(confirmed(account, 2)).await;
    assert!(matches!(again, Err(StoreError::Missing)), "{again:?}");
}

async fn enrolled(store: &dyn Store) -> UserId {
    let account = person(store).await;
    store.offer_second_factor(account, vec![1; 48], 5).await.unwrap();
    store.confirm_second_factor(confirmed(account, 1)).await.unwrap();
    account
}

async fn a_step_is_used_once_in_order(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let account = enrolled(&*store).await;
    for (step, good) in [
        (100, false),
        (101, true),
        (101, false),
        (100, false),
        (103, true),
        (102, false),
    ] {
        assert_eq!(store.use_second_factor(account, step).await.unwrap(), good, "{step}");
    }
    // Two servers, one code.
    let (one, two) = tokio::join!(
        store.use_second_factor(account, 104),
        other.use_second_factor(account, 104)
    );
    assert!(one.unwrap() != two.unwrap());
}

async fn a_recovery_code_is_used_once_also_by_two_at_once(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let account = enrolled(&*store).await;
    let (one, two) = tokio::join!(
        store.use_recovery_code(account, vec![1; 32]),
        other.use_recovery_code(account, vec![1; 32])
    );
    assert!(one.unwrap() != two.unwrap());
    assert!(!store.use_recovery_code(account, vec![9; 32]).await.unwrap());
    assert_eq!(store.second_factor(account).await.unwrap().unwrap().codes_left, 1);
}

async fn it_goes_with_its_codes(place: Place) {
    let store = place.open().await;
    let account = enrolled(&*store).await;
    store.drop_second_factor(account, Off::Own).await.unwrap();
    assert_eq!(store.second_factor(account).await.unwrap(), None);
    assert!(!store.use_recovery_code(account, vec![1; 32]).await.unwrap());
    assert!(store.revocations(0, 10).await.unwrap().is_empty());
    let gone = store.drop_second_factor(account, Off::Taken).await;
    assert!(matches!(gone, Err(StoreError::Missing)), "{gone:?}");
    // One that was only offered is none to take off.
    store.offer_second_factor(account, vec![4; 48], 5).await.unwrap();
    let offered = store.drop_second_factor(account, Off::Taken).await;
    assert!(matches!(offered, Err(StoreError::Missing)), "{offered:?}");
    store.confirm_second_factor(confirmed(account, 4)).await.unwrap();
    store.drop_second_factor(account, Off::Taken).await.unwrap();
    let revoked = store.revocations(0, 10).await.unwrap();
    assert_eq!((revoked.len(), revoked[0].generation), (1, 1));
    assert_eq!(store.user(account).await.unwrap().unwrap().generation, 1);
}

async fn a_password_is_changed_from_the_one_that_was_proven(place: Place) {
    let store = place.open().await;
    let account = person(&*store).await;
    let before = store.user(account).await.unwrap().unwrap().password_hash.unwrap();
    let stale = store.change_password(account, "another".into(), "new".into()).await;
    assert!(matches!(stale, Err(StoreError::Missing)), "{stale:?}");
    let user = store.change_password(account, before, "new".into()).await.unwrap();
    assert_eq!((user.password_hash.as_deref(), user.generation), (Some("new"), 1));
    assert_eq!(store.user(account).await.unwrap(), Some(user));
    assert_eq!(store.revocations(0, 10).await.unwrap().len(), 1);
}
