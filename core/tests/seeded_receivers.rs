//! Jobs with receivers on the seeded runtime: in whatever order threads run, nothing is lost and nothing comes twice.

use std::sync::Arc;

use parking_lot::Mutex;
use tidemill::testing::receiver::{Progress, Script, Step};
use tidemill::testing::{run_batches, seeded_members};
use tidemill::{Event, Retry, StreamingContext, StreamingListener};

/// Receivers, spread over the members.
const RECEIVERS: u64 = 3;

/// What each receiver is told in one batch: five steps, six records.
const RECORDS: u64 = 6;

/// The job is stopped behind so many batches. Receivers are fed before the first and in each of them, so the stop finds
/// them at work.
const BATCHES: u64 = 5;
const FED: u64 = 1 + BATCHES;

/// The records of one batch of one receiver, and now and then a failure; the receiver then starts again.
fn feed(script: &Script<u64>, receiver: u64, batch: u64) {
    let record = |n| receiver * 1000 + batch * RECORDS + n;
    let position = |n| batch * RECORDS + n;
    script.push(Step::Emit(record(0)));
    script.push(Step::EmitAt("a", record(1), position(1)));
    script.push(Step::EmitAll("a", vec![record(2), record(3)], Some(position(3))));
    if (receiver + batch).is_multiple_of(3) {
        script.push(Step::Fail(Retry::WithBackoff));
    }
    script.push(Step::EmitBlock("b", vec![record(4)], 10));
    script.push(Step::Emit(record(5)));
}

/// Which records a receiver has emitted by the steps that it has done, and at most by those that it has begun.
fn emitted(receiver: u64, steps: u64) -> Vec<u64> {
    let of_batch = |batch: u64| {
        let record = |n| receiver * 1000 + batch * RECORDS + n;
        let mut of_steps = vec![vec![record(0)], vec![record(1)], vec![record(2), record(3)]];
        if (receiver + batch).is_multiple_of(3) {
            of_steps.push(vec![]);
        }
        of_steps.extend([vec![record(4)], vec![record(5)]]);
        of_steps
    };
    (0..FED).flat_map(of_batch).take(steps as usize).flatten().collect()
}

/// What one member saw.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Batch times, and the records of each receiver in their order.
    times: Vec<u64>,
    records: Vec<Vec<u64>>,
    /// How many records the last batch had.
    last: usize,
    /// The receivers of this member.
    progress: Vec<(u64, Progress)>,
    events: Vec<Event>,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

fn job(ssc: &StreamingContext, gracefully: bool) -> Seen {
    let heard = Heard::default();
    ssc.add_streaming_listener(heard.clone());
    let scripts: Vec<Script<u64>> = (0..RECEIVERS).map(|_| Script::new()).collect();
    let streams: Vec<_> = scripts.iter().map(|script| ssc.receiver_stream(script.clone())).collect();
    let batches = Arc::new(Mutex::new(Vec::new()));
    let (seen, fed) = (Arc::clone(&batches), scripts.clone());
    ssc.union(&streams).foreach_rdd(move |rdd, time| {
        let mut seen = seen.lock();
        // Fed by the job itself: on this runtime nothing outside of it happens in any order.
        let batch = seen.len() as u64 + 1;
        if batch < FED {
            (0..).zip(&fed).for_each(|(receiver, script)| feed(script, receiver, batch));
        }
        seen.push((time.as_millis(), rdd.collect()?));
        Ok(())
    });
    (0..).zip(&scripts).for_each(|(receiver, script)| feed(script, receiver, 0));
    run_batches(ssc, BATCHES).unwrap();
    ssc.stop(gracefully).unwrap();

    let batches = batches.lock();
    let all: Vec<u64> = batches.iter().flat_map(|(_, records)| records.clone()).collect();
    let of = |receiver| all.iter().copied().filter(|record| record / 1000 == receiver).collect();
    let progress = (0..).zip(&scripts).map(|(receiver, script)| (receiver, script.progress()));
    Seen {
        times: batches.iter().map(|(time, _)| *time).collect(),
        records: (0..RECEIVERS).map(of).collect(),
        last: batches.last().map_or(0, |(_, records)| records.len()),
        progress: progress.filter(|(_, progress)| progress.starts > 0).collect(),
        events: heard.0.lock().clone(),
    }
}

fn gracefully(ssc: &StreamingContext) -> Seen {
    job(ssc, true)
}

fn at_once(ssc: &StreamingContext) -> Seen {
    job(ssc, false)
}

#[test]
fn in_any_order_of_threads_nothing_is_lost_or_twice_and_batches_come_in_order() {
    let (mut restarts, mut left) = (0, 0);
    for seed in 0..20 {
        for members in [1, 3] {
            let (all, _) = seeded_members(seed, members, 2, gracefully);
            let what = format!("seed {seed}, {members} members");
            for seen in &all {
                assert!(seen.times.len() as u64 >= BATCHES, "{what}: {:?}", seen.times);
                assert!(
                    seen.times.windows(2).all(|pair| pair[0] + 1000 == pair[1]),
                    "{what}: {:?}",
                    seen.times
                );
                assert_eq!((&seen.times, &seen.records), (&all[0].times, &all[0].records), "{what}");
            }
            left += all[0].last;
            let progress: Vec<_> = all.iter().flat_map(|seen| &seen.progress).collect();
            assert_eq!(progress.len() as u64, RECEIVERS, "{what}: each runs on one member");
            for (receiver, progress) in progress {
                let given = &all[0].records[*receiver as usize];
                let (done, begun) = (emitted(*receiver, progress.done), emitted(*receiver, progress.begun));
                assert!(
                    begun.starts_with(given) && given.starts_with(&done),
                    "{what}: {progress:?} {given:?}"
                );
                assert!(done.len() as u64 >= RECORDS, "{what}: {progress:?}");
                assert!(!progress.running, "{what}: {progress:?}");
                restarts += progress.starts - 1;
            }
        }
    }
    assert!(restarts > 0, "no receiver was started again");
    assert!(left > 0, "nothing was left for the last batch");
}

#[test]
fn a_stop_at_once_gives_nothing_twice_and_all_members_end() {
    for seed in 0..20 {
        for members in [1, 3] {
            let (all, _) = seeded_members(seed, members, 2, at_once);
            let progress = all.iter().flat_map(|seen| &seen.progress);
            for (receiver, progress) in progress {
                let begun = emitted(*receiver, progress.begun);
                for seen in &all {
                    let given = &seen.records[*receiver as usize];
                    assert!(
                        begun.starts_with(given),
                        "seed {seed}, {members} members: {given:?} of {begun:?}"
                    );
                }
                assert!(!progress.running, "seed {seed}, {members} members");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_log_of_events() {
    for members in [1, 3] {
        let (first, trace) = seeded_members(7, members, 2, gracefully);
        let (again, same) = seeded_members(7, members, 2, gracefully);
        assert_eq!(first, again, "{members} members");
        assert_eq!(trace, same, "{members} members");
    }
}
