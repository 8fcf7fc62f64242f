//! Each tool through the same rounds: a first backup, one after the open segment has grown, one after it was sealed, a restore.

use crate::engine::bench::advice::{advice, costs};
use crate::engine::bench::child::{Bounds, Failed, Used};
use crate::engine::bench::columns;
use crate::engine::bench::compare;
use crate::engine::bench::error::Error;
use crate::engine::bench::month;
use crate::engine::bench::node::{Node, State};
use crate::engine::bench::report::{Data, Growth, Measured, Month, Report, Row};
use crate::engine::bench::sample::{self, Sample};
use crate::engine::bench::shelf::Codec;
use crate::engine::bench::synthetic::Made;
use crate::engine::bench::tools::{self, Peer, Tool, Workshop};
use crate::engine::error;
use crate::engine::observe::{Event, Observer};
use crate::engine::restore::free_space;
use crate::source::Source;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Copies of the sample that have to fit at once: the node, a repository that saves nothing, what is restored.
const COPIES: u64 = 4;

/// What is measured, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory, as it was named.
    pub directory: PathBuf,
    /// What was made for this run.
    pub synthetic: Vec<Made>,
    /// At most so many bytes of it.
    pub sample: u64,
    /// The tools.
    pub tools: Vec<Tool>,
    /// An empty directory for everything.
    pub scratch: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// The directories in which other programs are found, as `PATH` has them.
    pub search: OsString,
    /// A process that takes longer is ended.
    pub limit: Duration,
    /// How many of a month's backups are made; 0: no month is simulated.
    pub month: u32,
    /// Whether to say where the bytes go.
    pub columns: bool,
    /// What a GB costs for a month.
    pub price: Option<Price>,
}

/// A price, for a GB and a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// So much.
    pub amount: f64,
    /// In this currency; may be empty.
    pub currency: String,
}

/// Why a tool's round ended.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The tool failed.
    Tool(String),
    /// We did.
    Ours(error::Error),
}

impl From<Failed> for Stopped {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Interrupted => Self::Ours(error::Error::Interrupted),
            failed => Self::Tool(failed.to_string()),
        }
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Ours(error.into())
    }
}

/// Measures all tools on the same data, one after the other.
pub fn bench(
    source: &mut dyn Source,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Report, error::Error> {
    let sample = sample::take(source, options.sample, observer)?;
    check(&sample, options)?;
    interrupted(observer)?;
    let node = Node::new(options.scratch.join("node"), &sample);
    let bounds = Bounds { limit: options.limit, observer };
    let run = Run { node: &node, options, bounds: &bounds, month: month::plan(&sample, options.month) };
    let data = run.data(&sample)?;
    let mut rows = Vec::new();
    for tool in &options.tools {
        observer.event(&Event::Phase { name: "measuring", total: None });
        observer.event(&Event::File { name: &tool.name() });
        rows.push(run.row(*tool, data.at_first, data.at_first + data.sealed)?);
        interrupted(observer)?;
    }
    let columns = if options.columns { Some(columns::of(&sample, observer)?) } else { None };
    let mut report = Report { data, rows, month: run.month, columns, advice: None, costs: None };
    report.advice = Some(advice(&report));
    report.costs = options.price.as_ref().map(|price| costs(&report, price.amount, &price.currency));
    Ok(report)
}

pub(super) fn interrupted(observer: &dyn Observer) -> Result<(), error::Error> {
    if observer.interrupted() { Err(error::Error::Interrupted) } else { Ok(()) }
}

fn check(sample: &Sample, options: &Options) -> Result<(), Error> {
    if sample.bytes() == 0 {
        return Err(Error::Empty { path: options.directory.clone() });
    }
    let needed = sample.sampled_files.min(options.sample.saturating_mul(2)).saturating_mul(COPIES);
    match free_space(&options.scratch) {
        Some(free) if free < needed => Err(Error::NoSpace { path: options.scratch.clone(), needed, free }),
        _ => Ok(()),
    }
}

struct Run<'a> {
    node: &'a Node,
    options: &'a Options,
    bounds: &'a Bounds<'a>,
    month: Option<Month>,
}

