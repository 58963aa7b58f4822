//! What shuffles of one Rdd must give.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Proof;
use super::input::{Port, into, lines, texts};

/// Not commutative, so that an order that is wrong shows; associative, as it must be.
fn first_and_last(a: (u16, u16), b: (u16, u16)) -> (u16, u16) {
    (a.0, b.1)
}

pub(super) fn reduce_by_key() -> Proof {
    Proof::in_any_order(
        |i| {
            let (fuse, pairs) = (i.fuse.clone(), i.here.map_values(|value| (value, value)));
            let f = move |a, b| {
                fuse.burn();
                first_and_last(a, b)
            };
            texts(&into!(i, pairs, reduce_by_key / reduce_by_key_into(f)))
        },
        |c| lines(c.groups().iter().map(|(key, values)| (key, (values[0], values[values.len() - 1])))),
    )
}

pub(super) fn aggregate_by_key() -> Proof {
    Proof::in_any_order(
        |i| {
            let fuse = i.fuse.clone();
            let add = move |mut all: Vec<u16>, value| {
                fuse.burn();
                all.push(value);
                all
            };
            let merge = |a, b| [a, b].concat();
            texts(&into!(i, i.here, aggregate_by_key / aggregate_by_key_into(Vec::new(), add, merge)))
        },
        |c| lines(c.groups()),
    )
}

pub(super) fn combine_by_key() -> Proof {
    Proof::in_any_order(
        |i| {
            let fuse = i.fuse.clone();
            let make = |value: u16| value.to_string();
            let add = |all: String, value: u16| format!("{all} {value}");
            let merge = move |a: String, b: String| {
                fuse.burn();
                format!("{a} {b}")
            };
            texts(&into!(i, i.here, combine_by_key / combine_by_key_into(make, add, merge)))
        },
        |c| {
            let joined = |values: &Vec<u16>| values.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
            lines(c.groups().iter().map(|(key, values)| (key, joined(values))))
        },
    )
}

pub(super) fn group_by_key() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, group_by_key / group_by_key_into())),
        |c| lines(c.groups()),
    )
}

pub(super) fn distinct() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, distinct / distinct_into())),
        |c| lines(c.flat().into_iter().collect::<BTreeSet<_>>()),
    )
}

pub(super) fn count_by_value() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here.keys(), count_by_value / count_by_value_into())),
        |c| lines(c.groups().iter().map(|(key, values)| (key, values.len()))),
    )
}

pub(super) fn repartition() -> Proof {
    Proof::in_any_order(|i| texts(&i.here.repartition(i.targets + 1)), |c| lines(c.flat()))
}

pub(super) fn partition_by() -> Proof {
    Proof::in_any_order(|i| texts(&i.here.partition_by(i.targets + 1)), |c| lines(c.flat()))
}

pub(super) fn sort_by() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            let key = move |(port, _): &(Port, u16)| {
                fuse.burn();
                port.number
            };
            texts(&into!(i, i.here, sort_by / sort_by_into(key, false)))
        },
        |c| {
            let mut sorted = c.flat();
            // Stable: what has the same key stays in its order.
            sorted.sort_by_key(|(key, _)| Reverse(*key));
            lines(sorted)
        },
    )
}

pub(super) fn sort_by_key() -> Proof {
    Proof::in_order(
        |i| texts(&into!(i, i.plain(), sort_by_key / sort_by_key_into(true))),
        |c| {
            let mut sorted = c.flat();
            sorted.sort_by_key(|(key, _)| *key);
            lines(sorted)
        },
    )
}
