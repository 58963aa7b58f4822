//! `map`, `filter`, `flat_map`, `flat_map_to`: element by element.

use std::panic::Location;

use super::DStream;
use crate::data::Data;
use crate::rdd::Emitter;

impl<T> DStream<T> {
    /// One element for each, in the same order.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![4]]);
    /// let doubled = collect_batches(&numbers.map(|n| n * 2));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(doubled.batches(), [vec![2, 4, 6], vec![8]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd_with("map", Location::caller(), f, |rdd, f| rdd.map(move |element| f(element)))
    }

    /// Those for which `f` is true, in the same order.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![1, 2, 3], vec![4]]);
    /// let even = collect_batches(&numbers.filter(|n| n % 2 == 0));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(even.batches(), [[2], [4]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn filter(&self, f: impl Fn(&T) -> bool + Send + Sync + 'static) -> DStream<T>
    where
        T: Data,
    {
        self.each_rdd_with("filter", Location::caller(), f, |rdd, f| rdd.filter(move |element| f(element)))
    }

    /// Any number of elements for each, in order. Return what owns its parts: [`Text::split`](crate::Text::split), a
    /// `Vec`, an `Option`.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let lines = input_batches(&ssc, 2, vec![vec![tidemill::Text::from("sea tide"), "mill".into()]]);
    /// let words = collect_batches(&lines.flat_map(|line| line.split(' ')));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(words.batches(), [["sea", "tide", "mill"]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "flatMap")]
    #[track_caller]
    pub fn flat_map<I>(&self, f: impl Fn(T) -> I + Send + Sync + 'static) -> DStream<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data, IntoIter: 'static>,
    {
        self.each_rdd_with("flat_map", Location::caller(), f, |rdd, f| {
            rdd.flat_map(move |element| f(element))
        })
    }

    /// As [`flat_map`](Self::flat_map), for pieces that are not one iterator: `f` puts them into the [`Emitter`].
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let numbers = input_batches(&ssc, 2, vec![vec![2, 0, 1]]);
    /// let repeated = collect_batches(&numbers.flat_map_to(|n, out| (0..*n).for_each(|_| out.emit(*n))));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(repeated.batches(), [[2, 2, 1]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn flat_map_to<U: Data>(
        &self,
        f: impl Fn(&T, &mut Emitter<'_, U>) + Send + Sync + 'static,
    ) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd_with("flat_map_to", Location::caller(), f, |rdd, f| {
            rdd.flat_map_to(move |element, out| f(element, out))
        })
    }
}
