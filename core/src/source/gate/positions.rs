//! How far each lane has come: what is in, what was cut, what is durable.

use std::collections::BTreeMap;

use crate::data::Wire;
use crate::source::receiver::Lane;
use crate::words::BatchTime;

/// The positions of all lanes of a gate.
pub(super) struct Positions<P> {
    // The highest position of each lane that is in: where a restarted receiver goes on.
    highest: BTreeMap<Lane, P>,
    // The highest ones when a batch was cut, by batch, until that batch is committed.
    cut: Vec<(BatchTime, BTreeMap<Lane, P>)>,
    // The last position of each lane that is durable, and the number of the commit that made it so.
    durable: BTreeMap<Lane, (P, u64)>,
    commits: u64,
    // Records that came again since they were last counted.
    repeated: u64,
}

impl<P> Default for Positions<P> {
    fn default() -> Self {
        Self { highest: BTreeMap::new(), cut: Vec::new(), durable: BTreeMap::new(), commits: 0, repeated: 0 }
    }
}

impl<P: Wire + Ord> Positions<P> {
    /// The highest position of `lane`.
    pub(super) fn highest(&self, lane: &str) -> Option<&P> {
        self.highest.get(lane)
    }

    /// Whether `records` records that end at `at` were in before; they are counted then, and must be left out.
    pub(super) fn is_repeated(&mut self, at: Option<&(&str, P)>, records: u64) -> bool {
        let Some((lane, position)) = at else { return false };
        // A type with one value names no place: a source without positions.
        let repeated = size_of::<P>() > 0 && self.highest(lane).is_some_and(|highest| position <= highest);
        if repeated {
            self.repeated += records;
        }
        repeated
    }

    /// Records that end at `at` are in.
    pub(super) fn note(&mut self, at: Option<(&str, P)>) {
        let Some((lane, position)) = at else { return };
        match self.highest.get_mut(lane) {
            Some(highest) => *highest = position,
            None => drop(self.highest.insert(lane.into(), position)),
        }
    }

    /// What is in belongs to `batch`, or to one before it.
    pub(super) fn cut(&mut self, batch: BatchTime) {
        self.cut.push((batch, self.highest.clone()));
    }

    /// commit(`batch`) is durable.
    pub(super) fn committed(&mut self, batch: BatchTime) {
        let Some((_, positions)) = self.cut.extract_if(.., |(cut, _)| *cut <= batch).last() else { return };
        self.commits += 1;
        for (lane, position) in positions {
            // A lane that has not moved is not named again.
            if self.durable.get(&lane).is_none_or(|(before, _)| *before < position) {
                self.durable.insert(lane, (position, self.commits));
            }
        }
    }

    /// What has become durable since commit number `heard`, which becomes the last one.
    pub(super) fn durable_since(&self, heard: &mut u64) -> Vec<(Lane, P)> {
        let since = std::mem::replace(heard, self.commits);
        let news = self.durable.iter().filter(|(_, (_, commit))| *commit > since);
        news.map(|(lane, (position, _))| (Lane::clone(lane), position.clone())).collect()
    }

    /// Whether all that is in is durable.
    pub(super) fn all_durable(&self) -> bool {
        self.highest
            .iter()
            .all(|(lane, highest)| self.durable.get(lane).is_some_and(|(position, _)| position >= highest))
    }

    /// How many records came again since this was asked last.
    pub(super) fn take_repeated(&mut self) -> u64 {
        std::mem::take(&mut self.repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u64) -> BatchTime {
        BatchTime::from_millis(number * 1000)
    }

    fn named(news: &[(Lane, u64)]) -> Vec<(&str, u64)> {
        news.iter().map(|(lane, position)| (&**lane, *position)).collect()
    }

    #[test]
    fn what_is_not_above_the_highest_position_of_its_lane_came_before_and_is_counted() {
        let mut positions = Positions::default();
        positions.note(Some(("a", 5)));

        assert!(positions.is_repeated(Some(&("a", 4)), 1));
        assert!(positions.is_repeated(Some(&("a", 5)), 10));
        assert!(!positions.is_repeated(Some(&("a", 6)), 1));
        assert!(!positions.is_repeated(Some(&("b", 1)), 1));
        assert!(!positions.is_repeated(None, 1));
        assert_eq!((positions.take_repeated(), positions.take_repeated()), (11, 0));
    }

    #[test]
    fn positions_of_a_type_with_one_value_repeat_nothing() {
        let mut positions = Positions::default();
        positions.note(Some(("a", ())));
        assert!(!positions.is_repeated(Some(&("a", ())), 1));
    }

    #[test]
    fn durable_is_what_was_cut_for_the_committed_batch_and_only_lanes_that_moved_are_named() {
        let mut positions = Positions::default();
        let mut heard = 0;
        positions.note(Some(("a", 1)));
        positions.note(Some(("b", 1)));
        positions.cut(batch(1));
        positions.note(Some(("a", 2)));
        positions.cut(batch(2));
        assert_eq!(named(&positions.durable_since(&mut heard)), []);

        positions.committed(batch(1));
        assert_eq!(named(&positions.durable_since(&mut heard)), [("a", 1), ("b", 1)]);
        assert!(!positions.all_durable());
        positions.committed(batch(2));
        assert_eq!(named(&positions.durable_since(&mut heard)), [("a", 2)]);
        assert_eq!(named(&positions.durable_since(&mut heard)), []);
        assert!(positions.all_durable());

        // Somebody who has heard nothing yet hears of all lanes.
        assert_eq!(named(&positions.durable_since(&mut 0)), [("a", 2), ("b", 1)]);
    }
}
