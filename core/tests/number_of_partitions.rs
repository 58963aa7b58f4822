//! A number of partitions that cannot be is refused, with the place that asks for it.

use std::fs;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use tidemill::testing::{input_batches, local};
use tidemill::{DStream, Error, EventTime, Rdd, Result, StateSpec, StreamingContext, WatermarkSpec};

/// What an operator gives that is asked for no partitions, by its name in this crate and its name in errors.
type Asked<T> = Vec<(&'static str, &'static str, T)>;

/// Each form that takes a number of partitions, on streams.
fn streams(ssc: &StreamingContext) -> Asked<()> {
    fn drawn<T: tidemill::Data>(stream: &DStream<T>) {
        stream.foreach_rdd(|_, _| Ok(()));
    }
    let numbers = input_batches(ssc, 2, vec![vec![1, 2, 3]]);
    let pairs = numbers.map(|n| (n, n));
    let (length, sum) = (Duration::from_secs(2), |a: i32, b: i32| a + b);
    let spec = || StateSpec::new().num_partitions(0);
    vec![
        ("repartition", "repartition", drawn(&numbers.repartition(0))),
        ("coalesce", "coalesce", drawn(&numbers.coalesce(0))),
        ("count_by_value_into", "count_by_value", drawn(&numbers.count_by_value_into(0))),
        ("partition_by", "partition_by", drawn(&pairs.partition_by(0))),
        ("group_by_key_into", "group_by_key", drawn(&pairs.group_by_key_into(0))),
        ("reduce_by_key_into", "reduce_by_key", drawn(&pairs.reduce_by_key_into(0, sum))),
        ("combine_by_key_into", "combine_by_key", drawn(&pairs.combine_by_key_into(0, |n| n, sum, sum))),
        ("cogroup_into", "cogroup", drawn(&pairs.cogroup_into(0, &pairs))),
        ("join_into", "join", drawn(&pairs.join_into(0, &pairs))),
        ("left_outer_join_into", "left_outer_join", drawn(&pairs.left_outer_join_into(0, &pairs))),
        ("right_outer_join_into", "right_outer_join", drawn(&pairs.right_outer_join_into(0, &pairs))),
        ("full_outer_join_into", "full_outer_join", drawn(&pairs.full_outer_join_into(0, &pairs))),
        (
            "count_by_value_and_window_into",
            "count_by_value_and_window",
            drawn(&numbers.count_by_value_and_window_into(0, length, None)),
        ),
        (
            "group_by_key_and_window_into",
            "group_by_key_and_window",
            drawn(&pairs.group_by_key_and_window_into(0, length, None)),
        ),
        (
            "reduce_by_key_and_window_into",
            "reduce_by_key_and_window",
            drawn(&pairs.reduce_by_key_and_window_into(0, length, None, sum)),
        ),
        (
            "reduce_by_key_and_window_inverse_into",
            "reduce_by_key_and_window",
            drawn(&pairs.reduce_by_key_and_window_inverse_into(0, length, None, sum, sum)),
        ),
        (
            "reduce_by_key_and_window_filtered_into",
            "reduce_by_key_and_window",
            drawn(&pairs.reduce_by_key_and_window_filtered_into(0, length, None, sum, sum, |_| true)),
        ),
        ("deduplicate_into", "deduplicate", drawn(&numbers.deduplicate_into(0, length, |n| *n))),
        (
            "num_partitions",
            "map_with_state",
            drawn(&pairs.map_with_state(spec(), |_, _, _: &mut tidemill::State<i32>| ())),
        ),
        (
            "num_partitions",
            "update_state_by_key",
            drawn(&pairs.update_state_by_key_with(spec(), |_, state: Option<i32>| state)),
        ),
        (
            "num_partitions",
            "tumbling_windows",
            drawn(
                &numbers
                    .event_time(WatermarkSpec::new(), |_| EventTime::from_millis(0))
                    .map(|n| (n, n))
                    .tumbling_windows(length)
                    .num_partitions(0)
                    .reduce_by_key(sum),
            ),
        ),
    ]
}

