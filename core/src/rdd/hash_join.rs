//! What the joins are made of: one side in a table, the other passed along it.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::by_key::{ByKey, each_owned};
use super::exchange::{Exchange, Incoming};
use super::node::{Node, Pull};
use super::table::{FixedState, hasher};
use super::wire::Pair;
use crate::data::{Key, Wire};
use crate::runtime::Site;
use crate::words::{Error, Result};

/// The way of pairs, one by one, to where their keys belong.
pub(crate) fn placed<K: Key, V: Wire>(
    up: &Arc<dyn Node<(K, V)>>,
    partitions: usize,
    site: Site,
) -> Exchange<(K, V), Pair<K, V>> {
    let by = ByKey::of(&**up, partitions);
    Exchange::new(Arc::clone(up), by.targets, site, move |mut up: Pull<(K, V)>, partition| {
        let mut placed = by.place(partition, 0);
        each_owned(&mut up, |(key, value)| placed.push(key, value))?;
        Ok(placed.into_lists())
    })
}

/// For each record of `probe`, in order, what `matched` makes of it and of each record of `build` with its key, in their
/// order; where there is none, what `alone` makes of it.
pub(crate) fn hash_join<K: Key, V: Wire, W: Wire, U>(
    probe: Incoming<Pair<K, V>>,
    build: Incoming<Pair<K, W>>,
    matched: impl Fn(V, W) -> U,
    alone: impl Fn(V) -> Option<U>,
) -> Result<Vec<(K, U)>> {
    let mut rows = Rows::with_capacity(build.len());
    build.for_each(|_, Pair(key, value)| rows.put(key, value))?;
    let mut out = Vec::with_capacity(probe.len());
    probe.for_each(|_, Pair(key, value)| {
        match rows.get(&key) {
            None => out.extend(alone(value).map(|result| (key, result))),
            Some(row) => {
                let (mut other, mut next) = (&row.value, row.next);
                // All but the last match need a copy of the record that is passed along.
                while let Some((following, behind)) = rows.more.get(next as usize) {
                    out.push((key.clone(), matched(value.clone(), other.clone())));
                    (other, next) = (following, *behind);
                }
                out.push((key, matched(value, other.clone())));
            }
        }
        Ok(())
    })?;
    Ok(out)
}

/// No further value.
const END: u32 = u32::MAX;

/// The records of one side: the first value of a key in a table, the others chained behind it.
///
/// Nothing iterates over the table, so its order does not matter; there is room for all from the start, so the hash
/// need not be kept.
struct Rows<K, W> {
    firsts: HashTable<Row<K, W>>,
    more: Vec<(W, u32)>,
    hasher: FixedState,
}

struct Row<K, W> {
    key: K,
    value: W,
    // Places in `more`; END where the first value is the only one.
    next: u32,
    last: u32,
}

impl<K: Key, W> Rows<K, W> {
    fn with_capacity(capacity: usize) -> Self {
        Self { firsts: HashTable::with_capacity(capacity), more: Vec::new(), hasher: hasher() }
    }

    #[inline]
    fn put(&mut self, key: K, value: W) -> Result<()> {
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        match self.firsts.entry(hash, |row| row.key == key, |row| hasher.hash_one(&row.key)) {
            Entry::Vacant(vacant) => {
                vacant.insert(Row { key, value, next: END, last: END });
            }
            Entry::Occupied(found) => {
                let row = found.into_mut();
                let place = self.more.len() as u32;
                if self.more.len() >= END as usize {
                    return Err(Error::new(
                        "one side of a join has more than 4294967294 values for keys that it has already, in one \
                         partition; use more partitions",
                    ));
                }
                match self.more.get_mut(row.last as usize) {
                    Some((_, next)) => *next = place,
                    None => row.next = place,
                }
                row.last = place;
                self.more.push((value, END));
            }
        }
        Ok(())
    }

    #[inline]
    fn get(&self, key: &K) -> Option<&Row<K, W>> {
        self.firsts.find(self.hasher.hash_one(key), |row| row.key == *key)
    }
}
