//! `repair`.

use crate::cli::args::{AllowDelete, GiveUp, Repair, RepairFrom, RepairWhat};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::cli::repository;
use crate::cli::run::Run;
use crate::engine::repair::{self, GivenUp, Mended, Supply};
use crate::repo::paths;
use crate::repo::store::Repository;
use crate::source;
use crate::source::data_dir::{ControlDbFrom, DataDir, DataDirOptions};
use serde_json::json;
use std::path::{Path, PathBuf};

impl Run<'_> {
    pub(super) fn repair(&self, asked: &Repair) -> Result<Exit, Failure> {
        match &asked.what {
            RepairWhat::Index => self.repair_index(),
            RepairWhat::Packs => self.mend(None, asked.allow),
            RepairWhat::From(from) => self.repair_from(from, asked.allow),
            RepairWhat::Points => self.repair_points(),
            RepairWhat::GiveUp(give_up) => self.give_up(give_up, asked.allow),
            RepairWhat::AddParity(asked) => self.add_parity(asked.parity),
        }
    }

    fn repair_index(&self) -> Result<Exit, Failure> {
        let path = repository::path(self.global)?;
        if !self.global.dry_run {
            repository::remove_index(path)?;
        }
        let repository = self.open()?;
        let packs = repository.index().packs()?.len();
        let unreadable: Vec<String> = repository
            .index()
            .unreadable()?
            .into_iter()
            .map(|(pack, why)| format!("{pack}: {why}"))
            .collect();
        let document = json!({ "packs": packs, "unreadable": unreadable, "dry_run": self.global.dry_run });
        self.screen.unprinted_errors(unreadable.iter().map(|pack| format!("can't be read: {pack}")));
        self.screen.report("repair-index", &document, || {
            render::repair::index(packs, &unreadable, self.global.dry_run)
        })?;
        Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Damaged })
    }

    fn repair_from(&self, from: &RepairFrom, allow: AllowDelete) -> Result<Exit, Failure> {
        if from.path.join(paths::CONFIG).is_file() {
            let other = repository::open_at(&from.path, self)?;
            return self.mend(Some(Supply::Repository(&other)), allow);
        }
        let mut source = DataDir::open(DataDirOptions {
            path: from.path.clone(),
            control_db: ControlDbFrom::None("not asked for".to_owned()),
            accept_unordered: false,
            no_mmap: true,
        })?;
        let zips = source::zips_in(&zip_places(from));
        self.mend(Some(Supply::Source { source: &mut source, zips }), allow)
    }

    fn mend(&self, supply: Option<Supply<'_>>, allow: AllowDelete) -> Result<Exit, Failure> {
        let repository = repository::open_to_mend(self, allow.allow_delete)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let mended = repair::packs(&repository, supply, self.global.dry_run, &progress)?;
        repository.healed_is_told();
        drop(progress);
        if !mended.is_whole() {
            self.screen.unprinted_errors(std::iter::once(render::repair::verdict(&mended)));
        }
        self.screen.report("repair", &mended, || render::repair::mended(&mended))?;
        Ok(exit(&mended))
    }

    fn repair_points(&self) -> Result<Exit, Failure> {
        let repository = self.writable()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let marked = repair::points(&repository, self.global.dry_run, &progress)?;
        drop(progress);
        self.screen.unprinted_errors(render::repair::not_judged(&marked).into_iter());
        self.screen.report("repair-points", &marked, || render::repair::marked(&marked))?;
        Ok(match (marked.unreadable.is_empty(), marked.newer.is_empty()) {
            (false, _) => Exit::Damaged,
            (true, false) => Exit::Unsupported,
            (true, true) => Exit::Done,
        })
    }

    /// Without `--yes` it says what would be given up, and asks if it can.
    fn give_up(&self, asked: &GiveUp, allow: AllowDelete) -> Result<Exit, Failure> {
        let exit = |done: &GivenUp| if done.not_salvaged.is_empty() { Exit::Done } else { Exit::Damaged };
        if self.global.yes && !self.global.dry_run {
            return self.given_up(asked, allow, false).map(|done| exit(&done));
        }
        let would_be = self.given_up(asked, allow, true)?;
        if !would_be.is_any() || !self.can_ask() {
            return Ok(exit(&would_be));
        }
        if self.answers("give them up? There is no undo. Type lost:", "lost")? {
            return self.given_up(asked, allow, false).map(|done| exit(&done));
        }
        self.screen.step("nothing was given up\n")?;
        Ok(exit(&would_be))
    }

    /// Gives what can't be read up, or says what would be.
    fn given_up(&self, asked: &GiveUp, allow: AllowDelete, dry_run: bool) -> Result<GivenUp, Failure> {
        let repository = repository::open_to_mend(self, allow.allow_delete)?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let done = repair::give_up(&repository, &asked.reason, dry_run, &progress)?;
        drop((progress, repository));
        let asks = dry_run && self.can_ask();
        if dry_run {
            self.screen.result("repair-give-up", &done, || render::repair::given_up(&done, asks))?;
        } else {
            self.screen.report("repair-give-up", &done, || render::repair::given_up(&done, asks))?;
        }
        Ok(done)
    }

    fn add_parity(&self, percent: Option<u8>) -> Result<Exit, Failure> {
        let repository = self.writable()?;
        let progress = Progress::new(self.screen, self.signals.clone());
        let done = repair::add_parity(&repository, percent, self.global.dry_run, &progress)?;
        drop(progress);
        self.screen.unprinted_errors(render::repair::left_damaged(&done).into_iter());
        self.screen.report("repair-add-parity", &done, || render::repair::protected(&done))?;
        Ok(if done.damaged.is_empty() { Exit::Done } else { Exit::Damaged })
    }

    fn writable(&self) -> Result<Repository, Failure> {
        self.open()
    }
}

fn exit(mended: &Mended) -> Exit {
    match (mended.is_undamaged(), mended.newer.is_empty()) {
        (false, _) => Exit::Damaged,
        (true, false) => Exit::Unsupported,
        (true, true) => Exit::Done,
    }
}

fn zip_places(from: &RepairFrom) -> Vec<PathBuf> {
    match &from.control_db {
        Some(path) => vec![path.clone()],
        None => vec![from.path.clone(), Path::new(&from.path).join("backups")],
    }
}
