//! A folder, a file or a zip as a list of named members, each of which can be read line by line.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use super::DataError;
use super::lines::{Lines, read_error};

/// Most bytes that one compressed file may unpack to: 16 GiB, eighteen times ml-32m's ratings.csv.
const MAX_UNPACKED: u64 = 16 << 30;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// Where interactions and items come from.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    /// In order of name.
    members: Vec<Member>,
    archive: Option<ZipArchive<BufReader<File>>>,
    single: bool,
    max_unpacked: u64,
}

/// One file of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Lower-case file name without its folder and without `.gz`: what formats are recognised by.
    pub(super) name: String,
    /// The file name as it is, for messages.
    pub(super) label: String,
    /// Folder inside the source.
    pub(super) folder: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Disk(PathBuf),
    Zip(usize),
}

impl Member {
    fn new(label: &str, folder: &str, place: Place) -> Self {
        let lower = label.to_lowercase();
        let name = lower.strip_suffix(".gz").unwrap_or(&lower).to_owned();
        Self { name, label: label.to_owned(), folder: folder.to_owned(), place }
    }
}

impl Source {
    /// Looks at what is there; a zip's directory is read, no member yet.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        Self::open_within(path, MAX_UNPACKED)
    }

    fn open_within(path: &Path, max_unpacked: u64) -> Result<Self, DataError> {
        let io_error = |error| disk_error(path, error);
        let mut source =
            Self { path: path.to_owned(), members: Vec::new(), archive: None, single: false, max_unpacked };
        if fs::metadata(path).map_err(io_error)?.is_dir() {
            source.members = folder(path).map_err(io_error)?;
        } else if is_zip(path).map_err(io_error)? {
            let file = BufReader::new(File::open(path).map_err(io_error)?);
            let archive = ZipArchive::new(file).map_err(|error| zip_error(&label(path), error))?;
            source.members = zipped(&archive);
            source.archive = Some(archive);
        } else {
            source.members = vec![Member::new(&label(path), "", Place::Disk(path.to_owned()))];
            source.single = true;
        }
        source.members.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
        Ok(source)
    }

    /// The last component of the path.
    pub(super) fn name(&self) -> String {
        label(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is one file, and not a folder or zip.
    pub(super) fn is_single(&self) -> bool {
        self.single
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The file of that name in the same folder as `beside`; beside a single file, on disk.
    pub(super) fn companion(&self, beside: &Member, name: &str) -> Option<Member> {
        if self.single {
            let candidates = [name.to_owned(), format!("{name}.gz")];
            return candidates.iter().find_map(|name| {
                let path = self.path.with_file_name(name);
                path.is_file().then(|| Member::new(name, "", Place::Disk(path)))
            });
        }
        let name = name.to_lowercase();
        self.members.iter().find(|member| member.folder == beside.folder && member.name == name).cloned()
    }

    /// Starts to read a member.
    pub(super) fn lines(&mut self, member: &Member) -> Result<Lines<'_>, DataError> {
        let limit = self.max_unpacked;
        let file = member.label.clone();
        let (raw, in_zip): (Box<dyn Read + '_>, bool) = match (&member.place, &mut self.archive) {
            (Place::Zip(index), Some(archive)) => {
                let entry = archive.by_index(*index).map_err(|error| zip_error(&file, error))?;
                (Box::new(Limited::new(entry, limit)), true)
            }
            (Place::Disk(path), _) => {
                (Box::new(File::open(path).map_err(|error| disk_error(path, error))?), false)
            }
            (Place::Zip(_), None) => return Err(zip_error(&file, ZipError::FileNotFound)),
        };
        let mut raw = BufReader::with_capacity(BUFFER, raw);
        let start = raw.fill_buf().map_err(|error| read_error(&file, in_zip, error))?;
        if start.starts_with(&[0x1f, 0x8b]) {
            let unpacked = Limited::new(MultiGzDecoder::new(raw), limit);
            return Ok(Lines::new(file, Box::new(BufReader::with_capacity(BUFFER, unpacked)), true));
        }
        Ok(Lines::new(file, Box::new(raw), in_zip))
    }
}

/// Visible files of a folder; if it holds none but one folder, that one's.
fn folder(path: &Path) -> io::Result<Vec<Member>> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__MACOSX" {
            continue;
        }
        // Through links, as for the path itself; a dangling one is no file.
        match fs::metadata(entry.path()) {
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            Ok(_) => files.push(Member::new(&name, "", Place::Disk(entry.path()))),
            Err(_) => {}
        }
    }
    match (files.is_empty(), folders.as_slice()) {
        (true, [only]) => folder(only),
        _ => Ok(files),
    }
}

