//! A plan of streams gives the same on one member and on several.

use std::fmt::Debug;
use std::time::Duration;

use tidemill::testing::{Collected, collect_batches, input_batches, members, run_batches};
use tidemill::{DStream, EventTime, StreamingContext, WatermarkSpec, Wire};

/// What one stream gave, once the batches have run.
type Later = Box<dyn Fn() -> String>;

fn later<T: Wire + Debug>(name: &'static str, stream: &DStream<T>) -> Later {
    let collected: Collected<T> = collect_batches(stream);
    Box::new(move || format!("{name}: {:?}", collected.batches()))
}

/// Every operator that needs more than its own partition, or more than one stream.
fn all_of_them(ssc: &StreamingContext) -> Vec<String> {
    let numbers = input_batches(ssc, 5, vec![(0..23).collect::<Vec<i64>>(), vec![], vec![7, 7, 9]]);
    let pairs = numbers.map(|n| (n % 4, n));
    let others = input_batches(ssc, 2, vec![vec![(1, 'a'), (3, 'b'), (3, 'c'), (9, 'd')], vec![(0, 'e')]]);
    let streams = [numbers.clone(), numbers.map(|n| n * 100), others.keys()];
    let given = vec![
        later("count", &numbers.count()),
        later("reduce", &numbers.map(|n| n.to_string()).reduce(|a, b| a + &b)),
        later("count_by_value", &numbers.map(|n| n % 3).count_by_value_into(4)),
        later("distinct", &numbers.map(|n| n % 5).distinct()),
        later("repartition", &numbers.repartition(3).glom()),
        later("coalesce", &numbers.coalesce(2).glom()),
        later("partition_by", &pairs.partition_by(3).glom()),
        later("reduce_by_key", &pairs.reduce_by_key_into(3, |a, b| a + b)),
        later(
            "combine_by_key",
            &pairs.combine_by_key(
                |n| vec![n],
                |mut all, n| {
                    all.push(n);
                    all
                },
                |a, b| [a, b].concat(),
            ),
        ),
        later("aggregate_by_key", &pairs.aggregate_by_key(0, |max, n| n.max(max), i64::max)),
        later("group_by_key", &pairs.group_by_key_into(2)),
        later("cogroup", &pairs.cogroup(&others)),
        later("join", &pairs.join(&others)),
        later("left_outer_join", &pairs.left_outer_join_into(3, &others)),
        later("right_outer_join", &pairs.right_outer_join(&others)),
        later("full_outer_join", &pairs.full_outer_join_into(2, &others)),
        later("subtract_by_key", &pairs.subtract_by_key(&others)),
        later(
            "map_with_state",
            &pairs.map_with_state(tidemill::StateSpec::new().num_partitions(3), |key, n, sum| {
                sum.update(sum.get().unwrap_or(&0) + n.unwrap_or(0));
                (*key, sum.get().copied())
            }),
        ),
        later(
            "update_state_by_key",
            &pairs.update_state_by_key(|n, sum: Option<i64>| Some(sum.unwrap_or(0) + n.sum::<i64>())),
        ),
        later("union", &numbers.union(&streams[1])),
        later("union of many", &ssc.union(&streams)),
        later(
            "transform_with",
            &pairs.transform_with(&others, |pairs, others| pairs.keys().union(&others.keys()).distinct()),
        ),
        later(
            "transform of many",
            &ssc.transform(&streams, |rdds, _| rdds[2].union(&rdds[0]).sort_by(|n| *n, false)),
        ),
    ];
    let windows = in_windows(&numbers, &pairs);
    let given = given.into_iter().chain(windows).chain(in_event_time(ssc, &numbers)).collect::<Vec<_>>();
    run_batches(ssc, 3).unwrap();
    ssc.stop(true).unwrap();
    given.iter().map(|given| given()).collect()
}

/// Windows over the last two batches.
fn in_windows(numbers: &DStream<i64>, pairs: &DStream<(i64, i64)>) -> Vec<Later> {
    let two = Duration::from_secs(2);
    let texts = numbers.map(|n| n.to_string());
    vec![
        later("window", &numbers.window(two, None).glom()),
        later("window every other batch", &pairs.window(two, two)),
        later("group_by_key_and_window", &pairs.group_by_key_and_window_into(3, two, None)),
        later("reduce_by_key_and_window", &pairs.reduce_by_key_and_window(two, None, |a, b| a * 31 + b)),
        later("reduce_by_window", &texts.reduce_by_window(two, None, |a, b| a + &b)),
        later("count_by_window", &numbers.count_by_window(two, None)),
        later("count_by_value_and_window", &numbers.count_by_value_and_window_into(2, two, None)),
    ]
}

/// Numbers are their own times.
fn in_event_time(ssc: &StreamingContext, numbers: &DStream<i64>) -> Vec<Later> {
    let later_ones = input_batches(ssc, 2, vec![vec![30], vec![], vec![2]]);
    let events = numbers
        .union(&later_ones)
        .event_time(WatermarkSpec::new(), |n| EventTime::from_millis(n.unsigned_abs()))
        .map(|n| (n % 4 % 3, n));
    let tumbling = events.tumbling_windows(Duration::from_millis(5)).group_by_key();
    let sessions = events.session_windows(Duration::from_millis(3)).reduce_by_key(|a, b| a + b);
    vec![
        later("tumbling_windows", &tumbling),
        later("late", &tumbling.late()),
        later("session_windows", &sessions),
        later("deduplicate", &numbers.deduplicate(Duration::from_secs(2), |n| n % 10)),
    ]
}

#[test]
fn every_stateless_or_windowed_operator_gives_the_same_in_the_same_order_on_one_two_and_three_members() {
    let alone = members(1, 2, all_of_them).remove(0);
    // What is all empty would be the same everywhere.
    assert!(alone.iter().all(|given| given.contains(|c: char| c.is_ascii_digit())), "{alone:#?}");
    for count in [2, 3] {
        for (me, given) in members(count, 2, all_of_them).iter().enumerate() {
            for (given, alone) in given.iter().zip(&alone) {
                assert_eq!(given, alone, "member {me} of {count}");
            }
        }
    }
}
