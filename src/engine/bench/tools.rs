//! The tools, each by its own command line, in an environment of its own: nothing of the user's configuration, caches or keys is seen or touched.

use crate::engine::bench::child::{Bounds, Failed, Used, plain};
use crate::engine::bench::error::Error;
use crate::engine::bench::shelf::{self, Codec};
use crate::repo::codec::Compression;
use crate::repo::paths;
use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What repositories of strangers are encrypted with: they can't do without.
const PASSWORD: &str = "bench";
/// Letters of a version that are shown.
const VERSION_SHOWN: usize = 60;

/// A tool, and how it is told to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// This program.
    Own(Compression),
    /// No tool: files, as they are or compressed.
    Files(Codec),
    /// Another backup tool.
    Peer(Peer),
}

/// Another backup tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// restic, at its defaults.
    Restic,
    /// borg with zstd,3 (its own default is lz4), not encrypted.
    Borg,
    /// kopia with zstd (its own default is none).
    Kopia,
    /// rustic, at its defaults.
    Rustic,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Restic, Self::Borg, Self::Kopia, Self::Rustic];

    /// The name of its program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::Kopia => "kopia",
            Self::Rustic => "rustic",
        }
    }

    /// How it was told to work, where that is not its default.
    pub const fn settings(self) -> &'static str {
        match self {
            Self::Borg => "zstd,3; not encrypted",
            Self::Kopia => "zstd; encrypted",
            Self::Restic | Self::Rustic => "its defaults; encrypted",
        }
    }
}

impl Tool {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Own(Compression::Raw) => "segvault raw".to_owned(),
            Self::Own(Compression::Fast) => "segvault fast".to_owned(),
            Self::Own(Compression::Default) => "segvault default".to_owned(),
            Self::Own(Compression::High) => "segvault high".to_owned(),
            Self::Own(Compression::Max) => "segvault max".to_owned(),
            Self::Files(Codec::Plain) => "plain files".to_owned(),
            Self::Files(codec) => codec.name().to_owned(),
            Self::Peer(peer) => peer.program().to_owned(),
        }
    }

    /// Whether it is found on this path; ours always is.
    pub fn is_on(self, search: &OsString) -> bool {
        program(self, Path::new(""), search).is_some()
    }

    /// Whether it is this program.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Own(_))
    }

    const fn setting(self) -> Option<&'static str> {
        match self {
            Self::Own(Compression::Raw) => Some("raw"),
            Self::Own(Compression::Fast) => Some("fast"),
            Self::Own(Compression::Default) => Some("default"),
            Self::Own(Compression::High) => Some("high"),
            Self::Own(Compression::Max) => Some("max"),
            _ => None,
        }
    }
}

/// Where a tool works: directories of its own.
pub(super) struct Workshop<'a> {
    pub(super) tool: Tool,
    pub(super) program: PathBuf,
    /// Its directory in the scratch directory.
    pub(super) room: PathBuf,
    pub(super) node: &'a Path,
    /// The directories in which programs are found: tools may need others.
    pub(super) search: OsString,
    pub(super) bounds: &'a Bounds<'a>,
}

