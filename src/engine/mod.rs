//! The verbs: backup, restore, verify, points.

pub mod content;
pub mod error;
pub mod logs;
pub mod observe;
pub mod pieces;
pub mod points;
pub mod proof;
pub mod restore;
pub mod select;
pub mod span;
pub mod verify;

pub use error::Error;
