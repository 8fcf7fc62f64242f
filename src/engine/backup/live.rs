//! What a live server adds to a backup: heads that have to be reached, facts for the manifest, remarks.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup;
use crate::engine::backup::place::Placed;
use crate::engine::error::Error;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::source::Source;
use crate::source::listing::Remark;

/// Refuses a point that ends before what the server said it had when the control database was captured.
pub fn refuse_behind(source: &dyn Source, placed: &[Placed]) -> Result<(), Error> {
    let claimed = source.claimed_heads();
    for context in placed {
        for store in Store::ALL {
            let log = match store {
                Store::Snapshots => &context.point.snapshots,
                Store::Events => &context.point.events,
            };
            let key = (context.report.name.clone(), store);
            let claimed = claimed.get(&key).copied().flatten().map(Token::get);
            if let Some(claimed) = claimed.filter(|claimed| log.head.is_none_or(|head| head < *claimed)) {
                let (context, store) = (key.0, store.to_string());
                return Err(Error::Backup(backup::Error::BehindServer {
                    context,
                    store,
                    head: log.head,
                    claimed,
                }));
            }
        }
    }
    Ok(())
}

/// What a source remarked, as a point tells it.
pub fn findings(remarks: Vec<Remark>) -> Vec<Finding> {
    remarks.into_iter().map(finding).collect()
}

fn finding(remark: Remark) -> Finding {
    let weight = if remark.is_warning { Weight::Warning } else { Weight::Note };
    Finding { context: remark.context, ..Finding::new(weight, remark.what, remark.text) }
}
