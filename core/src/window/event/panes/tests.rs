//! Windows of a key against a model that keeps every record.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::words::Interval;

/// Keeps the numbers of the records, so that each can be found again.
struct All;

impl Gather<u32> for All {
    type Kept = Vec<u32>;

    fn first(&self, _: EventTime, value: u32) -> Vec<u32> {
        vec![value]
    }

    fn add(&self, mut kept: Vec<u32>, _: EventTime, value: u32) -> Vec<u32> {
        kept.push(value);
        kept
    }

    fn join(&self, earlier: Vec<u32>, later: Vec<u32>) -> Vec<u32> {
        [earlier, later].concat()
    }
}

fn at(millis: u64) -> EventTime {
    EventTime::from_millis(millis)
}

fn interval(millis: u64) -> Interval {
    Interval::from_millis(millis).unwrap()
}

type Shown = (u64, u64, Vec<u32>);

fn shown(window: EventWindow, values: &[u32]) -> Shown {
    (window.start.as_millis(), window.end.as_millis(), values.to_vec())
}

/// A key's windows, and all that came out of them.
#[derive(Default)]
struct Key {
    windows: Windows<Vec<u32>>,
    late: Vec<u32>,
    given: Vec<Shown>,
    due: Option<EventTime>,
}

impl Key {
    /// One batch: its records, each a time and a number, under a watermark.
    fn batch(&mut self, assign: Assign, records: &[(u64, u32)], watermark: u64, lateness: u64) {
        let records = records.iter().map(|(time, number)| (at(*time), *number)).collect();
        let rules = Rules { assign, lateness: Duration::from_millis(lateness), watermark: at(watermark) };
        let windows = std::mem::take(&mut self.windows);
        self.windows = place(rules, &All, windows, records, |_, number| self.late.push(number));
        self.due = fire(rules, &mut self.windows, |window, kept| self.given.push(shown(window, &kept)));
    }
}

#[test]
fn a_window_is_given_once_when_the_watermark_reaches_its_end() {
    let (mut key, minute) = (Key::default(), Assign::Tumbling(interval(60)));
    key.batch(minute, &[(59, 1), (60, 2), (0, 3)], 0, 0);
    key.batch(minute, &[(30, 4)], 59, 0);
    assert!(key.given.is_empty(), "{:?}", key.given);
    assert_eq!(key.due, Some(at(60)));
    key.batch(minute, &[(31, 5)], 60, 0);

    assert_eq!(key.given, [(0, 60, vec![3, 1, 4])]);
    assert_eq!(key.late, [5]);
    assert_eq!((key.windows.panes.len(), key.due), (1, Some(at(120))));
}

#[test]
fn within_the_lateness_a_window_is_given_again_with_all_that_it_has() {
    let (mut key, minute) = (Key::default(), Assign::Tumbling(interval(60)));
    key.batch(minute, &[(5, 1)], 0, 40);
    key.batch(minute, &[], 60, 40);
    key.batch(minute, &[], 70, 40);
    assert_eq!(key.due, Some(at(100)));
    key.batch(minute, &[(6, 2), (7, 3)], 99, 40);
    key.batch(minute, &[(8, 4)], 100, 40);

    assert_eq!(key.given, [(0, 60, vec![1]), (0, 60, vec![1, 2, 3])]);
    assert_eq!((key.late, key.windows.panes, key.due), (vec![4], vec![], None));
}

