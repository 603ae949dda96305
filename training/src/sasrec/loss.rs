//! Batches and losses for candle's own operators: for a GPU, and to hold the fast ones to.

use candle_core::{Device, Result, Tensor};
use shared::model::sasrec::network::Batch;

use super::operators::SampledLoss;

/// Mean cross-entropy of the softmax over all items.
///
/// # Errors
/// When shapes do not fit, or the device has no room.
pub(super) fn softmax(hidden: &Tensor, items: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let logits = hidden.matmul(&items.t()?)?;
    let targets = Tensor::from_slice(targets, targets.len(), hidden.device())?;
    candle_nn::loss::cross_entropy(&logits, &targets)
}

/// [`SampledLoss`].
///
/// # Errors
/// When shapes do not fit, or the device has no room.
pub(super) fn sampled(hidden: &Tensor, items: &Tensor, loss: &SampledLoss) -> Result<Tensor> {
    let device = hidden.device();
    let negatives = loss.negatives.len() / loss.lengths.len().max(1);
    let rows_of = |ids: &[u32]| items.index_select(&Tensor::from_slice(ids, ids.len(), device)?, 0);
    let mut sums = Vec::with_capacity(loss.lengths.len() + 1);
    let mut start = 0;
    for (length, drawn) in loss.lengths.iter().zip(loss.negatives.chunks(negatives.max(1))) {
        let scores = hidden.narrow(0, start, *length)?.matmul(&rows_of(drawn)?.t()?)?;
        let targets = &loss.targets[start..start + length];
        let counts = counts(targets, drawn, device)?;
        sums.push((minus_log_sigmoid(&scores.neg()?)? * counts)?.sum_all()?);
        start += length;
    }
    let of_targets = (hidden * rows_of(&loss.targets)?)?.sum(1)?;
    sums.push((minus_log_sigmoid(&of_targets)? * f64::from(loss.calibration))?.sum_all()?);
    Tensor::stack(&sums, 0)?.sum_all()? / (loss.targets.len() * (negatives + 1)) as f64
}

/// 1 where an item drawn is not what was next.
fn counts(targets: &[u32], drawn: &[u32], device: &Device) -> Result<Tensor> {
    let counts =
        targets.iter().flat_map(|target| drawn.iter().map(move |item| f32::from(u8::from(item != target))));
    Tensor::from_iter(counts, device)?.reshape((targets.len(), drawn.len()))
}

/// −ln σ(x) = max(−x, 0) + ln(1 + e^−|x|).
fn minus_log_sigmoid(x: &Tensor) -> Result<Tensor> {
    x.neg()?.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Histories of one length, padded behind.
///
/// # Errors
/// When the device has no room.
pub(super) fn padded(inputs: &[&[u32]], longest: usize, length: usize, device: &Device) -> Result<Batch> {
    let count = inputs.len() * longest;
    let (mut rows, mut positions) = (vec![0; count], vec![0; count]);
    for (index, history) in inputs.iter().enumerate() {
        let start = index * longest;
        rows[start..start + history.len()].copy_from_slice(history);
        let places = (length - history.len()) as u32..;
        positions[start..start + history.len()].iter_mut().zip(places).for_each(|(to, place)| *to = place);
    }
    Ok(Batch {
        rows: Tensor::from_vec(rows, count, device)?,
        positions: Tensor::from_vec(positions, count, device)?,
        lengths: vec![longest; inputs.len()],
    })
}
