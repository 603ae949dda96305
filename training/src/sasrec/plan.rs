//! What a training will need, before it begins.

use std::fmt;
use std::fs;

use shared::model::sasrec::tensors;

use super::operators::PARTIALS;
use super::outcome::TrainError;
use super::settings::{Processor, Settings};

/// What a training will need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Numbers to train.
    pub parameters: usize,
    /// Windows of histories in a step.
    pub batch: usize,
    /// Items drawn against each history; `None` when all count.
    pub negatives: Option<usize>,
    /// Rows whose logits a thread holds at a time.
    pub rows: usize,
    /// About the most bytes that will be in use at once.
    pub bytes: usize,
}

/// What a thread's logits may take: most of the second cache.
const LOGITS_BYTES: usize = 1 << 20;
/// Fewer rows would leave the products of matrices nothing to reuse, more than this gains nothing.
const ROWS: std::ops::RangeInclusive<usize> = 16..=256;
/// Copies of the parameters: values, two moments, gradients, the best so far, and two on their way.
const COPIES: usize = 7;
/// Gradients on their way back, against what the forward pass keeps.
const BACKWARD: usize = 2;

impl Plan {
    /// For a catalogue of so many items, so many windows an epoch, and a longest of so many items.
    pub(super) fn of(settings: &Settings, items: usize, windows: usize, longest: usize) -> Self {
        let config = settings.config(items);
        let parameters =
            tensors(&config, items).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let batch = settings.batch_of(windows);
        let negatives = settings.drawn(items);
        let rows = (LOGITS_BYTES / (items * size_of::<f32>())).clamp(*ROWS.start(), *ROWS.end());
        let (d, f) = (config.dimensions, config.feed_forward);
        let places = batch * longest.min(config.length);
        // What each operator of the network keeps for its backward pass.
        let kept = places * (config.blocks * (10 * d + 2 * f) + 3 * d);
        let output = match negatives {
            None if settings.device == Processor::Cpu => {
                let threads = rayon::current_num_threads().min(PARTIALS);
                (PARTIALS + 2) * items * d + threads * rows * items
            }
            // Candle's form holds logits, their softmax, and the gradients of both.
            None => 4 * places * items,
            Some(count) => (items + 2 * batch * count) * d + places * (3 * d + count),
        };
        let numbers = COPIES * parameters + BACKWARD * kept + output;
        Self { parameters, batch, negatives, rows, bytes: numbers * size_of::<f32>() }
    }

    /// That the machine has the memory.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), TrainError> {
        let on_gpu = matches!(settings.device, Processor::Cuda(_));
        match available() {
            Some(available) if !on_gpu && self.bytes > available => Err(TrainError::Settings(format!(
                "training needs about {} of memory and {} are free: a smaller --batch, --length or --dimensions would do",
                gibibytes(self.bytes),
                gibibytes(available)
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let against = match self.negatives {
            Some(negatives) => format!("against {negatives} sampled items"),
            None => format!("against all items, {} rows of logits at a time", self.rows),
        };
        write!(
            f,
            "{} parameters, {} histories a step, {against}; about {} of memory",
            self.parameters,
            self.batch,
            gibibytes(self.bytes)
        )
    }
}

fn gibibytes(bytes: usize) -> String {
    format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30))
}

/// Bytes that can be had without swapping, where the system says.
fn available() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
