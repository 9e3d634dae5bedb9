//! A database knows which secret key it was made with.

use crate::over_both;
use crate::place::Place;

over_both!(a_database_belongs_to_one_secret_key);

async fn a_database_belongs_to_one_secret_key(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let (mine, other) = (vec![1; 32], vec![2; 32]);
    assert!(here.claim_secret_key(mine.clone(), false).await.unwrap(), "the first");
    assert!(there.claim_secret_key(mine.clone(), false).await.unwrap(), "the same");
    assert!(!there.claim_secret_key(other.clone(), false).await.unwrap());
    assert!(here.claim_secret_key(mine.clone(), false).await.unwrap(), "it stayed");
    let before = here.audit_head().await.unwrap().seq;
    assert!(there.claim_secret_key(other.clone(), true).await.unwrap());
    assert_eq!(here.audit_head().await.unwrap().seq, before + 1, "that is on record");
    assert!(!here.claim_secret_key(mine, false).await.unwrap());
    assert!(here.claim_secret_key(other, false).await.unwrap());
}
