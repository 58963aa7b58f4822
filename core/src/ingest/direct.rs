//! The input behind a [`DirectInput`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::rates::InputRate;
use super::{Input, InputOf, Settled, Started};
use crate::backpressure::BatchReport;
use crate::data::Data;
use crate::rdd::{Counted, Job, Node, Part, Rdd, Reader, Reads, decode_all, encode_all};
use crate::runtime::{Site, TaskContext};
use crate::source::{Ask, DirectInput, InputContext};
use crate::words::{BatchTime, Rate, Result};

/// How long an input may take to name its ranges.
const PLAN_WITHIN: Duration = Duration::from_secs(10);

/// The input behind a direct input: ranges, one partition each.
pub(crate) struct DirectSource<D: DirectInput> {
    input: Arc<D>,
    site: Site,
    number: usize,
    state: Mutex<State<D>>,
    me: OnceLock<u32>,
    rate: OnceLock<AskedRate>,
}

/// How many records are asked for. On member 0 only.
struct AskedRate {
    rate: InputRate,
    interval: Duration,
    state: Mutex<Limit>,
}

struct Limit {
    now: Option<Rate>,
    // Batches that are not done: their records, and whether the ranges hold all that was asked for.
    planned: Vec<(BatchTime, u64, bool)>,
    asked: Option<u64>,
    // The last batch was done more than two intervals behind its time: the next one waits for more than one.
    late: bool,
}

impl AskedRate {
    /// The most records for the next batch. One that is late by a whole interval gets half: so the job catches up, and as those
    /// that are late run one behind the other, it computes no less.
    fn ask(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let time = if state.late { self.interval / 2 } else { self.interval };
        state.asked = state.now.map(|rate| rate.records_in(time));
        state.asked
    }

    /// What the ranges of `batch` hold, as far as that is known without reading them.
    fn planned(&self, batch: BatchTime, records: Option<u64>) {
        let mut state = self.state.lock();
        let Some(records) = records else {
            // Nobody can tell what a batch of this input costs: a rate would never move.
            state.now = None;
            return;
        };
        let held_back = state.asked.is_some_and(|asked| records >= asked);
        state.planned.push((batch, records, held_back));
    }

    fn completed(&self, batch: BatchTime, report: Option<&BatchReport>) {
        let done = {
            let mut state = self.state.lock();
            state.late =
                report.is_some_and(|done| done.scheduling_delay + done.processing > self.interval * 2);
            state.planned.extract_if(.., |(planned, ..)| *planned <= batch).last()
        };
        let Some((_, records, held_back)) = done else { return };
        if let Some(rate) = self.rate.estimate(report, records, held_back) {
            self.state.lock().now = Some(rate);
        }
    }
}

struct State<D: DirectInput> {
    position: D::Position,
    batches: Vec<Batch<D::Range>>,
}

/// A batch may have a hundred thousand ranges; so many are named to people.
const NAMED_MAX: usize = 100;

/// The ranges for people, one a line; one that shows nothing has no line.
fn described<R: std::fmt::Debug>(ranges: &[R]) -> String {
    let shown = ranges.iter().take(NAMED_MAX).map(|range| format!("{range:?}"));
    let mut lines: Vec<String> = shown.filter(|line| !line.is_empty()).collect();
    if ranges.len() > NAMED_MAX {
        lines.push(format!("and {} more", ranges.len() - NAMED_MAX));
    }
    lines.join("\n")
}

/// What was planned for one batch.
struct Batch<R> {
    time: BatchTime,
    ranges: Arc<Vec<R>>,
    // What is read of them; made with the Rdd.
    reads: Arc<OnceLock<Arc<Reads>>>,
}

impl<R> Clone for Batch<R> {
    fn clone(&self) -> Self {
        Self { time: self.time, ranges: Arc::clone(&self.ranges), reads: Arc::clone(&self.reads) }
    }
}

impl<D: DirectInput> DirectSource<D> {
    /// The input `input`, the stream of which was drawn at `site`.
    pub(crate) fn new(site: Site, number: usize, input: D) -> Self {
        let state = State { position: D::Position::default(), batches: Vec::new() };
        Self {
            input: Arc::new(input),
            site,
            number,
            state: Mutex::new(state),
            me: OnceLock::new(),
            rate: OnceLock::new(),
        }
    }

    fn batch(&self, time: BatchTime) -> Option<Batch<D::Range>> {
        self.state.lock().batches.iter().find(|batch| batch.time == time).cloned()
    }
}

impl<D: DirectInput> Input for DirectSource<D> {
    fn name(&self) -> String {
        self.input.name()
    }

