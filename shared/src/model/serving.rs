//! `serving.safetensors`: what is derived from the item vectors so that answers come sooner, never other answers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::config::Kind;
use super::error::ArtifactError;
use super::tensors::{self, Tensor, TensorData, TensorFile};
use super::topk::{self, BLOCK};

/// Doubles in a cache line: rows of the Gram matrix are padded to it.
const DOUBLES_PER_LINE: usize = 8;
/// Dimensions that one 32-bit integer dot product takes.
const QUAD: usize = 4;

const BLOCKS: &str = "item_blocks";
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
        let mut known = vec![BLOCKS, INT8, INT8_SCALE, INT8_RESIDUAL];
        known.extend(kind.needs_gram().then_some(GRAM));
        file.expect_only(&known)?;
        let factors = kind.factors();
        let gram = || file.tensor(GRAM, [Some(factors), Some(gram_stride(factors))]);
        let blocks = items.div_ceil(BLOCK);
        let quads = factors.div_ceil(QUAD);
        file.tensor::<i8, 4>(INT8, [Some(blocks), Some(quads), Some(BLOCK), Some(QUAD)])?;
        file.tensor::<f32, 2>(INT8_SCALE, [Some(blocks), Some(BLOCK)])?;
        file.tensor::<f32, 2>(INT8_RESIDUAL, [Some(blocks), Some(BLOCK)])?;
        Ok(Self {
            blocks: file.tensor(BLOCKS, [Some(blocks), Some(factors), Some(BLOCK)])?,
            gram: kind.needs_gram().then(gram).transpose()?,
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

/// Derives and writes `serving.safetensors` from the item matrix of a model of this kind: row-major `[items, factors]`.
///
/// # Errors
/// What the writer says.
pub fn write(out: &mut impl Write, matrix: &[f32], kind: &Kind) -> io::Result<()> {
    let metadata = BTreeMap::from([("format", "marquee-serving-1".into())]);
    tensors::write(out, &metadata, Derived::of(matrix, kind).tensors())
}

/// Checks that the derived tensors are those of the item matrix `[items, factors]`, by deriving them again.
///
/// # Errors
/// Names the file and the tensor.
pub fn verify(file: &TensorFile, matrix: &[f32], kind: &Kind) -> Result<(), ArtifactError> {
    for tensor in Derived::of(matrix, kind).tensors() {
        if file.tensor_bytes(tensor.name()) != Some(tensor.bytes()) {
            let detail =
                "not derived from the weights of model.safetensors; `marquee optimize` derives it anew";
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
    /// `[⌈items / 64⌉, ⌈factors / 4⌉, 64, 4]`: what one integer dot product takes lies together.
    int8: Vec<i8>,
    /// `[⌈items / 64⌉, 64]`
    scales: Vec<f32>,
    /// `[⌈items / 64⌉, 64]`
    residuals: Vec<f32>,
}

impl Derived {
    fn of(matrix: &[f32], kind: &Kind) -> Self {
        let factors = kind.factors();
        let blocks = (matrix.len() / factors).div_ceil(BLOCK);
        let quads = factors.div_ceil(QUAD);
        let mut derived = Self {
            factors,
            blocks: vec![0.0; blocks * factors * BLOCK],
            gram: kind.needs_gram().then(|| gram(matrix, factors)),
            int8: vec![0; blocks * quads * BLOCK * QUAD],
            scales: vec![0.0; blocks * BLOCK],
            residuals: vec![0.0; blocks * BLOCK],
        };
        let groups = matrix.chunks(factors * BLOCK).zip(derived.blocks.chunks_mut(factors * BLOCK));
        groups.for_each(|(rows, block)| topk::to_block(rows, factors, block));
        for (row, vector) in matrix.chunks_exact(factors).enumerate() {
            let (block, lane) = (row / BLOCK, row % BLOCK);
            let quantised = Quantised::of(vector);
            for (d, value) in quantised.values.iter().enumerate() {
                derived.int8[((block * quads + d / QUAD) * BLOCK + lane) * QUAD + d % QUAD] = *value;
            }
            derived.scales[row] = quantised.scale;
            derived.residuals[row] = quantised.residual_norm;
        }
        derived
    }

    fn tensors(&self) -> Vec<TensorData<'_>> {
        let blocks = self.scales.len() / BLOCK;
        let quads = self.factors.div_ceil(QUAD);
        let gram_shape = [self.factors, gram_stride(self.factors)];
        let gram = self.gram.as_ref().map(|gram| TensorData::new(GRAM, &gram_shape, gram));
        let items = [
            TensorData::new(BLOCKS, &[blocks, self.factors, BLOCK], &self.blocks),
            TensorData::new(INT8, &[blocks, quads, BLOCK, QUAD], &self.int8),
            TensorData::new(INT8_SCALE, &[blocks, BLOCK], &self.scales),
            TensorData::new(INT8_RESIDUAL, &[blocks, BLOCK], &self.residuals),
        ];
        items.into_iter().chain(gram).collect()
    }
}

/// A row as scale × 8-bit integers, symmetric about 0.
struct Quantised {
    values: Vec<i8>,
    /// 0 for a row of zeros, or one that is not finite.
    scale: f32,
    /// ‖v − scale × values‖, rounded up.
    residual_norm: f32,
}

impl Quantised {
    fn of(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        let scale = largest / 127.0;
        let scale = if scale.is_normal() { scale } else { 0.0 };
        let quantise =
            |v: &f32| if scale == 0.0 { 0 } else { (v / scale).round().clamp(-127.0, 127.0) as i8 };
        let values: Vec<i8> = vector.iter().map(quantise).collect();
        let residual =
            vector.iter().zip(&values).map(|(v, i)| f64::from(*v) - f64::from(scale) * f64::from(*i));
        let norm = residual.map(|r| r * r).sum::<f64>().sqrt();
        // A double holds the norm to some 1e-13 of itself; one step up in f32 is a millionfold more.
        Self { values, scale, residual_norm: (norm as f32).next_up() }
    }
}
