//! What trainers and evaluation take from a data set: each user's distinct items in time order, with weights.

use shared::api::EventType;
use shared::model::config::{EventWeights, Signal};

use crate::data::{Dataset, Event, NO_KIND};

/// Which interactions count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Selection {
    /// Ratings below it don't count. Without it every interaction does: what somebody watched to the end and then
    /// rated says something, and published comparisons count it.
    pub min_rating: Option<f32>,
}

/// Each user's distinct items, oldest first by their latest interaction, with weights above 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Histories {
    /// `(item, weight)` by user.
    pub by_user: Vec<Vec<(u32, f32)>>,
    /// How many items there are.
    pub items: usize,
}

impl Histories {
    /// Takes the interactions that count. Equal times keep the order of the file.
    #[must_use]
    pub fn of(data: &Dataset, weights: &EventWeights, selection: Selection) -> Self {
        let types: Vec<_> = data.event_types.iter().map(|name| event_type(name)).collect();
        let weight_of = |event: &Event| weight(event, &types, weights, selection);
        let of_user = |events: &Vec<u32>| {
            let events = events.iter().map(|&event| &data.events[event as usize]);
            let weighted = events.filter_map(|event| weight_of(event).map(|weight| (event.item, weight)));
            latest_of_each(weighted.collect())
        };
        Self { by_user: data.by_user().iter().map(of_user).collect(), items: data.items.len() }
    }

    /// How many `(user, item)` pairs there are.
    #[must_use]
    pub fn interactions(&self) -> usize {
        self.by_user.iter().map(Vec::len).sum()
    }

    /// How many users have each item.
    #[must_use]
    pub fn popularity(&self) -> Vec<u32> {
        let mut popularity = vec![0; self.items];
        self.by_user.iter().flatten().for_each(|(item, _)| popularity[*item as usize] += 1);
        popularity
    }
}

/// The type that a source's name for it means, whatever its case; an unknown name counts as a `like`.
fn event_type(name: &str) -> EventType {
    let lower = name.to_lowercase();
    EventType::ALL.into_iter().find(|known| known.name() == lower).unwrap_or(EventType::Like)
}

fn weight(event: &Event, types: &[EventType], weights: &EventWeights, selection: Selection) -> Option<f32> {
    if selection.min_rating.is_some_and(|least| event.value < least) {
        return None;
    }
    let kind = if event.kind == NO_KIND { None } else { types.get(usize::from(event.kind)).copied() };
    match kind {
        // A plain rating is an interaction like any other; `min_rating` is what judges its value.
        None | Some(EventType::Rating) => Some(1.0),
        Some(kind) => match weights.signal(kind, None) {
            Signal::Attracts(weight) => Some(weight),
            Signal::Neutral | Signal::Excludes => None,
        },
    }
}

/// Keeps the last of each item, and the order.
fn latest_of_each(mut history: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    let mut seen = std::collections::HashSet::with_capacity(history.len());
    history.reverse();
    history.retain(|(item, _)| seen.insert(*item));
    history.reverse();
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(item: u32, value: f32, kind: u16, time: i64) -> Event {
        Event { user: 0, item, value, kind, time }
    }

    fn data(events: Vec<Event>) -> Dataset {
        Dataset {
            users: vec!["u".into()],
            items: vec![Default::default(); 3],
            event_types: vec!["CLICK".into(), "dislike".into(), "Watched".into()],
            events,
            timed: true,
            ..Dataset::default()
        }
    }

    #[test]
    fn the_latest_of_each_item_stays_in_time_order() {
        let data = data(vec![
            event(0, 3.0, NO_KIND, 5),
            event(1, 4.0, NO_KIND, 1),
            event(2, 1.0, NO_KIND, 2),
            event(1, 2.0, NO_KIND, 9),
        ]);
        let all = Histories::of(&data, &EventWeights::default(), Selection::default());
        assert_eq!(all.by_user, [vec![(2, 1.0), (0, 1.0), (1, 1.0)]]);
        assert_eq!((all.interactions(), all.popularity()), (3, vec![1, 1, 1]));
        let liked = Histories::of(&data, &EventWeights::default(), Selection { min_rating: Some(3.0) });
        assert_eq!(liked.by_user, [vec![(1, 1.0), (0, 1.0)]]);
        assert_eq!(liked.popularity(), [1, 1, 0]);
    }

    #[test]
    fn named_types_have_their_weights() {
        let data = data(vec![event(0, f32::NAN, 0, 1), event(1, f32::NAN, 1, 2), event(2, f32::NAN, 2, 3)]);
        let all = Histories::of(&data, &EventWeights::default(), Selection::default());
        assert_eq!(all.by_user, [vec![(0, 0.3), (2, 1.0)]]);
    }
}
