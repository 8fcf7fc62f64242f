//! What an error means to people and scripts: its exit code, its stable id, and what to do.
//!
//! Every match in here is exhaustive, without `_`: a new error has to say what it means before it compiles.

use crate::axon::control_db::ZipError;
use crate::cli::describe_bench;
use crate::cli::describe_retention;
use crate::cli::describe_server;
use crate::cli::exit::Exit;
use crate::engine;
use crate::engine::backup;
use crate::engine::restore;
use crate::engine::select;
use crate::repo;
use crate::repo::paths;
use crate::source;
use std::io;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// How the run ends.
    pub(super) exit: Exit,
    /// A stable word for scripts.
    pub(super) id: &'static str,
    /// What to do; empty where the message says all.
    pub(super) hint: &'static str,
}

const fn meaning(exit: Exit, id: &'static str, hint: &'static str) -> Meaning {
    Meaning { exit, id, hint }
}

/// What an error of a verb means.
pub(super) fn engine(error: &engine::Error) -> Meaning {
    match error {
        engine::Error::Repo(error) => repo(error),
        engine::Error::Source(error) => source(error),
        engine::Error::Backup(error) => backup(error),
        engine::Error::Select(error) => select(error),
        engine::Error::Restore(error) => restore(error),
        engine::Error::Copy(error) => describe_retention::copy(error),
        engine::Error::Prune(error) => describe_retention::prune(error),
        engine::Error::Retention(error) => describe_retention::retention(error),
        engine::Error::Unsettled { .. } => meaning(
            Exit::Failed,
            "source.unsettled",
            "run it again when the source is quieter; nothing was published",
        ),
        engine::Error::Shrank { .. } => {
            meaning(Exit::SourceDamaged, "source.shrank", "nothing was published")
        }
        engine::Error::Temporary { .. } => meaning(
            Exit::Failed,
            "temporary",
            "make room in the directory for temporary files, or set SQLITE_TMPDIR",
        ),
        engine::Error::Bench(error) => describe_bench::bench(error),
        engine::Error::Interrupted => INTERRUPTED,
    }
}

/// Stopped by a signal; which one, only the signal tells.
pub(super) const INTERRUPTED: Meaning =
    meaning(Exit::Interrupted, "interrupted", "run it again: nothing is half-made");

/// No file of a repository is one: what had that name may lie in there, or beside.
const DIRECTORY: &str =
    "a directory stands there: move it out of the repository; if a file had that name, put that back";

const NO_SPACE: Meaning =
    meaning(Exit::NoSpace, "repository.no-space", "make room and run it again; nothing is lost");

