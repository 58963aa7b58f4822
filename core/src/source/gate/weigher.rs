//! How much memory records take.

use std::mem::needs_drop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::data::Wire;

/// What the allocator adds to what a record asks of it, about.
const ALLOCATION: usize = 16;

/// Of records that resemble each other, one of so many is looked at: writing it down costs about as much as receiving it.
const EVERY_MAX: usize = 64;

/// Looks in a row that find the same, behind which the next ones are twice as far apart.
const DOUBLED_BEHIND: usize = 64;

/// Guesses what records hold on the heap.
///
/// A type cannot be asked that, but `Wire` writes down what is there: the length of a record's written form is about what
/// its strings and lists hold. Not each record is written: while those that are looked at are within a quarter of the mean,
/// looks come to be farther apart, up to [`EVERY_MAX`]; behind one that is not, each is looked at for a while. So records
/// of one size cost next to nothing, and of records that differ all are weighed. What it misses are large records that are
/// rarer than one in a hundred, and the first few behind a change. A type without a destructor holds nothing and is never
/// looked at.
#[derive(Debug, Default)]
pub(super) struct Weigher {
    mean: AtomicUsize,
    // Looks in a row at records that are close to the mean.
    alike: AtomicUsize,
    // Records to go until the next look.
    until: AtomicUsize,
}

impl Weigher {
    /// What these records hold, without the list that they stand in.
    pub(super) fn heap<T: Wire>(&self, records: &[T]) -> usize {
        if !needs_drop::<T>() {
            return 0;
        }
        let (mut rest, mut bytes) = (records, 0usize);
        loop {
            // Several tasks may weigh at once; what one of them overwrites is a guess of the other, no more.
            let until = self.until.load(Ordering::Relaxed);
            let passed = until.min(rest.len());
            let mean = self.mean.load(Ordering::Relaxed);
            bytes = bytes.saturating_add(passed.saturating_mul(mean));
            self.until.store(until - passed, Ordering::Relaxed);
            let Some((record, behind)) = rest[passed..].split_first() else { return bytes };
            bytes = bytes.saturating_add(self.look(record, mean));
            rest = behind;
        }
    }

    fn look<T: Wire>(&self, record: &T, mean: usize) -> usize {
        let mut written = Vec::with_capacity(mean);
        // User code on a thread of I/O: what it does wrong is for the tasks to find.
        let encoded = catch_unwind(AssertUnwindSafe(|| record.encode(&mut written)));
        if !matches!(encoded, Ok(Ok(()))) {
            return mean;
        }
        let heap = written.len() + ALLOCATION;
        // The mean is slow: among records of two sizes it is close to neither, so none is taken for the other.
        let slow = if mean == 0 { heap } else { mean - mean / 8 + heap / 8 };
        self.mean.store(slow, Ordering::Relaxed);
        let close = heap.abs_diff(mean) <= mean / 4;
        let alike = if close { self.alike.load(Ordering::Relaxed) + 1 } else { 0 };
        let every = EVERY_MAX.min(1 << (alike / DOUBLED_BEHIND).min(16));
        self.alike.store(alike, Ordering::Relaxed);
        self.until.store(every - 1, Ordering::Relaxed);
        heap
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts how often it is written down.
    #[derive(Clone)]
    struct Seen(usize, std::sync::Arc<AtomicUsize>);

    impl Wire for Seen {
        fn encode(&self, out: &mut Vec<u8>) -> crate::Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            out.resize(self.0, 0);
            Ok(())
        }

        fn decode(_: &mut &[u8]) -> crate::Result<Self> {
            Err(crate::Error::new("never read"))
        }
    }

    #[test]
    fn records_of_one_size_are_hardly_looked_at_and_another_one_is_found_soon() {
        let weigher = Weigher::default();
        let looks = std::sync::Arc::default();
        let records = |size, count| vec![Seen(size, std::sync::Arc::clone(&looks)); count];

        let weight = weigher.heap(&records(1000, 100_000));
        assert_eq!(weight, 100_000 * (1000 + ALLOCATION));
        let few = looks.swap(0, Ordering::Relaxed);
        assert!(few < 2500, "{few} of 100,000 were written down");

        let large = weigher.heap(&records(100_000, 1000));
        assert!(large > 90 * 1_000_000, "{large}");
    }

    #[test]
    fn a_type_that_holds_nothing_weighs_nothing_more() {
        assert_eq!(Weigher::default().heap(&[7u64; 100]), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn strings_of_mixed_lengths_are_weighed_within_a_fourth(
            seed in 1u64..,
            // Short and long ones, and how many in a thousand are long.
            (short, long) in (0usize..300, 0usize..3000),
            share in prop_oneof![Just(0u64), 20u64..1000],
            at_once in 1usize..300,
        ) {
            let mut random = seed;
            let mut drawn = || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % 1000
            };
            let strings: Vec<String> =
                (0..20_000).map(|_| "x".repeat(if drawn() < share { long } else { short })).collect();
            let held: usize = strings.iter().map(|one| one.len() + ALLOCATION).sum();
            let weigher = Weigher::default();
            let weight: usize = strings.chunks(at_once).map(|some| weigher.heap(some)).sum();
            prop_assert!(weight.abs_diff(held) < held / 4, "{weight} of {held}");
        }
    }
}
