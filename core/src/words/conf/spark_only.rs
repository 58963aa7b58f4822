//! The settings of Spark that are accepted and have no effect here, each with the reason.

use std::time::Duration;

use super::kind::{Kind, LONGEST, Plain};
use super::row::Row;

const BOOL: Kind = Kind::Bool;
const TEXT: Kind = Kind::Text;
const COUNT: Kind = Kind::Integer { from: 0, to: u64::MAX };
const POSITIVE: Kind = Kind::Number { from: 0.0, to: f64::MAX };
const MILLISECONDS: Kind = Kind::Duration { plain: Plain::Milliseconds, from: Duration::ZERO, to: LONGEST };
const SECONDS: Kind = Kind::Duration { plain: Plain::Seconds, from: Duration::ZERO, to: LONGEST };

const LOG: &str = "What is received is not logged yet.";
const DRIVER_LOG: &str = "There is no driver whose own log could be set apart.";
const CLASS: &str = "A class of the JVM.";
const ALLOCATION: &str = "Tasks are shared out within this process; no executors come and go.";
const KAFKA: &str = "There is no stream from Kafka yet.";
const KINESIS: &str = "There is no stream from Kinesis yet.";
const INTERNAL: &str = "Spark sets it itself, to find the jobs of a batch.";

/// Users' files have them, so they are accepted, and their values checked as in Spark. One that gets an effect moves to
/// the other table.
pub(super) static ROWS: &[Row] = &[
    inert(
        "tidemill.streaming.block_queue_size",
        &["spark.streaming.blockQueueSize"],
        COUNT,
        "Blocks do not queue: they go into the memory of `tidemill.memory`, and beyond it to disk.",
    ),
    inert(
        "tidemill.streaming.receiver.block_store_timeout",
        &["spark.streaming.receiver.blockStoreTimeout"],
        SECONDS,
        "A receiver waits for memory as long as it takes.",
    ),
    inert(
        "tidemill.streaming.receiver.write_ahead_log.enable",
        &["spark.streaming.receiver.writeAheadLog.enable"],
        BOOL,
        LOG,
    ),
    inert(
        "tidemill.streaming.receiver.write_ahead_log.class",
        &["spark.streaming.receiver.writeAheadLog.class"],
        TEXT,
        CLASS,
    ),
    inert(
        "tidemill.streaming.receiver.write_ahead_log.rolling_interval_secs",
        &["spark.streaming.receiver.writeAheadLog.rollingIntervalSecs"],
        SECONDS,
        LOG,
    ),
    inert(
        "tidemill.streaming.receiver.write_ahead_log.max_failures",
        &["spark.streaming.receiver.writeAheadLog.maxFailures"],
        COUNT,
        LOG,
    ),
    inert(
        "tidemill.streaming.receiver.write_ahead_log.close_file_after_write",
        &["spark.streaming.receiver.writeAheadLog.closeFileAfterWrite"],
        BOOL,
        LOG,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.class",
        &["spark.streaming.driver.writeAheadLog.class"],
        TEXT,
        CLASS,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.rolling_interval_secs",
        &["spark.streaming.driver.writeAheadLog.rollingIntervalSecs"],
        SECONDS,
        DRIVER_LOG,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.max_failures",
        &["spark.streaming.driver.writeAheadLog.maxFailures"],
        COUNT,
        DRIVER_LOG,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.close_file_after_write",
        &["spark.streaming.driver.writeAheadLog.closeFileAfterWrite"],
        BOOL,
        DRIVER_LOG,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.allow_batching",
        &["spark.streaming.driver.writeAheadLog.allowBatching"],
        BOOL,
        DRIVER_LOG,
    ),
    inert(
        "tidemill.streaming.driver.write_ahead_log.batching_timeout",
        &["spark.streaming.driver.writeAheadLog.batchingTimeout"],
        MILLISECONDS,
        DRIVER_LOG,
    ),
    inert(
        "tidemill.streaming.unpersist",
        &["spark.streaming.unpersist"],
        BOOL,
        "The records of a batch are always released when no window and no `tidemill.streaming.remember` needs them.",
    ),
    inert(
        "tidemill.streaming.stop_spark_context_by_default",
        &["spark.streaming.stopSparkContextByDefault"],
        BOOL,
        "There is no context below the streaming context that could stay.",
    ),
    inert(
        "tidemill.streaming.ui.retained_batches",
        &["spark.streaming.ui.retainedBatches"],
        COUNT,
        "There is no web page of past batches yet.",
    ),
    inert(
        "tidemill.streaming.session_by_key.delta_chain_threshold",
        &["spark.streaming.sessionByKey.deltaChainThreshold"],
        COUNT,
        "State has no chains of deltas that need shortening.",
    ),
    inert(
        "tidemill.streaming.clock",
        &["spark.streaming.clock"],
        TEXT,
        "A class of the JVM; the test kit has a clock that is set by hand.",
    ),
    inert(
        "tidemill.streaming.manual_clock.jump",
        &["spark.streaming.manualClock.jump"],
        MILLISECONDS,
        "The test kit's clock is set in the test.",
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.enabled",
        &["spark.streaming.dynamicAllocation.enabled"],
        BOOL,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.testing",
        &["spark.streaming.dynamicAllocation.testing"],
        BOOL,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.min_executors",
        &["spark.streaming.dynamicAllocation.minExecutors"],
        COUNT,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.max_executors",
        &["spark.streaming.dynamicAllocation.maxExecutors"],
        COUNT,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.scaling_interval",
        &["spark.streaming.dynamicAllocation.scalingInterval"],
        SECONDS,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.scaling_up_ratio",
        &["spark.streaming.dynamicAllocation.scalingUpRatio"],
        POSITIVE,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.dynamic_allocation.scaling_down_ratio",
        &["spark.streaming.dynamicAllocation.scalingDownRatio"],
        POSITIVE,
        ALLOCATION,
    ),
    inert(
        "tidemill.streaming.kafka.max_rate_per_partition",
        &["spark.streaming.kafka.maxRatePerPartition"],
        COUNT,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.min_rate_per_partition",
        &["spark.streaming.kafka.minRatePerPartition"],
        COUNT,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.consumer.cache.enabled",
        &["spark.streaming.kafka.consumer.cache.enabled"],
        BOOL,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.consumer.cache.initial_capacity",
        &["spark.streaming.kafka.consumer.cache.initialCapacity"],
        COUNT,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.consumer.cache.max_capacity",
        &["spark.streaming.kafka.consumer.cache.maxCapacity"],
        COUNT,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.consumer.cache.load_factor",
        &["spark.streaming.kafka.consumer.cache.loadFactor"],
        POSITIVE,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.consumer.poll.ms",
        &["spark.streaming.kafka.consumer.poll.ms"],
        MILLISECONDS,
        KAFKA,
    ),
    inert(
        "tidemill.streaming.kafka.allow_non_consecutive_offsets",
        &["spark.streaming.kafka.allowNonConsecutiveOffsets"],
        BOOL,
        KAFKA,
    ),
    inert("tidemill.streaming.kafka.max_retries", &["spark.streaming.kafka.maxRetries"], COUNT, KAFKA),
    inert(
        "tidemill.streaming.kinesis.retry.wait_time",
        &["spark.streaming.kinesis.retry.waitTime"],
        MILLISECONDS,
        KINESIS,
    ),
    inert(
        "tidemill.streaming.kinesis.retry.max_attempts",
        &["spark.streaming.kinesis.retry.maxAttempts"],
        COUNT,
        KINESIS,
    ),
    inert("tidemill.streaming.internal.batch_time", &["spark.streaming.internal.batchTime"], TEXT, INTERNAL),
    inert(
        "tidemill.streaming.internal.output_op_id",
        &["spark.streaming.internal.outputOpId"],
        TEXT,
        INTERNAL,
    ),
];

const fn inert(key: &'static str, spark: &'static [&'static str], kind: Kind, meaning: &'static str) -> Row {
    Row { key, spark, kind, default: "", meaning, reason: "" }
}
