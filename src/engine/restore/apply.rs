//! Does what a plan says.

use crate::axon::segment::Transaction;
use crate::axon::time::Times;
use crate::engine::error::Error;
use crate::engine::observe::{Event, Observer};
use crate::engine::proof::Proven;
use crate::engine::restore::behind;
use crate::engine::restore::check::Written;
use crate::engine::restore::control_db::{Handout, StagedZip};
use crate::engine::restore::cut::proof::RuleProof;
use crate::engine::restore::delta::desk::{Desk, Place, There};
use crate::engine::restore::delta::gate::{Gate, Open};
use crate::engine::restore::error::{Error as Refused, stop_if};
use crate::engine::restore::plain::PlainHandout;
use crate::engine::restore::plan::{ContextPlan, Plan, PlannedEnd, SegmentPlan, StorePlan};
use crate::engine::restore::remarks::Remarks;
use crate::engine::restore::report::{Restored, RestoredContext, RestoredControlDb, RestoredStore};
use crate::engine::restore::reread::Reread;
use crate::engine::restore::staging::NewFile;
use crate::engine::restore::target;
use crate::repo;
use crate::repo::format::id::ContentHash;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::ControlDb;
use crate::repo::store::Repository;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// Restores. Fails before the first byte if the target has not enough space or is not empty any more.
pub fn apply(repository: &Repository, plan: Plan, observer: &dyn Observer) -> Result<Restored, Error> {
    apply_at(repository, plan, observer, Arc::new(Open))
}

/// The same; before each change to a directory that is there, `gate` is asked.
pub fn apply_at(
    repository: &Repository,
    plan: Plan,
    observer: &dyn Observer,
    gate: Arc<dyn Gate>,
) -> Result<Restored, Error> {
    let own_directory = PathBuf::from(repository.disk().display(""));
    let proven = target::prove(&plan.target, Some(&own_directory), plan.delta.is_some())?;
    if !plan.fits() {
        return Err(no_space(&plan).into());
    }
    observer.event(&Event::Phase { name: "restore", total: Some(plan.work()) });
    let desk = Desk::open(proven, &plan, gate)?;
    if !plan.fits_without_holes() && !target::takes_holes(plan.proven.staging_parent()) {
        desk.give_up();
        return Err(Refused::NoSpace { needed: plan.whole, path: plan.target, free: plan.free }.into());
    }
    Run { repository, observer, plan: &plan, desk, remarks: Remarks::default() }
        .run()
        .map_err(|error| with_figures(error, &plan))
}

fn no_space(plan: &Plan) -> Refused {
    let free = target::free_space(plan.proven.staging_parent());
    Refused::NoSpace { path: plan.target.clone(), needed: plan.bytes, free }
}

/// The space ran out although it seemed to be enough: the error says how much there was to write.
fn with_figures(error: Error, plan: &Plan) -> Error {
    match error {
        Error::Restore(Refused::NoSpace { .. }) => no_space(plan).into(),
        other => other,
    }
}

type Prepared = (Vec<RestoredContext>, Option<RestoredControlDb>, Option<StagedZip>);

/// Looks at each block that is read again.
type See<'a> = dyn Fn(&Transaction<'_>) + Sync + 'a;

/// A segment at its place, not proven yet.
struct Placed<'p> {
    plan: &'p SegmentPlan,
    file: File,
    path: PathBuf,
    /// The hash that it must have.
    content: ContentHash,
    is_new: bool,
}

struct Run<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    plan: &'a Plan,
    desk: Desk,
    remarks: Remarks,
}

