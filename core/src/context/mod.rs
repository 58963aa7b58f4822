//! The front door: [`StreamingContext`], its states, and the wiring of all rooms.

mod active;
mod checkpoint;
mod dead_letters;
mod inputs;
mod lifecycle;
mod rates;
mod restart;
#[cfg(test)]
mod moved_clock_tests;
mod signals;
mod states;
mod streams;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;

use crate::data::Data;
use crate::dstream::{Graph, Phase};
use crate::ingest::MakeEstimator;
use crate::memory::{Budget, Spill};
use crate::metrics::{EventBus, StreamingListener};
use crate::rdd::{Accumulate, Accumulator, Broadcast, Engine, Job, Rdd};
use crate::runtime::{Clock, Monitor, RealRuntime, Runtime};
use crate::scheduler::{Control, Stop};
use crate::transport::{Alone, Transport};
use crate::words::{BatchTime, Conf, Epoch, Error, Interval, Result, keys};

/// The front door of a job: streams are drawn on it, then it is started and waited for.
///
/// Clones are the same context; when the last one is dropped, a job that still runs is stopped at once. A context works
/// inside `#[tokio::main]` too.
///
/// ```
/// use tidemill::prelude::*;
///
/// # fn main() -> Result<()> {
/// let conf = Conf::new().master("local[2]")?.batch_interval(Duration::from_millis(10))?.allow_several(true);
/// let ssc = StreamingContext::from_conf(conf)?;
/// let queue = ssc.queue_stream([ssc.parallelize(vec!["sea", "tide", "sea"], 2)]);
/// let counts = queue.map(|word| (word.to_string(), 1u64)).reduce_by_key(|a, b| a + b);
/// counts.pprint();
/// ssc.start()?;
/// ssc.await_batches(1)?;
/// ssc.stop(true)
/// # }
/// ```
#[derive(Clone)]
pub struct StreamingContext(Arc<Inner>);

struct Inner {
    conf: Conf,
    engine: Arc<Engine>,
    graph: Arc<Graph>,
    events: Arc<EventBus>,
    control: Arc<Monitor<Control>>,
    cancelled: Arc<AtomicBool>,
    failure: Arc<Mutex<Option<Arc<Error>>>>,
    remembering: Mutex<checkpoint::Remembering>,
    // The job's own, if it brings one.
    estimator: Mutex<Option<MakeEstimator>>,
    made_at: &'static Location<'static>,
    clock: Clock,
    // Batches that a test has waited for on a member that follows the first.
    #[cfg(feature = "testing")]
    followed: std::sync::atomic::AtomicU64,
}

/// What a context stands on; the test kit brings its own.
pub(crate) struct Ground {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
}

impl StreamingContext {
    /// A job on `master` (`local`, `local[2]`, `local[*]`) with one batch every `interval`. Settings come from the
    /// environment, as [`Conf::with_environment`] says.
    ///
    /// # Errors
    /// [`Error::Setting`] names what is wrong with `master`, `interval`, or a variable of the environment.
    #[track_caller]
    pub fn new(master: &str, name: &str, interval: Duration) -> Result<Self> {
        let conf =
            Conf::new().with_environment()?.master(master)?.app_name(name)?.batch_interval(interval)?;
        Self::from_conf(conf)
    }

    /// A job with these settings.
    ///
    /// # Errors
    /// Where the threads cannot be started, or the checkpoint directory of the settings cannot be read.
    #[track_caller]
    pub fn from_conf(conf: Conf) -> Result<Self> {
        let slots = conf.get_typed(keys::MASTER).slots;
        let runtime = Arc::new(RealRuntime::new(slots, Clock::System)?);
        Self::on(conf, Ground { runtime, transport: Arc::new(Alone), clock: Clock::System })
    }

