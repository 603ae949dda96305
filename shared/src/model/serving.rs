//! `serving.safetensors`: what is derived from the items so that answers come sooner, never other answers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::config::Kind;
use super::error::ArtifactError;
use super::tensors::{self, Tensor, TensorData, TensorFile};
use super::topk::int8::{Int8, QUAD, RowsInInt8};
use super::topk::{self, BLOCK};
use crate::catalogue::{IdIndex, slot_count};

/// Doubles in a cache line: rows of the Gram matrix are padded to it.
const DOUBLES_PER_LINE: usize = 8;

const BLOCKS: &str = "item_blocks";
const ID_SLOTS: &str = "id_slots";
const GRAM: &str = "gram";
const INT8: &str = "item_int8";
const INT8_SCALE: &str = "item_int8_scale";
const INT8_RESIDUAL: &str = "item_int8_residual";

/// The mapped derived tensors.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Items in blocks: `[⌈items / 64⌉, factors, 64]`.
    pub blocks: Tensor<f32, 3>,
    /// VᵀV, `[factors, gram_stride(factors)]`, where the kind of model needs it.
    pub gram: Option<Tensor<f64, 2>>,
    /// Items as integers, where the file has them.
    pub int8: Option<ItemIntegers>,
    /// Where each id's row is found, where the file has it.
    pub ids: Option<IdIndex>,
}

/// The mapped tensors of which [`Int8`] is made.
#[derive(Clone, Debug)]
pub struct ItemIntegers {
    values: Tensor<i8, 4>,
    scales: Tensor<f32, 2>,
    residuals: Tensor<f32, 2>,
}

impl ItemIntegers {
    /// With the items that they stand for, `[items, factors]`.
    #[must_use]
    pub fn of<'a>(&'a self, matrix: &'a [f32]) -> Int8<'a> {
        let (values, scales, residuals) =
            (self.values.as_slice(), self.scales.as_slice(), self.residuals.as_slice());
        Int8 { values, scales, residuals, matrix }
    }
}

/// Length of a row of the stored Gram matrix: `factors` and the zeros that fill a cache line.
#[must_use]
pub fn gram_stride(factors: usize) -> usize {
    factors.next_multiple_of(DOUBLES_PER_LINE)
}

impl Serving {
    /// Takes the tensors of an open file and checks their shapes.
    ///
    /// # Errors
    /// When a tensor is missing or has another type or shape than catalogue and configuration say.
    pub fn new(file: &TensorFile, items: usize, kind: &Kind) -> Result<Self, ArtifactError> {
        let mut known = vec![ID_SLOTS, BLOCKS, INT8, INT8_SCALE, INT8_RESIDUAL];
        known.extend(kind.needs_gram().then_some(GRAM));
        file.expect_only(&known)?;
        let factors = kind.factors();
        let gram = || file.tensor(GRAM, [Some(factors), Some(gram_stride(factors))]);
        let blocks = items.div_ceil(BLOCK);
        let integers = || -> Result<_, ArtifactError> {
            let quads = factors.div_ceil(QUAD);
            Ok(ItemIntegers {
                values: file.tensor(INT8, [Some(blocks), Some(quads), Some(BLOCK), Some(QUAD)])?,
                scales: file.tensor(INT8_SCALE, [Some(blocks), Some(BLOCK)])?,
                residuals: file.tensor(INT8_RESIDUAL, [Some(blocks), Some(BLOCK)])?,
            })
        };
        let ids = || file.tensor(ID_SLOTS, [Some(slot_count(items))]).map(IdIndex::new);
        // All three or none.
        let has_integers = [INT8, INT8_SCALE, INT8_RESIDUAL].iter().any(|name| file.info(name).is_some());
        Ok(Self {
            blocks: file.tensor(BLOCKS, [Some(blocks), Some(factors), Some(BLOCK)])?,
            gram: kind.needs_gram().then(gram).transpose()?,
            int8: has_integers.then(integers).transpose()?,
            ids: file.info(ID_SLOTS).is_some().then(ids).transpose()?,
        })
    }
}

