//! The name under which a source is archived.

use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::error::Error;
use crate::repo::format::limits::NAME_MAX;

/// The name that the user gave, or else its own.
pub fn of(own: String, options: &BackupOptions) -> Result<String, Error> {
    let name = options.source.clone().unwrap_or(own);
    if (1..=NAME_MAX).contains(&name.len()) {
        return Ok(name);
    }
    Err(Error::Backup(backup::Error::BadName { length: name.len(), limit: NAME_MAX }))
}
