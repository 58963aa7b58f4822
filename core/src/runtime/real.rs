//! The runtime of a real job: rayon for tasks, tokio for futures, the system clock or a manual one.

#![allow(clippy::disallowed_methods, reason = "the one place that may: see the room's page")]

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};

use super::{Bell, BoxFuture, Clock, Runtime};
use crate::words::{Error, Result, Retry};

/// Threads of I/O: receivers only move bytes, so two keep any source busy while one of them is in a system call.
const IO_THREADS: usize = 2;

/// The runtime of a real job.
#[derive(Debug)]
pub(crate) struct RealRuntime {
    tasks: rayon::ThreadPool,
    // An option, because it is taken out at the end.
    io: Option<tokio::runtime::Runtime>,
    clock: Clock,
    made: Instant,
}

impl RealRuntime {
    /// A runtime with `slots` task threads.
    pub(crate) fn new(slots: usize, clock: Clock) -> Result<Self> {
        let failed = |what: &str, source| Error::Other {
            what: format!("cannot start {what}"),
            retry: Retry::Never,
            source: Some(source),
        };
        let tasks = rayon::ThreadPoolBuilder::new()
            .num_threads(slots)
            .thread_name(|n| format!("tidemill-task-{n}"))
            .build()
            .map_err(|error| failed("the task threads", error.into()))?;
        let io = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("tidemill-io")
            .enable_all()
            .build()
            .map_err(|error| failed("the I/O threads", error.into()))?;
        Ok(Self { tasks, io: Some(io), clock, made: Instant::now() })
    }

    fn io(&self) -> &tokio::runtime::Handle {
        match &self.io {
            Some(io) => io.handle(),
            // Invariant: only `drop` takes it out.
            None => unreachable!("the I/O threads are gone before their runtime"),
        }
    }
}

impl Drop for RealRuntime {
    fn drop(&mut self) {
        // A plain drop waits, and panics inside `#[tokio::main]`.
        if let Some(io) = self.io.take() {
            io.shutdown_background();
        }
    }
}

impl Runtime for RealRuntime {
    fn slots(&self) -> usize {
        self.tasks.current_num_threads()
    }

    fn run_tasks(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                task(index);
            }
        };
        let helpers = count.min(self.slots()).saturating_sub(1);
        if tokio::runtime::Handle::try_current().is_ok() {
            // A thread of somebody's futures: a task that waits for an async client would panic there.
            self.tasks.scope(|scope| share(scope, helpers, &work));
        } else {
            // The caller would only wait, so it is one of the slots: a small stage wakes nobody it does not need.
            self.tasks.in_place_scope(|scope| share(scope, helpers, &work));
        }
    }

    fn spawn_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) {
        let thread = std::thread::Builder::new().name(format!("tidemill-{name}"));
        if let Err(error) = thread.spawn(body) {
            #[allow(
                clippy::panic,
                reason = "without its threads no job goes on; nobody is there to hand an error to"
            )]
            {
                panic!("cannot start the thread `{name}`: {error}");
            }
        }
    }

    fn spawn_io(&self, _name: &str, future: BoxFuture<'static, ()>) {
        self.io().spawn(future);
    }

    fn spawn_blocking(&self, _name: &str, body: Box<dyn FnOnce() + Send>) {
        // Its threads are kept for the next one.
        self.io().spawn_blocking(body);
    }

    fn now(&self) -> Duration {
        match &self.clock {
            Clock::System => system_now(),
            Clock::Manual(clock) => clock.now(),
        }
    }

    fn uptime(&self) -> Duration {
        match &self.clock {
            Clock::System => self.made.elapsed(),
            Clock::Manual(clock) => clock.uptime(),
        }
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        match &self.clock {
            Clock::System => {
                let from = Instant::now();
                // Made by the first poll, which is in tokio; the caller need not be.
                Box::pin(async move { tokio::time::sleep(time.saturating_sub(from.elapsed())).await })
            }
            Clock::Manual(clock) => clock.sleep(time),
        }
    }

    fn bell(&self) -> Arc<dyn Bell> {
        match &self.clock {
            Clock::System => {
                Arc::new(SystemBell { rings: Mutex::new(0), rung: Condvar::new(), since: Some(self.made) })
            }
            Clock::Manual(clock) => {
                let bell: Arc<dyn Bell> =
                    Arc::new(SystemBell { rings: Mutex::new(0), rung: Condvar::new(), since: None });
                clock.register(&bell);
                bell
            }
        }
    }

    fn block_on_for(&self, future: Pin<&mut (dyn Future<Output = ()> + '_)>, patience: Duration) -> bool {
        self.io().block_on(async { tokio::time::timeout(patience, future).await.is_ok() })
    }

    fn random(&self) -> u64 {
        // The standard library's per-map seed: no crate for what a start needs a few times.
        RandomState::new().hash_one(self.made)
    }
}

fn system_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Works, and lets so many others of the pool help.
fn share<'scope>(scope: &rayon::Scope<'scope>, helpers: usize, work: &'scope (impl Fn() + Sync)) {
    for _ in 0..helpers {
        scope.spawn(move |_| work());
    }
    work();
}

#[derive(Debug)]
struct SystemBell {
    rings: Mutex<u64>,
    rung: Condvar,
    // When uptime was zero. With a manual clock, the clock rings at every move; the system's time means nothing then.
    since: Option<Instant>,
}

impl Bell for SystemBell {
    fn rings(&self) -> u64 {
        *self.rings.lock()
    }

    fn ring(&self) {
        *self.rings.lock() += 1;
        self.rung.notify_all();
    }

    fn wait(&self, heard: u64, deadline: Option<Duration>) {
        let mut rings = self.rings.lock();
        if *rings > heard {
            return;
        }
        match (deadline, self.since) {
            (Some(deadline), Some(since)) => {
                self.rung.wait_for(&mut rings, deadline.saturating_sub(since.elapsed()));
            }
            _ => self.rung.wait(&mut rings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_may_be_made_where_no_tokio_is() {
        let runtime = RealRuntime::new(1, Clock::System).unwrap();
        let mut sleep = runtime.sleep(Duration::ZERO);
        assert!(runtime.block_on_for(sleep.as_mut(), Duration::from_mins(1)));
    }
}
