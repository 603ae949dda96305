//! Fetches MovieLens data sets from GroupLens: resumable, verified, and put in place in one step.
//!
//! While it runs the bytes are in `NAME.zip.part` (and the server's tag for them in `NAME.zip.part.etag`); `NAME.zip`
//! appears only when its MD5 is right. A fetch that was cut off is taken up where it ended by the next.
//!
//! The checksums are GroupLens' own, which are MD5. They show that a file arrived whole and is the one meant; against
//! a forger it is https that protects.

mod download;
mod known;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

pub use known::{Checksum, Known, datasets};

use download::{Client, digest_of};

/// Where GroupLens keeps its zips.
pub const BASE_URL: &str = "https://files.grouplens.org/datasets/movielens";

/// What to fetch, and where to put it.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// A name of [`datasets`].
    pub name: String,
    /// The folder for `NAME.zip`, made if there is none.
    pub out: PathBuf,
    /// [`BASE_URL`], or another server's for tests; `/NAME.zip` is appended.
    pub base_url: String,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The zip.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its MD5, in lower-case hexadecimal, as it was verified.
    pub md5: String,
    /// What it was verified against.
    pub checksum: Checksum,
    /// Whether it was there already, and nothing was fetched.
    pub already: bool,
    /// How many bytes an earlier fetch had left.
    pub resumed: u64,
}

/// Why a data set could not be fetched, each one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not a name of [`datasets`].
    #[error("there is no data set {name}; there are {}", known.join(", "))]
    UnknownName {
        /// As given.
        name: String,
        /// All the names.
        known: Vec<&'static str>,
    },
    /// A file could not be read or written.
    #[error("cannot use {}: {reason}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// No answer, or none that is HTTP.
    #[error("cannot fetch {url}: {reason}")]
    Request {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: Box<ureq::Error>,
    },
    /// An answer that is a refusal.
    #[error("cannot fetch {url}: the server answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP status code.
        status: u16,
    },
    /// The file beside the zip is not there or holds no MD5.
    #[error("{url} holds no MD5 to check against, so nothing was fetched")]
    NoChecksum {
        /// The `.md5` file.
        url: String,
    },
    /// The connection ended before the file did.
    #[error("the connection ended after {got} of {} bytes; run it again to go on from there", total.map_or("unknown".to_owned(), |total| total.to_string()))]
    Interrupted {
        /// Bytes that are kept.
        got: u64,
        /// Bytes there should be, where the server said.
        total: Option<u64>,
    },
    /// More bytes than any of the data sets has.
    #[error("{url} is longer than {limit} bytes, which no data set here is")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// Bytes.
        limit: u64,
    },
    /// The whole file came, and is not the one meant.
    #[error("{url} has MD5 {got} and should have {expected}; what came was removed")]
    WrongChecksum {
        /// What was asked for.
        url: String,
        /// Of what came.
        got: String,
        /// Pinned or published.
        expected: String,
    },
    /// A file of that name is there, with other content.
    #[error("{} is there, but its MD5 is {got} and not {expected}; move it away to fetch it anew", path.display())]
    OtherFile {
        /// The zip that is there.
        path: PathBuf,
        /// Of that zip.
        got: String,
        /// Pinned or published.
        expected: String,
    },
    /// Another process holds the partial file.
    #[error("{} is being fetched by another process", path.display())]
    Busy {
        /// The zip.
        path: PathBuf,
    },
}

/// Fetches a data set, or recognises that it is there: then nothing is transferred but the checksum, where that is a
/// published one.
///
/// `progress` gets the length and position in bytes. An existing `NAME.zip` is never replaced.
///
/// # Errors
///
/// [`FetchError`]; after [`FetchError::Interrupted`] and [`FetchError::Request`] the next call resumes.
pub fn fetch(request: &FetchRequest, progress: &ProgressBar) -> Result<Fetched, FetchError> {
    let known = datasets().iter().find(|known| known.name == request.name);
    let known = known.ok_or_else(|| FetchError::UnknownName {
        name: request.name.clone(),
        known: datasets().iter().map(|known| known.name).collect(),
    })?;
    fetch_known(known, request, progress)
}

fn fetch_known(known: &Known, request: &FetchRequest, progress: &ProgressBar) -> Result<Fetched, FetchError> {
    fs::create_dir_all(&request.out).map_err(io_error(&request.out))?;
    let url = format!("{}/{}.zip", request.base_url.trim_end_matches('/'), known.name);
    let client = Client::new(&url);
    let expected = match known.checksum {
        Checksum::Pinned(md5) => md5.to_owned(),
        Checksum::Published => client.published_md5(&format!("{url}.md5"))?,
    };
    let path = request.out.join(format!("{}.zip", known.name));
    let fetched = |bytes, already, resumed| {
        let (path, checksum) = (path.clone(), known.checksum);
        Ok(Fetched { path, bytes, md5: expected.clone(), checksum, already, resumed })
    };
    if let Some((bytes, got)) = digest_of(&path)? {
        if got == expected {
            return fetched(bytes, true, 0);
        }
        return Err(FetchError::OtherFile { path, got, expected });
    }
    let part = request.out.join(format!("{}.zip.part", known.name));
    let file = open_part(&part, &path)?;
    let arrived = match client.download(&part, file, progress) {
        Err(error) => {
            let nothing_came = fs::metadata(&part).is_ok_and(|part| part.len() == 0);
            return if nothing_came { remove(&part).and(Err(error)) } else { Err(error) };
        }
        arrived => arrived?,
    };
    if arrived.md5 != expected {
        // Kept, it would be resumed for ever.
        remove(&part)?;
        return Err(FetchError::WrongChecksum { url, got: arrived.md5, expected });
    }
    arrived.file.sync_all().map_err(io_error(&part))?;
    fs::rename(&part, &path).map_err(io_error(&path))?;
    // The file is whole and in place; a tag that stays behind is of no consequence.
    let _ = fs::remove_file(download::tag_path(&part));
    progress.finish();
    fetched(arrived.bytes, false, arrived.resumed)
}

/// What [`progress_bar`] shows.
const BAR: &str = "{bytes:>11} of {total_bytes} {wide_bar} {bytes_per_sec} {eta}";

/// A bar for [`fetch`]: bytes, rate and the time left, on standard error; nothing where that is no terminal.
#[must_use]
pub fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Opens the partial file for this process alone.
fn open_part(part: &Path, path: &Path) -> Result<File, FetchError> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(part);
    let file = file.map_err(io_error(part))?;
    match file.try_lock() {
        // Finished meanwhile: then it is the finished file that was opened and locked.
        Ok(()) if path.exists() => Err(FetchError::Busy { path: path.to_owned() }),
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_error(part)(error)),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |reason| FetchError::Io { path, reason }
}

/// Removes a partial file and its tag.
fn remove(part: &Path) -> Result<(), FetchError> {
    for path in [part, &download::tag_path(part)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// What [`Client::download`] left on disk.
struct Arrived {
    /// Still locked.
    file: File,
    bytes: u64,
    md5: String,
    resumed: u64,
}
