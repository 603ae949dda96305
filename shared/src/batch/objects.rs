//! Where inputs and results are: a bucket (feature `s3`), or a folder on this machine. The only place that sees the store of
//! objects.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart,
};

/// Bytes of an upload's parts: S3 takes 5 MiB and more, ten thousand of them, so that an input may unpack to 80 GB.
const UPLOAD_PART: usize = 8 * 1024 * 1024;
/// Parts that are on their way at a time.
const UPLOADS: usize = 4;
/// How long S3 may say nothing in the middle of an object, and for how long after its beginning a read is taken up again:
/// Lambda's longest.
#[cfg(feature = "s3")]
const SILENCE: std::time::Duration = std::time::Duration::from_secs(30);
#[cfg(feature = "s3")]
const RETRIES: std::time::Duration = std::time::Duration::from_secs(900);

/// A bucket or a folder.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// What addresses begin with, such as `s3://bucket`.
    base: String,
    /// The folder, without links, where it is one.
    root: Option<PathBuf>,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Names its very bytes.
    pub tag: Option<String>,
}

/// Something was not done to an object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is none of this key.
    #[error("there is no {0}")]
    Missing(String),
    /// It is not the one that was meant.
    #[error("{0} was exchanged for another")]
    Changed(String),
    /// It can't be read or written, now or ever.
    #[error("{key} can't be {what}: {detail}")]
    Failed {
        /// Its key.
        key: String,
        /// Read, written, listed.
        what: &'static str,
        /// What happened.
        detail: String,
    },
}

impl ObjectError {
    fn of(key: &str, what: &'static str) -> impl FnOnce(Error) -> Self {
        move |error| match error {
            Error::NotFound { .. } => Self::Missing(key.to_owned()),
            Error::Precondition { .. } => Self::Changed(key.to_owned()),
            other => Self::Failed { key: key.to_owned(), what, detail: causes(&other) },
        }
    }

    /// The same for the log, which holds no keys: they are callers' words.
    #[must_use]
    pub fn without_its_key(&self) -> String {
        match self {
            Self::Missing(_) => "there is no such object".into(),
            Self::Changed(_) => "an object was exchanged for another".into(),
            Self::Failed { key, what, detail } => {
                format!("an object can't be {what}: {}", detail.replace(key.as_str(), "…"))
            }
        }
    }

    /// For an object's key that none can have.
    fn key(key: &str, error: impl fmt::Display) -> Self {
        Self::Failed { key: format!("{key:?}"), what: "used as a key", detail: error.to_string() }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

impl Objects {
    /// The files below a folder, which must be there. What is written is on disk when it is said to be.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn in_folder(folder: &FilePath) -> Result<Self, ObjectError> {
        let name = folder.display().to_string();
        let folder = folder.canonicalize().map_err(|error| ObjectError::key(&name, error))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(ObjectError::of(&name, "opened"))?;
        let base = format!("file://{}", folder.display());
        Ok(Self { store: Arc::new(store.with_fsync(true)), base, root: Some(folder) })
    }

    /// The objects of a bucket, where the environment's variables say that AWS is. Nothing is connected yet.
    ///
    /// # Errors
    /// When a variable can't be used.
    #[cfg(feature = "s3")]
    pub fn in_bucket(bucket: &str) -> Result<Self, ObjectError> {
        use object_store::aws::AmazonS3Builder;
        use object_store::{ClientOptions, RetryConfig};
        let settings =
            crate::config::ObjectSettings::from_env().map_err(|error| ObjectError::key(bucket, error))?;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        // An input is read for as long as it takes, while what is read is worked on; silence alone is a failure.
        let mut client = ClientOptions::new().with_timeout_disabled().with_read_timeout(SILENCE);
        let retry = RetryConfig { retry_timeout: RETRIES, ..RetryConfig::default() };
        if let Some(endpoint) = settings.endpoint {
            // An emulator on this machine.
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        builder = builder.with_client_options(client).with_retry(retry);
        let store = builder.build().map_err(ObjectError::of(bucket, "opened"))?;
        Ok(Self { store: Arc::new(store), base: format!("s3://{bucket}"), root: None })
    }

    /// The address of a key.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.base)
    }

    /// The key of an address; `None` where it is not here.
    #[must_use]
    pub fn key(&self, url: &str) -> Option<String> {
        let key = url.strip_prefix(&self.base)?.strip_prefix('/')?;
        let plain = key.split('/').all(|part| !["", ".", ".."].contains(&part));
        plain.then(|| key.to_owned())
    }

    /// That no link leads out of the folder.
    fn inside(&self, key: &str) -> Result<(), ObjectError> {
        let Some(root) = &self.root else { return Ok(()) };
        match root.join(key).canonicalize() {
            Ok(real) if real.starts_with(root) => Ok(()),
            _ => Err(ObjectError::Missing(key.to_owned())),
        }
    }

    /// What is known of an object.
    ///
    /// # Errors
    /// When there is none, or it can't be said.
    pub async fn head(&self, key: &str) -> Result<Object, ObjectError> {
        self.inside(key)?;
        let meta = self.store.head(&path(key)?).await.map_err(ObjectError::of(key, "read"))?;
        Ok(Object { key: key.to_owned(), size: meta.size, tag: meta.e_tag })
    }

    /// The bytes of an object as they come: all, or a part; of one that still has the tag, where one is given.
    ///
    /// # Errors
    /// When there is none, or another, or it can't be read.
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        tag: Option<&str>,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        self.inside(key)?;
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            if_match: tag.map(str::to_owned),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&path(key)?, options).await.map_err(ObjectError::of(key, "read"))?;
        let (key, in_folder) = (key.to_owned(), self.root.is_some());
        let chunks = got.into_stream().map(move |chunk| match chunk {
            // A file that was cut short since has nothing more to give, for ever.
            Ok(bytes) if in_folder && bytes.is_empty() => Err(ObjectError::Changed(key.clone())),
            chunk => chunk.map_err(ObjectError::of(&key, "read")),
        });
        Ok(chunks.boxed())
    }

    /// An object's bytes, all of them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, ObjectError> {
        let mut stream = self.read(key, None, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    /// Writes an object, in one step for whoever reads it.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let put = self.store.put(&path(key)?, PutPayload::from(bytes)).await;
        put.map_err(ObjectError::of(key, "written")).map(drop)
    }

    /// The same, unless there is one already, which stays.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let payload = PutPayload::from(bytes);
        match self.store.put_opts(&path(key)?, payload, PutMode::Create.into()).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(ObjectError::of(key, "written")(error)),
        }
    }

    /// Begins an object of any size, which is there when it is finished.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn upload(&self, key: &str) -> Result<Upload, ObjectError> {
        let upload = self.store.put_multipart(&path(key)?).await.map_err(ObjectError::of(key, "written"))?;
        Ok(Upload { key: key.to_owned(), to: WriteMultipart::new_with_chunk_size(upload, UPLOAD_PART) })
    }

    /// The objects whose keys begin with a folder's name, in the order of their keys.
    ///
    /// # Errors
    /// When they can't be listed.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>, ObjectError> {
        let listed = self.store.list(Some(&path(folder)?)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(ObjectError::of(folder, "listed"))?;
        let mut objects: Vec<_> = listed
            .into_iter()
            .map(|meta| Object { key: meta.location.to_string(), size: meta.size, tag: meta.e_tag })
            .collect();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }
}

