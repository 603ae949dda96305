//! The observed pairs, by user and by item.

/// A sparse matrix by rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    offsets: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f32>,
}

impl Sparse {
    /// Gathers `(row, column, weight)` by row, keeping their order within a row.
    fn gather(rows: usize, entries: impl Iterator<Item = (u32, u32, f32)> + Clone) -> Self {
        let mut offsets = vec![0; rows + 1];
        entries.clone().for_each(|(row, ..)| offsets[row as usize + 1] += 1);
        for row in 0..rows {
            offsets[row + 1] += offsets[row];
        }
        let total = offsets[rows];
        let (mut columns, mut weights) = (vec![0; total], vec![0.0; total]);
        let mut next = offsets.clone();
        for (row, column, weight) in entries {
            let place = next[row as usize];
            next[row as usize] += 1;
            columns[place] = column;
            weights[place] = weight;
        }
        Self { offsets, columns, weights }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The columns and weights of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }
}

/// The observed pairs of users and items with their weights, each pair once.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    /// Users by items.
    pub by_user: Sparse,
    /// Items by users.
    pub by_item: Sparse,
}

impl Interactions {
    /// From each user's items and weights; of a pair that is there twice the larger weight counts. An item is below
    /// `items`, a weight above 0.
    #[must_use]
    pub fn of(histories: &[Vec<(u32, f32)>], items: usize) -> Self {
        let distinct = |history: &Vec<(u32, f32)>| {
            let mut pairs = history.clone();
            pairs.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            pairs.dedup_by_key(|pair| pair.0);
            pairs
        };
        let histories: Vec<_> = histories.iter().map(distinct).collect();
        let users = histories.iter().zip(0_u32..);
        let entries =
            users.flat_map(|(history, user)| history.iter().map(move |(item, w)| (user, *item, *w)));
        let by_user = Sparse::gather(histories.len(), entries.clone());
        let by_item = Sparse::gather(items, entries.map(|(user, item, weight)| (item, user, weight)));
        Self { by_user, by_item }
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_user.columns.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many users each item has.
    #[must_use]
    pub fn popularity(&self) -> Vec<u32> {
        (0..self.by_item.rows()).map(|item| self.by_item.row(item).0.len() as u32).collect()
    }
}
