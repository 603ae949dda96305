//! A set of rows as bits.

use super::Row;

/// A set of rows, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    rows: usize,
}

impl RowSet {
    /// No row of `rows`.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        Self { words: vec![0; rows.div_ceil(64)], rows }
    }

    /// The rows of which `holds` is true.
    pub fn of(rows: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let word = |w: usize| {
            let bits = (rows - w * 64).min(64);
            (0..bits).fold(0, |word, bit| word | u64::from(holds(w * 64 + bit)) << bit)
        };
        Self { words: (0..rows.div_ceil(64)).map(word).collect(), rows }
    }

    /// Adds a row; one past the end is ignored.
    pub fn insert(&mut self, row: Row) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Whether the row is in the set.
    #[must_use]
    pub fn contains(&self, row: Row) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The bits of rows `64 × index` to `64 × index + 63`.
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// How many rows are in the set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many rows the set could hold.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }
}
