//! Accounts over their life: invited, changed, and whose tokens hold no more.

use crate::over_both;
use crate::place::{Place, seated, user};
use invigil_sfu::auth::identity::Subject;
use invigil_sfu::clock::fresh;
use invigil_sfu::store::people::{NewInvitation, UserChange};
use invigil_sfu::store::records::UserRecord;
use invigil_sfu::store::{Store, StoreError};
use invigil_shared::id::{SessionId, UserId};
use invigil_shared::role::Role;

over_both!(
    people_are_listed_in_pages,
    a_link_is_good_once_and_until_its_end,
    a_later_link_takes_the_place_of_the_one_before,
    a_change_says_what_it_takes_away,
    somebody_can_always_administer,
    two_processes_can_not_take_both_admins_away,
    revocations_are_followed_in_order,
    a_sitting_is_revoked_and_reinstated,
);

fn invited(email: &str) -> UserRecord {
    UserRecord {
        password_hash: None,
        ..user(email, Role::Proctor)
    }
}

fn link(account: UserId, byte: u8, expires_at: i64) -> NewInvitation {
    NewInvitation {
        account,
        token_hash: vec![byte; 32],
        created_at: 5,
        expires_at,
    }
}

fn role(role: Role) -> UserChange {
    UserChange {
        role: Some(role),
        ..UserChange::default()
    }
}

fn active(active: bool) -> UserChange {
    UserChange {
        active: Some(active),
        ..UserChange::default()
    }
}

async fn people_are_listed_in_pages(place: Place) {
    let store = place.open().await;
    let mut all = Vec::new();
    for n in 0..5 {
        let user = user(&format!("{n}@x"), Role::Lead);
        store.add_user(user.clone()).await.unwrap();
        all.push(user);
    }
    let new = invited("new@x");
    store.invite(new.clone(), link(new.id, 1, 77), None).await.unwrap();
    let first = store.users(None, 4).await.unwrap();
    assert_eq!(first.iter().map(|l| l.user.clone()).collect::<Vec<_>>(), all[..4]);
    assert!(first.iter().all(|listed| listed.link_expires_at.is_none()));
    let rest = store.users(Some(all[3].id), 4).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert_eq!((&rest[1].user, rest[1].link_expires_at), (&new, Some(77)));
    assert!(store.users(Some(new.id), 4).await.unwrap().is_empty());
    let taken = invited("new@x");
    let refused = store.invite(taken.clone(), link(taken.id, 2, 77), None).await;
    assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
    assert!(
        store.invited(&[2; 32], 6).await.unwrap().is_none(),
        "nothing is left of what was refused"
    );
}

async fn a_link_is_good_once_and_until_its_end(place: Place) {
    let store = place.open().await;
    let new = invited("new@x");
    store.invite(new.clone(), link(new.id, 1, 100), None).await.unwrap();
    assert_eq!(store.invited(&[1; 32], 99).await.unwrap(), Some(new.clone()));
    assert_eq!(store.invited(&[2; 32], 99).await.unwrap(), None);
    assert_eq!(store.invited(&[1; 32], 100).await.unwrap(), None, "over");
    for (hash, now) in [([2; 32], 99), ([1; 32], 100)] {
        let refused = store.accept(hash.to_vec(), "$a".into(), now).await;
        assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    }
    assert_eq!(store.user(new.id).await.unwrap(), Some(new.clone()));
    let accepted = store.accept(vec![1; 32], "$a".into(), 99).await.unwrap();
    assert_eq!(
        (accepted.password_hash.as_deref(), accepted.generation),
        (Some("$a"), 1)
    );
    assert_eq!(store.user(new.id).await.unwrap(), Some(accepted));
    let again = store.accept(vec![1; 32], "$b".into(), 99).await;
    assert!(matches!(again, Err(StoreError::Missing)), "{again:?}");
    assert_eq!(store.users(None, 1).await.unwrap()[0].link_expires_at, None);
}

