//! Windows in event time against a model that keeps every record: on several members, with tries that fail, in any order of
//! arrival.

mod behind;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tidemill::testing::{
    collect_batches, input_batches, input_gaps, local, members, members_with, run_batches, seeded_members,
};
use tidemill::{
    Conf, DStream, Error, EventResults, EventTime, EventWindow, MemoryStorage, Storage, StreamingContext,
    WatermarkSpec,
};

use self::behind::Behind;

/// A record: its key, its time, its number.
type Record = (u8, u64, u32);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(time: u64) -> EventTime {
    EventTime::from_millis(time)
}

/// A time that no clock has now.
const FAR_AHEAD: u64 = 1 << 50;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tumbling(u64),
    Session(u64),
}

/// Sources, each with its batches, and how windows lie over them.
#[derive(Clone, Debug)]
struct Case {
    sources: Vec<Vec<Vec<Record>>>,
    kind: Kind,
    delay: u64,
    lateness: u64,
    /// In batches.
    idle: Option<u64>,
    /// Which calls of the user's functions fail.
    fails: Vec<u32>,
}

impl Case {
    fn spec(&self) -> WatermarkSpec {
        let spec = WatermarkSpec::new().delay(millis(self.delay));
        self.idle.map_or(spec, |idle| spec.idle_after(Duration::from_secs(idle)))
    }

