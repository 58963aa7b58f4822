//! The input behind a [`DirectInput`].

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Input, InputOf, Settled, Started};
use crate::data::Data;
use crate::rdd::{Job, Node, Part, Rdd, decode_all, encode_all};
use crate::runtime::TaskContext;
use crate::source::{Ask, DirectInput};
use crate::words::{BatchTime, Result};

/// How long an input may take to name its ranges.
const PLAN_WITHIN: Duration = Duration::from_secs(10);

/// The input behind a direct input: ranges, one partition each.
pub(crate) struct DirectSource<D: DirectInput> {
    input: Arc<D>,
    state: Mutex<State<D>>,
    me: std::sync::OnceLock<u32>,
}

struct State<D: DirectInput> {
    position: D::Position,
    batches: Vec<(BatchTime, Arc<Vec<D::Range>>)>,
}

impl<D: DirectInput> DirectSource<D> {
    pub(crate) fn new(input: D) -> Self {
        let state = State { position: D::Position::default(), batches: Vec::new() };
        Self { input: Arc::new(input), state: Mutex::new(state), me: std::sync::OnceLock::new() }
    }

    fn ranges(&self, batch: BatchTime) -> Option<Arc<Vec<D::Range>>> {
        let state = self.state.lock();
        state.batches.iter().find(|(time, _)| *time == batch).map(|(_, ranges)| Arc::clone(ranges))
    }
}

impl<D: DirectInput> Input for DirectSource<D> {
    fn name(&self) -> String {
        self.input.name()
    }

    fn start(&self, with: &Started) -> Result<()> {
        let _ = self.me.set(with.engine.me());
        Ok(())
    }

    fn offer(&self, batch: BatchTime) -> Result<Vec<u8>> {
        // Member 0 alone asks: two answers could differ.
        if self.me.get() != Some(&0) {
            return Ok(Vec::new());
        }
        let position = self.state.lock().position.clone();
        let ask = Ask { batch, records_max: None, within: PLAN_WITHIN };
        encode_all(&self.input.plan(&position, &ask)?)
    }

    fn settle(&self, batch: BatchTime, offers: &[&[u8]]) -> Result<Settled> {
        let mut ranges: Vec<D::Range> = Vec::new();
        decode_all(offers.first().copied().unwrap_or_default(), |range| {
            ranges.push(range);
            Ok(())
        })?;
        let settled = Settled {
            records: ranges.iter().filter_map(|range| self.input.records(range)).sum(),
            description: ranges.iter().map(|range| format!("{range:?}")).collect::<Vec<_>>().join("\n"),
            replayable: true,
        };
        let mut state = self.state.lock();
        ranges.iter().for_each(|range| D::advance(&mut state.position, range));
        state.batches.push((batch, Arc::new(ranges)));
        Ok(settled)
    }

    fn planned(&self, batch: BatchTime) {
        for range in self.ranges(batch).iter().flat_map(|ranges| ranges.iter()) {
            self.input.prefetch(range);
        }
    }

    fn committed(&self, _batch: BatchTime) {
        let position = self.state.lock().position.clone();
        if let Err(error) = self.input.committed(&position) {
            tracing::warn!(input = self.input.name(), error = %error.chain(), "the input did not take the commit");
        }
    }

    fn forget(&self, batch: BatchTime) {
        self.state.lock().batches.retain(|(time, _)| *time > batch);
    }
}

impl<D: DirectInput> InputOf<D::Record> for DirectSource<D> {
    fn rdd(&self, batch: BatchTime, job: &Arc<Job>) -> Option<Rdd<D::Record>> {
        let ranges = self.ranges(batch).unwrap_or_default();
        Some(Rdd::new(Ranges { input: Arc::clone(&self.input), ranges }, job))
    }
}

struct Ranges<D: DirectInput> {
    input: Arc<D>,
    ranges: Arc<Vec<D::Range>>,
}

impl<D: DirectInput> Node<D::Record> for Ranges<D>
where
    D::Record: Data,
{
    fn partitions(&self) -> usize {
        self.ranges.len()
    }

    fn owner(&self, partition: usize, members: u32) -> u32 {
        (self.input.home(&self.ranges[partition]) % u64::from(members)) as u32
    }

    fn prepare(&self, _job: &Arc<Job>) -> Result<()> {
        Ok(())
    }

    fn open(&self, partition: usize, task: &TaskContext) -> Result<Part<D::Record>> {
        self.input.read(&self.ranges[partition], task)
    }
}
