//! Dot products of 8-bit items and a 16-bit query, 64 items at a time, on each instruction set: all give the same integers.

use super::{Bound, Candidates, Int8, QUAD, scan_with};
use crate::catalogue::RowSet;
use crate::model::topk::BLOCK;

/// The bytes of 64 items that one dimension quad takes.
type Quad = [i8; QUAD * BLOCK];

/// A query in integers, four dimensions at a time; what fills the last four is zeros.
#[derive(Debug)]
pub(super) struct IntegerQuery(Vec<QueryQuad>);

/// Four dimensions of a query, in the forms that the instruction sets take.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "the forms of other instruction sets"))]
struct QueryQuad {
    values: [i16; QUAD],
    /// Dimensions 0 and 2, and 1 and 3: pairs of 16 bits.
    even: i32,
    odd: i32,
    /// value = 256 × high + low: four of 8 bits.
    high: i32,
    low: i32,
    /// The sum of the values.
    sum: i32,
}

impl IntegerQuery {
    /// The size of a query's largest integer, such that neither a dot product of so many dimensions passes 31 bits nor a
    /// value's high part 8.
    pub(super) fn most(factors: usize) -> i16 {
        const FITS_TWO_BYTES: usize = 127 * 256 + 127;
        let fits_sum = i32::MAX as usize / (127 * factors.next_multiple_of(QUAD));
        i16::try_from(fits_sum.min(FITS_TWO_BYTES)).unwrap_or(i16::MAX)
    }

    /// Each at most [`IntegerQuery::most`] in size.
    pub(super) fn new(values: &[i16]) -> Self {
        let quad = |values: &[i16]| {
            let mut four = [0; QUAD];
            four[..values.len()].copy_from_slice(values);
            QueryQuad::new(four)
        };
        Self(values.chunks(QUAD).map(quad).collect())
    }

    /// The dot product with the first row of a block.
    #[cfg(test)]
    pub(super) fn dot_of_first(&self, block: &[i8]) -> i32 {
        portable(block.as_chunks().0, self)[0]
    }
}

impl QueryQuad {
    fn new(values: [i16; QUAD]) -> Self {
        let pair = |a: i16, b: i16| i32::from(a) & 0xffff | i32::from(b) << 16;
        let (high, low) = (values.map(|value| two_bytes(value).0), values.map(|value| two_bytes(value).1));
        let four = |bytes: [i8; QUAD]| i32::from_le_bytes(bytes.map(|byte| byte as u8));
        Self {
            values,
            even: pair(values[0], values[2]),
            odd: pair(values[1], values[3]),
            high: four(high),
            low: four(low),
            sum: values.into_iter().map(i32::from).sum(),
        }
    }
}

/// High and low such that the value is 256 × high + low.
pub(super) fn two_bytes(value: i16) -> (i8, i8) {
    let low = value as i8;
    (((i32::from(value) - i32::from(low)) >> 8) as i8, low)
}

/// An instruction set that this machine has: there is no other way to one than [`InstructionSet::available`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Kind {
    /// The fastest first.
    #[cfg(target_arch = "x86_64")]
    const ALL: &[Self] = &[Self::Avx512Vnni, Self::AvxVnni, Self::Avx2, Self::Portable];
    #[cfg(not(target_arch = "x86_64"))]
    const ALL: &[Self] = &[Self::Portable];

    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Portable => true,
        }
    }
}

impl InstructionSet {
    /// All that this machine has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Kind::ALL.iter().copied().filter(|kind| kind.is_here()).map(Self)
    }

    /// Whether the scan is the faster one by it. What was not measured does not count as faster.
    pub(super) fn pays(self) -> bool {
        self.0 != Kind::Portable
    }

    /// The dot products of one block.
    #[cfg(test)]
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "as in `scan`"))]
    pub(super) fn dots(self, block: &[i8], query: &IntegerQuery) -> [i32; BLOCK] {
        let block = block.as_chunks().0;
        // SAFETY: as in `scan`.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { x86_64::avx512_vnni(block, query) },
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => unsafe { x86_64::avx_vnni(block, query) },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86_64::avx2(block, query) },
            Kind::Portable => portable(block, query),
        }
    }

    /// Scans all blocks by it.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(unsafe_code, reason = "instructions that not every machine has; the argument is below")
    )]
    pub(super) fn scan(
        self,
        items: Int8<'_>,
        rows: usize,
        query: &IntegerQuery,
        bound: &Bound,
        excluded: &RowSet,
        candidates: &mut Candidates,
    ) {
        // SAFETY, of all three: the function is safe but for the instructions it is compiled to. This value came from
        // `available`, the only place that makes one, which asked the processor for these very features.
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe {
                x86_64::scan_avx512_vnni(items, rows, query, bound, excluded, candidates);
            },
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => unsafe {
                x86_64::scan_avx_vnni(items, rows, query, bound, excluded, candidates);
            },
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86_64::scan_avx2(items, rows, query, bound, excluded, candidates) },
            Kind::Portable => {
                let dots = |block: &[Quad]| portable(block, query);
                scan_with(items, rows, bound, excluded, candidates, dots);
            }
        }
    }
}

