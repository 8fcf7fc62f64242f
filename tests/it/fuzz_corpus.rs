//! The corpora of fuzz/ are replayed, and each of their files with a few thousand random changes: no reader panics, whatever it is given.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/targets.rs"]
mod targets;

const CHANGES: usize = 300;

fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds nothing", directory.display());
    files
}

/// Flips, cuts, doubles and overwrites parts, as a fuzzer does.
fn changed(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(0..=bytes.len().saturating_sub(1));
        match random.u8(0..5) {
            _ if bytes.is_empty() => bytes.push(random.u8(..)),
            0 => bytes[at] ^= 1 << random.u8(0..8),
            1 => bytes.truncate(at),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.usize(0..5)],
            3 => {
                let part = bytes[at..(at + random.usize(1..64)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let end = (at + random.usize(1..16)).min(bytes.len());
                bytes[at..end].iter_mut().for_each(|byte| *byte = random.u8(..));
            }
        }
    }
    bytes
}

#[test]
fn no_reader_panics_on_its_corpus_nor_near_it() {
    let mut random = fastrand::Rng::with_seed(8);
    for (name, target) in targets::ALL {
        for file in corpus(name) {
            let bytes = fs::read(&file).unwrap();
            target(&bytes);
            for _ in 0..CHANGES {
                target(&changed(&bytes, &mut random));
            }
        }
    }
}

#[test]
fn the_corpus_of_histories_is_played_against_the_model() {
    for file in corpus("history") {
        crate::model::play(&fs::read(&file).unwrap());
    }
}
