//! The words of `marquee-accelerator`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use shared::accelerator::contract::BATCH_LIMIT;

use crate::batcher::Batching;
use crate::engine::Device;

/// Histories of a batch by default. On a GPU the product with all items costs hardly more for 32 than for 1; more make every
/// request wait for longer.
const MAX_BATCH: usize = 32;
/// Histories that may wait by default: 8 batches, which the slowest model in question computes within a request's deadline.
const QUEUE: usize = 256;
/// On a GPU a batch of many costs about as much as one of few, so that a millisecond's company is worth its wait. On a CPU
/// histories are computed one by one: waiting gains nothing.
const GPU_DELAY: Duration = Duration::from_millis(1);

/// Serves Marquee's models by the Open Inference Protocol v2
#[derive(Debug, Parser)]
#[command(name = "marquee-accelerator", version)]
pub struct Options {
    /// Artifact to serve; give it again for more, each of another catalogue. Exchange the directory and the new artifact
    /// takes over
    #[arg(long, value_name = "DIR", required = true)]
    pub model: Vec<PathBuf>,
    /// Address to listen on; one that other machines reach needs --token-file. Port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)))]
    pub listen: SocketAddr,
    /// What computes: cpu, or cuda:N for an NVIDIA GPU
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// Certificate chain in PEM, read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Bearer tokens, one a line: all but live and ready need one of them. Read again when it changes
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Most histories that are computed at once
    #[arg(long, value_name = "N", default_value_t = MAX_BATCH, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub max_batch: usize,
    /// Longest time in milliseconds that a request which found the engine busy waits for others to join its batch
    /// [default: 0 on a CPU, 1 on a GPU]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub max_delay_ms: Option<Duration>,
    /// Most histories that wait, for each model; what doesn't fit is refused with 503
    #[arg(long, value_name = "N", default_value_t = QUEUE, value_parser = RangedU64ValueParser::<usize>::new().range(BATCH_LIMIT as u64..=65_536))]
    pub queue: usize,
    /// Seconds that a model stays in service after another of a new catalogue has taken its directory
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub grace_seconds: u64,
    /// Longest time in seconds that requests in flight may take to finish after Ctrl-C or SIGTERM; when it is over, the
    /// process ends with status 1
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub drain_seconds: u64,
}

impl Options {
    /// How requests are put together.
    #[must_use]
    pub fn batching(&self) -> Batching {
        let max_delay = self.max_delay_ms.unwrap_or(usual_batching(self.device).max_delay);
        Batching { max_batch: self.max_batch, max_delay, queue: self.queue }
    }
}

/// How requests are put together when nothing else is asked for.
pub(crate) const fn usual_batching(device: Device) -> Batching {
    let max_delay = match device {
        Device::Cpu => Duration::ZERO,
        Device::Cuda(_) => GPU_DELAY,
    };
    Batching { max_batch: MAX_BATCH, max_delay, queue: QUEUE }
}

/// 0 to 1,000 ms; fractions count.
fn milliseconds(text: &str) -> Result<Duration, String> {
    let found = text.parse::<f64>().ok().filter(|ms| (0.0..=1000.0).contains(ms));
    found.map(|ms| Duration::from_secs_f64(ms / 1e3)).ok_or_else(|| "expected 0 to 1000".to_owned())
}
