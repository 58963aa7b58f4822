//! Windows give what a model gives that keeps everything, whatever fails and however many members there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidemill::StreamingContext;
use tidemill::testing::{collect_batches, input_batches, local, members, run_batches};

type Batches = Vec<Vec<(u8, String)>>;

const SECOND: Duration = Duration::from_secs(1);

/// A plan of windows over random batches.
#[derive(Clone, Debug)]
struct Plan {
    batches: Batches,
    partitions: usize,
    length: u32,
    slide: u32,
    // After so many calls of user functions one fails, and again after so many.
    fails_every: Option<usize>,
}

/// What each operator gave, window by window.
#[derive(Clone, Debug, Default, PartialEq)]
struct Given {
    times: Vec<u64>,
    window: Vec<Vec<(u8, String)>>,
    grouped: Vec<BTreeMap<u8, Vec<String>>>,
    by_key: Vec<BTreeMap<u8, String>>,
    inverse: Vec<BTreeMap<u8, String>>,
    filtered: Vec<BTreeMap<u8, String>>,
    reduced: Vec<Vec<String>>,
    counts: Vec<Vec<u64>>,
    by_value: Vec<BTreeMap<u8, u64>>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let record = (0u8..6, "[a-z]");
    let batches = prop::collection::vec(prop::collection::vec(record, 0..7), 1..14);
    (batches, 1usize..4, 1u32..8, 1u32..6, prop::option::of(40usize..200)).prop_map(
        |(batches, partitions, length, slide, fails_every)| Plan {
            batches,
            partitions,
            length,
            slide,
            fails_every,
        },
    )
}

impl Plan {
    /// What a model gives that keeps everything.
    fn expected(&self) -> Given {
        let mut given = Given::default();
        for end in (1..=self.batches.len() + 3).filter(|end| end % self.slide as usize == 0) {
            let first = end.saturating_sub(self.length as usize);
            let covered = self.batches.iter().take(end).skip(first);
            let records: Vec<(u8, String)> = covered.flatten().cloned().collect();
            let mut lists: BTreeMap<u8, Vec<String>> = BTreeMap::new();
            for (key, value) in &records {
                lists.entry(*key).or_default().push(value.clone());
            }
            let by_key: BTreeMap<u8, String> =
                lists.iter().map(|(key, list)| (*key, list.concat())).collect();
            let whole: String = records.iter().map(|(_, value)| value.as_str()).collect();
            given.times.push(end as u64 * 1000);
            given.reduced.push(if records.is_empty() { vec![] } else { vec![whole] });
            given.counts.push(vec![records.len() as u64]);
            given.by_value.push(lists.iter().map(|(key, list)| (*key, list.len() as u64)).collect());
            given.filtered.push(by_key.clone().into_iter().filter(|(_, value)| value.len() > 1).collect());
            given.inverse.push(by_key.clone());
            given.by_key.push(by_key);
            given.grouped.push(lists);
            given.window.push(records);
        }
        given
    }

    /// What the operators give.
    fn run(&self, ssc: &StreamingContext) -> Given {
        let calls = Arc::new(AtomicUsize::new(0));
        let every = self.fails_every;
        let may_fail = move || {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            assert!(every.is_none_or(|every| call % every != every - 1), "fails now and then");
        };
        let (length, slide) = (SECOND * self.length, SECOND * self.slide);
        let parsed = may_fail.clone();
        let pairs = input_batches(ssc, self.partitions, self.batches.clone()).map(move |pair| {
            parsed();
            pair
        });
        let joined = || {
            let may_fail = may_fail.clone();
            move |a: String, b: String| {
                may_fail();
                a + &b
            }
        };
        let never = |_: String, _: String| -> String { panic!("the inverse is not called") };
        let window = collect_batches(&pairs.window(length, slide));
        let grouped = collect_batches(&pairs.group_by_key_and_window_into(3, length, slide));
        let by_key = collect_batches(&pairs.reduce_by_key_and_window_into(3, length, slide, joined()));
        let inverse =
            collect_batches(&pairs.reduce_by_key_and_window_inverse(length, slide, joined(), never));
        let filtered = collect_batches(&pairs.reduce_by_key_and_window_filtered(
            length,
            slide,
            joined(),
            never,
            |(_, value)| value.len() > 1,
        ));
        let reduced = collect_batches(&pairs.values().reduce_by_window(length, slide, joined()));
        let counts = collect_batches(&pairs.count_by_window(length, slide));
        let by_value = collect_batches(&pairs.keys().count_by_value_and_window(length, slide));
        run_batches(ssc, self.batches.len() as u64 + 3).unwrap();
        ssc.stop(true).unwrap();
        let times: Vec<u64> = counts.times().iter().map(|time| time.as_millis()).collect();
        assert_eq!(window.times(), counts.times());
        Given {
            times,
            window: window.batches(),
            grouped: maps(grouped.batches()),
            by_key: maps(by_key.batches()),
            inverse: maps(inverse.batches()),
            filtered: maps(filtered.batches()),
            reduced: reduced.batches(),
            counts: counts.batches(),
            by_value: maps(by_value.batches()),
        }
    }
}

fn maps<V>(batches: Vec<Vec<(u8, V)>>) -> Vec<BTreeMap<u8, V>> {
    let map = |batch: Vec<(u8, V)>| {
        let count = batch.len();
        let map: BTreeMap<u8, V> = batch.into_iter().collect();
        assert_eq!(map.len(), count, "a key is there once");
        map
    };
    batches.into_iter().map(map).collect()
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() })
}

#[test]
fn windows_give_what_a_model_gives_that_keeps_everything_whatever_fails() {
    let tried = runner(40).run(&plans(), |plan| {
        prop_assert_eq!(plan.run(&local(2)), plan.expected());
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn windows_give_the_same_on_two_and_on_three_members() {
    let tried = runner(10).run(&(plans(), 2u32..4), |(plan, count)| {
        let expected = plan.expected();
        let plan = Plan { fails_every: None, ..plan };
        for (me, given) in members(count, 2, move |ssc| plan.run(ssc)).into_iter().enumerate() {
            prop_assert_eq!(given, expected.clone(), "member {}", me);
        }
        Ok(())
    });
    tried.unwrap();
}
