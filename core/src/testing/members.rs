//! Jobs of several members in one process.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::harness::volatile;
use super::{SeededRuntime, Together};
use crate::context::{Ground, StreamingContext};
use crate::runtime::{Clock, ManualClock, Monitor, RealRuntime, Runtime};
use crate::words::Conf;

/// Runs `body` on each of `members` members, each with a context of its own, all by one manual clock; gives back what
/// each returned, by member.
///
/// Every member draws the same plan. [`run_batches`](super::run_batches) works on all of them: member 0 moves the clock,
/// the others follow.
///
/// # Panics
/// With the panic of the first member that panicked.
#[track_caller]
pub fn members<R: Send + 'static>(
    members: u32,
    slots: usize,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> Vec<R> {
    members_with(Conf::new(), members, slots, body)
}

/// As [`members`], with settings of one's own; the master and the interval are the kit's.
///
/// # Panics
/// As [`members`].
#[track_caller]
pub fn members_with<R: Send + 'static>(
    conf: Conf,
    members: u32,
    slots: usize,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let clock = Clock::Manual(ManualClock::default());
    let runtime: Arc<dyn Runtime> =
        Arc::new(RealRuntime::new(slots, clock.clone()).expect("the threads of a runtime"));
    all(&runtime, &clock, Together::members(members, &runtime), conf, body)
}

/// As [`members`], with one member on each of `hosts`, which are names only: for receivers that prefer a host.
///
/// # Panics
/// As [`members`].
#[track_caller]
pub fn members_on<R: Send + 'static>(
    hosts: &[&str],
    slots: usize,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let clock = Clock::Manual(ManualClock::default());
    let runtime: Arc<dyn Runtime> =
        Arc::new(RealRuntime::new(slots, clock.clone()).expect("the threads of a runtime"));
    all(&runtime, &clock, Together::members_on(hosts, &runtime), Conf::new(), body)
}

/// As [`members`], on the seeded runtime: one thread at a time, in an order drawn from `seed`, in virtual time, which
/// passes by itself. Also gives back what happened, in order.
///
/// # Panics
/// As [`members`]; and where all threads wait for each other.
#[track_caller]
pub fn seeded_members<R: Send + 'static>(
    seed: u64,
    members: u32,
    slots: usize,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> (Vec<R>, Vec<super::Turn>) {
    seeded_members_with(seed, members, slots, Conf::new(), body)
}

/// As [`seeded_members`], with other settings.
///
/// # Panics
/// As [`seeded_members`].
#[track_caller]
pub fn seeded_members_with<R: Send + 'static>(
    seed: u64,
    members: u32,
    slots: usize,
    conf: Conf,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> (Vec<R>, Vec<super::Turn>) {
    let seeded = SeededRuntime::new(seed, slots);
    let runtime: Arc<dyn Runtime> = seeded.clone();
    let results =
        seeded.run(|| all(&runtime, &Clock::System, Together::members(members, &runtime), conf, body));
    (results, seeded.trace())
}

/// As [`seeded_members`], on a runtime that the caller has made: `body` may hold it too, and set its clock.
///
/// # Panics
/// As [`seeded_members`].
#[track_caller]
pub fn seeded_members_on<R: Send + 'static>(
    seeded: &Arc<SeededRuntime>,
    members: u32,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let runtime: Arc<dyn Runtime> = seeded.clone();
    seeded.run(|| all(&runtime, &Clock::System, Together::members(members, &runtime), Conf::new(), body))
}

/// As [`seeded_members`] with one member, as most jobs have.
///
/// # Panics
/// As [`seeded_members`].
#[track_caller]
pub fn seeded<R: Send + 'static>(
    seed: u64,
    slots: usize,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> R {
    let (results, _) = seeded_members(seed, 1, slots, body);
    // Invariant: one member gives one result.
    results.into_iter().next().unwrap_or_else(|| unreachable!("one member, no result"))
}

#[track_caller]
fn all<R: Send + 'static>(
    runtime: &Arc<dyn Runtime>,
    clock: &Clock,
    members: Vec<Together>,
    conf: Conf,
    body: impl Fn(&StreamingContext) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let conf = conf
        .allow_several(true)
        .master(format!("local[{}]", runtime.slots()))
        .and_then(|conf| conf.batch_interval(Duration::from_secs(1)))
        .map(volatile)
        .expect("a valid master and interval");
    let body = Arc::new(body);
    let done = Arc::new(Monitor::new(runtime, Vec::new()));
    let count = members.len();
    for transport in members {
        let me = transport_number(&transport);
        let ground =
            Ground { runtime: Arc::clone(runtime), transport: Arc::new(transport), clock: clock.clone() };
        let ssc = StreamingContext::on(conf.clone(), ground).expect("a context");
        let (body, done) = (Arc::clone(&body), Arc::clone(&done));
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(|| body(&ssc)));
            drop(ssc);
            done.change(|done: &mut Vec<_>| done.push((me, result)));
        };
        runtime.spawn_thread(&format!("member-{me}"), Box::new(run));
    }
    let mut results = done.wait(|done| (done.len() == count).then(|| std::mem::take(done)));
    results.sort_by_key(|(me, _)| *me);
    results.into_iter().map(|(_, result)| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
}

fn transport_number(transport: &Together) -> u32 {
    crate::transport::Transport::me(transport).0
}
