//! From what was typed to what is done: one short function for each verb.

mod against;
mod at;
mod bench;
mod configured;
mod copy;
mod cut;
mod diff;
mod drill;
mod erase;
mod events;
mod forget;
mod healed;
mod help;
mod hold;
mod profile;
mod prune;
mod recompress;
mod repair;
mod stats;
mod status;
mod superseded;
mod watch;

use crate::cli::args::{
    Backup, Cli, Completions, EffortArgs, Global, Init, Man, Points, Restore, Show, Verb, Verify,
};
use crate::cli::config::Config;
use crate::cli::describe::one_line;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::manual;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::render::Screen;
use crate::cli::render::backup::{BackupDocument, Taken};
use crate::cli::repository;
use crate::cli::run::profile::Done;
use crate::cli::signals::Signals;
use crate::cli::storage_args;
use crate::engine;
use crate::engine::backup::{BackupOptions, BackupReport};
use crate::engine::observe::Observer;
use crate::engine::points;
use crate::engine::points::Overview;
use crate::engine::points::Problem;
use crate::engine::restore;
use crate::engine::restore::RestoreOptions;
use crate::engine::select;
use crate::engine::verify;
use crate::engine::verify::{Class, VerifyOptions};
use crate::repo::format::config::APPEND_ONLY;
use crate::repo::format::point::Weight;
use crate::repo::store::{Effort, Healings, Repository};
use crate::source::Source;
use crate::source::data_dir::ControlDbFrom;
use crate::source::data_dir::DataDirOptions;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;

/// What manifests say of the program that made them.
pub(super) const PROGRAM: &str = concat!("segvault ", env!("CARGO_PKG_VERSION"));

/// What every verb needs.
pub(super) struct Run<'a> {
    pub(super) global: &'a Global,
    pub(super) screen: Screen,
    pub(super) signals: Signals,
    /// Told of what is healed in any repository that is opened.
    pub(super) healings: Healings,
    pub(super) config: Config,
    /// What was typed, word by word.
    pub(super) typed: Vec<OsString>,
}

