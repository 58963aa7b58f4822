//! What tasks add up on the side, each once.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::ACCUMULATOR;
use crate::runtime::{Pending, add_pending, in_task};

/// Adds up what tasks give it: counts of bad lines, sums, samples. Clones are the same accumulator.
///
/// What a task adds counts once it has succeeded: a try that failed adds nothing. Outside of tasks it counts at once.
/// A function that runs twice because the Rdd behind it is computed twice (two actions without `persist`, or a reduce
/// task that needs its input again) adds twice, as in Spark; in an action such as `foreach` each element counts once.
///
/// With several members each has what its own tasks added. Add from the thread that the function was called on: other
/// threads belong to no task. A number is also the gauge `tidemill_accumulator` with the label `name`.
///
/// ```
/// use tidemill::Accumulator;
///
/// # let ssc = tidemill::testing::local(2);
/// let bad = Accumulator::new("bad_lines", 0u64);
/// let lines = ssc.parallelize(vec!["1", "x", "3"], 2);
/// let counted = bad.clone();
/// let numbers = lines.flat_map(move |line| {
///     line.parse::<u32>().inspect_err(|_| counted.add(1)).ok()
/// });
/// assert_eq!(numbers.collect()?, [1, 3]);
/// assert_eq!(bad.value(), 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct Accumulator<T>(Arc<Shared<T>>);

struct Shared<T> {
    name: String,
    total: Mutex<T>,
}

/// What an [`Accumulator`] can hold: numbers, lists, and what you implement it for.
///
/// # Laws
/// 1. `T::default()` is what changes nothing when it is merged.
/// 2. Adding to two values and merging them gives the same as adding to one, up to the order: tasks end in any.
/// 3. `merge` does not panic.
pub trait Accumulate: Default + Clone + Send + 'static {
    /// What is added.
    type Item;

    /// Adds one.
    fn add(&mut self, item: Self::Item);

    /// Adds what another task added up.
    fn merge(&mut self, other: Self);

    /// What the gauge shows; `None` where this is no number.
    fn number(&self) -> Option<f64> {
        None
    }
}

macro_rules! numbers {
    ($($number:ty: $add:expr, $gauge:expr;)*) => {$(
        impl Accumulate for $number {
            type Item = $number;

            fn add(&mut self, item: $number) {
                *self = $add(*self, item);
            }

            fn merge(&mut self, other: $number) {
                self.add(other);
            }

            fn number(&self) -> Option<f64> {
                Some($gauge(*self))
            }
        }
    )*};
}

// Counts stay at the end of their range: to fail a batch for it would help nobody.
numbers! {
    u64: u64::saturating_add, |n| n as f64;
    i64: i64::saturating_add, |n| n as f64;
    f64: |a, b| a + b, |n| n;
}

impl<T: Clone + Send + 'static> Accumulate for Vec<T> {
    type Item = T;

    fn add(&mut self, item: T) {
        self.push(item);
    }

    fn merge(&mut self, mut other: Self) {
        self.append(&mut other);
    }
}

impl<T: Accumulate> Accumulator<T> {
    /// An accumulator that stands at `start`; `name` is for people and for the gauge.
    pub fn new(name: impl Into<String>, start: T) -> Self {
        let shared = Shared { name: name.into(), total: Mutex::new(start) };
        shared.show();
        Self(Arc::new(shared))
    }

    /// Adds `item`: once the task around has succeeded, or at once where there is none.
    pub fn add(&self, item: T::Item) {
        if !in_task() {
            return self.0.change(|total| total.add(item));
        }
        let new = || OfTask { shared: Arc::clone(&self.0), sum: T::default() };
        add_pending(Arc::as_ptr(&self.0).addr(), new, |pending| pending.sum.add(item));
    }

    /// What has been added so far. Inside a task it does not have what the task itself added.
    pub fn value(&self) -> T {
        self.0.total.lock().clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl<T: Accumulate> Shared<T> {
    fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.total.lock());
        self.show();
    }

    fn show(&self) {
        let number = self.total.lock().number();
        if let Some(number) = number {
            metrics::gauge!(ACCUMULATOR, "name" => self.name.clone()).set(number);
        }
    }
}

