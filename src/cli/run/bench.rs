//! `bench`, and the processes that it runs.

use crate::cli::args::{Bench, BenchWorker, Rival, Task};
use crate::cli::describe::one_line;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::machine::Machine;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::render::bench::BenchDocument;
use crate::cli::run::{PROGRAM, Run};
use crate::cli::run_demo::empty_directory;
use crate::engine;
use crate::engine::bench::report::Report;
use crate::engine::bench::shelf::{self, Codec};
use crate::engine::bench::synthetic::{self, Made};
use crate::engine::bench::{Options, Peer, Tool, columns};
use crate::repo::codec::Compression;
use crate::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

impl Run<'_> {
    pub(super) fn bench(&self, asked: &Bench) -> Result<Exit, Failure> {
        if let Some(path) = &asked.report {
            writable(path)?;
        }
        if self.global.dry_run && !asked.synthetic.is_empty() && asked.only_makes() {
            return self.would_make(asked);
        }
        let machine = Machine::now();
        let scratch = scratch(asked)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let (directory, made) = data(asked, scratch.path(), &progress)?;
        if !asked.synthetic.is_empty() && asked.only_makes() {
            drop(progress);
            return self.made(&directory, &made);
        }
        let mut source = open(&directory)?;
        if asked.columns {
            let found = columns::columns(&mut source, asked.sample, &progress)?;
            drop(progress);
            self.screen.result("bench-columns", &found, || render::bench::columns(&found))?;
            return Ok(Exit::Done);
        }
        let options = options(asked, directory, made, scratch.path())?;
        if self.global.dry_run {
            let names: Vec<String> = options.tools.iter().map(|tool| tool.name()).collect();
            drop(progress);
            self.screen
                .result("bench-plan", &serde_json::json!({ "tools": names }), || names.join("\n") + "\n")?;
            return Ok(Exit::Done);
        }
        let report = engine::bench::bench(&mut source, &options, &progress)?;
        drop(progress);
        let document = BenchDocument {
            program: PROGRAM,
            at: now(),
            command: command(),
            machine: &machine,
            report: &report,
        };
        if let Some(path) = &asked.report {
            let page = render::bench::page(&document, path)?;
            write(path, page.as_bytes())?;
        }
        self.screen.result("bench", &document, || render::bench::text(&document))?;
        Ok(if is_sound(&report) { Exit::Done } else { Exit::Incomplete })
    }

    fn would_make(&self, asked: &Bench) -> Result<Exit, Failure> {
        let into = asked.into.clone().unwrap_or_default();
        let document = serde_json::json!({ "directory": into.display().to_string(), "made": [] });
        self.screen.report("bench-data", &document, || {
            let kinds: Vec<&str> = asked.synthetic.iter().map(|kind| kind.0).collect();
            one_line(&format!("would make {} in {}", kinds.join(", "), into.display())) + "\n"
        })?;
        Ok(Exit::Done)
    }

    fn made(&self, directory: &Path, made: &[Made]) -> Result<Exit, Failure> {
        let document = serde_json::json!({ "directory": directory.display().to_string(), "made": made });
        self.screen.report("bench-data", &document, || render::bench::made(directory, made))?;
        Ok(Exit::Done)
    }
}

/// What can be told of a report's place before hours of measuring.
fn writable(path: &Path) -> Result<(), Failure> {
    render::bench::kind(path)?;
    let place = path.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| Failure::File { path: path.to_path_buf(), source };
    if place.metadata().map_err(failed)?.is_dir() {
        Ok(())
    } else {
        Err(failed(std::io::ErrorKind::NotADirectory.into()))
    }
}

/// The data that is measured: what was named, or what is made.
fn data(asked: &Bench, scratch: &Path, progress: &Progress) -> Result<(PathBuf, Vec<Made>), Failure> {
    if let Some(directory) = &asked.data_dir {
        return Ok((directory.clone(), Vec::new()));
    }
    let directory = match &asked.into {
        Some(directory) => empty_directory(directory)?,
        None => scratch.join("synthetic"),
    };
    let length = usize::try_from(asked.size).unwrap_or(usize::MAX);
    let made =
        synthetic::write(&asked.synthetic, length, &directory, progress).map_err(engine::Error::from)?;
    Ok((directory, made.ok_or(engine::Error::Interrupted)?))
}

/// What a worker process does.
pub(super) fn work(asked: &BenchWorker) -> Result<Exit, Failure> {
    let done = match &asked.task {
        Task::Store { codec, number, node, repository } => shelf::store(*codec, node, repository, *number),
        Task::Restore { codec, repository, target } => shelf::restore(*codec, repository, target),
    };
    done.map_err(engine::Error::from)?;
    Ok(Exit::Done)
}

impl Bench {
    /// With a place to keep it in, data is made and nothing more is done, unless that is asked for too.
    fn only_makes(&self) -> bool {
        self.into.is_some() && self.against.is_empty() && self.report.is_none() && !self.columns
    }
}

fn scratch(asked: &Bench) -> Result<tempfile::TempDir, Failure> {
    let place = asked.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let made = tempfile::Builder::new().prefix("segvault-bench-").tempdir_in(&place);
    made.map_err(|source| Failure::File { path: place, source })
}

fn open(directory: &Path) -> Result<DataDir, Failure> {
    let control_db = ControlDbFrom::None("a bench measures the history".to_owned());
    let path = directory.to_path_buf();
    Ok(DataDir::open(DataDirOptions { path, control_db, accept_unordered: false, no_mmap: true })?)
}

fn options(
    asked: &Bench,
    directory: PathBuf,
    synthetic: Vec<Made>,
    scratch: &Path,
) -> Result<Options, Failure> {
    let failed = |source| Failure::File { path: PathBuf::from("segvault"), source };
    let search = std::env::var_os("PATH").unwrap_or_default();
    Ok(Options {
        directory,
        synthetic,
        sample: asked.sample,
        tools: tools(&asked.against, &search),
        scratch: scratch.to_path_buf(),
        program: std::env::current_exe().map_err(failed)?,
        search,
        limit: asked.limit,
        month: asked.month,
        columns: asked.report.is_some(),
        price: asked.price.clone(),
    })
}

/// Ours, what only compresses files, and the others: those that were named, or else those that are there.
fn tools(against: &[Rival], search: &OsString) -> Vec<Tool> {
    let own = Compression::ALL.map(Tool::Own);
    let files = [Codec::Plain, Codec::Gzip, Codec::Zstd3, Codec::Zstd19, Codec::Xz].map(Tool::Files);
    let mut tools = [own.as_slice(), files.as_slice()].concat();
    if against.is_empty() {
        tools.push(Tool::Files(Codec::TarZst));
        tools.extend(Peer::ALL.into_iter().map(Tool::Peer).filter(|tool| tool.is_on(search)));
    }
    for rival in against {
        match rival {
            Rival::Peer(peer) => tools.push(Tool::Peer(*peer)),
            Rival::TarZst => tools.push(Tool::Files(Codec::TarZst)),
            Rival::None => {}
        }
    }
    tools
}

/// Whether every tool did what it was asked for, and gave back what it was given.
fn is_sound(report: &Report) -> bool {
    let is_whole = |growth: &engine::bench::report::Growth| growth.failed.is_none();
    report.rows.iter().all(|row| row.sound().is_some() && row.growth.as_ref().is_none_or(is_whole))
}

/// The line that was typed, so that it can be typed again.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let quoted = words.map(|word| if word.contains([' ', '\'', '"']) { format!("'{word}'") } else { word });
    std::iter::once("segvault".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File { path: path.to_path_buf(), source };
    File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}
