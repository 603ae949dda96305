//! Two regions that both take events, fold them and erase people, while everything between them is late and out of
//! order: when all has come to rest, nothing is lost and nothing erased is there.

mod world;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use proptest::prelude::*;
use shared::api::history::Time;
use shared::api::{EventId, ItemId, UserId};
use shared::store::{Basis, Event, FoldError, Folding, Profile, ProfileEntry, Saved, StoreError, fold};

use crate::given::{event, user};
use world::{Client, Key, Record, Value, World};

const PEOPLE: [&str; 2] = ["ada", "bob"];
/// Things that begin to happen before the world is left to come to rest.
const STEPS: usize = 120;
/// A world that does not rest after so many turns never will.
const TURNS: usize = 20_000;

/// A region as its `update-profiles` sees it. Before each call, other things happen.
#[derive(Debug)]
struct Region<'a> {
    world: &'a Mutex<World>,
    region: usize,
}

impl Region<'_> {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn call(&self) -> Result<MutexGuard<'_, World>, StoreError> {
        let mut world = self.world();
        for _ in 0..world.below(3) {
            world.happen();
        }
        if world.fails() { Err(StoreError::new("cut off")) } else { Ok(world) }
    }
}

#[async_trait]
impl Folding for Region<'_> {
    async fn basis(&self, user: &UserId) -> Result<Basis, StoreError> {
        let (profile, revision) = {
            let world = self.call()?;
            match world.get(self.region, &world.profile_key(user, self.region)) {
                Some(Value::Profile(profile, revision)) => (profile.clone(), Some(revision.clone())),
                _ => Default::default(),
            }
        };
        // Two reads, between which other things happen too.
        Ok(Basis { profile, revision, erased_until: self.erased_until(user).await? })
    }

    async fn erased_until(&self, user: &UserId) -> Result<Option<Time>, StoreError> {
        Ok(self.call()?.tombstone(self.region, user))
    }

    async fn save(
        &self,
        user: &UserId,
        profile: &Profile,
        revision: Option<&str>,
        _changed_at: Time,
    ) -> Result<Saved, StoreError> {
        let mut world = self.call()?;
        let key = world.profile_key(user, self.region);
        let kept = match world.get(self.region, &key) {
            Some(Value::Profile(_, revision)) => Some(revision.as_str()),
            _ => None,
        };
        if kept != revision {
            return Ok(Saved::Changed);
        }
        let new = format!("r{}", world.below(usize::MAX));
        let value = (!profile.is_empty()).then(|| Value::Profile(profile.clone(), new));
        world.write(self.region, key, value);
        // It may also be done, and nobody hears of it.
        if world.fails() { Err(StoreError::new("cut off")) } else { Ok(Saved::Kept) }
    }

    async fn remove(&self, user: &UserId, event: &EventId, until: Time) -> Result<(), StoreError> {
        let (mut world, key) = (self.call()?, Key::Event(user.clone(), event.clone()));
        let held = world.get(self.region, &key);
        if matches!(held, Some(Value::Event(event)) if event.occurred_at <= until) {
            world.write(self.region, key, None);
        }
        Ok(())
    }
}

/// Folds some records of a region's stream; those of a fold that failed come again, and some others too.
async fn update_profiles(world: &Mutex<World>, region: usize) {
    let region = Region { world, region };
    let batch = region.world().batch(region.region);
    let Some(user) = batch.first().map(|record| record.event.user_id.clone()) else { return };
    let of = |put: bool| batch.iter().filter(|r| r.put == put).map(|r| r.event.clone()).collect::<Vec<_>>();
    let folded = fold(&region, &user, &of(true), &of(false), Time::now()).await;
    assert!(!matches!(folded, Err(FoldError::Contended)), "nothing changes a profile eight times");
    let mut world = region.world();
    let again: Vec<Record> =
        batch.into_iter().filter(|_| folded.is_err() || (world.faults > 0 && world.below(4) == 0)).collect();
    world.again(region.region, again);
}

