//! What can be wrong with a source, each as one sentence that names the file.

use std::io;
use std::path::PathBuf;

/// The names and headers that [`DataError::Unrecognised`] lists.
const LOOKED_FOR: &str = "ratings.csv (MovieLens: userId, movieId, rating), ratings.dat, u.data, a csv with USER_ID, \
    ITEM_ID and TIMESTAMP (Amazon Personalize), NAME.inter (RecBole), NAME.train.rating (NCF) and train.txt (LightGCN)";

/// The item formats that [`DataError::NoItems`] lists.
const ITEMS_LOOKED_FOR: &str = "a csv with movieId and title (MovieLens), movies.dat, u.item, a csv with ITEM_ID \
    (Amazon Personalize) and NAME.item (RecBole)";

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Nothing at that path.
    #[error("there is no file or folder {}", path.display())]
    NotFound {
        /// As given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read {file}: {reason}")]
    Io {
        /// The file's name.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A zip or gzip that does not unpack.
    #[error("{file} is damaged or incomplete: {reason}")]
    Corrupt {
        /// The archive or its member.
        file: String,
        /// What the unpacker said.
        reason: String,
    },
    /// A zip that is encrypted, or compressed otherwise than by deflate.
    #[error("{file} is packed in a way that is not read here: {reason}")]
    Unsupported {
        /// The archive or its member.
        file: String,
        /// What the unpacker said.
        reason: String,
    },
    /// A compressed file that unpacks to more than is ever read.
    #[error("{file} unpacks to more than {limit} bytes, and no more than that is read")]
    TooLarge {
        /// The compressed file or archive member.
        file: String,
        /// Bytes after unpacking.
        limit: u64,
    },
    /// A line that no table has.
    #[error("{file}, line {line}: the line is longer than {limit} bytes, so this is not a text table")]
    LineTooLong {
        /// The file's name.
        file: String,
        /// From 1.
        line: u64,
        /// Bytes.
        limit: usize,
    },
    /// Nothing in the file, or blank lines alone.
    #[error("{file} is empty")]
    Empty {
        /// The file's name.
        file: String,
    },
    /// A header and nothing below it.
    #[error("{file} has a header but no rows")]
    NoRows {
        /// The file's name.
        file: String,
    },
    /// Bad rows were skipped, and that was all of them.
    #[error("{file} has no good row: all {rows} are bad, the first one: {first}")]
    AllRowsBad {
        /// The file's name.
        file: String,
        /// How many were skipped.
        rows: u64,
        /// The first bad row's own sentence.
        first: String,
    },
    /// No file of a known format.
    #[error("no interactions found in {}; looked for {LOOKED_FOR}", path.display())]
    Unrecognised {
        /// The folder, file or zip.
        path: PathBuf,
    },
    /// No item metadata of a known format.
    #[error("no item metadata found in {}; looked for {ITEMS_LOOKED_FOR}", path.display())]
    NoItems {
        /// The folder, file or zip.
        path: PathBuf,
    },
    /// Several files fit, and choosing is not ours.
    #[error("{} holds more than one data set ({}); name one of them", path.display(), candidates.join(", "))]
    Ambiguous {
        /// The folder, file or zip.
        path: PathBuf,
        /// The files that fit.
        candidates: Vec<String>,
    },
    /// The header lacks a column that the format needs.
    #[error("{file} has no column {column}; its columns are {}", columns.join(", "))]
    MissingColumn {
        /// The file's name.
        file: String,
        /// The column that is needed.
        column: String,
        /// The header's columns.
        columns: Vec<String>,
    },
    /// A row that cannot be taken as it is.
    #[error("{file}, line {line}{}: {problem}", column.as_ref().map(|c| format!(", column {c}")).unwrap_or_default())]
    BadRow {
        /// The file's name.
        file: String,
        /// From 1; of a row that spans lines, the first.
        line: u64,
        /// Where one column is at fault.
        column: Option<String>,
        /// What is wrong with it, quoting it.
        problem: String,
    },
    /// NCF's two test files do not belong together.
    #[error("{negatives} does not belong to {ratings}: {problem}")]
    Unpaired {
        /// The `.test.rating` file.
        ratings: String,
        /// The `.test.negative` file.
        negatives: String,
        /// Which line, and what each file says there.
        problem: String,
    },
    /// More than the indices of a [`Dataset`](super::Dataset) can count.
    #[error("{file} has more {what} than can be counted ({limit})")]
    TooMany {
        /// The file's name.
        file: String,
        /// `users`, `items` or `events`.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
}
