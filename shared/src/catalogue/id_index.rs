//! From an id to its row in one step: an open hash table over the ids, as `serving.safetensors` carries it.
//!
//! A slot holds a row + 1, or 0. An id's first slot is its hash modulo the number of slots; where another id has it, the next
//! is taken, the first following the last. At least half of the slots are empty, so that a search ends soon.

use super::Row;
use crate::model::tensors::Tensor;

/// Fewest slots: a cache line of them.
const FEWEST: usize = 16;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The mapped table.
#[derive(Clone, Debug)]
pub struct IdIndex(Tensor<u32, 1>);

impl IdIndex {
    /// A table of [`slot_count`] slots.
    #[must_use]
    pub const fn new(slots: Tensor<u32, 1>) -> Self {
        Self(slots)
    }

    /// The row whose id, as `id_of` says, is this one. A table that a damaged file gets wrong may miss it, and never gives
    /// another.
    pub(super) fn find<'a>(&self, id: &[u8], id_of: impl Fn(Row) -> Option<&'a [u8]>) -> Option<Row> {
        let slots = self.0.as_slice();
        let (before, from) = slots.split_at(first_slot(id, slots.len()));
        for slot in from.iter().chain(before) {
            let row = slot.checked_sub(1)?;
            if id_of(row)? == id {
                return Some(row);
            }
        }
        None
    }
}

/// Slots of a table of so many items: a power of two.
#[must_use]
pub fn slot_count(items: usize) -> usize {
    (2 * items).next_power_of_two().max(FEWEST)
}

/// The table of these ids, in row order and distinct.
pub(super) fn slots<'a>(ids: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u32> {
    let count = slot_count(ids.len());
    let mut slots = vec![0; count];
    for (row, id) in (1..).zip(ids) {
        let mut slot = first_slot(id, count);
        while slots[slot] != 0 {
            slot = (slot + 1) % count;
        }
        slots[slot] = row;
    }
    slots
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo), its halves folded together; `count` is a power of two.
fn first_slot(id: &[u8], count: usize) -> usize {
    let hash = id.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
    (hash ^ hash >> 32) as usize & (count - 1)
}
