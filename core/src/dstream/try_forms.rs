//! `try_map`, `try_filter`, `try_flat_map`, `map_or_reject`: functions that may fail.

use std::panic::Location;

use super::DStream;
use crate::data::{Data, Wire};
use crate::words::{BoxError, Result};

impl<T> DStream<T> {
    /// As [`map`](Self::map), for a function that may fail.
    ///
    /// An error fails the task, which runs again from lineage; one that stays fails the batch, and the job stops with
    /// what the function said, the place, the batch and the partition.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let texts = input_batches(&ssc, 2, vec![vec!["1", "2"], vec!["three"]]);
    /// let numbers = collect_batches(&texts.try_map(|text| Ok(text.parse::<u32>()?)));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(numbers.batches(), [[1, 2]]);
    /// let error = run_batches(&ssc, 1).unwrap_err();
    /// assert!(error.chain().contains("invalid digit"), "{error:?}");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_map<U: Data>(&self, f: impl Fn(T) -> Result<U, BoxError> + Send + Sync + 'static) -> DStream<U>
    where
        T: Data,
    {
        self.each_rdd_with("try_map", Location::caller(), f, |rdd, f| rdd.try_map(move |element| f(element)))
    }

    /// As [`filter`](Self::filter), for a function that may fail; an error does as in [`try_map`](Self::try_map).
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let texts = input_batches(&ssc, 2, vec![vec!["1", "20"]]);
    /// let large = collect_batches(&texts.map(String::from).try_filter(|text| Ok(text.parse::<u32>()? > 9)));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(large.batches(), [["20"]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_filter(&self, f: impl Fn(&T) -> Result<bool, BoxError> + Send + Sync + 'static) -> DStream<T>
    where
        T: Data,
    {
        self.each_rdd_with("try_filter", Location::caller(), f, |rdd, f| {
            rdd.try_filter(move |element| f(element))
        })
    }

    /// As [`flat_map`](Self::flat_map), for a function that may fail; an error does as in [`try_map`](Self::try_map).
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// let lines = input_batches(&ssc, 2, vec![vec!["1 2", "3"]]);
    /// let numbers = lines.try_flat_map(|line| {
    ///     let numbers: Result<Vec<u32>, _> = line.split(' ').map(str::parse).collect();
    ///     Ok(numbers?)
    /// });
    /// let numbers = collect_batches(&numbers);
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(numbers.batches(), [[1, 2, 3]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn try_flat_map<I>(
        &self,
        f: impl Fn(T) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> DStream<I::Item>
    where
        T: Data,
        I: IntoIterator<Item: Data>,
    {
        self.each_rdd_with("try_flat_map", Location::caller(), f, |rdd, f| {
            rdd.try_flat_map(move |element| f(element))
        })
    }

    /// As [`map`](Self::map); an element for which `f` fails is left out, counted, and goes to the dead letters of the
    /// batch: see [`dead_letters_to`](crate::StreamingContext::dead_letters_to).
    ///
    /// `f` gets the element lent, because one that it cannot use must still be there. Its letter holds what the whole chain
    /// of errors says and the element in the format of [`Wire`], which [`DeadLetter::element`](crate::DeadLetter::element)
    /// reads back. A panic fails the task, as in `map`.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::Text;
    /// let ssc = local(2);
    /// let texts = input_batches(&ssc, 2, vec![["1", "two", "3"].map(Text::from).to_vec()]);
    /// let numbers = collect_batches(&texts.map_or_reject(|text| Ok(text.parse::<u32>()?)));
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(numbers.batches(), [[1, 3]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn map_or_reject<U: Data>(
        &self,
        f: impl Fn(&T) -> Result<U, BoxError> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        T: Wire,
    {
        self.each_rdd_with("map_or_reject", Location::caller(), f, |rdd, f| {
            rdd.map_or_reject(move |element| f(element))
        })
    }
}
