//! The history of a context: what the archive holds of it today, or what a point saw.

use crate::axon::name::Store;
use crate::engine::error::Error;
use crate::engine::pieces::{self, Piece};
use crate::repo::format::point::PointContext;
use crate::repo::format::record::{Branch, LogKey};
use crate::repo::store::{Journal, ListedPoint, Repository};
use std::collections::BTreeMap;

/// Both stores of a context, within one incarnation.
#[derive(Clone, Debug)]
pub struct History {
    /// The context.
    pub context: String,
    /// The incarnation.
    pub incarnation: u32,
    /// The segments of snapshots that count, by number.
    pub snapshots: Vec<Piece>,
    /// The segments of events that count, by number.
    pub events: Vec<Piece>,
}

impl History {
    /// The segments of a store.
    pub fn store(&self, store: Store) -> &[Piece] {
        match store {
            Store::Snapshots => &self.snapshots,
            Store::Events => &self.events,
        }
    }

    /// What a point saw.
    pub fn of_point(
        repository: &Repository,
        listed: &ListedPoint,
        name: &str,
        context: &PointContext,
    ) -> Result<Self, Error> {
        let path = format!("points/{}.json", listed.point.number);
        let read = |store, log| {
            let key = key(&listed.point.body.source, name, context.incarnation, store);
            pieces::of_point(repository, &key, log, &path)
        };
        Ok(Self {
            context: name.to_owned(),
            incarnation: context.incarnation,
            snapshots: read(Store::Snapshots, &context.snapshots)?,
            events: read(Store::Events, &context.events)?,
        })
    }

    /// All that the archive holds, in the versions of today. None if it holds no such incarnation.
    pub fn of_records(
        repository: &Repository,
        source: &str,
        context: &str,
        incarnation: u32,
    ) -> Result<Option<Self>, Error> {
        let read = |store| pieces::of_log(repository, &key(source, context, incarnation, store));
        let (Some((_, snapshots)), Some((_, events))) = (read(Store::Snapshots)?, read(Store::Events)?)
        else {
            return Ok(None);
        };
        Ok(Some(Self { context: context.to_owned(), incarnation, snapshots, events }))
    }
}

/// The key of a log.
pub fn key(source: &str, context: &str, incarnation: u32, store: Store) -> LogKey {
    LogKey { source: source.to_owned(), context: context.to_owned(), incarnation, store }
}

/// The contexts of a source, each with the incarnation that the newest of its points saw.
pub fn contexts(journal: &Journal, source: &str) -> BTreeMap<String, u32> {
    let points = journal.listed().filter(|listed| listed.point.body.source == source);
    let contexts = points.flat_map(|listed| &listed.point.body.contexts);
    contexts.map(|(name, context)| (name.clone(), context.incarnation)).collect()
}

/// The contexts of a source, each with the highest incarnation that one of its points saw: a later point may be of an older one.
pub fn incarnations(journal: &Journal, source: &str) -> BTreeMap<String, u32> {
    let points = journal.points.iter().map(|listed| &listed.point.body).filter(|body| body.source == source);
    let mut highest = BTreeMap::new();
    for (name, context) in points.flat_map(|body| &body.contexts) {
        let held: &mut u32 = highest.entry(name.clone()).or_default();
        *held = context.incarnation.max(*held);
    }
    highest
}

/// How the incarnations of a context hang together: for each one, where its events left its parent.
#[derive(Clone, Debug, Default)]
pub struct Forks(BTreeMap<u32, Option<Branch>>);

impl Forks {
    /// Reads the branches of all incarnations up to `newest`.
    pub fn read(repository: &Repository, source: &str, context: &str, newest: u32) -> Result<Self, Error> {
        let mut forks = BTreeMap::new();
        for incarnation in 1..=newest {
            let key = key(source, context, incarnation, Store::Events);
            if let Some(record) = repository.newest_record(&key)? {
                forks.insert(incarnation, record.state.branch);
            }
        }
        Ok(Self(forks))
    }

    /// Whether two incarnations share the event with this token. Every two share what is before the first one (none).
    pub fn share(&self, one: u32, other: u32, token: Option<u64>) -> bool {
        let Some(token) = token else { return true };
        let reached = |from| self.line(from, token);
        let others = reached(other);
        reached(one).iter().any(|incarnation| others.contains(incarnation))
    }

    /// The incarnation and its ancestors that it shares this token with.
    fn line(&self, from: u32, token: u64) -> Vec<u32> {
        let (mut line, mut at) = (vec![from], from);
        while let Some(branch) = self.0.get(&at).copied().flatten() {
            if branch.token.is_none_or(|shared| shared.get() < token) || branch.parent >= at {
                break;
            }
            line.push(branch.parent);
            at = branch.parent;
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::Forks;
    use crate::axon::token::Token;
    use crate::repo::format::record::Branch;

    #[test]
    fn forks_share_what_is_before_them() {
        let left = |parent, token| Some(Branch { parent, token: Token::new(token) });
        let unrelated = Some(Branch { parent: 1, token: None });
        let forks =
            Forks([(1, None), (2, left(1, 100)), (3, left(2, 200)), (4, left(1, 50)), (5, unrelated)].into());
        assert!(forks.share(1, 1, Some(9_999)) && forks.share(1, 5, None));
        assert!(forks.share(1, 2, Some(100)) && !forks.share(1, 2, Some(101)));
        assert!(
            forks.share(3, 2, Some(200)) && !forks.share(3, 1, Some(101)) && forks.share(3, 1, Some(100))
        );
        assert!(forks.share(3, 4, Some(50)) && !forks.share(3, 4, Some(51)));
        assert!(!forks.share(1, 5, Some(0)));
    }
}
