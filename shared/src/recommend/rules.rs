//! The hard rules of a request, which hold on every rung.

use super::history::KnownHistory;
use crate::accelerator::contract;
use crate::api::RecommendationRequest;
use crate::catalogue::{Catalogue, RowSet};

/// How many more candidates than asked for are ranked when variety is wanted, within these bounds.
const DIVERSITY_POOL: usize = 4;
const DIVERSITY_POOL_LEAST: usize = 100;
const DIVERSITY_POOL_MOST: usize = 1_000;

/// What may be answered, and how much of it.
pub(super) struct Rules {
    /// Rows that are never answered: filtered out, seen, left out, disliked.
    pub(super) excluded: RowSet,
    /// How many items to answer: as many as are asked for, or the catalogue has.
    pub(super) k: usize,
    /// How many to rank: more than that where variety is wanted.
    pub(super) wanted: usize,
    /// Whether genres or years rule out rows, so that nobody knows how far down a list they reach.
    by_attributes: bool,
    left_out: usize,
    include_seen: bool,
}

impl Rules {
    pub(super) fn of(request: &RecommendationRequest, history: &KnownHistory, catalogue: &Catalogue) -> Self {
        let filters = &request.filters;
        let mut excluded = catalogue.filtered_out(filters);
        history.exclude(filters.include_seen, &mut excluded);
        let k = request.k.get() as usize;
        let pool = (k * DIVERSITY_POOL).clamp(DIVERSITY_POOL_LEAST, DIVERSITY_POOL_MOST);
        Self {
            excluded,
            k: k.min(catalogue.len()),
            wanted: if request.diversity.get() == 0.0 { k } else { pool },
            by_attributes: filters.genres_any.is_some()
                || !filters.genres_none.as_slice().is_empty()
                || filters.year.is_some(),
            left_out: filters.exclude_items.as_slice().len(),
            include_seen: filters.include_seen,
        }
    }

    /// How many rows of somebody who does not know the rules are enough to leave `wanted`, as far as can be told.
    pub(super) fn rows_to_ask_for(&self, history: &KnownHistory) -> usize {
        if self.by_attributes {
            return contract::LIMIT;
        }
        let struck_out =
            self.left_out + if self.include_seen { history.unwanted_count() } else { history.known };
        (self.wanted + struck_out).min(contract::LIMIT)
    }
}
