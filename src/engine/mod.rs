//! The verbs: backup, restore, verify, points.

pub mod backup;
pub mod draft;
pub mod error;
pub mod observe;
pub mod window;

pub use error::Error;
