//! What the archive would save on somebody's own data, beside plain files, general compressors and other backup tools.
//!
//! `sample` takes the newest part of each log, `node` writes it as a node that grows, `tools` says how each tool is told what to do, `child`
//! runs it and sees what it used, `measure` and `month` put the figures together, `columns` says where the bytes go, `advice` what follows.
//! `corpus` and `synthetic` make data for those who have none. Everything is written below one scratch directory, by child processes with an
//! environment of their own.

pub mod advice;
mod child;
pub mod columns;
mod compare;
pub mod corpus;
pub mod error;
mod measure;
mod month;
mod node;
pub mod report;
mod sample;
pub mod shelf;
pub mod synthetic;
mod tools;

pub use error::Error;
pub use measure::{Options, Price, bench};
pub use sample::Sample;
pub use tools::{Peer, Tool};
