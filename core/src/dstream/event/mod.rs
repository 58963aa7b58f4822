//! Event time: streams whose records say when they happened, and windows on those times.

mod clock;
mod forms;
mod logic;
mod results;
mod timed;
mod windows;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use self::clock::EventClock;
pub use self::results::EventResults;
use self::timed::{Seen, TimeOf, Timed};
pub use self::windows::EventWindows;
use super::DStream;
use crate::data::Data;
use crate::rdd::Narrow;
use crate::runtime::Site;
use crate::window::{EventTime, WatermarkSpec};

/// A stream whose records say when they happened: what [`DStream::event_time`] gives.
///
/// Records keep their times through [`map`](Self::map), [`filter`](Self::filter) and [`flat_map`](Self::flat_map). Pairs have
/// [`tumbling_windows`](Self::tumbling_windows) and [`session_windows`](Self::session_windows).
#[must_use = "a stream computes nothing until an output operation such as `pprint` or `foreach_rdd` is added"]
pub struct EventStream<T> {
    stream: DStream<Timed<T>>,
    clock: Arc<EventClock>,
    // What `uid` names: the stream that `event_time` made, whatever was mapped since.
    origin: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl<T> Clone for EventStream<T> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), clock: Arc::clone(&self.clock), origin: Arc::clone(&self.origin) }
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("site", &self.stream.stream().site()).finish_non_exhaustive()
    }
}

impl<T: Data> DStream<T> {
    /// The same records, in event time: `time` says when each happened, and `watermark` how long late ones are waited for.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let visits = vec![vec![(3, 'a'), (12, 'a'), (9, 'a')], vec![(23, 'b')], vec![]];
    /// let counts = input_batches(&ssc, 2, visits)
    ///     .event_time(WatermarkSpec::new(), |(second, _)| EventTime::from_millis(second * 1000))
    ///     .map(|(_, page)| (page, 1))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .reduce_by_key(|a, b| a + b);
    /// let counts = collect_batches(&counts.map(|(page, (window, count))| (page, window.to_string(), count)));
    /// run_batches(&ssc, 3)?;
    /// // The first batch has moved the watermark to 12 s, the second one to 23 s.
    /// assert_eq!(counts.batches()[1], [('a', "[0, 10000) ms".to_string(), 2)]);
    /// assert_eq!(counts.batches()[2], [('a', "[10000, 20000) ms".to_string(), 1)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "assignTimestampsAndWatermarks")]
    #[doc(alias = "withWatermark")]
    #[track_caller]
    pub fn event_time(
        &self,
        watermark: WatermarkSpec,
        time: impl Fn(&T) -> EventTime + Send + Sync + 'static,
    ) -> EventStream<T> {
        let site = Site::new("event_time", Location::caller());
        let clock = EventClock::new(site, watermark);
        let (parent, of_batch, f) = (Arc::clone(self.stream()), Arc::clone(&clock), Arc::new(time));
        let stream = self.graph().draw(site, self.stream().slide(), move |batch, job| {
            let Some(rdd) = parent.rdd(batch, job)? else { return Ok(None) };
            let seen = Seen::new(batch, rdd.num_partitions());
            of_batch.sees(Arc::clone(&seen));
            let time = TimeOf { f: Arc::clone(&f), spec: watermark, seen, up: rdd.node() };
            Ok(Some(rdd.then(Narrow::new(rdd.node(), site, time))))
        });
        self.stream().add_child();
        let named = Arc::downgrade(&stream);
        let origin = Arc::new(move || named.upgrade()?.uid());
        EventStream { stream: DStream::new(self.graph(), stream), clock, origin }
    }
}

impl<T: Data> EventStream<T> {
    /// Names this stream: its watermark is found again under this name after a restart. See
    /// [`DStream::uid`](crate::DStream::uid).
    #[track_caller]
    pub fn uid(self, name: &str) -> Self {
        Self { stream: self.stream.uid(name), ..self }
    }

    /// What `f` makes of each record, with the time of that record.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let visits = input_batches(&ssc, 1, vec![vec![(3, 5)]]);
    /// let visits = visits.event_time(WatermarkSpec::new(), |(time, _)| EventTime::from_millis(*time));
    /// let pages = collect_batches(&visits.map(|(_, page)| page - 2).with_times());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(pages.batches(), [[(EventTime::from_millis(3), 3)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn map<U: Data>(&self, f: impl Fn(T) -> U + Send + Sync + 'static) -> EventStream<U> {
        self.made(self.stream.map(move |timed| timed.with(&f)))
    }

    /// The records for which `f` says so. All records count for the watermark, those that are left out too.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let times = input_batches(&ssc, 1, vec![vec![3, 4, 5]]);
    /// let times = times.event_time(WatermarkSpec::new(), |time| EventTime::from_millis(*time));
    /// let odd = collect_batches(&times.filter(|time| time % 2 == 1).with_times());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(odd.batches(), [[(EventTime::from_millis(3), 3), (EventTime::from_millis(5), 5)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn filter(&self, f: impl Fn(&T) -> bool + Send + Sync + 'static) -> EventStream<T> {
        self.made(self.stream.filter(move |timed| f(&timed.record)))
    }

    /// All that `f` makes of each record, with the time of that record.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let orders = input_batches(&ssc, 1, vec![vec![(7, vec!['a', 'b'])]]);
    /// let items = orders
    ///     .event_time(WatermarkSpec::new(), |(time, _)| EventTime::from_millis(*time))
    ///     .flat_map(|(_, items)| items);
    /// let items = collect_batches(&items.with_times());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(items.batches(), [[(EventTime::from_millis(7), 'a'), (EventTime::from_millis(7), 'b')]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "flatMap")]
    #[track_caller]
    pub fn flat_map<I>(&self, f: impl Fn(T) -> I + Send + Sync + 'static) -> EventStream<I::Item>
    where
        I: IntoIterator<Item: Data, IntoIter: 'static> + 'static,
    {
        self.made(self.stream.flat_map(move |Timed { time, record }| {
            f(record).into_iter().map(move |record| Timed { time, record })
        }))
    }

    /// The records with their times, as an ordinary stream.
    ///
    /// ```
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let letters = input_batches(&ssc, 1, vec![vec!['a']]).event_time(WatermarkSpec::new(), |_| EventTime::from_millis(3));
    /// let timed = collect_batches(&letters.with_times());
    /// run_batches(&ssc, 1)?;
    /// assert_eq!(timed.batches(), [[(EventTime::from_millis(3), 'a')]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[track_caller]
    pub fn with_times(&self) -> DStream<(EventTime, T)> {
        self.stream.map(|Timed { time, record }| (time, record))
    }

    fn made<U>(&self, stream: DStream<Timed<U>>) -> EventStream<U> {
        EventStream { stream, clock: Arc::clone(&self.clock), origin: Arc::clone(&self.origin) }
    }
}
