//! Cells that several tables have.

use crate::cli::describe::one_line;
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

/// `default`, or `default@2` for a history that was forked or made anew.
pub(in crate::cli) fn incarnation(context: &str, incarnation: u32) -> String {
    let context = one_line(context);
    if incarnation == 1 { context } else { format!("{context}@{incarnation}") }
}

/// `0..2789`, or `none`.
pub(in crate::cli) fn tokens(first: Option<u64>, last: Option<u64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("{first}..{last}"),
        _ => "none".to_owned(),
    }
}
