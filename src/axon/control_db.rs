//! The control database's zip: taken apart, rebuilt bit by bit; and what its H2 file says of itself.
//!
//! The zip that the server writes is one deflate entry made by Java's `ZipOutputStream`: everything in it follows from the inner
//! file, its name and its DOS time. [`take_apart`] proves that before anybody drops the zip.

mod chunks;
mod contents;
mod facts;
mod zip;

pub use crate::axon::control_db::contents::Contents;
pub use crate::axon::control_db::contents::WalkError;
pub use crate::axon::control_db::contents::contents;
pub use crate::axon::control_db::facts::Facts;
pub use crate::axon::control_db::facts::facts;
pub use crate::axon::control_db::zip::Recipe;
pub use crate::axon::control_db::zip::TakenApart;
pub use crate::axon::control_db::zip::ZipError;
pub use crate::axon::control_db::zip::rebuild;
pub use crate::axon::control_db::zip::take_apart;
