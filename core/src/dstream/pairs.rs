//! `keys`, `values`, `map_values`, `flat_map_values`: pair by pair.

use std::panic::Location;

use super::DStream;
use crate::data::Data;

impl<K: Data, V: Data> DStream<(K, V)> {
    /// The key of each pair, in the same order; a key that comes twice stays twice.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2), ('a', 3)]]);
    /// let keys = collect_batches(&pairs.keys());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(keys.batches(), [['a', 'b', 'a']]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn keys(&self) -> DStream<K> {
        self.each_rdd("keys", Location::caller(), |rdd| Ok(rdd.keys()))
    }

    /// The value of each pair, in the same order.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let values = collect_batches(&pairs.values());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(values.batches(), [[1, 2]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn values(&self) -> DStream<V> {
        self.each_rdd("values", Location::caller(), |rdd| Ok(rdd.values()))
    }

    /// Another value for each pair; key and order stay.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 1), ('b', 2)]]);
    /// let tenfold = collect_batches(&pairs.map_values(|n| n * 10));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(tenfold.batches(), [[('a', 10), ('b', 20)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "mapValues")]
    #[track_caller]
    pub fn map_values<W: Data>(&self, f: impl Fn(V) -> W + Send + Sync + 'static) -> DStream<(K, W)> {
        self.each_rdd_with("map_values", Location::caller(), f, |rdd, f| {
            rdd.map_values(move |value| f(value))
        })
    }

    /// Any number of values for each pair, each with its key.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let pairs = input_batches(&ssc, 2, vec![vec![('a', 2), ('b', 0), ('c', 1)]]);
    /// let counted = collect_batches(&pairs.flat_map_values(|n| 0..n));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(counted.batches(), [[('a', 0), ('a', 1), ('c', 0)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "flatMapValues")]
    #[track_caller]
    pub fn flat_map_values<I>(&self, f: impl Fn(V) -> I + Send + Sync + 'static) -> DStream<(K, I::Item)>
    where
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        self.each_rdd_with("flat_map_values", Location::caller(), f, |rdd, f| {
            rdd.flat_map_values(move |value| f(value))
        })
    }
}
