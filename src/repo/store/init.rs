//! Making a repository. `segvault.json` comes last: until it is there, there is no repository.

use crate::repo::disk::Disk;
use crate::repo::disk::Guard;
use crate::repo::disk::Listed;
use crate::repo::error::Error;
use crate::repo::format::config::Config;
use crate::repo::paths;
use crate::repo::store::locks;
use crate::repo::store::read::OpenOptions;
use crate::repo::store::staging::Staging;

/// Makes a repository in a directory that is missing or empty; what a crash left of an earlier try does not count.
pub(super) fn init(disk: &dyn Disk, config: &Config) -> Result<(), Error> {
    refuse_what_is_there(disk)?;
    let _writer = make_directories(disk)?;
    let mut staging = Staging::open(disk)?;
    let bytes = config.encode();
    let staged = staging.write(&bytes)?;
    // Durable before the name: whoever sees the file finds the directories.
    sync(disk, "")?;
    if !staging.publish(&staged, paths::CONFIG, bytes.len() as u64)? {
        return Err(Error::NotEmpty { path: disk.display("") });
    }
    staging.sync_directories().map(|_| ())
}

fn make_directories(disk: &dyn Disk) -> Result<Box<dyn Guard>, Error> {
    create(disk, "")?;
    create(disk, paths::LOCKS)?;
    let writer = locks::writer(disk, &OpenOptions::default())?;
    for directory in paths::DIRECTORIES {
        create(disk, directory)?;
    }
    Ok(writer)
}

fn create(disk: &dyn Disk, path: &str) -> Result<(), Error> {
    disk.create_directory(path).map(|_| ()).map_err(|source| Error::writing(disk.display(path), source))
}

fn sync(disk: &dyn Disk, path: &str) -> Result<(), Error> {
    disk.sync_directory(path).map_err(|source| Error::writing(disk.display(path), source))
}

fn refuse_what_is_there(disk: &dyn Disk) -> Result<(), Error> {
    for listed in paths::list(disk, "")? {
        if !is_left_over(disk, &listed)? {
            return Err(Error::NotEmpty { path: disk.display("") });
        }
    }
    Ok(())
}

/// What an earlier try may have left: our own directories, with nothing in them but locks and files in staging.
fn is_left_over(disk: &dyn Disk, listed: &Listed) -> Result<bool, Error> {
    if !listed.is_directory {
        return Ok(false);
    }
    let ours: fn(&str) -> bool = match listed.name.as_str() {
        "lost+found" => return Ok(true),
        paths::LOCKS => |name| name == "writer",
        paths::STAGING => |name| name == "1.new",
        name if paths::DIRECTORIES.contains(&name) => |_| false,
        _ => return Ok(false),
    };
    Ok(paths::list(disk, &listed.name)?.iter().all(|inner| !inner.is_directory && ours(&inner.name)))
}
