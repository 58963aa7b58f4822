//! A runtime that runs one thread at a time, in an order drawn from a seed, in virtual time.

#![allow(clippy::disallowed_methods, reason = "it is one of the two runtimes, and those may start threads")]

mod seat;
mod turns;
mod wants;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use self::seat::Seat;
pub use self::turns::Turn;
use self::turns::Turns;
use self::wants::{Rings, Wants, Woken};
use crate::runtime::{Bell, BoxFuture, Runtime};

/// When the virtual time starts, since the Unix epoch: a whole number of days, so that batches of any usual interval
/// start with it.
const START: Duration = Duration::from_hours(20_000 * 24);

/// How many turns a run may take: far more than a test needs, and few enough that one that never ends fails soon.
const TURNS_MAX: usize = 1_000_000;

/// A runtime that runs one thread at a time, in an order drawn from a seed, in virtual time.
///
/// Every thread, task and I/O future has a thread of the operating system, but only one of them has the *turn*. It keeps
/// it until it waits ([`Bell::wait`], [`block_on_for`](Runtime::block_on_for), a pending future, the end of its tasks)
/// or yields; who goes on is drawn from the seed among those who can. So the same seed gives the same run, and other
/// seeds give other orders. When nobody can go on, time jumps to the next deadline, without anybody sleeping.
///
/// A test that would hang fails: when nobody can go on and there is no deadline, or when there is no end of turns, the
/// threads from outside panic with the names of all threads and what they wait for.
///
/// # Limits
/// - Threads wait only through the seam: one that waits for a lock which is held across a turn, or for a thread from
///   outside, keeps the turn. The run fails after a minute of real time then.
/// - Futures have no reactor: sockets and tokio's timers do not work, tokio's channels and locks do.
/// - A thread from outside takes part from the first time it waits or starts something. With more than one of those, the
///   order in which they come is not the seed's; start threads with [`spawn_thread`](Runtime::spawn_thread) instead.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tidemill::testing::SeededRuntime;
/// use tidemill::{Monitor, Runtime};
///
/// let seeded = SeededRuntime::new(7, 2);
/// let runtime: Arc<dyn Runtime> = seeded.clone();
/// let done = seeded.run(|| {
///     let done = Arc::new(Monitor::new(&runtime, false));
///     let sleep = runtime.sleep(Duration::from_secs(3600));
///     let tell = Arc::clone(&done);
///     runtime.spawn_io("sleeper", Box::pin(async move {
///         sleep.await;
///         tell.change(|done| *done = true);
///     }));
///     done.wait(|done| done.then_some(true))
/// });
/// assert!(done);
/// assert_eq!(runtime.uptime(), Duration::from_secs(3600));
/// ```
pub struct SeededRuntime {
    turns: Arc<Turns>,
    slots: usize,
}

impl SeededRuntime {
    /// A runtime whose order is drawn from `seed`, and which runs at most `slots` tasks at once.
    pub fn new(seed: u64, slots: usize) -> Arc<Self> {
        Self::with_turns_max(seed, slots, TURNS_MAX)
    }

    /// As [`new`](Self::new), for runs that may take `turns_max` turns instead of a million.
    pub fn with_turns_max(seed: u64, slots: usize, turns_max: usize) -> Arc<Self> {
        let slots = slots.max(1);
        Arc::new(Self { turns: Arc::new(Turns::new(seed, slots, START, turns_max)), slots })
    }

    /// Runs `body` on this thread as one of those that take turns, and then ends the threads that are left: they unwind
    /// where they wait, and their futures are dropped. Returns when they are gone.
    ///
    /// Several threads may be inside at the same time; the last one out ends the rest.
    ///
    /// # Panics
    /// With the panic of `body`. Inside, every wait panics where nobody can go on.
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        seat::run(&self.turns, body)
    }

    /// Sets the job's clock, forward or back, as somebody does who corrects a machine's: [`now`](Runtime::now) shows
    /// `clock` from here on, and no time passes.
    pub fn set_clock(&self, clock: Duration) {
        self.turns.set_clock(clock);
    }

    /// The turns so far: the same for the same seed and the same program.
    pub fn trace(&self) -> Vec<Turn> {
        self.turns.trace()
    }

    fn spawn(&self, name: &str, body: impl FnOnce(turns::Id) + Send + 'static) {
        // Whoever starts a thread takes part: otherwise the two would run at the same time.
        seat::sit(&self.turns);
        let seat = Seat::reserve(&self.turns, name, Wants::Turn("starts"));
        let thread = std::thread::Builder::new().name(format!("tidemill-{name}"));
        if let Err(error) = thread.spawn(move || seat.occupy(body)) {
            // As with the real runtime: there is nobody to hand an error to.
            panic!("cannot start the thread `{name}`: {error}");
        }
    }
}

