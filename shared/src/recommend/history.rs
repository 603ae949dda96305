//! What the catalogue knows of a history.

use std::collections::HashSet;

use crate::api::HistoryEntry;
use crate::api::history::{HISTORY_LIMIT, RatingValue};
use crate::catalogue::{Catalogue, Row, RowSet};
use crate::model::Attraction;
use crate::model::config::{EventWeights, Signal};

/// A history in rows: per item its latest entry.
#[derive(Debug, Default)]
pub(super) struct KnownHistory {
    /// What attracts, oldest first.
    pub(super) attractions: Vec<Attraction>,
    /// Every item that is known, whatever it says.
    seen: Vec<Row>,
    /// What must never be answered.
    unwanted: Vec<Row>,
    /// Distinct items that the catalogue knows.
    pub(super) known: usize,
    /// Distinct items that it doesn't.
    pub(super) unknown: usize,
}

impl KnownHistory {
    /// Takes the latest entry of each item, entries being newest last, and of these the newest [`HISTORY_LIMIT`].
    pub(super) fn of<'a>(
        entries: impl DoubleEndedIterator<Item = &'a HistoryEntry>,
        catalogue: &Catalogue,
        weights: &EventWeights,
    ) -> Self {
        let mut history = Self::default();
        let mut known = RowSet::none(catalogue.len());
        let mut unknown = HashSet::new();
        for entry in entries.rev() {
            if history.seen.len() + unknown.len() == HISTORY_LIMIT {
                break;
            }
            let Some(row) = catalogue.row(entry.item_id.as_str()) else {
                unknown.insert(entry.item_id.as_str());
                continue;
            };
            if known.contains(row) {
                continue;
            }
            known.insert(row);
            history.seen.push(row);
            match weights.signal(entry.kind, entry.value.map(RatingValue::get)) {
                Signal::Attracts(weight) => history.attractions.push(Attraction { row, weight }),
                Signal::Neutral => {}
                Signal::Excludes => history.unwanted.push(row),
            }
        }
        history.attractions.reverse();
        history.known = history.seen.len();
        history.unknown = unknown.len();
        history
    }

    /// Adds what was seen, unless it may be answered again, and what is unwanted, always.
    pub(super) fn exclude(&self, include_seen: bool, excluded: &mut RowSet) {
        let seen = if include_seen { &[] } else { self.seen.as_slice() };
        seen.iter().chain(&self.unwanted).for_each(|&row| excluded.insert(row));
    }

    /// How many items must never be answered.
    pub(super) fn unwanted_count(&self) -> usize {
        self.unwanted.len()
    }
}
