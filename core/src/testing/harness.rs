//! Jobs by a manual clock, batch by batch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::{Ground, StreamingContext};
use crate::data::{Data, Wire};
use crate::dstream::DStream;
use crate::ingest::RddQueue;
use crate::runtime::{Clock, ManualClock, RealRuntime};
use crate::transport::Alone;
use crate::words::{BatchTime, Conf, Error, Origin, Result, Setting, keys};

/// A context with `slots` task threads, batches of one second, and a manual clock that stands at the epoch: its batches
/// have the times 1000 ms, 2000 ms, … Any number of them may run at once. States need no checkpoint directory
/// (`tidemill.state.volatile`), unless the settings say something else.
#[must_use]
#[track_caller]
pub fn local(slots: usize) -> StreamingContext {
    local_every(slots, Duration::from_secs(1))
}

/// As [`local`], with batches of another interval.
///
/// # Panics
/// Where `slots` or `interval` is nothing that a context takes.
#[must_use]
#[track_caller]
pub fn local_every(slots: usize, interval: Duration) -> StreamingContext {
    let conf = Conf::new().allow_several(true).master(format!("local[{slots}]"));
    let conf = conf.and_then(|conf| conf.batch_interval(interval)).expect("a valid master and interval");
    local_with(conf)
}

/// As [`local`], with other settings.
///
/// # Panics
/// Where the threads cannot be started.
#[must_use]
#[track_caller]
pub fn local_with(conf: Conf) -> StreamingContext {
    by_hand(volatile(conf.allow_several(true))).expect("the threads of a context")
}

/// A test need not say that its states end with it.
pub(super) fn volatile(conf: Conf) -> Conf {
    let key = keys::STATE_VOLATILE.name();
    let said = |setting: Setting| setting.key == key && setting.origin != Origin::Default;
    if conf.settings().any(said) { conf } else { conf.set(key, "true").expect("a valid setting") }
}

#[track_caller]
fn by_hand(conf: Conf) -> Result<StreamingContext> {
    let slots = conf.get_typed(keys::MASTER).slots;
    let clock = Clock::Manual(ManualClock::default());
    let runtime = Arc::new(RealRuntime::new(slots, clock.clone())?);
    StreamingContext::on(conf, Ground { runtime, transport: Arc::new(Alone), clock })
}

/// The clock of a context, for tests that move it by less than a batch.
pub fn clock(ssc: &StreamingContext) -> Clock {
    ssc.clock().clone()
}

/// Starts `ssc` unless it runs, and moves its clock by one interval after the other until `batches` more batches are
/// done.
///
/// # Errors
/// What stopped the job, also if it was a call of `stop`.
#[track_caller]
pub fn run_batches(ssc: &StreamingContext, batches: u64) -> Result<()> {
    ssc.start_if_new()?;
    if ssc.member() > 0 {
        // The first member may be far ahead: what is done says nothing of what was asked for here.
        return ssc.follow_batches(batches);
    }
    for _ in 0..batches {
        let done = ssc.batches_done();
        // With several members the first one's clock is everybody's.
        if let Clock::Manual(clock) = ssc.clock() {
            clock.advance(ssc.batch_interval());
        }
        ssc.await_batches(done + 1)?;
        if ssc.batches_done() == done {
            return Err(Error::State("the job was stopped: no batch runs any more".into()));
        }
    }
    ssc.events().flush();
    Ok(())
}

/// The disk of a context's spill folder takes `free` more bytes of what receivers bring in, and is full then; with `None` it
/// has as much room as it has.
pub fn limit_spill_disk(ssc: &StreamingContext, free: Option<u64>) {
    ssc.job().engine.spill.limit_device(free);
}

/// A stream with the given batches, each split into `partitions` partitions; empty batches behind the last.
#[track_caller]
pub fn input_batches<T: Data>(ssc: &StreamingContext, partitions: usize, batches: Vec<Vec<T>>) -> DStream<T> {
    let queue: RddQueue<T> = batches.into_iter().map(|batch| ssc.parallelize(batch, partitions)).collect();
    ssc.queue_stream(queue)
}

/// As [`input_batches`], but without a batch behind the last: operators see no Rdd there.
#[track_caller]
pub fn input_gaps<T: Data>(ssc: &StreamingContext, partitions: usize, batches: Vec<Vec<T>>) -> DStream<T> {
    let queue: RddQueue<T> = batches.into_iter().map(|batch| ssc.parallelize(batch, partitions)).collect();
    ssc.gap_stream(queue)
}

/// What a stream gave, batch by batch.
pub struct Collected<T>(Arc<Mutex<Vec<(BatchTime, Vec<T>)>>>);

impl<T: Clone> Collected<T> {
    /// The batches so far.
    pub fn batches(&self) -> Vec<Vec<T>> {
        self.0.lock().iter().map(|(_, batch)| batch.clone()).collect()
    }

    /// Their times.
    pub fn times(&self) -> Vec<BatchTime> {
        self.0.lock().iter().map(|(time, _)| *time).collect()
    }
}

impl<T> fmt::Debug for Collected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").field("batches", &self.0.lock().len()).finish()
    }
}

/// Adds an output that collects each batch of `stream`.
#[track_caller]
pub fn collect_batches<T: Wire>(stream: &DStream<T>) -> Collected<T> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let collected = Collected(Arc::clone(&all));
    stream.foreach_rdd(move |rdd, time| {
        let batch = rdd.collect()?;
        all.lock().push((time, batch));
        Ok(())
    });
    collected
}