    fn batches(&self) -> usize {
        self.sources.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// What a batch gives: results as (key, start, end, numbers), and late numbers; both sorted.
type Given = (Vec<(u8, u64, u64, Vec<u32>)>, Vec<u32>);

/// Windows of a key in the model: each with its records, and whether it was given out as it is; and where the last session
/// that was forgotten has ended.
#[derive(Default)]
struct Live {
    windows: Vec<(EventWindow, Vec<u32>, bool)>,
    closed: EventTime,
}

fn overlap(a: EventWindow, b: EventWindow) -> bool {
    a.start < b.end && b.start < a.end
}

/// What the batches give by the rules alone.
fn model(case: &Case) -> Vec<Given> {
    let mut live: BTreeMap<u8, Live> = BTreeMap::new();
    // Of each source: the greatest time, and the last batch with records.
    let mut lanes: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    let mut watermark = 0;
    let mut all = Vec::new();
    for batch in 1..=case.batches() as u64 {
        let of_batch =
            |source: &Vec<Vec<Record>>| source.get(batch as usize - 1).cloned().unwrap_or_default();
        let ahead = |record: &Record| record.1 == FAR_AHEAD;
        let mut results = Vec::new();
        let mut late = Vec::new();
        let mut of_keys: BTreeMap<u8, Vec<Record>> = BTreeMap::new();
        for record in case.sources.iter().flat_map(of_batch) {
            if ahead(&record) {
                late.push(record.2);
            } else {
                of_keys.entry(record.0).or_default().push(record);
            }
        }
        for (key, records) in of_keys {
            put(case, live.entry(key).or_default(), &records, watermark, &mut late);
        }
        for (key, live) in &mut live {
            for (window, numbers, given) in &mut live.windows {
                if window.end.as_millis() <= watermark && !*given {
                    *given = true;
                    numbers.sort_unstable();
                    results.push((*key, window.start.as_millis(), window.end.as_millis(), numbers.clone()));
                }
            }
            let over = |window: &EventWindow| window.end.as_millis() + case.lateness <= watermark;
            let gone =
                live.windows.extract_if(.., |(window, ..)| over(window)).map(|(window, ..)| window.end).max();
            if matches!(case.kind, Kind::Session(_)) {
                live.closed = live.closed.max(gone.unwrap_or_default());
            }
        }
        for (lane, source) in case.sources.iter().enumerate() {
            let greatest =
                of_batch(source).iter().filter(|record| !ahead(record)).map(|record| record.1).max();
            if let Some(greatest) = greatest {
                let known = lanes.entry(lane).or_default();
                *known = (known.0.max(greatest), batch);
            }
        }
        lanes.retain(|_, (_, heard)| case.idle.is_none_or(|idle| batch - *heard < idle));
        let least = lanes.values().map(|(greatest, _)| greatest.saturating_sub(case.delay)).min();
        watermark = watermark.max(least.unwrap_or(0));
        results.sort();
        late.sort_unstable();
        all.push((results, late));
    }
    all
}

/// Puts the records of a key into its windows: what overlaps is together, as far as that goes.
fn put(case: &Case, live: &mut Live, records: &[Record], watermark: u64, late: &mut Vec<u32>) {
    let window = |time: u64| match case.kind {
        Kind::Tumbling(length) => {
            EventWindow { start: at(time / length * length), end: at((time / length + 1) * length) }
        }
        Kind::Session(gap) => EventWindow { start: at(time), end: at(time + gap) },
    };
    let mut left: Vec<(EventWindow, u32)> = Vec::new();
    for (_, time, number) in records {
        if at(*time) < live.closed || window(*time).end.as_millis() + case.lateness <= watermark {
            late.push(*number);
        } else {
            left.push((window(*time), *number));
        }
    }
    let live = &mut live.windows;
    while let Some((first, number)) = left.pop() {
        let (mut whole, mut new, mut old) = (first, vec![number], Vec::new());
        loop {
            let more = left.extract_if(.., |(other, _)| overlap(*other, whole)).collect::<Vec<_>>();
            let kept = live.extract_if(.., |(other, ..)| overlap(*other, whole)).collect::<Vec<_>>();
            if more.is_empty() && kept.is_empty() {
                break;
            }
            for other in more.iter().map(|(other, _)| other).chain(kept.iter().map(|(other, ..)| other)) {
                whole.start = whole.start.min(other.start);
                whole.end = whole.end.max(other.end);
            }
            new.extend(more.into_iter().map(|(_, number)| number));
            old.extend(kept);
        }
        let numbers = old.into_iter().flat_map(|(_, numbers, _)| numbers).chain(new).collect();
        live.push((whole, numbers, false));
    }
}

/// What the job gives: from grouped windows, checked against reduced and aggregated ones of the same stream.
fn job(ssc: &StreamingContext, case: &Case) -> Vec<Given> {
    let sources: Vec<DStream<Record>> =
        case.sources.iter().map(|batches| input_batches(ssc, 2, batches.clone())).collect();
    let (calls, fails) = (AtomicU32::new(0), case.fails.clone());
    let may_fail = Arc::new(move || {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        assert!(!fails.contains(&call), "a try that fails on purpose");
    });
    let may_fail_too = Arc::clone(&may_fail);
    let events = ssc
        .union(&sources)
        .event_time(case.spec(), move |record| {
            may_fail();
            at(record.1)
        })
        .map(|(key, time, number)| (key, (time, number)));
    let windows = || {
        let windows = match case.kind {
            Kind::Tumbling(length) => events.tumbling_windows(millis(length)),
            Kind::Session(gap) => events.session_windows(millis(gap)),
        };
        windows.allowed_lateness(millis(case.lateness))
    };
    let groups = windows().num_partitions(3).group_by_key();
    let sums = windows().reduce_by_key(move |a, b| {
        may_fail_too();
        (a.0 + b.0, a.1 + b.1)
    });
    let counts = windows().aggregate_by_key(0_u32, |n, _| n + 1, |a, b| a + b);
    let (late, of_sums) = (collect_batches(&groups.late()), collect_batches(&sums.late()));
    let (groups, sums, counts) = (collect_batches(&groups), collect_batches(&sums), collect_batches(&counts));

    run_batches(ssc, case.batches() as u64).unwrap();
    ssc.stop(true).unwrap();

    let mut all = Vec::new();
    for (batch, groups) in groups.batches().into_iter().enumerate() {
        let by_key = |(key, (window, _)): &(u8, (EventWindow, Vec<(u64, u32)>))| (*key, *window);
        let mut groups = groups;
        groups.sort_by_key(by_key);
        let mut summed: Vec<(u8, (EventWindow, (u64, u32)))> = sums.batches()[batch].clone();
        summed.sort();
        let expected = groups.iter().map(|(key, (window, values))| {
            (*key, (*window, values.iter().fold((0, 0), |sum, value| (sum.0 + value.0, sum.1 + value.1))))
        });
        assert_eq!(summed, expected.collect::<Vec<_>>());
        let mut counted: Vec<(u8, (EventWindow, u32))> = counts.batches()[batch].clone();
        counted.sort();
        let lengths = groups.iter().map(|(key, (window, values))| (*key, (*window, values.len() as u32)));
        assert_eq!(counted, lengths.collect::<Vec<_>>());
        for (_, (window, values)) in &groups {
            assert!(values.is_sorted_by_key(|(time, _)| *time), "{values:?}");
            assert!(values.iter().all(|(time, _)| window.contains(at(*time))), "{window}: {values:?}");
        }
        let numbers = |values: &[(u64, u32)]| {
            let mut numbers: Vec<u32> = values.iter().map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            numbers
        };
        let mut results: Vec<_> = groups
            .iter()
            .map(|(key, (w, values))| (*key, w.start.as_millis(), w.end.as_millis(), numbers(values)))
            .collect();
        results.sort();
        let late_numbers = |batch: &[(u8, (EventTime, (u64, u32)))]| {
            assert!(batch.iter().all(|(_, (time, value))| time.as_millis() == value.0));
            numbers(&batch.iter().map(|(_, (_, value))| *value).collect::<Vec<_>>())
        };
        let late = late_numbers(&late.batches()[batch]);
        assert_eq!(late_numbers(&of_sums.batches()[batch]), late);
        all.push((results, late));
    }
    all
}

fn cases(batches: usize) -> impl Strategy<Value = Case> {
    let kind = prop_oneof![(20_u64..300).prop_map(Kind::Tumbling), (5_u64..80).prop_map(Kind::Session)];
    // Times go on by about 60 a batch, and are out of order by up to 400, so that some are late; a few are far ahead.
    let record = (0_u8..3, 0_u64..400, prop::bool::weighted(0.03));
    let batch = prop::collection::vec(record, 0..6);
    let sources = prop::collection::vec(prop::collection::vec(batch, batches), 1..4);
    let watermark = (0_u64..120, 0_u64..150, prop::option::of(1_u64..4));
    (sources, kind, watermark, prop::collection::vec(0_u32..40, 0..3)).prop_map(
        |(sources, kind, (delay, lateness, idle), fails)| {
            let mut numbers = 0..;
            let mut timed = |batch: usize, (key, ago, ahead): (u8, u64, bool)| {
                let time = if ahead { FAR_AHEAD } else { (batch as u64 * 60 + 400).saturating_sub(ago) };
                (key, time, numbers.next().unwrap())
            };
            let sources: Vec<Vec<Vec<Record>>> = sources
                .into_iter()
                .map(|batches| {
                    let batches = batches.into_iter().enumerate();
                    batches
                        .map(|(number, batch)| {
                            batch.into_iter().map(|record| timed(number, record)).collect()
                        })
                        .collect()
                })
                .collect();
            Case { sources, kind, delay, lateness, idle, fails }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_give_what_a_model_gives_that_keeps_every_record(case in cases(8)) {
        let expected = model(&case);
        prop_assert_eq!(job(&local(2), &case), expected);
    }

    #[test]
    fn windows_in_a_store_give_the_same(case in cases(8)) {
        let ssc = local(2);
        ssc.state_backend(Behind::default());
        prop_assert_eq!(job(&ssc, &case), model(&case));
    }

    #[test]
    fn any_number_of_members_gives_the_same(case in cases(5), count in 2_u32..4) {
        let (expected, of_members) = (model(&case), case);
        for given in members(count, 2, move |ssc| job(ssc, &of_members)) {
            prop_assert_eq!(&given, &expected);
        }
    }

    #[test]
    fn a_restart_on_other_members_goes_on_where_the_run_before_ended(
        case in cases(7), first in 1_usize..7, of_runs in (1_u32..4, 1_u32..4), in_store: bool,
    ) {
        let expected = model(&case);
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let part = |batches: Range<usize>| {
            let sources = case.sources.iter().map(|source| source[batches.clone()].to_vec()).collect();
            Case { sources, ..case.clone() }
        };
        let mut given = Vec::new();
        for (case, count) in [(part(0..first), of_runs.0), (part(first..7), of_runs.1)] {
            let storage = Arc::clone(&storage);
            let conf = Conf::new().set("tidemill.default.parallelism", "4").unwrap();
            let of_members = members_with(conf, count, 2, move |ssc| {
                ssc.checkpoint_to(Arc::clone(&storage));
                if in_store {
                    ssc.state_backend(Behind::default());
                }
                job(ssc, &case)
            });
            given.extend(of_members.into_iter().next().unwrap());
        }
        prop_assert_eq!(given, expected);
    }

    #[test]
    fn so_does_any_order_of_tasks(case in cases(3), seed: u64) {
        let (expected, of_members) = (model(&case), case);
        for given in seeded_members(seed, 2, 2, move |ssc| job(ssc, &of_members)).0 {
            prop_assert_eq!(&given, &expected);
        }
    }
}

/// Pages and times in milliseconds; windows of 10 ms, counted.
fn counts_by_page(events: &DStream<(char, u64)>, spec: WatermarkSpec) -> EventResults<char, u64, u64> {
    events
        .event_time(spec, |(_, time)| at(*time))
        .map(|(page, _)| (page, 1))
        .tumbling_windows(millis(10))
        .reduce_by_key(|a, b| a + b)
}

#[test]
fn a_source_that_falls_silent_holds_back_windows_until_it_is_idle() {
    let run = |spec: WatermarkSpec| {
        let ssc = local(2);
        let busy = input_batches(&ssc, 1, (1..=6).map(|batch| vec![('b', batch * 100)]).collect());
        let silent = input_batches(&ssc, 1, vec![vec![('s', 5)]]);
        let counts = collect_batches(&counts_by_page(&busy.union(&silent), spec));
        run_batches(&ssc, 6).unwrap();
        counts.batches().iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(run(WatermarkSpec::new()), [0; 6]);
    // Silent for two batches after the third; that is the watermark of the fourth.
    assert_eq!(run(WatermarkSpec::new().idle_after(Duration::from_secs(2))), [0, 0, 0, 3, 1, 1]);
}

#[test]
fn a_stream_without_an_rdd_in_a_batch_gives_what_is_due_all_the_same() {
    let ssc = local(2);
    let events = input_gaps(&ssc, 1, vec![vec![('a', 3), ('a', 25)]]);
    let counts = counts_by_page(&events, WatermarkSpec::new());
    let counts = collect_batches(&counts);
    run_batches(&ssc, 3).unwrap();
    let window = EventWindow { start: at(0), end: at(10) };
    assert_eq!(counts.batches(), [vec![], vec![('a', (window, 1))], vec![]]);
}

#[test]
fn windows_without_a_length_and_names_that_are_taken_are_mistakes() {
    let ssc = local(2);
    let events =
        input_batches(&ssc, 1, vec![vec![('a', 1)]]).event_time(WatermarkSpec::new(), |(_, time)| at(*time));
    let nothing = events.tumbling_windows(Duration::ZERO).reduce_by_key(|a, _| a).uid("same");
    let pieces = events.session_windows(Duration::from_micros(1500)).reduce_by_key(|a, _| a).uid("same");
    let _both = (collect_batches(&nothing), collect_batches(&pieces));
    let Err(Error::Plan(mistakes)) = ssc.start() else { panic!("a plan with mistakes has started") };
    let said: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("`tumbling_windows`") && said[0].contains("`length`"), "{said:?}");
    assert!(said[1].starts_with("`session_windows`") && said[1].contains("`gap`"), "{said:?}");
    assert!(said[2].contains("uid `same` is taken"), "{said:?}");
    assert!(mistakes.iter().all(|mistake| mistake.site.is_some_and(|site| site.file() == file!())));
}
