//! The parity of packs: whether there is some where there should be, and whether it is good.

use crate::engine::error::Error;
use crate::engine::observe::Observer;
use crate::engine::verify::book::Book;
use crate::engine::verify::debris::Debris;
use crate::engine::verify::packs::{Packs, stop_if_interrupted};
use crate::engine::verify::report::Class;
use crate::engine::words::plural;
use crate::repo;
use crate::repo::format::Damage;
use crate::repo::format::id::PackId;
use crate::repo::format::pack::Directory;
use crate::repo::index::read_directory;
use crate::repo::parity::{Beyond, Worth, check};
use crate::repo::paths;
use crate::repo::store::{HealedPack, Repository};
use std::collections::BTreeSet;

const ADVICE_DAMAGED: &str =
    "the pack itself is not hurt; run 'segvault repair add-parity', which makes it anew";
const ADVICE_MISSING: &str = "run 'segvault repair add-parity'";

/// What a pack's directory says.
pub struct Found {
    /// It; none if nobody can read it.
    pub directory: Option<Directory>,
    /// What is wrong with it.
    pub trouble: Vec<String>,
    /// What parity made whole to read it.
    pub healed: Option<HealedPack>,
    /// What a newer program wrote in it.
    pub newer: Option<Damage>,
}

impl Found {
    /// Reads it; where it is damaged, as the pack's parity knows it. A pack that a newer program wrote is not judged.
    pub fn look(repository: &Repository, id: PackId, length: u64) -> Result<Self, Error> {
        let why = match read_directory(repository.disk(), id, length) {
            Ok(directory) => {
                let newer = directory.blocks.iter().find_map(|block| block.check_readable().err());
                return Ok(Self { directory: Some(directory), trouble: Vec::new(), healed: None, newer });
            }
            Err(error) => error,
        };
        match repository.refuse_newer(id, length, &why) {
            Err(repo::Error::Unsupported { source, .. }) => {
                return Ok(Self { directory: None, trouble: Vec::new(), healed: None, newer: Some(source) });
            }
            looked => looked?,
        }
        let why = format!("its directory can't be read: {why}");
        Ok(match repository.healed(id) {
            Ok(whole) => Self {
                directory: whole.directory(repository.disk()).ok(),
                trouble: vec![why],
                healed: Some(HealedPack::of(id, &whole)),
                newer: None,
            },
            Err(beyond) => {
                Self { directory: None, trouble: vec![with(why, &beyond)], healed: None, newer: None }
            }
        })
    }
}

/// With why parity does not help, where there is some.
pub fn with(why: String, beyond: &Beyond) -> String {
    if matches!(beyond, Beyond::NoParity) { why } else { format!("{why}; {beyond}") }
}

/// Enters what is wrong with parity; gives files of packs that are gone. Of packs that this run has read the parity is read, too.
pub fn enter(
    repository: &Repository,
    packs: &Packs,
    book: &mut Book,
    observer: &dyn Observer,
) -> Result<Debris, Error> {
    let disk = repository.disk();
    let there = paths::parities(disk)?;
    let mut debris = Debris::default();
    let known: BTreeSet<_> = packs.all.iter().map(|pack| pack.id).collect();
    there.iter().filter(|(pack, _)| !known.contains(pack)).for_each(|(_, length)| debris.add(*length));
    if there.is_empty() && repository.config().parity.is_none() {
        return Ok(debris);
    }
    let mut without = 0_u64;
    for pack in packs.all.iter().filter(|pack| !pack.is_damaged()) {
        stop_if_interrupted(observer)?;
        match check(disk, pack.id, pack.is_read) {
            Worth::Whole => {}
            Worth::None => without += 1,
            Worth::Damaged(why) => {
                let path = disk.display(&paths::parity(pack.id));
                book.add_file("parity", path, why, ADVICE_DAMAGED);
            }
        }
    }
    if without > 0 {
        let text =
            format!("{} {} no parity", plural(without, "pack"), if without == 1 { "has" } else { "have" });
        book.add(Class::Note, "no-parity", text, ADVICE_MISSING);
    }
    Ok(debris)
}