/// The program of a tool: this one, or the first of that name on the path.
pub(super) fn program(tool: Tool, own: &Path, search: &OsString) -> Option<PathBuf> {
    let Tool::Peer(peer) = tool else { return Some(own.to_path_buf()) };
    let name = format!("{}{EXE_SUFFIX}", peer.program());
    std::env::split_paths(search).map(|directory| directory.join(&name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether something in a line looks like a version: digits around a dot.
fn has_version(line: &str) -> bool {
    line.as_bytes()
        .windows(3)
        .any(|part| matches!(part, [one, b'.', other] if one.is_ascii_digit() && other.is_ascii_digit()))
}

impl Workshop<'_> {
    fn repository(&self) -> PathBuf {
        self.room.join("repository")
    }

    /// Where it restores.
    pub(super) fn target(&self) -> PathBuf {
        self.room.join("target")
    }

    /// Makes its directories.
    pub(super) fn furnish(&self) -> Result<(), Error> {
        for name in ["home", "config", "cache", "temporary"] {
            let path = self.room.join(name);
            fs::create_dir_all(&path).map_err(Error::of(&path))?;
        }
        Ok(())
    }

    /// Bytes of its repository; of ours without the room that is kept for a full disk. A tool that says it did something, and didn't, has none.
    pub(super) fn size(&self) -> Result<u64, Error> {
        let repository = self.repository();
        if !repository.exists() {
            return Ok(0);
        }
        shelf::size(&repository, if self.tool.is_own() { &[paths::RESERVE] } else { &[] })
    }

    /// What it says of its version: one line. Ours is known.
    pub(super) fn version(&self) -> Result<Option<String>, Failed> {
        let Tool::Peer(peer) = self.tool else { return Ok(None) };
        let word = if peer == Peer::Restic { "version" } else { "--version" };
        let (_, printed) = self.bounds.heard(&mut self.command(&[word]), "asking for its version", &[0])?;
        let line: String =
            plain(printed.lines().next().unwrap_or_default()).chars().take(VERSION_SHOWN).collect();
        if has_version(&line) {
            return Ok(Some(line));
        }
        let said = if line.is_empty() { "nothing".to_owned() } else { format!("\"{line}\"") };
        Ok(Some(format!("unknown: asked for its version, it printed {said}")))
    }

    /// Makes a repository.
    pub(super) fn init(&self) -> Result<(), Failed> {
        let step = "making a repository";
        match self.tool {
            Tool::Files(_) => fs::create_dir_all(self.repository()).map_err(Failed::Start),
            Tool::Own(_) => self.run(&["init", "-q"], step, &[0]).map(drop),
            Tool::Peer(Peer::Borg) => self.run(&["init", "--encryption=none"], step, &[0]).map(drop),
            Tool::Peer(Peer::Kopia) => {
                let repository = self.repository();
                let path = repository.to_string_lossy();
                self.run(&["repository", "create", "filesystem", "--path", &path], step, &[0])?;
                self.run(&["policy", "set", "--global", "--compression=zstd"], step, &[0]).map(drop)
            }
            Tool::Peer(Peer::Restic | Peer::Rustic) => self.run(&["init"], step, &[0]).map(drop),
        }
    }

    /// Backs up the node, for the `number`th time from 1.
    pub(super) fn backup(&self, number: u32) -> Result<Used, Failed> {
        let (step, archive) = (format!("backup {number}"), format!("::{number}"));
        let count = number.to_string();
        let (line, good): (Vec<&str>, &[i32]) = match self.tool {
            Tool::Own(_) => {
                let setting = self.tool.setting().unwrap_or("default");
                let line =
                    ["backup", "--data-dir", ".", "--no-control-db", "--source", "bench", "--compression"];
                // 3 is a success with a remark, such as a history that begins late: a sample's does.
                ([&line[..], &[setting, "-q"]].concat(), &[0, 3])
            }
            Tool::Files(codec) => (vec!["bench-worker", "store", codec.name(), &count], &[0]),
            Tool::Peer(Peer::Borg) => (vec!["create", "-C", "zstd,3", &archive, "."], &[0]),
            Tool::Peer(Peer::Kopia) => (vec!["snapshot", "create", "."], &[0]),
            Tool::Peer(Peer::Restic | Peer::Rustic) => (vec!["backup", "."], &[0]),
        };
        let mut command = self.command(&line);
        if let Tool::Files(_) = self.tool {
            command.args([self.node, &self.repository()]);
        }
        self.bounds.run(command.current_dir(self.node), &step, good)
    }

    /// Restores the newest backup, which is the `number`th.
    pub(super) fn restore(&self, number: u32) -> Result<Used, Failed> {
        let (target, archive) = (self.target(), format!("::{number}"));
        let into = target.to_string_lossy();
        let line = match self.tool {
            Tool::Own(_) => vec!["restore", "-q", "--target", &into],
            Tool::Files(codec) => vec!["bench-worker", "restore", codec.name()],
            Tool::Peer(Peer::Borg) => vec!["extract", &archive],
            Tool::Peer(Peer::Kopia) => {
                let node = self.node.to_string_lossy().into_owned();
                return self.restore_kopia(&node, &into);
            }
            Tool::Peer(Peer::Rustic) => vec!["restore", "latest", &into],
            Tool::Peer(Peer::Restic) => vec!["restore", "latest", "--target", &into],
        };
        let mut command = self.command(&line);
        if !self.tool.is_own() {
            fs::create_dir_all(&target).map_err(Failed::Start)?;
            command.current_dir(&target);
        }
        if let Tool::Files(_) = self.tool {
            command.args([&self.repository(), &target]);
        }
        self.bounds.run(&mut command, "restore", if self.tool.is_own() { &[0, 3] } else { &[0] })
    }

    fn restore_kopia(&self, node: &str, into: &str) -> Result<Used, Failed> {
        self.run(&["snapshot", "restore", node, into, "--snapshot-time=latest"], "restore", &[0])
    }

    fn run(&self, line: &[&str], step: &str, good: &[i32]) -> Result<Used, Failed> {
        self.bounds.run(self.command(line).current_dir(&self.room), step, good)
    }

    /// A command with nothing of our environment but where programs are found.
    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(line).env_clear().env("PATH", &self.search).env("LC_ALL", "C.UTF-8");
        for variable in ["SEGVAULT_REPOSITORY", "RESTIC_REPOSITORY", "BORG_REPO", "RUSTIC_REPOSITORY"] {
            command.env(variable, self.repository());
        }
        for variable in ["RESTIC_PASSWORD", "BORG_PASSPHRASE", "RUSTIC_PASSWORD", "KOPIA_PASSWORD"] {
            command.env(variable, PASSWORD);
        }
        let places = [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("TMPDIR", "temporary"),
            ("BORG_BASE_DIR", "home"),
            ("KOPIA_CACHE_DIRECTORY", "cache"),
            ("KOPIA_LOG_DIR", "temporary"),
            ("KOPIA_CONFIG_PATH", "config/kopia.config"),
        ];
        for (variable, place) in places {
            command.env(variable, self.room.join(place));
        }
        command
            .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
            .env("KOPIA_CHECK_FOR_UPDATES", "false");
        command
    }
}
