//! What an epoch is made of: every history in windows of at most L items, in an order of its own.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stretch of a history, of which each item but the first is to be predicted from those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Whose history.
    pub(super) user: u32,
    /// The first item.
    pub(super) start: u32,
    /// Past the last item that something is predicted from; what it is predicted to be is one further.
    pub(super) end: u32,
}

/// A source of random numbers for one purpose: the stream is the epoch's, and is the same when training is resumed.
pub(super) fn random(seed: u64, purpose: Purpose, epoch: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream((epoch as u64) << 8 | purpose as u64);
    random
}

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Weights = 1,
    Validation,
    Windows,
    Dropout,
    Negatives,
}

/// The windows of an epoch, shuffled. A history longer than a window is cut at random places, so that every item is a
/// target once an epoch and from ever other contexts.
pub(super) fn of_epoch(histories: &[Vec<u32>], length: usize, seed: u64, epoch: usize) -> Vec<Window> {
    let mut random = random(seed, Purpose::Windows, epoch);
    let mut windows = Vec::with_capacity(histories.len());
    for (user, history) in (0..).zip(histories) {
        let predicted = history.len().saturating_sub(1);
        let mut start = 0;
        if predicted > length {
            let cut = random.random_range(0..length);
            if cut > 0 {
                windows.push(Window { user, start: 0, end: cut as u32 });
            }
            start = cut;
        }
        while start < predicted {
            let end = (start + length).min(predicted);
            windows.push(Window { user, start: start as u32, end: end as u32 });
            start = end;
        }
    }
    windows.shuffle(&mut random);
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_item_but_the_first_is_a_target_once(lengths in prop::collection::vec(0_usize..60, 1..20), length in 1_usize..20, epoch in 0_usize..3) {
            let histories: Vec<Vec<u32>> = lengths.iter().map(|n| (0..*n as u32).collect()).collect();
            let windows = of_epoch(&histories, length, 7, epoch);
            let mut targets: Vec<(u32, u32)> =
                windows.iter().flat_map(|w| (w.start + 1..=w.end).map(|target| (w.user, target))).collect();
            targets.sort_unstable();
            let expected: Vec<(u32, u32)> =
                (0..).zip(&lengths).flat_map(|(user, n)| (1..*n as u32).map(move |target| (user, target))).collect();
            prop_assert_eq!(targets, expected);
            prop_assert!(windows.iter().all(|w| w.end > w.start && (w.end - w.start) as usize <= length));
        }
    }

    #[test]
    fn an_epoch_is_the_same_again_and_no_two_are_alike() {
        let histories: Vec<Vec<u32>> = (10..40).map(|n| (0..n).collect()).collect();
        assert_eq!(of_epoch(&histories, 8, 1, 3), of_epoch(&histories, 8, 1, 3));
        assert_ne!(of_epoch(&histories, 8, 1, 3), of_epoch(&histories, 8, 1, 4));
        assert_ne!(of_epoch(&histories, 8, 1, 3), of_epoch(&histories, 8, 2, 3));
    }
}