/// The last step of an erasure that has come so far.
async fn finish_an_erasure(world: &Mutex<World>) {
    let (region, user) = {
        let mut world = world.lock().unwrap();
        let folds = |client: &Client| matches!(client, Client::FoldAgain { .. });
        let Some(at) = world.clients.iter().position(folds) else { return };
        let Client::FoldAgain { region, user } = world.clients.swap_remove(at) else { return };
        (region, user)
    };
    let until = world.lock().unwrap().tombstone(region, &user);
    let mut newer = world.lock().unwrap().events(region, &user);
    newer.retain(|event| Some(event.occurred_at) > until);
    if fold(&Region { world, region }, &user, &newer, &[], Time::now()).await.is_err() {
        world.lock().unwrap().clients.push(Client::Erase { region, user });
    }
}

/// Somebody begins something: a new event, one that was sent before and is sent again anywhere, or an erasure.
fn begin(world: &mut World) {
    let (region, who) = (world.below(2), world.below(PEOPLE.len()));
    let client = match world.below(8) {
        0 => Client::Erase { region, user: user(PEOPLE[who]) },
        1 if !world.put.is_empty() => {
            let which = world.below(world.put.len());
            Client::Put { region, event: world.put[which].clone(), there: false }
        }
        _ => {
            let (id, item, late) = (world.below(usize::MAX), world.below(4), world.below(6));
            let occurred_at = Time::from_millis(world.now().millis() - late as i64).unwrap();
            let item_id = ItemId::try_from(format!("item{item}")).unwrap();
            let event = Event { item_id, occurred_at, ..event(PEOPLE[who], &format!("e{id}")) };
            Client::Put { region, event, there: false }
        }
    };
    world.clients.push(client);
}

async fn live(seed: u64, own_tombstones: bool, faults: u64) -> World {
    let world = Mutex::new(World::new(seed));
    world.lock().unwrap().own_tombstones = own_tombstones;
    world.lock().unwrap().faults = faults;
    for _ in 0..STEPS {
        let what = world.lock().unwrap().below(6);
        match what {
            0 => begin(&mut world.lock().unwrap()),
            1..=3 => world.lock().unwrap().happen(),
            4 => finish_an_erasure(&world).await,
            _ => {
                let region = world.lock().unwrap().below(2);
                update_profiles(&world, region).await;
            }
        }
    }
    world.lock().unwrap().faults = 0;
    rest(&world).await;
    world.into_inner().unwrap()
}

/// Lets everything come to its end.
async fn rest(world: &Mutex<World>) {
    for _ in 0..TURNS {
        if world.lock().unwrap().rests() {
            return;
        }
        world.lock().unwrap().happen();
        update_profiles(world, 0).await;
        update_profiles(world, 1).await;
        finish_an_erasure(world).await;
    }
    panic!("it never rests: {:#?}", world.lock().unwrap());
}

/// What a reader in a region knows of a person: the profiles of both regions, joined.
fn read(world: &World, region: usize, user: &UserId) -> Vec<ProfileEntry> {
    let profile = |(_, value): (&Key, &Value)| match value {
        Value::Profile(profile, _) => Some(profile.clone()),
        _ => None,
    };
    let profiles = world.held(region, user).into_iter().filter_map(profile);
    profiles.reduce(Profile::join).unwrap_or_default().entries().to_vec()
}

/// What is to be known: of all that was ever put and done after the erasure, the latest of each item, in order.
fn model(world: &World, user: &UserId, until: Option<Time>) -> Vec<ProfileEntry> {
    let mut latest: BTreeMap<ItemId, (Time, EventId)> = BTreeMap::new();
    for event in world.put.iter().filter(|event| event.user_id == *user && Some(event.occurred_at) > until) {
        let this = (event.occurred_at, event.event_id.clone());
        let kept = latest.entry(event.item_id.clone()).or_insert_with(|| this.clone());
        *kept = this.max(kept.clone());
    }
    let mut latest: Vec<_> = latest.into_iter().map(|(item, (time, id))| (time, id, item)).collect();
    latest.sort();
    let entry = |(occurred_at, event_id, item_id)| ProfileEntry {
        occurred_at,
        event_id,
        item_id,
        kind: shared::api::EventType::Like,
        value: None,
    };
    latest.into_iter().map(entry).collect()
}

