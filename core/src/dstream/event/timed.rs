//! Records with their event times, and how far the times of a batch have come.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::data::{Chunk, Chunks, Data, Wire};
use crate::rdd::{Function, Node, Operator, Part, Pull};
use crate::window::event::LaneTime;
use crate::window::{EventTime, WatermarkSpec};
use crate::words::{BatchTime, Result};

/// A record and when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timed<T> {
    pub(crate) time: EventTime,
    pub(crate) record: T,
}

impl<T> Timed<T> {
    /// Another record of the same time.
    pub(super) fn with<U>(self, f: impl FnOnce(T) -> U) -> Timed<U> {
        Timed { time: self.time, record: f(self.record) }
    }
}

// By hand, as a record may be: serde need not know of it.
impl<T: Wire> Wire for Timed<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.time.encode(out)?;
        self.record.encode(out)
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self> {
        Ok(Self { time: EventTime::decode(bytes)?, record: T::decode(bytes)? })
    }
}

/// The greatest event times of one batch, by partition: noted by whoever reads a partition to its end, each time the same.
pub(super) struct Seen {
    pub(super) batch: BatchTime,
    partitions: Mutex<Vec<Option<LaneTime>>>,
}

impl Seen {
    pub(super) fn new(batch: BatchTime, partitions: usize) -> Arc<Self> {
        Arc::new(Self { batch, partitions: Mutex::new(vec![None; partitions]) })
    }

    /// A partition was read to its end.
    pub(super) fn note(&self, partition: usize, seen: Option<LaneTime>) {
        if let Some(slot) = self.partitions.lock().get_mut(partition) {
            *slot = seen;
        }
    }

    /// What was seen on this member.
    pub(super) fn lanes(&self) -> Vec<LaneTime> {
        self.partitions.lock().iter().flatten().copied().collect()
    }
}

/// Finds the time of each record.
pub(super) struct TimeOf<T, F> {
    pub(super) f: Arc<F>,
    pub(super) spec: WatermarkSpec,
    pub(super) seen: Arc<Seen>,
    pub(super) up: Arc<dyn Node<T>>,
}

impl<T: Data, F: Fn(&T) -> EventTime + Function> Operator<T, Timed<T>> for TimeOf<T, F> {
    fn open(&self, up: Pull<T>, partition: usize) -> Part<Timed<T>> {
        let (f, seen) = (Arc::clone(&self.f), Arc::clone(&self.seen));
        let lane = self.up.lane(partition);
        Box::new(Timing { up, f, spec: self.spec, seen, partition, lane, greatest: None, out: Vec::new() })
    }
}

struct Timing<T, F> {
    up: Pull<T>,
    f: Arc<F>,
    spec: WatermarkSpec,
    seen: Arc<Seen>,
    partition: usize,
    lane: u64,
    greatest: Option<EventTime>,
    out: Vec<Timed<T>>,
}

impl<T: Data, F: Fn(&T) -> EventTime> Chunks<Timed<T>> for Timing<T, F> {
    fn next(&mut self) -> Result<Option<Chunk<'_, Timed<T>>>> {
        self.out.clear();
        let Some(chunk) = self.up.next()? else {
            let greatest = self.greatest.map(|greatest| LaneTime { lane: self.lane, greatest });
            self.seen.note(self.partition, greatest);
            return Ok(None);
        };
        let timed = |record: T| Timed { time: (self.f)(&record), record };
        match chunk {
            Chunk::Own(records) => self.out.extend(records.drain(..).map(timed)),
            Chunk::Ref(records) => self.out.extend(records.iter().cloned().map(timed)),
        }
        let in_time = self
            .out
            .iter()
            .map(|timed| timed.time)
            .filter(|time| !self.spec.is_ahead(*time, self.seen.batch));
        self.greatest = self.greatest.max(in_time.max());
        Ok(Some(Chunk::Own(&mut self.out)))
    }
}
