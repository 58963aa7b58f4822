//! A job that ends and starts again gives what one that ran on gives: each operator that remembers something, on one to
//! three members, also another number of them after each start.

#[path = "restart/stored.rs"]
mod stored;
#[path = "restart/upgrades.rs"]
mod upgrades;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::testing::{collect_batches, input_batches, local_with, members_with, run_batches};
use tidemill::{
    Conf, DStream, EventTime, FileStorage, MemoryStorage, State, StateSpec, Storage, StreamingContext,
    WatermarkSpec,
};

type Pairs = DStream<(String, u64)>;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Each operator that remembers something, as texts.
fn operators() -> Vec<(&'static str, fn(&Pairs) -> DStream<String>)> {
    vec![
        ("map_with_state", |pairs| {
            let sums = pairs.map_with_state(StateSpec::new(), |key, value, sum| {
                sum.update(sum.get().copied().unwrap_or(0) + value.unwrap_or(0));
                format!("{key} {:?}", sum.get())
            });
            sums.map(|sum| sum)
        }),
        ("map_with_state and timeouts", |pairs| {
            let spec = StateSpec::new().timeout(seconds(2));
            let counts = pairs.map_with_state(spec, |key, value, count: &mut State<u64>| {
                if count.is_timing_out() {
                    return format!("{key} has gone at {:?}", count.get());
                }
                count.update(count.get().copied().unwrap_or(0) + 1);
                format!("{key} {value:?} {:?}", count.get())
            });
            counts.map(|text| text)
        }),
        ("state_snapshots", |pairs| {
            let sums = pairs.map_with_state(StateSpec::new().num_partitions(5), |_, value, sum| {
                sum.update(sum.get().copied().unwrap_or(0) + value.unwrap_or(0));
            });
            sums.state_snapshots().map(|pair| format!("{pair:?}"))
        }),
        ("update_state_by_key", |pairs| {
            let sums = pairs.update_state_by_key(|values, sum: Option<u64>| {
                let sum = sum.unwrap_or(0) + values.sum::<u64>();
                (sum < 40).then_some(sum)
            });
            sums.map(|pair| format!("{pair:?}"))
        }),
        ("deduplicate", |pairs| {
            pairs.deduplicate(seconds(3), |(key, _)| key.clone()).map(|pair| format!("{pair:?}"))
        }),
        ("window", |pairs| pairs.window(seconds(3), seconds(2)).map(|pair| format!("{pair:?}"))),
        ("reduce_by_key_and_window", |pairs| {
            let sums = pairs.reduce_by_key_and_window(seconds(4), None, |a, b| a + b);
            sums.map(|pair| format!("{pair:?}"))
        }),
        ("group_by_key_and_window", |pairs| {
            let groups = pairs.group_by_key_and_window(seconds(3), None);
            groups.map(|(key, mut values)| {
                values.sort_unstable();
                format!("{key} {values:?}")
            })
        }),
        ("count_by_window", |pairs| {
            pairs.count_by_window(seconds(3), seconds(1)).map(|count| count.to_string())
        }),
        ("count_by_value_and_window", |pairs| {
            pairs.count_by_value_and_window(seconds(3), None).map(|pair| format!("{pair:?}"))
        }),
        ("reduce_by_window", |pairs| {
            let sums = pairs.map(|(_, value)| value).reduce_by_window(seconds(5), seconds(1), |a, b| a + b);
            sums.map(|sum| sum.to_string())
        }),
        ("session_windows", |pairs| {
            let timed =
                pairs.event_time(WatermarkSpec::new(), |(_, value)| EventTime::from_millis(value * 700));
            let sessions = timed.session_windows(seconds(2)).reduce_by_key(|a, b| a + b);
            sessions.map(|session| format!("{session:?}"))
        }),
    ]
}

/// What comes in with the batch of a second.
fn input(second: u64) -> Vec<(String, u64)> {
    (0..6).map(|n| (format!("key-{}", (second * 5 + n * n) % 9), second + n)).collect()
}

fn draw(
    ssc: &StreamingContext,
    batches: std::ops::Range<u64>,
    operator: fn(&Pairs) -> DStream<String>,
) -> tidemill::testing::Collected<String> {
    let pairs = input_batches(ssc, 3, batches.map(|batch| input(batch + 1)).collect());
    collect_batches(&operator(&pairs))
}

