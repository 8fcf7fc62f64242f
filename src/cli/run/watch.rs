//! `watch`: points, and what comes between them, until it is asked to stop.

use crate::cli::args::{self, Backup, Verb, Watch};
use crate::cli::config;
use crate::cli::describe::chain;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render::watch::{self as told, Happened};
use crate::cli::run::Run;
use crate::cli::signals::Signals;
use crate::cli::when;
use crate::engine;
use crate::engine::backup::BackupOptions;
use crate::engine::watch::{self, Grown, Round};
use crate::repo;
use std::time::{Duration, Instant};

/// A pause ends so soon after a signal.
const LISTEN_EVERY: Duration = Duration::from_millis(50);
/// After a failure it is tried again so soon; then each time after twice as long, up to this (or to the interval, if that is longer).
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LAST: Duration = Duration::from_secs(30);
/// The same for a point that fails when the server has written its control database for it: each try has it write another zip, and it removes none.
const AGAIN_WITH_ZIP: Duration = Duration::from_mins(10);
/// What goes on failing for the same reason is told so rarely.
const TELL_LAST: Duration = Duration::from_mins(10);

/// How a stretch of watching ended.
enum Ended {
    Stopped,
    Reload,
}

impl Run<'_> {
    /// Watches until a signal comes. SIGHUP reads the configuration anew.
    pub(super) fn watch(&self, asked: &Watch) -> Result<Exit, Failure> {
        if self.global.dry_run {
            let message = "a watch can't be tried without doing it".to_owned();
            return Err(Failure::Usage { message, hint: "try a backup: 'segvault backup --dry-run'" });
        }
        let reload = Signals::reloads().map_err(Failure::Signals)?;
        let source = self.source(&asked.backup)?;
        let name = watch::name_of(&*source, &self.backup_options(&asked.backup)?)?;
        drop(source);
        let lock = self.open()?.watch_lock(&name);
        // Held to the end, while the repository itself is let go of after each round.
        let _only = lock?;
        let mut current = asked.clone();
        loop {
            match self.stretch(&current, &reload)? {
                Ended::Stopped => {
                    self.say(&Happened::Stopped)?;
                    return Ok(self.signals.exit());
                }
                Ended::Reload => current = self.reloaded(current),
            }
        }
    }

    /// What is configured now. What can't be used is said, and the old one goes on.
    fn reloaded(&self, before: Watch) -> Watch {
        let read = || -> Result<Option<Watch>, Failure> {
            let (words, _) = config::complete(self.typed.clone()).map_err(Failure::Config)?;
            let cli = args::parse(words)
                .map_err(|error| Failure::Usage { message: error.to_string(), hint: "" })?;
            let is_here = cli.global.repository == self.global.repository;
            Ok(if let Verb::Watch(watch) = cli.verb { Some(*watch).filter(|_| is_here) } else { None })
        };
        match read() {
            Ok(Some(watch)) if watch.backup.source == before.backup.source => {
                self.screen.detail(1, "the configuration was read anew");
                watch
            }
            Ok(_) => {
                let why = "another source or repository now: begin another watch for it";
                self.screen.warning(&format!("the configuration names {why}"));
                before
            }
            Err(failure) => {
                self.screen.warning(&format!("the configuration is not read anew: {}", chain(&failure)));
                before
            }
        }
    }

    fn stretch(&self, asked: &Watch, reload: &Signals) -> Result<Ended, Failure> {
        let options = self.backup_options(&asked.backup)?;
        let mut stretch = Stretch {
            run: self,
            asked,
            options: &options,
            watch: None,
            last_point: None,
            told: None,
            trouble: None,
        };
        loop {
            let round = stretch.round();
            // A watch ends with a signal, which may take months: its code is that of the signal.
            self.tell_healed(Exit::Done);
            let pause = match round {
                Ok(()) => {
                    stretch.recovered()?;
                    asked.interval
                }
                Err(_) if self.signals.came() => return Ok(Ended::Stopped),
                Err(failure) if passes(&failure) => {
                    let longest = longest_pause(&failure, stretch.asks_for_zips()).max(asked.interval);
                    let trouble = stretch.trouble.get_or_insert_with(Trouble::new);
                    self.again(trouble, chain(&failure), longest)
                }
                Err(failure) => return Err(failure),
            };
            if let Some(ended) = self.pause(pause, reload) {
                return Ok(ended);
            }
        }
    }

    /// Tells of a failure, unless that was said already; gives how long to wait before it is tried again.
    fn again(&self, trouble: &mut Trouble, why: String, longest: Duration) -> Duration {
        let pause = trouble.pause.min(longest);
        trouble.pause = (pause * 2).min(longest);
        if trouble.is_news(&why) {
            self.screen.warning(&format!("{why}; trying again in {} s", pause.as_secs()));
            trouble.told = Some((why, Instant::now()));
        }
        pause
    }

    fn pause(&self, length: Duration, reload: &Signals) -> Option<Ended> {
        let end = Instant::now() + length;
        loop {
            if self.signals.came() {
                return Some(Ended::Stopped);
            }
            if reload.take() {
                return Some(Ended::Reload);
            }
            if self.signals.asked_for_state() {
                self.waiting(end);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::sleep(left.min(LISTEN_EVERY));
        }
    }

    fn waiting(&self, end: Instant) {
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        let line = format!("watching: the next look is in {left} s");
        self.screen.state(&line, &crate::cli::progress::Standing::waiting("watching", left));
    }

    fn say(&self, happened: &Happened) -> Result<(), Failure> {
        let at = when::now();
        let event = told::Event { at, happened: happened.clone() };
        self.screen.report("watch", &event, || told::text(&event))
    }
}

