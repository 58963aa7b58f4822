//! The keys of tidemill's own settings, each with the type of its value.
//!
//! What each means, its default and its bounds stand in the table of settings in the book.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::kind::{Kind, Value};
use super::master::Master;
use super::row::{Row, same};
use super::table::ROWS;

/// The key of a setting whose value is a `T`.
///
/// ```
/// use tidemill::{Conf, keys};
///
/// let conf = Conf::new().set(keys::MEMORY.name(), "64m")?;
/// assert_eq!(conf.get_typed(keys::MEMORY), 64 << 20);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct SettingKey<T> {
    row: &'static Row,
    read: fn(&Value) -> Option<T>,
}

/// Where the job runs.
pub const MASTER: SettingKey<Master> = SettingKey::master("tidemill.master");
/// The job's name.
pub const APP_NAME: SettingKey<String> = SettingKey::text("tidemill.app.name");
/// Whether a context may be active beside another one of the process.
pub const ALLOW_SEVERAL: SettingKey<bool> = SettingKey::bool("tidemill.context.allow_several");
/// From one batch to the next.
pub const BATCH_INTERVAL: SettingKey<Duration> = SettingKey::duration("tidemill.streaming.batch_interval");
/// From one block of received records to the next; none: the batch interval shared out among the partitions, between 1 ms
/// and 200 ms.
pub const BLOCK_INTERVAL: SettingKey<Option<Duration>> =
    SettingKey::optional_duration("tidemill.streaming.block_interval");
/// Bytes of a block of received records, at most.
pub const BLOCK_BYTES: SettingKey<u64> = SettingKey::bytes("tidemill.source.block_bytes");
/// Output operations of one batch that run side by side.
pub const CONCURRENT_JOBS: SettingKey<usize> = SettingKey::integer("tidemill.streaming.concurrent_jobs");
/// How long batches are kept for actions outside of the stream; none: as long as the plan needs them.
pub const REMEMBER: SettingKey<Option<Duration>> =
    SettingKey::optional_duration("tidemill.streaming.remember");
/// Whether a signal to end lets the batches finish that have begun.
pub const STOP_GRACEFULLY_ON_SHUTDOWN: SettingKey<bool> =
    SettingKey::bool("tidemill.streaming.stop_gracefully_on_shutdown");
/// How long each step of a graceful stop may take; none: ten batch intervals.
pub const GRACEFUL_STOP_TIMEOUT: SettingKey<Option<Duration>> =
    SettingKey::optional_duration("tidemill.streaming.graceful_stop_timeout");
/// The first delay before a failed receiver starts again.
pub const RECEIVER_RESTART_DELAY: SettingKey<Duration> =
    SettingKey::duration("tidemill.streaming.receiver_restart_delay");
/// The most records a second of a receiver; none, and what is not above zero: no limit.
pub const RECEIVER_MAX_RATE: SettingKey<Option<f64>> =
    SettingKey::optional_number("tidemill.streaming.receiver.max_rate");
/// Whether the rate of each input follows how fast its batches are computed.
pub const BACKPRESSURE_ENABLED: SettingKey<bool> =
    SettingKey::bool("tidemill.streaming.backpressure.enabled");
/// Records a second of each input before the first estimate, 0 for no limit; none: 10,000 with back pressure, and no limit
/// without.
pub const BACKPRESSURE_INITIAL_RATE: SettingKey<Option<f64>> =
    SettingKey::optional_number("tidemill.streaming.backpressure.initial_rate");
/// Who estimates the rate.
pub const RATE_ESTIMATOR: SettingKey<Estimator> =
    SettingKey::estimator("tidemill.streaming.backpressure.rate_estimator");
/// How much of the error `pid` takes back at once.
pub const PID_PROPORTIONAL: SettingKey<f64> =
    SettingKey::number("tidemill.streaming.backpressure.pid.proportional");
/// How much of the backlog `pid` works off in an interval.
pub const PID_INTEGRAL: SettingKey<f64> = SettingKey::number("tidemill.streaming.backpressure.pid.integral");
/// How much the trend of the error counts for `pid`.
pub const PID_DERIVED: SettingKey<f64> = SettingKey::number("tidemill.streaming.backpressure.pid.derived");
/// The least rate that `pid` gives, in records a second.
pub const PID_MIN_RATE: SettingKey<f64> = SettingKey::number("tidemill.streaming.backpressure.pid.min_rate");
/// How long a stream of files still knows a file that is gone.
pub const FILE_MIN_REMEMBER: SettingKey<Duration> =
    SettingKey::duration("tidemill.streaming.file_stream.min_remember_duration");
