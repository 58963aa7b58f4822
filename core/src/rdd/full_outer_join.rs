//! `full_outer_join`: the pairs of two Rdds by key, and what has no match on either side.

use std::panic::Location;

use super::Rdd;
use crate::data::{Data, Key, Wire};

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// As [`join`](Self::join), and each value of either side whose key the other does not have, with `None` for it.
    ///
    /// The result has as many partitions as `tidemill.default.parallelism` says.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let ships = ssc.parallelize(vec![(1u32, 'a'), (2, 'b')], 2);
    /// let quays = ssc.parallelize(vec![(2u32, 7.5), (3, 4.0)], 2);
    /// let mut all = ships.full_outer_join(&quays).collect()?;
    /// all.sort_by_key(|(key, _)| *key);
    /// assert_eq!(all, [(1, (Some('a'), None)), (2, (Some('b'), Some(7.5))), (3, (None, Some(4.0)))]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "fullOuterJoin")]
    #[track_caller]
    pub fn full_outer_join<W: Wire>(&self, other: &Rdd<(K, W)>) -> Rdd<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        self.full_outer_join_into(self.job().engine.parallelism(), other)
    }

    /// As [`full_outer_join`](Self::full_outer_join), into `partitions` partitions.
    #[track_caller]
    pub fn full_outer_join_into<W: Wire>(
        &self,
        partitions: usize,
        other: &Rdd<(K, W)>,
    ) -> Rdd<(K, (Option<V>, Option<W>))>
    where
        K: Key,
        V: Wire,
    {
        let site = self.site("full_outer_join", Location::caller());
        self.cogrouped(other, partitions, site, |key, here, there, out| {
            match (here.is_empty(), there.is_empty()) {
                (false, true) => out.extend(here.into_iter().map(|v| (key.clone(), (Some(v), None)))),
                (true, _) => out.extend(there.into_iter().map(|w| (key.clone(), (None, Some(w))))),
                (false, false) => {
                    for v in here {
                        let pair = |w: &W| (key.clone(), (Some(v.clone()), Some(w.clone())));
                        out.extend(there.iter().map(pair));
                    }
                }
            }
        })
    }
}
