//! `manifest.json`: the digests by which an artifact is known, and its detached Ed25519 signature.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;

use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::artifact::{MANIFEST, SIGNATURE};
use super::config::FORMAT_VERSION;
use super::error::ArtifactError;
use super::folder::Folder;

/// The files an artifact's own digest covers: all that decides an answer. `serving.safetensors` is derived from them.
pub const DIGESTED: [&str; 3] = [super::artifact::CATALOGUE, super::artifact::CONFIG, super::artifact::MODEL];

/// The contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the artifact format.
    pub format_version: u32,
    /// SHA-256 over the lines that `sha256sum catalogue.safetensors config.json model.safetensors` prints.
    pub digest: String,
    /// SHA-256 over each item id followed by a line feed, in row order.
    pub catalogue_digest: String,
    /// Every other file of the artifact.
    pub files: BTreeMap<String, FileDigest>,
}

/// The digest and size of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl Manifest {
    /// Digests the files of an artifact.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn of(folder: &Folder, names: &[&str], catalogue_digest: String) -> Result<Self, ArtifactError> {
        let digest = |&name: &&str| Ok((name.to_owned(), FileDigest::of(folder, name)?));
        let files: BTreeMap<_, _> = names.iter().map(digest).collect::<Result<_, ArtifactError>>()?;
        Ok(Self { format_version: FORMAT_VERSION, digest: model_digest(&files), catalogue_digest, files })
    }

    /// Reads the `manifest.json` of a directory.
    ///
    /// # Errors
    /// When it can't be read, is not of the format, or its own digest isn't that of its files.
    pub fn read(folder: &Folder) -> Result<Self, ArtifactError> {
        let fault = |detail: String| ArtifactError::file(folder.path_of(MANIFEST).display(), detail);
        let manifest: Self =
            serde_json::from_slice(&folder.json(MANIFEST)?).map_err(|error| fault(error.to_string()))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(fault(format!(
                "format_version {}; this build reads {FORMAT_VERSION}",
                manifest.format_version
            )));
        }
        if let Some(name) = DIGESTED.iter().find(|name| !manifest.files.contains_key(**name)) {
            return Err(fault(format!("lists no `{name}`")));
        }
        if manifest.digest != model_digest(&manifest.files) {
            return Err(fault("`digest` is not that of the files it lists".into()));
        }
        Ok(manifest)
    }

    /// That a file is there and as long as the manifest says; its bytes are not read.
    ///
    /// # Errors
    /// Names the file.
    pub fn check_size(&self, folder: &Folder, name: &str) -> Result<(), ArtifactError> {
        let path = folder.path_of(name);
        let found = folder.size(name)?;
        match self.files.get(name) {
            Some(FileDigest { bytes, .. }) if *bytes == found => Ok(()),
            Some(FileDigest { bytes, .. }) => {
                let detail = format_args!("{found} bytes, where the manifest says {bytes}");
                Err(ArtifactError::file(path.display(), detail))
            }
            None => Err(ArtifactError::file(path.display(), "not in the manifest")),
        }
    }
}

impl FileDigest {
    /// Digests a file of a directory as it is read.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of(folder: &Folder, name: &str) -> Result<Self, ArtifactError> {
        let mut file = folder.file(name)?;
        let mut sha = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let read =
                file.read(&mut buffer).map_err(|error| ArtifactError::io(&folder.path_of(name), error))?;
            if read == 0 {
                return Ok(Self { sha256: hex(&sha.finalize()), bytes });
            }
            sha.update(&buffer[..read]);
            bytes += read as u64;
        }
    }
}

fn model_digest(files: &BTreeMap<String, FileDigest>) -> String {
    let mut sha = Sha256::new();
    for name in DIGESTED {
        if let Some(file) = files.get(name) {
            sha.update(format!("{}  {name}\n", file.sha256));
        }
    }
    hex(&sha.finalize())
}

/// Signs the bytes of a manifest with the PKCS#8 PEM private key of a file (`openssl genpkey -algorithm ed25519`).
///
/// # Errors
/// When the key can't be read.
pub fn sign(manifest: &[u8], key: &Path) -> Result<[u8; 64], ArtifactError> {
    let pem = fs::read_to_string(key).map_err(|error| ArtifactError::io(key, error))?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|error| {
        ArtifactError::file(key.display(), format_args!("not an Ed25519 private key: {error}"))
    })?;
    Ok(key.sign(manifest).to_bytes())
}

/// Checks the signature of a manifest with the PEM public key of a file (`openssl pkey -in KEY -pubout`).
///
/// # Errors
/// When key or signature can't be read, or the signature is not that key's over these bytes.
pub fn check_signature(folder: &Folder, key: &Path) -> Result<(), ArtifactError> {
    let pem = fs::read_to_string(key).map_err(|error| ArtifactError::io(key, error))?;
    let verifying = VerifyingKey::from_public_key_pem(&pem).map_err(|error| {
        ArtifactError::file(key.display(), format_args!("not an Ed25519 public key: {error}"))
    })?;
    let fault = |detail| ArtifactError::file(folder.path_of(SIGNATURE).display(), detail);
    let signature = Signature::from_slice(&folder.json(SIGNATURE)?).map_err(|_| fault("not 64 bytes"))?;
    verifying
        .verify_strict(&folder.json(MANIFEST)?, &signature)
        .map_err(|_| fault("not a signature of this key over manifest.json"))
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
