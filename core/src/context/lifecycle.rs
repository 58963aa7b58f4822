//! Start, wait, stop.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::restart::Opened;
use super::{StreamingContext, active, signals};
use crate::dstream::Phase;
use crate::ingest::Started;
use crate::metrics::Event;
use crate::runtime::{Site, is_own_thread, spawn_own};
use crate::scheduler::{
    Bases, Control, Driver, Hands, Stop, Ticker, Times, first_batch, run_clock, run_driver,
};
use crate::source::BlockMax;
use crate::source::place;
use crate::transport::Member;
use crate::words::{Error, Result, keys};

/// A graceful stop waits for receivers as long as ten batches would take, as Spark does, where the setting says nothing.
const STOP_TIMEOUT_BATCHES: u32 = 10;

/// Blocks are cut at most this often, and at least so often that each task slot has one.
const BLOCK_INTERVAL_MIN: Duration = Duration::from_millis(1);
const BLOCK_INTERVAL_MAX: Duration = Duration::from_millis(200);

impl StreamingContext {
    /// Starts the job: receivers run, and batches from the next time on the grid of the interval.
    ///
    /// # Errors
    /// [`Error::Plan`] has every mistake of the plan with its place; [`Error::State`] where the context was started or
    /// stopped before, or another one runs in this process. A context that failed to start is stopped.
    #[track_caller]
    pub fn start(&self) -> Result<()> {
        let caller = Location::caller();
        let graph = &self.0.graph;
        match graph.phase() {
            Phase::Initialized => {}
            Phase::Active => {
                return Err(Error::State(
                    "StreamingContext has already been started: wait for it with `await_termination()`"
                        .into(),
                ));
            }
            Phase::Stopped => return Err(stopped_before()),
        }
        let started = self.start_now(caller);
        if started.is_err() {
            graph.set_phase(Phase::Stopped);
            graph.inputs().iter().for_each(|input| input.stop());
            self.0.control.change(|control| control.ended = true);
            active::leave(graph);
            // Nobody waits for a member that did not start.
            self.0.engine.transport.leave();
        }
        started
    }

    fn start_now(&self, caller: &'static Location<'static>) -> Result<()> {
        let inner = &self.0;
        let (graph, engine, conf) = (&inner.graph, &inner.engine, &inner.conf);
        self.check_checkpoint();
        graph.check()?;
        if !conf.get_typed(keys::ALLOW_SEVERAL) {
            active::enter(graph, caller)?;
        }
        let interval = graph.interval();
        let mut hands = Hands::new(&*engine.runtime);
        let (now, _) = first_batch(hands.now(), interval);
        let Opened { ledger, history, job, zero, last } = self.open(caller, now)?;
        if zero != now {
            // Reading what the runs before have left may have taken long: nothing is caught up of that time.
            hands = Hands::new(&*engine.runtime);
        }
        let first = hands.first_batch(interval, zero, last);
        let times = Times { zero, before: first.minus(interval.as_duration()) };
        if engine.members() == 1 {
            // With several members the driver agrees with member 0 first.
            graph.set_zero(zero);
        }
        let ended = Arc::clone(&inner.control);
        let placed = self.place_receivers();
        let with = Started {
            engine: Arc::clone(engine),
            events: Arc::clone(&inner.events),
            block_max: BlockMax {
                age: self.block_interval(),
                bytes: conf.get_typed(keys::BLOCK_BYTES) as usize,
            },
            rates: Arc::new(self.rates()?),
            restart_delay: conf.get_typed(keys::RECEIVER_RESTART_DELAY),
            placed: Arc::new(placed),
            receiver_done: Arc::new(move || ended.change(|_| ())),
        };
        graph.set_phase(Phase::Active);
        inner.events.post(Event::StreamingStarted { time: hands.now() });
        graph.inputs().iter().try_for_each(|input| input.start(&with))?;
        let bases = history.map(|history| Bases::new(engine, &ledger, history));
        let driver = Driver {
            engine: Arc::clone(engine),
            graph: Arc::clone(graph),
            ledger,
            bases,
            events: Arc::clone(&inner.events),
            control: Arc::clone(&inner.control),
            cancelled: Arc::clone(&inner.cancelled),
            job,
            concurrent_jobs: conf.get_typed(keys::CONCURRENT_JOBS),
            rejected_max: conf.get_typed(keys::REJECTED_MAX),
            skip_failed: conf.get_typed(keys::ON_FAILURE) == keys::OnFailure::Skip,
            stop_timeout: conf
                .get_typed(keys::GRACEFUL_STOP_TIMEOUT)
                .unwrap_or(interval.as_duration() * STOP_TIMEOUT_BATCHES),
            failure: Arc::clone(&inner.failure),
            site: Site::new("batch", caller),
        };
        if engine.me() == 0 {
            let ticker = Ticker {
                runtime: Arc::clone(&engine.runtime),
                graph: Arc::clone(graph),
                control: Arc::clone(&inner.control),
                events: Arc::clone(&inner.events),
                max_jump: conf.get_typed(keys::MAX_JUMP),
            };
            spawn_own(&engine.runtime, "clock", move || run_clock(&ticker, first, hands));
        }
        spawn_own(&engine.runtime, "driver", move || run_driver(driver, times));
        if conf.get_typed(keys::STOP_GRACEFULLY_ON_SHUTDOWN) && !conf.get_typed(keys::ALLOW_SEVERAL) {
            signals::listen(&inner.control);
        }
        Ok(())
    }