impl Run<'_> {
    /// Does what was typed; gives how it ended.
    pub(super) fn verb(&self, cli: &Cli) -> Result<Exit, Failure> {
        match &cli.verb {
            Verb::Init(asked) => self.init(*asked),
            Verb::Backup(asked) => self.backup(asked),
            Verb::Points(asked) => self.points(asked),
            Verb::Show(asked) => self.show(asked),
            Verb::Diff(asked) => self.diff(asked),
            Verb::Events(asked) => self.events(asked),
            Verb::Restore(asked) => self.restore(asked),
            Verb::Stats(asked) => self.stats(asked),
            Verb::Bench(asked) => self.bench(asked),
            Verb::BenchWorker(asked) => bench::work(asked),
            Verb::Recompress(asked) => self.recompress(asked),
            Verb::Hold(asked) => self.hold(asked),
            Verb::Forget(asked) => self.forget(asked),
            Verb::Prune(asked) => self.prune(asked),
            Verb::Copy(asked) => self.copy(asked),
            Verb::Erase(asked) => self.erase(asked),
            Verb::DropHistory(asked) => self.drop_history(asked),
            Verb::CheckServer(asked) => self.check_server(asked),
            Verb::Demo(asked) => self.demo(asked),
            Verb::Watch(asked) => self.watch(asked),
            Verb::Drill(asked) => self.drill(asked),
            Verb::Status(asked) => self.status(asked),
            Verb::Run(_) => self.profile(),
            Verb::Config(asked) => self.configured(asked.verb),
            Verb::Explain(asked) => self.explain(asked),
            Verb::Help(asked) => self.help(asked),
            Verb::Completions(asked) => completions(asked),
            Verb::Man(asked) => self.man(asked),
            Verb::Verify(asked) => self.verify(asked),
            Verb::Repair(asked) => self.repair(asked),
        }
    }

    fn open(&self) -> Result<Repository, Failure> {
        repository::open(self)
    }

    fn open_to_remove(&self, allow_delete: bool) -> Result<Repository, Failure> {
        repository::open_to_remove(self, allow_delete)
    }

    fn init(&self, asked: Init) -> Result<Exit, Failure> {
        let path = repository::path(self.global)?;
        let shown = one_line(&path.display().to_string());
        if self.global.dry_run {
            self.screen.report(
                "init",
                &json!({ "repository": path.display().to_string(), "id": null }),
                || format!("would make a repository at {shown}\n"),
            )?;
            return Ok(Exit::Done);
        }
        let features = asked.append_only.then(|| APPEND_ONLY.to_owned());
        let config = repository::make(path, features.into_iter().collect(), asked.parity)?;
        repository::reserve(path)?;
        self.screen.report(
            "init",
            &json!({ "repository": path.display().to_string(), "id": config.id }),
            || format!("made repository {} at {shown}\n", config.id),
        )?;
        Ok(Exit::Done)
    }

    fn backup(&self, asked: &Backup) -> Result<Exit, Failure> {
        let (taken, report) = self.back_up(asked)?;
        self.screen.findings(&report.findings);
        let document = BackupDocument { taken: &taken, report: &report };
        self.screen.report("backup", &document, || render::backup::text(&document))?;
        Ok(backed_up(&report))
    }

    fn backup_done(&self, asked: &Backup) -> Result<Done, Failure> {
        let (taken, report) = self.back_up(asked)?;
        let document = BackupDocument { taken: &taken, report: &report };
        Done::new(backed_up(&report), &document, render::backup::text(&document))
    }

    fn back_up(&self, asked: &Backup) -> Result<(Taken, BackupReport), Failure> {
        let options = self.backup_options(asked)?;
        let repository = self.open()?;
        // Before a server is asked, which may take its time.
        let progress = Progress::new(self.screen, self.signals.clone());
        let mut source = self.source(asked)?;
        let report = self.make_point(repository, &mut *source, &options, &progress)?;
        drop(progress);
        Ok((Taken::from(&*source)?, report))
    }

    /// The live server, if one was named; else the directory.
    fn source(&self, asked: &Backup) -> Result<Box<dyn Source>, Failure> {
        match &asked.server.server {
            None => Ok(Box::new(storage_args::open(asked, |path| source_options(asked, path))?)),
            Some(_) => Ok(Box::new(self.live(asked)?)),
        }
    }

    fn backup_options(&self, asked: &Backup) -> Result<BackupOptions, Failure> {
        Ok(BackupOptions {
            program: PROGRAM.to_owned(),
            source: asked.source.clone(),
            contexts: asked.contexts.clone(),
            excluded: asked.excluded.clone(),
            tags: asked.tags.iter().cloned().collect(),
            new_incarnation: asked.new_incarnation,
            no_fork: asked.no_fork,
            reread: asked.reread,
            strict: asked.strict,
            with_indexes: asked.with_indexes,
            dry_run: self.global.dry_run,
            effort: effort(asked.effort)?,
        })
    }

    fn points(&self, asked: &Points) -> Result<Exit, Failure> {
        if !asked.at.at.is_empty() {
            return self.points_at(asked);
        }
        let repository = self.open()?;
        let journal = repository.journal().map_err(engine::Error::from)?;
        let mut overview = points::overview_of(&repository, &journal)?;
        if let Some(source) = &asked.source {
            select::listed_source(&journal, source).map_err(engine::Error::from)?;
            keep_source(&mut overview, source);
        }
        if let Some(last) = asked.last {
            overview.keep_last(last.get());
        }
        self.screen.result("points", &overview, || render::points::text(&overview))?;
        Ok(undamaged(&overview.problems))
    }

    fn show(&self, asked: &Show) -> Result<Exit, Failure> {
        let point = points::show(&self.open()?, &asked.point, asked.source.as_deref())?;
        self.screen.result("point", &point, || render::show::text(&point))?;
        Ok(undamaged(&point.problems))
    }

    fn restore(&self, asked: &Restore) -> Result<Exit, Failure> {
        let repository = self.open()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let mut plan = restore::plan_seen(&repository, &restore_options(asked, self.global.yes)?, &progress)?;
        if self.global.dry_run || self.global.verbose > 0 {
            plan.estimate = Some(restore::estimate(&repository, &plan, &progress));
        }
        drop(progress);
        if !self.global.dry_run {
            render::restore::planned(&plan).lines().for_each(|line| self.screen.detail(1, line));
        }
        if self.global.dry_run {
            self.screen.result("restore-plan", &plan, || render::restore::planned(&plan))?;
            return Ok(if plan.fits() { whole(plan.warnings.is_empty()) } else { Exit::NoSpace });
        }
        let progress = Progress::new(self.screen, self.signals.clone());
        let path = repository::path(self.global)?;
        let begun = progress.now_ms();
        let restored = restore::apply(&repository, plan, &progress)?;
        repository.healed_is_told();
        let took = progress.now_ms() - begun;
        drop(progress);
        self.screen.findings(&restored.warnings);
        self.screen.report("restore", &restored, || render::restore::text(&restored, took, path))?;
        Ok(whole(restored.verified && restored.warnings.is_empty()))
    }

    fn verify(&self, asked: &Verify) -> Result<Exit, Failure> {
        if let Some(path) = &asked.against {
            return self.against(path, asked.source.as_deref());
        }
        let report = self.proven(asked)?;
        let bad = report.findings.iter().filter(|finding| finding.class > Class::Note);
        self.screen.unprinted_errors(bad.map(render::verify::line));
        self.screen.report("verify", &report, || render::verify::text(&report))?;
        Ok(verified(&report))
    }

    fn verify_done(&self, asked: &Verify) -> Result<Done, Failure> {
        let report = self.proven(asked)?;
        Done::new(verified(&report), &report, render::verify::text(&report))
    }

    fn proven(&self, asked: &Verify) -> Result<verify::Report, Failure> {
        let repository = self.open()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let options: VerifyOptions = against::options(asked, self.global.dry_run);
        let report = verify::verify(&repository, &options, &progress)?;
        repository.healed_is_told_of(report.findings.iter().filter_map(|finding| finding.path.as_deref()));
        Ok(report)
    }

    fn man(&self, asked: &Man) -> Result<Exit, Failure> {
        match &asked.directory {
            None => render::print_bytes(&manual::page()?)?,
            Some(directory) => self.write_pages(directory)?,
        }
        Ok(Exit::Done)
    }

    fn write_pages(&self, directory: &Path) -> Result<(), Failure> {
        let written = manual::write_pages(directory, self.global.dry_run)?;
        let names: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
        self.screen.report("man", &json!({ "files": names }), || names.join("\n") + "\n")
    }
}

