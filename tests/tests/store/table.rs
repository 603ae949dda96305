//! What the conformance suite can't see: the table itself, regions, pages of the service.

use serde_json::json;
use shared::config::TableSettings;
use shared::store::{Erased, Event, Events, Loading, People, Profile, Profiles, Put, StoredProfile};

use super::Server;
#[cfg(feature = "real-parts")]
use super::people::event_id;
use super::people::{at, event, kept, puts, save, user};
use shared::api::ItemId;
use shared::api::history::Time;

pub(crate) async fn is_made_once_and_as_documented(server: Server) {
    let store = server.store().await;
    store.warm_up().await;
    assert!(!store.create_table().await.unwrap(), "it is there already");
    let table = &server.call("DescribeTable", json!({}))["Table"];
    let key =
        json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]);
    assert_eq!(table["KeySchema"], key);
    let stream = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    assert_eq!(table["StreamSpecification"], stream);
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
    let expiry = &server.call("DescribeTimeToLive", json!({}))["TimeToLiveDescription"];
    assert_eq!(*expiry, json!({"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}));
}

pub(crate) async fn holds_items_as_documented(server: Server) {
    server.store().await;
    let store = server.store_of(TableSettings { event_retention_days: Some(3_650), ..server.settings() });
    let event = event("e1", at(0));
    assert_eq!(puts(store.put(std::slice::from_ref(&event)).await), [Put::Accepted]);
    save(&store, &Profile::of([&event])).await;
    let mut items = server.call("Scan", json!({}))["Items"].as_array().cloned().unwrap();
    items.sort_by_key(|item| item["sk"]["S"].to_string());
    let time = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        items[0],
        json!({"pk": {"S": "USER#ada"}, "sk": {"S": "EVENT#e1"}, "user_id": {"S": "ada"}, "event_id": {"S": "e1"},
            "item_id": {"S": "alien"}, "type": {"S": "play"}, "occurred_at": {"S": time}, "received_at": {"S": time},
            "time_given": {"BOOL": true}, "expires_at": {"N": "2082585600"}})
    );
    let revision = items[1]["revision"]["S"].as_str().unwrap();
    assert!(revision.len() == 32 && revision.bytes().all(|b| b.is_ascii_hexdigit()), "{revision}");
    assert_eq!(
        items[1],
        json!({"pk": {"S": "USER#ada"}, "sk": {"S": "PROFILE#local"}, "revision": {"S": revision},
            "changed_at": {"S": time},
            "profile": {"S": r#"{"i":[["alien","play",null,1767225600000,"e1"]]}"#}})
    );

    store.erase(&user("ada"), at(60)).await.unwrap();
    let left = server.call("Scan", json!({}));
    // python3 -c "import hmac; print(hmac.new(b'a key of the tests', b'ada', 'sha256').hexdigest())"
    let pseudonym = "acbeb29a2808fedd95d22495f96c7b480d07c6fbe3f46ff7a38f490104f6fca5";
    let tombstone = json!([{"pk": {"S": format!("ERASED#{pseudonym}")}, "sk": {"S": "TOMBSTONE"},
        "erased_until": {"S": "2026-01-01T00:01:00.000Z"}}]);
    assert_eq!(left["Items"], tombstone);
}

pub(crate) async fn events_that_expired_are_not_shown(server: Server) {
    server.store().await;
    let store = server.store_of(TableSettings { event_retention_days: Some(1), ..server.settings() });
    let days_ago = |days: i64| Time::from_millis(Time::now().millis() - days * 86_400_000).unwrap();
    let (expired, kept_still) = (event("e1", days_ago(2)), event("e2", days_ago(0)));
    let also_expired = event("e3", days_ago(3));
    let outcomes = store.put(&[expired.clone(), kept_still.clone(), also_expired]).await;
    assert_eq!(puts(outcomes), [Put::Accepted; 3]);
    // The server drops expired items when it comes to it: moto never, Amazon's own within seconds or days.
    let held = server.call("Scan", json!({}))["Count"].clone();
    assert!((1..=3).contains(&held.as_u64().unwrap()), "{held}");
    let page = store.events(&user("ada"), None, 1).await.unwrap();
    assert_eq!((page.events, page.more), (vec![kept_still], false));
    let again = puts(store.put(&[expired]).await);
    assert!(
        [[Put::Duplicate], [Put::Accepted]].contains(&[again[0]]),
        "held still, or dropped by now: {again:?}"
    );
}

pub(crate) async fn what_cannot_be_read_is_erased_all_the_same(server: Server) {
    let store = server.store().await;
    assert_eq!(puts(store.put(&[event("e1", at(0))]).await), [Put::Accepted]);
    for sort_key in ["EVENT#e2", "PROFILE#local", "LATER#x"] {
        server.call("PutItem", json!({"Item": {"pk": {"S": "USER#ada"}, "sk": {"S": sort_key}}}));
    }
    let refused = store.events(&user("ada"), None, 10).await.unwrap_err().to_string();
    assert!(refused.starts_with("an item is no event: missing field"), "{refused}");
    let refused = store.profile(&user("ada")).await.unwrap_err().to_string();
    assert!(refused.starts_with("an item is no profile: missing field"), "{refused}");
    let erased = store.erase(&user("ada"), at(9)).await.unwrap();
    assert_eq!((erased.profiles, erased.until), (1, at(9)));
    assert_eq!(server.call("Scan", json!({}))["Count"], 1, "the tombstone is left");
}

pub(crate) async fn profiles_of_all_regions_are_joined_and_erased(server: Server) {
    server.store().await;
    let region = |own: &str, all: [&str; 2]| {
        let regions = all.into_iter().map(String::from).collect();
        server.store_of(TableSettings { region: own.into(), regions, ..server.settings() })
    };
    let (here, there) = (region("here", ["here", "there"]), region("there", ["there", "here"]));
    let of = |id: &str, item: &str, time: Time| Event {
        item_id: ItemId::try_from(item.to_owned()).unwrap(),
        ..event(id, time)
    };
    let (alien, brazil, alien_again) =
        (of("e1", "alien", at(1)), of("e2", "brazil", at(2)), of("e3", "alien", at(3)));
    save(&here, &Profile::of([&alien])).await;
    assert_eq!(there.profile(&user("ada")).await.unwrap().unwrap().profile, Profile::of([&alien]));
    save(&there, &Profile::of([&brazil, &alien_again])).await;
    let joined = Some(StoredProfile { profile: Profile::of([&brazil, &alien_again]), changed_at: at(0) });
    assert_eq!(here.profile(&user("ada")).await.unwrap(), joined);
    assert_eq!(there.profile(&user("ada")).await.unwrap(), joined);
    let erased = here.erase(&user("ada"), at(9)).await.unwrap();
    assert_eq!(erased, Erased { events: 0, profiles: 2, until: at(9) });
    assert_eq!(there.profile(&user("ada")).await.unwrap(), None);
}

#[cfg(feature = "real-parts")]
pub(crate) async fn pages_of_the_service_are_put_together(server: Server) {
    let store = server.store().await;
    // A page of the service is 1 MiB; an item with ids of full length has some 880 bytes. (moto takes seconds for one; on
    // it pages are cut small by the proxy.)
    let long = |start: &str| format!("{start:x<128}");
    let person = user(&long("ada"));
    let events: Vec<Event> = (0..1_400)
        .map(|i| Event {
            user_id: person.clone(),
            event_id: event_id(&long(&format!("e{i:05}"))),
            item_id: ItemId::try_from(long("i")).unwrap(),
            ..event("e", at(i))
        })
        .collect();
    store.load(&events).await.unwrap();
    let page = store.events(&person, Some(&events[9].event_id), 1_389).await.unwrap();
    assert_eq!((page.events.as_slice(), page.more), (&events[10..1_399], true));
    // The newest is on the last page.
    let erased = store.erase(&person, at(0)).await.unwrap();
    assert_eq!(erased, Erased { events: 1_400, profiles: 0, until: at(1_399) });
    assert_eq!(server.call("Scan", json!({}))["Count"], 1, "the tombstone is left");
}

pub(crate) async fn of_events_loaded_under_one_id_the_last_is_kept(server: Server) {
    let store = server.store().await;
    let events: Vec<Event> = (0..60).map(|i| event(&format!("e{:02}", i % 40), at(i))).collect();
    store.load(&events).await.unwrap();
    assert_eq!(kept(&store).await, [&events[40..], &events[20..40]].concat());
}
