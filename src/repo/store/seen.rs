//! Points seen through the acts: what was done with each since it was published.

use crate::axon::name::Store;
use crate::repo::format::act::{Act, Deed, View};
use crate::repo::format::point::{Finding, Point, PointBody, Weight};
use crate::repo::store::journal::{Entry, ListedPoint, references};
use std::collections::BTreeMap;

/// Applies the acts in their order. One that fits no file, by number and hash, has no effect.
pub(super) fn seen_through(points: BTreeMap<u64, Entry<Point>>, acts: &[Act]) -> Vec<ListedPoint> {
    let mut listed: BTreeMap<u64, ListedPoint> =
        points.into_iter().map(|(number, entry)| (number, as_published(entry))).collect();
    for act in acts {
        for reference in references(&act.deed) {
            let fits = |point: &&mut ListedPoint| point.hash == reference.blake3;
            let Some(point) = listed.get_mut(&reference.number).filter(fits) else { continue };
            if matches!(act.deed, Deed::Gone { .. }) {
                listed.remove(&reference.number);
            } else {
                apply(point, act);
            }
        }
    }
    listed.into_values().collect()
}

fn as_published(entry: Entry<Point>) -> ListedPoint {
    let (point, hash) = (entry.value, entry.hash);
    ListedPoint { point, hash, forgotten: false, held: None, marked_incomplete: None }
}

fn apply(point: &mut ListedPoint, act: &Act) {
    match &act.deed {
        Deed::Held { reason, until, .. } => point.held = Some((reason.clone(), *until)),
        Deed::Released { .. } => point.held = None,
        Deed::Forgotten { .. } => point.forgotten = true,
        Deed::Remembered { .. } => point.forgotten = false,
        Deed::Incomplete { reason, .. } => point.marked_incomplete = Some(reason.clone()),
        Deed::Erased { context, points, reason, .. } => {
            let why = format!("old versions were erased ({reason}); it reads the current ones");
            rewrite(point, (context, points), ("erased", act, &why));
        }
        Deed::Dropped { context, points, reason, .. } => {
            let why = format!("the oldest events were dropped ({reason}); it begins later");
            rewrite(point, (context, points), ("dropped", act, &why));
        }
        Deed::Gone { .. }
        | Deed::Drilled { .. }
        | Deed::Verified { .. }
        | Deed::Damaged { .. }
        | Deed::Dead { .. }
        | Deed::Copied { .. }
        | Deed::Lost { .. }
        | Deed::Unknown => {}
    }
}

/// From the act on the point says something else of a context; and that it does.
fn rewrite(
    listed: &mut ListedPoint,
    (context, views): (&str, &[View]),
    (what, act, why): (&str, &Act, &str),
) {
    let mine = listed.reference();
    let body = &mut listed.point.body;
    for view in views.iter().filter(|view| view.reference() == mine) {
        for (store, log) in [(Store::Events, &view.events), (Store::Snapshots, &view.snapshots)] {
            let Some((log, logs)) = log.as_ref().zip(body.context_mut(context)) else {
                continue;
            };
            match store {
                Store::Events => logs.events = log.clone(),
                Store::Snapshots => logs.snapshots = log.clone(),
            }
            say(
                body,
                (context, store),
                what,
                format!("{store} of {context}: rewritten by act {}: {why}", act.number),
            );
        }
    }
}

fn say(body: &mut PointBody, (context, store): (&str, Store), what: &str, text: String) {
    body.findings.push(Finding {
        context: Some(context.to_owned()),
        store: Some(store.to_string()),
        ..Finding::new(Weight::Note, what, text)
    });
}
