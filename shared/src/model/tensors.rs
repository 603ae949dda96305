//! The safetensors container (<https://github.com/huggingface/safetensors#format>): a checked reader over a map, and
//! a writer whose tensors are 64-byte aligned.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytemuck::Pod;
pub use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::error::ArtifactError;
use super::map::{Mapped, View};

/// Bytes before the header: its length, little-endian.
const LENGTH_BYTES: usize = 8;
/// Longest header in bytes. Ours have under 2 KB, and 64 genre names of 64 characters add 16 KB at most.
const HEADER_LIMIT: usize = 1024 * 1024;
/// What we align tensors to: a cache line, and the widest vector register.
pub const ALIGNMENT: usize = 64;

/// An element type that safetensors can name.
pub trait Element: Pod {
    /// Its name in the header.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($kind:ty => $dtype:ident),*) => { $(impl Element for $kind { const DTYPE: Dtype = Dtype::$dtype; })* };
}
elements!(u8 => U8, i8 => I8, u16 => U16, u32 => U32, u64 => U64, f32 => F32, f64 => F64);

/// An open safetensors file whose header holds.
#[derive(Debug)]
pub struct TensorFile {
    name: String,
    map: Mapped,
    /// In file order.
    tensors: Vec<(String, TensorInfo)>,
    metadata: BTreeMap<String, String>,
    /// Where the tensors begin in the file.
    data_start: usize,
}

impl TensorFile {
    /// Maps a file and checks its header: its length before it is parsed, then that the tensors lie side by side
    /// within the file and are as long as their shapes say.
    ///
    /// # Errors
    /// Each names the file, and the tensor where one is concerned.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        Self::of(&File::open(path).map_err(|error| ArtifactError::io(path, error))?, path)
    }

    /// The same of a file that is open; `path` is for messages.
    pub(super) fn of(file: &File, path: &Path) -> Result<Self, ArtifactError> {
        let name = path.display().to_string();
        let map = Mapped::of(file, path)?;
        let bytes = map.bytes();
        let length = bytes.first_chunk::<LENGTH_BYTES>().ok_or_else(|| {
            ArtifactError::file(
                &name,
                format_args!("truncated: {} bytes are no safetensors file", bytes.len()),
            )
        })?;
        let length = u64::from_le_bytes(*length);
        if length > HEADER_LIMIT as u64 {
            let detail = format_args!("the header claims {length} bytes; at most {HEADER_LIMIT} are taken");
            return Err(ArtifactError::file(&name, detail));
        }
        let data_start = LENGTH_BYTES + length as usize;
        let header = bytes.get(LENGTH_BYTES..data_start).ok_or_else(|| {
            ArtifactError::file(
                &name,
                format_args!("truncated: the header of {length} bytes passes the file's end"),
            )
        })?;
        let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)
            .map_err(|error| ArtifactError::file(&name, format_args!("the header is not valid: {error}")))?;
        let file = Self::with_header(name, map, data_start, header)?;
        file.check_layout()?;
        Ok(file)
    }

    fn with_header(
        name: String,
        map: Mapped,
        data_start: usize,
        header: BTreeMap<String, serde_json::Value>,
    ) -> Result<Self, ArtifactError> {
        let mut file = Self { name, map, tensors: Vec::new(), metadata: BTreeMap::new(), data_start };
        for (entry, value) in header {
            let fault =
                |error| ArtifactError::tensor(&file.name, &entry, format_args!("not described: {error}"));
            if entry == "__metadata__" {
                file.metadata = serde_json::from_value(value).map_err(fault)?;
            } else {
                let info = serde_json::from_value(value).map_err(fault)?;
                file.tensors.push((entry, info));
            }
        }
        file.tensors.sort_by_key(|(_, info)| info.data_offsets);
        Ok(file)
    }

    fn check_layout(&self) -> Result<(), ArtifactError> {
        let available = self.map.bytes().len() - self.data_start;
        let mut next = 0;
        for (tensor, info) in &self.tensors {
            let fault = |detail: String| ArtifactError::tensor(&self.name, tensor, detail);
            let (start, end) = info.data_offsets;
            if start != next || end < start {
                return Err(fault(format!("offsets {start} to {end}; expected to start at {next}")));
            }
            if end > available {
                return Err(fault(format!("offsets {start} to {end} pass the file's end at {available}")));
            }
            let elements = info.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
            let bytes = elements.and_then(|n| n.checked_mul(info.dtype.bitsize())).map(|bits| bits / 8);
            if bytes != Some(end - start) {
                let (dtype, shape, held) = (info.dtype, &info.shape, end - start);
                return Err(fault(format!(
                    "{dtype:?} of shape {shape:?} does not take the {held} bytes it has"
                )));
            }
            next = end;
        }
        if next == available {
            return Ok(());
        }
        let detail = format_args!("{available} bytes of tensors, of which the header names {next}");
        Err(ArtifactError::file(&self.name, detail))
    }

    /// The file's path, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the tensors, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name.as_str())
    }

    fn find(&self, tensor: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|(name, _)| name == tensor).map(|(_, info)| info)
    }

    /// Element type and shape of a tensor.
    #[must_use]
    pub fn info(&self, tensor: &str) -> Option<(Dtype, &[usize])> {
        self.find(tensor).map(|info| (info.dtype, info.shape.as_slice()))
    }

    /// The bytes of a tensor.
    #[must_use]
    pub fn tensor_bytes(&self, tensor: &str) -> Option<&[u8]> {
        let (start, end) = self.find(tensor)?.data_offsets;
        self.map.bytes().get(self.data_start + start..self.data_start + end)
    }

    /// A text from the header's metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// A tensor of exactly this type and number of dimensions; a `Some` in `shape` is a length it must have.
    ///
    /// # Errors
    /// When it is missing, of another type or shape, or not aligned for its type.
    pub fn tensor<T: Element, const D: usize>(
        &self,
        tensor: &str,
        shape: [Option<usize>; D],
    ) -> Result<Tensor<T, D>, ArtifactError> {
        let (view, found) = self.checked(tensor, &shape)?;
        let mut lengths = [0; D];
        lengths.copy_from_slice(found);
        Ok(Tensor { view, shape: lengths })
    }

    /// The elements, row-major, of a tensor of exactly this type and shape.
    ///
    /// # Errors
    /// As [`TensorFile::tensor`].
    pub fn elements<T: Element>(&self, tensor: &str, shape: &[usize]) -> Result<Tensor<T, 1>, ArtifactError> {
        let wanted: Vec<_> = shape.iter().copied().map(Some).collect();
        let (view, found) = self.checked(tensor, &wanted)?;
        Ok(Tensor { view, shape: [found.iter().product()] })
    }

    /// The view and the shape of a tensor that is as it must be.
    fn checked<T: Element>(
        &self,
        tensor: &str,
        shape: &[Option<usize>],
    ) -> Result<(View<T>, &[usize]), ArtifactError> {
        let fault = |detail: String| ArtifactError::tensor(&self.name, tensor, detail);
        let info = self.find(tensor).ok_or_else(|| fault("missing".into()))?;
        if info.dtype != T::DTYPE {
            return Err(fault(format!("expected {:?}, found {:?}", T::DTYPE, info.dtype)));
        }
        let found = info.shape.as_slice();
        let fits = shape.iter().zip(found).all(|(want, have)| want.is_none_or(|w| w == *have));
        if found.len() != shape.len() || !fits {
            let wanted: Vec<_> = shape.iter().map(|n| n.map_or("any".into(), |n| n.to_string())).collect();
            return Err(fault(format!("expected shape [{}], found {found:?}", wanted.join(", "))));
        }
        let start = self.data_start + info.data_offsets.0;
        let view = self.map.view(start, found.iter().product());
        let view =
            view.ok_or_else(|| fault(format!("not aligned to the {} bytes of its type", align_of::<T>())))?;
        Ok((view, found))
    }

    /// That the file holds these tensors and no others.
    ///
    /// # Errors
    /// Names the first tensor that is too many.
    pub fn expect_only<S: AsRef<str>>(&self, known: &[S]) -> Result<(), ArtifactError> {
        match self.names().find(|name| known.iter().all(|known| known.as_ref() != *name)) {
            Some(unknown) => Err(ArtifactError::tensor(&self.name, unknown, "not a tensor of this format")),
            None => Ok(()),
        }
    }
}