/// A zip's visible files, at its root or one folder down.
fn zipped(archive: &ZipArchive<BufReader<File>>) -> Vec<Member> {
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let Some(Ok(name)) = archive.name_for_index(index) else { continue };
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let hidden = file.is_empty() || file.starts_with('.') || folder == "__MACOSX" || folder.contains('/');
        if !hidden {
            members.push(Member::new(file, folder, Place::Zip(index)));
        }
    }
    members
}

fn is_zip(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    // Called a zip, it is treated as one: a download that was cut short or is an error page is then called damaged.
    Ok(start.starts_with(b"PK\x03\x04")
        || start.starts_with(b"PK\x05\x06")
        || path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("zip") && !start.is_empty()))
}

fn label(path: &Path) -> String {
    match path.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        // `.`, `..` and `/` have no last component of their own.
        None => match path.canonicalize().ok().as_deref().and_then(Path::file_name) {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.display().to_string(),
        },
    }
}

fn disk_error(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        io::ErrorKind::NotFound => DataError::NotFound { path: path.to_owned() },
        _ => DataError::Io { file: label(path), reason: error },
    }
}

fn zip_error(file: &str, error: ZipError) -> DataError {
    match error {
        ZipError::Io(error) => read_error(file, true, error),
        ZipError::InvalidArchive(reason) => {
            DataError::Corrupt { file: file.to_owned(), reason: reason.into_owned() }
        }
        error => DataError::Unsupported { file: file.to_owned(), reason: error.to_string() },
    }
}

/// The stream was longer than allowed; travels inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
pub(super) struct TooLarge {
    pub(super) limit: u64,
}