fn conf() -> Conf {
    Conf::new().set("tidemill.default.parallelism", "3").unwrap()
}

/// The batches of one run, each sorted, with its time.
type Given = Vec<(u64, Vec<String>)>;

/// One run to a clean end.
fn run(
    storage: &Arc<dyn Storage>,
    members: u32,
    batches: std::ops::Range<u64>,
    operator: fn(&Pairs) -> DStream<String>,
) -> Given {
    let storage = Arc::clone(storage);
    let all = members_with(conf(), members, 2, move |ssc| {
        ssc.checkpoint_to(Arc::clone(&storage));
        let given = draw(ssc, batches.clone(), operator);
        run_batches(ssc, batches.end - batches.start).unwrap();
        ssc.stop(false).unwrap();
        let sorted = given.batches().into_iter().map(|mut batch| {
            batch.sort();
            batch
        });
        given.times().into_iter().map(tidemill::BatchTime::as_millis).zip(sorted).collect::<Given>()
    });
    all.into_iter().next().unwrap()
}

#[test]
fn windows_find_their_keys_again_in_another_number_of_partitions() {
    fn sums<const PARTITIONS: usize>(pairs: &Pairs) -> DStream<String> {
        let sums = pairs.reduce_by_key_and_window_into(PARTITIONS, seconds(4), None, |a, b| a + b);
        sums.uid("sums").map(|pair| format!("{pair:?}"))
    }
    let (storage, whole) = (memory(), run(&memory(), 1, 0..12, sums::<3>));
    let mut given = run(&storage, 1, 0..4, sums::<2>);
    given.extend(run(&storage, 2, 4..7, sums::<5>));
    given.extend(run(&storage, 1, 7..12, sums::<3>));
    assert_eq!(given, whole);
}

#[test]
fn a_window_that_fails_behind_a_restart_loses_nothing_of_before() {
    let (storage, fails) = (memory(), Arc::new(AtomicBool::new(false)));
    let run = |batches: u64| {
        let conf = Conf::new().set("tidemill.batch.on_failure", "skip").unwrap();
        // No task is tried again.
        let ssc = local_with(conf.set("tidemill.task.max_failures", "1").unwrap());
        ssc.checkpoint_to(Arc::clone(&storage));
        let ones = input_batches(&ssc, 1, (0..batches).map(|_| vec![((), 1_u64)]).collect());
        let fails = Arc::clone(&fails);
        let sums = ones.reduce_by_key_and_window_into(1, seconds(8), seconds(4), move |a, b| {
            assert!(!fails.swap(false, Ordering::Relaxed), "low water");
            a + b
        });
        let given = collect_batches(&sums.uid("sums").values());
        run_batches(&ssc, batches).unwrap();
        ssc.stop(false).unwrap();
        given.batches()
    };
    run(3);
    fails.store(true, Ordering::Relaxed);
    // The first batch of the second run fails where it takes in what was read back, and is skipped.
    assert_eq!(run(5).last(), Some(&vec![7]));
}

fn folder() -> (tempfile::TempDir, Arc<dyn Storage>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(FileStorage::new(folder.path()).unwrap());
    (folder, storage)
}

fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[test]
fn a_job_that_starts_again_gives_what_one_that_ran_on_gives() {
    for (name, operator) in operators() {
        let whole = run(&memory(), 1, 0..12, operator);
        assert!(whole.iter().any(|(_, batch)| !batch.is_empty()), "{name} gave nothing");
        for members in [[1, 1, 1], [2, 2, 2], [1, 3, 2]] {
            let (_folder, storage) = folder();
            let mut given = Given::new();
            for (members, batches) in members.into_iter().zip([0..4, 4..7, 7..12]) {
                given.extend(run(&storage, members, batches, operator));
            }
            assert_eq!(given, whole, "{name} on {members:?} members");
        }
    }
}

#[test]
fn a_restart_behind_bases_and_manifests_gives_the_same_too() {
    for (name, operator) in operators() {
        let storage = memory();
        let mut given = run(&storage, 1, 0..150, operator);
        // The commit of the first batch: only bases make it superfluous.
        let first = storage.get("ledger/00000000000000000002", None).unwrap();
        assert!(first.is_none(), "{name} has no bases");
        given.extend(run(&storage, 2, 150..154, operator));
        assert_eq!(given, run(&memory(), 1, 0..154, operator), "{name}");
    }
}
