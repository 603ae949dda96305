//! Writing an artifact: beside the old one, then exchanged with it in one step.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::artifact::{Artifact, CATALOGUE, CONFIG, MANIFEST, MODEL, SERVING, SIGNATURE};
use super::config::ModelConfig;
use super::error::ArtifactError;
use super::folder::Folder;
use super::manifest::{self, Manifest};
use super::tensors::{self, TensorData};
use super::{serving, verify};
use crate::catalogue::{Catalogue, CatalogueColumns};

/// What an artifact is written from.
#[derive(Debug)]
pub struct NewArtifact<'a> {
    /// What the model is; an empty `version` becomes the first 12 digits of the weights' SHA-256.
    pub config: ModelConfig,
    /// Its items.
    pub catalogue: CatalogueColumns,
    /// Its weights: the tensors that [`Kind::tensors`](super::config::Kind::tensors) names, in any order.
    pub weights: Vec<TensorData<'a>>,
}

/// Options of writing.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions<'a> {
    /// Whether to write the derived tensors.
    pub serving: bool,
    /// The PKCS#8 PEM private key to sign with.
    pub sign: Option<&'a Path>,
}

impl NewArtifact<'_> {
    /// Writes the artifact to `folder`, replacing one that is there in one step; readers see the old or the new whole.
    ///
    /// # Errors
    /// When a file can't be written, or what was written would not verify; `folder` is then as it was.
    pub fn write(mut self, folder: &Path, options: WriteOptions<'_>) -> Result<(), ArtifactError> {
        let kind = &self.config.kind;
        kind.check().map_err(|detail| ArtifactError::file(folder.join(CONFIG).display(), detail))?;
        let staging = Staging::beside(folder)?;
        let named = self.weights.iter().find(|tensor| tensor.name() == kind.item_matrix());
        let matrix = named.and_then(TensorData::elements::<f32>).ok_or_else(|| {
            let file = folder.join(MODEL);
            ArtifactError::tensor(file.display(), kind.item_matrix(), "missing, or not F32")
        })?;
        let metadata = [("format", format!("marquee-{}-1", kind.name()))].into();
        staging.file(MODEL, |out| tensors::write(out, &metadata, self.weights))?;
        staging.file(CATALOGUE, |out| self.catalogue.write(out))?;
        if self.config.version.is_empty() {
            let digest = manifest::FileDigest::of(&Folder::open(&staging.path)?, MODEL)?;
            self.config.version = digest.sha256[..12].to_owned();
        }
        staging.file(CONFIG, |out| write_json(out, &self.config))?;
        if options.serving {
            staging.file(SERVING, |out| {
                serving::write(out, matrix, &self.config.kind, self.catalogue.id_slots())
            })?;
        }
        staging.finish(options, folder)
    }
}

/// Adds the derived tensors to an artifact, or makes them anew; everything else is copied as it is.
///
/// # Errors
/// When the artifact does not verify or can't be written; it is then as it was.
pub fn optimize(path: &Path, sign: Option<&Path>) -> Result<(), ArtifactError> {
    verify::verify(path, None)?;
    let (artifact, folder) = Artifact::with_folder(path)?;
    let kind = &artifact.config.kind;
    let shape = [artifact.catalogue.len(), kind.factors()];
    let matrix = folder.tensors(MODEL)?.elements::<f32>(kind.item_matrix(), &shape)?;
    let staging = Staging::beside(path)?;
    for name in manifest::DIGESTED {
        let mut source = folder.file(name)?;
        staging.file(name, |out| io::copy(&mut source, out).map(|_| ()))?;
    }
    staging
        .file(SERVING, |out| serving::write(out, matrix.as_slice(), kind, artifact.catalogue.id_slots()))?;
    staging.finish(WriteOptions { serving: true, sign }, path)
}

/// A directory beside the target that is removed again unless it takes the target's place.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn beside(folder: &Path) -> Result<Self, ArtifactError> {
        if let Some(stranger) = stranger_in(folder)? {
            let detail =
                format_args!("holds `{stranger}`, which is no part of an artifact: it will not be replaced");
            return Err(ArtifactError::file(folder.display(), detail));
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let io = |error| ArtifactError::io(folder, error);
        fs::create_dir_all(parent).map_err(io)?;
        let Some(name) = folder.file_name() else {
            return Err(ArtifactError::file(folder.display(), "not a name for a new directory"));
        };
        let name = format!(".{}.new-{}", name.to_string_lossy(), std::process::id());
        let path = parent.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(io)?;
        }
        fs::create_dir(&path).map_err(io)?;
        Ok(Self { path })
    }

    fn file(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), ArtifactError> {
        let path = self.path.join(name);
        let written = File::create(&path).and_then(|file| {
            let mut out = BufWriter::with_capacity(1 << 18, file);
            write(&mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        });
        written.map_err(|error| ArtifactError::io(&path, error))
    }

    /// Writes manifest and signature, verifies the whole, and puts it in its place.
    fn finish(self, options: WriteOptions<'_>, folder: &Path) -> Result<(), ArtifactError> {
        let written = Folder::open(&self.path)?;
        let catalogue = Catalogue::new(&written.tensors(CATALOGUE)?)?;
        let mut names = manifest::DIGESTED.to_vec();
        names.extend(options.serving.then_some(SERVING));
        let manifest = Manifest::of(&written, &names, catalogue.digest())?;
        self.file(MANIFEST, |out| write_json(out, &manifest))?;
        if let Some(key) = options.sign {
            let signature = manifest::sign(&written.json(MANIFEST)?, key)?;
            self.file(SIGNATURE, |out| out.write_all(&signature))?;
        }
        verify::verify(&self.path, None)?;
        publish(&self.path, folder).map_err(|error| ArtifactError::io(folder, error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Published, it holds the old artifact or is gone.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The name of something in the directory that an artifact doesn't have.
fn stranger_in(folder: &Path) -> Result<Option<String>, ArtifactError> {
    let io = |error| ArtifactError::io(folder, error);
    if !folder.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        if ![CONFIG, MODEL, CATALOGUE, SERVING, MANIFEST, SIGNATURE].contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Puts a directory in another's place: exchanged where both are there, else renamed.
fn publish(staging: &Path, folder: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    File::open(staging)?.sync_all()?;
    if folder.exists() {
        renameat_with(CWD, staging, CWD, folder, RenameFlags::EXCHANGE)?;
    } else {
        fs::rename(staging, folder)?;
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn write_json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
