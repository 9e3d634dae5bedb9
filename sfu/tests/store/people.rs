//! People with an account, and the code that makes the first.

use crate::over_both;
use crate::place::{Place, user};
use invigil_sfu::clock::fresh;
use invigil_sfu::store::StoreError;
use invigil_shared::id::UserId;
use invigil_shared::role::Role;

over_both!(
    a_person_comes_back_as_they_went,
    the_setup_code_makes_one_admin,
    the_newest_setup_code_is_the_one,
);

async fn a_person_comes_back_as_they_went(place: Place) {
    let store = place.open().await;
    let (with, mut without) = (user("a@example.org", Role::Lead), user("b@example.org", Role::Proctor));
    without.password_hash = None;
    for user in [&with, &without] {
        store.add_user(user.clone()).await.unwrap();
        assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(user));
        assert_eq!(store.user_by_email(&user.email).await.unwrap().as_ref(), Some(user));
    }
    assert_eq!(store.user(fresh(UserId::from_parts)).await.unwrap(), None);
    assert_eq!(store.user_by_email("c@example.org").await.unwrap(), None);
    let taken = store.add_user(user("a@example.org", Role::Proctor)).await;
    assert!(matches!(taken, Err(StoreError::Exists)), "{taken:?}");
    assert!(!store.has_admin().await.unwrap());
}

async fn the_setup_code_makes_one_admin(place: Place) {
    let store = place.open().await;
    let admin = user("a@example.org", Role::Admin);
    let early = store.set_up(vec![1; 32], admin.clone()).await;
    assert!(
        matches!(early, Err(StoreError::Missing)),
        "no code was offered: {early:?}"
    );
    assert!(store.offer_setup(vec![1; 32]).await.unwrap());
    let wrong = store.set_up(vec![2; 32], admin.clone()).await;
    assert!(matches!(wrong, Err(StoreError::Missing)), "{wrong:?}");
    assert!(!store.has_admin().await.unwrap());
    store.set_up(vec![1; 32], admin.clone()).await.unwrap();
    assert!(store.has_admin().await.unwrap());
    assert_eq!(store.user(admin.id).await.unwrap(), Some(admin));
    let again = store.set_up(vec![1; 32], user("b@example.org", Role::Admin)).await;
    assert!(matches!(again, Err(StoreError::Missing)), "used up: {again:?}");
    assert!(!store.offer_setup(vec![3; 32]).await.unwrap());
}

async fn the_newest_setup_code_is_the_one(place: Place) {
    let store = place.open().await;
    assert!(store.offer_setup(vec![1; 32]).await.unwrap());
    assert!(store.offer_setup(vec![2; 32]).await.unwrap());
    let old = store.set_up(vec![1; 32], user("a@example.org", Role::Admin)).await;
    assert!(matches!(old, Err(StoreError::Missing)), "{old:?}");
    store
        .set_up(vec![2; 32], user("a@example.org", Role::Admin))
        .await
        .unwrap();
    // An admin who came by the command line makes a code worthless too.
    let store = Place::sqlite().open().await;
    assert!(store.offer_setup(vec![1; 32]).await.unwrap());
    store.add_user(user("a@example.org", Role::Admin)).await.unwrap();
    let late = store.set_up(vec![1; 32], user("b@example.org", Role::Admin)).await;
    assert!(matches!(late, Err(StoreError::Missing)), "{late:?}");
}
