//! Damaged packs heal by themselves: `verify --data` says so in an act, and the next backup stores again what was in them.

use crate::support::fixtures;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SERVER: &str = "se-4.6.11-json";

fn segvault(repository: &Path, line: &str, paths: &[&Path], code: i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segvault"));
    command.arg("-r").arg(repository).args(line.split(' ')).args(paths);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

fn packs(repository: &Path) -> Vec<PathBuf> {
    let directories = fs::read_dir(repository.join("packs")).unwrap();
    directories
        .flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect()
}

#[test]
fn the_next_backup_stores_again_what_was_in_damaged_packs() {
    let room = tempfile::tempdir().unwrap();
    let (repository, target) = (room.path().join("repository"), room.path().join("target"));
    let data = fixtures::dir(SERVER).join("data");
    segvault(&repository, "init", &[], 0);
    for _ in 0..3 {
        segvault(&repository, "backup --no-control-db --source node --data-dir", &[&data], 0);
    }
    for pack in packs(&repository) {
        let mut bytes = fs::read(&pack).unwrap();
        bytes[100] ^= 1;
        fs::write(&pack, bytes).unwrap();
    }
    segvault(&repository, "restore latest --target", &[&target], 20);
    segvault(&repository, "verify --data", &[], 20);
    segvault(&repository, "backup --no-control-db --source node --data-dir", &[&data], 0);
    segvault(&repository, "restore 1 --target", &[&target], 0);
    for entry in fs::read_dir(target.join("data/default")).unwrap() {
        let restored = entry.unwrap().path();
        let original = data.join("default").join(restored.file_name().unwrap());
        assert!(fs::read(&restored).unwrap() == fs::read(original).unwrap(), "{}", restored.display());
    }
}