    fn start(&self, with: &Started) -> Result<()> {
        let me = with.engine.me();
        let _ = self.me.set(me);
        if me == 0 {
            let rate = with.rates.of_input(None);
            let state = Limit { now: with.rates.initial, planned: Vec::new(), asked: None, late: false };
            let state = Mutex::new(state);
            let _ = self.rate.set(AskedRate { rate, interval: with.rates.interval, state });
        }
        let context =
            InputContext::new(&with.engine.runtime, &with.events, self.number, self.input.name(), me);
        self.input.start(&context)
    }

    fn offer(&self, batch: BatchTime) -> Result<Vec<u8>> {
        // Member 0 alone asks: two answers could differ.
        if self.me.get() != Some(&0) {
            return Ok(Vec::new());
        }
        let records_max = self.rate.get().and_then(AskedRate::ask);
        // Under the lock: a position may be large, and nobody else asks for it before the answer.
        let ranges =
            self.input.plan(&self.state.lock().position, &Ask { batch, records_max, within: PLAN_WITHIN })?;
        encode_all(&ranges)
    }

    fn settle(&self, batch: BatchTime, offers: &[&[u8]]) -> Result<Settled> {
        let mut ranges: Vec<D::Range> = Vec::new();
        decode_all(offers.first().copied().unwrap_or_default(), |range| {
            ranges.push(range);
            Ok(())
        })?;
        let records: Vec<Option<u64>> = ranges.iter().map(|range| self.input.records(range)).collect();
        let settled = Settled {
            records: records.iter().flatten().sum(),
            description: described(&ranges),
            replayable: true,
        };
        if let Some(rate) = self.rate.get() {
            rate.planned(batch, records.into_iter().sum());
        }
        let mut state = self.state.lock();
        ranges.iter().for_each(|range| D::advance(&mut state.position, range));
        state.batches.push(Batch { time: batch, ranges: Arc::new(ranges), reads: Arc::default() });
        Ok(settled)
    }

    fn planned(&self, batch: BatchTime) {
        for range in self.batch(batch).iter().flat_map(|batch| batch.ranges.iter()) {
            self.input.prefetch(range);
        }
    }

    fn completed(&self, batch: BatchTime, report: Option<&BatchReport>) {
        if let Some(rate) = self.rate.get() {
            rate.completed(batch, report);
        }
    }

    fn rate_limit(&self) -> Option<Rate> {
        self.rate.get()?.state.lock().now
    }

    fn committed(&self, _batch: BatchTime) {
        if let Err(error) = self.input.committed(&self.state.lock().position) {
            tracing::warn!(input = self.input.name(), error = %error.chain(), "the input did not take the commit");
        }
    }

    fn forget(&self, batch: BatchTime) {
        self.state.lock().batches.retain(|kept| kept.time > batch);
    }
}

impl<D: DirectInput> InputOf<D::Record> for DirectSource<D> {
    fn rdd(&self, batch: BatchTime, job: &Arc<Job>) -> Option<Rdd<D::Record>> {
        let (ranges, reads) = self.batch(batch).map(|batch| (batch.ranges, batch.reads)).unwrap_or_default();
        let new = || {
            let reader = Reader::Input { stream_id: self.number, name: self.input.name() };
            Reads::new(reader, Some(batch), ranges.len(), job.engine.letters_room())
        };
        let reads = Arc::clone(reads.get_or_init(new));
        Some(Rdd::new(
            Ranges { input: Arc::clone(&self.input), site: self.site, planned: ranges, reads },
            job,
        ))
    }
}

struct Ranges<D: DirectInput> {
    input: Arc<D>,
    site: Site,
    planned: Arc<Vec<D::Range>>,
    reads: Arc<Reads>,
}

impl<D: DirectInput> Node<D::Record> for Ranges<D>
where
    D::Record: Data,
{
    fn partitions(&self) -> usize {
        self.planned.len()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        (self.input.home(&self.planned[partition]) % u64::from(members)) as u32
    }

    fn lane(&self, partition: usize) -> u64 {
        self.input.lane(&self.planned[partition])
    }

    fn prepare(&self, job: &Arc<Job>) -> Result<()> {
        job.note_reads(&self.reads);
        Ok(())
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<D::Record>> {
        let reading = self.reads.read(partition);
        // What cannot be read is the stream's failure, and not the operator's that asks for it.
        task.at(self.site);
        let part = self.input.read(&self.planned[partition], reading.rejects(), task)?;
        Ok(Box::new(Counted { part, reading }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_many_ranges_names_the_first_and_counts_the_others() {
        let ranges: Vec<usize> = (0..NAMED_MAX + 2).collect();
        let lines: Vec<String> = described(&ranges).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), NAMED_MAX + 1);
        assert_eq!((lines[0].as_str(), lines[NAMED_MAX].as_str()), ("0", "and 2 more"));
        assert_eq!(described(&[1, 2]), "1\n2");
    }
}
