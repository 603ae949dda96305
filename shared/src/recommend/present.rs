//! Rows become items with titles, and what a model says of its scores becomes reasons.

use crate::api::items::Item;
use crate::api::recommendation::{Because, Explanation, RecommendedItem};
use crate::catalogue::{Catalogue, Row};
use crate::model::{Attraction, Scored};

/// How many items of the history an explanation names.
const BECAUSE_LIMIT: usize = 5;

/// A row as the catalogue has it.
pub(super) fn catalogue_item(catalogue: &Catalogue, row: Row) -> Item {
    Item {
        item_id: catalogue.id(row).unwrap_or_default().to_owned(),
        title: catalogue.title(row).map(str::to_owned),
        year: catalogue.year(row),
        genres: catalogue.genres(row).into_iter().map(str::to_owned).collect(),
        popularity: catalogue.popularity(row),
    }
}

/// An item of an answer, not explained yet.
pub(super) fn item(catalogue: &Catalogue, scored: Scored, rank: u32) -> RecommendedItem {
    RecommendedItem {
        item_id: catalogue.id(scored.row).unwrap_or_default().to_owned(),
        rank,
        score: scored.score,
        title: catalogue.title(scored.row).map(str::to_owned),
        year: catalogue.year(scored.row),
        genres: catalogue.genres(scored.row).into_iter().map(str::to_owned).collect(),
        because: None,
        because_rest: None,
    }
}

/// Adds the largest weights, and where they are contributions the sum of the others. `weights` runs along `history`.
pub(super) fn explain(
    item: &mut RecommendedItem,
    (explanation, weights): (Explanation, &[f32]),
    history: &[Attraction],
    catalogue: &Catalogue,
) {
    let mut weighted: Vec<_> = history.iter().zip(weights.iter().copied()).collect();
    if explanation == Explanation::LeaveOneOut {
        // What was not tried, or made no difference, is no reason.
        weighted.retain(|(_, weight)| *weight != 0.0);
    }
    weighted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rest = weighted.split_off(weighted.len().min(BECAUSE_LIMIT));
    let because = |(attraction, weight): (&Attraction, f32)| Because {
        item_id: catalogue.id(attraction.row).unwrap_or_default().to_owned(),
        title: catalogue.title(attraction.row).map(str::to_owned),
        weight,
    };
    item.because = Some(weighted.into_iter().map(because).collect());
    if explanation == Explanation::Contributions {
        item.because_rest = Some(rest.iter().fold(0.0, |sum, (_, weight)| sum + f64::from(*weight)) as f32);
    }
}