/// Reads up to a limit, and fails on the byte after it: the sizes that an archive declares prove nothing.
struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R> Limited<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(TooLarge { limit: self.limit })),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{folder as on_disk, gzipped, read_files, read_path, sentence, zipped};
    use super::*;

    const RATINGS: &[u8] = b"userId,movieId,rating,timestamp\n1,2,3.5,4\n";

    #[test]
    fn a_folder_a_file_a_gzip_and_a_zip_say_the_same() {
        let gzip = gzipped(RATINGS);
        let zip = zipped(&[
            ("ml/ratings.csv", RATINGS),
            ("__MACOSX/ratings.csv", b"x"),
            ("ml/._ratings.csv", b"x"),
        ]);
        let files = on_disk(&[
            ("plain/ratings.csv", RATINGS),
            ("nested/ml-x/ratings.csv", RATINGS),
            ("packed/Ratings.csv.gz", &gzip),
            ("data.zip", &zip),
            ("no-name-for-a-zip", &zip),
            ("zip-of-gzip.zip", &zipped(&[("ratings.csv.gz", &gzip)])),
        ]);
        let sources = ["plain", "plain/ratings.csv", "nested", "packed", "packed/Ratings.csv.gz", "data.zip"];
        for source in sources.into_iter().chain(["no-name-for-a-zip", "zip-of-gzip.zip"]) {
            let data = read_path(&files.path().join(source)).unwrap();
            assert_eq!(super::super::testing::events(&data), ["1 2 3.5 4000"], "{source}");
            assert_eq!(data.source, source.rsplit('/').next().unwrap());
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = read_path(Path::new("/no/such/thing")).unwrap_err();
        assert_eq!(error.to_string(), "there is no file or folder /no/such/thing");
        assert!(matches!(error, DataError::NotFound { .. }));
    }

    #[test]
    fn a_zip_cut_short_is_called_damaged() {
        let mut rows = RATINGS.to_vec();
        for row in 0..20_000 {
            rows.extend(format!("{row},{},3,{}\n", row % 777, row * 7919 % 100_003).into_bytes());
        }
        let zip = zipped(&[("ratings.csv", &rows)]);
        let files =
            on_disk(&[("cut.zip", &zip[..zip.len() / 2]), ("page.zip", b"<html>"), ("empty.zip", b"")]);
        let said = |name| read_path(&files.path().join(name)).unwrap_err().to_string();
        assert!(said("cut.zip").starts_with("cut.zip is damaged or incomplete: "), "{}", said("cut.zip"));
        assert!(said("page.zip").starts_with("page.zip is damaged or incomplete: "), "{}", said("page.zip"));
        assert_eq!(said("empty.zip"), "empty.zip is empty");
        let gzip = gzipped(&rows);
        let cut = sentence(&[("ratings.csv.gz", &gzip[..gzip.len() / 2])]);
        assert_eq!(cut, "ratings.csv.gz is damaged or incomplete: it ends too early");
    }

    #[test]
    fn a_compression_that_is_not_deflate_is_called_unsupported() {
        const BZIP2: u8 = 12;
        let mut zip = zipped(&[("ratings.csv", RATINGS)]);
        let directory = zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        (zip[8], zip[directory + 10]) = (BZIP2, BZIP2);
        let files = on_disk(&[("d.zip", &zip)]);
        let said = read_path(&files.path().join("d.zip")).unwrap_err().to_string();
        assert!(said.starts_with("ratings.csv is packed in a way that is not read here: "), "{said}");
    }

    #[test]
    fn any_flipped_byte_gives_an_error_or_the_same_data_and_no_panic() {
        let zip = zipped(&[
            ("ml/ratings.csv", RATINGS),
            ("ml/movies.csv", b"movieId,title,genres\n2,T (1999),A|B\n"),
        ]);
        let gzip = gzipped(RATINGS);
        for (name, packed) in [("d.zip", &zip), ("ratings.csv.gz", &gzip)] {
            for place in 0..packed.len() {
                let mut bytes = packed.clone();
                bytes[place] ^= 0x55;
                let files = on_disk(&[(name, &bytes)]);
                let _ = read_path(&files.path().join(name));
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let big = vec![b'\n'; 100_000];
        let files = on_disk(&[("a.zip", &zipped(&[("ratings.csv", &big)])), ("b.csv.gz", &gzipped(&big))]);
        for (name, member) in [("a.zip", "ratings.csv"), ("b.csv.gz", "b.csv.gz")] {
            let mut source = Source::open_within(&files.path().join(name), 99_999).unwrap();
            let first = source.members()[0].clone();
            let error = match source.lines(&first) {
                Ok(mut lines) => lines.next().unwrap_err(),
                Err(error) => error,
            };
            let want = format!("{member} unpacks to more than 99999 bytes, and no more than that is read");
            assert_eq!(error.to_string(), want);
            let mut source = Source::open_within(&files.path().join(name), 100_000).unwrap();
            assert!(source.lines(&first).unwrap().next().unwrap().is_none());
        }
    }

    #[test]
    fn a_folder_of_two_folders_is_not_searched() {
        let files = [("a/ratings.csv", RATINGS), ("b/ratings.csv", RATINGS)];
        assert!(matches!(read_files(&files), Err(DataError::Unrecognised { .. })));
        let zip = on_disk(&[("d.zip", &zipped(&files))]);
        assert!(matches!(read_path(&zip.path().join("d.zip")), Err(DataError::Ambiguous { .. })));
    }
}
