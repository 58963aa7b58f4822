//! What every receiver of a connector must keep.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::blocks::{task_on, written_and_read_back};
use super::PATIENCE;
use crate::data::Chunks;
use crate::memory::{Budget, Spill};
use crate::rdd::Rejects;
use crate::runtime::{Clock, RealRuntime, Runtime};
use crate::source::{BlockMax, Gate, GateControl, InputBlock as _, Limiter, Receiver, Segment};
use crate::words::{BatchTime, Error, Result};

/// Between two looks at what must happen.
const LOOK: Duration = Duration::from_millis(2);

/// A source that a test can feed, in numbered records: 0, 1, 2, …
pub trait Fed {
    /// The receiver.
    type Receiver: Receiver;

    /// Whether a start after a failure reads again what is behind the last position; without that, records that were sent
    /// to the run that failed may be lost.
    const REWINDS: bool;

    /// A receiver that reads from this source.
    fn receiver(&self) -> Self::Receiver;

    /// Makes the records with these numbers available, on one lane.
    fn feed(&self, numbers: std::ops::Range<u64>);

    /// How many of its records the source was told are safe; `None` where nothing is acknowledged.
    fn acknowledged(&self) -> Option<u64> {
        None
    }

    /// The number of a record.
    fn number(&self, record: &<Self::Receiver as Receiver>::Record) -> u64;
}

/// Runs the whole suite; `open` gives a new source without records each time.
///
/// # Panics
/// Where a promise of [`Receiver`] is broken.
pub fn conformance<F: Fed>(open: impl Fn() -> F) {
    let suite: [fn(&F); 6] = [
        records_come_in_order_and_once,
        it_stops_when_told,
        it_goes_on_behind_what_is_in,
        it_gives_each_record_once_however_often_it_is_started,
        it_acknowledges_what_is_durable_and_nothing_else,
        it_waits_at_a_closed_gate_and_loses_nothing,
    ];
    for check in suite {
        check(&open());
    }
}

/// A gate, and a receiver that runs at it.
struct Bench<R: Receiver> {
    runtime: Arc<dyn Runtime>,
    budget: Budget,
    gate: Gate<R::Record, R::Position>,
    control: GateControl<R::Record, R::Position>,
    batch: u64,
}

/// A run of a receiver.
struct Run {
    ended: oneshot::Receiver<Result<()>>,
    cancel: Option<oneshot::Sender<()>>,
}

