//! Self-attentive sequential recommendation (SASRec, Kang and McAuley 2018, arXiv:1808.09781) as a function of a history.

#[cfg(feature = "sasrec")]
pub mod network;

use super::config::SasrecConfig;

/// The tensor of `model.safetensors` that embeds items, and that a query is scored against: `[items, dimensions]`.
pub const ITEM_EMBEDDINGS: &str = "item_embeddings";
/// What is added to an item at each position, `[length, dimensions]`; the last row is the newest position.
pub const POSITION_EMBEDDINGS: &str = "position_embeddings";

/// Names and shapes of the tensors of `model.safetensors`, for a catalogue of so many items: all F32, row-major, linear
/// layers as `[in, out]`.
#[must_use]
pub fn tensors(config: &SasrecConfig, items: usize) -> Vec<(String, Vec<usize>)> {
    let (d, f) = (config.dimensions, config.feed_forward);
    let mut tensors = vec![
        (ITEM_EMBEDDINGS.to_owned(), vec![items, d]),
        (POSITION_EMBEDDINGS.to_owned(), vec![config.length, d]),
    ];
    let mut add = |layer: String, weight: &[usize], bias: usize| {
        tensors.push((format!("{layer}.weight"), weight.to_vec()));
        tensors.push((format!("{layer}.bias"), vec![bias]));
    };
    for block in 0..config.blocks {
        add(format!("blocks.{block}.attention_norm"), &[d], d);
        add(format!("blocks.{block}.query_key_value"), &[d, 3 * d], 3 * d);
        add(format!("blocks.{block}.attention_output"), &[d, d], d);
        add(format!("blocks.{block}.feed_forward_norm"), &[d], d);
        add(format!("blocks.{block}.feed_forward_in"), &[d, f], f);
        add(format!("blocks.{block}.feed_forward_out"), &[f, d], d);
    }
    add("norm".to_owned(), &[d], d);
    tensors
}
