//! The control database's zip: taken apart, rebuilt bit by bit; and what its H2 file says of itself.
//!
//! The zip that the server writes is one deflate entry made by Java's `ZipOutputStream`: everything in it follows from the inner
//! file, its name and its DOS time. [`take_apart`] proves that before anybody drops the zip.

/// What rebuilds a zip from the file inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the entry, as in the zip (`axonserver-controldb.mv.db`).
    pub entry_name: String,
    /// DOS time and date, as in the zip (low word time, high word date).
    pub dos_time: u32,
    /// Length of the zip in bytes.
    pub zip_length: u64,
}

/// A zip, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenApart {
    /// Name of the entry.
    pub entry_name: String,
    /// The file inside.
    pub inner: Vec<u8>,
    /// How to rebuild the zip, proven; none if it was made by something else than Java's deflate: then the zip itself has to be kept.
    pub recipe: Option<Recipe>,
}

/// Why a file is not a control-db zip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// No zip at all, or a torn one.
    #[error("not a whole zip: {0}")]
    NotAZip(&'static str),
    /// The CRC-32 of the file inside does not fit.
    #[error("the CRC-32 of the file inside does not fit")]
    Checksum,
    /// Not one entry, or not a database.
    #[error("it holds {0}, not one H2 database")]
    Content(&'static str),
}

/// Takes a control-db zip apart and tries the recipe. `limit` bounds the bytes of the file inside (a zip bomb ends in an error).
pub fn take_apart(zip: &[u8], limit: u64) -> Result<TakenApart, ZipError> {
    let _ = (zip, limit);
    todo!()
}

/// Rebuilds the zip from the file inside. The caller compares its hash with that of the original.
pub fn rebuild(recipe: &Recipe, inner: &[u8]) -> Vec<u8> {
    let _ = (recipe, inner);
    todo!()
}

/// What an H2 MVStore file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// MVStore format: 1 up to Axon Server 2023, higher later.
    pub format: u64,
    /// The store's own version counter.
    pub version: u64,
    /// Milliseconds since 1970 at which the database was created.
    pub created: i64,
}

/// Reads the two header blocks: the valid copy with the higher version. None if neither is valid: then it is no H2 file.
pub fn facts(inner: &[u8]) -> Option<Facts> {
    let _ = inner;
    todo!()
}
