//! Jobs with their states on RocksDB give what they give in memory, also over restarts.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use tidemill::testing::{collect_batches, input_batches, local, run_batches};
use tidemill::{EventTime, MemoryStorage, Result, StateSpec, StreamingContext, WatermarkSpec};
use tidemill_state_rocksdb::{RocksDbState, RocksDbStorage};

/// What comes in a batch: keys and numbers.
type Records = Vec<(u8, u64)>;

/// What a batch gives: of the keys that came or were silent for too long, and of all keys.
type Given = (Vec<(u8, Option<u64>, u64)>, Vec<(u8, u64)>);

/// Runs the job with these batches to a graceful stop.
fn run(ssc: &StreamingContext, batches: &[Records]) -> Result<Vec<Given>> {
    let records = input_batches(ssc, 3, batches.to_vec());
    let spec = StateSpec::new().timeout(Duration::from_secs(3));
    let touched = collect_batches(&records.map_with_state(spec, |key, value, sum| {
        let now = sum.get().unwrap_or(&0) + value.unwrap_or(0);
        if value == Some(0) {
            sum.remove();
        } else if value.is_some() {
            sum.update(now);
        }
        (*key, value, now)
    }));
    let all = collect_batches(&records.update_state_by_key(|new, sum: Option<u64>| {
        let (new, sum) = (new.collect::<Vec<_>>(), sum.unwrap_or(0));
        // A zero forgets the key.
        (!new.contains(&0)).then(|| sum + new.iter().sum::<u64>())
    }));
    run_batches(ssc, batches.len() as u64)?;
    ssc.stop(true)?;
    let (mut touched, mut all) = (touched.batches(), all.batches());
    touched.iter_mut().for_each(|batch| batch.sort_unstable());
    all.iter_mut().for_each(|batch| batch.sort_unstable());
    Ok(touched.into_iter().zip(all).collect())
}

/// Sessions, what is too late for them, and the first record of each key, as texts.
fn run_windows(ssc: &StreamingContext, batches: &[Records]) -> Result<Vec<Vec<String>>> {
    let records = input_batches(ssc, 3, batches.to_vec());
    let sessions = records
        .event_time(WatermarkSpec::new(), |(_, number)| EventTime::from_millis(number * 700))
        .session_windows(Duration::from_secs(1))
        .reduce_by_key(|a, b| a + b);
    let late = sessions.late().map(|record| format!("late: {record:?}"));
    let first = records.deduplicate(Duration::from_secs(2), |(key, _)| *key);
    let all = late.union(&first.map(|record| format!("first: {record:?}")));
    let given = collect_batches(&all.union(&sessions.map(|session| format!("session: {session:?}"))));
    run_batches(ssc, batches.len() as u64)?;
    ssc.stop(true)?;
    let mut given = given.batches();
    given.iter_mut().for_each(|batch| batch.sort_unstable());
    Ok(given)
}

/// The same in several runs, each of which goes on where the one before stopped.
fn run_in_parts<T>(
    folder: &Path,
    ledger_too: bool,
    parts: &[Vec<Records>],
    run: fn(&StreamingContext, &[Records]) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let memory = MemoryStorage::new();
    let mut given = Vec::new();
    for batches in parts {
        let ssc = local(2);
        if ledger_too {
            ssc.checkpoint_to(RocksDbStorage::open(folder.join("ledger"))?);
        } else {
            ssc.checkpoint_to(memory.clone());
        }
        ssc.state_backend(RocksDbState::new(folder.join("state")).memory(2 << 20));
        given.extend(run(&ssc, batches)?);
    }
    Ok(given)
}

fn parts() -> impl Strategy<Value = Vec<Vec<Records>>> {
    let records = prop::collection::vec((0..12_u8, 0..6_u64), 0..20);
    prop::collection::vec(prop::collection::vec(records, 1..5), 1..4)
}

/// Numbers rise from batch to batch, so that event time goes on.
fn rising_parts() -> impl Strategy<Value = Vec<Vec<Records>>> {
    parts().prop_map(|mut parts| {
        for (number, records) in (0..).zip(parts.iter_mut().flatten()) {
            records.iter_mut().for_each(|(_, value)| *value += 2 * number);
        }
        parts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_job_on_rocksdb_gives_what_it_gives_in_memory(parts in parts(), ledger_too: bool) {
        let folder = tempfile::tempdir().unwrap();
        let on_rocksdb = run_in_parts(folder.path(), ledger_too, &parts, run).unwrap();
        let in_memory = run(&local(2), &parts.concat()).unwrap();
        prop_assert_eq!(on_rocksdb, in_memory);
    }

    #[test]
    fn so_do_event_time_windows_and_deduplicate(parts in rising_parts(), ledger_too: bool) {
        let folder = tempfile::tempdir().unwrap();
        let on_rocksdb = run_in_parts(folder.path(), ledger_too, &parts, run_windows).unwrap();
        let in_memory = run_windows(&local(2), &parts.concat()).unwrap();
        prop_assert_eq!(on_rocksdb, in_memory);
    }
}

#[test]
fn a_job_whose_state_folder_is_gone_goes_on_from_its_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let storage = MemoryStorage::new();
    let batches: Vec<Records> = (0..12).map(|batch| (0..40).map(|key| (key, 1 + batch)).collect()).collect();
    let mut given = Vec::new();
    for part in batches.chunks(4) {
        let ssc = local(2);
        ssc.checkpoint_to(storage.clone());
        ssc.state_backend(RocksDbState::new(folder.path()));
        given.extend(run(&ssc, part).unwrap());
        drop(ssc);
        std::fs::remove_dir_all(folder.path()).unwrap();
    }

    assert_eq!(given, run(&local(2), &batches).unwrap());
}
