//! What narrow operators must give: a partition from a partition.

use super::Proof;
use super::input::{lines, text, texts};
use crate::rdd::StorageLevel;

pub(super) fn map() -> Proof {
    Proof::in_order(
        |i| texts(&i.plain().map(|(key, value)| u32::from(key) + u32::from(value))),
        |c| lines(c.flat().into_iter().map(|(key, value)| u32::from(key) + u32::from(value))),
    )
}

pub(super) fn try_map() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.try_map(move |(key, value)| {
                fuse.burn();
                Ok(format!("{key:?}: {value}"))
            }))
        },
        |c| lines(c.flat().iter().map(|(key, value)| format!("{key}: {value}"))),
    )
}

pub(super) fn map_or_reject() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.map_or_reject(move |(key, value)| {
                fuse.burn();
                if value % 3 == 0 { Err("a third".into()) } else { Ok(format!("{key:?}: {value}")) }
            }))
        },
        |c| {
            let all = c.flat();
            let used = all.iter().filter(|(_, value)| value % 3 != 0);
            lines(used.map(|(key, value)| format!("{key}: {value}")))
        },
    )
}

pub(super) fn filter() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.filter(move |(_, value)| {
                fuse.burn();
                value % 2 == 0
            }))
        },
        |c| lines(c.flat().iter().filter(|(_, value)| value % 2 == 0)),
    )
}

pub(super) fn try_filter() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.try_filter(move |(key, _)| {
                fuse.burn();
                Ok(key.number > 4)
            }))
        },
        |c| lines(c.flat().iter().filter(|(key, _)| *key > 4)),
    )
}

/// As many as the key says, none for the first.
fn repeated(key: u8, value: u16) -> impl Iterator<Item = (u8, u16)> {
    (0..u16::from(key % 3)).map(move |n| (key, value ^ n))
}

pub(super) fn flat_map() -> Proof {
    Proof::in_order(
        |i| texts(&i.plain().flat_map(|(key, value)| repeated(key, value))),
        |c| lines(c.flat().into_iter().flat_map(|(key, value)| repeated(key, value))),
    )
}

pub(super) fn flat_map_to() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.flat_map_to(move |(key, value), out| {
                fuse.burn();
                repeated(key.number, *value).for_each(|pair| out.emit(pair));
            }))
        },
        |c| lines(c.flat().into_iter().flat_map(|(key, value)| repeated(key, value))),
    )
}

pub(super) fn try_flat_map() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.try_flat_map(move |(key, value)| {
                fuse.burn();
                Ok(repeated(key.number, value))
            }))
        },
        |c| lines(c.flat().into_iter().flat_map(|(key, value)| repeated(key, value))),
    )
}

pub(super) fn map_partitions() -> Proof {
    Proof::in_order(
        |i| {
            texts(&i.plain().map_partitions(|elements| {
                let values: Vec<u16> = elements.map(|(_, value)| value).collect();
                [values.len() as u16].into_iter().chain(values.into_iter().rev())
            }))
        },
        |c| {
            let of_part = |part: &Vec<(u8, u16)>| {
                let values = part.iter().rev().map(|(_, value)| *value);
                [part.len() as u16].into_iter().chain(values).collect::<Vec<_>>()
            };
            lines(c.here.iter().flat_map(of_part))
        },
    )
}

pub(super) fn map_partitions_with_index() -> Proof {
    Proof::in_order(
        |i| {
            texts(
                &i.plain().map_partitions_with_index(|part, elements| elements.map(move |pair| (part, pair))),
            )
        },
        |c| {
            let parts = c.here.iter().enumerate();
            lines(parts.flat_map(|(part, pairs)| pairs.iter().map(move |pair| (part, pair))))
        },
    )
}

pub(super) fn glom() -> Proof {
    Proof::in_order(|i| texts(&i.here.glom()), |c| lines(&c.here))
}