    /// The member of each receiver, by its number; the same on every member.
    fn place_receivers(&self) -> BTreeMap<usize, u32> {
        let (numbers, preferred): (Vec<usize>, Vec<Option<String>>) =
            self.0.graph.inputs().iter().filter_map(|input| input.receiver()).unzip();
        let transport = &self.0.engine.transport;
        let hosts: Vec<Option<String>> =
            (0..transport.members()).map(|member| transport.host(Member(member))).collect();
        numbers.into_iter().zip(place(&preferred, &hosts)).collect()
    }

    fn block_interval(&self) -> Duration {
        let slots = u32::try_from(self.0.engine.parallelism()).unwrap_or(u32::MAX).max(1);
        self.0
            .conf
            .get_typed(keys::BLOCK_INTERVAL)
            .unwrap_or_else(|| (self.batch_interval() / slots).clamp(BLOCK_INTERVAL_MIN, BLOCK_INTERVAL_MAX))
    }

    /// Waits until the job has stopped.
    ///
    /// # Errors
    /// What stopped the job, each time it is asked; and mistakes that were made in the plan after the start.
    pub fn await_termination(&self) -> Result<()> {
        self.wait_for_end(None).map(drop)
    }

    /// As [`await_termination`](Self::await_termination), for at most `timeout`: `true` if the job has stopped.
    ///
    /// # Errors
    /// As [`await_termination`](Self::await_termination).
    pub fn await_termination_or_timeout(&self, timeout: Duration) -> Result<bool> {
        self.wait_for_end(Some(timeout))
    }

    /// Waits until `batches` batches are done since the start, or the job has stopped.
    ///
    /// # Errors
    /// What stopped the job before that.
    pub fn await_batches(&self, batches: u64) -> Result<()> {
        if self.0.graph.phase() == Phase::Initialized {
            return Err(not_started());
        }
        let done = self.0.control.wait(|control| {
            (control.batches >= batches || control.ended).then_some(control.batches >= batches)
        });
        if done {
            return Ok(());
        }
        self.outcome()?;
        let done = self.0.control.read(|control| control.batches);
        Err(Error::State(format!("the job has stopped after {done} batches, before there were {batches}")))
    }

    /// Starts a context that was not started yet.
    #[cfg(feature = "testing")]
    #[track_caller]
    pub(crate) fn start_if_new(&self) -> Result<()> {
        if self.0.graph.phase() == Phase::Initialized { self.start() } else { Ok(()) }
    }

    /// Waits for so many batches behind those that this was called for before.
    #[cfg(feature = "testing")]
    pub(crate) fn follow_batches(&self, batches: u64) -> Result<()> {
        let followed = self.0.followed.fetch_add(batches, Ordering::Relaxed) + batches;
        self.await_batches(followed)?;
        self.0.events.flush();
        Ok(())
    }

    /// How many batches are done.
    #[cfg(feature = "testing")]
    pub(crate) fn batches_done(&self) -> u64 {
        self.0.control.read(|control| control.batches)
    }

    fn wait_for_end(&self, timeout: Option<Duration>) -> Result<bool> {
        if self.0.graph.phase() == Phase::Initialized {
            return Err(not_started());
        }
        let ready = |control: &mut Control| control.ended.then_some(());
        let ended = if let Some(timeout) = timeout {
            self.0.control.wait_for(timeout, ready).is_some()
        } else {
            self.0.control.wait(ready);
            true
        };
        self.outcome()?;
        Ok(ended)
    }

    /// The error that stopped the job, or the mistakes that were made after the start.
    fn outcome(&self) -> Result<()> {
        if let Some(error) = self.0.failure.lock().clone() {
            return Err(Error::Stopped(error));
        }
        match self.0.graph.late_mistakes() {
            late if late.is_empty() => Ok(()),
            late => Err(Error::Plan(late)),
        }
    }

    /// Stops the job. Gracefully: receivers stop, and what they have brought in is computed before it ends; otherwise
    /// the running batch is cancelled. Stopping again does nothing, and stopping before the start is allowed.
    ///
    /// Returns once it has stopped; called from the job's own threads (a listener, a function of `foreach_rdd`), it only
    /// asks for the stop.
    ///
    /// # Errors
    /// What stopped the job before, if something did.
    pub fn stop(&self, graceful: bool) -> Result<()> {
        let inner = &self.0;
        match inner.graph.phase() {
            Phase::Initialized => {
                inner.graph.set_phase(Phase::Stopped);
                // Somebody may wait for an input to take something.
                inner.graph.inputs().iter().for_each(|input| input.stop());
                inner.control.change(|control| control.ended = true);
                return Ok(());
            }
            Phase::Stopped => {}
            Phase::Active => {
                let stop = if graceful { Stop::Gracefully } else { Stop::AtOnce };
                if stop == Stop::AtOnce {
                    inner.cancelled.store(true, Ordering::Relaxed);
                }
                inner.control.change(|control| control.ask_stop(stop));
                if is_own_thread() {
                    return Ok(());
                }
                inner.control.wait(|control| control.ended.then_some(()));
            }
        }
        active::leave(&inner.graph);
        self.outcome()
    }
}

fn stopped_before() -> Error {
    Error::State("StreamingContext has already been stopped: make a new one".into())
}

fn not_started() -> Error {
    Error::State("StreamingContext has not been started: call `start()` first".into())
}
