//! Which batches a window covers, and where panes end.

use crate::words::{BatchTime, Interval};

/// The windows of an operator: at each multiple of `slide` behind the zero time one that covers the batches with times in
/// `(t - length, t]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    length: Interval,
    slide: Interval,
    zero: BatchTime,
}

impl Span {
    pub(crate) fn new(length: Interval, slide: Interval, zero: BatchTime) -> Self {
        Self { length, slide, zero }
    }

    /// Whether a window ends at `time`.
    pub(crate) fn is_due(self, time: BatchTime) -> bool {
        time.is_due(self.slide, self.zero)
    }

    /// When the first window that ends at or behind `batch` ends.
    pub(crate) fn due(self, batch: BatchTime) -> BatchTime {
        self.edge(batch, 0)
    }

    /// The time that is just before the window which ends at `end`.
    pub(crate) fn before(self, end: BatchTime) -> BatchTime {
        end.minus(self.length.as_duration())
    }

    /// Whether any window covers `batch`: where the slide is longer than the window, some batches are in none.
    pub(crate) fn covers(self, batch: BatchTime) -> bool {
        batch > self.before(self.due(batch))
    }

    /// The last time that may be in one pane with `batch`. Windows begin and end at such times only.
    pub(crate) fn pane_end(self, batch: BatchTime) -> BatchTime {
        // Windows end at multiples of the slide, and begin that much before one.
        let early = self.length.as_millis() % self.slide.as_millis();
        self.edge(batch, 0).min(self.edge(batch, early))
    }

    /// How many panes a window has that began behind the zero time.
    pub(crate) fn panes(self) -> usize {
        let (length, slide) = (self.length.as_millis(), self.slide.as_millis());
        let panes = if length.is_multiple_of(slide) { length / slide } else { 2 * (length / slide) + 1 };
        usize::try_from(panes).unwrap_or(usize::MAX)
    }

    /// The first time at or behind `batch` that lies `early` milliseconds before a multiple of the slide.
    fn edge(self, batch: BatchTime, early: u64) -> BatchTime {
        let last = batch.as_millis().saturating_add(early).saturating_add(self.slide.as_millis() - 1);
        let edge = BatchTime::from_millis(last).floor(self.slide, self.zero);
        BatchTime::from_millis(edge.as_millis().saturating_sub(early))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(length: u64, slide: u64, zero: u64) -> Span {
        let of = |millis| Interval::from_millis(millis).unwrap();
        Span::new(of(length), of(slide), BatchTime::from_millis(zero))
    }

    fn at(millis: u64) -> BatchTime {
        BatchTime::from_millis(millis)
    }

    #[test]
    fn a_window_covers_its_end_and_not_its_beginning() {
        let span = span(4, 2, 100);
        assert!(span.is_due(at(104)) && !span.is_due(at(105)) && !span.is_due(at(100)));
        assert_eq!((span.due(at(104)), span.due(at(105))), (at(104), at(106)));
        assert_eq!(span.before(at(104)), at(100));
        assert_eq!((span.pane_end(at(103)), span.pane_end(at(104)), span.panes()), (at(104), at(104), 2));
    }

    #[test]
    fn a_length_that_is_no_multiple_of_the_slide_has_two_panes_a_slide() {
        // Windows (1, 6], (4, 9], …: they begin at 1, 4, 7 and end at 3, 6, 9.
        let span = span(5, 3, 0);
        let ends: Vec<u64> = (2..=9).map(|batch| span.pane_end(at(batch)).as_millis()).collect();
        assert_eq!(ends, [3, 3, 4, 6, 6, 7, 9, 9]);
        assert_eq!(span.panes(), 3);
    }

    #[test]
    fn what_lies_between_two_windows_is_in_none() {
        let span = span(2, 3, 0);
        let covered: Vec<u64> = (1..=9).filter(|batch| span.covers(at(*batch))).collect();
        assert_eq!(covered, [2, 3, 5, 6, 8, 9]);
    }

    proptest! {
        #[test]
        fn no_window_covers_a_part_of_a_pane(length in 1u64..20, slide in 1u64..20, zero in 0u64..50) {
            let span = span(length, slide, zero);
            for end in (1..12).map(|number| at(zero + number * slide)) {
                let covered = |time: BatchTime| time > span.before(end) && time <= end;
                let mut panes = std::collections::BTreeSet::new();
                for batch in (zero + 1..zero + 12 * slide).map(at) {
                    prop_assert_eq!(covered(batch), covered(span.pane_end(batch)), "{:?} in {:?}", batch, end);
                    prop_assert!(span.pane_end(batch) >= batch);
                    if covered(batch) {
                        prop_assert!(span.covers(batch));
                        panes.insert(span.pane_end(batch));
                    }
                }
                if end.as_millis() >= zero + length {
                    prop_assert_eq!(panes.len(), span.panes());
                }
            }
        }
    }
}