impl Run<'_> {
    fn run(mut self) -> Result<Restored, Error> {
        match self.prepare() {
            Ok((contexts, control_db, zip)) => self.publish(contexts, control_db, zip),
            // The next one goes on.
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(other) => {
                self.desk.give_up();
                Err(other)
            }
        }
    }

    /// Writes and proves everything, and changes nothing that has its name.
    fn prepare(&mut self) -> Result<Prepared, Error> {
        let mut contexts = Vec::new();
        for context in &self.plan.contexts {
            contexts.push(self.context(context)?);
        }
        self.plain_files()?;
        let (control_db, zip) = self.control_db()?;
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        Ok((contexts, control_db, zip))
    }

    /// The zip first: it can be taken back.
    fn publish(
        mut self,
        contexts: Vec<RestoredContext>,
        control_db: Option<RestoredControlDb>,
        zip: Option<StagedZip>,
    ) -> Result<Restored, Error> {
        self.remarks.healed(&self.repository.healed_packs());
        let zip = zip.map(StagedZip::publish).transpose()?;
        if let Err(error) = self.desk.publish() {
            if let Some(zip) = zip {
                // The error that is told is the one that came first.
                let _ = std::fs::remove_file(zip);
            }
            return Err(error.into());
        }
        Ok(report(self.plan, self.remarks, contexts, control_db))
    }

    fn context(&mut self, plan: &ContextPlan) -> Result<RestoredContext, Error> {
        for store in plan.stores() {
            self.desk.make_directories(&store.directory)?;
        }
        let mut rule = RuleProof::new(self.plan.cut.is_some());
        let snapshots = self.store(&plan.snapshots, &|transaction| rule.snapshot(transaction), None)?;
        rule.begin_events();
        let latest = self.plan.cut.as_ref().and_then(|cut| cut.latest(&plan.context));
        let events = self.store(&plan.events, &|transaction| rule.event(transaction), latest)?;
        let (context, incarnation) = (plan.context.clone(), plan.incarnation);
        let snapshot_rule = self.plan.cut.as_ref().map(|_| rule.figures(plan.events.first));
        self.remarks.snapshots_ahead(&context, snapshot_rule.as_ref());
        Ok(RestoredContext { context, incarnation, snapshots, events, snapshot_rule })
    }

    fn plain_files(&mut self) -> Result<(), Error> {
        for plan in &self.plan.plain_files {
            self.desk.make_directories(&plan.directory)?;
            let (repository, observer, desk) = (self.repository, self.observer, &self.desk);
            PlainHandout { repository, observer, desk }.write(plan)?;
        }
        Ok(())
    }

    /// Writes a store; with `latest`, no event in it may be later.
    fn store(&self, plan: &StorePlan, see: &See<'_>, latest: Option<Moment>) -> Result<RestoredStore, Error> {
        let proven =
            behind::each(&plan.segments, |segment| self.segment(segment), |placed| self.prove(placed, see))?;
        let mut sum = Sum::default();
        for (segment, proven) in plan.segments.iter().zip(&proven) {
            refuse_later(segment, proven, latest)?;
            sum.add(proven);
        }
        Ok(RestoredStore {
            first: plan.first,
            head: plan.head,
            events: sum.events,
            transactions: sum.transactions,
            first_time: sum.times.map(|times| Moment(times.first.0)),
            last_time: sum.times.map(|times| Moment(times.last.0)),
            segments: plan.segments.len() as u64,
            bytes: sum.bytes,
            missing: plan.missing.clone(),
        })
    }

    /// Writes a segment, if it is not there.
    fn segment<'p>(&self, plan: &'p SegmentPlan) -> Result<Placed<'p>, Error> {
        self.observer.event(&Event::File { name: &plan.path });
        match self.desk.place(&plan.path)? {
            Place::There(There { file, path, content }) => {
                Ok(Placed { plan, file, path, content, is_new: false })
            }
            Place::New(mut file) => {
                let content = self.write(plan, &mut file)?;
                file.write(plan.end.bytes())?;
                let path = file.path().to_owned();
                Ok(Placed { plan, file: file.finish(plan.length)?, path, content, is_new: true })
            }
        }
    }

    /// Reads it from its disk.
    fn prove(&self, placed: Placed<'_>, see: &See<'_>) -> Result<Proven, Error> {
        let Placed { plan, file, path, content, is_new } = placed;
        let naming = self.repository.naming();
        let written = Written { file: Reread::new(file), path: &path, naming, observer: self.observer };
        let proven = written.check_segment(plan, content, &mut |transaction| see(transaction));
        proven.map_err(|error| if is_new { self.whose_fault(plan, error) } else { error })
    }

    /// Writes the stored bytes; gives the hash that has to be read back: the one that the point names. (What is cut has none; each of its chunks
    /// has.)
    fn write(&self, plan: &SegmentPlan, file: &mut NewFile) -> Result<ContentHash, Error> {
        let mut hasher = self.repository.naming().hasher();
        let mut failed = None;
        let read = self.repository.read_extents(&plan.extents, 0..plan.stored, &mut |bytes| {
            if plan.blake3.is_none() {
                hasher.update(bytes);
            }
            failed = file.write(bytes).err();
            self.observer.event(&Event::Bytes(bytes.len() as u64));
            stop_if(failed.is_some() || self.observer.interrupted())
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        read.map_err(|error| lost(plan, error))?;
        Ok(plan.blake3.unwrap_or_else(|| hasher.content()))
    }

    /// What was read back is not what the point names: if the archive is seen to hold something else, it isn't the disk's fault.
    fn whose_fault(&self, plan: &SegmentPlan, error: Error) -> Error {
        let (Error::Restore(Refused::Written { .. }), Some(expected)) = (&error, plan.blake3) else {
            return error;
        };
        let mut hasher = self.repository.naming().hasher();
        let read = self.repository.read_extents(&plan.extents, 0..plan.stored, &mut |bytes| {
            hasher.update(bytes);
            stop_if(self.observer.interrupted())
        });
        let found = hasher.content();
        if read.is_err() || found == expected {
            return error;
        }
        let what = format!("the archive holds bytes with the hash {found}, not {expected}");
        Refused::Contradiction { file: plan.path.clone(), what }.into()
    }

    fn control_db(&mut self) -> Result<(Option<RestoredControlDb>, Option<StagedZip>), Error> {
        let handout = Handout { repository: self.repository, observer: self.observer };
        let (plan, database) = (&self.plan.control_db, &self.plan.database);
        let mut restored = RestoredControlDb {
            path: plan.path().map(str::to_owned),
            length: 0,
            zip: plan.zip_to().cloned(),
            zip_is_original: true,
        };
        if let Some(path) = plan.path() {
            self.desk.make_directories(path.rsplit_once('/').map_or("", |(parent, _)| parent))?;
            self.observer.event(&Event::File { name: path });
            restored.length = handout.database(database, &self.desk, path)?;
        }
        let zip = match plan.zip_to() {
            Some(to) => handout.zip(database, to)?,
            None => None,
        };
        restored.zip_is_original = zip.as_ref().is_none_or(|zip| zip.is_original);
        if !restored.zip_is_original {
            self.remarks.zip_differs(zip_name(database));
        }
        let is_anything = restored.path.is_some() || restored.zip.is_some();
        Ok((is_anything.then_some(restored), zip))
    }
}

fn zip_name(database: &ControlDb) -> &str {
    match database {
        ControlDb::Inner { zip: Some(zip), .. } => &zip.name,
        ControlDb::Zip { name, .. } => name,
        ControlDb::Inner { .. } | ControlDb::Absent { .. } => "the zip",
    }
}

/// What an error of the repository means for a segment.
fn lost(plan: &SegmentPlan, error: repo::Error) -> Error {
    use repo::Error::{ChunkDamaged, ChunkMissing, Damaged, Interrupted, Missing};
    match error {
        Interrupted => Error::Interrupted,
        source @ (ChunkDamaged { .. } | ChunkMissing { .. } | Damaged { .. } | Missing { .. }) => {
            Refused::Lost {
                file: plan.path.clone(),
                first: plan.number,
                last: plan.last_or_number(),
                source: Box::new(source),
            }
            .into()
        }
        other => other.into(),
    }
}

/// The place of a cut at a moment was found by what the archive says of times: what was read back has to agree.
fn refuse_later(plan: &SegmentPlan, proven: &Proven, latest: Option<Moment>) -> Result<(), Refused> {
    let (Some(latest), Some(times)) = (latest, proven.times) else { return Ok(()) };
    let greatest = Moment(times.greatest.0);
    if greatest <= latest {
        return Ok(());
    }
    let what = format!(
        "it holds an event of {greatest}, later than {latest}: what the archive says of its times is wrong"
    );
    Err(Refused::Contradiction { file: plan.path.clone(), what })
}

/// What the segments of a store add up to.
#[derive(Default)]
struct Sum {
    events: u64,
    transactions: u64,
    bytes: u64,
    times: Option<Times>,
}

impl Sum {
    fn add(&mut self, proven: &Proven) {
        self.events = self.events.saturating_add(proven.events);
        self.transactions = self.transactions.saturating_add(proven.transactions);
        self.bytes = self.bytes.saturating_add(proven.logical_end);
        self.times = match (self.times, proven.times) {
            (Some(before), Some(next)) => Some(before.then(next)),
            (before, next) => before.or(next),
        };
    }
}

fn report(
    plan: &Plan,
    remarks: Remarks,
    contexts: Vec<RestoredContext>,
    control_db: Option<RestoredControlDb>,
) -> Restored {
    let stores = || plan.contexts.iter().flat_map(ContextPlan::stores);
    let is_whole = |store: &StorePlan| {
        store.missing.is_empty() && store.segments.iter().all(|segment| segment.end != PlannedEnd::AsFound)
    };
    let segments = stores().flat_map(|store| &store.segments);
    let is_written =
        |database: &&RestoredControlDb| database.path.as_ref().is_none_or(|path| plan.writes(path));
    let (warnings, notes) = remarks.split();
    Restored {
        point: plan.point,
        source: plan.source.clone(),
        at: plan.at,
        target: plan.target.clone(),
        cut: plan.cut.clone(),
        delta: plan.delta.clone(),
        contexts,
        plain_files: plan.plain_files.clone(),
        files: plan.files,
        length: plan.length,
        bytes: segments
            .filter(|segment| plan.writes(&segment.path))
            .map(|segment| segment.stored)
            .sum::<u64>()
            + control_db
                .as_ref()
                .filter(|database| is_written(database))
                .map_or(0, |database| database.length),
        control_db,
        verified: stores().all(is_whole),
        warnings: [plan.warnings.clone(), warnings].concat(),
        notes: [plan.notes.clone(), notes].concat(),
    }
}
