//! Comparing what was restored with what was there, byte for byte.

use crate::cli::failure::Failure;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Files that are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Equal {
    /// How many.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

impl Equal {
    /// And these.
    pub(super) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// Compares two files.
pub(super) fn equal_file(expected: &Path, found: &Path) -> Result<Equal, Failure> {
    let read =
        |path: &Path| fs::read(path).map_err(|source| Failure::File { path: path.to_path_buf(), source });
    let (expected_bytes, found_bytes) = (read(expected)?, read(found)?);
    if expected_bytes != found_bytes {
        return Err(Failure::Differs { expected: expected.to_path_buf(), found: found.to_path_buf() });
    }
    Ok(Equal { files: 1, bytes: found_bytes.len() as u64 })
}

/// Compares the data files below two server roots: the same names, the same bytes.
pub(super) fn equal_data(expected: &Path, found: &Path) -> Result<Equal, Failure> {
    let list =
        |root: &Path| data_files(root).map_err(|source| Failure::File { path: root.to_path_buf(), source });
    let (expected_files, found_files) = (list(expected)?, list(found)?);
    if expected_files.keys().ne(found_files.keys()) {
        return Err(Failure::Differs { expected: expected.to_path_buf(), found: found.to_path_buf() });
    }
    let mut equal = Equal::default();
    for (expected, found) in expected_files.values().zip(found_files.values()) {
        equal.add(equal_file(expected, found)?);
    }
    Ok(equal)
}

/// Bytes of the data files below a server's root.
pub(super) fn data_bytes(root: &Path) -> io::Result<u64> {
    data_files(root)?.values().map(|path| Ok(fs::metadata(path)?.len())).sum()
}

fn data_files(root: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root.join("data/default"))? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), entry.path());
    }
    Ok(files)
}

/// Bytes of all files below a directory.
pub(super) fn size_of_tree(directory: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        sum += if kind.is_dir() { size_of_tree(&entry.path())? } else { kind.len() };
    }
    Ok(sum)
}
