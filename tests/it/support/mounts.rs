//! File systems of their own, where the tests may mount some.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small file system in memory; gone with the value.
pub struct Mounted(PathBuf);

impl Mounted {
    /// None, with a message, where nothing can be mounted.
    pub fn at(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size}");
        if run("mount", &["-t", "tmpfs", "-o", &options, "segvault-test", path.to_str().unwrap()]) {
            return Some(Self(path.to_path_buf()));
        }
        eprintln!("nothing can be mounted here: a part of this test is left out");
        None
    }

    /// The same with other options: `ro`, `rw`.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(run("mount", &["-o", &options, self.0.to_str().unwrap()]), "{options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
