//! `update_state_by_key` against a plain map, and what is written down of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::super::super::DStream;
use super::super::reader::{Query, StateReader};
use super::{Behind, Records, Then, Written, batches, millis, start};
use crate::state::{MemoryState, StateBackend, StateSpec};
use crate::storage::{MemoryStorage, Storage};

/// A sum that goes where nothing came for its key and it is a multiple of three.
fn next_sum(new: impl Iterator<Item = i64>, before: Option<i64>) -> Option<i64> {
    let new: Vec<i64> = new.collect();
    let sum = before.unwrap_or(0) + new.iter().sum::<i64>();
    (!new.is_empty() || sum % 3 != 0).then_some(sum)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn update_state_by_key_is_a_plain_map_in_all_its_forms(
        batches in batches(),
        partitions in 1_u32..6,
        at_once: bool,
        behind: bool,
    ) {
        let spec = StateSpec::<u8, i64>::new().num_partitions(partitions).initial_state([(1, 100), (200, 6)]);
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let backend: Arc<dyn StateBackend> =
            if behind { Arc::new(Behind(MemoryState::new())) } else { Arc::new(MemoryState::new()) };
        let inputs: Vec<Option<Records>> = batches.iter().map(|(batch, _)| batch.clone()).collect();
        let trip = Arc::new(AtomicBool::new(false));
        let draw = |pairs: &DStream<(u8, i64)>| {
            let (spec, trip) = (spec.clone(), Arc::clone(&trip));
            let fail = move |value: &i64| {
                assert!(*value != 13 || !trip.swap(false, Ordering::Relaxed), "the first try fails");
            };
            let states = if at_once {
                pairs.update_state_by_key_iter(spec, move |known| {
                    let fail = fail.clone();
                    known.filter_map(move |(key, new, state)| {
                        Some((key, next_sum(new.into_iter().inspect(&fail), state)?))
                    })
                })
            } else {
                pairs.update_state_by_key_with(spec, move |new, state| next_sum(new.inspect(&fail), state))
            };
            (states.clone(), states)
        };
        let mut written = Written::default();
        let mut run = start(&inputs, &backend, &storage, &written, draw).unwrap();
        let mut model = BTreeMap::from([(1, 100), (200, 6)]);
        for (number, (batch, then)) in (1..).zip(batches) {
            let time = millis(number);
            trip.store(true, Ordering::Relaxed);
            let batch = batch.unwrap_or_default();
            let keys: std::collections::BTreeSet<u8> =
                batch.iter().map(|(key, _)| *key).chain(model.keys().copied()).collect();
            for key in keys {
                let new = batch.iter().filter(|(of, _)| *of == key).map(|(_, value)| *value);
                match next_sum(new, model.get(&key).copied()) {
                    Some(sum) => drop(model.insert(key, sum)),
                    None => drop(model.remove(&key)),
                }
            }
            let (_, states) = run.run(time).unwrap();
            prop_assert_eq!(&states, &model.iter().map(|(key, sum)| (*key, *sum)).collect::<Records>());
            run.commit(time, &mut written);
            if let Then::Restart = then {
                run = start(&inputs, &backend, &storage, &written, draw).unwrap();
            }
        }
    }
}

fn summed(pairs: &DStream<(u8, i64)>) -> (DStream<(u8, i64)>, DStream<(u8, i64)>) {
    let states = pairs.update_state_by_key(|new, sum: Option<i64>| Some(sum.unwrap_or(0) + new.sum::<i64>()));
    (states.clone(), states)
}

#[test]
fn only_what_has_changed_is_written_down() {
    let (backend, storage): (Arc<dyn StateBackend>, Arc<dyn Storage>) =
        (Arc::new(MemoryState::new()), Arc::new(MemoryStorage::new()));
    let inputs = [Some((0..100).map(|key| (key, 1)).collect()), Some(vec![(7, 1), (8, 0)]), None];
    let mut written = Written::default();
    let run = start(&inputs, &backend, &storage, &written, summed).unwrap();
    for number in 1..=3 {
        run.run(millis(number)).unwrap();
        run.commit(millis(number), &mut written);
    }
    let changes = |index: usize| written.changes(index).len();
    assert_eq!([changes(0), changes(1), changes(2)], [100, 1, 0]);
}

#[test]
fn a_function_of_all_keys_deletes_what_it_leaves_out_and_writes_only_what_it_changes_or_makes_up() {
    let (backend, storage): (Arc<dyn StateBackend>, Arc<dyn Storage>) =
        (Arc::new(MemoryState::new()), Arc::new(MemoryStorage::new()));
    let inputs = [Some(vec![(1, 10), (2, 20), (3, 30), (4, 40)]), Some(vec![(2, 1), (4, 0), (9, 0)])];
    // One partition, so that any key may be made up.
    let draw = |pairs: &DStream<(u8, i64)>| {
        let states = pairs.update_state_by_key_iter(StateSpec::new().num_partitions(1), |known| {
            let kept = known.filter_map(|(key, new, sum)| match (key, sum) {
                (3, Some(_)) | (9, None) => None,
                (1, Some(sum)) if sum != 10 => panic!("the state of the batch before"),
                _ => Some((key, sum.unwrap_or(0) + new.into_iter().sum::<i64>())),
            });
            let kept: Vec<_> = kept.collect();
            let made_up = kept.iter().any(|(_, sum)| *sum == 21).then_some((7, 70));
            kept.into_iter().chain(made_up).collect::<Vec<_>>()
        });
        (states.clone(), states)
    };
    let mut written = Written::default();
    let run = start(&inputs, &backend, &storage, &written, draw).unwrap();
    run.run(millis(1)).unwrap();
    run.commit(millis(1), &mut written);
    assert_eq!(written.changes(0), [(1, Some(10)), (2, Some(20)), (3, Some(30)), (4, Some(40))]);

    let (_, states) = run.run(millis(2)).unwrap();
    run.commit(millis(2), &mut written);

    // 1 and 4 are as they were, and of 9 there was never a state.
    assert_eq!(written.changes(1), [(2, Some(21)), (3, None), (7, Some(70))]);
    assert_eq!(states, [(1, 10), (2, 21), (4, 40), (7, 70)]);
    let again = start(&[], &backend, &storage, &written, draw).unwrap();
    let query = again.keeper.query().unwrap().downcast::<Query>().unwrap();
    let reader = query.reader.downcast_ref::<StateReader<u8, i64>>().unwrap();
    let (_, found) = reader.get(&[1, 2, 3, 4, 7, 9]).unwrap();
    assert_eq!(found, [Some(10), Some(21), None, Some(40), Some(70), None]);
}
