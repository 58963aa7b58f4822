//! How far event time has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::EventTime;
use crate::words::BatchTime;

/// How far ahead of its batch a record may be, unless the user says otherwise: clocks that are wrong by minutes are common, and
/// times in the wrong time zone are wrong by an hour at least.
const AHEAD_MAX_DEFAULT: Duration = Duration::from_hours(1);

/// How far event time is taken to have come: the watermark of a stream.
///
/// The watermark says that records of an earlier time are not waited for any more. Each source of the stream (a receiver, a
/// partition that a direct input names, an input of its own behind a `union`) has come as far as the greatest time seen from
/// it, less the [`delay`](Self::delay); the watermark is the least of the sources that are not idle. It never goes back. In a
/// batch it is what all batches before have made of it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tidemill::WatermarkSpec;
///
/// let spec = WatermarkSpec::new().delay(Duration::from_secs(5)).idle_after(Duration::from_secs(60));
/// # let _ = spec;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WatermarkSpec {
    pub(crate) delay: Duration,
    pub(crate) idle_after: Option<Duration>,
    pub(crate) ahead_max: Duration,
}

impl Default for WatermarkSpec {
    fn default() -> Self {
        Self { delay: Duration::ZERO, idle_after: None, ahead_max: AHEAD_MAX_DEFAULT }
    }
}

impl WatermarkSpec {
    /// Records in the order of their times, of sources that never fall silent.
    pub fn new() -> Self {
        Self::default()
    }

    /// By how much records of one source may be out of order: one that comes later than this behind one of a later time may
    /// find its window closed. Results wait for as long. Default: 0, they come in order.
    #[doc(alias = "forBoundedOutOfOrderness")]
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// A source from which nothing came for so long, by the times of the batches, does not hold back the watermark any more,
    /// until something comes from it again. Default: it holds it back for ever.
    #[doc(alias = "withIdleness")]
    #[must_use]
    pub fn idle_after(mut self, silence: Duration) -> Self {
        self.idle_after = Some(silence);
        self
    }

    /// How far the time of a record may be ahead of the time of its batch. A record that is further ahead does not move the
    /// watermark and goes to no window, but to the late records: one broken clock would otherwise make everybody else late, and
    /// its windows would be kept for years. Default: 1 hour. [`Duration::MAX`] takes all.
    #[must_use]
    pub fn ahead_max(mut self, ahead: Duration) -> Self {
        self.ahead_max = ahead;
        self
    }

    /// Whether a record of `time` in the batch of `batch` is too far ahead of it.
    pub(crate) fn is_ahead(&self, time: EventTime, batch: BatchTime) -> bool {
        time > EventTime::from_millis(batch.as_millis()).plus(self.ahead_max)
    }
}

/// How far one source has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneTime {
    /// Names the source.
    pub(crate) lane: u64,
    /// The greatest time seen from it.
    pub(crate) greatest: EventTime,
}

/// The watermark of a stream and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermarks {
    watermark: EventTime,
    // By lane; with the last batch in which something came from it.
    lanes: Vec<(LaneTime, BatchTime)>,
}

impl Watermarks {
    pub(crate) fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// What the batch of `batch` makes of it, in which the greatest times of lanes were `seen`, each lane any number of times.
    #[must_use]
    pub(crate) fn after(&self, batch: BatchTime, seen: &[LaneTime], spec: &WatermarkSpec) -> Self {
        let mut lanes = self.lanes.clone();
        for new in seen {
            match lanes.binary_search_by_key(&new.lane, |(known, _)| known.lane) {
                Ok(at) => {
                    let (known, heard) = &mut lanes[at];
                    known.greatest = known.greatest.max(new.greatest);
                    *heard = batch;
                }
                Err(at) => lanes.insert(at, (*new, batch)),
            }
        }
        // An idle one is forgotten: should it come again, the watermark does not go back for it.
        lanes.retain(|(_, heard)| spec.idle_after.is_none_or(|silence| *heard > batch.minus(silence)));
        let least = lanes.iter().map(|(lane, _)| lane.greatest.minus(spec.delay)).min();
        Self { watermark: least.map_or(self.watermark, |least| least.max(self.watermark)), lanes }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn seen(lane: u64, greatest: u64) -> LaneTime {
        LaneTime { lane, greatest: EventTime::from_millis(greatest) }
    }

    fn batch(millis: u64) -> BatchTime {
        BatchTime::from_millis(millis)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_slowest_source_holds_back_the_watermark_until_it_is_idle() {
        let spec = WatermarkSpec::new().delay(MS * 5).idle_after(MS * 2000);
        let first = Watermarks::default().after(batch(1000), &[seen(1, 100), seen(2, 50)], &spec);
        let second = first.after(batch(2000), &[seen(1, 200)], &spec);
        let third = second.after(batch(3000), &[seen(1, 300)], &spec);
        let again = third.after(batch(4000), &[seen(2, 60)], &spec);

        let marks = [&first, &second, &third, &again].map(|after| after.watermark().as_millis());
        assert_eq!(marks, [45, 45, 295, 295]);
        assert_eq!(again.after(batch(9000), &[], &spec).watermark().as_millis(), 295, "all are idle");
    }

    #[test]
    fn a_batch_without_records_and_records_of_the_past_move_nothing() {
        let spec = WatermarkSpec::new();
        let first = Watermarks::default().after(batch(1000), &[seen(1, 100)], &spec);
        assert_eq!(first.after(batch(2000), &[], &spec), first);
        let behind = first.after(batch(2000), &[seen(1, 7), seen(2, 3)], &spec);
        assert_eq!(behind.watermark().as_millis(), 100);
    }

    #[test]
    fn a_record_is_ahead_when_it_is_further_ahead_than_it_may_be() {
        let spec = WatermarkSpec::new().ahead_max(MS * 10);
        let ahead = |time| spec.is_ahead(EventTime::from_millis(time), batch(1000));
        assert_eq!([0, 1000, 1010, 1011, u64::MAX].map(ahead), [false, false, false, true, true]);
        let any = spec.ahead_max(Duration::MAX);
        assert!(!any.is_ahead(EventTime::from_millis(u64::MAX), batch(0)));
    }

    proptest! {
        #[test]
        fn it_is_the_least_of_those_that_are_not_idle_and_never_goes_back(
            batches in prop::collection::vec(prop::collection::vec((0_u64..4, 0_u64..1000), 0..6), 0..20),
            delay in 0_u64..100,
            idle in prop::option::of(1_u64..6),
        ) {
            let mut spec = WatermarkSpec::new().delay(MS * delay as u32);
            spec.idle_after = idle.map(Duration::from_secs);
            let mut marks = Watermarks::default();
            // Everything that came, by lane: the batch's number and the time.
            let mut all: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
            let mut greatest_mark = 0;
            for (number, records) in (1..).zip(&batches) {
                for (lane, time) in records {
                    all.entry(*lane).or_default().push((number, *time));
                }
                let told: Vec<LaneTime> = records.iter().map(|(lane, time)| seen(*lane, *time)).collect();
                marks = marks.after(batch(number * 1000), &told, &spec);

                // A lane that was idle begins anew.
                if let Some(idle) = idle {
                    all.retain(|_, came| came.last().is_none_or(|(last, _)| number - last < idle));
                }
                let least = all.values().filter_map(|came| came.iter().map(|(_, time)| *time).max()).min();
                greatest_mark = greatest_mark.max(least.unwrap_or(0).saturating_sub(delay));
                prop_assert_eq!(marks.watermark().as_millis(), greatest_mark);
            }
        }
    }
}
