//! Panes combine to what all of them together combine to, in the order of time, at an even cost.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;

use super::*;

/// Keeps panes as they are.
#[derive(Default)]
struct Held;

impl<V> Shelf<V> for Held {
    type Place = Pane<V>;

    fn put(&mut self, pane: Pane<V>) -> Pane<V> {
        pane
    }

    fn take(&mut self, place: &mut Pane<V>) -> Result<Pane<V>> {
        Ok(std::mem::take(place))
    }
}

fn at(end: u64) -> BatchTime {
    BatchTime::from_millis(end)
}

fn pane(entries: &BTreeMap<u32, String>) -> Pane<String> {
    Pane {
        numbers: entries.keys().copied().collect(),
        values: entries.values().map(|value| Some(value.clone())).collect(),
    }
}

fn combined<S: Shelf<String>>(panes: &Panes<String, S>, numbers: u32) -> BTreeMap<u32, String> {
    let of = |number: u32| -> Option<String> {
        let parts = panes.parts().into_iter().filter_map(|part| part[number as usize].clone());
        parts.reduce(|a, b| a + &b)
    };
    (0..numbers).filter_map(|number| Some((number, of(number)?))).collect()
}

const NUMBERS: u32 = 6;

/// How far each pane is behind the one before, and what is in it, by number.
fn windows() -> impl Strategy<Value = Vec<(u64, BTreeMap<u32, String>)>> {
    let entries = prop::collection::btree_map(0..NUMBERS, "[a-z]", 0..4);
    let gap = prop_oneof![6 => Just(1u64), 1 => 2..30u64];
    prop::collection::vec((gap, entries), 0..60)
}

proptest! {
    #[test]
    fn panes_combine_in_the_order_of_time_whatever_fails_between(
        panes in windows(),
        length in 1u64..20,
        full in 0usize..20,
        failing in prop::collection::vec(1u32..12, 0..40),
    ) {
        let mut all: Panes<String, Held> = Panes::new(full, Held);
        all.grow(NUMBERS as usize);
        let mut kept: Vec<(u64, BTreeMap<u32, String>)> = Vec::new();
        let mut held = [0i64; NUMBERS as usize];
        // Calls of the function until it fails, again and again.
        let failing = RefCell::new(failing.into_iter());
        let left = Cell::new(failing.borrow_mut().next());
        let f = |a: String, b: String| {
            match left.get() {
                Some(1) => {
                    left.set(failing.borrow_mut().next());
                    std::panic::resume_unwind(Box::new("fails once"));
                }
                other => left.set(other.map(|left| left - 1)),
            }
            a + &b
        };
        let mut now = 0;
        for (gap, entries) in panes {
            now += gap;
            let until = at(now.saturating_sub(length));
            let mut pushed = false;
            loop {
                let tried = catch_unwind(AssertUnwindSafe(|| {
                    all.settle(&f).unwrap();
                    all.leave(until, &f, &mut |number| held[number as usize] -= 1).unwrap();
                    if !std::mem::replace(&mut pushed, true) {
                        all.push(at(now), pane(&entries), &f).unwrap();
                    }
                }));
                if tried.is_ok() {
                    break;
                }
            }
            entries.keys().for_each(|number| held[*number as usize] += 1);
            kept.push((now, entries));
            kept.retain(|(end, _)| at(*end) > until);

            let mut expected: BTreeMap<u32, String> = BTreeMap::new();
            for (number, value) in kept.iter().flat_map(|(_, entries)| entries) {
                expected.entry(*number).or_default().push_str(value);
            }
            prop_assert_eq!(combined(&all, NUMBERS), expected);
            prop_assert_eq!(all.len(), kept.len());
            let holding = |number: u32| kept.iter().filter(|(_, entries)| entries.contains_key(&number)).count();
            prop_assert!((0..NUMBERS).all(|number| held[number as usize] == holding(number) as i64));
        }
    }
}

/// How often the values of `keys` keys were combined at each of `slides` slides of a window of `full` panes that is full.
fn costs(full: u64, keys: u32, slides: u64) -> Vec<u64> {
    let calls = Cell::new(0u64);
    let f = |a: u64, b: u64| {
        calls.set(calls.get() + 1);
        a + b
    };
    let mut panes: Panes<u64, Held> = Panes::new(full as usize, Held);
    panes.grow(keys as usize);
    let mut costs = Vec::new();
    for now in 1..=full + slides {
        let before = calls.get();
        panes.leave(at(now.saturating_sub(full)), &f, &mut |_| ()).unwrap();
        let all = (0..keys).collect();
        panes.push(at(now), Pane { numbers: all, values: vec![Some(1); keys as usize] }, &f).unwrap();
        if now > full {
            costs.push(calls.get() - before);
        }
    }
    costs
}

#[test]
fn no_slide_does_the_work_of_many_and_a_long_window_costs_no_more_than_a_short_one() {
    let mean = |costs: &[u64]| costs.iter().sum::<u64>() as f64 / costs.len() as f64;
    let short = costs(6, 10, 600);
    for full in [2, 3, 7, 60, 600, 601] {
        let mut costs = costs(full, 10, 2_000);
        assert!(mean(&costs) <= 1.3 * mean(&short).max(20.0), "{full} panes: {}", mean(&costs));
        costs.sort_unstable();
        let (median, worst) = (costs[costs.len() / 2], costs[costs.len() - 1]);
        assert!(worst <= 3 * median, "{full} panes: {worst} beside {median}");
    }
}

#[test]
fn a_window_that_is_full_needs_no_new_memory() {
    let (full, keys) = (7u64, 10u32);
    let f = |a: u64, b: u64| a + b;
    let mut panes: Panes<u64, Held> = Panes::new(full as usize, Held);
    panes.grow(keys as usize);
    let mut places = Vec::new();
    for now in 1..=200u64 {
        panes.leave(at(now.saturating_sub(full)), &f, &mut |_| ()).unwrap();
        let mut pane = panes.spare();
        assert!(pane.numbers.is_empty() && pane.values.is_empty(), "slide {now}");
        if now > full {
            let room = pane.numbers.capacity().min(pane.values.capacity());
            assert!(room >= keys as usize, "slide {now}: room for {room}");
        }
        pane.numbers.extend(0..keys);
        pane.values.resize(keys as usize, Some(1));
        panes.push(at(now), pane, &f).unwrap();
        let Panes { ready, waiting, done, fresh, .. } = &panes;
        places.push([ready, waiting, done, fresh].map(VecDeque::capacity).iter().sum::<usize>());
    }
    let settled = places.split_off(4 * full as usize);
    assert!(settled.iter().all(|places| *places == settled[0]), "{settled:?} behind {places:?}");
}
