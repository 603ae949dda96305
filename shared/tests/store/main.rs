//! The stores from outside.

#[cfg(test)]
mod feed;
#[cfg(test)]
mod given;
#[cfg(test)]
mod killed;

use shared::store::embedded::Embedded;
use shared::testing::conformance;

#[tokio::test]
async fn the_embedded_store_does_what_every_store_must() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("state.redb")).unwrap();
    conformance::all(&store).await;
}
