//! What a restart begins with: which bases there are, and from where on the ledger has to be read.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::entry::{Identity, corrupt, opened};
use crate::data::{KeyGroup, Wire};
use crate::state::{Shape, StateBase};
use crate::storage::envelope::{self, Kind};
use crate::words::{BatchTime, Epoch, Error, Result};

/// Kind of the envelopes.
const KIND: Kind = *b"MNFT";
/// Version of what is in them.
const VERSION: u16 = 1;
/// All key groups: what the bases of an operator cover together.
const GROUPS: Range<u8> = 0..KeyGroup::COUNT;

/// What a restart begins with; numbered, and never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) identity: Identity,
    /// The run that wrote it.
    pub(crate) epoch: Epoch,
    /// The first entry of the ledger that is still needed.
    pub(crate) from: u64,
    /// The last batch that was committed, as of the manifest.
    pub(crate) committed: Option<BatchTime>,
    /// The last batch that was planned: its time is not used again.
    pub(crate) planned: Option<BatchTime>,
    /// The operators that remember something, in the order of the plan.
    pub(crate) keepers: Vec<KeptState>,
}

/// What there is of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptState {
    pub(crate) uid: String,
    /// Where it stood in the user's code.
    pub(crate) site: String,
    pub(crate) shape: Shape,
    /// The last batch before it was there; none for one that was there from the first on.
    pub(crate) since: Option<BatchTime>,
    pub(crate) bases: Vec<MemberBase>,
}

/// A base, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberBase {
    pub(crate) epoch: Epoch,
    pub(crate) member: u32,
    pub(crate) base: StateBase,
}

impl Manifest {
    /// Its bytes, in an envelope.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        envelope::begin(&mut bytes);
        self.encode(&mut bytes)?;
        envelope::end(KIND, VERSION, &mut bytes);
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave.
    pub(super) fn from_bytes(path: &str, bytes: &[u8]) -> Result<Self> {
        let mut payload = opened(KIND, path, bytes)?;
        let manifest = Self::decode(&mut payload);
        let manifest = manifest.map_err(|error: Error| corrupt(path, error.to_string()))?;
        if payload.is_empty() {
            Ok(manifest)
        } else {
            Err(corrupt(path, format!("{} bytes stand behind its end", payload.len())))
        }
    }

    /// The last batch whose deltas nobody needs; `None` where all are needed.
    pub(crate) fn done(&self) -> Option<BatchTime> {
        let of_each: Option<Vec<BatchTime>> = self.keepers.iter().map(KeptState::done).collect();
        // Where nothing is remembered no delta is needed.
        of_each?.into_iter().min().or(self.committed)
    }

    /// All objects that the bases stand on.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &String> {
        self.keepers.iter().flat_map(|kept| &kept.bases).flat_map(|of| &of.base.objects)
    }
}

impl KeptState {
    /// The last batch whose delta it does not need: that of its oldest base.
    pub(crate) fn done(&self) -> Option<BatchTime> {
        let of_group = |group: u8| {
            let base = self.bases.iter().find(|of| of.base.groups.contains(&group));
            base.and_then(|of| of.base.applied).max(self.since)
        };
        GROUPS.map(of_group).min().flatten()
    }

    /// Takes in a base, which replaces what there was of its groups, unless that is newer.
    pub(crate) fn take(&mut self, new: &MemberBase) {
        let mut all = Vec::new();
        let mut open = vec![new.base.groups.clone()];
        for old in std::mem::take(&mut self.bases) {
            if old.base.applied > new.base.applied {
                open = open.iter().flat_map(|range| without(range, &old.base.groups)).collect();
                all.push(old);
            } else {
                all.extend(
                    without(&old.base.groups, &new.base.groups).into_iter().map(|left| part(&old, left)),
                );
            }
        }
        all.extend(open.into_iter().filter(|range| !range.is_empty()).map(|range| part(new, range)));
        all.sort_by_key(|of| of.base.groups.start);
        self.bases = all;
    }

    /// The bases alone.
    pub(crate) fn state_bases(&self) -> Vec<StateBase> {
        self.bases.iter().map(|of| of.base.clone()).collect()
    }
}

