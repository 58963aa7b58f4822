//! Tests of the limiter, by a clock that stands still.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::runtime::{ManualClock, RealRuntime};

const SECOND: Duration = Duration::from_secs(1);
const BLOCK: Duration = Duration::from_millis(200);

/// A limiter for batches of 10 s and blocks of 200 ms, its first batch done.
struct Bench {
    clock: ManualClock,
    limiter: Limiter,
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn per_second(records: f64) -> Rate {
    Rate::per_second(records).unwrap()
}

impl Bench {
    fn new(rate: f64) -> Self {
        let clock = ManualClock::at(SECOND);
        let runtime: Arc<dyn Runtime> =
            Arc::new(RealRuntime::new(1, crate::runtime::Clock::Manual(clock.clone())).unwrap());
        let bench = Self { clock, limiter: Limiter::new(&runtime, SECOND * 10, BLOCK) };
        bench.limiter.cut(BatchTime::from_millis(0), 1);
        bench.completed(0, 0, 1);
        bench.limiter.set(Some(per_second(rate)));
        bench
    }

    fn completed(&self, batch: u64, delay: u64, processing: u64) -> (u64, bool) {
        let seconds = Duration::from_secs;
        self.limiter.completed(BatchTime::from_millis(batch), seconds(delay), seconds(processing))
    }

    fn passes(&self, records: u64) -> bool {
        poll(&mut pin!(self.limiter.admit(records)), Waker::noop())
    }

