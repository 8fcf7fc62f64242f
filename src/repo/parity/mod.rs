//! Parity: what makes a pack whole again that is damaged in part. Optional, and never part of what is true: a pack is proven by its name, with
//! parity as without.
//!
//! `make` writes a file beside a pack, `heal` reads a damaged pack with its help, `code` is the mathematics.

mod code;
mod heal;
mod make;

pub use heal::{Beyond, Healed};
pub use make::{Worth, check, make};
