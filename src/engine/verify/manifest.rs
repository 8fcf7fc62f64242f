//! What a manifest says of itself: the order of its steps, and that no log ends before its safepoint.

use crate::repo::format::point::{ControlDb, Order, PointBody, PointContext, PointLog, StepAt, StepKind};
use std::collections::BTreeMap;

/// Which of the rules of the protocol a manifest breaks.
pub fn faults(body: &PointBody) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    faults.extend(step_faults(body).into_iter().map(|text| ("steps", text)));
    faults.extend(body.contexts.iter().flat_map(|(name, context)| safepoint_faults(body, name, context)));
    faults.extend(order_fault(body).map(|text| ("steps", text)));
    faults
}

/// Versions, control database, safepoints, then the contexts, then the second look.
fn rank(step: StepKind) -> u8 {
    match step {
        StepKind::Versions => 0,
        StepKind::ControlDb => 1,
        StepKind::Safepoints => 2,
        StepKind::Snapshots | StepKind::Events => 3,
        StepKind::Recheck => 4,
    }
}

fn step_faults(body: &PointBody) -> Vec<String> {
    let mut faults = Vec::new();
    let ranks: Vec<u8> = body.steps.iter().map(|step| rank(step.step)).collect();
    if !ranks.is_sorted() {
        faults.push("its steps are not in the order of the protocol".to_owned());
    }
    for needed in [StepKind::Versions, StepKind::ControlDb, StepKind::Safepoints, StepKind::Recheck] {
        if !body.steps.iter().any(|step| step.step == needed) {
            faults.push(format!("it does not say when the step '{}' was taken", word(needed)));
        }
    }
    let places = places(&body.steps);
    for name in body.contexts.keys() {
        let place = |kind| places.get(&(name.as_str(), rank_of_store(kind))).copied();
        match (place(StepKind::Snapshots), place(StepKind::Events)) {
            (Some(snapshots), Some(events)) if snapshots < events => {}
            (Some(_), Some(_)) => faults.push(format!("the events of {name} were read before its snapshots")),
            _ => faults.push(format!("it does not say when {name} was read")),
        }
    }
    faults
}

fn rank_of_store(kind: StepKind) -> bool {
    kind == StepKind::Events
}

/// Where the snapshots (false) and the events (true) of each context come in the steps; the last place counts.
fn places(steps: &[StepAt]) -> BTreeMap<(&str, bool), usize> {
    let of_context = |(at, step): (usize, &'_ StepAt)| match (step.step, step.context.is_some()) {
        (StepKind::Snapshots, true) => Some((false, at)),
        (StepKind::Events, true) => Some((true, at)),
        _ => None,
    };
    let found = steps.iter().enumerate().filter_map(|(at, step)| Some((of_context((at, step))?, step)));
    found
        .map(|((is_events, at), step)| ((step.context.as_deref().unwrap_or_default(), is_events), at))
        .collect()
}

fn word(step: StepKind) -> &'static str {
    match step {
        StepKind::Versions => "versions",
        StepKind::ControlDb => "control-db",
        StepKind::Safepoints => "safepoints",
        StepKind::Snapshots => "snapshots",
        StepKind::Events => "events",
        StepKind::Recheck => "recheck",
    }
}

/// A log that ends before its safepoint makes a point incomplete; one that calls itself complete is wrong.
fn safepoint_faults(body: &PointBody, name: &str, context: &PointContext) -> Vec<(&'static str, String)> {
    let logs = [("snapshots", &context.snapshots), ("events", &context.events)];
    let is_behind = |log: &PointLog| body.complete && log.safepoint > log.head;
    let behind = logs.into_iter().filter(|(_, log)| is_behind(log));
    let text = |(store, _)| {
        format!("the {store} of {name} end before their safepoint, and the point calls itself complete")
    };
    behind.map(|log| ("safepoint", text(log))).collect()
}

fn order_fault(body: &PointBody) -> Option<String> {
    let is_absent = matches!(body.control_db, ControlDb::Absent { .. });
    ((body.order == Order::None) != is_absent)
        .then(|| "how its order is known does not fit its control database".to_owned())
}

#[cfg(test)]
mod tests {
    use super::faults;
    use crate::repo::format::id::PageId;
    use crate::repo::format::moment::Moment;
    use crate::repo::format::point::{ControlDb, Order, PointBody, PointContext, PointLog, StepAt, StepKind};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn log(safepoint: Option<u64>, head: Option<u64>) -> PointLog {
        let root = PageId([0; 32]);
        PointLog {
            record: 1,
            root,
            segments: 0,
            bytes: 0,
            on_disk: None,
            first: None,
            head,
            safepoint,
            times: None,
            open: vec![],
        }
    }

    fn body(steps: &[(StepKind, Option<&str>)]) -> PointBody {
        let steps = steps
            .iter()
            .map(|(step, context)| StepAt { step: *step, context: context.map(str::to_owned), at: Moment(0) })
            .collect();
        let context =
            PointContext { incarnation: 1, snapshots: log(None, None), events: log(Some(3), Some(3)) };
        PointBody {
            program: String::new(),
            source: String::new(),
            at: Moment(0),
            tags: BTreeMap::new(),
            order: Order::None,
            unordered: false,
            complete: true,
            steps,
            facts: BTreeMap::new(),
            control_db: ControlDb::Absent { reason: String::new() },
            contexts: BTreeMap::from([("c".to_owned(), Arc::new(context))]),
            files: vec![],
            left_out: vec![],
            findings: vec![],
        }
    }

    const WELL: [(StepKind, Option<&str>); 6] = [
        (StepKind::Versions, None),
        (StepKind::ControlDb, None),
        (StepKind::Safepoints, None),
        (StepKind::Snapshots, Some("c")),
        (StepKind::Events, Some("c")),
        (StepKind::Recheck, None),
    ];

    #[test]
    fn the_protocol_is_well() {
        assert_eq!(faults(&body(&WELL)), vec![]);
    }

    #[test]
    fn every_exchange_of_two_steps_and_every_missing_step_is_found() {
        for at in 0..5 {
            let mut steps = WELL;
            steps.swap(at, at + 1);
            assert!(!faults(&body(&steps)).is_empty(), "{at}");
        }
        for at in 0..6 {
            let mut steps = WELL.to_vec();
            steps.remove(at);
            assert!(!faults(&body(&steps)).is_empty(), "{at}");
        }
    }

    #[test]
    fn a_complete_point_reaches_its_safepoints() {
        let mut short = body(&WELL);
        Arc::make_mut(short.contexts.get_mut("c").unwrap()).snapshots = log(Some(0), None);
        assert_eq!(faults(&short).len(), 1);
        short.complete = false;
        assert_eq!(faults(&short), vec![]);
    }

    #[test]
    fn no_control_db_has_no_order() {
        let mut claimed = body(&WELL);
        claimed.order = Order::Claimed;
        assert_eq!(faults(&claimed).len(), 1);
    }
}
