//! `group_by_key`: the values of each key in a list.

use std::panic::Location;
use std::sync::Arc;

use super::Rdd;
use super::by_key::{ByKey, tabled};
use super::exchange::{Exchange, Shuffled};
use super::node::{Node, Pull};
use super::table::Table;
use super::wire::{Many, Pair};
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The values of each key, in the order of (partition, record).
    ///
    /// All values of a key must fit into memory together; where they are only combined afterwards,
    /// [`reduce_by_key`](Self::reduce_by_key) or [`aggregate_by_key`](Self::aggregate_by_key) moves less. The result has
    /// as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let visits = ssc.parallelize(vec![(1u32, 'a'), (2, 'b'), (1, 'c')], 2);
    /// let mut by_page = visits.group_by_key().collect()?;
    /// by_page.sort();
    /// assert_eq!(by_page, [(1, vec!['a', 'c']), (2, vec!['b'])]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "groupByKey")]
    #[track_caller]
    pub fn group_by_key(&self) -> Rdd<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        self.group_by_key_into(self.job().engine.parallelism())
    }

    /// As [`group_by_key`](Self::group_by_key), into `partitions` partitions.
    #[track_caller]
    pub fn group_by_key_into(&self, partitions: usize) -> Rdd<(K, Vec<V>)>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("group_by_key", Location::caller());
        let shuffled = Shuffled::one(grouped(&self.node(), partitions, site), |incoming, _| {
            let mut lists = Table::with_capacity(incoming.largest());
            incoming.for_each(|_, Pair(key, Many(values))| {
                append(lists.entry(key, Vec::new), values);
                Ok(())
            })?;
            Ok(lists.into_entries().collect())
        });
        self.then(shuffled.keyed())
    }
}

/// The way of pairs to where their keys belong, the values of a key in one list for each map partition: the key is
/// placed and carried once.
pub(crate) fn grouped<K: Key, V: Wire>(
    up: &Arc<dyn Node<(K, V)>>,
    partitions: usize,
    site: Site,
) -> Exchange<(K, V), Pair<K, Many<V>>> {
    let by = ByKey::of(&**up, partitions);
    Exchange::new(Arc::clone(up), by.targets, site, move |up: Pull<(K, V)>, partition| {
        let lists = tabled(
            up,
            |lists, (key, value)| lists.entry(key, || Many(Vec::new())).0.push(value),
            |lists, (key, value)| lists.entry_ref(key, || Many(Vec::new())).0.push(value.clone()),
        )?;
        by.place_all(partition, lists)
    })
}

/// Puts `more` behind `list`; takes it as it is where the list is new.
pub(crate) fn append<V>(list: &mut Vec<V>, mut more: Vec<V>) {
    if list.is_empty() {
        *list = more;
    } else {
        list.append(&mut more);
    }
}
