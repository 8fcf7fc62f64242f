//! Storing again what is there.

use crate::repo::error::Error;
use crate::repo::format::id::{ChunkId, PackId};
use crate::repo::format::pack::PackKind;
use crate::repo::store::packer::Neighbours;
use crate::repo::store::packs;
use crate::repo::store::session::Session;
use crate::repo::store::waiting::Waiting;

impl Session<'_> {
    /// Stores a chunk once more, though it is there: in a block with its neighbours, or (a tail's, or one that nothing is known of) alone.
    pub fn put_again(
        &mut self,
        room: Result<Neighbours, PackKind>,
        id: ChunkId,
        bytes: Vec<u8>,
    ) -> Result<(), Error> {
        self.guarded(|session| {
            if session.repository.naming().chunk(&bytes) != id {
                return Err(session.rule(format!("chunk {id} is not what its name says")));
            }
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            session.count_new(id, length);
            match room {
                Ok(neighbours) => session.join(neighbours, (id, length), bytes),
                Err(kind) => session.queue(Waiting::of(kind, vec![(id, length)], bytes)),
            }
        })
    }

    /// From here on packs get other names than those of the same content got in this session so far.
    pub fn attempt_anew(&mut self) {
        self.packer.attempt_anew();
    }

    /// Reads all packs that this session made durable from the disk again; gives their names and lengths.
    pub fn read_back(&self) -> Result<&[(PackId, u64)], Error> {
        let (disk, naming) = (self.repository.disk(), self.repository.naming());
        self.written.iter().try_for_each(|(id, length)| packs::prove(disk, naming, *id, *length))?;
        Ok(&self.written)
    }
}
