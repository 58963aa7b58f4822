//! What time it is: by the system, or by hand.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Bell, BoxFuture};

/// Which clock a job runs by.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// One that a test moves.
    Manual(ManualClock),
}

/// A clock that stands still until somebody moves it. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use tidemill::ManualClock;
///
/// let clock = ManualClock::at(Duration::from_secs(10));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now(), Duration::from_secs(12));
/// ```
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    bells: Vec<Weak<dyn Bell>>,
    sleepers: Vec<(Duration, Waker)>,
}

impl ManualClock {
    /// A clock that stands at `now` since the epoch.
    pub fn at(now: Duration) -> Self {
        let clock = Self::default();
        clock.0.lock().now = now;
        clock
    }

    /// What it shows.
    pub fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets it, also back, as a system clock that was corrected.
    pub fn set(&self, now: Duration) {
        let (bells, due) = {
            let mut state = self.0.lock();
            state.now = now;
            state.bells.retain(|bell| bell.strong_count() > 0);
            let due = state.sleepers.extract_if(.., |(until, _)| *until <= now).map(|(_, waker)| waker);
            let due: Vec<Waker> = due.collect();
            (state.bells.clone(), due)
        };
        bells.iter().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
        due.into_iter().for_each(Waker::wake);
    }

    pub(super) fn register(&self, bell: &Arc<dyn Bell>) {
        self.0.lock().bells.push(Arc::downgrade(bell));
    }

    pub(super) fn sleep_until(&self, until: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = clock.0.lock();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.sleepers.push((until, context.waker().clone()));
            Poll::Pending
        }))
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}