/// How hard to work; too little memory is a usage error.
fn effort(asked: EffortArgs) -> Result<Effort, Failure> {
    let hint = "leave --memory out, or give more";
    asked.effort().map_err(|message| Failure::Usage { message, hint })
}

fn completions(asked: &Completions) -> Result<Exit, Failure> {
    render::print_bytes(&manual::completions(asked.shell))?;
    Ok(Exit::Done)
}

fn source_options(asked: &Backup, path: &Path) -> DataDirOptions {
    let control_db = match &asked.control_db {
        Some(path) => ControlDbFrom::Zip(path.clone()),
        None => ControlDbFrom::None("left out with --no-control-db".to_owned()),
    };
    DataDirOptions {
        path: path.to_path_buf(),
        control_db,
        accept_unordered: asked.accept_unordered,
        no_mmap: asked.no_mmap,
    }
}

fn restore_options(asked: &Restore, yes: bool) -> Result<RestoreOptions, Failure> {
    let of_control_db = asked.cut.control_db.as_deref();
    let (wanted, of) = match of_control_db {
        Some("none") => (false, None),
        other => (!asked.no_control_db, other.map(str::to_owned)),
    };
    Ok(RestoreOptions {
        point: asked.named_point().unwrap_or("latest").to_owned(),
        source: asked.source.clone(),
        contexts: asked.contexts.clone(),
        control_db: wanted,
        control_db_of: of,
        accept_version_reuse: asked.cut.accept_version_reuse,
        snapshots: !asked.cut.no_snapshots,
        cut: cut::request(&asked.cut, asked.named_point().is_some()),
        control_db_zip_to: asked.control_db_zip.clone(),
        with_indexes: asked.place.with_indexes,
        with_replication_log: asked.place.with_replication_log,
        layout: asked.place.layout()?,
        access: asked.place.access(),
        target: asked.target.clone(),
        delta: asked.delta,
        discard_unarchived: yes,
    })
}

/// Leaves only what is of one source.
fn keep_source(overview: &mut Overview, source: &str) {
    overview.points.retain(|point| point.source == source);
    overview.windows.retain(|window| window.source == source);
}

fn backed_up(report: &BackupReport) -> Exit {
    if report.complete { worst(report.weight()) } else { Exit::Incomplete }
}

fn verified(report: &verify::Report) -> Exit {
    match report.worst() {
        None | Some(Class::Note) => Exit::Done,
        Some(Class::History) => Exit::GapOrOverlap,
        Some(Class::Newer) => Exit::Unsupported,
        Some(Class::Damage) => Exit::Damaged,
    }
}

/// What a newer program wrote is not damaged.
fn undamaged(problems: &[Problem]) -> Exit {
    match problems.iter().map(|problem| problem.newer).min() {
        None => Exit::Done,
        Some(true) => Exit::Unsupported,
        Some(false) => Exit::Damaged,
    }
}

fn whole(is_whole: bool) -> Exit {
    if is_whole { Exit::Done } else { Exit::Incomplete }
}

/// How a run ends whose weightiest finding is this.
fn worst(weight: Option<Weight>) -> Exit {
    match weight {
        None | Some(Weight::Note) => Exit::Done,
        Some(Weight::Warning | Weight::Incomplete) => Exit::Incomplete,
    }
}
