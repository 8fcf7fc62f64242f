//! `demo`: the whole round on the real data that comes with the program.
//!
//! A directory that a real Axon Server wrote grows in steps, as the server wrote it; each step is backed up; every point is restored and
//! compared byte for byte with what was there; all is verified. Nothing is shown that did not happen.

mod compare;
mod growth;

use crate::cli::failure::Failure;
use crate::engine;
use crate::engine::backup;
use crate::engine::backup::BackupOptions;
use crate::engine::backup::BackupReport;
use crate::engine::observe::Observer;
use crate::engine::restore;
use crate::engine::restore::RestoreOptions;
use crate::engine::restore::Restored;
use crate::engine::verify;
use crate::engine::verify::VerifyOptions;
use crate::repo::store::Repository;
use crate::source::data_dir::ControlDbFrom;
use crate::source::data_dir::DataDir;
use crate::source::data_dir::DataDirOptions;
use serde::Serialize;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// One moment of the server's life, backed up.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Moment {
    /// What the backup reported.
    pub(super) backup: BackupReport,
    /// Bytes of the data files as they lay there, zeros included.
    pub(super) file_bytes: u64,
    /// Bytes of them that are history.
    pub(super) history_bytes: u64,
}

/// One point, restored and compared.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Proof {
    /// What the restore reported.
    pub(super) restored: Restored,
    /// Files that are equal byte for byte, the control database's zip included.
    pub(super) equal_files: u64,
    /// Their bytes.
    pub(super) equal_bytes: u64,
}

/// What the demo did.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Demo {
    /// Where it all lies, or lay.
    pub(super) directory: PathBuf,
    /// The moments, in order.
    pub(super) moments: Vec<Moment>,
    /// The points, restored.
    pub(super) proofs: Vec<Proof>,
    /// What `verify --data` counted.
    pub(super) verified: verify::Report,
    /// Bytes of the repository, all files.
    pub(super) repository_bytes: u64,
    /// Bytes of plain copies of all moments: data files as they lie there, and the control database's zips.
    pub(super) copies_bytes: u64,
    /// Bytes of the history in these copies alone, and of the zips.
    pub(super) history_bytes: u64,
}

/// What the demo needs of the program around it.
pub(super) struct Stage<'a> {
    /// An empty directory.
    pub(super) directory: PathBuf,
    /// Makes and opens the repository.
    pub(super) repository: &'a Repository,
    /// Where the repository is.
    pub(super) repository_path: PathBuf,
    /// Who watches.
    pub(super) observer: &'a dyn Observer,
    /// What a backup is told.
    pub(super) options: BackupOptions,
}

impl Stage<'_> {
    /// Plays it all; `moment` and `proof` hear of each step when it is done.
    pub(super) fn play(
        &self,
        moment: &mut dyn FnMut(&Moment) -> Result<(), Failure>,
        proof: &mut dyn FnMut(&Proof) -> Result<(), Failure>,
    ) -> Result<Demo, Failure> {
        let real = growth::unpack(&self.directory).map_err(at(&self.directory))?;
        let mut moments = Vec::new();
        for (step, last) in growth::MOMENTS.into_iter().enumerate() {
            let one = self.back_up(&real, step, last)?;
            moment(&one)?;
            moments.push(one);
        }
        let mut proofs = Vec::new();
        for (step, last) in growth::MOMENTS.into_iter().enumerate() {
            let one = self.prove(&real, step, last)?;
            proof(&one)?;
            proofs.push(one);
        }
        let verified = verify::verify(
            self.repository,
            &VerifyOptions { data: true, ..VerifyOptions::default() },
            self.observer,
        )?;
        let copies = |part: fn(&Moment) -> u64| moments.iter().map(part).sum();
        Ok(Demo {
            directory: self.directory.clone(),
            copies_bytes: copies(|moment| moment.file_bytes),
            history_bytes: copies(|moment| moment.history_bytes),
            repository_bytes: compare::size_of_tree(&self.repository_path)
                .map_err(at(&self.repository_path))?,
            moments,
            proofs,
            verified,
        })
    }

    /// The server has grown: back it up.
    fn back_up(&self, real: &Path, step: usize, last: Option<u64>) -> Result<Moment, Failure> {
        let node = self.directory.join("node");
        growth::write_moment(real, last, &node).map_err(at(&node))?;
        let zip = zip(real, step)?;
        let options = DataDirOptions {
            path: node.clone(),
            control_db: ControlDbFrom::Zip(zip.clone()),
            accept_unordered: false,
            no_mmap: false,
        };
        let mut source = DataDir::open(options).map_err(engine::Error::from)?;
        let backup = backup::run(self.repository, &mut source, &self.options, self.observer)?;
        let zip_bytes = std::fs::metadata(&zip).map_err(at(&zip))?.len();
        let files = compare::data_bytes(&node).map_err(at(&node))?;
        let history: u64 =
            backup.contexts.iter().map(|context| context.snapshots.bytes + context.events.bytes).sum();
        Ok(Moment { backup, file_bytes: files + zip_bytes, history_bytes: history + zip_bytes })
    }

    /// Restores the point of a moment, and compares it with what was there.
    fn prove(&self, real: &Path, step: usize, last: Option<u64>) -> Result<Proof, Failure> {
        let number = step + 1;
        let expected = self.directory.join(format!("expected/{number}"));
        growth::write_moment(real, last, &expected).map_err(at(&expected))?;
        let target = self.directory.join(format!("restored/{number}"));
        let parent = self.directory.join("restored");
        std::fs::create_dir_all(&parent).map_err(at(&parent))?;
        let zip_to = self.directory.join(format!("restored/{number}.zip"));
        let options = RestoreOptions {
            point: number.to_string(),
            control_db_zip_to: Some(zip_to.clone()),
            ..RestoreOptions::latest(target.clone())
        };
        let plan = restore::plan(self.repository, &options)?;
        let restored = restore::apply(self.repository, plan, self.observer)?;
        let mut equal = compare::equal_data(&expected, &target)?;
        equal.add(compare::equal_file(&zip(real, step)?, &zip_to)?);
        Ok(Proof { restored, equal_files: equal.files, equal_bytes: equal.bytes })
    }
}

/// The control-db zip of a moment.
fn zip(real: &Path, step: usize) -> Result<PathBuf, Failure> {
    growth::control_db(real, step + 1 == growth::MOMENTS.len()).map_err(at(real))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Failure + use<> {
    let path = path.to_path_buf();
    move |source| Failure::File { path, source }
}
