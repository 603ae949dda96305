//! The mapped tensors of a sequence model.

use super::{ITEM_EMBEDDINGS, POSITION_EMBEDDINGS, tensors};
use crate::model::config::SasrecConfig;
use crate::model::error::ArtifactError;
use crate::model::tensors::{Tensor, TensorFile};

/// A weight and a bias: of layer normalisation, or of a linear layer `[in, out]`.
#[derive(Debug)]
pub(super) struct Layer {
    weight: Tensor<f32, 1>,
    bias: Tensor<f32, 1>,
}

impl Layer {
    /// Row-major.
    pub(super) fn weight(&self) -> &[f32] {
        self.weight.as_slice()
    }

    pub(super) fn bias(&self) -> &[f32] {
        self.bias.as_slice()
    }
}

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) attention_norm: Layer,
    /// `[d, 3 d]`
    pub(super) query_key_value: Layer,
    /// `[d, d]`
    pub(super) attention_output: Layer,
    pub(super) feed_forward_norm: Layer,
    /// `[d, f]`
    pub(super) feed_forward_in: Layer,
    /// `[f, d]`
    pub(super) feed_forward_out: Layer,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[items, d]`
    pub(super) items: Tensor<f32, 2>,
    /// `[L, d]`
    pub(super) positions: Tensor<f32, 2>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Layer,
}

impl Weights {
    /// Takes the tensors of an open file: exactly those that [`tensors`] names.
    pub(super) fn new(config: &SasrecConfig, file: &TensorFile, items: usize) -> Result<Self, ArtifactError> {
        let expected = tensors(config, items);
        let names: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        file.expect_only(&names)?;
        let tensor = |wanted: &str| {
            let shape = expected.iter().find(|(name, _)| name == wanted).map_or(&[][..], |(_, shape)| shape);
            file.elements(wanted, shape)
        };
        let layer = |name: &str| -> Result<_, ArtifactError> {
            Ok(Layer { weight: tensor(&format!("{name}.weight"))?, bias: tensor(&format!("{name}.bias"))? })
        };
        let block = |block: usize| -> Result<_, ArtifactError> {
            let layer = |name: &str| layer(&format!("blocks.{block}.{name}"));
            Ok(Block {
                attention_norm: layer("attention_norm")?,
                query_key_value: layer("query_key_value")?,
                attention_output: layer("attention_output")?,
                feed_forward_norm: layer("feed_forward_norm")?,
                feed_forward_in: layer("feed_forward_in")?,
                feed_forward_out: layer("feed_forward_out")?,
            })
        };
        Ok(Self {
            items: file.tensor(ITEM_EMBEDDINGS, [Some(items), Some(config.dimensions)])?,
            positions: file.tensor(POSITION_EMBEDDINGS, [Some(config.length), Some(config.dimensions)])?,
            blocks: (0..config.blocks).map(block).collect::<Result<_, _>>()?,
            norm: layer("norm")?,
        })
    }
}
