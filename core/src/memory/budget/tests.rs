//! The budget never holds more than its limit, and nobody waits who need not.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Far longer than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

fn poll(future: Pin<&mut impl Future<Output = Reservation>>) -> Option<Reservation> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reservation) => Some(reservation),
        Poll::Pending => None,
    }
}

#[test]
fn a_reservation_is_given_back_when_dropped() {
    let budget = Budget::new(100);

    let first = budget.try_reserve(60).unwrap();
    assert!(budget.try_reserve(41).is_none());
    let second = budget.try_reserve(40).unwrap();
    drop(first);

    assert_eq!(budget.used(), 40);
    drop(second);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_reservation_grows_within_the_limit() {
    let budget = Budget::new(100);
    let mut reservation = budget.try_reserve(10).unwrap();

    assert!(reservation.try_grow(90));
    assert!(!reservation.try_grow(1));
    assert_eq!((reservation.bytes(), budget.used()), (100, 100));
    drop(reservation);
    assert_eq!(budget.used(), 0);
}

#[test]
fn who_asked_first_is_served_first() {
    let budget = Budget::new(100);
    let most = budget.try_reserve(70).unwrap();
    let more = budget.try_reserve(20).unwrap();
    let _rest = budget.try_reserve(10).unwrap();
    let mut large = pin!(budget.reserve(80));
    let mut small = pin!(budget.reserve(10));
    assert!(poll(large.as_mut()).is_none() && poll(small.as_mut()).is_none());
    assert_eq!(budget.waiting(), 2);

    drop(most);
    assert!(poll(small.as_mut()).is_none(), "overtakes the large one, for which there is no room yet");
    drop(more);

    assert_eq!(poll(large.as_mut()).unwrap().bytes(), 80);
    assert_eq!(poll(small.as_mut()).unwrap().bytes(), 10);
    assert_eq!(budget.waiting(), 0);
}

#[test]
fn a_task_may_overtake_the_gate() {
    let budget = Budget::new(100);
    let _held = budget.try_reserve(50).unwrap();
    let mut gate = pin!(budget.reserve(80));
    assert!(poll(gate.as_mut()).is_none());

    assert!(budget.try_reserve(50).is_some());
}

#[test]
fn who_stops_waiting_does_not_hold_up_those_behind() {
    let budget = Budget::new(100);
    let held = budget.try_reserve(90).unwrap();
    let mut large = Box::pin(budget.reserve(80));
    let mut small = pin!(budget.reserve(10));
    assert!(poll(large.as_mut()).is_none() && poll(small.as_mut()).is_none());

    drop(large);

    assert_eq!(poll(small.as_mut()).unwrap().bytes(), 10);
    drop(held);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_was_granted_to_somebody_who_left_is_given_back() {
    let budget = Budget::new(100);
    let held = budget.try_reserve(100).unwrap();
    let mut leaver = Box::pin(budget.reserve(100));
    let mut next = pin!(budget.reserve(100));
    assert!(poll(leaver.as_mut()).is_none() && poll(next.as_mut()).is_none());

    drop(held);
    drop(leaver);

    assert_eq!(poll(next.as_mut()).unwrap().bytes(), 100);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_request_beyond_the_limit_waits_until_it_is_alone_and_then_gets_it() {
    let budget = Budget::new(100);
    let held = budget.try_reserve(1).unwrap();
    let mut giant = pin!(budget.reserve(1000));
    assert!(poll(giant.as_mut()).is_none());
    assert!(budget.try_reserve(1000).is_none());

    drop(held);
    let giant = poll(giant.as_mut()).unwrap();

    assert_eq!(budget.used(), 1000);
    assert!(budget.try_reserve(1).is_none());
    drop(giant);
    assert!(budget.try_reserve(100).is_some());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the race of real threads is the point")]
fn no_wake_up_is_lost_among_threads() {
    let budget = Budget::new(100);
    let held = AtomicU64::new(0);

    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (budget, held) = (&budget, &held);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                for n in 0..2_000_u64 {
                    let bytes = 1 + (thread * 31 + n * 17) % 90;
                    let reservation = runtime.block_on(async {
                        if n % 7 == 0 {
                            // Leaves the queue again, at every stage of a grant.
                            tokio::select! { biased; () = tokio::task::yield_now() => {}, _ = budget.reserve(90) => {} }
                        }
                        tokio::time::timeout(PATIENCE, budget.reserve(bytes)).await.unwrap()
                    });
                    let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    assert!(now <= 100, "{now} bytes are held at once");
                    held.fetch_sub(bytes, Ordering::SeqCst);
                    drop(reservation);
                }
            });
        }
    });

    assert_eq!((budget.used(), budget.waiting()), (0, 0));
}

proptest! {
    /// Against a model: requests in a queue, served from the front whenever the sum allows it.
    #[test]
    fn it_does_what_a_queue_and_a_sum_do(steps in prop::collection::vec((0..4u8, 1..150u64), 1..60)) {
        let budget = Budget::new(100);
        let mut waiting: VecDeque<(u64, Pin<Box<_>>)> = VecDeque::new();
        let mut held: VecDeque<Reservation> = VecDeque::new();
        for (step, bytes) in steps {
            let sum: u64 = held.iter().map(Reservation::bytes).sum();
            match step {
                0 => {
                    let taken = budget.try_reserve(bytes);
                    prop_assert_eq!(taken.is_some(), sum + bytes <= 100);
                    held.extend(taken);
                }
                1 => {
                    let mut request = Box::pin(budget.reserve(bytes));
                    match poll(request.as_mut()) {
                        Some(reservation) => held.push_back(reservation),
                        None => waiting.push_back((bytes, request)),
                    }
                }
                2 => drop(held.pop_front()),
                _ => drop(waiting.pop_back()),
            }
            loop {
                let sum: u64 = held.iter().map(Reservation::bytes).sum();
                let Some((bytes, request)) = waiting.front_mut() else { break };
                let fits = sum + *bytes <= 100 || sum == 0;
                let granted = poll(request.as_mut());
                prop_assert_eq!(granted.is_some(), fits);
                let Some(granted) = granted else { break };
                held.push_back(granted);
                waiting.pop_front();
            }
            prop_assert_eq!(budget.waiting(), waiting.len());
            prop_assert_eq!(budget.used(), held.iter().map(Reservation::bytes).sum::<u64>());
        }
    }
}
