//! `keys`, `values`, `map_values` and `flat_map_values`: one side of pairs.

use std::panic::Location;

use super::Rdd;
use crate::data::Data;

impl<K: Data, V: Data> Rdd<(K, V)> {
    /// The key of each pair, in the same order and partition; a key that comes twice stays twice.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![("sea", 1), ("tide", 2)], 2).keys().count()?, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn keys(&self) -> Rdd<K> {
        let site = self.site("keys", Location::caller());
        self.clone().at(site).map(|(key, _)| key)
    }

    /// The value of each pair, in the same order and partition.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// assert_eq!(ssc.parallelize(vec![("sea", 1), ("tide", 2)], 2).values().collect()?, [1, 2]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn values(&self) -> Rdd<V> {
        let site = self.site("values", Location::caller());
        self.clone().at(site).map(|(_, value)| value)
    }

    /// Another value for each pair; keys, order and partition stay.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let pairs = ssc.parallelize(vec![(1, 1.5), (2, 2.5)], 2);
    /// assert_eq!(pairs.map_values(|v| v * 2.0).collect()?, [(1, 3.0), (2, 5.0)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapValues")]
    #[track_caller]
    pub fn map_values<W: Data>(&self, f: impl Fn(V) -> W + Send + Sync + 'static) -> Rdd<(K, W)> {
        let site = self.site("map_values", Location::caller());
        self.clone().at(site).map(move |(key, value)| (key, f(value))).keyed_as(self)
    }

    /// Any number of values for each pair, each with its key.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let pairs = ssc.parallelize(vec![(1, 2), (2, 0), (3, 1)], 2);
    /// assert_eq!(pairs.flat_map_values(|n| 0..n).collect()?, [(1, 0), (1, 1), (3, 0)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "flatMapValues")]
    #[track_caller]
    pub fn flat_map_values<I>(&self, f: impl Fn(V) -> I + Send + Sync + 'static) -> Rdd<(K, I::Item)>
    where
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        let site = self.site("flat_map_values", Location::caller());
        self.clone()
            .at(site)
            .flat_map(move |(key, value)| f(value).into_iter().map(move |value| (key.clone(), value)))
            .keyed_as(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::tests::job;

    #[test]
    fn each_side_keeps_order_and_repetitions() {
        let pairs = Rdd::parallelize(&job(2), vec![(2, 'b'), (1, 'a'), (2, 'b')], 2);
        assert_eq!(pairs.keys().collect().unwrap(), [2, 1, 2]);
        assert_eq!(pairs.values().collect().unwrap(), ['b', 'a', 'b']);
        let upper = pairs.map_values(|c| c.to_ascii_uppercase());
        assert_eq!(upper.collect().unwrap(), [(2, 'B'), (1, 'A'), (2, 'B')]);
        let repeated = pairs.flat_map_values(|c| (c == 'b').then_some(c));
        assert_eq!(repeated.collect().unwrap(), [(2, 'b'), (2, 'b')]);
    }

    #[test]
    fn a_failure_names_the_operator_that_was_called_and_its_line() {
        let pairs = Rdd::parallelize(&job(1), vec![(1, 0)], 1);
        let line = line!() + 1;
        let error = pairs.map_values(|v: i32| 1 / v).count().unwrap_err();
        let crate::Error::Task { operator, site, .. } = error else { panic!("{error:?}") };
        assert_eq!((operator, site.line()), ("map_values", line));
        assert!(site.file().ends_with("map_values.rs"), "{site}");
    }
}
