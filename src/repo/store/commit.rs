//! What a session publishes: records, the point, acts.

use crate::repo::error::Error;
use crate::repo::format::act;
use crate::repo::format::act::{Act, Deed, PointRef};
use crate::repo::format::id::PackId;
use crate::repo::format::limits;
use crate::repo::format::moment::Moment;
use crate::repo::format::point;
use crate::repo::format::point::{Point, PointBody};
use crate::repo::format::record::{LogKey, LogState, PrefixProof, Record};
use crate::repo::paths;
use crate::repo::store::journal;
use crate::repo::store::journal::{Journal, Named};
use crate::repo::store::lost::LostFiles;
use crate::repo::store::numbered::{NumberedRow, Row};
use crate::repo::store::read::Repository;
use crate::repo::store::rules;
use crate::repo::store::session::{Durable, Published, RecordsDurable, Session};
use std::collections::BTreeSet;

impl Repository {
    /// Marks packs dead beside the one that writes, by an act; gives its number. (All other acts are written by who holds its lock.)
    pub fn publish_mark(&self, at: Moment, packs: Vec<PackId>) -> Result<u64, Error> {
        self.may_remove()?;
        if self.is_unlocked() {
            return Err(Error::NoLocks { path: self.disk().display("") });
        }
        journal::publish_beside(self.disk(), &self.config, (at, &Deed::Dead { packs }))
    }
}

