//! The life of one batch: plan, run, commit, publish.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::control::Stop;
use super::driver::Driver;
use crate::backpressure::BatchReport;
use crate::dstream::{Generated, OutputOperation};
use crate::ingest::{Input, Settled};
use crate::ledger::{Entry, KeeperDeltas, PlannedInput, SavedOutput};
use crate::metrics::{BatchInfo, Event, EventBus, InputInfo, OutputOperationInfo};
use crate::rdd::{Job, OutputScope, Saved};
use crate::runtime::{Monitor, Runtime, Site, spawn_own};
use crate::words::{BatchTime, Error, Result, panic_text};

/// What each input of this member has for a batch, and whether somebody here wants the job to stop.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Offers {
    inputs: Vec<Vec<u8>>,
    stop: bool,
}

/// One output operation of a batch, ready to run.
struct Running {
    info: OutputOperationInfo,
    job: Arc<Job>,
    site: Site,
    work: Option<Generated>,
}

impl Driver {
    /// Runs one batch from its plan to its publication.
    pub(super) fn batch(&self, time: BatchTime) -> Result<()> {
        let job = Job::new(&self.engine, time, self.ledger.epoch(), Arc::clone(&self.cancelled));
        let inputs = self.plan(time, &job)?;
        let watch = Stopwatch::start(&self.engine.runtime);
        let mut info = BatchInfo {
            batch_time: time,
            inputs,
            submission_time: self.submission_time(time),
            processing_start_time: Some(watch.started),
            processing_end_time: None,
            output_operations: Vec::new(),
            failure_reason: None,
        };
        let outputs = self.graph.outputs();
        let running = self.generate(time, &job, &outputs);
        let (running, failed) = match running {
            Ok(running) => (running, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        // No output is due at this time (its slide is longer than the batch): the plan is committed, and nobody hears but of
        // what a receiver rejected.
        let keeps = !self.graph.keepers().is_empty();
        let quiet = running.is_empty() && failed.is_none() && !keeps;
        if !quiet {
            self.events.post(Event::BatchStarted(info.clone()));
        }
        let failed = failed.or_else(|| self.run_keepers(time, &job).err());
        let (infos, mut saved, mut failure) = self.run_outputs(running, failed);
        info.output_operations = infos;
        // Members that stop do not wait for each other.
        let together = failure.is_none() || self.skip_failed;
        let account = self.account(time, &job, together).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            Account::default()
        });
        account.complete(time, &mut info.inputs);
        self.report_rejects(&account, time);
        let too_many = self.too_many_rejects(&account, time, &info.inputs);
        let unsafe_to_skip = too_many.is_some();
        failure = too_many.or(failure);
        if failure.is_none() {
            match self.save_letters(time, &job, &account) {
                Ok(letters) => saved.extend(letters),
                Err(error) => failure = Some(error),
            }
        }
        info.failure_reason = failure.as_ref().map(Error::chain);
        let stopping = failure.is_some() && (unsafe_to_skip || !self.skip_failed);
        let mut committed = Ok(());
        if stopping {
            self.graph.keepers().iter().for_each(|kept| kept.keeper.abandon(time));
        } else {
            // A batch that is skipped leaves nothing behind but its mark.
            let saved = if failure.is_some() { &[] } else { &saved[..] };
            committed = self.commit(time, &job, info.failure_reason.clone(), saved);
        }
        account.close();
        if let Err(error) = &committed {
            info.failure_reason = Some(error.chain());
        }
        let heard = !quiet || failure.is_some();
        info.processing_end_time = heard.then(|| watch.stop(&self.engine.runtime));
        self.tell_inputs(&info);
        if heard {
            self.events.post(Event::BatchCompleted(info));
        }
        committed?;
        match failure {
            Some(error) if stopping => Err(error),
            Some(error) => {
                tracing::error!(batch = %time, error = %error.chain(), "the batch failed and is skipped");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// When the batch was due, by the job's clock. The last one of a graceful stop comes before its time.
    pub(super) fn submission_time(&self, time: BatchTime) -> Duration {
        let due = time.since_epoch().saturating_sub(self.control.read(|control| control.ahead));
        due.min(self.engine.runtime.now())
    }

    /// The inputs learn how long the batch waited and was computed, if it was.
    fn tell_inputs(&self, info: &BatchInfo) {
        let report = info.processing_delay().map(|processing| {
            let mut report = BatchReport::new(self.graph.interval().as_duration());
            // By the time that never jumps.
            report.completed = self.engine.runtime.uptime();
            report.scheduling_delay = info.scheduling_delay().unwrap_or_default();
            report.processing = processing;
            report
        });
        self.graph.inputs().iter().for_each(|input| input.completed(info.batch_time, report.as_ref()));
    }

    /// Names the exact input of the batch, and makes it durable before any task runs.
    fn plan(&self, time: BatchTime, job: &Arc<Job>) -> Result<Vec<InputInfo>> {
        let inputs = self.graph.inputs();
        let offer = || {
            let stop = self.control.read(|control| control.stop.is_some());
            let offers =
                inputs.iter().map(|input| input.offer(time).map_err(|error| no_plan(&**input, time, error)));
            Ok(Offers { inputs: offers.collect::<Result<_>>()?, stop })
        };
        let offers = job.all_gather(self.site, offer)?;
        if self.engine.me() == 0 && offers.iter().any(|offers| offers.stop) {
            // Another member was asked to stop; member 0's clock has to know.
            self.control.change(|control| control.ask_stop(Stop::Gracefully));
        }
        let offers: Vec<Vec<Vec<u8>>> = offers.into_iter().map(|offers| offers.inputs).collect();
        let (mut planned, mut infos) = (Vec::new(), Vec::new());
        for (stream_id, input) in inputs.iter().enumerate() {
            let of_input: Vec<&[u8]> = offers
                .iter()
                .map(|of_member| of_member.get(stream_id).map_or(&[][..], Vec::as_slice))
                .collect();
            let settled = input.settle(time, &of_input).map_err(|error| no_plan(&**input, time, error))?;
            let Settled { records, description, replayable } = settled;
            planned.push(PlannedInput { records, replayable });
            infos.push(InputInfo {
                stream_id,
                name: input.name(),
                records,
                handed_on: 0,
                rejected: 0,
                lost: 0,
                not_read: records,
                description,
                rate_limit: input.rate_limit(),
            });
        }
        self.write_down(job, &Entry::Planned { batch: time, offers, inputs: planned }, &[])?;
        inputs.iter().for_each(|input| input.planned(time));
        Ok(infos)
    }

    /// Member 0 writes; all go on once it is durable.
    fn write_down(&self, job: &Arc<Job>, entry: &Entry, deltas: &[KeeperDeltas]) -> Result<()> {
        let write = || if self.engine.me() == 0 { self.ledger.append(entry, deltas) } else { Ok(()) };
        job.all_gather(self.site, write).map(drop)
    }

    /// Makes the Rdds of all outputs, in order: what `transform` draws is drawn before anything runs.
    fn generate(
        &self,
        time: BatchTime,
        job: &Arc<Job>,
        outputs: &[Arc<OutputOperation>],
    ) -> Result<Vec<Running>> {
        let mut all = Vec::new();
        for (id, output) in outputs.iter().enumerate() {
            let uid = output.uid(id);
            let job = job.for_output(OutputScope::new(&self.job, &uid));
            let info = OutputOperationInfo {
                batch_time: time,
                id,
                name: output.site.operator().into(),
                site: output.site.location(),
                start_time: None,
                end_time: None,
                failure_reason: None,
            };
            let work = guarded(|| output.generate(time, &job))
                .map_err(|error| failed_output(output.site, time, error))?;
            let Some(work) = work else { continue };
            all.push(Running { info, job, site: output.site, work: Some(work) });
        }
        Ok(all)
    }

    /// What operators remember of the batch is computed before its outputs, which read it.
    fn run_keepers(&self, time: BatchTime, job: &Arc<Job>) -> Result<()> {
        self.graph.keepers().iter().try_for_each(|kept| guarded(|| kept.keeper.run(time, job)).map(drop))
    }

    /// Runs the outputs in order, or up to `concurrent_jobs` side by side. The first failure, in order, is the batch's;
    /// outputs behind one that failed do not begin.
    fn run_outputs(
        &self,
        running: Vec<Running>,
        mut failure: Option<Error>,
    ) -> (Vec<OutputOperationInfo>, Vec<(String, Saved)>, Option<Error>) {
        let lanes = if self.engine.members() == 1 { self.concurrent_jobs.max(1) } else { 1 };
        let mut infos = Vec::new();
        let mut saved = Vec::new();
        let mut running = running.into_iter();
        while failure.is_none() {
            let group: Vec<Running> = running.by_ref().take(lanes).collect();
            if group.is_empty() {
                break;
            }
            for (done, result) in self.run_group(group) {
                if let Some(scope) = &done.job.output {
                    let uid = scope.uid.clone();
                    let named = |saved| (uid.clone(), named_publish(saved, done.site, done.info.batch_time));
                    saved.extend(scope.take_saved().into_iter().map(named));
                }
                infos.push(done.info);
                failure = failure.or(result.err());
            }
        }
        (infos, saved, failure)
    }

    fn run_group(&self, group: Vec<Running>) -> Vec<(Running, Result<()>)> {
        if group.len() == 1 {
            return group.into_iter().map(|one| self.output_runner().run(one)).collect();
        }
        let count = group.len();
        let done = Arc::new(Monitor::new(&self.engine.runtime, Vec::new()));
        for (index, one) in group.into_iter().enumerate() {
            let (done, runner) = (Arc::clone(&done), self.output_runner());
            let run = move || {
                let ended = runner.run(one);
                done.change(|all: &mut Vec<_>| all.push((index, ended)));
            };
            spawn_own(&self.engine.runtime, &format!("output-{index}"), run);
        }
        let mut all = done.wait(|all| (all.len() == count).then(|| std::mem::take(all)));
        all.sort_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, ended)| ended).collect()
    }

    fn output_runner(&self) -> OutputRunner {
        OutputRunner { events: Arc::clone(&self.events), runtime: Arc::clone(&self.engine.runtime) }
    }

    /// Makes the batch durable, shows what it wrote, tells the sources, and forgets what no batch asks for any more.
    fn commit(
        &self,
        time: BatchTime,
        job: &Arc<Job>,
        failed: Option<String>,
        saved: &[(String, Saved)],
    ) -> Result<()> {
        let outputs = saved.iter().map(|(uid, saved)| SavedOutput {
            uid: uid.clone(),
            ordinal: saved.ordinal,
            receipts: saved.receipts.clone(),
        });
        let skipped = failed.is_some();
        let outputs = outputs.collect();
        let (deltas, inline) = self.deltas(time, job, skipped)?;
        self.write_down(job, &Entry::Committed { batch: time, failed, outputs, deltas }, &inline)?;
        drop(inline);
        for kept in self.graph.keepers() {
            if skipped {
                kept.keeper.abandon(time);
            } else {
                kept.keeper.commit(time)?;
            }
        }
        if !saved.is_empty() {
            let publish = || {
                if self.engine.me() == 0 {
                    saved.iter().try_for_each(|(_, saved)| (saved.publish)())?;
                    self.ledger.append(&Entry::Published { batch: time }, &[])?;
                }
                Ok(())
            };
            job.all_gather(self.site, publish)?;
        }
        self.graph.inputs().iter().for_each(|input| input.committed(time));
        self.graph.forget(time);
        self.next_bases(time)
    }
}

/// When something began by the job's clock, and how long it took, whatever that clock was set to meanwhile.
struct Stopwatch {
    started: Duration,
    uptime: Duration,
}

impl Stopwatch {
    fn start(runtime: &Arc<dyn Runtime>) -> Self {
        Self { started: runtime.now(), uptime: runtime.uptime() }
    }

