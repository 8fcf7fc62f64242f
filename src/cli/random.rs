//! Bytes that nobody can foretell, from the system.

use crate::cli::failure::Failure;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// So many of them.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Failure::File { path: path.to_path_buf(), source })?;
    Ok(bytes)
}