impl Run<'_> {
    fn data(&self, sample: &Sample) -> Result<Data, Error> {
        let sealed = self.node.set(State::Sealed)?;
        let grown = self.node.set(State::Grown)?;
        let at_first = self.node.set(State::First)?;
        let times = sample.times();
        let (segments, contexts) = sample.counts();
        Ok(Data {
            directory: self.options.directory.clone(),
            synthetic: self.options.synthetic.clone(),
            files: sample.files,
            sampled_files: sample.sampled_files,
            sample: sample.bytes(),
            events: sample.events,
            segments,
            contexts,
            first_ms: times.map(|times| times.0),
            last_ms: times.map(|times| times.1),
            at_first,
            grown: grown.saturating_sub(at_first),
            sealed: sealed.saturating_sub(at_first),
        })
    }

    fn row(&self, tool: Tool, at_first: u64, at_last: u64) -> Result<Row, error::Error> {
        let failed = |why: String| Row::failed(tool.name(), tool.is_own(), why);
        let Some(program) = tools::program(tool, &self.options.program, &self.options.search) else {
            return Ok(failed("not installed: not found on PATH".to_owned()));
        };
        let room = self.options.scratch.join(tool.name().replace(' ', "-"));
        let workshop = Workshop {
            tool,
            program,
            room: room.clone(),
            node: self.node.root(),
            search: self.options.search.clone(),
            bounds: self.bounds,
        };
        let version = match workshop.furnish().map_err(Stopped::from).and_then(|()| Ok(workshop.version()?)) {
            Ok(version) => version,
            Err(Stopped::Tool(why)) => return Ok(failed(why)),
            Err(Stopped::Ours(error)) => return Err(error),
        };
        let row = match self.rounds(&workshop, at_first, at_last) {
            Ok((measured, differs)) => {
                let row = failed(String::new());
                Row {
                    measured: Some(measured),
                    failed: None,
                    differs,
                    growth: self.growth(&workshop)?,
                    ..row
                }
            }
            Err(Stopped::Tool(why)) => failed(why),
            Err(Stopped::Ours(error)) => return Err(error),
        };
        remove(&room)?;
        Ok(Row { version, settings: settings(tool), ..row })
    }

    fn rounds(
        &self,
        workshop: &Workshop<'_>,
        at_first: u64,
        at_last: u64,
    ) -> Result<(Measured, Option<String>), Stopped> {
        let round = |state, number| -> Result<(Used, u64), Stopped> {
            self.node.set(state)?;
            let used = workshop.backup(number)?;
            Ok((used, workshop.size()?))
        };
        self.node.set(State::First)?;
        workshop.init()?;
        let (first, stored) = round(State::First, 1)?;
        let (second, after_second) = round(State::Grown, 2)?;
        let (third, after_third) = round(State::Sealed, 3)?;
        let restore = workshop.restore(3)?;
        let differs = compare::difference(self.node.root(), &self.node.files(), &workshop.target())?;
        let measured = Measured {
            stored,
            grown: after_second.saturating_sub(stored),
            sealed: after_third.saturating_sub(after_second),
            first,
            second,
            third,
            restore,
            encode_speed: speed(at_first, &first),
            decode_speed: speed(at_last, &restore),
            equal: differs.is_none(),
        };
        Ok((measured, differs))
    }

    /// The month, in a repository of its own. The slow ones among those that only compress files are left out.
    fn growth(&self, workshop: &Workshop<'_>) -> Result<Option<Growth>, error::Error> {
        let Some(month) = self.month.as_ref().filter(|_| is_followed(workshop.tool)) else { return Ok(None) };
        remove(&workshop.room)?;
        workshop.furnish()?;
        month::growth(month, self.node, workshop).map(Some)
    }
}

/// Whose month is simulated: each costs as many backups as the month has.
fn is_followed(tool: Tool) -> bool {
    use crate::repo::codec::Compression;
    match tool {
        Tool::Own(compression) => compression == Compression::Default,
        Tool::Files(codec) => matches!(codec, Codec::Plain | Codec::TarZst),
        Tool::Peer(_) => true,
    }
}

fn settings(tool: Tool) -> String {
    let text = match tool {
        Tool::Own(_) => "without the 1 MiB that a repository keeps for a full disk",
        Tool::Files(Codec::TarZst) => "one archive of everything, level 3; made anew each time",
        Tool::Files(Codec::Plain) => "files that changed are copied again, zeros too",
        Tool::Files(Codec::Gzip | Codec::Xz) => "level 6; files that changed are stored again",
        Tool::Files(_) => "files that changed are stored again",
        Tool::Peer(peer) => Peer::settings(peer),
    };
    text.to_owned()
}

fn remove(room: &Path) -> Result<(), Error> {
    fs::remove_dir_all(room).map_err(Error::of(room))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure for people"
)]
fn speed(bytes: u64, used: &Used) -> u64 {
    (bytes as f64 / used.seconds.max(1e-6)) as u64
}
