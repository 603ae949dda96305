//! Dropout (Srivastava et al. 2014) whose mask is a function of seed and place: it is made again in the backward pass
//! and never kept.

/// Numbers whose fate one draw decides: 16 bits each.
pub(super) const GROUP: usize = 4;

/// A mask without end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    /// A number stays when its 16 bits are at least this.
    threshold: u32,
    /// What a number that stays is multiplied with.
    scale: f32,
    seed: u64,
}

impl Dropout {
    pub(super) fn new(probability: f32, seed: u64, site: u64) -> Self {
        Self {
            threshold: (probability * 65_536.0) as u32,
            scale: 1.0 / (1.0 - probability),
            seed: mixed(mixed(seed).wrapping_add(site)),
        }
    }

    /// What a number that stays is multiplied with.
    pub(super) const fn scale(self) -> f32 {
        self.scale
    }

    pub(super) const fn is_off(self) -> bool {
        self.threshold == 0
    }

    /// What the numbers of a group are multiplied with: 0, or 1 / (1 − p).
    #[inline(always)]
    pub(super) fn factors(self, group: usize) -> [f32; GROUP] {
        let bits = mixed(self.seed.wrapping_add(group as u64));
        std::array::from_fn(|place| {
            let bits = (bits >> (16 * place)) as u32 & 0xffff;
            if bits >= self.threshold { self.scale } else { 0.0 }
        })
    }

    /// Calls `visit` with each number, mutably, its partner in `others`, and its factor. `first`, the place of the first
    /// number, is a multiple of [`GROUP`].
    #[inline(always)]
    pub(super) fn visit(
        self,
        first: usize,
        numbers: &mut [f32],
        others: &[f32],
        visit: impl Fn(&mut f32, f32, f32),
    ) {
        debug_assert!(first.is_multiple_of(GROUP));
        if self.is_off() {
            numbers.iter_mut().zip(others).for_each(|(number, other)| visit(number, *other, 1.0));
            return;
        }
        let groups = numbers.chunks_mut(GROUP).zip(others.chunks(GROUP));
        for (group, (numbers, others)) in groups.enumerate() {
            let factors = self.factors(first / GROUP + group);
            for ((number, other), factor) in numbers.iter_mut().zip(others).zip(factors) {
                visit(number, *other, factor);
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
#[inline(always)]
fn mixed(value: u64) -> u64 {
    let z = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_that_is_dropped_is_the_one_asked_for_and_the_mean_stays() {
        for probability in [0.0, 0.1, 0.5, 0.9] {
            let dropout = Dropout::new(probability, 7, 1);
            let factors: Vec<f32> = (0..50_000).flat_map(|group| dropout.factors(group)).collect();
            let dropped = factors.iter().filter(|f| **f == 0.0).count() as f32 / factors.len() as f32;
            let mean = factors.iter().sum::<f32>() / factors.len() as f32;
            // Four standard deviations of a share of 200,000.
            assert!(
                (dropped - probability).abs() <= 4.0 * 0.5 / 200_000_f32.sqrt(),
                "{probability}: {dropped}"
            );
            assert!((mean - 1.0).abs() <= 4.0 * 3.0 / 200_000_f32.sqrt(), "{probability}: {mean}");
        }
    }

    #[test]
    fn sites_and_seeds_have_masks_of_their_own() {
        let mask = |seed, site| (0..64).map(|g| Dropout::new(0.5, seed, site).factors(g)).collect::<Vec<_>>();
        assert_eq!(mask(1, 1), mask(1, 1));
        assert_ne!(mask(1, 1), mask(1, 2));
        assert_ne!(mask(1, 1), mask(2, 1));
        assert_ne!(mask(1, 2), mask(2, 1));
    }
}
