//! What shuffles of two Rdds must give.

use super::Proof;
use super::input::{Case, into, lines, texts};

/// Each value, and `None` for itself where there is none and the join keeps that.
fn padded(values: &[u16], keep: bool) -> Vec<Option<u16>> {
    if values.is_empty() && keep { vec![None] } else { values.iter().copied().map(Some).collect() }
}

/// A row of a join that keeps both sides.
type Row = (u8, (Option<u16>, Option<u16>));

/// The rows of a join that keeps keys without a partner on this side, on the other.
fn joined(case: &Case, keep: (bool, bool)) -> Vec<Row> {
    let mut all = Vec::new();
    for (key, here, there) in case.both() {
        for v in padded(&here, keep.0) {
            all.extend(padded(&there, keep.1).into_iter().map(|w| (key, (v, w))));
        }
    }
    all
}

pub(super) fn cogroup() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, cogroup / cogroup_into(&i.there))),
        |c| lines(c.both().into_iter().map(|(key, here, there)| (key, (here, there)))),
    )
}

pub(super) fn join() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, join / join_into(&i.there))),
        |c| {
            let rows = joined(c, (false, false)).into_iter();
            lines(rows.map(|(key, (v, w))| (key, (v.unwrap(), w.unwrap()))))
        },
    )
}

pub(super) fn left_outer_join() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, left_outer_join / left_outer_join_into(&i.there))),
        |c| lines(joined(c, (false, true)).into_iter().map(|(key, (v, w))| (key, (v.unwrap(), w)))),
    )
}

pub(super) fn right_outer_join() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, right_outer_join / right_outer_join_into(&i.there))),
        |c| lines(joined(c, (true, false)).into_iter().map(|(key, (v, w))| (key, (v, w.unwrap())))),
    )
}

pub(super) fn full_outer_join() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, full_outer_join / full_outer_join_into(&i.there))),
        |c| lines(joined(c, (true, true))),
    )
}

pub(super) fn subtract_by_key() -> Proof {
    Proof::in_any_order(
        |i| texts(&into!(i, i.here, subtract_by_key / subtract_by_key_into(&i.there))),
        |c| {
            let there = c.there.concat();
            let is_there = |key| there.iter().any(|(other, _)| *other == key);
            lines(c.flat().iter().filter(|(key, _)| !is_there(*key)))
        },
    )
}

/// Both sides are partitioned by key already, so the join itself moves nothing.
pub(super) fn in_place() -> Proof {
    Proof::in_any_order(
        |i| {
            let targets = i.targets + 1;
            let here = i.here.group_by_key_into(targets).filter(|(_, values)| values.len() > 1);
            texts(&here.join_into(targets, &i.there.partition_by(targets)))
        },
        |c| {
            let many = c.both().into_iter().filter(|(_, here, _)| here.len() > 1);
            lines(
                many.flat_map(|(key, here, there)| there.into_iter().map(move |w| (key, (here.clone(), w)))),
            )
        },
    )
}
