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
/// [`advance`](Self::advance) lets time pass; [`set`](Self::set) is what happens to a system's clock that is corrected: it
/// shows another time, and none has passed.
///
/// ```
/// use std::time::Duration;
/// use tidemill::ManualClock;
///
/// let clock = ManualClock::at(Duration::from_secs(10));
/// clock.advance(Duration::from_secs(2));
/// clock.set(Duration::from_secs(5));
/// assert_eq!(clock.now(), Duration::from_secs(5));
/// assert_eq!(clock.uptime(), Duration::from_secs(2));
/// ```
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    uptime: Duration,
    bells: Vec<Weak<dyn Bell>>,
    // Until which uptime.
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

    /// How far it was moved forward since it was made.
    pub fn uptime(&self) -> Duration {
        self.0.lock().uptime
    }

    /// Moves it forward: so much time passes.
    pub fn advance(&self, by: Duration) {
        let (bells, due) = {
            let mut state = self.0.lock();
            state.now += by;
            state.uptime += by;
            let uptime = state.uptime;
            state.bells.retain(|bell| bell.strong_count() > 0);
            let due = state.sleepers.extract_if(.., |(until, _)| *until <= uptime).map(|(_, waker)| waker);
            let due: Vec<Waker> = due.collect();
            (state.bells.clone(), due)
        };
        bells.iter().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
        due.into_iter().for_each(Waker::wake);
    }

    /// Sets it, forward or back, as a system clock that was corrected: no time passes, so nobody who waits goes on. A job
    /// sees it when its next batch is due.
    pub fn set(&self, now: Duration) {
        self.0.lock().now = now;
    }

    pub(super) fn register(&self, bell: &Arc<dyn Bell>) {
        self.0.lock().bells.push(Arc::downgrade(bell));
    }

    pub(super) fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let until = self.uptime().saturating_add(time);
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = clock.0.lock();
            if state.uptime >= until {
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
