//! Says when a batch is due.

use std::sync::Arc;
use std::time::Duration;

use super::control::Control;
use crate::dstream::Graph;
use crate::metrics::{BatchInfo, Event, EventBus};
use crate::runtime::{Monitor, Runtime};
use crate::words::{BatchTime, Interval};

/// What the clock's thread works with.
pub(crate) struct Ticker {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) control: Arc<Monitor<Control>>,
    pub(crate) events: Arc<EventBus>,
    /// The longest jump forward that is caught up.
    pub(crate) max_jump: Duration,
}

/// Ticks until the job stops: cuts the inputs at the time of each batch and says that it is due.
///
/// A tick that comes late is followed at once by those it delayed, so no time is left out; only a jump of the clock by
/// more than `max_jump` is. A clock that was set back delays nothing: batches go on at the pace of the interval.
pub(crate) fn run_clock(ticker: &Ticker, first: BatchTime, hands: Hands) {
    let end = End { control: &ticker.control, next: first };
    ticker.run(end, hands);
}

impl Ticker {
    fn run(&self, mut end: End<'_>, mut hands: Hands) {
        let interval = self.graph.interval();
        let next = &mut end.next;
        loop {
            let (time, uptime) = self.look(*next, &mut hands);
            if let Some(jumped) = jump(time, *next, interval, self.max_jump) {
                tracing::warn!(from = %next, to = %jumped, "the clock jumped forward");
                self.events.post(Event::ClockJumped { from: *next, to: jumped });
                *next = jumped;
            }
            let left = next.since_epoch().saturating_sub(time);
            // Also where nothing is left: a stop is heard between ticks that are caught up.
            let stopped =
                self.control.wait_until(uptime.checked_add(left), |control| control.stop.map(|_| ()));
            if stopped.is_some() {
                return;
            }
            if left.is_zero() {
                self.tick(*next, hands.ahead);
                *next = next.plus(interval);
            }
            // Otherwise it may have been set meanwhile, so it is looked at again.
        }
    }

    /// The time by which batches are due, and the uptime at which it is that: whoever waits counts from there, as time may
    /// pass before the wait begins.
    fn look(&self, next: BatchTime, hands: &mut Hands) -> (Duration, Duration) {
        let interval = self.graph.interval().as_duration();
        let (now, uptime) = now_and_uptime(&*self.runtime);
        if let Some(by) = hands.look(now, uptime, interval) {
            tracing::warn!(?by, %next, "the clock was set back; batches go on at the pace of their interval");
            self.events.post(Event::ClockSetBack { by, next });
        }
        (now + hands.ahead, uptime)
    }

    fn tick(&self, batch: BatchTime, ahead: Duration) {
        self.graph.inputs().iter().for_each(|input| input.cut(batch));
        // Before the driver knows of it: nobody shall hear that a batch runs before hearing that it is due.
        self.events.post(submitted(batch, batch.since_epoch().saturating_sub(ahead)));
        self.control.change(|control| {
            control.ahead = ahead;
            control.say_due(batch, self.graph.interval());
        });
    }
}

/// Tells that the clock has ended, however it did: a graceful stop waits for it.
struct End<'a> {
    control: &'a Monitor<Control>,
    next: BatchTime,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.control.change(|control| control.next = Some(self.next));
    }
}

/// The event of a batch that is due.
pub(super) fn submitted(batch: BatchTime, submission_time: Duration) -> Event {
    Event::BatchSubmitted(BatchInfo {
        batch_time: batch,
        inputs: Vec::new(),
        submission_time,
        processing_start_time: None,
        processing_end_time: None,
        output_operations: Vec::new(),
        failure_reason: None,
    })
}

/// The job's clock beside the time that really passed, so that it shows when it was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hands {
    // Both when the clock was last right.
    now: Duration,
    uptime: Duration,
    // By how much it was set back; batches do not follow it there.
    ahead: Duration,
}

impl Hands {
    /// The clock as it is now.
    pub(crate) fn new(runtime: &dyn Runtime) -> Self {
        let (now, uptime) = now_and_uptime(runtime);
        Self { now, uptime, ahead: Duration::ZERO }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// The first batch of a run: on the grid through `zero`, not before now, and behind `last`, the last batch of the runs
    /// before. Where the clock stands a whole interval or more before that one, it was set back: batches then go on at
    /// once, ahead of it.
    pub(crate) fn first_batch(
        &mut self,
        interval: Interval,
        zero: BatchTime,
        last: Option<BatchTime>,
    ) -> BatchTime {
        let now = BatchTime::from_millis(u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX));
        let next = now.floor(interval, zero).plus(interval);
        let Some(last) = last else { return next };
        let back = last.since_epoch().saturating_sub(self.now);
        if back >= interval.as_duration() {
            tracing::warn!(?back, %last, "the clock stands before the last batch; batches go on behind that");
            self.ahead = back;
        }
        next.max(last.plus(interval))
    }

