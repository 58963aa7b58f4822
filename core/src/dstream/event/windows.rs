//! Windows on event time: how they lie, and what is made of what is in them.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::forms::{Aggregate, Form, Group, Reduce};
use super::logic::{OfKey, Windowing};
use super::results::EventResults;
use super::{EventStream, Timed};
use crate::data::{Data, Key, Wire};
use crate::dstream::keyed::{Keyed, KeyedPlan};
use crate::runtime::Site;
use crate::state::Codec;
use crate::window::event::Assign;
use crate::words::Interval;

impl<K: Data, V: Data> EventStream<(K, V)> {
    /// Windows of one `length`, one behind the other, on the grid from the epoch: each record is in one of them.
    ///
    /// A window ends when the watermark reaches its end, and comes out in that batch. See [`EventWindows`] for what can be
    /// made of it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let seconds = input_batches(&ssc, 1, vec![vec![1, 12, 9], vec![]]);
    /// let windows = seconds
    ///     .event_time(WatermarkSpec::new(), |second| EventTime::from_millis(second * 1000))
    ///     .map(|second| ('a', second))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .group_by_key();
    /// let windows = collect_batches(&windows.map(|(_, (window, seconds))| (window.start.as_millis(), seconds)));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(windows.batches(), [vec![], vec![(0, vec![1, 9])]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// A `length` that is no whole number of milliseconds, or zero, is a mistake that
    /// [`start`](crate::StreamingContext::start) reports.
    #[doc(alias = "TumblingEventTimeWindows")]
    #[doc(alias = "FixedWindows")]
    #[track_caller]
    pub fn tumbling_windows(&self, length: Duration) -> EventWindows<K, V> {
        let length = self.whole("tumbling_windows", "length", length, Location::caller());
        self.windows("tumbling_windows", Assign::Tumbling(length))
    }

    /// Sessions: a window of a key goes on as long as its records come less than `gap` apart, and ends `gap` behind the last.
    ///
    /// A record between two sessions that reaches both makes them one. So the order in which records come does not matter, as
    /// long as they are not late.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// // Who looked at which page, in which second.
    /// let visits = vec![vec![('a', 1, "home"), ('a', 9, "tides"), ('a', 4, "mills")], vec![('b', 20, "home")], vec![]];
    /// let sessions = input_batches(&ssc, 2, visits)
    ///     .event_time(WatermarkSpec::new(), |(_, second, _)| EventTime::from_millis(second * 1000))
    ///     .map(|(user, _, page)| (user, page.to_string()))
    ///     .session_windows(Duration::from_secs(6))
    ///     .group_by_key();
    /// let paths = collect_batches(&sessions.map(|(user, (window, pages))| (user, window.length(), pages)));
    /// run_batches(&ssc, 3)?;
    /// let path = ["home", "mills", "tides"].map(str::to_string).to_vec();
    /// assert_eq!(paths.batches()[2], [('a', Duration::from_secs(14), path)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// A `gap` that is no whole number of milliseconds, or zero, is a mistake that
    /// [`start`](crate::StreamingContext::start) reports.
    #[doc(alias = "EventTimeSessionWindows")]
    #[track_caller]
    pub fn session_windows(&self, gap: Duration) -> EventWindows<K, V> {
        let gap = self.whole("session_windows", "gap", gap, Location::caller());
        self.windows("session_windows", Assign::Session(gap))
    }

    #[track_caller]
    fn windows(&self, operator: &'static str, assign: Assign) -> EventWindows<K, V> {
        let site = Site::new(operator, Location::caller());
        EventWindows { stream: self.clone(), site, assign, lateness: Duration::ZERO, partitions: None }
    }

    fn whole(
        &self,
        operator: &'static str,
        what: &'static str,
        length: Duration,
        caller: &'static Location<'static>,
    ) -> Interval {
        Interval::new(what, length).unwrap_or_else(|error| {
            self.stream.graph().mistake(caller, format!("`{operator}`: {}", error.chain()));
            // Never used: the plan does not start.
            self.stream.stream().slide()
        })
    }
}

/// Windows of a keyed stream in event time, of which something is to be made.
///
/// Each result is `(key, (window, value))`, and comes once: in the batch in which the watermark is at the window's end or
/// behind it. With [`allowed_lateness`](Self::allowed_lateness) it comes again, with all that its window has, in each batch
/// that brought more.
///
/// What is in no window is a late record: [`EventResults::late`]. Each record is in one of the two.
#[must_use = "windows compute nothing until something is made of them, as with `reduce_by_key`"]
pub struct EventWindows<K, V> {
    stream: EventStream<(K, V)>,
    site: Site,
    assign: Assign,
    lateness: Duration,
    partitions: Option<u32>,
}