/// A tensor in a mapped file.
#[derive(Clone, Debug)]
pub struct Tensor<T, const D: usize> {
    view: View<T>,
    shape: [usize; D],
}

impl<T: Element, const D: usize> Tensor<T, D> {
    /// The elements, row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.view.as_slice()
    }

    /// The lengths of its dimensions.
    #[must_use]
    pub const fn shape(&self) -> [usize; D] {
        self.shape
    }
}

/// What is to be written under one name: bytes of a type and shape.
#[derive(Debug)]
pub struct TensorData<'a> {
    name: Cow<'a, str>,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl<'a> TensorData<'a> {
    /// A tensor of `elements`, row-major; their number is the product of `shape`.
    pub fn new<T: Element>(name: impl Into<Cow<'a, str>>, shape: &[usize], elements: &'a [T]) -> Self {
        let name = name.into();
        debug_assert_eq!(shape.iter().product::<usize>(), elements.len(), "{name}");
        Self { name, dtype: T::DTYPE, shape: shape.to_vec(), bytes: bytemuck::cast_slice(elements) }
    }

    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor's bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The tensor's elements; `None` when they are of another type.
    #[must_use]
    pub fn elements<T: Element>(&self) -> Option<&'a [T]> {
        if self.dtype == T::DTYPE { bytemuck::try_cast_slice(self.bytes).ok() } else { None }
    }
}

/// Writes a safetensors file: wider types first and the header padded with spaces, so that every tensor is aligned for
/// its type, and to [`ALIGNMENT`] as long as those before it are multiples of that.
///
/// # Errors
/// What the writer says.
pub fn write(
    out: &mut impl Write,
    metadata: &BTreeMap<&str, String>,
    mut tensors: Vec<TensorData<'_>>,
) -> io::Result<()> {
    tensors.sort_by(|a, b| b.dtype.bitsize().cmp(&a.dtype.bitsize()).then_with(|| a.name.cmp(&b.name)));
    let mut header = String::from("{\"__metadata__\":");
    header.push_str(&serde_json::to_string(metadata)?);
    let mut start = 0;
    for TensorData { name, dtype, shape, bytes } in &tensors {
        let end = start + bytes.len();
        write!(
            header,
            ",\"{name}\":{{\"dtype\":\"{dtype:?}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        )
        .map_err(io::Error::other)?;
        start = end;
    }
    header.push('}');
    let padded = (LENGTH_BYTES + header.len()).next_multiple_of(ALIGNMENT) - LENGTH_BYTES;
    out.write_all(&(padded as u64).to_le_bytes())?;
    write!(out, "{header:<padded$}")?;
    tensors.iter().try_for_each(|tensor| out.write_all(tensor.bytes))
}