/// What may be better in a while: a server that is started again, a lock, a full disk, files that move, a token file that is being replaced.
fn passes(failure: &Failure) -> bool {
    let Failure::Engine(_) = failure else { return false };
    let meaning = failure.meaning();
    let is_of_file = matches!(meaning.id, "server.secret" | "server.ca-cert");
    is_of_file
        || matches!(
            meaning.exit,
            Exit::Failed
                | Exit::Locked
                | Exit::Server
                | Exit::NoSpace
                | Exit::GapOrOverlap
                | Exit::SourceDamaged
        )
}

/// How long it is waited at most before that is tried again.
fn longest_pause(failure: &Failure, asks_for_zips: bool) -> Duration {
    if asks_for_zips && comes_late(failure) { AGAIN_WITH_ZIP } else { AGAIN_LAST }
}

/// Whether a backup that fails so has asked the server for its control database before.
fn comes_late(failure: &Failure) -> bool {
    let Failure::Engine(error) = failure else { return false };
    match &**error {
        // A lock comes before the server is asked.
        engine::Error::Repo(error) => !matches!(error, repo::Error::Locked { .. }),
        _ => matches!(failure.meaning().exit, Exit::GapOrOverlap | Exit::SourceDamaged),
    }
}

/// What keeps failing.
struct Trouble {
    since: Instant,
    /// So long until it is tried again.
    pause: Duration,
    /// What was said of it last, and when.
    told: Option<(String, Instant)>,
}

impl Trouble {
    fn new() -> Self {
        Self { since: Instant::now(), pause: AGAIN_FIRST, told: None }
    }

    /// Another reason than before; or the same for twice as long as when it was told.
    fn is_news(&self, why: &str) -> bool {
        self.told.as_ref().is_none_or(|(told, at)| {
            told != why || at.elapsed() >= at.duration_since(self.since).min(TELL_LAST)
        })
    }
}

/// Watching with one configuration.
struct Stretch<'r, 'a> {
    run: &'r Run<'a>,
    asked: &'r Watch,
    options: &'r BackupOptions,
    watch: Option<watch::Watch<'r>>,
    last_point: Option<Instant>,
    /// What was said to be waited with, as long as that has not passed.
    told: Option<String>,
    /// What fails, until it works again.
    trouble: Option<Trouble>,
}

impl Stretch<'_, '_> {
    fn backup(&self) -> &Backup {
        &self.asked.backup
    }

    /// Whether what comes next is a point of a server that writes a zip for it.
    fn asks_for_zips(&self) -> bool {
        self.watch.is_none() && self.backup().server.server.is_some() && !self.backup().no_control_db
    }

