//! Points as they are read, one after the other: what says of a context the very same as the point before is held once. Of many points most do.

use crate::repo::format::point::{Point, PointContext};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Contexts as the last point with each of them has it.
#[derive(Default)]
pub(super) struct Alike(RefCell<BTreeMap<String, Arc<PointContext>>>);

impl Alike {
    /// The same point, sharing what it can.
    pub fn share(&self, mut point: Point) -> Point {
        let mut before = self.0.borrow_mut();
        for (name, context) in &mut point.body.contexts {
            match before.get(name).filter(|before| *before == context) {
                Some(same) => *context = Arc::clone(same),
                None => drop(before.insert(name.clone(), Arc::clone(context))),
            }
        }
        point
    }
}
