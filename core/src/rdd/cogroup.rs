//! `cogroup`: the values of each key in two Rdds, in two lists.

use std::panic::Location;
use std::sync::Arc;

use super::exchange::Shuffled;
use super::group_by_key::{append, grouped};
use super::table::Table;
use super::wire::{Many, Pair};
use super::{Function, Rdd};
use crate::data::{Data, Key, Wire};
use crate::runtime::Site;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// For each key of this Rdd or of `other`, its values here and its values there, each in the order of (partition,
    /// record). The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let arrivals = ssc.parallelize(vec![(1u32, "Anna"), (1, "Berta")], 2).map(|(quay, ship)| (quay, ship.to_string()));
    /// let depths = ssc.parallelize(vec![(1u32, 7.5), (2, 4.0)], 2);
    /// let mut quays = arrivals.cogroup(&depths).collect()?;
    /// quays.sort_by_key(|(quay, _)| *quay);
    /// assert_eq!(quays[0], (1, (vec!["Anna".to_string(), "Berta".to_string()], vec![7.5])));
    /// assert_eq!(quays[1], (2, (vec![], vec![4.0])));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn cogroup<W: Wire>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.cogroup_into(self.job().engine.parallelism(), other)
    }

    /// As [`cogroup`](Self::cogroup), into `partitions` partitions.
    #[track_caller]
    pub fn cogroup_into<W: Wire>(&self, partitions: usize, other: &Rdd<(K, W)>) -> Rdd<(K, (Vec<V>, Vec<W>))>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("cogroup", Location::caller());
        self.cogrouped(other, partitions, site, |key, here, there, out| out.push((key, (here, there))))
    }

    /// Both lists of each key, through `each`, which must keep the key.
    pub(crate) fn cogrouped<W: Wire, U: Send + Sync + 'static>(
        &self,
        other: &Rdd<(K, W)>,
        partitions: usize,
        site: Site,
        each: impl Fn(K, Vec<V>, Vec<W>, &mut Vec<(K, U)>) + Function,
    ) -> Rdd<(K, U)>
    where
        K: Key,
        V: Wire,
    {
        let here = Arc::new(grouped(&self.node(), partitions, site));
        let there = Arc::new(grouped(&other.node(), partitions, site));
        let shuffled = Shuffled::two(here, there, move |here, there, _| {
            let mut lists: Table<K, (Vec<V>, Vec<W>)> =
                Table::with_capacity(here.largest().max(there.largest()));
            here.for_each(|_, Pair(key, Many(values))| {
                append(&mut lists.entry(key, Default::default).0, values);
                Ok(())
            })?;
            there.for_each(|_, Pair(key, Many(values))| {
                append(&mut lists.entry(key, Default::default).1, values);
                Ok(())
            })?;
            let mut out = Vec::with_capacity(lists.len());
            lists.into_entries().for_each(|(key, (here, there))| each(key, here, there, &mut out));
            Ok(out)
        });
        self.then(shuffled.keyed())
    }
}
