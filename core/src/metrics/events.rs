//! The events of a job, with Spark's names and fields.

use std::panic::Location;
use std::time::Duration;

use crate::words::{BatchTime, Rate};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The job has started; the time is the job's clock.
    StreamingStarted {
        /// Since the epoch.
        time: Duration,
    },
    /// A receiver runs, for the first time or again.
    ReceiverStarted(ReceiverInfo),
    /// A receiver reported an error and goes on, or its run has failed; its state says which.
    ReceiverError(ReceiverInfo),
    /// A receiver has ended for good.
    ReceiverStopped(ReceiverInfo),
    /// A batch is due; it waits for those before it.
    BatchSubmitted(BatchInfo),
    /// A batch is being computed.
    BatchStarted(BatchInfo),
    /// A batch is done: committed and published, or failed.
    BatchCompleted(BatchInfo),
    /// An output operation of a batch begins.
    OutputOperationStarted(OutputOperationInfo),
    /// An output operation of a batch has ended.
    OutputOperationCompleted(OutputOperationInfo),
    /// The job's clock jumped forward by more than `tidemill.clock.max_jump`; the times between are passed over.
    ClockJumped {
        /// The batch that would have been next.
        from: BatchTime,
        /// The batch that is next.
        to: BatchTime,
    },
    /// The job's clock was set back by more than a batch interval. Batches go on at the pace of the interval, and their
    /// times go on rising: they are ahead of the clock until it is set forward again.
    ClockSetBack {
        /// By how much.
        by: Duration,
        /// The batch that is next.
        next: BatchTime,
    },
    /// Records that were received are gone, because the process that held them is.
    RecordsLost {
        /// The batch they were planned for.
        batch: BatchTime,
        /// The input.
        input: usize,
        /// How many.
        records: u64,
    },
    /// An input left something alone, or found something that looks wrong; it goes on.
    InputWarning {
        /// The input stream's number.
        stream_id: usize,
        /// The input's name, as in `files /in`.
        input: String,
        /// What it is.
        warning: String,
    },
    /// What a receiver brought in beyond the memory could not be written to the spill folder. The receiver waits for memory
    /// and tries again; nothing is lost. Posted once, until writing succeeds again.
    SpillFailed {
        /// The input stream's number.
        stream_id: usize,
        /// The input's name, as in `socket localhost:9999`.
        input: String,
        /// What the system said.
        error: String,
    },
    /// Records that could not be decoded, or not be used by an operator, were left out of a batch.
    RecordsRejected {
        /// The batch they belong to.
        batch: BatchTime,
        /// The input stream's number; none for an operator, such as `map_or_reject`.
        stream_id: Option<usize>,
        /// The input's name, as in `socket localhost:9999`, or the operator with its place in the user's code.
        input: String,
        /// How many.
        records: u64,
        /// What was wrong with the first.
        reason: String,
    },
    /// Records that a receiver emitted again, as it does behind a restart, were left out: their positions were in before.
    RecordsRepeated {
        /// The batch that they would have belonged to.
        batch: BatchTime,
        /// The input stream's number.
        stream_id: usize,
        /// The input's name.
        input: String,
        /// How many.
        records: u64,
    },
}

/// What a receiver does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverState {
    /// It runs.
    #[doc(alias = "ACTIVE")]
    Active,
    /// Its run has failed; the next one begins behind a pause.
    #[doc(alias = "SCHEDULED")]
    Restarting {
        /// How long the pause is.
        pause: Duration,
    },
    /// It has ended for good: its source has, the job stops, or its error said that trying again is useless.
    #[doc(alias = "INACTIVE")]
    Stopped,
}

/// A receiver, as listeners see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiverInfo {
    /// The input stream's number.
    pub stream_id: usize,
    /// Its name, as in `socket localhost:9999`.
    pub name: String,
    /// What it does.
    pub state: ReceiverState,
    /// The member it runs on.
    pub member: u32,
    /// The last error, if there was one.
    pub last_error: Option<String>,
    /// When, since the epoch.
    pub last_error_time: Option<Duration>,
    /// How often it was started.
    pub starts: u64,
    /// How many of its runs ended with an error or a panic.
    pub failures: u64,
    /// How many of these ended with a panic.
    pub panics: u64,
}

impl ReceiverInfo {
    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.state == ReceiverState::Active
    }
}

/// What an input gave to a batch.
///
/// At any time `records = handed_on + rejected + lost + not_read`. Before a batch has run, nothing is read; with several
/// members a batch that stops the job says what this member has read.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// The input stream's number.
    pub stream_id: usize,
    /// Its name.
    pub name: String,
    /// Records of the batch: as planned until it has run, then as found by those who read all of it. An input may not know
    /// how many it planned, and a frame may hold more than one.
    pub records: u64,
    /// Records that operators and outputs got. One that several of them read counts once, and one that `take` got but did
    /// not need counts too.
    pub handed_on: u64,
    /// Records that could not be decoded.
    pub rejected: u64,
    /// Records that are gone, because the process that held them is.
    pub lost: u64,
    /// Records that nobody asked for: behind what a `take` needed, or of a batch that failed.
    pub not_read: u64,
    /// Ranges, files or blocks in words.
    pub description: String,
    /// What the input is limited to; none without a limit, and where another member limits it.
    pub rate_limit: Option<Rate>,
}

/// A batch, as listeners see it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchInfo {
    /// Its time.
    pub batch_time: BatchTime,
    /// What each input gave; empty until the batch has started.
    pub inputs: Vec<InputInfo>,
    /// When it was due, since the epoch.
    pub submission_time: Duration,
    /// When its computation began.
    pub processing_start_time: Option<Duration>,
    /// When it ended.
    pub processing_end_time: Option<Duration>,
    /// Its output operations, in order.
    pub output_operations: Vec<OutputOperationInfo>,
    /// Why it failed.
    pub failure_reason: Option<String>,
}

impl BatchInfo {
    /// How long it waited for the batches before it.
    pub fn scheduling_delay(&self) -> Option<Duration> {
        Some(self.processing_start_time?.saturating_sub(self.submission_time))
    }

    /// How long its computation took.
    pub fn processing_delay(&self) -> Option<Duration> {
        Some(self.processing_end_time?.saturating_sub(self.processing_start_time?))
    }

    /// Both.
    pub fn total_delay(&self) -> Option<Duration> {
        Some(self.scheduling_delay()? + self.processing_delay()?)
    }

    /// Records of all inputs.
    pub fn records(&self) -> u64 {
        self.inputs.iter().map(|input| input.records).sum()
    }
}

/// An output operation of a batch, as listeners see it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputOperationInfo {
    /// The batch.
    pub batch_time: BatchTime,
    /// Its number, in the order in which the plan was drawn.
    pub id: usize,
    /// Its name, as in `pprint`.
    pub name: String,
    /// Its place in the user's code.
    pub site: &'static Location<'static>,
    /// When it began, since the epoch.
    pub start_time: Option<Duration>,
    /// When it ended.
    pub end_time: Option<Duration>,
    /// Why it failed.
    pub failure_reason: Option<String>,
}

impl OutputOperationInfo {
    /// How long it took.
    pub fn duration(&self) -> Option<Duration> {
        Some(self.end_time?.saturating_sub(self.start_time?))
    }
}
