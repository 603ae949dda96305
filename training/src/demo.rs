//! The bundled demo: a table of real films, and interactions **simulated** from tastes over them.
//!
//! `training/demo/films.csv` holds facts about films, written by hand. Nobody's behaviour is in it: each simulated person
//! is drawn to a few films, likes what resembles them in theme, maker, genre, time and place, has heard of well-known
//! films sooner than of others, and picks with some chance in it.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::{Dataset, Event, ItemMeta};

/// What the demo's data are called.
pub const NAME: &str = "demo";

const FILMS: &str = include_str!("../demo/films.csv");
const USERS: usize = 4_000;
const SEED: u64 = 1895;
/// 2024-01-01T00:00:00Z, the first simulated day.
const START_MS: i64 = 1_704_067_200_000;
const DAY_MS: i64 = 86_400_000;
/// Fewest and most films that a simulated person has seen.
const HISTORY: std::ops::Range<usize> = 8..60;
/// How much likeness, fame and chance weigh when a film is picked. Chosen so that lists look sensible.
const LIKENESS: f64 = 1.6;
const FAME: f64 = 0.5;

struct Film<'a> {
    meta: ItemMeta,
    themes: Vec<&'a str>,
    directors: Vec<&'a str>,
    country: &'a str,
    renown: f64,
}

/// The demo's films with simulated interactions: always the same.
///
/// # Panics
/// Never: the bundled table is checked by a test.
#[must_use]
pub fn dataset() -> Dataset {
    let mut genres = Vec::new();
    let table = table(&mut genres).expect("the bundled table is checked by a test");
    let films: Vec<Film<'_>> = table.iter().map(|record| film(record, &genres)).collect();
    let events = simulate(&films);
    Dataset {
        users: (0..USERS).map(|user| format!("demo-{user:04}")).collect(),
        items: films.into_iter().map(|film| film.meta).collect(),
        genres,
        events,
        source: NAME.into(),
        timed: true,
        ..Dataset::default()
    }
}

/// The rows of the table; gathers the names of genres as they appear.
fn table(genres: &mut Vec<String>) -> Result<Vec<csv::StringRecord>, csv::Error> {
    let records: Vec<_> =
        csv::Reader::from_reader(FILMS.as_bytes()).into_records().collect::<Result<_, _>>()?;
    for genre in records.iter().flat_map(|record| record[3].split('|')) {
        if !genres.iter().any(|known| known == genre) {
            genres.push(genre.to_owned());
        }
    }
    genres.sort();
    Ok(records)
}

fn film<'a>(record: &'a csv::StringRecord, genres: &[String]) -> Film<'a> {
    let list = |field: usize| record[field].split('|').collect::<Vec<&str>>();
    let bit = |name: &&str| genres.iter().position(|genre| genre == name).map(|bit| bit as u16);
    let meta = ItemMeta {
        id: record[0].to_owned(),
        title: record[1].to_owned(),
        year: record[2].parse().unwrap_or_default(),
        genres: list(3).iter().filter_map(bit).collect(),
    };
    let renown = record[7].parse().unwrap_or_default();
    Film { meta, directors: list(4), country: &record[5], themes: list(6), renown }
}

fn simulate(films: &[Film<'_>]) -> Vec<Event> {
    let likeness = likeness(films);
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut events = Vec::new();
    for user in 0..USERS as u32 {
        for (place, item) in seen_by_one(films, &likeness, &mut random).into_iter().enumerate() {
            let time = START_MS + (place as i64 * 3 + i64::from(user % 3)) * DAY_MS;
            events.push(Event { user, item, value: f32::NAN, kind: crate::data::NO_KIND, time });
        }
    }
    events
}

/// The films that one simulated person has seen, in order.
fn seen_by_one(films: &[Film<'_>], likeness: &[Vec<f64>], random: &mut ChaCha8Rng) -> Vec<u32> {
    let tastes = 1 + random.random_range(0..3_usize);
    let anchors: Vec<usize> = (0..tastes).map(|_| anchor(films, random)).collect();
    // Some people keep to what everybody knows, others avoid it.
    let fame = FAME * random.random_range(0.2..1.8);
    let length = random.random_range(HISTORY);
    let mut appeal: Vec<(f64, u32)> = (0..films.len())
        .map(|film| {
            let closest = anchors.iter().map(|a| likeness[*a][film]).fold(0.0, f64::max);
            // The Gumbel-max trick: the k largest are k draws without replacement in proportion to exp(appeal).
            let chance = -(-(1.0 - random.random::<f64>()).ln()).ln();
            (LIKENESS * closest + fame * films[film].renown + chance, film as u32)
        })
        .collect();
    appeal.sort_by(|a, b| b.0.total_cmp(&a.0));
    appeal.into_iter().take(length).map(|(_, film)| film).collect()
}

/// A film that somebody is drawn to, a well-known one rather than another.
fn anchor(films: &[Film<'_>], random: &mut ChaCha8Rng) -> usize {
    loop {
        let film = random.random_range(0..films.len());
        if random.random_range(0.0..5.0) < 1.0 + films[film].renown * 0.8 {
            return film;
        }
    }
}

/// How alike any two films are: 0 for nothing in common, about 5 for films of one maker and kind.
fn likeness(films: &[Film<'_>]) -> Vec<Vec<f64>> {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    films.iter().flat_map(|film| &film.themes).for_each(|theme| *counts.entry(theme).or_default() += 1.0);
    let rarity = |theme: &str| (films.len() as f64 / counts[theme]).ln() / 3.0;
    let alike = |a: &Film<'_>, b: &Film<'_>| {
        let themes: f64 =
            a.themes.iter().filter(|theme| b.themes.contains(theme)).map(|theme| rarity(theme)).sum();
        let makers =
            if a.directors.iter().any(|director| b.directors.contains(director)) { 1.2 } else { 0.0 };
        let shared = a.meta.genres.iter().filter(|genre| b.meta.genres.contains(genre)).count() as f64;
        let either = (a.meta.genres.len() + b.meta.genres.len()) as f64 - shared;
        let years = f64::from(a.meta.year.abs_diff(b.meta.year));
        let place = if a.country == b.country && a.country != "USA" { 0.5 } else { 0.0 };
        1.4 * themes + makers + 1.5 * shared / either.max(1.0) + 0.6 * (-years / 15.0).exp() + place
    };
    films.iter().map(|a| films.iter().map(|b| alike(a, b)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let data = dataset();
        assert!(data.items.len() >= 600, "{}", data.items.len());
        assert!(data.genres.len() <= 64);
        let mut ids: Vec<_> = data.items.iter().map(|item| item.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), data.items.len(), "ids are distinct");
        for item in &data.items {
            assert!(shared::api::id::is_valid(&item.id), "{}", item.id);
            assert!(
                !item.title.is_empty() && (1890..2030).contains(&item.year) && !item.genres.is_empty(),
                "{item:?}"
            );
        }
    }

    #[test]
    fn every_simulated_person_has_a_history_of_distinct_films() {
        let data = dataset();
        for (user, events) in data.by_user().iter().enumerate() {
            let mut items: Vec<_> = events.iter().map(|event| data.events[*event as usize].item).collect();
            assert!(HISTORY.contains(&items.len()), "{user}: {}", items.len());
            items.sort_unstable();
            assert!(items.windows(2).all(|pair| pair[0] != pair[1]), "{user}");
        }
        // Compared without their values, which are not numbers and so equal to nothing.
        let what = |data: Dataset| data.events.iter().map(|e| (e.user, e.item, e.time)).collect::<Vec<_>>();
        assert!(what(data) == what(dataset()), "always the same");
    }
}
