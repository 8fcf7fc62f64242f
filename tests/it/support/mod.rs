//! What several tests need.

pub mod archive;
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

/// How often something is tried: as often as the environment says, for a longer run than an ordinary one.
pub fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
