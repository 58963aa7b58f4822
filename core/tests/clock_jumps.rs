//! A clock that is set while a job runs: every record is in one batch, times only rise, nobody hangs, and it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidemill::testing::{
    SeededRuntime, clock, collect_batches, input_batches, local, run_batches, seeded_members_on,
};
use tidemill::{Clock, Event, Gate, Receiver, Result, Runtime, StreamingContext, StreamingListener};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// When the seeded runtime starts, in milliseconds: the first batch is one second later.
const START: u64 = 20_000 * 24 * 3_600_000;

/// How long a job runs before it is stopped.
const RUNS: Duration = Duration::from_millis(8300);

/// Sends 0, 1, 2 … without end, several a batch, and notes how many.
#[derive(Clone)]
struct Numbers(Arc<AtomicU64>);

impl Receiver for Numbers {
    type Record = u64;
    type Position = ();

    async fn run(&self, gate: Gate<u64, ()>) -> Result<()> {
        loop {
            // What is emitted is taken, also where it says that the job stops.
            gate.emit(self.0.fetch_add(1, Ordering::Relaxed)).await?;
            gate.sleep(Duration::from_millis(170)).await;
        }
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl StreamingListener for Heard {
    fn on_event(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

/// One setting of the clock: so long behind the one before, to this side of what it shows.
#[derive(Clone, Copy, Debug)]
enum Set {
    Forward(Duration, Duration),
    Back(Duration, Duration),
}

/// What a run gave.
struct Ran {
    /// The times of the batches in milliseconds, and the events of the first member.
    times: Vec<u64>,
    events: Vec<Event>,
    /// What the clock showed at the end.
    now: Duration,
}

impl Ran {
    /// Where the clock was set back, and by how much in seconds.
    fn set_back(&self) -> Vec<(u64, f64)> {
        let back = |event: &Event| match event {
            Event::ClockSetBack { by, next } => Some((next.as_millis(), by.as_secs_f64())),
            _ => None,
        };
        self.events.iter().filter_map(back).collect()
    }

    /// What the clock jumped over.
    fn jumped(&self) -> Vec<(u64, u64)> {
        let jumped = |event: &Event| match event {
            Event::ClockJumped { from, to } => Some((from.as_millis(), to.as_millis())),
            _ => None,
        };
        self.events.iter().filter_map(jumped).collect()
    }

    /// Where a batch is not one interval behind the one before.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let before = std::iter::once(&START).chain(&self.times);
        let pairs = before.zip(&self.times).map(|(before, time)| (before + 1000, *time));
        pairs.filter(|(next, time)| next != time).collect()
    }
}

/// Runs a job with three receivers while its clock is set; checks what is true for all.
fn run(seed: u64, members: u32, sets: Vec<Set>) -> Ran {
    let what = format!("seed {seed}, {members} members, {sets:?}");
    let seeded = SeededRuntime::with_turns_max(seed, 2, 10_000_000);
    let sent: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
    let set = AtomicBool::new(false);
    let (of_members, numbers) = (Arc::clone(&seeded), sent.clone());
    let seen = seeded_members_on(&seeded, members, move |ssc| {
        let runtime: Arc<dyn Runtime> = of_members.clone();
        if !set.swap(true, Ordering::Relaxed) {
            runtime.spawn_io("setter", Box::pin(set_all(Arc::clone(&of_members), sets.clone())));
        }
        let heard = Heard::default();
        ssc.add_streaming_listener(heard.clone());
        let batches = three_streams(ssc, &numbers);
        ssc.start().unwrap();
        let mut runs = runtime.sleep(RUNS);
        assert!(runtime.block_on_for(runs.as_mut(), RUNS * 2));
        ssc.stop(true).unwrap();
        let (batches, events) = (batches.lock().clone(), heard.0.lock().clone());
        (batches, events)
    });

    let (batches, events) = seen[0].clone();
    assert!(seen.iter().all(|(of_member, _)| *of_member == batches), "{what}: members saw different batches");
    let times: Vec<u64> = batches.iter().map(|(time, _)| *time).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{what}: times go back: {times:?}");
    for (number, sent) in (0..).zip(&sent) {
        let records = batches.iter().flat_map(|(_, records)| records);
        let of_receiver: Vec<u64> = records.filter(|(from, _)| *from == number).map(|(_, n)| *n).collect();
        let all: Vec<u64> = (0..sent.load(Ordering::Relaxed)).collect();
        assert_eq!(of_receiver, all, "{what}: receiver {number}");
    }
    let submitted = events.iter().filter_map(|event| match event {
        Event::BatchSubmitted(batch) => Some(batch.batch_time.as_millis()),
        _ => None,
    });
    assert_eq!(submitted.collect::<Vec<_>>(), times, "{what}: each batch is announced once");
    let took = seeded.uptime();
    assert!((RUNS..RUNS + SECOND * 2).contains(&took), "{what}: {took:?}");
    Ran { times, events, now: seeded.now() }
}

type Batches = Arc<Mutex<Vec<(u64, Vec<(usize, u64)>)>>>;

/// Draws the job: what each batch had, with the number of the receiver.
fn three_streams(ssc: &StreamingContext, sent: &[Arc<AtomicU64>]) -> Batches {
    let streams: Vec<_> = (0..)
        .zip(sent)
        .map(|(number, sent)| ssc.receiver_stream(Numbers(Arc::clone(sent))).map(move |n| (number, n)))
        .collect();
    let batches = Batches::default();
    let seen = Arc::clone(&batches);
    ssc.union(&streams).foreach_rdd(move |rdd, time| {
        let records = rdd.collect()?;
        seen.lock().push((time.as_millis(), records));
        Ok(())
    });
    batches
}

async fn set_all(runtime: Arc<SeededRuntime>, sets: Vec<Set>) {
    for set in sets {
        let (Set::Forward(pause, _) | Set::Back(pause, _)) = set;
        runtime.sleep(pause).await;
        let now = runtime.now();
        runtime.set_clock(match set {
            Set::Forward(_, by) => now + by,
            Set::Back(_, by) => now.saturating_sub(by),
        });
    }
}

/// Any time within the first seconds, on the tick and beside it.
fn pause(seed: u64) -> Duration {
    Duration::from_millis((seed * 500 % 4000 + seed / 8).max(1))
}

#[test]
fn a_clock_that_is_set_back_an_hour_delays_nothing() {
    for seed in 0..20 {
        for members in [1, 3] {
            let ran = run(seed, members, vec![Set::Back(pause(seed), HOUR)]);
            assert_eq!(ran.gaps(), []);
            assert!(ran.times.len() >= 8, "seed {seed}: {:?}", ran.times);
            assert_eq!(ran.jumped(), []);
            let back = ran.set_back();
            assert!(
                matches!(&back[..], [(next, 3600.0)] if ran.times.contains(next)),
                "seed {seed}: {back:?}"
            );
        }
    }
}

#[test]
fn how_long_a_batch_waited_does_not_change_with_a_clock_that_is_set_back() {
    let seeded = SeededRuntime::new(1, 2);
    let runtime = Arc::clone(&seeded);
    let heard = Heard::default();
    let listener = heard.clone();
    seeded_members_on(&seeded, 1, move |ssc| {
        ssc.add_streaming_listener(listener.clone());
        runtime
            .spawn_io("setter", Box::pin(set_all(Arc::clone(&runtime), vec![Set::Back(SECOND / 2, HOUR)])));
        let waits = Arc::clone(&runtime);
        input_batches(ssc, 1, vec![vec![2500], vec![0], vec![0]]).foreach_rdd(move |rdd, _| {
            let takes = Duration::from_millis(rdd.collect()?.into_iter().sum());
            let mut takes = waits.sleep(takes);
            assert!(waits.block_on_for(takes.as_mut(), SECOND * 9));
            Ok(())
        });
        run_batches(ssc, 4).unwrap();
        ssc.stop(false).unwrap();
    });
    let delays: Vec<Option<Duration>> = heard
        .0
        .lock()
        .iter()
        .filter_map(|event| match event {
            Event::BatchCompleted(batch) => Some(batch.scheduling_delay()),
            _ => None,
        })
        .collect();
    let expected = [0, 1500, 500, 0].map(|millis| Some(Duration::from_millis(millis)));
    assert_eq!(delays[..4], expected);
}

#[test]
fn a_clock_that_is_set_back_by_less_than_an_interval_is_waited_for() {
    for seed in 0..20 {
        let ran = run(seed, 1, vec![Set::Back(pause(seed), SECOND / 3)]);
        assert_eq!((ran.gaps(), ran.set_back(), ran.jumped()), (vec![], vec![], vec![]), "seed {seed}");
        let last = Duration::from_millis(*ran.times.last().unwrap());
        assert!(last <= ran.now + SECOND, "seed {seed}: {last:?} and {:?}", ran.now);
    }
}

#[test]
fn a_clock_that_is_set_forward_an_hour_is_caught_up_batch_by_batch() {
    // Three members are slower on this runtime, so they have a shorter way to go.
    let few = (0..8).map(|seed| (seed, 3, SECOND * 60));
    for (seed, members, by) in [(1, 1, HOUR)].into_iter().chain(few) {
        let ran = run(seed, members, vec![Set::Forward(pause(seed), by)]);
        assert_eq!((ran.gaps(), ran.set_back(), ran.jumped()), (vec![], vec![], vec![]), "seed {seed}");
        assert!(ran.times.len() as u64 >= by.as_secs() + 7, "seed {seed}: {}", ran.times.len());
    }
}

#[test]
fn a_clock_that_jumps_further_than_is_believed_passes_over_what_is_between() {
    for seed in 0..20 {
        for members in [1, 3] {
            let ran = run(seed, members, vec![Set::Forward(pause(seed), HOUR * 3)]);
            let what = format!("seed {seed}, {members} members: {:?}", ran.times);
            assert_eq!((ran.gaps().len(), ran.set_back()), (1, vec![]), "{what}");
            assert_eq!(ran.gaps(), ran.jumped(), "{what}");
            assert!(ran.times.len() >= 7, "{what}");
            let last = Duration::from_millis(*ran.times.last().unwrap());
            assert!(last + SECOND >= ran.now && last <= ran.now + SECOND, "{what}: {:?}", ran.now);
        }
    }
}

#[test]
fn a_clock_that_jumps_again_before_the_next_batch_passes_over_both() {
    let mut again = 0;
    for seed in 0..20 {
        // The first jump ends beside the grid, so the next batch is waited for when the second one comes.
        let first = Set::Forward(pause(seed), HOUR * 3 + SECOND * 2 / 5);
        let ran = run(seed, 1, vec![first, Set::Forward(SECOND * 4 / 5, HOUR * 3)]);
        let (gaps, jumped) = (ran.gaps(), ran.jumped());
        let what = format!("seed {seed}: {:?} {jumped:?}", ran.times);
        assert!((5..12).contains(&ran.times.len()), "{what}");
        for (next, time) in gaps {
            assert!(jumped.iter().any(|(from, _)| *from == next), "{what}");
            assert!(jumped.iter().any(|(_, to)| *to == time), "{what}");
        }
        again += jumped.windows(2).filter(|pair| pair[0].1 == pair[1].0).count();
    }
    assert!(again > 0, "no second jump came before the batch that the first one led to");
}

#[test]
fn a_stop_behind_a_jump_ends_with_the_batch_that_would_have_been_next() {
    for seed in 0..20 {
        for members in [1, 3] {
            // Seen at the tick of second 8, and from there it is six tenths to the grid: the stop comes in between.
            let jump = Set::Forward(SECOND * 38 / 5, HOUR * 3 + SECOND * 2 / 5);
            let ran = run(seed, members, vec![jump]);
            let what = format!("seed {seed}, {members} members: {:?}", ran.times);
            assert_eq!(ran.gaps(), ran.jumped(), "{what}");
            assert_eq!(ran.jumped(), [(START + 8000, START + 9000 + 3 * 3_600_000)], "{what}");
        }
    }
}

#[test]
fn a_clock_that_is_set_forward_again_meets_its_batches() {
    for seed in 0..20 {
        let ran = run(seed, 1, vec![Set::Back(pause(seed), HOUR), Set::Forward(SECOND * 2, HOUR)]);
        assert_eq!((ran.gaps(), ran.set_back().len(), ran.jumped()), (vec![], 1, vec![]), "seed {seed}");
        let last = Duration::from_millis(*ran.times.last().unwrap());
        assert!(last <= ran.now + SECOND, "seed {seed}: {last:?} and {:?}", ran.now);
    }
}

#[test]
fn a_graceful_stop_of_a_job_that_has_nothing_left_runs_no_more_batch() {
    for seed in 0..20 {
        let seeded = SeededRuntime::new(seed, 2);
        let seen = seeded_members_on(&seeded, 3, |ssc| {
            let batches = collect_batches(&input_batches(ssc, 1, vec![vec![1], vec![2]]));
            ssc.start().unwrap();
            ssc.await_batches(2).unwrap();
            ssc.stop(true).unwrap();
            batches.batches()
        });
        // Who stops first does so before the third is due.
        assert_eq!(seen, vec![vec![vec![1], vec![2]]; 3], "seed {seed}");
    }
}

/// A receiver that does not hear the stop.
struct Deaf;

impl Receiver for Deaf {
    type Record = u64;
    type Position = ();

    async fn run(&self, _: Gate<u64, ()>) -> Result<()> {
        std::future::pending().await
    }
}

#[test]
fn waits_end_when_they_should_while_the_clock_is_set() {
    for back in [true, false] {
        let seeded = SeededRuntime::new(1, 2);
        let set = |pause| if back { Set::Back(pause, HOUR) } else { Set::Forward(pause, HOUR * 3) };
        // One within the first wait, one within the second.
        let sets = vec![set(SECOND / 2), set(SECOND * 6)];
        let runtime = Arc::clone(&seeded);
        seeded_members_on(&seeded, 1, move |ssc| {
            runtime.spawn_io("setter", Box::pin(set_all(Arc::clone(&runtime), sets.clone())));
            ssc.receiver_stream(Deaf).foreach_rdd(|_, _| Ok(()));
            ssc.start().unwrap();
            assert!(!ssc.await_termination_or_timeout(SECOND * 5).unwrap());
            assert_eq!(runtime.uptime(), SECOND * 5, "back: {back}");
            // Ten batches, as the setting says nothing.
            ssc.stop(true).unwrap();
            assert_eq!(runtime.uptime(), SECOND * 15, "back: {back}");
        });
    }
}

#[test]
fn a_batch_took_as_long_as_it_did_whatever_the_clock_was_set_to_meanwhile() {
    for set in [HOUR, HOUR * 9] {
        let ssc = local(1);
        let Clock::Manual(manual) = clock(&ssc) else { panic!("a manual clock") };
        manual.set(HOUR * 5);
        let heard = Heard::default();
        ssc.add_streaming_listener(heard.clone());
        let sets = manual.clone();
        input_batches(&ssc, 1, vec![vec![1]]).foreach_rdd(move |_, _| {
            sets.set(set);
            sets.advance(SECOND / 4);
            Ok(())
        });
        ssc.start().unwrap();
        manual.advance(SECOND);
        ssc.await_batches(1).unwrap();
        ssc.stop(true).unwrap();
        let took = heard.0.lock().iter().find_map(|event| match event {
            Event::BatchCompleted(batch) => {
                Some((batch.processing_delay(), batch.output_operations[0].duration()))
            }
            _ => None,
        });
        assert_eq!(took, Some((Some(SECOND / 4), Some(SECOND / 4))), "set to {set:?}");
    }
}
