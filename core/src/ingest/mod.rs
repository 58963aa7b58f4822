//! Behind the gate: what came in becomes the input of a batch.
//!
//! An [`Input`] answers to the scheduler: at the tick it is cut, then it *offers* what this member has for the batch,
//! then, with the offers of all members, it *settles* the exact input. The offers are the plan of the batch: settling
//! them again gives the same input.

mod channel;
mod direct;
mod pump;
mod queue;
mod rates;
mod receiver;
mod threaded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::channel::ChannelReceiver;
pub use self::channel::Sender;
pub(crate) use self::direct::DirectSource;
pub use self::queue::RddQueue;
pub(crate) use self::queue::{QueueSource, WhenEmpty};
pub(crate) use self::rates::{MakeEstimator, Rates};
pub(crate) use self::receiver::ReceiverSource;
pub(crate) use self::threaded::Threaded;
use crate::backpressure::BatchReport;
use crate::metrics::EventBus;
use crate::rdd::{Engine, Job, Rdd, Reads};
use crate::source::BlockMax;
use crate::words::{BatchTime, Rate, Result};

/// What an input settled on for a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled {
    /// Records, as far as they are known before reading; what a receiver itself rejected is among them.
    pub(crate) records: u64,
    /// In words: blocks, ranges, files.
    pub(crate) description: String,
    /// Whether the same records can be read again after this process is gone.
    pub(crate) replayable: bool,
}

/// What inputs are started with.
#[derive(Clone)]
pub(crate) struct Started {
    pub(crate) engine: Arc<Engine>,
    pub(crate) events: Arc<EventBus>,
    /// Blocks of a receiver are cut so.
    pub(crate) block_max: BlockMax,
    /// The pause before a receiver is started for the second time.
    pub(crate) restart_delay: Duration,
    /// How fast records may come in.
    pub(crate) rates: Arc<Rates>,
    /// The member that runs each receiver, by its number.
    pub(crate) placed: Arc<BTreeMap<usize, u32>>,
    /// Called whenever a receiver has ended, or will emit no more.
    pub(crate) receiver_done: Arc<dyn Fn() + Send + Sync>,
}

/// An input of the job, as the scheduler sees it. One order for all: cut, offer, settle, (the batch runs), committed,
/// forget.
pub(crate) trait Input: Send + Sync {
    /// Its name for people.
    fn name(&self) -> String;

    /// What one member runs: its number, and the host that it prefers. None for an input that all members have.
    fn receiver(&self) -> Option<(usize, Option<String>)> {
        None
    }

    /// The job starts.
    fn start(&self, with: &Started) -> Result<()>;

    /// The tick of `batch`: what is in belongs to it.
    fn cut(&self, _batch: BatchTime) {}

    /// What this member has for `batch`.
    fn offer(&self, batch: BatchTime) -> Result<Vec<u8>>;

    /// The exact input of `batch`, from what all members offered.
    fn settle(&self, batch: BatchTime, offers: &[&[u8]]) -> Result<Settled>;

    /// The plan of `batch` is durable: fetching may begin.
    fn planned(&self, _batch: BatchTime) {}

    /// `batch` is done, committed or not. The report has its times; what it had of this input is for the input to say. None
    /// where nothing was computed.
    fn completed(&self, _batch: BatchTime, _report: Option<&BatchReport>) {}

    /// The rate to which this member limits the input; none without a limit, and where another member has the input.
    fn rate_limit(&self) -> Option<Rate> {
        None
    }

    /// commit(`batch`) is durable.
    fn committed(&self, _batch: BatchTime) {}

    /// No batch at or before `batch` is asked for again.
    fn forget(&self, batch: BatchTime);

    /// What was rejected before `batch` was planned, in front of the gate: part of its records, and of no partition. The
    /// same on all members, though one of them has it.
    fn rejected_at_gate(&self, _batch: BatchTime) -> Option<Arc<Reads>> {
        None
    }

    /// No more comes in; what is in stays.
    fn stop(&self) {}

    /// Whether more may come in, though the input was told to stop.
    fn is_reading(&self) -> bool {
        false
    }

    /// No batch is committed any more: who waits for that learns of the end.
    fn close(&self) {}

    /// Whether the input still runs after it was told to stop. It may, though nothing more comes in: to acknowledge what the
    /// last batch commits.
    fn is_running(&self) -> bool {
        false
    }

    /// Whether something is in that no batch has taken.
    fn has_pending(&self) -> bool {
        false
    }
}

/// An input of elements of one type.
pub(crate) trait InputOf<T>: Input {
    /// The settled input of the job's batch; `None` where there is none for that time.
    fn rdd(&self, batch: BatchTime, job: &Arc<Job>) -> Option<Rdd<T>>;
}
