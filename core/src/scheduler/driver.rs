//! Takes due batches in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::bases::Bases;
use super::batch::guarded;
use super::clock::submitted;
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
    /// Beside a ledger that outlives the process.
    pub(crate) bases: Option<Bases>,
    pub(crate) events: Arc<EventBus>,
    pub(crate) control: Arc<Monitor<Control>>,
    /// Stops the running batch.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// The job's name in receipts.
    pub(crate) job: String,
    /// Output operations of one batch that may run side by side.
    pub(crate) concurrent_jobs: usize,
    /// Undecodable records of one input and batch at most.
    pub(crate) rejected_max: Option<usize>,
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
    /// The last one, if anybody has something left.
    LastBatch(BatchTime),
    Stop,
}

/// The times of a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Times {
    /// Slides count from here, in all runs of a job.
    pub(crate) zero: BatchTime,
    /// One interval before the first batch of this run.
    pub(crate) before: BatchTime,
}

/// Takes due batches in order until the job stops or fails; then stops everything, and lets everything go.
pub(crate) fn run_driver(driver: Driver, times: Times) {
    // Inputs and sinks are asked on this thread: without it nobody would hear of the end.
    let result = guarded(|| driver.run(times));
    driver.end_bases();
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
    for input in &driver.graph.inputs() {
        input.stop();
        input.close();
    }
    driver.wait_until_no(|input| input.is_running());
    driver.graph.set_phase(Phase::Stopped);
    driver.graph.clear();
    // What was posted before is heard before anybody learns that the job has ended.
    driver.events.close();
    driver.events.flush();
    let control = Arc::clone(&driver.control);
    // Whoever hears of the end may open the checkpoint again, which may be possible once at a time.
    drop(driver);
    control.change(|control| control.ended = true);
}

impl Driver {
    fn run(&self, times: Times) -> Result<()> {
        let Times { zero, before: mut last } = self.agree(times)?;
        self.graph.set_zero(zero);
        loop {
            match self.next(last)? {
                Next::Batch(time) => {
                    self.one(time)?;
                    last = time;
                }
                Next::LastBatch(time) => {
                    if self.is_anything_left(last)? {
                        self.last_one(time)?;
                        last = time;
                    }
                    return self.finish_bases(last);
                }
                Next::Stop => return self.finish_bases(last),
            }
        }
    }

    /// Whether any member has something that no batch has taken. All say so together.
    fn is_anything_left(&self, last: BatchTime) -> Result<bool> {
        let job = Job::new(&self.engine, last, self.ledger.epoch(), Arc::clone(&self.cancelled));
        let inputs = self.graph.inputs();
        let left = job.all_gather(self.site, || Ok(inputs.iter().any(|input| input.has_pending())))?;
        Ok(left.into_iter().any(|left| left))
    }

    /// The batch that no clock has announced.
    fn last_one(&self, time: BatchTime) -> Result<()> {
        self.graph.inputs().iter().for_each(|input| input.cut(time));
        if self.engine.me() == 0 {
            self.events.post(submitted(time, self.submission_time(time)));
        }
        self.one(time)
    }

    fn one(&self, time: BatchTime) -> Result<()> {
        self.batch(time)?;
        self.control.change(|control| {
            control.batches += 1;
            control.last = Some(time);
        });
        Ok(())
    }

    /// The times of all: member 0's.
    fn agree(&self, times: Times) -> Result<Times> {
        let job = Job::new(&self.engine, times.zero, self.ledger.epoch(), Arc::clone(&self.cancelled));
        let told = job.all_gather(self.site, || Ok(times))?;
        told.into_iter().next().ok_or_else(|| Error::new("member 0 did not say when the job begins"))
    }

    /// Waits for the next batch or the stop. Member 0 decides, and tells the others.
    fn next(&self, last: BatchTime) -> Result<Next> {
        let job = Job::new(&self.engine, last, self.ledger.epoch(), Arc::clone(&self.cancelled));
        if self.engine.members() == 1 {
            return Ok(self.decide());
        }
        let mine = || if self.engine.me() == 0 { Ok(Some(self.decide())) } else { Ok(None) };
        let told = job.all_gather(self.site, mine)?;
        let next = told.into_iter().flatten().next().unwrap_or(Next::Stop);
        if self.engine.me() != 0 {
            self.follow(next);
        }
        Ok(next)
    }

    fn decide(&self) -> Next {
        let interval = self.graph.interval();
        let next = self.control.wait(|control| match control.stop {
            Some(Stop::AtOnce) => Some(Next::Stop),
            Some(Stop::Gracefully) => {
                let due = control.next_due(interval).map(Next::Batch);
                // The clock may be about to say that a batch is due; once it has ended, the last one takes its place.
                due.or_else(|| control.next.map(Next::LastBatch))
            }
            None => control.next_due(interval).map(Next::Batch),
        });
        if matches!(next, Next::LastBatch(_)) {
            self.end_receivers();
        }
        next
    }

    /// What member 0's clock and stop have done there already.
    fn follow(&self, next: Next) {
        match next {
            Next::Batch(time) => self.graph.inputs().iter().for_each(|input| input.cut(time)),
            Next::LastBatch(_) => self.end_receivers(),
            Next::Stop => {}
        }
    }

    /// No batch is due any more: receivers end, and what is in becomes one last batch.
    fn end_receivers(&self) {
        self.graph.inputs().iter().for_each(|input| input.stop());
        self.wait_until_no(|input| input.is_reading());
    }

    /// Receivers were told to stop: waits until none is `busy`, but not for ever for one that does not listen, and once.
    fn wait_until_no(&self, busy: fn(&dyn Input) -> bool) {
        let inputs = self.graph.inputs();
        let busy = |deaf: &[usize]| -> Vec<usize> {
            let hear = inputs.iter().enumerate().filter(|(number, _)| !deaf.contains(number));
            hear.filter(|(_, input)| busy(&***input)).map(|(number, _)| number).collect()
        };
        let ended =
            self.control.wait_for(self.stop_timeout, |control| busy(&control.deaf).is_empty().then_some(()));
        if ended.is_none() {
            self.control.change(|control| control.deaf.extend(busy(&control.deaf)));
            tracing::warn!(timeout = ?self.stop_timeout, "a receiver does not stop; the job goes on without it");
        }
    }
}
