//! Whether an accelerator gives the answers of the model inside the function: golden histories, asked of both.
//!
//! The two may round differently: sums are taken in another order, and a GPU may multiply with eleven bits of precision
//! (TF32, half a unit in the last place is 2⁻¹¹ of a product). So scores are compared to a tolerance, and lists by the
//! scores of what is in them: two items whose scores are the same to the tolerance may change places, or one of them be
//! the last that is still in.

use crate::catalogue::Row;
use crate::model::{Attraction, Scored, Taste};

/// How many of the best are compared.
pub const TOP: usize = 10;
/// What a score may differ by, relative to the largest score of the list: twice the rounding of TF32.
pub const TOLERANCE: f64 = 1e-3;
/// Lengths of golden histories: of somebody new to somebody who has been here for long.
const LENGTHS: [usize; 5] = [1, 3, 10, 30, 100];
/// Golden histories: what four batches hold.
const HISTORIES: usize = 256;
/// Weights in golden histories: those of a view, a play and a like by default.
const WEIGHTS: [f32; 3] = [0.2, 0.5, 1.0];

/// The golden histories over a catalogue of `rows` items: the same ones for the same number, of distinct rows and of
/// lengths and weights as people have. At most as long as the catalogue has items.
#[must_use]
pub fn golden(rows: usize) -> Vec<Vec<Attraction>> {
    let mut chance = SplitMix64(0);
    let history = |place: usize| {
        let length = LENGTHS[place % LENGTHS.len()].min(rows);
        let mut history: Vec<Attraction> = Vec::with_capacity(length);
        while history.len() < length {
            let row = chance.below(rows);
            if !history.iter().any(|item| item.row == row) {
                let weight = WEIGHTS[chance.below(WEIGHTS.len()) as usize];
                history.push(Attraction { row, weight });
            }
        }
        history
    };
    (0..HISTORIES).map(history).collect()
}

/// How two lists for one history differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// How many of the best [`TOP`] are in both lists.
    pub overlap: usize,
    /// How many could be: fewer than [`TOP`] where the catalogue is small.
    pub of: usize,
    /// The largest difference of an item's two scores, relative to the largest score of both lists.
    pub score: f32,
    /// By how much, on the same scale, the worst item of their list is worse than the worst of ours, by our scores; 0 or
    /// more.
    pub regret: f32,
}

impl Difference {
    /// Compares their list, best first, with what our model says for the same history.
    #[must_use]
    pub fn of(ours: &dyn Taste, theirs: &[Scored], rows: usize) -> Self {
        let top = ours.top_k(TOP, &crate::catalogue::RowSet::none(rows));
        let theirs = &theirs[..theirs.len().min(top.len())];
        let largest = top.iter().chain(theirs).map(|item| item.score.abs()).fold(f32::MIN_POSITIVE, f32::max);
        let ours_of_theirs: Vec<f32> = theirs.iter().map(|item| ours.score(item.row)).collect();
        let apart = theirs.iter().zip(&ours_of_theirs).map(|(item, ours)| (item.score - ours).abs());
        let worst = |scores: &[f32]| scores.iter().copied().fold(f32::INFINITY, f32::min);
        let ours_top: Vec<f32> = top.iter().map(|item| item.score).collect();
        Self {
            overlap: top.iter().filter(|item| theirs.iter().any(|their| their.row == item.row)).count(),
            of: top.len(),
            score: apart.fold(0.0, f32::max) / largest,
            regret: ((worst(&ours_top) - worst(&ours_of_theirs)) / largest).max(0.0),
        }
    }

    /// Whether the lists say the same, to a tolerance. A list that is too short doesn't.
    #[must_use]
    pub fn is_within(&self, tolerance: f64, length: usize) -> bool {
        length >= self.of && f64::from(self.score.max(self.regret)) <= tolerance
    }
}

/// Sebastiano Vigna's SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): golden histories are the same for ever.
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number below `limit`, which is not 0. That small ones come a little more often doesn't matter here.
    fn below(&mut self, limit: usize) -> Row {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as Row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Artifact;
    use crate::testing;

    #[test]
    fn golden_histories_are_the_same_each_time_and_name_each_item_once() {
        let histories = golden(1_000);
        assert_eq!((histories.len(), golden(1_000) == histories), (HISTORIES, true));
        for (place, history) in histories.iter().enumerate() {
            assert_eq!(history.len(), LENGTHS[place % LENGTHS.len()]);
            let mut rows: Vec<_> = history.iter().map(|item| item.row).collect();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!((rows.len(), rows.last().is_some_and(|row| *row < 1_000)), (history.len(), true));
        }
        assert!(golden(2).iter().all(|history| (1..=2).contains(&history.len())));
    }

    /// What becomes of our own best ten after `change`, over twenty items.
    fn difference(change: impl FnOnce(&mut Vec<Scored>, &dyn Taste)) -> (Difference, bool) {
        let names: Vec<String> = (0..20).map(|row| format!("item-{row}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let folder = testing::artifact_of(&names, 2, |row, d| (row * 2 + d + 1) as f32);
        let artifact = Artifact::open(folder.path()).unwrap();
        let history = [Attraction { row: 3, weight: 1.0 }];
        let taste = artifact.recommender().taste(&history).unwrap();
        let mut list = taste.top_k(TOP, &crate::catalogue::RowSet::none(20));
        change(&mut list, taste.as_ref());
        let difference = Difference::of(taste.as_ref(), &list, 20);
        (difference, difference.is_within(TOLERANCE, list.len()))
    }

    #[test]
    fn the_same_list_does_not_differ() {
        let expected = Difference { overlap: 10, of: 10, score: 0.0, regret: 0.0 };
        assert_eq!(difference(|_, _| {}), (expected, true));
    }

    #[test]
    fn scores_may_differ_by_the_tolerance_and_no_more() {
        let scaled =
            |factor: f32| difference(move |list, _| list.iter_mut().for_each(|item| item.score *= factor)).1;
        assert_eq!(
            (scaled(1.0009), scaled(0.9991), scaled(1.002), scaled(0.998)),
            (true, true, false, false)
        );
    }

    #[test]
    fn another_item_is_as_bad_as_its_own_score() {
        let (found, within) = difference(|list, taste| {
            let worse = (0..20).min_by(|a, b| taste.score(*a).total_cmp(&taste.score(*b))).unwrap();
            *list.last_mut().unwrap() = Scored { row: worse, score: taste.score(worse) };
        });
        assert_eq!((found.overlap, found.score, within), (9, 0.0, false));
        assert!(found.regret > 0.1, "{found:?}");
    }

    #[test]
    fn a_list_that_is_too_short_is_no_answer() {
        assert!(!difference(|list, _| list.truncate(9)).1);
    }
}
