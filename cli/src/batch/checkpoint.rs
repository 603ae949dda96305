//! How far a run got: a small file beside its output, replaced in one step.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use shared::batch::Tally;
use shared::recommend::Recommending;

use super::input::Input;
use crate::commands::BatchOptions;

/// The form of the file.
const VERSION: u32 = 1;

/// A place in the unpacked input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text {
    /// Bytes before it.
    pub(super) offset: u64,
    /// The line that begins here.
    pub(super) line: u64,
    /// SHA-256 of what is before it.
    pub(super) sha256: Option<String>,
    /// Bytes of the file, as it is packed, that had been read by then.
    pub(super) read: u64,
}

/// What decides a run's bytes, beside its input and what is stored of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    version: u32,
    /// Bytes of the input; `None` of a stream.
    pub(super) size: Option<u64>,
    /// Digest of the model.
    model: String,
    accelerator: Option<String>,
    store: String,
    format: String,
    k: u16,
}

/// How far a run got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) run: Run,
    pub(super) input: Text,
    /// Bytes of the output that are on disk.
    pub(super) written: u64,
    pub(super) tally: Tally,
    /// The digest of the accelerator's model, where one scores and says it.
    pub(super) accelerator: Option<String>,
}

impl Run {
    pub(super) fn of(options: &BatchOptions, recommending: &Recommending, input: &Input) -> Self {
        Self {
            version: VERSION,
            size: input.size(),
            model: recommending.artifact().manifest.digest.clone(),
            accelerator: options.accelerator.as_ref().map(ToString::to_string),
            store: format!("{:?}", options.store),
            format: format!("{:?}", options.format).to_lowercase(),
            k: options.k,
        }
    }

    /// That another run's lines can be gone on with.
    fn same_as(&self, before: &Self) -> Result<()> {
        let differs: [(&str, String, String); 7] = [
            ("the checkpoint's form", before.version.to_string(), self.version.to_string()),
            ("the model", before.model.clone(), self.model.clone()),
            ("the input's size", format!("{:?}", before.size), format!("{:?}", self.size)),
            ("--accelerator", format!("{:?}", before.accelerator), format!("{:?}", self.accelerator)),
            ("--store", before.store.clone(), self.store.clone()),
            ("--format", before.format.clone(), self.format.clone()),
            ("-k", before.k.to_string(), self.k.to_string()),
        ];
        match differs.into_iter().find(|(_, before, now)| before != now) {
            Some((what, before, now)) => bail!(
                "the run that was interrupted can't be gone on with: {what} was {before} and is {now} now; --restart begins \
                 again"
            ),
            None => Ok(()),
        }
    }
}

impl Checkpoint {
    /// The checkpoint there, if it is one of such a run; `None` where there is none.
    pub(super) fn read(path: &Path, run: &Run) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("{} can't be read", path.display()))?,
        };
        let read: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no checkpoint; --restart begins again", path.display()))?;
        run.same_as(&read.run)?;
        Ok(Some(read))
    }

    /// Puts it in the last one's place.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_data()?;
            fs::rename(&beside, path)
        };
        write().with_context(|| format!("{} can't be written", path.display()))
    }
}
