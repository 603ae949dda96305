//! What can be wrong with an artifact.

use std::fmt::Display;
use std::path::Path;

/// Why an artifact can't be used. Each names the file, and the tensor where one is concerned, and tells its cause itself: it
/// is no source, or whoever prints all causes would tell it twice.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file can't be read or written.
    #[error("{file}: {reason}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file breaks its format.
    #[error("{file}: {detail}")]
    File {
        /// The file.
        file: String,
        /// How.
        detail: String,
    },
    /// A tensor is missing, of another type or shape, or holds what it must not.
    #[error("{file}: tensor `{tensor}`: {detail}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// How.
        detail: String,
    },
}

impl ArtifactError {
    pub(crate) fn io(path: &Path, reason: std::io::Error) -> Self {
        Self::Io { file: path.display().to_string(), reason }
    }

    pub(crate) fn file(file: impl Display, detail: impl Display) -> Self {
        Self::File { file: file.to_string(), detail: detail.to_string() }
    }

    pub(crate) fn tensor(file: impl Display, tensor: impl Display, detail: impl Display) -> Self {
        Self::Tensor { file: file.to_string(), tensor: tensor.to_string(), detail: detail.to_string() }
    }
}