/// Where the job writes down what it must not forget; none: nowhere.
pub const CHECKPOINT_DIRECTORY: SettingKey<Option<String>> =
    SettingKey::optional_text("tidemill.streaming.checkpoint.directory");
/// Whether operators with state may run without a checkpoint directory.
pub const STATE_VOLATILE: SettingKey<bool> = SettingKey::bool("tidemill.state.volatile");
/// What happens where the operators of the plan are not those that the checkpoint has state of.
pub const STATE_MISMATCH: SettingKey<Mismatch> = SettingKey::mismatch("tidemill.state.mismatch");
/// Partitions of a shuffle; none: the number of task slots at the first start.
pub const DEFAULT_PARALLELISM: SettingKey<Option<usize>> =
    SettingKey::optional_integer("tidemill.default.parallelism");
/// How often a task is tried; [`Master::max_failures`] comes before it.
pub const MAX_FAILURES: SettingKey<u32> = SettingKey::tries("tidemill.task.max_failures");
/// Bytes for blocks, caches and panes.
pub const MEMORY: SettingKey<u64> = SettingKey::bytes("tidemill.memory");
/// The folder for what does not fit into memory; none: the system's folder for temporary files.
pub const SPILL_DIR: SettingKey<Option<PathBuf>> = SettingKey::optional_path("tidemill.memory.spill_dir");
/// Bytes on disk for what does not fit into memory.
pub const DISK: SettingKey<u64> = SettingKey::bytes("tidemill.memory.disk");
/// What happens when a batch fails for good.
pub const ON_FAILURE: SettingKey<OnFailure> = SettingKey::on_failure("tidemill.batch.on_failure");
/// Records of one input and batch that may be undecodable; none: any number.
pub const REJECTED_MAX: SettingKey<Option<usize>> =
    SettingKey::optional_integer("tidemill.source.rejected_max");
/// The longest forward jump of the clock that is believed.
pub const MAX_JUMP: SettingKey<Duration> = SettingKey::duration("tidemill.clock.max_jump");
/// Whether an output of files writes a folder for a batch without records.
pub const EMPTY_BATCHES: SettingKey<bool> = SettingKey::bool("tidemill.output.empty_batches");
/// Events that may wait for a listener.
pub const LISTENER_QUEUE_MAX: SettingKey<usize> = SettingKey::integer("tidemill.listener.queue_max");

/// What happens when a batch fails for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The job stops with the error.
    Stop,
    /// The batch is marked as skipped, and the job goes on with the next one.
    Skip,
}

/// What happens where the operators of the plan are not those that the checkpoint has state of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The job does not start.
    Refuse,
    /// What is not found begins anew, what nobody asks for is dropped.
    Accept,
}

/// Who estimates the rate of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// [`Steady`](crate::Steady).
    Steady,
    /// [`Pid`](crate::Pid).
    Pid,
}

impl<T> SettingKey<T> {
    /// The full key, as in `tidemill.streaming.block_interval`.
    ///
    /// ```
    /// assert_eq!(tidemill::keys::MEMORY.name(), "tidemill.memory");
    /// ```
    pub const fn name(&self) -> &'static str {
        self.row.key
    }

    /// The typed value behind one that was understood.
    pub(super) fn read(&self, value: &Value) -> T {
        // Invariant: values are made by the row's kind alone, and `row_of` has compared the kind with the type.
        (self.read)(value).unwrap_or_else(|| unreachable!("`{}` holds {value:?}", self.name()))
    }

    /// The typed default.
    pub(super) fn default(&self) -> T {
        // Invariant: a test reads every default.
        let value = self.row.parse(self.row.default);
        self.read(&value.unwrap_or_else(|| unreachable!("`{}` has no default", self.name())))
    }
}

impl<T> Clone for SettingKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SettingKey<T> {}

impl<T> fmt::Debug for SettingKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SettingKey").field(&self.name()).finish()
    }
}

/// The row of a key. It runs at compile time, so a key that is misspelled or of another kind does not compile.
macro_rules! row_of {
    ($name:expr, $kind:pat, $optional:expr) => {{
        let row = row_named($name);
        assert!(matches!(row.kind, $kind), "the row has another kind");
        assert!(row.is_optional() == $optional, "`Option` stands for a default of `none`, and only for it");
        row
    }};
}