/// What an error of a repository means.
pub(super) fn repo(error: &repo::Error) -> Meaning {
    use repo::Error;
    match error {
        Error::NotARepository { .. } => meaning(
            Exit::NoRepository,
            "repository.none",
            "make one with 'segvault init', or name another with -r",
        ),
        Error::NotEmpty { .. } => meaning(
            Exit::TargetNotEmpty,
            "repository.not-empty",
            "name a directory that is empty or not there",
        ),
        Error::Unsupported { .. } => {
            meaning(Exit::Unsupported, "repository.unsupported", "use a newer segvault")
        }
        Error::Damaged { path, .. } | Error::Missing { path } if path.ends_with(paths::CONFIG) => {
            meaning(Exit::Damaged, "repository.config", CONFIG)
        }
        Error::Damaged { .. } => {
            meaning(Exit::Damaged, "repository.damaged", "see what it means with 'segvault verify'")
        }
        Error::Missing { .. } => {
            meaning(Exit::Damaged, "repository.missing", "see what it means with 'segvault verify'")
        }
        Error::ChunkMissing { .. } | Error::ChunkDamaged { .. } => {
            meaning(Exit::Damaged, "repository.chunk", "see what it means with 'segvault verify --data'")
        }
        Error::AppendOnly { .. } => meaning(
            Exit::Usage,
            "repository.append-only",
            "an operator who may remove things says so with --allow-delete",
        ),
        Error::Locked { .. } => meaning(Exit::Locked, "repository.locked", "wait for it with --wait 5m"),
        Error::NoLocks { .. } => meaning(
            Exit::Failed,
            "repository.no-locks",
            "put the repository on a file system with working locks",
        ),
        Error::ReadOnly { .. } => meaning(
            Exit::Failed,
            "repository.read-only",
            "everything that only reads works: points, show, restore, verify",
        ),
        Error::NoSpace { .. } => NO_SPACE,
        Error::Overtaken { .. } => meaning(Exit::Locked, "repository.overtaken", "run it again"),
        Error::Io { source, .. } if is_no_space(source) => NO_SPACE,
        Error::Io { source, .. }
            if is_device_failure(source) || source.kind() == io::ErrorKind::PermissionDenied =>
        {
            let hint = "see to its permissions, or to the disk: 'segvault explain repository.io'";
            meaning(Exit::Failed, "repository.io", hint)
        }
        Error::Io { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
            meaning(Exit::Damaged, "repository.damaged", DIRECTORY)
        }
        Error::Io { .. } => meaning(Exit::Failed, "repository.io", ""),
        Error::Index { .. } => {
            meaning(Exit::Failed, "repository.index", "remove index.sqlite: it is a cache, and made anew")
        }
        Error::Rule { .. } => {
            meaning(Exit::Failed, "repository.rule", "this is a bug of segvault, please report it")
        }
        Error::Interrupted => INTERRUPTED,
    }
}

/// What an error of a source means.
pub(super) fn source(error: &source::Error) -> Meaning {
    use source::Error;
    match error {
        Error::Server(error) => describe_server::server(error),
        Error::NoDirectory { .. } => meaning(Exit::Failed, "source.no-directory", "is it mounted?"),
        Error::NoContexts { .. } => meaning(
            Exit::Failed,
            "source.no-contexts",
            "give the directory that holds the contexts, or a server's root with data/ in it",
        ),
        Error::Ambiguous { .. } => {
            meaning(Exit::Usage, "source.ambiguous", "give the directory that holds the contexts")
        }
        Error::NotUtf8 { .. } => meaning(Exit::Failed, "source.not-utf8", "move it elsewhere, or rename it"),
        Error::Twice { .. } => {
            meaning(Exit::GapOrOverlap, "source.twice", "move the one that is not the server's elsewhere")
        }
        Error::Misnamed { path } if restore::is_unfinished(path) => meaning(
            Exit::SourceDamaged,
            "source.unfinished",
            "a restore into that directory was interrupted: run the same 'segvault restore --delta' again",
        ),
        Error::Misnamed { .. } => meaning(Exit::SourceDamaged, "source.misnamed", "move it elsewhere"),
        Error::Vanished { .. } => meaning(Exit::Failed, "source.vanished", "run it again"),
        Error::Properties { .. } => {
            meaning(Exit::Usage, "source.properties", "name the directories yourself")
        }
        Error::NotStopped { .. } => meaning(
            Exit::Failed,
            "control-db.not-stopped",
            "stop the node first, or have it write a zip (POST /createControlDbBackup)",
        ),
        Error::Io { source, .. } if is_device_failure(source) => meaning(
            Exit::SourceDamaged,
            "source.unreadable",
            "the device fails: copy what can be read while it can",
        ),
        Error::Io { .. } => meaning(Exit::Failed, "source.io", ""),
        Error::ControlDb { source: ZipError::Zip64, .. } | Error::ControlDbTooLarge { .. } => meaning(
            Exit::Failed,
            "control-db.too-large",
            "is it the right file? if so, archive the history with --no-control-db, and keep the zip yourself",
        ),
        Error::ControlDb { .. } => {
            meaning(Exit::SourceDamaged, "control-db.damaged", "have the server write another zip")
        }
        Error::NoControlDb { .. } => meaning(
            Exit::Failed,
            "control-db.none",
            "have the server write one (POST /createControlDbBackup), name the directory that it writes them to, or the .mv.db itself of a stopped node; or back up with --no-control-db",
        ),
        Error::ControlDbTooNew { .. } => meaning(
            Exit::Failed,
            "control-db.too-new",
            "take a zip made before the copy of the data, or insist with --accept-unordered",
        ),
    }
}

