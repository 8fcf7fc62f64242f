//! The verbs: backup, restore, verify, points.

pub mod backup;
pub mod check_server;
pub mod content;
pub mod diff;
pub mod draft;
pub mod error;
pub mod events;
pub mod history;
pub mod logs;
pub mod observe;
pub mod pieces;
pub mod points;
pub mod proof;
pub mod restore;
pub mod seek;
pub mod select;
pub mod span;
pub mod verify;
pub mod window;

pub use error::Error;