async fn a_later_link_takes_the_place_of_the_one_before(place: Place) {
    let store = place.open().await;
    let known = user("known@x", Role::Lead);
    store.add_user(known.clone()).await.unwrap();
    store.renew_link(link(known.id, 1, 100)).await.unwrap();
    store.renew_link(link(known.id, 2, 100)).await.unwrap();
    assert_eq!(store.invited(&[1; 32], 50).await.unwrap(), None);
    assert_eq!(store.invited(&[2; 32], 50).await.unwrap(), Some(known.clone()));
    let nobody = store.renew_link(link(fresh(UserId::from_parts), 3, 100)).await;
    assert!(matches!(nobody, Err(StoreError::Missing)), "{nobody:?}");
    store.change_user(known.id, active(false), 60).await.unwrap();
    assert_eq!(store.invited(&[2; 32], 70).await.unwrap(), None, "deactivation ends it");
    let refused = store.renew_link(link(known.id, 4, 100)).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
    store.change_user(known.id, active(true), 80).await.unwrap();
    assert_eq!(store.invited(&[2; 32], 90).await.unwrap(), None, "for good");
}

async fn a_change_says_what_it_takes_away(place: Place) {
    let store = place.open().await;
    let person = user("p@x", Role::Proctor);
    store.add_user(person.clone()).await.unwrap();
    let id = person.id;
    let renamed = UserChange {
        name: Some("Other".into()),
        ..UserChange::default()
    };
    let now = store.change_user(id, renamed, 1).await.unwrap();
    assert_eq!((now.name.as_str(), now.generation), ("Other", 0), "a name is no right");
    let same = store.change_user(id, role(Role::Proctor), 2).await.unwrap();
    assert_eq!(same, now);
    let lead = store.change_user(id, role(Role::Lead), 3).await.unwrap();
    assert_eq!((lead.role, lead.generation), (Role::Lead, 1));
    let off = store.change_user(id, active(false), 4).await.unwrap();
    assert_eq!((off.deactivated_at, off.generation), (Some(4), 2));
    assert_eq!(
        store.change_user(id, active(false), 5).await.unwrap(),
        off,
        "since then"
    );
    let on = store.change_user(id, active(true), 6).await.unwrap();
    assert_eq!(
        (on.deactivated_at, on.generation),
        (None, 2),
        "tokens from before stay refused"
    );
    assert_eq!(store.user(id).await.unwrap(), Some(on));
    let nobody = store.change_user(fresh(UserId::from_parts), active(false), 7).await;
    assert!(matches!(nobody, Err(StoreError::Missing)), "{nobody:?}");
    let changes = store.audit_records(0, 100).await.unwrap();
    let told: Vec<_> = changes.iter().filter(|r| r.action == "change_user").collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(
        told[1].metadata,
        r#"{"email":"p@x","role":{"from":"proctor","to":"lead"}}"#
    );
}

async fn somebody_can_always_administer(place: Place) {
    let store = place.open().await;
    let admin = user("a@x", Role::Admin);
    store.add_user(admin.clone()).await.unwrap();
    // She can't sign in yet.
    let invited = UserRecord {
        role: Role::Admin,
        ..invited("i@x")
    };
    store
        .invite(invited.clone(), link(invited.id, 1, 100), None)
        .await
        .unwrap();
    for change in [role(Role::Lead), active(false)] {
        let refused = store.change_user(admin.id, change, 1).await;
        assert!(matches!(refused, Err(StoreError::LastAdmin)), "{refused:?}");
    }
    assert_eq!(store.user(admin.id).await.unwrap(), Some(admin.clone()));
    store.accept(vec![1; 32], "$a".into(), 50).await.unwrap();
    store.change_user(admin.id, role(Role::Lead), 2).await.unwrap();
    let refused = store.change_user(invited.id, active(false), 3).await;
    assert!(matches!(refused, Err(StoreError::LastAdmin)), "{refused:?}");
}

