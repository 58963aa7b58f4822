//! What a plan that was changed is told at its start.

use std::fmt::Debug;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill::testing::{collect_batches, input_batches, local_with, run_batches};
use tidemill::{Conf, Error, Key, MemoryStorage, Result, StateSpec, Wire};

use super::{conf, input};

/// Runs one batch of a sum under `uid`, in `partitions` partitions.
fn sums(conf: Conf, storage: &MemoryStorage, uid: &str, partitions: Option<u32>) -> Result<Vec<u64>> {
    let ssc = local_with(conf);
    ssc.checkpoint_to(storage.clone());
    let spec = match partitions {
        Some(count) => StateSpec::new().num_partitions(count),
        None => StateSpec::new(),
    };
    let pairs = input_batches(&ssc, 1, vec![input(1)]).map(|(_, value)| ((), value));
    let sums = pairs.map_with_state(spec, |(), value, sum| {
        sum.update(sum.get().copied().unwrap_or(0) + value.unwrap_or(0));
        sum.get().copied().unwrap_or(0)
    });
    let given = collect_batches(&sums.uid(uid));
    run_batches(&ssc, 1)?;
    ssc.stop(false)?;
    Ok(given.batches().remove(0))
}

fn said<T: Debug>(result: Result<T>) -> String {
    match result {
        Err(error @ (Error::Plan(_) | Error::Setting { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn state_under_another_name_is_refused_with_both_names_or_begun_anew_where_that_is_accepted() {
    let storage = MemoryStorage::new();
    let first = sums(conf(), &storage, "sums", None).unwrap();
    let text = said(sums(conf(), &storage, "totals", None));
    assert!(text.contains("`sums`") && text.contains("`totals`") && text.contains(file!()), "{text}");
    assert!(text.contains("tidemill.state.mismatch"), "{text}");
    let accept = conf().set("tidemill.state.mismatch", "accept").unwrap();
    assert_eq!(sums(accept, &storage, "totals", None).unwrap(), first, "it begins anew");
    assert!(sums(conf(), &storage, "totals", None).unwrap() > first, "and goes on");
}

#[test]
fn another_number_of_partitions_is_refused_with_both_numbers() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", Some(7)).unwrap();
    let text = said(sums(conf(), &storage, "sums", Some(4)));
    assert!(text.contains("7 partitions in the checkpoint, and 4 in the plan"), "{text}");
    sums(conf(), &storage, "sums", Some(7)).unwrap();
}

#[test]
fn the_number_that_is_the_default_may_be_said_later_or_not_any_more() {
    // The default is 3.
    let (storage, other) = (MemoryStorage::new(), MemoryStorage::new());
    let first = sums(conf(), &storage, "sums", None).unwrap();
    let second = sums(conf(), &storage, "sums", Some(3)).unwrap();
    assert!(second > first, "it goes on: {second:?}");
    assert_eq!(sums(conf(), &other, "sums", Some(3)).unwrap(), first);
    assert_eq!(sums(conf(), &other, "sums", None).unwrap(), second);
}

#[test]
fn a_state_of_a_newer_version_is_refused_with_both_before_anything_is_written() {
    let storage = MemoryStorage::new();
    let key = |number: u64| number;
    let newer = || StateSpec::new().version(2, |_, _: &[u8]| Ok(0));
    counts(conf(), &storage, newer(), key, unsigned).unwrap();
    for conf in [conf(), accept()] {
        let text = said(counts(conf, &storage, StateSpec::new(), key, unsigned));
        assert!(text.contains("`counts` has version 2 in the checkpoint, and 1 in the plan"), "{text}");
        assert!(text.contains(file!()), "{text}");
    }
    assert_eq!(counts(conf(), &storage, newer(), key, unsigned).unwrap(), ["Some(101)"; 2]);
}

#[test]
fn the_default_of_partitions_is_that_of_the_first_start_and_another_one_is_refused() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", None).unwrap();
    // Another machine has other task slots.
    let slots = Conf::new().master("local[8]").unwrap();
    sums(slots, &storage, "sums", None).unwrap();
    let other = Conf::new().set("tidemill.default.parallelism", "8").unwrap();
    let text = said(sums(other, &storage, "sums", None));
    assert!(text.contains("`tidemill.default.parallelism` is 8, but must be 3"), "{text}");
}

#[test]
fn another_batch_interval_is_refused() {
    let storage = MemoryStorage::new();
    sums(conf(), &storage, "sums", None).unwrap();
    let slower = conf().batch_interval(Duration::from_secs(2)).unwrap();
    let text = said(sums(slower, &storage, "sums", None));
    assert!(text.contains("batch_interval` is 2s, but must be 1s"), "{text}");
}

#[test]
fn a_checkpoint_is_named_once_and_before_the_start() {
    let ssc = local_with(Conf::new());
    ssc.checkpoint_to(MemoryStorage::new());
    ssc.checkpoint("s3://bucket/job");
    ssc.state_backend(tidemill::MemoryState::new());
    ssc.state_backend(tidemill::MemoryState::new());
    input_batches(&ssc, 1, vec![vec![1]]).count().pprint();
    let Err(Error::Plan(mistakes)) = run_batches(&ssc, 1) else { panic!("it has started") };
    let said: Vec<String> = mistakes.iter().map(|mistake| mistake.message.clone()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("`checkpoint directory` is `s3://bucket/job`"), "{said:?}");
    assert!(
        said[1].contains("the checkpoint directory is set already") && said[1].contains(file!()),
        "{said:?}"
    );
    assert!(said[2].contains("the state backend is set already"), "{said:?}");
}

/// Runs one batch that counts the records of each key, under the uid `counts`, with keys and states of any type.
fn counts<K: Key, S: Wire + Debug>(
    conf: Conf,
    storage: &MemoryStorage,
    spec: StateSpec<K, S>,
    key: fn(u64) -> K,
    next: fn(Option<&S>) -> S,
) -> Result<Vec<String>> {
    let ssc = local_with(conf);
    ssc.checkpoint_to(storage.clone());
    let pairs = input_batches(&ssc, 1, vec![vec![1, 2]]).map(move |number| (key(number), ()));
    let counts = pairs.map_with_state(spec, move |_, _, count| {
        count.update(next(count.get()));
        format!("{:?}", count.get())
    });
    let given = collect_batches(&counts.uid("counts"));
    run_batches(&ssc, 1)?;
    ssc.stop(false)?;
    Ok(given.batches().remove(0))
}

fn unsigned(before: Option<&u64>) -> u64 {
    before.map_or(100, |count| count + 1)
}

fn signed(before: Option<&i64>) -> i64 {
    before.map_or(-100, |count| count + 1)
}

/// As `u64` in another dress: it is written in the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Count(u64);

fn accept() -> Conf {
    conf().set("tidemill.state.mismatch", "accept").unwrap()
}

#[test]
fn a_state_of_another_type_is_refused_with_both_names_until_it_is_said_how_the_older_ones_are_read() {
    let storage = MemoryStorage::new();
    let key = |number: u64| number;
    counts(conf(), &storage, StateSpec::new(), key, unsigned).unwrap();
    let text = said(counts(conf(), &storage, StateSpec::new(), key, signed));
    assert!(text.contains("`counts`") && text.contains("`u64`") && text.contains("`i64`"), "{text}");
    assert!(text.contains("StateSpec::version") && text.contains(file!()), "{text}");

    let read = |_, mut bytes: &[u8]| Ok(i64::try_from(u64::decode(&mut bytes)?)?);
    let upgraded = || StateSpec::new().version(2, read);
    assert_eq!(counts(conf(), &storage, upgraded(), key, signed).unwrap(), ["Some(101)"; 2]);
    assert_eq!(counts(conf(), &storage, upgraded(), key, signed).unwrap(), ["Some(102)"; 2]);
    let other = StateSpec::new().version(2, |_, _: &[u8]| Ok(0));
    let text = said(counts(conf(), &storage, other, key, unsigned));
    assert!(text.contains("`i64`") && text.contains("`u64`"), "{text}");
}

#[test]
fn a_type_that_was_only_renamed_goes_on_once_that_is_accepted() {
    let storage = MemoryStorage::new();
    let next = |before: Option<&Count>| Count(before.map_or(0, |count| count.0 + 1));
    counts(conf(), &storage, StateSpec::new(), |number| number, unsigned).unwrap();
    let text = said(counts(conf(), &storage, StateSpec::new(), Some, next));
    assert!(text.contains("`Option<u64>`"), "{text}");
    let renamed = |conf| counts(conf, &storage, StateSpec::new(), |number| number, next);
    let text = said(renamed(conf()));
    assert!(text.contains("`Count`") && text.contains("tidemill.state.mismatch"), "{text}");
    assert_eq!(renamed(accept()).unwrap(), ["Some(Count(101))"; 2]);
    assert_eq!(renamed(conf()).unwrap(), ["Some(Count(102))"; 2], "for one start is enough");
}

#[test]
fn a_key_of_another_type_is_refused_with_both_names_whatever_the_version_is() {
    let storage = MemoryStorage::new();
    counts(conf(), &storage, StateSpec::new(), |number| number.to_string(), unsigned).unwrap();
    let raised = StateSpec::new().version(2, |_, mut bytes: &[u8]| Ok(u64::decode(&mut bytes)?));
    for spec in [StateSpec::new(), raised] {
        let text = said(counts(conf(), &storage, spec, |number| number, unsigned));
        assert!(text.contains("keys of `counts`") && text.contains("cannot change"), "{text}");
        assert!(text.contains("`String`") && text.contains("`u64`") && text.contains(file!()), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_operator_and_what_to_do() {
    let storage = MemoryStorage::new();
    counts(conf(), &storage, StateSpec::new(), |number| number, unsigned).unwrap();
    let text = |before: Option<&String>| before.cloned().unwrap_or_default();
    let error = counts(accept(), &storage, StateSpec::new(), |number| number, text).unwrap_err().to_string();
    assert!(error.contains("`counts` of map_with_state") && error.contains(file!()), "{error}");
    assert!(error.contains("StateSpec::version") && error.contains("another uid"), "{error}");
}

#[test]
fn a_window_of_other_types_is_refused_with_both_names() {
    fn run<T: Key + Default>(storage: &MemoryStorage, by_key: bool) -> Result<()> {
        let ssc = local_with(conf());
        ssc.checkpoint_to(storage.clone());
        let values = input_batches(&ssc, 1, vec![vec![()]]).map(|()| T::default());
        let length = Duration::from_secs(3);
        if by_key {
            values.count_by_value_and_window(length, None).uid("window").count().pprint();
        } else {
            values.window(length, None).uid("window").count().pprint();
        }
        run_batches(&ssc, 1)?;
        ssc.stop(false)
    }
    for by_key in [false, true] {
        let storage = MemoryStorage::new();
        run::<u64>(&storage, by_key).unwrap();
        let text = said(run::<String>(&storage, by_key));
        assert!(text.contains("`window`") && text.contains("`u64`") && text.contains("`String`"), "{text}");
        run::<u64>(&storage, by_key).unwrap();
    }
}

#[test]
fn a_window_that_cannot_be_read_is_named_with_its_operator_and_what_to_do() {
    fn run<T: Key>(conf: Conf, storage: &MemoryStorage, by_key: bool, value: T) -> Result<()> {
        let ssc = local_with(conf);
        ssc.checkpoint_to(storage.clone());
        let values = input_batches(&ssc, 1, vec![vec![value]]);
        let length = Duration::from_secs(3);
        if by_key {
            values.count_by_value_and_window(length, None).uid("recent").count().pprint();
        } else {
            values.window(length, None).uid("recent").count().pprint();
        }
        run_batches(&ssc, 1)?;
        ssc.stop(false)
    }
    for by_key in [false, true] {
        let storage = MemoryStorage::new();
        run(conf(), &storage, by_key, 200u64).unwrap();
        let text = run(accept(), &storage, by_key, "text".to_string()).unwrap_err().chain();
        let operator = if by_key { "count_by_value_and_window" } else { "window" };
        assert!(text.contains(&format!("the window `recent` of {operator} (")), "{text}");
        assert!(text.contains(file!()) && text.contains("another window under another uid"), "{text}");
    }
}
