//! The list of points.

use crate::repo::format::point::Order;

/// How the order is known, in a word.
pub(in crate::cli) fn order(order: Order, unordered: bool) -> &'static str {
    match order {
        _ if unordered => "unordered",
        Order::Observed => "observed",
        Order::Claimed => "claimed",
        Order::Copied => "copied",
        Order::None => "none",
    }
}
