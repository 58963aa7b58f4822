//! The input behind a [`Receiver`].

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::rates::InputRate;
use super::{Input, InputOf, Settled, Started};
use crate::backpressure::BatchReport;
use crate::data::{Chunk, Chunks, Wire};
use crate::metrics::{Event, EventBus};
use crate::rdd::{Counted, Job, Node, Part, Rdd, Reader, Reads};
use crate::runtime::{Site, TaskContext};
use crate::source::{Gate, GateControl, Limiter, Receiver, Sealed, Supervisor, Watch, supervise};
use crate::words::{BatchTime, Error, Rate, Result};

/// The input behind a receiver: blocks of the gate, one partition each.
pub(crate) struct ReceiverSource<R: Receiver> {
    // Taken when it starts; gone where it never will, so that nobody waits for what it would have taken.
    receiver: Mutex<Option<Arc<R>>>,
    name: String,
    site: Site,
    // The member that runs it; all others only hear of its blocks.
    number: usize,
    control: OnceLock<GateControl<R::Record, R::Position>>,
    rate: OnceLock<(InputRate, Arc<Limiter>)>,
    running: Arc<AtomicBool>,
    events: OnceLock<Arc<EventBus>>,
    batches: Mutex<Vec<Batch<R::Record>>>,
}

/// The blocks of one batch.
struct Batch<T> {
    time: BatchTime,
    // Number and records of every block, on all members; set when the batch is settled.
    blocks: Vec<(u32, u64)>,
    // This member's blocks.
    mine: Vec<Arc<Sealed<T>>>,
    // What is read of them; made with the Rdd.
    reads: Option<Arc<Reads>>,
    at_gate: Arc<Reads>,
}

/// What a member says of its blocks.
#[derive(Clone, Serialize, Deserialize)]
struct Offer {
    records: Vec<u64>,
    // Those that the receiver itself rejected.
    rejected: u64,
}

impl<R: Receiver> ReceiverSource<R> {
    /// The input of `receiver`, the stream of which was drawn at `site`.
    pub(crate) fn new(site: Site, number: usize, receiver: R) -> Self {
        Self {
            name: receiver.name(),
            site,
            receiver: Mutex::new(Some(Arc::new(receiver))),
            number,
            control: OnceLock::new(),
            rate: OnceLock::new(),
            running: Arc::default(),
            events: OnceLock::new(),
            batches: Mutex::default(),
        }
    }

    fn batch<A>(&self, time: BatchTime, look: impl FnOnce(&mut Batch<R::Record>) -> A) -> Option<A> {
        self.batches.lock().iter_mut().find(|batch| batch.time == time).map(look)
    }

    fn reads(&self, time: BatchTime, blocks: usize, job: &Job) -> Arc<Reads> {
        let reader = Reader::Input { stream_id: self.number, name: self.name.clone() };
        Reads::new(reader, Some(time), blocks, job.engine.letters_room())
    }
}

