//! The store: what was put is there, and stays there.

mod crash;
mod model;
