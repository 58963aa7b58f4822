//! The tables of a partition, as a batch and its view see them, beside a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::states::States;
use super::super::view::StatesOf;
use crate::data::KeyGroup;
use crate::state::Codec;
use crate::state::typed::{Change, Due, Overlay, Part};

/// What a batch does to a key that it names.
#[derive(Clone, Copy, Debug)]
enum Step {
    Look,
    Put(u32),
    Remove,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![Just(Step::Look), any::<u32>().prop_map(Step::Put), Just(Step::Remove)]
}

/// Few keys that are named, among many that are not: some of those a walk changes.
fn batch() -> impl Strategy<Value = (Vec<(u16, Step)>, Option<u16>)> {
    (prop::collection::vec((0u16..900, step()), 0..60), prop::option::of(1u16..50))
}

/// Two tables are enough for all that concerns more than one, and so each has runs of keys that nothing happens to.
fn group_of(key: u16) -> KeyGroup {
    KeyGroup::from_index((key % 2) as u8).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_and_the_commit_behind_it_are_what_a_plain_map_has(
        batches in prop::collection::vec(batch(), 1..6),
        with_due in any::<bool>(),
    ) {
        let (mut part, codec, mut model) = (Part::<u16, u32>::new(0..2, 10), Codec::default(), BTreeMap::new());
        for key in 0..600u16 {
            part.group_mut(group_of(key).index()).unwrap().put(key, key.into(), Due::NEVER);
            model.insert(key, u32::from(key));
        }
        let due = if with_due { Due::at(5) } else { Due::NEVER };
        for (turn, (steps, every)) in (0..).zip(batches) {
            let mut overlay = Overlay::default();
            overlay.begin(turn);
            let mut states = States::new(&part, &codec, None, overlay);
            for (key, step) in &steps {
                let slot = states.find(group_of(*key), key).unwrap();
                prop_assert_eq!(states.get(slot), model.get(key));
                match step {
                    Step::Look => {}
                    Step::Put(state) => {
                        states.put(slot, *state, due);
                        model.insert(*key, *state);
                    }
                    Step::Remove => {
                        states.remove(slot);
                        model.remove(key);
                    }
                }
            }
            let mut walked = BTreeMap::new();
            states
                .walk_untouched(|key, state, _| {
                    assert!(walked.insert(*key, *state).is_none(), "{key} was walked over twice");
                    Ok(match every {
                        Some(every) if key % every == 0 => Change::Removed,
                        Some(every) if key % every == 1 => Change::Put(state ^ 1, Due::NEVER),
                        _ => Change::Nothing,
                    })
                })
                .unwrap();
            let named = |key: &u16| steps.iter().any(|(of, _)| of == key);
            let untouched: BTreeMap<u16, u32> =
                model.iter().filter(|(key, _)| !named(key)).map(|(key, state)| (*key, *state)).collect();
            prop_assert_eq!(&walked, &untouched);
            for key in untouched.keys() {
                match every {
                    Some(every) if key % every == 0 => drop(model.remove(key)),
                    Some(every) if key % every == 1 => *model.get_mut(key).unwrap() ^= 1,
                    _ => {}
                }
            }
            let changed = Arc::new(states.finish(None).unwrap());
            let view = || StatesOf {
                part: part.clone(),
                changed: Some(Arc::clone(&changed)),
                store: None,
                codec: codec.clone(),
            };
            prop_assert_eq!(view().read().count_rest().unwrap(), model.len() as u64);
            let (mut chunks, mut seen) = (view().read(), Vec::new());
            while let Some(chunk) = chunks.next().unwrap() {
                chunk.append_to(&mut seen);
            }
            prop_assert_eq!(seen.len(), model.len());
            prop_assert_eq!(&seen.into_iter().collect::<BTreeMap<_, _>>(), &model);
            drop(chunks);
            part.take_in(&mut Arc::unwrap_or_clone(changed).overlay);
            let committed = part.groups().flat_map(|(_, table)| table.pairs().to_vec());
            prop_assert_eq!(&committed.collect::<BTreeMap<_, _>>(), &model);
            for (key, state) in &model {
                prop_assert_eq!(part.group(group_of(*key).index()).unwrap().get(key), Some(state));
            }
        }
    }
}
