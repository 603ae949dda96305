//! Models that `serve` and `recommend` train by themselves, kept under `.marquee/` in the working directory.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use shared::model::config::EventWeights;
use shared::model::write::WriteOptions;
use shared::model::{Artifact, manifest};
use training::als::AlsSettings;
use training::data::{self, Dataset, ReadOptions};
use training::demo;
use training::fit::{Job, Naming, Trainer};
use training::histories::{Histories, Selection};

use crate::train;

pub(crate) const FOLDER: &str = ".marquee";

/// The demo's model, trained on first use.
pub(crate) fn demo_model() -> Result<PathBuf> {
    let folder = Path::new(FOLDER).join(format!("demo-{}", env!("CARGO_PKG_VERSION")));
    if !is_usable(&folder) {
        eprintln!("first use: training on the bundled demo (real films, simulated interactions)");
        train_into(&folder, &demo::dataset(), demo::NAME, true)?;
    }
    Ok(folder)
}

/// A model of somebody's data with the trainer's defaults; trained again when the data change.
pub(crate) fn model_of(path: &Path) -> Result<PathBuf> {
    let fingerprint = fingerprint(path).with_context(|| format!("{} can't be read", path.display()))?;
    let name = name_of(path);
    let folder = Path::new(FOLDER).join(format!("{name}-{}", &fingerprint[..12]));
    if is_usable(&folder) {
        eprintln!("{} was trained on before: {} is used", path.display(), folder.display());
    } else {
        eprintln!("reading {}", path.display());
        train_into(&folder, &data::read(path, &ReadOptions::default())?, &name, false)?;
    }
    Ok(folder)
}

/// What data are called that have no other name.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned())
}

fn train_into(folder: &Path, data: &Dataset, name: &str, simulated: bool) -> Result<()> {
    let histories = Histories::of(data, &EventWeights::default(), Selection::default());
    let naming = Naming { name: name.to_owned(), version: String::new(), simulated };
    let write = WriteOptions { serving: true, sign: None };
    let job = Job { data, histories: &histories, naming, folder, write };
    train::train(&Trainer::Als(AlsSettings::default()), &job)
}

/// Whether a model is there that this build opens; one it doesn't is said so and made again.
fn is_usable(folder: &Path) -> bool {
    if !folder.exists() {
        return false;
    }
    let opened = Artifact::open(folder);
    if let Err(error) = &opened {
        eprintln!("the kept model is of no use ({error}): it is made again");
    }
    opened.is_ok()
}

/// A digest of where the data are, how large and of when, and of this version.
pub(crate) fn fingerprint(path: &Path) -> std::io::Result<String> {
    let mut sha = Sha256::new();
    let mut note = |path: &Path, metadata: &Metadata| -> std::io::Result<()> {
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        sha.update(format!("{}\n{}\n{}\n", path.display(), metadata.len(), changed.as_nanos()));
        Ok(())
    };
    let path = path.canonicalize()?;
    let metadata = fs::metadata(&path)?;
    note(&path, &metadata)?;
    if metadata.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(&path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.iter().try_for_each(|entry| note(&entry.path(), &entry.metadata()?))?;
    }
    sha.update(env!("CARGO_PKG_VERSION"));
    Ok(manifest::hex(&sha.finalize()))
}
