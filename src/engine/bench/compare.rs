//! What was restored, beside what was there: the same bytes up to the end; zeros behind it are nothing.

use crate::engine::bench::error::Error;
use crate::engine::bench::shelf::files_below;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

const WINDOW: usize = 64 << 10;

/// What is not equal, for people; none if all is. Tools restore below the target in their own way: a file is known by the end of its path.
pub(super) fn difference(node: &Path, files: &[PathBuf], target: &Path) -> Result<Option<String>, Error> {
    if !target.exists() {
        return Ok(Some("nothing was restored".to_owned()));
    }
    let restored = files_below(target)?;
    for file in files {
        let Some(found) = restored.iter().find(|path| path.ends_with(file)) else {
            return Ok(Some(format!("{} was not restored", file.display())));
        };
        if let Some(at) = differ(&node.join(file), found).map_err(Error::of(found))? {
            return Ok(Some(format!("{} differs at byte {at}", file.display())));
        }
    }
    Ok(None)
}

/// Where two files differ first.
fn differ(one: &Path, other: &Path) -> io::Result<Option<u64>> {
    let (mut one, mut other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    let mut at = 0;
    loop {
        let (left, right) = (window(&mut one)?, window(&mut other)?);
        let length = left.len().max(right.len());
        if length == 0 {
            return Ok(None);
        }
        let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
        if left != right
            && let Some(place) = (0..length).find(|place| byte(&left, *place) != byte(&right, *place))
        {
            return Ok(Some(at + place as u64));
        }
        at += length as u64;
    }
}

fn window(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(WINDOW as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::difference;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn a_target_that_is_not_there_is_told() {
        let room = tempfile::tempdir().unwrap();
        let told = difference(room.path(), &[PathBuf::from("file")], &room.path().join("target")).unwrap();
        assert_eq!(told.as_deref(), Some("nothing was restored"));
    }

    #[test]
    fn zeros_behind_the_end_are_nothing_and_everything_else_is_told() {
        let room = tempfile::tempdir().unwrap();
        let (node, target) = (room.path().join("node"), room.path().join("target/far/down"));
        let file = PathBuf::from("data/a/0.events");
        for root in [&node, &target] {
            fs::create_dir_all(root.join("data/a")).unwrap();
        }
        fs::write(node.join(&file), [vec![7; 70_000], vec![0; 9]].concat()).unwrap();
        let told = |restored: &[u8]| {
            fs::write(target.join(&file), restored).unwrap();
            difference(&node, std::slice::from_ref(&file), &room.path().join("target")).unwrap()
        };
        assert_eq!(told(&vec![7; 70_000]), None);
        assert_eq!(told(&[vec![7; 70_000], vec![0; 100_000]].concat()), None);
        assert_eq!(told(&vec![7; 69_999]).unwrap(), "data/a/0.events differs at byte 69999");
        assert_eq!(
            told(&[vec![7; 70_000], vec![1]].concat()).unwrap(),
            "data/a/0.events differs at byte 70000"
        );
        fs::remove_file(target.join(&file)).unwrap();
        assert_eq!(
            difference(&node, &[file], &room.path().join("target")).unwrap().unwrap(),
            "data/a/0.events was not restored"
        );
    }
}
