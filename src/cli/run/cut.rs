//! From what was typed to where a history is cut.

use crate::cli::args::cut::{Cut, Others, Side};
use crate::engine::restore::cut::request::{self, CutAt, CutRequest};

/// Where to cut; none if nothing of the kind was typed. `of_point`: a point was named.
pub(in crate::cli) fn request(asked: &Cut, of_point: bool) -> Option<CutRequest> {
    let at = match asked.to_time {
        Some(time) => CutAt::Time(time.0),
        None if asked.to_token.is_empty() => return None,
        None => CutAt::Tokens(asked.to_token.clone()),
    };
    let others = match asked.others {
        None | Some(Others::Time) => request::Others::Time,
        Some(Others::Head) => request::Others::Head,
    };
    Some(CutRequest { at, others, side: side(asked.cut), of_point })
}

fn side(asked: Option<Side>) -> request::Side {
    match asked {
        None | Some(Side::FirstLater) => request::Side::FirstLater,
        Some(Side::LastNotLater) => request::Side::LastNotLater,
    }
}
