//! Holds: a held point is kept whatever a policy says, until somebody ends the hold or its time is over.

use crate::engine::Error;
use crate::engine::observe::Observer;
use crate::engine::retention;
use crate::engine::retention::forget::readable;
use crate::engine::select;
use crate::repo::format::act::Deed;
use crate::repo::format::id::FileHash;
use crate::repo::format::moment::Moment;
use crate::repo::store::{Journal, ListedPoint, Repository};
use serde::Serialize;

/// Why a point is held now: `hold: audit until 2027-01-01T00:00:00.000Z`. None if it is not.
pub(super) fn held(listed: &ListedPoint, now: Moment) -> Option<String> {
    let (reason, until) = listed.held.as_ref()?;
    match until {
        None => Some(format!("hold: {reason}")),
        Some(until) if *until > now => Some(format!("hold: {reason} until {until}")),
        Some(_) => None,
    }
}

/// Whether a hold is in force.
pub fn is_held(listed: &ListedPoint, now: Moment) -> bool {
    held(listed, now).is_some()
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hold {
    /// The point.
    pub point: u64,
    /// The hash of its file.
    pub blake3: FileHash,
    /// Its source.
    pub source: String,
    /// When its backup began.
    pub at: Moment,
    /// Why.
    pub reason: String,
    /// Until when; for good if there is nothing.
    pub until: Option<Moment>,
    /// Whether its time is over.
    pub over: bool,
}

/// All holds, by the numbers of their points.
pub fn holds(repository: &Repository, now: Moment) -> Result<Vec<Hold>, Error> {
    Ok(holds_in(&readable(repository)?, now))
}

/// Those of a journal, whether or not all of it can be read.
pub fn holds_in(journal: &Journal, now: Moment) -> Vec<Hold> {
    let hold = |listed: &ListedPoint| {
        let (reason, until) = listed.held.clone()?;
        Some(Hold {
            point: listed.point.number,
            blake3: listed.hash,
            source: listed.point.body.source.clone(),
            at: listed.point.body.at,
            reason,
            until,
            over: until.is_some_and(|until| until <= now),
        })
    };
    journal.points.iter().filter_map(hold).collect()
}

/// Which point to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOptions {
    /// The point, as the user names it.
    pub point: String,
    /// The source whose points are meant.
    pub source: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when; for good if there is nothing.
    pub until: Option<Moment>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HoldChange {
    /// The point.
    pub point: u64,
    /// Why it is, or was, held.
    pub reason: String,
    /// Until when.
    pub until: Option<Moment>,
    /// The act; none in a dry run.
    pub act: Option<u64>,
}

/// Holds a point. A hold that there is already is replaced; by one that is over it would only be ended, which is not what was said.
pub fn hold(
    repository: &Repository,
    options: &HoldOptions,
    observer: &dyn Observer,
) -> Result<HoldChange, Error> {
    let HoldOptions { reason, until, .. } = options.clone();
    let now = Moment(observer.now_ms());
    change(repository, (&options.point, options.source.as_deref(), options.dry_run), observer, |listed| {
        if listed.forgotten {
            return Err(retention::Error::Forgotten { point: listed.point.number });
        }
        if let Some(until) = until.filter(|until| *until <= now) {
            return Err(retention::Error::Over { point: listed.point.number, until });
        }
        let deed = Deed::Held { point: listed.reference(), reason: reason.clone(), until };
        Ok((deed, (reason.clone(), until)))
    })
}

/// Ends a hold.
pub fn release(
    repository: &Repository,
    (point, source, dry_run): (&str, Option<&str>, bool),
    observer: &dyn Observer,
) -> Result<HoldChange, Error> {
    change(repository, (point, source, dry_run), observer, |listed| {
        let was = listed.held.clone().ok_or(retention::Error::NotHeld { point: listed.point.number })?;
        Ok((Deed::Released { point: listed.reference() }, was))
    })
}

type Because = (String, Option<Moment>);

/// Decides under the lock of the one that writes: what is read then is what the act stands behind.
fn change(
    repository: &Repository,
    (point, source, dry_run): (&str, Option<&str>, bool),
    observer: &dyn Observer,
    deed: impl Fn(&ListedPoint) -> Result<(Deed, Because), retention::Error>,
) -> Result<HoldChange, Error> {
    let decide = || {
        let journal = readable(repository)?;
        let listed = select::point(&journal, point, source)?;
        let (deed, (reason, until)) = deed(listed)?;
        Ok::<_, Error>((deed, HoldChange { point: listed.point.number, reason, until, act: None }))
    };
    if dry_run {
        return decide().map(|(_, change)| change);
    }
    let mut session = repository.session()?;
    let (deed, change) = decide()?;
    let act = session.publish_act(Moment(observer.now_ms()), deed)?;
    Ok(HoldChange { act: Some(act), ..change })
}