impl Runtime for SeededRuntime {
    fn slots(&self) -> usize {
        self.slots
    }

    fn run_tasks(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        if count == 0 {
            return;
        }
        let (turns, me) = (&self.turns, seat::sit(&self.turns));
        let (caller, had_slot) = (turns.name(me), turns.has_slot(me));
        let left = Mutex::new((0..count).collect::<Vec<_>>());
        let panicked = Mutex::new(None);
        // A thread takes the next task when it has ended one: more threads than slots would only wait.
        let threads = count.min(self.slots);
        let running = Arc::new(AtomicUsize::new(threads));
        let work = |id| {
            loop {
                let mut tasks = left.lock();
                if tasks.is_empty() {
                    return;
                }
                let drawn = (turns.random() % tasks.len() as u64) as usize;
                let index = tasks.swap_remove(drawn);
                drop(tasks);
                turns.rename(id, &format!("{caller}/task-{index}"));
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(index))) {
                    panicked.lock().get_or_insert(panic);
                }
                if left.lock().is_empty() {
                    return;
                }
                seat::pass(turns, id, Wants::Slot);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let seat = Seat::reserve(turns, &format!("{caller}/task"), Wants::Slot);
                let (one_less, work) = (OneLess(Arc::clone(&running)), &work);
                scope.spawn(move || {
                    seat.occupy(|id| {
                        let _one_less = one_less;
                        work(id);
                    });
                });
            }
            // The scope waits for its threads only when they have left.
            seat::pass(turns, me, Wants::Tasks(running));
        });
        if had_slot {
            seat::pass(turns, me, Wants::Slot);
        }
        if let Some(panic) = panicked.into_inner() {
            resume_unwind(panic);
        }
    }

    fn spawn_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) {
        self.spawn(name, |_| body());
    }

    fn spawn_io(&self, name: &str, mut future: BoxFuture<'static, ()>) {
        let turns = Arc::clone(&self.turns);
        self.spawn(name, move |me| {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            loop {
                woken.clear();
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    return;
                }
                let wants = Wants::Wake { woken: Arc::clone(&woken), deadline: None };
                if turns.pass(me, wants).is_err() {
                    return;
                }
            }
        });
    }

    fn now(&self) -> Duration {
        self.turns.clock()
    }

    fn uptime(&self) -> Duration {
        self.turns.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let sleep = Sleep { turns: Arc::clone(&self.turns), number: self.turns.new_sleeper() };
        let until = self.turns.now().saturating_add(time);
        Box::pin(std::future::poll_fn(move |context| {
            if sleep.turns.sleep(sleep.number, until, context.waker()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }

    fn bell(&self) -> Arc<dyn Bell> {
        let rings = self.turns.rings(seat::seated(&self.turns));
        Arc::new(SeededBell { rings: Arc::new(rings), turns: Arc::clone(&self.turns) })
    }

    fn block_on_for(&self, mut future: Pin<&mut (dyn Future<Output = ()> + '_)>, patience: Duration) -> bool {
        let me = seat::sit(&self.turns);
        let deadline = self.uptime().checked_add(patience);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        seat::pass(&self.turns, me, Wants::Turn("blocks on a future"));
        loop {
            woken.clear();
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return true;
            }
            if deadline.is_some_and(|deadline| self.uptime() >= deadline) {
                return false;
            }
            seat::pass(&self.turns, me, Wants::Wake { woken: Arc::clone(&woken), deadline });
        }
    }

    fn yield_now(&self) {
        seat::pass(&self.turns, seat::sit(&self.turns), Wants::Turn("yields"));
    }

    fn random(&self) -> u64 {
        self.turns.random()
    }
}

impl fmt::Debug for SeededRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededRuntime")
            .field("seed", &self.turns.seed)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SeededBell {
    rings: Arc<Rings>,
    turns: Arc<Turns>,
}

impl Bell for SeededBell {
    fn rings(&self) -> u64 {
        self.rings.count()
    }

    fn ring(&self) {
        self.rings.ring();
    }

    fn wait(&self, heard: u64, deadline: Option<Duration>) {
        let wants = Wants::Ring { bell: Arc::clone(&self.rings), heard, deadline };
        seat::pass(&self.turns, seat::sit(&self.turns), wants);
    }
}

/// A sleep; a dropped one wakes nobody, and time does not stop at it.
struct Sleep {
    turns: Arc<Turns>,
    number: u64,
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.turns.sleep_no_more(self.number);
    }
}

/// One thread of tasks less, once this is dropped.
struct OneLess(Arc<AtomicUsize>);

impl Drop for OneLess {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