fn check(world: &World) -> Result<(), TestCaseError> {
    for user in PEOPLE.map(user) {
        let until = world.tombstone(0, &user);
        prop_assert_eq!(world.tombstone(1, &user), until, "the tombstones");
        prop_assert_eq!(world.held(0, &user), world.held(1, &user), "what the regions hold");
        prop_assert_eq!(read(world, 0, &user), model(world, &user, until), "what is known");
        let mut kept: Vec<EventId> = world.events(0, &user).into_iter().map(|event| event.event_id).collect();
        let newer = |event: &&Event| event.user_id == user && Some(event.occurred_at) > until;
        let mut put: Vec<EventId> =
            world.put.iter().filter(newer).map(|event| event.event_id.clone()).collect();
        kept.sort();
        put.sort();
        put.dedup();
        prop_assert_eq!(kept, put, "the events that are kept");
    }
    Ok(())
}

/// A runtime whose time passes as soon as everybody waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, max_shrink_iters: 0, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_erased_comes_back(seed: u64, own_tombstones: bool) {
        check(&run(live(seed, own_tombstones, 0)))?;
    }

    #[test]
    fn nor_when_steps_fail_and_are_cut_off(seed: u64, own_tombstones: bool, faults in 1_u64..15) {
        check(&run(live(seed, own_tombstones, faults)))?;
    }
}

/// Two regions take an event each, and fold it before they hear of the other's.
async fn two_at_once(one_profile: bool) -> World {
    let world = Mutex::new(World::new(7));
    world.lock().unwrap().one_profile = one_profile;
    for region in 0..2 {
        let event = event("ada", &format!("e{region}"));
        fold(&Region { world: &world, region }, &user("ada"), std::slice::from_ref(&event), &[], Time::now())
            .await
            .unwrap();
        world.lock().unwrap().put.push(event);
    }
    rest(&world).await;
    world.into_inner().unwrap()
}

#[test]
fn one_profile_for_both_regions_would_lose_events() {
    let known = |one_profile| read(&run(two_at_once(one_profile)), 0, &user("ada")).len();
    assert_eq!(known(false), 2);
    assert_eq!(known(true), 1, "the last writer won, which knew of its own alone");
}

/// A person is erased in both regions at once, and the tombstone that is written first is of the later time.
async fn erased_at_once(own_tombstones: bool) -> [Option<Time>; 2] {
    let world = Mutex::new(World::new(7));
    world.lock().unwrap().own_tombstones = own_tombstones;
    let (ada, later) = (user("ada"), Time::from_millis(1_750_000_001_000).unwrap());
    let earlier = Time::from_millis(1_750_000_000_000).unwrap();
    for (region, until) in [(1, later), (0, earlier)] {
        world.lock().unwrap().clients.push(Client::Bury { region, user: ada.clone(), until });
        while world.lock().unwrap().tombstone(region, &ada).is_none() {
            world.lock().unwrap().take_a_step();
        }
    }
    rest(&world).await;
    let world = world.into_inner().unwrap();
    [0, 1].map(|region| world.tombstone(region, &ada))
}

#[test]
fn one_tombstone_for_both_regions_may_go_back() {
    let millis =
        |own_tombstones| run(erased_at_once(own_tombstones)).map(|until| until.unwrap().millis() % 10_000);
    assert_eq!(millis(true), [1_000, 1_000]);
    assert_eq!(millis(false), [0, 0], "the last writer won, whose time was the earlier");
}
