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
pub mod world;