/// What a backup's refusal means.
fn backup(error: &backup::Error) -> Meaning {
    use backup::Error;
    match error {
        Error::NoSuchContext { .. } => meaning(Exit::Usage, "backup.no-such-context", ""),
        Error::BadName { .. } => {
            meaning(Exit::Usage, "backup.bad-name", "nothing was read; choose another name with --source")
        }
        Error::NothingLeft => {
            meaning(Exit::Usage, "backup.nothing-left", "see --context and --exclude-context")
        }
        Error::OnlyDcb { .. } => {
            meaning(Exit::Usage, "backup.only-dcb", "nothing was read; see --context and --exclude-context")
        }
        Error::Overlap { .. } => {
            meaning(Exit::GapOrOverlap, "backup.overlap", "nothing was published; find out whose file it is")
        }
        Error::Gap { .. } => meaning(
            Exit::GapOrOverlap,
            "backup.gap",
            "nothing was published: with --strict, and at a live server, a gap is an error",
        ),
        Error::BehindServer { .. } => meaning(
            Exit::GapOrOverlap,
            "backup.behind-server",
            "nothing was published; is it the directory of that server, and does it show what the server writes?",
        ),
        Error::Fork { .. } => {
            meaning(Exit::Conflict, "backup.fork", "nothing was published; --no-fork asked for that")
        }
        Error::OtherHistory { .. } => meaning(
            Exit::WrongSource,
            "backup.other-history",
            "give it a name of its own with --source, or accept it under this one with --new-incarnation",
        ),
        Error::CutElsewhere { .. } => meaning(
            Exit::WrongSource,
            "backup.cut-elsewhere",
            "a node of the same cluster needs a name of its own: --source NAME; equal bytes are stored once all the same",
        ),
    }
}

/// What it means that a name fits no point, several, or perhaps one that can't be read.
fn select(error: &select::Error) -> Meaning {
    use select::Error;
    let id = match error {
        Error::Malformed { .. } => "point.malformed",
        Error::NoPoints => "point.none",
        Error::AllForgotten { .. } => {
            let hint = "list them again with 'segvault forget --undo'";
            return meaning(Exit::Usage, "point.all-forgotten", hint);
        }
        Error::NoSuchPoint { .. } => "point.no-such-point",
        Error::TooFarBack { .. } => "point.too-far-back",
        Error::Ambiguous { .. } => "point.ambiguous",
        Error::Sources { .. } => "point.sources",
        Error::NoSuchSource { .. } => "point.no-such-source",
        Error::OtherSource { .. } => "point.other-source",
        Error::Unreadable { .. } => {
            return meaning(
                Exit::Damaged,
                "point.unreadable",
                "name an older point by its number, or see 'segvault verify' and 'segvault repair'",
            );
        }
        Error::Newer { .. } => {
            let hint = "use a newer segvault, or name an older point by its number";
            return meaning(Exit::Unsupported, "point.newer", hint);
        }
    };
    meaning(Exit::Usage, id, "see them with 'segvault points'")
}

const CONFIG: &str = "put the one back that belongs here, from a copy of the repository's files, or write it anew: 'segvault explain \
                      repository.config'";
const SEE: &str = "see what it means with 'segvault verify'";
const OTHERS: &str = "name all contexts, or leave the rest whole: --others head";
const OWNER: &str =
    "restore as root (or with CAP_CHOWN), or without --owner and change the owner of what was restored";
const SAME_PLACE: &str = "nothing was restored: restore without --properties, or name a directory for each";
const STANDING: &str = "see to the disk; then remove all that is in the target, and restore again";

