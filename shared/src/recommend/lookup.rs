//! Questions about the catalogue itself: one item, what is like it, what is popular, searching and browsing.

use super::{Recommending, present};
use crate::api::items::{
    Cursor, Item, ItemList, ItemQuery, PopularQuery, ScoredItem, ScoredList, SimilarQuery,
};
use crate::api::recommendation::Genre;
use crate::api::{Problem, ProblemCode};
use crate::catalogue::{GenreSet, Row, RowSet};
use crate::model::Scored;

impl Recommending {
    /// One item.
    ///
    /// # Errors
    /// `unknown_item` (404).
    pub fn item(&self, id: &str) -> Result<Item, Problem> {
        self.known(id).map(|row| present::catalogue_item(&self.artifact.catalogue, row))
    }

    /// The items whose vectors are most like an item's.
    ///
    /// # Errors
    /// `unknown_item` (404).
    pub fn similar(&self, id: &str, query: &SimilarQuery) -> Result<ScoredList, Problem> {
        let row = self.known(id)?;
        let mut excluded = RowSet::none(self.artifact.catalogue.len());
        excluded.insert(row);
        let similar = self.artifact.recommender().similar(row, query.k.get() as usize, &excluded);
        Ok(self.scored_list(similar))
    }

    /// What had most interactions, of one genre if asked.
    #[must_use]
    pub fn popular_items(&self, query: &PopularQuery) -> ScoredList {
        let excluded = self.outside(query.genre.as_ref());
        self.scored_list(self.popular(query.k.get() as usize, &excluded))
    }

    /// A page of the items that match, most popular first: titles in which every word of the search begins a word, and
    /// of the genre. Pages follow each other without gaps or repetitions while the model stays the same.
    #[must_use]
    pub fn items(&self, query: &ItemQuery) -> ItemList {
        let catalogue = &self.artifact.catalogue;
        let excluded = self.outside(query.genre.as_ref());
        let words: Vec<String> = query.q.as_ref().map(|q| words(q.as_str())).unwrap_or_default();
        let start = query.cursor.map_or(0, Cursor::position).min(catalogue.len());
        let places = catalogue.by_popularity().iter().enumerate().skip(start);
        let matches =
            |row: Row| !excluded.contains(row) && has_words(catalogue.title(row).unwrap_or_default(), &words);
        let mut found = places.filter(|(_, row)| matches(**row));

        let limit = query.limit.get() as usize;
        let page: Vec<(usize, Row)> = found.by_ref().take(limit).map(|(place, row)| (place, *row)).collect();
        let more = found.next().is_some();
        let next_cursor = page.last().filter(|_| more).map(|(place, _)| Cursor::at(place + 1));
        let items = page.into_iter().map(|(_, row)| present::catalogue_item(catalogue, row)).collect();
        ItemList { items, next_cursor }
    }

    fn known(&self, id: &str) -> Result<Row, Problem> {
        let unknown = || Problem::new(ProblemCode::UnknownItem, "no item of the catalogue has this id");
        self.artifact.catalogue.row(id).ok_or_else(unknown)
    }

    /// The rows that are not of the genre.
    fn outside(&self, genre: Option<&Genre>) -> RowSet {
        let catalogue = &self.artifact.catalogue;
        match genre {
            None => RowSet::none(catalogue.len()),
            Some(genre) => {
                catalogue.outside(GenreSet::of(catalogue.genre_names(), std::slice::from_ref(genre)))
            }
        }
    }

    fn scored_list(&self, scored: Vec<Scored>) -> ScoredList {
        let item = |scored: Scored| ScoredItem {
            item: present::catalogue_item(&self.artifact.catalogue, scored.row),
            score: scored.score,
        };
        ScoredList { items: scored.into_iter().map(item).collect(), next_cursor: None }
    }
}

/// The words of a text in lower case: runs of letters and digits.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether every wanted word begins a word of the title.
fn has_words(title: &str, wanted: &[String]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let words = words(title);
    wanted.iter().all(|wanted| words.iter().any(|word| word.starts_with(wanted)))
}
