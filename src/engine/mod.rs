//! The verbs: backup, restore, verify, points.

pub mod error;
pub mod observe;

pub use error::Error;
