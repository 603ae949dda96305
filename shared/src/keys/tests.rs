use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::Problem;
use crate::api::history::Time;
use crate::api::routes::{ROUTES, Scope};

fn at(millis: i64) -> Time {
    Time::from_millis(1_800_000_000_000 + millis).unwrap()
}

fn key(scopes: &[Scope]) -> (Key, String) {
    let (key, secret) = Key::generate(scopes.to_vec()).unwrap();
    (key, secret.expose().to_owned())
}

fn ring_of(keys: impl IntoIterator<Item = Key>) -> KeyRing {
    let mut ring = KeyRing::default();
    keys.into_iter().for_each(|key| ring.add(key));
    ring
}

fn checked(ring: &KeyRing, header: &str) -> Result<String, Denied> {
    ring.check(Some(header), at(0)).map(|key| key.id.to_string())
}

#[test]
fn a_key_has_its_form_and_no_two_are_alike() {
    let keys: Vec<_> = (0..200).map(|_| key(&[Scope::Recommend])).collect();
    for (key, text) in &keys {
        let [prefix, id, secret] = text.split('_').collect::<Vec<_>>()[..] else { panic!("three parts") };
        assert_eq!((prefix, id, secret.len()), ("mq", key.id.as_str(), SECRET_LENGTH));
        assert!(secret.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
    let distinct: std::collections::BTreeSet<_> = keys.iter().map(|(_, text)| text).collect();
    assert_eq!(distinct.len(), keys.len());
    // 200 keys have 11,000 characters: that one of 62 is missing from them all has a chance of e^-177.
    let used: std::collections::BTreeSet<_> =
        keys.iter().flat_map(|(_, text)| text.bytes()).filter(|b| *b != b'_').collect();
    assert_eq!(used.len(), 62);
}

#[test]
fn the_scheme_is_taken_in_any_case_and_nothing_else_is() {
    let (key, text) = key(&[Scope::Recommend]);
    let ring = ring_of([key.clone()]);
    for header in [format!("Bearer {text}"), format!("bearer {text}"), format!("BEARER  {text} ")] {
        assert_eq!(checked(&ring, &header), Ok(key.id.to_string()));
    }
    for header in
        [text.clone(), format!("Basic {text}"), format!("Bearer:{text}"), "Bearer".into(), "".into()]
    {
        assert_eq!(checked(&ring, &header), Err(Denied::WrongScheme));
    }
    for what in [String::new(), "mq__".into(), format!("{text}, Bearer {text}"), text.replace("mq", "MQ")] {
        assert_eq!(checked(&ring, &format!("Bearer {what}")), Err(Denied::Malformed));
    }
    assert_eq!(ring.check(None, at(0)), Err(Denied::NoHeader));
}

#[test]
fn a_key_is_refused_from_its_end_on() {
    let (mut key, text) = key(&[Scope::Recommend]);
    key.expires_at = Some(at(0));
    let ring = ring_of([key]);
    let header = format!("Bearer {text}");
    assert!(ring.check(Some(&header), at(-1)).is_ok());
    assert_eq!(ring.check(Some(&header), at(0)), Err(Denied::Expired));
    assert_eq!(ring.check(Some(&header), at(1)), Err(Denied::Expired));
}

#[test]
fn in_a_rotation_old_and_new_are_valid_together_until_the_old_is_removed() {
    let ((old, old_text), (mut new, new_text)) = (key(&[Scope::Recommend]), key(&[Scope::Recommend]));
    new.id = old.id.clone();
    let both = ring_of([old.clone(), new.clone()]);
    assert!(checked(&both, &format!("Bearer {old_text}")).is_ok());
    assert!(checked(&both, &format!("Bearer {new_text}")).is_ok());
    let after = ring_of([new]);
    assert_eq!(checked(&after, &format!("Bearer {old_text}")), Err(Denied::Unknown));
    assert!(checked(&after, &format!("Bearer {new_text}")).is_ok());
}

#[test]
fn every_scope_opens_its_routes_and_no_other() {
    for scope in Scope::ALL {
        let (key, text) = key(&[scope]);
        let ring = ring_of([key.clone()]);
        let header = format!("Bearer {text}");
        for route in ROUTES {
            let admitted = ring.admit(route, Some(&header), at(0));
            let expected = match route.scope {
                None => Ok(None),
                Some(needed) if scope == needed || scope == Scope::Admin => Ok(Some(&key)),
                Some(missing) => Err(Refusal::Forbidden { key: key.id.clone(), missing }),
            };
            assert_eq!(admitted, expected, "{scope:?} {route:?}");
        }
    }
}

#[test]
fn several_scopes_add_up() {
    let (key, _) = key(&[Scope::Recommend, Scope::Users]);
    let may: Vec<_> = Scope::ALL.into_iter().filter(|scope| key.may(*scope)).collect();
    assert_eq!(may, [Scope::Recommend, Scope::Users]);
    assert_eq!(key.scope_names(), "recommend users");
}

#[test]
fn a_public_route_needs_no_key_and_every_other_one() {
    let nobody = KeyRing::default();
    for route in ROUTES {
        let admitted = nobody.admit(route, None, at(0));
        let expected = match route.scope {
            None => Ok(None),
            Some(_) => Err(Refusal::Unauthorized(Denied::NoHeader)),
        };
        assert_eq!(admitted, expected, "{route:?}");
    }
}

#[test]
fn a_refusal_is_a_problem_that_says_what_to_send() {
    let problem = Problem::from(Refusal::Unauthorized(Denied::NoHeader));
    assert_eq!((problem.status(), problem.code.name()), (401, "unauthorized"));
    let (key, _) = key(&[Scope::Recommend]);
    let problem = Problem::from(Refusal::Forbidden { key: key.id, missing: Scope::Users });
    assert_eq!((problem.status(), problem.code.name()), (403, "forbidden"));
    assert!(problem.detail.contains("`users`"), "{}", problem.detail);
}

#[test]
fn a_ring_is_written_as_it_is_read() {
    let (mut first, _) = key(&[Scope::Admin]);
    first.note = Some("the app's own".into());
    first.expires_at = Some(at(1));
    let ring = ring_of([first, key(&[Scope::Recommend, Scope::Events]).0]);
    assert_eq!(KeyRing::parse(ring.to_json().as_bytes()).unwrap(), ring);
    assert_eq!(KeyRing::parse(br#"{"keys":[]}"#).unwrap(), KeyRing::default());
}

#[test]
fn revoking_removes_every_key_of_the_id() {
    let (old, new, other) = (key(&[Scope::Admin]).0, key(&[Scope::Admin]).0, key(&[Scope::Admin]).0);
    let new = Key { id: old.id.clone(), ..new };
    let mut ring = ring_of([old.clone(), other.clone(), new]);
    assert_eq!(ring.revoke(old.id.as_str()), 2);
    assert_eq!(ring.keys(), [other]);
    assert_eq!(ring.revoke(old.id.as_str()), 0);
}

#[test]
fn every_fault_of_a_ring_is_said_at_once_and_none_of_its_values() {
    let secret = "mq_0123456789ab_leaked";
    let document = json!({
        "key": [],
        "keys": [
            {"id": secret, "digest": secret, "scopes": [secret], "note": "a\nb", "expires_at": secret},
            {"scopes": [], "created_at": null, "colour": secret},
            [secret],
        ],
    });
    let error = KeyRing::parse(document.to_string().as_bytes()).unwrap_err();
    let RingError::Faults(faults) = &error else { panic!("{error}") };
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    let expected = [
        "/key",
        "/keys/0/id",
        "/keys/0/digest",
        "/keys/0/scopes/0",
        "/keys/0/note",
        "/keys/0/expires_at",
        "/keys/1/colour",
        "/keys/1/id",
        "/keys/1/digest",
        "/keys/1/scopes",
        "/keys/1/created_at",
        "/keys/2",
    ];
    assert_eq!(pointers, expected);
    let words = error.to_string();
    assert!(expected.iter().all(|pointer| words.contains(pointer)), "{words}");
    assert!(!words.contains("leaked"), "{words}");
}

#[test]
fn what_is_no_ring_is_refused() {
    for document in ["", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":[]}{}"#, r#"{"keys":[],"keys":[]}"#]
    {
        assert!(KeyRing::parse(document.as_bytes()).is_err(), "{document}");
    }
}

#[test]
fn what_is_shown_for_debugging_holds_no_secret() {
    let (key, secret) = Key::generate(vec![Scope::Admin]).unwrap();
    let digest = key.digest.to_string();
    let shown = format!("{key:?} {secret:?} {:?}", ring_of([key.clone()]));
    assert!(!shown.contains(secret.expose()) && !shown.contains(&digest), "{shown}");
}

proptest! {
    #[test]
    fn a_near_miss_is_a_miss(place in 0_usize..59, other in "[0-9A-Za-z_]") {
        let (key, text) = key(&[Scope::Admin]);
        let ring = ring_of([key]);
        let mut near = text.clone();
        near.replace_range(place..=place, &other);
        prop_assume!(near != text);
        for near in [near, text[..place].to_owned(), format!("{text}{other}")] {
            let header = format!("Bearer {near}");
            prop_assert!(checked(&ring, &header).is_err());
        }
    }

    #[test]
    fn whichever_key_of_the_ring_is_presented_is_the_one_found(count in 1_usize..20, pick in any::<prop::sample::Index>()) {
        let keys: Vec<_> = (0..count).map(|_| key(&[Scope::Recommend])).collect();
        let ring = ring_of(keys.iter().map(|(key, _)| key.clone()));
        let (picked, text) = &keys[pick.index(count)];
        let header = format!("Bearer {text}");
        prop_assert_eq!(ring.check(Some(&header), at(0)), Ok(picked));
    }

    #[test]
    fn no_header_and_no_document_is_too_strange(header in ".*", document in ".*") {
        let (key, _) = key(&[Scope::Admin]);
        prop_assert!(ring_of([key]).check(Some(&header), at(0)).is_err());
        let _ = KeyRing::parse(document.as_bytes());
    }

    #[test]
    fn the_first_and_the_second_look_at_a_key_agree(
        id in "[0-9A-Za-z]{11,13}", digest in "[0-9a-fA-Fg]{63,65}", scope in "recommend|events|admin|owner",
    ) {
        let key: Value = json!({"id": id, "digest": digest, "scopes": [scope]});
        let read = serde_json::from_value::<Key>(key.clone()).is_ok();
        prop_assert_eq!(crate::api::Checker::run::<Key>(&key).is_empty(), read);
    }
}
