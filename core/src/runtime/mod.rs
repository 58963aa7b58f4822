//! The one seam to threads, time and randomness.
//!
//! Nothing else in core starts a thread, sleeps, asks the time or draws a random number (`clippy.toml` guards it), so
//! that a whole job with several members also runs on the seeded runtime of the test kit: one thread at a time, in an
//! order drawn from a seed, in virtual time.
//!
//! Two kinds of threads: **I/O** (tokio: receivers, timers) and **tasks** (rayon: operators, sinks, inputs). User
//! functions never run on an I/O thread.

mod clock;
#[cfg(test)]
mod hooked;
mod monitor;
mod real;
mod task;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::clock::{Clock, ManualClock};
#[cfg(test)]
pub(crate) use self::hooked::Hooked;
pub use self::monitor::Monitor;
pub(crate) use self::real::RealRuntime;
pub(crate) use self::task::{
    Pending, add_pending, in_task, is_own_thread, run_in_task, spawn_own, without_effects,
};
pub use self::task::{Site, TaskContext};

/// A boxed future, for the places that need `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who runs things, and what time it is.
///
/// The real one: rayon for tasks, tokio for futures, the system clock (or a manual one). The seeded one of the test kit:
/// one thread at a time. Every wait of the engine goes through a [`Bell`], [`block_on_for`](Self::block_on_for) or a
/// sleep of this trait, so the seeded one can hand the turn on.
pub trait Runtime: Send + Sync + Debug + 'static {
    /// How many tasks may run at once.
    fn slots(&self) -> usize;

    /// Runs `task(0) … task(count - 1)` on task threads, at most [`slots`](Self::slots) at once; returns when all have
    /// run. Tasks do not unwind: the caller catches panics inside.
    fn run_tasks(&self, count: usize, task: &(dyn Fn(usize) + Sync));

    /// Runs `body` on a thread of its own: the driver, the clock, listeners.
    fn spawn_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>);

    /// Runs a receiver or a timer on the I/O threads.
    fn spawn_io(&self, name: &str, future: BoxFuture<'static, ()>);

    /// Runs `body`, which may block for as long as a disk takes, on a thread for such work: never on one of tasks or I/O.
    fn spawn_blocking(&self, name: &str, body: Box<dyn FnOnce() + Send>) {
        self.spawn_thread(name, body);
    }

    /// Time since the Unix epoch on the job's clock; may jump, forward and back, when somebody sets it. For the names of
    /// batches and for people; never for how long something takes.
    fn now(&self) -> Duration;

    /// Time since this runtime was made; never goes back and never jumps. For durations, pauses and deadlines.
    fn uptime(&self) -> Duration;

    /// Resolves once [`uptime`](Self::uptime) has gone on by `time` from here: a clock that is set changes nothing.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Something to wait on; see [`Monitor`].
    fn bell(&self) -> Arc<dyn Bell>;

    /// Drives `future` on the calling thread, which is never an I/O thread, for at most `patience` of real time.
    /// Returns whether it is done; otherwise the caller may go on with it.
    fn block_on_for(&self, future: Pin<&mut (dyn Future<Output = ()> + '_)>, patience: Duration) -> bool;

    /// A point at which another thread may have its turn. Operators pass it between chunks.
    fn yield_now(&self) {}

    /// The next random number.
    fn random(&self) -> u64;

    /// Wraps every task; a binding to an interpreter attaches here once a task, not once a record.
    fn around_task(&self, run: &mut dyn FnMut()) {
        run();
    }
}

/// Wakes threads that wait for something to change; counts its rings, so that none is missed.
pub trait Bell: Send + Sync + Debug {
    /// How often it has rung.
    fn rings(&self) -> u64;

    /// Rings: everybody who waits looks again.
    fn ring(&self);

    /// Waits until it has rung more than `heard` times, or until [`Runtime::uptime`] has reached `deadline`. May
    /// return early.
    fn wait(&self, heard: u64, deadline: Option<Duration>);
}
