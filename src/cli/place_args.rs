//! How restored files are laid out, and whose they are.

use crate::axon::name::Store;
use crate::cli::failure::Failure;
use crate::engine::restore::{Access, Layout};
use crate::source::storage::Properties;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is restored beside the history, and with which owner and modes.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct PlaceArgs {
    /// Restore index and bloom files, too, of stores that have all of them
    #[arg(long)]
    pub with_indexes: bool,
    /// Restore replication logs, too
    #[arg(long)]
    pub with_replication_log: bool,
    /// Give everything that is written to this user and group, by their numbers
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    pub owner: Option<(u32, u32)>,
    /// Lay everything out as this axonserver.properties says, absolute paths below the target, too
    #[arg(long, value_name = "FILE")]
    pub properties: Option<PathBuf>,
    /// Mode of files
    #[arg(long, value_name = "OCTAL", value_parser = mode, default_value = "0600")]
    pub file_mode: u32,
    /// Mode of directories
    #[arg(long, value_name = "OCTAL", value_parser = mode, default_value = "0700")]
    pub directory_mode: u32,
}

impl PlaceArgs {
    /// As a restore has it if nothing is said.
    pub(super) fn usual() -> Self {
        Self {
            with_indexes: false,
            with_replication_log: false,
            owner: None,
            properties: None,
            file_mode: 0o600,
            directory_mode: 0o700,
        }
    }

    /// Owner and modes.
    pub fn access(&self) -> Access {
        Access { owner: self.owner, files: self.file_mode, directories: self.directory_mode }
    }

    /// Where things go below the target.
    pub(super) fn layout(&self) -> Result<Layout, Failure> {
        self.properties.as_deref().map_or_else(|| Ok(Layout::default()), layout)
    }
}

fn layout(path: &Path) -> Result<Layout, Failure> {
    let properties = Properties::read(path)?;
    let mut stores = BTreeMap::new();
    for (key, text) in properties.own()? {
        stores.insert(key, below_target(&text)?);
    }
    Ok(Layout {
        events: below_target(&properties.storage(Store::Events)?)?,
        snapshots: below_target(&properties.storage(Store::Snapshots)?)?,
        control_db: below_target(&properties.control_db()?)?,
        replication_log: below_target(&properties.replication_log()?)?,
        stores,
    })
}

/// A server's path as one below the target: its root is there.
fn below_target(text: &str) -> Result<String, Failure> {
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || text.contains('\0') {
        let message = format!("{text} leads out of the target");
        return Err(Failure::Usage { message, hint: "write paths that go down only" });
    }
    Ok(parts.join("/"))
}

fn owner(text: &str) -> Result<(u32, u32), String> {
    // All bits set means "leave it as it is" to the system, and is nobody's number.
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number != u32::MAX);
    let pair = text.split_once(':').and_then(|(user, group)| Some((number(user)?, number(group)?)));
    pair.ok_or_else(|| format!("'{text}' is no owner: give two numbers, like 1000:1000"))
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| format!("'{text}' is no mode: give octal digits, like 0640"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_server_is_the_target() {
        let below = |text: &str| below_target(text).ok();
        assert_eq!(below("/axonserver/./events/"), Some("axonserver/events".to_owned()));
        assert_eq!((below("./data"), below(".")), (Some("data".to_owned()), Some(String::new())));
        assert_eq!((below("../data"), below("/a/../b")), (None, None));
    }

    #[test]
    fn owners_and_modes_are_numbers() {
        assert_eq!(owner("1000:42"), Ok((1000, 42)));
        for wrong in ["axon:axon", "1000", ":", "1:", "-1:0", "4294967295:0", "1:2:3"] {
            assert!(owner(wrong).is_err(), "{wrong}");
        }
        assert_eq!((mode("0640"), mode("755")), (Ok(0o640), Ok(0o755)));
        for wrong in ["", "0648", "17777", "u+r"] {
            assert!(mode(wrong).is_err(), "{wrong}");
        }
    }
}