    fn stop(&self, runtime: &Arc<dyn Runtime>) -> Duration {
        self.started + runtime.uptime().saturating_sub(self.uptime)
    }
}

/// What a thread needs to run an output operation.
struct OutputRunner {
    events: Arc<EventBus>,
    runtime: Arc<dyn Runtime>,
}

impl OutputRunner {
    fn run(&self, mut one: Running) -> (Running, Result<()>) {
        let watch = Stopwatch::start(&self.runtime);
        one.info.start_time = Some(watch.started);
        self.events.post(Event::OutputOperationStarted(one.info.clone()));
        let result = match one.work.take() {
            Some(work) => guarded(work),
            None => Ok(()),
        };
        one.info.end_time = Some(watch.stop(&self.runtime));
        let result = result.map_err(|error| failed_output(one.site, one.info.batch_time, error));
        one.info.failure_reason = result.as_ref().err().map(Error::chain);
        self.events.post(Event::OutputOperationCompleted(one.info.clone()));
        (one, result)
    }
}

fn no_plan(input: &dyn Input, batch: BatchTime, error: Error) -> Error {
    let retry = error.retry();
    let what = format!("input `{}` could not be planned for the batch of {batch}", input.name());
    Error::Other { what, retry, source: Some(error.into()) }
}

/// What an output shows, with errors that name it: by then the thread that ran it is gone.
pub(super) fn named_publish(saved: Saved, site: Site, batch: BatchTime) -> Saved {
    let publish = saved.publish;
    let publish = Box::new(move || guarded(&publish).map_err(|error| failed_output(site, batch, error)));
    Saved { publish, ..saved }
}

pub(super) fn failed_output(site: Site, batch: BatchTime, error: Error) -> Error {
    Error::Output { output: site.operator().into(), site: site.location(), batch, source: error.into() }
}

/// Runs user code on the driver's thread: a panic in it is an error of the batch.
pub(super) fn guarded<R>(body: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic))))
}