    /// A job on given ground.
    #[track_caller]
    pub(crate) fn on(conf: Conf, ground: Ground) -> Result<Self> {
        let Ground { runtime, transport, clock } = ground;
        let interval =
            Interval::new("tidemill.streaming.batch_interval", conf.get_typed(keys::BATCH_INTERVAL))?;
        let master = conf.get_typed(keys::MASTER);
        let parallelism = conf.get_typed(keys::DEFAULT_PARALLELISM).unwrap_or_else(|| runtime.slots());
        let max_failures = master.max_failures.unwrap_or_else(|| conf.get_typed(keys::MAX_FAILURES));
        let spill_dir = conf.get_typed(keys::SPILL_DIR).unwrap_or_else(std::env::temp_dir);
        let memory = Budget::new(conf.get_typed(keys::MEMORY));
        let spill = Arc::new(Spill::new(spill_dir, conf.get_typed(keys::DISK)));
        let events = EventBus::new(&runtime, conf.get_typed(keys::LISTENER_QUEUE_MAX));
        let control = Arc::new(Monitor::new(&runtime, Control::default()));
        let engine = Engine::new(runtime, transport, (memory, spill), parallelism, max_failures);
        let graph = Graph::new(interval, &engine, conf.get_typed(keys::EMPTY_BATCHES));
        let made_at = Location::caller();
        if let Some(duration) = conf.get_typed(keys::REMEMBER) {
            graph.remember(made_at, duration);
        }
        let ssc = Self(Arc::new(Inner {
            conf,
            engine,
            graph,
            events,
            control,
            cancelled: Arc::default(),
            failure: Arc::default(),
            remembering: Mutex::default(),
            estimator: Mutex::default(),
            made_at,
            clock,
            #[cfg(feature = "testing")]
            followed: std::sync::atomic::AtomicU64::default(),
        }));
        if let Some(storage) = ssc.checkpoint_storage()? {
            ssc.adopt_parallelism(&*storage)?;
        }
        Ok(ssc)
    }

    /// The settings.
    pub fn conf(&self) -> &Conf {
        &self.0.conf
    }

    /// The batch interval.
    pub fn batch_interval(&self) -> Duration {
        self.0.graph.interval().as_duration()
    }

    /// An Rdd of `values` in `partitions` partitions of equal length: for queues, for joins with what is at hand, and
    /// for batch work without a stream. Zero partitions fail every action on it.
    #[track_caller]
    pub fn parallelize<T: Data>(&self, values: Vec<T>, partitions: usize) -> Rdd<T> {
        Rdd::parallelize(&self.job(), values, partitions)
    }

    /// A value that functions on elements may read: it is shared, not copied.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let harbours = ssc.broadcast(vec!["Brest", "Dover"]);
    /// let known = ssc.parallelize(vec!["Dover", "Bern"], 1).filter(move |name| harbours.contains(name));
    /// assert_eq!(known.count()?, 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn broadcast<T: Send + Sync + 'static>(&self, value: T) -> Broadcast<T> {
        Broadcast::new(value)
    }

    /// A sum that functions on elements add to; each task counts once, however often it was tried. Shows in the metrics
    /// under `name`.
    ///
    /// ```
    /// # let ssc = tidemill::testing::local(2);
    /// let empty = ssc.accumulator("empty_lines", 0u64);
    /// let counting = empty.clone();
    /// let lines = ssc.parallelize(vec!["tide", "", "mill"], 2);
    /// lines.foreach(move |line| counting.add(u64::from(line.is_empty())))?;
    /// assert_eq!(empty.value(), 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn accumulator<T: Accumulate>(&self, name: impl Into<String>, start: T) -> Accumulator<T> {
        Accumulator::new(name, start)
    }

    /// Keeps the Rdds of all streams for at least `duration`, for [`DStream::slice`](crate::DStream::slice). May be set
    /// once.
    #[track_caller]
    pub fn remember(&self, duration: Duration) {
        self.0.graph.remember(Location::caller(), duration);
    }

    /// Adds a listener; the number removes it.
    #[doc(alias = "addStreamingListener")]
    pub fn add_streaming_listener(&self, listener: impl StreamingListener) -> u64 {
        self.0.events.add(Arc::new(listener))
    }

    /// Removes a listener.
    #[doc(alias = "removeStreamingListener")]
    pub fn remove_streaming_listener(&self, number: u64) {
        self.0.events.remove(number);
    }

    /// A job outside any batch.
    pub(crate) fn job(&self) -> Arc<Job> {
        Job::new(&self.0.engine, BatchTime::from_millis(0), Epoch(0), Arc::default())
    }

    /// Which member of the cluster this is, from 0; 0 where there is only one.
    pub fn member(&self) -> u32 {
        self.0.engine.me()
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.0.graph
    }

    #[cfg(feature = "testing")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    #[cfg(feature = "testing")]
    pub(crate) fn events(&self) -> &EventBus {
        &self.0.events
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.graph.phase() == Phase::Active {
            // Not waited for: this may run on the driver's own thread, or on one that must not block.
            self.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
            self.control.change(|control| control.ask_stop(Stop::AtOnce));
        }
        active::leave(&self.graph);
    }
}

impl fmt::Debug for StreamingContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingContext")
            .field("interval", &self.batch_interval())
            .field("made_at", &self.0.made_at.to_string())
            .finish_non_exhaustive()
    }
}
