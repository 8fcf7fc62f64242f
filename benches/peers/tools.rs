//! The tools, each by its own command line, and what their processes use.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;
use wait4::Wait4;

/// What a process used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Seconds on the wall.
    pub wall: f64,
    /// MiB of memory at most.
    pub memory: f64,
}

impl Used {
    /// One after the other.
    pub fn then(self, next: Self) -> Self {
        Self { cpu: self.cpu + next.cpu, wall: self.wall + next.wall, memory: self.memory.max(next.memory) }
    }

    /// The least of each.
    pub fn least(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.min(other.cpu),
            wall: self.wall.min(other.wall),
            memory: self.memory.min(other.memory),
        }
    }
}

/// A tool, and how it is told to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Ours.
    Segvault(&'static str),
    /// restic.
    Restic,
    /// borg.
    Borg,
    /// rustic.
    Rustic,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Segvault("fast"),
        Self::Segvault("default"),
        Self::Segvault("high"),
        Self::Segvault("max"),
        Self::Restic,
        Self::Borg,
        Self::Rustic,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Segvault("fast") => "segvault fast",
            Self::Segvault("high") => "segvault high",
            Self::Segvault("max") => "segvault max",
            Self::Segvault(_) => "segvault default",
            Self::Restic => "restic",
            Self::Borg => "borg zstd,3",
            Self::Rustic => "rustic",
        }
    }

    /// Whether it is ours.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Segvault(_))
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Segvault(_) => env!("CARGO_BIN_EXE_segvault"),
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::Rustic => "rustic",
        }
    }

    const fn version_argument(self) -> &'static str {
        if matches!(self, Self::Restic) { "version" } else { "--version" }
    }

    /// Whether it is installed.
    pub fn is_there(self) -> bool {
        let mut command = Command::new(self.program());
        command.arg(self.version_argument()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Which one it is.
    pub fn version(self) -> String {
        let output = Command::new(self.program()).arg(self.version_argument()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
    }

    /// Makes a repository.
    pub fn init(self, repository: &Path) {
        match self {
            Self::Borg => self.run(repository, &["init", "--encryption=none"], Path::new(".")),
            _ => self.run(repository, &["init"], Path::new(".")),
        };
    }

    /// Backs up a node's directory.
    pub fn backup(self, repository: &Path, node: &Path) -> Used {
        match self {
            Self::Segvault(how) => self.run(
                repository,
                &[
                    "backup",
                    "--data-dir",
                    ".",
                    "--no-control-db",
                    "--source",
                    "bench",
                    "--compression",
                    how,
                    "-q",
                ],
                node,
            ),
            Self::Borg => {
                let number = std::fs::read_dir(repository.join("data/0")).map_or(0, Iterator::count);
                self.run(
                    repository,
                    &["create", "-C", "zstd,3", &format!("::{{now:%s%f}}{number}"), "."],
                    node,
                )
            }
            _ => self.run(repository, &["backup", "."], node),
        }
    }

    /// Restores the newest backup.
    pub fn restore(self, repository: &Path, target: &Path) -> Used {
        let into = target.to_str().unwrap();
        if self == Self::Borg {
            std::fs::create_dir_all(target).unwrap();
            let listed = self
                .command(repository, &["list", "--last", "1", "--short"], Path::new("."))
                .output()
                .unwrap();
            let archive = format!("::{}", String::from_utf8(listed.stdout).unwrap().trim());
            return self.run(repository, &["extract", &archive], target);
        }
        match self {
            Self::Segvault(_) => self.run(repository, &["restore", "--target", into, "-q"], Path::new(".")),
            Self::Rustic => self.run(repository, &["restore", "latest", into], Path::new(".")),
            _ => self.run(repository, &["restore", "latest", "--target", into], Path::new(".")),
        }
    }

    /// Reads and checks all data.
    pub fn check(self, repository: &Path) -> Used {
        let line: &[&str] = match self {
            Self::Segvault(_) => &["verify", "--data", "-q"],
            Self::Borg => &["check", "--verify-data"],
            _ => &["check", "--read-data"],
        };
        self.run(repository, line, Path::new("."))
    }

    fn command(self, repository: &Path, line: &[&str], directory: &Path) -> Command {
        let mut command = Command::new(self.program());
        command.args(line).current_dir(directory).stdin(Stdio::null());
        for variable in ["SEGVAULT_REPOSITORY", "RESTIC_REPOSITORY", "BORG_REPO", "RUSTIC_REPOSITORY"] {
            command.env(variable, repository);
        }
        for variable in ["RESTIC_PASSWORD", "BORG_PASSPHRASE", "RUSTIC_PASSWORD"] {
            command.env(variable, "bench");
        }
        // Caches beside the repository: nothing is left of earlier runs.
        command.env("XDG_CACHE_HOME", repository.with_extension("cache"));
        command.env("BORG_BASE_DIR", repository.with_extension("borg"));
        command
    }

    fn run(self, repository: &Path, line: &[&str], directory: &Path) -> Used {
        let (used, status) = measured(&mut self.command(repository, line, directory));
        assert!(matches!(status.code(), Some(0 | 3)), "{} {line:?}: {status}", self.name());
        used
    }
}

/// Makes durable what lies in the file system of a directory.
pub fn sync(directory: &Path) -> Used {
    let (used, status) = measured(Command::new("sync").arg("-f").arg(directory));
    assert!(status.success(), "sync: {status}");
    used
}

fn measured(command: &mut Command) -> (Used, ExitStatus) {
    let begun = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let ended = child.wait4().unwrap();
    let wall = begun.elapsed().as_secs_f64();
    let used = ended.rusage;
    let cpu = (used.utime + used.stime).as_secs_f64();
    (Used { cpu, wall, memory: used.maxrss as f64 / 1_048_576.0 }, ended.status)
}
