//! The verbs: backup, restore, verify, points, retention.

pub mod backup;
pub mod check_server;
pub mod content;
pub mod copy;
pub mod draft;
pub mod error;
pub mod logs;
pub mod observe;
pub mod pieces;
pub mod points;
pub mod proof;
pub mod prune;
pub mod restore;
pub mod retention;
pub mod select;
pub mod span;
pub mod verify;
pub mod window;

pub use error::Error;
