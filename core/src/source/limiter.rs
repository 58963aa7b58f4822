//! What lets records in no faster than a rate, and not while too much waits.

mod inside;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Queue, Notify};

use self::inside::Inside;
#[cfg(feature = "testing")]
pub(crate) use self::inside::{INSIDE_AT_START, INSIDE_MAX, LATE};
use crate::runtime::Runtime;
use crate::words::{BatchTime, Rate};

/// Permits are taken for what comes in this time at once: one look at the limiter for many records.
const CELL: Duration = Duration::from_micros(100);

/// The longest time that a permit may take: a rate below one record in 30 years counts as that.
const PERIOD_MAX: Duration = Duration::from_secs(1_000_000_000);

/// Lets the records of one receiver in: at a rate that may change at any time, and not while too much waits.
///
/// It is governor's limiter behind a pointer that is swapped when the rate changes. When the next permit is due is kept
/// beside it and survives the swap: a limiter that is new would start with its whole burst each time.
pub(crate) struct Limiter {
    runtime: Arc<dyn Runtime>,
    interval: Duration,
    // What the limiter saves up while nobody comes: one block.
    block: Duration,
    limit: ArcSwapOption<Limit>,
    due: Arc<AtomicU64>,
    inside: Mutex<Inside>,
    // Those who wait, first come, first served: whoever needs many permits is not passed by those who need few.
    queue: Queue<()>,
    changed: Notify,
}

/// A rate, and its limiter.
struct Limit {
    rate: Rate,
    /// Records of one permit.
    cell: u64,
    burst: NonZeroU32,
    /// What a permit may be in the future at most.
    longest: Duration,
    permits: RateLimiter<NotKeyed, Due, Uptime, NoOpMiddleware<Nanos>>,
}

/// Why records cannot come in yet.
enum Closed {
    /// For so long, at the present rate.
    For(Duration),
    /// Until a batch is done.
    Full,
}

impl Limiter {
    /// One that lets everything in, for batches of `interval` and blocks of `block`.
    pub(crate) fn new(runtime: &Arc<dyn Runtime>, interval: Duration, block: Duration) -> Self {
        Self {
            runtime: Arc::clone(runtime),
            interval,
            block,
            limit: ArcSwapOption::empty(),
            due: Arc::default(),
            inside: Mutex::default(),
            queue: Queue::new(()),
            changed: Notify::new(),
        }
    }

    /// Whether there is no limit.
    pub(super) fn is_open(&self) -> bool {
        self.limit.load().is_none()
    }

