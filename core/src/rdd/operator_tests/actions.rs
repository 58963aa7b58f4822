//! What actions must give: a value on every member.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Proof;
use super::input::{lines, text, texts};

pub(super) fn collect() -> Proof {
    Proof::in_order(|i| texts(&i.here), |c| lines(c.flat()))
}

pub(super) fn count() -> Proof {
    Proof::in_order(|i| Ok(vec![text(&i.plain().count()?)]), |c| vec![text(&c.flat().len())])
}

pub(super) fn is_empty() -> Proof {
    Proof::in_order(|i| Ok(vec![text(&i.plain().is_empty()?)]), |c| vec![text(&c.flat().is_empty())])
}

pub(super) fn take() -> Proof {
    Proof::in_order(|i| Ok(lines(i.plain().take(i.n)?)), |c| lines(c.flat().into_iter().take(c.n)))
}

pub(super) fn first() -> Proof {
    Proof::in_order(
        |i| match i.plain().first() {
            Err(error) if error.chain().contains("`first` of an empty Rdd") => Ok(vec![]),
            first => Ok(vec![text(&first?)]),
        },
        |c| lines(c.flat().first()),
    )
}

pub(super) fn top() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().top(i.n)?)),
        |c| {
            let mut all = c.flat();
            all.sort_by_key(|pair| Reverse(*pair));
            lines(all.into_iter().take(c.n))
        },
    )
}

pub(super) fn top_by() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().top_by(i.n, |(key, _)| *key)?)),
        |c| {
            let mut all = c.flat();
            all.sort_by_key(|(key, _)| Reverse(*key));
            lines(all.into_iter().take(c.n))
        },
    )
}

pub(super) fn take_ordered() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().take_ordered(i.n)?)),
        |c| {
            let mut all = c.flat();
            all.sort_unstable();
            lines(all.into_iter().take(c.n))
        },
    )
}

pub(super) fn take_ordered_by() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().take_ordered_by(i.n, |(key, _)| *key)?)),
        |c| {
            let mut all = c.flat();
            all.sort_by_key(|(key, _)| *key);
            lines(all.into_iter().take(c.n))
        },
    )
}

pub(super) fn reduce() -> Proof {
    Proof::in_order(
        // Not commutative: the order shows.
        |i| Ok(lines(i.plain().map(|(_, value)| (value, value)).reduce(|a, b| (a.0, b.1))?)),
        |c| {
            let all = c.flat();
            lines(all.first().zip(all.last()).map(|(first, last)| (first.1, last.1)))
        },
    )
}

pub(super) fn fold() -> Proof {
    Proof::in_order(
        |i| Ok(vec![i.plain().map(|(_, value)| format!("{value} ")).fold(String::new(), |a, b| a + &b)?]),
        |c| vec![c.flat().iter().flat_map(|(_, value)| [value.to_string(), " ".into()]).collect()],
    )
}

pub(super) fn aggregate() -> Proof {
    Proof::in_order(
        |i| {
            let fuse = i.fuse.clone();
            let add = |mut all: Vec<u8>, (port, _): (super::input::Port, u16)| {
                fuse.burn();
                all.push(port.number);
                all
            };
            Ok(lines(i.here.aggregate(Vec::new(), add, |a, b| [a, b].concat())?))
        },
        |c| lines(c.flat().iter().map(|(key, _)| key)),
    )
}

pub(super) fn count_by_key() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().count_by_key()?.into_iter().collect::<BTreeMap<_, _>>())),
        |c| lines(c.groups().iter().map(|(key, values)| (key, values.len()))),
    )
}

pub(super) fn collect_as_map() -> Proof {
    Proof::in_order(
        |i| Ok(lines(i.plain().collect_as_map()?.into_iter().collect::<BTreeMap<_, _>>())),
        |c| lines(c.flat().into_iter().collect::<BTreeMap<_, _>>()),
    )
}

pub(super) fn on_driver() -> Proof {
    Proof::in_order(
        |i| {
            let count = i.plain().count()?;
            Ok(vec![i.here.on_driver(|| Ok(format!("{count} of all")))?])
        },
        |c| vec![format!("{} of all", c.flat().len())],
    )
}