impl<K, V> fmt::Debug for EventWindows<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWindows")
            .field("site", &self.site)
            .field("allowed_lateness", &self.lateness)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Wire> EventWindows<K, V> {
    /// Keeps a window for so long behind its end, by the watermark. Default: 0.
    ///
    /// Until then a record that comes late makes the window come out again in its batch, with all that is in it: one result
    /// a batch, however many such records it has. Two sessions that such a record joins come out as one; the result of a
    /// window takes the place of all earlier ones of its key whose windows lie within it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// // The watermark of each batch is at 0, 14, 14, and 16 seconds.
    /// let seconds = vec![vec![3, 14], vec![], vec![9, 16], vec![9]];
    /// let counts = input_batches(&ssc, 1, seconds)
    ///     .event_time(WatermarkSpec::new(), |second| EventTime::from_millis(second * 1000))
    ///     .map(|_| ('a', 1))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .allowed_lateness(Duration::from_secs(5))
    ///     .reduce_by_key(|a, b| a + b);
    /// let late = collect_batches(&counts.late().count());
    /// let counts = collect_batches(&counts.map(|(_, (_, count))| count));
    /// run_batches(&ssc, 4)?;
    /// assert_eq!(counts.batches(), [vec![], vec![1], vec![2], vec![]]);
    /// assert_eq!(late.batches(), [[0], [0], [0], [1]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[doc(alias = "allowedLateness")]
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// In how many partitions the windows are kept, 1 to 128. Default: the job's default parallelism.
    #[doc(alias = "numPartitions")]
    pub fn num_partitions(mut self, count: u32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// One value for each key and window; `f` must be associative and commutative.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let readings = input_batches(&ssc, 1, vec![vec![('a', 1, 20), ('a', 2, 40), ('b', 11, 7)], vec![]]);
    /// let largest = readings
    ///     .event_time(WatermarkSpec::new(), |(_, second, _)| EventTime::from_millis(second * 1000))
    ///     .map(|(sensor, _, value)| (sensor, value))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .reduce_by_key(|a, b| a.max(b));
    /// let largest = collect_batches(&largest.map(|(sensor, (_, value))| (sensor, value)));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(largest.batches(), [vec![], vec![('a', 40)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn reduce_by_key(self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> EventResults<K, V, V> {
        self.draw(Reduce(f))
    }

    /// Folds the values of each key and window into a value of another type, which begins as `zero`; `comb` joins those of
    /// two sessions that become one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::testing::{collect_batches, input_batches, local, run_batches};
    /// # use tidemill::{EventTime, WatermarkSpec};
    /// let ssc = local(2);
    /// let readings = input_batches(&ssc, 1, vec![vec![('a', 1, 20.0), ('a', 2, 40.0), ('b', 11, 7.0)], vec![]]);
    /// let means = readings
    ///     .event_time(WatermarkSpec::new(), |(_, second, _)| EventTime::from_millis(second * 1000))
    ///     .map(|(sensor, _, value)| (sensor, value))
    ///     .tumbling_windows(Duration::from_secs(10))
    ///     .aggregate_by_key((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0), |a, b| (a.0 + b.0, a.1 + b.1));
    /// let means = collect_batches(&means.map(|(sensor, (_, (sum, n)))| (sensor, sum / n)));
    /// run_batches(&ssc, 2)?;
    /// assert_eq!(means.batches(), [vec![], vec![('a', 30.0)]]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn aggregate_by_key<C: Wire>(
        self,
        zero: C,
        seq: impl Fn(C, V) -> C + Send + Sync + 'static,
        comb: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> EventResults<K, V, C> {
        self.draw(Aggregate { zero, seq, comb })
    }

    /// All values of each key and window, in the order of their times; those of the same time in the order in which they
    /// came. Where a combined value is enough, [`reduce_by_key`](Self::reduce_by_key) holds much less, and writes less down.
    ///
    /// See [`session_windows`](EventStream::session_windows) for an example.
    pub fn group_by_key(self) -> EventResults<K, V, Vec<V>> {
        self.draw(Group)
    }

    fn draw<F: Form<V>>(self, form: F) -> EventResults<K, V, F::Out> {
        let EventStream { stream, clock, origin } = self.stream;
        let (graph, site) = (stream.graph().clone(), self.site);
        let parent = stream.map(|Timed { time, record: (key, value) }| (key, Timed { time, record: value }));
        let number = clock.next_window();
        let windowing =
            Windowing { clock: clock.clone(), number, assign: self.assign, lateness: self.lateness, form };
        let plan = KeyedPlan {
            site,
            partitions: self.partitions,
            codec: Codec::<OfKey<F::Kept>>::default(),
            slot_millis: slot_millis(self.assign),
            initial: Vec::new(),
            logic: windowing,
        };
        let keyed = Keyed::new(&parent, plan);
        let results = EventResults::new(site, keyed.outputs(&graph));
        results.keep(keyed);
        // Behind the keeper that reads the stream.
        clock.keep(&graph, move || origin());
        results
    }
}

/// How far apart ends of windows are that are looked for together.
fn slot_millis(assign: Assign) -> u64 {
    match assign {
        // All windows of a time end together.
        Assign::Tumbling(length) => length.as_millis(),
        // A session that goes on is looked at again about so often in its gap.
        Assign::Session(gap) => (gap.as_millis() / 16).max(1),
    }
}