impl<R: Receiver> Bench<R> {
    fn new(memory: u64) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(RealRuntime::new(1, Clock::System).unwrap());
        let budget = Budget::new(memory);
        // Without a disk, so that a gate without memory is closed.
        let spill = Arc::new(Spill::new(std::env::temp_dir(), 0));
        let block_max = BlockMax { age: Duration::from_millis(1), bytes: 1 << 20 };
        let limiter = Arc::new(Limiter::new(&runtime, block_max.age, block_max.age));
        let (gate, control) = Gate::new(&runtime, (&budget, &spill), &limiter, block_max);
        Self { runtime, budget, gate, control, batch: 0 }
    }

    fn start(&self, receiver: R) -> Run {
        let (told, ended) = oneshot::channel();
        let (cancel, cancelled) = oneshot::channel::<()>();
        let gate = self.gate.clone();
        let run = async move {
            tokio::select! {
                result = receiver.run(gate) => drop(told.send(result)),
                _ = cancelled => {}
            }
        };
        self.runtime.spawn_io("receiver", Box::pin(run));
        Run { ended, cancel: Some(cancel) }
    }

    fn pause(&self) {
        let mut pause = self.runtime.sleep(LOOK);
        while !self.runtime.block_on_for(pause.as_mut(), PATIENCE) {}
    }

    /// Waits until `ready`, and says what it waits for where that takes too long.
    fn wait<A>(&self, what: &str, mut ready: impl FnMut() -> Option<A>) -> A {
        let deadline = self.runtime.uptime() + PATIENCE;
        loop {
            if let Some(found) = ready() {
                return found;
            }
            assert!(self.runtime.uptime() < deadline, "the receiver did not {what}");
            self.pause();
        }
    }

    /// Waits for `count` records.
    fn records(&mut self, source: &impl Fed<Receiver = R>, count: usize) -> Vec<u64> {
        let mut all = Vec::new();
        let deadline = self.runtime.uptime() + PATIENCE;
        while all.len() < count {
            all.extend(self.taken(source));
            assert!(
                self.runtime.uptime() < deadline,
                "{count} records were fed, {} came: {all:?}",
                all.len()
            );
            self.pause();
        }
        all
    }

    /// The batches that were taken are committed.
    fn commit(&self) {
        self.control.committed(BatchTime::from_millis(self.batch));
    }

    /// What is in by now.
    fn taken(&mut self, source: &impl Fed<Receiver = R>) -> Vec<u64> {
        self.batch += 1;
        let batch = BatchTime::from_millis(self.batch);
        self.control.cut(batch);
        let (blocks, _) = self.control.take(batch);
        let task = task_on(&self.runtime);
        let mut numbers = Vec::new();
        for block in blocks.into_iter().map(Arc::new) {
            let (rejects, start) = (Rejects::default(), numbers.len());
            let read = numbers_of(source, &mut *block.open(&rejects, &task));
            numbers.extend(read);
            // As the tasks do where memory was used up.
            let (again, mut restored) = (Rejects::default(), Vec::new());
            for segment in &block.segments {
                match segment {
                    Segment::Records(records) => {
                        restored.extend(records.iter().map(|one| source.number(one)));
                    }
                    Segment::Block(block) => {
                        let block = written_and_read_back(&**block);
                        restored.extend(numbers_of(source, &mut *block.open(&again, &task).unwrap()));
                    }
                    Segment::Spilled(_) => unreachable!("there is no disk"),
                }
            }
            assert_eq!(
                restored,
                numbers[start..],
                "a block that is written down and read back has other records"
            );
            assert_eq!(
                again.total(),
                rejects.total(),
                "a block that is written down and read back rejects others"
            );
        }
        numbers
    }
}

fn numbers_of<F: Fed>(source: &F, chunks: &mut dyn Chunks<<F::Receiver as Receiver>::Record>) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(chunk) = chunks.next().unwrap() {
        numbers.extend(chunk.as_slice().iter().map(|one| source.number(one)));
    }
    numbers
}

impl Run {
    /// Whether it ended by itself, which it may do with `Stopping`, as the gate tells it.
    fn has_ended(&mut self) -> bool {
        let Ok(ended) = self.ended.try_recv() else { return false };
        assert!(matches!(ended, Ok(()) | Err(Error::Stopping)), "{ended:?}");
        true
    }

    /// Ends it as a graceful stop does: gives the records of the last batch, which is committed while the run may still wait
    /// for that.
    fn end<R: Receiver>(mut self, bench: &mut Bench<R>, source: &impl Fed<Receiver = R>) -> Vec<u64> {
        bench.control.stop();
        let mut ended = false;
        bench.wait("stop when it was told to", || {
            ended = ended || self.has_ended();
            (ended || bench.control.is_finished()).then_some(())
        });
        let last = bench.taken(source);
        bench.commit();
        bench.control.close();
        bench.wait("stop behind the last batch", || {
            ended = ended || self.has_ended();
            ended.then_some(())
        });
        assert!(bench.taken(source).is_empty(), "something came behind the last batch");
        last
    }

    /// Drops the run in whatever it does.
    fn drop<R: Receiver>(mut self, bench: &Bench<R>) {
        drop(self.cancel.take());
        // It may have ended by itself, in this moment.
        bench.wait("end when it was dropped", || {
            self.ended
                .try_recv()
                .map_or_else(|error| (error == TryRecvError::Closed).then_some(()), |_| Some(()))
        });
    }
}

/// Promise 1, and nothing twice.
fn records_come_in_order_and_once<F: Fed>(source: &F) {
    let mut bench = Bench::new(64 << 20);
    source.feed(0..10);
    let run = bench.start(source.receiver());
    let mut all = bench.records(source, 10);
    source.feed(10..1000);
    all.extend(bench.records(source, 990));
    all.extend(run.end(&mut bench, source));

    assert_eq!(all, (0..1000).collect::<Vec<_>>());
}

