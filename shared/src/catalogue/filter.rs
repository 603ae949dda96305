//! Filters over the catalogue's columns.

use super::{Catalogue, RowSet};
use crate::api::recommendation::{Filters, Genre};

/// Genres as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenreSet(pub u64);

impl GenreSet {
    /// The bits of those names that the catalogue has, compared without regard to case.
    #[must_use]
    pub fn of(names: &[String], wanted: &[Genre]) -> Self {
        let is_wanted =
            |name: &str| wanted.iter().any(|genre| genre.as_str().to_lowercase() == name.to_lowercase());
        let named = names.iter().enumerate().filter(|(_, name)| is_wanted(name));
        Self(named.fold(0, |bits, (bit, _)| bits | 1 << bit))
    }
}

pub(super) fn filtered_out(catalogue: &Catalogue, filters: &Filters) -> RowSet {
    let genres = catalogue.genres.as_slice();
    let years = catalogue.year.as_slice();
    let bits = |wanted: &[Genre]| GenreSet::of(&catalogue.genre_names, wanted).0;
    let any = filters.genres_any.as_ref().map(|wanted| bits(wanted.as_slice()));
    let none = bits(filters.genres_none.as_slice());
    let range = filters.year.as_ref().map(|year| {
        let first = year.min.map_or(1, |min| min.get().max(1)) as u16;
        let last = year.max.map_or(u16::MAX, |max| max.get() as u16);
        first..=last
    });
    let mut out = if any.is_some() || none != 0 || range.is_some() {
        RowSet::of(catalogue.len(), |row| {
            any.is_some_and(|any| genres[row] & any == 0)
                || genres[row] & none != 0
                || range.as_ref().is_some_and(|range| !range.contains(&years[row]))
        })
    } else {
        RowSet::none(catalogue.len())
    };
    let excluded = filters.exclude_items.as_slice().iter();
    excluded.filter_map(|id| catalogue.row(id.as_str())).for_each(|row| out.insert(row));
    out
}
