//! Who computes: the engine of a context, and the job of one batch.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::node::Node;
use super::output::OutputScope;
use super::rejects::Reads;
use super::wire::{Many, Pair};
use crate::data::Wire;
use crate::memory::{Budget, Room, Spill};
use crate::runtime::{Monitor, Runtime, Site, TaskContext, in_task, run_in_task};
use crate::transport::{Block, Collective, Inbox, Member, Outbox, Transport};
use crate::words::{BatchTime, Epoch, Error, Result, Retry, panic_text};

/// What all jobs of a context share: the runtime that runs tasks, the transport that joins the members, the memory, and
/// what the settings say of tasks.
///
/// Every Rdd holds its [`Job`], and so its engine: an Rdd that outlives its batch can still be computed.
pub(crate) struct Engine {
    /// Threads, time and I/O.
    pub(crate) runtime: Arc<dyn Runtime>,
    /// The way to the other members.
    pub(crate) transport: Arc<dyn Transport>,
    /// The memory for received blocks and kept partitions.
    pub(crate) budget: Budget,
    /// Where what does not fit into it goes.
    pub(crate) spill: Arc<Spill>,
    /// Partitions of a shuffle where the user names no number; part of every plan, whatever the cores are now.
    parallelism: AtomicUsize,
    /// Tries of a task in all.
    pub(crate) max_failures: u32,
    /// Number of the next collective.
    collectives: AtomicU64,
    /// Whether rejected records are put aside for the dead letters.
    letters: AtomicBool,
    /// Shuffles that are being run, so that two outputs of one batch do not run the same one twice.
    preparing: Monitor<Vec<usize>>,
}

impl Engine {
    pub(crate) fn new(
        runtime: Arc<dyn Runtime>,
        transport: Arc<dyn Transport>,
        (budget, spill): (Budget, Arc<Spill>),
        parallelism: usize,
        max_failures: u32,
    ) -> Arc<Self> {
        let preparing = Monitor::new(&runtime, Vec::new());
        Arc::new(Self {
            runtime,
            transport,
            budget,
            spill,
            parallelism: AtomicUsize::new(parallelism),
            max_failures,
            collectives: AtomicU64::new(0),
            letters: AtomicBool::new(false),
            preparing,
        })
    }

    pub(crate) fn me(&self) -> u32 {
        self.transport.me().0
    }

    pub(crate) fn members(&self) -> u32 {
        self.transport.members()
    }

    /// Partitions of a shuffle where the user names no number: the same in each run of a job with a checkpoint.
    pub(crate) fn parallelism(&self) -> usize {
        self.parallelism.load(Ordering::Relaxed)
    }

    /// A checkpoint says how many partitions its job has.
    pub(crate) fn set_parallelism(&self, parallelism: usize) {
        self.parallelism.store(parallelism, Ordering::Relaxed);
    }

    /// From here on rejected records are put aside.
    pub(crate) fn keep_letters(&self) {
        self.letters.store(true, Ordering::Relaxed);
    }

    /// The memory for what is put aside, and the disk behind it.
    pub(crate) fn room(&self) -> Room {
        Room { budget: self.budget.clone(), spill: Arc::clone(&self.spill) }
    }

