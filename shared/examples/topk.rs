//! Compares the scan of integers with the scan in f32 on every instruction set of this machine: rows, order and bits.
//!
//! `cargo run --release -p shared --example topk -- 100000` makes so many cases, random ones and such as are meant to be
//! hard, says how many were compared on each, and fails at the first that differs.

use std::process::ExitCode;

use shared::catalogue::RowSet;
use shared::model::topk::int8::{InstructionSet, RowsInInt8, top_k_on};
use shared::model::topk::{Items, Layout, top_k};

fn main() -> ExitCode {
    let cases = match std::env::args().nth(1).map(|count| count.parse::<u64>()) {
        None => 10_000,
        Some(Ok(count)) => count,
        Some(Err(error)) => {
            eprintln!("error: how many cases: {error}");
            return ExitCode::FAILURE;
        }
    };
    for set in InstructionSet::available() {
        let mut compared = [0_u64; KINDS.len()];
        for number in 0..cases {
            let case = Case::new(number);
            match case.differs_on(set) {
                None => {}
                Some(false) => compared[case.kind] += 1,
                Some(true) => {
                    eprintln!("error: {set:?} differs from f32 in case {number}, {}", KINDS[case.kind]);
                    return ExitCode::FAILURE;
                }
            }
        }
        println!("{set:?}: {} of {cases} cases compared, no difference", compared.iter().sum::<u64>());
        for (kind, compared) in KINDS.iter().zip(compared) {
            println!("  {compared:>8} {kind}");
        }
    }
    ExitCode::SUCCESS
}

/// What the numbers of a case are like.
const KINDS: [&str; 10] = [
    "evenly spread",
    "ties: few distinct numbers",
    "rows that repeat each other",
    "norms from the smallest to the largest",
    "denormal numbers",
    "zeros among others",
    "rows a unit in the last place from each other",
    "numbers that end halfway between two integers",
    "scores that cancel",
    "any bits at all",
];

/// The same for a number at all times.
struct Case {
    kind: usize,
    factors: usize,
    matrix: Vec<f32>,
    query: Vec<f32>,
    k: usize,
    excluded: RowSet,
}

impl Case {
    fn new(number: u64) -> Self {
        let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let kind = (number % KINDS.len() as u64) as usize;
        let factors = 1 + random.below(if number.is_multiple_of(3) { 70 } else { 12 });
        let rows = random.below(400);
        let base: Vec<f32> = (0..factors).map(|_| random.even()).collect();
        let mut matrix = Vec::with_capacity(rows * factors);
        for _ in 0..rows {
            let size = 2.0_f32.powi(random.below(254) as i32 - 126);
            for base in &base {
                let value = match kind {
                    1 => [0.0, -0.0, 1.0, -1.0, 0.5][random.below(5)],
                    2 => base * [1.0, -1.0, 0.5][random.below(3)],
                    3 => random.even() * size,
                    4 => f32::from_bits(random.next() as u32 & 0x807f_ffff),
                    5 => random.even() * (random.below(4) / 3) as f32,
                    6 => f32::from_bits(base.to_bits() ^ random.below(2) as u32),
                    7 => (random.below(255) as f32 - 127.0 + 0.5) / 127.5,
                    8 => base.signum() * (1.0 + random.even() * 1e-6),
                    9 => f32::from_bits(random.next() as u32),
                    _ => random.even(),
                };
                matrix.push(value);
            }
        }
        let query = (0..factors)
            .map(|d| match (kind, random.below(2)) {
                (2 | 6, _) => base[d],
                (8, _) => base[d].signum() * if d % 2 == 0 { 1.0 } else { -1.0 },
                // Sums that pass the largest number there is, and come back.
                (3, 0) => random.even() * 64.0,
                (9, 0) => f32::from_bits(random.next() as u32),
                _ => random.even(),
            })
            .collect();
        let mut excluded = RowSet::none(rows);
        for _ in 0..random.below(rows + 1) / 2 {
            excluded.insert(random.below(rows) as u32);
        }
        let k = [1, 10, 100, rows][random.below(4)];
        Self { kind, factors, matrix, query, k, excluded }
    }

    /// `None` when the integers leave the answer to f32.
    fn differs_on(&self, set: InstructionSet) -> Option<bool> {
        let Self { factors, matrix, query, k, excluded, .. } = self;
        let integers = RowsInInt8::of(matrix, *factors);
        let found = top_k_on(set, integers.with(matrix), query, *k, excluded, usize::MAX)?;
        let rows = matrix.len() / factors;
        let items = Items { layout: Layout::RowMajor(matrix), int8: None, factors: *factors, rows };
        let expected = top_k(items, query, *k, excluded);
        let bits = |scored: &shared::model::Scored| (scored.row, scored.score.to_bits());
        Some(!found.iter().map(bits).eq(expected.iter().map(bits)))
    }
}

/// Xorshift (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// −1 to 1.
    fn even(&mut self) -> f32 {
        (self.next() & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
    }
}
