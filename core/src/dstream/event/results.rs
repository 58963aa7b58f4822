//! What comes out of windows of event time: results, and late records.

use std::fmt;
use std::ops::Deref;

use super::logic::Outcome;
use crate::data::Data;
use crate::dstream::DStream;
use crate::runtime::Site;
use crate::window::{EventTime, EventWindow};

/// The results of windows in event time, a stream of `(key, (window, value))`; beside them the [late](Self::late) records.
#[must_use = "a stream computes nothing until an output operation such as `pprint` or `foreach_rdd` is added"]
pub struct EventResults<K, V, C> {
    outcomes: DStream<Outcome<K, V, C>>,
    results: DStream<(K, (EventWindow, C))>,
    site: Site,
}

impl<K, V, C> Clone for EventResults<K, V, C> {
    fn clone(&self) -> Self {
        Self { outcomes: self.outcomes.clone(), results: self.results.clone(), site: self.site }
    }
}

impl<K, V, C> fmt::Debug for EventResults<K, V, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventResults").field("site", &self.site).finish_non_exhaustive()
    }
}

impl<K, V, C> Deref for EventResults<K, V, C> {
    type Target = DStream<(K, (EventWindow, C))>;

    fn deref(&self) -> &Self::Target {
        &self.results
    }
}

impl<K: Data, V: Data, C: Data> EventResults<K, V, C> {
    pub(super) fn new(site: Site, outcomes: DStream<Outcome<K, V, C>>) -> Self {
        let results = outcomes.each_rdd(site.operator(), site.location(), |rdd| {
            Ok(rdd.flat_map(|outcome| match outcome {
                Outcome::Result(key, window, value) => Some((key, (window, value))),
                Outcome::Late(..) => None,
            }))
        });
        Self { outcomes, results, site }
    }

    /// Names these windows: what they hold is found again under this name after a restart. See
    /// [`DStream::uid`](crate::DStream::uid).
    #[track_caller]
    pub fn uid(self, name: &str) -> Self {
        Self { results: self.results.uid(name), ..self }
    }

    /// The records that are in no window, with their times: `(key, (time, value))`, in the batch that brought them.
    ///
    /// A record is late where the watermark is at its window's end, and the allowed lateness behind it, or further. For
    /// sessions that is the window which it would have alone, `gap` long; and a record that lies in a session which has ended
    /// for good is late too, so that sessions of a key never overlap. Records whose time is
    /// [too far ahead](crate::WatermarkSpec::ahead_max) are here as well.
    ///
    /// Nobody has to read it: late records are counted, as `tidemill_records_late_total`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let visits = input_batches(&ssc, 1, vec![vec![('a', 3), ('a', 14)], vec![('b', 9), ('b', 11)]]);
    /// let counts = visits
    ///     .event_time(WatermarkSpec::new(), |(_, second)| EventTime::from_millis(second * 1000))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .reduce_by_key(|a, b| a + b);
    /// let (counts, late) = (collect_batches(&counts.values()), collect_batches(&counts.late()));
    /// run_batches(&ssc, 2)?;
    /// // In the second batch the watermark is at 14 s: the first window ends, and 9 s is late for it.
    /// assert_eq!(counts.batches()[1].len(), 1);
    /// assert_eq!(late.batches(), [vec![], vec![('b', (EventTime::from_millis(9000), 9))]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "sideOutputLateData")]
    #[track_caller]
    pub fn late(&self) -> DStream<(K, (EventTime, V))> {
        let caller = std::panic::Location::caller();
        self.outcomes.each_rdd("late", caller, |rdd| {
            Ok(rdd.flat_map(|outcome| match outcome {
                Outcome::Late(key, time, value) => Some((key, (time, value))),
                Outcome::Result(..) => None,
            }))
        })
    }
}
