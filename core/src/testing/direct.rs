//! A suite that holds a connector's [`DirectInput`] to its promises.

use std::sync::Arc;
use std::time::Duration;

use super::blocks::task_on;
use crate::data::Wire;
use crate::metrics::EventBus;
use crate::runtime::{Clock, RealRuntime, Runtime, TaskContext};
use crate::source::{Ask, DirectInput, InputContext, Rejects};
use crate::words::BatchTime;

/// What a plan is given to answer.
const PLAN_WITHIN: Duration = Duration::from_mins(1);

/// Between two plans, where the first had nothing: a source may need a second look at what is new.
const LOOK: Duration = Duration::from_millis(2);

/// So many plans in a row that name nothing are the end: only a broken promise takes them all.
const LOOKS_MAX: u32 = 300;

/// How many records a plan may name where the suite sets a limit.
const RECORDS_MAX: u64 = 10;

/// A source that a test can feed, in numbered records: 0, 1, 2, …
pub trait Fed {
    /// The input.
    type Input: DirectInput;

    /// Whether the input keeps [`Ask::records_max`]. One that cannot cut what it finds, such as whole files that are not
    /// split, does not.
    const LIMITS: bool;

    /// Whether what was fed first is planned first.
    const IN_ORDER: bool;

    /// A new input that asks this source.
    fn input(&self) -> Self::Input;

    /// Makes the records with these numbers available, in this order: one partition of a log, or one file.
    fn feed(&self, numbers: std::ops::Range<u64>);

    /// The number of a record.
    fn number(&self, record: &<Self::Input as DirectInput>::Record) -> u64;
}

/// Runs the whole suite; `open` gives a new source without records each time.
///
/// ```
/// use std::ops::Range;
/// use std::sync::{Arc, Mutex};
/// use tidemill::testing::direct::{Fed, conformance};
/// use tidemill::{Ask, Chunk, Chunks, DirectInput, Rejects, Result, TaskContext};
///
/// /// How many numbers there are by now.
/// #[derive(Clone, Default)]
/// struct Numbers(Arc<Mutex<u64>>);
///
/// impl DirectInput for Numbers {
///     type Record = u64;
///     type Range = (u64, u64);
///     type Position = u64;
///
///     fn advance(next: &mut u64, range: &(u64, u64)) {
///         *next = range.1;
///     }
///
///     fn plan(&self, next: &u64, ask: &Ask) -> Result<Vec<(u64, u64)>> {
///         let end = (*self.0.lock().unwrap()).min(next + ask.records_max.unwrap_or(u64::MAX - next));
///         Ok(if *next < end { vec![(*next, end)] } else { vec![] })
///     }
///
///     fn read(&self, range: &(u64, u64), _: &Rejects, _: &TaskContext) -> Result<Box<dyn Chunks<u64>>> {
///         Ok(Box::new(Given((range.0..range.1).collect(), false)))
///     }
/// }
///
/// struct Given(Vec<u64>, bool);
///
/// impl Chunks<u64> for Given {
///     fn next(&mut self) -> Result<Option<Chunk<'_, u64>>> {
///         Ok((!std::mem::replace(&mut self.1, true)).then_some(Chunk::Ref(&self.0)))
///     }
/// }
///
/// impl Fed for Numbers {
///     type Input = Self;
///     const LIMITS: bool = true;
///     const IN_ORDER: bool = true;
///
///     fn input(&self) -> Self {
///         self.clone()
///     }
///
///     fn feed(&self, numbers: Range<u64>) {
///         *self.0.lock().unwrap() = numbers.end;
///     }
///
///     fn number(&self, record: &u64) -> u64 {
///         *record
///     }
/// }
///
/// conformance(Numbers::default);
/// ```
///
/// # Panics
/// Where a promise of [`DirectInput`] is broken.
pub fn conformance<F: Fed>(open: impl Fn() -> F) {
    let suite: [fn(&F); 6] = [
        what_is_fed_is_planned_once,
        a_range_reads_the_same_each_time_and_everywhere,
        a_plan_changes_nothing,
        a_plan_keeps_the_limit,
        a_new_input_goes_on_at_the_position,
        a_commit_that_is_told_twice_does_no_harm,
    ];
    for check in suite {
        check(&open());
    }
}