/// What one try of a task has added.
struct OfTask<T> {
    shared: Arc<Shared<T>>,
    sum: T,
}

impl<T: Accumulate> Pending for OfTask<T> {
    fn commit(self: Box<Self>) {
        let Self { shared, sum } = *self;
        shared.change(|total| total.merge(sum));
    }
}

impl<T> Clone for Accumulator<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Accumulator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulator").field("name", &self.0.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;
    use crate::rdd::Rdd;
    use crate::rdd::tests::{job, together};

    fn numbers() -> Rdd<u64> {
        Rdd::parallelize(&job(2), (0..1_000).collect(), 4)
    }

    #[test]
    fn a_try_that_failed_adds_nothing() {
        for panics in [false, true] {
            let (sum, seen) = (Accumulator::new("sum", 0u64), Accumulator::new("seen", Vec::new()));
            let failed = AtomicBool::new(false);
            let add = |n: u64| {
                sum.add(n);
                if n.is_multiple_of(100) {
                    seen.add(n);
                }
                if n == 600 && !failed.swap(true, Ordering::Relaxed) {
                    assert!(!panics, "once");
                    return Err("once".into());
                }
                Ok(())
            };
            numbers().try_foreach(add).unwrap();
            assert_eq!(sum.value(), 499_500);
            let mut seen = seen.value();
            seen.sort_unstable();
            assert_eq!(seen, (0..10).map(|n| n * 100).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn a_task_that_fails_for_good_adds_nothing() {
        let sum = Accumulator::new("sum", 5i64);
        let one = Rdd::parallelize(&job(1), vec![1i64], 1);
        one.try_foreach(|n| {
            sum.add(n);
            Err("always".into())
        })
        .unwrap_err();
        assert_eq!(sum.value(), 5);
    }

    #[test]
    fn counts_at_once_outside_of_tasks_and_never_overflows() {
        let sum = Accumulator::new("sum", 1i64);
        sum.add(-3);
        assert_eq!(sum.value(), -2);
        let full = Accumulator::new("full", u64::MAX);
        full.clone().add(2);
        assert_eq!(full.value(), u64::MAX);
        assert_eq!(full.name(), "full");
    }

    #[test]
    fn one_accumulator_may_be_added_to_inside_another() {
        #[derive(Clone, Default)]
        struct Noting(u64);
        impl Accumulate for Noting {
            type Item = Accumulator<u64>;
            fn add(&mut self, item: Accumulator<u64>) {
                item.add(1);
                self.0 += 1;
            }
            fn merge(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        let (inner, outer) = (Accumulator::new("inner", 0u64), Accumulator::new("outer", Noting::default()));
        numbers().foreach(|_| outer.add(inner.clone())).unwrap();
        assert_eq!((outer.value().0, inner.value()), (1_000, 1_000));
    }

    #[test]
    fn each_member_has_what_its_own_tasks_added() {
        let sums = together(2, |job| {
            let sum = Accumulator::new("sum", 0.0);
            Rdd::parallelize(job, vec![1.0, 2.0, 4.0, 8.0], 2).foreach(|n| sum.add(n)).unwrap();
            sum.value()
        });
        assert_eq!(sums, [3.0, 12.0]);
    }

    /// Keeps the last value of the one gauge that is asked for.
    #[derive(Default)]
    struct Last(Mutex<String>, Arc<Bits>);

    #[derive(Default)]
    struct Bits(AtomicU64);

    impl GaugeFn for Bits {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            self.0.store(value.to_bits(), Ordering::Relaxed);
        }
    }

    impl Recorder for Last {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            let labels: Vec<String> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
            *self.0.lock() = format!("{} {}", key.name(), labels.join(","));
            Gauge::from_arc(Arc::clone(&self.1))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn a_number_shows_as_a_gauge_with_its_name() {
        let last = Last::default();
        metrics::with_local_recorder(&last, || {
            let sum = Accumulator::new("bad_lines", 0u64);
            sum.add(3);
            sum.add(4);
        });
        assert_eq!(*last.0.lock(), "tidemill_accumulator name=bad_lines");
        assert_eq!(last.1.0.load(Ordering::Relaxed), 7f64.to_bits());
    }
}