    /// The limit in force.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.limit.load().as_ref().map(|limit| limit.rate)
    }

    /// Another limit, or none. Those who wait look again.
    pub(crate) fn set(&self, rate: Option<Rate>) {
        if rate == self.rate() {
            return;
        }
        let limit = rate.map(|rate| Arc::new(Limit::new(rate, self)));
        if let Some(limit) = &limit {
            // What is owed at a low rate must not hold back a higher one, and what was saved up at a high rate is none of a
            // lower one's.
            self.due.fetch_min(nanos(self.runtime.uptime() + limit.longest), Ordering::AcqRel);
            let mut inside = self.inside.lock();
            inside.spare = inside.spare.min(limit.cell);
        }
        self.limit.store(limit);
        self.changed.notify_waiters();
    }

    /// Waits until `records` may come in.
    pub(super) async fn admit(&self, records: u64) {
        let mut left = records;
        if let Ok(_first) = self.queue.try_lock()
            && self.pass(records, &mut left).is_ok()
        {
            return;
        }
        let _waiting = Waiting::new(self);
        let _first = self.queue.lock().await;
        loop {
            // Made before looking: it hears of what changes between the look and the wait.
            let changed = self.changed.notified();
            match self.pass(records, &mut left) {
                Ok(()) => return,
                Err(Closed::Full) => changed.await,
                Err(Closed::For(time)) => {
                    // In order: a branch drawn by tokio would differ from run to run of the seeded runtime.
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = self.runtime.sleep(time) => {}
                    }
                }
            }
        }
    }

    /// Takes as many of the permits that are `left` as there are now.
    fn pass(&self, records: u64, left: &mut u64) -> Result<(), Closed> {
        let limit = self.limit.load();
        let Some(limit) = &*limit else { return Ok(()) };
        let mut inside = self.inside.lock();
        if *left == records && inside.is_full(limit.rate, self.interval) {
            return Err(Closed::Full);
        }
        loop {
            let spare = inside.spare.min(*left);
            inside.spare -= spare;
            *left -= spare;
            if *left == 0 {
                inside.open += records;
                return Ok(());
            }
            let cells = u32::try_from(left.div_ceil(limit.cell)).unwrap_or(u32::MAX);
            let cells = NonZeroU32::new(cells).unwrap_or(NonZeroU32::MIN).min(limit.burst);
            match limit.permits.check_n(cells) {
                Ok(Ok(())) => inside.spare += u64::from(cells.get()) * limit.cell,
                Ok(Err(refused)) => {
                    let wait = refused.wait_time_from(limit.permits.clock().now());
                    if wait <= limit.longest {
                        return Err(Closed::For(wait));
                    }
                    // Owed by one who passed at an older, lower rate while the limit was swapped.
                    self.due.store(nanos(self.runtime.uptime()), Ordering::Release);
                }
                // Invariant: it has at least one cell, and no more than the burst.
                Err(_) => return Ok(()),
            }
        }
    }

    /// The tick: `records` are in `batch` now.
    pub(super) fn cut(&self, batch: BatchTime, records: u64) {
        self.inside.lock().cut(batch, records);
    }

    /// `batch` is done, after waiting and being computed for so long. How many records it had, and whether more would have come.
    pub(crate) fn completed(&self, batch: BatchTime, delay: Duration, processing: Duration) -> (u64, bool) {
        let done = self.inside.lock().completed(batch, delay, processing, self.interval);
        self.changed.notify_waiters();
        done
    }
}

impl Limit {
    fn new(rate: Rate, limiter: &Limiter) -> Self {
        let per_second = rate.as_per_second();
        let cell = ((per_second * CELL.as_secs_f64()).ceil() as u64).max(1);
        let period = Duration::try_from_secs_f64(cell as f64 / per_second).unwrap_or(PERIOD_MAX);
        let period = period.clamp(Duration::from_nanos(1), PERIOD_MAX);
        let burst = limiter.block.as_nanos().div_ceil(period.as_nanos()).clamp(1, u32::MAX.into()) as u32;
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        // Invariant: the period is more than nothing.
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX));
        let clock = Uptime(Arc::clone(&limiter.runtime));
        let due = Due { at: Arc::clone(&limiter.due), start: clock.now().as_u64() };
        Self {
            rate,
            cell,
            burst,
            longest: period * burst.get(),
            permits: RateLimiter::new(quota.allow_burst(burst), due, clock),
        }
    }
}

/// Somebody waits: more would come in.
struct Waiting<'a>(&'a Limiter);

impl<'a> Waiting<'a> {
    fn new(limiter: &'a Limiter) -> Self {
        limiter.inside.lock().wait();
        Self(limiter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.inside.lock().waiting -= 1;
    }
}

/// The runtime's time, which never goes back.
#[derive(Clone)]
struct Uptime(Arc<dyn Runtime>);

impl Clock for Uptime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        nanos(self.0.uptime()).into()
    }
}

/// When the next permit is due, for all limiters of one gate. Each limiter counts from its own start.
struct Due {
    at: Arc<AtomicU64>,
    start: u64,
}

impl StateStore for Due {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut before = self.at.load(Ordering::Acquire);
        loop {
            // What was due before the start is due: the bucket is full.
            let (outcome, next) = decide(Some(before.saturating_sub(self.start).into()))?;
            let next = next.as_u64().saturating_add(self.start);
            match self.at.compare_exchange_weak(before, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(now) => before = now,
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