/// What a restore's error means. Whatever it is, nothing stands under the target's name, unless it says so.
fn restore(error: &restore::Error) -> Meaning {
    use restore::Error;
    match error {
        Error::UnknownContext { .. } => meaning(Exit::Usage, "restore.unknown-context", ""),
        Error::LeftOut { .. } => meaning(Exit::Usage, "restore.left-out", "name it with --context, too"),
        Error::TwoCuts { .. } => meaning(Exit::Usage, "restore.two-cuts", "give one place for each context"),
        Error::Nothing => meaning(Exit::Usage, "restore.nothing", "see it with 'segvault show'"),
        Error::Nested { .. } => meaning(Exit::Usage, "restore.nested", "choose a target elsewhere"),
        Error::NotEmpty { .. } => meaning(Exit::TargetNotEmpty, "restore.not-empty", ""),
        Error::HalfMade { .. } => meaning(Exit::TargetNotEmpty, "restore.half-made", ""),
        Error::Exists { .. } => meaning(Exit::TargetNotEmpty, "restore.exists", "name another directory"),
        Error::NoParent { .. } => meaning(Exit::NotReachable, "restore.no-parent", ""),
        Error::NotADirectory { .. } => {
            meaning(Exit::NotReachable, "restore.not-a-directory", "choose another target")
        }
        Error::Target { .. } => meaning(Exit::NotReachable, "restore.target", "choose another target"),
        Error::Owner { .. } => meaning(Exit::NotReachable, "restore.owner", OWNER),
        Error::Standing { .. } => meaning(Exit::NotReachable, "restore.standing", STANDING),
        Error::NoSpace { .. } => {
            meaning(Exit::NoSpace, "restore.no-space", "make room, or choose another target")
        }
        Error::UnsafeName { .. } => meaning(Exit::Damaged, "restore.unsafe-name", "nothing was restored"),
        Error::SamePlace { .. } => meaning(Exit::Usage, "restore.same-place", SAME_PLACE),
        Error::Unresolved { .. } | Error::Contradiction { .. } => {
            meaning(Exit::Damaged, "restore.contradiction", SEE)
        }
        Error::Lost { .. } => {
            meaning(Exit::Damaged, "restore.lost", "see what it means with 'segvault verify --data'")
        }
        Error::Broken { .. } => meaning(Exit::GapOrOverlap, "restore.broken", SEE),
        Error::NoSuchToken { .. } => {
            meaning(Exit::NotReachable, "restore.no-such-token", "see what there is with 'segvault points'")
        }
        Error::NoTimes { .. } => {
            meaning(Exit::NotReachable, "restore.no-times", "cut by token: --to-token CONTEXT=TOKEN")
        }
        Error::NoSuchIncarnation { .. } => {
            meaning(Exit::Usage, "restore.no-such-incarnation", "see them with 'segvault points'")
        }
        Error::NoTime { .. } => meaning(Exit::Usage, "restore.no-time", OTHERS),
        Error::NoControlDb { .. } => {
            meaning(Exit::Usage, "restore.no-control-db", "name another point, or none: --control-db none")
        }
        Error::VersionReuse { .. } => meaning(
            Exit::Failed,
            "restore.version-reuse",
            "name a point with the versions of then, or accept it: --accept-version-reuse",
        ),
        Error::ServerRuns { .. } => {
            meaning(Exit::TargetNotEmpty, "restore.server-runs", "stop it, or choose another target")
        }
        Error::InTheWay { .. } => meaning(Exit::TargetNotEmpty, "restore.in-the-way", "move it elsewhere"),
        Error::Busy { .. } => meaning(Exit::Locked, "restore.busy", "wait until it has ended"),
        Error::Changed { .. } => meaning(
            Exit::TargetNotEmpty,
            "restore.changed",
            "does a server run on it? stop it, and run the restore again",
        ),
        Error::Unarchived { .. } => meaning(
            Exit::TargetNotEmpty,
            "restore.unarchived",
            "see them with --dry-run; back them up first, or give them up with --yes",
        ),
        Error::OtherHistory { .. } => {
            meaning(Exit::WrongSource, "restore.other-history", "choose another target, or another --source")
        }
        Error::Unfinished { .. } => {
            meaning(Exit::Failed, "restore.unfinished", "run the same restore again: it goes on")
        }
        Error::Written { .. } => meaning(Exit::Failed, "restore.written", "suspect the target's disk"),
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// EIO: what the kernel says when a disk can't be read.
fn is_device_failure(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// One line: what happened and why, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = one_line(&error.to_string());
        // Some errors tell their cause in their own words, some pass it on as it is.
        if !text.is_empty() && !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

/// Names may hold line breaks and control characters; a message has none.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn io_error(code: i32) -> source::Error {
        source::Error::Io { path: PathBuf::from("/data/x\ny"), source: io::Error::from_raw_os_error(code) }
    }

    #[test]
    fn the_cause_is_told_once() {
        let line = chain(&engine::Error::Source(io_error(13)));
        assert_eq!(line, "/data/x\u{fffd}y can't be read: Permission denied (os error 13)");
        let repo = repo::Error::Io { path: "packs/ab".into(), source: io::Error::from_raw_os_error(5) };
        assert_eq!(chain(&engine::Error::Repo(repo)), "packs/ab: Input/output error (os error 5)");
    }

    #[test]
    fn errors_have_the_codes_of_the_design() {
        let of_repo = |error| engine(&engine::Error::Repo(error)).exit;
        let of_source = |error| engine(&engine::Error::Source(error)).exit;
        let path = || "r".to_owned();
        assert_eq!(of_repo(repo::Error::NotARepository { path: path() }), Exit::NoRepository);
        assert_eq!(of_repo(repo::Error::Locked { path: path() }), Exit::Locked);
        assert_eq!(of_repo(repo::Error::Missing { path: path() }), Exit::Damaged);
        assert_eq!(of_repo(repo::Error::NotEmpty { path: path() }), Exit::TargetNotEmpty);
        let full = || io::Error::from_raw_os_error(28);
        assert_eq!(of_repo(repo::Error::NoSpace { path: path(), source: full() }), Exit::NoSpace);
        assert_eq!(of_repo(repo::Error::Io { path: path(), source: full() }), Exit::NoSpace);
        let zip64 = source::Error::ControlDb { path: PathBuf::new(), source: ZipError::Zip64 };
        assert_eq!(source(&zip64).id, "control-db.too-large", "another zip would be no better");
        let twice = source::Error::Twice { one: PathBuf::new(), other: PathBuf::new() };
        assert_eq!(of_source(twice), Exit::GapOrOverlap);
        assert_eq!(of_source(io_error(5)), Exit::SourceDamaged);
        assert_eq!(of_source(io_error(13)), Exit::Failed);
        assert_eq!(Exit::from(&engine::Error::Interrupted), Exit::Interrupted);
    }

    #[test]
    fn refusals_of_backup_and_restore_have_the_codes_of_the_design() {
        let of = |error: engine::Error| Exit::from(&error);
        let text = String::new;
        let gap = backup::Error::Gap { context: text(), store: text(), first: 1, last: 2 };
        let fork = backup::Error::Fork { context: text(), store: text(), segment: text(), why: text() };
        let other = backup::Error::OtherHistory { found: text(), archived: text() };
        let cut = backup::Error::CutElsewhere { context: text(), store: text(), archived: text() };
        assert_eq!([of(gap.into()), of(fork.into())], [Exit::GapOrOverlap, Exit::Conflict]);
        assert_eq!([of(other.into()), of(cut.into())], [Exit::WrongSource; 2]);
        assert_eq!(of(select::Error::NoPoints.into()), Exit::Usage);
        let path = PathBuf::new;
        assert_eq!(of(restore::Error::NotEmpty { path: path(), found: text() }.into()), Exit::TargetNotEmpty);
        assert_eq!(of(restore::Error::NoParent { path: path() }.into()), Exit::NotReachable);
        assert_eq!(of(restore::Error::NoSpace { path: path(), needed: 1, free: None }.into()), Exit::NoSpace);
        assert_eq!(of(restore::Error::Unresolved { file: text(), last: None }.into()), Exit::Damaged);
    }
}
