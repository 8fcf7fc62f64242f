//! What several tests need.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

pub mod archive;
pub mod clock;
pub mod crash_disk;
pub mod crash_gate;
pub mod fixtures;
pub mod mounts;
pub mod node;
pub mod program;
pub mod repository_v1;
pub mod rest;
pub mod segments;
pub mod server;
pub mod small_disk;
pub mod world;

/// The clock, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Whoever hears nothing for so long hears nothing any more: that is a failure, and no wait without end.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// What is said, line by line.
pub fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = mpsc::channel();
    let from = BufReader::new(from);
    std::thread::spawn(move || from.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    lines
}

/// Waits until something is so; it fails if that takes longer than anything should.
pub fn wait_until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How often something is tried: as often as the environment says, for a longer run than an ordinary one.
pub fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