/// VᵀV in double precision over row-major `[items, factors]`, rows padded with zeros to [`gram_stride`]. Summed in row
/// order: the same bits wherever it is computed.
#[must_use]
pub fn gram(matrix: &[f32], factors: usize) -> Vec<f64> {
    let stride = gram_stride(factors);
    let mut gram = vec![0.0; factors * stride];
    for row in matrix.chunks_exact(factors) {
        for (i, scale) in row.iter().enumerate() {
            let target = &mut gram[i * stride + i..i * stride + factors];
            target.iter_mut().zip(&row[i..]).for_each(|(g, v)| *g += f64::from(*scale) * f64::from(*v));
        }
    }
    for i in 0..factors {
        for j in 0..i {
            gram[i * stride + j] = gram[j * stride + i];
        }
    }
    gram
}

/// Derives and writes `serving.safetensors` from the item matrix of a model of this kind, row-major `[items, factors]`, and
/// from the slots of the items' ids.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut impl Write, matrix: &[f32], kind: &Kind, id_slots: Vec<u32>) -> io::Result<()> {
    let metadata = BTreeMap::from([("format", "marquee-serving-1".into())]);
    tensors::write(out, &metadata, Derived::of(matrix, kind, id_slots).tensors())
}

/// Checks that the derived tensors are those of the item matrix `[items, factors]` and the slots of the ids, by deriving them
/// again.
///
/// # Errors
/// Names the file and the tensor.
pub fn verify(
    file: &TensorFile,
    matrix: &[f32],
    kind: &Kind,
    id_slots: Vec<u32>,
) -> Result<(), ArtifactError> {
    for tensor in Derived::of(matrix, kind, id_slots).tensors() {
        // What may be missing was found to be whole, or missing, when the file was opened.
        if file.tensor_bytes(tensor.name()).is_some_and(|bytes| bytes != tensor.bytes()) {
            let detail = "not derived from model.safetensors and catalogue.safetensors; `marquee optimize` derives it anew";
            return Err(ArtifactError::tensor(file.name(), tensor.name(), detail));
        }
    }
    Ok(())
}

/// The derived tensors in memory.
struct Derived {
    factors: usize,
    /// `[⌈items / 64⌉, factors, 64]`
    blocks: Vec<f32>,
    /// `[factors, gram_stride(factors)]`, where the kind of model needs it
    gram: Option<Vec<f64>>,
    int8: RowsInInt8,
    id_slots: Vec<u32>,
}

impl Derived {
    fn of(matrix: &[f32], kind: &Kind, id_slots: Vec<u32>) -> Self {
        let factors = kind.factors();
        let mut blocks = vec![0.0; (matrix.len() / factors).div_ceil(BLOCK) * factors * BLOCK];
        let groups = matrix.chunks(factors * BLOCK).zip(blocks.chunks_mut(factors * BLOCK));
        groups.for_each(|(rows, block)| topk::to_block(rows, factors, block));
        Self {
            factors,
            blocks,
            gram: kind.needs_gram().then(|| gram(matrix, factors)),
            int8: RowsInInt8::of(matrix, factors),
            id_slots,
        }
    }

    fn tensors(&self) -> Vec<TensorData<'_>> {
        let blocks = self.int8.scales.len() / BLOCK;
        let quads = self.factors.div_ceil(QUAD);
        let gram_shape = [self.factors, gram_stride(self.factors)];
        let gram = self.gram.as_ref().map(|gram| TensorData::new(GRAM, &gram_shape, gram));
        let items = [
            TensorData::new(ID_SLOTS, &[self.id_slots.len()], &self.id_slots),
            TensorData::new(BLOCKS, &[blocks, self.factors, BLOCK], &self.blocks),
            TensorData::new(INT8, &[blocks, quads, BLOCK, QUAD], &self.int8.values),
            TensorData::new(INT8_SCALE, &[blocks, BLOCK], &self.int8.scales),
            TensorData::new(INT8_RESIDUAL, &[blocks, BLOCK], &self.int8.residuals),
        ];
        items.into_iter().chain(gram).collect()
    }
}
