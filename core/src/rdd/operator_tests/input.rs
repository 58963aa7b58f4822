//! What the operators are given: two Rdds in any partitions, behind other operators, with a function that fails once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Wire;
use crate::rdd::parallelize::Parallelize;
use crate::rdd::{Job, Rdd, StorageLevel};
use crate::words::Error;

/// Something that breaks once: the n-th call of `burn` panics. Without a number it never does.
#[derive(Clone, Default)]
pub(super) struct Fuse(Option<Arc<AtomicUsize>>);

impl Fuse {
    fn new(calls: Option<usize>) -> Self {
        Self(calls.map(|calls| Arc::new(AtomicUsize::new(calls))))
    }

    pub(super) fn burn(&self) {
        if let Some(left) = &self.0
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            panic!("a fuse");
        }
    }

    pub(super) fn has_burnt(&self) -> bool {
        // Behind zero the count begins at the top again.
        self.0.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) > usize::MAX / 2)
    }
}

/// A key whose hash is a user's function that fails once, in the map task or the reduce task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) number: u8,
    #[serde(skip)]
    fuse: Fuse,
}

impl Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

impl PartialEq for Port {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Port {}

impl Hash for Port {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fuse.burn();
        self.number.hash(state);
    }
}

/// Pairs, partition by partition.
pub(super) type Pairs = Vec<Vec<(u8, u16)>>;

/// Which function it is that fails once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// One before the operator.
    Source,
    /// The operator's own, or the hash of its keys.
    Function,
}

/// An operator before the one that is proved: so pairs of operators are proved too.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    Filter,
    Twice,
    Union,
    Cache,
    Persist(StorageLevel),
}

/// What goes in.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) here: Pairs,
    pub(super) there: Pairs,
    pub(super) before: Vec<Before>,
    /// The partitions of the result; zero leaves that to the operator.
    pub(super) targets: usize,
    /// How many elements are asked for.
    pub(super) n: usize,
    /// What fails, at which call.
    pub(super) fails: (Place, usize),
}

impl Case {
    pub(super) fn of(here: Pairs, targets: usize) -> Self {
        Self { here, there: vec![], before: vec![], targets, n: 0, fails: (Place::Source, 1) }
    }

    /// The case with what is before the operator done, on plain vectors.
    pub(super) fn plain(&self) -> Self {
        let mut here = self.here.clone();
        for before in &self.before {
            match before {
                Before::Filter => here.iter_mut().for_each(|part| part.retain(|(_, value)| value % 3 > 0)),
                Before::Twice => {
                    for part in &mut here {
                        *part = part.iter().flat_map(|pair| [*pair, *pair]).collect();
                    }
                }
                Before::Union => here.extend(self.there.clone()),
                Before::Cache | Before::Persist(_) => {}
            }
        }
        Self { here, before: vec![], ..self.clone() }
    }

    pub(super) fn flat(&self) -> Vec<(u8, u16)> {
        self.here.concat()
    }

    /// The values of each key.
    pub(super) fn groups(&self) -> BTreeMap<u8, Vec<u16>> {
        groups(&self.here)
    }

    /// The values of both sides for each key of either.
    pub(super) fn both(&self) -> Vec<(u8, Vec<u16>, Vec<u16>)> {
        let (here, there) = (groups(&self.here), groups(&self.there));
        let keys: BTreeSet<u8> = here.keys().chain(there.keys()).copied().collect();
        let of = |groups: &BTreeMap<u8, Vec<u16>>, key| groups.get(&key).cloned().unwrap_or_default();
        keys.into_iter().map(|key| (key, of(&here, key), of(&there, key))).collect()
    }
}

fn groups(pairs: &Pairs) -> BTreeMap<u8, Vec<u16>> {
    let mut groups: BTreeMap<u8, Vec<u16>> = BTreeMap::new();
    for (key, value) in pairs.concat() {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// Any case: partitions without elements and Rdds without partitions too.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let pairs = || prop::collection::vec(prop::collection::vec((0u8..12, any::<u16>()), 0..12), 0..6);
    let level = prop::sample::select(vec![
        StorageLevel::MemoryOnly,
        StorageLevel::MemoryAndDisk,
        StorageLevel::MemoryOnlySer,
        StorageLevel::MemoryAndDiskSer,
        StorageLevel::DiskOnly,
    ]);
    let before = prop_oneof![
        Just(Before::Filter),
        Just(Before::Twice),
        Just(Before::Union),
        Just(Before::Cache),
        level.prop_map(Before::Persist)
    ];
    let place = prop_oneof![Just(Place::Source), Just(Place::Function)];
    let numbers = (0usize..6, 0usize..20, place, 1usize..60);
    (pairs(), pairs(), prop::collection::vec(before, 0..3), numbers).prop_map(
        |(here, there, before, (targets, n, place, call))| Case {
            here,
            there,
            before,
            targets,
            n,
            fails: (place, call),
        },
    )
}

/// A case as Rdds.
pub(super) struct Inputs {
    pub(super) here: Rdd<(Port, u16)>,
    pub(super) there: Rdd<(Port, u16)>,
    pub(super) targets: usize,
    pub(super) n: usize,
    /// What the operator's function burns.
    pub(super) fuse: Fuse,
}

impl Inputs {
    pub(super) fn of(case: &Case, job: &Arc<Job>, fails: bool) -> Self {
        let (source, fuse) = match case.fails {
            (_, _) if !fails => (None, None),
            (Place::Source, call) => (Some(call), None),
            (Place::Function, call) => (None, Some(call)),
        };
        let (source, fuse) = (Fuse::new(source), Fuse::new(fuse));
        let rdd = |pairs: &Pairs| {
            let (source, fuse) = (source.clone(), fuse.clone());
            let partitions = pairs.iter().map(|part| Arc::new(part.clone())).collect();
            Rdd::new(Parallelize::of(partitions), job).map(move |(number, value)| {
                source.burn();
                (Port { number, fuse: fuse.clone() }, value)
            })
        };
        let there = rdd(&case.there);
        let mut here = rdd(&case.here);
        for before in &case.before {
            here = match before {
                Before::Filter => here.filter(|(_, value)| value % 3 > 0),
                Before::Twice => here.flat_map(|pair| [pair.clone(), pair]),
                Before::Union => here.union(&there),
                Before::Cache => here.cache(),
                Before::Persist(level) => here.persist(*level),
            };
        }
        Self { here, there, targets: case.targets, n: case.n, fuse }
    }

    /// With keys that have an order and a hash of their own, behind a function that fails once.
    pub(super) fn plain(&self) -> Rdd<(u8, u16)> {
        let fuse = self.fuse.clone();
        self.here.map(move |(port, value)| {
            fuse.burn();
            (port.number, value)
        })
    }
}

/// The elements of an Rdd, as text.
pub(super) fn texts<T: Wire + Debug>(rdd: &Rdd<T>) -> Result<Vec<String>, Error> {
    Ok(rdd.collect()?.iter().map(text).collect())
}

pub(super) fn text(value: &impl Debug) -> String {
    format!("{value:?}")
}

/// Each element as text.
pub(super) fn lines<T: Debug>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| text(&value)).collect()
}

/// Calls the operator of the first name, or, where the case names a number of partitions, that of the second.
macro_rules! into {
    ($input:expr, $rdd:expr, $plain:ident / $into:ident ($($argument:expr),*)) => {
        match $input.targets {
            0 => $rdd.$plain($($argument),*),
            targets => $rdd.$into(targets, $($argument),*),
        }
    };
}
pub(super) use into;
