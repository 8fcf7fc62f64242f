//! Acts: a journal of what was done to points and packs after they were published. Nothing that is published ever changes;
//! readers see points through the acts.

use crate::axon::name::Store;
use crate::repo::format::Damage;
use crate::repo::format::id::{ChunkId, ContentHash, FileHash, PackId};
use crate::repo::format::json;
use crate::repo::format::moment::Moment;
use crate::repo::format::point::PointLog;
use serde::{Deserialize, Serialize};

/// The `type` of an act.
pub const TYPE: &str = "segvault.act";
/// The version of acts that this program writes.
pub const VERSION: u32 = 1;

/// A point, named by number and hash: an act that fits no file has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointRef {
    /// Its number.
    pub number: u64,
    /// The hash of its file.
    pub blake3: FileHash,
}

/// What a point says from an act on, in place of what its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct View {
    /// The point's number.
    pub number: u64,
    /// The hash of its file.
    pub blake3: FileHash,
    /// Its events; as before if there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<PointLog>,
    /// Its snapshots; as before if there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<PointLog>,
}

impl View {
    /// Number and hash.
    pub fn reference(&self) -> PointRef {
        PointRef { number: self.number, blake3: self.blake3 }
    }
}

/// A version of a segment that was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErasedSegment {
    /// The incarnation.
    pub incarnation: u32,
    /// The store.
    #[serde(with = "store_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub store: Store,
    /// The segment's number.
    pub number: u64,
    /// Its version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u32,
    /// Hash of its valid prefix; of all stored bytes of a damaged copy.
    pub blake3: ContentHash,
}

/// How far the events of an incarnation were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DroppedLog {
    /// The incarnation.
    pub incarnation: u32,
    /// The first token that is kept: a segment begins with it.
    pub before: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(version: &u32) -> bool {
    *version == 0
}

/// Stores by their names.
mod store_name {
    use crate::axon::name::Store;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(store: &Store, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(store.as_str())
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Store, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Store::ALL.into_iter().find(|store| store.as_str() == name);
        found.ok_or_else(|| serde::de::Error::custom(format!("'{name}' is no store")))
    }
}

/// An act as it stands in `acts/<number>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Act {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// Counted from 1.
    pub number: u64,
    /// Hash of the act before.
    pub previous: Option<FileHash>,
    /// The repository's id.
    pub repository: String,
    /// When.
    pub at: Moment,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

impl Act {
    /// Its bytes. An act of a newer program is never written again.
    pub fn encode(&self) -> Result<Vec<u8>, Damage> {
        if self.deed == Deed::Unknown {
            return Err(Damage::Json("an act that this program does not know".to_owned()));
        }
        json::encode(self)
    }

    /// Reads it. An act of an unknown kind is read as [`Deed::Unknown`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        json::decode(bytes, TYPE, VERSION)
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Deed {
    /// A point is kept whatever a policy says.
    Held {
        /// The point.
        point: PointRef,
        /// Why.
        reason: String,
        /// Until when; for good if there is nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Moment>,
    },
    /// A hold has ended.
    Released {
        /// The point.
        point: PointRef,
    },
    /// Points are not listed any more; undone by `remembered` until they are gone.
    Forgotten {
        /// The points.
        points: Vec<PointRef>,
        /// Why.
        reason: String,
    },
    /// Forgotten points are listed again.
    Remembered {
        /// The points.
        points: Vec<PointRef>,
    },
    /// Forgotten points are about to be deleted: there is no undo from here.
    Gone {
        /// The points.
        points: Vec<PointRef>,
    },
    /// Old versions of transformed segments were erased; these points read the current version.
    Erased {
        /// The source.
        source: String,
        /// The context.
        context: String,
        /// The versions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        segments: Vec<ErasedSegment>,
        /// Chunks that held them, and nothing that is kept.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chunks: Vec<ChunkId>,
        /// Hashes of the events in them that no current version has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hashes: Vec<ContentHash>,
        /// What the points say now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        points: Vec<View>,
        /// Why.
        reason: String,
    },
    /// The oldest events of a context were dropped; these points begin later.
    Dropped {
        /// The source.
        source: String,
        /// The context.
        context: String,
        /// How far.
        logs: Vec<DroppedLog>,
        /// What the points say now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        points: Vec<View>,
        /// Why.
        reason: String,
    },
    /// Points were copied to another repository.
    Copied {
        /// Its id.
        to: String,
        /// Where it was, as the user called it.
        place: String,
    },
    /// A point was found incomplete after it was published.
    Incomplete {
        /// The point.
        point: PointRef,
        /// Why.
        reason: String,
    },
    /// These packs were read whole and found good.
    Verified {
        /// The packs.
        packs: Vec<PackId>,
    },
    /// These packs are damaged: nothing is deduplicated against them.
    Damaged {
        /// The packs.
        packs: Vec<PackId>,
    },
    /// A restore was tried.
    Drilled {
        /// The point.
        point: PointRef,
        /// How long it took.
        seconds: u64,
        /// Whether it was what it should be.
        passed: bool,
    },
    /// These packs are marked dead: nothing is deduplicated against them, a later prune may delete them.
    Dead {
        /// The packs.
        packs: Vec<PackId>,
    },
    /// Points, acts and records that can't be read, and that no copy brings back: they count no more, and their numbers stay used. And chunks that are
    /// in no pack: nothing waits for them any more.
    Lost {
        /// Their paths in the repository.
        files: Vec<String>,
        /// The chunks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chunks: Vec<ChunkId>,
        /// Why.
        reason: String,
    },
    /// Of a newer program: without effect here, but nothing is deleted while there is one.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(deed: Deed) -> Act {
        Act {
            kind: TYPE.to_owned(),
            version: VERSION,
            number: 7,
            previous: Some(FileHash([1; 32])),
            repository: "00112233445566778899aabbccddeeff".to_owned(),
            at: Moment(-1),
            deed,
        }
    }

