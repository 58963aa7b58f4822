//! `slice`: the Rdds of a stretch of time.

use super::DStream;
use crate::data::Data;
use crate::rdd::Rdd;
use crate::words::{BatchTime, Result};

impl<T> DStream<T> {
    /// The Rdds of the batches from `from` to `to`, both of them included, oldest first.
    ///
    /// Both ends are moved back to the grid of the stream's slide; times before the first batch and after the newest are
    /// passed over. What is not remembered any more is made again, as far as the inputs still have it: with
    /// [`StreamingContext::remember`](crate::StreamingContext::remember) it stays.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2);
    /// ssc.remember(std::time::Duration::from_secs(10));
    /// let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2], vec![3]]);
    /// let _all = collect_batches(&numbers);
    /// run_batches(&ssc, 3)?;
    /// let millis = tidemill::BatchTime::from_millis;
    /// let rdds = numbers.slice(millis(1500), millis(2000))?;
    /// assert_eq!(rdds.iter().map(|rdd| rdd.collect()).collect::<Result<Vec<_>, _>>()?, [[1], [2]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) before the context is started: the stream "has not been initialized". What
    /// failed in a function of a [`transform`](Self::transform) that had to run again.
    pub fn slice(&self, from: BatchTime, to: BatchTime) -> Result<Vec<Rdd<T>>>
    where
        T: Data,
    {
        let (stream, graph) = (self.stream(), self.graph());
        let (zero, slide) = (stream.zero()?, stream.slide());
        let mut rdds = Vec::new();
        // A time after the newest is left alone: its batch is still to come, and must find its Rdds not made.
        for time in from.floor(slide, zero).to(to.min(graph.newest()).floor(slide, zero), slide) {
            rdds.extend(stream.rdd(time, &graph.job(time))?);
        }
        Ok(rdds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{collect_batches, input_batches, local, run_batches};
    use crate::words::BatchTime;

    const fn millis(millis: u64) -> BatchTime {
        BatchTime::from_millis(millis)
    }

    #[test]
    fn times_that_are_not_remembered_are_passed_over() {
        let ssc = local(2);
        let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2], vec![3]]);
        let _all = collect_batches(&numbers);
        run_batches(&ssc, 3).unwrap();
        let rdds = numbers.slice(millis(0), millis(3000)).unwrap();
        assert_eq!(rdds.iter().map(|rdd| rdd.collect().unwrap()).collect::<Vec<_>>(), [[3]]);
    }

    #[test]
    fn what_no_output_asked_for_is_made_with_the_time_of_its_batch() {
        let ssc = local(2);
        ssc.remember(Duration::from_mins(1));
        let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2]]);
        let _all = collect_batches(&numbers);
        let timed = numbers.transform_at(|rdd, time| rdd.map(move |n| (time.as_millis(), n)));
        run_batches(&ssc, 2).unwrap();
        let rdds = timed.slice(millis(1), millis(2999)).unwrap();
        let got: Vec<_> = rdds.iter().flat_map(|rdd| rdd.collect().unwrap()).collect();
        assert_eq!(got, [(1000, 1), (2000, 2)]);
    }

    #[test]
    fn a_slice_into_the_future_leaves_later_batches_as_they_come() {
        let ssc = local(2);
        ssc.remember(Duration::from_mins(1));
        let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2]]);
        let collected = collect_batches(&numbers.map(|n| n * 10));
        run_batches(&ssc, 1).unwrap();
        assert_eq!(numbers.slice(millis(1000), millis(9000)).unwrap().len(), 1);
        run_batches(&ssc, 1).unwrap();
        assert_eq!(collected.batches(), [[10], [20]]);
    }

    #[test]
    fn an_output_may_look_back_at_batches_and_at_its_own() {
        let ssc = local(2);
        ssc.remember(Duration::from_mins(1));
        let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2], vec![3]]);
        let both = numbers.clone();
        let last_two = numbers.transform_at(move |rdd, time| {
            let before = both.slice(time.minus(Duration::from_secs(1)), time).unwrap_or_default();
            before.into_iter().reduce(|a, b| a.union(&b)).unwrap_or(rdd)
        });
        let collected = collect_batches(&last_two);
        run_batches(&ssc, 3).unwrap();
        assert_eq!(collected.batches(), [vec![1], vec![1, 2], vec![2, 3]]);
    }
}