/// An object that is being written.
#[derive(Debug)]
pub struct Upload {
    key: String,
    to: WriteMultipart,
}

impl Upload {
    /// Adds bytes.
    ///
    /// # Errors
    /// When they can't be written.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        for bytes in bytes.chunks(UPLOAD_PART) {
            self.to.wait_for_capacity(UPLOADS).await.map_err(ObjectError::of(&self.key, "written"))?;
            self.to.write(bytes);
        }
        Ok(())
    }

    /// Makes it an object.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn finish(self) -> Result<(), ObjectError> {
        self.to.finish().await.map_err(ObjectError::of(&self.key, "written")).map(drop)
    }
}

fn path(key: &str) -> Result<Path, ObjectError> {
    Path::parse(key).map_err(|error| ObjectError::key(key, error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("here")).unwrap();
        let objects = Objects::in_folder(&folder.path().join("here")).unwrap();
        (folder, objects)
    }

    #[tokio::test]
    async fn no_link_leads_out_of_the_folder() {
        let (folder, objects) = folder();
        fs::write(folder.path().join("secret"), "s").unwrap();
        fs::write(folder.path().join("here/open"), "o").unwrap();
        for (link, to) in [("out", "../secret"), ("up", ".."), ("in", "open")] {
            std::os::unix::fs::symlink(to, folder.path().join("here").join(link)).unwrap();
        }
        assert_eq!(objects.get("open").await.unwrap(), b"o");
        assert_eq!(objects.get("in").await.unwrap(), b"o");
        for key in ["out", "up/secret", "open/below", "none"] {
            assert!(matches!(objects.head(key).await, Err(ObjectError::Missing(_))), "{key}");
            assert!(matches!(objects.get(key).await, Err(ObjectError::Missing(_))), "{key}");
        }
        let base = objects.url("");
        for url in ["../secret", "a/../b", "", "/open", "./open"].map(|key| format!("{base}{key}")) {
            assert_eq!(objects.key(&url), None, "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_put_as_new_stays_and_a_file_that_is_cut_short_was_exchanged() {
        let (folder, objects) = folder();
        objects.put_new("a", b"first".to_vec()).await.unwrap();
        objects.put_new("a", b"second".to_vec()).await.unwrap();
        assert_eq!(objects.get("a").await.unwrap(), b"first");

        objects.put("b", vec![b'x'; 1_000_000]).await.unwrap();
        let reading = objects.read("b", None, None).await.unwrap();
        fs::write(folder.path().join("here/b"), "").unwrap();
        let read: Result<Vec<_>, _> = reading.try_collect().await;
        assert!(matches!(read, Err(ObjectError::Changed(_))), "{read:?}");
    }
}