    fn all() -> Vec<Deed> {
        let point = PointRef { number: u64::MAX, blake3: FileHash([2; 32]) };
        let segment = ErasedSegment {
            incarnation: 1,
            store: Store::Events,
            number: 0,
            version: 0,
            blake3: ContentHash([5; 32]),
        };
        let (points, packs, reason) = (vec![point], vec![PackId([3; 32])], "because".to_owned());
        vec![
            Deed::Held { point, reason: reason.clone(), until: Some(Moment(5)) },
            Deed::Held { point, reason: reason.clone(), until: None },
            Deed::Released { point },
            Deed::Forgotten { points: points.clone(), reason: reason.clone() },
            Deed::Remembered { points: points.clone() },
            Deed::Gone { points },
            Deed::Erased {
                source: "node".to_owned(),
                context: "default".to_owned(),
                segments: vec![segment, ErasedSegment { version: 3, store: Store::Snapshots, ..segment }],
                chunks: vec![ChunkId([6; 32])],
                hashes: vec![ContentHash([7; 32])],
                points: vec![View { number: 1, blake3: FileHash([2; 32]), events: None, snapshots: None }],
                reason: reason.clone(),
            },
            Deed::Dropped {
                source: "node".to_owned(),
                context: "default".to_owned(),
                logs: vec![DroppedLog { incarnation: 1, before: u64::MAX }],
                points: vec![],
                reason: reason.clone(),
            },
            Deed::Copied { to: "00112233".to_owned(), place: "/x".to_owned() },
            Deed::Incomplete { point, reason: reason.clone() },
            Deed::Lost { files: vec!["points/7.json".to_owned()], chunks: Vec::new(), reason },
            Deed::Verified { packs: packs.clone() },
            Deed::Damaged { packs: packs.clone() },
            Deed::Drilled { point, seconds: 12, passed: false },
            Deed::Dead { packs },
        ]
    }

    #[test]
    fn every_deed_comes_back() {
        for deed in all() {
            let bytes = act(deed.clone()).encode().unwrap();
            assert_eq!(Act::decode(&bytes), Ok(act(deed)));
        }
    }

    #[test]
    fn the_first_act_has_no_predecessor() {
        let first = Act { previous: None, ..act(all().remove(2)) };
        assert_eq!(Act::decode(&first.encode().unwrap()), Ok(first));
    }

    #[test]
    fn a_deed_of_a_newer_program_is_read_as_unknown_and_never_written() {
        let mut value = serde_json::to_value(act(all().remove(0))).unwrap();
        value["act"] = "sworn".into();
        value["witnesses"] = serde_json::json!([{"name": "x"}]);
        let bytes = json::encode(&value).unwrap();
        let read = Act::decode(&bytes).unwrap();
        assert_eq!(read, act(Deed::Unknown));
        assert!(read.encode().is_err());
    }

    #[test]
    fn a_deed_that_lacks_something_is_damage() {
        let mut value = serde_json::to_value(act(all().remove(0))).unwrap();
        value.as_object_mut().unwrap().remove("reason");
        assert!(matches!(Act::decode(&json::encode(&value).unwrap()), Err(Damage::Json(_))));
    }
}
