use serde_json::{Value, json};
use shared::store::Profiles;
use shared::store::embedded::Embedded;

use super::*;

fn user(id: &str) -> UserId {
    UserId::try_from(id.to_owned()).unwrap()
}

/// A stream record as DynamoDB hands it over.
fn record(sequence: u32, name: &str, image: Value) -> Value {
    let which = if name == "REMOVE" { "OldImage" } else { "NewImage" };
    json!({
        "eventID": format!("{sequence}"), "eventName": name, "awsRegion": "eu-central-1",
        "dynamodb": {"Keys": {"pk": image["pk"], "sk": image["sk"]}, which: image,
            "SequenceNumber": format!("{sequence}"), "SizeBytes": 1},
    })
}

fn image(user: &str, event: &str, kind: &str) -> Value {
    json!({
        "pk": {"S": format!("USER#{user}")}, "sk": {"S": format!("EVENT#{event}")}, "user_id": {"S": user},
        "event_id": {"S": event}, "item_id": {"S": "alien"}, "type": {"S": kind}, "time_given": {"BOOL": true},
        "occurred_at": {"S": "2024-01-01T00:00:00.000Z"}, "received_at": {"S": "2024-01-01T00:00:01.000Z"},
    })
}

/// The sequence numbers reported as failed.
async fn failures(store: &Embedded, records: Vec<Value>) -> Vec<String> {
    let event: StreamEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let store: Arc<dyn Folding> = Arc::new(store.clone());
    let response = handle(event, &store).await;
    let mut failed: Vec<_> =
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier.unwrap()).collect();
    failed.sort();
    failed
}

async fn known(store: &Embedded, id: &str) -> usize {
    store.profile(&user(id)).await.unwrap().map_or(0, |stored| stored.profile.entries().len())
}

#[tokio::test]
async fn a_poison_record_is_reported_alone_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("store")).unwrap();
    let records = vec![
        record(1, "INSERT", image("ada", "e1", "like")),
        record(2, "INSERT", image("bob", "e1", "stare")),
        record(3, "INSERT", json!({"pk": {"S": "USER#bob"}, "sk": {"S": "EVENT#e2"}})),
        record(4, "INSERT", json!({"odd": {"N": "1"}})),
        record(5, "MODIFY", json!({"pk": {"S": "USER#bob"}, "sk": {"S": "PROFILE#local"}})),
        record(6, "INSERT", image("cyd", "e1", "dislike")),
    ];
    assert_eq!(failures(&store, records).await, ["2", "3", "4"]);
    assert_eq!(
        (known(&store, "ada").await, known(&store, "bob").await, known(&store, "cyd").await),
        (1, 0, 1)
    );
}

#[tokio::test]
async fn an_expired_event_stays_in_the_profile_and_a_removed_one_waits_for_its_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("store")).unwrap();
    let put = record(1, "INSERT", image("ada", "e1", "like"));
    assert_eq!(failures(&store, vec![put.clone(), put]).await, [""; 0]);
    let mut expired = image("ada", "e1", "like");
    expired["expires_at"] = json!({"N": "1714000000"});
    assert_eq!(failures(&store, vec![record(2, "REMOVE", expired)]).await, [""; 0]);
    assert_eq!(known(&store, "ada").await, 1);
    let removed = vec![record(3, "REMOVE", image("ada", "e1", "like"))];
    assert_eq!(failures(&store, removed.clone()).await, ["3"], "no tombstone says so yet");
    shared::store::People::erase(&store, &user("ada"), Time::now()).await.unwrap();
    assert_eq!(failures(&store, removed).await, [""; 0]);
    assert_eq!(known(&store, "ada").await, 0);
}