    /// Before anything else is told it is told that what failed works again.
    fn say(&mut self, happened: &Happened) -> Result<(), Failure> {
        self.recovered()?;
        self.run.say(happened)
    }

    fn recovered(&mut self) -> Result<(), Failure> {
        let Some(trouble) = self.trouble.take() else { return Ok(()) };
        self.run.say(&Happened::Recovered { seconds: trouble.since.elapsed().as_secs() })
    }

    /// A point, if one is due; else what is new.
    fn round(&mut self) -> Result<(), Failure> {
        let is_due = self.last_point.is_none_or(|last| last.elapsed() >= self.asked.point_every);
        if is_due || self.watch.is_none() {
            return self.point(None);
        }
        let run = self.run;
        let repository = run.open()?;
        let progress = Progress::new(run.screen.hushed(), run.signals.clone());
        let mut source = run.source(self.backup())?;
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let round = watch.round(&repository, &mut *source, &progress)?;
        drop((progress, source, repository));
        match round {
            Round::NeedsPoint(why) => self.point(Some(why)),
            Round::Waits { why, archived } => {
                self.archived(archived)?;
                self.waits(why)
            }
            Round::Quiet => {
                self.told = None;
                Ok(())
            }
            Round::Archived(logs) => {
                self.told = None;
                self.archived(logs)
            }
        }
    }

    fn archived(&mut self, logs: Vec<Grown>) -> Result<(), Failure> {
        if logs.is_empty() { Ok(()) } else { self.say(&Happened::Archived { logs }) }
    }

    /// Says once that something waits.
    fn waits(&mut self, why: String) -> Result<(), Failure> {
        if self.told.as_ref() == Some(&why) {
            return Ok(());
        }
        self.told = Some(why.clone());
        self.say(&Happened::Waiting { why })
    }

    fn point(&mut self, why: Option<String>) -> Result<(), Failure> {
        let run = self.run;
        // What was followed is proven anew, whatever comes of the point.
        let earlier = self.watch.take();
        let repository = run.open()?;
        let progress = Progress::new(run.screen, run.signals.clone());
        let mut source = run.source(self.backup())?;
        let before = source.listing()?;
        let report = run.make_point(repository, &mut *source, self.options, &progress)?;
        drop(progress);
        run.screen.findings(&report.findings);
        let watch = watch::Watch::begin(&report, &before, self.options)?;
        self.watch = Some(watch.after(earlier));
        self.last_point = Some(Instant::now());
        drop(source);
        let point = report.point.map_or(0, |point| point.number);
        let (complete, milliseconds) = (report.complete, report.milliseconds);
        let (file_bytes, findings) = (report.file_bytes, report.findings);
        self.say(&Happened::Point { point, complete, why, milliseconds, file_bytes, findings })
    }
}

#[cfg(test)]
mod tests {
    use super::{AGAIN_LAST, AGAIN_WITH_ZIP, longest_pause, passes};
    use crate::cli::failure::Failure;
    use crate::engine;
    use crate::repo;
    use crate::source::server;
    use std::io;

    #[test]
    fn a_server_is_not_made_to_write_a_zip_every_few_seconds_for_a_point_that_goes_on_failing() {
        let path = || "r".to_owned();
        let of = |error: repo::Error| Failure::from(engine::Error::from(error));
        let full = of(repo::Error::NoSpace { path: path(), source: io::ErrorKind::StorageFull.into() });
        assert_eq!(longest_pause(&full, true), AGAIN_WITH_ZIP);
        assert_eq!(longest_pause(&full, false), AGAIN_LAST);
        // Nothing was asked of the server yet.
        let locked = of(repo::Error::Locked { path: path() });
        assert_eq!(longest_pause(&locked, true), AGAIN_LAST);
    }

    #[test]
    fn a_token_file_that_is_away_for_a_moment_does_not_end_a_watch() {
        let away = server::Error::SecretFile { path: "token".into(), why: "it is not there".to_owned() };
        let away = Failure::from(engine::Error::from(crate::source::Error::from(away)));
        assert!(passes(&away));
    }
}
