//! Names from a manifest become paths only here: none may lead outside the target, none may be another one's twin.

use crate::engine::restore::error::Error;
use std::collections::BTreeSet;

/// The longest name that file systems take, in bytes.
const NAME_MAX: usize = 255;

/// Refuses what is not the plain name of one file or directory.
pub fn plain(name: &str) -> Result<&str, Error> {
    match fault(name) {
        Some(why) => Err(Error::UnsafeName { name: name.to_owned(), why }),
        None => Ok(name),
    }
}

fn fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "." | ".." => Some("leads to another directory"),
        _ if name.contains('/') => Some("has a separator in it"),
        _ if name.contains('\0') => Some("has a zero byte in it"),
        _ if name.len() > NAME_MAX => Some("is too long"),
        _ => None,
    }
}

/// Refuses two things at one place. Names that differ only in case are different: where a file system takes them for one, the second can't be
/// made, and nothing is restored.
pub fn distinct<'a>(places: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in places {
        if !seen.insert(name) {
            return Err(Error::UnsafeName { name: name.to_owned(), why: "is there twice" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{distinct, plain};

    #[test]
    fn plain_names_are_taken_as_they_are() {
        for name in ["default", "axonserver-controldb.mv.db", "...", "a b", "Ünïcode@1", "-r", "a\\b", "%2F"]
        {
            assert_eq!(plain(name).unwrap(), name);
        }
    }

    #[test]
    fn nothing_leads_outside() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", "/", "/etc/passwd", "../x", "a/b", "a\0b", long.as_str()] {
            assert!(plain(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn twins_are_refused() {
        assert!(distinct(["default", "_admin", "Default"].into_iter()).is_ok());
        assert!(distinct(["a", "a"].into_iter()).is_err());
    }
}