/// An input and the job that asks it.
struct Bench<'a, F: Fed> {
    source: &'a F,
    runtime: Arc<dyn Runtime>,
    task: TaskContext,
    input: F::Input,
    position: <F::Input as DirectInput>::Position,
    batch: u64,
}

/// What a plan named, read.
struct Planned<R> {
    ranges: Vec<R>,
    numbers: Vec<Vec<u64>>,
}

impl<R> Planned<R> {
    fn numbers(&self) -> Vec<u64> {
        self.numbers.concat()
    }
}

type RangeOf<F> = <<F as Fed>::Input as DirectInput>::Range;

impl<'a, F: Fed> Bench<'a, F> {
    fn new(source: &'a F) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, Clock::System).unwrap());
        let batch = u64::try_from(runtime.now().as_millis()).unwrap();
        let (task, input) = (task_on(&runtime), source.input());
        let bench = Self {
            source,
            runtime,
            task,
            input,
            position: <F::Input as DirectInput>::Position::default(),
            batch,
        };
        bench.started(&bench.input);
        bench
    }

    fn started(&self, input: &F::Input) {
        let events = EventBus::new(&self.runtime, 1);
        input.start(&InputContext::new(&self.runtime, &events, 0, input.name(), 0)).unwrap();
    }

    fn plan(&mut self, records_max: Option<u64>) -> Planned<RangeOf<F>> {
        self.batch += 1;
        let ask = Ask { batch: BatchTime::from_millis(self.batch), records_max, within: PLAN_WITHIN };
        let planned = self.input.plan(&self.position, &ask).unwrap();
        // As the plan carries them to all members.
        let ranges: Vec<_> = planned.iter().map(round_trip).collect();
        ranges.iter().for_each(|range| self.input.prefetch(range));
        let numbers = ranges.iter().map(|range| self.read(&self.input, range)).collect();
        Planned { ranges, numbers }
    }

    /// The numbers of a range, which must rise, and be as many as the input says.
    fn read(&self, input: &F::Input, range: &RangeOf<F>) -> Vec<u64> {
        let rejects = Rejects::default();
        let mut chunks = input.read(range, &rejects, &self.task).unwrap();
        let mut numbers = Vec::new();
        while let Some(chunk) = chunks.next().unwrap() {
            numbers.extend(chunk.as_slice().iter().map(|one| self.source.number(one)));
        }
        assert_eq!(rejects.total(), None, "{range:?} has records that cannot be decoded");
        assert!(numbers.is_sorted(), "{range:?} is not in order: {numbers:?}");
        if let Some(records) = input.records(range) {
            assert_eq!(records, numbers.len() as u64, "{range:?} has another number of records than it says");
        }
        numbers
    }

    fn advance(&mut self, ranges: &[RangeOf<F>]) {
        let mut position = round_trip(&self.position);
        ranges.iter().for_each(|range| F::Input::advance(&mut position, range));
        self.position = position;
    }

    /// Plans until all of `fed` was named, and a little longer: nothing must come behind it.
    fn drain(&mut self, fed: std::ops::Range<u64>, records_max: Option<u64>) {
        let count = fed.end - fed.start;
        let mut all = Vec::new();
        let mut looks = 0;
        let mut more = 3;
        while more > 0 {
            let planned = self.plan(records_max);
            self.advance(&planned.ranges);
            let numbers = planned.numbers();
            if let Some(max) = records_max {
                assert!(numbers.len() as u64 <= max, "{max} records were asked for, {} named", numbers.len());
            }
            if F::IN_ORDER {
                let newest = all.iter().max();
                let in_order = newest.is_none_or(|newest| numbers.iter().all(|number| number > newest));
                assert!(in_order, "{numbers:?} were planned behind {all:?}");
            }
            looks = if numbers.is_empty() { looks + 1 } else { 0 };
            assert!(looks < LOOKS_MAX, "{count} records were fed, {} planned: {all:?}", all.len());
            if numbers.is_empty() {
                self.pause();
            }
            all.extend(numbers);
            if all.len() as u64 >= count {
                more -= 1;
            }
        }
        all.sort_unstable();
        assert_eq!(all, fed.collect::<Vec<_>>(), "a record is missing, or came twice");
    }

