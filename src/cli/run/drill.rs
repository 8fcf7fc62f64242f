//! `drill`: a restore, tried.

use crate::axon::name::Store;
use crate::cli::args::cut::Cut;
use crate::cli::args::{Drill, PlaceArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::random;
use crate::cli::render;
use crate::cli::render::drill::{Drilled, Started};
use crate::cli::run::{Run, cut};
use crate::cli::started;
use crate::cli::when;
use crate::engine;
use crate::engine::drill;
use crate::engine::points::{self, Window};
use crate::engine::restore::cut::request::TokenCut;
use crate::engine::restore::{self, Layout, Plan, RestoreOptions, Restored};
use crate::repo::format::act::PointRef;
use crate::repo::store::Repository;
use std::path::PathBuf;
use std::time::Instant;

impl Run<'_> {
    pub(super) fn drill(&self, asked: &Drill) -> Result<Exit, Failure> {
        let repository = self.open()?;
        let asked = &cut_by_chance(asked, &repository)?;
        let name = drilled_point(asked, &repository)?;
        let scratch = asked.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let failed = |source| Failure::File { path: scratch.clone(), source };
        let room = tempfile::Builder::new().prefix("segvault-drill-").tempdir_in(&scratch).map_err(failed)?;
        let options = options(asked, &name, room.path().join("restored"));
        if self.global.dry_run {
            let plan = restore::plan(&repository, &options)?;
            self.screen.result("restore-plan", &plan, || render::restore::planned(&plan))?;
            return Ok(if plan.fits() { Exit::Done } else { Exit::NoSpace });
        }
        let begun = Instant::now();
        let plan = restore::plan(&repository, &options);
        // Known once it is planned: a backup may make another one the latest meanwhile.
        let planned = plan.as_ref().ok().map(|plan| plan.point);
        let tried = plan.map_err(Failure::from).and_then(|plan| self.tried(asked, &repository, plan));
        let known = || planned.map_or_else(|| drill::point(&repository, &name, asked.source.as_deref()), Ok);
        let drilled = remember(&repository, &known, (tried, begun.elapsed().as_secs()))?;
        self.screen.report("drill", &drilled, || render::drill::text(&drilled))?;
        Ok(if drilled.warnings() == 0 { Exit::Done } else { Exit::Incomplete })
    }

    /// Restores (which reads all of it again from the disk and proves it), and starts the user's command on it.
    fn tried(
        &self,
        asked: &Drill,
        repository: &Repository,
        plan: Plan,
    ) -> Result<(Restored, Option<Started>), Failure> {
        let progress = Progress::new(self.screen, self.signals.clone());
        let restored = restore::apply(repository, plan, &progress)?;
        repository.healed_is_told();
        drop(progress);
        let started = match &asked.exec {
            None => None,
            Some(command) => Some(self.start(asked, command, &restored)?),
        };
        Ok((restored, started))
    }

    fn start(&self, asked: &Drill, command: &str, restored: &Restored) -> Result<Started, Failure> {
        let wanted = started::Wanted {
            command,
            directory: &restored.target,
            point: restored.point.number,
            health: asked.health_url.as_deref(),
            limit: asked.time_limit,
        };
        let begun = Instant::now();
        started::run(&wanted, &self.signals)?;
        Ok(Started { command: command.to_owned(), seconds: begun.elapsed().as_secs() })
    }
}

/// What says something of the archive is remembered: that it restored, or that it did not. A full disk says nothing of it.
fn remember(
    repository: &Repository,
    point: &dyn Fn() -> Result<PointRef, engine::Error>,
    (tried, seconds): (Result<(Restored, Option<Started>), Failure>, u64),
) -> Result<Drilled, Failure> {
    let at = when::now();
    match tried {
        Ok((restored, started)) => {
            let passed = restored.verified;
            let act = drill::remember(repository, restored.point, at, (seconds, passed))?;
            Ok(Drilled { passed, seconds, act, started, restored })
        }
        Err(failure) => {
            if tells_of_the_archive(&failure) {
                drill::remember(repository, point()?, at, (seconds, false))?;
            }
            Err(failure)
        }
    }
}

fn drilled_point(asked: &Drill, repository: &Repository) -> Result<String, Failure> {
    if !asked.random {
        return Ok(asked.point.clone().unwrap_or_else(|| "latest".to_owned()));
    }
    let points = drill::complete_points(repository, asked.source.as_deref())?;
    let at = usize::try_from(u32::from_be_bytes(random::bytes()?))
        .unwrap_or_default()
        .checked_rem(points.len())
        .unwrap_or_default();
    // Without a complete point the name that is never wrong says why.
    Ok(points.get(at).map_or_else(|| "latest".to_owned(), u64::to_string))
}

/// With `--random-token` a token of the archive; all are as likely.
fn cut_by_chance(asked: &Drill, repository: &Repository) -> Result<Drill, Failure> {
    if !asked.random_token {
        return Ok(asked.clone());
    }
    let mut windows = points::overview(repository)?.windows;
    windows.retain(|window| {
        window.store == Store::Events.as_str()
            && asked.source.as_ref().is_none_or(|source| *source == window.source)
    });
    let tokens = |window: &Window| window.last.saturating_sub(window.first).saturating_add(1);
    let all = windows.iter().fold(0_u64, |sum, window| sum.saturating_add(tokens(window)));
    let mut left = u64::from_be_bytes(random::bytes()?).checked_rem(all).unwrap_or_default();
    for window in windows {
        if left >= tokens(&window) {
            left -= tokens(&window);
            continue;
        }
        let context = format!("{}@{}", window.context, window.incarnation);
        let token = Some(window.first.saturating_add(left));
        let cut = Cut { to_token: vec![TokenCut { context, token }], ..asked.cut.clone() };
        return Ok(Drill { cut, source: Some(window.source), ..asked.clone() });
    }
    // Without any event the latest point says what there is.
    Ok(asked.clone())
}

fn tells_of_the_archive(failure: &Failure) -> bool {
    let exit = failure.meaning().exit;
    matches!(exit, Exit::Damaged | Exit::GapOrOverlap) || matches!(failure, Failure::Drill { .. })
}

fn options(asked: &Drill, name: &str, target: PathBuf) -> RestoreOptions {
    let place = PlaceArgs::usual();
    let named = asked.random || asked.point.is_some();
    RestoreOptions {
        source: asked.source.clone(),
        point: name.to_owned(),
        control_db: !asked.no_control_db && asked.cut.control_db.as_deref() != Some("none"),
        control_db_of: asked.cut.control_db.clone().filter(|name| name != "none"),
        accept_version_reuse: asked.cut.accept_version_reuse,
        snapshots: !asked.cut.no_snapshots,
        cut: cut::request(&asked.cut, named),
        layout: Layout::default(),
        access: place.access(),
        ..RestoreOptions::latest(target)
    }
}
