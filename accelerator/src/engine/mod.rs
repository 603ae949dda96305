//! What computes lists: no HTTP near it.
//!
//! [`mapped`] answers from the mapped artifact as a function does, one history on each core. `tensors` (feature `candle`)
//! computes a batch at once on a device that candle knows.

pub mod mapped;
#[cfg(feature = "candle")]
pub mod tensors;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use shared::model::folder::Folder;
use shared::model::{Artifact, Attraction, Scored};

use mapped::Mapped;

/// A history, oldest item first, and how many rows are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Items of the catalogue, 1 or more.
    pub history: Vec<Attraction>,
    /// Rows wanted, 1 or more.
    pub limit: usize,
}

/// A model that is ready to compute.
pub trait Engine: fmt::Debug + Send + Sync {
    /// A list for each query, best row first, equals by row; as long as was asked for or as the catalogue is, unless
    /// scores are no numbers, which weights beyond all measure can bring about.
    ///
    /// # Errors
    /// When the device fails; nothing of the batch is answered then.
    fn recommend(&self, batch: &[Query]) -> Result<Vec<Vec<Scored>>, EngineError>;
}

/// Why an engine can't be made, or can't compute.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device is not to be had in this build.
    #[error(
        "this build knows no CUDA: --device cuda:N needs a `marquee-accelerator` built with `--features cuda` on a machine that \
         has CUDA's compiler"
    )]
    NoCuda,
    /// The artifact can't be read any more.
    #[error(transparent)]
    Artifact(#[from] shared::model::ArtifactError),
    /// The GPU is not there, or can't be used.
    #[cfg(feature = "cuda")]
    #[error("--device cuda:{number}: {error}; `nvidia-smi` lists the GPUs there are")]
    NoGpu {
        /// Its number.
        number: usize,
        /// What the driver said.
        error: candle_core::Error,
    },
    /// What candle or the device said.
    #[cfg(feature = "candle")]
    #[error("the device failed: {0}")]
    Device(candle_core::Error),
}

#[cfg(feature = "candle")]
impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Device(error)
    }
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// This machine's processors, by the mapped engine.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let gpu = || text.strip_prefix("cuda:")?.parse().ok().map(Self::Cuda);
        if text == "cpu" { Ok(Self::Cpu) } else { gpu().ok_or("expected cpu, or cuda:N as in cuda:0") }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Device {
    /// An engine over an artifact, which was opened in `folder`.
    ///
    /// # Errors
    /// When the device is not to be had or has no room, or the engine doesn't know the kind of model.
    pub fn engine(self, artifact: Arc<Artifact>, folder: &Folder) -> Result<Arc<dyn Engine>, EngineError> {
        match self {
            Self::Cpu => Ok(Arc::new(Mapped::new(artifact))),
            Self::Cuda(number) => cuda(number, artifact, folder),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize, artifact: Arc<Artifact>, folder: &Folder) -> Result<Arc<dyn Engine>, EngineError> {
    let device =
        candle_core::Device::new_cuda(number).map_err(|error| EngineError::NoGpu { number, error })?;
    Ok(Arc::new(tensors::Tensors::new(artifact, folder, device)?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize, _: Arc<Artifact>, _: &Folder) -> Result<Arc<dyn Engine>, EngineError> {
    Err(EngineError::NoCuda)
}