impl Session<'_> {
    /// Publishes one record for each state, numbered behind the newest one of its log, as a whole batch; gives their numbers, in order.
    /// Each is proven to hold all that the newest one holds; where a tail has grown or was sealed, with the help of its proofs.
    /// `Overtaken` if somebody else took a number: nothing of ours counts then, begin again.
    #[expect(clippy::needless_pass_by_value, reason = "a proof is spent")]
    pub fn publish_records(
        &mut self,
        durable: Durable,
        states: Vec<(LogState, Vec<PrefixProof>)>,
    ) -> Result<(RecordsDurable, Vec<u64>), Error> {
        self.guarded(|session| {
            session.check_generation(durable.generation)?;
            let keys: BTreeSet<&LogKey> = states.iter().map(|(state, _)| &state.key).collect();
            if keys.len() < states.len() {
                return Err(session.rule("two records of one log at once".to_owned()));
            }
            let mut staged = Vec::with_capacity(states.len());
            let journal =
                if states.is_empty() { Journal::default() } else { session.repository.journal()? };
            for (state, proofs) in states {
                rules::next_record(session, &state, &proofs)?;
                staged.push(session.stage_record(state, &journal)?);
            }
            let mut numbers = Vec::with_capacity(staged.len());
            for record in &staged {
                record.publish(session)?;
                numbers.push(record.number);
            }
            session.settle_directories()?;
            Ok((RecordsDurable { generation: durable.generation }, numbers))
        })
    }

    /// Publishes records that hold less than the newest ones of their logs, as a whole batch. What leaves is proven to be what may leave: see
    /// `rules::fewer`.
    #[expect(clippy::needless_pass_by_value, reason = "a proof is spent")]
    pub fn publish_fewer(&mut self, durable: Durable, states: Vec<LogState>) -> Result<Vec<u64>, Error> {
        self.repository.may_remove()?;
        self.guarded(|session| {
            session.check_generation(durable.generation)?;
            let journal = session.repository.journal()?;
            let mut staged = Vec::with_capacity(states.len());
            for state in states {
                rules::fewer(session, &journal, &state)?;
                staged.push(session.stage_record(state, &journal)?);
            }
            for record in &staged {
                record.publish(session)?;
            }
            session.settle_directories()?;
            Ok(staged.iter().map(|record| record.number).collect())
        })
    }

    fn stage_record(&mut self, state: LogState, journal: &Journal) -> Result<StagedNumber, Error> {
        let row = NumberedRow::Records(state.key.clone());
        let used = used_records(journal, &state.key);
        let (number, previous) = row.next(self.repository.disk(), &self.repository.config, used)?;
        let record = Record { number, previous, state };
        let bytes = record.encode();
        let reads_back = Record::decode(&bytes).is_ok_and(|read| read == record);
        self.stage(row.row(), number, &bytes, reads_back)
    }

    /// Fails if no point can be published, since the newest one is damaged: that is better known before anything is read or written.
    pub fn may_publish_point(&self) -> Result<(), Error> {
        NumberedRow::Points.newest(self.repository.disk(), &self.repository.config).map(drop)
    }

    /// Publishes the point: the commit. Ends the session.
    #[expect(clippy::needless_pass_by_value, reason = "a proof is spent")]
    pub fn publish_point(mut self, records: RecordsDurable, body: PointBody) -> Result<Published, Error> {
        self.guarded(|session| {
            session.check_generation(records.generation)?;
            rules::point(session, &body)?;
            let repository = session.repository;
            let acts = repository.read_acts()?;
            let named = Named::by(&acts.acts).highest;
            let row = NumberedRow::Points;
            let (number, previous) = row.next(repository.disk(), &repository.config, named)?;
            let (kind, id) = (point::TYPE.to_owned(), repository.config.id.clone());
            let point = Point { kind, version: point::VERSION, number, previous, repository: id, body };
            let bytes = point.encode().map_err(|damage| session.rule(damage.to_string()))?;
            let reads_back = Point::decode(&bytes).is_ok_and(|read| read == point);
            session.stage(row.row(), number, &bytes, reads_back)?.publish(session)?;
            session.settle_directories()?;
            let point = PointRef { number, blake3: repository.naming().file(&bytes) };
            Ok(Published { point, tally: session.tally })
        })
    }

    /// Writes an act; gives its number. One that removes something, or prepares for it, only where that is allowed.
    #[expect(clippy::needless_pass_by_value, reason = "an act is written once")]
    pub fn publish_act(&mut self, at: Moment, deed: Deed) -> Result<u64, Error> {
        if matches!(deed, Deed::Dead { .. } | Deed::Gone { .. } | Deed::Erased { .. } | Deed::Dropped { .. })
        {
            self.repository.may_remove()?;
        }
        self.guarded(|session| {
            let repository = session.repository;
            for _ in 0..journal::TRIES {
                let row = NumberedRow::Acts;
                let (number, previous) = row.next(repository.disk(), &repository.config, 0)?;
                let (kind, id) = (act::TYPE.to_owned(), repository.config.id.clone());
                let (version, deed) = (act::VERSION, deed.clone());
                let act = Act { kind, version, number, previous, repository: id, at, deed };
                let bytes = act.encode().map_err(|damage| session.rule(damage.to_string()))?;
                let reads_back = Act::decode(&bytes).is_ok_and(|read| read == act);
                match session.stage(row.row(), number, &bytes, reads_back)?.publish(session) {
                    // A mark beside us took the number: it says nothing that our act rests on.
                    Err(Error::Overtaken { .. }) => {}
                    published => {
                        published?;
                        session.settle_directories()?;
                        return Ok(number);
                    }
                }
            }
            Err(Error::Overtaken { path: repository.disk().display(paths::ACTS) })
        })
    }

    /// What a reader would refuse is not written.
    fn stage(
        &mut self,
        row: Row,
        number: u64,
        bytes: &[u8],
        reads_back: bool,
    ) -> Result<StagedNumber, Error> {
        if !reads_back || bytes.len() as u64 > limits::SMALL_FILE_MAX {
            let path = self.repository.disk().display(&row.path(number));
            return Err(Error::Rule { path, rule: "it would not read back".to_owned() });
        }
        let path = self.staging.write(bytes)?;
        Ok(StagedNumber { row, number, path, length: bytes.len() as u64 })
    }

    fn check_generation(&self, generation: u64) -> Result<(), Error> {
        if generation == self.generation {
            Ok(())
        } else {
            Err(self.rule("something was put behind the barrier".to_owned()))
        }
    }
}

/// The highest number of a log's record that points name, or that was given up: it was used, whether its file is there or not.
fn used_records(journal: &Journal, key: &LogKey) -> u64 {
    let named = journal.points.iter().filter_map(|listed| Some(listed.log(key)?.record));
    let lost = LostFiles::by(&journal.acts).in_directory(&paths::log(key));
    named.chain(lost.last().copied()).max().unwrap_or(0)
}

/// A numbered file in staging, synced.
struct StagedNumber {
    row: Row,
    number: u64,
    path: String,
    length: u64,
}

impl StagedNumber {
    fn publish(&self, session: &mut Session<'_>) -> Result<(), Error> {
        let disk = session.repository.disk();
        self.row.publish(&mut session.staging, disk, self.number, (&self.path, self.length))?;
        session.tally.file_bytes = session.tally.file_bytes.saturating_add(self.length);
        Ok(())
    }
}
