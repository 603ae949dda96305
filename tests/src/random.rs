//! Chance that a seed repeats.

/// Numbers that follow from the seed, which is not 0 (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number, below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}
