//! Takes due batches in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::batch::guarded;
use super::control::{Control, Stop};
use crate::dstream::{Graph, Phase};
use crate::ingest::Input;
use crate::ledger::Ledger;
use crate::metrics::EventBus;
use crate::rdd::{Engine, Job};
use crate::runtime::{Monitor, Site};
use crate::words::{BatchTime, Error, Result};

/// What the driver works with.
pub(crate) struct Driver {
    pub(crate) engine: Arc<Engine>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) ledger: Ledger,
    pub(crate) events: Arc<EventBus>,
    pub(crate) control: Arc<Monitor<Control>>,
    /// Stops the running batch.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// The job's name in receipts.
    pub(crate) job: String,
    /// Output operations of one batch that may run side by side.
    pub(crate) concurrent_jobs: usize,
    /// Whether the job goes on behind a batch that failed.
    pub(crate) skip_failed: bool,
    /// How long a graceful stop waits for receivers.
    pub(crate) stop_timeout: Duration,
    /// Why the job ended, for those who wait for it.
    pub(crate) failure: Arc<Mutex<Option<Arc<Error>>>>,
    /// The site of what no line of the user's is to blame for.
    pub(crate) site: Site,
}

/// What is next, as member 0 says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Next {
    Batch(BatchTime),
    /// The last one, if anything is left.
    LastBatch(BatchTime),
    Stop,
}

/// Takes due batches in order until the job stops or fails; then stops everything.
pub(crate) fn run_driver(driver: &Driver, zero: BatchTime) {
    // Inputs and sinks are asked on this thread: without it nobody would hear of the end.
    let result = guarded(|| driver.run(zero));
    // Members that are still at it learn that this one is gone.
    driver.engine.transport.leave();
    let asked = driver.control.read(|control| control.stop == Some(Stop::AtOnce));
    if let Err(error) = result
        // A batch that was cancelled because somebody stopped the job at once is no failure.
        && !(asked && error.is_cancelled())
    {
        tracing::error!(error = %error.chain(), "the job has failed");
        *driver.failure.lock() = Some(Arc::new(error));
    }
    driver.control.change(|control| control.ask_stop(Stop::AtOnce));
    driver.cancelled.store(true, Ordering::Relaxed);
    for input in driver.graph.inputs().iter() {
        input.stop();
        input.close();
    }
    driver.wait_until_no(|input| input.is_running());
    driver.graph.set_phase(Phase::Stopped);
    driver.graph.clear();
    // What was posted before is heard before anybody learns that the job has ended.
    driver.events.close();
    driver.events.flush();
    driver.control.change(|control| control.ended = true);
}

impl Driver {
    fn run(&self, zero: BatchTime) -> Result<()> {
        let mut last = self.agree(zero)?;
        self.graph.set_zero(last);
        loop {
            match self.next(last)? {
                Next::Batch(time) => {
                    self.one(time)?;
                    last = time;
                }
                Next::LastBatch(time) => return self.one(time),
                Next::Stop => return Ok(()),
            }
        }
    }

    fn one(&self, time: BatchTime) -> Result<()> {
        self.batch(time)?;
        self.control.change(|control| {
            control.batches += 1;
            control.last = Some(time);
        });
        Ok(())
    }

    /// The zero time of all: member 0's.
    fn agree(&self, zero: BatchTime) -> Result<BatchTime> {
        let job = Job::new(&self.engine, zero, self.ledger.epoch(), Arc::clone(&self.cancelled));
        let told = job.all_gather(self.site, || Ok(zero))?;
        told.into_iter().next().ok_or_else(|| Error::new("member 0 did not say when the job begins"))
    }

    /// Waits for the next batch or the stop. Member 0 decides, and tells the others.
    fn next(&self, last: BatchTime) -> Result<Next> {
        let job = Job::new(&self.engine, last, self.ledger.epoch(), Arc::clone(&self.cancelled));
        if self.engine.members() == 1 {
            return Ok(self.decide(last));
        }
        let mine = || if self.engine.me() == 0 { Ok(Some(self.decide(last))) } else { Ok(None) };
        let told = job.all_gather(self.site, mine)?;
        let next = told.into_iter().flatten().next().unwrap_or(Next::Stop);
        if self.engine.me() != 0 {
            self.follow(next);
        }
        Ok(next)
    }

    fn decide(&self, last: BatchTime) -> Next {
        let interval = self.graph.interval();
        let (due, stop) =
            self.control.wait(|control| match (control.next_due(last, interval), control.stop) {
                (_, Some(Stop::AtOnce)) => Some((None, Some(Stop::AtOnce))),
                (None, None) => None,
                some => Some(some),
            });
        match (due, stop) {
            (Some(time), _) => Next::Batch(time),
            (None, Some(Stop::Gracefully)) => self.decide_last(last),
            (None, _) => Next::Stop,
        }
    }

    /// No batch is due any more: receivers end, and what is in becomes one last batch.
    fn decide_last(&self, last: BatchTime) -> Next {
        let inputs = self.graph.inputs();
        inputs.iter().for_each(|input| input.stop());
        self.wait_until_no(|input| input.is_reading());
        let time = last.plus(self.graph.interval());
        // With several members only each knows what it has; a last batch that is empty does no harm.
        if self.engine.members() == 1 && !inputs.iter().any(|input| input.has_pending()) {
            return Next::Stop;
        }
        inputs.iter().for_each(|input| input.cut(time));
        Next::LastBatch(time)
    }

    /// What member 0's clock and stop have done there already.
    fn follow(&self, next: Next) {
        let inputs = self.graph.inputs();
        match next {
            Next::Batch(time) => inputs.iter().for_each(|input| input.cut(time)),
            Next::LastBatch(time) => {
                inputs.iter().for_each(|input| input.stop());
                self.wait_until_no(|input| input.is_reading());
                inputs.iter().for_each(|input| input.cut(time));
            }
            Next::Stop => {}
        }
    }

    /// Receivers were told to stop: waits until none is `busy`, but not for ever for one that does not listen.
    fn wait_until_no(&self, busy: fn(&dyn Input) -> bool) {
        let inputs = self.graph.inputs();
        let deadline = self.engine.runtime.now() + self.stop_timeout;
        let ended = self
            .control
            .wait_until(Some(deadline), |_| (!inputs.iter().any(|input| busy(&**input))).then_some(()));
        if ended.is_none() {
            tracing::warn!(timeout = ?self.stop_timeout, "a receiver does not stop; the job goes on without it");
        }
    }
}