    /// How many records come in one by one until somebody would have to wait.
    fn take_all(&self) -> u64 {
        (0..u64::MAX).take_while(|_| self.passes(1)).count() as u64
    }
}

fn poll(future: &mut Pin<&mut impl Future<Output = ()>>, waker: &Waker) -> bool {
    future.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Ready(())
}

#[test]
fn as_many_come_in_as_the_rate_says_and_one_block_at_once() {
    let bench = Bench::new(1000.0);
    assert_eq!(bench.take_all(), 200);
    bench.clock.advance(SECOND / 10);
    assert_eq!(bench.take_all(), 100);
    // Nobody comes for a minute: what is saved up is a block.
    bench.clock.advance(SECOND * 60);
    assert_eq!(bench.take_all(), 200);
}

#[test]
fn another_rate_gives_no_burst() {
    let bench = Bench::new(1000.0);
    let mut taken = bench.take_all();
    for change in 1..=100 {
        bench.limiter.set(Some(per_second(1000.0 + f64::from(change % 2))));
        taken += bench.take_all();
    }
    assert_eq!(taken, 200);
    bench.limiter.set(Some(per_second(50_000.0)));
    // At most what comes in 100 µs: the permits are as large.
    assert!(bench.take_all() <= 5);
    bench.limiter.set(Some(per_second(10.0)));
    assert!(bench.take_all() <= 1);
}

#[test]
fn rates_that_change_with_each_batch_admit_what_they_say() {
    let bench = Bench::new(1000.0);
    let mut taken = 0;
    for (rate, ticks) in [(1000.0, 100), (200.0, 100), (5000.0, 100)] {
        bench.limiter.set(Some(per_second(rate)));
        for _ in 0..ticks {
            taken += bench.take_all();
            bench.clock.advance(SECOND / 100);
        }
    }
    // 1,000 and 200 and 5,000 in a second each, and the first block.
    assert!((6300..=6420).contains(&taken), "{taken}");
}

#[test]
fn odd_and_very_high_rates_are_exact_to_a_thousandth() {
    for rate in [13.7, 999.9, 123_456.7, 33_333_333.3, 7e11] {
        let bench = Bench::new(rate);
        let step = (rate / 1000.0) as u64 + 1;
        let mut taken = 0;
        for _ in 0..=100 {
            while bench.passes(step) {
                taken += step;
            }
            bench.clock.advance(BLOCK / 2);
        }
        // A block, and ten seconds; permits are whole.
        let expected = rate * 10.2;
        let error = (taken as f64 - expected).abs();
        assert!(error <= expected / 1000.0 + step as f64 + 1.0, "{rate}: {taken} and not {expected}");
    }
}

#[test]
fn a_rate_below_one_lets_a_record_in_now_and_then() {
    let bench = Bench::new(0.1);
    let mut taken = 0;
    for second in 0..100 {
        taken += bench.take_all();
        bench.clock.advance(SECOND);
        bench.limiter.cut(BatchTime::from_millis(second), 0);
    }
    assert_eq!(taken, 10);
}

#[test]
fn more_records_than_a_block_come_in_step_by_step() {
    let bench = Bench::new(1000.0);
    let mut all = pin!(bench.limiter.admit(700));
    let mut steps = 0;
    while !poll(&mut all, Waker::noop()) {
        bench.clock.advance(SECOND / 10);
        steps += 1;
    }
    // A block at once, two more at 200 and 400 ms, and the last 100 at 500 ms.
    assert_eq!(steps, 5);
}

#[test]
fn a_wait_ends_when_the_rate_rises() {
    let bench = Bench::new(0.01);
    assert!(bench.passes(1));
    let woken = Arc::new(Woken::default());
    let mut waits = pin!(bench.limiter.admit(1));
    assert!(!poll(&mut waits, &woken.clone().into()));
    bench.limiter.set(Some(per_second(1000.0)));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    // What was owed at the low rate, 100 s, is a block at most now.
    assert!(!poll(&mut waits, Waker::noop()));
    bench.clock.advance(BLOCK);
    assert!(poll(&mut waits, Waker::noop()));
}

#[test]
fn a_wait_ends_when_the_limit_goes() {
    let bench = Bench::new(0.01);
    assert!(bench.passes(1));
    let mut waits = pin!(bench.limiter.admit(1_000_000));
    assert!(!poll(&mut waits, Waker::noop()));
    bench.limiter.set(None);
    assert!(poll(&mut waits, Waker::noop()));
}

#[test]
fn who_came_first_is_served_first() {
    let bench = Bench::new(1000.0);
    let mut many = pin!(bench.limiter.admit(1000));
    assert!(!poll(&mut many, Waker::noop()));
    for _ in 0..7 {
        bench.clock.advance(SECOND / 10);
        assert!(!bench.passes(1), "it would pass those who wait");
        let _ = poll(&mut many, Waker::noop());
    }
    bench.clock.advance(SECOND / 10);
    assert!(poll(&mut many, Waker::noop()));
}

#[test]
fn somebody_who_waits_no_more_holds_nobody_back() {
    let bench = Bench::new(1000.0);
    {
        let mut many = pin!(bench.limiter.admit(1_000_000));
        assert!(!poll(&mut many, Waker::noop()));
    }
    bench.clock.advance(SECOND);
    assert_eq!(bench.take_all(), 200);
}

#[test]
fn a_batch_says_whether_it_was_held_back() {
    let bench = Bench::new(1000.0);
    let batch = BatchTime::from_millis;
    assert!(bench.passes(100));
    bench.limiter.cut(batch(1), 100);
    {
        let mut waits = pin!(bench.limiter.admit(500));
        assert!(!poll(&mut waits, Waker::noop()));
        bench.limiter.cut(batch(2), 200);
        bench.limiter.cut(batch(3), 0);
    }
    bench.limiter.cut(batch(4), 0);
    bench.limiter.cut(batch(5), 7);
    let done: Vec<_> = (1..=5).map(|batch| bench.completed(batch, 0, 1)).collect();
    // Somebody waited through the whole of 3, and into 4.
    assert_eq!(done, [(100, false), (200, true), (0, true), (0, true), (7, false)]);
}

#[test]
fn two_and_a_half_batches_are_inside_and_no_more() {
    let bench = Bench::new(1000.0);
    let batch = BatchTime::from_millis;
    bench.limiter.cut(batch(1), 10_000);
    bench.limiter.cut(batch(2), 10_000);
    for _ in 0..25 {
        assert!(bench.passes(200));
        bench.clock.advance(BLOCK);
    }
    let woken = Arc::new(Woken::default());
    let mut waits = pin!(bench.limiter.admit(1));
    assert!(!poll(&mut waits, &woken.clone().into()));
    bench.clock.advance(SECOND * 60);
    assert!(!poll(&mut waits, &woken.clone().into()));
    assert_eq!(bench.completed(1, 0, 9), (10_000, false));
    assert!(woken.0.load(Ordering::Relaxed) > 0);
    assert!(poll(&mut waits, Waker::noop()));
}

#[test]
fn before_the_first_batch_is_done_one_is_inside() {
    let bench = Bench::new(1000.0);
    let limiter = Limiter::new(&bench.limiter.runtime, SECOND * 10, BLOCK);
    limiter.set(Some(per_second(1000.0)));
    limiter.cut(BatchTime::from_millis(1), 10_000);
    assert!(!poll(&mut pin!(limiter.admit(1)), Waker::noop()));
    limiter.completed(BatchTime::from_millis(1), Duration::ZERO, SECOND);
    assert!(poll(&mut pin!(limiter.admit(1)), Waker::noop()));
}

#[test]
fn while_a_batch_is_late_nothing_comes_in_until_all_is_computed() {
    let bench = Bench::new(1000.0);
    let batch = BatchTime::from_millis;
    bench.limiter.cut(batch(1), 100);
    bench.limiter.cut(batch(2), 100);
    bench.completed(1, 15, 6);
    assert!(!bench.passes(1));
    bench.completed(2, 15, 6);
    assert!(bench.passes(1));
}

#[test]
fn where_waiting_is_in_vain_nobody_waits() {
    let bench = Bench::new(1000.0);
    let batch = BatchTime::from_millis;
    bench.limiter.cut(batch(1), 0);
    bench.limiter.cut(batch(2), 100);
    // Ten seconds for nothing at all.
    bench.completed(1, 15, 10);
    assert!(bench.passes(1));
    // A batch that is quick again.
    bench.limiter.cut(batch(3), 100);
    bench.completed(2, 30, 9);
    assert!(!bench.passes(1));
}

#[test]
fn a_clock_that_a_test_sets_back_closes_nothing_for_ever() {
    let bench = Bench::new(1000.0);
    bench.clock.advance(SECOND * 3600);
    assert_eq!(bench.take_all(), 200);
    bench.clock.set(SECOND);
    assert!(bench.take_all() <= 200);
    bench.clock.advance(SECOND);
    assert_eq!(bench.take_all(), 200);
}

#[test]
fn a_clock_that_jumps_an_hour_changes_no_rate() {
    let bench = Bench::new(1.0);
    bench.clock.set(SECOND * 7200);
    let limiter = Limiter::new(&bench.limiter.runtime, SECOND * 10, BLOCK);
    limiter.set(Some(per_second(1000.0)));
    for now in [3600_u64, 7200, 10_800] {
        bench.clock.set(Duration::from_secs(now));
        bench.clock.advance(SECOND / 10);
        let taken = (0..u64::MAX).take_while(|_| poll(&mut pin!(limiter.admit(1)), Waker::noop())).count();
        assert!(taken == if now == 3600 { 200 } else { 100 }, "{taken} at {now}");
        let mut waits = pin!(limiter.admit(1));
        assert!(!poll(&mut waits, Waker::noop()));
        bench.clock.advance(SECOND / 1000);
        assert!(poll(&mut waits, Waker::noop()));
        limiter.cut(BatchTime::from_millis(now), 0);
    }
}