pub(super) fn keys() -> Proof {
    Proof::in_order(|i| texts(&i.here.keys()), |c| lines(c.flat().iter().map(|(key, _)| key)))
}

pub(super) fn values() -> Proof {
    Proof::in_order(|i| texts(&i.here.values()), |c| lines(c.flat().iter().map(|(_, value)| value)))
}

pub(super) fn map_values() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.map_values(move |value| {
                fuse.burn();
                !value
            }))
        },
        |c| lines(c.flat().iter().map(|(key, value)| (key, !value))),
    )
}

pub(super) fn flat_map_values() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            texts(&i.here.flat_map_values(move |value| {
                fuse.burn();
                0..value % 4
            }))
        },
        |c| lines(c.flat().iter().flat_map(|(key, value)| (0..value % 4).map(move |n| (key, n)))),
    )
}

pub(super) fn union() -> Proof {
    Proof::in_order(|i| texts(&i.here.union(&i.there).glom()), |c| lines(c.here.iter().chain(&c.there)))
}

pub(super) fn cache() -> Proof {
    Proof::in_order(
        |i| {
            let kept = i.here.cache();
            // Some partitions are kept by an action that does not need all, and read by the next.
            kept.take(i.n)?;
            texts(&kept.union(&kept).glom())
        },
        |c| lines(c.here.iter().chain(&c.here)),
    )
}

pub(super) fn persist() -> Proof {
    Proof::in_order(
        |i| {
            let kept = i.here.persist(StorageLevel::MemoryAndDiskSer).persist(StorageLevel::DiskOnly);
            kept.take(i.n)?;
            texts(&kept.union(&kept).glom())
        },
        |c| lines(c.here.iter().chain(&c.here)),
    )
}

const SEED: u64 = 42;
const FRACTION: f64 = 0.4;
const MEAN: f64 = 1.5;

pub(super) fn sample() -> Proof {
    Proof::in_order(
        |i| {
            let (once, often) = (i.here.sample(false, FRACTION, SEED), i.here.sample(true, MEAN, SEED));
            texts(&once.union(&often).glom())
        },
        |c| {
            let taken = |times: fn(&mut Random) -> usize| {
                c.here.iter().enumerate().map(move |(part, pairs)| {
                    let mut random = Random::of(part);
                    pairs.iter().flat_map(|pair| vec![*pair; times(&mut random)]).collect::<Vec<_>>()
                })
            };
            let once = taken(|random| usize::from(random.next() < FRACTION));
            lines(once.chain(taken(Random::poisson)))
        },
    )
}

/// The definition of `sample`: numbers of `SplitMix64`, one sequence a partition.
struct Random(u64);

impl Random {
    fn of(partition: usize) -> Self {
        let mixed = |state| Self(state).bits();
        Self(mixed(mixed(SEED) ^ partition as u64))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    fn next(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// How many numbers, multiplied, stay above `exp(-mean)`.
    fn poisson(&mut self) -> usize {
        let (mut product, mut count) = (self.next(), 0);
        while product > (-MEAN).exp() {
            product *= self.next();
            count += 1;
        }
        count
    }
}

pub(super) fn zip_with_index() -> Proof {
    Proof::in_order(
        |i| texts(&i.here.zip_with_index()),
        |c| lines((0u64..).zip(c.flat()).map(|(index, pair)| (pair, index))),
    )
}

pub(super) fn coalesce() -> Proof {
    Proof::in_order(
        |i| texts(&i.here.coalesce(i.targets + 1).glom()),
        |c| {
            let (from, fewer) = (c.here.len(), c.here.len().min(c.targets + 1));
            // Neighbours, in groups as equal as can be.
            lines((0..fewer).map(|part| c.here[part * from / fewer..(part + 1) * from / fewer].concat()))
        },
    )
}

pub(super) fn num_partitions() -> Proof {
    Proof::in_order(|i| Ok(vec![text(&i.here.num_partitions())]), |c| vec![text(&c.here.len())])
}