    /// Where rejected records are put aside; none where nobody wants them.
    pub(crate) fn letters_room(&self) -> Option<Room> {
        self.letters.load(Ordering::Relaxed).then(|| self.room())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// One batch's computation: who runs it, for which batch, and whether it is still wanted.
///
/// An action runs its tasks as a stage of the job, and gathers what the members' tasks gave. With several members all of
/// them run the same actions of a job in the same order: that is what joins their collectives.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) engine: Arc<Engine>,
    /// The batch; outside of batches that of time 0.
    pub(crate) batch: BatchTime,
    /// The run of the job that computes; a later run's writers win.
    pub(crate) epoch: Epoch,
    /// Set once nobody wants the result any more.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// The output operation that runs; none outside of one.
    pub(crate) output: Option<OutputScope>,
    /// Who may read records in this batch; shared by its outputs.
    reads: Arc<Mutex<Vec<Arc<Reads>>>>,
}

impl Job {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        batch: BatchTime,
        epoch: Epoch,
        cancelled: Arc<AtomicBool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(engine),
            batch,
            epoch,
            cancelled,
            output: None,
            reads: Arc::default(),
        })
    }

    /// The same batch, for one of its output operations.
    pub(crate) fn for_output(&self, output: OutputScope) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(&self.engine),
            batch: self.batch,
            epoch: self.epoch,
            cancelled: Arc::clone(&self.cancelled),
            output: Some(output),
            reads: Arc::clone(&self.reads),
        })
    }

    /// Somebody prepares to read, in any of the batch's outputs.
    pub(crate) fn note_reads(&self, reads: &Arc<Reads>) {
        let mut all = self.reads.lock();
        if !all.iter().any(|noted| Arc::ptr_eq(noted, reads)) {
            all.push(Arc::clone(reads));
        }
    }

    /// Who has prepared to read, the first first.
    pub(crate) fn reads(&self) -> Vec<Arc<Reads>> {
        self.reads.lock().clone()
    }

    /// Asked by every action before anything else: one that is called inside a task would wait for itself.
    pub(crate) fn outside_tasks(action: &'static str) -> Result<()> {
        if in_task() { Err(Error::InsideTask { action }) } else { Ok(()) }
    }

    /// The partitions of `node` that this member computes.
    pub(crate) fn mine<T>(&self, node: &dyn Node<T>) -> Vec<usize> {
        let (me, members) = (self.engine.me(), self.engine.members());
        (0..node.partitions()).filter(|partition| node.owner(*partition, members) == me).collect()
    }

    /// Runs one task for each of `partitions`, of `of` in all; results in the order of `partitions`.
    ///
    /// Each task has up to `max_failures` tries. The error of the lowest partition is the stage's; the others are
    /// cancelled.
    pub(crate) fn stage<R: Send>(
        &self,
        site: Site,
        partitions: &[usize],
        of: usize,
        task: impl Fn(usize, &TaskContext) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let failed = Arc::new(AtomicBool::new(false));
        let results: Vec<Mutex<Option<Result<R>>>> = partitions.iter().map(|_| Mutex::new(None)).collect();
        let run = |index: usize| {
            let mut body = || {
                let partition = partitions[index];
                let result = self.tries(site, (partition, of), &failed, &task);
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                *results[index].lock() = Some(result);
            };
            self.engine.runtime.around_task(&mut body);
        };
        self.engine.runtime.run_tasks(partitions.len(), &run);
        let mut all = Vec::with_capacity(results.len());
        let mut cancelled = None;
        for result in results {
            match result.into_inner() {
                Some(Ok(value)) => all.push(value),
                // Another task's failure is why, and says more.
                Some(Err(error @ Error::Cancelled)) => cancelled = Some(error),
                Some(Err(error)) => return Err(error),
                None => cancelled = Some(Error::Cancelled),
            }
        }
        cancelled.map_or(Ok(all), Err)
    }

    /// As [`stage`](Self::stage), and with several members all learn whether it failed on one: for a stage that no
    /// collective of its own follows.
    pub(crate) fn stage_told<R: Send>(
        &self,
        site: Site,
        partitions: &[usize],
        of: usize,
        task: impl Fn(usize, &TaskContext) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        if self.engine.members() == 1 {
            return self.stage(site, partitions, of, task);
        }
        self.collective(site, Arc::new(Letters::default()), |_| self.stage(site, partitions, of, task))
    }

    fn tries<R>(
        &self,
        site: Site,
        (partition, of): (usize, usize),
        failed: &Arc<AtomicBool>,
        task: impl Fn(usize, &TaskContext) -> Result<R>,
    ) -> Result<R> {
        let mut first = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let cancelled = [Arc::clone(&self.cancelled), Arc::clone(failed)];
            let engine = &self.engine;
            let batch = (self.batch, self.epoch);
            let context = TaskContext::new(&engine.runtime, batch, (partition, of), attempt, cancelled, site);
            let result = run_in_task(|| {
                catch_unwind(AssertUnwindSafe(|| task(partition, &context)))
                    .unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic))))
            });
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error @ (Error::Cancelled | Error::Stopping | Error::Task { .. })) => return Err(error),
                Err(error) => error,
            };
            metrics::counter!("tidemill_task_failures_total").increment(1);
            let site = context.site();
            tracing::warn!(%site, batch = %self.batch, partition, attempt, error = %error.chain(), "task failed");
            let hopeless = error.retry() == Retry::Never;
            // The first failure is the cause; a lock that it poisoned makes the others say something else.
            let (site, error) = first.get_or_insert((site, error));
            if hopeless || attempt >= engine.max_failures {
                let source = std::mem::replace(error, Error::Cancelled);
                return Err(Error::Task {
                    operator: site.operator(),
                    site: site.location(),
                    batch: self.batch,
                    partition: partition as u32,
                    partitions: of as u32,
                    attempt,
                    source: source.into(),
                });
            }
        }
    }

    /// Enters a collective, does this member's part, and waits for all. An error of any member is everybody's.
    pub(crate) fn collective<R>(
        &self,
        site: Site,
        inbox: Arc<dyn Inbox>,
        mine: impl FnOnce(&dyn Outbox) -> Result<R>,
    ) -> Result<R> {
        let number = self.engine.collectives.fetch_add(1, Ordering::Relaxed);
        let what = Collective { number, site: site.to_string() };
        let outbox = self.engine.transport.begin(what, inbox)?;
        let result = mine(&*outbox);
        let told = match &result {
            Ok(_) => Ok(()),
            Err(error) => Err(error.chain()),
        };
        let finished = outbox.finish(told);
        // Our own error says more than what the others were told of it.
        let value = result?;
        finished.map(|()| value)
    }

    /// The values of all members, by member: the same on each.
    pub(crate) fn all_gather<R: Wire>(&self, site: Site, mine: impl FnOnce() -> Result<R>) -> Result<Vec<R>> {
        let members = self.engine.members();
        if members == 1 {
            return mine().map(|value| vec![value]);
        }
        let inbox = Arc::new(Letters::default());
        self.collective(site, Arc::clone(&inbox) as Arc<dyn Inbox>, |outbox| {
            let mut bytes = Vec::new();
            mine()?.encode(&mut bytes)?;
            let (me, bytes): (u32, Arc<[u8]>) = (self.engine.me(), bytes.into());
            (0..members).try_for_each(|to| {
                let block =
                    Block { from_partition: me, to_partition: to, records: 1, bytes: Arc::clone(&bytes) };
                outbox.send(Member(to), block)
            })
        })?;
        let mut letters = std::mem::take(&mut *inbox.0.lock());
        letters.sort_by_key(|block| block.from_partition);
        letters.iter().map(|block| R::decode(&mut &*block.bytes)).collect()
    }

    /// Runs one task for each partition that this member owns, and gathers the results of all members in the order of
    /// partitions. `node` has been prepared.
    pub(crate) fn gather<T, R: Wire>(
        &self,
        site: Site,
        node: &dyn Node<T>,
        partitions: &[usize],
        task: impl Fn(usize, &TaskContext) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let (me, members) = (self.engine.me(), self.engine.members());
        let of = node.partitions();
        if members == 1 {
            return self.stage(site, partitions, of, task);
        }
        let mine: Vec<usize> = partitions.iter().copied().filter(|p| node.owner(*p, members) == me).collect();
        let gathered = self.all_gather(site, || {
            let results = self.stage(site, &mine, of, task)?;
            Ok(Many(mine.iter().map(|p| *p as u64).zip(results).map(|(p, result)| Pair(p, result)).collect()))
        })?;
        let mut all: Vec<Pair<u64, R>> = gathered.into_iter().flat_map(|Many(of_member)| of_member).collect();
        all.sort_by_key(|Pair(partition, _)| *partition);
        Ok(all.into_iter().map(|Pair(_, result)| result).collect())
    }

    /// Runs `shuffle` unless it is done, or another output of this batch is at it: then waits for that one.
    pub(crate) fn prepare_once(
        &self,
        identity: usize,
        done: impl Fn() -> bool,
        shuffle: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if done() {
            return Ok(());
        }
        let preparing = &self.engine.preparing;
        preparing.wait(|preparing| (!preparing.contains(&identity)).then(|| preparing.push(identity)));
        let _leave = Leave(preparing, identity);
        if done() { Ok(()) } else { shuffle() }
    }
}

/// Blocks of a collective, kept as they came.
#[derive(Default)]
pub(crate) struct Letters(pub(crate) Mutex<Vec<Block>>);

impl Inbox for Letters {
    fn take(&self, _from: Member, block: Block) -> Result<()> {
        self.0.lock().push(block);
        Ok(())
    }
}

/// Takes a shuffle off the list of those that are being run, and so wakes who waits for it.
struct Leave<'a>(&'a Monitor<Vec<usize>>, usize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.change(|preparing| preparing.retain(|other| *other != self.1));
    }
}
