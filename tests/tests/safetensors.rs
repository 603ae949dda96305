//! A safetensors file taken apart and put together again, with whatever a test wants to be wrong in it
//! (<https://github.com/huggingface/safetensors#format>).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// An open file; it is written back by [`SafeTensors::write`].
pub(crate) struct SafeTensors {
    path: PathBuf,
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl SafeTensors {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (length, rest) = bytes.split_first_chunk::<8>().expect("the header's length comes first");
        let (header, data) =
            rest.split_at(usize::try_from(u64::from_le_bytes(*length)).expect("a length fits"));
        let header = serde_json::from_slice(header).expect("the header is JSON");
        Self { path: path.to_owned(), header, data: data.to_vec() }
    }

    pub(crate) fn write(&self) {
        let mut header = serde_json::to_vec(&self.header).expect("a map becomes JSON");
        // Spaces, so that the tensors stay on multiples of 64 bytes and only the damage is at fault.
        header.resize((8 + header.len()).next_multiple_of(64) - 8, b' ');
        let length = u64::try_from(header.len()).expect("a length fits").to_le_bytes();
        fs::write(&self.path, [&length[..], &header, &self.data].concat()).expect("the file can be written");
    }

    /// The name of the tensor that comes first in the file.
    pub(crate) fn first(&self) -> String {
        let tensors = self.header.iter().filter(|(name, _)| *name != "__metadata__");
        let first = tensors.min_by_key(|(_, info)| info["data_offsets"][0].as_u64());
        first.expect("a file has a tensor").0.clone()
    }

    /// What the header says about a tensor: `dtype`, `shape`, `data_offsets`.
    pub(crate) fn info(&mut self, tensor: &str) -> &mut Value {
        self.header.get_mut(tensor).unwrap_or_else(|| panic!("no tensor `{tensor}`"))
    }

    /// Calls the tensor something else.
    pub(crate) fn rename(&mut self, tensor: &str, name: &str) {
        let info = self.header.remove(tensor).unwrap_or_else(|| panic!("no tensor `{tensor}`"));
        self.header.insert(name.into(), info);
    }

    /// The bytes of a tensor.
    pub(crate) fn bytes(&mut self, tensor: &str) -> &mut [u8] {
        let offsets = self.info(tensor)["data_offsets"].clone();
        let at =
            |index: usize| usize::try_from(offsets[index].as_u64().expect("an offset")).expect("it fits");
        &mut self.data[at(0)..at(1)]
    }

    /// Moves where the tensor ends.
    pub(crate) fn set_end(&mut self, tensor: &str, end: u64) {
        self.info(tensor)["data_offsets"][1] = json!(end);
    }
}
