//! One file over HTTP into a partial file on disk, which a later call completes (RFC 9110, section 14).

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use md5::{Digest, Md5};
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body};

use super::known::md5_in;
use super::{Arrived, FetchError, io_error, remove};

/// A connection that is silent for this long is given up; what came is kept.
const SILENCE: Duration = Duration::from_secs(30);

/// Most bytes that are fetched: four times ml-25m, the longest of the zips.
const MAX_BYTES: u64 = 1 << 30;

/// Most bytes of an `.md5` file that are looked at; one is under a hundred.
const MAX_MD5_FILE: u64 = 4 << 10;

/// Bytes copied at a time.
const BUFFER: usize = 64 << 10;

pub(super) struct Client {
    agent: Agent,
    url: String,
}

/// The file that holds the server's tag for the bytes of `part`.
pub(super) fn tag_path(part: &Path) -> PathBuf {
    let mut path = part.as_os_str().to_owned();
    path.push(".etag");
    path.into()
}

/// A file's size and MD5; None if there is none.
pub(super) fn digest_of(path: &Path) -> Result<Option<(u64, String)>, FetchError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io_error(path))?,
    };
    let mut hash = Hashing::default();
    let bytes = io::copy(&mut { file }, &mut hash).map_err(io_error(path))?;
    Ok(Some((bytes, hash.hex())))
}

impl Client {
    /// For one zip's address. From an https address no redirect leads to http.
    pub(super) fn new(url: &str) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(url.starts_with("https:"))
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("marquee/", env!("CARGO_PKG_VERSION")));
        if url.starts_with("http://127.0.0.1:") {
            // A test's server is no proxy's business.
            config = config.proxy(None);
        }
        Self { agent: config.build().into(), url: url.to_owned() }
    }

    /// The MD5 that an `.md5` file holds.
    pub(super) fn published_md5(&self, url: &str) -> Result<String, FetchError> {
        let mut response = self.agent.get(url).call().map_err(request_error(url))?;
        match response.status().as_u16() {
            200 => {}
            404 | 410 => return Err(FetchError::NoChecksum { url: url.to_owned() }),
            status => return Err(FetchError::Status { url: url.to_owned(), status }),
        }
        let mut text = Vec::new();
        let read = response.body_mut().as_reader().take(MAX_MD5_FILE).read_to_end(&mut text);
        read.map_err(|error| request_error(url)(error.into()))?;
        md5_in(&String::from_utf8_lossy(&text)).ok_or_else(|| FetchError::NoChecksum { url: url.to_owned() })
    }

    /// Completes `part`, opened as `file`: from its end if the server can, else from the start.
    pub(super) fn download(
        &self,
        part: &Path,
        mut file: File,
        progress: &ProgressBar,
    ) -> Result<Arrived, FetchError> {
        let mut hash = Hashing::default();
        let mut held = io::copy(&mut file, &mut hash).map_err(io_error(part))?;
        let mut response = self.get(part, held)?;
        let total = match answer(&response, held) {
            Answer::Rest { total } => total,
            Answer::Complete => {
                return Ok(Arrived { file, bytes: held, md5: hash.hex(), resumed: held });
            }
            Answer::Whole { total } => {
                held = 0;
                total
            }
            Answer::OutOfStep => {
                held = 0;
                response = self.get(part, 0)?;
                match answer(&response, 0) {
                    Answer::Whole { total } => total,
                    _ => return Err(self.status(&response)),
                }
            }
            Answer::Refusal => return Err(self.status(&response)),
        };
        if held == 0 {
            hash = Hashing::default();
            file.set_len(0).and_then(|()| file.rewind()).map_err(io_error(part))?;
            keep_tag(part, response.headers()).map_err(io_error(&tag_path(part)))?;
        }
        progress.set_position(held);
        if let Some(total) = total {
            progress.set_length(total);
        }
        let (mut got, mut body, mut buffer) = (held, response.into_body().into_reader(), vec![0; BUFFER]);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => &buffer[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(FetchError::Interrupted { got, total }),
            };
            got += read.len() as u64;
            if got > MAX_BYTES {
                remove(part)?;
                return Err(FetchError::TooLarge { url: self.url.clone(), limit: MAX_BYTES });
            }
            file.write_all(read).and_then(|()| hash.write_all(read)).map_err(io_error(part))?;
            progress.set_position(got);
        }
        if total.is_some_and(|total| got < total) {
            return Err(FetchError::Interrupted { got, total });
        }
        Ok(Arrived { file, bytes: got, md5: hash.hex(), resumed: held })
    }

    /// Asks for the bytes from `held` on, if the file there is still the one that `held` bytes came from.
    fn get(&self, part: &Path, held: u64) -> Result<Response<Body>, FetchError> {
        let mut request = self.agent.get(&self.url);
        if held > 0 {
            request = request.header(header::RANGE, format!("bytes={held}-"));
            // Without a tag the checksum alone tells whether the two halves belong together.
            if let Ok(tag) = fs::read_to_string(tag_path(part)) {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        request.call().map_err(request_error(&self.url))
    }

    fn status(&self, response: &Response<Body>) -> FetchError {
        FetchError::Status { url: self.url.clone(), status: response.status().as_u16() }
    }
}

/// What the server makes of a request from byte `held` on.
enum Answer {
    /// The file from its start, as asked or in place of a part.
    Whole {
        total: Option<u64>,
    },
    /// The bytes from `held` on.
    Rest {
        total: Option<u64>,
    },
    /// There are `held` bytes and no more.
    Complete,
    /// A part that does not join on.
    OutOfStep,
    Refusal,
}

fn answer(response: &Response<Body>, held: u64) -> Answer {
    let text =
        |name| response.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    // `bytes 100-199/200`, `bytes */200`
    let range = text(header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes ")?.split_once('/'));
    let total = range.and_then(|(_, total)| total.parse().ok());
    match (response.status().as_u16(), range) {
        (200, _) => {
            Answer::Whole { total: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()) }
        }
        (206, Some((part, _)))
            if part.split('-').next().and_then(|start| start.parse().ok()) == Some(held) =>
        {
            Answer::Rest { total }
        }
        (416, _) if held > 0 && total == Some(held) => Answer::Complete,
        (206 | 416, _) if held > 0 => Answer::OutOfStep,
        _ => Answer::Refusal,
    }
}

/// Notes a strong entity tag for a later `If-Range`, which no weak one may stand in.
fn keep_tag(part: &Path, headers: &HeaderMap) -> io::Result<()> {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    match tag {
        Some(tag) => fs::write(tag_path(part), tag),
        None => match fs::remove_file(tag_path(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

fn request_error(url: &str) -> impl FnOnce(ureq::Error) -> FetchError {
    let url = url.to_owned();
    move |reason| FetchError::Request { url, reason: Box::new(reason) }
}

/// An MD5 that bytes are written to.
#[derive(Default)]
struct Hashing(Md5);

impl Hashing {
    /// Lower-case hexadecimal.
    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
