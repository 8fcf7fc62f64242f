//! Where a server's paths lead here: containers and hosts see other roots.
//!
//! A server's path is text until it has been normalised: `/./` and `//` are taken out, `..` is refused.

use crate::source::server::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Longer than any path.
const LENGTH_MAX: usize = 4096;

/// An absolute path as the server sees it: normalised, without `.` and `..`. `/` parts it on every system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerPath {
    /// Empty, or a drive like `C:`.
    drive: String,
    parts: Vec<String>,
}

impl ServerPath {
    /// Reads a path; none if it is not absolute, goes up (`..`), or holds control characters.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
            return None;
        }
        let (drive, rest) = split_drive(text);
        let rest = if drive.is_empty() { rest.to_owned() } else { rest.replace('\\', "/") };
        let parts: Vec<String> = rest
            .strip_prefix('/')?
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .map(str::to_owned)
            .collect();
        let goes_up = parts.iter().any(|part| part == "..");
        (!goes_up).then(|| Self { drive: drive.to_owned(), parts })
    }

    /// Its last part; none for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.parts.last().map(String::as_str)
    }

    /// The directory that it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parts) = self.parts.split_last()?;
        Some(Self { drive: self.drive.clone(), parts: parts.to_vec() })
    }

    /// What is left of it below `root`; none if it is not below.
    fn below(&self, root: &Self) -> Option<&[String]> {
        let rest = self.parts.strip_prefix(root.parts.as_slice())?;
        (self.drive.eq_ignore_ascii_case(&root.drive)).then_some(rest)
    }
}

impl fmt::Display for ServerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.drive, self.parts.join("/"))
    }
}

/// `C:` and the rest, if it begins so.
fn split_drive(text: &str) -> (&str, &str) {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), Some(':')) if letter.is_ascii_alphabetic() => text.split_at(2),
        _ => ("", text),
    }
}

/// A path of the server, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where it is.
    pub path: PathBuf,
    /// The directory that the user gave for it; none where the server's path is taken as it is.
    pub root: Option<PathBuf>,
}

/// Which roots of the server are which directories here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathMap(Vec<(ServerPath, PathBuf)>);

impl PathMap {
    /// Reads `SERVER=LOCAL` as often as it was given.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        texts.iter().map(|text| pair(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Where a path of the server leads: the longest root that fits counts. Without one it is the same path here.
    pub fn locate(&self, named: &ServerPath) -> Located {
        let fitting = self.0.iter().filter_map(|(root, local)| Some((root, local, named.below(root)?)));
        match fitting.max_by_key(|(root, ..)| root.parts.len()) {
            Some((_, local, rest)) => Located {
                path: local.iter().collect::<PathBuf>().join(rest.iter().collect::<PathBuf>()),
                root: Some(local.clone()),
            },
            None => Located { path: PathBuf::from(named.to_string()), root: None },
        }
    }
}

fn pair(text: &str) -> Result<(ServerPath, PathBuf), Error> {
    let wrong = |why| Error::PathMap { text: text.to_owned(), why };
    let (server, local) = text.split_once('=').ok_or_else(|| wrong("give SERVER=LOCAL"))?;
    let server = ServerPath::parse(server).ok_or_else(|| wrong("the server's path is not absolute"))?;
    if local.is_empty() {
        return Err(wrong("the local path is missing"));
    }
    Ok((server, PathBuf::from(local)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ServerPath {
        ServerPath::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_path_are_equal() {
        for text in
            ["/axonserver/./data//default/x", "/axonserver/data/./default/x", "//axonserver/data/default/x/"]
        {
            assert_eq!(path(text), path("/axonserver/data/default/x"), "{text}");
        }
        assert_eq!(path("C:\\axon\\data\\x").to_string(), "C:/axon/data/x");
        assert_eq!(path("/data/a\\b").file_name(), Some("a\\b"), "a name may hold anything here");
    }

    #[test]
    fn what_is_no_absolute_path_or_goes_up_is_none() {
        for text in ["", "data/x", "./data", "/a/../b", "/..", "/a/..", "/a\n/b", "<html>", "C:x", "{}"] {
            assert_eq!(ServerPath::parse(text), None, "{text}");
        }
        assert_eq!(ServerPath::parse(&"/a".repeat(3_000)), None);
    }

    #[test]
    fn the_longest_root_counts() {
        let texts = ["/axonserver=/srv/a", "/axonserver/data=/mnt/data", "/=/host"].map(str::to_owned);
        let map = PathMap::parse(&texts).unwrap();
        let at = |text: &str| map.locate(&path(text)).path;
        assert_eq!(at("/axonserver/data/default/x"), PathBuf::from("/mnt/data/default/x"));
        assert_eq!(at("/axonserver/./controldb1.zip"), PathBuf::from("/srv/a/controldb1.zip"));
        assert_eq!(at("/axonserver2/x"), PathBuf::from("/host/axonserver2/x"));
        let none = PathMap::default().locate(&path("/axonserver/x"));
        assert_eq!((none.path, none.root), (PathBuf::from("/axonserver/x"), None));
    }

    #[test]
    fn a_map_has_two_sides() {
        for text in ["/a", "a=/b", "/a=", "=/b", "/a/..=/b"] {
            assert!(matches!(PathMap::parse(&[text.to_owned()]), Err(Error::PathMap { .. })), "{text}");
        }
    }
}
