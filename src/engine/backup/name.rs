//! The name under which a source is archived.

use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::error::Error;
use crate::repo::format::limits::NAME_MAX;
use crate::repo::format::record::LogKey;

/// The name that the user gave, or else its own.
pub fn of(own: String, options: &BackupOptions) -> Result<String, Error> {
    let name = options.source.clone().unwrap_or(own);
    if (1..=NAME_MAX).contains(&name.len()) {
        return Ok(name);
    }
    Err(Error::Backup(backup::Error::BadName { length: name.len(), limit: NAME_MAX }))
}

/// The same; but a directory that was archived while its name ended with a slash keeps that name.
pub fn archived(logs: &[LogKey], own: String, options: &BackupOptions) -> Result<String, Error> {
    let name = of(own, options)?;
    if options.source.is_some() {
        return Ok(name);
    }
    let with_slash = format!("{name}/");
    let is_known = |name: &str| logs.iter().any(|log| log.source == name);
    Ok(if !is_known(&name) && is_known(&with_slash) { with_slash } else { name })
}
