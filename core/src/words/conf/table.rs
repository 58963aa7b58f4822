//! The table of all settings that have an effect.

use std::time::Duration;

use super::kind::{Kind, LONGEST, Plain};
use super::row::Row;

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_hours(24);

const ANY: Kind = Kind::Number { from: f64::MIN, to: f64::MAX };
const POSITIVE: Kind = Kind::Number { from: 0.0, to: f64::MAX };

/// Of tidemill's own, so with a unit.
const fn own(from: Duration, to: Duration) -> Kind {
    Kind::Duration { plain: Plain::Refused, from, to }
}

/// Of Spark's, where a plain number is milliseconds.
const fn milliseconds(from: Duration, to: Duration) -> Kind {
    Kind::Duration { plain: Plain::Milliseconds, from, to }
}

/// Of Spark's, where a plain number is seconds.
const fn seconds(from: Duration, to: Duration) -> Kind {
    Kind::Duration { plain: Plain::Seconds, from, to }
}

/// The settings that have an effect, room by room. The book's table is compared with this one by a test.
pub(super) static ROWS: &[Row] = &[
    Row {
        key: "tidemill.master",
        spark: &["spark.master"],
        kind: Kind::Master,
        default: "local[*]",
        meaning: "How many tasks run at a time: `local` (one), `local[N]`, `local[*]` (as many as there are processors) or \
                  `local[N, F]` (each task tried F times).",
        reason: "A job should use the machine that it was given.",
    },
    Row {
        key: "tidemill.app.name",
        spark: &["spark.app.name"],
        kind: Kind::Text,
        default: "tidemill",
        meaning: "The job's name, for people to find it by.",
        reason: "A job without a name still runs.",
    },
    Row {
        key: "tidemill.context.allow_several",
        spark: &["spark.driver.allowMultipleContexts"],
        kind: Kind::Bool,
        default: "false",
        meaning: "Whether a context may be active beside another one of the same process.",
        reason: "Two contexts in one process are mostly one that was forgotten.",
    },
    Row {
        key: "tidemill.streaming.batch_interval",
        spark: &[],
        kind: own(MILLISECOND, DAY),
        default: "1s",
        meaning: "The time from one batch to the next. Spark has no key for it: there it is an argument of the context.",
        reason: "It is what Spark's examples use.",
    },
    Row {
        key: "tidemill.streaming.block_interval",
        spark: &["spark.streaming.blockInterval"],
        kind: milliseconds(MILLISECOND, DAY),
        default: "none",
        meaning: "How long a receiver collects records before it closes a block, unless that is full before; a block is one \
                  partition of its batch.",
        reason: "With `none` it is the batch interval divided by the default parallelism, but at least 1 ms and at most \
                 Spark's 200 ms: so a short batch has work for all tasks too.",
    },
    Row {
        key: "tidemill.source.block_bytes",
        spark: &[],
        kind: Kind::Bytes { from: 1 << 10 },
        default: "8m",
        meaning: "How large a block may grow before the block interval is over; what a receiver hands over in one piece is not cut.",
        reason: "A task reads 8 MB in some milliseconds, beside which its start does not count, and 100 MB/s make 12 partitions \
                 a second; 64 of them fit into the default memory, so it fills and empties in small steps.",
    },
    Row {
        key: "tidemill.streaming.concurrent_jobs",
        spark: &["spark.streaming.concurrentJobs"],
        kind: Kind::Integer { from: 1, to: 1024 },
        default: "1",
        meaning: "How many output operations of one batch run side by side; batches stay in order. Always 1 with several \
                  members.",
        reason: "Outputs then happen in the order in which the job names them.",
    },
    Row {
        key: "tidemill.streaming.remember",
        spark: &[],
        kind: own(Duration::ZERO, LONGEST),
        default: "none",
        meaning: "How long the records of a batch are kept for actions outside of the stream, as with Spark's \
                  `StreamingContext.remember`.",
        reason: "With `none` a batch is forgotten as soon as no window needs it.",
    },
    Row {
        key: "tidemill.streaming.stop_gracefully_on_shutdown",
        spark: &["spark.streaming.stopGracefullyOnShutdown"],
        kind: Kind::Bool,
        default: "true",
        meaning: "Whether a signal to end (SIGTERM or Ctrl-C) first works off what was received.",
        reason: "Nothing that was received should be lost without need; in Spark it is `false`.",
    },
    Row {
        key: "tidemill.streaming.graceful_stop_timeout",
        spark: &["spark.streaming.gracefulStopTimeout"],
        kind: milliseconds(Duration::ZERO, LONGEST),
        default: "none",
        meaning: "How long each step of a graceful stop may take before the job stops the hard way.",
        reason: "With `none` it is ten batch intervals, as in Spark.",
    },
    Row {
        key: "tidemill.streaming.receiver_restart_delay",
        spark: &["spark.streaming.receiverRestartDelay"],
        kind: milliseconds(MILLISECOND, DAY),
        default: "500ms",
        meaning: "The first delay before a failed receiver starts again; it grows with each failure in a row.",
        reason: "Spark always waits 2 s; with a back-off the first try can be sooner and later ones spare the other side.",
    },
    Row {
        key: "tidemill.streaming.receiver.max_rate",
        spark: &["spark.streaming.receiver.maxRate"],
        kind: ANY,
        default: "none",
        meaning: "The most records a second that each receiver lets in; 0 and less is no limit, as Spark's documentation \
                  says and its code refuses.",
        reason: "With `none` there is no limit but that of back pressure.",
    },
    Row {
        key: "tidemill.streaming.backpressure.enabled",
        spark: &["spark.streaming.backpressure.enabled"],
        kind: Kind::Bool,
        default: "true",
        meaning: "Whether the rate of each input follows how fast its batches are computed.",
        reason: "A source that is too fast should wait outside; in Spark it is `false`, and batches queue.",
    },
    Row {
        key: "tidemill.streaming.backpressure.initial_rate",
        spark: &["spark.streaming.backpressure.initialRate"],
        kind: POSITIVE,
        default: "none",
        meaning: "Records a second that each input lets in before the first estimate; `0` is no limit. Without back pressure \
                  the rate stays.",
        reason: "With `none` it is 10000 with back pressure and no limit without: so the first batch of a large backlog is \
                 no flood, and a job that can take more finds it within a few batches.",
    },
    Row {
        key: "tidemill.streaming.backpressure.rate_estimator",
        spark: &["spark.streaming.backpressure.rateEstimator"],
        kind: Kind::Choice(&["steady", "pid"]),
        default: "steady",
        meaning: "Who estimates the rate: `steady` lets in what fits into an interval, `pid` is Spark's.",
        reason: "It finds more capacity faster and swings less; the book compares them. In Spark it is `pid`.",
    },
    Row {
        key: "tidemill.streaming.backpressure.pid.proportional",
        spark: &["spark.streaming.backpressure.pid.proportional"],
        kind: POSITIVE,
        default: "1.0",
        meaning: "How much of the error `pid` takes back at once.",
        reason: "It is Spark's.",
    },
    Row {
        key: "tidemill.streaming.backpressure.pid.integral",
        spark: &["spark.streaming.backpressure.pid.integral"],
        kind: POSITIVE,
        default: "0.2",
        meaning: "How much of the backlog `pid` works off in an interval.",
        reason: "It is Spark's.",
    },
    Row {
        key: "tidemill.streaming.backpressure.pid.derived",
        spark: &["spark.streaming.backpressure.pid.derived"],
        kind: POSITIVE,
        default: "0.0",
        meaning: "How much the trend of the error counts for `pid`.",
        reason: "It is Spark's.",
    },
    Row {
        key: "tidemill.streaming.backpressure.pid.min_rate",
        spark: &["spark.streaming.backpressure.pid.minRate"],
        kind: Kind::Number { from: f64::MIN_POSITIVE, to: f64::MAX },
        default: "100",
        meaning: "The least rate that `pid` gives, in records a second.",
        reason: "It is Spark's.",
    },
    Row {
        key: "tidemill.streaming.file_stream.min_remember_duration",
        spark: &["spark.streaming.fileStream.minRememberDuration", "spark.streaming.minRememberDuration"],
        kind: seconds(Duration::ZERO, LONGEST),
        default: "1m",
        meaning: "How long a stream of files still knows a file that is gone: one that comes under its name later is new.",
        reason: "It is Spark's: long enough for a folder that is away for a moment, short enough to use a name again.",
    },
    Row {
        key: "tidemill.streaming.checkpoint.directory",
        spark: &["spark.streaming.checkpoint.directory"],
        kind: Kind::Text,
        default: "none",
        meaning: "Where the job writes down what it must not forget: a folder, or its `file://` URL. What the job's code says with \
                  `StreamingContext::checkpoint` comes before it.",
        reason: "With `none` nothing outlives the process: where it may lie is for somebody to say who knows the machine.",
    },
    Row {
        key: "tidemill.state.volatile",
        spark: &[],
        kind: Kind::Bool,
        default: "false",
        meaning: "Whether operators with state may run without a checkpoint directory, so that their state ends with the process.",
        reason: "State that is lost at the first restart is mostly a directory that was forgotten; Spark refuses it too.",
    },
    Row {
        key: "tidemill.state.mismatch",
        spark: &[],
        kind: Kind::Choice(&["refuse", "accept"]),
        default: "refuse",
        meaning: "What happens at a start whose operators are not those that the checkpoint has state of: `refuse` is an error that \
                  names both, `accept` begins anew what is not found, drops what nobody asks for, and takes types of keys and \
                  states under other names as those that were written.",
        reason: "A name that was changed by accident should not cost the state behind it.",
    },
    Row {
        key: "tidemill.default.parallelism",
        spark: &["spark.default.parallelism"],
        kind: Kind::Integer { from: 1, to: 65_536 },
        default: "none",
        meaning: "The number of partitions of a shuffle where the job does not say it.",
        reason: "With `none` it is the number of task slots when the job starts for the first time, and stays so.",
    },
    Row {
        key: "tidemill.task.max_failures",
        spark: &["spark.task.maxFailures"],
        kind: Kind::Integer { from: 1, to: 1000 },
        default: "4",
        meaning: "How often a task is tried in all before its batch fails; the F of `local[N, F]` comes before it.",
        reason: "It is Spark's, but it holds for `local[N]` too, where Spark tries once.",
    },
    Row {
        key: "tidemill.memory",
        spark: &[],
        kind: Kind::Bytes { from: 1 << 20 },
        default: "512m",
        meaning: "The memory for received blocks and caches together; what is beyond goes to disk.",
        reason: "It holds 5 s of 100 MB/s, and leaves room for others on a machine of 2 GB; Spark's executors have 1 GB.",
    },
    Row {
        key: "tidemill.memory.spill_dir",
        spark: &[],
        kind: Kind::Text,
        default: "none",
        meaning: "The folder for what does not fit into memory.",
        reason: "With `none` it is the system's folder for temporary files: there is one everywhere.",
    },
    Row {
        key: "tidemill.memory.disk",
        spark: &[],
        kind: Kind::Bytes { from: 0 },
        default: "10g",
        meaning: "The most that is written to the spill folder, compressed as far as it is received blocks; beyond it receivers \
                  have to wait. `0b` never spills.",
        reason: "Twenty times the memory outlasts a long pause of an output, and seldom fills a disk.",
    },
    Row {
        key: "tidemill.batch.on_failure",
        spark: &[],
        kind: Kind::Choice(&["stop", "skip"]),
        default: "stop",
        meaning: "What happens when a batch fails for good: `stop` ends the job with the error, `skip` marks the batch as \
                  skipped and goes on.",
        reason: "A gap should be somebody's decision.",
    },
    Row {
        key: "tidemill.source.rejected_max",
        spark: &[],
        kind: Kind::Integer { from: 0, to: 0xffff_ffff },
        default: "none",
        meaning: "How many records of one input and batch may be undecodable; more stop the job, whatever \
                  `tidemill.batch.on_failure` says, and nothing of the batch is committed.",
        reason: "With `none` there is no limit: a bad record should not stop the good ones, and what is too many is for \
                 somebody to say who knows the source.",
    },
    Row {
        key: "tidemill.clock.max_jump",
        spark: &[],
        kind: own(MILLISECOND, LONGEST),
        default: "1h",
        meaning: "The longest forward jump of the system's clock that is believed; a longer one is reported and fires no \
                  timeouts.",
        reason: "A machine that slept catches up, and a clock that is set wrong does not expire all state.",
    },
    Row {
        key: "tidemill.output.empty_batches",
        spark: &[],
        kind: Kind::Bool,
        default: "false",
        meaning: "Whether an output of files writes a folder for a batch without records.",
        reason: "A quiet stream should not fill the disk with empty folders, as it does in Spark.",
    },
    Row {
        key: "tidemill.listener.queue_max",
        spark: &["spark.scheduler.listenerbus.eventqueue.capacity"],
        kind: Kind::Integer { from: 1, to: 1_000_000 },
        default: "10000",
        meaning: "How many events may wait for a slow listener; more are dropped and counted.",
        reason: "It is Spark's: a few hundred batches of events, a few MB.",
    },
];
