//! What the readers' tests share: sources on disk, and the sentence of an error.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{DataError, Dataset, ReadOptions, read};

/// A folder with these files.
pub(super) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// The bytes of a zip with these members.
pub(super) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(super) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Reads a folder with these files.
pub(super) fn read_files(files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    read_path(folder(files).path())
}

pub(super) fn read_path(path: &Path) -> Result<Dataset, DataError> {
    read(path, &ReadOptions::default())
}

/// Reads a folder with these files, skipping bad rows.
pub(super) fn read_skipping(files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    read(folder(files).path(), &ReadOptions { skip_bad_rows: true, ..ReadOptions::default() })
}

/// What is said when these files are read, which must fail.
pub(super) fn sentence(files: &[(&str, &[u8])]) -> String {
    read_files(files).unwrap_err().to_string()
}

/// `user item value time` of each event, ids in place of indices.
pub(super) fn events(data: &Dataset) -> Vec<String> {
    let line = |event: &super::Event| {
        let (user, item) = (&data.users[event.user as usize], &data.items[event.item as usize].id);
        format!("{user} {item} {} {}", event.value, event.time)
    };
    data.events.iter().map(line).collect()
}

/// `id|title|year|genres` of each item.
pub(super) fn items(data: &Dataset) -> Vec<String> {
    let line = |item: &super::ItemMeta| {
        let genres: Vec<_> = item.genres.iter().map(|&genre| data.genres[genre as usize].as_str()).collect();
        format!("{}|{}|{}|{}", item.id, item.title, item.year, genres.join(","))
    };
    data.items.iter().map(line).collect()
}