    /// By how much the clock was set back since the last look, if it was by more than `interval`: less is waited for, and
    /// so is a clock that somebody slows down in order to correct it.
    fn look(&mut self, now: Duration, uptime: Duration, interval: Duration) -> Option<Duration> {
        let expected = self.now + uptime.saturating_sub(self.uptime);
        let (back, forward) = (expected.saturating_sub(now), now.saturating_sub(expected));
        (self.now, self.uptime) = (now, uptime);
        if back > interval {
            self.ahead += back;
            return Some(back);
        }
        // Set forward again: it comes nearer to the batches, and with luck all the way.
        if forward > interval {
            self.ahead = self.ahead.saturating_sub(forward);
        }
        None
    }
}

/// Both times of one moment: a test may move its clock between two looks, by any time.
fn now_and_uptime(runtime: &dyn Runtime) -> (Duration, Duration) {
    const MOMENT: Duration = Duration::from_millis(1);
    loop {
        let (before, now, uptime) = (runtime.uptime(), runtime.now(), runtime.uptime());
        if uptime.saturating_sub(before) < MOMENT {
            return (now, before);
        }
    }
}

/// Where batches go on at `now`, if the clock has jumped over `next`: the first time on the grid that is not over.
fn jump(now: Duration, next: BatchTime, interval: Interval, max_jump: Duration) -> Option<BatchTime> {
    // Every tick is late by a little, whatever the setting says.
    if now.saturating_sub(next.since_epoch()) <= max_jump.max(interval.as_duration()) {
        return None;
    }
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let grid = BatchTime::from_millis(millis).floor(interval, next);
    Some(if grid.since_epoch() == now { grid } else { grid.plus(interval) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Interval = Interval::from_millis(1000).unwrap();

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_late_tick_is_no_jump() {
        let next = BatchTime::from_millis(10_000);
        assert_eq!(jump(millis(15_500), next, SECOND, Duration::from_hours(1)), None);
        assert_eq!(jump(millis(3_610_000), next, SECOND, Duration::from_hours(1)), None);
        assert_eq!(jump(millis(10_001), next, SECOND, Duration::ZERO), None);
    }

    #[test]
    fn a_jump_goes_to_the_first_time_on_the_grid_that_is_not_over() {
        let jumped = |now| jump(millis(now), BatchTime::from_millis(10_000), SECOND, Duration::from_hours(1));
        assert_eq!(jumped(7_210_400), Some(BatchTime::from_millis(7_211_000)));
        assert_eq!(jumped(7_211_000), Some(BatchTime::from_millis(7_211_000)));
    }

    #[test]
    fn a_run_begins_behind_the_last_batch_of_the_one_before() {
        let zero = BatchTime::from_millis(500);
        let first = |now, last: Option<u64>| {
            let mut hands = Hands { now: millis(now), uptime: millis(0), ahead: Duration::ZERO };
            let first = hands.first_batch(SECOND, zero, last.map(BatchTime::from_millis));
            (first.as_millis(), hands.ahead.as_millis())
        };
        assert_eq!(first(9_400, None), (9_500, 0));
        assert_eq!(first(9_500, None), (10_500, 0));
        assert_eq!(first(9_400, Some(4_500)), (9_500, 0));
        // The last batch of a graceful stop comes before its time.
        assert_eq!(first(9_400, Some(9_500)), (10_500, 0));
        assert_eq!(first(9_400, Some(10_400)), (11_400, 1_000));
        assert_eq!(first(1_400, Some(9_500)), (10_500, 8_100));
    }

    #[test]
    fn batches_do_not_follow_a_clock_that_is_set_back_and_meet_it_when_it_is_set_forward() {
        let mut hands = Hands { now: millis(9_000_000), uptime: millis(0), ahead: Duration::ZERO };
        let mut look = |now, uptime| {
            let back = hands.look(millis(now), millis(uptime), SECOND.as_duration());
            (back, millis(now) + hands.ahead)
        };
        assert_eq!(look(9_001_000, 1000), (None, millis(9_001_000)));
        // Half a second back is waited for; an hour back is not.
        assert_eq!(look(9_001_500, 2000), (None, millis(9_001_500)));
        assert_eq!(look(5_402_500, 3000), (Some(Duration::from_hours(1)), millis(9_002_500)));
        assert_eq!(look(5_403_500, 4000), (None, millis(9_003_500)));
        assert_eq!(look(1_804_500, 5000), (Some(Duration::from_hours(1)), millis(9_004_500)));
        assert_eq!(look(9_005_500, 6000), (None, millis(9_005_500)));
        assert_eq!(look(9_006_500, 7000), (None, millis(9_006_500)));
    }
}
