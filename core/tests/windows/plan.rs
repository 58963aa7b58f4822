//! A plan of windows over random batches: what its operators give, and what a model gives that keeps everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tidemill::StreamingContext;
use tidemill::testing::{collect_batches, input_batches, run_batches};

pub(crate) type Batches = Vec<Vec<(u8, String)>>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Batches without records that run behind the last one.
pub(crate) const BEHIND: usize = 3;

/// A plan of windows over random batches.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) batches: Batches,
    pub(crate) partitions: usize,
    pub(crate) length: u32,
    pub(crate) slide: u32,
    // After so many calls of user functions one fails, and again after so many.
    pub(crate) fails_every: Option<usize>,
}

/// What each operator gave, window by window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) times: Vec<u64>,
    pub(crate) window: Vec<Vec<(u8, String)>>,
    pub(crate) grouped: Vec<BTreeMap<u8, Vec<String>>>,
    pub(crate) by_key: Vec<BTreeMap<u8, String>>,
    pub(crate) inverse: Vec<BTreeMap<u8, String>>,
    pub(crate) filtered: Vec<BTreeMap<u8, String>>,
    pub(crate) reduced: Vec<Vec<String>>,
    pub(crate) counts: Vec<Vec<u64>>,
    pub(crate) by_value: Vec<BTreeMap<u8, u64>>,
}

impl Given {
    /// What a later run gave, behind what an earlier one gave.
    pub(crate) fn then(mut self, later: Self) -> Self {
        self.times.extend(later.times);
        self.window.extend(later.window);
        self.grouped.extend(later.grouped);
        self.by_key.extend(later.by_key);
        self.inverse.extend(later.inverse);
        self.filtered.extend(later.filtered);
        self.reduced.extend(later.reduced);
        self.counts.extend(later.counts);
        self.by_value.extend(later.by_value);
        self
    }
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
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
    pub(crate) fn expected(&self) -> Given {
        self.expected_until(self.batches.len() + BEHIND)
    }

    pub(crate) fn expected_until(&self, last: usize) -> Given {
        let mut given = Given::default();
        for end in (1..=last).filter(|end| end % self.slide as usize == 0) {
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

    /// What the operators give, batches without records behind the last included.
    pub(crate) fn run(&self, ssc: &StreamingContext) -> Given {
        let mut given = self.run_batches(ssc, self.batches.clone(), self.batches.len() + BEHIND);
        // The seeded runtime begins at another time.
        let first = given.times.first().map_or(0, |first| first - u64::from(self.slide) * 1000);
        given.times.iter_mut().for_each(|time| *time -= first);
        given
    }

    /// What the operators give in `count` batches.
    pub(crate) fn run_batches(&self, ssc: &StreamingContext, batches: Batches, count: usize) -> Given {
        let calls = Arc::new(AtomicUsize::new(0));
        let every = self.fails_every;
        let may_fail = move || {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            assert!(every.is_none_or(|every| call % every != every - 1), "fails now and then");
        };
        let (length, slide) = (SECOND * self.length, SECOND * self.slide);
        let parsed = may_fail.clone();
        let pairs = input_batches(ssc, self.partitions, batches).map(move |pair| {
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
        run_batches(ssc, count as u64).unwrap();
        ssc.stop(false).unwrap();
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
