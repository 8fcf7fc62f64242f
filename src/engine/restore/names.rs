//! Names from a manifest become paths only here: none may lead outside the target, none may be another one's twin.

use crate::engine::restore::error::Error;
use std::collections::BTreeMap;

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
        _ if name.contains(['/', '\\']) => Some("has a separator in it"),
        _ if name.contains('\0') => Some("has a zero byte in it"),
        _ if name.len() > NAME_MAX => Some("is too long"),
        _ => None,
    }
}

/// Refuses names of one directory that are equal up to case: on some file systems they would be one file.
pub fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for name in names {
        if seen.insert(name.to_lowercase(), name).is_some() {
            return Err(Error::UnsafeName {
                name: name.to_owned(),
                why: "is there twice, or differs from another only in case",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{distinct, plain};

    #[test]
    fn plain_names_are_taken_as_they_are() {
        for name in ["default", "axonserver-controldb.mv.db", "...", "a b", "Ünïcode@1", "-r"] {
            assert_eq!(plain(name).unwrap(), name);
        }
    }

    #[test]
    fn nothing_leads_outside() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", "/", "/etc/passwd", "../x", "a/b", "a\\b", "a\0b", long.as_str()] {
            assert!(plain(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn twins_up_to_case_are_refused() {
        assert!(distinct(["default", "_admin", "billing"].into_iter()).is_ok());
        assert!(distinct(["default", "Default"].into_iter()).is_err());
        assert!(distinct(["straße", "STRASSE", "STRAßE"].into_iter()).is_err());
        assert!(distinct(["a", "a"].into_iter()).is_err());
    }
}
