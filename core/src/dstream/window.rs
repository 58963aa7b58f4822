//! `window`: the records of the last batches.

use std::panic::Location;
use std::time::Duration;

use super::DStream;
use super::windows::{recorded, settings};
use crate::data::Wire;
use crate::rdd::Codec;
use crate::runtime::Site;

impl<T> DStream<T> {
    /// The records of the last batches, oldest first: at each `slide` those of the batches with times in
    /// `(t - length, t]`. Without a slide it is that of this stream.
    ///
    /// Both are multiples of this stream's own slide; what is not is a mistake that
    /// [`start`](crate::StreamingContext::start) reports. A window that begins before the first batch is shorter; where
    /// `slide` is longer than `length`, what lies between two windows is not read.
    ///
    /// Each batch is read once, when it comes, and kept written down: in memory as far as `tidemill.memory` goes, on disk
    /// beyond that. With a checkpoint directory it is part of the batch's commit. A window needs no such directory.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// let ssc = local(2); // Batches of one second.
    /// let numbers = input_batches(&ssc, 1, vec![vec![1], vec![2], vec![3], vec![4]]);
    /// let last_three = collect_batches(&numbers.window(Duration::from_secs(3), Duration::from_secs(2)));
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(last_three.batches(), [vec![1, 2], vec![2, 3, 4]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn window(&self, length: Duration, slide: impl Into<Option<Duration>>) -> Self
    where
        T: Wire,
    {
        let site = Site::new("window", Location::caller());
        let (stream, keeper) = recorded(self, site, settings(self, site, length, slide.into()), Codec::of());
        stream.keep(keeper);
        stream
    }
}
