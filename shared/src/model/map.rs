//! Read-only memory maps of artifact files, and typed views into them.

use std::fs::File;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use bytemuck::Pod;

use super::error::ArtifactError;

/// A file mapped for reading; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Mapped(Arc<memmap2::Mmap>);

impl Mapped {
    /// Maps a whole file; `path` is for messages.
    ///
    /// # Errors
    /// When the file can't be mapped.
    pub(super) fn of(file: &File, path: &Path) -> Result<Self, ArtifactError> {
        #[expect(unsafe_code, reason = "mapping a file is unsafe by nature; the argument is below")]
        // SAFETY: the map is undefined behaviour only if the file is changed or truncated while mapped. An artifact
        // is never opened for writing once written: a new one is written beside it and exchanged by rename, which
        // leaves the mapped inode as it was (`write::publish`). On Lambda a layer is read-only.
        let map = unsafe { memmap2::Mmap::map(file) }.map_err(|error| ArtifactError::io(path, error))?;
        Ok(Self(Arc::new(map)))
    }

    /// The file's bytes.
    #[must_use]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A typed view of `bytes[start..start + length × size_of::<T>()]`; `None` when that is out of bounds or not
    /// aligned for `T`.
    #[must_use]
    pub(super) fn view<T: Pod>(&self, start: usize, length: usize) -> Option<View<T>> {
        let end = start.checked_add(length.checked_mul(size_of::<T>())?)?;
        bytemuck::try_cast_slice::<u8, T>(self.bytes().get(start..end)?).ok()?;
        Some(View { map: self.clone(), start, end, kind: PhantomData })
    }
}

/// A typed slice of a mapped file that keeps the map alive.
#[derive(Clone, Debug)]
pub(super) struct View<T> {
    map: Mapped,
    start: usize,
    end: usize,
    kind: PhantomData<T>,
}

impl<T: Pod> View<T> {
    /// The elements. Bounds and alignment were checked when the view was made.
    #[must_use]
    pub(super) fn as_slice(&self) -> &[T] {
        bytemuck::cast_slice(&self.map.bytes()[self.start..self.end])
    }
}
