//! Where the configuration is.

use crate::cli::config::error::Error;
use crate::cli::text_file;
use std::path::{Path, PathBuf};

/// The environment variable that names the file.
pub(in crate::cli) const CONFIG_VARIABLE: &str = "SEGVAULT_CONFIG";
/// The environment variable that names the profile.
pub(in crate::cli) const PROFILE_VARIABLE: &str = "SEGVAULT_PROFILE";

/// Where it is looked for when none is named: the user's, then the machine's. Never in the working directory: hooks are commands, and whoever
/// changes into a foreign directory does not mean to run any.
pub(super) fn usual() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let users = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let machine = PathBuf::from("/etc");
    users.into_iter().chain([machine]).map(|place| place.join("segvault/segvault.toml")).collect()
}

/// The text of the file that was named, or of the first that is there.
pub(super) fn read(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, Error> {
    let unreadable = |path: &Path, source| Error::Unreadable { path: path.to_path_buf(), source };
    if let Some(path) = named {
        let text = text_file::read(path).map_err(|source| unreadable(path, source))?;
        return Ok(Some((path.to_path_buf(), text)));
    }
    for path in usual() {
        match text_file::read(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Another user's home, which an unprivileged program was started with: nothing in it is meant.
            Err(error) if is_out_of_reach(&path, &error) => {}
            Err(source) => return Err(unreadable(&path, source)),
        }
    }
    Ok(None)
}

/// Whether not even that a file is there can be told.
fn is_out_of_reach(path: &Path, error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied && path.symlink_metadata().is_err()
}