    fn pause(&self) {
        let mut pause = self.runtime.sleep(LOOK);
        while !self.runtime.block_on_for(pause.as_mut(), PLAN_WITHIN) {}
    }
}

/// A value as it is behind the plan, or a restart.
fn round_trip<T: Wire>(value: &T) -> T {
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    let mut rest = &bytes[..];
    let read = T::decode(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes are left behind decoding", rest.len());
    read
}

/// Nothing is lost, nothing comes twice, and an empty source has nothing.
fn what_is_fed_is_planned_once<F: Fed>(source: &F) {
    let mut bench = Bench::new(source);
    bench.drain(0..0, None);
    source.feed(0..10);
    bench.drain(0..10, None);
    source.feed(10..11);
    source.feed(11..200);
    bench.drain(10..200, None);
}

/// Promise 1; on any member, in any order, also when more was planned since. The home is the same everywhere.
fn a_range_reads_the_same_each_time_and_everywhere<F: Fed>(source: &F) {
    let mut bench = Bench::new(source);
    let mut planned = Vec::new();
    for numbers in [0..40, 40..50, 50..51] {
        source.feed(numbers.clone());
        let mut left = numbers.count();
        for _ in 0..LOOKS_MAX {
            if left == 0 {
                break;
            }
            let found = bench.plan(None);
            bench.advance(&found.ranges);
            left = left.saturating_sub(found.numbers().len());
            planned.extend(found.ranges.into_iter().zip(found.numbers));
            bench.pause();
        }
        assert_eq!(left, 0, "not all was planned");
    }
    let other = source.input();
    bench.started(&other);
    for (range, first) in planned.iter().rev() {
        for input in [&bench.input, &other, &bench.input] {
            assert_eq!(bench.read(input, range), *first, "{range:?} reads differently");
            assert_eq!(input.home(range), bench.input.home(range), "{range:?} has two homes");
        }
    }
}

/// Promise 2: only `advance` makes a plan count.
fn a_plan_changes_nothing<F: Fed>(source: &F) {
    let mut bench = Bench::new(source);
    source.feed(0..30);
    let mut looks = 0;
    while bench.plan(None).numbers().len() < 30 {
        looks += 1;
        assert!(looks < LOOKS_MAX, "30 records were fed, and no plan names all of them");
        bench.pause();
    }
    for _ in 0..3 {
        let mut again = bench.plan(None).numbers();
        again.sort_unstable();
        assert_eq!(
            again,
            (0..30).collect::<Vec<_>>(),
            "another plan at the same position names other records"
        );
    }
    bench.drain(0..30, None);
}

/// With a limit everything comes, too.
fn a_plan_keeps_the_limit<F: Fed>(source: &F) {
    if !F::LIMITS {
        return;
    }
    let mut bench = Bench::new(source);
    source.feed(0..95);
    source.feed(95..100);
    bench.drain(0..100, Some(RECORDS_MAX));
}

/// A position is all that is needed: for what was there, and for what came when nobody asked.
fn a_new_input_goes_on_at_the_position<F: Fed>(source: &F) {
    let mut bench = Bench::new(source);
    source.feed(0..25);
    bench.drain(0..25, None);
    source.feed(25..60);
    let position = bench.position;

    let mut bench = Bench::new(source);
    bench.position = round_trip(&position);
    bench.drain(25..60, None);
    source.feed(60..61);
    bench.drain(60..61, None);
}

/// A commit may be told again behind a crash, and an older one behind a newer one is not.
fn a_commit_that_is_told_twice_does_no_harm<F: Fed>(source: &F) {
    let mut bench = Bench::new(source);
    source.feed(0..20);
    bench.drain(0..20, None);
    for _ in 0..2 {
        bench.input.committed(&bench.position).unwrap();
    }
    source.feed(20..40);
    bench.drain(20..40, None);
}