fn portable(block: &[Quad], query: &IntegerQuery) -> [i32; BLOCK] {
    let mut sums = [0; BLOCK];
    for (quad, q) in block.iter().zip(&query.0) {
        for (sum, values) in sums.iter_mut().zip(quad.as_chunks::<QUAD>().0) {
            for (v, q) in values.iter().zip(q.values) {
                *sum = (i32::from(*v) * i32::from(q)).wrapping_add(*sum);
            }
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    //! Each function is the same scan around its own dot product, and all of it is compiled for its instruction set.
    #![expect(unsafe_code, reason = "loads into registers take pointers; each has its argument")]

    use std::arch::x86_64::*;

    use super::*;

    const BYTES_256: usize = size_of::<__m256i>();
    const BYTES_512: usize = size_of::<__m512i>();
    /// Items of which one register holds the sums.
    const ITEMS_256: usize = BYTES_256 / size_of::<i32>();
    const ITEMS_512: usize = BYTES_512 / size_of::<i32>();
    /// How far ahead of the scan lines are asked for, in bytes: a page, where the processor's own prefetching ends. Without it
    /// a scan of a million items took a quarter longer; half and twice as far gained less.
    const AHEAD: usize = 4_096;
    const CACHE_LINE: usize = 64;
    /// Turns a signed byte v into the unsigned v + 128: VNNI multiplies unsigned by signed.
    const FLIP: i8 = i8::MIN;
    const FLIPPED_BY: i32 = 128;

    #[target_feature(enable = "avx2")]
    pub(super) fn scan_avx2(
        items: Int8<'_>,
        rows: usize,
        query: &IntegerQuery,
        bound: &Bound,
        excluded: &RowSet,
        candidates: &mut Candidates,
    ) {
        let dots = |block: &[Quad]| avx2(block, query);
        scan_with(items, rows, bound, excluded, candidates, dots);
    }

    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) fn scan_avx_vnni(
        items: Int8<'_>,
        rows: usize,
        query: &IntegerQuery,
        bound: &Bound,
        excluded: &RowSet,
        candidates: &mut Candidates,
    ) {
        let dots = |block: &[Quad]| avx_vnni(block, query);
        scan_with(items, rows, bound, excluded, candidates, dots);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn scan_avx512_vnni(
        items: Int8<'_>,
        rows: usize,
        query: &IntegerQuery,
        bound: &Bound,
        excluded: &RowSet,
        candidates: &mut Candidates,
    ) {
        let dots = |block: &[Quad]| avx512_vnni(block, query);
        scan_with(items, rows, bound, excluded, candidates, dots);
    }

    /// Sixteen pairs of 16 bits at once: of the four bytes of an item the even ones make one pair, the odd ones another.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(block: &[Quad], query: &IntegerQuery) -> [i32; BLOCK] {
        let mut sums = [_mm256_setzero_si256(); BLOCK / ITEMS_256];
        for (quad, q) in block.iter().zip(&query.0) {
            prefetch(quad);
            let (q_even, q_odd) = (_mm256_set1_epi32(q.even), _mm256_set1_epi32(q.odd));
            for (sum, bytes) in sums.iter_mut().zip(quad.as_chunks::<BYTES_256>().0) {
                let bytes = load_256(bytes);
                let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes));
                let odd = _mm256_srai_epi16::<8>(bytes);
                let products =
                    _mm256_add_epi32(_mm256_madd_epi16(even, q_even), _mm256_madd_epi16(odd, q_odd));
                *sum = _mm256_add_epi32(*sum, products);
            }
        }
        let mut dots = [0; BLOCK];
        for (dots, sum) in dots.as_chunks_mut::<ITEMS_256>().0.iter_mut().zip(sums) {
            store_256(dots, sum);
        }
        dots
    }

    /// Two dot products of bytes for the two bytes of a query's numbers; half a block at a time, for there are 16 registers.
    /// What is on the way to a sum may pass 31 bits, and comes back: the sum itself never does.
    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) fn avx_vnni(block: &[Quad], query: &IntegerQuery) -> [i32; BLOCK] {
        const HALF: usize = BLOCK / 2;
        let flip = _mm256_set1_epi8(FLIP);
        let mut dots = [0; BLOCK];
        for (half, dots) in dots.as_chunks_mut::<HALF>().0.iter_mut().enumerate() {
            let (mut highs, mut lows) =
                ([_mm256_setzero_si256(); HALF / ITEMS_256], [_mm256_setzero_si256(); HALF / ITEMS_256]);
            let mut added = 0;
            for (quad, q) in block.iter().zip(&query.0) {
                if half == 0 {
                    prefetch(quad);
                }
                let (q_high, q_low) = (_mm256_set1_epi32(q.high), _mm256_set1_epi32(q.low));
                let bytes = &quad.as_chunks::<{ HALF * QUAD }>().0[half];
                for ((high, low), bytes) in
                    highs.iter_mut().zip(&mut lows).zip(bytes.as_chunks::<BYTES_256>().0)
                {
                    let bytes = _mm256_xor_si256(load_256(bytes), flip);
                    *high = _mm256_dpbusd_avx_epi32(*high, bytes, q_high);
                    *low = _mm256_dpbusd_avx_epi32(*low, bytes, q_low);
                }
                added = q.sum.wrapping_mul(FLIPPED_BY).wrapping_add(added);
            }
            let added = _mm256_set1_epi32(added);
            for (dots, (high, low)) in
                dots.as_chunks_mut::<ITEMS_256>().0.iter_mut().zip(highs.into_iter().zip(lows))
            {
                let sum = _mm256_add_epi32(_mm256_slli_epi32::<8>(high), low);
                store_256(dots, _mm256_sub_epi32(sum, added));
            }
        }
        dots
    }

    /// The same with twice as long registers, of which there are twice as many.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn avx512_vnni(block: &[Quad], query: &IntegerQuery) -> [i32; BLOCK] {
        let flip = _mm512_set1_epi8(FLIP);
        let (mut highs, mut lows) =
            ([_mm512_setzero_si512(); BLOCK / ITEMS_512], [_mm512_setzero_si512(); BLOCK / ITEMS_512]);
        let mut added = 0;
        for (quad, q) in block.iter().zip(&query.0) {
            prefetch(quad);
            let (q_high, q_low) = (_mm512_set1_epi32(q.high), _mm512_set1_epi32(q.low));
            for ((high, low), bytes) in highs.iter_mut().zip(&mut lows).zip(quad.as_chunks::<BYTES_512>().0) {
                let bytes = _mm512_xor_si512(load_512(bytes), flip);
                *high = _mm512_dpbusd_epi32(*high, bytes, q_high);
                *low = _mm512_dpbusd_epi32(*low, bytes, q_low);
            }
            added = q.sum.wrapping_mul(FLIPPED_BY).wrapping_add(added);
        }
        let added = _mm512_set1_epi32(added);
        let mut dots = [0; BLOCK];
        for (dots, (high, low)) in
            dots.as_chunks_mut::<ITEMS_512>().0.iter_mut().zip(highs.into_iter().zip(lows))
        {
            let sum = _mm512_add_epi32(_mm512_slli_epi32::<8>(high), low);
            store_512(dots, _mm512_sub_epi32(sum, added));
        }
        dots
    }

    /// Asks for what will be scanned a little later.
    #[inline(always)]
    fn prefetch(quad: &Quad) {
        for line in (0..quad.len()).step_by(CACHE_LINE) {
            let later = quad.as_ptr().wrapping_add(AHEAD + line);
            // SAFETY: it is a hint, which reads nothing and has no effect where nothing is mapped.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(later) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_256(bytes: &[i8; BYTES_256]) -> __m256i {
        // SAFETY: the reference is to as many bytes as are loaded, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_256(to: &mut [i32; ITEMS_256], register: __m256i) {
        // SAFETY: the reference is to as many bytes as are stored, alone to them, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), register) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load_512(bytes: &[i8; BYTES_512]) -> __m512i {
        // SAFETY: the reference is to as many bytes as are loaded, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store_512(to: &mut [i32; ITEMS_512], register: __m512i) {
        // SAFETY: the reference is to as many bytes as are stored, alone to them, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), register) }
    }
}
