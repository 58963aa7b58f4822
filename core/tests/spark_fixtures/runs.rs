//! Which test runs which case of the fixtures.

use super::case::Case;
use super::{engine, frames, operators, rates, receivers};

/// Suite, case, and the test of it.
pub(crate) const RUNS: &[(&str, &str, fn(&Case))] = &[
    ("BasicOperationsSuite", "map", operators::map),
    ("BasicOperationsSuite", "filter", operators::filter),
    ("BasicOperationsSuite", "glom", operators::glom),
    ("BasicOperationsSuite", "repartition 2->5", operators::repartition),
    ("BasicOperationsSuite", "groupByKey", operators::group_by_key),
    ("BasicOperationsSuite", "reduce", operators::reduce),
    ("BasicOperationsSuite", "countByValue", operators::count_by_value),
    ("BasicOperationsSuite", "mapValues", operators::map_values),
    ("BasicOperationsSuite", "flatMapValues", operators::flat_map_values),
    ("BasicOperationsSuite", "union with missing parent RDD", operators::union_with_a_missing_parent),
    ("BasicOperationsSuite", "transformWith missing RDD", operators::transform_with_a_missing_parent),
    (
        "BasicOperationsSuite",
        "StreamingContext.transform missing RDD",
        operators::transform_of_a_context_with_a_missing_parent,
    ),
    ("BasicOperationsSuite", "join", operators::join),
    ("BasicOperationsSuite", "leftOuterJoin", operators::left_outer_join),
    ("BasicOperationsSuite", "slice 0..1000", operators::slice),
    ("BasicOperationsSuite", "slice 0..2000", operators::slice),
    ("BasicOperationsSuite", "slice 2000..4000", operators::slice),
    ("BasicOperationsSuite", "slice before start", operators::slice_before_the_start),
    ("BasicOperationsSuite", "rdd cleanup input blocks", engine::inputs_of_old_batches_are_dropped),
    ("InputStreamsSuite", "queue oneAtATime=false", engine::queue_all_at_once),
    ("InputStreamsSuite", "multi-thread receiver", engine::many_threads_in_one_receiver),
    ("InputStreamsSuite", "input stream ids", engine::numbers_of_inputs),
    ("StreamingContextSuite", "awaitTermination", engine::waiting_for_the_end),
    (
        "StreamingContextSuite",
        "graceful stop slow receiver",
        engine::a_graceful_stop_computes_all_that_came_in,
    ),
    ("StreamingContextSuite", "add after start/stop", engine::a_plan_is_fixed_at_the_start),
    ("StreamingListenerSuite", "events", engine::events_of_batches),
    ("BlockGeneratorSuite", "blocks and callbacks", receivers::blocks_and_what_becomes_of_them),
    ("BlockGeneratorSuite", "stop drains", receivers::a_stop_drains_the_open_block),
    ("ReceiverSchedulingPolicySuite", "6 receivers 3 executors", receivers::an_even_placement),
    ("ReceiverSchedulingPolicySuite", "preferred even", receivers::an_even_placement_with_wishes),
    ("TimeSuite/DurationSuite", "floor", engine::floors_of_times),
    ("TimeSuite/DurationSuite", "ranges", engine::ranges_of_times),
    ("RecurringTimerSuite", "ticks", engine::ticks),
    ("PIDRateEstimatorSuite", "first is None", rates::pid),
    ("PIDRateEstimatorSuite", "second", rates::pid),
    ("PIDRateEstimatorSuite", "no time difference", rates::pid),
    ("PIDRateEstimatorSuite", "never below min rate", rates::pid),
    ("PIDRateEstimatorSuite", "argument checks", rates::pid_arguments),
    ("RateLimiterSuite", "maxRate=None update(105)", rates::limits),
    ("RateLimiterSuite", "maxRate=110 update(105)", rates::limits),
    ("observed: real RateLimiter 3.5.6", "maxRate=50 initialRate=None", rates::limits),
    ("observed: real RateLimiter 3.5.6", "maxRate=1000 initialRate=10", rates::limits),
    ("observed: real PIDRateEstimator 3.5.6", "P=0.5 I=0.2 D=0", rates::pid),
    ("observed: real PIDRateEstimator 3.5.6", "with derivative", rates::pid),
    ("observed: real PIDRateEstimator 3.5.6", "I=1 batch 5 s min 1", rates::pid),
    ("python test_dstream.py [K commit 043b0963]", "count", operators::count),
    (
        "python test_dstream.py [K commit 043b0963]",
        "reduceByKey mixed",
        operators::reduce_by_key_of_mixed_keys,
    ),
    ("python test_dstream.py [K commit 043b0963]", "combineByKey", operators::combine_by_key),
    ("python test_dstream.py [K commit 043b0963]", "leftOuterJoin", operators::left_outer_join_of_pairs),
    ("python test_dstream.py [K commit 043b0963]", "rightOuterJoin", operators::right_outer_join_of_pairs),
    ("python test_dstream.py [K commit 043b0963]", "fullOuterJoin", operators::full_outer_join_of_pairs),
    ("python test_context.py [K commit 44d5a3d2]", "transform three", operators::transform_of_three_streams),
    (
        "python test_context.py [K commit 44d5a3d2]",
        "union with itself",
        operators::union_of_two_equal_streams,
    ),
    ("observed on real PySpark 3.5.6", "pprint more than 10", frames::more_than_ten),
    ("observed on real Spark 3.5.6 (Scala, ManualClock)", "reduce empty", operators::reduce),
];

/// Suite, case, and the test of it in another package.
pub(crate) const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "InputStreamsSuite",
        "socket",
        "connectors/socket/tests/lines.rs::a_line_that_comes_in_two_parts_is_one_line_of_the_later_batch",
    ),
    (
        "InputStreamsSuite",
        "file newFilesOnly=true",
        "connectors/file/tests/spark.rs::only_files_that_come_behind_the_start_are_read",
    ),
    (
        "InputStreamsSuite",
        "file wildcard",
        "connectors/file/tests/spark.rs::a_glob_of_folders_reads_the_files_in_them_and_not_those_beside_them",
    ),
];
