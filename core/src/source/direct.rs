//! A source that is asked.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use crate::data::{Chunks, Data, Wire};
use crate::metrics::{Event, EventBus};
use crate::rdd::Rejects;
use crate::runtime::{Runtime, TaskContext};
use crate::words::{BatchTime, Result};

/// What a plan asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The batch.
    pub batch: BatchTime,
    /// How many records at most, over all ranges; the input splits it by lag. `None`: no limit.
    pub records_max: Option<u64>,
    /// Answer within this time, or with an error: the clock of the job does not wait for a broker.
    pub within: Duration,
}

/// What a direct input has of the job that it belongs to, from its start on.
#[derive(Clone)]
pub struct InputContext {
    runtime: Arc<dyn Runtime>,
    events: Arc<EventBus>,
    stream_id: usize,
    input: String,
    member: u32,
}

impl InputContext {
    pub(crate) fn new(
        runtime: &Arc<dyn Runtime>,
        events: &Arc<EventBus>,
        stream_id: usize,
        input: String,
        member: u32,
    ) -> Self {
        Self { runtime: Arc::clone(runtime), events: Arc::clone(events), stream_id, input, member }
    }

    /// The job's clock, since the epoch. A test's clock may stand far from the system's.
    pub fn now(&self) -> Duration {
        self.runtime.now()
    }

    /// A time that never goes back, since the job's process began: for how long ago something was.
    pub fn uptime(&self) -> Duration {
        self.runtime.uptime()
    }

    /// The member that this is; member 0 alone is asked for plans.
    pub fn member(&self) -> u32 {
        self.member
    }

    /// Tells people of something that was left alone or looks wrong and does not stop the job: it is logged, and listeners
    /// get [`Event::InputWarning`].
    pub fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        tracing::warn!(input = self.input, warning);
        let (stream_id, input) = (self.stream_id, self.input.clone());
        self.events.post(Event::InputWarning { stream_id, input, warning });
    }
}

impl Debug for InputContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputContext").field("input", &self.input).finish_non_exhaustive()
    }
}

/// A source that is asked: at plan time it names ranges, when the batch runs it reads exactly these.
///
/// For sources that can name an end in advance: Kafka, files, tables.
///
/// # Promises
/// 1. [`read`](Self::read) of a range gives the same records each time, in the same order.
/// 2. [`plan`](Self::plan) changes nothing: what it named counts once [`advance`](Self::advance) was called for it.
pub trait DirectInput: Send + Sync + 'static {
    /// One record.
    type Record: Data;
    /// The input of one partition, exactly: `topic-3 [100, 250)`, or a file with its length and version.
    type Range: Wire + Debug;
    /// All that was planned so far: the fold of the ranges, so that plans stay small.
    type Position: Wire + Default;

    /// The job starts: once on each member, before anything else is asked.
    ///
    /// # Errors
    /// The job does not start.
    fn start(&self, with: &InputContext) -> Result<()> {
        let _ = with;
        Ok(())
    }

    /// Adds a planned range to the position. Pure.
    fn advance(position: &mut Self::Position, range: &Self::Range);

    /// Names the next ranges, one for each partition of the batch. On member 0 only; the plan carries the answer to all.
    ///
    /// # Errors
    /// The batch fails, as a gap would otherwise be silent.
    fn plan(&self, position: &Self::Position, ask: &Ask) -> Result<Vec<Self::Range>>;

    /// How many records a range holds, where that is known without reading it.
    fn records(&self, range: &Self::Range) -> Option<u64> {
        let _ = range;
        None
    }

    /// Starts fetching in the background, once the plan is durable and on the member that will read. Must not need more
    /// memory than its share: a fetch that waits may not hold what a running task needs.
    fn prefetch(&self, range: &Self::Range) {
        let _ = range;
    }

    /// Reads one range; what cannot be decoded goes to `rejects`. On a task thread: waits at most 100 ms at a time and asks
    /// `task.check()` in between.
    ///
    /// # Errors
    /// Where the range is gone or the system away; the task is tried again if the error says so.
    fn read(
        &self,
        range: &Self::Range,
        rejects: &Rejects,
        task: &TaskContext,
    ) -> Result<Box<dyn Chunks<Self::Record>>>;

    /// Ranges with the same home are read by the same member, so that it keeps its connection.
    fn home(&self, range: &Self::Range) -> u64 {
        let _ = range;
        0
    }

    /// Ranges of the same lane come from the same part of the source, such as a partition of Kafka, in which records stand in
    /// about the order of their times. In event time the slowest lane holds back the watermark: see
    /// [`WatermarkSpec`](crate::WatermarkSpec). For a source without such parts all ranges are of one lane.
    fn lane(&self, range: &Self::Range) -> u64 {
        let _ = range;
        0
    }

    /// commit(t) is durable: mirror it for lag tools, forget caches. May be called again after a crash.
    ///
    /// # Errors
    /// Logged; the ledger has the position all the same.
    fn committed(&self, position: &Self::Position) -> Result<()> {
        let _ = position;
        Ok(())
    }

    /// Its name for people, as in `files /in`.
    fn name(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or("input").to_owned()
    }
}
