//! segvault archives, restores and proves the history of an Axon Server.
//!
//! # The house
//!
//! | room | is for | may use |
//! | --- | --- | --- |
//! | [`axon`] | what Axon Server writes: names, tokens, segments, events, control database files. Pure | nothing of ours |
//! | [`repo`] | our repository: formats, chunks, codecs, disk, index, store | `axon` |
//! | [`source`] | where histories come from: a data directory | `axon` |
//! | [`engine`] | the verbs | `axon`, `repo`, `source` |
//! | [`cli`] | people and scripts: arguments, rendering, exit codes | `engine`, and what it hands out |
//!
//! `tests/it/architecture.rs` reads the `crate::` paths and fails on any other edge.

pub mod axon;
pub mod cli;
pub mod engine;
pub mod repo;
pub mod source;
