//! The machine that a bench ran on: figures mean little without it.

use serde::Serialize;
use std::fs;

/// A machine.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Machine {
    /// Its processor, as the system names it.
    pub(super) processor: String,
    /// Cores that may be used.
    pub(super) cores: usize,
    /// Bytes of memory; 0 if it is not known.
    pub(super) memory: u64,
    /// The system, its version and architecture.
    pub(super) system: String,
    /// How many processes wanted to run in the last minute, before the bench: above the number of cores, times say little.
    pub(super) load: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub(super) fn now() -> Self {
        let uname = rustix::system::uname();
        let system = [uname.sysname(), uname.release(), uname.machine()].map(std::ffi::CStr::to_string_lossy);
        Self {
            processor: value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: value("/proc/meminfo", "MemTotal").and_then(|text| kibibytes(&text)).unwrap_or(0),
            system: system.join(" "),
            load: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }
}

/// The first value with this name in a file of `name: value` lines.
fn value(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(found.trim().to_owned())
}

fn kibibytes(text: &str) -> Option<u64> {
    text.trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}