#[test]
fn records_as_far_apart_as_the_gap_are_two_sessions_and_one_between_them_joins_them() {
    let (mut key, session) = (Key::default(), Assign::Session(interval(10)));
    key.batch(session, &[(20, 1), (10, 2)], 0, 0);
    let windows: Vec<EventWindow> = key.windows.panes.iter().map(|pane| pane.window).collect();
    assert_eq!(windows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[10, 20) ms", "[20, 30) ms"]);
    key.batch(session, &[(19, 3)], 0, 0);
    key.batch(session, &[], 30, 0);

    assert_eq!(key.given, [(10, 30, vec![2, 3, 1])]);
}

#[test]
fn a_record_behind_the_watermark_is_in_time_until_its_own_window_is_over() {
    let (mut key, session) = (Key::default(), Assign::Session(interval(10)));
    key.batch(session, &[(35, 1)], 0, 0);
    key.batch(session, &[(20, 2), (29, 3), (21, 4)], 30, 0);
    assert_eq!(key.late, [2], "whatever it would be in together with others");
    assert_eq!(key.windows.panes[0].window, EventWindow { start: at(21), end: at(45) });
}

#[test]
fn nothing_is_put_into_a_session_that_is_forgotten() {
    let (mut key, session) = (Key::default(), Assign::Session(interval(10)));
    key.batch(session, &[(10, 1)], 0, 0);
    key.batch(session, &[], 21, 0);
    assert_eq!((&*key.given, key.due), (&[(10, 20, vec![1])][..], Some(at(30))));
    key.batch(session, &[(19, 2), (20, 3)], 21, 0);
    assert_eq!(key.late, [2], "it lies in the session that has ended");
    assert_eq!(key.windows.panes[0].window, EventWindow { start: at(20), end: at(30) });
    key.batch(session, &[], 40, 0);
    assert_eq!(key.due, None, "there is nothing to remember");
}

/// What is together in one window: overlaps are followed until there are no more.
fn components(mut windows: Vec<EventWindow>) -> Vec<EventWindow> {
    loop {
        let pair = (0..windows.len())
            .flat_map(|a| (a + 1..windows.len()).map(move |b| (a, b)))
            .find(|(a, b)| windows[*a].start < windows[*b].end && windows[*b].start < windows[*a].end);
        let Some((a, b)) = pair else {
            windows.sort();
            return windows;
        };
        let other = windows.remove(b);
        windows[a] = windows[a].join(other);
    }
}

fn assigns() -> impl Strategy<Value = Assign> {
    prop_oneof![
        (1_u64..40).prop_map(|length| Assign::Tumbling(interval(length))),
        (1_u64..15).prop_map(|gap| Assign::Session(interval(gap))),
    ]
}

proptest! {
    #[test]
    fn in_any_order_and_batches_the_windows_are_those_of_all_records_sorted(
        assign in assigns(),
        times in prop::collection::vec(0_u64..200, 1..40),
        order in prop::collection::vec(any::<u32>(), 40),
        batches in 1_usize..6,
    ) {
        let mut records: Vec<(u64, u32)> = times.iter().copied().zip(0..).collect();
        records.sort_by_key(|(_, number)| order[*number as usize]);
        let mut key = Key::default();
        for batch in records.chunks(records.len().div_ceil(batches)) {
            key.batch(assign, batch, 0, 0);
        }
        key.batch(assign, &[], 10_000, 0);

        let windows = components(times.iter().map(|time| assign.of(at(*time))).collect());
        let expected: Vec<(EventWindow, BTreeSet<u32>)> = windows
            .into_iter()
            .map(|window| {
                let inside = records.iter().filter(|(time, _)| window.contains(at(*time)));
                (window, inside.map(|(_, number)| *number).collect())
            })
            .collect();
        let given: Vec<(EventWindow, BTreeSet<u32>)> = key
            .given
            .iter()
            .map(|(start, end, values)| {
                (EventWindow { start: at(*start), end: at(*end) }, values.iter().copied().collect())
            })
            .collect();
        prop_assert_eq!(given, expected);
        prop_assert!(key.late.is_empty() && key.windows.panes.is_empty(), "{:?}", key.late);
    }

    #[test]
    fn each_record_is_in_the_last_result_of_one_window_or_late(
        assign in assigns(),
        lateness in 0_u64..20,
        batches in prop::collection::vec((prop::collection::vec(0_u64..120, 0..8), 0_u64..30), 1..8),
    ) {
        let (mut key, mut watermark, mut numbers, mut live) = (Key::default(), 0, 0.., Vec::<EventWindow>::new());
        let mut closed = EventTime::default();
        for (times, step) in &batches {
            watermark += step;
            let records: Vec<(u64, u32)> = times.iter().map(|time| (*time, numbers.next().unwrap())).collect();
            let late_before = key.late.len();
            key.batch(assign, &records, watermark, lateness);

            // The rule, with nothing but the windows and the times.
            let over = |window: &EventWindow| window.end.as_millis() + lateness <= watermark;
            let (late, in_time): (Vec<_>, Vec<_>) =
                records.iter().partition(|(time, _)| at(*time) < closed || over(&assign.of(at(*time))));
            let late: Vec<u32> = late.into_iter().map(|(_, number)| number).collect();
            prop_assert_eq!(&key.late[late_before..], &late);
            let alone = in_time.iter().map(|(time, _)| assign.of(at(*time)));
            let together = components(live.iter().copied().chain(alone).collect());
            // Ended windows are forgotten, with what they had.
            if matches!(assign, Assign::Session(_)) {
                closed = together.iter().filter(|window| over(window)).map(|window| window.end).fold(closed, EventTime::max);
            }
            live = together.iter().filter(|window| !over(window)).copied().collect();
            let kept: Vec<EventWindow> = key.windows.panes.iter().map(|pane| pane.window).collect();
            prop_assert_eq!(&kept, &live);
            prop_assert!(key.windows.panes.iter().all(|pane| pane.given == (pane.window.end.as_millis() <= watermark)));
            let ends = key.windows.panes.iter().map(|pane| {
                pane.window.end.plus(Duration::from_millis(if pane.given { lateness } else { 0 }))
            });
            prop_assert!(key.due.is_some() || key.windows.panes.is_empty());
            prop_assert!(key.windows.panes.is_empty() || key.due == ends.min());
        }
        key.batch(assign, &[], 10_000, lateness);

        // A result replaces the earlier ones whose windows lie within its own.
        let mut last: Vec<Shown> = Vec::new();
        for given in key.given {
            last.retain(|before| !(given.0 <= before.0 && before.1 <= given.1));
            last.push(given);
        }
        let mut all: Vec<u32> = last.into_iter().flat_map(|(_, _, values)| values).chain(key.late).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..numbers.next().unwrap()).collect::<Vec<u32>>());
    }
}