/// What is left of `range` where `taken` is not.
fn without(range: &Range<u8>, taken: &Range<u8>) -> Vec<Range<u8>> {
    let before = range.start..range.end.min(taken.start);
    let behind = range.start.max(taken.end)..range.end;
    if taken.is_empty() {
        return vec![range.clone()];
    }
    [before, behind].into_iter().filter(|left| !left.is_empty()).collect()
}

/// The same base for fewer groups: it stands on the same objects, of which a reader takes what is named.
fn part(of: &MemberBase, groups: Range<u8>) -> MemberBase {
    let mut part = of.clone();
    let (all, left) = (of.base.groups.len().max(1) as u64, groups.len() as u64);
    part.base.bytes = of.base.bytes * left / all;
    part.base.groups = groups;
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> BatchTime {
        BatchTime::from_millis(millis)
    }

    fn base(groups: Range<u8>, applied: Option<u64>) -> MemberBase {
        let objects = vec![format!("{groups:?}@{applied:?}")];
        let base = StateBase { groups, applied: applied.map(at), objects, bytes: 1000 };
        MemberBase { epoch: Epoch(1), member: 0, base }
    }

    fn kept() -> KeptState {
        let shape = Shape { kind: "sum".into(), version: 1, ..Shape::default() };
        KeptState { uid: "sums".into(), site: "sum".into(), shape, since: None, bases: Vec::new() }
    }

    #[test]
    fn deltas_are_needed_behind_the_oldest_base_once_there_is_one_of_each_group() {
        let mut kept = kept();
        assert_eq!(kept.done(), None);
        kept.take(&base(0..64, Some(5000)));
        assert_eq!(kept.done(), None, "half of the groups have no base");
        kept.take(&base(64..128, Some(7000)));
        assert_eq!(kept.done(), Some(at(5000)));
        kept.take(&base(0..63, Some(9000)));
        assert_eq!(kept.done(), Some(at(5000)), "group 63 is still the old one");
        kept.take(&base(63..64, Some(9000)));
        assert_eq!(kept.done(), Some(at(7000)));
    }

    #[test]
    fn an_operator_that_came_later_needs_nothing_from_before() {
        let mut kept = KeptState { since: Some(at(3000)), ..kept() };
        assert_eq!(kept.done(), Some(at(3000)));
        kept.take(&base(0..128, Some(4000)));
        assert_eq!(kept.done(), Some(at(4000)));
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_and_damage_is_noticed() {
        let identity = Identity {
            job: "job-1".into(),
            parallelism: 3,
            interval_ms: 1000,
            zero: at(500),
            build: "0.1.0".into(),
        };
        let mut kept = kept();
        kept.take(&base(0..128, Some(4000)));
        let (committed, planned) = (Some(at(6000)), Some(at(7000)));
        let manifest =
            Manifest { identity, epoch: Epoch(2), from: 17, committed, planned, keepers: vec![kept] };
        let mut bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes("m", &bytes).unwrap(), manifest);
        assert_eq!(manifest.done(), Some(at(4000)));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(matches!(Manifest::from_bytes("m", &bytes), Err(Error::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn each_group_has_its_newest_base(bases in prop::collection::vec((0u8..128, 1u8..128, 1u64..9), 0..12)) {
            let mut kept = kept();
            let mut newest = [None; 128];
            for (start, length, applied) in bases {
                let groups = start..start.saturating_add(length).min(128);
                for group in groups.clone() {
                    let of_group: &mut Option<BatchTime> = &mut newest[usize::from(group)];
                    *of_group = (*of_group).max(Some(at(applied)));
                }
                kept.take(&base(groups, Some(applied)));
            }
            for (group, newest) in (0u8..).zip(newest) {
                let of_group: Vec<_> = kept.bases.iter().filter(|of| of.base.groups.contains(&group)).collect();
                prop_assert!(of_group.len() <= 1, "two bases of one group");
                prop_assert_eq!(of_group.first().and_then(|of| of.base.applied), newest);
            }
            prop_assert!(kept.bases.iter().all(|of| !of.base.groups.is_empty()));
        }
    }
}