/// An idle receiver ends, too.
fn it_stops_when_told<F: Fed>(source: &F) {
    let mut bench = Bench::new(64 << 20);
    source.feed(0..1);
    let run = bench.start(source.receiver());
    bench.records(source, 1);

    assert_eq!(run.end(&mut bench, source), Vec::<u64>::new());
}

/// A run that was dropped leaves nothing half done; the next one goes on behind what is in.
fn it_goes_on_behind_what_is_in<F: Fed>(source: &F) {
    if !F::REWINDS {
        return;
    }
    let mut bench = Bench::new(64 << 20);
    source.feed(0..10);
    let run = bench.start(source.receiver());
    let mut all = bench.records(source, 10);
    run.drop(&bench);

    source.feed(10..20);
    let run = bench.start(source.receiver());
    all.extend(bench.records(source, 10));
    all.extend(run.end(&mut bench, source));

    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

/// Runs that are dropped in whatever they do lose nothing and bring nothing twice: neither what was emitted and is in no
/// batch yet, nor what waited at the gate.
fn it_gives_each_record_once_however_often_it_is_started<F: Fed>(source: &F) {
    if !F::REWINDS {
        return;
    }
    let mut bench = Bench::new(64 << 20);
    let mut all = Vec::new();
    for start in 0..10 {
        let full = (start % 2 == 1).then(|| bench.budget.try_reserve(64 << 20)).flatten();
        source.feed(start * 10..(start + 1) * 10);
        let run = bench.start(source.receiver());
        // A few looks: somewhere between the first record and the last, or at the closed gate.
        (0..start).for_each(|_| bench.pause());
        run.drop(&bench);
        drop(full);
        if start % 3 == 0 {
            all.extend(bench.taken(source));
        }
    }
    let run = bench.start(source.receiver());
    all.extend(bench.records(source, 100 - all.len()));
    all.extend(run.end(&mut bench, source));

    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

/// Promise 2; and what the last batch of a graceful stop commits is acknowledged, too.
fn it_acknowledges_what_is_durable_and_nothing_else<F: Fed>(source: &F) {
    if source.acknowledged().is_none() {
        return;
    }
    let mut bench = Bench::new(64 << 20);
    source.feed(0..10);
    let run = bench.start(source.receiver());
    bench.records(source, 10);
    source.feed(10..20);
    assert_eq!(source.acknowledged(), Some(0), "something was acknowledged that is not durable");
    bench.commit();
    bench.wait("acknowledge what is durable", || {
        source.acknowledged().filter(|acknowledged| *acknowledged >= 10)
    });
    bench.records(source, 10);
    assert_eq!(source.acknowledged(), Some(10), "something was acknowledged that is not durable");

    assert_eq!(run.end(&mut bench, source), Vec::<u64>::new());
    assert_eq!(source.acknowledged(), Some(20), "what the last batch committed was not acknowledged");
}

/// Promise 3: the gate is the only brake. A receiver that waits there still stops, and what it waits with is not lost.
fn it_waits_at_a_closed_gate_and_loses_nothing<F: Fed>(source: &F) {
    let mut bench = Bench::new(64 << 20);
    let full = bench.budget.try_reserve(64 << 20).expect("all of the budget");
    source.feed(0..100);
    let run = bench.start(source.receiver());
    let budget = bench.budget.clone();
    bench.wait("come to the gate", || (budget.waiting() > 0).then_some(()));
    assert!(bench.taken(source).is_empty(), "something passed a closed gate");
    drop(full);
    let all = bench.records(source, 100);
    assert_eq!(all, (0..100).collect::<Vec<_>>());

    let full = bench.wait("give back what it holds", || budget.try_reserve(64 << 20));
    source.feed(100..200);
    bench.wait("come to the gate again", || (budget.waiting() > 0).then_some(()));
    let last = run.end(&mut bench, source);
    assert!(!last.is_empty(), "what waited at the gate when the job stopped was lost");
    // How much was read by then is the receiver's affair; what of it comes is in order.
    assert_eq!(last, (100..).take(last.len()).collect::<Vec<_>>());
    drop(full);
}
