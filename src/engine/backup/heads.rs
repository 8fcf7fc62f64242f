//! The heads of all stores: how far they reached when they were looked at.

use crate::axon::name::Store;
use crate::axon::token::Token;
use crate::engine::backup::context::SeenContext;
use crate::repo::format::point::Finding;
use crate::repo::format::point::Weight;
use crate::source;
use std::collections::BTreeMap;

/// The heads of both stores of each context, snapshots first.
pub type Heads = BTreeMap<String, [Option<Token>; 2]>;

/// How far each store reached: when its head was read, and when its segments were.
pub fn furthest<'s>(mut heads: Heads, seen: impl Iterator<Item = &'s SeenContext>) -> Heads {
    for context in seen {
        if let Some([snapshots, events]) = heads.get_mut(&context.name) {
            *snapshots = (*snapshots).max(context.snapshots.head());
            *events = (*events).max(context.events.head());
        }
    }
    heads
}

/// A head that is lower than before: a power loss, a purge, a restore of the server under our feet.
pub fn went_back(before: &Heads, now: &Heads) -> Option<String> {
    before.iter().find_map(|(name, heads)| {
        let lower = now.get(name).is_none_or(|now| now.iter().zip(heads).any(|(now, before)| now < before));
        lower.then(|| format!("the head of {name} went back"))
    })
}

/// A store whose head can't be read.
pub fn headless_finding(context: &str, store: Store, error: &source::Error) -> Finding {
    Finding {
        context: Some(context.to_owned()),
        store: Some(store.to_string()),
        ..Finding::new(
            Weight::Incomplete,
            "unreadable",
            format!("the head of {store} of {context} can't be read: {error}"),
        )
    }
}