async fn two_processes_can_not_take_both_admins_away(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    for round in 0..10 {
        let pair = [
            user(&format!("a{round}@x"), Role::Admin),
            user(&format!("b{round}@x"), Role::Admin),
        ];
        for admin in &pair {
            one.add_user(admin.clone()).await.unwrap();
        }
        if round > 0 {
            // Nobody of the rounds before.
            for listed in one.users(None, 100).await.unwrap() {
                let old = listed.user.role == Role::Admin && pair.iter().all(|admin| admin.id != listed.user.id);
                if old {
                    one.change_user(listed.user.id, active(false), 1).await.unwrap();
                }
            }
        }
        let (a, b) = tokio::join!(
            one.change_user(pair[0].id, active(false), 1),
            two.change_user(pair[1].id, role(Role::Lead), 1)
        );
        assert!(a.is_ok() != b.is_ok(), "one of them: {a:?} {b:?}");
        let refused = a.err().or(b.err());
        assert!(matches!(refused, Some(StoreError::LastAdmin)), "{refused:?}");
    }
}

async fn revocations_are_followed_in_order(place: Place) {
    let store = place.open().await;
    assert!(store.revocations(0, 10).await.unwrap().is_empty());
    let people = [user("a@x", Role::Lead), user("b@x", Role::Lead)];
    for person in &people {
        store.add_user(person.clone()).await.unwrap();
    }
    let seat = seated(&*store, "A-01").await;
    store.change_user(people[0].id, active(false), 1).await.unwrap();
    store.change_user(people[1].id, active(false), 1).await.unwrap();
    store.set_session_revoked(seat.id, true, 1).await.unwrap();
    let as_told = async |after: u64, count: usize| -> Vec<_> {
        let read = store.revocations(after, count).await.unwrap();
        read.iter().map(|r| (r.subject, r.generation, r.seq)).collect()
    };
    let [a, b] = [0, 1].map(|n| Subject::User(people[n].id));
    let sitting = Subject::Session(seat.id);
    assert_eq!(as_told(0, 10).await, [(a, 1, 1), (b, 1, 2), (sitting, 1, 3)]);
    assert_eq!(as_told(1, 1).await, [(b, 1, 2)]);
    store.change_user(people[0].id, active(true), 2).await.unwrap();
    store.change_user(people[0].id, role(Role::Proctor), 3).await.unwrap();
    assert_eq!(
        as_told(3, 10).await,
        [(a, 2, 4)],
        "the newest of somebody is what counts"
    );
    assert_eq!(as_told(0, 10).await.len(), 3);
}

async fn a_sitting_is_revoked_and_reinstated(place: Place) {
    let store: std::sync::Arc<dyn Store> = place.open().await;
    let seat = seated(&*store, "A-01").await;
    assert_eq!(store.session_of_entry(seat.entry).await.unwrap(), Some(seat.clone()));
    assert!(store.set_session_revoked(seat.id, true, 9).await.unwrap());
    assert!(!store.set_session_revoked(seat.id, true, 10).await.unwrap());
    let revoked = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!((revoked.revoked_at, revoked.generation), (Some(9), 1));
    assert!(store.set_session_revoked(seat.id, false, 11).await.unwrap());
    assert!(!store.set_session_revoked(seat.id, false, 12).await.unwrap());
    let again = store.session(seat.id).await.unwrap().unwrap();
    assert_eq!((again.revoked_at, again.generation), (None, 1));
    let nobody = store.set_session_revoked(fresh(SessionId::from_parts), true, 1).await;
    assert!(matches!(nobody, Err(StoreError::Missing)), "{nobody:?}");
    let records = store.audit_records(0, 100).await.unwrap();
    let told: Vec<_> = records.iter().map(|r| r.action.as_str()).skip(3).collect();
    assert_eq!(told, ["revoke_session", "reinstate_session"]);
}
