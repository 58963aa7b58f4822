//! A runtime for tests that want to do something between two looks of somebody else.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Bell, BoxFuture, RealRuntime, Runtime};

/// A real runtime, told of what is asked of it.
pub(crate) struct Hooked {
    runtime: RealRuntime,
    clock: Box<dyn Fn() + Send + Sync>,
    bells: Box<dyn Fn(Arc<dyn Bell>) -> Arc<dyn Bell> + Send + Sync>,
}

impl Hooked {
    /// Calls `clock` behind each look at the clock, and gives what `bells` makes of each bell.
    pub(crate) fn new(
        runtime: RealRuntime,
        clock: impl Fn() + Send + Sync + 'static,
        bells: impl Fn(Arc<dyn Bell>) -> Arc<dyn Bell> + Send + Sync + 'static,
    ) -> Self {
        Self { runtime, clock: Box::new(clock), bells: Box::new(bells) }
    }

    fn look(&self, seen: Duration) -> Duration {
        (self.clock)();
        seen
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooked").finish_non_exhaustive()
    }
}

impl Runtime for Hooked {
    fn slots(&self) -> usize {
        self.runtime.slots()
    }
    fn run_tasks(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        self.runtime.run_tasks(count, task);
    }
    fn spawn_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) {
        self.runtime.spawn_thread(name, body);
    }
    fn spawn_io(&self, name: &str, future: BoxFuture<'static, ()>) {
        self.runtime.spawn_io(name, future);
    }
    fn now(&self) -> Duration {
        self.look(self.runtime.now())
    }
    fn uptime(&self) -> Duration {
        self.look(self.runtime.uptime())
    }
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(time)
    }
    fn bell(&self) -> Arc<dyn Bell> {
        (self.bells)(self.runtime.bell())
    }
    fn block_on_for(&self, future: Pin<&mut (dyn Future<Output = ()> + '_)>, patience: Duration) -> bool {
        self.runtime.block_on_for(future, patience)
    }
    fn random(&self) -> u64 {
        self.runtime.random()
    }
}
