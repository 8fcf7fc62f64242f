//! The verbs: backup, restore, verify, points, retention.

pub mod against;
pub mod backup;
pub mod bench;
pub mod check_server;
pub mod content;
pub mod copy;
pub mod diff;
pub mod draft;
pub mod drill;
pub mod drop_history;
pub mod erase;
pub mod error;
pub mod events;
pub mod files;
pub mod history;
pub mod logs;
pub mod observe;
pub mod pieces;
pub mod points;
mod prefix;
pub mod proof;
pub mod prune;
pub mod recompress;
pub mod restore;
pub mod retention;
pub mod rewrite;
pub mod runs;
pub mod seek;
pub mod select;
pub mod span;
pub mod stats;
pub mod status;
mod temporary;
pub mod verify;
pub mod watch;
pub mod window;
pub mod words;

pub mod repair;

pub use error::Error;