/// Each form that takes a number of partitions, on Rdds.
fn rdds(ssc: &StreamingContext) -> Asked<Result<u64>> {
    let numbers: Rdd<i32> = ssc.parallelize(vec![3, 1, 2], 2);
    let pairs = numbers.map(|n| (n, n));
    let sum = |a: i32, b: i32| a + b;
    vec![
        ("parallelize", "parallelize", ssc.parallelize(vec![1], 0).count()),
        ("repartition", "repartition", numbers.repartition(0).count()),
        ("coalesce", "coalesce", numbers.coalesce(0).count()),
        ("count_by_value_into", "count_by_value", numbers.count_by_value_into(0).count()),
        ("distinct_into", "distinct", numbers.distinct_into(0).count()),
        ("sort_by_into", "sort_by", numbers.sort_by_into(0, |n| *n, true).count()),
        ("sort_by_key_into", "sort_by_key", pairs.sort_by_key_into(0, true).count()),
        ("partition_by", "partition_by", pairs.partition_by(0).count()),
        ("group_by_key_into", "group_by_key", pairs.group_by_key_into(0).count()),
        ("reduce_by_key_into", "reduce_by_key", pairs.reduce_by_key_into(0, sum).count()),
        ("combine_by_key_into", "combine_by_key", pairs.combine_by_key_into(0, |n| n, sum, sum).count()),
        ("aggregate_by_key_into", "aggregate_by_key", pairs.aggregate_by_key_into(0, 0, sum, sum).count()),
        ("cogroup_into", "cogroup", pairs.cogroup_into(0, &pairs).count()),
        ("subtract_by_key_into", "subtract_by_key", pairs.subtract_by_key_into(0, &pairs).count()),
        ("join_into", "join", pairs.join_into(0, &pairs).count()),
        ("left_outer_join_into", "left_outer_join", pairs.left_outer_join_into(0, &pairs).count()),
        ("right_outer_join_into", "right_outer_join", pairs.right_outer_join_into(0, &pairs).count()),
        ("full_outer_join_into", "full_outer_join", pairs.full_outer_join_into(0, &pairs).count()),
    ]
}

/// The public methods below `folder` that take a number of partitions.
fn methods(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(methods(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for method in text.split("\n    pub fn ").skip(1) {
            let head = method.split('{').next().unwrap_or_default();
            let name = head.split(['(', '<']).next().unwrap_or_default();
            if head.contains("partitions: usize") || name == "num_partitions" && head.contains("count: u32") {
                found.push(name.into());
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn asked_of<T>(asked: &Asked<T>) -> Vec<String> {
    let mut names: Vec<String> = asked.iter().map(|(method, ..)| (*method).into()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn no_operator_of_streams_takes_no_partitions_and_the_start_names_all_that_ask_for_it() {
    let ssc = local(2);
    let asked = streams(&ssc);
    let error = ssc.start().unwrap_err();
    let Error::Plan(mistakes) = &error else { panic!("{error}") };
    assert_eq!(mistakes.len(), asked.len(), "{error}");
    for (mistake, (method, operator, ())) in mistakes.iter().zip(&asked) {
        let text = &mistake.message;
        assert_eq!(mistake.site.map(Location::file), Some(file!()), "{method}: {text}");
        if text.starts_with("states are kept in 1 to 128 partitions") {
            continue;
        }
        assert_eq!(text, &format!("`{operator}` cannot have 0 partitions: say 1 or more"), "{method}");
    }
    assert_eq!(asked_of(&asked), methods(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dstream")));
}

#[test]
fn no_operator_of_rdds_takes_no_partitions_and_an_action_says_which_one_asks_for_it() {
    let ssc = local(2);
    let asked = rdds(&ssc);
    for (method, operator, result) in &asked {
        let text = result.as_ref().expect_err(method).to_string();
        let begins = format!("setting `partitions of {operator} ({}:", file!());
        assert!(text.starts_with(&begins) && text.ends_with("is 0, but must be 1 or more"), "{text}");
    }
    let here: Vec<String> = asked_of(&asked).into_iter().filter(|name| name != "parallelize").collect();
    assert_eq!(here, methods(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rdd")));
}
