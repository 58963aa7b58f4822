//! A value that threads change and wait for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Bell, Runtime};

/// A value behind a lock, and a bell that rings when it changes.
///
/// The lock is held only while a closure looks at the value, never while waiting and never across user code.
pub struct Monitor<T> {
    value: Mutex<T>,
    bell: Arc<dyn Bell>,
    runtime: Arc<dyn Runtime>,
}

impl<T> Monitor<T> {
    /// A monitor whose waits go through `runtime`.
    pub fn new(runtime: &Arc<dyn Runtime>, value: T) -> Self {
        Self { value: Mutex::new(value), bell: runtime.bell(), runtime: Arc::clone(runtime) }
    }

    /// Looks at the value.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock())
    }

    /// Changes the value and wakes everybody who waits.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.bell.ring();
        result
    }

    /// Waits until `ready` gives something, and returns it.
    pub fn wait<R>(&self, mut ready: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            if let Some(result) = self.wait_until(None, &mut ready) {
                return result;
            }
        }
    }

    /// As [`wait`](Self::wait), but for at most `patience`, whatever the job's clock is set to meanwhile: `None` then.
    pub fn wait_for<R>(&self, patience: Duration, ready: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        // A time that no clock will ever show is no deadline.
        match self.runtime.uptime().checked_add(patience) {
            Some(deadline) => self.wait_until(Some(deadline), ready),
            None => Some(self.wait(ready)),
        }
    }

    /// As [`wait_for`](Self::wait_for), until [`Runtime::uptime`] has reached `deadline`: for who reckons with more than one
    /// time, and must not count what passes in between twice. `None` waits for ever.
    pub(crate) fn wait_until<R>(
        &self,
        deadline: Option<Duration>,
        mut ready: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        loop {
            // Asked before looking: a ring between the look and the wait is then not missed.
            let heard = self.bell.rings();
            if let Some(result) = ready(&mut self.value.lock()) {
                return Some(result);
            }
            if deadline.is_some_and(|deadline| self.runtime.uptime() >= deadline) {
                return None;
            }
            self.bell.wait(heard, deadline);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Monitor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Monitor").field(&self.value).finish()
    }
}
