//! The words that are for SASRec alone.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use training::sasrec::{Processor, Settings};

use super::numbers::{above_zero, at_least_one, share_below_one};

pub(super) const HEADING: &str = "SASRec";

/// How to train SASRec; what isn't given has the trainer's default.
#[derive(Debug, Args)]
pub(crate) struct SasrecOptions {
    /// Numbers per item: the size of the embeddings
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one, default_value_t = Settings::default().dimensions)]
    dimensions: usize,
    /// Items of a history that are seen at most, the newest
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one, default_value_t = Settings::default().length)]
    length: usize,
    /// Blocks of self-attention, one after the other
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one, default_value_t = Settings::default().blocks)]
    blocks: usize,
    /// Numbers between the two layers of a feed-forward network [default: as many as dimensions]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one)]
    feed_forward: Option<usize>,
    /// Attention heads a block; they divide the dimensions
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one, default_value_t = Settings::default().heads)]
    heads: usize,
    /// Share of activations that are dropped while training, 0 to below 1
    #[arg(long, help_heading = HEADING, value_name = "P", value_parser = share_below_one, default_value_t = Settings::default().dropout)]
    dropout: f64,
    /// Adam's step size
    #[arg(long, help_heading = HEADING, value_name = "X", value_parser = above_zero, default_value_t = Settings::default().learning_rate)]
    learning_rate: f64,
    /// Windows of histories a step [default: 16 to 64, by how many there are]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
    /// Items drawn against each history [default: all items, or 256 of a catalogue above 30,000]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one)]
    sampled_negatives: Option<usize>,
    /// Epochs without a better validation NDCG after which it stops
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = at_least_one, default_value_t = Settings::default().patience)]
    patience: usize,
    /// Directory to keep checkpoints in [default: none are kept]
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Continue from the checkpoint
    #[arg(long, help_heading = HEADING, requires = "checkpoint")]
    resume: bool,
    /// What computes: cpu, or cuda:N for a GPU
    #[arg(long, help_heading = HEADING, default_value = "cpu")]
    device: DeviceChoice,
}

impl SasrecOptions {
    pub(super) fn settings(&self, seed: u64, epochs: Option<usize>) -> Settings {
        let default = Settings::default();
        Settings {
            dimensions: self.dimensions,
            length: self.length,
            blocks: self.blocks,
            heads: self.heads,
            feed_forward: self.feed_forward,
            dropout: self.dropout,
            learning_rate: self.learning_rate,
            batch: self.batch,
            epochs: epochs.unwrap_or(default.epochs),
            patience: self.patience,
            negatives: self.sampled_negatives,
            calibration: default.calibration,
            seed,
            device: match self.device {
                DeviceChoice::Cpu => Processor::Cpu,
                DeviceChoice::Cuda(number) => Processor::Cuda(number),
            },
            checkpoint: self.checkpoint.clone(),
            checkpoint_every: default.checkpoint_every,
            resume: self.resume,
        }
    }
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let gpu = || text.strip_prefix("cuda:")?.parse().ok().map(Self::Cuda);
        if text == "cpu" { Ok(Self::Cpu) } else { gpu().ok_or("expected cpu, or cuda:N as in cuda:0") }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        sasrec: SasrecOptions,
    }

    fn read(arguments: &str) -> Result<SasrecOptions, clap::Error> {
        let arguments = ["marquee"].into_iter().chain(arguments.split_whitespace());
        Words::try_parse_from(arguments).map(|words| words.sasrec)
    }

    #[test]
    fn what_is_not_given_is_as_the_trainer_has_it() {
        assert_eq!(read("").unwrap().settings(42, None), Settings::default());
    }

    #[test]
    fn what_is_given_is_read() {
        let found = read("--length 50 --dropout 0 --checkpoint here --resume --device cuda:1").unwrap();
        assert_eq!((found.length, found.dropout, found.resume), (50, 0.0, true));
        assert_eq!(found.device, DeviceChoice::Cuda(1));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            "--dropout 1",
            "--dropout -0.1",
            "--dropout nan",
            "--learning-rate 0",
            "--batch 0",
            "--resume",
            "--device gpu",
            "--device cuda:",
            "--device cuda:-1",
        ] {
            read(arguments).expect_err(arguments);
        }
    }
}
