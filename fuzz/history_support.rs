//! What tests/it/model.rs is played with.

#[path = "../tests/it/support/archive.rs"]
pub mod archive;
#[path = "../tests/it/support/crash_disk.rs"]
pub mod crash_disk;
#[path = "../tests/it/support/segments.rs"]
pub mod segments;
#[path = "../tests/it/support/server.rs"]
pub mod server;
