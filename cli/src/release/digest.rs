//! The release's digest: another one means that a deployment publishes new versions.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// What a deployment is made of, in the checkout: what the functions are built from, and how they are set up. A version
/// is published for nothing else, so that a change of a parameter belongs in here too.
const COVERED: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "functions",
    "samconfig.toml",
    "shared",
    "template.yaml",
    "deploy/monitoring.yaml",
];

/// SHA-256 over a line for each file, as `sha256sum` prints it: those of the checkout that are [`COVERED`], by path, then
/// the layer's.
///
/// # Errors
/// When one can't be read.
pub(super) fn of(code: &Path, layer: &Path) -> Result<String> {
    let mut lines = String::new();
    for name in COVERED {
        digest_into(&mut lines, code, Path::new(name))?;
    }
    digest_into(&mut lines, layer, Path::new("marquee"))?;
    Ok(hex(&Sha256::digest(lines)))
}

fn digest_into(lines: &mut String, base: &Path, name: &Path) -> Result<()> {
    let path = base.join(name);
    let unreadable = || format!("{} can't be read", path.display());
    if !path.is_dir() {
        let digest = Sha256::digest(fs::read(&path).with_context(unreadable)?);
        writeln!(lines, "{}  {}", hex(&digest), name.display())?;
        return Ok(());
    }
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&path).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?.file_name();
        // Editors' and builds' own: no part of the code.
        if !entry.to_string_lossy().starts_with('.') && entry != "target" {
            names.push(name.join(entry));
        }
    }
    names.sort_unstable();
    names.iter().try_for_each(|name| digest_into(lines, base, name))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(digest.len() * 2), |mut text, byte| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout and a layer.
    fn checkout() -> (tempfile::TempDir, tempfile::TempDir) {
        let (code, layer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["functions/rank/src", "shared/src", "deploy", "target"] {
            fs::create_dir_all(code.path().join(name)).unwrap();
        }
        fs::create_dir_all(layer.path().join("marquee/model")).unwrap();
        for name in ["Cargo.lock", "Cargo.toml", "samconfig.toml", "template.yaml", "deploy/monitoring.yaml"]
        {
            fs::write(code.path().join(name), name).unwrap();
        }
        fs::write(code.path().join("functions/rank/src/lib.rs"), "rank").unwrap();
        fs::write(layer.path().join("marquee/model/config.json"), "{}").unwrap();
        (code, layer)
    }

    #[test]
    fn the_same_release_has_the_same_digest_wherever_it_is() {
        let ((code, layer), (other_code, other_layer)) = (checkout(), checkout());
        let digest = of(code.path(), layer.path()).unwrap();
        assert_eq!(digest.len(), 64);
        assert_eq!(of(other_code.path(), other_layer.path()).unwrap(), digest);
        fs::write(code.path().join("target/notes"), "built").unwrap();
        fs::write(code.path().join("functions/.swp"), "edited").unwrap();
        assert_eq!(of(code.path(), layer.path()).unwrap(), digest, "what is no part of it changes nothing");
    }

    #[test]
    fn code_model_and_configuration_each_change_it() {
        let (code, layer) = checkout();
        let mut seen = vec![of(code.path(), layer.path()).unwrap()];
        let files = [
            "functions/rank/src/lib.rs",
            "shared/src/new.rs",
            "samconfig.toml",
            "template.yaml",
            "Cargo.lock",
        ];
        let of_code = files.map(|name| code.path().join(name));
        for file in of_code.into_iter().chain([layer.path().join("marquee/model/config.json")]) {
            fs::write(&file, "changed").unwrap();
            let digest = of(code.path(), layer.path()).unwrap();
            assert!(!seen.contains(&digest), "{}", file.display());
            seen.push(digest);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let (code, layer) = checkout();
        fs::remove_file(code.path().join("Cargo.lock")).unwrap();
        let said = format!("{:#}", of(code.path(), layer.path()).unwrap_err());
        assert!(said.contains("Cargo.lock can't be read"), "{said}");
    }
}
