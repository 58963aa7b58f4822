//! `deduplicate` against a model that keeps every record: on several members, with tries that fail.

mod behind;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tidemill::testing::{collect_batches, input_batches, local, members, run_batches};
use tidemill::{MemoryStorage, StreamingContext};

use self::behind::Behind;

/// A key and a number.
type Record = (u8, u32);

fn model(batches: &[Vec<Record>], horizon: u64) -> Vec<Vec<Record>> {
    // Of each key, when it was last passed on.
    let mut passed: BTreeMap<u8, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for (time, batch) in (1..).map(|batch| batch * 1000).zip(batches) {
        let mut given = Vec::new();
        for (key, number) in batch {
            if passed.get(key).is_none_or(|before| before + horizon <= time) {
                passed.insert(*key, time);
                given.push((*key, *number));
            }
        }
        given.sort_unstable();
        all.push(given);
    }
    all
}

fn job(ssc: &StreamingContext, batches: &[Vec<Record>], horizon: u64, fails: &[u32]) -> Vec<Vec<Record>> {
    let (calls, fails) = (Arc::new(AtomicU32::new(0)), fails.to_vec());
    let records = input_batches(ssc, 1, batches.to_vec());
    let once = records.deduplicate_into(3, Duration::from_millis(horizon), |(key, _)| *key);
    let behind = once.map(move |record| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        assert!(!fails.contains(&call), "a try that fails on purpose");
        record
    });
    let given = collect_batches(&behind);
    run_batches(ssc, batches.len() as u64).unwrap();
    ssc.stop(true).unwrap();
    let mut given = given.batches();
    given.iter_mut().for_each(|batch| batch.sort_unstable());
    given
}

fn batches() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let batch = prop::collection::vec(0_u8..6, 0..8);
    prop::collection::vec(batch, 1..10).prop_map(|batches| {
        let mut numbers = 0..;
        let mut numbered = |key| (key, numbers.next().unwrap());
        batches.into_iter().map(|batch| batch.into_iter().map(&mut numbered).collect()).collect()
    })
}

#[test]
fn keys_are_forgotten_behind_the_horizon() {
    let ssc = local(2);
    let records = input_batches(&ssc, 1, (0..6_u8).map(|key| vec![key]).collect());
    let once = collect_batches(&records.deduplicate(Duration::from_secs(2), |key| *key).uid("once"));
    run_batches(&ssc, 6).unwrap();
    assert_eq!(once.batches().concat(), [0, 1, 2, 3, 4, 5]);
    let kept = ssc.state::<u8, ()>("once").unwrap().scan().unwrap();
    assert_eq!(kept.map(|keys| keys.unwrap().len()).sum::<usize>(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_of_each_key_within_the_horizon_is_passed_on(
        batches in batches(), horizon in 1_u64..5000, fails in prop::collection::vec(0_u32..10, 0..3),
    ) {
        prop_assert_eq!(job(&local(2), &batches, horizon, &fails), model(&batches, horizon));
    }

    #[test]
    fn any_number_of_members_gives_the_same(batches in batches(), horizon in 1_u64..5000, count in 2_u32..4) {
        let (expected, of_members) = (model(&batches, horizon), batches);
        for given in members(count, 2, move |ssc| job(ssc, &of_members, horizon, &[])) {
            prop_assert_eq!(&given, &expected);
        }
    }

    #[test]
    fn so_do_keys_in_a_store_also_after_a_restart(
        batches in batches(), horizon in 1_u64..5000, first in 1_usize..10, fails in prop::collection::vec(0_u32..10, 0..3),
    ) {
        let (expected, storage) = (model(&batches, horizon), MemoryStorage::new());
        let mut given = Vec::new();
        for batches in batches.chunks(first) {
            let ssc = local(2);
            ssc.checkpoint_to(storage.clone());
            ssc.state_backend(Behind::default());
            given.extend(job(&ssc, batches, horizon, &fails));
        }
        prop_assert_eq!(given, expected);
    }
}
