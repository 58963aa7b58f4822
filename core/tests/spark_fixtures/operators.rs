//! Stateless operators against what Spark gives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemill::testing::{collect_batches, run_batches};
use tidemill::{BatchTime, DStream, Key};

use super::case::Case;

fn ones<K: Key>(words: &DStream<K>) -> DStream<(K, i64)> {
    words.map(|word| (word, 1))
}

fn counts(words: &DStream<String>) -> DStream<(String, i64)> {
    ones(words).reduce_by_key(|a, b| a + b)
}

pub(crate) fn map(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.map(|n| n.to_string()));
}

pub(crate) fn filter(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.filter(|n| n % 2 == 0));
}

pub(crate) fn glom(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.glom());
}

pub(crate) fn repartition(case: &Case) {
    let partitions = case.expected_partitions_per_batch.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_by_output = Arc::clone(&seen);
    case.one(move |numbers: &DStream<i64>| {
        let repartitioned = numbers.repartition(5);
        repartitioned.foreach_rdd(move |rdd, _| {
            seen_by_output.lock().unwrap().push(rdd.num_partitions());
            Ok(())
        });
        repartitioned
    });
    assert_eq!(*seen.lock().unwrap(), [partitions; 3]);
}

pub(crate) fn group_by_key(case: &Case) {
    case.one(|words: &DStream<String>| ones(words).group_by_key());
}

pub(crate) fn reduce(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.reduce(|a, b| a + b));
}

pub(crate) fn count(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.count());
}

pub(crate) fn count_by_value(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.count_by_value());
}

pub(crate) fn map_values(case: &Case) {
    case.one(|words| counts(words).map_values(|n| n + 10));
}

pub(crate) fn flat_map_values(case: &Case) {
    case.one(|words| counts(words).flat_map_values(|n| [n, n + 10]));
}

pub(crate) fn union_with_a_missing_parent(case: &Case) {
    case.one(|numbers: &DStream<i64>| numbers.union(&numbers.map(|n| n + 4)));
}

pub(crate) fn transform_with_a_missing_parent(case: &Case) {
    case.two(|left: &DStream<String>, right: &DStream<String>| {
        left.transform_with(right, |left, right| left.union(&right))
    });
}

pub(crate) fn transform_of_a_context_with_a_missing_parent(case: &Case) {
    let ssc = case.context();
    let numbers: DStream<i64> = Case::stream(&ssc, &case.input);
    let streams = [numbers.clone(), numbers.map(|n| n + 4), numbers.map(|n| n + 8)];
    let all = ssc.transform(&streams, |rdds, _| rdds[0].union(&rdds[1]).union(&rdds[2]));
    case.run(&ssc, &all);
}

fn crosses(words: &DStream<String>) -> DStream<(String, String)> {
    words.map(|word| (word, "x".to_owned()))
}

pub(crate) fn join(case: &Case) {
    case.two(|left, right| ones::<String>(left).join(&crosses(right)));
}

pub(crate) fn left_outer_join(case: &Case) {
    case.two(|left, right| ones::<String>(left).left_outer_join(&crosses(right)));
}

type Pairs = DStream<(String, i64)>;

pub(crate) fn left_outer_join_of_pairs(case: &Case) {
    case.two(|left: &Pairs, right: &Pairs| left.left_outer_join(right));
}

pub(crate) fn right_outer_join_of_pairs(case: &Case) {
    case.two(|left: &Pairs, right: &Pairs| left.right_outer_join(right));
}

pub(crate) fn full_outer_join_of_pairs(case: &Case) {
    case.two(|left: &Pairs, right: &Pairs| left.full_outer_join(right));
}

/// The ends stand in the case's name: `slice 0..1000`.
pub(crate) fn slice(case: &Case) {
    let (from, to) = case.name.strip_prefix("slice ").unwrap().split_once("..").unwrap();
    let time = |text: &str| BatchTime::from_millis(text.parse().unwrap());
    let ssc = case.context();
    ssc.remember(Duration::from_hours(1));
    let numbers: DStream<i64> = Case::stream(&ssc, &case.input);
    let _all = collect_batches(&numbers);
    run_batches(&ssc, 4).unwrap();
    let rdds = numbers.slice(time(from), time(to)).unwrap();
    let got: Vec<i64> = rdds.iter().flat_map(|rdd| rdd.collect().unwrap()).collect();
    assert_eq!(vec![got], Case::read::<Vec<Vec<i64>>>(&case.expected));
}

pub(crate) fn slice_before_the_start(case: &Case) {
    let ssc = case.context();
    let numbers: DStream<i64> = Case::stream(&ssc, &case.input);
    let error = numbers.slice(BatchTime::from_millis(0), BatchTime::from_millis(1000)).unwrap_err();
    assert!(error.to_string().contains("has not been initialized"), "{error}");
}

/// Python mixes types of keys.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Mixed {
    Text(String),
    Number(i64),
}

pub(crate) fn reduce_by_key_of_mixed_keys(case: &Case) {
    let mixed = |key: &Value| match key {
        Value::String(text) => Mixed::Text(text.clone()),
        number => Mixed::Number(number.as_i64().unwrap()),
    };
    let batches: Vec<Vec<(Value, i64)>> = Case::read(&case.input);
    let batches =
        batches.iter().map(|batch| batch.iter().map(|(key, n)| (mixed(key), *n)).collect()).collect();
    let ssc = case.context();
    let sums = tidemill::testing::input_batches(&ssc, 2, batches).reduce_by_key(|a: i64, b| a + b);
    let collected = collect_batches(&sums);
    let expected: Vec<Vec<(Value, i64)>> = Case::read(&case.expected);
    run_batches(&ssc, expected.len() as u64).unwrap();
    for (got, expected) in collected.batches().iter().zip(&expected) {
        assert_eq!(got.len(), expected.len());
        assert!(expected.iter().all(|(key, n)| got.contains(&(mixed(key), *n))), "{expected:?}");
    }
    assert_eq!(collected.batches().len(), expected.len());
}

pub(crate) fn combine_by_key(case: &Case) {
    case.one(|pairs: &DStream<(i64, i64)>| {
        pairs.combine_by_key(|n| n.to_string(), |text, n| format!("{text}{n}"), |a, b| a + &b)
    });
}

/// Each element of the input is one stream with one batch.
pub(crate) fn transform_of_three_streams(case: &Case) {
    let ssc = case.context();
    let inputs: Vec<Vec<i64>> = Case::read(&case.input);
    let streams: Vec<_> =
        inputs.into_iter().map(|batch| tidemill::testing::input_batches(&ssc, 2, vec![batch])).collect();
    let all = ssc.transform(&streams, |rdds, _| rdds[1].union(&rdds[2]).union(&rdds[0]));
    case.run(&ssc, &all);
}

pub(crate) fn union_of_two_equal_streams(case: &Case) {
    let ssc = case.context();
    let streams: [DStream<i64>; 2] = [Case::stream(&ssc, &case.input), Case::stream(&ssc, &case.input)];
    let all = ssc.union(&streams);
    case.run(&ssc, &all);
}