impl<R: Receiver> Input for ReceiverSource<R> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn receiver(&self) -> Option<(usize, Option<String>)> {
        let receiver = self.receiver.lock().clone();
        receiver.map(|receiver| (self.number, receiver.preferred_host()))
    }

    fn start(&self, with: &Started) -> Result<()> {
        let engine = &with.engine;
        let receiver = self.receiver.lock().take();
        let _ = self.events.set(Arc::clone(&with.events));
        if with.placed.get(&self.number) != Some(&engine.me()) {
            return Ok(());
        }
        let limiter = Arc::new(Limiter::new(&engine.runtime, with.rates.interval, with.block_max.age));
        let rate = with.rates.of_input(with.rates.max);
        limiter.set(rate.within(with.rates.initial));
        let memory = (&engine.budget, &engine.spill);
        let (gate, control) = Gate::new(&engine.runtime, memory, &limiter, with.block_max);
        let _ = self.rate.set((rate, limiter));
        control.keep_letters(engine.letters_room());
        let named = (self.number, self.name.clone());
        let watch = Watch::new(&engine.runtime, &with.events, &with.receiver_done, named, engine.me());
        let supervisor =
            Supervisor { runtime: Arc::clone(&engine.runtime), watch, first_pause: with.restart_delay };
        let (Some(receiver), Ok(())) = (receiver, self.control.set(control)) else {
            return Err(Error::new("a receiver was started twice; please report this"));
        };
        self.running.store(true, Ordering::Release);
        let running = Arc::clone(&self.running);
        let done = Arc::clone(&with.receiver_done);
        let future = async move {
            supervise(supervisor, receiver, gate).await;
            running.store(false, Ordering::Release);
            done();
        };
        engine.runtime.spawn_io(&self.name, Box::pin(future));
        Ok(())
    }

    fn cut(&self, batch: BatchTime) {
        if let Some(control) = self.control.get() {
            control.cut(batch);
        }
    }

    fn offer(&self, time: BatchTime) -> Result<Vec<u8>> {
        let (blocks, rejects) = self.control.get().map(|control| control.take(time)).unwrap_or_default();
        let rejected = rejects.total().map_or(0, |(count, _)| count);
        let records = self.control.get().map_or(0, GateControl::take_repeated);
        if records > 0
            && let Some(events) = self.events.get()
        {
            let (stream_id, input) = (self.number, self.name.clone());
            events.post(Event::RecordsRepeated { batch: time, stream_id, input, records });
        }
        let mut bytes = Vec::new();
        Offer { records: blocks.iter().map(|block| block.records).collect(), rejected }.encode(&mut bytes)?;
        let mine = blocks.into_iter().map(Arc::new).collect();
        let reader = Reader::Receiver { stream_id: self.number, name: self.name.clone() };
        let at_gate = Reads::new(reader, Some(time), 1, None);
        at_gate.put(0, rejects);
        let batch = Batch { time, blocks: Vec::new(), mine, reads: None, at_gate };
        self.batches.lock().push(batch);
        Ok(bytes)
    }

    fn settle(&self, time: BatchTime, offers: &[&[u8]]) -> Result<Settled> {
        let (mut blocks, mut rejected) = (Vec::new(), 0);
        for (member, offer) in (0u32..).zip(offers) {
            let offer = Offer::decode(&mut &**offer)?;
            rejected += offer.rejected;
            blocks.extend(offer.records.into_iter().map(|records| (member, records)));
        }
        let settled = Settled {
            records: rejected + blocks.iter().map(|(_, records)| records).sum::<u64>(),
            description: format!("{} blocks", blocks.len()),
            replayable: false,
        };
        self.batch(time, |batch| batch.blocks = blocks);
        Ok(settled)
    }

    fn completed(&self, batch: BatchTime, report: Option<&BatchReport>) {
        let Some((rate, limiter)) = self.rate.get() else { return };
        let times = report.map(|report| (report.scheduling_delay, report.processing)).unwrap_or_default();
        let (records, held_back) = limiter.completed(batch, times.0, times.1);
        if let Some(rate) = rate.estimate(report, records, held_back) {
            limiter.set(Some(rate));
        }
    }

    fn rate_limit(&self) -> Option<Rate> {
        self.rate.get()?.1.rate()
    }

    fn committed(&self, batch: BatchTime) {
        if let Some(control) = self.control.get() {
            control.committed(batch);
        }
    }

    fn forget(&self, batch: BatchTime) {
        self.batches.lock().retain(|kept| kept.time > batch);
    }

    fn rejected_at_gate(&self, time: BatchTime) -> Option<Arc<Reads>> {
        self.batch(time, |batch| Arc::clone(&batch.at_gate))
    }

    fn stop(&self) {
        drop(self.receiver.lock().take());
        if let Some(control) = self.control.get() {
            control.stop();
        }
    }

    fn is_reading(&self) -> bool {
        self.is_running() && !self.control.get().is_some_and(GateControl::is_finished)
    }

    fn close(&self) {
        if let Some(control) = self.control.get() {
            control.close();
        }
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    fn has_pending(&self) -> bool {
        self.control.get().is_some_and(GateControl::has_pending)
    }
}

impl<R: Receiver> InputOf<R::Record> for ReceiverSource<R> {
    fn rdd(&self, time: BatchTime, job: &Arc<Job>) -> Option<Rdd<R::Record>> {
        let site = self.site;
        let node = self.batch(time, |batch| Blocks {
            site,
            owners: batch.blocks.iter().map(|(member, _)| *member).collect(),
            mine: batch.mine.clone(),
            reads: Arc::clone(batch.reads.get_or_insert_with(|| self.reads(time, batch.blocks.len(), job))),
        });
        // A batch that was forgotten, or whose blocks died with another process, is empty.
        let empty = || {
            let reads = self.reads(time, 0, job);
            Blocks { site, owners: Vec::new(), mine: Vec::new(), reads }
        };
        Some(Rdd::new(node.unwrap_or_else(empty), job))
    }
}

/// Blocks of one batch: one partition each, on the member that received them.
struct Blocks<T> {
    site: Site,
    owners: Vec<u32>,
    mine: Vec<Arc<Sealed<T>>>,
    reads: Arc<Reads>,
}

impl<T: Wire> Node<T> for Blocks<T> {
    fn partitions(&self) -> usize {
        self.owners.len()
    }

    fn owner(&self, partition: usize, _members: u32) -> u32 {
        self.owners[partition]
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        job.note_reads(&self.reads);
        Ok(())
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<T>> {
        // A member's blocks stand together: the first of them has the number of all blocks of the members before it.
        let first = self.owners.iter().position(|owner| *owner == self.owners[partition]).unwrap_or(0);
        let block = Arc::clone(&self.mine[partition - first]);
        let reading = self.reads.read(partition);
        let records = block.open(reading.rejects(), task);
        let part = Box::new(BlockChunks { records, site: self.site, task: task.clone() });
        Ok(Box::new(Counted { part, reading }))
    }
}

/// The records of a block. What cannot be decoded is the stream's failure, and not the operator's that asks for it.
struct BlockChunks<T> {
    records: Part<T>,
    site: Site,
    task: TaskContext,
}

impl<T> Chunks<T> for BlockChunks<T> {
    fn next(&mut self) -> Result<Option<Chunk<'_, T>>> {
        self.task.at(self.site);
        self.records.next()
    }

    fn count_rest(&mut self) -> Result<u64> {
        self.task.at(self.site);
        self.records.count_rest()
    }
}