#[allow(clippy::panic, reason = "it runs at compile time")]
const fn row_named(name: &str) -> &'static Row {
    let mut at = 0;
    while at < ROWS.len() {
        if same(ROWS[at].key, name) {
            return &ROWS[at];
        }
        at += 1;
    }
    panic!("no row has this key")
}

impl SettingKey<Duration> {
    const fn duration(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Duration { .. }, false), read: duration }
    }
}

impl SettingKey<Option<Duration>> {
    const fn optional_duration(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Duration { .. }, true), read: |value| optional(value, duration) }
    }
}

impl SettingKey<usize> {
    const fn integer(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Integer { to: 0..=0xffff_ffff, .. }, false), read: integer }
    }
}

impl SettingKey<u32> {
    const fn tries(name: &str) -> Self {
        let row = row_of!(name, Kind::Integer { to: 0..=0xffff_ffff, .. }, false);
        Self {
            row,
            read: |value| if let Value::Integer(number) = value { u32::try_from(*number).ok() } else { None },
        }
    }
}

impl SettingKey<Option<usize>> {
    const fn optional_integer(name: &str) -> Self {
        let row = row_of!(name, Kind::Integer { to: 0..=0xffff_ffff, .. }, true);
        Self { row, read: |value| optional(value, integer) }
    }
}

impl SettingKey<u64> {
    const fn bytes(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Bytes { .. }, false),
            read: |value| if let Value::Bytes(bytes) = value { Some(*bytes) } else { None },
        }
    }
}

impl SettingKey<bool> {
    const fn bool(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Bool, false),
            read: |value| if let Value::Bool(value) = value { Some(*value) } else { None },
        }
    }
}

impl SettingKey<String> {
    const fn text(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Text, false), read: text }
    }
}

impl SettingKey<Option<String>> {
    const fn optional_text(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Text, true), read: |value| optional(value, text) }
    }
}

impl SettingKey<Option<PathBuf>> {
    const fn optional_path(name: &str) -> Self {
        let row = row_of!(name, Kind::Text, true);
        Self { row, read: |value| optional(value, |value| text(value).map(PathBuf::from)) }
    }
}

impl SettingKey<Master> {
    const fn master(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Master, false),
            read: |value| if let Value::Master(master) = value { Some(*master) } else { None },
        }
    }
}

impl SettingKey<f64> {
    const fn number(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Number { .. }, false), read: number }
    }
}

impl SettingKey<Option<f64>> {
    const fn optional_number(name: &str) -> Self {
        Self { row: row_of!(name, Kind::Number { .. }, true), read: |value| optional(value, number) }
    }
}

impl SettingKey<Estimator> {
    const fn estimator(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Choice(_), false),
            read: |value| match value {
                Value::Choice("steady") => Some(Estimator::Steady),
                Value::Choice("pid") => Some(Estimator::Pid),
                _ => None,
            },
        }
    }
}

impl SettingKey<Mismatch> {
    const fn mismatch(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Choice(_), false),
            read: |value| match value {
                Value::Choice("refuse") => Some(Mismatch::Refuse),
                Value::Choice("accept") => Some(Mismatch::Accept),
                _ => None,
            },
        }
    }
}

impl SettingKey<OnFailure> {
    const fn on_failure(name: &str) -> Self {
        Self {
            row: row_of!(name, Kind::Choice(_), false),
            read: |value| match value {
                Value::Choice("stop") => Some(OnFailure::Stop),
                Value::Choice("skip") => Some(OnFailure::Skip),
                _ => None,
            },
        }
    }
}

#[allow(
    clippy::option_option,
    reason = "the outer one says whether the value is of the kind, the inner one is the setting"
)]
fn optional<T>(value: &Value, read: fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::None => Some(None),
        value => read(value).map(Some),
    }
}

fn duration(value: &Value) -> Option<Duration> {
    if let Value::Duration(duration) = value { Some(*duration) } else { None }
}

fn integer(value: &Value) -> Option<usize> {
    if let Value::Integer(number) = value { usize::try_from(*number).ok() } else { None }
}

fn number(value: &Value) -> Option<f64> {
    if let Value::Number(number) = value { Some(*number) } else { None }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}
