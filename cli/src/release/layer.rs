//! The layer: a folder that becomes `/opt` in the functions. Made beside the old one, which it replaces when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use shared::model::Artifact;
use shared::model::artifact::{MANIFEST, SIGNATURE};
use shared::model::config::Kind;
use shared::release::{FILE, Release};

use crate::output;

/// What Lambda unpacks for a function, its code and its layers together, in bytes.
const UNPACKED_LIMIT: u64 = 250 << 20;
/// What of it is left to a function's code; the largest has 14 MB.
const CODE: u64 = 20 << 20;
/// What a layer may have.
pub(super) const LIMIT: u64 = UNPACKED_LIMIT - CODE;
/// The folder in the layer, which the functions find at `/opt/marquee`.
const HOME: &str = "marquee";

/// A layer that is being made. Dropping it before [`Layer::publish`] leaves nothing behind.
pub(super) struct Layer {
    path: PathBuf,
    target: PathBuf,
}

impl Layer {
    /// An empty one beside `target`.
    ///
    /// # Errors
    /// When it can't be made, or what is there is no layer of ours.
    pub(super) fn beside(target: &Path) -> Result<Self> {
        if let Ok(entries) = fs::read_dir(target) {
            for entry in entries {
                let name = entry?.file_name();
                if name != HOME {
                    bail!(
                        "{} holds `{}`, which no release put there: it will not be replaced",
                        target.display(),
                        name.to_string_lossy()
                    );
                }
            }
        }
        let path = target.with_extension(format!("new-{}", std::process::id()));
        let made = fs::create_dir_all(path.join(HOME).join("model"));
        made.with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Self { path, target: target.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The model's folder in it.
    pub(super) fn model(&self) -> PathBuf {
        self.path.join(HOME).join("model")
    }

    /// Copies an artifact's files. The names of what else was in its folder, and is left there.
    pub(super) fn take(&self, model: &Path, artifact: &Artifact) -> Result<Vec<String>> {
        let mut left = Vec::new();
        let entries = fs::read_dir(model).with_context(|| format!("{} can't be read", model.display()))?;
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let known =
                artifact.manifest.files.contains_key(&name) || [MANIFEST, SIGNATURE].contains(&name.as_str());
            if !known {
                left.push(name);
                continue;
            }
            let (from, to) = (model.join(&name), self.model().join(&name));
            fs::copy(&from, &to).with_context(|| format!("{} can't be copied", from.display()))?;
        }
        left.sort_unstable();
        Ok(left)
    }

    /// Writes beside the model what new versions are held to.
    pub(super) fn hold_to(&self, release: &Release) -> Result<()> {
        let path = self.path.join(HOME).join(FILE);
        let text = serde_json::to_vec(release)?;
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
    }

    /// Its size in bytes.
    ///
    /// # Errors
    /// When it is above [`LIMIT`]; says what to do.
    pub(super) fn check_size(&self, model: &Path, artifact: &Artifact) -> Result<u64> {
        let bytes = bytes_below(&self.path)?;
        if bytes <= LIMIT {
            return Ok(bytes);
        }
        let (option, now) = match &artifact.config.kind {
            Kind::Als(als) => ("--factors", als.factors),
            Kind::Sasrec(sasrec) => ("--dimensions", sasrec.dimensions),
        };
        // Nearly all of it grows with them.
        let fitting = (now as u64 * LIMIT / bytes) / 8 * 8;
        bail!(
            "{} is {} as a layer, and {} is what Lambda leaves beside a function's code: train it with {option} {fitting} \
             (it has {now}) or over fewer items, or serve it from a container, which has no such limit (docs/deploy.md)",
            model.display(),
            output::bytes(bytes),
            output::bytes(LIMIT)
        )
    }

    /// Puts it in its place.
    pub(super) fn publish(self) -> Result<()> {
        let old = self.target.with_extension(format!("old-{}", std::process::id()));
        let moved = self.exchange(&old);
        moved.with_context(|| format!("{} can't be replaced", self.target.display()))
    }

    fn exchange(&self, old: &Path) -> io::Result<()> {
        if !self.target.exists() {
            return fs::rename(&self.path, &self.target);
        }
        fs::rename(&self.target, old)?;
        fs::rename(&self.path, &self.target)?;
        fs::remove_dir_all(old)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        // Published, it is gone.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use shared::testing;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let (home, model) = (tempfile::tempdir().unwrap(), testing::artifact());
        let layer = Layer::beside(&home.path().join("layer")).unwrap();
        let artifact = Artifact::open(model.path()).unwrap();
        assert_eq!(layer.take(model.path(), &artifact).unwrap(), [""; 0]);
        assert!(layer.check_size(model.path(), &artifact).unwrap() < 1 << 20);
        // A file that is that long and takes no room.
        let weights = File::options().write(true).open(layer.model().join("model.safetensors")).unwrap();
        weights.set_len(LIMIT + 1).unwrap();
        let said = layer.check_size(model.path(), &artifact).unwrap_err().to_string();
        assert!(said.contains("--factors") && said.contains("from a container"), "{said}");
        drop(layer);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
